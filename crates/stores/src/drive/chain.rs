//! The runs of a checkpoint as one, piece by piece: each lies in one chunk of every run.

use std::sync::{Arc, Mutex, PoisonError};

use dotctl_engine::checkpoint::{KeyRange, RunMerge, merge_lines, merge_pages, page_number};
use dotctl_engine::chunk::{ChunkReader, ChunkSize};
use dotctl_engine::format::delta::DeltaChunk;
use dotctl_engine::format::{CheckpointKind, RecordKey, Run};
use dotctl_engine::{Error, Result};

use super::chunks::{ChunkPlan, RunReader, check_end};
use crate::buffer::AlignedBuffer;
use crate::store::Store;

/// Goes through a full run and the delta runs over it.
pub struct ChainReader<'a> {
    /// The full run's first.
    cursors: Vec<Cursor<'a>>,
    low: Option<Vec<u8>>,
}

struct Cursor<'a> {
    chunks: RunReader<'a>,
    current: Option<Arc<SharedChunk>>,
    next: Option<ChunkPlan>,
}

/// A chunk that several pieces may lie in.
struct SharedChunk {
    plan: ChunkPlan,
    /// Decoded by who needs it first, where it is of a delta run: far more pieces lie in one of its
    /// chunks than in the full run's.
    delta: Mutex<Option<Arc<DeltaChunk>>>,
}

/// A stretch of keys with what the runs have of it.
pub struct Piece {
    /// Its keys.
    pub range: KeyRange,
    full: Option<Arc<SharedChunk>>,
    deltas: Vec<Arc<SharedChunk>>,
}

/// What a thread needs to read pieces.
pub struct PieceTools {
    reader: ChunkReader,
    stored: Vec<u8>,
    raw: AlignedBuffer,
}

impl PieceTools {
    /// Tools for every kind of piece.
    pub fn new() -> Result<Self> {
        Ok(PieceTools { reader: ChunkReader::new()?, stored: Vec::new(), raw: AlignedBuffer::default() })
    }
}

impl<'a> ChainReader<'a> {
    /// Reads `runs`, a full one and delta runs, out of `store`.
    pub fn new(
        store: &'a dyn Store,
        kind: CheckpointKind,
        runs: impl Iterator<Item = &'a Run>,
    ) -> Result<Self> {
        let cursor = |run| {
            let mut chunks = RunReader::new(store, run);
            Ok(Cursor { next: chunks.next_chunk()?, chunks, current: None })
        };
        let low = match kind {
            CheckpointKind::State | CheckpointKind::Rows => Vec::new(),
            CheckpointKind::Image => RecordKey::page(1).as_bytes().to_vec(),
        };
        Ok(ChainReader { cursors: runs.map(cursor).collect::<Result<_>>()?, low: Some(low) })
    }

    /// The next piece; the last one has all keys from its first on.
    pub fn next_piece(&mut self) -> Result<Option<Piece>> {
        let Some(low) = self.low.take() else {
            return Ok(None);
        };
        for cursor in &mut self.cursors {
            while let Some(plan) =
                cursor.next.take_if(|next| next.entry().first_key.as_bytes() <= low.as_slice())
            {
                cursor.current = Some(Arc::new(SharedChunk { plan, delta: Mutex::default() }));
                cursor.next = cursor.chunks.next_chunk()?;
            }
        }
        let nexts = self.cursors.iter().filter_map(|cursor| cursor.next.as_ref());
        let high = nexts.map(|plan| &plan.entry().first_key).min().map(|key| key.as_bytes().to_vec());
        self.low.clone_from(&high);
        let mut current = self.cursors.iter().map(|cursor| cursor.current.clone());
        let full = current.next().flatten();
        let deltas = current.flatten().collect();
        Ok(Some(Piece { range: KeyRange { low, high }, full, deltas }))
    }
}

impl SharedChunk {
    fn delta(&self, tools: &mut PieceTools) -> Result<Arc<DeltaChunk>> {
        let mut decoded = self.delta.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(delta) = &*decoded {
            return Ok(delta.clone());
        }
        self.plan.read(&mut tools.reader, &mut tools.stored, &mut tools.raw, 0)?;
        let delta = DeltaChunk::read(tools.raw.to_vec(), self.plan.entry().record_count)
            .and_then(|delta| match delta.key(0) == self.plan.entry().first_key.as_bytes() {
                true => Ok(Arc::new(delta)),
                false => Err(Error::corrupt("the delta chunk and its index contradict each other")),
            })
            .map_err(|error| error.at(self.plan.location()))?;
        Ok(decoded.insert(delta).clone())
    }
}

impl Piece {
    /// The keys of it below `end`, as a piece of its own; this one keeps the rest.
    pub fn split_before(&mut self, end: &[u8]) -> Piece {
        let high = Some(end.to_vec());
        let low = std::mem::replace(&mut self.range.low, end.to_vec());
        Piece { range: KeyRange { low, high }, full: self.full.clone(), deltas: self.deltas.clone() }
    }

    /// Raw bytes of the full run's chunk that it lies in.
    pub fn full_bytes(&self) -> usize {
        self.full.as_ref().map_or(0, |chunk| chunk.plan.raw_bytes() as usize)
    }

    fn decoded(&self, tools: &mut PieceTools) -> Result<Vec<Arc<DeltaChunk>>> {
        self.deltas.iter().map(|chunk| chunk.delta(tools)).collect()
    }

    fn place(&self, error: Error) -> Error {
        match self.deltas.last().or(self.full.as_ref()) {
            Some(chunk) if error.place().is_none() => error.at(chunk.plan.location()),
            _ => error,
        }
    }

    /// Its entries, one a line, over what is in `into`.
    pub fn lines(&self, tools: &mut PieceTools, into: &mut Vec<u8>) -> Result<()> {
        let deltas = self.decoded(tools)?;
        match &self.full {
            Some(full) => {
                full.plan.read(&mut tools.reader, &mut tools.stored, &mut tools.raw, 0)?;
                check_end(CheckpointKind::State, &tools.raw)
                    .map_err(|error| error.at(full.plan.location()))?;
            }
            None => tools.raw.set_length(0, 0),
        }
        let mut merge = RunMerge::new(deltas.iter().map(AsRef::as_ref), &self.range);
        merge_lines(&tools.raw, &mut merge, &self.range, into).map_err(|error| self.place(error))
    }

    /// Its pages, over what is in `into`, which is placed for where they are in the database; gives
    /// their number. `into` may be longer than they are.
    pub fn pages(&self, tools: &mut PieceTools, page_bytes: u32, into: &mut AlignedBuffer) -> Result<usize> {
        self.try_pages(tools, page_bytes, into).map_err(|error| self.place(error))
    }

    fn try_pages(&self, tools: &mut PieceTools, page_bytes: u32, into: &mut AlignedBuffer) -> Result<usize> {
        let wrong = || Error::corrupt("a chunk of an image begins with no page's number");
        let first = page_number(&self.range.low)?;
        let page_bytes = page_bytes as usize;
        let deltas = self.decoded(tools)?;
        let mut merge = RunMerge::new(deltas.iter().map(AsRef::as_ref), &self.range);
        let changed = match merge.last_key() {
            Some(key) => page_number(key)?.checked_sub(first).ok_or_else(wrong)? as usize + 1,
            None => 0,
        };
        let end = self.range.high.as_deref().map(page_number).transpose()?;
        let limit = end.map_or(usize::MAX, |end| end.saturating_sub(first) as usize);
        let (mut skipped, mut count) = (0, 0);
        if let Some(full) = &self.full {
            let begin = full.plan.entry().first_key.page_number().ok_or_else(wrong)?;
            skipped = first.checked_sub(begin).ok_or_else(wrong)? as usize;
            let there = full.plan.raw_bytes() as usize / page_bytes;
            count = there.saturating_sub(skipped).min(limit);
        }
        let needed = count.max(changed);
        let needed_bytes = needed.saturating_mul(page_bytes);
        if needed_bytes > ChunkSize::READ_BYTES_MAX as usize {
            return Err(Error::corrupt("the changed pages leave a gap in the image"));
        }
        let offset = u64::from(first).saturating_sub(1) * page_bytes as u64;
        match &self.full {
            Some(full) if count > 0 => {
                if skipped == 0 && needed_bytes == full.plan.raw_bytes() as usize {
                    full.plan.read(&mut tools.reader, &mut tools.stored, into, offset)?;
                } else {
                    full.plan.read(&mut tools.reader, &mut tools.stored, &mut tools.raw, 0)?;
                    into.set_length(needed_bytes, offset);
                    let pages = tools.raw.get(skipped * page_bytes..(skipped + count) * page_bytes);
                    if let Some((pages, into)) = pages.zip(into.get_mut(..count * page_bytes)) {
                        into.copy_from_slice(pages);
                    }
                }
            }
            _ => into.set_length(needed_bytes, offset),
        }
        merge_pages(into, page_bytes, first, count, &mut merge)
    }
}
