//! Which tree each page belongs to, and which pages are spoken for.

use std::sync::atomic::{AtomicU64, Ordering};

/// Pages whose owners are kept in one allocation.
const BLOCK_PAGES: usize = 4_096;

/// The owners of pages: a byte a page, two where there are more than 127 trees, allocated where
/// pages have owners; and one bit a page that says whether anything uses it.
#[derive(Debug)]
pub(super) struct PageMap {
    blocks: Vec<Option<Block>>,
    wide: bool,
    used: Vec<AtomicU64>,
    page_count: u32,
}

#[derive(Debug)]
enum Block {
    Narrow(Box<[u8]>),
    Wide(Box<[u16]>),
}

/// A b-tree page's place: its tree and whether the walk over interior pages has been there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub tree: usize,
    pub interior: bool,
}

impl PageMap {
    /// The most trees that can be told apart.
    pub const MAX_TREES: usize = u16::MAX as usize / 2;

    pub fn new(page_count: u32, tree_count: usize) -> PageMap {
        let mut blocks = Vec::new();
        blocks.resize_with(page_count as usize / BLOCK_PAGES + 1, || None);
        let mut used = Vec::new();
        used.resize_with(page_count as usize / 64 + 1, AtomicU64::default);
        PageMap { blocks, wide: tree_count > usize::from(u8::MAX) / 2, used, page_count }
    }

    /// Makes `page` used; `false` where it is already, or is no page.
    pub fn claim(&self, page: u32) -> bool {
        if page == 0 || page > self.page_count {
            return false;
        }
        let bit = 1 << (page % 64);
        // Nothing is published by the bit but itself.
        self.used.get(page as usize / 64).is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }

    /// How many pages nothing uses, and the first of them.
    pub fn unused(&self) -> (u64, u32) {
        let mut count = 0;
        let mut first = 0;
        for (index, word) in self.used.iter().enumerate() {
            let mut free = !word.load(Ordering::Relaxed);
            let from = index as u64 * 64;
            if index == 0 {
                free &= !1;
            }
            let over = (from + 63).saturating_sub(u64::from(self.page_count));
            free = if over >= 64 { 0 } else { free << over >> over };
            if free != 0 && first == 0 {
                first = (from + u64::from(free.trailing_zeros())) as u32;
            }
            count += u64::from(free.count_ones());
        }
        (count, first)
    }

    /// Gives `page` to `owner`.
    pub fn set(&mut self, page: u32, owner: Owner) {
        let code = 1 + 2 * owner.tree + usize::from(owner.interior);
        let wide = self.wide;
        let Some(block) = self.blocks.get_mut(page as usize / BLOCK_PAGES) else {
            return;
        };
        let at = page as usize % BLOCK_PAGES;
        let block = block.get_or_insert_with(|| {
            if wide {
                Block::Wide(vec![0; BLOCK_PAGES].into())
            } else {
                Block::Narrow(vec![0; BLOCK_PAGES].into())
            }
        });
        match block {
            Block::Narrow(codes) => {
                if let (Some(slot), Ok(code)) = (codes.get_mut(at), u8::try_from(code)) {
                    *slot = code;
                }
            }
            Block::Wide(codes) => {
                if let (Some(slot), Ok(code)) = (codes.get_mut(at), u16::try_from(code)) {
                    *slot = code;
                }
            }
        }
    }

    /// The owner of `page`, where it is a known b-tree page.
    #[inline]
    pub fn owner(&self, page: u32) -> Option<Owner> {
        let at = page as usize % BLOCK_PAGES;
        let code = match self.blocks.get(page as usize / BLOCK_PAGES)?.as_ref()? {
            Block::Narrow(codes) => usize::from(*codes.get(at)?),
            Block::Wide(codes) => usize::from(*codes.get(at)?),
        };
        let code = code.checked_sub(1)?;
        Some(Owner { tree: code / 2, interior: code % 2 == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_and_owners() {
        for (page_count, trees) in [(1, 1), (63, 5), (64, 127), (65, 128), (9_000, 30_000)] {
            let mut map = PageMap::new(page_count, trees);
            assert_eq!(map.unused(), (u64::from(page_count), 1));
            assert!(map.claim(page_count));
            assert!(!map.claim(page_count));
            assert!(!map.claim(0));
            assert!(!map.claim(page_count + 1));
            assert_eq!(map.unused().0, u64::from(page_count) - 1);
            let owner = Owner { tree: trees - 1, interior: true };
            assert_eq!(map.owner(page_count), None);
            map.set(page_count, owner);
            assert_eq!(map.owner(page_count), Some(owner));
            assert_eq!(map.owner(page_count - 1), None);
        }
    }
}
