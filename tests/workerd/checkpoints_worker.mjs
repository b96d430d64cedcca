// An object that makes its own checkpoints, and what tests ask of it. Requests: POST /object/step.
import { Checkpointer, door } from "dotctl/index.js";
import { memory } from "dotctl/instance.js";
import { Faulty } from "./faulty_bucket.mjs";
import * as fullText from "./full_text.mjs";
import { hostile } from "./hostile_tables.mjs";
import { Random, randomValue } from "./random_values.mjs";
import { everyError, everyValue, largeValues } from "./values.mjs";

/** What an object cannot carry itself: `putBlob` shows what it says of that. */
const holdingBlobs = new Set(["value:host:blob", "value:host:several"]);

const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export class Room {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.bucket = env.BUCKET;
    this.alarms = 0;
    this.failures = 0;
    const bucket = env.STORE === "bucket" ? new Faulty(env.BUCKET, Number(env.FAULTS ?? 0), Number(env.SEED ?? 1)) : undefined;
    this.faulty = bucket;
    this.checkpoints = new Checkpointer(ctx, {
      className: "Room",
      bucket,
      overflow: env.STORE === "overflow" ? env.BUCKET : undefined,
      placement: { overflowRawBytes: 200_000, rawBytesEnd: 30_000_000 },
      prefix: "room",
      requestMs: bucket && Number(env.FAULTS ?? 0) > 0 ? 300 : undefined,
      trackChanges: env.TRACK === "true",
      chunkBytes: env.CHUNK_BYTES ? Number(env.CHUNK_BYTES) : undefined,
      token: tokens(env),
    });
  }

  async alarm() {
    await this.checkpoints.alarm(() => {
      if (this.failures > 0) {
        this.failures -= 1;
        throw new Error("this alarm fails");
      }
      this.alarms += 1;
    });
  }

  async fetch(request) {
    const answer = await this.checkpoints.fetch(request);
    if (answer) return answer;
    const { pathname } = new URL(request.url);
    if (pathname.includes("/objects/")) return new Response("not the door's", { status: 404 });
    const step = pathname.split("/")[2];
    const body = await request.text();
    try {
      return Response.json((await this[step](body ? JSON.parse(body) : {})) ?? null);
    } catch (error) {
      return Response.json({ error: { message: error.message, kind: error.kind, hint: error.hint } });
    }
  }

  /** Tables of every kind, and every value that storage takes. */
  async fill({ rows = 1000, values = false, anyValues = false, virtual = false, wide = 0 }) {
    const { sql, kv } = this.ctx.storage;
    // The first alarm makes a table, which would be a difference.
    await this.ctx.storage.setAlarm(Date.now() + 3_600_000);
    await this.ctx.storage.deleteAlarm();
    for (const statement of [
      "CREATE TABLE plain (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, ratio REAL, anything, bytes BLOB)",
      "CREATE TABLE hidden (a, b)",
      "CREATE TABLE keyed (a TEXT COLLATE NOCASE, b, v REAL, PRIMARY KEY (a, b)) WITHOUT ROWID",
      "CREATE TABLE counted (a TEXT, b INTEGER, v, PRIMARY KEY (b, a)) WITHOUT ROWID",
      "CREATE TABLE uniques (x TEXT UNIQUE, y INTEGER, z AS (y * 2), UNIQUE (y, x))",
      "CREATE TABLE expressions (x TEXT, y)",
      "CREATE UNIQUE INDEX lower_x ON expressions (lower(x)) WHERE y IS NOT NULL",
      'CREATE TABLE "we""ird/~ name" ("a b" INTEGER PRIMARY KEY, "select" TEXT)',
      "CREATE TABLE parent (id INTEGER PRIMARY KEY, name)",
      "CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent (id) ON DELETE CASCADE)",
      "CREATE VIEW seen AS SELECT name FROM plain",
      "CREATE TABLE log (what)",
      "CREATE TRIGGER logged AFTER UPDATE ON parent BEGIN INSERT INTO log VALUES (OLD.name || '>' || NEW.name); END",
      "CREATE INDEX by_name ON plain (name)",
    ]) {
      sql.exec(statement);
    }
    if (virtual) sql.exec("CREATE VIRTUAL TABLE found USING fts5 (words)");
    this.ctx.storage.transactionSync(() => {
      for (let row = 0; row < rows; row += 1) {
        sql.exec(
          "INSERT INTO plain (name, ratio, anything, bytes) VALUES (?, ?, ?, ?)",
          `row ${row}`, row * 1.5, row % 3 ? `x${row}` : null, new Uint8Array([row & 255, 255, 0]),
        );
      }
      for (let row = 0; row < Math.min(rows, 500); row += 1) {
        sql.exec("INSERT INTO hidden (rowid, a, b) VALUES (CAST(? AS INTEGER), ?, ?)", row * 7 - 50, `a${row}`, null);
        sql.exec("INSERT INTO keyed VALUES (?, CAST(? AS INTEGER), ?)", `Key${row}`, row - 3, row);
        sql.exec("INSERT INTO counted VALUES (?, CAST(? AS INTEGER), ?)", `c${row % 7}`, row, row / 3);
        sql.exec("INSERT INTO uniques (x, y) VALUES (?, ?)", `u${row}`, row);
        sql.exec("INSERT INTO expressions VALUES (?, ?)", `e${row}`, row);
        sql.exec('INSERT INTO "we""ird/~ name" ("select") VALUES (?)', `w${row}`);
        sql.exec("INSERT INTO parent (name) VALUES (?)", `p${row}`);
        sql.exec("INSERT INTO child (parent) VALUES (?)", row + 1);
        kv.put(`entry:${row}`, { row, list: [row, "x"], when: new Date(row) });
        if (virtual) sql.exec("INSERT INTO found VALUES (?)", `word${row} common`);
      }
    });
    for (const [column, value] of [
      ["anything", "CAST('9223372036854775807' AS INTEGER)"], ["anything", "CAST('-9223372036854775808' AS INTEGER)"],
      ["anything", "9e999"], ["anything", "-9e999"], ["anything", "-0.0"], ["anything", "5e-324"],
      ["anything", "''"], ["anything", "x''"], ["anything", "CAST(x'ff00fe' AS TEXT)"], ["anything", "'a' || char(0) || 'b'"],
      ["ratio", "1"], ["name", "CAST(x'c328' AS TEXT)"], ["bytes", "zeroblob(100000)"],
    ]) {
      sql.exec(`INSERT INTO plain (${column}) VALUES (${value})`);
    }
    if (wide > 0) sql.exec("INSERT INTO plain (bytes) VALUES (randomblob(?))", wide);
    if (values || anyValues) {
      for (const [key, value] of [...everyValue(), ...everyError("error"), ...largeValues()]) {
        // Of some the same value may be stored in more than one way.
        if (!holdingBlobs.has(key) && (anyValues || !/:no-stack$|:headers$/.test(key))) kv.put(key, value);
      }
    }
    if (anyValues) {
      const random = new Random(7);
      for (let number = 0; number < 200; number += 1) kv.put(`random:${number}`, randomValue(random, {}));
    }
  }

  /** Entries of several prefixes and types, what is near its limit, and an alarm. */
  async furnish() {
    const { sql, kv } = this.ctx.storage;
    for (let number = 0; number < 300; number += 1) kv.put(`user:${number}`, { name: `n${number}`, tags: ["x".repeat(number)] });
    for (let number = 0; number < 50; number += 1) {
      kv.put(`session/${number}`, { value: number, createdAt: 1.6e12, expiresAt: number % 5 ? 4.1e12 : 1.7e12 });
    }
    for (const [key, value] of [
      ["counter", 7], ["flag", true], ["user:set", new Set([1, "a"])], ["user:date", new Date(0)], ["bytes:1", new Uint8Array(5000)],
      ["big:text", "x".repeat(1_700_000)], ["big:list", Array(20_000).fill("y")],
      ["checkpoint:old", { id: "old" }], ["checkpoint:old:chunk:0", "chunk"], [`long:${"k".repeat(1700)}`, null],
    ]) {
      kv.put(key, value);
    }
    sql.exec("CREATE TABLE orders (name TEXT, bytes BLOB)");
    sql.exec("INSERT INTO orders VALUES ('small', NULL), ('near', zeroblob(1900000)), ('number', 300)");
    sql.exec(`CREATE TABLE wide (${Array.from({ length: 90 }, (_, column) => `c${column}`).join(", ")})`);
    await this.ctx.storage.setAlarm(4_100_000_000_123);
  }

  /** What its bucket was asked for. */
  asked() {
    return this.faulty.seen;
  }

  /** Everything that can be read, spelled so that equal texts are equal states. */
  dump() {
    const { sql, kv } = this.ctx.storage;
    const lines = [];
    const schema = [...sql.exec("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT GLOB '_*' ORDER BY 1, 2").raw()];
    // FTS5 makes these anew of the rest.
    const derived = new Set([...sql.exec("SELECT name FROM pragma_table_list WHERE type = 'shadow' AND name NOT GLOB '*_content'").raw()].flat());
    for (const line of schema) lines.push(JSON.stringify(line));
    for (const [type, name, , text] of schema) {
      if (type !== "table" || derived.has(name)) continue;
      if (/^create virtual/i.test(text)) {
        for (const row of sql.exec(`SELECT CAST(rowid AS TEXT), rank FROM "${name}" WHERE "${name}" MATCH 'old OR new OR common'`).raw()) lines.push(`${name} ${row.join(" ")}`);
        continue;
      }
      const quoted = `"${name.replaceAll('"', '""')}"`;
      const columns = [...sql.exec("SELECT name FROM pragma_table_info(?)", name).raw()].map(([column]) => `"${column.replaceAll('"', '""')}"`);
      const spelled = columns.map((column) => `typeof(${column}), CASE typeof(${column}) WHEN 'real' THEN printf('%!.20g', ${column}) WHEN 'integer' THEN CAST(${column} AS TEXT) ELSE CAST(${column} AS BLOB) END`);
      const rows = [];
      for (const row of sql.exec(`SELECT ${spelled.join(", ")} FROM ${quoted}`).raw()) rows.push(`${name} ${row.map(brief).join(" ")}`);
      for (const row of rows.sort()) lines.push(row);
    }
    for (const [key, value] of kv.list()) lines.push(`${key} ${shown(value)}`);
    return { lines: lines.length, text: lines.join("\n") };
  }

  /** What a text hashes to: dumps are long. */
  async digest() {
    const { lines, text } = this.dump();
    return { lines, sha256: hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))) };
  }

  async checkpoint() {
    const begun = Date.now();
    return { ...(await this.checkpoints.checkpoint()), ms: Date.now() - begun };
  }

  /** What the engine has taken, ever: memory of wasm does not shrink. */
  engineBytes() {
    return memory.buffer.byteLength;
  }

  list() {
    return this.checkpoints.list();
  }

  verify({ reference }) {
    return this.checkpoints.verify(reference);
  }

  async restore({ reference = "latest" }) {
    const begun = Date.now();
    return { ...(await this.checkpoints.restore(reference)), ms: Date.now() - begun };
  }

  prune(policy) {
    return this.checkpoints.prune(policy);
  }

  /** A checkpoint while others write; each write changes what a careless scan would show. */
  async checkpointUnderLoad({ writesPerSecond = 1000, seed = 1 }) {
    const before = await this.digest();
    let done = false;
    const begun = Date.now();
    const made = this.checkpoints.checkpoint().finally(() => {
      done = true;
    });
    const random = new Random(seed);
    let writes = 0;
    while (!done) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      for (; !done && writes < ((Date.now() - begun) * writesPerSecond) / 1000; writes += 1) this.write(random);
    }
    return { before, report: await made, writes, ms: Date.now() - begun };
  }

  /**
   * Checkpoints with writes before each, and while every third is made; gives of each what it is and what it has to show.
   */
  async churn({ rounds, writes = 30, seed = 1 }) {
    const random = new Random(seed);
    const made = [];
    for (let round = 0; round < rounds; round += 1) {
      for (let number = 0; number < writes; number += 1) this.write(random);
      if (round % 3 === 2) {
        const { before, report } = await this.checkpointUnderLoad({ seed: seed + round, writesPerSecond: 3000 });
        made.push({ ...report, before });
      } else {
        const before = await this.digest();
        made.push({ ...(await this.checkpoint()), before });
      }
    }
    return made;
  }

  /** Which of the checkpoints that `churn` gave do not show what they have to. */
  async wrong({ made }) {
    const wrong = [];
    for (const { id, before } of made) {
      await this.checkpoints.restore(id);
      if ((await this.digest()).sha256 !== before.sha256) wrong.push(id);
    }
    return wrong;
  }

  write(random) {
    const { sql, kv } = this.ctx.storage;
    const number = random.below(600);
    const statements = [
      ["DELETE FROM plain WHERE id = ?", number],
      ["UPDATE OR REPLACE plain SET id = id + 10000000, name = 'moved' WHERE id = ?", number],
      ["INSERT OR REPLACE INTO plain (id, name) VALUES (?, 'replaced')", number],
      ["INSERT INTO plain (name) VALUES (?)", `new ${number}`],
      ["INSERT OR REPLACE INTO uniques (x, y) VALUES (?, ?)", `u${number}`, number + 1],
      ["UPDATE OR REPLACE uniques SET x = 'u' || (y + 1) WHERE y = ?", number],
      ["REPLACE INTO keyed VALUES (upper(?), ?, 0.5)", `key${number}`, number - 3],
      ["UPDATE OR IGNORE keyed SET b = b + 1 WHERE a = ?", `KEY${number}`],
      ["DELETE FROM keyed WHERE a = ?", `key${number}`],
      ["REPLACE INTO counted VALUES (?, CAST(? AS INTEGER), 'again')", `c${number % 7}`, number - 2],
      ["UPDATE OR REPLACE counted SET b = b + 1, a = a || 'x' WHERE b = CAST(? AS INTEGER)", number],
      ["DELETE FROM counted WHERE b = CAST(? AS INTEGER)", number],
      ["INSERT OR REPLACE INTO expressions VALUES (?, 1)", `E${number}`],
      ["UPDATE hidden SET rowid = rowid + 100000 WHERE a = ?", `a${number}`],
      ["DELETE FROM parent WHERE id = ?", number],
      ["UPDATE parent SET name = 'renamed' WHERE id = ?", number],
      ["INSERT INTO parent (id, name) VALUES (?, 'again') ON CONFLICT (id) DO UPDATE SET name = 'upserted'", number],
      ['DELETE FROM "we""ird/~ name" WHERE "a b" = ?', number],
    ];
    const choice = random.below(statements.length + 4);
    if (choice < statements.length) sql.exec(...statements[choice]);
    else if (choice === statements.length) kv.put(`entry:${number}`, "changed");
    else if (choice === statements.length + 1) kv.delete(`entry:${number}`);
    else if (choice === statements.length + 2) this.ctx.storage.put({ [`entry:${number}`]: [1, 2], [`new:${number}`]: 3 });
    else this.ctx.storage.delete([`entry:${number}`, `entry:${number + 1}`]);
  }

  empty() {
    return this.ctx.storage.deleteAll();
  }

  ruin() {
    const { sql, kv } = this.ctx.storage;
    sql.exec("DELETE FROM plain WHERE id % 2");
    sql.exec("DROP TABLE keyed");
    sql.exec("CREATE TABLE extra (a)");
    sql.exec("ALTER TABLE hidden ADD COLUMN c DEFAULT 5");
    kv.delete("entry:1");
    kv.put("unexpected", true);
  }

  async setAlarm({ inMs }) {
    await this.ctx.storage.setAlarm(Date.now() + inMs);
    return this.ctx.storage.getAlarm();
  }

  async alarmState() {
    return { at: await this.ctx.storage.getAlarm(), alarms: this.alarms };
  }

  /** One of the hostile tables: whether it came back as it was when the checkpoint was asked for. */
  async hostile({ name }) {
    const { setup, during, refusal, isAlone = false } = hostile[name];
    const { storage } = this.ctx;
    // Scanned first, so that the other tables have their turn later.
    if (!isAlone) storage.sql.exec("CREATE TABLE AA_first (id INTEGER PRIMARY KEY, bytes BLOB)");
    if (!isAlone) storage.sql.exec("INSERT INTO AA_first WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 3000) SELECT x, randomblob(1000) FROM c");
    setup(storage);
    const before = await this.digest();
    const made = this.checkpoints.checkpoint().then(() => "made", (error) => error.kind);
    // The moment was the call.
    if (!isAlone) storage.sql.exec("UPDATE AA_first SET bytes = NULL WHERE id < 10");
    await new Promise((resolve) => setTimeout(resolve, 5));
    await during?.(storage);
    const came = await made;
    if (refusal) return { came, expected: refusal, listed: (await this.checkpoints.list()).length, same: true };
    await this.checkpoints.restore("latest");
    return { came, expected: "made", listed: 1, same: (await this.digest()).sha256 === before.sha256 };
  }

  /** The same, written to between two checkpoints. */
  async hostileBetween({ name }) {
    const { setup, during } = hostile[name];
    const { storage } = this.ctx;
    setup(storage);
    await this.checkpoints.checkpoint().catch(() => undefined);
    await during?.(storage);
    const before = await this.digest();
    const made = await this.checkpoints.checkpoint();
    await this.checkpoints.restore(made.id);
    return { base: made.base, same: (await this.digest()).sha256 === before.sha256 };
  }

  /** A step with full-text tables; what is in them then, and what is found. */
  async fullText({ step, from }) {
    const { storage } = this.ctx;
    if (step) storage.transactionSync(() => fullText[step](storage, from));
    const lines = step === "ruin" ? [] : fullText.dump(storage);
    return { lines: lines.length, sha256: hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(lines.join("\n")))) };
  }

  /** What FTS5 finds wrong in them. */
  checkFullText() {
    return fullText.check(this.ctx.storage);
  }

  /** Those that cannot be restored. */
  refusedFullText() {
    return fullText.refused;
  }

  /** A checkpoint whose packs a prune is about to remove; and one that removes packs at this moment. */
  async checkpointBesidePrune() {
    const { id } = await this.checkpoint();
    const names = async (prefix) => (await this.bucket.list({ prefix: `room/${prefix}` })).objects.map(({ key }) => key);
    const marks = (await names("packs/")).map((key) => key.replace("/packs/", "/prune/marks/"));
    for (const key of marks) await this.bucket.put(key, "");
    await this.bucket.put("room/prune/sweeps/00000000000000000000000000000000", "");
    let ended = false;
    const made = this.checkpoint().finally(() => {
      ended = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const seen = { marked: marks.length, left: (await names("prune/marks/")).length, ended };
    await this.bucket.delete("room/prune/sweeps/00000000000000000000000000000000");
    return { ...seen, again: (await made).content_sha256, id };
  }

  hostileNames() {
    return Object.keys(hostile);
  }

  /** The object's own alarm fails once, while a checkpoint is made. */
  async failingAlarm() {
    this.failures = 1;
    await this.ctx.storage.setAlarm(Date.now() + 50);
    await this.checkpoints.checkpoint();
    const end = Date.now() + 15_000;
    while (this.alarms === 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 100));
    return { alarms: this.alarms, failures: this.failures };
  }

  /** A second checkpointer of the same object, made while the first one works. */
  async twoAtOnce() {
    const first = this.checkpoints.checkpoint();
    await new Promise((resolve) => setTimeout(resolve, 0));
    const second = new Checkpointer(this.ctx, { className: "Room" });
    this.ctx.storage.sql.exec("UPDATE plain SET name = 'later'");
    const refused = await Promise.all([second.checkpoint(), second.restore("latest")].map((promise) => promise.catch((error) => error.kind)));
    return { made: await first, refused };
  }

  /** A cursor of which one row was read, and an entry with a Blob. */
  leaveCursor() {
    this.left = this.ctx.storage.sql.exec("SELECT * FROM plain");
    this.left.next();
  }

  putBlob() {
    this.ctx.storage.kv.put("a blob", { file: new Blob(["bytes"]) });
  }

  run({ statement }) {
    return [...this.ctx.storage.sql.exec(statement).raw()].map((row) => row.map((value) => (value instanceof ArrayBuffer ? hex(value) : value)));
  }
}

/** A cell; of many bytes their number and a checksum. */
function brief(cell) {
  if (!(cell instanceof ArrayBuffer)) return cell;
  if (cell.byteLength < 100) return hex(cell);
  let sum = 0;
  for (const byte of new Uint8Array(cell)) sum = (Math.imul(sum, 31) + byte) | 0;
  return `${cell.byteLength}:${sum}`;
}

/** A value with all that tells it from others. */
function shown(value, seen = new Map()) {
  if (value === null || typeof value !== "object") {
    if (Object.is(value, -0)) return "-0";
    return typeof value === "bigint" ? `${value}n` : `${typeof value}:${String(value)}`;
  }
  if (seen.has(value)) return `#${seen.get(value)}`;
  seen.set(value, seen.size);
  const inner = (part) => shown(part, seen);
  const properties = () => Object.keys(value).map((key) => `${JSON.stringify(key)}=${inner(value[key])}`).join(",");
  const name = Object.prototype.toString.call(value);
  if (value instanceof Date) return `Date:${value.getTime()}`;
  if (value instanceof RegExp) return `RegExp:${value}`;
  if (value instanceof Map) return `Map{${[...value].map(([key, part]) => `${inner(key)}=>${inner(part)}`).join(",")}}`;
  if (value instanceof Set) return `Set{${[...value].map(inner).join(",")}}`;
  if (value instanceof ArrayBuffer) return `ArrayBuffer:${hex(value)}`;
  if (ArrayBuffer.isView(value)) return `${name}@${value.byteOffset}+${value.byteLength}:${inner(value.buffer)}`;
  // An error stored without a stack gets another one each time it is read.
  if (value instanceof Error) return `${value.name}:${value.message}:${value.message === "no stack" ? "" : value.stack}`;
  if (["[object Number]", "[object String]", "[object Boolean]", "[object BigInt]"].includes(name)) return `${name}:${String(value)}`;
  return `${name}${Array.isArray(value) ? value.length : ""}{${properties()}}`;
}

/** What lets in: a text, or JSON. */
function tokens(env) {
  return env.TOKENS?.startsWith("[") ? JSON.parse(env.TOKENS) : env.TOKENS;
}

export default {
  async fetch(request, env) {
    const token = tokens(env);
    // Objects of a class that calls no door, and a worker that forgets to look at the token.
    const without = () => ({ fetch: async () => new Response("something else") });
    const answer = (await door(request, env.ROOM, { token })) ?? (await door(request, without, { token, path: "/without" }));
    if (answer) return answer;
    const [, careless] = /^\/careless\/objects\/([^/]+)\//.exec(new URL(request.url).pathname) ?? [];
    if (careless) return env.ROOM.get(env.ROOM.idFromName(careless)).fetch(request);
    const name = decodeURIComponent(new URL(request.url).pathname.split("/")[1]);
    return env.ROOM.get(env.ROOM.idFromName(name)).fetch(request);
  },
};
