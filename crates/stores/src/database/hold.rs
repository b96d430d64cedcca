//! Noticing that a file is in use as a database, and keeping SQLite away from it, without asking
//! SQLite: the file may have no header that SQLite would take, and looking must change nothing.
//!
//! What locks tell: every connection to a database with a log holds one as long as it lives, a
//! connection to one with a rollback journal only during its transactions.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use dotctl_engine::{Error, ErrorKind, Result};
use nix::libc;

use super::locks::{self, LOG_CONNECTED, PENDING, RESERVED, Range, SHARED};
use super::{files, lock_error};

/// Keeps SQLite away from a file until dropped.
#[derive(Debug)]
pub struct HeldFile {
    _locked: Vec<File>,
}

/// Checks that nobody has `path` open as a database, as far as locks tell. Takes none.
///
/// # Errors
/// `Busy` if somebody has, naming the process where the system does.
pub fn check_unused(path: &Path) -> Result<()> {
    for (lockable, ranges) in lockable(path) {
        if let Some(file) = files::open_if_there(&lockable)? {
            for range in ranges {
                refuse_holder(&file, *range, path)?;
            }
        }
    }
    Ok(())
}

/// Checks the same and locks `path`, and its `-shm`, as SQLite does for itself alone. What cannot
/// be locked (a file that must not be written, a file system without locks) is only checked.
///
/// # Errors
/// As those of [`check_unused`].
pub fn hold_alone(path: &Path) -> Result<HeldFile> {
    let mut locked = Vec::new();
    for (lockable, ranges) in lockable(path) {
        let Some(file) = open_to_lock(&lockable)? else { continue };
        for range in ranges {
            match locks::write_lock(&file, *range) {
                Ok(true) => {}
                Ok(false) => return Err(in_use(path, locks::holder(&file, *range, true).ok().flatten())),
                Err(_) => refuse_holder(&file, *range, path)?,
            }
        }
        locked.push(file);
    }
    Ok(HeldFile { _locked: locked })
}

/// The files at and beside `path` that SQLite locks, and where, in the order in which it takes them.
/// A link is replaced itself and its file stays, so that is nobody's loss.
fn lockable(path: &Path) -> impl Iterator<Item = (PathBuf, &'static [Range])> {
    let mut index = path.as_os_str().to_owned();
    index.push("-shm");
    let main: &[Range] = &[PENDING, RESERVED, SHARED];
    let index_ranges: &[Range] = &[LOG_CONNECTED];
    let both = [(path.to_owned(), main), (PathBuf::from(index), index_ranges)];
    both.into_iter().filter(|(path, _)| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()))
}

/// Opens a file for writing, which a lock alone needs; for reading if that is all that is allowed.
fn open_to_lock(path: &Path) -> Result<Option<File>> {
    let opened =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            files::open_if_there(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(files::failed(&error, "open", path)),
    }
}

fn refuse_holder(file: &File, range: Range, path: &Path) -> Result<()> {
    match locks::holder(file, range, true) {
        Ok(None) => Ok(()),
        Ok(Some(holder)) => Err(in_use(path, Some(holder))),
        // Nobody can hold a lock where there are none.
        Err(nix::errno::Errno::ENOLCK | nix::errno::Errno::ENOSYS | nix::errno::Errno::EOPNOTSUPP) => Ok(()),
        Err(error) => Err(lock_error(error, path)),
    }
}

fn in_use(path: &Path, holder: Option<locks::Holder>) -> Error {
    let name = holder.map_or_else(|| "another process".to_owned(), locks::Holder::name);
    Error::new(ErrorKind::Busy, format!("{name} has this database open"))
        .at(path.display().to_string())
        .hint("stop what uses it (workerd, wrangler dev), or restore to another path")
}
