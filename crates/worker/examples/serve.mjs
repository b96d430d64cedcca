// serve.mjs class|rust [PORT] [STATE]: what `start` does once the example is built. STATE is a folder.
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { start } from "../../../fixtures/workerd/runtime.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const kept = (example) => fileURLToPath(new URL(`../../../target/examples/${example}`, import.meta.url));
const [example, port = "8787", state = kept(example)] = process.argv.slice(2);

const files = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? files(path) : [path];
  });
/** The modules of a folder, below `name`. */
const modules = (folder, name) =>
  files(folder)
    .filter((file) => /\.(js|wasm)$/.test(file))
    .map((file) => ({
      type: file.endsWith(".wasm") ? "CompiledWasm" : "ESModule",
      path: join(name, relative(folder, file)),
      contents: file.endsWith(".wasm") ? readFileSync(file) : readFileSync(file, "utf8"),
    }));

const main = { type: "ESModule", path: "index.js", contents: readFileSync(join(here, example, "index.js"), "utf8") };
const rest =
  example === "rust"
    ? modules(join(here, "rust/built"), "built")
    : [
        // As a bundler resolves the package's name.
        { type: "ESModule", path: "dotctl-worker", contents: 'export * from "./package/index.js";' },
        ...modules(fileURLToPath(new URL("../../../target/worker", import.meta.url)), "package"),
      ];
// Set it to something else before others can reach this.
const token = process.env.DOTCTL_TOKEN ?? "only-for-this-machine";
const runtime = await start({
  worker: "rooms",
  modules: [main, ...rest],
  classes: { ROOMS: { className: "Room", useSQLite: true } },
  r2Buckets: { CHECKPOINTS: "checkpoints" },
  bindings: { DOTCTL_TOKEN: token },
  state,
  host: "127.0.0.1",
  port: Number(port),
});
const origin = `http://127.0.0.1:${(await runtime.miniflare.ready).port}`;
const address = `${origin}/rooms/lobby`;
console.log(`the example ${example} is served; in another terminal:
  curl -X POST ${address}/visits
  curl -X POST ${address}/checkpoints
  curl -X POST ${address}/restore
  DOTCTL_TOKEN=${token} dotctl snapshot ${origin}/objects/lobby --store checkpoints
  dotctl list --store ${join(relative(process.cwd(), state), "r2/checkpoints/rooms")}`);
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, async () => {
    await runtime.stop();
    process.exit(0);
  });
}
