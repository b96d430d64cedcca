//! Which checkpoints there are.

use std::collections::HashSet;

use super::record::{
    CHECKPOINT_PREFIX, CHUNK_INFIX, ChunkedManifest, HybridManifest, ManagerRecord, Record, is_unmistakable,
    recognise,
};
use super::{BucketObject, Look, Source};
use crate::error::{Damage, Error, ErrorKind, Result};
use crate::finding::Finding;

/// Bytes of keys that are kept while checkpoints are looked for: 64 MiB. The largest object has
/// room for 80,000 chunks of 128 KiB, whose keys take some 5 MB.
const KEY_BYTES_MAX: usize = 64 << 20;

/// Where R2 holds compressed checkpoints without metadata.
pub const BARE_PREFIX: &str = "checkpoints/";

/// Where R2 holds the checkpoint manager's snapshots.
pub const SNAPSHOT_PREFIX: &str = "snapshots/";

/// What a base's id has behind that of the delta it was written with.
pub const BASE_SUFFIX: &str = "-base";

/// How the keys in R2 end.
pub const GZIP_SUFFIX: &str = ".gz";

/// The forms of checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `ChunkedCheckpoint`: a manifest and its chunks.
    Chunked,
    /// `HybridCheckpoint`: compressed in the object or in R2.
    Hybrid,
    /// `IncrementalCheckpoint`: changes against another checkpoint.
    Incremental,
    /// A checkpoint manager's record.
    ManagerRecord,
    /// A checkpoint manager's snapshot.
    ManagerSnapshot,
    /// A state backend's snapshot.
    StateSnapshot,
}

impl Form {
    /// The form's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Form::Chunked => "chunked",
            Form::Hybrid => "hybrid",
            Form::Incremental => "incremental",
            Form::ManagerRecord => "manager-record",
            Form::ManagerSnapshot => "manager-snapshot",
            Form::StateSnapshot => "state-snapshot",
        }
    }
}

/// What a checkpoint consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Chunks.
    Chunked(ChunkedManifest),
    /// Bytes that a manifest names.
    Hybrid(HybridManifest),
    /// Bytes that no manifest names: only gzip's own checksum tells about them.
    Bare {
        /// Whether they are in R2.
        in_bucket: bool,
    },
    /// Changes, in the record itself.
    Incremental,
    /// A record, and the snapshot that it names.
    Manager(ManagerRecord),
    /// An object in R2 with custom metadata.
    BucketSnapshot(BucketObject),
    /// Data in the record itself.
    Snapshot,
}

/// One checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its id, which is what people call it by.
    pub id: String,
    /// The key of its record: in the object's storage, or in R2 where it lies there only.
    pub key: String,
    /// Its form.
    pub form: Form,
    /// Whose state it is, where it says so.
    pub namespace: Option<String>,
    /// Milliseconds since 1970, where it says so.
    pub created_at_ms: Option<u64>,
    /// Its place in a chain.
    pub sequence: Option<u64>,
    /// The checkpoint that it builds on.
    pub base: Option<String>,
    /// The snapshot that a manager's record names.
    pub snapshot: Option<String>,
    /// Bytes as stored, as far as it says.
    pub stored_bytes: Option<u64>,
    /// Its chunks.
    pub chunk_count: Option<u64>,
    /// Its checksum as text.
    pub checksum: Option<String>,
    /// The version of the schema.
    pub schema_version: Option<u64>,
    /// What it consists of.
    pub body: Body,
}

impl Checkpoint {
    /// Whether it is bytes in R2 and no more.
    fn is_bare(&self) -> bool {
        self.body == Body::Bare { in_bucket: true }
    }
}

/// All checkpoints of a source, and what looked like a part of one and is none.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// The checkpoints, by form and id.
    pub checkpoints: Vec<Checkpoint>,
    /// Chunks that no manifest names, by key.
    pub stray_chunks: Vec<String>,
    /// Records that are broken.
    pub broken: Vec<Finding>,
    /// The bucket's objects that are checkpoints.
    pub objects: Vec<BucketObject>,
}

/// What a look through the records gathers.
#[derive(Default)]
struct Gathered {
    catalogue: Catalogue,
    chunks: Vec<String>,
    payloads: Vec<(String, u64)>,
    key_bytes: usize,
}

impl Catalogue {
    /// Looks through all of `source`.
    ///
    /// # Errors
    /// Those of the source; unsupported where it holds more keys than any object.
    pub fn of(source: Source<'_>) -> Result<Self> {
        let mut gathered = Gathered::default();
        if let Some(records) = source.records {
            records.scan(&mut |key, stored_bytes, value| {
                let is_ours = key.starts_with(CHECKPOINT_PREFIX)
                    || matches!(value, Ok(Look::Value(value)) if is_unmistakable(value));
                let added = value.and_then(|look| match look {
                    Look::Value(value) => match recognise(value)? {
                        Some(record) => gathered.add(key, stored_bytes, record),
                        None => Ok(()),
                    },
                    Look::Chunk => gathered.add_chunk(key),
                    Look::Payload(bytes) => gathered.add_payload(key, bytes),
                });
                match added {
                    // Other values may be what they like.
                    Err(error) if is_damage(&error) && !is_ours => Ok(()),
                    Err(error) if is_damage(&error) => {
                        gathered.count(key)?;
                        let finding = Finding { target: key.to_owned(), error: as_damage(error) };
                        gathered.catalogue.broken.push(finding);
                        Ok(())
                    }
                    other => other,
                }
            })?;
        }
        let mut catalogue = gathered.finish();
        if let Some(bucket) = source.bucket {
            catalogue.add_bucket(bucket.list()?);
        }
        catalogue
            .checkpoints
            .sort_by(|a, b| (a.form.name(), &a.id, &a.key).cmp(&(b.form.name(), &b.id, &b.key)));
        Ok(catalogue)
    }

    /// The checkpoint with this id, or with a unique id that begins with it (4 characters at
    /// least). A record comes before the snapshot that it names, and either before bytes without a
    /// record.
    ///
    /// # Errors
    /// Malformed where several have it.
    pub fn find(&self, reference: &str) -> Result<Option<&Checkpoint>> {
        const PREFIX_BYTES_MIN: usize = 4;
        let mut matching: Vec<_> = self.checkpoints.iter().filter(|found| found.id == reference).collect();
        if matching.is_empty() && reference.len() >= PREFIX_BYTES_MIN {
            matching = self.checkpoints.iter().filter(|found| found.id.starts_with(reference)).collect();
        }
        // What a record of the same id names is found through it.
        let ids: HashSet<&str> = matching.iter().filter_map(|found| found.snapshot.as_deref()).collect();
        matching.retain(|found| found.form != Form::ManagerSnapshot || !ids.contains(found.id.as_str()));
        // The base that was written with a delta has a longer id.
        let ids: HashSet<&str> = matching.iter().map(|found| found.id.as_str()).collect();
        matching.retain(|found| found.id.strip_suffix(BASE_SUFFIX).is_none_or(|delta| !ids.contains(delta)));
        // What no record names may be another object's.
        if matching.iter().any(|found| !found.is_bare()) {
            matching.retain(|found| !found.is_bare());
        }
        match *matching.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            [one, other, ..] => Err(Error::malformed(format!(
                "{reference} may be {} (under {}) or {} (under {})",
                one.id, one.key, other.id, other.key
            ))
            .hint("give the whole id, or a store that holds only one of them")),
        }
    }

    fn add_bucket(&mut self, objects: Vec<BucketObject>) {
        let named: HashSet<String> = self
            .checkpoints
            .iter()
            .filter_map(|checkpoint| match &checkpoint.body {
                Body::Hybrid(manifest) if manifest.in_bucket => Some(manifest.storage_key.clone()),
                _ => None,
            })
            .collect();
        for object in objects {
            let stem = |prefix: &str| {
                let name = object.key.strip_prefix(prefix).unwrap_or(&object.key);
                name.strip_suffix(GZIP_SUFFIX).unwrap_or(name).to_owned()
            };
            let has_metadata = object.metadata("checksum").is_some() && object.metadata("ns").is_some();
            let count = |name: &str| object.metadata(name).and_then(|text| text.parse().ok());
            if has_metadata || object.key.starts_with(SNAPSHOT_PREFIX) {
                self.checkpoints.push(Checkpoint {
                    id: stem(SNAPSHOT_PREFIX),
                    key: object.key.clone(),
                    form: Form::ManagerSnapshot,
                    namespace: object.metadata("ns").map(str::to_owned),
                    created_at_ms: count("createdAt"),
                    sequence: None,
                    base: None,
                    snapshot: None,
                    stored_bytes: Some(object.stored_bytes),
                    chunk_count: None,
                    checksum: object.metadata("checksum").map(str::to_owned),
                    schema_version: count("schemaVersion"),
                    body: Body::BucketSnapshot(object.clone()),
                });
            } else if object.key.starts_with(BARE_PREFIX) && !named.contains(&object.key) {
                let id = stem(BARE_PREFIX);
                self.checkpoints.push(bare(id, object.key.clone(), object.stored_bytes, true));
            } else if !named.contains(&object.key) {
                continue;
            }
            self.objects.push(object);
        }
    }
}

fn bare(id: String, key: String, stored_bytes: u64, in_bucket: bool) -> Checkpoint {
    Checkpoint {
        id,
        key,
        form: Form::Hybrid,
        namespace: None,
        created_at_ms: None,
        sequence: None,
        base: None,
        snapshot: None,
        stored_bytes: Some(stored_bytes),
        chunk_count: None,
        checksum: None,
        schema_version: None,
        body: Body::Bare { in_bucket },
    }
}

/// Whether an error says that a value is not what it should be.
pub(super) fn is_damage(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Malformed | ErrorKind::Unsupported | ErrorKind::Missing | ErrorKind::Corrupt(_)
    )
}

/// The same complaint about stored data.
pub(super) fn as_damage(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Malformed | ErrorKind::Unsupported => error.of_kind(ErrorKind::Corrupt(Damage::Malformed)),
        ErrorKind::Missing => error.of_kind(ErrorKind::Corrupt(Damage::Missing)),
        _ => error,
    }
}

impl Gathered {
    fn count(&mut self, key: &str) -> Result<()> {
        self.key_bytes += key.len() + 64;
        if self.key_bytes > KEY_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::Io,
                "there are more records of checkpoints than any object has room for",
            ));
        }
        Ok(())
    }

    fn add_chunk(&mut self, key: &str) -> Result<()> {
        self.count(key)?;
        self.chunks.push(key.to_owned());
        Ok(())
    }

    /// Bytes count as a checkpoint only where checkpoints are; others are an application's own.
    fn add_payload(&mut self, key: &str, bytes: u64) -> Result<()> {
        match key.starts_with(CHECKPOINT_PREFIX) {
            true if key.contains(CHUNK_INFIX) => self.add_chunk(key),
            true => {
                self.count(key)?;
                self.payloads.push((key.to_owned(), bytes));
                Ok(())
            }
            false => Ok(()),
        }
    }

    fn add(&mut self, key: &str, stored_bytes: u64, record: Record<'_>) -> Result<()> {
        let mut checkpoint = Checkpoint {
            id: String::new(),
            key: key.to_owned(),
            form: Form::Chunked,
            namespace: None,
            created_at_ms: None,
            sequence: None,
            base: None,
            snapshot: None,
            stored_bytes: None,
            chunk_count: None,
            checksum: None,
            schema_version: None,
            body: Body::Incremental,
        };
        match record {
            Record::Chunk(_) => return self.add_chunk(key),
            Record::Payload(bytes) => return self.add_payload(key, bytes.len() as u64),
            Record::Chunked(manifest) => {
                for chunk in &manifest.chunks {
                    self.count(chunk)?;
                }
                checkpoint.id = manifest.id.clone();
                checkpoint.stored_bytes = Some(manifest.total_bytes);
                checkpoint.chunk_count = Some(manifest.chunk_count);
                checkpoint.checksum = Some(manifest.checksum.clone());
                checkpoint.body = Body::Chunked(manifest);
            }
            Record::Hybrid(manifest) => {
                checkpoint.form = Form::Hybrid;
                checkpoint.id = manifest.id.clone();
                checkpoint.stored_bytes = Some(manifest.stored_bytes);
                checkpoint.checksum = Some(manifest.checksum.clone());
                checkpoint.body = Body::Hybrid(manifest);
            }
            Record::Incremental(found) => {
                checkpoint.form = Form::Incremental;
                checkpoint.id = key.strip_prefix(CHECKPOINT_PREFIX).unwrap_or(key).to_owned();
                checkpoint.sequence = Some(found.sequence);
                checkpoint.base = Some(found.base);
                checkpoint.stored_bytes = Some(stored_bytes);
                checkpoint.checksum = Some(found.checksum);
            }
            Record::Manager(found) => {
                checkpoint.form = Form::ManagerRecord;
                checkpoint.id = found.id.clone();
                checkpoint.namespace = Some(found.namespace.clone());
                checkpoint.created_at_ms = Some(found.created_at_ms);
                checkpoint.schema_version = found.schema_version;
                checkpoint.snapshot = found.snapshot.clone();
                checkpoint.body = Body::Manager(found);
            }
            Record::Snapshot(found) => {
                checkpoint.form = if found.of_manager { Form::ManagerSnapshot } else { Form::StateSnapshot };
                checkpoint.id = found.id;
                checkpoint.namespace = found.namespace;
                checkpoint.created_at_ms = found.created_at_ms;
                checkpoint.schema_version = found.schema_version;
                checkpoint.stored_bytes = Some(found.data.len() as u64);
                checkpoint.checksum = Some(found.checksum);
                checkpoint.body = Body::Snapshot;
            }
        }
        self.count(key)?;
        self.catalogue.checkpoints.push(checkpoint);
        Ok(())
    }

    fn finish(self) -> Catalogue {
        let Gathered { mut catalogue, chunks, payloads, .. } = self;
        let mut named = HashSet::new();
        for checkpoint in &catalogue.checkpoints {
            match &checkpoint.body {
                Body::Chunked(manifest) => named.extend(manifest.chunks.iter().map(String::as_str)),
                Body::Hybrid(manifest) if !manifest.in_bucket => {
                    named.insert(manifest.storage_key.as_str());
                }
                _ => {}
            }
        }
        let strays: Vec<String> =
            chunks.into_iter().filter(|chunk| !named.contains(chunk.as_str())).collect();
        let bare: Vec<Checkpoint> = payloads
            .into_iter()
            .filter(|(key, _)| !named.contains(key.as_str()))
            .map(|(key, stored_bytes)| {
                let id = key.strip_prefix(CHECKPOINT_PREFIX).unwrap_or(&key).to_owned();
                bare(id, key, stored_bytes, false)
            })
            .collect();
        catalogue.stray_chunks = strays;
        catalogue.checkpoints.extend(bare);
        catalogue
    }
}
