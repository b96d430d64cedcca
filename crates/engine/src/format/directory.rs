//! Directories: where in an image the keys of `_cf_KV` are, so that a look-up reads one chunk of
//! the directory and one of the image instead of one for each page on the way down the tree.
//!
//! One record for each leaf of the tree, in key order. A record's key is the row between its leaf
//! and the one before, which lies in an interior page; or the first bytes of that row's key, as
//! many as no other row's key begins with. The first record has the empty key.

use super::key::RecordKey;
use crate::error::{Error, Result};

/// Bytes of a record besides its part of the key: shared (2), own (2), leaf (4), interior (1).
const FIXED_BYTES: usize = 9;
/// Interior pages that a record can refer to: the latest ones, more than a tree has levels.
const RECENT_MAX: usize = 24;
/// In place of a reference: the page's number is the next of the list at the end.
const NEW: u8 = 0x7f;
/// Beside the reference: the key is cut short.
const CUT: u8 = 0x80;
const PAGE_BYTES: usize = 4;

/// One record of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryRecord<'a> {
    /// The key of the row before the leaf, or its beginning.
    pub key: &'a [u8],
    /// Whether it is only the beginning: then that row's is the one key that begins so.
    pub cut: bool,
    /// The interior page with that row; 0 in the first record, which has none.
    pub interior: u32,
    /// The leaf with the keys from there up to the next record's.
    pub leaf: u32,
}

impl DirectoryRecord<'_> {
    /// Whether the row before the leaf is the only one that can have `key`.
    pub fn claims(&self, key: &[u8]) -> bool {
        self.interior != 0 && if self.cut { key.starts_with(self.key) } else { key == self.key }
    }
}

/// The interior pages referred to last, the latest first.
#[derive(Debug, Clone, Default)]
struct Recent(Vec<u32>);

impl Recent {
    fn find(&self, page: u32) -> Option<usize> {
        self.0.iter().position(|known| *known == page)
    }

    fn touch(&mut self, page: u32) {
        match self.find(page) {
            Some(at) => {
                self.0.remove(at);
            }
            None => self.0.truncate(RECENT_MAX - 1),
        }
        self.0.insert(0, page);
    }
}

/// A raw chunk of a directory while it fills.
#[derive(Debug, Clone, Default)]
pub struct RawDirectory {
    reserved_bytes: u8,
    shared: Vec<u16>,
    own: Vec<u16>,
    leaves: Vec<u32>,
    interiors: Vec<u8>,
    keys: Vec<u8>,
    new_pages: Vec<u32>,
    first_key: RecordKey,
    key: Vec<u8>,
    leaf: u32,
    recent: Recent,
}

impl RawDirectory {
    /// An empty chunk, of an image whose pages end with `reserved_bytes` that are not SQLite's.
    pub fn new(reserved_bytes: u8) -> Self {
        RawDirectory { reserved_bytes, ..RawDirectory::default() }
    }

    /// Records in it.
    pub fn record_count(&self) -> u32 {
        self.leaves.len() as u32
    }

    /// The first record's key.
    pub fn first_key(&self) -> &RecordKey {
        &self.first_key
    }

    /// Bytes of the chunk.
    pub fn raw_bytes(&self) -> usize {
        1 + self.leaves.len() * FIXED_BYTES + self.keys.len() + self.new_pages.len() * PAGE_BYTES
    }

    /// Bytes that `record` would take behind the others.
    pub fn added_bytes(&self, record: &DirectoryRecord<'_>) -> usize {
        let new = if self.recent.find(record.interior).is_none() { PAGE_BYTES } else { 0 };
        FIXED_BYTES + record.key.len() - common(&self.key, record.key) + new
    }

    /// Appends `record`.
    ///
    /// # Errors
    /// Unsupported where its key is longer than [`RecordKey::BYTES_MAX`].
    pub fn push(&mut self, record: &DirectoryRecord<'_>) -> Result<()> {
        let key = RecordKey::new(record.key)?;
        let shared = common(&self.key, record.key);
        let own = record.key.get(shared..).unwrap_or_default();
        // Both are at most the key's length, which fits.
        self.shared.push(shared as u16);
        self.own.push(own.len() as u16);
        self.keys.extend_from_slice(own);
        self.leaves.push(zigzag(record.leaf.wrapping_sub(self.leaf)));
        let reference = match self.recent.find(record.interior) {
            Some(at) => at as u8,
            None => {
                self.new_pages.push(record.interior);
                NEW
            }
        };
        self.interiors.push(reference | if record.cut { CUT } else { 0 });
        self.recent.touch(record.interior);
        if self.leaves.len() == 1 {
            self.first_key = key;
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(own);
        self.leaf = record.leaf;
        Ok(())
    }

    /// Writes the chunk into `raw`, over what is there.
    pub fn write(&self, raw: &mut Vec<u8>) {
        raw.clear();
        raw.reserve(self.raw_bytes());
        raw.push(self.reserved_bytes);
        // Byte by byte of the numbers: the high ones are nearly all zero.
        for column in [&self.shared, &self.own] {
            for byte in 0..2 {
                raw.extend(column.iter().map(|number| (number >> (8 * byte)) as u8));
            }
        }
        for byte in 0..4 {
            raw.extend(self.leaves.iter().map(|number| (number >> (8 * byte)) as u8));
        }
        raw.extend_from_slice(&self.interiors);
        raw.extend_from_slice(&self.keys);
        for page in &self.new_pages {
            raw.extend_from_slice(&page.to_le_bytes());
        }
    }
}

/// How many bytes both begin with.
pub fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// A difference with its sign in the lowest bit, so that small ones are small numbers.
fn zigzag(difference: u32) -> u32 {
    difference << 1 ^ (difference.cast_signed() >> 31).cast_unsigned()
}

fn unzigzag(number: u32) -> u32 {
    number >> 1 ^ 0_u32.wrapping_sub(number & 1)
}

/// The records of a decoded chunk, one after the other. Memory is that of one key, which is not
/// longer than the chunk.
#[derive(Debug, Clone)]
pub struct DirectoryRecords<'a> {
    reserved_bytes: u8,
    columns: &'a [u8],
    count: usize,
    next: usize,
    keys: &'a [u8],
    new_pages: &'a [u8],
    key: Vec<u8>,
    leaf: u32,
    recent: Recent,
}

impl<'a> DirectoryRecords<'a> {
    /// Reads the chunk `raw` of `record_count` records.
    ///
    /// # Errors
    /// Corrupt where it has not as many bytes as its columns need.
    pub fn new(raw: &'a [u8], record_count: u32) -> Result<Self> {
        let wrong = || Error::corrupt("a chunk of the directory has not the bytes that it should");
        let (reserved_bytes, rest) = raw.split_first().ok_or_else(wrong)?;
        let count = record_count as usize;
        let columns_bytes = count.checked_mul(FIXED_BYTES).ok_or_else(wrong)?;
        let (columns, rest) = rest.split_at_checked(columns_bytes).ok_or_else(wrong)?;
        let mut records = DirectoryRecords {
            reserved_bytes: *reserved_bytes,
            columns,
            count,
            next: 0,
            keys: &[],
            new_pages: &[],
            key: Vec::new(),
            leaf: 0,
            recent: Recent::default(),
        };
        // At most 65,535 for each of the records that there are.
        let key_bytes: usize = (0..count).map(|at| records.number(2, 2, at) as usize).sum();
        let new_count = (0..count).filter(|at| records.byte(8, *at) & !CUT == NEW).count();
        let (keys, new_pages) = rest.split_at_checked(key_bytes).ok_or_else(wrong)?;
        if new_pages.len() != new_count * PAGE_BYTES {
            return Err(wrong());
        }
        records.keys = keys;
        records.new_pages = new_pages;
        Ok(records)
    }

    /// Bytes at the end of each of the image's pages that are not SQLite's.
    pub fn reserved_bytes(&self) -> u8 {
        self.reserved_bytes
    }

    fn byte(&self, column: usize, at: usize) -> u8 {
        self.columns.get(column * self.count + at).copied().unwrap_or(0)
    }

    /// The number whose `bytes` begin in `column`, the lowest first.
    fn number(&self, column: usize, bytes: usize, at: usize) -> u32 {
        (0..bytes).fold(0, |number, byte| number | u32::from(self.byte(column + byte, at)) << (8 * byte))
    }

    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// Corrupt where it refers to what was not before.
    // No iterator: each record borrows the one key.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<DirectoryRecord<'_>>> {
        let wrong = |what: &str| Error::corrupt(format!("a record of the directory {what}"));
        if self.next == self.count {
            return Ok(None);
        }
        let at = self.next;
        self.next += 1;
        let (shared, own) = (self.number(0, 2, at) as usize, self.number(2, 2, at) as usize);
        let (own, keys) = self.keys.split_at_checked(own).ok_or_else(|| wrong("has no key"))?;
        self.keys = keys;
        if shared > self.key.len() || shared + own.len() > RecordKey::BYTES_MAX {
            return Err(wrong("has a key that cannot be"));
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(own);
        self.leaf = self.leaf.wrapping_add(unzigzag(self.number(4, 4, at)));
        let reference = self.byte(8, at);
        let interior = if reference & !CUT == NEW {
            let (page, pages) = self.new_pages.split_first_chunk().ok_or_else(|| wrong("has no page"))?;
            self.new_pages = pages;
            u32::from_le_bytes(*page)
        } else {
            let at = usize::from(reference & !CUT);
            *self.recent.0.get(at).ok_or_else(|| wrong("refers to a page that was not before"))?
        };
        self.recent.touch(interior);
        Ok(Some(DirectoryRecord { key: &self.key, cut: reference & CUT != 0, interior, leaf: self.leaf }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The chunk that `docs/FORMAT.md` draws.
    #[test]
    fn the_documented_chunk() {
        let mut raw = RawDirectory::new(0);
        for (key, cut, interior, leaf) in
            [(&b""[..], false, 0, 5), (b"b1", true, 4, 6), (b"b27", false, 4, 9)]
        {
            raw.push(&DirectoryRecord { key, cut, interior, leaf }).unwrap();
        }
        let mut bytes = Vec::new();
        raw.write(&mut bytes);
        let columns: [&[u8]; 11] = [
            &[0],
            &[0, 0, 1],
            &[0, 0, 0],
            &[0, 2, 2],
            &[0, 0, 0],
            &[0x0a, 0x02, 0x06],
            &[0; 9],
            &[0x7f, 0xff, 0x00],
            b"b127",
            &[0, 0, 0, 0],
            &[4, 0, 0, 0],
        ];
        assert_eq!(bytes, columns.concat());
    }
}
