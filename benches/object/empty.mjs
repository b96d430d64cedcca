// The same object without the engine: what the start of workerd takes by itself.
export class Bench {
  fetch() {
    return Response.json(null);
  }
}

export default {
  fetch(request, env) {
    if (new URL(request.url).pathname === "/") return new Response("here");
    return env.BENCH.get(env.BENCH.idFromName("one")).fetch(request);
  },
};
