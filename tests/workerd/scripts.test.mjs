// Tests of serve.mjs and hold.mjs themselves: `npm test` in fixtures/workerd.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync, backup } from "node:sqlite";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const fixtures = fileURLToPath(new URL("../../fixtures/", import.meta.url));
const script = (name) => fileURLToPath(new URL(name, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "dotctl-scripts-"));
after(() => rmSync(scratch, { recursive: true }));

const objects = JSON.parse(readFileSync(join(fixtures, "objects", "objects.json"), "utf8"));
const fixture = (folder) => join(fixtures, "objects", folder, objects.find((object) => object.folder === folder).file);

function serve(...given) {
  const ran = spawnSync(process.execPath, [script("serve.mjs"), ...given], { encoding: "utf8", maxBuffer: 1 << 28 });
  return { status: ran.status, stderr: ran.stderr, text: ran.stdout };
}

/** A database without `-wal`, as SQLite's backup API gives it. */
async function restored(source, name) {
  const copy = join(scratch, `${name}-copy.sqlite`);
  cpSync(source, copy);
  const log = `${source}-wal`;
  if (readdirSync(join(source, "..")).some((file) => log.endsWith(file))) cpSync(log, `${copy}-wal`);
  const target = join(scratch, `${name}.sqlite`);
  const database = new DatabaseSync(copy);
  await backup(database, target);
  database.close();
  return target;
}

for (const folder of ["hot-wal", "clean"]) {
  test(`serve reads the same from objects/${folder} and from its backup`, async () => {
    const original = serve("--database", fixture(folder));
    assert.equal(original.status, 0, original.stderr);
    const copy = serve("--database", await restored(fixture(folder), folder));
    assert.equal(copy.text, original.text);
    const [object] = JSON.parse(original.text).objects;
    assert.equal(object.alarm, Date.UTC(2099, 0, 1, 0, 0, 0, 123));
    assert.deepEqual(object.quick_check, ["ok"]);
    assert.deepEqual(object.searches.notes, { integrity: "ok", found: { durable: ["1", "4"] } });
    const values = JSON.parse(readFileSync(join(fixtures, "objects", "values.json"), "utf8"));
    const stored = values.filter((value) => value.in.includes(folder));
    assert.deepEqual(object.entries.map(({ key }) => key), stored.map(({ key }) => key));
  });
}

test("serve tells a changed value, row and alarm", async () => {
  const original = serve("--database", fixture("clean")).text;
  const changes = [
    "UPDATE _cf_KV SET value = x'ff0f5a10ffffffffffffffff' WHERE key = 'value:bigint:one'",
    "UPDATE numbers SET number = number - 1 WHERE what = 'int64 greatest'",
    "UPDATE texts SET text = CAST(x'61fe62c3' AS TEXT) WHERE what = 'invalid utf-8'",
    "DELETE FROM notes_docsize WHERE id = 1",
    "UPDATE _cf_METADATA SET value = value + 1000000 WHERE key = 1",
  ];
  for (const [at, change] of changes.entries()) {
    const target = await restored(fixture("clean"), `changed-${at}`);
    const database = new DatabaseSync(target, { defensive: false });
    database.exec(change);
    database.close();
    const changed = serve("--database", target);
    assert.equal(changed.status, 0, changed.stderr);
    assert.notEqual(changed.text, original, change);
  }
});

test("serve reads every object of a state folder", () => {
  const served = serve("--state", join(fixtures, "state-folder", "v3"));
  assert.equal(served.status, 0, served.stderr);
  const read = JSON.parse(served.text).objects;
  assert.deepEqual(read.map(({ unique_key }) => unique_key.split("-")[1]).sort(), ["Fixture", "Fixture", "Fixture", "Legacy", "Room", "Room"]);
});

test("serve fails on what is no database", () => {
  const served = serve("--database", join(fixtures, "faults", "database-not-a-database", "text.sqlite"));
  assert.equal(served.status, 1);
  assert.equal(served.text, "");
});

for (const how of ["workerd is killed", "stdin closes", "it is asked to stop"]) {
  test(`hold keeps its invariant and ends when ${how}`, async () => {
    const state = mkdtempSync(join(scratch, "hold-"));
    const child = spawn(process.execPath, [script("hold.mjs"), "--state", state, "--stop-with-stdin"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = new Promise((done) => child.on("exit", (code) => done(code)));
    let ready;
    let commits = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const said = JSON.parse(line);
      ready ??= said;
      commits = said.commits;
      if (commits < ready.commits + 20) continue;
      if (how === "workerd is killed") process.kill(ready.workerd_pid, "SIGKILL");
      else if (how === "stdin closes") child.stdin.end();
      else child.kill("SIGTERM");
      break;
    }
    assert.equal(await ended, 0);
    assert.equal(ready.ready, true);
    assert.throws(() => process.kill(ready.workerd_pid, 0), { code: "ESRCH" });
    const database = new DatabaseSync(ready.database);
    const row = database.prepare(`SELECT (SELECT sum(amount) FROM debit) AS debit, (SELECT sum(amount) FROM credit) AS credit,
      (SELECT max(id) FROM debit) AS last_debit, (SELECT max(id) FROM credit) AS last_credit, amount, commits FROM total`).get();
    database.close();
    assert.equal(row.debit, row.credit);
    assert.equal(row.debit, row.amount);
    assert.equal(row.last_debit, row.commits);
    assert.equal(row.last_credit, row.commits);
    assert(row.commits >= commits, "what was printed as committed is there");
  });
}
