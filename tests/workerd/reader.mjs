// The worker that reads an object's storage back, through nothing but what workerd gives user code.
import { DurableObject } from "cloudflare:workers";
import { createHash } from "node:crypto";
import { describe, describeBytes } from "./describe.mjs";

const options = {
  limit: 1024,
  sha256: (bytes) => createHash("sha256").update(bytes).digest("hex"),
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

/** A cell from its storage class and its value as `cellsOf` asks for it. */
function describeCell(type, value) {
  switch (type) {
    case "null":
      return null;
    case "integer":
      return { integer: value };
    case "real":
      return { real: describe(value, options) };
    case "blob":
      return { blob: describeBytes(value, 0, value.byteLength, options) };
    case "text":
      break;
    default:
      throw new Error(`no storage class ${type}`);
  }
  try {
    if (value.byteLength <= options.limit) return { text: utf8.decode(value) };
  } catch {
    // Not UTF-8: its bytes, then.
  }
  return { text_bytes: describeBytes(value, 0, value.byteLength, options) };
}

export class Reader extends DurableObject {
  async fetch(request) {
    const { terms } = await request.json();
    const { storage } = this.ctx;
    const entries = await this.entries();
    return Response.json({
      entry_count: entries.length,
      entries,
      alarm: await storage.getAlarm(),
      ...this.tables(terms),
    });
  }

  async entries() {
    const entries = [];
    const page = { limit: 500 };
    for (;;) {
      const listed = await this.ctx.storage.list(page);
      for (const [key, value] of listed) {
        entries.push({ key, value: describe(value, options) });
        page.startAfter = key;
      }
      if (listed.size < page.limit) return entries;
    }
  }

  tables(terms) {
    const { sql } = this.ctx.storage;
    // Read before the tables, because checking a full-text index writes to it.
    const quickCheck = sql.exec("PRAGMA quick_check").toArray().map((row) => Object.values(row)[0]);
    const schema = sql
      .exec("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")
      .toArray()
      .filter(({ tbl_name }) => !tbl_name.startsWith("_cf_"));
    const kinds = new Map(sql.exec("PRAGMA table_list").toArray().map((row) => [row.name, row]));
    const tables = {};
    const searches = {};
    for (const { type, name, sql: text } of schema) {
      if (type !== "table" && type !== "view") continue;
      tables[name] = this.rows(name, kinds.get(name));
      if (/^\s*CREATE\s+VIRTUAL\s+TABLE\b.*\bUSING\s+fts5\b/is.test(text)) searches[name] = this.search(name, terms);
    }
    return { quick_check: quickCheck, schema, tables, searches };
  }

  rows(name, kind) {
    const { sql } = this.ctx.storage;
    const columns = sql
      .exec(`PRAGMA table_xinfo(${quoted(name)})`)
      .toArray()
      .filter(({ hidden }) => hidden !== 1)
      .map((column) => column.name);
    const lower = columns.map((column) => column.toLowerCase());
    const rowid = ["rowid", "_rowid_", "oid"].find((alias) => !lower.includes(alias));
    const cells = columns.map(quoted);
    if (kind.type !== "view" && !kind.wr && rowid) cells.unshift(rowid);
    // JavaScript's numbers cannot hold every int64, nor its strings every TEXT. Two statements,
    // because a result has at most a hundred columns; both read the same columns, so alike.
    const types = cells.map((cell) => `typeof(${cell})`);
    const values = cells.map(
      (cell) => `CASE typeof(${cell}) WHEN 'integer' THEN CAST(${cell} AS TEXT) WHEN 'text' THEN CAST(${cell} AS BLOB) ELSE ${cell} END`,
    );
    const typeRows = [...sql.exec(`SELECT ${types} FROM ${quoted(name)}`).raw()];
    const valueRows = [...sql.exec(`SELECT ${values} FROM ${quoted(name)}`).raw()];
    return {
      columns: cells,
      row_count: valueRows.length,
      rows: valueRows.map((row, at) => row.map((value, column) => describeCell(typeRows[at][column], value))),
    };
  }

  /** The rows that a full-text index finds, and whether it agrees with its table. */
  search(name, terms) {
    const { sql } = this.ctx.storage;
    const found = {};
    for (const term of terms) {
      found[term] = sql.exec(`SELECT CAST(rowid AS TEXT) FROM ${quoted(name)} WHERE ${quoted(name)} MATCH ? ORDER BY rowid`, term)
        .raw().toArray().map(([row]) => row);
    }
    let integrity = "ok";
    try {
      sql.exec(`INSERT INTO ${quoted(name)}(${quoted(name)}) VALUES ('integrity-check')`);
    } catch (error) {
      integrity = error.message;
    }
    return { integrity, found };
  }
}

export default {
  async fetch(request, env) {
    const [, className, id] = new URL(request.url).pathname.split("/");
    const namespace = env[className];
    try {
      return await namespace.get(namespace.idFromString(id)).fetch(request);
    } catch (error) {
      return new Response(error.message, { status: 500 });
    }
  },
};
