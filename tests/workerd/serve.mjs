// Lets a real workerd open databases and prints what it reads, as one JSON document:
//
//     serve.mjs --database FILE [--class CLASS] [--worker WORKER] [--id HEX | --name NAME] [--match TERM]...
//     serve.mjs --state FOLDER [--match TERM]...
//
// Described in tests/workerd/README.md. What is given is only copied, never opened.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { modulesFrom, objectId, start, versions } from "../../fixtures/workerd/runtime.mjs";

const { values: given } = parseArgs({
  options: {
    database: { type: "string" },
    state: { type: "string" },
    class: { type: "string", default: "Fixture" },
    worker: { type: "string", default: "fixtures" },
    id: { type: "string" },
    name: { type: "string", default: "restored" },
    match: { type: "string", multiple: true, default: ["durable"] },
  },
});

const scratch = mkdtempSync(join(tmpdir(), "dotctl-serve-"));
let status = 1;
try {
  const objects = given.database ? layOutDatabase() : layOutState();
  const answer = { workerd: versions.workerd, objects: await read(objects) };
  await new Promise((written) => process.stdout.write(`${JSON.stringify(answer)}\n`, written));
  status = 0;
} catch (error) {
  console.error(`serve.mjs: ${error.message}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(status);

/** Puts one database where workerd looks for an object. */
function layOutDatabase() {
  const uniqueKey = `${given.worker}-${given.class}`;
  const id = given.id ?? objectId(uniqueKey, given.name);
  return [place(given.database, uniqueKey, id)];
}

/** Copies every object's database below a folder of local state, or below its `do/`. */
function layOutState() {
  if (!given.state) throw new Error("give --database FILE or --state FOLDER");
  const root = existsSync(join(given.state, "do")) ? join(given.state, "do") : given.state;
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const objects = folders.flatMap(({ name: uniqueKey }) =>
    readdirSync(join(root, uniqueKey))
      .filter((file) => /^[0-9a-f]{64}\.sqlite$/.test(file))
      .sort()
      .map((file) => place(join(root, uniqueKey, file), uniqueKey, basename(file, ".sqlite"))),
  );
  if (objects.length === 0) throw new Error(`${given.state}: no object's database below it`);
  return objects;
}

/**
 * The class's metadata.sqlite, which would let alarms fire, stays behind; so does `-shm`, which
 * SQLite makes again from `-wal`.
 */
function place(database, uniqueKey, id) {
  const target = join(scratch, "do", uniqueKey, `${id}.sqlite`);
  mkdirSync(join(scratch, "do", uniqueKey), { recursive: true });
  cpSync(database, target);
  if (existsSync(`${database}-wal`)) cpSync(`${database}-wal`, `${target}-wal`);
  return { unique_key: uniqueKey, id };
}

async function read(objects) {
  const keys = [...new Set(objects.map(({ unique_key }) => unique_key))];
  const className = (uniqueKey) => `Reader${keys.indexOf(uniqueKey)}`;
  const entry = [
    'import reader, { Reader } from "./reader.mjs";',
    ...keys.map((key) => `export class ${className(key)} extends Reader {}`),
    "export default reader;",
  ].join("\n");
  const runtime = await start({
    worker: "serve",
    state: scratch,
    classes: Object.fromEntries(keys.map((key) => [className(key), { useSQLite: true, unsafeUniqueKey: key }])),
    modules: modulesFrom({
      "entry.mjs": entry,
      "reader.mjs": new URL("reader.mjs", import.meta.url),
      "describe.mjs": new URL("../../fixtures/workerd/workers/describe.mjs", import.meta.url),
    }),
  });
  try {
    const answers = [];
    for (const object of objects) {
      const text = await runtime.ask(`/${className(object.unique_key)}/${object.id}`, { terms: given.match });
      answers.push({ ...object, ...JSON.parse(text) });
    }
    return answers;
  } finally {
    await runtime.kill();
  }
}
