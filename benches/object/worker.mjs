// An object with rows and entries, checkpointed by dotctl and the way it is done in TypeScript without it.
import { Checkpointer } from "dotctl/index.js";

const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const through = (bytes, stream) => new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer();
const sha256 = async (bytes) => hex(await crypto.subtle.digest("SHA-256", bytes));

export class Bench {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.bucket = env.BUCKET;
    this.checkpoints = new Checkpointer(ctx, {
      className: "Bench",
      bucket: env.STORE === "bucket" ? env.BUCKET : undefined,
      trackChanges: env.TRACK === "true",
    });
  }

  alarm() {
    return this.checkpoints.alarm();
  }

  async fetch(request) {
    const step = new URL(request.url).pathname.split("/")[2];
    return Response.json((await this[step]()) ?? null);
  }

  nothing() {}

  fill() {
    const { sql, kv } = this.ctx.storage;
    sql.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, total REAL, lines INTEGER, note TEXT)");
    this.ctx.storage.transactionSync(() => {
      sql.exec(`INSERT INTO orders WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 200000)
        SELECT x, 'customer ' || (x * 7919 % 5000), (x * 31 % 100000) / 100.0, x % 9, iif(x % 4, hex(randomblob(8)), NULL) FROM c`);
      for (let number = 0; number < 4000; number += 1) {
        kv.put(`entry:${number}`, { number, tags: ["a", "b"], at: `2026-01-01T00:00:${number % 60}` });
      }
    });
  }

  change() {
    this.ctx.storage.sql.exec("UPDATE orders SET total = total + 1 WHERE id % 100 = 7");
  }

  checkpoint() {
    return this.checkpoints.checkpoint();
  }

  restore() {
    return this.checkpoints.restore("latest");
  }

  /** Everything as one JSON text, compressed, hashed, into R2. */
  async checkpointTypeScript() {
    const { sql, kv } = this.ctx.storage;
    const orders = [...sql.exec("SELECT * FROM orders").raw()];
    const text = JSON.stringify({ orders, entries: [...kv.list()] });
    const stored = await through(new TextEncoder().encode(text), new CompressionStream("gzip"));
    const name = await sha256(stored);
    await this.bucket.put(`typescript/${name}`, stored);
    this.ctx.storage.kv.put("typescript", name);
    return { stored_bytes: stored.byteLength, raw_bytes: text.length };
  }

  async restoreTypeScript() {
    const name = this.ctx.storage.kv.get("typescript");
    const stored = await (await this.bucket.get(`typescript/${name}`)).arrayBuffer();
    if ((await sha256(stored)) !== name) throw new Error("not as it was written");
    const { orders, entries } = JSON.parse(new TextDecoder().decode(await through(stored, new DecompressionStream("gzip"))));
    const { sql, kv } = this.ctx.storage;
    this.ctx.storage.transactionSync(() => {
      sql.exec("DELETE FROM orders");
      for (const row of orders) sql.exec("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", ...row);
      for (const [key] of [...kv.list()]) kv.delete(key);
      for (const [key, value] of entries) kv.put(key, value);
    });
  }
}

export default {
  fetch(request, env) {
    if (new URL(request.url).pathname === "/") return new Response("here");
    return env.BENCH.get(env.BENCH.idFromName("one")).fetch(request);
  },
};
