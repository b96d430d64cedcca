//! Lines of rows into a new database.

use std::path::Path;

use rusqlite::types::ToSqlOutput;
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, OpenFlags};

use dotctl_engine::rows::{Definition, Line, RowKey, SEQUENCE_TABLE, Value, rowid_of, tables_with_rows};
use dotctl_engine::{Error, Result};

use super::form::TableForm;
use super::schema::{SCHEMA_BYTES_MAX, guard, make, words};
use crate::alone::failure;

/// Memory for SQLite's pages, in KiB; an index is sorted in as much.
const CACHE_KIB: i32 = 8 * 1024;

/// Rows of [`SEQUENCE_TABLE`] that wait in memory: one a table with AUTOINCREMENT.
const SEQUENCES_MAX: usize = 100_000;

/// Builds a database in the new or empty file at `path`, which is nobody else's, out of the lines that
/// `read` gives, in the order of their keys. Nothing is made durable.
///
/// # Errors
/// Those of `read` and SQLite's; corrupt where the lines are no database's.
pub fn build_database(
    path: &Path,
    read: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let place = path.display().to_string();
    let failed = |error: &rusqlite::Error| failure(&place, "write", error);
    let mut connection = open(path).map_err(|error| failed(&error))?;
    let mut about = None;
    let mut definitions: Vec<Definition> = Vec::new();
    let mut held_bytes = 0_usize;
    let mut begun = false;
    let mut sequences: Vec<Vec<u8>> = Vec::new();
    let mut table: Option<(String, TableForm, String)> = None;
    read(&mut |line| {
        let parsed = Line::parse(line)?;
        match RowKey::parse(&parsed.key)? {
            RowKey::Database => about = Some(About::of(&parsed.values()?)?),
            RowKey::Definition(kind, name) => {
                let definition = Definition::of(kind, name, &parsed.values()?)?;
                held_bytes += definition.held_bytes();
                if begun || held_bytes > SCHEMA_BYTES_MAX {
                    return Err(Error::corrupt("a checkpoint of rows has more definitions than it can"));
                }
                definitions.push(definition);
            }
            RowKey::Row(name, row_place) => {
                if !begun {
                    begun = true;
                    begin(&mut connection, about.as_ref(), &definitions)
                        .map_err(|error| error.at(place.clone()))?;
                }
                if name == SEQUENCE_TABLE {
                    // SQLite counts in it while rows are put into other tables.
                    sequences.push(line.to_vec());
                    return match sequences.len() > SEQUENCES_MAX {
                        true => Err(Error::corrupt("more counters than tables can have")),
                        false => Ok(()),
                    };
                }
                if table.as_ref().is_none_or(|(current, ..)| *current != name) {
                    let form = TableForm::of(&connection, &name)?;
                    let sql = insertion(&form);
                    table = Some((name.clone().into_owned(), form, sql));
                }
                if let Some((_, form, sql)) = &table {
                    let mut statement = connection.prepare_cached(sql).map_err(|error| failed(&error))?;
                    insert(&mut statement, form, row_place, &parsed.values()?)
                        .map_err(|error| error.at(format!("table {name:?}")))?;
                }
            }
        }
        Ok(())
    })?;
    if !begun {
        begin(&mut connection, about.as_ref(), &definitions).map_err(|error| error.at(place.clone()))?;
    }
    finish(&mut connection, about.as_ref(), &definitions, &sequences)
        .map_err(|error| error.at(place.clone()))?;
    connection.close().map_err(|(_, error)| failed(&error))
}

/// What a line says of the database as a whole.
pub struct About {
    encoding: &'static str,
    page_bytes: i64,
    vacuum: i64,
    /// A number that is the database's user's.
    pub user_version: i64,
    /// Another one.
    pub application_id: i64,
}

impl Default for About {
    fn default() -> Self {
        About { encoding: "UTF-8", page_bytes: 4096, vacuum: 0, user_version: 0, application_id: 0 }
    }
}

impl About {
    /// Whether encoding, pages and vacuum mode are the same.
    pub fn is_laid_out_as(&self, other: &About) -> bool {
        (self.encoding, self.page_bytes, self.vacuum) == (other.encoding, other.page_bytes, other.vacuum)
    }

    /// Reads the values of the line.
    ///
    /// # Errors
    /// Corrupt where they are not those.
    pub fn of(values: &[Value<'_>]) -> Result<Self> {
        let wrong = || Error::corrupt("what a checkpoint of rows says of the database is not understood");
        let [
            Value::Text(encoding),
            Value::Integer(page_bytes),
            Value::Integer(vacuum @ 0..=2),
            Value::Integer(user_version),
            Value::Integer(application_id),
        ] = values
        else {
            return Err(wrong());
        };
        let encoding =
            ["UTF-8", "UTF-16le", "UTF-16be"].into_iter().find(|name| name.as_bytes() == &**encoding);
        Ok(About {
            encoding: encoding.ok_or_else(wrong)?,
            page_bytes: *page_bytes,
            vacuum: *vacuum,
            user_version: *user_version,
            application_id: *application_id,
        })
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    guard(&mut connection)?;
    Ok(connection)
}

/// Makes the tables.
fn begin(connection: &mut Connection, about: Option<&About>, definitions: &[Definition]) -> Result<()> {
    let prepare = || -> rusqlite::Result<()> {
        if let Some(about) = about {
            connection.pragma_update(None, "encoding", about.encoding)?;
            connection.pragma_update(None, "page_size", about.page_bytes)?;
            connection.pragma_update(None, "auto_vacuum", about.vacuum)?;
        } else {
            connection.pragma_update(None, "page_size", 4096)?;
        }
        connection.execute_batch("BEGIN EXCLUSIVE")
    };
    prepare().map_err(|error| refused(&error))?;
    make(connection, tables_with_rows(definitions))
}

/// Puts in what comes after the rows.
fn finish(
    connection: &mut Connection,
    about: Option<&About>,
    definitions: &[Definition],
    sequences: &[Vec<u8>],
) -> Result<()> {
    if !sequences.is_empty() {
        let form = TableForm::of(connection, SEQUENCE_TABLE)?;
        connection.execute("DELETE FROM sqlite_sequence", []).map_err(|error| refused(&error))?;
        let mut statement = connection.prepare_cached(&insertion(&form)).map_err(|error| refused(&error))?;
        for line in sequences {
            let line = Line::parse(line)?;
            if let RowKey::Row(_, place) = RowKey::parse(&line.key)? {
                insert(&mut statement, &form, place, &line.values()?)?;
            }
        }
    }
    make(connection, definitions.iter().filter(|definition| definition.kind == "index"))?;
    let end = || -> rusqlite::Result<()> {
        for Definition { kind, name, table, sql } in words(definitions) {
            connection.execute(
                "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES (?1, ?2, ?3, 0, ?4)",
                [kind, name, table, sql],
            )?;
        }
        if let Some(about) = about {
            connection.pragma_update(None, "user_version", about.user_version)?;
            connection.pragma_update(None, "application_id", about.application_id)?;
        }
        connection.execute_batch("COMMIT")
    };
    end().map_err(|error| refused(&error))
}

fn refused(error: &rusqlite::Error) -> Error {
    Error::corrupt(format!("SQLite does not take what the checkpoint has: {error}"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn insertion(form: &TableForm) -> String {
    let names: Vec<String> = form
        .rowid_name
        .map(str::to_owned)
        .into_iter()
        .chain(form.columns.iter().map(|column| quoted(&column.name)))
        .collect();
    let values = vec!["?"; names.len()].join(",");
    format!("INSERT INTO {} ({}) VALUES ({values})", quoted(&form.name), names.join(","))
}

fn insert(
    statement: &mut CachedStatement<'_>,
    form: &TableForm,
    place: &str,
    values: &[Value<'_>],
) -> Result<()> {
    if values.len() != form.columns.len() {
        return Err(Error::corrupt(format!(
            "a row has {} values, and the table {} columns",
            values.len(),
            form.columns.len()
        )));
    }
    let mut bound = 0;
    let mut bind = |value: ValueRef<'_>| {
        bound += 1;
        statement.raw_bind_parameter(bound, ToSqlOutput::Borrowed(value)).map_err(|error| refused(&error))
    };
    if form.rowid_name.is_some() {
        let rowid = rowid_of(place).ok_or_else(|| Error::corrupt("a row's key has no rowid"))?;
        bind(ValueRef::Integer(rowid))?;
    }
    for value in values {
        bind(match value {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(bytes) => ValueRef::Text(bytes),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        })?;
    }
    statement.raw_execute().map(drop).map_err(|error| refused(&error))
}
