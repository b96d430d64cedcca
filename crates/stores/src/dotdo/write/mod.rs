//! Checkpoints in the layouts that TypeScript reads, written so that its code finds what it would
//! have written itself. Records of one checkpoint go into an object in one transaction; what belongs to it in a
//! bucket is there before.

mod content;
mod delta;
mod objects;
mod records;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use dotctl_engine::dotdo::{
    BARE_PREFIX, BASE_SUFFIX, Body, Bucket, CHECKPOINT_PREFIX, CHUNK_INFIX, Checkpoint, Chunk,
    ChunkedManifest, Form, GZIP_SUFFIX, HybridManifest, ManagerRecord, SNAPSHOT_METADATA, SNAPSHOT_PREFIX,
    Snapshot, Value, delta_value,
};
use dotctl_engine::id::Hash;
use dotctl_engine::{Damage, Error, ErrorKind, Result};

use super::{Foreign, ObjectBucket};
use crate::object::Backend;
use crate::store::Requests;

pub use content::{Content, too_large};
pub use objects::ObjectsWriter;
pub use records::RecordsPlace;

use delta::Link;
use objects::put;
use records::RecordsWriter;

/// `SIZE_THRESHOLD` of the seed's Solution 2: what compresses to less stays in the object.
const HYBRID_OBJECT_BYTES_END: u64 = 1 << 20;

/// The chunk size of the seed's Solution 1.
const CHUNK_BYTES: u64 = 1 << 20;

/// The version of the schema that is written where the original has none.
const SCHEMA_VERSION: u64 = 1;

/// A layout of TypeScript's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Solution 1: a manifest and chunks.
    Chunked,
    /// Solution 2: small in the object, large in the bucket.
    Hybrid,
    /// Solution 3: a delta on the chain that is there, or a base in chunks and a delta that changes nothing.
    Incremental,
    /// The checkpoint manager's: a snapshot in the bucket, and its record in the object if one is named.
    Manager,
    /// A state backend's: one record that is not compressed.
    StateSnapshot,
}

impl Layout {
    /// Its name, as `--to-layout` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Chunked => "chunked",
            Layout::Hybrid => "hybrid",
            Layout::Incremental => "incremental",
            Layout::Manager => "manager",
            Layout::StateSnapshot => "state-snapshot",
        }
    }

    /// Whether the content is compressed in it.
    pub fn is_compressed(self) -> bool {
        self != Layout::StateSnapshot
    }

    /// Whether it holds state entries and nothing else.
    pub fn is_of_state(self) -> bool {
        matches!(self, Layout::Incremental | Layout::StateSnapshot)
    }
}

/// What is written beside the content.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The id it gets.
    pub id: String,
    /// Whose state it is.
    pub namespace: String,
    /// Milliseconds since 1970.
    pub created_at_ms: u64,
    /// State entries in it, where that is known.
    pub entry_count: Option<u64>,
    /// The version of the schema, where the original has one.
    pub schema_version: Option<u64>,
}

/// Where a checkpoint goes.
pub struct Destination {
    records: Option<RecordsPlace>,
    bucket: Option<Rc<dyn ObjectsWriter>>,
    backend: Backend,
}

impl Destination {
    /// Records go to `records`, objects to `bucket`; `backend` says what the object's storage takes.
    ///
    /// # Errors
    /// Malformed where `layout` needs what is not named.
    pub fn new(
        layout: Layout,
        records: Option<RecordsPlace>,
        bucket: Option<Rc<dyn ObjectsWriter>>,
        backend: Backend,
    ) -> Result<Self> {
        let name = layout.name();
        match layout {
            Layout::Manager if bucket.is_none() => {
                return Err(Error::malformed(format!("the layout {name} keeps snapshots in a bucket")).hint(
                    "name a bucket, or a folder that stands for one, with --to-store or --to-overflow",
                ));
            }
            Layout::Manager => {}
            _ if records.is_none() => {
                return Err(Error::malformed(format!("the layout {name} keeps records in an object")).hint(
                    "name an object's database or a JSON file with --to-store, and a bucket with --to-overflow",
                ));
            }
            _ => {}
        }
        Ok(Destination { records, bucket, backend })
    }

    /// A folder for temporary files.
    pub fn scratch_folder(&self) -> PathBuf {
        match self.records.as_ref().and_then(|place| place.path().parent()) {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            Some(_) => PathBuf::from("."),
            None => std::env::temp_dir(),
        }
    }

    /// Requests sent to the bucket so far.
    pub fn requests(&self) -> Option<Requests> {
        self.bucket.as_ref().and_then(|bucket| bucket.requests())
    }

    /// What there is, of the bucket only what may belong to the checkpoint `id` in this layout: it may be
    /// many objects' bucket.
    fn open(&self, layout: Layout, id: &str) -> Result<Foreign> {
        let key = match layout {
            Layout::Hybrid => Some(bare_key(id)),
            Layout::Manager => Some(snapshot_key(id)),
            Layout::Chunked | Layout::Incremental | Layout::StateSnapshot => None,
        };
        let bucket = self.bucket.as_ref().zip(key).map(|(objects, key)| -> Box<dyn Bucket> {
            Box::new(ObjectBucket::of(objects.clone(), vec![key]))
        });
        match &self.records {
            Some(RecordsPlace::Object(path)) => Foreign::database(path, bucket),
            Some(RecordsPlace::Json(path)) if path.exists() => Foreign::json_file(path, bucket),
            _ => Foreign::objects(bucket),
        }
    }

    /// The checkpoint `id`, if it is there in this layout.
    ///
    /// # Errors
    /// Exists where another checkpoint has its id.
    fn find(&self, layout: Layout, id: &str) -> Result<Option<(Foreign, Checkpoint)>> {
        let there = self.open(layout, id)?;
        let mut same_id = there.catalogue().checkpoints.iter().filter(|found| found.id == id);
        if let Some(found) = same_id.clone().find(|found| self.is_whole(layout, found)).cloned() {
            return Ok(Some((there, found)));
        }
        // Those that a run was stopped at.
        match same_id.find(|found| !self.is_part(layout, found)) {
            None => Ok(None),
            Some(other) => Err(Error::new(
                ErrorKind::Exists,
                format!("there is a checkpoint {id} already, in the form {}", other.form.name()),
            )
            .at(other.key.clone())
            .hint("nothing was changed; name another store")),
        }
    }

    fn is_whole(&self, layout: Layout, found: &Checkpoint) -> bool {
        match layout {
            Layout::Chunked => found.form == Form::Chunked,
            Layout::Hybrid => matches!(found.body, Body::Hybrid(_)),
            Layout::Incremental => found.form == Form::Incremental,
            Layout::Manager if self.records.is_some() => found.form == Form::ManagerRecord,
            Layout::Manager => found.form == Form::ManagerSnapshot,
            Layout::StateSnapshot => found.form == Form::StateSnapshot,
        }
    }

    /// Whether it is what is written to the bucket first.
    fn is_part(&self, layout: Layout, found: &Checkpoint) -> bool {
        match layout {
            Layout::Hybrid => found.body == Body::Bare { in_bucket: true },
            Layout::Manager => found.form == Form::ManagerSnapshot,
            _ => false,
        }
    }

    /// Writes the checkpoint unless it is there already, reads it back and compares. Says whether it was
    /// there, and what `show` makes of it where it is.
    ///
    /// # Errors
    /// Busy while anybody has the object open; Exists where another checkpoint has its id, or something
    /// one of its keys; unsupported where the destination does not take what is to be stored under one key. Nothing of
    /// it is in the object then. Corrupt where what is there is not the content.
    pub fn write<T>(
        &self,
        layout: Layout,
        facts: &Facts,
        content: &Content,
        show: impl FnOnce(&Foreign, &Checkpoint) -> T,
    ) -> Result<(bool, T)> {
        if let Some((there, found)) = self.find(layout, &facts.id)? {
            check(&there, &found, content, &self.scratch_folder())?;
            return Ok((true, show(&there, &found)));
        }
        self.create(layout, facts, content)?;
        let (there, found) = self.find(layout, &facts.id)?.ok_or_else(|| {
            Error::damaged(Damage::Missing, "the checkpoint that was written", &facts.id, "nothing")
        })?;
        check(&there, &found, content, &self.scratch_folder())
            .map_err(|error| error.hint("the copy does not verify: run `dotctl verify` on it"))?;
        Ok((false, show(&there, &found)))
    }

    fn create(&self, layout: Layout, facts: &Facts, content: &Content) -> Result<()> {
        match layout {
            Layout::Chunked => {
                let mut records = self.records()?;
                self.write_chunks(&mut records, &facts.id, content)?;
                records.commit()?;
            }
            Layout::Incremental => self.write_delta(facts, content)?,
            Layout::Hybrid => self.write_hybrid(&facts.id, content)?,
            Layout::Manager => self.write_snapshot(facts, content)?,
            Layout::StateSnapshot => {
                let mut records = self.records()?;
                let mut data = Vec::new();
                // More than fits is refused without being read.
                content.parts(CHUNK_BYTES * 4, |_, part| {
                    if data.is_empty() {
                        data.extend_from_slice(part);
                    }
                    Ok(())
                })?;
                let snapshot = Snapshot {
                    id: facts.id.clone(),
                    namespace: None,
                    created_at_ms: Some(facts.created_at_ms),
                    entry_count: facts.entry_count,
                    data_bytes: content.stored_bytes,
                    schema_version: None,
                    checksum: format!("{:x}", content.raw_murmur3),
                    compressed: None,
                    data: &data,
                    of_manager: false,
                };
                records.create(&format!("snapshot:{}", facts.id), &snapshot.state_value())?;
                records.commit()?;
            }
        }
        Ok(())
    }

    fn records(&self) -> Result<RecordsWriter> {
        let place = self.records.as_ref().ok_or_else(|| Error::malformed("no object is named"))?;
        RecordsWriter::begin(place, self.backend)
    }

    fn write_chunks(&self, records: &mut RecordsWriter, id: &str, content: &Content) -> Result<()> {
        let chunk_bytes = match self.backend {
            Backend::Sqlite => CHUNK_BYTES,
            // What is around the data takes some 150 bytes.
            Backend::Kv => Backend::Kv.part_bytes(),
        };
        let key = checkpoint_key(id);
        let mut chunks = Vec::new();
        content.parts(chunk_bytes, |index, data| {
            let chunk_key = format!("{key}{CHUNK_INFIX}{index}");
            let chunk = Chunk { index, data, checksum: Hash::of(data).to_string() };
            records.create(&chunk_key, &chunk.value())?;
            chunks.push(chunk_key);
            Ok(())
        })?;
        let manifest = ChunkedManifest {
            id: id.to_owned(),
            total_bytes: content.stored_bytes,
            chunk_count: chunks.len() as u64,
            chunks,
            checksum: content.stored_sha256.to_string(),
            compressed: true,
        };
        records.create(&key, &manifest.value())
    }

    fn write_delta(&self, facts: &Facts, content: &Content) -> Result<()> {
        let place = self.records.as_ref().ok_or_else(|| Error::malformed("no object is named"))?;
        let key = checkpoint_key(&facts.id);
        let stamp = place.stamp();
        let there = self.open(Layout::Incremental, &facts.id)?;
        let goes_on = delta::goes_on(&there, content, &self.scratch_folder(), |link| {
            records::takes(self.backend, &key, &link.value())
        })?;
        drop(there);
        let mut records = self.records()?;
        if place.stamp() != stamp {
            return Err(Error::new(ErrorKind::Busy, "it was written to meanwhile")
                .at(place.path().display().to_string())
                .hint("run the command again; nothing was written"));
        }
        let link = match goes_on {
            Some(link) => link,
            None => {
                let base = format!("{}{BASE_SUFFIX}", facts.id);
                self.write_chunks(&mut records, &base, content)?;
                Link::new(base, 0, delta_value(Vec::new(), Vec::new(), Vec::new()))
            }
        };
        records.create(&key, &link.value())?;
        records.commit()
    }

    fn write_hybrid(&self, id: &str, content: &Content) -> Result<()> {
        let in_bucket = content.stored_bytes >= HYBRID_OBJECT_BYTES_END;
        let mut records = self.records()?;
        let storage_key = if in_bucket { bare_key(id) } else { checkpoint_key(id) };
        if in_bucket {
            let bucket = self.bucket.as_deref().ok_or_else(|| {
                Error::unsupported(format!(
                    "it compresses to {} bytes, and the layout hybrid puts what has {HYBRID_OBJECT_BYTES_END} or \
                     more into a bucket",
                    content.stored_bytes
                ))
                .hint("name the bucket with --to-overflow, or take --to-layout chunked")
            })?;
            put(bucket, &storage_key, content, &[])?;
        } else {
            content.parts(HYBRID_OBJECT_BYTES_END, |_, data| {
                records.create(&storage_key, &Value::Bytes(data.into()))
            })?;
        }
        let manifest = HybridManifest {
            id: id.to_owned(),
            stored_bytes: content.stored_bytes,
            in_bucket,
            storage_key,
            checksum: content.stored_sha256.to_string(),
        };
        // The seed does not say where the record is kept, and its bytes have the usual place.
        records.create(&format!("hybrid:{id}"), &manifest.value())?;
        records.commit()
    }

    fn write_snapshot(&self, facts: &Facts, content: &Content) -> Result<()> {
        let bucket = self.bucket.as_deref().ok_or_else(|| Error::malformed("no bucket is named"))?;
        // Before anything is sent: an object in use is refused.
        let records = self.records.as_ref().map(|_| self.records()).transpose()?;
        let schema_version = facts.schema_version.unwrap_or(SCHEMA_VERSION);
        let [checksum, version, created_at, namespace] = SNAPSHOT_METADATA;
        let metadata = [
            (checksum, content.stored_sha256.to_string()),
            (version, schema_version.to_string()),
            (created_at, facts.created_at_ms.to_string()),
            (namespace, facts.namespace.clone()),
        ];
        put(bucket, &snapshot_key(&facts.id), content, &metadata)?;
        let Some(mut records) = records else {
            return Ok(());
        };
        let record = ManagerRecord {
            id: facts.id.clone(),
            namespace: facts.namespace.clone(),
            created_at_ms: facts.created_at_ms,
            wal_position: 0,
            schema_version: Some(schema_version),
            snapshot: Some(facts.id.clone()),
        };
        records.create(&checkpoint_key(&facts.id), &record.value())?;
        records.commit()
    }
}

fn checkpoint_key(id: &str) -> String {
    format!("{CHECKPOINT_PREFIX}{id}")
}

fn snapshot_key(id: &str) -> String {
    format!("{SNAPSHOT_PREFIX}{id}{GZIP_SUFFIX}")
}

fn bare_key(id: &str) -> String {
    format!("{BARE_PREFIX}{id}{GZIP_SUFFIX}")
}

/// Reads `found` as a restore would: it must verify and give the content.
fn check(there: &Foreign, found: &Checkpoint, content: &Content, scratch_folder: &Path) -> Result<()> {
    let findings = there.verify(Some(found), false, &mut dotctl_engine::finding::Checked::default())?;
    if let Some(first) = findings.into_iter().next() {
        return Err(first.error.at(first.target));
    }
    let sha256 = match found.form {
        // In the order of a `Map`: entries that were added come last.
        Form::Incremental => delta::sha256_by_key(there, found, scratch_folder)?,
        _ => there.restore(found, &mut |_| Ok(()))?.sha256,
    };
    match sha256 == content.raw_sha256 {
        true => Ok(()),
        false => {
            Err(Error::damaged(Damage::Checksum, "the content", content.raw_sha256, sha256)
                .at(found.key.clone()))
        }
    }
}
