//! Records as the values that TypeScript stores: the other direction of [`recognise`](super::recognise).

use std::borrow::Cow;

use super::record::{Chunk, ChunkedManifest, HybridManifest, ManagerRecord, Snapshot};
use super::value::Value;

/// The metadata of a checkpoint manager's snapshot in R2: `checksum`, `schemaVersion`, `createdAt`, `ns`.
pub const SNAPSHOT_METADATA: [&str; 4] = ["checksum", "schemaVersion", "createdAt", "ns"];

fn object<'v>(members: Vec<(&'static str, Value<'v>)>) -> Value<'v> {
    Value::Object(members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

/// Sizes and times are far below 2^53.
fn number<'v>(number: u64) -> Value<'v> {
    Value::Number(number as f64)
}

impl Chunk<'_> {
    /// The chunk as a value.
    pub fn value(&self) -> Value<'_> {
        object(vec![
            ("index", number(self.index)),
            ("data", Value::Bytes(Cow::Borrowed(self.data))),
            ("checksum", text(&self.checksum)),
        ])
    }
}

impl ChunkedManifest {
    /// The manifest as a value.
    pub fn value(&self) -> Value<'_> {
        object(vec![
            ("id", text(&self.id)),
            ("totalSize", number(self.total_bytes)),
            ("chunkCount", number(self.chunk_count)),
            ("chunks", Value::List(self.chunks.iter().map(|key| text(key)).collect())),
            ("checksum", text(&self.checksum)),
            ("compressed", Value::Boolean(self.compressed)),
        ])
    }
}

impl HybridManifest {
    /// The record as a value.
    pub fn value(&self) -> Value<'_> {
        object(vec![
            ("id", text(&self.id)),
            ("sizeBytes", number(self.stored_bytes)),
            ("location", text(if self.in_bucket { "r2" } else { "do" })),
            ("storageKey", text(&self.storage_key)),
            ("checksum", text(&self.checksum)),
        ])
    }
}

impl ManagerRecord {
    /// The record as a value.
    pub fn value(&self) -> Value<'_> {
        let mut members = vec![
            ("id", text(&self.id)),
            ("ns", text(&self.namespace)),
            ("walPosition", number(self.wal_position)),
            ("createdAt", number(self.created_at_ms)),
        ];
        members.extend(self.schema_version.map(|version| ("schemaVersion", number(version))));
        members.extend(self.snapshot.as_deref().map(|snapshot| ("snapshotId", text(snapshot))));
        object(members)
    }
}

impl Snapshot<'_> {
    /// A state backend's `StateSnapshot` as a value; what only a checkpoint manager's has is left out.
    pub fn state_value(&self) -> Value<'_> {
        let metadata = object(vec![
            ("stateCount", number(self.entry_count.unwrap_or_default())),
            ("totalBytes", number(self.data_bytes)),
            ("checksum", text(&self.checksum)),
        ]);
        object(vec![
            ("id", text(&self.id)),
            ("timestamp", number(self.created_at_ms.unwrap_or_default())),
            ("data", Value::Bytes(Cow::Borrowed(self.data))),
            ("metadata", metadata),
        ])
    }
}

/// The delta of an `IncrementalCheckpoint`: pairs of keys and values, and keys.
pub fn delta_value<'v>(
    added: Vec<Value<'v>>,
    modified: Vec<Value<'v>>,
    deleted: Vec<Value<'v>>,
) -> Value<'v> {
    object(vec![
        ("added", Value::List(added)),
        ("modified", Value::List(modified)),
        ("deleted", Value::List(deleted)),
    ])
}

/// An `IncrementalCheckpoint` on `base` whose changes are `delta`, which hashes to `checksum`.
pub fn incremental_value<'v>(base: &'v str, sequence: u64, delta: Value<'v>, checksum: &'v str) -> Value<'v> {
    object(vec![
        ("baseCheckpointId", text(base)),
        ("sequence", number(sequence)),
        ("delta", delta),
        ("checksum", text(checksum)),
    ])
}
