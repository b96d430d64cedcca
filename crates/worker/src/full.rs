//! A full checkpoint: all lines into chunks and packs.

use dotctl_engine::Result;
use dotctl_engine::checkpoint::{Assembler, CheckpointFacts, codec_setting, shape_content};
use dotctl_engine::chunk::{ChunkSize, ChunkWriter, PackBorder, RawState, StateChunker, StoredChunk};
use dotctl_engine::codec::Codec;
use dotctl_engine::format::CheckpointKind;

use crate::places::Spool;
use crate::rows::Scan;
use crate::storage::Storage;

/// Bytes of a buffer that are kept for the next chunk.
const KEPT_BYTES: usize = 2 << 20;

/// A line of as many bytes gets just the room that it needs.
const LARGE_BYTES: usize = 256 << 10;

/// A full checkpoint of which some chunks are made.
pub struct Full {
    scan: Scan,
    chunker: StateChunker,
    raw: RawState,
    /// Whether the scan's line is not in a chunk yet.
    waiting: bool,
    writer: ChunkWriter,
    stored: StoredChunk,
    assembler: Assembler,
}

impl Full {
    /// Of what `scan` gives.
    pub fn new(scan: Scan, chunk_size: ChunkSize) -> Result<Self> {
        let setting = codec_setting(CheckpointKind::Rows, Codec::Zstd, None)?;
        Ok(Full {
            scan,
            chunker: StateChunker::new(chunk_size),
            raw: RawState::default(),
            waiting: false,
            writer: ChunkWriter::new(setting)?,
            stored: StoredChunk::default(),
            assembler: Assembler::new(CheckpointKind::Rows, Codec::Zstd, PackBorder::FOLDER),
        })
    }

    /// Makes the next chunk, and gives its raw bytes; none behind the last one.
    pub fn step(&mut self, storage: &Storage, spool: &mut Spool) -> Result<Option<usize>> {
        self.raw.ndjson.clear();
        self.raw.ndjson.shrink_to(KEPT_BYTES);
        while self.waiting || self.scan.advance(storage)? {
            let (key, line) = self.scan.line();
            // A large line would double what is there.
            self.raw.ndjson.reserve_exact(if line.len() > LARGE_BYTES { line.len() + 1 } else { 0 });
            self.waiting = !self.chunker.push(&mut self.raw, key, line)?;
            // Behind a large line, the next one needs not be in memory yet.
            if self.waiting || self.chunker.is_full(&self.raw) {
                break;
            }
        }
        if self.raw.ndjson.is_empty() {
            return Ok(None);
        }
        if !self.waiting {
            self.scan.release();
        }
        self.stored.first_key.clone_from(&self.raw.first_key);
        self.stored.record_count = self.raw.record_count;
        self.writer.write(&self.raw.ndjson, &mut self.stored)?;
        shape_content(CheckpointKind::Rows, &mut self.raw.ndjson);
        self.assembler.add(&self.stored, &self.raw.ndjson, spool)?;
        Ok(Some(self.raw.ndjson.len()))
    }

    /// The facts of the whole.
    pub fn finish(self, spool: &mut Spool) -> Result<CheckpointFacts> {
        self.assembler.finish(None, spool)
    }
}
