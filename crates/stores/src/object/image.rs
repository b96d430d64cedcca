//! Items out of an object's database as it is, in use or not, without SQLite.

use std::path::Path;
use std::time::{Duration, Instant};

use dotctl_engine::image::PageReader;
use dotctl_engine::image::geometry::{Basics, Geometry, TextEncoding};
use dotctl_engine::image::lookup::{KEY_VALUE_TABLE, Lookup};
use dotctl_engine::image::record::{Column, Columns, Header};
use dotctl_engine::image::rows::Rows;
use dotctl_engine::image::schema::{SCHEMA_ROOT, SchemaEntry, TreeKind};
use dotctl_engine::value::{BYTES_OVERHEAD_MAX, read_bytes, read_number};
use dotctl_engine::{Error, Result};

use super::items::{Items, stored};
use super::layout::{Backend, Head, ITEM_KEYS, PARTS_TABLE, part_key};
use crate::database::LiveDatabase;

/// Bytes of a record that tells of an item, at most: the key and two numbers.
const HEAD_BYTES_MAX: usize = 1_024;

/// How long one state of the database is held at least. Its log cannot start over meanwhile.
const HELD_AT_LEAST: Duration = Duration::from_secs(1);

/// How many times longer it is held than it took to open.
const HELD_FOR_OPENINGS: u32 = 10;

/// One state of the database.
pub struct Image {
    database: LiveDatabase,
    geometry: Geometry,
    items_root: Option<u32>,
    entries_root: Option<u32>,
    opened: Instant,
    held_for: Duration,
}

impl Image {
    /// Opens the database at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let begun = Instant::now();
        let database = LiveDatabase::open(path)?;
        let mut first = vec![0; PageReader::page_bytes(&database) as usize];
        database.read_pages(1, &mut first)?;
        let basics = Basics::parse(&first, PageReader::page_count(&database))?;
        let held_for = (begun.elapsed() * HELD_FOR_OPENINGS).max(HELD_AT_LEAST);
        let mut image = Image {
            database,
            geometry: basics.geometry,
            items_root: None,
            entries_root: None,
            opened: Instant::now(),
            held_for,
        };
        image.find_roots(basics.text_encoding).map_err(stored)?;
        Ok(image)
    }

    /// Whether it has been held long enough.
    pub fn is_old(&self) -> bool {
        self.opened.elapsed() > self.held_for
    }

    /// Busy, if what was read of it may be of two states.
    pub fn check_unchanged(&self) -> Result<()> {
        self.database.check_unchanged()
    }

    fn find_roots(&mut self, encoding: TextEncoding) -> Result<()> {
        let mut rows = Rows::new(self.geometry, SCHEMA_ROOT);
        let mut page = Vec::new();
        while rows.advance(&mut page, |number, into| self.database.read_pages(number, into))? {
            // What cannot be read is a user's; ours come as they were written.
            let Ok(entry) = SchemaEntry::parse(rows.payload(), encoding) else {
                continue;
            };
            if entry.kind != TreeKind::WithoutRowid {
                continue;
            }
            if entry.name == Backend::Sqlite.table() {
                self.items_root = Some(entry.root);
            } else if entry.name == KEY_VALUE_TABLE && encoding == TextEncoding::Utf8 {
                self.entries_root = Some(entry.root);
            }
        }
        Ok(())
    }

    fn root(&self, backend: Backend) -> Option<u32> {
        match backend {
            Backend::Sqlite => self.items_root,
            Backend::Kv => self.entries_root,
        }
    }

    /// Runs `lookup`; whether the row is there.
    fn finds(&self, lookup: &mut Lookup) -> Result<bool> {
        lookup
            .run(self.geometry.page_bytes, |number, into| self.database.read_pages(number, into))
            .map_err(stored)
    }

    fn row(&self, table: &'static str, rowid: i64, bytes_max: u64) -> Lookup {
        Lookup::row(self.geometry.page_count, table, rowid).at_most(bytes_max)
    }

    fn entry(&self, backend: Backend, key: &str, bytes_max: u64) -> Lookup {
        Lookup::entry(self.geometry.page_count, backend.table(), key.as_bytes()).at_most(bytes_max)
    }
}

fn number(column: Column<'_>) -> Result<i64> {
    match column {
        Column::Integer(number) => Ok(number),
        _ => Err(Error::corrupt("a number of the item is none")),
    }
}

fn bytes<'a>(column: Column<'a>) -> Result<&'a [u8]> {
    match column {
        Column::Blob(bytes) => Ok(bytes),
        _ => Err(Error::corrupt("what the item holds are no bytes")),
    }
}

fn size(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| Error::corrupt(format!("the item has {number} bytes")))
}

/// The text that the first column of the record beginning with `beginning` is.
fn key_of(beginning: &[u8]) -> Option<&str> {
    let header = Header::parse(beginning).ok()?;
    let first = header.types().next()?.ok().filter(|first| first.is_text())?;
    let begin = header.header_bytes();
    let end = begin.checked_add(usize::try_from(first.value_bytes()).ok()?)?;
    std::str::from_utf8(beginning.get(begin..end)?).ok()
}

impl Items for Image {
    fn list(&self, backend: Backend, prefix: &str) -> Result<Vec<(String, u64)>> {
        let Some(root) = self.root(backend) else {
            return Ok(Vec::new());
        };
        let prefix = backend.stored_key(prefix);
        let mut rows = Rows::new(self.geometry, root).from_key(prefix.as_bytes()).beginnings(HEAD_BYTES_MAX);
        let mut page = Vec::new();
        let mut keys = Vec::new();
        while rows
            .advance(&mut page, |number, into| self.database.read_pages(number, into))
            .map_err(stored)?
        {
            let Some(stored_key) = key_of(rows.payload()).filter(|key| **key >= *prefix) else {
                continue;
            };
            if !stored_key.starts_with(&prefix) {
                break;
            }
            let columns = Columns::of(rows.payload()).map_err(stored)?.nth(1);
            let column = columns.unwrap_or(Ok(Column::Null)).map_err(stored)?;
            let (key, stored_bytes) = match backend {
                Backend::Sqlite => (stored_key, size(number(column)?)?),
                Backend::Kv => (
                    stored_key.strip_prefix(ITEM_KEYS).unwrap_or_default(),
                    read_number(bytes(column)?).map_err(stored)?,
                ),
            };
            keys.push((key.to_owned(), stored_bytes));
        }
        Ok(keys)
    }

    fn head(&self, backend: Backend, key: &str) -> Result<Option<Head>> {
        if self.root(backend).is_none() {
            return Ok(None);
        }
        let mut lookup = self.entry(backend, &backend.stored_key(key), HEAD_BYTES_MAX as u64);
        if !self.finds(&mut lookup)? {
            return Ok(None);
        }
        let column = |index| lookup.column(index).map_err(stored);
        let (stored_bytes, first_part) = match backend {
            Backend::Sqlite => (size(number(column(1)?)?)?, number(column(2)?)?),
            Backend::Kv => (read_number(bytes(column(1)?)?).map_err(stored)?, 0),
        };
        Ok(Some(Head { backend, stored_bytes, first_part }))
    }

    fn part(&self, key: &str, head: &Head, number: u64) -> Result<Option<Vec<u8>>> {
        let record_bytes_max = head.backend.part_bytes() + (BYTES_OVERHEAD_MAX + HEAD_BYTES_MAX) as u64;
        match head.backend {
            Backend::Sqlite => {
                let mut lookup = self.row(PARTS_TABLE, head.row(number)?, record_bytes_max);
                if !self.finds(&mut lookup)? {
                    return Ok(None);
                }
                Ok(Some(bytes(lookup.column(1).map_err(stored)?)?.to_vec()))
            }
            Backend::Kv => {
                let mut lookup = self.entry(head.backend, &part_key(key, number), record_bytes_max);
                if !self.finds(&mut lookup)? {
                    return Ok(None);
                }
                let value = bytes(lookup.column(1).map_err(stored)?)?;
                Ok(Some(read_bytes(value).map_err(stored)?.to_vec()))
            }
        }
    }
}
