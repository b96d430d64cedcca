//! What has changed in pieces that several threads compare, as chunks in order.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use dotctl_engine::Result;
use dotctl_engine::checkpoint::{DeltaJoiner, write_delta};
use dotctl_engine::chunk::{ChunkSize, ChunkWriter, StoredChunk};
use dotctl_engine::format::delta::RawDelta;

use super::SnapshotSetting;

/// Brings the pieces' changes into order and joins them into chunks. Whoever brings the next piece in order
/// joins those that came before their turn, too, and compresses what is a chunk then: outside of the lock, and not
/// on the thread that hashes the content.
pub struct Joined {
    chunk_size: ChunkSize,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    joiner: DeltaJoiner,
    /// The number of the piece whose turn it is.
    next: u64,
    /// Changes whose turn has not come, at most one for each slot.
    early: BTreeMap<u64, Changes>,
}

/// What has changed in a piece.
enum Changes {
    /// Less than a chunk.
    Raw(RawDelta),
    /// A chunk by itself.
    Stored(StoredChunk),
}

/// What a thread needs to make chunks of changes.
pub struct DeltaTools {
    writer: ChunkWriter,
    raw: Vec<u8>,
}

impl DeltaTools {
    pub fn new(setting: &SnapshotSetting) -> Result<Self> {
        Ok(DeltaTools { writer: ChunkWriter::new(setting.codec.for_changes())?, raw: Vec::new() })
    }

    fn store(&mut self, changes: &RawDelta) -> Result<StoredChunk> {
        let mut stored = StoredChunk::default();
        write_delta(&mut self.writer, changes, &mut self.raw, &mut stored)?;
        Ok(stored)
    }
}

impl Joined {
    pub fn new(setting: &SnapshotSetting) -> Self {
        let joiner = DeltaJoiner::new(setting.chunk_size);
        let waiting = Waiting { joiner, next: 0, early: BTreeMap::new() };
        Joined { chunk_size: setting.chunk_size, waiting: Mutex::new(waiting) }
    }

    /// Takes the changes of the piece with `number`, and adds the chunks that are whole by now to those of
    /// that piece. They follow those that earlier pieces have been given, and the last is given before the
    /// last piece is done; what is left then, [`Joined::finish`] gives.
    pub fn add(
        &self,
        number: u64,
        changes: &mut RawDelta,
        tools: &mut DeltaTools,
        chunks: &mut Vec<StoredChunk>,
    ) -> Result<()> {
        chunks.clear();
        let changes = match DeltaJoiner::is_chunk(changes, self.chunk_size) {
            true => Changes::Stored(tools.store(changes)?),
            false => Changes::Raw(std::mem::take(changes)),
        };
        for whole in self.turn(number, changes) {
            chunks.push(match whole {
                Changes::Raw(changes) => tools.store(&changes)?,
                Changes::Stored(stored) => stored,
            });
        }
        Ok(())
    }

    /// The chunks that are whole once the piece with `number` is there.
    fn turn(&self, number: u64, changes: Changes) -> Vec<Changes> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.early.insert(number, changes);
        let mut whole = Vec::new();
        while let Some(changes) = {
            let next = waiting.next;
            waiting.early.remove(&next)
        } {
            waiting.next += 1;
            match changes {
                Changes::Raw(changes) => whole.extend(waiting.joiner.add(&changes).map(Changes::Raw)),
                Changes::Stored(stored) => {
                    whole.extend(waiting.joiner.end().map(Changes::Raw));
                    whole.push(Changes::Stored(stored));
                }
            }
        }
        whole
    }

    /// What is left when all pieces are done.
    pub fn finish(self) -> RawDelta {
        let mut waiting = self.waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
        waiting.joiner.end().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use dotctl_engine::checkpoint::ChainPolicy;
    use dotctl_engine::codec::{Codec, CodecSetting};
    use dotctl_engine::id::{Namespace, Time};

    use super::*;
    use crate::pipeline::{self, Slot};

    fn setting() -> SnapshotSetting {
        SnapshotSetting {
            namespace: Namespace::new("joined").unwrap(),
            created_at: Time::from_unix_ms(0).unwrap(),
            codec: CodecSetting::new(Codec::Zstd, 1).unwrap(),
            chunk_size: ChunkSize::new(64 << 10).unwrap(),
            chain: ChainPolicy::DEFAULT,
        }
    }

    /// Changes from none to a few times as much as a chunk aims at, which is 16 KiB.
    fn changes(piece: u64, into: &mut RawDelta) {
        into.clear();
        for record in 0..piece * 7919 % 97 * (piece % 5) {
            let text =
                format!("{record} of {piece} {}", (piece ^ record).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            into.put(&[piece.to_be_bytes(), record.to_be_bytes()].concat(), None, text.repeat(3).as_bytes());
        }
    }

    const PIECES: u64 = 400;

    /// By one thread, one after the other, as the format of a run is decided.
    fn one_by_one() -> Vec<StoredChunk> {
        let (setting, mut tools) = (setting(), DeltaTools::new(&setting()).unwrap());
        let mut joiner = DeltaJoiner::new(setting.chunk_size);
        let (mut chunks, mut delta) = (Vec::new(), RawDelta::default());
        for piece in 0..PIECES {
            changes(piece, &mut delta);
            let (whole, own) = match DeltaJoiner::is_chunk(&delta, setting.chunk_size) {
                true => (joiner.end(), Some(&delta)),
                false => (joiner.add(&delta), None),
            };
            chunks.extend(whole.iter().chain(own).map(|delta| tools.store(delta).unwrap()));
        }
        chunks.extend(joiner.end().map(|delta| tools.store(&delta).unwrap()));
        chunks
    }

    #[derive(Default)]
    struct PieceSlot {
        number: u64,
        changes: RawDelta,
        chunks: Vec<StoredChunk>,
    }

    impl Slot for PieceSlot {
        fn held_bytes(&self) -> usize {
            self.changes.held_bytes()
        }
    }

    /// By so many threads, which are not equally fast.
    fn at_once(workers: usize) -> Vec<StoredChunk> {
        let setting = setting();
        let (joined, mut count, mut chunks) = (Joined::new(&setting), 0, Vec::new());
        pipeline::run(
            workers,
            workers * 2 + 1,
            |slot: &mut PieceSlot| {
                slot.number = count;
                count += 1;
                Ok(slot.number < PIECES)
            },
            || DeltaTools::new(&setting),
            |tools, slot| {
                changes(slot.number, &mut slot.changes);
                std::thread::sleep(Duration::from_micros(slot.number * 31 % 7 * 150));
                joined.add(slot.number, &mut slot.changes, tools, &mut slot.chunks)
            },
            |slot| {
                chunks.append(&mut slot.chunks);
                Ok(())
            },
        )
        .unwrap();
        let rest = joined.finish();
        if rest.record_count() > 0 {
            chunks.push(DeltaTools::new(&setting).unwrap().store(&rest).unwrap());
        }
        chunks
    }

    #[test]
    fn chunks_do_not_depend_on_the_number_of_threads() {
        let shape = |chunks: Vec<StoredChunk>| -> Vec<_> {
            chunks.into_iter().map(|chunk| (chunk.sha256, chunk.record_count, chunk.first_key)).collect()
        };
        let expected = shape(one_by_one());
        // Both those of a piece alone and joined ones.
        assert!((50..PIECES as usize * 3 / 4).contains(&expected.len()), "{}", expected.len());
        for workers in [0, 1, 2, 5, 8] {
            assert_eq!(shape(at_once(workers)), expected, "{workers} threads");
        }
    }
}
