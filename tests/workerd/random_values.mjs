// Random values that structured clone can carry: the same for the same seed.
//
// V8 writes some values by how it happens to keep them, which no script can see: an integer where
// other objects of the same shape hold fractions there, an array that was one of numbers before it
// held text. `plain` makes no such values, so that every byte can be compared; without it there are.

export class Random {
  constructor(seed) {
    this.state = seed | 0 || 1;
  }

  /** A 32-bit number (xorshift). */
  next() {
    let { state } = this;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.state = state;
    return state >>> 0;
  }

  below(limit) {
    // V8 keeps what a remainder gives as a fraction, were it whole; this makes it an integer.
    return (this.next() % limit) | 0;
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}

const views = [
  "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array",
  "Float16Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array", "DataView",
];

// Typed, so that what is read from it is an integer to V8.
const edges = Int32Array.of(2 ** 30 - 1, -(2 ** 30), 63, 64, -64, -65, 8191, 8192);

const errors = ["Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"];

/**
 * A value. `options`: `plain` as above; `integerBits` of V8's small integers here (31, or 32
 * without pointer compression), so that none between the two is made where they would differ;
 * `causes`: whether errors have them; `float16`: whether there are views of that kind.
 */
export function randomValue(random, options) {
  const made = [];
  const remember = (object) => {
    made.push(object);
    return object;
  };
  return value(0);

  function value(depth) {
    const kind = random.below(depth > 5 ? 9 : 26);
    switch (kind) {
      case 0:
        return integer();
      case 1:
        return fraction();
      case 2:
      case 3:
      case 4:
        return text();
      case 5:
        return random.pick([true, false, null, undefined]);
      case 6:
        return bigint();
      case 7:
        return made.length > 0 ? random.pick(made) : null;
      case 8:
        return remember(new Date(random.pick([0, -1, NaN, 8.64e15, random.next() * 1000])));
      case 9:
      case 10:
      case 11:
      case 12:
        return object(depth);
      case 13:
      case 14:
        return array(depth);
      case 15:
        return numbers();
      case 16:
        return sparse(depth);
      case 17: {
        const map = remember(new Map());
        for (let count = random.below(5); count > 0; count -= 1) map.set(value(depth + 1), value(depth + 1));
        return map;
      }
      case 18: {
        const set = remember(new Set());
        for (let count = random.below(5); count > 0; count -= 1) set.add(value(depth + 1));
        return set;
      }
      case 19:
        return remember(Object(random.pick([true, false, integer(), fraction(), bigint(), text()])));
      case 20:
        return remember(random.pick([/a+/, /[/\\]"\n/g, /日本/u, /x/dgimsy, /[\p{L}--a]/v, new RegExp(""), new RegExp("\n", "i")]));
      case 21:
        return buffer();
      case 22:
      case 23:
        return view();
      case 24:
        return error(depth);
      default:
        return remember(Object.assign(new (class Point {})(), { o1: text() }));
    }
  }

  function integer() {
    switch (random.below(5)) {
      case 0:
        return random.below(3) - 1;
      case 1:
        return random.below(2 ** random.below(31));
      case 2:
        return -random.below(2 ** random.below(31)) | 0;
      case 3:
        return edges[random.below(edges.length)];
      default:
        return options.integerBits === 31 ? random.pick([2 ** 30, -(2 ** 30) - 1, 2 ** 31 - 1, -(2 ** 31)]) : 127;
    }
  }

  function fraction() {
    return random.pick([
      -0, NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 53), 2 ** 32, -(2 ** 31) - 1, 5e-324, Number.MAX_VALUE, 0.1,
      random.next() / 1024 + 0.0001, (random.next() + 0.5) * 2 ** (random.below(2) === 0 ? -random.below(100) : 60 + random.below(60)),
    ]);
  }

  function text() {
    const limit = random.pick([0x80, 0x80, 0x80, 0x100, 0x10000]);
    const length = random.pick([0, 1, 2, 5, 12, 47, 48, 49, 63, 64, 65, 127, 128, 300]);
    const unit = random.next();
    let result = "";
    for (let at = 0; at < length; at += 1) result += String.fromCharCode((unit + Math.imul(at, 40503)) % limit);
    return result;
  }

  function bigint() {
    let result = 0n;
    for (let count = random.below(4); count > 0; count -= 1) result = (result << 32n) | BigInt(random.next());
    return random.below(2) === 0 ? result : -result;
  }

  // One class of values for each class of names, so that V8 keeps each field the one way.
  function object(depth) {
    const object = remember({});
    for (let count = random.below(7); count > 0; count -= 1) {
      const number = random.below(8);
      const kind = random.below(8);
      if (!options.plain && kind < 4) object[`x${number}`] = kind < 2 ? integer() : fraction();
      else if (kind === 0) object[`i${number}`] = random.below(2 ** 29);
      else if (kind === 1) object[`d${number}`] = random.below(1000) + 0.25;
      else if (kind === 2) object[random.pick([0, 7, 4294967294, options.integerBits === 31 ? 2 ** 30 : 8])] = value(depth + 1);
      else {
        const key = random.pick([`o${number}`, "", "é", "日", "4294967295", "a long name of more than forty-eight characters, for once", "\ud800"]);
        const held = value(depth + 1);
        // A name that has held text or an object never holds a plain number.
        object[key] = typeof held === "number" ? ["", held] : held;
      }
    }
    if (random.below(40) === 0) {
      Object.defineProperty(object, "__proto__", { value: text(), enumerable: true, writable: true, configurable: true });
    }
    return object;
  }

  function array(depth) {
    // It begins with what is no number, so it is kept as one of anything.
    const array = remember([null]);
    if (!options.plain) array.length = 0;
    for (let count = random.below(6); count > 0; count -= 1) array.push(value(depth + 1));
    if (random.below(6) === 0) array[`o${random.below(5)}`] = text();
    return array;
  }

  function numbers() {
    const count = random.below(12);
    const isOfIntegers = random.below(2) === 0;
    if (isOfIntegers) {
      // Not `[]`: V8 would come to expect fractions in what is made there.
      const list = JSON.parse("[]");
      for (let at = 0; at < count; at += 1) list.push(random.below(2 ** 29));
      return remember(list);
    }
    const list = [0.5];
    for (let at = 0; at < count; at += 1) list.push(random.below(3) === 0 ? random.below(2 ** 29) : fraction());
    return remember(list);
  }

  function sparse(depth) {
    const array = remember([]);
    array.length = random.pick([5, 20, 100_000]);
    for (let count = random.below(4); count > 0; count -= 1) array[random.below(array.length - 1)] = value(depth + 1);
    if (random.below(4) === 0) array.name = text();
    return array;
  }

  function buffer() {
    const bytes = random.below(40);
    const isResizable = random.below(3) === 0;
    const buffer = remember(isResizable ? new ArrayBuffer(bytes, { maxByteLength: bytes + random.pick([0, 1, 100]) }) : new ArrayBuffer(bytes));
    const view = new Uint8Array(buffer);
    for (let at = 0; at < bytes; at += 1) view[at] = random.next();
    return buffer;
  }

  function view() {
    const old = made.filter((object) => object instanceof ArrayBuffer);
    const held = old.length > 0 && random.below(2) === 0 ? random.pick(old) : buffer();
    const name = random.pick(options.float16 ? views : views.filter((view) => view !== "Float16Array"));
    const View = globalThis[name];
    const size = View.BYTES_PER_ELEMENT ?? 1;
    const most = Math.floor(held.byteLength / size);
    const first = random.below(most + 1);
    if (held.resizable && random.below(2) === 0) return remember(new View(held, first * size));
    // A view of nothing at the end of a full buffer could as well follow its length: nobody can tell.
    const count = held.resizable && first === most ? undefined : random.below(most - first + 1);
    if (count === 0 && held.resizable) return remember(new View(held, first * size));
    return remember(new View(held, first * size, count ?? (held.resizable ? undefined : 0)));
  }

  function error(depth) {
    const Constructor = globalThis[random.pick(errors)];
    const error = remember(new Constructor(text()));
    error.stack = text();
    if (options.causes && random.below(3) === 0) {
      Object.defineProperty(error, "cause", { value: value(depth + 1), writable: true, configurable: true });
    }
    if (random.below(5) === 0) error.name = random.pick([...errors, "CustomError"]);
    return error;
  }
}
