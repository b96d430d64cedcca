// Lets a real workerd read checkpoints as TypeScript does, and write the objects they go into:
//
//     typescript.mjs --state FOLDER [--kv] [--make NAME]... [--credentials KEY:SECRET]
//
// Described in tests/workerd/README.md.
import { createInterface } from "node:readline";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { modulesFrom, objectId, start } from "../../fixtures/workerd/runtime.mjs";

const { values: given } = parseArgs({
  options: {
    state: { type: "string" },
    kv: { type: "boolean", default: false },
    make: { type: "string", multiple: true, default: [] },
    credentials: { type: "string" },
  },
});
const state = resolve(given.state);
const uniqueKey = "typescript-Restorer";
const [accessKeyId, secretAccessKey] = given.credentials?.split(":") ?? [];
const runtime = await start({
  worker: "typescript",
  state,
  host: "127.0.0.1",
  port: 0,
  classes: { Restorer: { useSQLite: !given.kv } },
  modules: modulesFrom({
    "restorer.mjs": new URL("restorer.mjs", import.meta.url),
    "murmur3.mjs": new URL("../../fixtures/workerd/murmur3.mjs", import.meta.url),
  }),
  r2Buckets: { BUCKET: accessKeyId ? { id: "checkpoints", s3Credentials: { accessKeyId, secretAccessKey } } : "checkpoints" },
});
const say = (answer) => new Promise((written) => process.stdout.write(`${JSON.stringify(answer)}\n`, written));
const ask = async (question) => JSON.parse(await runtime.ask("/", question));

let status = 1;
try {
  for (const name of given.make) await ask({ name, call: "put", args: ["of", name] });
  const url = await runtime.miniflare.ready;
  const databases = Object.fromEntries(
    given.make.map((name) => [name, join(state, "do", uniqueKey, `${objectId(uniqueKey, name)}.sqlite`)]),
  );
  await say({ endpoint_url: `http://127.0.0.1:${url.port}/cdn-cgi/local/r2/s3/`, databases });
  // A line for each checkpoint: {"name", "layout", "id"}.
  for await (const line of createInterface({ input: process.stdin })) {
    const { name, layout, id } = JSON.parse(line);
    await say(await ask({ name, call: "restore", args: [layout, id] }).catch((error) => ({ error: error.message })));
  }
  status = 0;
} catch (error) {
  console.error(`typescript.mjs: ${error.message}`);
} finally {
  await runtime.kill();
}
process.exit(status);
