//! Finding one row with as few pages as possible, as a machine that says which page it needs next.

use std::cmp::Ordering;

use super::btree::{Chain, MAX_DEPTH, Page, place};
use super::geometry::{Basics, Geometry, TextEncoding};
use super::record::{Column, Columns, Header};
use super::rows::{Rows, Step};
use super::schema::{SCHEMA_ROOT, SchemaEntry, TreeKind};
use crate::error::{Error, Result};

/// The table in which an object keeps its key-value entries.
pub const KEY_VALUE_TABLE: &str = "_cf_KV";

/// The table in which workerd keeps what belongs to the object itself.
pub const METADATA_TABLE: &str = "_cf_METADATA";

/// The row of [`METADATA_TABLE`] that holds the alarm.
pub const ALARM_ROWID: i64 = 1;

/// What a look-up needs or has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Read this page and [`Lookup::give`] it.
    Read(u32),
    /// The row is there: [`Lookup::column`].
    Found,
    /// There is no such row.
    Missing,
}

/// What is looked for.
#[derive(Debug)]
enum Target {
    Key { table: &'static str, key: Vec<u8> },
    Rowid { table: &'static str, rowid: i64 },
}

/// How far a look-up is.
#[derive(Debug)]
enum Phase {
    /// Nothing is known: page 1 comes first.
    Start,
    /// Looking for the tree's root in the schema.
    Schema(Rows),
    /// Going down a tree.
    Descent(Descent),
    /// The row's record is in `payload`.
    Found,
    Missing,
}

/// What a descent compares cells with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The key, in a WITHOUT ROWID table: the entry is the row.
    Key,
    /// The key, in a table's own index: the entry names the row.
    KeyOfRow { table_root: u32 },
    /// The row's number.
    Rowid(i64),
}

#[derive(Debug)]
struct Descent {
    by: By,
    wanted: Option<u32>,
    number: u32,
    depth: usize,
    page: Vec<u8>,
    /// Whether the children of a page count.
    goes_down: bool,
    /// The cells that may still be the one: `low..high`.
    low: usize,
    high: usize,
    cell: Option<OpenCell>,
}

/// A cell whose comparison or payload goes on in overflow pages.
#[derive(Debug)]
struct OpenCell {
    index: usize,
    chain: Option<Chain>,
    /// How many bytes of the key were equal so far, until the cell is known to be the one.
    key: Option<KeyProgress>,
}

#[derive(Debug, Clone, Copy)]
struct KeyProgress {
    /// Where the key begins in the payload.
    from: usize,
    key_bytes: u64,
    equal_bytes: usize,
}

impl KeyProgress {
    /// Compares what is looked for with as much of the key as `payload` holds; `None` when that
    /// does not decide.
    fn compare(&mut self, sought: &[u8], payload: &[u8]) -> Option<Ordering> {
        let stored = payload.get(self.from + self.equal_bytes..).unwrap_or_default();
        let stored = stored
            .get(
                ..usize::try_from(self.key_bytes)
                    .map_or(stored.len(), |key_bytes| stored.len().min(key_bytes - self.equal_bytes)),
            )
            .unwrap_or_default();
        let rest = sought.get(self.equal_bytes..).unwrap_or_default();
        let common = stored.len().min(rest.len());
        match rest.get(..common).cmp(&stored.get(..common)) {
            Ordering::Equal => {}
            different => return Some(different),
        }
        self.equal_bytes += common;
        let by_length = (sought.len() as u64).cmp(&self.key_bytes);
        let sought_ends = self.equal_bytes == sought.len();
        let stored_ends = self.equal_bytes as u64 == self.key_bytes;
        (sought_ends || stored_ends).then_some(by_length)
    }
}

/// A look-up of one row.
#[derive(Debug)]
pub struct Lookup {
    page_count: u32,
    geometry: Option<Geometry>,
    encoding: TextEncoding,
    target: Target,
    phase: Phase,
    payload: Vec<u8>,
    roots: Roots,
    /// The first schema row that cannot be read.
    damage: Option<Error>,
    pages_read: u32,
    /// The longest record that is read.
    record_bytes_max: u64,
}

impl Lookup {
    /// Looks for the entry of `key` in `_cf_KV`, in an image of `page_count` pages. Its value is
    /// column 1.
    pub fn key(page_count: u32, key: &[u8]) -> Lookup {
        Lookup::entry(page_count, KEY_VALUE_TABLE, key)
    }

    /// Looks for the row of `table` whose first column, a text and the primary key, is `key`.
    pub fn entry(page_count: u32, table: &'static str, key: &[u8]) -> Lookup {
        Lookup::new(page_count, Target::Key { table, key: key.to_vec() })
    }

    /// Looks for the row of `table` with this number.
    pub fn row(page_count: u32, table: &'static str, rowid: i64) -> Lookup {
        Lookup::new(page_count, Target::Rowid { table, rowid })
    }

    /// Looks for the entry of `key` in one page of `_cf_KV`'s tree alone, which is read first; its
    /// keys are in UTF-8. Whoever names the page knows that the entry is in no other.
    pub fn key_in_page(geometry: Geometry, page: u32, key: &[u8]) -> Result<Lookup> {
        if !geometry.contains(page) {
            return Err(Error::malformed(format!("there is no page {page}")).at(KEY_VALUE_TABLE));
        }
        let mut lookup = Lookup::key(geometry.page_count, key);
        lookup.geometry = Some(geometry);
        lookup.phase = Phase::Descent(Descent { goes_down: false, ..Descent::new(By::Key, page) });
        Ok(lookup)
    }

    /// Looks for the alarm: see [`alarm_nanoseconds`] for what is found.
    pub fn alarm(page_count: u32) -> Lookup {
        Lookup::row(page_count, METADATA_TABLE, ALARM_ROWID)
    }

    /// Refuses a row whose record has more than `bytes` bytes, before it is read.
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> Lookup {
        self.record_bytes_max = bytes;
        self
    }

    fn new(page_count: u32, target: Target) -> Lookup {
        Lookup {
            page_count,
            geometry: None,
            encoding: TextEncoding::Utf8,
            target,
            phase: if page_count == 0 { Phase::Missing } else { Phase::Start },
            payload: Vec::new(),
            roots: Roots::default(),
            damage: None,
            pages_read: 0,
            record_bytes_max: u64::MAX,
        }
    }

    /// What is next. Says the same until the wanted page is given.
    ///
    /// # Errors
    /// Malformed where the trees on the way are; unsupported where `_cf_KV` has a form that no
    /// object has.
    pub fn progress(&mut self) -> Result<Progress> {
        self.advance().map_err(|error| error.at(self.place()))
    }

    /// How errors call where the look-up is.
    fn place(&self) -> &'static str {
        match (&self.phase, &self.target) {
            (Phase::Start | Phase::Schema(_), _) => "sqlite_schema",
            (_, Target::Key { table, .. } | Target::Rowid { table, .. }) => table,
        }
    }

    fn advance(&mut self) -> Result<Progress> {
        loop {
            if matches!(self.phase, Phase::Start) {
                return Ok(Progress::Read(1));
            }
            let Some(geometry) = self.geometry else {
                return Ok(Progress::Missing);
            };
            match &mut self.phase {
                Phase::Start => return Ok(Progress::Read(1)),
                Phase::Found => return Ok(Progress::Found),
                Phase::Missing => return Ok(Progress::Missing),
                Phase::Schema(rows) => match rows.step()? {
                    Step::Read(page) => return Ok(Progress::Read(page)),
                    Step::Row => {
                        let entry = match SchemaEntry::parse(rows.payload(), self.encoding) {
                            Ok(entry) => entry,
                            Err(error) => {
                                self.damage.get_or_insert(error);
                                continue;
                            }
                        };
                        if let Some((by, root)) = tree_of(&self.target, &mut self.roots, &entry) {
                            if !geometry.contains(root) {
                                return Err(Error::malformed(format!("its root page {root} does not exist"))
                                    .at(entry.name.as_ref()));
                            }
                            self.phase = Phase::Descent(Descent::new(by, root));
                        }
                    }
                    Step::End if self.roots.table.is_some() => {
                        return Err(Error::unsupported("the table has no index on its keys").at(self.place()));
                    }
                    // What could not be read may have been what is looked for.
                    Step::End => match self.damage.take() {
                        Some(damage) => return Err(damage),
                        None => self.phase = Phase::Missing,
                    },
                },
                Phase::Descent(descent) => {
                    if let Some(page) = descent.wanted {
                        return Ok(Progress::Read(page));
                    }
                    if let Some(cell) = &mut descent.cell {
                        if let (Some(key), Target::Key { key: sought, .. }) = (&mut cell.key, &self.target) {
                            match key.compare(sought, &self.payload) {
                                Some(Ordering::Equal) => cell.key = None,
                                Some(ordering) => {
                                    descent.narrow(ordering);
                                    continue;
                                }
                                None => {}
                            }
                        }
                        if let Some(page) = cell.chain.and_then(|chain| chain.next_page()) {
                            return Ok(Progress::Read(page));
                        }
                    }
                    self.descend(geometry)?;
                }
            }
        }
    }

    /// Gives the page that [`Progress::Read`] asked for.
    ///
    /// # Errors
    /// Malformed where it is not the page that belongs there.
    pub fn give(&mut self, bytes: &[u8]) -> Result<()> {
        self.accept(bytes).map_err(|error| error.at(self.place()))
    }

    fn accept(&mut self, bytes: &[u8]) -> Result<()> {
        self.pages_read = self.pages_read.saturating_add(1);
        // Each tree on the way may read each page once; what reads more goes in circles.
        if self.pages_read / 3 > self.page_count {
            return Err(Error::malformed("the tree leads to the same pages again"));
        }
        match (&mut self.phase, self.geometry) {
            (Phase::Start, _) => {
                let basics = Basics::parse(bytes, self.page_count)?;
                self.geometry = Some(basics.geometry);
                self.encoding = basics.text_encoding;
                if matches!(self.target, Target::Key { .. }) && self.encoding != TextEncoding::Utf8 {
                    return Err(Error::unsupported(format!(
                        "keys stored as {} cannot be looked up",
                        self.encoding.name()
                    )));
                }
                let mut rows = Rows::new(basics.geometry, SCHEMA_ROOT);
                rows.give(bytes)?;
                self.phase = Phase::Schema(rows);
                Ok(())
            }
            (Phase::Schema(rows), _) => rows.give(bytes),
            (Phase::Descent(descent), Some(geometry)) => {
                if let Some(number) = descent.wanted.take() {
                    return descent.enter(number, bytes, &geometry);
                }
                if let Some(chain) = descent.cell.as_mut().and_then(|cell| cell.chain.as_mut()) {
                    self.payload.extend_from_slice(chain.take(bytes, &geometry)?);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Column `index` of the row found.
    ///
    /// # Errors
    /// Missing where nothing was found or the row has no such column; malformed where its record
    /// is.
    pub fn column(&self, index: usize) -> Result<Column<'_>> {
        let missing = || Error::new(crate::ErrorKind::Missing, "there is no such row or column");
        if !matches!(self.phase, Phase::Found) {
            return Err(missing());
        }
        Columns::of(&self.payload)?.nth(index).unwrap_or_else(|| Err(missing()))
    }

    /// Runs to the end with pages from `read`, which fills the slice with the page of that number:
    /// whether the row was found.
    ///
    /// # Errors
    /// Those of `read` and of [`Lookup::progress`].
    pub fn run(
        &mut self,
        page_bytes: u32,
        mut read: impl FnMut(u32, &mut [u8]) -> Result<()>,
    ) -> Result<bool> {
        let mut page = vec![0; page_bytes as usize];
        loop {
            match self.progress()? {
                Progress::Read(number) => {
                    read(number, &mut page)?;
                    self.give(&page)?;
                }
                Progress::Found => return Ok(true),
                Progress::Missing => return Ok(false),
            }
        }
    }

    /// Compares what is looked for with one more cell, or goes down, or ends.
    fn descend(&mut self, geometry: Geometry) -> Result<()> {
        let Phase::Descent(descent) = &mut self.phase else {
            return Ok(());
        };
        let page = Page::parse(descent.number, &descent.page, &geometry)?;
        if let Some(cell) = &descent.cell {
            if cell.key.is_some() {
                return Err(Error::malformed("a key is longer than its record").at(place(descent.number)));
            }
            // The cell is the one, and its payload is whole.
            if let By::KeyOfRow { table_root } = descent.by {
                let column = Columns::of(&self.payload)?.nth(1).transpose()?;
                let Some(Column::Integer(rowid)) = column else {
                    return Err(Error::malformed("an index entry names no row").at(place(descent.number)));
                };
                self.phase = Phase::Descent(Descent::new(By::Rowid(rowid), table_root));
            } else {
                self.phase = Phase::Found;
            }
            return Ok(());
        }
        if descent.low >= descent.high {
            if page.kind().is_interior() && descent.goes_down {
                descent.wanted = Some(page.child(descent.low)?);
            } else {
                self.phase = Phase::Missing;
            }
            return Ok(());
        }
        let middle = descent.low + (descent.high - descent.low) / 2;
        let cell = page.cell(middle)?;
        let mut open = OpenCell { index: middle, chain: Chain::of(&cell), key: None };
        let ordering = match (descent.by, &self.target) {
            (By::Rowid(rowid), _) => {
                let here = cell.rowid.ok_or_else(|| {
                    Error::malformed("a table's page hangs in an index").at(place(descent.number))
                })?;
                // A table's interior cell has its rows, the named one included, on its left.
                match rowid.cmp(&here) {
                    Ordering::Equal if page.kind().is_interior() => Some(Ordering::Less),
                    ordering => Some(ordering),
                }
            }
            (_, Target::Key { key: sought, .. }) => {
                let header = Header::parse(cell.local).map_err(|error| error.at(place(descent.number)))?;
                let first = header.types().next().transpose()?;
                match first {
                    // Numbers and NULL sort before text, bytes after it.
                    Some(first) if first.is_text() => {
                        let mut key = KeyProgress {
                            from: header.header_bytes(),
                            key_bytes: first.value_bytes(),
                            equal_bytes: 0,
                        };
                        let ordering = key.compare(sought, cell.local);
                        open.key = ordering.is_none().then_some(key);
                        ordering
                    }
                    Some(first) if first.is_blob() => Some(Ordering::Less),
                    _ => Some(Ordering::Greater),
                }
            }
            _ => return Ok(()),
        };
        match ordering {
            Some(Ordering::Less) => descent.high = middle,
            Some(Ordering::Greater) => descent.low = middle + 1,
            Some(Ordering::Equal) | None => {
                if cell.payload_bytes > self.record_bytes_max {
                    return Err(Error::malformed(format!(
                        "a row has {} bytes, more than the {} that belong there",
                        cell.payload_bytes, self.record_bytes_max
                    ))
                    .at(place(descent.number)));
                }
                self.payload.clear();
                self.payload.extend_from_slice(cell.local);
                descent.cell = Some(open);
            }
        }
        Ok(())
    }
}

impl Descent {
    fn new(by: By, root: u32) -> Descent {
        Descent {
            by,
            wanted: Some(root),
            number: root,
            depth: 0,
            page: Vec::new(),
            goes_down: true,
            low: 0,
            high: 0,
            cell: None,
        }
    }

    /// Leaves the open cell, on its left or right.
    fn narrow(&mut self, ordering: Ordering) {
        if let Some(cell) = self.cell.take() {
            match ordering {
                Ordering::Less => self.high = cell.index,
                _ => self.low = cell.index + 1,
            }
        }
    }

    fn enter(&mut self, number: u32, bytes: &[u8], geometry: &Geometry) -> Result<()> {
        let page = Page::parse(number, bytes, geometry)?;
        if page.kind().is_index() == matches!(self.by, By::Rowid(_)) {
            return Err(Error::malformed("a table's page hangs in an index, or the other way round")
                .at(place(number)));
        }
        if self.depth >= MAX_DEPTH {
            return Err(
                Error::malformed(format!("the tree is deeper than {MAX_DEPTH} pages")).at(place(number))
            );
        }
        self.low = 0;
        self.high = page.cell_count();
        self.number = number;
        self.depth += 1;
        self.page.clear();
        self.page.extend_from_slice(bytes);
        Ok(())
    }
}

/// The trees of a table with keys where it has rowids.
#[derive(Debug, Default)]
struct Roots {
    table: Option<u32>,
    index: Option<u32>,
}

/// The tree to go down, once the schema's entries up to this one tell it.
fn tree_of(target: &Target, roots: &mut Roots, entry: &SchemaEntry<'_>) -> Option<(By, u32)> {
    match target {
        Target::Rowid { table, rowid } => (entry.kind == TreeKind::Table
            && entry.name.eq_ignore_ascii_case(table))
        .then_some((By::Rowid(*rowid), entry.root)),
        Target::Key { table, .. } => {
            if !entry.table_name.eq_ignore_ascii_case(table) {
                return None;
            }
            match entry.kind {
                TreeKind::WithoutRowid => return Some((By::Key, entry.root)),
                TreeKind::Table => roots.table = Some(entry.root),
                TreeKind::Index if entry.name.starts_with("sqlite_autoindex_") => {
                    roots.index = Some(entry.root);
                }
                _ => {}
            }
            Some((By::KeyOfRow { table_root: roots.table? }, roots.index?))
        }
    }
}

/// The alarm's time in nanoseconds since 1970, as workerd keeps it in column 1 of the row that
/// [`Lookup::alarm`] finds (`sqlite-metadata.c++`, read 2026-11-21); `None` where none is set.
///
/// # Errors
/// Malformed where the column is no integer.
pub fn alarm_nanoseconds(column: Column<'_>) -> Result<Option<i64>> {
    match column {
        Column::Integer(time) => Ok(Some(time)),
        Column::Null => Ok(None),
        _ => Err(Error::malformed("the alarm is not a number").at(METADATA_TABLE)),
    }
}
