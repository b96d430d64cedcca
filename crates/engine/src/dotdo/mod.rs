//! Checkpoints that TypeScript in Durable Objects wrote before this tool was there: found, listed,
//! restored byte for byte, verified.
//!
//! They are recognised by shape, not by name: `docs/DOTDO.md` has the shapes. What holds them is
//! asked for through [`Records`] (an object's key-value entries, or a JSON file's) and [`Bucket`]
//! (R2, or what stands for it), so nothing here reads a file.
//!
//! [`recognise`] says what one value is, [`Catalogue`] what checkpoints there are, [`restore()`] gives
//! one's bytes, and [`verify()`] tells what is wrong.

mod catalogue;
mod checksum;
mod content;
mod encode;
mod entries;
mod exact;
mod glance;
mod incremental;
mod json;
mod overlay;
mod record;
mod restore;
mod spell;
mod value;
mod verify;

#[cfg(test)]
mod tests;

pub use catalogue::{
    BARE_PREFIX, BASE_SUFFIX, Body, Catalogue, Checkpoint, Form, GZIP_SUFFIX, SNAPSHOT_PREFIX,
};
pub use checksum::{Checksum, Hasher, Murmur3};
pub use content::CONTENT_BYTES_MAX;
pub use encode::{Encoder, encode};
pub use entries::{EntrySpan, EntrySpans, EntryText, EntryTexts};
pub use glance::{glance, may_be_record};
pub use incremental::{ChainEnd, chain_ends};
pub use json::{begins_as_chunk, read_json, read_json_slice};
pub use record::{
    CHECKPOINT_PREFIX, CHUNK_INFIX, Change, Chunk, ChunkedManifest, HybridManifest, Incremental,
    ManagerRecord, Record, Snapshot, recognise,
};
pub use restore::{Covers, Restored, restore};
pub use spell::{SNAPSHOT_METADATA, delta_value, incremental_value};
pub use value::{Value, with_v8};
pub use verify::{verify, verify_strays};

use crate::error::Result;

/// The largest value in which a record is looked for: twice what a SQLite-backed object takes for
/// a key and its value together (2 MB, `limits::KEY_AND_VALUE`).
pub const RECORD_BYTES_MAX: u64 = 4 << 20;

/// A record as a look through all of them sees it.
#[derive(Debug, Clone, Copy)]
pub enum Look<'v> {
    /// Its whole value.
    Value(&'v Value<'v>),
    /// A chunk by how it begins; the rest was not read.
    Chunk,
    /// So many bytes and nothing else; they were not read.
    Payload(u64),
}

/// What is called with each record: its key, the bytes that it takes, and what it is or why that
/// cannot be read.
pub type Visit<'v> = dyn FnMut(&str, u64, Result<Look<'_>>) -> Result<()> + 'v;

/// Keys with values, as an object's storage has them.
pub trait Records {
    /// Shows each record to `visit`, in any order. What cannot be one may be left out.
    ///
    /// # Errors
    /// Those of `visit`, and of where the records are.
    fn scan(&self, visit: &mut Visit<'_>) -> Result<()>;

    /// Shows the record under `key` to `visit`, or says `false` where there is none.
    ///
    /// # Errors
    /// Malformed where its value cannot be read; those of `visit`, and of where the records are.
    fn read(&self, key: &str, visit: &mut dyn FnMut(&Value<'_>) -> Result<()>) -> Result<bool>;
}

/// An object in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketObject {
    /// Its key.
    pub key: String,
    /// Its size.
    pub stored_bytes: u64,
    /// Its custom metadata.
    pub metadata: Vec<(String, String)>,
    /// Whether where it lies keeps custom metadata at all.
    pub keeps_metadata: bool,
}

impl BucketObject {
    /// The custom metadata under `name`, or else under the same letters in another case: S3 hands
    /// names on in small ones.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        let exact = self.metadata.iter().find(|(key, _)| key == name);
        let found = exact.or_else(|| self.metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value.as_str())
    }
}

/// Objects with custom metadata, as R2 has them.
pub trait Bucket {
    /// Every object.
    ///
    /// # Errors
    /// Those of where they are.
    fn list(&self) -> Result<Vec<BucketObject>>;

    /// Shows the object under `key` to `visit`, part by part, or says `false` where there is none.
    ///
    /// # Errors
    /// Those of `visit`, and of where the objects are.
    fn read(&self, key: &str, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool>;
}

/// Where checkpoints are looked for.
#[derive(Clone, Copy, Default)]
pub struct Source<'s> {
    /// The object's side.
    pub records: Option<&'s dyn Records>,
    /// R2's side.
    pub bucket: Option<&'s dyn Bucket>,
}
