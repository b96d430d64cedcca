// The worker of values_codec.test.mjs. Each value is stored by workerd under "stored:", and what
// `deserialize` makes of our bytes under "again:"; our bytes are in the table `ours`.
import { DurableObject } from "cloudflare:workers";
import { deserialize, serialize, serializeAsync } from "./crates/values.js";
import { everyValue } from "./values.mjs";
import { Random, randomValue } from "./random_values.mjs";
import { furtherValues, refusedValues } from "./codec_values.mjs";

export class Codec extends DurableObject {
  /** Names of values that `get` cannot read, and of those whose bytes are others after it. */
  unreadable = [];
  otherwise = [];

  async fetch(request) {
    const steps = await request.json();
    const { storage } = this.ctx;
    storage.sql.exec("CREATE TABLE IF NOT EXISTS ours(key TEXT PRIMARY KEY, bytes BLOB)");
    const answer = {};
    for (const [step, given] of Object.entries(steps)) answer[step] = await this[step](given);
    await storage.sync();
    return Response.json({ ...answer, unreadable: this.unreadable, otherwise: this.otherwise });
  }

  /** `put` and `kv.put` in turn: they store the same. */
  async store(key, value, turn) {
    if (turn % 2 === 0) await this.ctx.storage.put(key, value, { noCache: true, allowUnconfirmed: true });
    else this.ctx.storage.kv.put(key, value);
  }

  async keep(name, value, turn) {
    // Storage first: V8 may keep an array in another way once code that meets many kinds has read it.
    await this.store(`stored:${name}`, value, turn);
    const bytes = await bytesOf(value);
    this.ctx.storage.sql.exec("INSERT INTO ours VALUES (?, ?)", name, bytes);
    await this.store(`again:${name}`, deserialize(bytes), turn);
    // As a checkpoint meets it: read by the object.
    let read;
    try {
      read = await bytesOf(this.ctx.storage.kv.get(`stored:${name}`));
    } catch (error) {
      this.unreadable.push(name);
      return;
    }
    if (read.length !== bytes.length || read.some((byte, at) => byte !== bytes[at])) this.otherwise.push(name);
  }

  async named() {
    const values = [...everyValue(), ...furtherValues()];
    for (const [at, [name, value]] of values.entries()) await this.keep(name, value, at);
    return values.length;
  }

  async random(runs) {
    for (const run of runs) await this.randomRun(run);
  }

  async randomRun({ seed, count, plain }) {
    const random = new Random(seed);
    for (let at = 0; at < count; at += 1) {
      const value = randomValue(random, { plain, integerBits: 31, causes: true, float16: plain });
      await this.keep(`${plain ? "plain" : "any"}:${at}`, value ?? null, at);
    }
  }

  /** Stored bytes from elsewhere: what workerd makes of our value of them. */
  async fixtures(fixtures) {
    for (const [at, { name, hex }] of fixtures.entries()) {
      const stored = Uint8Array.from(hex.match(/../g), (pair) => Number.parseInt(pair, 16));
      const value = deserialize(stored);
      this.ctx.storage.sql.exec("INSERT INTO ours VALUES (?, ?)", `given:${name}`, await bytesOf(value));
      this.ctx.storage.kv.put(`given:${name}`, value);
      // What workerd reads of it, checkpointed as an object would.
      const read = this.ctx.storage.kv.get(`given:${name}`);
      this.ctx.storage.sql.exec("INSERT INTO ours VALUES (?, ?)", `read:${name}`, await bytesOf(read));
    }
    return fixtures.length;
  }

  /** How `put` and `serialize` refuse the same value. */
  async refused() {
    const said = [];
    for (const [name, value] of await refusedValues(this.ctx, this.env)) {
      const outcome = { name };
      for (const [who, attempt] of [["storage", (it) => this.ctx.storage.kv.put("refused", it)], ["ours", serialize]]) {
        try {
          attempt(value);
          outcome[who] = "stored";
        } catch (error) {
          outcome[who] = `${error.name}: ${error.message}`;
        }
      }
      said.push(outcome);
    }
    return said;
  }

  /** Levels of nesting that storage takes, and ours. */
  async depth(levels) {
    const said = {};
    for (const count of levels) {
      let value = null;
      for (let level = 0; level < count; level += 1) value = [value];
      const bytes = serialize(value);
      let stored = "stored";
      try {
        this.ctx.storage.kv.put("deep", deserialize(bytes));
        this.ctx.storage.kv.get("deep");
      } catch (error) {
        stored = error.name;
      }
      said[count] = { stored, bytes: bytes.length };
    }
    return said;
  }
}

async function bytesOf(value) {
  try {
    return serialize(value);
  } catch (error) {
    if (!String(error.message).includes("serializeAsync")) throw error;
    return serializeAsync(value);
  }
}

export default {
  async fetch(request, env) {
    try {
      return await env.Codec.get(env.Codec.idFromName("codec")).fetch(request);
    } catch (error) {
      return new Response(error.stack, { status: 500 });
    }
  },
};
