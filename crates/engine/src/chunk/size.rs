//! How large chunks may be.

use crate::error::{Error, Result};

/// The raw size that chunks aim at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSize(u32);

impl ChunkSize {
    /// Smallest size that may be asked for: one page of the largest kind.
    pub const BYTES_MIN: u32 = 64 << 10;
    /// Largest size that may be asked for; a few chunks are in memory at any time.
    pub const BYTES_MAX: u32 = 4 << 20;
    /// The size unless another is asked for.
    pub const DEFAULT: ChunkSize = ChunkSize(1 << 20);
    /// Largest raw chunk that a reader decodes. Only a chunk of a single record, which may be as
    /// large as [`crate::state::MAX_ENTRY_BYTES`], comes near.
    pub const READ_BYTES_MAX: u32 = 24 << 20;

    /// A size from [`ChunkSize::BYTES_MIN`] to [`ChunkSize::BYTES_MAX`].
    pub fn new(bytes: u64) -> Result<Self> {
        match u32::try_from(bytes) {
            Ok(bytes) if (Self::BYTES_MIN..=Self::BYTES_MAX).contains(&bytes) => Ok(ChunkSize(bytes)),
            _ => Err(Error::malformed(format!("chunks of {bytes} bytes are not possible")).hint(format!(
                "from {} (64 KiB) to {} (4 MiB)",
                Self::BYTES_MIN,
                Self::BYTES_MAX
            ))),
        }
    }

    /// The size in bytes.
    pub fn bytes(self) -> u32 {
        self.0
    }

    /// Pages of `page_bytes` in a chunk: the largest power of two that fits. Chunks of an image
    /// begin at multiples of it.
    pub fn pages(self, page_bytes: u32) -> u32 {
        let pages = (self.0 / page_bytes.max(1)).max(1);
        1 << pages.ilog2()
    }
}
