//! Packs: a header, chunks end to end, then their index.

use super::bytes::Fields;
use super::envelope;
use super::key::RecordKey;
use super::version::{PACK_VERSION, can_read};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::id::Hash;

const HEADER_MAGIC: &[u8; 8] = b"DOTCTLPK";
const INDEX_MAGIC: &[u8; 8] = b"DOTCTLIX";

/// Bytes of a header before it is wrapped: magic (8), version (2), codec (1), reserved (5).
pub const HEADER_PAYLOAD_BYTES: usize = 16;

/// Bytes of an index entry without its key.
const ENTRY_FIXED_BYTES: usize = 4 + 4 + 4 + Hash::BYTES + 2;

/// How a pack begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackHeader {
    /// How its chunks are compressed, and so how header and index are hidden.
    pub codec: Codec,
}

impl PackHeader {
    /// Bytes a stored header takes: where the first chunk begins.
    pub fn stored_bytes(self) -> usize {
        envelope::wrapped_bytes(self.codec, HEADER_PAYLOAD_BYTES)
    }

    /// The header as stored.
    pub fn write(self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(HEADER_PAYLOAD_BYTES);
        payload.extend_from_slice(HEADER_MAGIC);
        payload.extend_from_slice(&PACK_VERSION.to_le_bytes());
        payload.push(self.codec.number());
        payload.resize(HEADER_PAYLOAD_BYTES, 0);
        envelope::wrap(self.codec, &payload)
    }

    /// Checks that `stored` is the header of a pack with this codec that this build reads.
    pub fn check(self, stored: &[u8]) -> Result<()> {
        let payload = envelope::unwrap("the pack's header", self.codec, stored)?;
        let mut fields = Fields::new("the pack's header", &payload);
        fields.expect(HEADER_MAGIC)?;
        can_read("the pack", fields.u16()?.into(), PACK_VERSION)?;
        let codec = fields.u8()?;
        if codec != self.codec.number() || fields.take(5)? != [0; 5] {
            return Err(Error::corrupt("the pack's header is not as it was written"));
        }
        fields.end()
    }
}

/// One chunk in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkEntry {
    /// Where the chunk begins, from the pack's first byte.
    pub stored_offset: u64,
    /// Bytes it takes in the pack.
    pub stored_bytes: u32,
    /// Bytes it decodes to.
    pub raw_bytes: u32,
    /// Records in it.
    pub record_count: u32,
    /// SHA-256 of its stored bytes.
    pub sha256: Hash,
    /// The key of its first record.
    pub first_key: RecordKey,
}

/// Where a pack's chunks lie, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackIndex {
    codec: Codec,
    chunks: Vec<ChunkEntry>,
}

impl PackIndex {
    /// Most bytes of entries in an index. Only keys far longer than an object's own come near.
    pub const ENTRY_BYTES_MAX: usize = 1 << 20;

    /// Largest index that is read, as stored.
    pub const READ_BYTES_MAX: u32 = 2 << 20;

    /// Bytes that the entry of a chunk takes whose first record has `first_key`.
    pub fn entry_bytes(first_key: &RecordKey) -> usize {
        ENTRY_FIXED_BYTES + first_key.as_bytes().len()
    }

    /// Bytes that an index takes whose entries take `entry_bytes`.
    pub fn stored_bytes(codec: Codec, entry_bytes: usize) -> usize {
        envelope::wrapped_bytes(codec, 2 * INDEX_MAGIC.len() + 2 + 4 + entry_bytes + 4)
    }

    /// An index without chunks.
    pub fn new(codec: Codec) -> Self {
        PackIndex { codec, chunks: Vec::new() }
    }

    /// Adds the chunk that follows the last one.
    pub fn push(&mut self, chunk: ChunkEntry) {
        self.chunks.push(chunk);
    }

    /// The chunks, in order.
    pub fn chunks(&self) -> &[ChunkEntry] {
        &self.chunks
    }

    /// Which chunk a record with `key` is in, if it is in this pack: the last one that does not
    /// begin after it.
    pub fn find(&self, key: &RecordKey) -> Option<usize> {
        self.chunks.partition_point(|chunk| chunk.first_key <= *key).checked_sub(1)
    }

    /// The index as stored, behind the last chunk.
    pub fn write(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(24 + self.chunks.len() * (ENTRY_FIXED_BYTES + 24));
        payload.extend_from_slice(INDEX_MAGIC);
        payload.extend_from_slice(&PACK_VERSION.to_le_bytes());
        payload.extend_from_slice(&(self.chunks.len() as u32).to_le_bytes());
        for chunk in &self.chunks {
            payload.extend_from_slice(&chunk.stored_bytes.to_le_bytes());
            payload.extend_from_slice(&chunk.raw_bytes.to_le_bytes());
            payload.extend_from_slice(&chunk.record_count.to_le_bytes());
            payload.extend_from_slice(chunk.sha256.as_bytes());
            let key = chunk.first_key.as_bytes();
            payload.extend_from_slice(&(key.len() as u16).to_le_bytes());
            payload.extend_from_slice(key);
        }
        // Last, so that a reader without the manifest finds the index from the pack's end.
        let index_bytes = envelope::wrapped_bytes(self.codec, payload.len() + 4 + INDEX_MAGIC.len());
        payload.extend_from_slice(&(index_bytes as u32).to_le_bytes());
        payload.extend_from_slice(INDEX_MAGIC);
        envelope::wrap(self.codec, &payload)
    }

    /// Reads what [`PackIndex::write`] wrote.
    pub fn read(codec: Codec, stored: &[u8]) -> Result<Self> {
        const WHAT: &str = "the pack's index";
        let payload = envelope::unwrap(WHAT, codec, stored)?;
        let mut fields = Fields::new(WHAT, &payload);
        fields.expect(INDEX_MAGIC)?;
        can_read(WHAT, fields.u16()?.into(), PACK_VERSION)?;
        let chunk_count = fields.u32()? as usize;
        // Bounded by what the bytes can hold, whatever they claim.
        let mut chunks = Vec::with_capacity(chunk_count.min(payload.len() / ENTRY_FIXED_BYTES));
        let mut stored_offset = PackHeader { codec }.stored_bytes() as u64;
        for _ in 0..chunk_count {
            let (stored_bytes, raw_bytes, record_count) = (fields.u32()?, fields.u32()?, fields.u32()?);
            let sha256 = fields.hash()?;
            let key_bytes = usize::from(fields.u16()?);
            let first_key = RecordKey::new(fields.take(key_bytes)?)?;
            chunks.push(ChunkEntry {
                stored_offset,
                stored_bytes,
                raw_bytes,
                record_count,
                sha256,
                first_key,
            });
            stored_offset += u64::from(stored_bytes);
        }
        let index_bytes = fields.u32()? as usize;
        fields.expect(INDEX_MAGIC)?;
        fields.end()?;
        let in_order = chunks.windows(2).all(|pair| matches!(pair, [a, b] if a.first_key < b.first_key));
        if index_bytes != stored.len() || !in_order {
            return Err(Error::corrupt(format!("{WHAT} contradicts itself")));
        }
        Ok(PackIndex { codec, chunks })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn index(codec: Codec, chunk_count: u32) -> PackIndex {
        let mut index = PackIndex::new(codec);
        let mut stored_offset = PackHeader { codec }.stored_bytes() as u64;
        for number in 0..chunk_count {
            let stored_bytes = 1000 + number;
            index.push(ChunkEntry {
                stored_offset,
                stored_bytes,
                raw_bytes: 4096 * (number + 1),
                record_count: number + 1,
                sha256: Hash::of(&number.to_le_bytes()),
                first_key: RecordKey::new(format!("key:{number:08}").as_bytes()).unwrap(),
            });
            stored_offset += u64::from(stored_bytes);
        }
        index
    }

    #[test]
    fn an_index_reads_back_and_knows_its_own_length() {
        for codec in Codec::ALL {
            // 2,000 chunks need more than one gzip member.
            for chunk_count in [0, 1, 2, 2000] {
                let written = index(codec, chunk_count);
                let stored = written.write();
                assert_eq!(PackIndex::read(codec, &stored).unwrap(), written);
                let entries = written.chunks().iter().map(|chunk| PackIndex::entry_bytes(&chunk.first_key));
                assert_eq!(PackIndex::stored_bytes(codec, entries.sum()), stored.len());
            }
        }
    }

    #[test]
    fn every_changed_byte_of_header_and_index_is_noticed_or_changes_an_entry() {
        for codec in Codec::ALL {
            let header = PackHeader { codec };
            let stored = header.write();
            assert_eq!(stored.len(), header.stored_bytes());
            header.check(&stored).unwrap();
            for position in 0..stored.len() {
                let mut changed = stored.clone();
                changed[position] ^= 0x10;
                assert!(header.check(&changed).is_err(), "{codec} header byte {position}");
            }
            let written = index(codec, 3);
            let stored = written.write();
            for position in 0..stored.len() {
                let mut changed = stored.clone();
                changed[position] ^= 0x10;
                let read = PackIndex::read(codec, &changed);
                assert!(read.is_err() || read.unwrap() != written, "{codec} index byte {position}");
                assert!(PackIndex::read(codec, &stored[..position]).is_err());
            }
        }
    }

    #[test]
    fn a_key_is_found_in_the_chunk_that_may_hold_it() {
        let index = index(Codec::Zstd, 3);
        let find = |key: &str| index.find(&RecordKey::new(key.as_bytes()).unwrap());
        assert_eq!(find("a"), None);
        assert_eq!(find("key:00000000"), Some(0));
        assert_eq!(find("key:00000000x"), Some(0));
        assert_eq!(find("key:00000001"), Some(1));
        assert_eq!(find("z"), Some(2));
    }
}
