//! Where chunks and packs end.

use super::size::ChunkSize;

/// FNV-1a, 64 bit, with a last mix so that the high bits are as good as the low ones. Part of the
/// format: other hashes would put borders elsewhere, and equal stretches would no longer meet.
fn hash(key: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in key {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ hash >> 32
}

/// Decides before which record of variable length a chunk ends.
///
/// From three quarters of the chunk size on, each record may begin the next chunk, by its key's
/// hash and with a chance in proportion to its length, so that a border comes after another
/// quarter on average. At one and a half sizes it comes in any case.
#[derive(Debug, Clone, Copy)]
pub struct RecordBorder {
    bytes_min: usize,
    bytes_spread: u64,
    bytes_max: usize,
}

impl RecordBorder {
    /// Borders for chunks of `size`.
    pub fn new(size: ChunkSize) -> Self {
        let bytes = size.bytes() as usize;
        RecordBorder { bytes_min: bytes / 4 * 3, bytes_spread: (bytes / 4) as u64, bytes_max: bytes / 2 * 3 }
    }

    /// Whether a chunk of `chunk_bytes` ends before whatever record comes next.
    pub fn is_reached(&self, chunk_bytes: usize) -> bool {
        chunk_bytes >= self.bytes_max
    }

    /// Whether the chunk of `chunk_bytes` so far ends before the record with `key`.
    pub fn ends_before(&self, chunk_bytes: usize, key: &[u8], record_bytes: usize) -> bool {
        if chunk_bytes < self.bytes_min {
            return chunk_bytes > 0 && chunk_bytes.saturating_add(record_bytes) > self.bytes_max;
        }
        let chance = (record_bytes as u64).saturating_mul(u64::MAX / self.bytes_spread);
        chunk_bytes.saturating_add(record_bytes) > self.bytes_max || hash(key) < chance
    }
}

/// Decides before which chunk a pack ends.
///
/// From `stored_bytes_min` on, one chunk in four may begin the next pack, by the hash of its first
/// key; at twice that the border comes in any case.
#[derive(Debug, Clone, Copy)]
pub struct PackBorder {
    stored_bytes_min: u64,
}

impl PackBorder {
    /// Packs for a folder or a bucket: about 8 MiB.
    pub const FOLDER: PackBorder = PackBorder { stored_bytes_min: 6 << 20 };

    /// Whether the pack of `pack_bytes` so far ends before the chunk that begins with `first_key`.
    pub fn ends_before(&self, pack_bytes: u64, first_key: &[u8], chunk_bytes: u64) -> bool {
        if pack_bytes < self.stored_bytes_min {
            return false;
        }
        hash(first_key).is_multiple_of(4)
            || pack_bytes.saturating_add(chunk_bytes) > self.stored_bytes_min * 2
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chunk_starts(keys: &[String]) -> Vec<&String> {
        let border = RecordBorder::new(ChunkSize::new(64 << 10).unwrap());
        let mut starts = Vec::new();
        let mut chunk_bytes = 0;
        for key in keys {
            if border.ends_before(chunk_bytes, key.as_bytes(), 250) {
                starts.push(key);
                chunk_bytes = 0;
            }
            chunk_bytes += 250;
        }
        starts
    }

    #[test]
    fn chunks_keep_to_their_size() {
        let keys: Vec<String> = (0..100_000).map(|n| format!("user:{n:06}")).collect();
        let starts = chunk_starts(&keys);
        let mean_bytes = 25_000_000 / (starts.len() + 1);
        assert!((56 << 10..72 << 10).contains(&mean_bytes), "mean {mean_bytes}");
    }

    #[test]
    fn an_inserted_record_moves_few_borders() {
        let keys: Vec<String> = (0..100_000).map(|n| format!("user:{n:06}")).collect();
        let mut more = keys.clone();
        more.insert(20_000, "user:019999x".to_owned());
        let (before, after) = (chunk_starts(&keys), chunk_starts(&more));
        let moved = after.iter().filter(|start| !before.contains(start)).count();
        assert!(moved < 20, "{moved} of {} borders moved", after.len());
    }

    #[test]
    fn a_record_larger_than_any_chunk_stands_alone() {
        let border = RecordBorder::new(ChunkSize::DEFAULT);
        assert!(!border.ends_before(0, b"a", 10 << 20));
        assert!(border.ends_before(10 << 20, b"b", 10));
        assert!(border.ends_before(100, b"c", 10 << 20));
    }
}
