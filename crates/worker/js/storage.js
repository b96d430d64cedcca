// What the engine asks of an object's storage, one call for many rows: they cross as bytes.
//
// A value is a tag and what belongs to it: 0 NULL; 1 a number, 8 bytes; 2 a text and 3 bytes, each with
// their length before them (4 bytes). All numbers are little-endian.
import { deserialize, serializeInPlace } from "./values.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A buffer that grows, and is used again: what was written is read before the next call. */
let buffer = new Uint8Array(1 << 16);
let view = new DataView(buffer.buffer);
let length = 0;

/** More than this is given back after use. */
const KEPT_BYTES = 2 << 20;

function begin() {
  if (buffer.length > KEPT_BYTES) {
    buffer = new Uint8Array(1 << 16);
    view = new DataView(buffer.buffer);
  }
  length = 0;
}

function room(bytes) {
  if (length + bytes <= buffer.length) return;
  const larger = new Uint8Array(Math.max(buffer.length * 2, length + bytes));
  larger.set(buffer.subarray(0, length));
  buffer = larger;
  view = new DataView(buffer.buffer);
}

function push(value) {
  if (value === null || value === undefined) {
    room(1);
    buffer[length++] = 0;
  } else if (typeof value === "number") {
    room(9);
    buffer[length] = 1;
    view.setFloat64(length + 1, value, true);
    length += 9;
  } else if (typeof value === "string") {
    room(5 + value.length * 3);
    const { written } = encoder.encodeInto(value, buffer.subarray(length + 5));
    buffer[length] = 2;
    view.setUint32(length + 1, written, true);
    length += 5 + written;
  } else {
    const bytes = value instanceof Uint8Array ? value : new Uint8Array(value);
    room(5 + bytes.length);
    buffer[length] = 3;
    view.setUint32(length + 1, bytes.length, true);
    buffer.set(bytes, length + 5);
    length += 5 + bytes.length;
  }
}

/** Reads values out of bytes, one after another. */
class Values {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  get ended() {
    return this.at >= this.bytes.length;
  }

  number() {
    const number = this.view.getUint32(this.at, true);
    this.at += 4;
    return number;
  }

  next() {
    const tag = this.bytes[this.at++];
    if (tag === 0) return null;
    if (tag === 1) {
      const number = this.view.getFloat64(this.at, true);
      this.at += 8;
      return number;
    }
    const bytes = this.number();
    const part = this.bytes.subarray(this.at, this.at + bytes);
    this.at += bytes;
    // A view would keep the memory of the engine, which grows and moves.
    return tag === 2 ? decoder.decode(part) : part.slice();
  }

  list() {
    const values = [];
    while (!this.ended) values.push(this.next());
    return values;
  }
}

/** The rows of a query: for each its values. Ends early behind the row that comes to `bytesMax`. */
export function query(storage, statement, parameters, bytesMax) {
  const cursor = storage.sql.exec(statement, ...new Values(parameters).list());
  begin();
  for (const row of cursor.raw()) {
    for (const value of row) push(value);
    if (length >= bytesMax) break;
  }
  return buffer.subarray(0, length);
}

/** Runs statements: each is its number in `statements`, how many parameters it has, and those. */
export function run(storage, statements, packed) {
  const values = new Values(packed);
  const parameters = [];
  while (!values.ended) {
    const statement = statements[values.number()];
    parameters.length = values.number();
    for (let position = 0; position < parameters.length; position++) parameters[position] = values.next();
    storage.sql.exec(statement, ...parameters);
  }
}

/** Does everything in `work` or nothing of it. */
export function transaction(storage, work) {
  return storage.transactionSync(work);
}

/** Entries of the key-value storage behind `after`: key, stored bytes. */
export function entries(storage, after, countMax, bytesMax) {
  const options = { limit: countMax };
  if (after !== undefined) options.startAfter = after;
  begin();
  for (const [key, value] of storage.kv.list(options)) {
    push(key);
    push(serializeInPlace(value));
    if (length >= bytesMax) break;
  }
  return buffer.subarray(0, length);
}

/** Puts entries, each its key and its stored bytes, in the place of what has their keys. */
export function putEntries(storage, packed) {
  const values = new Values(packed);
  while (!values.ended) {
    const key = values.next();
    original(storage.kv, "put").call(storage.kv, key, deserialize(values.next()));
  }
}

/** Removes every entry. */
export function clearEntries(storage) {
  const remove = original(storage.kv, "delete");
  for (;;) {
    const keys = [...storage.kv.list({ limit: 1000 })].map(([key]) => key);
    if (keys.length === 0) return;
    for (const key of keys) remove.call(storage.kv, key);
  }
}

const originals = new WeakMap();

/** A method as it was before this module laid its own over it. */
function original(target, name) {
  return originals.get(target)?.[name] ?? target[name];
}

function lay(target, name, over) {
  const before = target[name];
  if (typeof before !== "function") return;
  const kept = originals.get(target) ?? {};
  kept[name] = before;
  originals.set(target, kept);
  target[name] = over(before.bind(target));
}

const BEFORE = "INSERT OR IGNORE INTO _dotctl_before_entries VALUES (?, ?)";

/**
 * Watches what is written to the key-value storage. While `guard.capturing`, what an entry was before its
 * first change is kept; `guard.emptied` says that everything was removed.
 */
export function watchEntries(storage) {
  const guard = { capturing: false, emptied: false };
  if (originals.has(storage)) return originals.get(storage).guard;
  const keep = (key) => {
    if (!guard.capturing || typeof key !== "string") return;
    const before = storage.kv.get(key);
    storage.sql.exec(BEFORE, key, before === undefined ? null : serializeInPlace(before).slice());
  };
  const keepAll = (keys) => {
    if (!guard.capturing) return;
    if (typeof keys === "string") keep(keys);
    else if (Array.isArray(keys)) keys.forEach(keep);
    else if (keys && typeof keys === "object") Object.keys(keys).forEach(keep);
  };
  const keeping = (before) => (keys, ...rest) => {
    keepAll(keys);
    return before(keys, ...rest);
  };
  for (const target of [storage, storage.kv]) {
    lay(target, "put", keeping);
    lay(target, "delete", keeping);
  }
  lay(storage, "deleteAll", (before) => (...rest) => {
    guard.emptied = true;
    return before(...rest);
  });
  lay(storage, "transaction", (before) => (work) =>
    before((inner) => {
      lay(inner, "put", keeping);
      lay(inner, "delete", keeping);
      return work(inner);
    }));
  originals.get(storage).guard = guard;
  return guard;
}

/** The time of the object's own alarm, in Unix milliseconds; `undefined` where none is set. */
export async function alarm(storage) {
  return (await original(storage, "getAlarm").call(storage)) ?? undefined;
}

/** Sets the object's alarm, or removes it. */
export async function setAlarm(storage, unixMs) {
  if (unixMs === undefined) await original(storage, "deleteAlarm").call(storage);
  else await original(storage, "setAlarm").call(storage, unixMs);
}

/** Resolves after `ms` milliseconds, and never before other events had their turn. */
export function later(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
