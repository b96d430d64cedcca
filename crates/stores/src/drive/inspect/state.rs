//! What is in a state snapshot, read once from its start to its end.

use std::path::Path;

use dotctl_engine::Result;
use dotctl_engine::id::Time;
use dotctl_engine::state::{StateMeasure, StateReport};

use crate::drive::Progress;
use crate::entries::StateEntries;
use crate::input::{Compression, Input};

/// Entries between two messages about the progress.
const ENTRIES_PER_MESSAGE: u64 = 4_096;

/// Reports on the state entries in the file at `path` (`-` is stdin). Entries are expired that
/// expire before `now`.
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
    let mut waiting_bytes = 0;
    let outcome = loop {
        match entries.next() {
            Ok(Some(entry)) => {
                measure.add(entry);
                waiting_bytes += entry.text.len() as u64;
                if entry.number.is_multiple_of(ENTRIES_PER_MESSAGE) {
                    progress.advance(std::mem::take(&mut waiting_bytes));
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    progress.end();
    outcome.map(|()| measure.report())
}
