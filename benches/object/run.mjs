// Checkpoints inside an object, beside the TypeScript way on the same state, and what the engine adds to the start
// of workerd. Prints a table. After crates/worker/build:
//
//     fixtures/workerd/node_modules/.bin/node benches/object/run.mjs [ROUNDS]
import { readFileSync, readdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { start } from "../../fixtures/workerd/runtime.mjs";

const rounds = Number(process.argv[2] ?? 5);
const built = fileURLToPath(new URL("../../target/worker", import.meta.url));
const files = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? files(path) : [path];
  });
const engine = files(built)
  .filter((file) => /\.(js|wasm)$/.test(file))
  .map((file) => ({
    type: file.endsWith(".wasm") ? "CompiledWasm" : "ESModule",
    path: `dotctl/${relative(built, file)}`,
    contents: file.endsWith(".wasm") ? readFileSync(file) : readFileSync(file, "utf8"),
  }));
const entry = (name) => ({
  type: "ESModule",
  path: name,
  contents: readFileSync(fileURLToPath(new URL(name, import.meta.url)), "utf8"),
});

const scratch = mkdtempSync(join(tmpdir(), "object-"));
let states = 0;
const begin = (modules, bindings = {}) =>
  start({
    worker: "bench",
    modules,
    classes: { BENCH: { className: "Bench", useSQLite: true } },
    state: join(scratch, String((states += 1))),
    r2Buckets: ["BUCKET"],
    bindings,
  });

const median = (numbers) => numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)];
const timed = async (work) => {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
};

const table = {};
for (const [name, bindings] of [
  ["object's tables", { STORE: "object" }],
  ["R2", { STORE: "bucket" }],
  ["R2, changes tracked", { STORE: "bucket", TRACK: "true" }],
]) {
  const runtime = await begin([entry("worker.mjs"), ...engine], bindings);
  await runtime.ask("/one/fill");
  const times = {};
  const ask = async (step) => (times[step] ??= []).push(await timed(() => runtime.ask(`/one/${step}`)));
  for (let round = 0; round < rounds; round += 1) {
    if (bindings.TRACK) await runtime.ask("/one/change");
    for (const step of ["checkpoint", "restore", "checkpointTypeScript", "restoreTypeScript"]) {
      // What was restored begins anew: only checkpoints show what tracking is worth.
      if (!bindings.TRACK || step === "checkpoint") await ask(step);
    }
  }
  // With tracking the first one is a full one.
  if (bindings.TRACK) times.checkpoint.shift();
  for (const [step, all] of Object.entries(times)) (table[step] ??= {})[name] = `${(median(all) / 1000).toFixed(2)} s`;
  await runtime.stop();
}
console.table(table);

process.setMaxListeners(0);
const starts = { empty: [], engine: [] };
const first = { empty: [], engine: [] };
for (let round = 0; round < 4 * rounds; round += 1) {
  for (const [name, modules] of [["empty", [entry("empty.mjs")]], ["engine", [entry("worker.mjs"), ...engine]]]) {
    let runtime;
    const ask = (path) => runtime.miniflare.dispatchFetch(`http://worker${path}`).then((response) => response.text());
    const begun = performance.now();
    runtime = await begin(modules);
    await ask("/");
    starts[name].push(performance.now() - begun);
    first[name].push(await timed(() => ask("/one/nothing")));
    await runtime.stop();
  }
}
const told = (times) => `${median(times.engine).toFixed(0)} ms, without the engine ${median(times.empty).toFixed(0)} ms`;
console.log(`workerd from its start to the worker's first answer: ${told(starts)}`);
console.log(`the object's first answer after that: ${told(first)}`);
const compressed = (ending) =>
  engine.filter(({ path }) => path.endsWith(ending)).reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0);
console.log(`after gzip -9: wasm ${compressed(".wasm")} bytes, JavaScript ${compressed(".js")} bytes`);
rmSync(scratch, { recursive: true, force: true });
