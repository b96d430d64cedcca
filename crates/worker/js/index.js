// The checkpoints of a Durable Object: see index.d.ts.
import { Checkpoints } from "./instance.js";

export class Checkpointer {
  #checkpoints;

  constructor(ctx, options = {}) {
    const namespace = options.namespace ?? `${options.className ?? "Object"}/${ctx.id}`;
    this.#checkpoints = new Checkpoints(ctx.storage, { ...options, namespace });
  }

  /** Whether the alarm was only for a checkpoint that goes on. */
  async alarm() {
    return !(await this.#checkpoints.alarm());
  }

  checkpoint() {
    return this.#checkpoints.checkpoint();
  }

  list() {
    return this.#checkpoints.list();
  }

  verify(reference) {
    return this.#checkpoints.verify(reference);
  }

  restore(reference) {
    return this.#checkpoints.restore(reference);
  }

  prune(policy = {}) {
    return this.#checkpoints.prune(policy);
  }
}
