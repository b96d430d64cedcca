//! From a manifest's word to chunks that can be read: a pack is opened by its header and index.

use std::ops::Range;

use crate::codec::Codec;
use crate::error::{Damage, Error, Result};
use crate::format::{ChunkEntry, PackEntry, PackHeader, PackIndex};
use crate::id::Hash;

/// Where in its pack, once that is opened, the index of `pack` lies.
pub fn index_range(pack: &PackEntry) -> Range<u64> {
    let bytes = pack.opened_bytes();
    bytes.saturating_sub(pack.index_bytes.into())..bytes
}

/// A pack whose index has been checked against the manifest.
#[derive(Debug, Clone)]
pub struct PackReading {
    codec: Codec,
    index: PackIndex,
}

impl PackReading {
    /// Opens `pack` with the stored bytes of its index ([`index_range`]).
    pub fn open(codec: Codec, pack: &PackEntry, index: &[u8]) -> Result<Self> {
        let actual = Hash::of(index);
        if actual != pack.index_sha256 {
            return Err(Error::damaged(Damage::Checksum, "the pack's index", pack.index_sha256, actual));
        }
        let index = PackIndex::read(codec, index)?;
        let chunks = index.chunks();
        let raw_bytes: u64 = chunks.iter().map(|chunk| u64::from(chunk.raw_bytes)).sum();
        let record_count: u64 = chunks.iter().map(|chunk| u64::from(chunk.record_count)).sum();
        let chunk_bytes: u64 = chunks.iter().map(|chunk| u64::from(chunk.stored_bytes)).sum();
        let header_bytes = PackHeader { codec }.stored_bytes() as u64;
        let agrees = chunks.len() as u64 == u64::from(pack.chunk_count)
            && raw_bytes == pack.raw_bytes
            && record_count == pack.record_count
            && chunks.first().is_some_and(|chunk| chunk.first_key == pack.first_key)
            && header_bytes + chunk_bytes == index_range(pack).start;
        if agrees {
            Ok(PackReading { codec, index })
        } else {
            Err(Error::corrupt("the pack's index and the manifest contradict each other"))
        }
    }

    /// How the chunks are compressed.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The pack's chunks, in order.
    pub fn chunks(&self) -> &[ChunkEntry] {
        self.index.chunks()
    }

    /// The index itself.
    pub fn index(&self) -> &PackIndex {
        &self.index
    }
}
