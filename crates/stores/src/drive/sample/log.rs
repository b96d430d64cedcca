//! A log's events, in chunks as a checkpoint's.

use dotctl_engine::Result;
use dotctl_engine::chunk::{ChunkSize, RawState, StateChunker};

use super::respool::Respool;
use super::{ChunkSource, Visit};
use crate::drive::events::each_event;

/// Bytes of a line by which chunks are told apart.
const KEY_BYTES: usize = 256;

pub struct LogChunks<'a> {
    source: &'a Respool,
    chunker: StateChunker,
}

impl<'a> LogChunks<'a> {
    pub fn new(source: &'a Respool, chunk_size: ChunkSize) -> Self {
        LogChunks { source, chunker: StateChunker::new(chunk_size) }
    }
}

impl ChunkSource for LogChunks<'_> {
    fn each(&mut self, wanted: Option<&[usize]>, visit: &mut Visit<'_>) -> Result<()> {
        let mut raw = RawState::default();
        let mut number = 0;
        let mut end_chunk = |raw: &mut RawState| -> Result<()> {
            let is_wanted = wanted.is_none_or(|wanted| wanted.binary_search(&number).is_ok());
            if is_wanted && !raw.ndjson.is_empty() {
                visit(number, &raw.first_key, &raw.ndjson, raw.record_count)?;
            }
            number += 1;
            raw.ndjson.clear();
            Ok(())
        };
        each_event(self.source.open()?, &mut |line| {
            let key = line.get(..KEY_BYTES).unwrap_or(line);
            if !self.chunker.push(&mut raw, key, line)? {
                end_chunk(&mut raw)?;
                self.chunker.push(&mut raw, key, line)?;
            }
            Ok(())
        })?;
        end_chunk(&mut raw)
    }
}
