//! What is in a state snapshot, read once from its start to its end.

use std::path::Path;

use dotctl_engine::Result;
use dotctl_engine::id::Time;
use dotctl_engine::state::{StateMeasure, StateReport};

use crate::drive::Progress;
use crate::entries::StateEntries;
use crate::input::{Compression, Input};
use crate::pipeline::{self, Slot};

/// Bytes of entries handed on together; a larger one goes alone.
const BATCH_BYTES: usize = 256 * 1024;

/// Batches: one with the thread that reads, one with the thread that measures. More would take
/// too much memory where every entry is as large as entries can be.
const BATCHES: usize = 2;

/// Keys and texts of consecutive entries, end to end.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Bytes of each entry's key and text.
    lengths: Vec<(usize, usize)>,
}

impl Slot for Batch {
    fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

impl Batch {
    /// Takes entries until there are enough; says whether there were any.
    fn fill(&mut self, entries: &mut StateEntries) -> Result<bool> {
        self.bytes.clear();
        self.bytes.shrink_to(2 * BATCH_BYTES);
        self.lengths.clear();
        while self.bytes.len() < BATCH_BYTES {
            let Some(entry) = entries.next()? else {
                break;
            };
            self.bytes.extend_from_slice(entry.key);
            self.bytes.extend_from_slice(entry.text);
            self.lengths.push((entry.key.len(), entry.text.len()));
        }
        Ok(!self.lengths.is_empty())
    }

    fn measure(&self, measure: &mut StateMeasure) {
        let mut rest = &*self.bytes;
        for (key_bytes, text_bytes) in &self.lengths {
            let Some((key, after)) = rest.split_at_checked(*key_bytes) else {
                return;
            };
            let Some((text, after)) = after.split_at_checked(*text_bytes) else {
                return;
            };
            rest = after;
            measure.add(key, text);
        }
    }
}

/// Reports on the state entries in the file at `path` (`-` is stdin). Entries are expired that
/// expire before `now`. One thread reads and checks, another measures.
///
/// # Errors
/// The input's and the reader's, naming the source.
pub fn inspect_state(path: &Path, now: Time, progress: &dyn Progress) -> Result<StateReport> {
    let input = Input::open(path)?;
    // What is compressed or comes from a pipe does not say how much it is.
    let total_bytes = std::fs::metadata(path)
        .ok()
        .filter(|metadata| metadata.is_file() && input.compression() == Compression::None)
        .map(|metadata| metadata.len());
    let mut entries = StateEntries::new(input);
    let mut measure = StateMeasure::new(now);
    progress.begin("reading entries", total_bytes);
    let outcome = pipeline::run(
        1,
        BATCHES,
        |batch: &mut Batch| batch.fill(&mut entries),
        || Ok(()),
        |(), _| Ok(()),
        |batch| {
            batch.measure(&mut measure);
            progress.advance(batch.bytes.len() as u64);
            Ok(())
        },
    );
    progress.end();
    outcome.map(|()| measure.report())
}
