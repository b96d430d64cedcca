// Miniflare's local R2 behind its S3 endpoint: BUCKET ACCESS_KEY_ID SECRET_ACCESS_KEY FOLDER.
// Prints its address and ends, workerd with it, when standard input does.
import { createRequire } from "node:module";

const require = createRequire(new URL("../../fixtures/workerd/package.json", import.meta.url));
const { Miniflare } = require("miniflare");

const [bucket, accessKeyId, secretAccessKey, folder] = process.argv.slice(2);
const miniflare = new Miniflare({
  host: "127.0.0.1",
  port: 0,
  modules: true,
  script: "export default { fetch() { return new Response(null, { status: 404 }); } };",
  r2Buckets: { A: { id: bucket, s3Credentials: { accessKeyId, secretAccessKey } } },
  r2Persist: folder,
});
const url = await miniflare.ready;
console.log(`http://127.0.0.1:${url.port}/cdn-cgi/local/r2/s3/`);
process.stdin.resume();
process.stdin.on("end", async () => {
  await miniflare.dispose();
  process.exit();
});
