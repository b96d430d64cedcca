//! The rows of a database, in the order of their keys.

use rusqlite::Connection;

use dotctl_engine::image::PageReader;
use dotctl_engine::image::geometry::{Basics, Geometry, TextEncoding};
use dotctl_engine::image::record::{Column, Columns};
use dotctl_engine::image::rows::Rows;
use dotctl_engine::image::schema::{SCHEMA_ROOT, text};
use dotctl_engine::rows::{Definition, RowKey, Value, push_line, table_prefix, tables_with_rows};
use dotctl_engine::state::{MAX_ENTRY_BYTES, Order, OrderCheck};
use dotctl_engine::{Error, Result};

use super::form::TableForm;
use super::schema::{ROW_BYTES_MAX, SCHEMA_BYTES_MAX, guard, make};
use crate::drive::EntrySource;

/// Pages that are read at once where a tree's pages follow each other.
const READ_PAGES: u32 = 16;

/// The lines of a database.
pub struct RowSource<'a, P> {
    /// The database's, for messages.
    name: String,
    pages: Ahead<'a, P>,
    geometry: Geometry,
    encoding: TextEncoding,
    /// The line about the database as a whole, where it has something to say.
    about: Option<Vec<u8>>,
    definitions: std::vec::IntoIter<Definition>,
    /// Tables to come, the next one last.
    tables: Vec<(TableForm, u32)>,
    walk: Option<(TableForm, Rows)>,
    page: Vec<u8>,
    key: String,
    line: Vec<u8>,
    check: OrderCheck,
    /// Whether the order is to be checked, and was found to be another.
    watched: bool,
    /// Whether a table keeps its rows in another order than their keys'.
    pub out_of_order: bool,
}

impl<'a, P: PageReader> RowSource<'a, P> {
    /// The lines of the database called `name` with these `pages`. Unless they are `sorted` afterwards, the first one
    /// out of order ends them.
    ///
    /// # Errors
    /// Malformed where the schema is; unsupported where SQLite does not understand it.
    pub fn new(pages: &'a P, name: &str, sorted: bool) -> Result<Self> {
        Self::try_new(pages, name, sorted).map_err(|error| error.at(name))
    }

    fn try_new(pages: &'a P, name: &str, sorted: bool) -> Result<Self> {
        let mut pages = Ahead::new(pages);
        let mut first = vec![0; pages.pages.page_bytes() as usize];
        pages.read(1, &mut first)?;
        let basics = Basics::parse(&first, pages.pages.page_count())?;
        let (geometry, encoding) = (basics.geometry, basics.text_encoding);
        let mut rooted = definitions(&mut pages, geometry, encoding)?;
        rooted.sort_by_key(|(definition, _)| definition.key());
        let (definitions, roots): (Vec<Definition>, Vec<u32>) = rooted.into_iter().unzip();
        let mut connection = Connection::open_in_memory().map_err(|error| unsupported(&error))?;
        guard(&mut connection).map_err(|error| unsupported(&error))?;
        make(&mut connection, tables_with_rows(&definitions))?;
        let forms = definitions.iter().zip(roots).filter(|(definition, _)| definition.has_rows());
        let mut tables = forms
            .map(|(table, root)| Ok((TableForm::of(&connection, &table.name)?, root)))
            .collect::<Result<Vec<_>>>()?;
        tables.sort_by_key(|(form, _)| std::cmp::Reverse(table_prefix(&form.name)));
        Ok(RowSource {
            name: name.to_owned(),
            pages,
            geometry,
            encoding,
            about: about(&basics),
            definitions: definitions.into_iter(),
            tables,
            walk: None,
            page: Vec::new(),
            key: String::new(),
            line: Vec::new(),
            check: OrderCheck::new(),
            watched: !sorted,
            out_of_order: false,
        })
    }

    /// Passes over tables that have no rows with keys that begin with `prefix`, so that their pages are not read.
    pub fn pass_to(&mut self, prefix: &[u8]) {
        self.tables.retain(|(form, _)| {
            let table = table_prefix(&form.name);
            table.as_bytes().starts_with(prefix) || prefix.starts_with(table.as_bytes())
        });
    }

    fn next_row(&mut self) -> Result<bool> {
        loop {
            if self.walk.is_none() {
                let Some((form, root)) = self.tables.pop() else { return Ok(false) };
                self.walk =
                    Some((form, Rows::new(self.geometry, root).with_payload_max(ROW_BYTES_MAX as u64)));
            }
            let Some((form, rows)) = &mut self.walk else { return Ok(false) };
            let pages = &mut self.pages;
            let is_there = rows.advance(&mut self.page, |number, page| pages.read(number, page));
            let place = |error: Error| error.at(format!("{}, table {:?}", self.name, form.name));
            if !is_there.map_err(place)? {
                self.walk = None;
                continue;
            }
            if rows.payload_bytes() > ROW_BYTES_MAX as u64 {
                return Err(place(too_large(rows.payload_bytes())));
            }
            form.line(rows.rowid(), rows.payload(), self.encoding, &mut self.key, &mut self.line)
                .map_err(place)?;
            if self.line.len() > MAX_ENTRY_BYTES {
                return Err(place(too_large(self.line.len() as u64)));
            }
            return Ok(true);
        }
    }
}

impl<P: PageReader> EntrySource for RowSource<'_, P> {
    fn advance(&mut self) -> Result<bool> {
        if let Some(line) = self.about.take() {
            self.line = line;
            self.key = String::from_utf8_lossy(&RowKey::database()).into_owned();
        } else if let Some(definition) = self.definitions.next() {
            self.line.clear();
            definition.push_line(&mut self.line);
            self.key = String::from_utf8_lossy(&definition.key()).into_owned();
        } else if !self.next_row()? {
            return Ok(false);
        }
        if self.watched && self.check.push(self.key.as_bytes())? == Order::OutOfOrder {
            self.out_of_order = true;
            return Err(Error::unsupported("the rows are not in the order of their keys"));
        }
        Ok(true)
    }

    fn entry(&self) -> (&[u8], &[u8]) {
        (self.key.as_bytes(), &self.line)
    }
}

fn unsupported(error: &rusqlite::Error) -> Error {
    Error::unsupported(format!("SQLite cannot be asked about the schema: {error}"))
}

fn too_large(bytes: u64) -> Error {
    Error::unsupported(format!("a row of {bytes} bytes, more than {ROW_BYTES_MAX}"))
        .hint("a checkpoint of its pages takes rows of any size: --kind image")
}

/// What is not as in a new database: encoding, bytes of a page, whether it vacuums by itself (1 when a
/// transaction ends, 2 on demand), and the two numbers that are its user's.
fn about(basics: &Basics) -> Option<Vec<u8>> {
    let vacuum = match (basics.auto_vacuum, basics.incremental_vacuum) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    };
    let encoding = basics.text_encoding.name();
    let page_bytes = basics.geometry.page_bytes;
    let numbers = [i64::from(page_bytes), vacuum, basics.user_version.into(), basics.application_id.into()];
    if encoding == "UTF-8" && numbers == [4096, 0, 0, 0] {
        return None;
    }
    let mut line = Vec::new();
    let encoding = Value::Text(encoding.as_bytes().into());
    let values = std::iter::once(encoding).chain(numbers.map(Value::Integer));
    push_line(&String::from_utf8_lossy(&RowKey::database()), values, &mut line);
    Some(line)
}

/// What the schema defines, and the root of each one's tree; 0 where it has none.
fn definitions<P: PageReader>(
    pages: &mut Ahead<'_, P>,
    geometry: Geometry,
    encoding: TextEncoding,
) -> Result<Vec<(Definition, u32)>> {
    let mut rows = Rows::new(geometry, SCHEMA_ROOT).with_payload_max(SCHEMA_BYTES_MAX as u64);
    let (mut page, mut definitions, mut held_bytes) = (Vec::new(), Vec::new(), 0_usize);
    while rows.advance(&mut page, |number, page| pages.read(number, page))? {
        let columns = Columns::of(rows.payload())?.collect::<Result<Vec<_>>>()?;
        let [Column::Text(kind), Column::Text(name), Column::Text(table), root, Column::Text(sql)] =
            columns.as_slice()
        else {
            // An index that comes with its table has no SQL.
            continue;
        };
        let root = match root {
            Column::Integer(root) => u32::try_from(*root).unwrap_or(0),
            _ => 0,
        };
        let text = |bytes: &[u8]| text(bytes, encoding).into_owned();
        let definition =
            Definition { kind: text(kind), name: text(name), table: text(table), sql: text(sql) };
        if definition.is_own() {
            continue;
        }
        held_bytes += definition.held_bytes();
        if held_bytes > SCHEMA_BYTES_MAX {
            return Err(Error::unsupported(format!("a schema of more than {SCHEMA_BYTES_MAX} bytes"))
                .hint("a checkpoint of its pages needs no schema: --kind image"));
        }
        definitions.push((definition, root));
    }
    Ok(definitions)
}

/// Reads single pages, several at once where one followed the other.
struct Ahead<'a, P> {
    pages: &'a P,
    block: Vec<u8>,
    /// The numbers of the pages in the block.
    held: std::ops::Range<u32>,
    last: u32,
}

impl<'a, P: PageReader> Ahead<'a, P> {
    fn new(pages: &'a P) -> Self {
        Ahead { pages, block: Vec::new(), held: 0..0, last: 0 }
    }

    fn read(&mut self, number: u32, into: &mut [u8]) -> Result<()> {
        let page_bytes = self.pages.page_bytes() as usize;
        if !self.held.contains(&number) {
            let follows = number == self.last.wrapping_add(1);
            let left = self.pages.page_count().saturating_sub(number).saturating_add(1);
            let count = if follows { READ_PAGES.min(left).max(1) } else { 1 };
            self.block.resize(count as usize * page_bytes, 0);
            self.held = 0..0;
            self.pages.read_pages(number, &mut self.block)?;
            self.held = number..number.saturating_add(count);
        }
        self.last = number;
        let begin = (number - self.held.start) as usize * page_bytes;
        let page = self.block.get(begin..begin + page_bytes);
        page.map(|page| into.copy_from_slice(page)).ok_or_else(|| Error::malformed("a page is cut short"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::database::LiveDatabase;

    struct Counted(LiveDatabase, AtomicU32);

    impl PageReader for Counted {
        fn page_bytes(&self) -> u32 {
            self.0.page_bytes()
        }

        fn page_count(&self) -> u32 {
            self.0.page_count()
        }

        fn read_pages(&self, first: u32, into: &mut [u8]) -> Result<()> {
            self.1.fetch_add((into.len() / self.0.page_bytes() as usize) as u32, Ordering::Relaxed);
            self.0.read_pages(first, into)
        }
    }

    #[test]
    fn of_a_database_only_the_pages_of_the_wanted_table_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database");
        let database = Connection::open(&path).unwrap();
        let tables = ["one", "one more", "two", "three"];
        for table in tables {
            let rows = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM n LIMIT 500)";
            let sql = format!("CREATE TABLE {table:?}(t); {rows}");
            database
                .execute_batch(&format!("{sql} INSERT INTO {table:?} SELECT hex(zeroblob(500)) FROM n"))
                .unwrap();
        }
        drop(database);
        let pages = Counted(LiveDatabase::open(&path).unwrap(), AtomicU32::new(0));
        let read = |prefix: &str| {
            pages.1.store(0, Ordering::Relaxed);
            let mut rows = RowSource::new(&pages, "database", true).unwrap();
            rows.pass_to(prefix.as_bytes());
            let mut count = 0;
            while rows.advance().unwrap() {
                count += u32::from(rows.entry().0.starts_with(prefix.as_bytes()));
            }
            (count, pages.1.load(Ordering::Relaxed))
        };
        let (_, all) = read("");
        let mut together = 0;
        for table in tables {
            let (count, one) = read(&table_prefix(table));
            assert_eq!(count, 500, "{table}");
            together += one;
        }
        // What each begins with and reads ahead is little beside the rows.
        assert!(together < all * 3 / 2, "{together} of {all}");
    }
}
