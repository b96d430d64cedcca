//! A checkpoint of rows back into a database, and the proof that it is the same.

use std::fs::{File, TryLockError};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use dotctl_engine::format::Manifest;
use dotctl_engine::id::Hash;
use dotctl_engine::rows::RowsSum;
use dotctl_engine::{Damage, Error, Result};

use super::{RowSource, build_database};
use crate::database::LiveDatabase;
use crate::drive::{EntrySource, Progress, Restored, read_rows};
use crate::durable::remove_abandoned;
use crate::folder::read_names;
use crate::interrupt;
use crate::io_error;
use crate::store::Store;

/// Builds the database of `manifest` in the empty file at `path`, which is nobody else's, and reads it back:
/// it is believed only if its schema and rows are those of the checkpoint.
///
/// # Errors
/// The store's and SQLite's; unsupported where SQLite does not keep what the checkpoint has.
pub fn restore_database(
    store: &dyn Store,
    manifest: &Manifest,
    path: &Path,
    progress: &dyn Progress,
) -> Result<Restored> {
    build_whole(store, manifest, path, progress)?;
    read_file(path, &mut |_| Ok(()))
}

fn build_whole(store: &dyn Store, manifest: &Manifest, path: &Path, progress: &dyn Progress) -> Result<()> {
    build_database(path, |visit| read_rows(store, manifest, visit, progress))?;
    let actual = content_of(path, progress)?;
    if actual != manifest.content_sha256 {
        let found = Error::damaged(Damage::Checksum, "the restored content", manifest.content_sha256, actual);
        return Err(Error::unsupported(format!(
            "SQLite does not keep this database as it was: {}",
            found.message()
        ))
        .hint("--as ndjson writes the rows as they are; a checkpoint of its pages restores: --kind image"));
    }
    Ok(())
}

/// What the schema and the rows of the database at `path` come to.
fn content_of(path: &Path, progress: &dyn Progress) -> Result<Hash> {
    let database = LiveDatabase::open(path)?;
    let mut rows = RowSource::new(&database, &path.display().to_string(), true)?;
    let mut sum = RowsSum::default();
    progress.begin("reading it back", None);
    while rows.advance()? {
        let (_, line) = rows.entry();
        sum.add(line);
        progress.advance(line.len() as u64);
        if sum.record_count().is_multiple_of(4096) {
            interrupt::check()?;
        }
    }
    progress.end();
    Ok(sum.finish().0)
}

/// Shows the file to `visit`, and hashes it.
fn read_file(path: &Path, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<Restored> {
    let failed = |error: &std::io::Error| io_error("read", path, error);
    let mut file = File::open(path).map_err(|error| failed(&error))?;
    let (mut sha256, mut raw_bytes, mut block) = (Sha256::new(), 0, vec![0; 256 << 10]);
    loop {
        interrupt::check()?;
        let bytes = file.read(&mut block).map_err(|error| failed(&error))?;
        if bytes == 0 {
            return Ok(Restored { raw_bytes, sha256: Hash::finish(sha256) });
        }
        let read = block.get(..bytes).unwrap_or_default();
        visit(read)?;
        sha256.update(read);
        raw_bytes += bytes as u64;
    }
}

/// What a temporary database's name begins with.
const SCRATCH: &str = ".tmp-restore-";

/// A temporary file that others tell from what a killed run has left: it is locked. SQLite needs its name.
fn scratch_file(folder: &Path) -> Result<NamedTempFile> {
    for name in read_names(folder)?.iter().filter(|name| name.starts_with(SCRATCH)) {
        // Other people's stay.
        let _ = remove_abandoned(&folder.join(name));
    }
    let failed = |error: &std::io::Error| io_error("create a temporary file in", folder, error);
    loop {
        let file = tempfile::Builder::new().prefix(SCRATCH).tempfile_in(folder);
        let file = file.map_err(|error| failed(&error))?;
        // Somebody may have taken it for abandoned before it was locked.
        let locked = match file.as_file().try_lock() {
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
            locked => locked.is_ok(),
        };
        if locked && file.as_file().metadata().map_err(|error| failed(&error))?.nlink() > 0 {
            return Ok(file);
        }
    }
}

/// The same by way of a temporary file, whose bytes `write` gets. One that a killed run left there is removed.
pub fn restore_database_stream(
    store: &dyn Store,
    manifest: &Manifest,
    write: &mut dyn FnMut(&[u8]) -> Result<()>,
    progress: &dyn Progress,
) -> Result<Restored> {
    let file = scratch_file(&store.scratch_folder())?;
    build_whole(store, manifest, file.path(), progress)?;
    read_file(file.path(), write)
}
