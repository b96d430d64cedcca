//! What has changed in an object since a checkpoint, into the next one.
//!
//! Of tables whose changes are tracked the rows are read that were touched, and nothing else. What cannot be tracked,
//! entries above all (a version of the class that does not watch them may have written some), is compared
//! as a whole; only what differs is stored.

use std::cmp::Ordering;
use std::collections::VecDeque;

use dotctl_engine::Result;
use dotctl_engine::checkpoint::{CheckpointFacts, DeltaAssembler, Foundation, RowChange, codec_setting};
use dotctl_engine::chunk::{ChunkSize, PackBorder};
use dotctl_engine::codec::Codec;
use dotctl_engine::format::{CheckpointKind, Manifest};
use dotctl_engine::rows::RowsSum;

use crate::base::BaseLines;
use crate::capture::Stretch;
use crate::chain::Places;
use crate::places::Spool;
use crate::rows::{Scan, TouchedScan};
use crate::storage::Storage;

/// A checkpoint of which the changes are being found.
pub struct Increment<'a> {
    stretches: VecDeque<Stretch>,
    base: BaseLines<'a>,
    assembler: DeltaAssembler<'a>,
}

/// What came of one step.
pub enum Step {
    /// There is more; so many bytes were looked at.
    More(usize),
    /// That was all.
    Ended,
    /// There are so many changes that a full checkpoint is due.
    Outgrown,
}

impl<'a> Increment<'a> {
    /// Changes in `stretches` of an object's keys, laid over `foundation`: all that `base` has.
    pub async fn new(
        places: &'a Places,
        base: &'a Manifest,
        foundation: &'a Foundation,
        stretches: VecDeque<Stretch>,
        chunk_size: ChunkSize,
    ) -> Result<Self> {
        let sum = RowsSum::resume(base.content_sha256, base.record_count, base.raw_bytes);
        let codec = codec_setting(CheckpointKind::Rows, Codec::Zstd, None)?;
        Ok(Increment {
            stretches,
            base: BaseLines::new(places, base).await?,
            assembler: DeltaAssembler::of_rows(foundation, sum, codec, chunk_size, PackBorder::FOLDER)?,
        })
    }

    /// Finds some more changes.
    pub async fn step(&mut self, storage: &Storage, spool: &mut Spool) -> Result<Step> {
        let taken = match self.stretches.front_mut() {
            None => return Ok(Step::Ended),
            Some(Stretch::Touched(scan)) => {
                touched(scan, storage, &mut self.base, &mut self.assembler, spool).await
            }
            Some(Stretch::Whole { low, high, scan }) => {
                let whole = whole(low, high, scan, storage, &mut self.base, &mut self.assembler, spool);
                whole.await
            }
        };
        match taken {
            Err(_) if self.assembler.outgrown => Ok(Step::Outgrown),
            Err(error) => Err(error),
            Ok(None) => {
                self.stretches.pop_front();
                Ok(Step::More(0))
            }
            Ok(Some(bytes)) => Ok(Step::More(bytes)),
        }
    }

    /// The facts of the whole.
    pub fn finish(self, spool: &mut Spool) -> Result<CheckpointFacts> {
        self.assembler.finish(None, spool)
    }
}

/// Takes what has become of some touched rows; none behind the last.
async fn touched(
    scan: &mut TouchedScan,
    storage: &Storage,
    base: &mut BaseLines<'_>,
    assembler: &mut DeltaAssembler<'_>,
    spool: &mut Spool,
) -> Result<Option<usize>> {
    let rows = scan.next_rows(storage)?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut bytes = 0;
    for (key, new) in &rows {
        let older = match base.seek(key.as_bytes()).await? {
            true => base.line().await?,
            false => None,
        };
        bytes += new.as_ref().map_or(0, Vec::len);
        let change = RowChange { key: key.as_bytes(), base: older, older, new: new.as_deref() };
        assembler.change(&change, spool)?;
    }
    Ok(Some(bytes))
}

/// Bytes of lines that are compared in one step.
const STEP_BYTES: usize = 256 << 10;

/// Compares some lines with those that the base has of the same stretch, `low` to `high`; none behind the last.
async fn whole(
    low: &mut Option<Vec<u8>>,
    high: &[u8],
    scan: &mut Scan,
    storage: &Storage,
    base: &mut BaseLines<'_>,
    assembler: &mut DeltaAssembler<'_>,
    spool: &mut Spool,
) -> Result<Option<usize>> {
    if let Some(low) = low.take() {
        base.seek(&low).await?;
        scan.advance(storage)?;
    }
    let mut bytes = 0;
    while bytes < STEP_BYTES {
        let old = base.line().await?;
        let old_key = old.map(dotctl_engine::state::line_key).transpose()?;
        let old_key = old_key.filter(|key| key.as_ref() < high);
        let new = scan.current();
        let order = match (&old_key, new) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some((new, _))) => old.as_ref().cmp(new),
        };
        let old = old_key.and(old);
        bytes += old.map_or(0, <[u8]>::len) + new.map_or(0, |(_, line)| line.len());
        let (old, new) = match order {
            Ordering::Less => (old, None),
            Ordering::Equal => (old, new),
            Ordering::Greater => (None, new),
        };
        if old != new.map(|(_, line)| line) {
            let key = match (old, new) {
                (_, Some((key, _))) => key.to_vec(),
                (Some(line), None) => dotctl_engine::state::line_key(line)?.into_owned(),
                (None, None) => Vec::new(),
            };
            let change = RowChange { key: &key, base: old, older: old, new: new.map(|(_, line)| line) };
            assembler.change(&change, spool)?;
        }
        if order != Ordering::Greater {
            base.pass();
        }
        if order != Ordering::Less {
            scan.advance(storage)?;
        }
    }
    Ok(Some(bytes))
}
