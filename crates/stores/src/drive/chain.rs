//! The runs of a checkpoint as one, piece by piece: each lies in one chunk of every run.

use std::sync::{Arc, Mutex, PoisonError};

use dotctl_engine::checkpoint::{KeyRange, RunMerge, merge_lines, merge_pages, page_number};
use dotctl_engine::chunk::{ChunkReader, ChunkSize};
use dotctl_engine::format::delta::DeltaChunk;
use dotctl_engine::format::{CheckpointKind, Manifest, RecordKey, Run};
use dotctl_engine::{Error, Result};

use super::chunks::{ChunkPlan, RunReader, check_end};
use crate::buffer::AlignedBuffer;
use crate::store::Store;

/// A chunk of more raw bytes has a very large record, or is one: chunks aim at 4 MiB at most.
const LARGE_CHUNK_BYTES: usize = 4 << 20;

/// Goes through a full run and the delta runs over it.
pub struct ChainReader<'a> {
    /// The full run's first.
    cursors: Vec<Cursor<'a>>,
    low: Option<Vec<u8>>,
    /// The first key that is not wanted any more.
    end: Option<Vec<u8>>,
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
        let runs: Vec<&Run> = runs.collect();
        // Whoever comes to its next pack finds room for it.
        let spared_bytes = runs.iter().flat_map(|run| &run.packs).map(|pack| pack.stored_bytes).max();
        let spared_bytes = spared_bytes.filter(|_| runs.len() > 1).unwrap_or(0);
        let reader = |run: &&'a Run| {
            let mut chunks = RunReader::new(store, run).sparing(spared_bytes);
            chunks.begin();
            chunks
        };
        let readers: Vec<RunReader<'a>> = runs.iter().map(reader).collect();
        let cursor =
            |mut chunks: RunReader<'a>| Ok(Cursor { next: chunks.next_chunk()?, chunks, current: None });
        Ok(ChainReader {
            cursors: readers.into_iter().map(cursor).collect::<Result<_>>()?,
            low: Some(first_key(kind)),
            end: None,
        })
    }

    /// Reads of `runs`, in any order, only what is in `range`, and of their packs no more than it takes.
    pub fn within(
        store: &'a dyn Store,
        runs: impl Iterator<Item = &'a Run>,
        range: KeyRange,
    ) -> Result<Self> {
        let cursor = |run| {
            let mut chunks = RunReader::within(store, run, &range);
            Ok(Cursor { next: chunks.next_chunk()?, chunks, current: None })
        };
        let cursors = runs.map(cursor).collect::<Result<_>>()?;
        Ok(ChainReader { cursors, low: Some(range.low), end: range.high })
    }

    /// The next piece; the last one has all keys from its first on.
    pub fn next_piece(&mut self) -> Result<Option<Piece>> {
        let Some(range) = self.next_range()? else {
            return Ok(None);
        };
        let mut current = self.current();
        let full = current.next().flatten();
        let deltas = current.flatten().collect();
        Ok(Some(Piece { range, full, deltas }))
    }

    /// The chunk of each run that the current range lies in.
    fn current(&self) -> impl Iterator<Item = Option<Arc<SharedChunk>>> {
        self.cursors.iter().map(|cursor| cursor.current.clone())
    }

    fn next_range(&mut self) -> Result<Option<KeyRange>> {
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
        let border = nexts.map(|plan| &plan.entry().first_key).min().map(|key| key.as_bytes().to_vec());
        let border = border.filter(|border| self.end.as_ref().is_none_or(|end| border < end));
        self.low.clone_from(&border);
        Ok(Some(KeyRange { low, high: border.or_else(|| self.end.clone()) }))
    }
}

/// The first key that a record of this kind can have.
pub fn first_key(kind: CheckpointKind) -> Vec<u8> {
    match kind {
        CheckpointKind::State | CheckpointKind::Rows => Vec::new(),
        CheckpointKind::Image => RecordKey::page(1).as_bytes().to_vec(),
    }
}

/// Goes through two chains side by side, and through the runs that both begin with only once.
pub struct PairReader<'a> {
    chain: ChainReader<'a>,
    /// Runs that both begin with.
    common: usize,
    /// Runs of the first one alone.
    old: usize,
}

/// A stretch of keys with what the runs of two chains have of it.
pub struct PiecePair {
    range: KeyRange,
    common: Vec<Option<Arc<SharedChunk>>>,
    old: Vec<Option<Arc<SharedChunk>>>,
    new: Vec<Option<Arc<SharedChunk>>>,
}

impl<'a> PairReader<'a> {
    /// Reads the content of `old` and `new`, two manifests of one kind, out of `store`.
    pub fn new(store: &'a dyn Store, old: &'a Manifest, new: &'a Manifest) -> Result<Self> {
        let of_one = old.content_runs().count();
        let both = old.content_runs().zip(new.content_runs());
        let common = both.take_while(|(one, other)| one == other).count();
        let runs = old.content_runs().chain(new.content_runs().skip(common));
        let range = KeyRange { low: first_key(old.kind), high: None };
        let chain = ChainReader::within(store, runs, range)?;
        Ok(PairReader { chain, common, old: of_one - common })
    }

    /// The next pair.
    pub fn next_pair(&mut self) -> Result<Option<PiecePair>> {
        let Some(range) = self.chain.next_range()? else {
            return Ok(None);
        };
        let mut current = self.chain.current();
        let common = current.by_ref().take(self.common).collect();
        let old = current.by_ref().take(self.old).collect();
        Ok(Some(PiecePair { range, common, old, new: current.collect() }))
    }
}

impl PiecePair {
    /// Whether both have the same, as far as that can be told without reading what they share.
    pub fn is_equal(&self, tools: &mut PieceTools) -> Result<bool> {
        if self.common.is_empty() {
            let same = |(old, new): (&Option<Arc<SharedChunk>>, &Option<Arc<SharedChunk>>)| match (old, new) {
                (Some(old), Some(new)) => old.is_same(new),
                (None, None) => true,
                _ => false,
            };
            return Ok(self.old.len() == self.new.len() && self.old.iter().zip(&self.new).all(same));
        }
        for chunk in self.old.iter().chain(&self.new).flatten() {
            if !chunk.delta(tools)?.range(&self.range.low, self.range.high.as_deref()).is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What each of them has.
    pub fn pieces(&self) -> (Piece, Piece) {
        let piece = |own: &[Option<Arc<SharedChunk>>]| {
            let mut chunks = self.common.iter().chain(own).cloned();
            let full = chunks.next().flatten();
            Piece { range: self.range.clone(), full, deltas: chunks.flatten().collect() }
        };
        (piece(&self.old), piece(&self.new))
    }

    /// Bytes of the chunks of full runs that it lies in, and what merging takes beside them.
    pub fn held_bytes(&self) -> usize {
        let (old, new) = self.pieces();
        let bytes = |piece: &Piece| piece.full_bytes().saturating_add(piece.merging_bytes());
        bytes(&old).saturating_add(bytes(&new))
    }
}

impl SharedChunk {
    /// Whether it has the same bytes and begins in the same place.
    fn is_same(&self, other: &SharedChunk) -> bool {
        let (one, other) = (self.plan.entry(), other.plan.entry());
        one.sha256 == other.sha256 && one.first_key == other.first_key && one.raw_bytes == other.raw_bytes
    }

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

    /// Bytes that merging it takes beside its content: of chunks with a very large record, the chunk itself
    /// and two versions of the record.
    pub fn merging_bytes(&self) -> usize {
        let chunks = self.full.iter().chain(&self.deltas).map(|chunk| chunk.plan.raw_bytes() as usize);
        chunks.filter(|bytes| *bytes > LARGE_CHUNK_BYTES).map(|bytes| bytes.saturating_mul(3)).sum()
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
