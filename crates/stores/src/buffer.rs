//! Memory that the kernel can write to the disk from.

use std::ops::{Deref, DerefMut, Range};

/// Where a buffer must begin, and a stretch of a file begin and end, to bypass the page cache: a
/// page, which is at least a disk's block.
pub const DIRECT_BYTES: usize = 4096;

/// A reusable buffer that begins where its place in a file asks for.
#[derive(Debug, Default)]
pub struct AlignedBuffer {
    memory: Vec<u8>,
    begin: usize,
    length: usize,
}

impl AlignedBuffer {
    /// Gives the buffer this length, for bytes that belong at `offset` of a file: address and
    /// offset are alike modulo [`DIRECT_BYTES`]. What is in it is any bytes.
    pub fn set_length(&mut self, length: usize, offset: u64) {
        let needed = length.saturating_add(2 * DIRECT_BYTES);
        if self.memory.len() < needed {
            // Fresh zeroed memory, not grown: nothing needs copying.
            self.memory = vec![0; needed];
        }
        let phase = (offset % DIRECT_BYTES as u64) as usize;
        self.begin = self.memory.as_ptr().align_offset(DIRECT_BYTES).min(DIRECT_BYTES) + phase;
        self.length = length;
    }

    /// Bytes of memory held.
    pub fn capacity(&self) -> usize {
        self.memory.len()
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(self.begin..self.begin + self.length).unwrap_or_default()
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.begin..self.begin + self.length).unwrap_or_default()
    }
}

/// The part of `bytes` that can go past the page cache when they are written to `offset`: whole
/// pages in memory and in the file.
pub fn direct_range(offset: u64, bytes: &[u8]) -> Option<Range<usize>> {
    let whole = DIRECT_BYTES as u64;
    if bytes.as_ptr().addr() % DIRECT_BYTES != (offset % whole) as usize {
        return None;
    }
    let begin = (offset.next_multiple_of(whole) - offset) as usize;
    let overhang_bytes = (offset + bytes.len() as u64) % whole;
    let end = bytes.len().checked_sub(overhang_bytes as usize)?;
    (begin < end).then_some(begin..end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_buffer_fits_its_place_in_the_file() {
        let mut buffer = AlignedBuffer::default();
        for (length, offset) in [(0, 0), (1, 1), (4096, 4095), (1 << 20, 1), (100_000, 12_345)] {
            buffer.set_length(length, offset);
            assert_eq!(buffer.len(), length);
            assert_eq!(buffer.as_ptr().addr() % DIRECT_BYTES, offset as usize % DIRECT_BYTES);
        }
        assert!(buffer.capacity() <= (1 << 20) + 2 * DIRECT_BYTES);
    }

    #[test]
    fn only_whole_pages_go_directly() {
        let mut buffer = AlignedBuffer::default();
        buffer.set_length(10_000, 8_190);
        assert_eq!(direct_range(8_190, &buffer), Some(2..8_194));
        assert_eq!(direct_range(8_191, &buffer), None);
        buffer.set_length(8_192, 4_096);
        assert_eq!(direct_range(4_096, &buffer), Some(0..8_192));
        buffer.set_length(4_097, 4_095);
        assert_eq!(direct_range(4_095, &buffer), Some(1..4_097));
        buffer.set_length(4_000, 10);
        assert_eq!(direct_range(10, &buffer), None);
    }
}
