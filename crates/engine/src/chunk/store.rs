//! Raw chunks to stored ones and back.

use super::size::ChunkSize;
use crate::codec::{Codec, CodecSetting, Decoder, Dictionary, Encoder};
use crate::error::{Damage, Error, Result};
use crate::format::{ChunkEntry, RecordKey, envelope};
use crate::id::Hash;

/// A chunk as it goes into a pack.
#[derive(Debug, Clone, Default)]
pub struct StoredChunk {
    /// The compressed bytes.
    pub bytes: Vec<u8>,
    /// SHA-256 of them.
    pub sha256: Hash,
    /// Bytes they decode to.
    pub raw_bytes: u32,
    /// Records in them.
    pub record_count: u32,
    /// The first record's key.
    pub first_key: RecordKey,
}

impl StoredChunk {
    /// Wraps the chunk so that the tools of `codec` pass over it: what is no part of the content does
    /// not come out with it.
    pub fn hide(&mut self, codec: Codec) {
        self.bytes = envelope::wrap(codec, &self.bytes);
        self.sha256 = Hash::of(&self.bytes);
    }
}

/// Compresses and hashes chunks; one per thread.
pub struct ChunkWriter {
    encoder: Encoder,
}

impl ChunkWriter {
    /// A writer at `setting`.
    pub fn new(setting: CodecSetting) -> Result<Self> {
        Ok(ChunkWriter { encoder: Encoder::new(setting)? })
    }

    /// The dictionary that chunks may be made with, if the codec takes one.
    pub fn set_dictionary(&mut self, dictionary: Option<&Dictionary>) -> Result<()> {
        self.encoder.set_dictionary(dictionary)
    }

    /// Turns `raw` into `stored`, whose other fields but the key and count it sets.
    pub fn write(&mut self, raw: &[u8], stored: &mut StoredChunk) -> Result<()> {
        stored.raw_bytes = u32::try_from(raw.len())
            .ok()
            .filter(|&raw_bytes| raw_bytes <= ChunkSize::READ_BYTES_MAX)
            .ok_or_else(|| Error::unsupported(format!("a chunk of {} bytes", raw.len())))?;
        self.encoder.encode(raw, &mut stored.bytes)?;
        stored.sha256 = Hash::of(&stored.bytes);
        Ok(())
    }
}

/// Checks and decodes chunks; one per thread.
pub struct ChunkReader {
    decoder: Decoder,
}

impl ChunkReader {
    /// A reader of every codec.
    pub fn new() -> Result<Self> {
        Ok(ChunkReader { decoder: Decoder::new()? })
    }

    /// The dictionary for chunks that were made with one.
    pub fn set_dictionary(&mut self, dictionary: Option<&Dictionary>) {
        self.decoder.set_dictionary(dictionary);
    }

    /// Decodes the bytes that stand where `chunk` says, after checking their hash, into `raw`,
    /// which [`raw_bytes`] says the length of.
    pub fn read(&mut self, codec: Codec, chunk: &ChunkEntry, stored: &[u8], raw: &mut [u8]) -> Result<()> {
        check_hash(chunk, stored)?;
        self.decoder.decode(codec, stored, raw)
    }

    /// The same with a chunk that [`StoredChunk::hide`] has wrapped.
    pub fn read_hidden(
        &mut self,
        codec: Codec,
        chunk: &ChunkEntry,
        stored: &[u8],
        raw: &mut [u8],
    ) -> Result<()> {
        check_hash(chunk, stored)?;
        let bytes = envelope::unwrap("the chunk", codec, stored)?;
        self.decoder.decode(codec, &bytes, raw)
    }
}

fn check_hash(chunk: &ChunkEntry, stored: &[u8]) -> Result<()> {
    let actual = Hash::of(stored);
    if actual != chunk.sha256 {
        return Err(Error::damaged(Damage::Checksum, "the chunk", chunk.sha256, actual));
    }
    Ok(())
}

/// Largest stored chunk that a reader takes: what does not compress grows, by an eighth with the
/// fastest gzip.
const STORED_BYTES_MAX: u32 = ChunkSize::READ_BYTES_MAX / 4 * 5;

/// Bytes that `chunk` decodes to; refuses one that claims more than any writer stores.
pub fn raw_bytes(chunk: &ChunkEntry) -> Result<usize> {
    if chunk.stored_bytes > STORED_BYTES_MAX {
        return Err(Error::corrupt(format!(
            "a chunk claims to take {} bytes, more than {STORED_BYTES_MAX}",
            chunk.stored_bytes
        )));
    }
    if chunk.raw_bytes <= ChunkSize::READ_BYTES_MAX {
        return Ok(chunk.raw_bytes as usize);
    }
    Err(Error::corrupt(format!(
        "a chunk claims to decode to {} bytes, more than {}",
        chunk.raw_bytes,
        ChunkSize::READ_BYTES_MAX
    )))
}
