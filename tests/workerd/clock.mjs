// The worker whose objects have alarms, and may hold checkpoints.
import { DurableObject } from "cloudflare:workers";
import { createHash } from "node:crypto";

class AnyClock extends DurableObject {
  async fetch(request) {
    const { set, value } = await request.json();
    const { storage } = this.ctx;
    if (value !== undefined) {
      await storage.put("value", value);
      if (set === null) await storage.deleteAlarm();
      else await storage.setAlarm(set);
      await storage.sync();
    }
    return Response.json({
      value: await storage.get("value"),
      alarm: await storage.getAlarm(),
      name_in_alarm: await storage.get("name"),
      fired: (await storage.get("fired")) ?? 0,
      entries: await this.entries(),
      tables: this.tables(),
    });
  }

  /** The checkpoints' items that lie in the key-value storage, put together from their parts. */
  async entries() {
    const { storage } = this.ctx;
    const items = {};
    for (const [key, storedBytes] of await storage.list({ prefix: "dotctl:" })) {
      if (key.startsWith("dotctl:part:")) continue;
      const item = key.slice("dotctl:".length);
      const parts = await storage.list({ prefix: `dotctl:part:${item}:` });
      items[item] = summary(storedBytes, [...parts.values()]);
    }
    return items;
  }

  /** The same of the tables. */
  tables() {
    const { sql } = this.ctx.storage;
    const items = {};
    if (sql.exec("SELECT 1 FROM sqlite_schema WHERE name = '_dotctl_items'").toArray().length === 0) return items;
    for (const { key, stored_bytes, first_part } of sql.exec("SELECT * FROM _dotctl_items").toArray()) {
      const last = first_part + Math.ceil(stored_bytes / 1_044_480);
      const parts = sql
        .exec("SELECT bytes FROM _dotctl_parts WHERE part >= ? AND part < ? ORDER BY part", first_part, last)
        .toArray()
        .map(({ bytes }) => new Uint8Array(bytes));
      items[key] = summary(stored_bytes, parts);
    }
    return items;
  }

  async alarm() {
    const fired = (await this.ctx.storage.get("fired")) ?? 0;
    await this.ctx.storage.put("fired", fired + 1);
    await this.ctx.storage.put("name", `${this.ctx.id.name}`);
  }
}

function summary(storedBytes, parts) {
  const sha256 = createHash("sha256");
  let bytes = 0;
  for (const part of parts) {
    if (!(part instanceof Uint8Array)) throw new Error(`a part is ${typeof part}`);
    sha256.update(part);
    bytes += part.byteLength;
  }
  if (bytes !== storedBytes) throw new Error(`${bytes} bytes instead of ${storedBytes}`);
  return { stored_bytes: storedBytes, sha256: sha256.digest("hex") };
}

export class Clock extends AnyClock {}

export class OldClock extends AnyClock {
  tables() {
    return {};
  }
}

export default {
  async fetch(request, env) {
    const [, className, name] = new URL(request.url).pathname.split("/").map(decodeURIComponent);
    try {
      return await env[className].getByName(name).fetch(request);
    } catch (error) {
      return new Response(error.message, { status: 500 });
    }
  },
};
