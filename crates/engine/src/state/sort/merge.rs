//! Many sorted runs read as one.

use super::record::{HEAD_BYTES, Head, Record, prefix};
use crate::error::{Error, Result};
use crate::state::key::MAX_KEY_BYTES;
use crate::state::order::duplicate_key;
use std::cmp::Ordering;

/// Bytes that merging takes for each run at least: a record's head and key must fit.
pub const MIN_BLOCK_BYTES: usize = 128 * 1024;

/// Bytes for each run at most: more makes reading no faster.
const MAX_BLOCK_BYTES: usize = 1024 * 1024;

const _: () = assert!(HEAD_BYTES + MAX_KEY_BYTES + 2 <= MIN_BLOCK_BYTES);

/// A sorted run: a stretch of what a [`RunSource`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Its first byte.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Where runs are kept.
pub trait RunSource {
    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Whatever the machine says; also if there are fewer bytes.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()>;
}

/// One run's place in the merge.
#[derive(Debug)]
struct Cursor {
    block: Vec<u8>,
    /// Where the current record begins in the block.
    position: usize,
    /// Bytes of the block that hold the run's.
    filled: usize,
    /// Where the source continues behind the block's filled part.
    offset: u64,
    /// Where the run ends in the source.
    end: u64,
    /// The current record, unless the run is over. Its key is in the block, its text only if the
    /// block is large enough.
    head: Option<Head>,
    prefix: u64,
}

impl Cursor {
    fn record(&self) -> Record<'_> {
        let bytes = self.block.get(self.position..self.filled).unwrap_or_default();
        match &self.head {
            Some(head) => head.record(bytes),
            None => Record { key: &[], text: &[], number: 0 },
        }
    }

    /// Goes to the run's next record.
    fn advance(&mut self, source: &impl RunSource, shared: usize) -> Result<()> {
        if let Some(head) = self.head.take() {
            let next = self.position.saturating_add(head.text.end);
            // Behind the block, if the text was too large for it.
            let skipped = next.saturating_sub(self.filled);
            self.position = next.min(self.filled);
            self.offset = self.offset.saturating_add(skipped as u64);
        }
        if self.position == self.filled && self.offset >= self.end {
            return Ok(());
        }
        self.require(HEAD_BYTES, source)?;
        let bytes = self.block.get(self.position..self.filled).unwrap_or_default();
        let head = Head::read(bytes).ok_or_else(changed)?;
        let whole = head.text.end;
        let needed = if whole <= self.block.len() { whole } else { head.key.end };
        self.require(needed, source)?;
        self.head = Some(head);
        self.prefix = prefix(self.record().key, shared);
        Ok(())
    }

    /// Sees to it that `bytes` of the run are in the block from its position on.
    #[inline(always)]
    fn require(&mut self, bytes: usize, source: &impl RunSource) -> Result<()> {
        if self.filled - self.position >= bytes {
            return Ok(());
        }
        self.fill(source)?;
        if self.filled < bytes {
            return Err(changed());
        }
        Ok(())
    }

    fn fill(&mut self, source: &impl RunSource) -> Result<()> {
        self.block.copy_within(self.position..self.filled, 0);
        self.filled -= self.position;
        self.position = 0;
        let rest = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let until = self.filled.saturating_add(rest).min(self.block.len());
        if let Some(into) = self.block.get_mut(self.filled..until) {
            source.read_at(self.offset, into)?;
            self.offset = self.offset.saturating_add(into.len() as u64);
            self.filled = until;
        }
        Ok(())
    }
}

fn changed() -> Error {
    Error::corrupt("the temporary data of the sort changed while it was read")
}

/// Merges sorted runs into one sequence of records, and refuses keys that occur twice.
#[derive(Debug)]
pub struct RunMerge {
    cursors: Vec<Cursor>,
    /// A tournament of the cursors, which holds at each place the one that lost there.
    losers: Vec<usize>,
    winner: usize,
    shared: usize,
    started: bool,
    last_key: Vec<u8>,
    last_number: u64,
    /// The text of a record that is larger than a block.
    large: Vec<u8>,
}

/// No cursor has come to this place of the tournament yet.
const VACANT: usize = usize::MAX;

impl RunMerge {
    /// How many runs can be merged at once in `memory_bytes`.
    pub fn fan_in(memory_bytes: usize) -> usize {
        (memory_bytes / MIN_BLOCK_BYTES).max(2)
    }

    /// Begins to merge `runs` in `memory_bytes`, the current record's text not counted where it is
    /// larger than a block. All keys share their first `shared` bytes.
    ///
    /// # Errors
    /// The source's.
    pub fn new(source: &impl RunSource, runs: &[Run], memory_bytes: usize, shared: usize) -> Result<Self> {
        let block_bytes =
            memory_bytes.checked_div(runs.len()).unwrap_or(0).clamp(MIN_BLOCK_BYTES, MAX_BLOCK_BYTES);
        let mut cursors = Vec::with_capacity(runs.len());
        for run in runs {
            let run_bytes = usize::try_from(run.bytes).unwrap_or(usize::MAX);
            let mut cursor = Cursor {
                block: vec![0; block_bytes.min(run_bytes)],
                position: 0,
                filled: 0,
                offset: run.offset,
                end: run.offset.saturating_add(run.bytes),
                head: None,
                prefix: 0,
            };
            cursor.advance(source, shared)?;
            cursors.push(cursor);
        }
        let mut merge = RunMerge {
            losers: vec![VACANT; cursors.len()],
            cursors,
            winner: 0,
            shared,
            started: false,
            last_key: Vec::new(),
            last_number: 0,
            large: Vec::new(),
        };
        for contender in 0..merge.cursors.len() {
            merge.play(contender);
        }
        Ok(merge)
    }

    /// Lets `contender` play its way up; whoever arrives is the winner.
    fn play(&mut self, mut contender: usize) {
        let mut place = (contender + self.cursors.len()) / 2;
        while place > 0 {
            let Some(opponent) = self.losers.get(place).copied() else {
                return;
            };
            if opponent == VACANT {
                if let Some(loser) = self.losers.get_mut(place) {
                    *loser = contender;
                }
                return;
            }
            if self.comes_before(opponent, contender) {
                if let Some(loser) = self.losers.get_mut(place) {
                    *loser = contender;
                }
                contender = opponent;
            }
            place /= 2;
        }
        self.winner = contender;
    }

    #[inline(always)]
    fn comes_before(&self, one: usize, other: usize) -> bool {
        let (Some(first), Some(second)) = (self.cursors.get(one), self.cursors.get(other)) else {
            return false;
        };
        match (&first.head, &second.head) {
            (Some(_), Some(_)) => match first.prefix.cmp(&second.prefix) {
                Ordering::Equal => (first.record().key, one) < (second.record().key, other),
                order => order == Ordering::Less,
            },
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// The next record in key order. `source` must be the one that the merge began with.
    ///
    /// # Errors
    /// Malformed, if its key was there before; the source's.
    pub fn next(&mut self, source: &impl RunSource) -> Result<Option<Record<'_>>> {
        let started = self.started;
        if started && let Some(cursor) = self.cursors.get_mut(self.winner) {
            cursor.advance(source, self.shared)?;
            self.play(self.winner);
        }
        let Some(cursor) = self.cursors.get(self.winner) else {
            return Ok(None);
        };
        let Some(head) = &cursor.head else {
            return Ok(None);
        };
        let record = cursor.record();
        if started && self.last_key == record.key {
            return Err(duplicate_key(record.key, self.last_number, record.number));
        }
        self.started = true;
        self.last_key.clear();
        self.last_key.extend_from_slice(record.key);
        self.last_number = record.number;
        if head.text.end > cursor.block.len() {
            let behind = (cursor.filled - cursor.position) as u64;
            let offset = cursor.offset - behind + head.text.start as u64;
            self.large.resize(head.text.len(), 0);
            source.read_at(offset, &mut self.large)?;
        } else if self.large.capacity() > 0 {
            self.large = Vec::new();
        }
        Ok(self.record())
    }

    /// Gives up the memory of the last record's text, if that is larger than a block: it is empty until the next.
    pub fn release(&mut self) {
        self.large = Vec::new();
    }

    /// The record that [`next`](Self::next) gave last.
    pub fn record(&self) -> Option<Record<'_>> {
        let cursor = self.cursors.get(self.winner)?;
        let head = cursor.head.as_ref()?;
        let mut record = cursor.record();
        if head.text.end > cursor.block.len() {
            record.text = &self.large;
        }
        Some(record)
    }
}
