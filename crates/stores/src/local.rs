//! Objects where local workerd keeps them: beside the class's list of alarms.
//!
//! An alarm is in two files: row 1 of the object's `_cf_METADATA`, and `_cf_ALARM` in the class's
//! `metadata.sqlite`, from which workerd fires. With the first alone it never fires. No transaction
//! spans both. But workerd itself sets an alarm earlier in the list first and later in the object
//! first, and at a listed time that is before the object's it puts the list right, without calling
//! the object (`ActorSqlite::armAlarmHandler`, read 2026-11-21). So here too: whenever a restore is
//! killed, the listed time is the object's or before it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use dotctl_engine::image::header::{DATABASE_HEADER_BYTES, DatabaseHeader};
use dotctl_engine::image::lookup::{Lookup, alarm_nanoseconds};
use dotctl_engine::image::record::Column;
use dotctl_engine::{Error, ErrorKind, Result};

use crate::alone::{failure, open_alone};
use crate::database::is_database;
use crate::objects::object_id;
use crate::target::Target;

/// The file in which a class keeps its alarms.
const ALARMS_FILE: &str = "metadata.sqlite";

/// The folder in which Miniflare and wrangler keep the folders of classes.
const OBJECTS_FOLDER: &str = "do";

/// The list as workerd made it until 2026. A newer one adds the column for names, an older one takes
/// no other.
const ALARMS_SQL: &str = "CREATE TABLE IF NOT EXISTS _cf_ALARM (actor_id TEXT PRIMARY KEY, \
                          scheduled_time INTEGER) WITHOUT ROWID";

/// The list as it is made since.
const NAMED_ALARMS_SQL: &str = "CREATE TABLE IF NOT EXISTS _cf_ALARM (actor_id TEXT PRIMARY KEY, \
                                scheduled_time INTEGER, actor_name TEXT) WITHOUT ROWID";

/// The table in which Miniflare keeps, since 2026, the name by which the object was got: row 1.
const NAME_TABLE: &str = "__miniflare_do_name";

/// The longest name that is believed to be one.
const NAME_BYTES_MAX: u64 = 4_096;

/// An alarm's time, in nanoseconds since 1970.
pub type AlarmTime = Option<i64>;

/// The place of an object among others of its class, theirs alone until it is dropped.
pub struct LocalPlace {
    path: PathBuf,
    id: String,
    alarms: PathBuf,
    /// The list, if there is one.
    connection: Option<Connection>,
    listed: AlarmTime,
}

impl LocalPlace {
    /// Holds the place that `path` is, if it is one: a file named as an object's, with the class's
    /// list beside it or where such lists are. Nobody can start the class until it is dropped.
    ///
    /// # Errors
    /// Busy while workerd has the class open.
    pub fn hold(path: &Path) -> Result<Option<Self>> {
        let Some(id) = object_id(path) else {
            return Ok(None);
        };
        let alarms = path.with_file_name(ALARMS_FILE);
        let mut place =
            LocalPlace { path: path.to_owned(), id: id.to_owned(), alarms, connection: None, listed: None };
        if place.alarms.is_file() && is_database(&place.alarms)? {
            place.open(false)?;
            return Ok(Some(place));
        }
        let absolute = std::path::absolute(path).map_err(|error| crate::io_error("find", path, &error))?;
        let among = absolute.parent().and_then(Path::parent).and_then(Path::file_name);
        let free = place.alarms.symlink_metadata().map_or(true, |found| found.len() == 0);
        Ok((free && among.is_some_and(|name| name == OBJECTS_FOLDER)).then_some(place))
    }

    /// The file with the class's alarms.
    pub fn alarms_file(&self) -> &Path {
        &self.alarms
    }

    /// Gives `target` its name, a database that workerd is to fire the alarm of; says when that is.
    pub fn publish(mut self, target: Target) -> Result<AlarmTime> {
        let (page_bytes, page_count) = geometry(&target)?;
        let alarm = alarm_in(&target, page_bytes, page_count)?;
        let name = name_in(&target, page_bytes, page_count);
        if is_before(alarm, self.listed) {
            self.list(alarm, name.as_deref())?;
        }
        self.end_transaction()?;
        target.publish()?;
        if is_before(self.listed, alarm) {
            self.list(alarm, name.as_deref()).map_err(|error| {
                error.hint("the object is restored; run the command again with --force for its alarm")
            })?;
        }
        Ok(alarm)
    }

    fn open(&mut self, create: bool) -> Result<()> {
        let connection = open_alone(&self.alarms, create).map_err(|error| match self.failed(&error) {
            error if error.kind() == ErrorKind::Busy => {
                Error::new(ErrorKind::Busy, "somebody has the objects of this class open")
                    .at(self.path.display().to_string())
                    .hint("stop what uses them (workerd, wrangler dev), or restore to another path")
            }
            error => error,
        })?;
        let has_list: bool = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = '_cf_ALARM'", [], |row| row.get(0))
            .map_err(|error| self.failed(&error))?;
        if has_list {
            self.listed = connection
                .query_row("SELECT scheduled_time FROM _cf_ALARM WHERE actor_id = ?1", [&self.id], |row| {
                    row.get(0)
                })
                .optional()
                .map_err(|error| self.failed(&error))?
                .flatten();
        }
        self.connection = Some(connection);
        Ok(())
    }

    fn failed(&self, error: &rusqlite::Error) -> Error {
        failure(&self.alarms.display().to_string(), "write the alarm to", error)
    }

    /// Puts `alarm` into the list, or takes the object out of it.
    fn list(&mut self, alarm: AlarmTime, name: Option<&str>) -> Result<()> {
        if self.connection.is_none() {
            self.open(true)?;
        }
        if let Some(connection) = &self.connection {
            write_alarm(connection, &self.id, alarm, name).map_err(|error| self.failed(&error))?;
        }
        self.listed = alarm;
        Ok(())
    }

    /// Makes what was listed durable. The database stays locked.
    fn end_transaction(&self) -> Result<()> {
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        connection.execute_batch("COMMIT").map_err(|error| self.failed(&error))
    }
}

fn write_alarm(
    connection: &Connection,
    id: &str,
    alarm: AlarmTime,
    name: Option<&str>,
) -> rusqlite::Result<()> {
    let Some(time) = alarm else {
        return connection.execute("DELETE FROM _cf_ALARM WHERE actor_id = ?1", [id]).map(drop);
    };
    connection.execute_batch(if name.is_some() { NAMED_ALARMS_SQL } else { ALARMS_SQL })?;
    connection.execute(
        "INSERT INTO _cf_ALARM (actor_id, scheduled_time) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET scheduled_time = excluded.scheduled_time",
        (id, time),
    )?;
    // Only a list that a newer workerd made has names; one that is there stays.
    let has_names: bool = connection.query_row(
        "SELECT count(*) FROM pragma_table_info('_cf_ALARM') WHERE name = 'actor_name'",
        [],
        |row| row.get(0),
    )?;
    if has_names {
        connection.execute(
            "UPDATE _cf_ALARM SET actor_name = coalesce(actor_name, ?2) WHERE actor_id = ?1",
            (id, name),
        )?;
    }
    Ok(())
}

/// Whether `one` comes before `other`; none comes after all.
fn is_before(one: AlarmTime, other: AlarmTime) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one < other,
        (one, other) => one.is_some() && other.is_none(),
    }
}

/// Bytes of a page, and how many pages there are.
fn geometry(target: &Target) -> Result<(u32, u32)> {
    let mut header = [0; DATABASE_HEADER_BYTES];
    target.read_at(0, &mut header)?;
    let page_bytes = DatabaseHeader::parse(&header)?.page_bytes;
    let page_count = target.bytes()? / u64::from(page_bytes);
    Ok((page_bytes, u32::try_from(page_count).unwrap_or(u32::MAX)))
}

fn alarm_in(target: &Target, page_bytes: u32, page_count: u32) -> Result<AlarmTime> {
    let mut lookup = Lookup::alarm(page_count);
    let there = lookup.run(page_bytes, |number, page| read_page(target, page_bytes, number, page))?;
    if there { alarm_nanoseconds(lookup.column(1)?) } else { Ok(None) }
}

/// The object's name, where it can be known; an alarm goes without.
fn name_in(target: &Target, page_bytes: u32, page_count: u32) -> Option<String> {
    let mut lookup = Lookup::row(page_count, NAME_TABLE, 1).at_most(NAME_BYTES_MAX);
    let there = lookup.run(page_bytes, |number, page| read_page(target, page_bytes, number, page));
    match (there, lookup.column(1)) {
        (Ok(true), Ok(Column::Text(name))) => String::from_utf8(name.to_vec()).ok(),
        _ => None,
    }
}

fn read_page(target: &Target, page_bytes: u32, number: u32, page: &mut [u8]) -> Result<()> {
    target.read_at(u64::from(number.saturating_sub(1)) * u64::from(page_bytes), page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_alarm_comes_last() {
        assert!(is_before(Some(1), Some(2)) && is_before(Some(1), None));
        assert!(!is_before(Some(2), Some(1)) && !is_before(Some(1), Some(1)));
        assert!(!is_before(None, Some(1)) && !is_before(None, None));
    }
}
