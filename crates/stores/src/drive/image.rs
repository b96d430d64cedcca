//! A database's pages into a checkpoint.

use dotctl_engine::Result;
use dotctl_engine::checkpoint::{Assembler, CheckpointFacts, PackSink};
use dotctl_engine::chunk::{ChunkWriter, PackBorder};
use dotctl_engine::format::{CheckpointKind, RecordKey};
use dotctl_engine::image::PageReader;

use super::directory::DirectoryMaker;
use super::progress::Progress;
use super::{ChunkSlot, SnapshotSetting};
use crate::pipeline;

/// Reads every page of `pages`, in order, into packs, and writes their directory if there are at
/// least `directory_packs_min`.
pub fn snapshot_image(
    pages: &impl PageReader,
    setting: &SnapshotSetting,
    directory_packs_min: usize,
    sink: &mut dyn PackSink,
    progress: &dyn Progress,
) -> Result<CheckpointFacts> {
    let (page_bytes, page_count) = (pages.page_bytes(), pages.page_count());
    let chunk_pages = setting.chunk_size.pages(page_bytes);
    let workers = pipeline::worker_count_for(page_count.div_ceil(chunk_pages).into());
    let mut assembler = Assembler::new(CheckpointKind::Image, setting.codec.codec(), PackBorder::FOLDER);
    let mut directory = DirectoryMaker::new(pages, chunk_pages)?;
    let geometry = directory.geometry();
    progress.begin("reading pages", Some(u64::from(page_bytes) * u64::from(page_count)));
    let mut done_pages = 0;
    let run = pipeline::run(
        workers,
        pipeline::slot_count(workers, setting.chunk_size.bytes()),
        |slot: &mut ChunkSlot| {
            if done_pages >= page_count {
                return Ok(false);
            }
            let pages = chunk_pages.min(page_count - done_pages);
            slot.stored.first_key = RecordKey::page(done_pages + 1);
            slot.stored.record_count = pages;
            done_pages += pages;
            Ok(true)
        },
        || ChunkWriter::new(setting.codec),
        |writer, slot| {
            slot.raw.resize(slot.stored.record_count as usize * page_bytes as usize, 0);
            let first = slot.stored.first_key.page_number().unwrap_or(1);
            pages.read_pages(first, &mut slot.raw)?;
            if let Some(geometry) = &geometry {
                slot.leaf_keys.scan(geometry, first, &slot.raw);
            }
            writer.write(&slot.raw, &mut slot.stored)
        },
        |slot| {
            assembler.add(&slot.stored, &slot.raw, sink)?;
            directory.add(&slot.leaf_keys);
            progress.advance(slot.raw.len() as u64);
            Ok(())
        },
    );
    progress.end();
    run?;
    let mut facts = assembler.finish(Some(page_bytes), sink)?;
    if facts.content_packs().count() < directory_packs_min {
        return Ok(facts);
    }
    // Last, when the machine still has the pages in memory.
    let directory = directory.finish(pages, setting)?;
    if !directory.is_empty() {
        facts.add_directory(&directory, setting.codec.plain().codec(), PackBorder::FOLDER, sink)?;
    }
    Ok(facts)
}
