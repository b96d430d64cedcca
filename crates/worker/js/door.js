// The door to the outside: by it the command line reaches a live object (docs/WORKER.md, "The door").
//
// Below <path>/objects/<name>, every request with `Authorization: Bearer <token>`:
//
//     GET    state                                            {"held": "nothing" | "tables" | "rows", "database_bytes"}
//     GET    items?prefix=manifests|packs|tags[&after=KEY]    {"items": [[key, stored_bytes]], "more": boolean}
//     GET    items/KEY with Range                             206, and no more than 4 MiB of what was asked for
//     PUT    checkpoints/REQUEST                              202 {"state": "going"}, or 200 {"state": "done", "checkpoint"}
//     POST   restores/REQUEST                                 {"held"}, and begins
//     PUT    restores/REQUEST/parts/N                         lines of rows, compressed with zstd
//     PUT    restores/REQUEST                                 puts them in: 202, or 200 {"state": "done", "restored"}
//     DELETE restores/REQUEST                                 puts them away
//
// REQUEST is 32 hexadecimal digits that the client chooses at random: sent again, it is the same request. Who has no
// valid token gets the same 401 whatever is asked for, and where no token is set there is nothing but 404.

/** By which the command line knows that it is this door that answers. */
const MARK = "dotctl-door";

/** What an answer to whoever was let in says of itself: no cache between may keep it. */
const HEADERS = { [MARK]: "1", "cache-control": "no-store" };

/** Bytes of an item in one answer. */
const ANSWER_BYTES = 4 << 20;

/** Bytes of a part: one row may have 16 MiB and compress to a little more. */
const PART_BYTES_MAX = 24 << 20;

/** How long an answer may wait for a checkpoint or a restore, in milliseconds. */
const WAIT_MS = 20_000;

/** How often is looked whether another checkpoint has ended, in milliseconds. */
const LOOK_MS = 50;

/** Requests whose outcome is remembered, so that they can be sent again. */
const REMEMBERED = 32;

const ROUTE = /\/objects\/([^/]+)\/(state|items|checkpoints|restores)(?:\/(.*))?$/;

/** What a path asks for, or undefined. Of a name that is spelled wrong too. */
function routeOf(pathname, path) {
  if (path !== undefined && !pathname.startsWith(`${path}/objects/`)) return undefined;
  const found = ROUTE.exec(path === undefined ? pathname : pathname.slice(path.length));
  if (!found || (path !== undefined && found.index !== 0)) return undefined;
  try {
    return { name: decodeURIComponent(found[1]), what: found[2], rest: found[3] && decodeURIComponent(found[3]) };
  } catch {
    return undefined;
  }
}

/** The tokens that are set, each with the moment from which it opens nothing any more. */
function tokensOf(given) {
  const list = Array.isArray(given) ? given : [given];
  return list
    .map((one) => (typeof one === "object" && one !== null ? one : { token: one }))
    .map(({ token, expiresAt }) => ({
      // Secrets that were piped in end with a line feed, which no header has.
      token: typeof token === "string" ? token.trim() : "",
      expires: expiresAt === undefined ? Infinity : new Date(expiresAt).getTime(),
    }))
    .filter(({ token }) => token !== "");
}

const digest = async (text) => new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));

/** Whether two digests are equal, in the same time whatever they are. */
function equal(one, other) {
  if (crypto.subtle.timingSafeEqual) return crypto.subtle.timingSafeEqual(one, other);
  let difference = 0;
  for (let place = 0; place < one.length; place += 1) difference |= one[place] ^ other[place];
  return difference === 0;
}

/** Whether a request has one of `tokens`. Looks at all of them, and at none if it has one, just the same. */
async function allowed(request, tokens) {
  const words = /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "");
  const given = await digest(words?.[1] ?? "");
  const now = Date.now();
  let matches = 0;
  for (const { token, expires } of tokens) {
    const same = equal(given, await digest(token));
    // A time that is none has passed.
    const lives = now < expires;
    matches |= Number(same) & Number(lives);
  }
  return matches === 1;
}

/** These two tell nobody what it is that answers. */
const notFound = () => new Response(null, { status: 404, headers: { "cache-control": "no-store" } });
const unauthorized = () =>
  new Response(null, { status: 401, headers: { "cache-control": "no-store", "www-authenticate": "Bearer" } });

const spelled = (status, body) => Response.json(body, { status, headers: HEADERS });

const STATUSES = { missing: 404, exists: 409, busy: 409, malformed: 422, unsupported: 422, corrupt: 422, sealed: 422 };

/** What failed, as the command line reads it. */
function failure(error) {
  const kind = error?.kind ?? "io";
  const message = error?.message ?? String(error);
  return { status: STATUSES[kind] ?? 500, body: { error: { kind, message, hint: error?.hint ?? null } } };
}

function refused(error) {
  const { status, body } = failure(error);
  return spelled(status, body);
}

const wrong = (kind, message, hint) => Object.assign(new Error(message), { kind, hint });

/**
 * The door before the objects of `objects`, a namespace of Durable Objects, or a function from a name to a stub: what
 * a request gets, or `undefined` where it asks for something else. Looks at the token before anything is forwarded.
 */
export async function door(request, objects, { token, path = "" } = {}) {
  const route = routeOf(new URL(request.url).pathname, path.replace(/\/+$/, ""));
  if (!route) return undefined;
  const tokens = tokensOf(token);
  if (tokens.length === 0) return notFound();
  if (!(await allowed(request, tokens))) return unauthorized();
  let stub;
  try {
    stub = typeof objects === "function" ? await objects(route.name) : objects.get(objects.idFromName(route.name));
  } catch (error) {
    return refused(wrong("malformed", `no object has this name: ${error?.message ?? error}`, "check the end of the address"));
  }
  try {
    const response = await stub.fetch(request);
    if (response.headers.has(MARK) || response.status === 401 || response.status === 404) return response;
    return refused(wrong("unsupported", "the objects of this class have no door", "answer their requests with checkpoints.fetch"));
  } catch (error) {
    // The object was restarted, or has too much to do: the same request may succeed later.
    return spelled(503, failure(error).body);
  }
}

/** The other side of it, in the object. Trusts nobody: whoever forwarded the request may have looked at nothing. */
export class Door {
  #ctx;
  #checkpoints;
  #inside;
  #tokens;
  /** What the addresses begin with, if that is known. */
  #path;
  /** What was begun, and its outcome once there is one: {ended, answer}. */
  #works = new Map();

  constructor(ctx, checkpoints, inside, token, path) {
    this.#path = path?.replace(/\/+$/, "");
    this.#ctx = ctx;
    this.#checkpoints = checkpoints;
    this.#inside = inside;
    this.#tokens = tokensOf(token);
  }

  async fetch(request) {
    const url = new URL(request.url);
    const route = routeOf(url.pathname, this.#path);
    // Without a token there is no door, and the object may have such a route itself.
    if (!route || this.#tokens.length === 0) return undefined;
    if (!(await allowed(request, this.#tokens))) return unauthorized();
    try {
      return (await this.#answer(request, route, url.searchParams)) ?? notFound();
    } catch (error) {
      return refused(error);
    }
  }

  #answer(request, { what, rest }, query) {
    const { method } = request;
    if (what === "state") return method === "GET" && rest === undefined ? this.#state() : undefined;
    if (what === "items") {
      if (method !== "GET") return undefined;
      return rest ? this.#item(request, rest) : this.#items(query);
    }
    const [, id, part] = /^([0-9a-f]{32})(?:\/parts\/(\d{1,9}))?$/.exec(rest ?? "") ?? [];
    if (!id) return undefined;
    if (what === "checkpoints") return method === "PUT" && !part ? this.#checkpoint(id) : undefined;
    if (part) return method === "PUT" ? this.#part(request, id, Number(part)) : undefined;
    if (method === "POST") {
      this.#inside.beginUpload(id);
      return spelled(200, { held: this.#held() });
    }
    if (method === "PUT") return this.#restore(request, id);
    return method === "DELETE" ? this.#forgetRestore(id) : undefined;
  }

  #state() {
    return spelled(200, { held: this.#held(), database_bytes: this.#ctx.storage.sql.databaseSize });
  }

  async #items(query) {
    return spelled(200, await this.#inside.items(query.get("prefix") ?? "", query.get("after") ?? ""));
  }

  async #item(request, key) {
    const range = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(request.headers.get("range") ?? "bytes=0-");
    if (!range) throw wrong("malformed", "the range is not one of bytes=FIRST-LAST");
    const offset = Number(range[1]);
    const wanted = range[2] === undefined ? ANSWER_BYTES : Number(range[2]) - offset + 1;
    if (wanted < 1) throw wrong("malformed", "the range ends before it begins");
    const found = await this.#inside.item(key, offset, Math.min(wanted, ANSWER_BYTES));
    if (!found) throw wrong("missing", "the object has no such item");
    const [total, bytes] = found;
    if (bytes.length === 0) {
      return new Response(null, { status: 416, headers: { ...HEADERS, "content-range": `bytes */${total}` } });
    }
    return new Response(bytes, {
      status: 206,
      headers: {
        ...HEADERS,
        "content-type": "application/octet-stream",
        "content-range": `bytes ${offset}-${offset + bytes.length - 1}/${total}`,
        "accept-ranges": "bytes",
      },
    });
  }

  #held() {
    return this.#inside.held(this.#hasEntries());
  }

  #hasEntries() {
    return [...this.#ctx.storage.kv.list({ limit: 1 })].length > 0;
  }

  #checkpoint(id) {
    return this.#outcome(`checkpoint ${id}`, async () => {
      if (this.#held() === "nothing") {
        throw wrong("missing", "the object has no tables and no entries", "check the object's name: one that is not there is made by being asked");
      }
      return { checkpoint: await this.#checkpoints.checkpoint() };
    });
  }

  async #part(request, id, part) {
    const rawBytes = Number(request.headers.get("dotctl-raw-bytes"));
    const expected = request.headers.get("dotctl-sha256");
    const body = await bounded(request.body, PART_BYTES_MAX);
    if (!body) throw wrong("malformed", `a part has at most ${PART_BYTES_MAX} bytes`);
    const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
    const actual = [...sha256].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    // It has suffered on its way.
    if (actual !== expected) return spelled(503, failure(wrong("io", "the part has not come as it was sent")).body);
    this.#inside.uploadPart(id, part, rawBytes, body);
    return spelled(200, { part });
  }

  async #restore(request, id) {
    const text = await bounded(request.body, 4096);
    let asked;
    try {
      asked = JSON.parse(new TextDecoder().decode(text));
    } catch {
      throw wrong("malformed", "what is to be restored is not said in JSON");
    }
    const { parts, content_sha256: content, force } = asked ?? {};
    return this.#outcome(`restore ${id}`, async () => ({
      restored: await this.#inside.applyUpload(id, Number(parts), String(content), force === true, () => this.#hasEntries()),
    }));
  }

  #forgetRestore(id) {
    this.#inside.forgetUpload(id);
    return spelled(200, {});
  }

  /**
   * What becomes of `act`, begun once for each `name` and as soon as nothing else is done with the object; or that it
   * goes on, and is to be asked for again. It does not end with the client's connection.
   */
  async #outcome(name, act) {
    let work = this.#works.get(name);
    if (!work) {
      this.#forgetSome();
      work = { answer: undefined };
      work.ended = this.#run(act).then((answer) => {
        work.answer = answer;
      });
      this.#works.set(name, work);
      this.#ctx.waitUntil(work.ended);
    }
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, WAIT_MS);
    });
    await Promise.race([work.ended, late]);
    clearTimeout(timer);
    return work.answer ? spelled(work.answer.status, work.answer.body) : spelled(202, { state: "going" });
  }

  async #run(act) {
    try {
      while (this.#inside.busy) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      return { status: 200, body: { state: "done", ...(await act()) } };
    } catch (error) {
      return failure(error);
    }
  }

  /** Makes room for another request: the oldest that has ended is forgotten. */
  #forgetSome() {
    if (this.#works.size < REMEMBERED) return;
    for (const [name, work] of this.#works) {
      if (work.answer) {
        this.#works.delete(name);
        return;
      }
    }
    throw wrong("busy", "too many requests wait for this object", "run the command again later");
  }
}

/** All bytes of a body that has no more than `bytesMax`; undefined of a longer one. */
async function bounded(body, bytesMax) {
  const pieces = [];
  let length = 0;
  for await (const piece of body ?? []) {
    length += piece.length;
    if (length > bytesMax) return undefined;
    pieces.push(piece);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
