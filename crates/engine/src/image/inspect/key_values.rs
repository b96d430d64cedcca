//! What the entries of `_cf_KV` amount to.

use std::collections::BTreeMap;

use memchr::memmem::Finder;
use serde::Serialize;

use crate::limits;
use crate::measure::{ExpiryReport, Octaves, PrefixGroups, PrefixReport, SizeBucket, Watch};

/// Checkpoints held inside that are listed one by one.
pub const MAX_CHECKPOINTS: usize = 1_000;

/// Longer checkpoint ids are counted with the unlisted ones.
const MAX_CHECKPOINT_ID_BYTES: usize = 256;

/// Keys up to this size are read whole: what workerd's SQLite takes.
pub(super) const MAX_KEY_BYTES: u64 = limits::WORKERD_LENGTH.amount;

/// Values up to this size are read whole to look for an expiry. Decoding one takes up to 16 times
/// as much memory, in every thread.
pub(super) const MAX_EXAMINED_BYTES: u64 = 1 << 20;

/// The property name as the V8 format writes it: a one-byte string of nine bytes.
const EXPIRES_AT: &[u8] = b"\"\x09expiresAt";

/// What is to be known of a stored value, by whoever can read the V8 format.
pub trait ValueFacts {
    /// The name of the type of `value`, `None` where it is malformed. `value` may be only the
    /// beginning of a value, of 64 bytes at least.
    fn kind(&self, value: &[u8]) -> Option<&'static str>;

    /// The time in milliseconds since 1970 at which `value`, a whole one, expires, where it is a
    /// state entry's `{value, createdAt, expiresAt}` with such a time. Asked only of values in
    /// which `expiresAt` occurs.
    fn expires_at_ms(&self, value: &[u8]) -> Option<f64>;

    /// Whether `value`, a whole one, under `key` may be part of a checkpoint that TypeScript wrote.
    /// Asked until one may be.
    fn may_be_record(&self, key: &[u8], value: &[u8]) -> bool;
}

/// Values of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TypeReport {
    /// The type's name, `malformed` for what is no V8 value.
    #[serde(rename = "type")]
    pub name: &'static str,
    /// Values of it.
    pub count: u64,
    /// Their bytes.
    pub value_bytes: u64,
}

/// A checkpoint under `checkpoint:{id}` and `checkpoint:{id}:chunk:{i}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InnerCheckpoint {
    /// Its id; `null` for all that are not listed.
    pub id: Option<String>,
    /// Whether there is an entry `checkpoint:{id}`.
    pub has_manifest: bool,
    /// Chunks present.
    pub chunk_count: u64,
    /// Bytes of all its values.
    pub value_bytes: u64,
}

/// The report on `_cf_KV`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyValueReport {
    /// Entries.
    pub count: u64,
    /// Bytes of the keys.
    pub key_bytes: u64,
    /// Bytes of the values as stored.
    pub value_bytes: u64,
    /// Entries by prefix: up to and including the first `:` or `/` of the key.
    pub prefixes: Vec<PrefixReport>,
    /// Values by type.
    pub types: Vec<TypeReport>,
    /// Values by size, octave by octave; empty octaves left out.
    pub sizes: Vec<SizeBucket>,
    /// Times to live.
    pub expiry: ExpiryReport,
    /// Checkpoints held inside.
    pub checkpoints: Vec<InnerCheckpoint>,
    /// Whether any entry may be part of a checkpoint that TypeScript wrote. If none is, nobody
    /// need read them all again to look for those.
    #[serde(skip)]
    pub may_hold_records: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct CheckpointCount {
    manifests: u64,
    chunks: u64,
    value_bytes: u64,
}

impl CheckpointCount {
    fn merge(&mut self, other: CheckpointCount) {
        self.manifests += other.manifests;
        self.chunks += other.chunks;
        self.value_bytes = self.value_bytes.saturating_add(other.value_bytes);
    }
}

/// Entries counted so far.
#[derive(Debug, Clone)]
pub(super) struct KeyValues {
    groups: PrefixGroups,
    types: Vec<TypeReport>,
    octaves: Octaves,
    expiry: ExpiryReport,
    checkpoints: BTreeMap<Vec<u8>, CheckpointCount>,
    unlisted: Option<CheckpointCount>,
    pub key_and_value: Watch,
    pub key: Watch,
    pub value: Watch,
    expires_at: Finder<'static>,
    now_ms: f64,
    may_hold_records: bool,
}

/// One entry, its value perhaps not whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub key: &'a [u8],
    pub value_bytes: u64,
    /// The value, or its beginning.
    pub value: &'a [u8],
    pub is_blob: bool,
}

impl KeyValues {
    pub fn new(now_ms: f64) -> KeyValues {
        KeyValues {
            groups: PrefixGroups::default(),
            types: Vec::new(),
            octaves: Octaves::default(),
            expiry: ExpiryReport::default(),
            checkpoints: BTreeMap::new(),
            unlisted: None,
            key_and_value: Watch::new(&limits::KEY_AND_VALUE),
            key: Watch::new(&limits::KV_BACKEND_KEY),
            value: Watch::new(&limits::KV_BACKEND_VALUE),
            expires_at: Finder::new(EXPIRES_AT),
            now_ms,
            may_hold_records: false,
        }
    }

    #[inline]
    pub fn add(&mut self, entry: Entry<'_>, facts: &impl ValueFacts) {
        let Entry { key, value_bytes, .. } = entry;
        let key_bytes = key.len() as u64;
        self.groups.add(key, value_bytes);
        self.octaves.add(value_bytes);
        self.key_and_value.see(key_bytes + value_bytes, key);
        self.key.see(key_bytes, key);
        self.value.see(value_bytes, key);
        let kind = if entry.is_blob { facts.kind(entry.value) } else { None };
        self.count_type(kind.unwrap_or("malformed"), 1, value_bytes);
        if kind.is_some() {
            if value_bytes > entry.value.len() as u64 {
                self.expiry.unexamined_count += 1;
            } else if self.expires_at.find(entry.value).is_some()
                && let Some(time) = facts.expires_at_ms(entry.value)
            {
                self.expiry.add(time, self.now_ms, key_bytes + value_bytes);
            }
        }
        // Of a value that is not whole nobody knows.
        let whole = value_bytes == entry.value.len() as u64;
        self.may_hold_records =
            self.may_hold_records || entry.is_blob && (!whole || facts.may_be_record(key, entry.value));
        if let Some(name) = key.strip_prefix(b"checkpoint:") {
            self.count_checkpoint(name, value_bytes);
        }
    }

    #[inline]
    fn count_type(&mut self, name: &'static str, count: u64, value_bytes: u64) {
        for known in &mut self.types {
            if std::ptr::eq(known.name, name) || known.name == name {
                known.count += count;
                known.value_bytes += value_bytes;
                return;
            }
        }
        self.types.push(TypeReport { name, count, value_bytes });
    }

    fn count_checkpoint(&mut self, name: &[u8], value_bytes: u64) {
        const CHUNK: &[u8] = b":chunk:";
        let chunk_of = memchr::memmem::rfind(name, CHUNK).and_then(|at| {
            let index = name.get(at + CHUNK.len()..)?;
            let is_index = !index.is_empty() && index.iter().all(u8::is_ascii_digit);
            name.get(..at).filter(|_| is_index)
        });
        let count = CheckpointCount {
            manifests: u64::from(chunk_of.is_none()),
            chunks: u64::from(chunk_of.is_some()),
            value_bytes,
        };
        self.add_checkpoint(chunk_of.unwrap_or(name), count);
    }

    fn add_checkpoint(&mut self, id: &[u8], count: CheckpointCount) {
        if let Some(known) = self.checkpoints.get_mut(id) {
            known.merge(count);
        } else if self.checkpoints.len() < MAX_CHECKPOINTS && id.len() <= MAX_CHECKPOINT_ID_BYTES {
            self.checkpoints.insert(id.to_vec(), count);
        } else {
            self.unlisted.get_or_insert_default().merge(count);
        }
    }

    pub fn merge(&mut self, other: &KeyValues) {
        self.groups.merge(&other.groups);
        for kind in &other.types {
            self.count_type(kind.name, kind.count, kind.value_bytes);
        }
        self.octaves.merge(&other.octaves);
        self.expiry.merge(other.expiry);
        self.may_hold_records |= other.may_hold_records;
        for (id, count) in &other.checkpoints {
            self.add_checkpoint(id, *count);
        }
        if let Some(unlisted) = other.unlisted {
            self.unlisted.get_or_insert_default().merge(unlisted);
        }
        self.key_and_value.merge(&other.key_and_value);
        self.key.merge(&other.key);
        self.value.merge(&other.value);
    }

    pub fn report(mut self) -> KeyValueReport {
        self.types.sort_by_key(|kind| (std::cmp::Reverse(kind.count), kind.name));
        let checkpoint = |id: Option<String>, count: CheckpointCount| InnerCheckpoint {
            id,
            has_manifest: count.manifests > 0,
            chunk_count: count.chunks,
            value_bytes: count.value_bytes,
        };
        let mut checkpoints: Vec<_> = self
            .checkpoints
            .iter()
            .map(|(id, count)| checkpoint(Some(String::from_utf8_lossy(id).into_owned()), *count))
            .collect();
        checkpoints.extend(self.unlisted.map(|count| checkpoint(None, count)));
        KeyValueReport {
            count: self.groups.count(),
            key_bytes: self.groups.key_bytes(),
            value_bytes: self.groups.value_bytes(),
            prefixes: self.groups.report(),
            types: self.types,
            sizes: self.octaves.report(),
            expiry: self.expiry,
            checkpoints,
            may_hold_records: self.may_hold_records,
        }
    }
}
