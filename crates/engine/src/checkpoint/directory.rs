//! A directory's making, its checking, and the look-up in it.

use crate::chunk::{ChunkSize, ChunkWriter, DirectoryChunker, StoredChunk};
use crate::codec::{Codec, CodecSetting};
use crate::error::{Error, Result};
use crate::format::ChunkEntry;
use crate::format::directory::{DirectoryRecord, DirectoryRecords, RawDirectory, common};
use crate::image::geometry::Geometry;
use crate::image::key_walk::KeyWalk;
use crate::image::leaf_keys::LeafKeys;

/// Most stored bytes of a directory: they are held until all of it is known to be right. Enough
/// for the largest object, 10 GB, by a directory's usual size of less than a thousandth.
const STORED_BYTES_MAX: usize = 16 << 20;

/// A directory has at most one raw byte for so many of the image. Long random keys would make it
/// larger, for little: values are the smaller part then.
const IMAGE_SHARE: u64 = 16;

/// Makes the chunks of a directory out of a walk over its leaves.
pub struct DirectoryBuilder<'a> {
    chunker: DirectoryChunker,
    writer: ChunkWriter,
    codec: Codec,
    raw: RawDirectory,
    buffer: Vec<u8>,
    chunks: Vec<StoredChunk>,
    reserved_bytes: u8,
    raw_bytes_left: u64,
    stored_bytes_left: usize,
    /// The keys of the image's leaves.
    leaf_keys: &'a LeafKeys,
    /// The last key in the leaf before, where it is known.
    before: Option<&'a [u8]>,
}

impl<'a> DirectoryBuilder<'a> {
    /// A directory in chunks of `size`, of an image of these sizes and with these leaves.
    pub fn new(
        setting: CodecSetting,
        size: ChunkSize,
        geometry: Geometry,
        leaf_keys: &'a LeafKeys,
    ) -> Result<Self> {
        // At most 255: a byte of the database's header says so.
        let setting = setting.plain();
        let reserved_bytes = (geometry.page_bytes - geometry.usable_bytes) as u8;
        Ok(DirectoryBuilder {
            chunker: DirectoryChunker::new(size),
            writer: ChunkWriter::new(setting)?,
            codec: setting.codec(),
            raw: RawDirectory::new(reserved_bytes),
            buffer: Vec::new(),
            chunks: Vec::new(),
            reserved_bytes,
            raw_bytes_left: u64::from(geometry.page_bytes) * u64::from(geometry.page_count) / IMAGE_SHARE,
            stored_bytes_left: STORED_BYTES_MAX,
            leaf_keys,
            before: None,
        })
    }

    /// Takes the leaf that `walk` is at.
    ///
    /// # Errors
    /// Unsupported where the directory becomes too large to be worth it; malformed where leaves
    /// hold keys that belong into others.
    pub fn push(&mut self, walk: &KeyWalk) -> Result<()> {
        let (key, leaf) = (walk.key(), walk.leaf());
        let own = self.leaf_keys.find(leaf);
        // The first leaf has none before it.
        let before = std::mem::replace(&mut self.before, own.map(|(_, last)| last));
        let shortened = match before.zip(own) {
            Some((before, (after, _))) => {
                if before >= key || key >= after {
                    return Err(Error::malformed("leaves hold keys that belong into others"));
                }
                // One byte more than others have of it.
                key.get(..common(before, key).max(common(key, after)) + 1)
            }
            _ => None,
        };
        let shortened = shortened.filter(|shortened| shortened.len() < key.len());
        self.push_record(&DirectoryRecord {
            key: shortened.unwrap_or(key),
            cut: shortened.is_some(),
            interior: walk.interior(),
            leaf,
        })
    }

    fn push_record(&mut self, record: &DirectoryRecord<'_>) -> Result<()> {
        if !self.chunker.push(&mut self.raw, record)? {
            self.end_chunk()?;
            self.chunker.push(&mut self.raw, record)?;
        }
        Ok(())
    }

    /// Ends the last chunk and gives all of them.
    ///
    /// # Errors
    /// As [`DirectoryBuilder::push`].
    pub fn finish(mut self) -> Result<Vec<StoredChunk>> {
        if self.raw.record_count() > 0 {
            self.end_chunk()?;
        }
        Ok(self.chunks)
    }

    fn end_chunk(&mut self) -> Result<()> {
        let too_large = || Error::unsupported("the directory is too large for its image");
        let raw = std::mem::replace(&mut self.raw, RawDirectory::new(self.reserved_bytes));
        raw.write(&mut self.buffer);
        let mut stored = StoredChunk {
            record_count: raw.record_count(),
            first_key: raw.first_key().clone(),
            ..StoredChunk::default()
        };
        self.writer.write(&self.buffer, &mut stored)?;
        stored.hide(self.codec);
        stored.bytes.shrink_to_fit();
        self.raw_bytes_left =
            self.raw_bytes_left.checked_sub(self.buffer.len() as u64).ok_or_else(too_large)?;
        self.stored_bytes_left =
            self.stored_bytes_left.checked_sub(stored.bytes.len()).ok_or_else(too_large)?;
        self.chunks.push(stored);
        Ok(())
    }
}

/// Checks the decoded chunks of a directory, one after the other.
#[derive(Debug)]
pub struct DirectoryCheck {
    page_bytes: u32,
    page_count: u32,
    reserved_bytes: Option<u8>,
    /// The key of the last record, if there was one.
    last: Option<Vec<u8>>,
}

impl DirectoryCheck {
    /// A check against an image of `page_count` pages of `page_bytes`.
    pub fn new(page_bytes: u32, page_count: u32) -> Self {
        DirectoryCheck { page_bytes, page_count, reserved_bytes: None, last: None }
    }

    /// Takes note that chunks could not be read: what follows is no beginning.
    pub fn skip(&mut self) {
        self.last.get_or_insert_default();
    }

    /// Takes the next chunk: records must be well formed, ascend, and name pages of the image.
    pub fn chunk(&mut self, entry: &ChunkEntry, raw: &[u8]) -> Result<()> {
        let wrong = |what: &str| Err(Error::corrupt(format!("the directory {what}")));
        let mut records = DirectoryRecords::new(raw, entry.record_count)?;
        let reserved_bytes = records.reserved_bytes();
        let geometry = Geometry::new(self.page_bytes, reserved_bytes, self.page_count)
            .map_err(|error| Error::corrupt(format!("the directory is of no image: {error}")))?;
        if *self.reserved_bytes.get_or_insert(reserved_bytes) != reserved_bytes {
            return wrong("is of two kinds of pages");
        }
        let mut begins = true;
        while let Some(record) = records.next()? {
            if begins && record.key != entry.first_key.as_bytes() {
                return wrong("and its index contradict each other");
            }
            begins = false;
            let in_place = match &self.last {
                None => record.key.is_empty() && record.interior == 0 && !record.cut,
                Some(last) => record.key > last.as_slice() && geometry.contains(record.interior),
            };
            if !in_place {
                return wrong("has a record out of place");
            }
            if !geometry.contains(record.leaf) {
                return wrong("names a page that does not exist");
            }
            let last = self.last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(record.key);
        }
        if begins {
            return wrong("has a chunk without records");
        }
        Ok(())
    }
}

/// Where the entry of a key is, if it is in the image at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPlace {
    /// The page.
    pub page: u32,
    /// Bytes at the end of each page that are not SQLite's.
    pub reserved_bytes: u8,
    /// Whether the entry must be there.
    pub certain: bool,
}

/// Finds `key` in `raw`, the one chunk of a directory that can hold it, which has `record_count`
/// records.
///
/// # Errors
/// Corrupt where the chunk is malformed or all of it is above the key.
pub fn find_page(raw: &[u8], record_count: u32, key: &[u8]) -> Result<KeyPlace> {
    let mut records = DirectoryRecords::new(raw, record_count)?;
    let reserved_bytes = records.reserved_bytes();
    let mut place = None;
    while let Some(record) = records.next()? {
        if record.key > key {
            break;
        }
        place = Some(if record.claims(key) {
            KeyPlace { page: record.interior, reserved_bytes, certain: !record.cut }
        } else {
            KeyPlace { page: record.leaf, reserved_bytes, certain: false }
        });
    }
    place.ok_or_else(|| Error::corrupt("the directory has no record for the key"))
}
