//! State entries, or events, out of a file or a pipe.

use std::path::Path;

use dotctl_engine::chunk::{RawState, StateChunker};
use dotctl_engine::state::{Order, OrderCheck};
use dotctl_engine::{Error, Result};

use super::log::LogChunks;
use super::respool::{Respool, sorted};
use super::{ChunkSource, SampleKind, SampleReport, SampleSetting, Visit, try_codecs};
use crate::drive::Progress;
use crate::entries::StateEntries;

/// Samples the state snapshot or event log at `path` (`-` is stdin). State that is not in key order is
/// sorted first, as a checkpoint of it is.
pub fn sample_file(
    path: &Path,
    setting: &SampleSetting<'_>,
    progress: &dyn Progress,
) -> Result<SampleReport> {
    let source = Respool::new(path, setting.scratch)?;
    match source.is_log()? {
        true => {
            let mut chunks = LogChunks::new(&source, setting.chunk_size);
            try_codecs(SampleKind::Log, &mut chunks, setting, progress).map(|(report, _)| report)
        }
        false => sample_state(&source, setting, progress),
    }
}

/// Samples state entries.
pub fn sample_state(
    source: &Respool,
    setting: &SampleSetting<'_>,
    progress: &dyn Progress,
) -> Result<SampleReport> {
    let mut chunks = StateChunks::new(source, setting);
    let outcome = try_codecs(SampleKind::State, &mut chunks, setting, progress);
    let (mut report, _) = match outcome {
        Err(_) if chunks.out_of_order => {
            progress.begin("sorting entries", None);
            let source = sorted(source, setting.scratch, progress);
            progress.end();
            let source = source?;
            let mut chunks = StateChunks::new(&source, setting);
            try_codecs(SampleKind::State, &mut chunks, setting, progress)?
        }
        outcome => outcome?,
    };
    // A restore writes one array: a comma or bracket for each line feed, and one bracket more.
    report.raw_bytes += if report.record_count == 0 { 2 } else { 1 };
    Ok(report)
}

struct StateChunks<'a> {
    source: &'a Respool,
    chunker: StateChunker,
    out_of_order: bool,
}

impl<'a> StateChunks<'a> {
    fn new(source: &'a Respool, setting: &SampleSetting<'_>) -> Self {
        StateChunks { source, chunker: StateChunker::new(setting.chunk_size), out_of_order: false }
    }
}

impl ChunkSource for StateChunks<'_> {
    fn each(&mut self, wanted: Option<&[usize]>, visit: &mut Visit<'_>) -> Result<()> {
        let mut entries = StateEntries::new(self.source.open()?);
        let mut check = OrderCheck::new();
        let mut raw = RawState::default();
        let mut wanted = wanted.map(|wanted| wanted.iter().copied().peekable());
        let mut number = 0;
        // Says whether there are chunks left to see.
        let mut end_chunk = |raw: &RawState, visit: &mut Visit<'_>| -> Result<bool> {
            let is_wanted = wanted.as_mut().is_none_or(|wanted| wanted.next_if_eq(&number).is_some());
            if is_wanted && !raw.ndjson.is_empty() {
                visit(number, &raw.first_key, &raw.ndjson, raw.record_count)?;
            }
            number += 1;
            Ok(wanted.as_mut().is_none_or(|wanted| wanted.peek().is_some()))
        };
        loop {
            let is_pushed = match entries.next()? {
                None => break,
                Some(entry) => {
                    if check.push(entry.key).map_err(|error| error.at(self.source.name()))?
                        == Order::OutOfOrder
                    {
                        self.out_of_order = true;
                        return Err(Error::unsupported("the entries are not in key order"));
                    }
                    self.chunker.push(&mut raw, entry.key, entry.text)?
                }
            };
            if !is_pushed {
                if !end_chunk(&raw, visit)? {
                    return Ok(());
                }
                raw.ndjson.clear();
                let entry = entries.entry();
                self.chunker.push(&mut raw, entry.key, entry.text)?;
            }
        }
        if !raw.ndjson.is_empty() {
            end_chunk(&raw, visit)?;
        }
        Ok(())
    }
}
