// A bucket of R2 that fails as R2 does, in a share of its calls, and counts some of them.
import { Random } from "./random_values.mjs";

export class Faulty {
  constructor(bucket, share, seed) {
    this.bucket = bucket;
    this.share = share;
    this.random = new Random(seed);
    this.faults = 0;
    /** Manifests that were read, and the most heads that waited for their answers at once. */
    this.seen = { manifests: 0, headsAtOnce: 0 };
    this.heads = 0;
    for (const method of ["head", "get", "put", "list", "delete"]) this[method] = (...rest) => this.#call(method, rest);
  }

  async #call(method, rest) {
    if (method === "get" && rest[0].includes("/manifests/")) this.seen.manifests += 1;
    if (method !== "head") return this.#answer(method, rest);
    this.heads += 1;
    this.seen.headsAtOnce = Math.max(this.seen.headsAtOnce, this.heads);
    return this.#answer(method, rest).finally(() => {
      this.heads -= 1;
    });
  }

  async #answer(method, rest) {
    if (this.random.below(1000) >= this.share * 1000) return this.bucket[method](...rest);
    this.faults += 1;
    const fault = this.random.below(method === "get" ? 5 : 4);
    switch (fault) {
      case 0:
        throw new Error(`${method}: We encountered an internal error. Please try again. (10001)`);
      case 1:
        throw new Error(`${method}: Reduce your concurrent request rate for the same object. (10058)`);
      case 2:
        return new Promise(() => {});
      case 3:
        // Done, and the answer is lost.
        await this.bucket[method](...rest);
        throw new Error("Network connection lost.");
      default: {
        const object = await this.bucket.get(...rest);
        return object && { size: object.size, arrayBuffer: async () => (await object.arrayBuffer()).slice(0, -1) };
      }
    }
  }
}
