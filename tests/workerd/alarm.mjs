// Runs a real workerd whose objects have alarms, once:
//
//     alarm.mjs --state FOLDER [--kv] [--set NAME=MS]... [--wait MS] [--read NAME]... [--hold]
//
// Described in tests/workerd/README.md.
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { modulesFrom, objectId, start } from "../../fixtures/workerd/runtime.mjs";

const { values: given } = parseArgs({
  options: {
    state: { type: "string" },
    kv: { type: "boolean", default: false },
    set: { type: "string", multiple: true, default: [] },
    wait: { type: "string", default: "0" },
    read: { type: "string", multiple: true, default: [] },
    hold: { type: "boolean", default: false },
  },
});
if (!given.state) {
  console.error("alarm.mjs: give --state FOLDER");
  process.exit(2);
}

const state = resolve(given.state);
const className = given.kv ? "OldClock" : "Clock";
const uniqueKey = `alarm-${className}`;
const runtime = await start({
  worker: "alarm",
  state,
  classes: { [className]: { useSQLite: !given.kv } },
  modules: modulesFrom({ "clock.mjs": new URL("clock.mjs", import.meta.url) }),
});
const ask = async (name, question) =>
  JSON.parse(await runtime.ask(`/${className}/${encodeURIComponent(name)}`, question));

let status = 1;
try {
  const answer = { workerd_pid: runtime.pid, databases: {}, read: {} };
  for (const setting of given.set) {
    const [name, milliseconds] = setting.split("=");
    // `none` has no alarm; a time before 0 is one that has passed.
    await ask(name, { set: milliseconds === "none" ? null : Date.now() + Number(milliseconds), value: `of ${name}` });
    answer.databases[name] = join(state, "do", uniqueKey, `${objectId(uniqueKey, name)}.sqlite`);
  }
  // Nothing wakes an object meanwhile but its alarm.
  await new Promise((passed) => setTimeout(passed, Number(given.wait)));
  for (const name of given.read) answer.read[name] = await ask(name, {});
  await new Promise((written) => process.stdout.write(`${JSON.stringify(answer)}\n`, written));
  if (given.hold) await new Promise((closed) => process.stdin.on("end", closed).on("error", closed).resume());
  status = 0;
} catch (error) {
  console.error(`alarm.mjs: ${error.message}`);
} finally {
  await runtime.kill();
}
process.exit(status);
