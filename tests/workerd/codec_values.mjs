// Values of values_codec.test.mjs that fixtures/workerd/workers/values.mjs does not have.

function stacked(error, stack = `${error.name}: ${error.message}\n    at somewhere`) {
  error.stack = stack;
  return error;
}

/** `[name, value]`: stored, and every byte is ours too. */
export function furtherValues() {
  const error = stacked(new TypeError("itself"));
  error.cause = error;
  const headers = new Headers();
  for (const [name, value] of [["accept", "*/*"], ["b", "é日"], ["a", "2"], ["set-cookie", "x=1"], ["set-cookie", "y=2"]]) {
    headers.append(name, value);
  }
  const sorted = new Headers([["a", "2"], ["b", "é日"], ["content-type", "x/y"], ["accept", "*/*"]]);
  const buffer = new ArrayBuffer(8, { maxByteLength: 8 });
  new Uint8Array(buffer).set([1, 2, 3, 4, 5, 6, 7, 8]);
  const tailed = { fixed: new Uint8Array(buffer, 4, 4), tracking: new Uint8Array(buffer, 4), wide: new Float64Array(buffer) };
  return [
    ["object with index keys around 2^30 and 2^32", { 1073741823: 1, 1073741824: 2, 4294967294: 3, 4294967295: 4 }],
    ["array that may not grow", Object.preventExtensions(["a"])],
    ["array that is frozen", Object.freeze([1, 2])],
    ["array empty and frozen", Object.freeze([])],
    ["array with a hole and properties", Object.assign([1, , 3], { extra: 1 })],
    ["array of 1000 doubles", Array.from({ length: 1000 }, (_, at) => at).reduce((all, at) => (all.push(at / 4), all), [])],
    ["array of integers past 31 bits", [1, 2 ** 30]],
    ["array literal of undefined", [undefined]],["array literal of undefined 2", [1,undefined]],["array literal of undefined 3", [1.5,undefined]],["array pushed undefined", (()=>{const a=[];a.push(undefined);return a})()],["array pushed undefined 2", (()=>{const a=[];a.push(1,undefined);return a})()],["array pushed undefined 3", (()=>{const a=[];a.push(1.5);a.push(undefined);return a})()],["array pushed undefined 4", (()=>{const a=[];a.push("a");a.push(undefined);return a})()],
    ["object of a class with a getter on its prototype", new (class { own = 1; get other() { return 2; } })()],
    ["object with a getter", { get a() { return "got"; } }],
    ["object whose tag says Date", { [Symbol.toStringTag]: "Date", a: 1 }],
    ["object whose prototype is a Map's", Object.create(Map.prototype, { a: { value: 1, enumerable: true } })],
    ["object whose prototype is a RegExp", Object.create(/x/, { a: { value: 1, enumerable: true } })],
    ["map whose tag says Set", Object.defineProperty(new Map([[1, 2]]), Symbol.toStringTag, { value: "Set" })],
    ["map of a class", new (class Own extends Map { entries() { return []; } })([["a", 1]])],
    ["date with the prototype of objects", Object.setPrototypeOf(new Date(0), Object.prototype)],
    ["array of a class", Object.assign(new (class Own extends Array {})(), { 0: "a" })],
    ["error of a class", stacked(new (class OwnError extends RangeError { code = 5; })("own"))],
    ["error with properties", Object.assign(stacked(new Error("m")), { [Symbol("s")]: 1, 5: "index", name: "N", a: [1] })],
    ["error that is its own cause", error],
    ["error with a stack that is no string", stacked(new Error("m"), 5)],
    ["error suppressed", typeof SuppressedError === "function" ? stacked(new SuppressedError(1, 2, "m")) : null],
    ["error of WebAssembly", stacked(new WebAssembly.CompileError("m"))],
    ["error named WasmLinkError", stacked(Object.assign(new Error("m"), { name: "WasmLinkError" }))],
    ["errors that are shared", (() => { const one = stacked(new Error("m")); return [one, { one }, one]; })()],
    ["headers with cookies", new Headers([["set-cookie", "x=1"], ["set-cookie", "y=2"]])],
    ["headers in order", sorted],
    ["request, usual", new Request("https://example.com/")],
    ["request, redirect", new Request("https://example.com/", { redirect: "manual", cf: { a: [1] } })],
    ["response, usual", new Response(null)],
    ["response, not found", new Response(null, { status: 404 })],
    ["response, named", new Response(null, { status: 404, statusText: "Nope" })],
    ["response, then objects", [new Response(null), { a: new Request("http://x/") }, {}]],
    ["exception with details", (() => { const e = new DOMException("é", "AbortError"); e.stack = "é日"; return e; })()],
    ["blobs, one of them twice", (() => { const b = new Blob(["abc"], { type: "a/b" }); return [b, b, new Blob([])]; })()],
    ["views that reach the end of a full buffer", tailed],
    ["bigint of 20,000 bits", -(3n ** 12_619n)],
    ["text of 100,000 characters", "é".repeat(100_000)],
    ["text of 100,000 characters, two bytes", "日".repeat(100_000)],
    ["object of 5,000 objects that are shared", (() => {
      const list = Array.from({ length: 5000 }, (_, at) => ({ at }));
      return [...list, ...list];
    })()],
  ];
}

/** `[name, value]`: what storage refuses. */
export async function refusedValues(context, env) {
  const detached = new ArrayBuffer(4);
  const detachedView = new Uint8Array(detached);
  structuredClone(detached, { transfer: [detached] });
  const shrunk = new ArrayBuffer(8, { maxByteLength: 16 });
  const outside = new Uint8Array(shrunk, 4, 4);
  shrunk.resize(4);
  return [
    ["function", () => 1],
    ["function inside", { a: [() => 1] }],
    ["symbol", Symbol("s")],
    ["symbol object", Object(Symbol("s"))],
    ["promise", Promise.resolve()],
    ["weak map", new WeakMap()],
    ["weak set inside a map", new Map([[1, new WeakSet()]])],
    ["generator", (function* () {})()],
    ["arguments", (function () { return arguments; })(1, 2)],
    ["array iterator", [][Symbol.iterator]()],
    ["map iterator", new Map().entries()],
    ["number format", new Intl.NumberFormat()],
    ["global object", globalThis],
    ["stream", new ReadableStream()],
    ["stream inside", { a: new ReadableStream() }],
    ["request with a body", new Request("http://x/", { method: "POST", body: "abc" })],
    ["response with a body", [new Response("abc")]],
    ["file", new File(["a"], "name")],
    ["form", new FormData()],
    ["URL", new URL("http://x/")],
    ["abort signal", AbortSignal.timeout(1000)],
    ["text encoder", new TextEncoder()],
    ["socket", new WebSocketPair()[0]],
    ["storage", context.storage],
    ["namespace", env.Codec],
    ["stub", env.Codec.get(env.Codec.newUniqueId())],
    ["key", await crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"])],
    ["buffer that was transferred", detached],
    ["view whose buffer was transferred", detachedView],
    ["view outside its buffer", outside],
    ["getter that throws", { get a() { throw new RangeError("mine"); } }],
  ];
}
