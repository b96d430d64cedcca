//! Pages that hold the end of one write and the beginning of the next.
//!
//! Through the page cache each would wait for all writes past it that are under way, and those
//! after it would wait for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::buffer::{AlignedBuffer, DIRECT_BYTES};

/// A page of which some is there: up to `head`, and from `tail` on.
#[derive(Debug)]
struct Edge {
    page: AlignedBuffer,
    head: usize,
    tail: usize,
}

/// What became of bytes.
#[derive(Debug)]
pub enum Added {
    /// They wait for the rest of their page.
    Kept,
    /// With them the page is whole, which begins at this offset.
    Whole(u64, AlignedBuffer),
    /// They are neither a page's beginning nor its end, and not kept.
    Refused,
}

/// Pages that wait for their other half: about one for each write that is ahead of the one before.
#[derive(Debug, Default)]
pub struct Edges {
    /// By their offsets.
    waiting: Mutex<BTreeMap<u64, Edge>>,
}

impl Edges {
    /// Takes `bytes` that belong at `offset`.
    pub fn add(&self, offset: u64, bytes: &[u8]) -> Added {
        let at = (offset % DIRECT_BYTES as u64) as usize;
        let (begin, end) = (offset - at as u64, at.saturating_add(bytes.len()));
        let mut waiting = self.lock();
        if bytes.is_empty() || end > DIRECT_BYTES || (at > 0 && end < DIRECT_BYTES) {
            return Added::Refused;
        }
        let edge = waiting.entry(begin).or_insert_with(|| {
            let mut page = AlignedBuffer::default();
            page.set_length(DIRECT_BYTES, begin);
            Edge { page, head: 0, tail: DIRECT_BYTES }
        });
        if let Some(place) = edge.page.get_mut(at..end) {
            place.copy_from_slice(bytes);
        }
        match at {
            0 => edge.head = edge.head.max(end),
            _ => edge.tail = edge.tail.min(at),
        }
        if edge.head < edge.tail {
            return Added::Kept;
        }
        waiting.remove(&begin).map_or(Added::Kept, |edge| Added::Whole(begin, edge.page))
    }

    /// Shows what is waiting to `write`, with its offsets. Then it waits no longer.
    pub fn flush<E>(&self, mut write: impl FnMut(u64, &[u8]) -> Result<(), E>) -> Result<(), E> {
        for (begin, edge) in std::mem::take(&mut *self.lock()) {
            for part in [0..edge.head, edge.tail..DIRECT_BYTES] {
                if !part.is_empty() {
                    write(begin + part.start as u64, edge.page.get(part).unwrap_or_default())?;
                }
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Edge>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn waiting(edges: &Edges) -> Vec<(u64, usize)> {
        let mut parts = Vec::new();
        edges
            .flush(|offset, bytes| {
                parts.push((offset, bytes.len()));
                Ok::<(), ()>(())
            })
            .unwrap();
        parts
    }

    #[test]
    fn halves_make_a_page_in_either_order() {
        for head_first in [true, false] {
            let edges = Edges::default();
            let head = || edges.add(8_192, &[1; 100]);
            let tail = || edges.add(8_292, &[2; 3_996]);
            let (first, second) = if head_first { (head(), tail()) } else { (tail(), head()) };
            assert!(matches!(first, Added::Kept));
            let page = match second {
                Added::Whole(8_192, page) => Some(page),
                _ => None,
            };
            let page = page.unwrap();
            assert_eq!((&page[..100], &page[100..]), (&[1; 100][..], &[2; 3_996][..]));
            assert!(waiting(&edges).is_empty());
        }
    }

    #[test]
    fn what_stays_half_is_flushed_and_what_fits_nowhere_refused() {
        let edges = Edges::default();
        assert!(matches!(edges.add(0, &[1]), Added::Kept));
        assert!(matches!(edges.add(4_000, &[2; 96]), Added::Kept));
        assert!(matches!(edges.add(5_000, &[3; 3_192]), Added::Kept));
        for (offset, length) in [(1, 10), (4_000, 97), (0, 4_097), (8_000, 0)] {
            assert!(matches!(edges.add(offset, &vec![4; length]), Added::Refused));
        }
        assert_eq!(waiting(&edges), [(0, 1), (4_000, 96), (5_000, 3_192)]);
        assert!(waiting(&edges).is_empty());
    }
}
