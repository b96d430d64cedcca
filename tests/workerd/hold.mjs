// Runs a real workerd whose object commits every few milliseconds, until it is killed:
//
//     hold.mjs --state FOLDER [--name NAME] [--pause MS] [--filler BYTES] [--stop-with-stdin]
//
// Described in tests/workerd/README.md.
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { modulesFrom, objectId, start } from "../../fixtures/workerd/runtime.mjs";

const { values: given } = parseArgs({
  options: {
    state: { type: "string" },
    name: { type: "string", default: "ledger" },
    pause: { type: "string", default: "2" },
    filler: { type: "string", default: "300" },
    "stop-with-stdin": { type: "boolean", default: false },
  },
});
if (!given.state) {
  console.error("hold.mjs: give --state FOLDER");
  process.exit(2);
}

const state = resolve(given.state);
const uniqueKey = "hold-Ledger";
const id = objectId(uniqueKey, given.name);
const runtime = await start({
  worker: "hold",
  state,
  classes: { Ledger: { useSQLite: true } },
  modules: modulesFrom({ "ledger.mjs": new URL("ledger.mjs", import.meta.url) }),
});

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  await runtime.kill();
  process.exit(0);
}
for (const signal of ["SIGTERM", "SIGINT"]) {
  // Miniflare's own listener ends this process before workerd is gone.
  process.removeAllListeners(signal);
  process.on(signal, stop);
}
if (given["stop-with-stdin"]) process.stdin.on("end", stop).on("error", stop).resume();
// Nobody reads what is printed any more.
process.stdout.on("error", stop);

// Killed by somebody else: that is what this is for.
runtime.ended().then(stop);

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
async function write(milliseconds) {
  return JSON.parse(
    await runtime.ask(`/${encodeURIComponent(given.name)}`, {
      milliseconds,
      pauseMilliseconds: Number(given.pause),
      fillerBytes: Number(given.filler),
    }),
  );
}

try {
  const { commits } = await write(50);
  print({ ready: true, workerd_pid: runtime.pid, id, database: join(state, "do", uniqueKey, `${id}.sqlite`), commits });
  while (!stopping) print(await write(100));
} catch (error) {
  // A request fails when workerd is killed under it; `stop` is on its way then.
  if (!stopping) {
    await Promise.race([runtime.ended(), new Promise((late) => setTimeout(late, 1000))]);
    if (!stopping) {
      console.error(`hold.mjs: ${error.message}`);
      await runtime.kill();
      process.exit(1);
    }
  }
}
