//! The content of a chain, merged by several threads.

use dotctl_engine::checkpoint::page_number;
use dotctl_engine::format::Manifest;
use dotctl_engine::{Error, Result};

use super::chain::{ChainReader, Piece, PieceTools};
use crate::buffer::AlignedBuffer;
use crate::pipeline::{self, Slot};
use crate::store::Store;

#[derive(Default)]
struct MergedSlot {
    piece: Option<Piece>,
    pages: AlignedBuffer,
    page_count: usize,
    lines: Vec<u8>,
}

impl Slot for MergedSlot {
    fn held_bytes(&self) -> usize {
        let full = self.piece.as_ref().map_or(0, Piece::full_bytes);
        let merging = self.piece.as_ref().map_or(0, Piece::merging_bytes);
        (self.pages.capacity() + self.lines.capacity()).max(full) + merging
    }
}

/// Reads and merges all runs of `manifest`. An image's pages are given to `write_at` with their place
/// in the database, by several threads and in any order; all records then to `consume`, in order:
/// pages, or entries one a line.
pub fn read_merged(
    store: &dyn Store,
    manifest: &Manifest,
    workers: usize,
    chunk_bytes: u32,
    write_at: &(dyn Fn(u64, &[u8]) -> Result<()> + Sync),
    consume: &mut dyn FnMut(&mut [u8]) -> Result<()>,
) -> Result<()> {
    let runs = std::iter::once(manifest.full_run()?).chain(manifest.delta_runs());
    let mut chain = ChainReader::new(store, manifest.kind, runs)?;
    let page_bytes = manifest.page_bytes.unwrap_or(0);
    let mut record_count = 0_u64;
    pipeline::run(
        workers,
        pipeline::slot_count(workers, chunk_bytes),
        |slot: &mut MergedSlot| {
            slot.piece = chain.next_piece()?;
            Ok(slot.piece.is_some())
        },
        PieceTools::new,
        |tools, slot| {
            let Some(piece) = &slot.piece else { return Ok(()) };
            if manifest.kind.has_lines() {
                return piece.lines(tools, &mut slot.lines);
            }
            slot.page_count = piece.pages(tools, page_bytes, &mut slot.pages)?;
            let first = page_number(&piece.range.low)?;
            let bytes = slot.page_count * page_bytes as usize;
            let offset = u64::from(first).saturating_sub(1) * u64::from(page_bytes);
            write_at(offset, slot.pages.get(..bytes).unwrap_or_default())
        },
        |slot| {
            let Some(piece) = slot.piece.take() else { return Ok(()) };
            if manifest.kind.has_lines() {
                return consume(&mut slot.lines);
            }
            let first = page_number(&piece.range.low)?;
            if slot.page_count > 0 && u64::from(first) != record_count + 1 {
                return Err(Error::corrupt("the changed pages leave a gap in the image"));
            }
            record_count += slot.page_count as u64;
            let bytes = slot.page_count * page_bytes as usize;
            consume(slot.pages.get_mut(..bytes).unwrap_or_default())
        },
    )
}
