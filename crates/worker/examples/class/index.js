// Rooms that count, with checkpoints. `../start class` serves them locally.
import { DurableObject } from "cloudflare:workers";
import { Checkpointer, door } from "dotctl-worker";

export class Room extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.checkpoints = new Checkpointer(ctx, {
      className: "Room",
      bucket: env.CHECKPOINTS,
      prefix: "rooms",
      trackChanges: true,
      token: env.DOTCTL_TOKEN,
    });
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS visits (id INTEGER PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP)");
  }

  alarm() {
    return this.checkpoints.alarm();
  }

  count() {
    return this.ctx.storage.sql.exec("SELECT count(*) AS count FROM visits").one().count;
  }

  async fetch(request) {
    const answer = await this.checkpoints.fetch(request);
    if (answer) return answer;
    const verb = new URL(request.url).pathname.split("/").at(-1);
    switch (`${request.method} ${verb}`) {
      case "POST visits":
        this.ctx.storage.sql.exec("INSERT INTO visits DEFAULT VALUES");
        return Response.json(this.count());
      case "GET visits":
        return Response.json(this.count());
      case "POST checkpoints":
        return Response.json(await this.checkpoints.checkpoint());
      case "GET checkpoints":
        return Response.json(await this.checkpoints.list());
      case "POST restore":
        return Response.json(await this.checkpoints.restore("latest"));
      default:
        return new Response("no such route", { status: 404 });
    }
  }
}

/** `/objects/NAME` is the door, for `dotctl`; `/rooms/NAME/…` goes to the room with that name. */
export default {
  async fetch(request, env) {
    const answer = await door(request, env.ROOMS, { token: env.DOTCTL_TOKEN });
    if (answer) return answer;
    const name = /^\/rooms\/([^/]+)\//.exec(new URL(request.url).pathname)?.[1];
    if (name === undefined) return new Response("no such route", { status: 404 });
    return env.ROOMS.get(env.ROOMS.idFromName(name)).fetch(request);
  },
};
