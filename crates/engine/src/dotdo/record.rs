//! What a stored value is, by its shape.

use super::checksum::Checksum;
use super::value::Value;
use crate::error::{Error, Result};

/// How the keys of checkpoints begin.
pub const CHECKPOINT_PREFIX: &str = "checkpoint:";

/// What stands between a checkpoint's key and a chunk's number.
pub const CHUNK_INFIX: &str = ":chunk:";

/// A `ChunkedCheckpoint`: the manifest of chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkedManifest {
    /// Its id.
    pub id: String,
    /// Bytes of all chunks.
    pub total_bytes: u64,
    /// How many chunks it says there are.
    pub chunk_count: u64,
    /// Their keys in order.
    pub chunks: Vec<String>,
    /// The checksum of the whole, as text.
    pub checksum: String,
    /// Whether it says that the data was compressed before it was cut.
    pub compressed: bool,
}

/// A `HybridCheckpoint`: where the compressed bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HybridManifest {
    /// Its id.
    pub id: String,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// Whether they are in R2, and not in the object.
    pub in_bucket: bool,
    /// The key there.
    pub storage_key: String,
    /// The checksum, as text.
    pub checksum: String,
}

/// One change of an `IncrementalCheckpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The key, a JSON string, has this value now, JSON too.
    Set(String, String),
    /// The key, a JSON string, is gone.
    Delete(String),
}

/// An `IncrementalCheckpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incremental {
    /// The checkpoint that it builds on.
    pub base: String,
    /// Its place in the chain.
    pub sequence: u64,
    /// Its changes: added, modified, deleted.
    pub changes: Vec<Change>,
    /// Its delta as `JSON.stringify` prints it.
    pub delta_json: String,
    /// The checksum, as text.
    pub checksum: String,
}

/// A checkpoint manager's record of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerRecord {
    /// Its id.
    pub id: String,
    /// Whose state it is.
    pub namespace: String,
    /// Milliseconds since 1970.
    pub created_at_ms: u64,
    /// The position in the write-ahead log.
    pub wal_position: u64,
    /// The version of the schema.
    pub schema_version: Option<u64>,
    /// The snapshot that belongs to it, if one was made.
    pub snapshot: Option<String>,
}

/// A snapshot that holds its data: a state backend's `StateSnapshot`, or the checkpoint manager's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<'v> {
    /// Its id.
    pub id: String,
    /// Whose state it is, in the checkpoint manager's.
    pub namespace: Option<String>,
    /// Milliseconds since 1970.
    pub created_at_ms: Option<u64>,
    /// State entries in it, where it says so.
    pub entry_count: Option<u64>,
    /// Bytes that it says its data has.
    pub data_bytes: u64,
    /// The version of the schema.
    pub schema_version: Option<u64>,
    /// The checksum, as text.
    pub checksum: String,
    /// Whether it says that its data is compressed.
    pub compressed: Option<bool>,
    /// The data.
    pub data: &'v [u8],
    /// Whether it is the checkpoint manager's.
    pub of_manager: bool,
}

/// A chunk of a [`ChunkedManifest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk<'v> {
    /// Its place.
    pub index: u64,
    /// Its data.
    pub data: &'v [u8],
    /// The checksum of the data, as text.
    pub checksum: String,
}

/// What a stored value is to checkpoints.
#[derive(Debug, Clone, PartialEq)]
pub enum Record<'v> {
    /// The manifest of chunks.
    Chunked(ChunkedManifest),
    /// A chunk.
    Chunk(Chunk<'v>),
    /// The place of compressed bytes.
    Hybrid(HybridManifest),
    /// A delta.
    Incremental(Incremental),
    /// A checkpoint manager's record.
    Manager(ManagerRecord),
    /// A snapshot with its data.
    Snapshot(Snapshot<'v>),
    /// Bytes: what a [`HybridManifest`] may name.
    Payload(&'v [u8]),
}

/// Reads `value` as the record that its members' names claim it to be; `None` where they claim
/// none.
///
/// # Errors
/// Malformed where a member is not what it has to be.
pub fn recognise<'v>(value: &'v Value<'_>) -> Result<Option<Record<'v>>> {
    if let Value::Bytes(bytes) = value {
        return Ok(Some(Record::Payload(bytes)));
    }
    if value.has(&["chunkCount", "chunks"]) {
        return chunked(value).map(|found| Some(Record::Chunked(found)));
    }
    if value.has(&["location", "storageKey"]) && value.member("sizeBytes").is_some() {
        return hybrid(value).map(|found| Some(Record::Hybrid(found)));
    }
    if value.has(&["baseCheckpointId", "delta"]) {
        return incremental(value).map(|found| Some(Record::Incremental(found)));
    }
    if value.has(&["index", "data", "checksum"]) {
        return chunk(value).map(|found| Some(Record::Chunk(found)));
    }
    if value.has(&["id", "ns", "walPosition", "createdAt"]) {
        return manager(value).map(|found| Some(Record::Manager(found)));
    }
    if value.has(&["id", "timestamp", "data", "metadata"])
        && value.member("metadata").is_some_and(|metadata| metadata.member("checksum").is_some())
    {
        return state_snapshot(value).map(|found| Some(Record::Snapshot(found)));
    }
    if value.has(&["id", "ns", "schemaVersion", "checksum", "data"]) {
        return manager_snapshot(value).map(|found| Some(Record::Snapshot(found)));
    }
    Ok(None)
}

/// Whether `value` has members that nothing but a record has, so that it is one even where its key
/// says nothing and a member is broken.
pub(super) fn is_unmistakable(value: &Value<'_>) -> bool {
    value.has(&["chunkCount", "chunks"])
        || value.has(&["sizeBytes", "location", "storageKey"])
        || value.has(&["baseCheckpointId", "delta"])
}

fn wrong(name: &str, expected: &str) -> Error {
    Error::malformed(format!("its `{name}` is not {expected}"))
}

fn text(value: &Value<'_>, name: &str) -> Result<String> {
    value.member(name).and_then(Value::text).map(str::to_owned).ok_or_else(|| wrong(name, "text"))
}

fn count(value: &Value<'_>, name: &str) -> Result<u64> {
    value.member(name).and_then(Value::count).ok_or_else(|| wrong(name, "a whole number from 0 on"))
}

fn optional_count(value: &Value<'_>, name: &str) -> Option<u64> {
    value.member(name).and_then(Value::count)
}

fn checksum(value: &Value<'_>) -> Result<String> {
    let found = text(value, "checksum")?;
    match Checksum::parse(&found) {
        Some(_) => Ok(found),
        None => Err(wrong("checksum", "64 hexadecimal digits (SHA-256) or up to 8 (MurmurHash3)")),
    }
}

fn chunked(value: &Value<'_>) -> Result<ChunkedManifest> {
    let keys = value.member("chunks").and_then(Value::elements).ok_or_else(|| wrong("chunks", "a list"))?;
    let key =
        |key: &Value<'_>| key.text().map(str::to_owned).ok_or_else(|| wrong("chunks", "a list of keys"));
    Ok(ChunkedManifest {
        id: text(value, "id")?,
        total_bytes: count(value, "totalSize")?,
        chunk_count: count(value, "chunkCount")?,
        chunks: keys.iter().map(key).collect::<Result<_>>()?,
        checksum: checksum(value)?,
        compressed: match value.member("compressed") {
            None => true,
            Some(compressed) => compressed.boolean().ok_or_else(|| wrong("compressed", "true or false"))?,
        },
    })
}

fn chunk<'v>(value: &'v Value<'_>) -> Result<Chunk<'v>> {
    Ok(Chunk {
        index: count(value, "index")?,
        data: value.member("data").and_then(Value::bytes).ok_or_else(|| wrong("data", "bytes"))?,
        checksum: checksum(value)?,
    })
}

fn hybrid(value: &Value<'_>) -> Result<HybridManifest> {
    Ok(HybridManifest {
        id: text(value, "id")?,
        stored_bytes: count(value, "sizeBytes")?,
        in_bucket: match text(value, "location")?.as_str() {
            "do" => false,
            "r2" => true,
            _ => return Err(wrong("location", "\"do\" or \"r2\"")),
        },
        storage_key: text(value, "storageKey")?,
        checksum: checksum(value)?,
    })
}

fn incremental(value: &Value<'_>) -> Result<Incremental> {
    let delta = value.member("delta").filter(|delta| matches!(delta, Value::Object(_)));
    let delta = delta.ok_or_else(|| wrong("delta", "an object"))?;
    let mut changes = Vec::new();
    for name in ["added", "modified"] {
        let expected = || wrong(name, "a list of keys with their values");
        for pair in delta.member(name).and_then(Value::elements).ok_or_else(expected)? {
            let Some([key, value]) = pair.elements() else {
                return Err(expected());
            };
            let mut texts = (String::new(), String::new());
            key.write_json(&mut texts.0);
            value.write_json(&mut texts.1);
            if !texts.0.starts_with('"') {
                return Err(expected());
            }
            changes.push(Change::Set(texts.0, texts.1));
        }
    }
    let expected = || wrong("deleted", "a list of keys");
    for key in delta.member("deleted").and_then(Value::elements).ok_or_else(expected)? {
        let mut text = String::new();
        super::value::push_text(key.text().ok_or_else(expected)?, &mut text);
        changes.push(Change::Delete(text));
    }
    let mut delta_json = String::new();
    delta.write_json(&mut delta_json);
    Ok(Incremental {
        base: text(value, "baseCheckpointId")?,
        sequence: count(value, "sequence")?,
        changes,
        delta_json,
        checksum: checksum(value)?,
    })
}

fn manager(value: &Value<'_>) -> Result<ManagerRecord> {
    Ok(ManagerRecord {
        id: text(value, "id")?,
        namespace: text(value, "ns")?,
        created_at_ms: count(value, "createdAt")?,
        wal_position: count(value, "walPosition")?,
        schema_version: optional_count(value, "schemaVersion"),
        snapshot: match value.member("snapshotId") {
            None | Some(Value::Null) => None,
            Some(_) => Some(text(value, "snapshotId")?),
        },
    })
}

fn state_snapshot<'v>(value: &'v Value<'_>) -> Result<Snapshot<'v>> {
    let metadata = value.member("metadata").ok_or_else(|| wrong("metadata", "an object"))?;
    Ok(Snapshot {
        id: text(value, "id")?,
        namespace: None,
        created_at_ms: optional_count(value, "timestamp"),
        entry_count: optional_count(metadata, "stateCount"),
        data_bytes: count(metadata, "totalBytes")?,
        schema_version: None,
        checksum: checksum(metadata)?,
        compressed: value.member("compressed").or(metadata.member("compressed")).and_then(Value::boolean),
        data: value.member("data").and_then(Value::bytes).ok_or_else(|| wrong("data", "bytes"))?,
        of_manager: false,
    })
}

fn manager_snapshot<'v>(value: &'v Value<'_>) -> Result<Snapshot<'v>> {
    Ok(Snapshot {
        id: text(value, "id")?,
        namespace: Some(text(value, "ns")?),
        created_at_ms: optional_count(value, "createdAt"),
        entry_count: None,
        data_bytes: count(value, "sizeBytes")?,
        schema_version: optional_count(value, "schemaVersion"),
        checksum: checksum(value)?,
        compressed: None,
        data: value.member("data").and_then(Value::bytes).ok_or_else(|| wrong("data", "bytes"))?,
        of_manager: true,
    })
}
