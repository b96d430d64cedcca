//! State entries into raw chunks.

use super::border::RecordBorder;
use super::size::ChunkSize;
use crate::error::Result;
use crate::format::RecordKey;

/// Lays compact entries end to end, a line feed behind each, until a chunk is full.
pub struct StateChunker {
    border: RecordBorder,
}

/// A raw chunk of state while it fills.
#[derive(Debug, Default)]
pub struct RawState {
    /// Entries as NDJSON.
    pub ndjson: Vec<u8>,
    /// Entries in it.
    pub record_count: u32,
    /// The first entry's key.
    pub first_key: RecordKey,
}

impl StateChunker {
    /// Fills chunks of `size`.
    pub fn new(size: ChunkSize) -> Self {
        StateChunker { border: RecordBorder::new(size) }
    }

    /// Whether `chunk` is full whatever entry comes next.
    pub fn is_full(&self, chunk: &RawState) -> bool {
        self.border.is_reached(chunk.ndjson.len())
    }

    /// Appends the entry to `chunk`, or leaves it out and says `false` where the entry belongs
    /// into the next chunk.
    pub fn push(&self, chunk: &mut RawState, key: &[u8], text: &[u8]) -> Result<bool> {
        if chunk.ndjson.is_empty() {
            chunk.record_count = 0;
            chunk.first_key = RecordKey::new(key)?;
        } else if self.border.ends_before(chunk.ndjson.len(), key, text.len() + 1) {
            return Ok(false);
        }
        chunk.ndjson.extend_from_slice(text);
        chunk.ndjson.push(b'\n');
        chunk.record_count += 1;
        Ok(true)
    }
}
