// JavaScript values to the bytes that a Durable Object's storage keeps for them, and back.
//
// Code inside an object can read its key-value entries only as values, and a checkpoint's rows hold
// their stored bytes. workerd offers no serializer that gives those bytes (its `node:v8` has the
// names and not the functions), so this writes and reads V8's format itself: version 15 of
// `src/objects/value-serializer.cc`, and inside it the objects that workerd adds
// (`src/workerd/jsg/ser.c++`). What differs from storage is in docs/VALUES.md, "Inside an object".
//
// One file without imports, so that a bundler and wasm-bindgen can both take it as it is.

// The bytes that say what follows, as V8 names them.
const VERSION = 0xff;
const HOLE = 0x2d; // -
const UNDEFINED = 0x5f; // _
const NULL = 0x30; // 0
const TRUE = 0x54; // T
const FALSE = 0x46; // F
const INT32 = 0x49; // I
const UINT32 = 0x55; // U
const DOUBLE = 0x4e; // N
const BIGINT = 0x5a; // Z
const UTF8_STRING = 0x53; // S
const ONE_BYTE_STRING = 0x22; // "
const TWO_BYTE_STRING = 0x63; // c
const REFERENCE = 0x5e; // ^
const BEGIN_OBJECT = 0x6f; // o
const END_OBJECT = 0x7b; // {
const BEGIN_SPARSE_ARRAY = 0x61; // a
const END_SPARSE_ARRAY = 0x40; // @
const BEGIN_DENSE_ARRAY = 0x41; // A
const END_DENSE_ARRAY = 0x24; // $
const DATE = 0x44; // D
const TRUE_OBJECT = 0x79; // y
const FALSE_OBJECT = 0x78; // x
const NUMBER_OBJECT = 0x6e; // n
const BIGINT_OBJECT = 0x7a; // z
const STRING_OBJECT = 0x73; // s
const REGEXP = 0x52; // R
const BEGIN_MAP = 0x3b; // ;
const END_MAP = 0x3a; // :
const BEGIN_SET = 0x27; // '
const END_SET = 0x2c; // ,
const ARRAY_BUFFER = 0x42; // B
const RESIZABLE_ARRAY_BUFFER = 0x7e; // ~
const VIEW = 0x56; // V
const ERROR = 0x72; // r
const HOST_OBJECT = 0x5c; // \

// The parts of an error in V8's own form.
const ERROR_MESSAGE = 0x6d; // m
const ERROR_STACK = 0x73; // s
const ERROR_CAUSE = 0x63; // c
const ERROR_END = 0x2e; // .

// `SerializationTag` of workerd's `worker-interface.capnp`.
const HOST_HEADERS = 4;
const HOST_REQUEST = 5;
const HOST_RESPONSE = 6;
const HOST_DOM_EXCEPTION = 8;
const HOST_NATIVE_ERROR = 10;
const HOST_BLOB = 15;

/** Whose headers may be changed: by nobody (0), freely (3). Scripts cannot tell 1 and 2 from 3. */
const GUARD_IMMUTABLE = 0;
const GUARD_NONE = 3;

// A view's flags.
const LENGTH_TRACKING = 1;
const BACKED_BY_RESIZABLE = 2;

/** Integers that V8 keeps without a heap object where pointers are compressed, as in workerd. */
const SMALL_INTEGER_MIN = -(2 ** 30);
const SMALL_INTEGER_MAX = 2 ** 30 - 1;
const UINT32_MAX = 2 ** 32 - 1;

/** V8's bits of a regular expression's flags; 64 is its own `l`, which storage cannot read. */
const REGEXP_FLAGS = [
  ["d", 128], ["g", 1], ["i", 2], ["m", 4], ["s", 32], ["u", 16], ["v", 256], ["y", 8],
];

/** Names that V8 keeps as a letter in its own form of an error. */
const ERROR_LETTERS = {
  EvalError: 0x45,
  RangeError: 0x52,
  ReferenceError: 0x46,
  SyntaxError: 0x53,
  TypeError: 0x54,
  URIError: 0x55,
};

/** `ErrorTag` of workerd's `ser.c++`, from 1 on; 0 is an error of another name. */
const NATIVE_ERRORS = [
  "Error", "TypeError", "RangeError", "ReferenceError", "SyntaxError", "WasmCompileError", "WasmLinkError",
  "WasmRuntimeError", "WasmSuspendError", "EvalError", "URIError", "AggregateError", "SuppressedError",
];

/** `CommonHeaderName` of Cap'n Proto's `http-over-capnp.capnp`, from 1 on; 0 is another name. */
const COMMON_HEADERS = [
  "accept-charset", "accept-encoding", "accept-language", "accept-ranges", "accept",
  "access-control-allow-origin", "age", "allow", "authorization", "cache-control", "content-disposition",
  "content-encoding", "content-language", "content-length", "content-location", "content-range", "content-type",
  "cookie", "date", "etag", "expect", "expires", "from", "host", "if-match", "if-modified-since",
  "if-none-match", "if-range", "if-unmodified-since", "last-modified", "link", "location", "max-forwards",
  "proxy-authenticate", "proxy-authorization", "range", "referer", "refresh", "retry-after", "server",
  "set-cookie", "strict-transport-security", "transfer-encoding", "user-agent", "vary", "via",
  "www-authenticate",
];

/** The views, each with its letter and the bytes of an element. */
const VIEWS = [
  ["Int8Array", 0x62, 1], ["Uint8Array", 0x42, 1], ["Uint8ClampedArray", 0x43, 1], ["Int16Array", 0x77, 2],
  ["Uint16Array", 0x57, 2], ["Int32Array", 0x64, 4], ["Uint32Array", 0x44, 4], ["Float16Array", 0x68, 2],
  ["Float32Array", 0x66, 4], ["Float64Array", 0x46, 8], ["BigInt64Array", 0x71, 8],
  ["BigUint64Array", 0x51, 8], ["DataView", 0x3f, 1],
];
const VIEW_OF_NAME = new Map(VIEWS.map(([name, letter, bytes]) => [name, { letter, bytes }]));
const VIEW_OF_LETTER = new Map(VIEWS.map(([name, letter, bytes]) => [letter, { name, bytes }]));

// What the object's own code may have replaced later is taken here, once.
const call = Function.prototype.call;
const uncurry = (method) => call.bind(method);
const getter = (prototype, name) => {
  const found = Object.getOwnPropertyDescriptor(prototype, name)?.get;
  return found === undefined ? undefined : uncurry(found);
};
const objectPrototype = Object.prototype;
const { isArray } = Array;
const { isView } = ArrayBuffer;
const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, isExtensible, keys: keysOf } = Object;
const ownKeys = Reflect.ownKeys;
const tagOf = uncurry(objectPrototype.toString);
const apply = Reflect.apply;
const fromCharCode = String.fromCharCode;
const typedArrayPrototype = getPrototypeOf(Uint8Array.prototype);
const typedArrayName = getter(typedArrayPrototype, Symbol.toStringTag);
const typedArrayBuffer = getter(typedArrayPrototype, "buffer");
const typedArrayOffset = getter(typedArrayPrototype, "byteOffset");
const typedArrayBytes = getter(typedArrayPrototype, "byteLength");
const typedArrayValues = uncurry(typedArrayPrototype.values);
const dataViewBuffer = getter(DataView.prototype, "buffer");
const dataViewOffset = getter(DataView.prototype, "byteOffset");
const dataViewBytes = getter(DataView.prototype, "byteLength");
const bufferBytes = getter(ArrayBuffer.prototype, "byteLength");
const bufferMaximum = getter(ArrayBuffer.prototype, "maxByteLength");
const bufferResizable = getter(ArrayBuffer.prototype, "resizable") ?? (() => false);
const bufferDetached = getter(ArrayBuffer.prototype, "detached");
const bufferResize = ArrayBuffer.prototype.resize && uncurry(ArrayBuffer.prototype.resize);
const sharedBytes =
  typeof SharedArrayBuffer === "function" ? getter(SharedArrayBuffer.prototype, "byteLength") : undefined;
const mapSize = getter(Map.prototype, "size");
const mapForEach = uncurry(Map.prototype.forEach);
const setSize = getter(Set.prototype, "size");
const setForEach = uncurry(Set.prototype.forEach);
const dateTime = uncurry(Date.prototype.getTime);
const regexpSource = getter(RegExp.prototype, "source");
const regexpFlags = getter(RegExp.prototype, "flags");
const booleanValue = uncurry(Boolean.prototype.valueOf);
const numberValue = uncurry(Number.prototype.valueOf);
const stringValue = uncurry(String.prototype.valueOf);
const bigintValue = uncurry(BigInt.prototype.valueOf);
const symbolValue = uncurry(Symbol.prototype.valueOf);
const isNativeError = Error.isError ?? ((value) => tagOf(value) === "[object Error]");

const textEncoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const succeeds = (attempt, value) => {
  try {
    attempt(value);
    return true;
  } catch {
    return false;
  }
};
const isHost = (name, value) => typeof globalThis[name] === "function" && value instanceof globalThis[name];

/** Refuses a value as `storage.put` does. */
function refuse(message) {
  throw new DOMException(message, "DataCloneError");
}

/** Lets the runtime refuse what only it can tell apart. A value that it cannot read again is none of that. */
function refuseUnstorable(value) {
  try {
    structuredClone(value);
  } catch (error) {
    if (error?.name === "DataCloneError") throw error;
  }
}

// ---- Which kind of object ----------------------------------------------------------------------

const KIND_OBJECT = 0;
const KIND_ARRAY = 1;
const KIND_VIEW = 2;
const KIND_DATE = 3;
const KIND_MAP = 4;
const KIND_SET = 5;
const KIND_REGEXP = 6;
const KIND_BUFFER = 7;
const KIND_ERROR = 8;
const KIND_BOOLEAN = 9;
const KIND_NUMBER = 10;
const KIND_STRING = 11;
const KIND_BIGINT = 12;
const KIND_DOM_EXCEPTION = 13;
const KIND_HEADERS = 14;
const KIND_REQUEST = 15;
const KIND_RESPONSE = 16;
const KIND_BLOB = 17;
const KIND_REFUSED = 18;
const KIND_UNKNOWN = 19;

/** What V8 looks at is not the prototype but what an object was made as; these find that out. */
const BRANDS = [
  [KIND_DATE, dateTime],
  [KIND_MAP, mapSize],
  [KIND_SET, setSize],
  [KIND_BUFFER, bufferBytes],
  [KIND_BOOLEAN, booleanValue],
  [KIND_NUMBER, numberValue],
  [KIND_STRING, stringValue],
  [KIND_BIGINT, bigintValue],
  [KIND_REFUSED, symbolValue],
  [KIND_REFUSED, sharedBytes ?? (() => { throw new TypeError("there is no SharedArrayBuffer"); })],
];
const BRAND_OF_TAG = new Map([
  ["[object Date]", BRANDS[0]], ["[object Map]", BRANDS[1]], ["[object Set]", BRANDS[2]],
  ["[object ArrayBuffer]", BRANDS[3]], ["[object Boolean]", BRANDS[4]], ["[object Number]", BRANDS[5]],
  ["[object String]", BRANDS[6]], ["[object BigInt]", BRANDS[7]],
]);

/** Whether this was made as a regular expression: its prototype answers `source` too. */
function isRegExp(value) {
  if (getOwnPropertyDescriptor(value, "lastIndex") === undefined) return false;
  return value !== RegExp.prototype && succeeds(regexpSource, value);
}

function kindOf(value) {
  if (isArray(value)) return KIND_ARRAY;
  const prototype = getPrototypeOf(value);
  const tag = tagOf(value);
  if (tag === "[object Object]" && (prototype === objectPrototype || prototype === null)) return KIND_OBJECT;
  if (isView(value)) return KIND_VIEW;
  const brand = BRAND_OF_TAG.get(tag);
  if (brand !== undefined && succeeds(brand[1], value)) return brand[0];
  if (isHost("DOMException", value)) return KIND_DOM_EXCEPTION;
  if (isNativeError(value)) return KIND_ERROR;
  if (isRegExp(value)) return KIND_REGEXP;
  if (isHost("Headers", value)) return KIND_HEADERS;
  if (isHost("Request", value)) return KIND_REQUEST;
  if (isHost("Response", value)) return KIND_RESPONSE;
  if (isHost("Blob", value)) return KIND_BLOB;
  // The others have a tag of their own, unless somebody changed their prototype.
  if (tag === "[object Object]") return KIND_UNKNOWN;
  for (const [kind, attempt] of BRANDS) if (succeeds(attempt, value)) return kind;
  return tag === "[object Arguments]" ? KIND_REFUSED : KIND_UNKNOWN;
}

/** What V8 calls an object in its refusal. */
function refusedName(value) {
  if (value.toString === objectPrototype.toString) {
    const { constructor } = value;
    if (typeof constructor === "function" && constructor.name !== "") return `#<${constructor.name}>`;
  }
  return tagOf(value);
}

// ---- What this runtime stores ------------------------------------------------------------------

let enhancedErrors;
let fullStructs;

/** Whether errors are stored as workerd's objects: `enhanced_error_serialization`, on since 2026-04-21. */
function storesEnhancedErrors() {
  if (enhancedErrors === undefined) {
    const copy = structuredClone(Object.assign(new Error(""), { dotctl: true }));
    enhancedErrors = copy.dotctl === true;
  }
  return enhancedErrors;
}

/** Whether workerd's dictionaries name the members that they do not have: newer compatibility dates do. */
function storesFullStructs() {
  fullStructs ??= hasOwn(new Headers().keys().next(), "value");
  return fullStructs;
}

// ---- Writing -----------------------------------------------------------------------------------

const START_BYTES = 64 * 1024;
/** A buffer larger than this is not kept for the next value. */
const KEPT_BYTES = 8 * 1024 * 1024;
/** So many objects are looked up by going through them; past that a Map is quicker. */
const LISTED_OBJECTS = 12;
/** From here on a string's characters are copied by the platform's own loop. */
const LONG_STRING = 48;

const FRAME_PROPERTIES = 0;
const FRAME_ITEMS = 1;
const FRAME_ERROR = 2;

class WriteFrame {
  kind = FRAME_PROPERTIES;
  /** Whose properties or items follow. */
  target = undefined;
  /** Names of properties; of a dense array those after its elements. */
  keys = undefined;
  at = 0;
  count = 0;
  /** The tag that ends it. */
  end = 0;
  /** What follows the tag: the count of `count`, then this where it is not -1. */
  length = -1;
}

const noKeys = Object.freeze([]);

class Writer {
  constructor() {
    this.setBytes(new Uint8Array(START_BYTES));
    this.position = 0;
    this.frames = [];
    this.depth = 0;
    this.objects = 0;
    this.listed = new Array(LISTED_OBJECTS).fill(undefined);
    this.ids = null;
    this.root = undefined;
    this.verified = false;
    this.busy = false;
    this.enhanced = undefined;
    this.blobs = undefined;
    this.missingBlobs = null;
  }

  setBytes(bytes) {
    this.bytes = bytes;
    this.units = new Uint16Array(bytes.buffer);
    this.view = new DataView(bytes.buffer);
  }

  /** Makes room for `count` more bytes. */
  reserve(count) {
    const needed = this.position + count;
    if (needed <= this.bytes.length) return;
    if (needed > UINT32_MAX) refuse("the value is larger than V8's format can hold");
    let size = this.bytes.length;
    while (size < needed) size *= 2;
    const grown = new Uint8Array(size);
    grown.set(this.bytes.subarray(0, this.position));
    this.setBytes(grown);
  }

  /** Writes a value; what it wrote is `bytes` up to `position`. */
  write(root, options) {
    this.busy = true;
    this.root = root;
    this.enhanced = options?.errors === undefined ? undefined : options.errors === "workerd";
    this.blobs = options?.blobs;
    this.missingBlobs = null;
    try {
      this.position = 2;
      this.bytes[0] = VERSION;
      this.bytes[1] = 15;
      this.value(root);
      this.run();
    } finally {
      this.reset();
    }
  }

  /** Lets go of everything but the bytes. */
  reset() {
    this.listed.fill(undefined);
    this.ids = null;
    this.objects = 0;
    for (let at = 0; at < this.depth; at += 1) this.frames[at].target = this.frames[at].keys = undefined;
    this.depth = 0;
    this.root = undefined;
    this.verified = false;
    this.blobs = undefined;
    this.busy = false;
  }

  release() {
    if (this.bytes.length > KEPT_BYTES) this.setBytes(new Uint8Array(START_BYTES));
  }

  // Containers are worked off from a stack of our own, so no depth of nesting recurses.
  run() {
    while (this.depth > 0) {
      const frame = this.frames[this.depth - 1];
      if (frame.kind === FRAME_PROPERTIES) {
        if (this.properties(frame)) continue;
      } else if (frame.kind === FRAME_ITEMS) {
        if (this.items(frame)) continue;
        if (frame.keys !== undefined) {
          frame.kind = FRAME_PROPERTIES;
          frame.at = 0;
          frame.count = frame.keys.length;
          continue;
        }
      } else {
        this.reserve(1);
        this.bytes[this.position++] = ERROR_END;
        this.pop(frame);
        continue;
      }
      this.reserve(11);
      this.bytes[this.position++] = frame.end;
      this.varint(frame.count);
      if (frame.length >= 0) this.varint(frame.length);
      this.pop(frame);
    }
  }

  pop(frame) {
    frame.target = undefined;
    frame.keys = undefined;
    this.depth -= 1;
  }

  /** Says whether a property's value is a container that has to be worked off first. */
  properties(frame) {
    const { target, keys, count } = frame;
    let at = frame.at;
    while (at < count) {
      const key = keys[at];
      at += 1;
      this.key(key);
      if (this.value(target[key])) {
        frame.at = at;
        return true;
      }
    }
    return false;
  }

  items(frame) {
    const { target, count } = frame;
    let at = frame.at;
    while (at < count) {
      const item = target[at];
      at += 1;
      if (this.value(item)) {
        frame.at = at;
        return true;
      }
    }
    return false;
  }

  push(kind, target, keys, count, end, length) {
    let frame = this.frames[this.depth];
    if (frame === undefined) {
      frame = new WriteFrame();
      this.frames.push(frame);
    }
    this.depth += 1;
    frame.kind = kind;
    frame.target = target;
    frame.keys = keys;
    frame.at = 0;
    frame.count = count;
    frame.end = end;
    frame.length = length;
    return true;
  }

  pushProperties(target, keys, end, length) {
    return this.push(FRAME_PROPERTIES, target, keys, keys.length, end, length);
  }

  /** Writes a value, or of a container the beginning; says whether a frame was pushed. */
  value(value) {
    switch (typeof value) {
      case "string":
        this.string(value);
        return false;
      case "number":
        this.number(value);
        return false;
      case "boolean":
        this.tag(value ? TRUE : FALSE);
        return false;
      case "object":
        if (value === null) {
          this.tag(NULL);
          return false;
        }
        return this.object(value);
      case "undefined":
        this.tag(UNDEFINED);
        return false;
      case "bigint":
        this.reserve(1);
        this.bytes[this.position++] = BIGINT;
        this.bigint(value);
        return false;
      default:
        return refuse(`${String(value)} could not be cloned.`);
    }
  }

  tag(tag) {
    this.reserve(1);
    this.bytes[this.position++] = tag;
  }

  /** A number of at most 32 bits; the caller made room for 5 bytes. */
  varint(number) {
    const { bytes } = this;
    let rest = number;
    while (rest > 0x7f) {
      bytes[this.position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.position++] = rest;
  }

  counted(tag, count) {
    this.reserve(6);
    this.bytes[this.position++] = tag;
    this.varint(count);
  }

  number(value) {
    this.reserve(9);
    if (isSmallInteger(value)) {
      this.bytes[this.position++] = INT32;
      this.varint(((value << 1) ^ (value >> 31)) >>> 0);
    } else {
      this.bytes[this.position++] = DOUBLE;
      this.view.setFloat64(this.position, value, true);
      this.position += 8;
    }
  }

  double(tag, value) {
    this.reserve(9);
    this.bytes[this.position++] = tag;
    this.view.setFloat64(this.position, value, true);
    this.position += 8;
  }

  /** Size, sign and digits, after the tag. */
  bigint(value) {
    const sign = value < 0n ? 1 : 0;
    const magnitude = sign === 1 ? -value : value;
    if (magnitude <= 0xffff_ffff_ffff_ffffn) {
      this.reserve(9);
      if (magnitude === 0n) {
        this.bytes[this.position++] = 0;
        return;
      }
      this.bytes[this.position++] = 16 | sign;
      this.view.setBigUint64(this.position, magnitude, true);
      this.position += 8;
      return;
    }
    // Hexadecimal takes time linear in the digits, division by 2^64 again and again does not.
    const text = magnitude.toString(16);
    const length = Math.ceil(text.length / 16) * 8;
    this.reserve(5 + length);
    this.varint(((length << 1) | sign) >>> 0);
    const end = this.position + length;
    for (let at = text.length; at > 0; at -= 2) {
      const low = nibble(text.charCodeAt(at - 1));
      this.bytes[this.position++] = at > 1 ? low | (nibble(text.charCodeAt(at - 2)) << 4) : low;
    }
    this.bytes.fill(0, this.position, end);
    this.position = end;
  }

  string(value) {
    const { length } = value;
    this.reserve(length + 6);
    const start = this.position;
    if (length < LONG_STRING) {
      const { bytes } = this;
      bytes[start] = ONE_BYTE_STRING;
      bytes[start + 1] = length;
      let to = start + 2;
      for (let at = 0; at < length; at += 1) {
        const unit = value.charCodeAt(at);
        if (unit > 0xff) return this.twoByteString(value);
        bytes[to] = unit;
        to += 1;
      }
      this.position = to;
      return;
    }
    this.bytes[this.position++] = ONE_BYTE_STRING;
    this.varint(length);
    const from = this.position;
    const { bytes } = this;
    const { read, written } = textEncoder.encodeInto(value, bytes.subarray(from, from + length));
    if (read !== length || written !== length) {
      for (let at = 0; at < length; at += 1) {
        const unit = value.charCodeAt(at);
        if (unit > 0xff) {
          this.position = start;
          return this.twoByteString(value);
        }
        bytes[from + at] = unit;
      }
    }
    this.position = from + length;
  }

  twoByteString(value) {
    const { length } = value;
    const size = length * 2;
    this.reserve(size + 7);
    let sizeBytes = 1;
    for (let rest = size; rest > 0x7f; rest >>>= 7) sizeBytes += 1;
    // V8 puts the characters at an even place.
    if ((this.position + 1 + sizeBytes) % 2 === 1) this.bytes[this.position++] = 0;
    this.bytes[this.position++] = TWO_BYTE_STRING;
    this.varint(size);
    const { units } = this;
    const from = this.position / 2;
    for (let at = 0; at < length; at += 1) units[from + at] = value.charCodeAt(at);
    this.position += size;
  }

  /** A property's name: an array index is written as the number it is. */
  key(key) {
    const first = key.charCodeAt(0);
    if (first >= 0x30 && first <= 0x39 && isArrayIndex(key)) this.number(Number(key));
    else this.string(key);
  }

  /** Gives an object the next number, or says which it has: -1 is none. */
  numberOf(object) {
    const { objects } = this;
    if (this.ids === null) {
      const { listed } = this;
      for (let id = 0; id < objects; id += 1) if (listed[id] === object) return id;
      if (objects < LISTED_OBJECTS) {
        listed[objects] = object;
        this.objects = objects + 1;
        return -1;
      }
      this.ids = new Map();
      for (let id = 0; id < objects; id += 1) this.ids.set(listed[id], id);
    } else {
      const id = this.ids.get(object);
      if (id !== undefined) return id;
    }
    this.ids.set(object, objects);
    this.objects = objects + 1;
    return -1;
  }

  /** Writes a reference to an object that was written before; else the object has a number now. */
  known(object) {
    const id = this.numberOf(object);
    if (id < 0) return false;
    this.counted(REFERENCE, id);
    return true;
  }

  object(value) {
    const kind = kindOf(value);
    if (kind === KIND_VIEW) return this.arrayView(value);
    if (this.known(value)) return false;
    switch (kind) {
      case KIND_OBJECT:
        this.tag(BEGIN_OBJECT);
        return this.pushProperties(value, keysOf(value), END_OBJECT, -1);
      case KIND_ARRAY:
        return this.array(value);
      case KIND_DATE:
        this.double(DATE, dateTime(value));
        return false;
      case KIND_MAP: {
        const items = [];
        mapForEach(value, (held, key) => items.push(key, held));
        this.tag(BEGIN_MAP);
        return this.push(FRAME_ITEMS, items, undefined, items.length, END_MAP, -1);
      }
      case KIND_SET: {
        const items = [];
        setForEach(value, (held) => items.push(held));
        this.tag(BEGIN_SET);
        return this.push(FRAME_ITEMS, items, undefined, items.length, END_SET, -1);
      }
      case KIND_REGEXP: {
        this.tag(REGEXP);
        this.string(regexpSource(value));
        const flags = regexpFlags(value);
        let bits = 0;
        for (const [letter, bit] of REGEXP_FLAGS) if (flags.includes(letter)) bits |= bit;
        this.reserve(5);
        this.varint(bits);
        return false;
      }
      case KIND_BUFFER:
        this.arrayBuffer(value);
        return false;
      case KIND_ERROR:
        return this.enhanced ?? storesEnhancedErrors() ? this.nativeError(value) : this.error(value);
      case KIND_BOOLEAN:
        this.tag(booleanValue(value) ? TRUE_OBJECT : FALSE_OBJECT);
        return false;
      case KIND_NUMBER:
        this.double(NUMBER_OBJECT, numberValue(value));
        return false;
      case KIND_STRING:
        this.tag(STRING_OBJECT);
        this.string(stringValue(value));
        return false;
      case KIND_BIGINT:
        this.tag(BIGINT_OBJECT);
        this.bigint(bigintValue(value));
        return false;
      case KIND_DOM_EXCEPTION:
        this.host(HOST_DOM_EXCEPTION);
        this.hostText(value.name);
        this.hostText(value.message);
        this.hostText(typeof value.stack === "string" ? value.stack : "");
        return false;
      case KIND_HEADERS:
        this.headers(value);
        return false;
      case KIND_REQUEST:
        return this.request(value);
      case KIND_RESPONSE:
        return this.response(value);
      case KIND_BLOB:
        return this.blob(value);
      case KIND_REFUSED:
        return refuse(`${refusedName(value)} could not be cloned.`);
      default:
        // An object of a class, which storage keeps as a plain object, or something that cannot be
        // stored. Only the runtime can tell: it refuses the latter.
        this.verify();
        this.tag(BEGIN_OBJECT);
        return this.pushProperties(value, keysOf(value), END_OBJECT, -1);
    }
  }

  /** Lets the runtime refuse what it does not store. Once a value: it looks at all of it. */
  verify() {
    if (this.verified) return;
    refuseUnstorable(this.root);
    this.verified = true;
  }

  array(value) {
    const { length } = value;
    const keys = length === 0 && isExtensible(value) ? keysOf(value) : denseKeys(value, length);
    if (keys === undefined) {
      this.counted(BEGIN_SPARSE_ARRAY, length);
      return this.pushProperties(value, keysOf(value), END_SPARSE_ARRAY, length);
    }
    const numbers = length > 0 ? numbersOf(value, length) : NO_NUMBERS;
    if (numbers === NUMBERS_WITH_UNDEFINED) {
      this.counted(BEGIN_SPARSE_ARRAY, length);
      return this.pushProperties(value, keysOf(value), END_SPARSE_ARRAY, length);
    }
    this.counted(BEGIN_DENSE_ARRAY, length);
    if (numbers === DOUBLES) {
      this.doubles(value, length);
      return this.pushProperties(value, keys, END_DENSE_ARRAY, length);
    }
    return this.push(FRAME_ITEMS, value, keys, length, END_DENSE_ARRAY, length);
  }

  /** An array of numbers that are not all small integers: V8 keeps and writes each as a double. */
  doubles(array, length) {
    this.reserve(length * 9);
    const { bytes, view } = this;
    let { position } = this;
    for (let at = 0; at < length; at += 1) {
      bytes[position] = DOUBLE;
      view.setFloat64(position + 1, array[at], true);
      position += 9;
    }
    this.position = position;
  }

  arrayBuffer(buffer) {
    const length = bufferBytes(buffer);
    if (length === 0 && isDetached(buffer)) refuse("An ArrayBuffer is detached and could not be cloned.");
    if (length > UINT32_MAX) refuse("An ArrayBuffer is too large to be cloned.");
    this.reserve(length + 11);
    if (bufferResizable(buffer)) {
      const maximum = bufferMaximum(buffer);
      if (maximum > UINT32_MAX) refuse("An ArrayBuffer is too large to be cloned.");
      this.bytes[this.position++] = RESIZABLE_ARRAY_BUFFER;
      this.varint(length);
      this.varint(maximum);
    } else {
      this.bytes[this.position++] = ARRAY_BUFFER;
      this.varint(length);
    }
    this.bytes.set(new Uint8Array(buffer, 0, length), this.position);
    this.position += length;
  }

  arrayView(view) {
    const id = this.find(view);
    if (id !== undefined) {
      this.counted(REFERENCE, id);
      return false;
    }
    const name = typedArrayName(view);
    const isTyped = name !== undefined;
    const buffer = isTyped ? typedArrayBuffer(view) : dataViewBuffer(view);
    if (!succeeds(bufferBytes, buffer)) refuse("#<SharedArrayBuffer> could not be cloned.");
    // The buffer comes first, and the view follows it as if it were a value of its own.
    if (!this.known(buffer)) this.arrayBuffer(buffer);
    this.numberOf(view);
    const { letter, bytes } = VIEW_OF_NAME.get(isTyped ? name : "DataView") ?? refuse(`${name} could not be cloned.`);
    if (isOutOfBounds(view, isTyped)) refuse("[object Object] could not be cloned.");
    const offset = isTyped ? typedArrayOffset(view) : dataViewOffset(view);
    let length = isTyped ? typedArrayBytes(view) : dataViewBytes(view);
    let flags = 0;
    if (bufferResizable(buffer)) {
      flags = BACKED_BY_RESIZABLE;
      if (tracksLength(view, isTyped, buffer, offset, length, bytes)) {
        flags |= LENGTH_TRACKING;
        length = 0;
      }
    }
    this.reserve(17);
    this.bytes[this.position++] = VIEW;
    this.bytes[this.position++] = letter;
    this.varint(offset);
    this.varint(length);
    this.varint(flags);
    return false;
  }

  find(object) {
    if (this.ids !== null) return this.ids.get(object);
    for (let id = 0; id < this.objects; id += 1) if (this.listed[id] === object) return id;
    return undefined;
  }

  /** V8's own form of an error: name by a letter, message, stack, cause. */
  error(error) {
    this.tag(ERROR);
    const letter = ERROR_LETTERS[String(error.name)];
    if (letter !== undefined) this.tag(letter);
    const message = getOwnPropertyDescriptor(error, "message");
    if (message !== undefined && hasOwn(message, "value")) {
      this.tag(ERROR_MESSAGE);
      this.string(String(message.value));
    }
    const { stack } = error;
    if (typeof stack === "string") {
      this.tag(ERROR_STACK);
      this.string(stack);
    }
    const cause = getOwnPropertyDescriptor(error, "cause");
    this.push(FRAME_ERROR, undefined, undefined, 0, 0, -1);
    if (cause !== undefined && hasOwn(cause, "value")) {
      this.tag(ERROR_CAUSE);
      this.value(cause.value);
    }
    return true;
  }

  /** workerd's form: the name's number or the name, the message, an object of the other properties. */
  nativeError(error) {
    const { name } = error;
    this.host(HOST_NATIVE_ERROR);
    const number = NATIVE_ERRORS.indexOf(String(name)) + 1;
    this.reserve(1);
    this.bytes[this.position++] = number;
    const rest = {};
    for (const key of ownKeys(error)) {
      if (typeof key !== "string" || key === "name" || key === "message" || isArrayIndex(key)) continue;
      defineOwn(rest, key, error[key]);
    }
    // What is pushed last is written first.
    const values = number === 0 ? [name, error.message, rest] : [error.message, rest];
    return this.sequence(values);
  }

  /** Writes values after each other with nothing around them; objects among them are new ones. */
  sequence(values) {
    let pushed = false;
    for (const value of values) {
      // Only the last may be a container, unless somebody made a name or a message of one.
      if (pushed) refuse("an error whose name or message is an object");
      pushed = this.value(value);
    }
    return pushed;
  }

  host(number) {
    this.reserve(2);
    this.bytes[this.position++] = HOST_OBJECT;
    this.bytes[this.position++] = number;
  }

  hostText(text) {
    const { length } = text;
    this.reserve(length * 3 + 5);
    const encoded = textEncoder.encode(text);
    this.varint(encoded.length);
    this.bytes.set(encoded, this.position);
    this.position += encoded.length;
  }

  headers(headers) {
    const common = [];
    const others = [];
    const cookies = typeof headers.getSetCookie === "function" ? headers.getSetCookie() : undefined;
    for (const [name, value] of headers) {
      if (name === "set-cookie" && cookies !== undefined) continue;
      const number = COMMON_HEADERS.indexOf(name) + 1;
      if (number > 0) common.push([number, value]);
      else others.push([name, value]);
    }
    for (const value of cookies ?? []) common.push([COMMON_HEADERS.indexOf("set-cookie") + 1, value]);
    common.sort(([one], [other]) => one - other);
    this.host(HOST_HEADERS);
    this.reserve(6);
    // Taking away what is not there changes nothing, and is refused where nothing may be changed.
    const isFree = succeeds((them) => them.delete("dotctl-is-not-here"), headers);
    this.varint(isFree ? GUARD_NONE : GUARD_IMMUTABLE);
    this.varint(common.length + others.length);
    for (const [number, value] of common) {
      this.reserve(1);
      this.varint(number);
      this.hostText(value);
    }
    for (const [name, value] of others) {
      this.reserve(1);
      this.varint(0);
      this.hostText(name);
      this.hostText(value);
    }
  }

  /** A dictionary as workerd writes it: members that are not there by name too, or not at all. */
  struct(members) {
    const full = storesFullStructs();
    const written = {};
    for (const [name, value] of members) if (full || value !== undefined) written[name] = value;
    return this.value(written);
  }

  request(request) {
    refuseUnstorable(request);
    if (request.body !== null) refuse("ReadableStream can only be serialized for RPC.");
    this.host(HOST_REQUEST);
    this.hostText(request.url);
    return this.struct([
      ["method", request.method === "GET" ? undefined : request.method],
      ["headers", request.headers],
      ["body", null],
      ["redirect", request.redirect === "manual" ? "manual" : undefined],
      ["fetcher", undefined],
      ["cf", request.cf],
      ["cache", request.cache === "default" ? undefined : request.cache],
      ["integrity", undefined],
      ["signal", undefined],
      ["encodeResponseBody", undefined],
    ]);
  }

  response(response) {
    refuseUnstorable(response);
    if (response.body !== null) refuse("ReadableStream can only be serialized for RPC.");
    this.host(HOST_RESPONSE);
    this.value(null);
    const { status, statusText } = response;
    const usual = status < 200 ? "" : new Response(null, { status }).statusText;
    return this.struct([
      ["status", status === 200 ? undefined : status],
      ["statusText", statusText === usual ? undefined : statusText],
      ["headers", response.headers],
      ["cf", response.cf],
      ["webSocket", undefined],
      ["encodeBody", undefined],
    ]);
  }

  /** A Blob's bytes cannot be had at once: `serializeAsync` fetches them and comes again. */
  blob(blob) {
    if (getPrototypeOf(blob) !== Blob.prototype) refuseUnstorable(blob);
    const bytes = this.blobs?.get(blob);
    if (bytes === undefined) {
      this.missingBlobs ??= new Set();
      this.missingBlobs.add(blob);
      return false;
    }
    this.host(HOST_BLOB);
    this.hostText(blob.type);
    this.reserve(bytes.length + 5);
    this.varint(bytes.length);
    this.bytes.set(bytes, this.position);
    this.position += bytes.length;
    return false;
  }
}

function nibble(unit) {
  return unit < 0x3a ? unit - 0x30 : unit - 0x57;
}

/** Whether a name is an array index: at most 2^32 - 2, written as JavaScript writes numbers. */
function isArrayIndex(key) {
  const { length } = key;
  if (length > 10 || length === 0) return false;
  const first = key.charCodeAt(0);
  if (first < 0x30 || first > 0x39 || (first === 0x30 && length > 1)) return false;
  for (let at = 1; at < length; at += 1) {
    const unit = key.charCodeAt(at);
    if (unit < 0x30 || unit > 0x39) return false;
  }
  return Number(key) < UINT32_MAX;
}

/**
 * The names of an array's further properties, or nothing where it has holes. V8 goes by how it
 * keeps the array: it writes one sparsely that had holes once or may not grow. Only the latter shows.
 */
function denseKeys(array, length) {
  if (!isExtensible(array)) return undefined;
  const keys = keysOf(array);
  // Indices come first and in order, so the last of them tells whether all are there.
  if (keys.length < length || keys[length - 1] !== String(length - 1)) return undefined;
  return keys.length === length ? noKeys : keys.slice(length);
}

const NO_NUMBERS = 0;
const DOUBLES = 1;
const NUMBERS_WITH_UNDEFINED = 2;

/**
 * How V8 most likely keeps an array: as anything or small integers, as doubles, or, of numbers and
 * `undefined`, as doubles with holes.
 */
function numbersOf(array, length) {
  let found = NO_NUMBERS;
  for (let at = 0; at < length; at += 1) {
    const item = array[at];
    if (item === undefined) {
      found = NUMBERS_WITH_UNDEFINED;
    } else if (typeof item !== "number") {
      return NO_NUMBERS;
    } else if (found === NO_NUMBERS && !isSmallInteger(item)) {
      found = DOUBLES;
    }
  }
  return found;
}

function isSmallInteger(number) {
  return (
    (number | 0) === number && number <= SMALL_INTEGER_MAX && number >= SMALL_INTEGER_MIN &&
    (number !== 0 || 1 / number > 0)
  );
}

function isDetached(buffer) {
  if (bufferDetached !== undefined) return bufferDetached(buffer);
  return !succeeds((it) => new Uint8Array(it), buffer);
}

function isOutOfBounds(view, isTyped) {
  return !succeeds(isTyped ? typedArrayValues : dataViewBytes, view);
}

/**
 * Whether a view follows the length of its resizable buffer. Scripts are not told, so where it
 * reaches to the end the buffer is resized and put back: nothing runs in between.
 */
function tracksLength(view, isTyped, buffer, offset, length, elementBytes) {
  const bytes = bufferBytes(buffer);
  if (length !== Math.floor((bytes - offset) / elementBytes) * elementBytes) return false;
  const lengthNow = () => (isTyped ? typedArrayBytes(view) : dataViewBytes(view));
  if (bytes + elementBytes <= bufferMaximum(buffer)) {
    bufferResize(buffer, bytes + elementBytes);
    const follows = lengthNow() !== length;
    bufferResize(buffer, bytes);
    return follows;
  }
  if (length === 0) return true; // Both would leave no trace: taken as the usual `new Uint8Array(buffer)`.
  const tail = new Uint8Array(buffer, bytes - elementBytes).slice();
  bufferResize(buffer, bytes - elementBytes);
  const follows = !isOutOfBounds(view, isTyped);
  bufferResize(buffer, bytes);
  new Uint8Array(buffer).set(tail, bytes - elementBytes);
  return follows;
}

/** Sets an own property, whatever `Object.prototype` says about the name. */
function defineOwn(target, key, value) {
  if (key in objectPrototype) {
    defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    target[key] = value;
  }
}

const sharedWriter = new Writer();

function written(value, options) {
  // A getter of the value may serialize something itself.
  const writer = sharedWriter.busy ? new Writer() : sharedWriter;
  writer.write(value, options);
  return writer;
}

function refuseBlobs(writer) {
  if (writer.missingBlobs === null) return;
  throw new TypeError("the value holds a Blob, whose bytes cannot be had at once: use serializeAsync");
}

/**
 * The bytes that storage keeps for a value.
 *
 * @param {unknown} value
 * @param {{ errors?: "v8" | "workerd", blobs?: Map<Blob, Uint8Array> }} [options]
 * @returns {Uint8Array}
 */
export function serialize(value, options) {
  const writer = written(value, options);
  refuseBlobs(writer);
  const bytes = writer.bytes.slice(0, writer.position);
  writer.release();
  return bytes;
}

/**
 * The same bytes in place: they are overwritten by the next call of this module.
 *
 * @param {unknown} value
 * @param {{ errors?: "v8" | "workerd", blobs?: Map<Blob, Uint8Array> }} [options]
 * @returns {Uint8Array}
 */
export function serializeInPlace(value, options) {
  const writer = written(value, options);
  refuseBlobs(writer);
  const bytes = writer.bytes.subarray(0, writer.position);
  writer.release();
  return bytes;
}

/**
 * The bytes of a value that may hold Blobs.
 *
 * @param {unknown} value
 * @param {{ errors?: "v8" | "workerd" }} [options]
 * @returns {Promise<Uint8Array>}
 */
export async function serializeAsync(value, options) {
  const blobs = new Map();
  for (;;) {
    const writer = written(value, { ...options, blobs });
    if (writer.missingBlobs === null) {
      const bytes = writer.bytes.slice(0, writer.position);
      writer.release();
      return bytes;
    }
    for (const blob of writer.missingBlobs) blobs.set(blob, new Uint8Array(await blob.arrayBuffer()));
  }
}

// ---- Reading -----------------------------------------------------------------------------------

/** Stored bytes that cannot be read; `offset` is the byte where that showed. */
export class ValueError extends Error {
  /**
   * @param {number} offset
   * @param {string} message
   * @param {{ cause?: unknown }} [options]
   */
  constructor(offset, message, options) {
    super(`byte ${offset}: ${message}`, options);
    this.name = "ValueError";
    this.offset = offset;
  }
}

const READ_OBJECT = 0;
const READ_DENSE = 1;
const READ_SPARSE = 2;
const READ_MAP = 3;
const READ_SET = 4;
const READ_ERROR = 5;
const READ_NATIVE_ERROR = 6;
const READ_REQUEST = 7;
const READ_RESPONSE = 8;

const SEEN_MESSAGE = 1;
const SEEN_STACK = 2;
const SEEN_CAUSE = 4;

/** What `begin` gives when it opened a container. */
const OPENED = Symbol("opened");
/** What a container gives while it waits for a value. */
const WAITING = Symbol("waiting");
/** The place of an object that is still being read and cannot be referred to. */
const NOT_YET = Symbol("not yet");

/** A value may have resizable buffers of so many bytes at most: V8 reserves memory for all of them. */
const RESIZABLE_BYTES_MAX = 4 * 2 ** 30;

/** Levels of nesting: V8 recurses and so stores fewer than 4,000; this only bounds memory. */
const LEVELS_MAX = 100_000;

/** The versions of the format that workerd has written. */
const OLDEST_VERSION = 13;
const NEWEST_VERSION = 15;

/** Names and short text of one byte a character that came before, by a hash of their bytes. */
const TEXT_CACHE_SIZE = 2048;
const TEXT_CACHE_BYTES = 24;
const textCache = new Array(TEXT_CACHE_SIZE).fill("");

class ReadFrame {
  kind = READ_OBJECT;
  target = undefined;
  /** The key that waits for its value. */
  key = undefined;
  hasKey = false;
  /** Properties, values or parts that came. */
  count = 0;
  /** An array's length, or how many values are still to come. */
  length = 0;
  /** The object's number. */
  id = 0;
  offset = 0;
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.length = bytes.length;
    this.position = 0;
    this.hasViewFlags = true;
    this.frames = [];
    this.objects = [];
    this.resizableBytes = 0;
  }

  fail(offset, message, options) {
    throw new ValueError(offset, message, options);
  }

  /** Reads the header and says the version; bytes without one are the first Durable Objects'. */
  header() {
    if (this.length > UINT32_MAX) this.fail(0, "a value of 4 GiB or more");
    if (this.length === 0 || this.bytes[0] !== VERSION) return OLDEST_VERSION;
    this.position = 1;
    const version = this.varint("the version");
    if (version < OLDEST_VERSION || version > NEWEST_VERSION) {
      this.fail(1, `version ${version} of V8's format; this reads 13, 14 and 15`);
    }
    return version;
  }

  // As in writing, nesting is kept on a stack of our own.
  read() {
    let value = this.begin(this.tag("a value"));
    for (;;) {
      if (value === OPENED) {
        value = this.advance(this.frames[this.frames.length - 1]);
      } else if (this.frames.length === 0) {
        return value;
      } else {
        const frame = this.frames[this.frames.length - 1];
        this.deliver(frame, value);
        value = this.advance(frame);
      }
    }
  }

  /** Reads on in a container: the next value in it, or when it ended the container itself. */
  advance(frame) {
    for (;;) {
      const ended = this.step(frame);
      if (ended !== WAITING) {
        this.frames.pop();
        return ended;
      }
      const value = this.begin(this.nextTag);
      if (value === OPENED) return OPENED;
      this.deliver(frame, value);
    }
  }

  /** Reads up to a value's tag, which is in `nextTag`; or the end. */
  step(frame) {
    switch (frame.kind) {
      case READ_OBJECT:
        return this.stepProperties(frame, END_OBJECT, "an object's end");
      case READ_DENSE: {
        if (frame.count < frame.length) {
          this.nextTag = this.tag("an array's element");
          while (this.nextTag === HOLE) {
            frame.count += 1;
            frame.target.length = frame.count;
            if (frame.count === frame.length) return this.step(frame);
            this.nextTag = this.tag("an array's element");
          }
          return WAITING;
        }
        return this.stepProperties(frame, END_DENSE_ARRAY, "an array's end");
      }
      case READ_SPARSE:
        return this.stepProperties(frame, END_SPARSE_ARRAY, "an array's end");
      case READ_MAP:
        return this.stepItems(frame, END_MAP, "a map's end");
      case READ_SET:
        return this.stepItems(frame, END_SET, "a set's end");
      case READ_ERROR:
        return this.stepError(frame);
      default:
        if (frame.length === 0) return frame.target;
        this.nextTag = this.tag("a value of workerd's own object");
        return WAITING;
    }
  }

  stepProperties(frame, end, what) {
    const tag = this.tag(what);
    if (tag !== end) {
      frame.key = this.name(tag);
      this.nextTag = this.tag("a property's value");
      return WAITING;
    }
    const isArrayEnd = frame.kind !== READ_OBJECT;
    const expected = frame.kind === READ_DENSE ? frame.count - frame.length : frame.count;
    this.endCount("the number of properties", expected);
    if (isArrayEnd) this.endCount("an array's length", frame.length);
    return frame.target;
  }

  stepItems(frame, end, what) {
    const tag = this.tag(what);
    if (tag !== end || frame.hasKey) {
      this.nextTag = tag;
      return WAITING;
    }
    this.endCount("the number of values", frame.count);
    return frame.target;
  }

  /** A count that repeats what was read. */
  endCount(what, expected) {
    const offset = this.position;
    const found = this.varint(what);
    if (found !== expected) this.fail(offset, `${what} is ${found}, but ${expected} came`);
  }

  stepError(frame) {
    for (;;) {
      const offset = this.position;
      const letter = this.byte("an error's end");
      if (letter === ERROR_END) return frame.target;
      const bit =
        letter === ERROR_MESSAGE ? SEEN_MESSAGE
        : letter === ERROR_STACK ? SEEN_STACK
        : letter === ERROR_CAUSE ? SEEN_CAUSE
        : this.fail(offset, `no part of an error begins with the byte ${hex(letter)}`);
      if ((frame.count & bit) !== 0) this.fail(offset, "an error has this part already");
      frame.count |= bit;
      if (bit === SEEN_CAUSE) {
        this.nextTag = this.tag("an error's cause");
        return WAITING;
      }
      defineHidden(frame.target, bit === SEEN_MESSAGE ? "message" : "stack", this.text("an error's text"));
    }
  }

  /** Puts a value where the container wants it. */
  deliver(frame, value) {
    switch (frame.kind) {
      case READ_OBJECT:
      case READ_SPARSE:
        defineOwn(frame.target, frame.key, value);
        frame.count += 1;
        return;
      case READ_DENSE:
        // Not by index: V8 would make arrays without holes and with them one kind here.
        if (frame.count < frame.length) frame.target.push(value);
        else defineOwn(frame.target, frame.key, value);
        frame.count += 1;
        return;
      case READ_MAP:
        frame.count += 1;
        if (frame.hasKey) {
          frame.target.set(frame.key, value);
          frame.key = undefined;
        } else {
          frame.key = value;
        }
        frame.hasKey = !frame.hasKey;
        return;
      case READ_SET:
        frame.count += 1;
        frame.target.add(value);
        return;
      case READ_ERROR:
        defineHidden(frame.target, "cause", value);
        return;
      default:
        frame.length -= 1;
        this.deliverHost(frame, value);
    }
  }

  open(kind, target, length, offset) {
    if (this.frames.length >= LEVELS_MAX) this.fail(offset, `more than ${LEVELS_MAX} levels of nesting`);
    const frame = new ReadFrame();
    frame.kind = kind;
    frame.target = target;
    frame.length = length;
    frame.offset = offset;
    frame.id = this.objects.length;
    this.objects.push(target ?? NOT_YET);
    this.frames.push(frame);
    return OPENED;
  }

  remember(object) {
    this.objects.push(object);
    return object;
  }

  byte(what) {
    if (this.position >= this.length) this.fail(this.position, `the value ends before ${what}`);
    return this.bytes[this.position++];
  }

  /** The next tag, after any padding. */
  tag(what) {
    const { bytes, length } = this;
    let { position } = this;
    while (position < length && bytes[position] === 0) position += 1;
    this.position = position;
    return this.byte(what);
  }

  /** A number of 32 bits, 7 bits a byte, in the fewest bytes that hold it: V8 writes no other. */
  varint(what) {
    const start = this.position;
    let byte = this.byte(what);
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let scale = 0x80; ; scale *= 0x80) {
      byte = this.byte(what);
      value += (byte & 0x7f) * scale;
      if (value > UINT32_MAX) this.fail(start, `${what} is not a 32-bit number`);
      if (byte < 0x80) {
        if (byte === 0) this.fail(start, `${what} is written in more bytes than it needs`);
        return value;
      }
      if (scale > UINT32_MAX) this.fail(start, `${what} is not a 32-bit number`);
    }
  }

  /** Where the next `length` bytes begin; steps over them. */
  span(length, what) {
    const start = this.position;
    if (length > this.length - start) {
      this.fail(start, `${what} of ${length} bytes, but ${this.length - start} are left`);
    }
    this.position = start + length;
    return start;
  }

  double(what) {
    return this.view.getFloat64(this.span(8, what), true);
  }

  /** The value that begins with `tag`, or `OPENED`. */
  begin(tag) {
    switch (tag) {
      case ONE_BYTE_STRING:
        return this.oneByteString();
      case INT32: {
        const bits = this.varint("a number");
        return (bits >>> 1) ^ -(bits & 1);
      }
      case DOUBLE:
        return this.double("a number");
      case TRUE:
        return true;
      case FALSE:
        return false;
      case NULL:
        return null;
      case BEGIN_OBJECT:
        return this.open(READ_OBJECT, {}, 0, this.position - 1);
      case BEGIN_DENSE_ARRAY:
        return this.denseArray();
      case TWO_BYTE_STRING:
        return this.twoByteString();
      case UNDEFINED:
        return undefined;
      case UINT32:
        return this.varint("a number");
      case BIGINT:
        return this.bigint();
      case UTF8_STRING:
        return this.utf8String();
      case REFERENCE:
        return this.reference();
      case BEGIN_SPARSE_ARRAY: {
        const offset = this.position - 1;
        const length = this.varint("an array's length");
        return this.open(READ_SPARSE, emptyArray(length, this.length - this.position), length, offset);
      }
      case DATE:
        return this.remember(new Date(this.double("a date")));
      case TRUE_OBJECT:
        return this.remember(Object(true));
      case FALSE_OBJECT:
        return this.remember(Object(false));
      case NUMBER_OBJECT:
        return this.remember(Object(this.double("a number")));
      case BIGINT_OBJECT:
        return this.remember(Object(this.bigint()));
      case STRING_OBJECT:
        return this.remember(Object(this.text("a String object's text")));
      case REGEXP:
        return this.regexp();
      case BEGIN_MAP:
        return this.open(READ_MAP, new Map(), 0, this.position - 1);
      case BEGIN_SET:
        return this.open(READ_SET, new Set(), 0, this.position - 1);
      case ARRAY_BUFFER:
        return this.arrayBuffer(false);
      case RESIZABLE_ARRAY_BUFFER:
        return this.arrayBuffer(true);
      case ERROR:
        return this.error();
      case HOST_OBJECT:
        return this.host();
      default:
        return this.fail(this.position - 1, refusals.get(tag) ?? `no value begins with the byte ${hex(tag)}`);
    }
  }

  /** A property's name: text or a number. */
  name(tag) {
    switch (tag) {
      case ONE_BYTE_STRING:
        return this.oneByteString();
      case TWO_BYTE_STRING:
        return this.twoByteString();
      case UTF8_STRING:
        return this.utf8String();
      case INT32:
      case UINT32:
      case DOUBLE:
        return String(this.begin(tag));
      default:
        return this.fail(
          this.position - 1,
          `a property's name begins with the byte ${hex(tag)}, neither text nor number`,
        );
    }
  }

  /** A string with its tag. */
  text(what) {
    const tag = this.tag(what);
    if (tag !== ONE_BYTE_STRING && tag !== TWO_BYTE_STRING && tag !== UTF8_STRING) {
      this.fail(this.position - 1, `${what} is not a string: it begins with the byte ${hex(tag)}`);
    }
    return this.name(tag);
  }

  oneByteString() {
    const length = this.varint("a string's length");
    const start = this.span(length, "a string");
    if (length <= TEXT_CACHE_BYTES) return shortText(this.bytes, start, length);
    const end = start + length;
    const bytes = this.bytes.subarray(start, end);
    for (let at = 0; at < length; at += 1) if (bytes[at] > 0x7f) return units(bytes);
    return length < 128 ? apply(fromCharCode, undefined, bytes) : utf8.decode(bytes);
  }

  twoByteString() {
    const offset = this.position;
    const length = this.varint("a string's length");
    if (length % 2 !== 0) this.fail(offset, `a two-byte string of ${length} bytes`);
    const start = this.span(length, "a string");
    // No decoder of the platform keeps a surrogate that stands alone.
    const place = this.bytes.byteOffset + start;
    return units(
      place % 2 === 0
        ? new Uint16Array(this.bytes.buffer, place, length / 2)
        : new Uint16Array(this.bytes.buffer.slice(place, place + length)),
    );
  }

  utf8String() {
    const start = this.position;
    const length = this.varint("a string's length");
    return this.decoded(start, this.span(length, "a string"), length, "a UTF-8 string");
  }

  decoded(offset, start, length, what) {
    try {
      return utf8.decode(this.bytes.subarray(start, start + length));
    } catch (cause) {
      return this.fail(offset, `${what} is not UTF-8`, { cause });
    }
  }

  bigint() {
    const offset = this.position;
    const size = this.varint("a BigInt's size");
    const length = size >>> 1;
    const start = this.span(length, "a BigInt");
    let magnitude;
    if (length === 8) {
      magnitude = this.view.getBigUint64(start, true);
    } else if (length === 0) {
      return 0n;
    } else {
      const odd = length % 8;
      const parts = [];
      for (let at = length - 1; at >= length - odd; at -= 1) {
        parts.push(this.bytes[start + at].toString(16).padStart(2, "0"));
      }
      for (let at = length - odd - 8; at >= 0; at -= 8) {
        parts.push(this.view.getBigUint64(start + at, true).toString(16).padStart(16, "0"));
      }
      try {
        magnitude = BigInt(`0x${parts.join("")}`);
      } catch (cause) {
        this.fail(offset, `a BigInt of ${length} bytes`, { cause });
      }
    }
    return (size & 1) === 1 ? -magnitude : magnitude;
  }

  regexp() {
    const offset = this.position - 1;
    const id = this.objects.length;
    this.objects.push(NOT_YET);
    const source = this.text("a regular expression's source");
    const flagsOffset = this.position;
    const bits = this.varint("a regular expression's flags");
    let flags = "";
    let known = 0;
    for (const [letter, bit] of REGEXP_FLAGS) {
      known |= bit;
      if ((bits & bit) !== 0) flags += letter;
    }
    if ((bits | known) !== known) this.fail(flagsOffset, `regular expression flags ${hex(bits)}, some of them unknown`);
    try {
      return (this.objects[id] = new RegExp(source, flags));
    } catch (cause) {
      return this.fail(offset, "not a regular expression", { cause });
    }
  }

  denseArray() {
    const offset = this.position - 1;
    const length = this.varint("an array's length");
    const left = this.length - this.position;
    // Each element takes at least a byte.
    if (length > left) this.fail(offset + 1, `an array of ${length} elements, but ${left} bytes are left`);
    if (!this.isOfDoubles(length)) return this.open(READ_DENSE, copyOf(emptyOfAnything), length, offset);
    this.open(READ_DENSE, this.doubles(length), length, offset);
    this.frames[this.frames.length - 1].count = length;
    return OPENED;
  }

  /**
   * Reads an array that V8 goes on keeping as doubles, whole numbers too. Nothing but doubles may
   * pass here: where V8 has seen several kinds of arrays it makes one kind of them.
   */
  doubles(length) {
    const array = copyOf(emptyOfDoubles);
    const { view } = this;
    for (let at = this.position + 1, count = 0; count < length; at += 9, count += 1) {
      array.push(view.getFloat64(at, true));
    }
    this.position += length * 9;
    return array;
  }

  /** Whether nothing but doubles follow, so that the array can be kept as V8 kept it. */
  isOfDoubles(length) {
    const { bytes, position } = this;
    if (length === 0 || length * 9 > this.length - position) return false;
    for (let at = 0; at < length; at += 1) if (bytes[position + at * 9] !== DOUBLE) return false;
    return true;
  }

  reference() {
    const offset = this.position;
    const id = this.varint("a reference");
    if (id >= this.objects.length) {
      this.fail(offset, `a reference to object ${id}, but only ${this.objects.length} came before`);
    }
    const object = this.objects[id];
    if (object === NOT_YET) this.fail(offset, `a reference to object ${id} from inside it`);
    return object instanceof ArrayBuffer ? this.viewOf(object) : object;
  }

  arrayBuffer(isResizable) {
    const offset = this.position;
    const length = this.varint("an ArrayBuffer's length");
    let options;
    if (isResizable) {
      const maximumOffset = this.position;
      const maxByteLength = this.varint("an ArrayBuffer's maximum length");
      if (maxByteLength < length) {
        this.fail(maximumOffset, `an ArrayBuffer of ${length} bytes may have only ${maxByteLength}`);
      }
      this.resizableBytes += maxByteLength;
      if (this.resizableBytes > RESIZABLE_BYTES_MAX) {
        this.fail(maximumOffset, "resizable ArrayBuffers that may have more than 4 GiB together");
      }
      options = { maxByteLength };
    }
    const start = this.span(length, "an ArrayBuffer");
    let buffer;
    try {
      buffer = new ArrayBuffer(length, options);
    } catch (cause) {
      this.fail(offset, "an ArrayBuffer that this runtime has no memory for", { cause });
    }
    new Uint8Array(buffer).set(this.bytes.subarray(start, start + length));
    return this.viewOf(this.remember(buffer));
  }

  /** The view of the buffer just read, if one follows; else the buffer. */
  viewOf(buffer) {
    let ahead = this.position;
    while (ahead < this.length && this.bytes[ahead] === 0) ahead += 1;
    if (ahead >= this.length || this.bytes[ahead] !== VIEW) return buffer;
    this.position = ahead + 1;
    const offset = this.position;
    const letter = this.byte("a view's type");
    const kind = VIEW_OF_LETTER.get(letter) ?? this.fail(offset, `no view has the type ${hex(letter)}`);
    const begin = this.varint("a view's offset");
    const length = this.varint("a view's length");
    const bytes = bufferBytes(buffer);
    if (begin + length > bytes) {
      this.fail(offset, `a view of ${length} bytes from ${begin} on, but the buffer has ${bytes}`);
    }
    if (begin % kind.bytes !== 0 || length % kind.bytes !== 0) {
      this.fail(offset, `a view of ${kind.bytes}-byte elements has ${length} bytes from ${begin} on`);
    }
    const flagsOffset = this.position;
    const flags = this.hasViewFlags ? this.varint("a view's flags") : 0;
    if (flags > (LENGTH_TRACKING | BACKED_BY_RESIZABLE)) {
      this.fail(flagsOffset, `view flags ${hex(flags)}, some of them unknown`);
    }
    const isResizable = bufferResizable(buffer);
    if (((flags & BACKED_BY_RESIZABLE) !== 0) !== isResizable || ((flags & LENGTH_TRACKING) !== 0 && !isResizable)) {
      this.fail(flagsOffset, "a view's flags do not fit its buffer");
    }
    const View = globalThis[kind.name] ?? this.fail(offset, `this runtime has no ${kind.name}`);
    const count = (flags & LENGTH_TRACKING) !== 0 ? undefined : length / kind.bytes;
    try {
      return this.remember(new View(buffer, begin, count));
    } catch (cause) {
      return this.fail(offset, `not a ${kind.name}`, { cause });
    }
  }

  error() {
    const offset = this.position - 1;
    let make = Error;
    const letter = this.bytes[this.position];
    for (const name of keysOf(ERROR_LETTERS)) {
      if (ERROR_LETTERS[name] !== letter) continue;
      make = globalThis[name];
      this.position += 1;
      break;
    }
    const error = new make();
    delete error.stack;
    return this.open(READ_ERROR, error, 0, offset);
  }

  // ---- workerd's own objects

  host() {
    const offset = this.position;
    const number = this.varint("a host object's type");
    switch (number) {
      case HOST_HEADERS:
        return this.headers(offset);
      case HOST_REQUEST: {
        const url = this.hostText("a request's URL");
        this.open(READ_REQUEST, undefined, 1, offset);
        this.frames[this.frames.length - 1].key = url;
        return OPENED;
      }
      case HOST_RESPONSE:
        return this.open(READ_RESPONSE, undefined, 2, offset);
      case HOST_DOM_EXCEPTION: {
        const id = this.objects.length;
        this.objects.push(NOT_YET);
        const name = this.hostText("a DOMException's name");
        const message = this.hostText("a DOMException's message");
        const stack = this.hostText("a DOMException's stack");
        const exception = new DOMException(message, name);
        defineProperty(exception, "stack", { value: stack, writable: true, enumerable: true, configurable: true });
        return (this.objects[id] = exception);
      }
      case HOST_NATIVE_ERROR:
        return this.nativeError(offset);
      case HOST_BLOB: {
        const type = this.hostText("a Blob's media type");
        const length = this.hostLength("a Blob");
        const start = this.span(length, "a Blob");
        return this.remember(new Blob([this.bytes.slice(start, start + length)], { type }));
      }
      default:
        return this.fail(offset, `${refusedHosts.get(number) ?? `an object of workerd's type ${number}`}; it cannot be read`);
    }
  }

  /** workerd writes lengths as numbers of 64 bits; past 32 nothing fits. */
  hostLength(what) {
    return this.varint(`${what}'s length`);
  }

  hostText(what) {
    const offset = this.position;
    const length = this.hostLength(what);
    return this.decoded(offset, this.span(length, what), length, what);
  }

  headers(offset) {
    const id = this.objects.length;
    this.objects.push(NOT_YET);
    const guardOffset = this.position;
    const guard = this.varint("the headers' guard");
    if (guard > GUARD_NONE) this.fail(guardOffset, `headers with guard ${guard}`);
    const count = this.varint("the headers' count");
    const headers = new Headers();
    for (let at = 0; at < count; at += 1) {
      const place = this.position;
      const number = this.varint("a header's name");
      const name =
        number === 0 ? this.hostText("a header's name")
        : COMMON_HEADERS[number - 1] ?? this.fail(place, `no header has the number ${number}`);
      const value = this.hostText("a header's value");
      try {
        headers.append(name, value);
      } catch (cause) {
        this.fail(place, "not a header", { cause });
      }
    }
    return (this.objects[id] = headers);
  }

  nativeError() {
    const offset = this.position;
    const number = this.varint("an error's type");
    if (number > NATIVE_ERRORS.length) this.fail(offset, `no error of workerd has the type ${number}`);
    const name = NATIVE_ERRORS[number - 1];
    const Constructor = globalThis[name] ?? Error;
    const error = Constructor === globalThis.AggregateError ? new AggregateError([]) : new Constructor();
    // What it has of its own comes out of the bytes.
    for (const key of ownKeys(error)) delete error[key];
    // The Wasm errors' numbers stand for names that no constructor has.
    if (name !== undefined && error.name !== name) defineHidden(error, "name", name);
    this.open(READ_NATIVE_ERROR, error, name === undefined ? 3 : 2, offset);
    return OPENED;
  }

  deliverHost(frame, value) {
    const { kind, target, length, offset } = frame;
    if (kind === READ_REQUEST || kind === READ_RESPONSE) {
      if (length === 1) {
        if (value !== null) this.fail(offset, "a response with a body");
        return;
      }
      if (typeof value !== "object" || value === null) this.fail(offset, "a request or response without its fields");
      try {
        frame.target = kind === READ_REQUEST ? requestOf(frame.key, value) : responseOf(value);
      } catch (cause) {
        this.fail(offset, "not a request or response", { cause });
      }
      this.objects[frame.id] = frame.target;
      return;
    }
    if (length === 2) {
      defineHidden(target, "name", value);
    } else if (length === 1) {
      defineHidden(target, "message", value);
    } else if (typeof value === "object" && value !== null) {
      for (const key of keysOf(value)) {
        defineProperty(target, key, {
          value: value[key], writable: true, configurable: true, enumerable: !HIDDEN_ERROR_PROPERTIES.has(key),
        });
      }
    }
  }
}

/** Properties of an error that its constructor hides from enumeration. */
const HIDDEN_ERROR_PROPERTIES = new Set(["stack", "cause", "errors", "error", "suppressed"]);

/** Tags that V8 knows, of values whose bytes are not in the value. */
const refusals = new Map([
  [0x75, "a SharedArrayBuffer, whose bytes live in the memory of the process that stored it"],
  [0x74, "a transferred ArrayBuffer, whose bytes went to its receiver"],
  [0x77, "a transferred WebAssembly.Module"],
  [0x6d, "a transferred WebAssembly.Memory"],
  [0x70, "an object shared between isolates"],
]);

const refusedHosts = new Map([
  [1, "a stub for remote calls"], [2, "a WritableStream"], [3, "a ReadableStream"],
  [7, "a DOMException as workerd wrote it in 2024"], [9, "an AbortSignal"], [11, "a service stub"],
  [12, "a Durable Object class"], [13, "an R2 bucket"], [14, "a KV namespace"], [16, "a socket"],
]);

function hex(number) {
  return `0x${number.toString(16).padStart(2, "0")}`;
}

/** Text of code units of 8 or 16 bits. */
function units(array) {
  const { length } = array;
  if (length <= 8192) return apply(fromCharCode, undefined, array);
  const parts = [];
  for (let at = 0; at < length; at += 8192) {
    parts.push(apply(fromCharCode, undefined, array.subarray(at, at + 8192)));
  }
  return parts.join("");
}

/** Text of few bytes, a character each: names come again and again, so they are kept. */
function shortText(bytes, start, length) {
  let hash = length;
  const end = start + length;
  for (let at = start; at < end; at += 1) hash = (Math.imul(hash, 31) + bytes[at]) | 0;
  const place = (hash ^ (hash >>> 11)) & (TEXT_CACHE_SIZE - 1);
  const cached = textCache[place];
  if (cached.length === length) {
    let at = 0;
    while (at < length && cached.charCodeAt(at) === bytes[start + at]) at += 1;
    if (at === length) return cached;
  }
  const text = apply(fromCharCode, undefined, bytes.subarray(start, end));
  textCache[place] = text;
  return text;
}

// V8 remembers of every place in code that makes arrays what became of them, and makes the next like
// that. Copies of these begin as they are: of anything, so that numbers stay as they come; of
// doubles, so that whole numbers stay doubles; and with holes, so that V8 writes them sparsely.
const emptyOfAnything = [null];
const emptyOfDoubles = [0.5];
const emptyOfHoles = [, null];
for (const array of [emptyOfAnything, emptyOfDoubles, emptyOfHoles]) array.length = 0;
const copyOf = uncurry(Array.prototype.slice);

/** An array of `length` holes; memory for them is taken only where the input is as long. */
function emptyArray(length, inputBytes) {
  const array = copyOf(emptyOfHoles);
  if (length <= inputBytes) {
    array.length = length;
    return array;
  }
  // An element as far out as can be makes V8 keep a dictionary.
  array[UINT32_MAX - 1] = undefined;
  array.length = length;
  return array;
}

function defineHidden(target, key, value) {
  defineProperty(target, key, { value, writable: true, enumerable: false, configurable: true });
}

/** The members that have a value: some dates' constructors refuse the names of others. */
function definedMembers(fields) {
  const init = {};
  for (const key of keysOf(fields)) if (fields[key] !== undefined) defineOwn(init, key, fields[key]);
  return init;
}

function requestOf(url, fields) {
  if (fields.body !== null && fields.body !== undefined) throw new TypeError("it has a body");
  return new Request(url, definedMembers(fields));
}

function responseOf(fields) {
  if (fields.status === 0) return Response.error();
  return new Response(null, definedMembers(fields));
}

/**
 * The value that stored bytes hold. Bytes after the value are not looked at, as V8 does.
 *
 * @param {Uint8Array | ArrayBuffer} stored
 * @returns {any}
 * @throws {ValueError} where the bytes hold no value that can be carried
 */
export function deserialize(stored) {
  const bytes = stored instanceof Uint8Array ? stored : new Uint8Array(stored);
  const reader = new Reader(bytes);
  const version = reader.header();
  const begin = reader.position;
  reader.hasViewFlags = version >= 14;
  try {
    return reader.read();
  } catch (error) {
    if (version !== 13) throw error;
    // One release of V8 wrote version 13 with the view flags of version 14 (crbug.com/1284506).
    const second = new Reader(bytes);
    second.position = begin;
    try {
      return second.read();
    } catch {
      throw error;
    }
  }
}
