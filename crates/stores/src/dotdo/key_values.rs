//! An object's key-value entries, read without SQLite from a database that may be in use.

use std::path::Path;

use dotctl_engine::dotdo::{Look, RECORD_BYTES_MAX, Records, Value, Visit, glance, may_be_record, with_v8};
use dotctl_engine::image::PageReader;
use dotctl_engine::image::lookup::{KEY_VALUE_TABLE, Lookup};
use dotctl_engine::image::record::{Column, Header};
use dotctl_engine::{Error, Result};

use super::table::Table;
use crate::database::LiveDatabase;
use crate::interrupt;

/// Entries up to this size are read whole at the first look; of larger ones, which most chunks are,
/// the beginning that lies in the tree is looked at first.
const WHOLE_BYTES_MAX: u64 = 32 << 10;

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

/// An entry's key, and its value or as much of it as `payload` holds; `None` where it is no entry
/// that an object stores.
fn entry(payload: &[u8]) -> Option<(&str, &[u8])> {
    let header = Header::parse(payload).ok()?;
    let mut types = header.types();
    let key_type = types.next()?.ok().filter(|key| key.is_text())?;
    types.next()?.ok().filter(|value| value.is_blob())?;
    let body = payload.get(header.header_bytes()..)?;
    let (key, value) = body.split_at_checked(usize::try_from(key_type.value_bytes()).ok()?)?;
    Some((str::from_utf8(key).ok()?, value))
}

impl Records for KeyValues {
    fn scan(&self, visit: &mut Visit<'_>) -> Result<()> {
        let Some(table) = self.table else {
            return Ok(());
        };
        let rows = table.rows(&self.database, WHOLE_BYTES_MAX, |payload, payload_bytes| {
            interrupt::check()?;
            let Some((key, value)) = entry(payload) else {
                return Ok(());
            };
            if payload_bytes <= WHOLE_BYTES_MAX {
                return see(key, value, visit);
            }
            if let Some(look) = glance(value) {
                return visit(key, payload_bytes, Ok(look));
            }
            if payload_bytes > RECORD_BYTES_MAX {
                return visit(key, payload_bytes, Err(too_large(payload_bytes)));
            }
            self.look_up(key, &mut |value| see(key, value, visit)).map(|_| ())
        });
        rows.map_err(|error| error.at(self.place.clone()))
    }

    fn read(&self, key: &str, visit: &mut dyn FnMut(&Value<'_>) -> Result<()>) -> Result<bool> {
        self.look_up(key, &mut |value| with_v8(value, &mut *visit))
    }
}

/// Shows one whole value to `visit`, if it may be a record.
fn see(key: &str, value: &[u8], visit: &mut Visit<'_>) -> Result<()> {
    if !may_be_record(key, value) {
        return Ok(());
    }
    let stored_bytes = value.len() as u64;
    // The visitor's failures are its own, the value's are what it is shown.
    let mut seen = Ok(());
    let read = with_v8(value, |value| {
        seen = visit(key, stored_bytes, Ok(Look::Value(value)));
        Ok(())
    });
    seen?;
    read.or_else(|error| visit(key, stored_bytes, Err(error)))
}

impl KeyValues {
    fn look_up(&self, key: &str, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        interrupt::check()?;
        if self.table.is_none() {
            return Ok(false);
        }
        let mut lookup = Lookup::key(self.database.page_count(), key.as_bytes()).at_most(RECORD_BYTES_MAX);
        let found =
            lookup.run(self.database.page_bytes(), |number, page| self.database.read_pages(number, page))?;
        if !found {
            return Ok(false);
        }
        match lookup.column(1)? {
            Column::Blob(bytes) => visit(bytes).map(|()| true),
            _ => Err(Error::malformed("its value is not one that an object stores")),
        }
    }
}
