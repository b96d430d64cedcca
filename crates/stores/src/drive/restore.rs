//! A checkpoint back into the bytes it stands for.

use sha2::{Digest, Sha256};

use dotctl_engine::checkpoint::{ContentHash, StateForm};
use dotctl_engine::chunk::{ChunkReader, ChunkSize};
use dotctl_engine::format::{CheckpointKind, Manifest};
use dotctl_engine::id::Hash;
use dotctl_engine::{Damage, Error, Result};

use super::chunks::{ChunkPlan, RunReader, check_end};
use super::merged::read_merged;
use super::progress::Progress;
use crate::buffer::AlignedBuffer;
use crate::pipeline::{self, Slot};
use crate::store::Store;

/// What a restore writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreForm {
    /// The database file.
    Database,
    /// The state, as an array or as lines.
    State(StateForm),
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Bytes.
    pub raw_bytes: u64,
    /// SHA-256 of them.
    pub sha256: Hash,
}

#[derive(Default)]
struct RestoreSlot {
    plan: Option<ChunkPlan>,
    stored: Vec<u8>,
    raw: AlignedBuffer,
}

impl Slot for RestoreSlot {
    fn held_bytes(&self) -> usize {
        let (stored, raw) = self.plan.as_ref().map_or((0, 0), |plan| (plan.stored_bytes(), plan.raw_bytes()));
        self.stored.capacity().max(stored as usize) + self.raw.capacity().max(raw as usize)
    }
}

/// Restores `manifest` from `store`: `write_at` is called by several threads and in any order,
/// `write_next` in order, each with the same bytes; use one. Everything has been checked once
/// this returns, and nothing before.
pub fn restore(
    store: &dyn Store,
    manifest: &Manifest,
    form: RestoreForm,
    write_at: &(dyn Fn(u64, &[u8]) -> Result<()> + Sync),
    write_next: &mut dyn FnMut(&[u8]) -> Result<()>,
    progress: &dyn Progress,
) -> Result<Restored> {
    if manifest.is_chain() {
        return restore_chain(store, manifest, form, write_at, write_next, progress);
    }
    let mut chunks = RunReader::new(store, manifest.full_run()?);
    let mut content = ContentHash::new(manifest.kind);
    let mut lines = (form == RestoreForm::State(StateForm::Lines)).then(Sha256::new);
    let array = form == RestoreForm::State(StateForm::Array);
    let ndjson_bytes = manifest.records_bytes();
    if array {
        let opening: &[u8] = if ndjson_bytes == 0 { b"[]" } else { b"[" };
        write_at(0, opening)?;
        write_next(opening)?;
    }
    let workers = pipeline::writing_worker_count_for(manifest.chunk_count());
    progress.begin("restoring", Some(ndjson_bytes));
    let run = pipeline::run(
        workers,
        pipeline::slot_count(workers, ChunkSize::DEFAULT.bytes()),
        |slot: &mut RestoreSlot| {
            slot.plan = chunks.next_chunk()?;
            Ok(slot.plan.is_some())
        },
        ChunkReader::new,
        |reader, slot| {
            let Some(plan) = &slot.plan else { return Ok(()) };
            let offset = plan.raw_offset + u64::from(array);
            plan.read(reader, &mut slot.stored, &mut slot.raw, offset)?;
            check_end(manifest.kind, &slot.raw).map_err(|error| error.at(plan.location()))?;
            if array {
                StateForm::Array.shape(&mut slot.raw);
                // The last entry's comma is the array's closing bracket.
                let end = plan.raw_offset + slot.raw.len() as u64;
                if let Some(last) = slot.raw.last_mut()
                    && end == ndjson_bytes
                {
                    *last = b']';
                }
            }
            write_at(offset, &slot.raw)
        },
        |slot| {
            write_next(&slot.raw)?;
            progress.advance(slot.raw.len() as u64);
            if let Some(lines) = &mut lines {
                lines.update(&*slot.raw);
                StateForm::Array.shape(&mut slot.raw);
            }
            content.update(&slot.raw);
            Ok(())
        },
    );
    progress.end();
    run?;
    finish(manifest, content, lines, ndjson_bytes)
}

/// The same where several runs have to be merged. Where a piece of state begins is known once those
/// before it are merged, so that state is written in order.
fn restore_chain(
    store: &dyn Store,
    manifest: &Manifest,
    form: RestoreForm,
    write_at: &(dyn Fn(u64, &[u8]) -> Result<()> + Sync),
    write_next: &mut dyn FnMut(&[u8]) -> Result<()>,
    progress: &dyn Progress,
) -> Result<Restored> {
    let mut content = ContentHash::new(manifest.kind);
    let mut lines = (form == RestoreForm::State(StateForm::Lines)).then(Sha256::new);
    let array = form == RestoreForm::State(StateForm::Array);
    let records_bytes = manifest.records_bytes();
    if array {
        let opening: &[u8] = if records_bytes == 0 { b"[]" } else { b"[" };
        write_at(0, opening)?;
        write_next(opening)?;
    }
    let workers = pipeline::writing_worker_count_for(manifest.chunk_count());
    progress.begin("restoring", Some(records_bytes));
    let mut done_bytes = 0_u64;
    let is_state = manifest.kind == CheckpointKind::State;
    let mut consume = |records: &mut [u8]| {
        if array {
            StateForm::Array.shape(records);
            // The last entry's comma is the array's closing bracket.
            let end = done_bytes + records.len() as u64;
            if let Some(last) = records.last_mut()
                && end == records_bytes
            {
                *last = b']';
            }
        }
        if is_state {
            write_at(done_bytes + u64::from(array), records)?;
        }
        write_next(records)?;
        done_bytes += records.len() as u64;
        progress.advance(records.len() as u64);
        if let Some(lines) = &mut lines {
            lines.update(&*records);
            StateForm::Array.shape(records);
        }
        content.update(records);
        Ok(())
    };
    let run = read_merged(store, manifest, workers, ChunkSize::DEFAULT.bytes(), write_at, &mut consume);
    progress.end();
    run?;
    finish(manifest, content, lines, records_bytes)
}

/// Believes what was written if it is the content.
fn finish(
    manifest: &Manifest,
    content: ContentHash,
    lines: Option<Sha256>,
    ndjson_bytes: u64,
) -> Result<Restored> {
    let (content_sha256, raw_bytes) = content.finish();
    if content_sha256 != manifest.content_sha256 || raw_bytes != manifest.raw_bytes {
        return Err(Error::damaged(Damage::Checksum, "the content", manifest.content_sha256, content_sha256));
    }
    Ok(match lines {
        Some(lines) => Restored { raw_bytes: ndjson_bytes, sha256: Hash::finish(lines) },
        None => Restored { raw_bytes, sha256: content_sha256 },
    })
}
