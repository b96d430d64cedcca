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

/**
 * The rows of a query: for each its values. Where that is wanted, rows behind the one that comes to `bytesMax` are
 * left out; but a cursor that is not read to its end keeps its table locked, so the caller asks for few enough.
 */
export function query(storage, statement, parameters, bytesMax, mayEndEarly) {
  const cursor = storage.sql.exec(statement, ...new Values(parameters).list());
  let leftOut = 0;
  begin();
  for (const row of cursor.raw()) {
    if (length >= bytesMax) leftOut += 1;
    else for (const value of row) push(value);
  }
  if (leftOut > 0 && !mayEndEarly) throw new Error(`a query gave more than ${bytesMax} bytes`);
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

/**
 * Does `work` while errors get no stack of their own: one that was stored without gets another each time it is
 * read, and would never be the same twice.
 */
function withoutStacks(work) {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** Entries of the key-value storage behind `after`: key, stored bytes. */
export function entries(storage, after, countMax, bytesMax) {
  return withoutStacks(() => readEntries(storage, after, countMax, bytesMax));
}

/**
 * Stored bytes as this object would store the value again: numbers that are whole may be spelled shorter, for
 * instance.
 */
export function storedAgain(bytes) {
  return withoutStacks(() => serializeInPlace(deserialize(bytes.slice())));
}

function readEntries(storage, after, countMax, bytesMax) {
  const options = { limit: countMax };
  if (after !== undefined) options.startAfter = after;
  let failure;
  begin();
  for (const [key, value] of storage.kv.list(options)) {
    if (failure || length >= bytesMax) continue;
    try {
      const stored = serializeInPlace(value);
      push(key);
      push(stored);
    } catch (error) {
      failure = new Error(`the value of entry ${JSON.stringify(key)}: ${error.message}`);
    }
  }
  if (failure) throw failure;
  return buffer.subarray(0, length);
}

/** Puts entries, each its key and its stored bytes, in the place of what has their keys. */
export function putEntries(storage, packed) {
  const values = new Values(packed);
  while (!values.ended) {
    const key = values.next();
    original(storage.kv, "put").call(storage.kv, key, withoutStacks(() => deserialize(values.next())));
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

/**
 * Puts rows into a bucket as one object of `total` bytes, a row at a time: the blob that `select` gives for each number
 * from 0 on, until there is none.
 */
export async function putRows(storage, bucket, key, options, total, select) {
  const { readable, writable } = new FixedLengthStream(total);
  const write = async () => {
    const writer = writable.getWriter();
    for (let number = 0; ; number += 1) {
      const rows = [...storage.sql.exec(select, number).raw()];
      if (rows.length === 0) break;
      await writer.write(new Uint8Array(rows[0][0]));
    }
    await writer.close();
  };
  // What goes wrong here ends the stream, and by that the request.
  write().catch((error) => writable.abort(error).catch(() => {}));
  try {
    return await bucket.put(key, readable, options);
  } finally {
    if (!readable.locked) readable.cancel().catch(() => {});
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

/** The triggers of the engine: SQLite drops no column that one of them names. */
const TRIGGERS = `SELECT name FROM sqlite_schema
  WHERE type = 'trigger' AND (name GLOB '_dotctl_touched_*' OR name GLOB '_dotctl_before_*')`;

/**
 * Has the triggers go before a column is dropped. What they would have seen is missed, and that is noticed: the next checkpoint is a
 * full one, one that is being made fails with `busy`.
 */
function watchColumns(sql) {
  lay(sql, "exec", (before) => (statement, ...rest) => {
    if (typeof statement === "string" && /\balter\b/i.test(statement) && /\bdrop\b/i.test(statement)) {
      for (const [name] of [...before(TRIGGERS).raw()]) before(`DROP TRIGGER ${name}`);
    }
    return before(statement, ...rest);
  });
}

const BEFORE = "INSERT OR IGNORE INTO _dotctl_before_entries VALUES (?, ?)";

/**
 * Watches what is written to the key-value storage. While `guard.capturing`, what an entry was before its
 * first change is kept; `guard.emptied` says that everything was removed, `guard.missed` what could not be kept; `guard.busy`, that a checkpoint or a restore
 * goes on. There is one for each object, however often this is called.
 */
export function watchEntries(storage) {
  if (!storage.kv) throw new Error("the class is not SQLite-backed: name it in new_sqlite_classes of its migration");
  const guard = { capturing: false, emptied: false, busy: false, missed: undefined };
  if (originals.has(storage)) return originals.get(storage).guard;
  watchColumns(storage.sql);
  const keep = (key) => {
    if (!guard.capturing || typeof key !== "string") return;
    try {
      const stored = withoutStacks(() => {
        const before = storage.kv.get(key);
        return before === undefined ? null : serializeInPlace(before).slice();
      });
      storage.sql.exec(BEFORE, key, stored);
    } catch (error) {
      // The object's write is not to fail for it; the checkpoint is.
      guard.missed ??= `the value of entry ${JSON.stringify(key)}: ${error.message}`;
    }
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
      for (const name of ["getAlarm", "setAlarm", "deleteAlarm"]) {
        // What is set by way of the object's storage meanwhile belongs to the same transaction.
        lay(inner, name, (before) => (...rest) =>
          originals.get(storage).alarms?.wanted ? storage[name](...rest) : before(...rest));
      }
      return work(inner);
    }));
  originals.get(storage).guard = guard;
  return guard;
}

/** When an alarm comes again that the object failed to answer while a checkpoint was made, in milliseconds. */
const RETRY_MS = 2_000;

const WORK = "CREATE TABLE IF NOT EXISTS _dotctl_work (name TEXT PRIMARY KEY, value) WITHOUT ROWID";
const PUT_WORK = "INSERT INTO _dotctl_work VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/**
 * An object has one alarm, which a long checkpoint needs for itself: each alarm is an event with a time limit of
 * its own, and it is what begins again after the object was restarted. Meanwhile the object's own alarm is kept in
 * `_dotctl_work`; `getAlarm`, `setAlarm` and `deleteAlarm` go on to mean that one.
 */
class Alarms {
  #storage;
  #woken = [];
  /** The time of the object's own alarm that has come and is being answered. */
  #given = null;

  constructor(storage) {
    this.#storage = storage;
    lay(storage, "getAlarm", (before) => async (...rest) => {
      if (!this.wanted) return before(...rest);
      const own = this.#own();
      return own === this.#given ? null : own;
    });
    lay(storage, "setAlarm", (before) => async (time, ...rest) => {
      if (!this.wanted) return before(time, ...rest);
      storage.sql.exec(PUT_WORK, "alarm", +time);
      await this.#arm();
    });
    lay(storage, "deleteAlarm", (before) => async (...rest) => {
      if (!this.wanted) return before(...rest);
      storage.sql.exec(PUT_WORK, "alarm", null);
      await this.#arm();
    });
  }

  /** Whether a checkpoint was begun and has not ended, in this life of the object or an earlier one. */
  get wanted() {
    const there = this.#storage.sql.exec("SELECT 1 FROM sqlite_schema WHERE name = '_dotctl_work'").raw();
    return [...there].length > 0 && this.#value("due") !== null;
  }

  #value(name) {
    // To the end: a cursor that is left in the middle keeps its table locked.
    const rows = [...this.#storage.sql.exec("SELECT value FROM _dotctl_work WHERE name = ?", name).raw()];
    return rows[0]?.[0] ?? null;
  }

  #own() {
    return this.#value("alarm");
  }

  async #arm() {
    const times = [this.#own(), this.#value("due")].filter((time) => time !== null);
    if (times.length > 0) await original(this.#storage, "setAlarm").call(this.#storage, Math.min(...times));
    else await original(this.#storage, "deleteAlarm").call(this.#storage);
  }

  /** Has the object woken after `ms` milliseconds, whatever becomes of it until then. */
  async begin(ms) {
    const own = await this.#storage.getAlarm();
    this.#storage.sql.exec(WORK);
    this.#storage.sql.exec(PUT_WORK, "alarm", own);
    await this.due(ms);
  }

  async due(ms) {
    this.#storage.sql.exec(PUT_WORK, "due", Date.now() + ms);
    await this.#arm();
  }

  /** Wakes the object at once, and waits for that, but not for ever. */
  async turn() {
    const woken = new Promise((resolve) => this.#woken.push(resolve));
    await this.due(0);
    // While the object answers an alarm no other comes.
    await Promise.race([woken, later(250)]);
  }

  /** Nothing more is to be done: the alarm is the object's again. */
  async end() {
    if (!this.wanted) return;
    const own = this.#own();
    this.#storage.sql.exec("DELETE FROM _dotctl_work");
    await setAlarm(this.#storage, own ?? undefined);
  }

  /** The alarm has come. Says whether it was the object's own too: then `answered` has to be called. */
  async came(ms) {
    for (const resolve of this.#woken.splice(0)) resolve();
    if (!this.wanted) return true;
    const own = this.#own();
    const due = own !== null && own <= Date.now();
    if (due) this.#given = own;
    await this.due(ms);
    return due;
  }

  /** The object has answered its own alarm, or failed to: then it comes again. */
  async answered(well) {
    const given = this.#given;
    this.#given = null;
    if (given === null) return;
    if (!this.wanted) {
      // The checkpoint has ended meanwhile, and has set the alarm again.
      if (well && (await original(this.#storage, "getAlarm").call(this.#storage)) === given) await setAlarm(this.#storage, undefined);
      return;
    }
    if (this.#own() !== given) return;
    this.#storage.sql.exec(PUT_WORK, "alarm", well ? null : Date.now() + RETRY_MS);
    await this.#arm();
  }
}

/** The object's alarm, shared with a checkpoint that goes on. */
export function watchAlarms(storage) {
  const kept = originals.get(storage);
  kept.alarms ??= new Alarms(storage);
  return kept.alarms;
}

/** The time of the object's own alarm, in Unix milliseconds; `undefined` where none is set. */
export async function alarm(storage) {
  return (await storage.getAlarm()) ?? undefined;
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

/** What `promise` comes to, if that takes no longer than `ms` milliseconds. */
export function within(promise, ms) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
