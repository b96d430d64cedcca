//! The rows of one b-tree in key order, as a machine that says which page it needs next.

use super::btree::{Cell, Chain, MAX_DEPTH, Page, place};
use super::geometry::Geometry;
use super::record::Header;
use crate::error::{Error, Result};

/// What a walk needs or has next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Read this page and [`Rows::give`] it.
    Read(u32),
    /// A row is there: [`Rows::rowid`], [`Rows::payload`].
    Row,
    /// There are no more rows.
    End,
}

/// Cells from the left whose text key is surely less than `key`.
fn smaller_keys(page: &Page<'_>, key: &[u8]) -> Result<usize> {
    for index in 0..page.cell_count() {
        let local = page.cell(index)?.local;
        let stored = Header::parse(local).ok().and_then(|header| {
            let first = header.types().next()?.ok()?;
            let bytes = usize::try_from(first.value_bytes()).ok().filter(|_| first.is_text())?;
            let begin = header.header_bytes();
            local.get(begin..begin.checked_add(bytes)?)
        });
        if stored.is_none_or(|stored| stored >= key) {
            return Ok(index);
        }
    }
    Ok(page.cell_count())
}

/// A page on the way from the root to where the walk is.
#[derive(Debug)]
struct Frame {
    number: u32,
    bytes: Vec<u8>,
    /// Children and cells of the page already visited.
    visited: usize,
}

/// A walk over one b-tree.
///
/// It holds one page per level and one row. A tree that leads back to itself ends in an error
/// after at most as many reads as the image has pages.
#[derive(Debug)]
pub struct Rows {
    geometry: Geometry,
    frames: Vec<Frame>,
    spare: Vec<Vec<u8>>,
    wanted: Option<u32>,
    is_index: Option<bool>,
    chain: Option<Chain>,
    has_row: bool,
    rowid: Option<i64>,
    payload: Vec<u8>,
    payload_bytes: u64,
    payload_bytes_max: u64,
    pages_read: u32,
    /// How much of a record is read.
    record_bytes_wanted: usize,
    /// Rows with smaller keys are passed over, page by page.
    from_key: Option<Vec<u8>>,
}

impl Rows {
    /// A walk over the tree whose root is page `root`.
    pub fn new(geometry: Geometry, root: u32) -> Rows {
        Rows {
            geometry,
            frames: Vec::new(),
            spare: Vec::new(),
            wanted: Some(root),
            is_index: None,
            chain: None,
            has_row: false,
            rowid: None,
            payload: Vec::new(),
            payload_bytes: 0,
            payload_bytes_max: u64::MAX,
            pages_read: 0,
            record_bytes_wanted: usize::MAX,
            from_key: None,
        }
    }

    /// Reads only the beginning of each record: at least `bytes` of it, where it has so many.
    pub fn beginnings(mut self, bytes: usize) -> Rows {
        self.record_bytes_wanted = bytes;
        self
    }

    /// Begins, in an index or a WITHOUT ROWID table, at the first row whose text key is not less
    /// than `key`, or a little before it where keys are too long to be compared in their page.
    pub fn from_key(mut self, key: &[u8]) -> Rows {
        self.from_key = Some(key.to_vec());
        self
    }

    /// The same walk, of records of at most `bytes` whole: of larger ones only the part in the
    /// tree's own page is read.
    #[must_use]
    pub fn with_payload_max(mut self, bytes: u64) -> Rows {
        self.payload_bytes_max = bytes;
        self
    }

    /// What is next. Says the same until a wanted page is given.
    ///
    /// # Errors
    /// Malformed where the tree is; the walk is over then.
    pub fn step(&mut self) -> Result<Step> {
        loop {
            if let Some(page) = self.chain.and_then(|chain| chain.next_page())
                && self.payload.len() < self.record_bytes_wanted
            {
                return Ok(Step::Read(page));
            }
            if self.chain.take().is_some() || self.has_row {
                self.has_row = false;
                return Ok(Step::Row);
            }
            if let Some(page) = self.wanted {
                if !self.geometry.contains(page) {
                    return Err(Error::malformed(format!(
                        "a tree's root is page {page}, and the database has {} pages",
                        self.geometry.page_count
                    )));
                }
                return Ok(Step::Read(page));
            }
            let Some(frame) = self.frames.last_mut() else {
                return Ok(Step::End);
            };
            let page = Page::parse(frame.number, &frame.bytes, &self.geometry)?;
            let visited = frame.visited;
            frame.visited += 1;
            // An index's interior page is: child, cell, child, ..., cell, child.
            let (child, cell) = match (page.kind().is_interior(), page.kind().is_index()) {
                (true, true) if visited % 2 == 1 => (None, Some(visited / 2)),
                (true, true) => (Some(visited / 2), None),
                (true, false) => (Some(visited), None),
                (false, _) => (None, Some(visited)),
            };
            if let Some(child) = child.filter(|child| *child < page.child_count()) {
                self.wanted = Some(page.child(child)?);
            } else if let Some(cell) = cell.filter(|cell| *cell < page.cell_count()) {
                let Cell { rowid, local, payload_bytes, .. } = page.cell(cell)?;
                self.rowid = rowid;
                self.payload_bytes = payload_bytes;
                self.payload.clear();
                self.payload.extend_from_slice(local);
                if payload_bytes <= self.payload_bytes_max {
                    self.chain = Chain::of(&page.cell(cell)?);
                }
                self.has_row = true;
            } else if let Some(frame) = self.frames.pop() {
                self.spare.push(frame.bytes);
            }
        }
    }

    /// Gives the page that [`Step::Read`] asked for.
    ///
    /// # Errors
    /// Malformed where the page does not belong into this tree.
    pub fn give(&mut self, bytes: &[u8]) -> Result<()> {
        self.pages_read += 1;
        if self.pages_read > self.geometry.page_count {
            return Err(Error::malformed("the tree leads to the same pages again"));
        }
        if let Some(chain) = &mut self.chain {
            let part = chain.take(bytes, &self.geometry)?;
            self.payload.extend_from_slice(part);
            return Ok(());
        }
        let Some(number) = self.wanted.take() else {
            return Ok(());
        };
        let page = Page::parse(number, bytes, &self.geometry)?;
        let kind = page.kind();
        if *self.is_index.get_or_insert(kind.is_index()) != kind.is_index() {
            return Err(Error::malformed("a table's page hangs in an index, or the other way round")
                .at(place(number)));
        }
        if self.frames.len() >= MAX_DEPTH {
            return Err(
                Error::malformed(format!("the tree is deeper than {MAX_DEPTH} pages")).at(place(number))
            );
        }
        let mut visited = 0;
        if let Some(key) = self.from_key.as_ref().filter(|_| kind.is_index()) {
            let smaller = smaller_keys(&page, key)?;
            visited = if kind.is_interior() { smaller * 2 } else { smaller };
        }
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(bytes);
        self.frames.push(Frame { number, bytes: copy, visited });
        Ok(())
    }

    /// The row's number, in a table with rowids.
    pub fn rowid(&self) -> Option<i64> {
        self.rowid
    }

    /// Bytes of the row's record, read or not.
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// The row's record, whole unless [`Rows::with_payload_max`] says otherwise: see [`super::record::Columns`].
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Goes to the next row, `false` at the end, with pages from `read`, which fills the slice
    /// with the page of that number. `page` is a buffer to use again at each call.
    ///
    /// # Errors
    /// Those of `read`, and malformed where the tree is.
    pub fn advance(
        &mut self,
        page: &mut Vec<u8>,
        mut read: impl FnMut(u32, &mut [u8]) -> Result<()>,
    ) -> Result<bool> {
        page.resize(self.geometry.page_bytes as usize, 0);
        loop {
            match self.step()? {
                Step::Read(number) => {
                    read(number, page)?;
                    self.give(page)?;
                }
                Step::Row => return Ok(true),
                Step::End => return Ok(false),
            }
        }
    }
}
