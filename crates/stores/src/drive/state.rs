//! State entries into a checkpoint.

use dotctl_engine::Result;
use dotctl_engine::checkpoint::{Assembler, CheckpointFacts, PackSink, StateForm};
use dotctl_engine::chunk::{ChunkWriter, PackBorder, RawState, StateChunker};
use dotctl_engine::format::CheckpointKind;

use super::SnapshotSetting;
use super::progress::Progress;
use crate::pipeline::{self, Slot};
use dotctl_engine::chunk::StoredChunk;

/// Gives state entries, one after another.
pub trait EntrySource: Send {
    /// Hands the next entry's decoded key and compact text to `take`, until there is none.
    /// `take` says `false` when it wants the same entry again at the next call.
    fn next(&mut self, take: &mut dyn FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<Ordered>;
}

/// What a source of entries came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordered {
    /// `take` refused the last entry; there are more.
    More,
    /// That was all.
    End,
}

#[derive(Default)]
struct StateSlot {
    raw: RawState,
    stored: StoredChunk,
}

impl Slot for StateSlot {
    fn held_bytes(&self) -> usize {
        self.raw.ndjson.capacity() + self.stored.bytes.capacity()
    }
}

/// Reads every entry of `source`, which are in key order, into packs.
pub fn snapshot_state(
    source: &mut dyn EntrySource,
    setting: &SnapshotSetting,
    sink: &mut dyn PackSink,
    progress: &dyn Progress,
) -> Result<CheckpointFacts> {
    let workers = pipeline::worker_count();
    let chunker = StateChunker::new(setting.chunk_size);
    let mut assembler = Assembler::new(CheckpointKind::State, setting.codec.codec(), PackBorder::FOLDER);
    let mut ended = false;
    pipeline::run(
        workers,
        pipeline::slot_count(workers, setting.chunk_size.bytes()),
        |slot: &mut StateSlot| {
            slot.raw.ndjson.clear();
            if !ended {
                let outcome = source.next(&mut |key, text| chunker.push(&mut slot.raw, key, text))?;
                ended = outcome == Ordered::End;
            }
            Ok(!slot.raw.ndjson.is_empty())
        },
        || ChunkWriter::new(setting.codec),
        |writer, slot| {
            slot.stored.first_key.clone_from(&slot.raw.first_key);
            slot.stored.record_count = slot.raw.record_count;
            writer.write(&slot.raw.ndjson, &mut slot.stored)?;
            StateForm::Array.shape(&mut slot.raw.ndjson);
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
