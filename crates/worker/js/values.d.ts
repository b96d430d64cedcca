/** How a value is written where V8 and workerd differ. */
export interface SerializeOptions {
  /**
   * The form of errors: V8's own, or workerd's under `enhanced_error_serialization`. Without it,
   * the form that `storage.put` would use here.
   */
  errors?: "v8" | "workerd";
  /** The bytes of the Blobs in the value, which cannot be had at once. */
  blobs?: Map<Blob, Uint8Array>;
}

/** The bytes that storage keeps for a value. Throws what `storage.put` throws for what it refuses. */
export function serialize(value: unknown, options?: SerializeOptions): Uint8Array;

/** The same bytes in place: the next call of this module overwrites them. */
export function serializeInPlace(value: unknown, options?: SerializeOptions): Uint8Array;

/** The same for a value that may hold Blobs. */
export function serializeAsync(value: unknown, options?: Omit<SerializeOptions, "blobs">): Promise<Uint8Array>;

/** The value that stored bytes hold. Throws a `ValueError` where they hold none. */
export function deserialize(stored: Uint8Array | ArrayBuffer): unknown;

/** Stored bytes that cannot be read. */
export class ValueError extends Error {
  /** The byte where that showed. */
  readonly offset: number;
}
