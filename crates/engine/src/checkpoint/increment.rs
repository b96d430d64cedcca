//! Changes and their content into a manifest's facts.

use super::assemble::CheckpointFacts;
use super::chain::Foundation;
use super::content::ContentHash;
use super::run::{PackSink, RunWriter};
use crate::chunk::{ChunkSize, ChunkWriter, PackBorder, StoredChunk};
use crate::codec::CodecSetting;
use crate::error::{Error, Result};
use crate::format::delta::RawDelta;
use crate::format::{CheckpointKind, RunKind};
use crate::rows::RowsSum;

/// A delta chunk aims at this part of the chunk size: a reader has one of each run in memory.
const CHUNK_SHARE: u32 = 4;

/// Joins what has changed in one piece after another into chunks. Where a chunk ends is decided by the
/// pieces alone, and compressing it by [`write_delta`] is up to the caller, so that many can do it at once.
#[derive(Debug)]
pub struct DeltaJoiner {
    waiting: RawDelta,
    chunk_bytes: usize,
}

impl DeltaJoiner {
    /// Joins into chunks for runs whose full chunks aim at `size`.
    pub fn new(size: ChunkSize) -> Self {
        DeltaJoiner { waiting: RawDelta::default(), chunk_bytes: chunk_bytes(size) }
    }

    /// Whether `changes` are as much as a chunk: then they become one, by themselves.
    pub fn is_chunk(changes: &RawDelta, size: ChunkSize) -> bool {
        changes.raw_bytes() >= chunk_bytes(size)
    }

    /// Takes the changes of the next piece, which are less than a chunk, and gives those before them if they
    /// are one now.
    pub fn add(&mut self, changes: &RawDelta) -> Option<RawDelta> {
        if changes.record_count() == 0 {
            return None;
        }
        let joined = self.waiting.raw_bytes().saturating_add(changes.raw_bytes());
        let full = if joined > self.chunk_bytes { self.end() } else { None };
        self.waiting.append(changes);
        full
    }

    /// What is waiting, if anything is: the next changes are a chunk by themselves, or there are none.
    pub fn end(&mut self) -> Option<RawDelta> {
        (self.waiting.record_count() > 0).then(|| std::mem::take(&mut self.waiting))
    }
}

/// Raw bytes that a delta chunk aims at.
fn chunk_bytes(size: ChunkSize) -> usize {
    (size.bytes() / CHUNK_SHARE) as usize
}

/// Takes a source piece by piece, with what has changed in it since its base, and writes the
/// changes as a delta run. What the checkpoint's content hashes to is taken over the source itself,
/// piece by piece, as if it were stored whole.
pub struct DeltaAssembler<'a> {
    kind: CheckpointKind,
    foundation: &'a Foundation,
    content: ContentHash,
    run: RunWriter,
    record_count: u64,
    /// Changes that are not yet a chunk.
    waiting: RawDelta,
    chunk_bytes: usize,
    writer: ChunkWriter,
    raw: Vec<u8>,
    stored: StoredChunk,
    stored_bytes: u64,
    /// Whether there was more than the foundation allows.
    pub outgrown: bool,
}

impl<'a> DeltaAssembler<'a> {
    /// Assembles changes to `foundation`.
    pub fn new(
        kind: CheckpointKind,
        foundation: &'a Foundation,
        codec: CodecSetting,
        size: ChunkSize,
        border: PackBorder,
    ) -> Result<Self> {
        let codec = codec.for_changes();
        Ok(DeltaAssembler {
            kind,
            foundation,
            content: ContentHash::new(kind),
            run: RunWriter::new(RunKind::Delta, codec.codec(), border),
            record_count: 0,
            waiting: RawDelta::default(),
            chunk_bytes: chunk_bytes(size),
            writer: ChunkWriter::new(codec)?,
            raw: Vec::new(),
            stored: StoredChunk::default(),
            stored_bytes: 0,
            outgrown: false,
        })
    }

    /// Assembles changes of single rows to `foundation`; `base`, which that was taken from, has rows that
    /// come to `sum`.
    pub fn of_rows(
        foundation: &'a Foundation,
        sum: RowsSum,
        codec: CodecSetting,
        size: ChunkSize,
        border: PackBorder,
    ) -> Result<Self> {
        let content = ContentHash::of_rows(sum);
        Ok(DeltaAssembler { content, ..Self::new(CheckpointKind::Rows, foundation, codec, size, border)? })
    }

    /// Takes what has become of one row. Keys ascend.
    pub fn change(&mut self, change: &RowChange<'_>, sink: &mut dyn PackSink) -> Result<()> {
        if change.base != change.new {
            self.content.replace(change.base, change.new);
        }
        if change.older == change.new {
            return Ok(());
        }
        // A large record begins a chunk: who looks for those before it has not to read it.
        if change.new.is_some_and(|new| new.len() >= self.chunk_bytes) {
            self.end_chunk(sink)?;
        }
        match change.new {
            Some(new) => self.waiting.put(change.key, change.older, new),
            None => self.waiting.remove(change.key),
        }
        if self.waiting.raw_bytes() >= self.chunk_bytes {
            self.end_chunk(sink)?;
        }
        self.check_size()
    }

    /// Takes the next piece of the source: how many records are in it, shaped as content.
    pub fn add_content(&mut self, content: &[u8], record_count: u64) {
        self.content.update(content);
        self.record_count += record_count;
    }

    /// Takes the next changes, as a chunk that [`write_delta`] has made at [`CodecSetting::for_changes`].
    pub fn add_chunk(&mut self, stored: &StoredChunk, sink: &mut dyn PackSink) -> Result<()> {
        self.stored_bytes += stored.bytes.len() as u64;
        self.run.add(stored, sink)?;
        self.check_size()
    }

    /// Takes the last changes, which were not enough for a chunk.
    pub fn add_rest(&mut self, changes: RawDelta) {
        self.waiting.append(&changes);
    }

    fn end_chunk(&mut self, sink: &mut dyn PackSink) -> Result<()> {
        if self.waiting.record_count() == 0 {
            return Ok(());
        }
        lay_out(&self.waiting, &mut self.raw, &mut self.stored)?;
        // A large record is needed in one place only.
        self.waiting.clear();
        self.waiting.shrink_to(2 * self.chunk_bytes);
        self.writer.write(&self.raw, &mut self.stored)?;
        self.raw.clear();
        self.raw.shrink_to(2 * self.chunk_bytes);
        self.stored_bytes += self.stored.bytes.len() as u64;
        self.run.add(&self.stored, sink)?;
        self.stored.bytes.clear();
        self.stored.bytes.shrink_to(2 * self.chunk_bytes);
        Ok(())
    }

    fn check_size(&mut self) -> Result<()> {
        if self.stored_bytes > self.foundation.delta_bytes_max {
            self.outgrown = true;
            return Err(Error::unsupported("the changes have outgrown what they are laid over"));
        }
        Ok(())
    }

    /// Writes what is left. `page_bytes` is the page size of an image.
    pub fn finish(mut self, page_bytes: Option<u32>, sink: &mut dyn PackSink) -> Result<CheckpointFacts> {
        self.end_chunk(sink)?;
        let run = self.run.finish(sink)?;
        let record_count = self.content.row_count().unwrap_or(self.record_count);
        let (content_sha256, raw_bytes) = self.content.finish();
        let mut runs = self.foundation.runs.clone();
        if !run.packs.is_empty() {
            runs.push(run);
        }
        let is_chain = runs.iter().any(|run| run.kind == RunKind::Delta);
        Ok(CheckpointFacts {
            kind: self.kind,
            base: is_chain.then_some(self.foundation.id),
            content_sha256,
            raw_bytes,
            record_count,
            page_bytes,
            runs,
        })
    }
}

/// What has become of a row, each version as its line without a line feed; none where there is no such row.
#[derive(Debug, Clone, Copy)]
pub struct RowChange<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// As the base has it.
    pub base: Option<&'a [u8]>,
    /// As the runs have it that the change is laid over: the same, unless some of the base's are left out.
    pub older: Option<&'a [u8]>,
    /// As it is now.
    pub new: Option<&'a [u8]>,
}

/// Turns `changes` into a stored chunk; `raw` is a buffer to reuse.
pub fn write_delta(
    writer: &mut ChunkWriter,
    changes: &RawDelta,
    raw: &mut Vec<u8>,
    stored: &mut StoredChunk,
) -> Result<()> {
    lay_out(changes, raw, stored)?;
    writer.write(raw, stored)
}

fn lay_out(changes: &RawDelta, raw: &mut Vec<u8>, stored: &mut StoredChunk) -> Result<()> {
    changes.write(raw);
    stored.first_key = changes.first_key()?;
    stored.record_count = changes.record_count();
    Ok(())
}
