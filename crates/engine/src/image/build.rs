//! A table's tree from rows that come in the order of their keys: pages are filled one after another
//! and never touched again.
//!
//! The tree is that of a table `WITHOUT ROWID` whose columns are texts and whose first column is the
//! key, in pages of 4,096 bytes without reserved ones. See "Database File Format", sections 1.6
//! (b-tree pages), 2.1 (records) and 2.4.

use crate::error::{Error, Result};

/// Bytes of a page.
pub const PAGE_BYTES: usize = 4096;

/// Bytes of a record that may lie in its page, and that lie there at least if it does not fit: for
/// trees of keys `(U-12)*64/255-23` and `(U-12)*32/255-23`.
const LOCAL_BYTES_MAX: usize = (PAGE_BYTES - 12) * 64 / 255 - 23;
const LOCAL_BYTES_MIN: usize = (PAGE_BYTES - 12) * 32 / 255 - 23;

/// Bytes of an overflow page behind the number of the next.
const OVERFLOW_BYTES: usize = PAGE_BYTES - 4;

/// The page that holds the byte which SQLite locks; it is not used.
const LOCK_PAGE: u32 = 0x4000_0000 / PAGE_BYTES as u32 + 1;

const LEAF: u8 = 0x0a;
const INTERIOR: u8 = 0x02;

/// A page.
pub type Page = [u8; PAGE_BYTES];

/// Takes a finished page and its number. Numbers ascend, save the root's, which comes last.
pub type PageSink<'a> = dyn FnMut(u32, &Page) -> Result<()> + 'a;

/// A page being filled: cells from its end towards its beginning.
struct Filling {
    page: Box<Page>,
    head_bytes: usize,
    cells: usize,
    content: usize,
}

impl Filling {
    fn new(leaf: bool) -> Self {
        let mut page = Box::new([0; PAGE_BYTES]);
        if let Some(kind) = page.first_mut() {
            *kind = if leaf { LEAF } else { INTERIOR };
        }
        Filling { page, head_bytes: if leaf { 8 } else { 12 }, cells: 0, content: PAGE_BYTES }
    }

    fn fits(&self, cell_bytes: usize) -> bool {
        self.head_bytes + (self.cells + 1) * 2 + cell_bytes <= self.content
    }

    /// Appends a cell that fits: for an interior page its child first.
    fn push(&mut self, child: Option<u32>, body: &[u8]) {
        let child = child.map(u32::to_be_bytes);
        let child = child.as_ref().map(<[u8; 4]>::as_slice).unwrap_or_default();
        let start = self.content - child.len() - body.len();
        if let Some(cell) = self.page.get_mut(start..self.content) {
            let (head, rest) = cell.split_at_mut(child.len());
            head.copy_from_slice(child);
            rest.copy_from_slice(body);
        }
        self.content = start;
        let place = self.head_bytes + self.cells * 2;
        if let Some(pointer) = self.page.get_mut(place..place + 2) {
            pointer.copy_from_slice(&(start as u16).to_be_bytes());
        }
        self.cells += 1;
    }

    /// Takes the last cell out again: its bytes.
    fn pop(&mut self) -> Vec<u8> {
        let cell_bytes = match self.cells.checked_sub(2) {
            // The cell before begins where the last one ends.
            Some(before) => {
                let place = self.head_bytes + before * 2;
                let pointer = self.page.get(place..place + 2).and_then(<[u8]>::first_chunk);
                pointer
                    .map_or(0, |pointer| usize::from(u16::from_be_bytes(*pointer)))
                    .saturating_sub(self.content)
            }
            None => PAGE_BYTES - self.content,
        };
        let cell = self.page.get(self.content..self.content + cell_bytes).unwrap_or_default().to_vec();
        self.content += cell_bytes;
        self.cells = self.cells.saturating_sub(1);
        cell
    }

    /// The page, whose rightmost child is `right` if it is an interior one.
    fn finish(mut self, right: Option<u32>) -> Box<Page> {
        let mut put = |place: usize, bytes: &[u8]| {
            if let Some(into) = self.page.get_mut(place..place + bytes.len()) {
                into.copy_from_slice(bytes);
            }
        };
        put(3, &(self.cells as u16).to_be_bytes());
        // 65,536 would be zero; a page of 4,096 bytes ends before.
        put(5, &(self.content as u16).to_be_bytes());
        if let Some(right) = right {
            put(8, &right.to_be_bytes());
        }
        // What a cell that was taken out has left.
        let used = self.head_bytes + self.cells * 2;
        if let Some(free) = self.page.get_mut(used..self.content) {
            free.fill(0);
        }
        self.page
    }
}

/// One level of the tree, leaves first.
struct Level {
    filling: Filling,
    /// A page that is full, its rightmost child, and the record between it and the next page: held
    /// until that has a cell of its own.
    full: Option<(Filling, Option<u32>, Vec<u8>)>,
}

impl Level {
    fn new(leaf: bool) -> Self {
        Level { filling: Filling::new(leaf), full: None }
    }
}

/// Builds a tree.
pub struct TreeBuilder {
    next_page: u32,
    levels: Vec<Level>,
    body: Vec<u8>,
}

impl TreeBuilder {
    /// A tree whose pages have the numbers from `first_page` on, except its root.
    pub fn new(first_page: u32) -> Self {
        TreeBuilder { next_page: first_page, levels: vec![Level::new(true)], body: Vec::new() }
    }

    fn number(&mut self, sink: &mut PageSink<'_>) -> Result<u32> {
        if self.next_page == LOCK_PAGE {
            sink(LOCK_PAGE, &[0; PAGE_BYTES])?;
            self.next_page += 1;
        }
        let number = self.next_page;
        self.next_page = number
            .checked_add(1)
            .ok_or_else(|| Error::unsupported("the database would have more pages than SQLite counts"))?;
        Ok(number)
    }

    /// Appends the row of these texts; the first is greater than that of the row before.
    ///
    /// # Errors
    /// Those of `sink`; Unsupported, if the row or the tree is larger than SQLite can have.
    pub fn push(&mut self, columns: &[&[u8]], sink: &mut PageSink<'_>) -> Result<()> {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        let header_bytes: usize = columns.iter().map(|column| varint_bytes(serial_type(column))).sum();
        // The header's length counts itself; it takes one byte up to 126 others.
        let header_bytes = header_bytes + if header_bytes < 127 { 1 } else { 2 };
        let payload_bytes = header_bytes + columns.iter().map(|column| column.len()).sum::<usize>();
        // SQLite's own limit for a row, by default.
        if payload_bytes > 1_000_000_000 {
            return Err(Error::unsupported("a row would have more than 1,000,000,000 bytes"));
        }
        push_varint(payload_bytes as u64, &mut body);
        let head = body.len();
        push_varint(header_bytes as u64, &mut body);
        for column in columns {
            push_varint(serial_type(column), &mut body);
        }
        for column in columns {
            body.extend_from_slice(column);
        }
        if payload_bytes > LOCAL_BYTES_MAX {
            let wanted = LOCAL_BYTES_MIN + (payload_bytes - LOCAL_BYTES_MIN) % OVERFLOW_BYTES;
            let local_bytes = if wanted <= LOCAL_BYTES_MAX { wanted } else { LOCAL_BYTES_MIN };
            let rest = body.split_off(head + local_bytes);
            let first = self.overflow(&rest, sink)?;
            body.extend_from_slice(&first.to_be_bytes());
        }
        let pushed = self.cell(0, None, &body, sink);
        self.body = body;
        pushed
    }

    /// Writes a chain of overflow pages and gives the number of its first.
    fn overflow(&mut self, rest: &[u8], sink: &mut PageSink<'_>) -> Result<u32> {
        let mut number = self.number(sink)?;
        let first = number;
        let mut parts = rest.chunks(OVERFLOW_BYTES).peekable();
        while let Some(part) = parts.next() {
            let next = if parts.peek().is_some() { self.number(sink)? } else { 0 };
            let mut page = [0; PAGE_BYTES];
            let (head, tail) = page.split_at_mut(4);
            head.copy_from_slice(&next.to_be_bytes());
            if let Some(into) = tail.get_mut(..part.len()) {
                into.copy_from_slice(part);
            }
            sink(number, &page)?;
            number = next;
        }
        Ok(first)
    }

    /// Appends a cell to a level; one that does not fit parts two pages, and belongs to the level above.
    fn cell(&mut self, depth: usize, child: Option<u32>, body: &[u8], sink: &mut PageSink<'_>) -> Result<()> {
        if self.levels.len() == depth {
            self.levels.push(Level::new(false));
        }
        let Some(level) = self.levels.get_mut(depth) else {
            return Ok(());
        };
        let cell_bytes = body.len() + if child.is_some() { 4 } else { 0 };
        if level.filling.fits(cell_bytes) {
            level.filling.push(child, body);
            return self.release(depth, sink);
        }
        let full = std::mem::replace(&mut level.filling, Filling::new(depth == 0));
        level.full = Some((full, child, body.to_vec()));
        Ok(())
    }

    /// Writes a level's full page, now that the next has a cell.
    fn release(&mut self, depth: usize, sink: &mut PageSink<'_>) -> Result<()> {
        let Some((full, right, between)) = self.levels.get_mut(depth).and_then(|level| level.full.take())
        else {
            return Ok(());
        };
        let number = self.number(sink)?;
        sink(number, &full.finish(right))?;
        self.cell(depth + 1, Some(number), &between, sink)
    }

    /// Writes what is left and the root, as page `root`; the number of the page behind the last.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn finish(mut self, root: u32, sink: &mut PageSink<'_>) -> Result<u32> {
        let mut right = None;
        let mut depth = 0;
        loop {
            self.fill_last(depth, sink)?;
            let top = depth + 1 == self.levels.len();
            let Some(level) = self.levels.get_mut(depth) else {
                return Ok(self.next_page);
            };
            let last = std::mem::replace(&mut level.filling, Filling::new(depth == 0)).finish(right);
            if top {
                sink(root, &last)?;
                return Ok(self.next_page);
            }
            let number = self.number(sink)?;
            sink(number, &last)?;
            right = Some(number);
            depth += 1;
        }
    }

    /// Sees to it that a level's last page has a cell: the last one of the page before moves up, and
    /// the one between the two down.
    fn fill_last(&mut self, depth: usize, sink: &mut PageSink<'_>) -> Result<()> {
        let Some(level) = self.levels.get_mut(depth) else {
            return Ok(());
        };
        let Some((mut full, right, between)) = level.full.take() else {
            return Ok(());
        };
        let mut last = full.pop();
        let right = match right {
            None => {
                level.filling.push(None, &between);
                None
            }
            Some(right) => {
                level.filling.push(Some(right), &between);
                let body = last.split_off(4.min(last.len()));
                let child = last.first_chunk().map_or(0, |child| u32::from_be_bytes(*child));
                last = body;
                Some(child)
            }
        };
        level.full = Some((full, right, last));
        self.release(depth, sink)
    }
}

/// The serial type of a text.
fn serial_type(text: &[u8]) -> u64 {
    text.len() as u64 * 2 + 13
}

fn varint_bytes(value: u64) -> usize {
    // Below 2^56 every byte has seven bits.
    (64 - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// Appends a number below 2^56.
fn push_varint(value: u64, into: &mut Vec<u8>) {
    for place in (0..varint_bytes(value)).rev() {
        let more = if place > 0 { 0x80 } else { 0 };
        into.push((value >> (7 * place)) as u8 & 0x7f | more);
    }
}
