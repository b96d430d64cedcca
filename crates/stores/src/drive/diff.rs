//! What differs between two checkpoints of one kind.

use std::ops::Range;

use dotctl_engine::checkpoint::{Difference, compare_lines, compare_pages, page_number};
use dotctl_engine::format::{CheckpointKind, Manifest};
use dotctl_engine::{Error, Result};

use super::chain::{PairReader, PiecePair, PieceTools};
use super::progress::Progress;
use super::state::EntrySource;
use crate::buffer::AlignedBuffer;
use crate::interrupt;
use crate::pipeline::{self, Slot};
use crate::store::Store;

/// Takes differences, in the order of their keys.
pub type Visit<'v> = dyn FnMut(Difference<'_>) -> Result<()> + 'v;

#[derive(Default)]
struct PairSlot {
    pair: Option<PiecePair>,
    old: Vec<u8>,
    new: Vec<u8>,
    old_pages: AlignedBuffer,
    new_pages: AlignedBuffer,
    keys: Vec<u8>,
    found: Vec<FoundAt>,
}

/// Where in a slot's buffers a difference is.
struct FoundAt {
    key: Range<usize>,
    old: Option<Range<usize>>,
    new: Option<Range<usize>>,
}

impl Slot for PairSlot {
    fn held_bytes(&self) -> usize {
        let full = self.pair.as_ref().map_or(0, PiecePair::held_bytes);
        let lines = self.old.capacity() + self.new.capacity();
        let pages = self.old_pages.capacity() + self.new_pages.capacity();
        (lines + pages).max(full) + self.keys.capacity()
    }
}

/// Gives what differs between the content of `old` and of `new`, both of them in `store`, to `visit`: state
/// and rows as lines, images as pages. Where both name the same chunks in the same place, those are not read;
/// what is read is checked by the hashes of its chunks.
///
/// # Errors
/// Unsupported where they are of two kinds, or their pages have two sizes; the store's and those of `visit`.
pub fn diff_stored(
    store: &dyn Store,
    old: &Manifest,
    new: &Manifest,
    visit: &mut Visit<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    if old.kind != new.kind || old.page_bytes != new.page_bytes {
        return Err(Error::unsupported("two checkpoints of other kinds or page sizes are not compared so"));
    }
    if old.content_sha256 == new.content_sha256 && old.raw_bytes == new.raw_bytes {
        return Ok(());
    }
    let mut pairs = PairReader::new(store, old, new)?;
    let page_bytes = old.page_bytes.unwrap_or(0);
    let workers = pipeline::worker_count_for(old.chunk_count().max(new.chunk_count()));
    progress.begin("comparing", None);
    let run = pipeline::run(
        workers,
        // Both versions of a chunk.
        pipeline::slot_count(workers, 2 << 20),
        |slot: &mut PairSlot| {
            slot.pair = pairs.next_pair()?;
            Ok(slot.pair.is_some())
        },
        PieceTools::new,
        |tools, slot| slot.compare(old.kind, page_bytes, tools),
        |slot| {
            interrupt::check()?;
            slot.pair = None;
            progress.advance((slot.old.len() + slot.new.len()) as u64);
            slot.found.iter().try_for_each(|found| visit(slot.difference(old.kind, found)))
        },
    );
    progress.end();
    run
}

impl PairSlot {
    fn compare(&mut self, kind: CheckpointKind, page_bytes: u32, tools: &mut PieceTools) -> Result<()> {
        self.found.clear();
        self.keys.clear();
        self.old.clear();
        self.new.clear();
        let Some(pair) = &self.pair else { return Ok(()) };
        if pair.is_equal(tools)? {
            return Ok(());
        }
        let (old, new) = pair.pieces();
        if kind.has_lines() {
            old.lines(tools, &mut self.old)?;
            new.lines(tools, &mut self.new)?;
            let (keys, places) = (&mut self.keys, &mut self.found);
            return compare_lines(&self.old, &self.new, |found| {
                add(found, &self.old, &self.new, keys, places);
            });
        }
        let old_count = old.pages(tools, page_bytes, &mut self.old_pages)?;
        let new_count = new.pages(tools, page_bytes, &mut self.new_pages)?;
        let page_bytes = page_bytes as usize;
        let old_pages = self.old_pages.get(..old_count * page_bytes).unwrap_or_default();
        let new_pages = self.new_pages.get(..new_count * page_bytes).unwrap_or_default();
        let (keys, places) = (&mut self.keys, &mut self.found);
        compare_pages(old_pages, new_pages, page_bytes, page_number(&old.range.low)?, |found| {
            add(found, old_pages, new_pages, keys, places);
        });
        Ok(())
    }

    fn difference(&self, kind: CheckpointKind, at: &FoundAt) -> Difference<'_> {
        let (old, new): (&[u8], &[u8]) = match kind.has_lines() {
            true => (&self.old, &self.new),
            false => (&self.old_pages, &self.new_pages),
        };
        Difference {
            key: self.keys.get(at.key.clone()).unwrap_or_default(),
            old: at.old.clone().and_then(|at| old.get(at)),
            new: at.new.clone().and_then(|at| new.get(at)),
        }
    }
}

fn add(found: Difference<'_>, old: &[u8], new: &[u8], keys: &mut Vec<u8>, places: &mut Vec<FoundAt>) {
    let begin = keys.len();
    keys.extend_from_slice(found.key);
    places.push(FoundAt {
        key: begin..keys.len(),
        old: found.old.map(|part| place_in(old, part)),
        new: found.new.map(|part| place_in(new, part)),
    });
}

/// Where in `whole` its `part` is.
fn place_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let begin = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    begin..begin + part.len()
}

/// Gives what differs between the entries of `old` and of `new`, both in key order, to `visit`.
pub fn diff_entries(
    old: &mut dyn EntrySource,
    new: &mut dyn EntrySource,
    visit: &mut Visit<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    progress.begin("comparing", None);
    let compared = try_diff_entries(old, new, visit, progress);
    progress.end();
    compared
}

fn try_diff_entries(
    old: &mut dyn EntrySource,
    new: &mut dyn EntrySource,
    visit: &mut Visit<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let (mut has_old, mut has_new) = (old.advance()?, new.advance()?);
    let mut count = 0_u64;
    while has_old || has_new {
        let (before, after) = (old.entry(), new.entry());
        let order = match (has_old, has_new) {
            (true, true) => before.0.cmp(after.0),
            (true, false) => std::cmp::Ordering::Less,
            (false, _) => std::cmp::Ordering::Greater,
        };
        let (gone, came) = (order.is_le(), order.is_ge());
        if !(gone && came && before.1 == after.1) {
            let key = if gone { before.0 } else { after.0 };
            visit(Difference { key, old: gone.then_some(before.1), new: came.then_some(after.1) })?;
        }
        progress.advance(if came { after.1.len() as u64 } else { 0 });
        has_old = if gone { old.advance()? } else { has_old };
        has_new = if came { new.advance()? } else { has_new };
        count += 1;
        if count.is_multiple_of(4096) {
            interrupt::check()?;
        }
    }
    Ok(())
}
