// The examples of crates/worker/examples, as people start them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const examples = fileURLToPath(new URL("../../crates/worker/examples", import.meta.url));
const built = { class: "../../../target/worker/index.js", rust: "rust/built/instance.js" };

for (const example of ["class", "rust"]) {
  test(`the example ${example} makes checkpoints and restores them`, async () => {
    assert.ok(existsSync(join(examples, built[example])), "the example is not built: run ./test, or its `start`");
    const state = mkdtempSync(join(tmpdir(), "example-"));
    const server = spawn(process.execPath, [join(examples, "serve.mjs"), example, "0", state], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, DOTCTL_TOKEN: "a-token" },
    });
    const ended = new Promise((resolve) => server.on("exit", resolve));
    try {
      let room;
      for await (const line of createInterface({ input: server.stdout })) {
        room = /(http:\/\/\S*)\/visits/.exec(line)?.[1];
        if (room) break;
      }
      const ask = async (method, verb) => {
        const response = await fetch(`${room}/${verb}`, { method });
        assert.equal(response.status, 200, `${method} ${verb}`);
        return response.json();
      };
      await ask("POST", "visits");
      assert.equal(await ask("POST", "visits"), 2);
      const first = await ask("POST", "checkpoints");
      assert.equal(await ask("POST", "visits"), 3);
      const second = await ask("POST", "checkpoints");
      assert.equal(second.base, first.id, "what has changed is stored");
      assert.equal(await ask("POST", "visits"), 4);
      const restored = await ask("POST", "restore");
      assert.equal(restored.checkpoint, second.id);
      assert.equal(await ask("GET", "visits"), 3);
      // By the door the same are seen, and by nobody who has no token.
      const items = room.replace("/rooms/", "/objects/") + "/items?prefix=manifests";
      assert.equal((await fetch(items)).status, 401);
      const seen = await fetch(items, { headers: { authorization: "Bearer a-token" } });
      assert.equal((await seen.json()).items.length, 2);
      assert.deepEqual((await ask("GET", "checkpoints")).map(({ id }) => id), [second.id, first.id]);
    } finally {
      server.kill();
      await ended;
      rmSync(state, { recursive: true, force: true });
    }
  });
}
