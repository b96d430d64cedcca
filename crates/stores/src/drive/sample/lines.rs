//! An event log's lines, in chunks as a checkpoint's.

use dotctl_engine::chunk::{ChunkSize, RawState, StateChunker};
use dotctl_engine::{Error, Result};

use super::respool::Respool;
use super::{ChunkSource, Visit};
use crate::input::Input;

/// The longest line that is taken.
const LINE_BYTES_MAX: usize = 16 << 20;

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
        each_line(self.source.open()?, &mut |line| {
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

/// Gives each line that is not empty, without its end.
fn each_line(mut input: Input, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut block = vec![0; 256 << 10];
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let bytes = input.read(&mut block)?;
        let mut new = block.get(..bytes).unwrap_or_default();
        while let Some(end) = new.iter().position(|byte| *byte == b'\n') {
            let (line, after) = new.split_at(end);
            rest.extend_from_slice(line);
            let line = rest.trim_ascii();
            if !line.is_empty() {
                visit(line)?;
            }
            rest.clear();
            new = after.get(1..).unwrap_or_default();
        }
        rest.extend_from_slice(new);
        if rest.len() > LINE_BYTES_MAX {
            return Err(Error::unsupported(format!("a line is longer than {LINE_BYTES_MAX} bytes"))
                .at(input.name().to_owned()));
        }
        if bytes == 0 {
            let line = rest.trim_ascii();
            return if line.is_empty() { Ok(()) } else { visit(line) };
        }
    }
}
