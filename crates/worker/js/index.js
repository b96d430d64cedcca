// The checkpoints of a Durable Object: see index.d.ts.
import { Checkpoints, Door, Inside } from "./instance.js";

export { door } from "./instance.js";

export class Checkpointer {
  #checkpoints;
  #door;

  constructor(ctx, { token, path, ...options } = {}) {
    const namespace = options.namespace ?? `${options.className ?? "Object"}/${ctx.id}`;
    this.#checkpoints = new Checkpoints(ctx.storage, { ...options, namespace });
    this.#door = new Door(ctx, this.#checkpoints, new Inside(this.#checkpoints), token, path);
  }

  /** The answer to a request of the door's, or undefined. */
  fetch(request) {
    return this.#door.fetch(request);
  }

  /** The object's alarm has come: does what the object does at its own, `work`, if it was that. */
  async alarm(work) {
    if (!(await this.#checkpoints.alarm())) return;
    let well = false;
    try {
      await work?.();
      well = true;
    } finally {
      await this.#checkpoints.alarmAnswered(well);
    }
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
