// crates/worker/js/values.js against a real workerd's storage, byte for byte, and against V8 in Node.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import v8 from "node:v8";
import { deserialize, serialize, serializeInPlace, ValueError } from "../../crates/worker/js/values.js";
import { modulesFrom, objectId, start } from "../../fixtures/workerd/runtime.mjs";
import { Random, randomValue } from "./random_values.mjs";

const scratch = mkdtempSync(join(tmpdir(), "dotctl-codec-"));
after(() => rmSync(scratch, { recursive: true }));

const fixtures = JSON.parse(readFileSync(new URL("../../fixtures/values/values.json", import.meta.url), "utf8"));
const printable = (bytes) => Buffer.from(bytes).toString("latin1").slice(0, 100);
const bytesOf = (hex) => Buffer.from(hex, "hex");

/** What workerd prints; not that it cannot read a value, which the answer says. */
function tell(line) {
  if (!/actor storage deserialization failed|^stack: /.test(line)) console.error(line);
}

/** Asks the worker, ends workerd and gives its answer and the object's tables. */
async function inWorkerd(steps, options = {}) {
  const state = mkdtempSync(join(scratch, "state-"));
  const runtime = await start({
    worker: "codec",
    modules: modulesFrom({
      "codec.mjs": new URL("codec.mjs", import.meta.url),
      "codec_values.mjs": new URL("codec_values.mjs", import.meta.url),
      "random_values.mjs": new URL("random_values.mjs", import.meta.url),
      "values.mjs": new URL("../../fixtures/workerd/workers/values.mjs", import.meta.url),
      "crates/values.js": new URL("../../crates/worker/js/values.js", import.meta.url),
    }),
    classes: { Codec: { useSQLite: true } },
    state,
    compatibilityFlags: [],
    handleRuntimeStdio: (...streams) => {
      for (const stream of streams) createInterface({ input: stream }).on("line", tell);
    },
    ...options,
  });
  let answer;
  try {
    answer = JSON.parse(await runtime.ask("/", steps));
  } finally {
    await runtime.kill();
  }
  const key = "codec-Codec";
  const database = new DatabaseSync(join(state, "do", key, `${objectId(key, "codec")}.sqlite`));
  const rows = (sql) => new Map(database.prepare(sql).all().map(({ key, bytes }) => [key, Buffer.from(bytes)]));
  const stored = rows("SELECT key, value AS bytes FROM _cf_KV");
  const ours = rows("SELECT key, bytes FROM ours");
  database.close();
  return { answer, stored, ours };
}

/** Both bytes from a little before where they part. */
function parted(one, other) {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  const from = Math.max(0, at - 40);
  return `byte ${at}\n  given    ${printable(one.subarray(from))}\n  expected ${printable(other.subarray(from))}`;
}

/** The first of the names whose bytes are not the expected ones, with both. */
function differing(names, given, expected) {
  return names
    .filter((name) => !given(name).equals(expected(name)))
    .slice(0, 5)
    .map((name) => `${name}, ${parted(given(name), expected(name))}`);
}

/** Values that no script can see all of: ours are other bytes. */
const unseen = new Set([
  // The letters of a header's name.
  "value:host:headers",
]);

/** Arrays that say how they may change, which no stored bytes do. */
const unlikeOthers = ["array empty and frozen", "array that is frozen", "array that may not grow"];

/** Values of fixtures/values/ that storage writes in other bytes than it was given. */
const respelledAlways = [
  // Integers that the bytes have as doubles.
  ...["0", "1", "-1", "63", "64", "-64", "-65", "127", "128", "8191", "8192", "1048576", "1073741823", "-1073741824"].map((it) => `number ${it}`),
  // Integers of 32 bits as Node's V8 writes them.
  "object with large index keys", "unsigned integer",
  "version 14", "version 13", "version 13 view", "version 13 view with flags", "version 14 view", "no header",
  "no header, two-byte string",
  // Spellings that V8 reads and does not write.
  "UTF-8 string", "padding that nobody needs", "two-byte key $v8", "UTF-8 key $v8", "bytes after the value",
  "hole in a dense array", "negative zero of a bigint", "date at a fraction",
];

const plain = 4000;
const any = 2000;
const steps = (seed) => ({
  named: {},
  random: [{ seed, count: plain, plain: true }, { seed: seed + 1, count: any, plain: false }],
});

/** `serialize` against storage, and what `deserialize` makes of its bytes stored again. */
function compare({ answer, stored, ours }, expected) {
  const exact = [...ours.keys()].filter((name) => !unseen.has(name) && !/^(any|given|read):/.test(name));
  assert.equal(exact.length, answer.named - unseen.size + plain);
  const kept = (name) => stored.get(`stored:${name}`);
  assert.deepEqual(differing(exact, (name) => ours.get(name), kept), []);
  assert.deepEqual(differing(exact, (name) => stored.get(`again:${name}`), kept), []);
  // An object that reads its entries writes each as it was first written, but for what `get` drops.
  const named = (names) => names.filter((name) => !/^(plain|any):/.test(name)).sort();
  assert.deepEqual(answer.otherwise.filter((name) => !expected.otherwise.includes(name)), []);
  assert.deepEqual(named(answer.otherwise), expected.otherwise);
  assert.deepEqual(named(answer.unreadable), expected.unreadable);
  assert(answer.unreadable.length <= expected.unreadable.length * ((plain + any) / 100));
  // Where V8 went by what no script can see, the bytes are others of the same value.
  let others = 0;
  for (let at = 0; at < any; at += 1) {
    const name = `any:${at}`;
    if (!kept(name).equals(ours.get(name))) others += 1;
    assert.equal(spelled(kept(name)), spelled(ours.get(name)), name);
  }
  assert(others > 0, "V8 kept some in another way");
}

test("serialize gives the bytes that storage keeps, at the newest date", async () => {
  const run = await inWorkerd({ ...steps(20_261_122), refused: {}, depth: [1000, 3000, 10_000, 100_000] });
  compare(run, {
    otherwise: [...unlikeOthers, "error named WasmLinkError", "value:error:no-stack"].sort(),
    // workerd cannot read an error that refers to itself, which it stores.
    unreadable: ["error that is its own cause"],
  });
  const { refused, depth } = run.answer;
  assert(refused.length > 25);
  for (const { name, storage, ours } of refused) assert.equal(ours, storage, name);
  // V8 recurses, so storage takes as many levels as the stack does; there is no bound here.
  assert.equal(depth[1000].stored, "stored");
  assert.equal(depth[3000].stored, "stored");
  assert.equal(depth[10_000].stored, "RangeError");
  assert.equal(depth[100_000].bytes, 500_003);
});

test("serialize gives the bytes that storage keeps, at an older date, and reads values from elsewhere", async () => {
  // V8's own flag `l` is none that storage reads.
  const readable = fixtures.filter(({ name }) => name !== "regexp with V8's linear flag");
  const run = await inWorkerd({ ...steps(20_250_101), fixtures: readable }, { compatibilityDate: "2025-01-01" });
  compare(run, { otherwise: unlikeOthers, unreadable: [] });
  const respelled = [];
  for (const { name, hex } of readable) {
    const given = bytesOf(hex);
    if (!run.stored.get(`given:${name}`).equals(given)) respelled.push(name);
    const ours = [`given:${name}`, `read:${name}`].map((it) => run.ours.get(it));
    // This Node has no Float16Array to read them with.
    const same = name.toLowerCase().includes("float") ? (bytes) => bytes.toString("latin1") : spelled;
    assert.equal(same(ours[0]), same(given), name);
    // V8 makes every NaN the same one as it reads.
    if (!/NaN with|doubles in one/.test(name)) assert.equal(same(ours[1]), same(given), `${name}, as an object reads it`);
  }
  // V8 may or may not keep a NaN's further bits.
  assert.deepEqual(respelled.filter((name) => name !== "doubles in one array").sort(), respelledAlways.sort());
});

/** V8's bytes of a value, as workerd would have them: views are no host objects. */
function nodeBytes(value) {
  const serializer = new v8.Serializer();
  serializer._setTreatArrayBufferViewsAsHostObjects(false);
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

/** Bytes of the value that bytes hold, in the one spelling that is ours. */
function spelled(bytes) {
  return Buffer.from(serialize(deserialize(bytes), { errors: "v8" })).toString("latin1");
}

test("V8 in Node writes the same bytes and reads them", () => {
  // Node's V8 keeps integers of 32 bits and writes an error's cause before its stack.
  const options = { plain: true, integerBits: 32, causes: false, float16: false };
  const random = new Random(42);
  for (let at = 0; at < 30_000; at += 1) {
    const value = randomValue(random, options);
    const expected = nodeBytes(value);
    const bytes = serializeInPlace(value, { errors: "v8" });
    if (Buffer.compare(bytes, expected) !== 0) {
      assert.fail(`value ${at}, ${parted(bytes, expected)}`);
    }
    if (at % 10 === 0) {
      const reader = new v8.Deserializer(Buffer.from(bytes));
      reader.readHeader();
      const read = Buffer.from(serialize(reader.readValue(), { errors: "v8" }));
      assert.equal(read.toString("latin1"), spelled(expected), `value ${at}, read by V8`);
    }
    assert.equal(nodeBytes(deserialize(expected)).toString("latin1"), expected.toString("latin1"), `value ${at}, again`);
  }
});

test("hostile bytes end in an error that says where", () => {
  const random = new Random(11);
  const started = performance.now();
  let refused = 0;
  const attempt = (bytes, what) => {
    try {
      deserialize(bytes);
    } catch (error) {
      assert(error instanceof ValueError, `${what}: ${error.stack}`);
      assert(error.offset >= 0 && error.offset <= bytes.length, what);
      assert.match(error.message, /^byte \d+: /);
      refused += 1;
    }
  };
  for (const { name, hex } of fixtures) {
    const bytes = bytesOf(hex);
    for (let end = 0; end < Math.min(bytes.length, 400); end += 1) attempt(bytes.subarray(0, end), `${name}, ${end} bytes`);
    for (let turn = 0; turn < 60; turn += 1) {
      const changed = Buffer.from(bytes);
      for (let count = 1 + random.below(3); count > 0; count -= 1) changed[random.below(changed.length)] = random.below(256);
      attempt(changed, `${name}, changed to ${changed.toString("hex").slice(0, 200)}`);
    }
  }
  for (let turn = 0; turn < 20_000; turn += 1) {
    const bytes = Buffer.from([0xff, 15, ...Array.from({ length: random.below(40) }, () => random.below(256))]);
    attempt(bytes, bytes.toString("hex"));
  }
  assert(refused > 10_000);
  assert(performance.now() - started < 30_000, "it took long");
});

test("hostile bytes take no more memory than they have", () => {
  const claims = {
    "an array": "ff0f 41 ffffffff0f",
    "a sparse array": "ff0f 61 ffffffff0f 40 00 ffffffff0f",
    "a string": "ff0f 22 ffffffff0f",
    "a two-byte string": "ff0f 63 feffffff0f",
    "an ArrayBuffer": "ff0f 42 ffffffff0f",
    "a BigInt": "ff0f 5a feffffff0f",
    "headers": "ff0f 5c 04 03 ffffffff0f",
    "a Blob": "ff0f 5c 0f 00 ffffffff0f",
    "resizable buffers": `ff0f 41 0a ${"7e 00 ffffffff0f".repeat(10)} 24 00 0a`,
    "a length of 64 bits": "ff0f 5c 0f ffffffffffffffffff01",
  };
  for (const [what, hex] of Object.entries(claims)) {
    const bytes = bytesOf(hex.replaceAll(" ", ""));
    const before = process.memoryUsage();
    if (what === "a sparse array") assert.equal(deserialize(bytes).length, 2 ** 32 - 1);
    else assert.throws(() => deserialize(bytes), ValueError, what);
    const after = process.memoryUsage();
    assert(after.heapTotal + after.external - before.heapTotal - before.external < 64 * 2 ** 20, what);
  }
  const nested = (levels) =>
    Buffer.concat([
      Buffer.from([0xff, 15]), Buffer.alloc(levels * 2, "4101", "hex"), Buffer.from("0"), Buffer.alloc(levels * 3, "240001", "hex"),
    ]);
  assert.equal(Buffer.compare(serialize(deserialize(nested(100_000))), nested(100_000)), 0);
  assert.throws(() => deserialize(nested(1_000_000)), /more than 100000 levels/);
  // References, each to what is not a buffer: none may cost more than its bytes.
  const many = 500_000;
  const started = performance.now();
  const count = [many & 0x7f | 0x80, many >> 7 & 0x7f | 0x80, many >> 14];
  assert.equal(deserialize(Buffer.concat([Buffer.from([0xff, 15, 0x41, ...count]), Buffer.alloc(many * 2, "5e00", "hex"), Buffer.from([0x24, 0, ...count])])).length, many);
  assert(performance.now() - started < 2000, "references took long");
  assert.throws(() => deserialize(Buffer.from("ff0f5e00", "hex")), /^ValueError: byte 3: a reference to object 0, but only 0 came before/);
});

test("names become own properties and nothing else", () => {
  const given = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}, "toString": 1}');
  const list = [];
  for (const key of Object.keys(given)) Object.defineProperty(list, key, { value: given[key], enumerable: true });
  const read = deserialize(serialize([given, list]));
  for (const object of read) {
    assert.deepEqual(Object.keys(object).sort(), ["__proto__", "constructor", "toString"]);
    assert.equal(object.polluted, undefined);
  }
  assert.equal(Object.getPrototypeOf(read[0]), Object.prototype);
  assert.equal({}.polluted, undefined);
  const error = bytesOf("ff0f5c0a01220161" + "6f22095f5f70726f746f5f5f6f2201614902" + "7b01" + "7b01");
  assert.equal(Object.getPrototypeOf(deserialize(error)), Error.prototype);
});

test("a getter may serialize, and a failure leaves nothing behind", () => {
  const bytes = serialize({ get a() { return [...serialize({ b: 1 })]; }, c: 2 });
  assert.deepEqual(deserialize(bytes), { a: [...serialize({ b: 1 })], c: 2 });
  assert.throws(() => serialize({ a: [{}, () => {}] }), { name: "DataCloneError" });
  assert.equal(Buffer.compare(serialize({ b: 1 }), nodeBytes({ b: 1 })), 0);
});
