//! Chunks and their content into a manifest's facts.

use super::content::ContentHash;
use super::run::{PackSink, RunWriter};
use crate::chunk::{PackBorder, StoredChunk};
use crate::codec::Codec;
use crate::error::Result;
use crate::format::{CheckpointKind, Manifest, PackEntry, Run, RunKind};
use crate::id::{CheckpointId, Hash, Namespace, Time};

/// Takes a checkpoint's chunks in order, writes their packs and ends with the manifest's facts.
pub struct Assembler {
    kind: CheckpointKind,
    content: ContentHash,
    run: RunWriter,
    record_count: u64,
}

/// What a manifest says of its content, before it has a name and a place in a sequence.
pub struct CheckpointFacts {
    pub(super) kind: CheckpointKind,
    pub(super) base: Option<CheckpointId>,
    pub(super) content_sha256: Hash,
    pub(super) raw_bytes: u64,
    pub(super) record_count: u64,
    pub(super) page_bytes: Option<u32>,
    pub(super) runs: Vec<Run>,
}

impl Assembler {
    /// Assembles one full run.
    pub fn new(kind: CheckpointKind, codec: Codec, border: PackBorder) -> Self {
        Assembler {
            kind,
            content: ContentHash::new(kind),
            run: RunWriter::new(RunKind::Full, codec, border),
            record_count: 0,
        }
    }

    /// Says in which pack the dictionary is that the chunks are made with.
    pub fn set_dictionary(&mut self, pack: PackEntry) {
        self.run.dictionary = Some(pack);
    }

    /// Takes the next chunk: its stored form, and its raw form shaped as content.
    pub fn add(&mut self, stored: &StoredChunk, content: &[u8], sink: &mut dyn PackSink) -> Result<()> {
        self.content.update(content);
        self.run.add(stored, sink)?;
        self.record_count += u64::from(stored.record_count);
        Ok(())
    }

    /// Writes the last pack's index. `page_bytes` is the page size of an image.
    pub fn finish(self, page_bytes: Option<u32>, sink: &mut dyn PackSink) -> Result<CheckpointFacts> {
        let run = self.run.finish(sink)?;
        let (content_sha256, raw_bytes) = self.content.finish();
        Ok(CheckpointFacts {
            kind: self.kind,
            base: None,
            content_sha256,
            raw_bytes,
            record_count: self.record_count,
            page_bytes,
            runs: vec![run],
        })
    }
}

impl CheckpointFacts {
    /// SHA-256 of the content.
    pub fn content_sha256(&self) -> Hash {
        self.content_sha256
    }

    /// Size of what a restore writes.
    pub fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// The facts of a checkpoint with the content of `manifest`, which has its runs.
    pub fn same_as(manifest: &Manifest) -> Self {
        CheckpointFacts {
            kind: manifest.kind,
            base: manifest.base,
            content_sha256: manifest.content_sha256,
            raw_bytes: manifest.raw_bytes,
            record_count: manifest.record_count,
            page_bytes: manifest.page_bytes,
            runs: manifest.runs.clone(),
        }
    }

    /// The packs of the content, in order.
    pub fn content_packs(&self) -> impl Iterator<Item = &PackEntry> {
        self.runs.iter().filter(|run| run.kind != RunKind::Directory).flat_map(|run| &run.packs)
    }

    /// Every pack, the directory's and dictionaries' too, to say under which name it lies in its store.
    pub fn packs_mut(&mut self) -> impl Iterator<Item = &mut PackEntry> {
        self.runs.iter_mut().flat_map(|run| run.dictionary.iter_mut().chain(&mut run.packs))
    }

    /// Writes `chunks` as the directory of the image.
    pub fn add_directory(
        &mut self,
        chunks: &[StoredChunk],
        codec: Codec,
        border: PackBorder,
        sink: &mut dyn PackSink,
    ) -> Result<()> {
        let mut run = RunWriter::new(RunKind::Directory, codec, border);
        for chunk in chunks {
            run.add(chunk, sink)?;
        }
        self.runs.push(run.finish(sink)?);
        Ok(())
    }

    /// The manifest of these facts as checkpoint number `sequence` of `namespace`.
    pub fn manifest(self, namespace: Namespace, sequence: u64, created_at: Time) -> Manifest {
        let mut manifest = Manifest::new(namespace, sequence, self.kind, created_at, self.content_sha256);
        manifest.base = self.base;
        manifest.record_count = self.record_count;
        manifest.raw_bytes = self.raw_bytes;
        manifest.page_bytes = self.page_bytes;
        for run in self.runs {
            manifest.add_run(run);
        }
        manifest
    }
}
