//! A checkpoint back into the bytes it stands for.

use sha2::{Digest, Sha256};

use dotctl_engine::checkpoint::{ContentHash, StateForm};
use dotctl_engine::chunk::{ChunkReader, ChunkSize};
use dotctl_engine::format::{CheckpointKind, Manifest};
use dotctl_engine::id::Hash;
use dotctl_engine::{Damage, Error, Result};

use super::chunks::{ChunkPlan, RunReader, check_end};
use super::lines::{StoredLines, with_prefix};
use super::merged::read_merged;
use super::progress::Progress;
use super::state::EntrySource;
use crate::buffer::AlignedBuffer;
use crate::interrupt;
use crate::journal::{Journal, Mark};
use crate::pipeline::{self, Slot};
use crate::store::Store;
use crate::target::Target;

/// What a restore writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreForm {
    /// The database file.
    Database,
    /// State or rows, as an array or as lines.
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

/// What an earlier run left of the same restore, and what this one leaves.
pub struct Kept<'k> {
    /// The file.
    pub target: &'k Target,
    /// How far it has come.
    pub journal: &'k mut Journal,
}

/// Writes bytes at an offset; called by several threads at once.
pub type WriteAt<'w> = dyn Fn(u64, &[u8]) -> Result<()> + Sync + 'w;

/// Restores `manifest` from `store`: `write_at`, if it is given, is called by several threads and in any
/// order, `write_next` in order, each with the same bytes; use one. Everything has been checked once
/// this returns, and nothing before.
pub fn restore(
    store: &dyn Store,
    manifest: &Manifest,
    form: RestoreForm,
    write_at: Option<&WriteAt<'_>>,
    write_next: &mut dyn FnMut(&[u8]) -> Result<()>,
    mut kept: Option<Kept<'_>>,
    progress: &dyn Progress,
) -> Result<Restored> {
    if manifest.is_chain() || manifest.kind == CheckpointKind::Rows {
        return restore_merged(store, manifest, form, write_at, write_next, progress);
    }
    let workers = workers(write_at, manifest);
    let write_at = write_at.unwrap_or(&|_, _| Ok(()));
    let mut chunks = RunReader::new(store, manifest.full_run()?);
    let there = kept.as_ref().map(|kept| kept.read(manifest, form)).transpose()?.flatten();
    let there = there.unwrap_or_else(|| There::nothing(manifest, form));
    let There { mut content, mut lines, mut pack_count, mut raw_bytes } = there;
    let ends: Vec<u64> = pack_ends(manifest).collect();
    chunks.skip(pack_count);
    let array = form == RestoreForm::State(StateForm::Array);
    let ndjson_bytes = manifest.records_bytes();
    if array {
        let opening: &[u8] = if ndjson_bytes == 0 { b"[]" } else { b"[" };
        write_at(0, opening)?;
        write_next(opening)?;
    }
    progress.begin("restoring", Some(ndjson_bytes));
    progress.advance(raw_bytes);
    let run = pipeline::run(
        workers,
        pipeline::slot_count(workers, ChunkSize::DEFAULT.bytes()),
        |slot: &mut RestoreSlot| {
            slot.plan = chunks.next_chunk()?;
            Ok(slot.plan.is_some())
        },
        ChunkReader::new,
        |reader, slot| {
            // Its pack has to go before the slot is filled again.
            let Some(plan) = slot.plan.take() else { return Ok(()) };
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
            raw_bytes += slot.raw.len() as u64;
            if ends.get(pack_count) == Some(&raw_bytes) {
                pack_count += 1;
                if let Some(kept) = &mut kept {
                    kept.target.flush()?;
                    kept.journal.mark(Mark { pack_count, content_sha256: content.clone().finish().0 })?;
                }
            }
            Ok(())
        },
    );
    progress.end();
    run?;
    finish(manifest, content, lines, ndjson_bytes)
}

/// More of them where they wait for the disk.
fn workers(write_at: Option<&WriteAt<'_>>, manifest: &Manifest) -> usize {
    match write_at {
        Some(_) => pipeline::writing_worker_count_for(manifest.chunk_count()),
        None => pipeline::worker_count_for(manifest.chunk_count()),
    }
}

/// The same where several runs have to be merged, and of rows. Where a piece of lines begins is known once
/// those before it are merged, so that they are written in order.
fn restore_merged(
    store: &dyn Store,
    manifest: &Manifest,
    form: RestoreForm,
    write_at: Option<&WriteAt<'_>>,
    write_next: &mut dyn FnMut(&[u8]) -> Result<()>,
    progress: &dyn Progress,
) -> Result<Restored> {
    let is_rows = manifest.kind == CheckpointKind::Rows;
    let workers = workers(write_at, manifest);
    let write_at = write_at.unwrap_or(&|_, _| Ok(()));
    let mut content = ContentHash::new(manifest.kind);
    let array = form == RestoreForm::State(StateForm::Array);
    // Where the content's hash is not that of what is written.
    let mut written = (is_rows || form == RestoreForm::State(StateForm::Lines)).then(Sha256::new);
    let records_bytes = manifest.records_bytes();
    if array {
        let opening: &[u8] = if records_bytes == 0 { b"[]" } else { b"[" };
        write_at(0, opening)?;
        write_next(opening)?;
        if let Some(written) = &mut written {
            written.update(opening);
        }
    }
    progress.begin("restoring", Some(records_bytes));
    let mut done_bytes = 0_u64;
    let has_lines = manifest.kind.has_lines();
    let mut consume = |records: &mut [u8]| {
        if is_rows {
            content.update(records);
        }
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
        if has_lines {
            write_at(done_bytes + u64::from(array), records)?;
        }
        write_next(records)?;
        done_bytes += records.len() as u64;
        progress.advance(records.len() as u64);
        if let Some(written) = &mut written {
            written.update(&*records);
        }
        if !is_rows {
            if form == RestoreForm::State(StateForm::Lines) {
                StateForm::Array.shape(records);
            }
            content.update(records);
        }
        Ok(())
    };
    let run = read_merged(store, manifest, workers, ChunkSize::DEFAULT.bytes(), write_at, &mut consume);
    progress.end();
    run?;
    let written_bytes = match (is_rows && array, records_bytes) {
        (false, bytes) => bytes,
        (true, 0) => 2,
        (true, bytes) => bytes + 1,
    };
    finish(manifest, content, written, written_bytes)
}

/// What of a checkpoint was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoredPart {
    /// Entries or rows.
    pub record_count: u64,
    /// The bytes.
    pub restored: Restored,
}

/// Writes the entries of `manifest`, of state or of rows, whose keys begin with `prefix`. Only chunks that may have
/// such a key are read, and checked by their hashes; of a part the content's hash says nothing.
///
/// # Errors
/// The store's and those of `write`.
pub fn restore_prefix(
    store: &dyn Store,
    manifest: &Manifest,
    prefix: &[u8],
    form: StateForm,
    write: &mut dyn FnMut(&[u8]) -> Result<()>,
    progress: &dyn Progress,
) -> Result<RestoredPart> {
    let (mut sha256, mut raw_bytes, mut record_count) = (Sha256::new(), 0, 0_u64);
    let mut put = |bytes: &[u8]| {
        sha256.update(bytes);
        raw_bytes += bytes.len() as u64;
        write(bytes)
    };
    let mut lines = StoredLines::within(store, manifest, with_prefix(prefix))?;
    progress.begin("restoring", None);
    let array = form == StateForm::Array;
    if array {
        put(b"[")?;
    }
    while lines.advance()? {
        let (_, line) = lines.entry();
        if array && record_count > 0 {
            put(b",")?;
        }
        put(line)?;
        if !array {
            put(b"\n")?;
        }
        record_count += 1;
        progress.advance(line.len() as u64);
        if record_count.is_multiple_of(4096) {
            interrupt::check()?;
        }
    }
    if array {
        put(b"]")?;
    }
    progress.end();
    Ok(RestoredPart { record_count, restored: Restored { raw_bytes, sha256: Hash::finish(sha256) } })
}

/// Gives every line of a checkpoint of rows to `visit`, in the order of the keys and without its line
/// feed. They are to be believed once this returns.
pub fn read_rows(
    store: &dyn Store,
    manifest: &Manifest,
    visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    progress: &dyn Progress,
) -> Result<()> {
    let mut each = |lines: &[u8]| {
        let mut rest = lines;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(end);
            visit(line)?;
            rest = behind.get(1..).unwrap_or_default();
        }
        Ok(())
    };
    let form = RestoreForm::State(StateForm::Lines);
    restore_merged(store, manifest, form, None, &mut each, progress).map(drop)
}

/// Believes what was written if it is the content. `written` is the hash of that where it has another, and
/// `written_bytes` its length.
fn finish(
    manifest: &Manifest,
    content: ContentHash,
    written: Option<Sha256>,
    written_bytes: u64,
) -> Result<Restored> {
    let (content_sha256, raw_bytes) = content.finish();
    if content_sha256 != manifest.content_sha256 || raw_bytes != manifest.raw_bytes {
        return Err(Error::damaged(Damage::Checksum, "the content", manifest.content_sha256, content_sha256));
    }
    Ok(match written {
        Some(written) => Restored { raw_bytes: written_bytes, sha256: Hash::finish(written) },
        None => Restored { raw_bytes, sha256: content_sha256 },
    })
}

/// What of the content is there, hashed.
struct There {
    content: ContentHash,
    /// Over the lines, if that is what is written.
    lines: Option<Sha256>,
    pack_count: usize,
    /// Raw bytes of these packs.
    raw_bytes: u64,
}

impl There {
    fn nothing(manifest: &Manifest, form: RestoreForm) -> Self {
        let lines = (form == RestoreForm::State(StateForm::Lines)).then(Sha256::new);
        There { content: ContentHash::new(manifest.kind), lines, pack_count: 0, raw_bytes: 0 }
    }
}

/// Where each pack's content ends.
fn pack_ends(manifest: &Manifest) -> impl Iterator<Item = u64> {
    manifest.content_packs().scan(0, |end, pack| {
        *end += pack.raw_bytes;
        Some(*end)
    })
}

impl Kept<'_> {
    /// Reads what the journal says is there; `None` where it is not.
    fn read(&self, manifest: &Manifest, form: RestoreForm) -> Result<Option<There>> {
        let Some(mark) = self.journal.last() else {
            return Ok(None);
        };
        let pack_count = mark.pack_count;
        if pack_count > manifest.content_packs().count() {
            return Ok(None);
        }
        let raw_bytes = pack_ends(manifest).take(pack_count).last().unwrap_or_default();
        let mut there = There { pack_count, raw_bytes, ..There::nothing(manifest, form) };
        let RestoreForm::State(state) = form else {
            self.hash(raw_bytes, |block, _| there.content.add_written(block))?;
            return Ok((there.content.clone().finish().0 == mark.content_sha256).then_some(there));
        };
        let array = state == StateForm::Array;
        if !array {
            there.content.add_written(b"[");
        }
        self.hash(raw_bytes + u64::from(array), |block, is_last| {
            if let Some(lines) = &mut there.lines {
                lines.update(&*block);
                StateForm::Array.shape(block);
            }
            // The comma behind the last entry comes with the next one, and the bracket at the end.
            let shown = block.len() - usize::from(is_last);
            there.content.add_written(block.get(..shown).unwrap_or_default());
        })?;
        Ok((there.content.clone().finish().0 == mark.content_sha256).then_some(there))
    }

    /// Shows the first `bytes` of the file to `visit`, and which part is the last.
    fn hash(&self, bytes: u64, mut visit: impl FnMut(&mut [u8], bool)) -> Result<()> {
        let mut block = vec![0; 1 << 20];
        let mut offset = 0;
        while offset < bytes {
            interrupt::check()?;
            let length = (bytes - offset).min(block.len() as u64) as usize;
            let part = block.get_mut(..length).unwrap_or_default();
            self.target.read_at(offset, part)?;
            offset += length as u64;
            visit(part, offset == bytes);
        }
        Ok(())
    }
}
