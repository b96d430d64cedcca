//! Items through SQLite, which has the object's database for itself alone meanwhile.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use dotctl_engine::image::lookup::KEY_VALUE_TABLE;
use dotctl_engine::value::{read_bytes, read_number, write_bytes, write_number};
use dotctl_engine::{Error, ErrorKind, Result};

use super::items::{Items, stored};
use super::layout::{
    Backend, Head, ITEM_KEYS, ITEMS_SQL, ITEMS_TABLE, KEY_VALUES_SQL, PARTS_SQL, PARTS_TABLE, part_key,
    parts_prefix,
};
use crate::alone::{failure, open_alone};

/// One open transaction.
pub struct Writer {
    connection: Connection,
    place: String,
    has_tables: bool,
    has_entries: bool,
}

impl Writer {
    /// Opens the database at `path` for itself alone, begins the transaction and makes the tables
    /// of `backend` where they are not there.
    ///
    /// # Errors
    /// Busy while anybody has it open, who reads included; Exists where a table has one of the
    /// names and is another one.
    pub fn begin(path: &Path, backend: Backend) -> Result<Self> {
        let place = path.display().to_string();
        let connection = open_alone(path, false).map_err(|error| failure(&place, "open", &error))?;
        let mut writer = Writer { connection, place, has_tables: false, has_entries: false };
        let has_items = writer.is_ours(ITEMS_TABLE, ITEMS_SQL)?;
        let has_parts = writer.is_ours(PARTS_TABLE, PARTS_SQL)?;
        let has_entries = writer.is_ours(KEY_VALUE_TABLE, KEY_VALUES_SQL)?;
        let wanted = match backend {
            Backend::Sqlite => &[(has_items, ITEMS_SQL), (has_parts, PARTS_SQL)][..],
            Backend::Kv => &[(has_entries, KEY_VALUES_SQL)],
        };
        for (_, statement) in wanted.iter().filter(|(there, _)| !there) {
            writer.sql(|connection| connection.execute_batch(statement))?;
        }
        writer.has_tables = backend == Backend::Sqlite || has_items && has_parts;
        writer.has_entries = backend == Backend::Kv || has_entries;
        Ok(writer)
    }

    /// Whether `table` is there, made by `sql` and with nothing that hangs on it.
    fn is_ours(&self, table: &str, sql: &str) -> Result<bool> {
        let there: Option<(String, String)> = self.sql(|connection| {
            connection
                .query_row(
                    "SELECT type, coalesce(sql, '') FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE",
                    [table],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()
        })?;
        let Some((kind, actual)) = there else {
            return Ok(false);
        };
        let others: i64 = self.sql(|connection| {
            connection.query_row(
                "SELECT count(*) FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND type <> 'table'",
                [table],
                |row| row.get(0),
            )
        })?;
        if kind != "table" || bare(&actual) != bare(sql) || others != 0 {
            return Err(Error::new(
                ErrorKind::Exists,
                format!("the table {table} is not as dotctl or workerd makes it"),
            )
            .at(&*self.place)
            .hint("name another store; checkpoints are only put into tables that nothing else hangs on"));
        }
        Ok(true)
    }

    /// Puts an item of `stored_bytes` bytes in the place of what has its key; `read` fills the
    /// slice with the bytes from an offset on.
    pub fn put(
        &self,
        backend: Backend,
        key: &str,
        stored_bytes: u64,
        read: impl Fn(u64, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        for backend in Backend::ALL {
            self.remove(backend, key)?;
        }
        let first_part = match backend {
            Backend::Sqlite => self.sql(|connection| {
                connection
                    .prepare_cached("SELECT coalesce(max(part), 0) + 1 FROM _dotctl_parts")?
                    .query_row([], |row| row.get(0))
            })?,
            Backend::Kv => 0,
        };
        let head = Head { backend, stored_bytes, first_part };
        let mut part = Vec::new();
        for number in 0..head.part_count() {
            part.resize(head.part_bytes(number) as usize, 0);
            read(number * backend.part_bytes(), &mut part)?;
            match backend {
                Backend::Sqlite => {
                    let row = head.row(number)?;
                    self.sql(|connection| {
                        connection
                            .prepare_cached("INSERT INTO _dotctl_parts VALUES (?1, ?2)")?
                            .execute(params![row, part])
                    })?;
                }
                Backend::Kv => self.put_entry(&part_key(key, number), &write_bytes(&part)?)?,
            }
        }
        match backend {
            Backend::Sqlite => self.sql(|connection| {
                connection
                    .prepare_cached("INSERT INTO _dotctl_items VALUES (?1, ?2, ?3)")?
                    .execute(params![key, stored_bytes.cast_signed(), first_part])
                    .map(drop)
            }),
            Backend::Kv => self.put_entry(&backend.stored_key(key), &write_number(stored_bytes)?),
        }
    }

    fn put_entry(&self, key: &str, value: &[u8]) -> Result<()> {
        self.sql(|connection| {
            connection
                .prepare_cached("INSERT INTO _cf_KV VALUES (?1, ?2)")?
                .execute(params![key, value])
                .map(drop)
        })
    }

    /// Puts an entry of the key-value storage where there is none under its key.
    ///
    /// # Errors
    /// Exists where there is one.
    pub fn create_entry(&self, key: &str, value: &[u8]) -> Result<()> {
        match self.entry(key)? {
            None => self.put_entry(key, value),
            Some(_) => Err(Error::new(ErrorKind::Exists, format!("there is an entry {key} already"))
                .at(&*self.place)
                .hint("nothing was changed; what is there is never overwritten")),
        }
    }

    /// Removes the item, if it is there.
    pub fn remove(&self, backend: Backend, key: &str) -> Result<()> {
        let Some(head) = self.head(backend, key)? else {
            return Ok(());
        };
        self.sql(|connection| match backend {
            Backend::Sqlite => {
                let parts = i64::try_from(head.part_count()).unwrap_or(i64::MAX);
                let rows = params![head.first_part, head.first_part.saturating_add(parts)];
                connection
                    .prepare_cached("DELETE FROM _dotctl_parts WHERE part >= ?1 AND part < ?2")?
                    .execute(rows)?;
                connection
                    .prepare_cached("DELETE FROM _dotctl_items WHERE key = ?1")?
                    .execute([key])
                    .map(drop)
            }
            Backend::Kv => {
                let parts = parts_prefix(key);
                connection
                    .prepare_cached("DELETE FROM _cf_KV WHERE key >= ?1 AND key < ?2")?
                    .execute([&parts, &behind(&parts)])?;
                connection
                    .prepare_cached("DELETE FROM _cf_KV WHERE key = ?1")?
                    .execute([backend.stored_key(key)])
                    .map(drop)
            }
        })
    }

    /// Makes everything durable. Once it is dropped, SQLite has folded its log in and removed it.
    pub fn commit(&self) -> Result<()> {
        self.sql(|connection| connection.execute_batch("COMMIT"))
    }

    fn has(&self, backend: Backend) -> bool {
        match backend {
            Backend::Sqlite => self.has_tables,
            Backend::Kv => self.has_entries,
        }
    }

    fn sql<T>(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        run(&self.connection).map_err(|error| failure(&self.place, "write to", &error))
    }
}

/// SQL without blanks and in small letters: equal for statements that differ in nothing else.
fn bare(sql: &str) -> String {
    sql.chars().filter(|letter| !letter.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// The first text behind all that begin with `prefix`, which ends in an ASCII character.
fn behind(prefix: &str) -> String {
    let mut behind = prefix.to_owned();
    if let Some(last) = behind.pop() {
        behind.push(char::from_u32(u32::from(last) + 1).unwrap_or(char::MAX));
    }
    behind
}

impl Items for Writer {
    fn list(&self, backend: Backend, prefix: &str) -> Result<Vec<(String, u64)>> {
        if !self.has(backend) {
            return Ok(Vec::new());
        }
        let first = backend.stored_key(prefix);
        let range = params![first, behind(&first)];
        match backend {
            Backend::Sqlite => self.sql(|connection| {
                connection
                    .prepare_cached(
                        "SELECT key, stored_bytes FROM _dotctl_items WHERE key >= ?1 AND key < ?2",
                    )?
                    .query_map(range, |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?
                    .collect()
            }),
            Backend::Kv => {
                let entries: Vec<(String, Vec<u8>)> = self.sql(|connection| {
                    connection
                        .prepare_cached("SELECT key, value FROM _cf_KV WHERE key >= ?1 AND key < ?2")?
                        .query_map(range, |row| Ok((row.get(0)?, row.get(1)?)))?
                        .collect()
                })?;
                let plain = |(key, value): (String, Vec<u8>)| {
                    let key = key.strip_prefix(ITEM_KEYS).unwrap_or_default().to_owned();
                    Ok((key, read_number(&value).map_err(stored)?))
                };
                entries.into_iter().map(plain).collect()
            }
        }
    }

    fn head(&self, backend: Backend, key: &str) -> Result<Option<Head>> {
        if !self.has(backend) {
            return Ok(None);
        }
        match backend {
            Backend::Sqlite => self.sql(|connection| {
                connection
                    .prepare_cached("SELECT stored_bytes, first_part FROM _dotctl_items WHERE key = ?1")?
                    .query_row([key], |row| {
                        let stored_bytes = row.get::<_, i64>(0)?.cast_unsigned();
                        Ok(Head { backend, stored_bytes, first_part: row.get(1)? })
                    })
                    .optional()
            }),
            Backend::Kv => {
                let value = self.entry(&backend.stored_key(key))?;
                let head = |value: Vec<u8>| {
                    Ok(Head { backend, stored_bytes: read_number(&value).map_err(stored)?, first_part: 0 })
                };
                value.map(head).transpose()
            }
        }
    }

    fn part(&self, key: &str, head: &Head, number: u64) -> Result<Option<Vec<u8>>> {
        match head.backend {
            Backend::Sqlite => {
                let row = head.row(number)?;
                self.sql(|connection| {
                    connection
                        .prepare_cached("SELECT bytes FROM _dotctl_parts WHERE part = ?1")?
                        .query_row([row], |row| row.get(0))
                        .optional()
                })
            }
            Backend::Kv => {
                let value = self.entry(&part_key(key, number))?;
                value.map(|value| read_bytes(&value).map(<[u8]>::to_vec).map_err(stored)).transpose()
            }
        }
    }
}

impl Writer {
    fn entry(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.sql(|connection| {
            connection
                .prepare_cached("SELECT value FROM _cf_KV WHERE key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()
        })
    }
}
