//! An object's key-value entries, read without SQLite from a database that may be in use.

use std::path::Path;

use dotctl_engine::dotdo::{RECORD_BYTES_MAX, Records, Value, Visit, with_v8};
use dotctl_engine::image::PageReader;
use dotctl_engine::image::lookup::{KEY_VALUE_TABLE, Lookup};
use dotctl_engine::image::record::Column;
use dotctl_engine::{Error, Result};

use super::table::Table;
use crate::database::LiveDatabase;

/// The entries of `_cf_KV`.
pub struct KeyValues {
    database: LiveDatabase,
    table: Option<Table>,
    place: String,
}

impl KeyValues {
    /// The entries of the database at `path`, held still.
    pub fn open(path: &Path) -> Result<Self> {
        let place = path.display().to_string();
        let database = LiveDatabase::open(path)?;
        let table = Table::find(&database, KEY_VALUE_TABLE).map_err(|error| error.at(place.clone()))?;
        Ok(KeyValues { database, table, place })
    }

    /// Checks that nothing changed since it was opened.
    ///
    /// # Errors
    /// Busy where it did.
    pub fn check_unchanged(&self) -> Result<()> {
        self.database.check_unchanged()
    }
}

fn too_large(bytes: u64) -> Error {
    Error::malformed(format!("the record has {bytes} bytes, more than an object stores under one key"))
}

impl Records for KeyValues {
    fn scan(&self, visit: &mut Visit<'_>) -> Result<()> {
        let Some(table) = self.table else {
            return Ok(());
        };
        let rows = table.rows(&self.database, RECORD_BYTES_MAX, |mut columns, payload_bytes| {
            let Some(Ok(Column::Text(key))) = columns.next() else {
                return Ok(());
            };
            let Ok(key) = str::from_utf8(key) else {
                return Ok(());
            };
            if payload_bytes > RECORD_BYTES_MAX {
                return visit(key, payload_bytes, Err(too_large(payload_bytes)));
            }
            match columns.next() {
                Some(Ok(Column::Blob(bytes))) => {
                    let stored_bytes = bytes.len() as u64;
                    // The visitor's failures are its own, the value's are what it is shown.
                    let mut failed = Ok(());
                    let read = with_v8(bytes, |value| {
                        failed = visit(key, stored_bytes, Ok(value));
                        Ok(())
                    });
                    failed?;
                    read.or_else(|error| visit(key, stored_bytes, Err(error)))
                }
                _ => Ok(()),
            }
        });
        rows.map_err(|error| error.at(self.place.clone()))
    }

    fn read(&self, key: &str, visit: &mut dyn FnMut(&Value<'_>) -> Result<()>) -> Result<bool> {
        if self.table.is_none() {
            return Ok(false);
        }
        let mut lookup =
            Lookup::key(self.database.page_count(), key.as_bytes()).with_payload_max(RECORD_BYTES_MAX);
        let found =
            lookup.run(self.database.page_bytes(), |number, page| self.database.read_pages(number, page))?;
        if !found {
            return Ok(false);
        }
        match lookup.column(1)? {
            Column::Blob(bytes) => with_v8(bytes, visit).map(|()| true),
            _ => Err(Error::malformed("its value is not one that an object stores")),
        }
    }
}
