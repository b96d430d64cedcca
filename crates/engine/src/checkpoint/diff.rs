//! Two versions of a piece into the changes between them.

use std::cmp::Ordering;

use crate::error::Result;
use crate::format::delta::RawDelta;
use crate::state::line_key;

/// Adds what differs between the pages `old` and `new`, both from page `first` on.
pub fn diff_pages(old: &[u8], new: &[u8], page_bytes: usize, first: u32, delta: &mut RawDelta) {
    // Most pieces have not changed.
    if old == new {
        return;
    }
    let mut old_pages = old.chunks_exact(page_bytes);
    let mut new_pages = new.chunks_exact(page_bytes);
    for number in first.. {
        let key = number.to_be_bytes();
        match (old_pages.next(), new_pages.next()) {
            (Some(old), Some(new)) if old == new => {}
            (old, Some(new)) => delta.put(&key, old, new),
            (Some(_), None) => delta.remove(&key),
            (None, None) => return,
        }
    }
}

/// Adds what differs between the entries `old` and `new`, each an entry a line in key order.
pub fn diff_lines(old: &[u8], new: &[u8], delta: &mut RawDelta) -> Result<()> {
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
                delta.remove(&line_key(one)?);
                before = old.next();
            }
            (Ordering::Equal, Some(one), Some(other)) => {
                delta.put(&line_key(other)?, Some(one), other);
                (before, after) = (old.next(), new.next());
            }
            (_, _, Some(other)) => {
                delta.put(&line_key(other)?, None, other);
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
