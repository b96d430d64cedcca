//! Two versions of a piece into the differences between them.

use std::cmp::Ordering;

use crate::error::Result;
use crate::format::delta::RawDelta;
use crate::state::line_key;

/// A record that differs between two versions: it was added, modified or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference<'a> {
    /// The record's key.
    pub key: &'a [u8],
    /// The record before, if it was there: a page, or a line without its line feed.
    pub old: Option<&'a [u8]>,
    /// The record after, if it is there.
    pub new: Option<&'a [u8]>,
}

/// Adds what differs between the pages `old` and `new`, both from page `first` on.
pub fn diff_pages(old: &[u8], new: &[u8], page_bytes: usize, first: u32, delta: &mut RawDelta) {
    compare_pages(old, new, page_bytes, first, |found| add(found, delta));
}

/// Gives what differs between the pages `old` and `new`, both from page `first` on, to `visit`.
pub fn compare_pages(
    old: &[u8],
    new: &[u8],
    page_bytes: usize,
    first: u32,
    mut visit: impl FnMut(Difference<'_>),
) {
    // Most pieces have not changed.
    if old == new {
        return;
    }
    let mut old_pages = old.chunks_exact(page_bytes);
    let mut new_pages = new.chunks_exact(page_bytes);
    for number in first.. {
        let (old, new) = (old_pages.next(), new_pages.next());
        if old.is_none() && new.is_none() {
            return;
        }
        if old != new {
            visit(Difference { key: &number.to_be_bytes(), old, new });
        }
    }
}

fn add(found: Difference<'_>, delta: &mut RawDelta) {
    match found.new {
        Some(new) => delta.put(found.key, found.old, new),
        None => delta.remove(found.key),
    }
}

/// Adds what differs between the entries `old` and `new`, each an entry a line in key order.
pub fn diff_lines(old: &[u8], new: &[u8], delta: &mut RawDelta) -> Result<()> {
    compare_lines(old, new, |found| add(found, delta))
}

/// Gives what differs between the entries `old` and `new`, each an entry a line in key order, to `visit`.
///
/// # Errors
/// Corrupt where a line is no entry.
pub fn compare_lines(old: &[u8], new: &[u8], mut visit: impl FnMut(Difference<'_>)) -> Result<()> {
    if old == new {
        return Ok(());
    }
    let (mut old, mut new) = (Lines { rest: old }, Lines { rest: new });
    let (mut before, mut after) = (old.next(), new.next());
    loop {
        let order = match (before, after) {
            (Some(one), Some(other)) if one == other => {
                (before, after) = (old.next(), new.next());
                continue;
            }
            (Some(one), Some(other)) => line_key(one)?.cmp(&line_key(other)?),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok(()),
        };
        match (order, before, after) {
            (Ordering::Less, Some(one), _) => {
                visit(Difference { key: &line_key(one)?, old: before, new: None });
                before = old.next();
            }
            (Ordering::Equal, _, Some(other)) => {
                visit(Difference { key: &line_key(other)?, old: before, new: after });
                (before, after) = (old.next(), new.next());
            }
            (_, _, Some(other)) => {
                visit(Difference { key: &line_key(other)?, old: None, new: after });
                after = new.next();
            }
            (_, _, None) => return Ok(()),
        }
    }
}

struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Some(line)
    }
}
