//! What has changed in a source since its base, into a checkpoint.

use std::sync::atomic::{AtomicBool, Ordering};

use dotctl_engine::checkpoint::{
    CheckpointFacts, DeltaAssembler, Foundation, PackSink, diff_lines, diff_pages, page_number, shape_content,
};
use dotctl_engine::chunk::{PackBorder, StoredChunk};
use dotctl_engine::format::delta::RawDelta;
use dotctl_engine::format::{CheckpointKind, Manifest, RecordKey};
use dotctl_engine::image::PageReader;
use dotctl_engine::image::leaf_keys::LeafKeysPart;
use dotctl_engine::{Error, Result};

use super::SnapshotSetting;
use super::chain::{ChainReader, Piece, PieceTools};
use super::directory::DirectoryMaker;
use super::joined::{DeltaTools, Joined};
use super::progress::Progress;
use super::state::EntrySource;
use crate::buffer::AlignedBuffer;
use crate::pipeline::{self, Slot};
use crate::store::Store;

/// What came of comparing a source with its base.
pub enum Increment {
    /// The changes are written, and this is the checkpoint.
    Changed(CheckpointFacts),
    /// The source has the base's content. Nothing that was written is needed.
    Equal,
    /// There are so many changes that a full checkpoint is due, or records too large to be compared. Nothing that was written is needed.
    Outgrown,
}

/// The buffers of a piece on its way.
#[derive(Default)]
struct PieceSlot {
    piece: Option<Piece>,
    /// Its place among the pieces.
    number: u64,
    /// The source's records.
    new: Vec<u8>,
    record_count: u64,
    /// The base's.
    old_pages: AlignedBuffer,
    old_lines: Vec<u8>,
    changes: RawDelta,
    /// The delta run's next chunks.
    chunks: Vec<StoredChunk>,
    leaf_keys: LeafKeysPart,
}

impl Slot for PieceSlot {
    fn held_bytes(&self) -> usize {
        let full = self.piece.as_ref().map_or(0, Piece::full_bytes);
        self.piece.as_ref().map_or(0, Piece::merging_bytes)
            + self.new.capacity()
            + (self.old_pages.capacity() + self.old_lines.capacity()).max(full)
            + self.changes.held_bytes()
            + self.chunks.iter().map(|chunk| chunk.bytes.capacity()).sum::<usize>()
    }
}

/// Compares `pages` with what `foundation` has of them, which is in `store`; `base` is the checkpoint
/// that it was taken from.
pub fn increment_image(
    store: &dyn Store,
    base: &Manifest,
    foundation: &Foundation,
    pages: &impl PageReader,
    setting: &SnapshotSetting,
    sink: &mut dyn PackSink,
    progress: &dyn Progress,
) -> Result<Increment> {
    let (page_bytes, page_count) = (pages.page_bytes(), pages.page_count());
    let chunk_pages = setting.chunk_size.pages(page_bytes);
    let mut chain = ChainReader::new(store, CheckpointKind::Image, foundation.runs.iter())?;
    let mut assembler = assembler(CheckpointKind::Image, foundation, setting)?;
    let joined = Joined::new(setting);
    let mut directory = DirectoryMaker::new(pages, chunk_pages)?;
    let geometry = directory.geometry();
    let workers = pipeline::worker_count_for(page_count.div_ceil(chunk_pages).into());
    progress.begin("comparing pages", Some(u64::from(page_bytes) * u64::from(page_count)));
    let mut rest: Option<Piece> = None;
    let mut piece_count = 0;
    let run = pipeline::run(
        workers,
        pipeline::slot_count(workers, setting.chunk_size.bytes()),
        |slot: &mut PieceSlot| {
            slot.piece = match rest.take() {
                Some(piece) => Some(piece),
                None => chain.next_piece()?,
            };
            // The source may go on where the base has ended.
            if let Some(piece) = &mut slot.piece {
                let first = page_number(&piece.range.low)?;
                let end = piece.range.high.as_deref().map(page_number).transpose()?;
                let border = first.saturating_add(chunk_pages);
                if end.map_or(border <= page_count, |end| border < end) {
                    let begin = piece.split_before(RecordKey::page(border).as_bytes());
                    rest = slot.piece.replace(begin);
                }
            }
            slot.number = piece_count;
            piece_count += 1;
            Ok(slot.piece.is_some())
        },
        || Ok((PieceTools::new()?, DeltaTools::new(setting)?)),
        |(tools, delta_tools), slot| {
            let Some(piece) = &slot.piece else { return Ok(()) };
            let first = page_number(&piece.range.low)?;
            let end = piece.range.high.as_deref().map(page_number).transpose()?;
            let end = end.unwrap_or(u32::MAX).min(page_count.saturating_add(1));
            slot.record_count = end.saturating_sub(first).into();
            slot.new.resize(slot.record_count as usize * page_bytes as usize, 0);
            if !slot.new.is_empty() {
                pages.read_pages(first, &mut slot.new)?;
            }
            if let Some(geometry) = &geometry {
                slot.leaf_keys.scan(geometry, first, &slot.new);
            }
            let old_count = piece.pages(tools, page_bytes, &mut slot.old_pages)?;
            let old = slot.old_pages.get(..old_count * page_bytes as usize).unwrap_or_default();
            slot.changes.clear();
            diff_pages(old, &slot.new, page_bytes as usize, first, &mut slot.changes);
            joined.add(slot.number, &mut slot.changes, delta_tools, &mut slot.chunks)
        },
        |slot| {
            slot.piece = None;
            assembler.add_content(&slot.new, slot.record_count);
            for chunk in slot.chunks.drain(..) {
                assembler.add_chunk(&chunk, sink)?;
            }
            directory.add(&slot.leaf_keys);
            progress.advance(slot.new.len() as u64);
            Ok(())
        },
    );
    progress.end();
    let outgrown = assembler.outgrown;
    match run {
        Err(_) if outgrown => return Ok(Increment::Outgrown),
        run => run?,
    }
    assembler.add_rest(joined.finish());
    let mut facts = assembler.finish(Some(page_bytes), sink)?;
    if facts.content_sha256() == base.content_sha256 {
        return Ok(Increment::Equal);
    }
    if facts.content_packs().count() >= store.directory_packs_min() {
        let directory = directory.finish(pages, setting)?;
        if !directory.is_empty() {
            facts.add_directory(&directory, setting.codec.plain().codec(), PackBorder::FOLDER, sink)?;
        }
    }
    Ok(Increment::Changed(facts))
}

/// Raw bytes of a piece of state after which the rest becomes a piece of its own.
const PIECE_BYTES: usize = 2 << 20;

/// A record of more bytes, in the source or in its base, is not compared: both versions, what has changed
/// and that compressed are in memory at once.
const COMPARED_BYTES_MAX: usize = 6 << 20;

/// Compares the entries of `source`, which are in key order, with what `foundation` has of them.
pub fn increment_lines(
    store: &dyn Store,
    base: &Manifest,
    foundation: &Foundation,
    source: &mut dyn EntrySource,
    setting: &SnapshotSetting,
    sink: &mut dyn PackSink,
    progress: &dyn Progress,
) -> Result<Increment> {
    let kind = base.kind;
    let mut chain = ChainReader::new(store, kind, foundation.runs.iter())?;
    let mut assembler = assembler(kind, foundation, setting)?;
    let joined = Joined::new(setting);
    let workers = pipeline::worker_count();
    let mut rest: Option<Piece> = None;
    let mut piece_count = 0;
    // An entry that did not fit its piece begins the next one.
    let mut waiting = false;
    let too_large = AtomicBool::new(false);
    let check_size = |bytes: usize| {
        if bytes > COMPARED_BYTES_MAX {
            too_large.store(true, Ordering::Relaxed);
            return Err(Error::unsupported("a record is too large to be compared"));
        }
        Ok(())
    };
    let run = pipeline::run(
        workers,
        pipeline::slot_count(workers, setting.chunk_size.bytes()),
        |slot: &mut PieceSlot| {
            slot.new.clear();
            slot.record_count = 0;
            slot.piece = match rest.take() {
                Some(piece) => Some(piece),
                None => chain.next_piece()?,
            };
            let Some(piece) = &mut slot.piece else { return Ok(false) };
            check_size(piece.full_bytes())?;
            while waiting || source.advance()? {
                let (key, text) = source.entry();
                check_size(text.len())?;
                waiting = piece.range.high.as_deref().is_some_and(|high| key >= high);
                if waiting {
                    break;
                }
                if !slot.new.is_empty() && slot.new.len() + text.len() > PIECE_BYTES {
                    waiting = true;
                    let begin = piece.split_before(key);
                    rest = slot.piece.replace(begin);
                    break;
                }
                slot.new.extend_from_slice(text);
                slot.new.push(b'\n');
                slot.record_count += 1;
            }
            slot.number = piece_count;
            piece_count += 1;
            Ok(true)
        },
        || Ok((PieceTools::new()?, DeltaTools::new(setting)?)),
        |(tools, delta_tools), slot| {
            let Some(piece) = &slot.piece else { return Ok(()) };
            piece.lines(tools, &mut slot.old_lines)?;
            slot.changes.clear();
            diff_lines(&slot.old_lines, &slot.new, &mut slot.changes)?;
            joined.add(slot.number, &mut slot.changes, delta_tools, &mut slot.chunks)?;
            shape_content(kind, &mut slot.new);
            Ok(())
        },
        |slot| {
            slot.piece = None;
            assembler.add_content(&slot.new, slot.record_count);
            for chunk in slot.chunks.drain(..) {
                assembler.add_chunk(&chunk, sink)?;
            }
            progress.advance(slot.new.len() as u64);
            Ok(())
        },
    );
    let in_vain = assembler.outgrown || too_large.into_inner();
    match run {
        Err(_) if in_vain => return Ok(Increment::Outgrown),
        run => run?,
    }
    assembler.add_rest(joined.finish());
    let facts = assembler.finish(None, sink)?;
    Ok(match facts.content_sha256() == base.content_sha256 {
        true => Increment::Equal,
        false => Increment::Changed(facts),
    })
}

fn assembler<'a>(
    kind: CheckpointKind,
    foundation: &'a Foundation,
    setting: &SnapshotSetting,
) -> Result<DeltaAssembler<'a>> {
    DeltaAssembler::new(kind, foundation, setting.codec, setting.chunk_size, PackBorder::FOLDER)
}
