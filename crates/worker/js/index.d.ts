/** Where and how an object's checkpoints are made. */
export interface CheckpointerOptions {
  /** Whose state it is, in every manifest: `<className>/<object id>` unless another is given. */
  namespace?: string;
  /** The class's name, for the namespace. */
  className?: string;
  /** A bucket of R2 for the checkpoints. Without one they are kept in the object's own tables. */
  bucket?: R2Bucket;
  /** What the keys in the bucket begin with. */
  prefix?: string;
  /** How long R2 may take for an answer before the request is sent again, in milliseconds: 30,000. */
  requestMs?: number;
  /** Raw bytes that a chunk aims at, from 65,536 to 4,194,304: 1,048,576. */
  chunkBytes?: number;
  /** Whether the class has an `alarm` that calls `Checkpointer.alarm`: true. */
  hasAlarm?: boolean;
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
