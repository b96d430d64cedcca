//! Lines in the order of their keys, state entries or rows, into a checkpoint.

use std::collections::VecDeque;

use dotctl_engine::Result;
use dotctl_engine::checkpoint::{Assembler, CheckpointFacts, PackSink, shape_content, write_dictionary};
use dotctl_engine::chunk::{ChunkWriter, PackBorder, RawState, StateChunker, StoredChunk};
use dotctl_engine::codec::{Codec, Dictionary};
use dotctl_engine::format::CheckpointKind;

use super::SnapshotSetting;
use super::progress::Progress;
use crate::pipeline::{self, Slot};

/// Gives entries, of state or of rows, one after another, in key order.
pub trait EntrySource: Send {
    /// Moves to the next entry; says `false` when there is none.
    fn advance(&mut self) -> Result<bool>;

    /// The decoded key and the compact text of the entry that [`EntrySource::advance`] moved to.
    fn entry(&self) -> (&[u8], &[u8]);

    /// Says that the entry is not needed any more, so that memory for a large one may go.
    fn release(&mut self) {}
}

#[derive(Default)]
struct StateSlot {
    raw: RawState,
    stored: StoredChunk,
}

impl Slot for StateSlot {
    fn held_bytes(&self) -> usize {
        // What does not compress is stored in as many bytes.
        self.raw.ndjson.capacity() + self.stored.bytes.capacity().max(self.raw.ndjson.len())
    }
}

/// Bytes of lines that are held to make a dictionary of them: the first ones.
pub const TRAINING_BYTES: usize = 4 << 20;

/// Bytes of a line that a dictionary is made of, at most.
const TRAINING_LINE_BYTES: usize = 4096;

/// Puts entries into chunks.
struct Filler<'a> {
    source: &'a mut dyn EntrySource,
    chunker: StateChunker,
    /// From how many bytes on nothing fits behind what a chunk holds.
    full_bytes: usize,
    /// An entry that did not fit its chunk begins the next one.
    waiting: bool,
    /// Chunks that were filled to make a dictionary of them.
    ready: VecDeque<RawState>,
}

impl Filler<'_> {
    /// The next chunk; says `false` when there is none.
    fn fill(&mut self, raw: &mut RawState) -> Result<bool> {
        if let Some(ready) = self.ready.pop_front() {
            *raw = ready;
            return Ok(true);
        }
        raw.ndjson.clear();
        while self.waiting || self.source.advance()? {
            let (key, text) = self.source.entry();
            self.waiting = !self.chunker.push(raw, key, text)?;
            if self.waiting {
                break;
            }
            // Nothing fits behind it, and what comes next need not be in memory beside it.
            if raw.ndjson.len() > self.full_bytes {
                self.source.release();
                break;
            }
        }
        Ok(!raw.ndjson.is_empty())
    }

    /// A dictionary of the first entries, if that is worth one.
    fn train(&mut self) -> Result<Option<Dictionary>> {
        let (mut held_bytes, mut held) = (0, VecDeque::new());
        while held_bytes < TRAINING_BYTES {
            let mut raw = RawState::default();
            if !self.fill(&mut raw)? {
                break;
            }
            held_bytes += raw.ndjson.len();
            held.push_back(raw);
        }
        self.ready = held;
        train(self.ready.iter().map(|raw| raw.ndjson.as_slice()))
    }
}

/// A dictionary of these chunks, which are the first ones and [`TRAINING_BYTES`] together, or all.
pub fn train<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Result<Option<Dictionary>> {
    let lines = chunks.flat_map(|chunk| chunk.split_inclusive(|byte| *byte == b'\n'));
    let samples: Vec<&[u8]> = lines.map(|line| line.get(..TRAINING_LINE_BYTES).unwrap_or(line)).collect();
    Dictionary::train(&samples)
}

/// Reads every entry of `source`, which are in key order, into packs of a checkpoint of `kind`. A codec that
/// takes a dictionary takes `known`; [`Codec::Dictionary`] makes one where there is none.
pub fn snapshot_lines(
    kind: CheckpointKind,
    source: &mut dyn EntrySource,
    setting: &SnapshotSetting,
    known: Option<&Dictionary>,
    sink: &mut dyn PackSink,
    progress: &dyn Progress,
) -> Result<CheckpointFacts> {
    let workers = pipeline::worker_count();
    let chunker = StateChunker::new(setting.chunk_size);
    let full_bytes = setting.chunk_size.bytes() as usize * 3 / 2;
    let mut filler = Filler { source, chunker, full_bytes, waiting: false, ready: VecDeque::new() };
    let codec = setting.codec.codec();
    let dictionary = match known.filter(|_| codec.takes_dictionary()) {
        Some(known) => Some(known.clone()),
        None if codec == Codec::Dictionary => filler.train()?,
        None => None,
    };
    let mut assembler = Assembler::new(kind, setting.codec.codec(), PackBorder::FOLDER);
    if let Some(dictionary) = &dictionary {
        assembler.set_dictionary(write_dictionary(dictionary, sink)?);
    }
    pipeline::run(
        workers,
        pipeline::slot_count(workers, setting.chunk_size.bytes()),
        |slot: &mut StateSlot| filler.fill(&mut slot.raw),
        || {
            let mut writer = ChunkWriter::new(setting.codec)?;
            writer.set_dictionary(dictionary.as_ref())?;
            Ok(writer)
        },
        |writer, slot| {
            slot.stored.first_key.clone_from(&slot.raw.first_key);
            slot.stored.record_count = slot.raw.record_count;
            writer.write(&slot.raw.ndjson, &mut slot.stored)?;
            shape_content(kind, &mut slot.raw.ndjson);
            Ok(())
        },
        |slot| {
            assembler.add(&slot.stored, &slot.raw.ndjson, sink)?;
            progress.advance(slot.raw.ndjson.len() as u64);
            Ok(())
        },
    )?;
    assembler.finish(None, sink)
}
