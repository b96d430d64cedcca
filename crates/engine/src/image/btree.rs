//! B-tree pages and their cells.

use super::geometry::Geometry;
use super::varint;
use crate::error::{Error, Result};

/// The deepest tree that SQLite itself follows (`BTCURSOR_MAX_DEPTH`).
pub const MAX_DEPTH: usize = 20;

/// The largest payload of one cell in any SQLite database (`SQLITE_MAX_LENGTH`'s upper bound).
const MAX_PAYLOAD_BYTES: u64 = 0x7fff_ffff;

/// The four forms of a b-tree page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    /// Keys and children of an index or a WITHOUT ROWID table.
    IndexInterior,
    /// Rowids and children of a table.
    TableInterior,
    /// Entries of an index or rows of a WITHOUT ROWID table.
    IndexLeaf,
    /// Rows of a table.
    TableLeaf,
}

impl PageKind {
    /// Whether pages of this form have children.
    #[inline]
    pub fn is_interior(self) -> bool {
        matches!(self, PageKind::IndexInterior | PageKind::TableInterior)
    }

    /// Whether pages of this form belong to an index or a WITHOUT ROWID table.
    #[inline]
    pub fn is_index(self) -> bool {
        matches!(self, PageKind::IndexInterior | PageKind::IndexLeaf)
    }
}

/// One b-tree page, its header read.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    number: u32,
    kind: PageKind,
    bytes: &'a [u8],
    pointers: &'a [u8],
    content_from: usize,
    right_child: u32,
    geometry: &'a Geometry,
}

/// One cell of a b-tree page.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// The row's number, in a table.
    pub rowid: Option<i64>,
    /// Bytes of the whole payload; 0 in a table's interior page.
    pub payload_bytes: u64,
    /// The part of the payload in this page.
    pub local: &'a [u8],
    /// The first overflow page, where the payload goes on.
    pub overflow: Option<u32>,
    /// Bytes of this page that the cell takes, its pointer included.
    pub stored_bytes: usize,
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes: &[u8; 4] = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

#[inline]
fn half_word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes: &[u8; 2] = bytes.get(at..)?.first_chunk()?;
    Some(usize::from(u16::from_be_bytes(*bytes)))
}

impl<'a> Page<'a> {
    /// Reads the header of page `number`.
    ///
    /// # Errors
    /// Malformed where `bytes` are no b-tree page.
    #[inline]
    pub fn parse(number: u32, bytes: &'a [u8], geometry: &'a Geometry) -> Result<Page<'a>> {
        let usable = bytes
            .get(..geometry.usable_bytes as usize)
            .ok_or_else(|| Error::malformed("the page is cut short").at(place(number)))?;
        let at = if number == 1 { 100 } else { 0 };
        let Some(flags) = usable.get(at) else {
            return Err(Error::malformed("the page is cut short").at(place(number)));
        };
        let kind = match flags {
            2 => PageKind::IndexInterior,
            5 => PageKind::TableInterior,
            10 => PageKind::IndexLeaf,
            13 => PageKind::TableLeaf,
            other => {
                return Err(Error::malformed(format!(
                    "its first byte is {other}, which is no kind of b-tree page"
                ))
                .at(place(number)));
            }
        };
        let header_bytes = if kind.is_interior() { 12 } else { 8 };
        let cell_count = half_word(usable, at + 3).unwrap_or(0);
        let content_from = at + header_bytes + 2 * cell_count;
        let Some(pointers) = usable.get(at + header_bytes..content_from) else {
            return Err(Error::malformed(format!("it cannot hold the {cell_count} cells it claims"))
                .at(place(number)));
        };
        Ok(Page {
            number,
            kind,
            bytes: usable,
            pointers,
            content_from,
            right_child: if kind.is_interior() { word(usable, at + 8).unwrap_or(0) } else { 0 },
            geometry,
        })
    }

    /// The page's number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The page's form.
    #[inline]
    pub fn kind(&self) -> PageKind {
        self.kind
    }

    /// Cells in the page.
    #[inline]
    pub fn cell_count(&self) -> usize {
        self.pointers.len() / 2
    }

    /// Children of the page: one more than it has cells, or none for a leaf.
    pub fn child_count(&self) -> usize {
        if self.kind.is_interior() { self.cell_count() + 1 } else { 0 }
    }

    #[inline]
    fn cell_bytes(&self, index: usize) -> Result<&'a [u8]> {
        let at =
            half_word(self.pointers, 2 * index).ok_or_else(|| self.malformed(index, "does not exist"))?;
        if at < self.content_from || at >= self.bytes.len() {
            return Err(self.malformed(index, "lies outside the page"));
        }
        Ok(self.bytes.get(at..).unwrap_or_default())
    }

    #[cold]
    fn malformed(&self, index: usize, what: &str) -> Error {
        Error::malformed(format!("cell {index} {what}")).at(place(self.number))
    }

    /// The number of child `index`, counted from the left.
    ///
    /// # Errors
    /// Malformed where the cell or the child lies outside of the page or the image.
    pub fn child(&self, index: usize) -> Result<u32> {
        let child = if index == self.cell_count() {
            self.right_child
        } else {
            word(self.cell_bytes(index)?, 0).ok_or_else(|| self.malformed(index, "is cut short"))?
        };
        if !self.geometry.contains(child) {
            return Err(Error::malformed(format!(
                "child {index} is page {child}, and the database has {} pages",
                self.geometry.page_count
            ))
            .at(place(self.number)));
        }
        Ok(child)
    }

    /// Cell `index`, counted from the left.
    ///
    /// # Errors
    /// Malformed where the cell is not wholly in the page or claims more than the image holds.
    #[inline]
    pub fn cell(&self, index: usize) -> Result<Cell<'a>> {
        let bytes = self.cell_bytes(index)?;
        let cut = || self.malformed(index, "is cut short");
        let mut at = if self.kind.is_interior() { 4 } else { 0 };
        let mut payload_bytes = 0;
        if self.kind != PageKind::TableInterior {
            let (value, taken) = varint::read(bytes.get(at..).unwrap_or_default()).ok_or_else(cut)?;
            payload_bytes = value;
            at += taken;
        }
        let mut rowid = None;
        if !self.kind.is_index() {
            let (value, taken) = varint::read(bytes.get(at..).unwrap_or_default()).ok_or_else(cut)?;
            rowid = Some(value.cast_signed());
            at += taken;
        }
        let local_bytes = self.local_bytes(payload_bytes);
        let local = bytes.get(at..at + local_bytes).ok_or_else(cut)?;
        at += local_bytes;
        let mut overflow = None;
        if (local_bytes as u64) < payload_bytes {
            let image_bytes = u64::from(self.geometry.page_count) * u64::from(self.geometry.usable_bytes);
            if payload_bytes > image_bytes.min(MAX_PAYLOAD_BYTES) {
                return Err(
                    self.malformed(index, &format!("claims {payload_bytes} bytes, more than there can be"))
                );
            }
            let first = word(bytes, at).ok_or_else(cut)?;
            if !self.geometry.contains(first) {
                return Err(self.malformed(index, &format!("goes on in page {first}, which does not exist")));
            }
            overflow = Some(first);
            at += 4;
        }
        Ok(Cell { rowid, payload_bytes, local, overflow, stored_bytes: at + 2 })
    }

    /// How much of a payload stays in the page, by the file format's rule.
    #[inline]
    fn local_bytes(&self, payload_bytes: u64) -> usize {
        let usable = u64::from(self.geometry.usable_bytes);
        let most = match self.kind {
            PageKind::TableInterior => return 0,
            PageKind::TableLeaf => usable - 35,
            PageKind::IndexLeaf | PageKind::IndexInterior => (usable - 12) * 64 / 255 - 23,
        };
        if payload_bytes <= most {
            return payload_bytes as usize;
        }
        let least = (usable - 12) * 32 / 255 - 23;
        let rest = least + (payload_bytes - least) % (usable - 4);
        if rest <= most { rest as usize } else { least as usize }
    }
}

/// How errors call a page.
pub(crate) fn place(page: u32) -> String {
    format!("page {page}")
}

/// The part of a payload that lies in overflow pages, followed page by page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    next: u32,
    remaining_bytes: u64,
}

impl Chain {
    /// The chain of a cell, if it has one.
    #[inline]
    pub fn of(cell: &Cell<'_>) -> Option<Chain> {
        Some(Chain { next: cell.overflow?, remaining_bytes: cell.payload_bytes - cell.local.len() as u64 })
    }

    /// The page to read next, `None` after the last.
    #[inline]
    pub fn next_page(&self) -> Option<u32> {
        (self.remaining_bytes > 0).then_some(self.next)
    }

    /// Pages still to read.
    pub fn page_count(&self, geometry: &Geometry) -> u64 {
        self.remaining_bytes.div_ceil(u64::from(geometry.usable_bytes - 4))
    }

    /// Takes [`Chain::next_page`]'s bytes and gives the part of the payload in them.
    ///
    /// # Errors
    /// Malformed where the chain ends too early or leaves the image.
    #[inline]
    pub fn take<'p>(&mut self, page: &'p [u8], geometry: &Geometry) -> Result<&'p [u8]> {
        let number = self.next;
        let cut = || Error::malformed("the overflow page is cut short").at(place(number));
        let room = page.get(4..geometry.usable_bytes as usize).ok_or_else(cut)?;
        let taken = self.remaining_bytes.min(room.len() as u64);
        self.remaining_bytes -= taken;
        self.next = word(page, 0).ok_or_else(cut)?;
        if self.remaining_bytes > 0 && !geometry.contains(self.next) {
            return Err(Error::malformed(format!(
                "the payload goes on for {} bytes in page {}, which does not exist",
                self.remaining_bytes, self.next
            ))
            .at(place(number)));
        }
        room.get(..taken as usize).ok_or_else(cut)
    }
}
