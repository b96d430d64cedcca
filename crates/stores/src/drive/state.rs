//! Lines in the order of their keys, state entries or rows, into a checkpoint.

use dotctl_engine::Result;
use dotctl_engine::checkpoint::{Assembler, CheckpointFacts, PackSink, shape_content};
use dotctl_engine::chunk::{ChunkWriter, PackBorder, RawState, StateChunker, StoredChunk};
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

/// Reads every entry of `source`, which are in key order, into packs of a checkpoint of `kind`.
pub fn snapshot_lines(
    kind: CheckpointKind,
    source: &mut dyn EntrySource,
    setting: &SnapshotSetting,
    sink: &mut dyn PackSink,
    progress: &dyn Progress,
) -> Result<CheckpointFacts> {
    let workers = pipeline::worker_count();
    let chunker = StateChunker::new(setting.chunk_size);
    let mut assembler = Assembler::new(kind, setting.codec.codec(), PackBorder::FOLDER);
    let full_bytes = setting.chunk_size.bytes() as usize * 3 / 2;
    // An entry that did not fit its chunk begins the next one.
    let mut waiting = false;
    pipeline::run(
        workers,
        pipeline::slot_count(workers, setting.chunk_size.bytes()),
        |slot: &mut StateSlot| {
            slot.raw.ndjson.clear();
            while waiting || source.advance()? {
                let (key, text) = source.entry();
                waiting = !chunker.push(&mut slot.raw, key, text)?;
                if waiting {
                    break;
                }
                // Nothing fits behind it, and what comes next need not be in memory beside it.
                if slot.raw.ndjson.len() > full_bytes {
                    source.release();
                    break;
                }
            }
            Ok(!slot.raw.ndjson.is_empty())
        },
        || ChunkWriter::new(setting.codec),
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
