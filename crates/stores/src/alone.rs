//! A database that this process has for itself alone, whoever made it.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use dotctl_engine::limits::WORKERD_LENGTH;
use dotctl_engine::{Error, ErrorKind};

/// Memory that SQLite keeps pages in, in KiB; what a transaction has more goes to the log.
const CACHE_KIB: i32 = 8 * 1024;

/// Opens the database at `path` for writing, for one thread at a time. The schema is whoever's:
/// nothing in it is to run.
pub fn open_guarded(path: &Path, more_flags: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more_flags;
    let connection = Connection::open_with_flags(path, flags)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        connection.set_db_config(setting, on)?;
    }
    Ok(connection)
}

/// Opens the database at `path` and begins a transaction, alone from now on until the connection is
/// closed. Its journal mode stays as it is, and no `-shm` is made. `create`: where there is none,
/// an empty one is made, in log mode as workerd's are.
///
/// # Errors
/// SQLite's; busy while anybody has it open, who reads included.
pub fn open_alone(path: &Path, create: bool) -> rusqlite::Result<Connection> {
    let flags = if create { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
    let connection = open_guarded(path, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    let length = i32::try_from(WORKERD_LENGTH.amount).unwrap_or(i32::MAX);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, length)?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20)?;
    connection.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, 100)?;
    connection.set_limit(Limit::SQLITE_LIMIT_VDBE_OP, 100_000)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Before anything is read: then the log's index is in memory.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    if create {
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    }
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    Ok(connection)
}

/// What SQLite's `error` means for the database at `place`, which somebody tried to `verb`.
pub fn failure(place: &str, verb: &str, error: &rusqlite::Error) -> Error {
    let message = |kind| Error::new(kind, format!("cannot {verb} this database: {error}")).at(place);
    if matches!(
        error,
        rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
    ) {
        return Error::corrupt(format!("a row is not as it was written: {error}")).at(place);
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::new(ErrorKind::Busy, "somebody has this database open")
                .at(place)
                .hint("stop what uses it (workerd, wrangler dev), or name another place")
        }
        Some(ErrorCode::DiskFull) => message(ErrorKind::Io)
            .hint("free some space and run the command again; nothing half-written remains"),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            message(ErrorKind::Io).hint("check the permissions of the file and its folder")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::corrupt(format!("cannot {verb} this database: {error}"))
                .at(place)
                .hint("`dotctl inspect` tells what is damaged; name another place")
        }
        _ => message(ErrorKind::Io),
    }
}
