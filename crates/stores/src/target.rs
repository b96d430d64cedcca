//! The file that a restore writes: under its name only once it is whole and durable.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use dotctl_engine::{Error, ErrorKind, Result};

use crate::io_error;

/// Files that SQLite keeps beside a database and would apply to whatever lies there.
const COMPANIONS: [&str; 3] = ["-wal", "-journal", "-shm"];

/// Bytes after which the disk is set to work while the rest is still being decoded.
const SYNC_BYTES: u64 = 32 << 20;

/// A file on its way to its name.
pub struct Target {
    path: PathBuf,
    partial: PathBuf,
    file: Arc<File>,
    unsynced_bytes: AtomicU64,
    syncer: Option<Syncer>,
    replace: bool,
    published: bool,
}

/// Brings to the disk what has been written so far, whenever it is woken.
struct Syncer {
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Syncer {
    fn start(file: Arc<File>) -> Self {
        // One wish may wait while another is fulfilled; more would ask for the same.
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            for () in woken {
                // A failure is the last sync's to report, which covers everything.
                let _ = file.sync_data();
            }
        });
        Syncer { wake, thread }
    }
}

impl Target {
    /// Begins to write what will become `path`. Whatever an earlier, killed run left on its way to
    /// the same name is removed. With `replace` an existing file may be there.
    pub fn begin(path: &Path, replace: bool) -> Result<Self> {
        check_vacant(path, replace)?;
        let partial = partial_path(path)?;
        remove_abandoned(&partial)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&partial)
            .map_err(|error| io_error("create", &partial, &error))?;
        file.try_lock().map_err(|_| busy(&partial))?;
        let file = Arc::new(file);
        Ok(Target {
            path: path.to_owned(),
            partial,
            syncer: Some(Syncer::start(file.clone())),
            file,
            unsynced_bytes: AtomicU64::new(0),
            replace,
            published: false,
        })
    }

    /// Writes `bytes` at `offset`; any thread, any order.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|error| io_error("write", &self.partial, &error))?;
        let written_bytes = bytes.len() as u64;
        let unsynced_bytes = self.unsynced_bytes.fetch_add(written_bytes, Ordering::Relaxed) + written_bytes;
        if unsynced_bytes >= SYNC_BYTES
            && let Some(syncer) = &self.syncer
            && syncer.wake.try_send(()).is_ok()
        {
            self.unsynced_bytes.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Makes the file durable and gives it its name.
    pub fn publish(mut self) -> Result<()> {
        self.end_syncer();
        self.file.sync_all().map_err(|error| io_error("make durable", &self.partial, &error))?;
        check_vacant(&self.path, self.replace)?;
        if self.replace {
            replace(&self.partial, &self.path)?;
        } else {
            fs::hard_link(&self.partial, &self.path).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => exists(&self.path),
                _ => io_error("create", &self.path, &error),
            })?;
            let _ = fs::remove_file(&self.partial);
        }
        self.published = true;
        sync_parent(&self.path)
    }
}

impl Target {
    fn end_syncer(&mut self) {
        if let Some(Syncer { wake, thread }) = self.syncer.take() {
            drop(wake);
            // It cannot have failed; the sync that follows would tell.
            let _ = thread.join();
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.end_syncer();
        if !self.published {
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// The files that SQLite may keep beside the database `path`.
pub fn companions(path: &Path) -> impl Iterator<Item = PathBuf> {
    COMPANIONS.into_iter().map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        name.into()
    })
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::Exists, "the target exists")
        .at(path.display().to_string())
        .hint("choose another path, or overwrite it with --force")
}

fn busy(path: &Path) -> Error {
    Error::new(ErrorKind::Busy, "another restore is writing to this target")
        .at(path.display().to_string())
        .hint("wait until it is done")
}

/// Refuses a target that is there, or beside which a database left files that would be applied to
/// the restored one.
fn check_vacant(path: &Path, replace: bool) -> Result<()> {
    if path.is_dir() {
        return Err(Error::new(ErrorKind::Exists, "the target is a folder")
            .at(path.display().to_string())
            .hint("name the file to write"));
    }
    if replace {
        return Ok(());
    }
    if path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    for companion in companions(path) {
        if companion.symlink_metadata().is_ok() {
            return Err(Error::new(
                ErrorKind::Exists,
                "this file belongs to a database that was here and would be applied to the restored one",
            )
            .at(companion.display().to_string())
            .hint("move it away, choose another path, or remove it with --force"));
        }
    }
    Ok(())
}

fn partial_path(path: &Path) -> Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::malformed("the target has no file name").at(path.display().to_string()))?;
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(".dotctl-partial");
    Ok(path.with_file_name(partial))
}

/// Removes what a killed run left, never by writing into it: it may already be a second name of
/// the finished file.
fn remove_abandoned(partial: &Path) -> Result<()> {
    let failed = |error: &io::Error| io_error("remove", partial, error);
    match OpenOptions::new().read(true).open(partial) {
        Ok(file) => {
            file.try_lock().map_err(|_| busy(partial))?;
            fs::remove_file(partial).map_err(|error| failed(&error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(&error)),
    }
}

/// Puts `partial` in the place of `path`, whatever is there.
fn replace(partial: &Path, path: &Path) -> Result<()> {
    let database = crate::takeover::take_over(path)?;
    sync_parent(path)?;
    fs::rename(partial, path).map_err(|error| io_error("replace", path, &error))?;
    drop(database);
    Ok(())
}

fn sync_parent(path: &Path) -> Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| io_error("make durable", parent, &error))
}
