/** Where and how an object's checkpoints are made. */
export interface CheckpointerOptions {
  /** Whose state it is, in every manifest: `<className>/<object id>` unless another is given. */
  namespace?: string;
  /** The class's name, for the namespace. */
  className?: string;
  /** A bucket of R2 for the checkpoints. Without one they are kept in the object's own tables. */
  bucket?: R2Bucket;
  /** A bucket of R2 for those only that are too large for the object's own tables, by `placement`. */
  overflow?: R2Bucket;
  /** Which those are. */
  placement?: Placement;
  /** What the keys in the bucket begin with. */
  prefix?: string;
  /** How long R2 may take for an answer before the request is sent again, in milliseconds: 30,000. */
  requestMs?: number;
  /** Raw bytes that a chunk aims at, from 65,536 to 4,194,304: 1,048,576. */
  chunkBytes?: number;
  /** Whether the class has an `alarm` that calls `Checkpointer.alarm`: true. */
  hasAlarm?: boolean;
  /** What lets the command line in, by `Checkpointer.fetch`. Unset or empty, nothing does. */
  token?: Tokens;
  /** What the door's addresses begin with, if that is known: `path` of `door`. Else it is taken for the door's wherever `/objects/NAME/…` ends an address. */
  path?: string;
  /**
   * Whether triggers write down which rows change between checkpoints: then a checkpoint stores only what has
   * changed since the last one, and of tables reads only that. A row's first change after a checkpoint then
   * writes one more row: false. See docs/WORKER.md for when that pays.
   */
  trackChanges?: boolean;
}

/**
 * One token, or several, each until a moment of its own. They should be 32 random bytes: who has one has everything that
 * is in the objects. An empty one is none, and one whose `expiresAt` is no time has expired.
 */
export type Tokens = string | undefined | ReadonlyArray<string | { token: string | undefined; expiresAt?: Date | number | string }>;

/** The door before a class's objects. */
export interface DoorOptions {
  /** What lets in. Unset or empty, there is nothing but 404. */
  token: Tokens;
  /** What stands before `/objects/NAME` in addresses, for instance `/rooms`: nothing. */
  path?: string;
}

/**
 * The answer to a request of the command line's, `https://HOST<path>/objects/NAME/…`; `undefined` to any other. The token
 * is looked at before the object is asked, which looks at it again (`CheckpointerOptions.token`). Objects are found by name in
 * a namespace, or by a function of your own.
 */
export function door(
  request: Request,
  objects: DurableObjectNamespace | ((name: string) => { fetch(request: Request): Promise<Response> } | Promise<{ fetch(request: Request): Promise<Response> }>),
  options: DoorOptions,
): Promise<Response | undefined>;

/** What overflows into R2: by the rules of `dotctl snapshot --overflow`, or by sizes of your own. */
export interface Placement {
  /** `budget`: from 500 MiB of raw state on, and nothing from 2 GiB on. `hybrid`: what compresses to 1 MiB or more. */
  rule?: "budget" | "hybrid";
  /** Raw bytes from which a checkpoint goes into R2. */
  overflowRawBytes?: number;
  /** Compressed bytes from which it does. */
  overflowStoredBytes?: number;
  /** Raw bytes from which there is none. */
  rawBytesEnd?: number;
}

/** A checkpoint, spelled as `dotctl --format json` does. */
export interface Checkpoint {
  id: string;
  namespace: string;
  /** Its position among those of its namespace. */
  sequence: number;
  kind: "state" | "image" | "rows";
  /** When the capture began: the state is that of this moment. RFC 3339. */
  created_at: string;
  /** The checkpoint whose changes it stores; null for a full one. */
  base: string | null;
  record_count: number;
  raw_bytes: number;
  stored_bytes: number;
  chunk_count: number;
  content_sha256: string;
}

export interface Finding {
  target: string;
  kind: "missing" | "checksum-mismatch" | "size-mismatch" | "malformed";
  expected: string | null;
  actual: string | null;
  detail: string;
}

export interface Verified {
  ok: boolean;
  checkpoints: number;
  findings: Finding[];
}

export interface Restored {
  checkpoint: string;
  record_count: number;
  raw_bytes: number;
  content_sha256: string;
}

/** Which checkpoints stay; each rule by itself. The newest always does. */
export interface Retention {
  keepLast?: number;
  keepHourly?: number;
  keepDaily?: number;
  keepWeekly?: number;
  keepMonthly?: number;
  keepWithinMs?: number;
}

export interface Pruned {
  removed_checkpoints: number;
  removed_packs: number;
}

/** What failures throw: an Error with these. */
export interface CheckpointError extends Error {
  kind: "malformed" | "corrupt" | "unsupported" | "missing" | "exists" | "busy" | "sealed" | "io" | "interrupted";
  hint?: string;
}

/** The checkpoints of one object. Make it in the object's constructor, before anything is written. */
export class Checkpointer {
  constructor(ctx: DurableObjectState, options?: CheckpointerOptions);
  /** A checkpoint of the state as it is now. Others have their turns while it is made. */
  checkpoint(): Promise<Checkpoint>;
  /**
   * The answer to a request that `door` has forwarded, or anybody else: its token is looked at here, too. `undefined` to one
   * that is not the door's.
   */
  fetch(request: Request): Promise<Response | undefined>;
  /** This object's, newest first. */
  list(): Promise<Checkpoint[]>;
  /** Reads and checks every chunk of one checkpoint, or of all. */
  verify(reference?: string): Promise<Verified>;
  /** Puts a checkpoint in the place of the object's state, all at once. `latest`, an id, or its first digits. */
  restore(reference: string): Promise<Restored>;
  /** Removes the checkpoints that are not to stay. */
  prune(retention?: Retention): Promise<Pruned>;
  /**
   * To be what the object's `alarm` does: `work` is what it does at its own alarms, and is not called at those that
   * were only for a checkpoint that goes on. What `work` throws is thrown, and the alarm comes again.
   */
  alarm(work?: () => unknown): Promise<void>;
}
