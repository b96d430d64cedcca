// The worker that reads checkpoints the way TypeScript in Durable Objects does: the forms of the
// research spike, of the checkpoint manager and of a state backend. It believes nothing: every checksum, every count
// and every size is compared.
import { DurableObject } from "cloudflare:workers";
import { murmur3 } from "./murmur3.mjs";

async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function gunzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function same(what, found, expected) {
  if (found !== expected) throw new Error(`${what} is ${found}, not ${expected}`);
}

export class Restorer extends DurableObject {
  async put(key, value) {
    await this.ctx.storage.put(key, value);
  }

  /** The bytes of the checkpoint `id` in the layout, hashed. */
  async restore(layout, id) {
    const bytes = await this[layout](id);
    return { raw_bytes: bytes.length, sha256: await sha256(bytes) };
  }

  async record(key) {
    const value = await this.ctx.storage.get(key);
    if (value === undefined) throw new Error(`there is nothing under ${key}`);
    return value;
  }

  async object(key) {
    const object = await this.env.BUCKET.get(key);
    if (!object) throw new Error(`there is no object ${key}`);
    return object;
  }

  async chunked(id) {
    const manifest = await this.record(`checkpoint:${id}`);
    same("the id", manifest.id, id);
    same("chunkCount", manifest.chunks.length, manifest.chunkCount);
    const data = new Uint8Array(manifest.totalSize);
    let at = 0;
    for (const [index, key] of manifest.chunks.entries()) {
      same("the key", key, `checkpoint:${id}:chunk:${index}`);
      const chunk = await this.record(key);
      same("the index", chunk.index, index);
      same("the type", chunk.data.constructor.name, "Uint8Array");
      same("the chunk's checksum", await sha256(chunk.data), chunk.checksum);
      data.set(chunk.data, at);
      at += chunk.data.length;
    }
    same("totalSize", at, manifest.totalSize);
    same("the checksum", await sha256(data), manifest.checksum);
    return manifest.compressed ? await gunzip(data) : data;
  }

  async hybrid(id) {
    const records = await this.ctx.storage.list();
    const manifest = [...records.values()].find((value) => value?.storageKey && value.id === id);
    if (!manifest) throw new Error(`there is no record of ${id}`);
    const data = manifest.location === "do"
      ? await this.record(manifest.storageKey)
      : new Uint8Array(await (await this.object(manifest.storageKey)).arrayBuffer());
    same("the key", manifest.storageKey, manifest.location === "do" ? `checkpoint:${id}` : `checkpoints/${id}.gz`);
    same("the place", manifest.location, data.length < 1024 * 1024 ? "do" : "r2");
    same("sizeBytes", data.length, manifest.sizeBytes);
    same("the checksum", await sha256(data), manifest.checksum);
    return await gunzip(data);
  }

  async incremental(id) {
    const link = await this.record(`checkpoint:${id}`);
    const records = [...(await this.ctx.storage.list({ prefix: "checkpoint:" })).values()];
    const links = records
      .filter((other) => other.baseCheckpointId === link.baseCheckpointId && other.sequence <= link.sequence)
      .sort((a, b) => a.sequence - b.sequence);
    const base = await this.chunked(link.baseCheckpointId);
    const map = new Map(JSON.parse(new TextDecoder().decode(base)));
    for (const [index, { sequence, delta, checksum }] of links.entries()) {
      same("the sequence", sequence, index);
      same("the checksum", await sha256(new TextEncoder().encode(JSON.stringify(delta))), checksum);
      for (const [key, value] of delta.added) {
        same(`whether ${key} was there`, map.has(key), false);
        map.set(key, value);
      }
      for (const [key, value] of delta.modified) {
        same(`whether ${key} was there`, map.has(key), true);
        map.set(key, value);
      }
      for (const key of delta.deleted) same(`whether ${key} was there`, map.delete(key), true);
    }
    same("the deltas", links.length, link.sequence + 1);
    if (link.sequence === 0) return base;
    // A map has what was added at its end; the checkpoint that was copied has its keys, here ASCII, in order.
    const entries = [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    return new TextEncoder().encode(JSON.stringify(entries));
  }

  async manager(id) {
    const record = await this.record(`checkpoint:${id}`);
    same("the id", record.id, id);
    const object = await this.object(`snapshots/${record.snapshotId}.gz`);
    const data = new Uint8Array(await object.arrayBuffer());
    // It was written over S3, which hands names of custom metadata on in small letters; a binding shows
    // them as they arrived.
    const metadata = object.customMetadata;
    same("the names", Object.keys(metadata).sort().join(), "checksum,createdat,ns,schemaversion");
    same("the checksum", await sha256(data), metadata.checksum);
    same("ns", metadata.ns, record.ns);
    same("createdAt", Number(metadata.createdat), record.createdAt);
    same("schemaVersion", Number(metadata.schemaversion), record.schemaVersion);
    return await gunzip(data);
  }

  async "state-snapshot"(id) {
    const snapshot = await this.record(`snapshot:${id}`);
    same("the id", snapshot.id, id);
    same("the type", snapshot.data.constructor.name, "Uint8Array");
    same("totalBytes", snapshot.data.length, snapshot.metadata.totalBytes);
    same("the checksum", murmur3(snapshot.data).replace(/^0+(?=.)/, ""), snapshot.metadata.checksum);
    same("stateCount", JSON.parse(new TextDecoder().decode(snapshot.data)).length, snapshot.metadata.stateCount);
    return snapshot.data;
  }
}

export default {
  async fetch(request, env) {
    const { name, call, args } = await request.json();
    try {
      return Response.json((await env.Restorer.getByName(name)[call](...args)) ?? null);
    } catch (error) {
      return new Response(error.message, { status: 500 });
    }
  },
};
