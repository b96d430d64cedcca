//! Chunks into the packs of one run.

use sha2::{Digest, Sha256};

use crate::chunk::{ChunkReader, ChunkWriter, PackBorder, StoredChunk, raw_bytes};
use crate::codec::{Codec, CodecSetting, Dictionary};
use crate::error::{Error, Result};
use crate::format::{ChunkEntry, PackEntry, PackHeader, PackIndex, RecordKey, Run, RunKind};
use crate::id::Hash;

/// Where packs go while they are written. Bytes arrive in order; `seal` says that the pack is
/// whole and what it is called.
pub trait PackSink {
    /// Appends to the pack being written, or begins one.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Ends the pack being written.
    fn seal(&mut self, pack: &PackEntry) -> Result<()>;
}

/// Bytes that the packs of a run take whose chunks have these first keys and stored sizes, headers and
/// indexes included.
pub fn packed_bytes<'a>(
    codec: Codec,
    border: PackBorder,
    chunks: impl Iterator<Item = (&'a RecordKey, u64)>,
) -> u64 {
    let header_bytes = PackHeader { codec }.stored_bytes() as u64;
    let mut total_bytes = 0_u64;
    // Of the open pack: its bytes so far, and those of its index's entries.
    let mut open: Option<(u64, usize)> = None;
    let sealed = |(pack_bytes, entry_bytes): (u64, usize)| {
        pack_bytes.saturating_add(PackIndex::stored_bytes(codec, entry_bytes) as u64)
    };
    for (first_key, chunk_bytes) in chunks {
        let entry_bytes = PackIndex::entry_bytes(first_key);
        if let Some(pack) = open
            && ends_before(border, pack, first_key, chunk_bytes)
        {
            total_bytes = total_bytes.saturating_add(sealed(pack));
            open = None;
        }
        let (pack_bytes, entries) = open.unwrap_or((header_bytes, 0));
        open = Some((pack_bytes.saturating_add(chunk_bytes), entries + entry_bytes));
    }
    total_bytes.saturating_add(open.map_or(0, sealed))
}

/// Whether the pack of so many bytes and bytes of entries ends before this chunk.
fn ends_before(border: PackBorder, pack: (u64, usize), first_key: &RecordKey, chunk_bytes: u64) -> bool {
    pack.1 + PackIndex::entry_bytes(first_key) > PackIndex::ENTRY_BYTES_MAX
        || border.ends_before(pack.0, first_key.as_bytes(), chunk_bytes)
}

/// Takes a run's chunks in order and writes their packs.
pub struct RunWriter {
    kind: RunKind,
    codec: Codec,
    border: PackBorder,
    pack: Option<OpenPack>,
    packs: Vec<PackEntry>,
    /// The pack of the dictionary that chunks are made with.
    pub dictionary: Option<PackEntry>,
}

struct OpenPack {
    sha256: Sha256,
    stored_bytes: u64,
    index: PackIndex,
    /// Bytes of the index's entries so far.
    entry_bytes: usize,
}

impl RunWriter {
    pub fn new(kind: RunKind, codec: Codec, border: PackBorder) -> Self {
        RunWriter { kind, codec, border, pack: None, packs: Vec::new(), dictionary: None }
    }

    /// Takes the next chunk.
    pub fn add(&mut self, stored: &StoredChunk, sink: &mut dyn PackSink) -> Result<()> {
        let chunk_bytes = stored.bytes.len() as u64;
        let entry_bytes = PackIndex::entry_bytes(&stored.first_key);
        let full = self.pack.as_ref().is_some_and(|pack| {
            ends_before(self.border, (pack.stored_bytes, pack.entry_bytes), &stored.first_key, chunk_bytes)
        });
        if full {
            self.seal(sink)?;
        }
        let pack = match &mut self.pack {
            Some(pack) => pack,
            none => {
                let header = PackHeader { codec: self.codec }.write();
                sink.append(&header)?;
                none.insert(OpenPack {
                    sha256: Sha256::new_with_prefix(&header),
                    stored_bytes: header.len() as u64,
                    index: PackIndex::new(self.codec),
                    entry_bytes: 0,
                })
            }
        };
        sink.append(&stored.bytes)?;
        pack.sha256.update(&stored.bytes);
        pack.index.push(ChunkEntry {
            stored_offset: pack.stored_bytes,
            stored_bytes: u32::try_from(chunk_bytes).map_err(|_| Error::unsupported("a chunk over 4 GiB"))?,
            raw_bytes: stored.raw_bytes,
            record_count: stored.record_count,
            sha256: stored.sha256,
            first_key: stored.first_key.clone(),
        });
        pack.entry_bytes += entry_bytes;
        pack.stored_bytes += chunk_bytes;
        Ok(())
    }

    fn seal(&mut self, sink: &mut dyn PackSink) -> Result<()> {
        let Some(mut pack) = self.pack.take() else {
            return Ok(());
        };
        let Some(first) = pack.index.chunks().first() else {
            return Ok(());
        };
        let index = pack.index.write();
        sink.append(&index)?;
        pack.sha256.update(&index);
        let chunks = pack.index.chunks();
        let entry = PackEntry {
            sha256: Hash::finish(pack.sha256),
            stored_bytes: pack.stored_bytes + index.len() as u64,
            raw_bytes: chunks.iter().map(|chunk| u64::from(chunk.raw_bytes)).sum(),
            record_count: chunks.iter().map(|chunk| u64::from(chunk.record_count)).sum(),
            chunk_count: chunks.len() as u32,
            first_key: first.first_key.clone(),
            index_bytes: index.len() as u32,
            index_sha256: Hash::of(&index),
            within: None,
        };
        sink.seal(&entry)?;
        self.packs.push(entry);
        Ok(())
    }

    /// Writes the last pack's index.
    pub fn finish(mut self, sink: &mut dyn PackSink) -> Result<Run> {
        self.seal(sink)?;
        Ok(Run {
            kind: self.kind,
            codec: self.codec,
            place: None,
            dictionary: self.dictionary,
            packs: self.packs,
        })
    }
}

/// The codec of a dictionary's own pack, and the level at which it is compressed.
pub const DICTIONARY_CODEC: Codec = Codec::Zstd;
const DICTIONARY_LEVEL: i32 = 9;

/// Writes a dictionary as a pack of one hidden chunk.
pub fn write_dictionary(dictionary: &Dictionary, sink: &mut dyn PackSink) -> Result<PackEntry> {
    let mut chunk = StoredChunk { record_count: 1, ..StoredChunk::default() };
    ChunkWriter::new(CodecSetting::new(DICTIONARY_CODEC, DICTIONARY_LEVEL)?)?
        .write(dictionary.as_bytes(), &mut chunk)?;
    chunk.hide(DICTIONARY_CODEC);
    let mut run = RunWriter::new(RunKind::Full, DICTIONARY_CODEC, PackBorder::FOLDER);
    run.add(&chunk, sink)?;
    run.finish(sink)?.packs.pop().ok_or_else(|| Error::corrupt("a dictionary's pack has no chunk"))
}

/// The dictionary in the stored bytes of its pack's one chunk.
///
/// # Errors
/// Corrupt where they are not as [`write_dictionary`] wrote them.
pub fn read_dictionary(chunk: &ChunkEntry, stored: &[u8]) -> Result<Dictionary> {
    let mut bytes = vec![0; raw_bytes(chunk)?.min(Dictionary::READ_BYTES_MAX)];
    ChunkReader::new()?.read_hidden(DICTIONARY_CODEC, chunk, stored, &mut bytes)?;
    Dictionary::new(bytes)
}
