// Lets objects in a real workerd make checkpoints of themselves, and prints what each step answered as one JSON
// array:
//
//     checkpoints.mjs --state FOLDER [--bind NAME=VALUE]... < STEPS
//
// A step is `{"ask": "/object/step", "with": {…}}`, or with `"kill_after_ms"` besides: then workerd is killed so
// many milliseconds after the question, as by `kill -9`, and started again. Described in tests/workerd/README.md.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { join, relative } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { modulesFrom, start } from "../../fixtures/workerd/runtime.mjs";

const { values: given } = parseArgs({
  options: { state: { type: "string" }, bind: { type: "string", multiple: true, default: [] } },
});
const built = fileURLToPath(new URL("../../target/worker", import.meta.url));
if (!existsSync(join(built, "index.js"))) {
  console.error("checkpoints.mjs: the worker is not built: run crates/worker/build");
  process.exit(3);
}

const files = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? files(path) : [path];
  });
const modules = [
  ...modulesFrom({
    "checkpoints_worker.mjs": new URL("checkpoints_worker.mjs", import.meta.url),
    "faulty_bucket.mjs": new URL("faulty_bucket.mjs", import.meta.url),
    "hostile_tables.mjs": new URL("hostile_tables.mjs", import.meta.url),
    "random_values.mjs": new URL("random_values.mjs", import.meta.url),
    "values.mjs": new URL("../../fixtures/workerd/workers/values.mjs", import.meta.url),
  }),
  ...files(built)
    .filter((file) => /\.(js|wasm)$/.test(file))
    .map((file) => ({
      type: file.endsWith(".wasm") ? "CompiledWasm" : "ESModule",
      path: `dotctl/${relative(built, file)}`,
      contents: file.endsWith(".wasm") ? readFileSync(file) : readFileSync(file, "utf8"),
    })),
];

/** What workerd prints belongs to stderr, without what killing brings. */
function tell(line) {
  if (!/disconnected|^stack: /.test(line)) console.error(line);
}

const begin = () =>
  start({
    worker: "checkpoints",
    modules,
    classes: { ROOM: { className: "Room", useSQLite: true } },
    state: given.state,
    r2Buckets: ["BUCKET"],
    bindings: Object.fromEntries(given.bind.map((pair) => pair.split("=", 2))),
    handleRuntimeStdio: (...streams) => {
      for (const stream of streams) createInterface({ input: stream }).on("line", tell);
    },
  });

const steps = JSON.parse(await text(process.stdin));
const answers = [];
let runtime = await begin();
try {
  for (const { ask, with: body, kill_after_ms: killAfterMs } of steps) {
    if (killAfterMs === undefined) {
      answers.push(JSON.parse(await runtime.ask(ask, body ?? {})));
      continue;
    }
    const answer = runtime.ask(ask, body ?? {}).then(JSON.parse, () => "killed");
    await new Promise((resolve) => setTimeout(resolve, killAfterMs));
    await runtime.kill();
    answers.push(await Promise.race([answer, "killed"]));
    runtime = await begin();
  }
} finally {
  await runtime.stop();
}
process.stdout.write(`${JSON.stringify(answers)}\n`, () => process.exit(0));
