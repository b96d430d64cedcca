// Lets objects in a real workerd make checkpoints of themselves, and prints what each step answered as one JSON
// array:
//
//     checkpoints.mjs --state FOLDER [--bind NAME=VALUE]... < STEPS
//     checkpoints.mjs --state FOLDER [--bind NAME=VALUE]... --listen
//
// With --listen the worker is reached by HTTP: the first line says where, {"url"}, and then each line of stdin is a
// step and gets its answer as a line, until stdin ends.
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
  options: {
    state: { type: "string" },
    bind: { type: "string", multiple: true, default: [] },
    listen: { type: "boolean", default: false },
  },
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
    "full_text.mjs": new URL("full_text.mjs", import.meta.url),
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

/** The same again when workerd is started again. */
let port = 0;

const begin = () =>
  start({
    ...(given.listen ? { host: "127.0.0.1", port } : {}),
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

let runtime = await begin();

async function answer({ ask, with: body, kill_after_ms: killAfterMs }) {
  if (killAfterMs === undefined) return JSON.parse(await runtime.ask(ask, body ?? {}));
  const asked = ask === undefined ? new Promise(() => {}) : runtime.ask(ask, body ?? {}).then(JSON.parse, () => "killed");
  await new Promise((resolve) => setTimeout(resolve, killAfterMs));
  await runtime.kill();
  const answered = await Promise.race([asked, "killed"]);
  runtime = await begin();
  return answered;
}

try {
  if (given.listen) {
    const url = await runtime.miniflare.ready;
    port = Number(url.port);
    console.log(JSON.stringify({ url: url.origin }));
    for await (const line of createInterface({ input: process.stdin })) {
      console.log(JSON.stringify(await answer(JSON.parse(line))));
    }
  } else {
    const answers = [];
    for (const step of JSON.parse(await text(process.stdin))) answers.push(await answer(step));
    process.stdout.write(`${JSON.stringify(answers)}\n`);
  }
} finally {
  await runtime.stop();
}
process.stdout.write("", () => process.exit(0));
