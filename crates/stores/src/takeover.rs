//! Taking the place of a file that may be a database somebody has open.
//!
//! Renaming over a live database succeeds silently: its user goes on writing into a file without
//! a name, and the old log beside the new file is malformed at the next open. So the old one is
//! locked alone, its log folded in, and its journal mode set back, before it is replaced; at any
//! kill the old state or the new one is there.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use dotctl_engine::{Error, ErrorKind, Result};

use crate::database::{HeldFile, hold_alone, is_database};
use crate::io_error;
use crate::target::companions;

/// Holds what lies there for its replacement, until dropped.
#[allow(dead_code, reason = "held for its locks")]
pub enum Held {
    /// As a database.
    Database(Connection),
    /// As a file that SQLite does not take for a database, or nothing.
    File(HeldFile),
}

/// Makes sure that nobody uses what lies at `path` and that nothing beside it will be applied to
/// its successor.
pub fn take_over(path: &Path) -> Result<Held> {
    let is_file = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_file(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(io_error("look at", path, &error)),
    };
    if !is_file || !is_database(path)? {
        // An empty or damaged file may still be somebody's database.
        let held = hold_alone(path)?;
        if !is_file || !is_database(path)? {
            remove_companions(path)?;
            return Ok(Held::File(held));
        }
    }
    match hold(path) {
        Ok(connection) => Ok(Held::Database(connection)),
        Err(error) => Err(refusal(path, &error)),
    }
}

fn hold(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    Ok(connection)
}

fn refusal(path: &Path, error: &rusqlite::Error) -> Error {
    let place = path.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::new(ErrorKind::Busy, "somebody has this database open")
                .at(place)
                .hint("stop what uses it (workerd, wrangler dev), or restore to another path")
        }
        _ => Error::new(ErrorKind::Io, format!("the database there cannot be locked: {error}"))
            .at(place)
            .hint("move it and the files beside it away, then restore again"),
    }
}

fn remove_companions(path: &Path) -> Result<()> {
    for companion in companions(path) {
        match fs::remove_file(&companion) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &companion, &error));
            }
            _ => {}
        }
    }
    Ok(())
}
