//! zstd frames that only wrap: raw blocks, nothing compressed.
//!
//! RFC 8878, sections 3.1.1.1 (frame header) and 3.1.1.2 (blocks).

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Single segment, 4-byte content size, no checksum, no dictionary.
const DESCRIPTOR: u8 = 0b1010_0000;
const BLOCK_BYTES_MAX: usize = 128 << 10;

/// Appends `raw` to `stored` as one frame.
pub fn write(raw: &[u8], stored: &mut Vec<u8>) {
    stored.extend_from_slice(&MAGIC);
    stored.push(DESCRIPTOR);
    // Chunks are far below 4 GiB.
    stored.extend_from_slice(&(raw.len() as u32).to_le_bytes());
    let mut rest = raw;
    loop {
        let (block, after) = rest.split_at(rest.len().min(BLOCK_BYTES_MAX));
        let header = (block.len() as u32) << 3 | u32::from(after.is_empty());
        stored.extend_from_slice(&header.to_le_bytes()[..3]);
        stored.extend_from_slice(block);
        if after.is_empty() {
            return;
        }
        rest = after;
    }
}
