//! What the entries of `_cf_KV` amount to.

use std::collections::BTreeMap;

use memchr::memmem::Finder;
use serde::Serialize;

use super::{ExpiryReport, Octaves, PrefixGroups, PrefixReport, SizeBucket, Watch};
use crate::limits;

/// Checkpoints held inside that are listed one by one.
pub const MAX_CHECKPOINTS: usize = 1_000;

/// Longer checkpoint ids are counted with the unlisted ones.
const MAX_CHECKPOINT_ID_BYTES: usize = 256;

/// The beginning of a value that is enough to tell its type.
pub(crate) const HEAD_BYTES: u64 = 4_096;

/// Records of entries up to this size are looked into whole, for an expiry. Decoding a value takes up to
/// 16 times as much memory, in every thread.
pub(crate) const MAX_EXAMINED_BYTES: u64 = (1 << 20) + HEAD_BYTES;

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
pub(crate) struct KeyValues {
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
pub(crate) struct Entry<'a> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    /// Values that begin with their type and end with the number at which they expire, if they do.
    struct Spelled;

    impl ValueFacts for Spelled {
        fn kind(&self, value: &[u8]) -> Option<&'static str> {
            ["text", "object"].into_iter().find(|kind| value.starts_with(kind.as_bytes()))
        }

        fn expires_at_ms(&self, value: &[u8]) -> Option<f64> {
            let text = std::str::from_utf8(value).ok()?;
            text.rsplit(' ').next()?.parse().ok()
        }

        fn may_be_record(&self, key: &[u8], _: &[u8]) -> bool {
            key.starts_with(b"record")
        }
    }

    fn entries() -> Vec<(String, Vec<u8>)> {
        let expiring = |time: u32| format!("object \"\x09expiresAt {time}").into_bytes();
        let mut entries: Vec<(String, Vec<u8>)> = (0..40_u32)
            .map(|number| (format!("user:{number}"), format!("text {}", "x".repeat(number as usize)).into()))
            .collect();
        entries.extend((90..110).map(|time| (format!("session/{time}"), expiring(time))));
        entries.push(("checkpoint:one".into(), b"object".to_vec()));
        entries.extend((0..3).map(|chunk| (format!("checkpoint:one:chunk:{chunk}"), vec![b'-'; 100])));
        entries.push(("checkpoint:two:chunk:x".into(), b"text".to_vec()));
        entries.push(("plain".into(), vec![b'-'; 131_073]));
        entries
    }

    fn counted(entries: &[(String, Vec<u8>)]) -> KeyValues {
        let mut counted = KeyValues::new(100.0);
        for (key, value) in entries {
            let value_bytes = value.len() as u64;
            let examined = value.get(..1000).unwrap_or(value);
            counted.add(Entry { key: key.as_bytes(), value_bytes, value: examined, is_blob: true }, &Spelled);
        }
        counted
    }

    #[test]
    fn entries_by_prefix_type_size_and_expiry() {
        let entries = entries();
        let counted = counted(&entries);
        assert_eq!(counted.value.finding().exceeded_count, 1);
        assert_eq!(counted.value.finding().key.as_deref(), Some("plain"));
        let report = counted.report();
        let value_bytes: usize = entries.iter().map(|(_, value)| value.len()).sum();
        assert_eq!((report.count, report.value_bytes), (66, value_bytes as u64));
        let prefixes: Vec<_> =
            report.prefixes.iter().map(|group| (group.prefix.as_deref().unwrap(), group.count)).collect();
        for expected in [("user:", 40), ("session/", 20), ("checkpoint:", 5), ("", 1)] {
            assert!(prefixes.contains(&expected), "{prefixes:?}");
        }
        let types: Vec<_> = report.types.iter().map(|found| (found.name, found.count)).collect();
        assert_eq!(types, [("text", 41), ("object", 21), ("malformed", 4)]);
        let expired_bytes = entries
            .iter()
            .filter(|(key, _)| key.starts_with("session/9"))
            .map(|(key, value)| (key.len() + value.len()) as u64)
            .sum();
        // What is malformed is not looked into.
        let expected =
            ExpiryReport { expiring_count: 20, expired_count: 10, expired_bytes, unexamined_count: 0 };
        assert_eq!(report.expiry, expected);
        let [one, two] = report.checkpoints.as_slice() else {
            panic!("{:?}", report.checkpoints);
        };
        assert_eq!((one.id.as_deref(), one.has_manifest, one.chunk_count), (Some("one"), true, 3));
        assert_eq!((two.id.as_deref(), two.has_manifest), (Some("two:chunk:x"), true));
        // The largest is not whole.
        assert!(report.may_hold_records);
    }

    #[test]
    fn parts_come_to_the_whole() {
        let entries = entries();
        let whole = counted(&entries).report();
        for border in [0, 1, 41, 62, entries.len()] {
            let (first, second) = entries.split_at(border);
            let mut merged = counted(first);
            merged.merge(&counted(second));
            assert_eq!(merged.report(), whole, "{border}");
        }
    }
}
