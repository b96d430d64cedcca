//! The chunks of a delta run: changed records and tombstones, in the order of their keys.
//!
//! A changed record may be held as a patch: what to copy out of its older version, and the bytes
//! between. `docs/FORMAT.md` draws the layout.

use std::ops::Range;

use super::bytes::Fields;
use super::key::RecordKey;
use super::patch::{Patcher, common};
use crate::chunk::ChunkSize;
use crate::error::{Error, Result};

/// Records, bytes of heads, bytes of keys, bytes of literals: four numbers of 4 bytes.
pub const HEADER_BYTES: usize = 16;

const REMOVED: u64 = 0;
const WHOLE: u64 = 1;
const PATCH: u64 = 2;

/// A delta chunk while it fills. Two that follow each other in key order can be joined.
#[derive(Debug, Clone, Default)]
pub struct RawDelta {
    heads: Vec<u8>,
    keys: Vec<u8>,
    literals: Vec<u8>,
    record_count: u32,
    first_key: Vec<u8>,
    last_key: Vec<u8>,
    patcher: Patcher,
}

impl RawDelta {
    /// Adds that the record with `key` was removed.
    pub fn remove(&mut self, key: &[u8]) {
        self.begin(REMOVED, key);
    }

    /// Adds a record that is new or has changed from `old`.
    pub fn put(&mut self, key: &[u8], old: Option<&[u8]>, new: &[u8]) {
        let (heads, literals) = (self.heads.len(), self.literals.len());
        if let Some(old) = old {
            let last_key = self.last_key.clone();
            let (keys, record_count) = (self.keys.len(), self.record_count);
            self.begin(PATCH, key);
            write_varint(&mut self.heads, new.len() as u64);
            let before = self.heads.len();
            self.patcher.find(old, new);
            self.patcher.write(new, &mut self.heads, &mut self.literals);
            let patch_bytes = self.heads.len() - before + self.literals.len() - literals;
            if patch_bytes < new.len() / 8 * 7 {
                return;
            }
            // Whole it compresses better.
            self.heads.truncate(heads);
            self.keys.truncate(keys);
            self.literals.truncate(literals);
            self.last_key = last_key;
            self.record_count = record_count;
        }
        self.begin(WHOLE, key);
        write_varint(&mut self.heads, new.len() as u64);
        self.literals.extend_from_slice(new);
    }

    fn begin(&mut self, kind: u64, key: &[u8]) {
        let shared = if self.record_count == 0 { 0 } else { common(&self.last_key, key) };
        let own = key.get(shared..).unwrap_or_default();
        write_varint(&mut self.heads, (shared as u64) << 2 | kind);
        write_varint(&mut self.heads, own.len() as u64);
        self.keys.extend_from_slice(own);
        if self.record_count == 0 {
            self.first_key.clear();
            self.first_key.extend_from_slice(key);
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        self.record_count += 1;
    }

    /// Adds the records of `later`, all of whose keys are greater.
    pub fn append(&mut self, later: &RawDelta) {
        if later.record_count == 0 {
            return;
        }
        if self.record_count == 0 {
            self.first_key.clone_from(&later.first_key);
        }
        // The first record of a chunk shares nothing with one before, so parts are laid end to end.
        self.heads.extend_from_slice(&later.heads);
        self.keys.extend_from_slice(&later.keys);
        self.literals.extend_from_slice(&later.literals);
        self.last_key.clone_from(&later.last_key);
        self.record_count += later.record_count;
    }

    /// Forgets all records and keeps the memory.
    pub fn clear(&mut self) {
        self.heads.clear();
        self.keys.clear();
        self.literals.clear();
        self.record_count = 0;
    }

    /// Keeps memory for chunks of about `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        for part in [&mut self.heads, &mut self.keys, &mut self.literals] {
            part.shrink_to(bytes);
        }
    }

    /// Records so far.
    pub fn record_count(&self) -> u32 {
        self.record_count
    }

    /// Bytes of the chunk so far.
    pub fn raw_bytes(&self) -> usize {
        HEADER_BYTES + self.heads.len() + self.keys.len() + self.literals.len()
    }

    /// Bytes of memory held.
    pub fn held_bytes(&self) -> usize {
        self.heads.capacity() + self.keys.capacity() + self.literals.capacity()
    }

    /// The key of the first record.
    ///
    /// # Errors
    /// Unsupported where it is longer than an index holds.
    pub fn first_key(&self) -> Result<RecordKey> {
        RecordKey::new(&self.first_key)
    }

    /// Writes the raw chunk over `into`.
    pub fn write(&self, into: &mut Vec<u8>) {
        into.clear();
        // Chunks are far below 4 GiB.
        for number in
            [self.record_count, self.heads.len() as u32, self.keys.len() as u32, self.literals.len() as u32]
        {
            into.extend_from_slice(&number.to_le_bytes());
        }
        into.extend_from_slice(&self.heads);
        into.extend_from_slice(&self.keys);
        into.extend_from_slice(&self.literals);
    }
}

/// What a delta run says of one record.
#[derive(Debug, Clone)]
enum Change {
    Removed,
    /// Where its bytes are in the chunk.
    Whole(Range<usize>),
    /// Bytes of the new version; where in the chunk its steps and its literals are.
    Patch {
        length: usize,
        steps: Range<usize>,
        literals: Range<usize>,
    },
}

/// A decoded delta chunk, every number in it checked.
#[derive(Debug)]
pub struct DeltaChunk {
    raw: Vec<u8>,
    keys: Vec<u8>,
    records: Vec<(Range<usize>, Change)>,
}

impl DeltaChunk {
    /// Reads a decoded chunk of `record_count` records.
    pub fn read(raw: Vec<u8>, record_count: u32) -> Result<Self> {
        let mut fields = Fields::new("the delta chunk", &raw);
        let counted = fields.u32()?;
        let sizes = [fields.u32()? as usize, fields.u32()? as usize, fields.u32()? as usize];
        let [heads, keys, _] = sizes;
        let end = sizes.iter().try_fold(HEADER_BYTES, |end, size| end.checked_add(*size));
        // A record takes two bytes of heads at least.
        if counted != record_count || end != Some(raw.len()) || record_count as usize > heads / 2 {
            return Err(wrong("and its index contradict each other"));
        }
        let own_keys = HEADER_BYTES + heads;
        let mut walk = Walk {
            heads: Heads { raw: &raw, at: HEADER_BYTES, end: own_keys },
            key_at: own_keys,
            literal_at: own_keys + keys,
        };
        let mut chunk = DeltaChunk { raw: Vec::new(), keys: Vec::new(), records: Vec::new() };
        chunk.records.reserve(record_count as usize);
        for _ in 0..record_count {
            let record =
                walk.record(&raw, &mut chunk.keys, chunk.records.last().map(|(key, _)| key.clone()))?;
            chunk.records.push(record);
        }
        if walk.heads.at != own_keys || walk.key_at != own_keys + keys || walk.literal_at != raw.len() {
            return Err(wrong("has bytes that belong to no record"));
        }
        chunk.raw = raw;
        Ok(chunk)
    }

    /// Records in it.
    pub fn record_count(&self) -> usize {
        self.records.len()
    }

    /// The key of the record at `position`; no bytes where there is none.
    pub fn key(&self, position: usize) -> &[u8] {
        self.records.get(position).and_then(|(key, _)| self.keys.get(key.clone())).unwrap_or_default()
    }

    /// The positions of the records with keys from `low` on and below `high`.
    pub fn range(&self, low: &[u8], high: Option<&[u8]>) -> Range<usize> {
        let before = |limit: &[u8]| {
            self.records.partition_point(|(key, _)| self.keys.get(key.clone()).is_some_and(|key| key < limit))
        };
        let end = high.map_or(self.records.len(), before);
        before(low).min(end)..end
    }

    /// The position of the record with `key`.
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        let position = self.range(key, None).start;
        (position < self.records.len() && self.key(position) == key).then_some(position)
    }

    /// Whether the record at `position` can be told only by its older version.
    pub fn needs_older(&self, position: usize) -> bool {
        matches!(self.records.get(position), Some((_, Change::Patch { .. })))
    }

    /// The record at `position` as this run leaves it, over what is in `into`; `false` where it was
    /// removed. `old` is its version in the runs before.
    pub fn apply(&self, position: usize, old: Option<&[u8]>, into: &mut Vec<u8>) -> Result<bool> {
        into.clear();
        match self.records.get(position) {
            None | Some((_, Change::Removed)) => Ok(false),
            Some((_, Change::Whole(bytes))) => {
                into.extend_from_slice(self.raw.get(bytes.clone()).unwrap_or_default());
                Ok(true)
            }
            Some((_, Change::Patch { length, steps, literals })) => {
                let old = old.ok_or_else(|| wrong("has a patch for a record that is not there"))?;
                let mut heads = Heads { raw: &self.raw, at: steps.start, end: steps.end };
                let literals = self.raw.get(literals.clone()).unwrap_or_default();
                patch(old, *length, &mut heads, literals, into)?;
                Ok(true)
            }
        }
    }
}

fn wrong(what: &str) -> Error {
    Error::corrupt(format!("the delta chunk {what}"))
}

/// The three parts of a chunk, while its records are read.
struct Walk<'a> {
    heads: Heads<'a>,
    key_at: usize,
    literal_at: usize,
}

impl Walk<'_> {
    fn record(
        &mut self,
        raw: &[u8],
        keys: &mut Vec<u8>,
        before: Option<Range<usize>>,
    ) -> Result<(Range<usize>, Change)> {
        let head = self.heads.varint()?;
        let shared = usize::try_from(head >> 2).unwrap_or(usize::MAX);
        let own_bytes = self.heads.size(RecordKey::BYTES_MAX)?;
        let own_end = self.key_at + own_bytes;
        let own = raw.get(self.key_at..own_end).ok_or_else(|| wrong("ends early"))?;
        self.key_at = own_end;
        let begin = keys.len();
        let last = before.clone().unwrap_or(0..0);
        if shared > last.len() || shared + own_bytes > RecordKey::BYTES_MAX {
            return Err(wrong("has a key that is not one"));
        }
        // Keys that share much take far more bytes here than in the chunk.
        if keys.len() + shared + own_bytes > ChunkSize::READ_BYTES_MAX as usize {
            return Err(wrong("has more bytes of keys than any writer makes"));
        }
        keys.extend_from_within(last.start..last.start + shared);
        keys.extend_from_slice(own);
        let (older, key) = keys.split_at(begin);
        if before.is_some() && older.get(last).is_none_or(|last| last >= key) {
            return Err(wrong("has keys that do not ascend"));
        }
        let key = begin..keys.len();
        let change = match head & 3 {
            REMOVED => Change::Removed,
            WHOLE => {
                let length = self.heads.size(ChunkSize::READ_BYTES_MAX as usize)?;
                Change::Whole(self.literals(raw, length)?)
            }
            PATCH => {
                let length = self.heads.size(ChunkSize::READ_BYTES_MAX as usize)?;
                let steps = self.heads.at;
                let literal_bytes = self.heads.skip_patch(length)?;
                Change::Patch {
                    length,
                    steps: steps..self.heads.at,
                    literals: self.literals(raw, literal_bytes)?,
                }
            }
            _ => return Err(wrong("has a record of no known kind")),
        };
        Ok((key, change))
    }

    fn literals(&mut self, raw: &[u8], length: usize) -> Result<Range<usize>> {
        let end = self.literal_at.saturating_add(length);
        if end > raw.len() {
            return Err(wrong("ends early"));
        }
        let begin = std::mem::replace(&mut self.literal_at, end);
        Ok(begin..end)
    }
}

/// A cursor over numbers of variable length.
struct Heads<'a> {
    raw: &'a [u8],
    at: usize,
    end: usize,
}

impl Heads<'_> {
    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn varint(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte =
                *self.raw.get(self.at).filter(|_| self.at < self.end).ok_or_else(|| wrong("ends early"))?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(wrong("has a number that is too large"))
    }

    fn size(&mut self, max: usize) -> Result<usize> {
        usize::try_from(self.varint()?)
            .ok()
            .filter(|size| *size <= max)
            .ok_or_else(|| wrong("has a number that is too large"))
    }

    /// The next step of a patch that has `left` bytes to go: bytes to copy, bytes to insert, and how
    /// far the old place moves after them.
    fn step(&mut self, left: usize) -> Result<(usize, usize, i64)> {
        let copy = self.size(left)?;
        let insert = self.size(left - copy)?;
        if copy + insert == left {
            return Ok((copy, insert, 0));
        }
        let moved = self.varint()?;
        let magnitude = i64::try_from(moved >> 1).unwrap_or(i64::MAX);
        Ok((copy, insert, if moved & 1 == 0 { magnitude } else { -magnitude }))
    }

    /// Passes over the steps of a patch and counts its literals.
    fn skip_patch(&mut self, length: usize) -> Result<usize> {
        let mut left = length;
        let mut literal_bytes = 0;
        while left > 0 {
            let (copy, insert, _) = self.step(left)?;
            left -= copy + insert;
            literal_bytes += insert;
        }
        Ok(literal_bytes)
    }
}

fn patch(
    old: &[u8],
    length: usize,
    heads: &mut Heads<'_>,
    mut literals: &[u8],
    into: &mut Vec<u8>,
) -> Result<()> {
    let outside = || wrong("has a patch that copies what is not there");
    let mut at = 0_usize;
    while into.len() < length {
        let (copy, insert, moved) = heads.step(length - into.len())?;
        let end = at.saturating_add(copy);
        into.extend_from_slice(old.get(at..end).ok_or_else(outside)?);
        let (now, later) = literals.split_at_checked(insert).ok_or_else(outside)?;
        into.extend_from_slice(now);
        literals = later;
        let next = i64::try_from(end.saturating_add(insert)).ok().and_then(|next| next.checked_add(moved));
        at = next.and_then(|next| usize::try_from(next).ok()).ok_or_else(outside)?;
    }
    Ok(())
}

pub(super) fn write_varint(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A key, its record before and after.
    type Changed<'a> = (&'a [u8], Option<&'a [u8]>, Option<&'a [u8]>);

    fn round_trip(changes: &[Changed<'_>]) -> usize {
        let mut delta = RawDelta::default();
        for (key, old, new) in changes {
            match new {
                Some(new) => delta.put(key, *old, new),
                None => delta.remove(key),
            }
        }
        let mut raw = Vec::new();
        delta.write(&mut raw);
        assert_eq!(raw.len(), delta.raw_bytes());
        let raw_bytes = raw.len();
        let chunk = DeltaChunk::read(raw, delta.record_count()).unwrap();
        assert_eq!(chunk.record_count(), changes.len());
        for (position, (key, old, new)) in changes.iter().enumerate() {
            assert_eq!(chunk.key(position), *key);
            let mut into = b"what was there".to_vec();
            let there = chunk.apply(position, *old, &mut into).unwrap();
            assert_eq!(there.then_some(into.as_slice()), *new);
        }
        raw_bytes
    }

    #[test]
    fn records_come_back() {
        let page = vec![7_u8; 4096];
        let mut changed = page.clone();
        changed[100..110].copy_from_slice(b"0123456789");
        changed[4090] = 1;
        let longer = [&page[..2000], b"inserted", &page[2000..]].concat();
        let shorter = [&page[..2000], &page[2010..]].concat();
        let mixed: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let moved = [&mixed[1000..2000], &mixed[..700], &mixed[2000..], &mixed[700..1000]].concat();
        let raw_bytes = round_trip(&[
            (b"", None, Some(b"")),
            (b"a", Some(b"old"), Some(b"new")),
            (b"ab", Some(&page), Some(&changed)),
            (b"abc", Some(&page), Some(&longer)),
            (b"abd", Some(&page), Some(&shorter)),
            (b"ac", Some(&mixed), Some(&moved)),
            (b"b", Some(b"x"), None),
            (b"ba", Some(&page), Some(&page)),
            (b"bb", Some(&page), Some(b"")),
        ]);
        assert!(raw_bytes < 200, "{raw_bytes}");
        round_trip(&[]);
    }

    #[test]
    fn the_chunk_of_the_format_document() {
        let mut delta = RawDelta::default();
        delta.remove(b"b1");
        delta.put(b"b2", None, b"new");
        delta.put(b"b27", Some(b"0123456789abcdef"), b"0123456789ABcdef");
        let mut raw = Vec::new();
        delta.write(&mut raw);
        let numbers = [3, 0, 0, 0, 13, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0];
        let heads = [0, 2, 5, 1, 3, 10, 1, 16, 10, 2, 0, 4, 0];
        assert_eq!(raw, [&numbers[..], &heads, b"b127", b"newAB"].concat());
    }

    #[test]
    fn every_cut_and_changed_byte_is_refused_or_harmless() {
        let mut delta = RawDelta::default();
        delta.put(b"key:1", Some(&[1; 500]), &[[1; 250], [2; 250]].concat());
        delta.put(b"key:2", None, b"whole");
        delta.remove(b"key:3");
        let mut raw = Vec::new();
        delta.write(&mut raw);
        for cut in 0..raw.len() {
            assert!(DeltaChunk::read(raw[..cut].to_vec(), 3).is_err(), "{cut}");
        }
        for position in 0..raw.len() {
            for bit in 0..8 {
                let mut changed = raw.clone();
                changed[position] ^= 1 << bit;
                if let Ok(chunk) = DeltaChunk::read(changed, 3) {
                    let mut into = Vec::new();
                    for record in 0..3 {
                        let _ = chunk.apply(record, Some(&[1; 500]), &mut into);
                        assert!(into.len() <= ChunkSize::READ_BYTES_MAX as usize);
                    }
                }
            }
        }
        assert!(DeltaChunk::read(raw, 4).is_err());
    }

    #[test]
    fn parts_are_laid_end_to_end() {
        let mut whole = RawDelta::default();
        for part in [["a", "ab"], ["b", "bc"]] {
            let mut delta = RawDelta::default();
            part.iter().for_each(|key| delta.put(key.as_bytes(), None, key.as_bytes()));
            whole.append(&delta);
        }
        let mut raw = Vec::new();
        whole.write(&mut raw);
        let chunk = DeltaChunk::read(raw, 4).unwrap();
        let keys: Vec<&[u8]> = (0..4).map(|position| chunk.key(position)).collect();
        assert_eq!(keys, [b"a".as_slice(), b"ab", b"b", b"bc"]);
        assert_eq!(chunk.range(b"ab", Some(b"bc")), 1..3);
        assert_eq!(chunk.range(b"z", None), 4..4);
        assert_eq!(chunk.range(b"", None), 0..4);
    }
}
