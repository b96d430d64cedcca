// crates/worker/js/values.js against a real workerd's storage, byte for byte, and against V8 in Node.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

/** Names of `names` whose bytes in `map` are other than `expected(name)`, with both. */
function differing(names, given, expected) {
  return names
    .filter((name) => !given(name).equals(expected(name)))
    .slice(0, 5)
    .map((name) => {
      const [one, other] = [given(name), expected(name)];
      let at = 0;
      while (one[at] === other[at]) at += 1;
      const from = Math.max(0, at - 40);
      return `${name}, byte ${at}\n  given    ${printable(one.subarray(from))}\n  expected ${printable(other.subarray(from))}`;
    });
}

// What no script can see of a value, so that ours are other bytes of the same value.
const unseen = new Set([
  // The letters of a header's name.
  "value:host:headers",
]);

for (const [date, flags] of [[undefined, []], ["2025-01-01", []]]) {
  test(`serialize gives the bytes that storage keeps (${date ?? "newest date"})`, async () => {
    const options = { compatibilityFlags: flags, ...(date === undefined ? {} : { compatibilityDate: date }) };
    const { answer, stored, ours } = await inWorkerd(
      {
        named: {},
        random: { seed: 20_261_122, count: 3000, plain: true },
      },
      options,
    );
    assert.equal(ours.size, answer.named + answer.random);
    const names = [...ours.keys()].filter((name) => !unseen.has(name));
    const kept = (name) => stored.get(`stored:${name}`);
    const again = (name) => stored.get(`again:${name}`);
    assert.deepEqual(differing(names, (name) => ours.get(name), kept), []);
    assert.deepEqual(differing(names, again, kept), []);
  });
}
