//! Files that are there whole and for good, or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use dotctl_engine::Result;

use crate::io_error;

/// Makes the names in `folder` durable.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| io_error("make durable", folder, &error))
}

/// Writes `bytes` as the new file `path` and makes them durable.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|error| io_error("write", path, &error))
}

/// How names of files begin that are on their way to their own.
pub const TEMPORARY: &str = ".tmp-";

/// Removes the file if it is there and nobody holds a lock on it, as who still needs it does.
pub fn remove_abandoned(path: &Path) -> Result<()> {
    let removed = match File::open(path) {
        Err(error) => Err(error),
        Ok(file) => match file.try_lock() {
            Ok(()) => fs::remove_file(path),
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(error)) => Err(error),
        },
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Gives `folder/name` these bytes in one step unless it exists; says whether it did not.
pub fn create_new(folder: &Path, name: &str, bytes: &[u8]) -> Result<bool> {
    let temporary = folder.join(format!("{TEMPORARY}{}-{name}", std::process::id()));
    // Left by a killed process that had our number.
    let _ = fs::remove_file(&temporary);
    let written = write_new(&temporary, bytes).and_then(|()| link_new(&temporary, &folder.join(name)));
    let _ = fs::remove_file(&temporary);
    let created = written?;
    sync_folder(folder)?;
    Ok(created)
}

/// Gives the file `from` the second name `to` unless that exists; says whether it did not.
pub fn link_new(from: &Path, to: &Path) -> Result<bool> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
            Err(io_error("create", to, &error)
                .hint("check the permissions; file systems without hard links (exFAT, some network mounts) cannot be used"))
        }
        Err(error) => Err(io_error("create", to, &error)),
    }
}
