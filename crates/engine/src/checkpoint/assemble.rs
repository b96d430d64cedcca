//! Chunks into packs, packs into a manifest.

use sha2::{Digest, Sha256};

use super::content::ContentHash;
use crate::chunk::{PackBorder, StoredChunk};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::format::{CheckpointKind, ChunkEntry, Manifest, PackEntry, PackHeader, PackIndex, Run, RunKind};
use crate::id::{Hash, Namespace, Time};

/// Where packs go while they are written. Bytes arrive in order; `seal` says that the pack is
/// whole and what it is called.
pub trait PackSink {
    /// Appends to the pack being written, or begins one.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Ends the pack being written.
    fn seal(&mut self, pack: &PackEntry) -> Result<()>;
}

/// Takes a checkpoint's chunks in order, writes their packs and ends with the manifest's facts.
pub struct Assembler {
    kind: CheckpointKind,
    codec: Codec,
    border: PackBorder,
    content: ContentHash,
    pack: Option<OpenPack>,
    packs: Vec<PackEntry>,
    record_count: u64,
}

struct OpenPack {
    sha256: Sha256,
    stored_bytes: u64,
    index: PackIndex,
    /// Bytes of the index's entries so far.
    entry_bytes: usize,
}

/// What a manifest says of its content, before it has a name and a place in a sequence.
pub struct CheckpointFacts {
    kind: CheckpointKind,
    content_sha256: Hash,
    raw_bytes: u64,
    record_count: u64,
    page_bytes: Option<u32>,
    run: Run,
}

impl Assembler {
    /// Assembles one full run.
    pub fn new(kind: CheckpointKind, codec: Codec, border: PackBorder) -> Self {
        Assembler {
            kind,
            codec,
            border,
            content: ContentHash::new(kind),
            pack: None,
            packs: Vec::new(),
            record_count: 0,
        }
    }

    /// Takes the next chunk: its stored form, and its raw form shaped as content.
    pub fn add(&mut self, stored: &StoredChunk, content: &[u8], sink: &mut dyn PackSink) -> Result<()> {
        self.content.update(content);
        let chunk_bytes = stored.bytes.len() as u64;
        let entry_bytes = PackIndex::entry_bytes(&stored.first_key);
        let full = self.pack.as_ref().is_some_and(|pack| {
            pack.entry_bytes + entry_bytes > PackIndex::ENTRY_BYTES_MAX
                || self.border.ends_before(pack.stored_bytes, stored.first_key.as_bytes(), chunk_bytes)
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
        self.record_count += u64::from(stored.record_count);
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
        };
        sink.seal(&entry)?;
        self.packs.push(entry);
        Ok(())
    }

    /// Writes the last pack's index. `page_bytes` is the page size of an image.
    pub fn finish(mut self, page_bytes: Option<u32>, sink: &mut dyn PackSink) -> Result<CheckpointFacts> {
        self.seal(sink)?;
        let (content_sha256, raw_bytes) = self.content.finish();
        Ok(CheckpointFacts {
            kind: self.kind,
            content_sha256,
            raw_bytes,
            record_count: self.record_count,
            page_bytes,
            run: Run { kind: RunKind::Full, codec: self.codec, packs: self.packs },
        })
    }
}

impl CheckpointFacts {
    /// SHA-256 of the content.
    pub fn content_sha256(&self) -> Hash {
        self.content_sha256
    }

    /// The packs, in order.
    pub fn packs(&self) -> &[PackEntry] {
        &self.run.packs
    }

    /// The manifest of these facts as checkpoint number `sequence` of `namespace`.
    pub fn manifest(self, namespace: Namespace, sequence: u64, created_at: Time) -> Manifest {
        let mut manifest = Manifest::new(namespace, sequence, self.kind, created_at, self.content_sha256);
        manifest.record_count = self.record_count;
        manifest.raw_bytes = self.raw_bytes;
        manifest.page_bytes = self.page_bytes;
        manifest.runs = vec![self.run];
        manifest
    }
}
