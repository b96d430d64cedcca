//! Directory records into raw chunks.

use super::border::RecordBorder;
use super::size::ChunkSize;
use crate::error::Result;
use crate::format::directory::{DirectoryRecord, RawDirectory};

/// Appends records until a chunk is full.
pub struct DirectoryChunker {
    border: RecordBorder,
}

impl DirectoryChunker {
    /// Fills chunks of `size`.
    pub fn new(size: ChunkSize) -> Self {
        DirectoryChunker { border: RecordBorder::new(size) }
    }

    /// Appends the record to `chunk`, or leaves it out and says `false` where the record belongs
    /// into the next chunk.
    pub fn push(&self, chunk: &mut RawDirectory, record: &DirectoryRecord<'_>) -> Result<bool> {
        let is_full = chunk.record_count() > 0
            && self.border.ends_before(chunk.raw_bytes(), record.key, chunk.added_bytes(record));
        if is_full {
            return Ok(false);
        }
        chunk.push(record)?;
        Ok(true)
    }
}
