//! The second pass: all pages that hold rows, in the order of the file, so that the reads are long
//! and parts of the file can be scanned side by side.

use super::findings::Problems;
use super::overflow::{Followed, Follower};
use super::page_map::Owner;
use super::plan::{Layout, MISFIT, Tree, fits};
use crate::error::{Error, Result};
use crate::image::PageReader;
use crate::image::btree::{Cell, Page, PageKind};
use crate::image::record::Header;
use crate::image::schema::TreeKind;
use crate::limits;
use crate::measure::{Entry, HEAD_BYTES, KeyValues, MAX_EXAMINED_BYTES, ValueFacts, Watch, see_row};

/// Bytes read at once at most.
pub(super) const RUN_BYTES: usize = 256 * 1024;

/// Pages of no interest that are read along where they lie between others.
const GAP_PAGES: u32 = 8;

/// Keys up to this size are read whole: what workerd's SQLite takes.
const MAX_KEY_BYTES: u64 = limits::WORKERD_LENGTH.amount;

/// What a tree's pages amount to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TreeCount {
    pub rows: u64,
    pub pages: u64,
    pub payload_bytes: u64,
}

/// What a part of the pages amounts to.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    pub trees: Vec<TreeCount>,
    pub key_values: Option<KeyValues>,
    pub rows: Watch,
    pub problems: Problems,
}

impl Counts {
    pub fn new(tree_count: usize) -> Counts {
        Counts {
            trees: vec![TreeCount::default(); tree_count],
            key_values: None,
            rows: Watch::new(&limits::ROW),
            problems: Problems::default(),
        }
    }

    pub fn merge(&mut self, other: Counts) {
        for (own, more) in self.trees.iter_mut().zip(other.trees) {
            own.rows += more.rows;
            own.pages += more.pages;
            own.payload_bytes += more.payload_bytes;
        }
        match (&mut self.key_values, other.key_values) {
            (Some(own), Some(more)) => own.merge(&more),
            (own @ None, more) => *own = more,
            _ => {}
        }
        self.rows.merge(&other.rows);
        self.problems.merge(other.problems);
    }
}

/// Scans one part.
pub(super) struct Scanner<'a, V> {
    layout: &'a Layout,
    reader: &'a dyn PageReader,
    facts: &'a V,
    follower: Follower<'a>,
    key_value_tree: Option<usize>,
    payload: Vec<u8>,
    counts: Counts,
}

impl<'a, V: ValueFacts> Scanner<'a, V> {
    pub fn new(
        layout: &'a Layout,
        reader: &'a dyn PageReader,
        facts: &'a V,
        key_value_tree: Option<usize>,
        now_ms: f64,
    ) -> Self {
        let mut counts = Counts::new(layout.trees.len());
        counts.key_values = key_value_tree.map(|_| KeyValues::new(now_ms));
        Scanner {
            layout,
            reader,
            facts,
            follower: Follower::new(reader, &layout.map, layout.basics.geometry),
            key_value_tree,
            payload: Vec::new(),
            counts,
        }
    }

    /// Scans the pages from `first` up to `end`, which is not one of them.
    ///
    /// # Errors
    /// Those of the reader; damage is counted instead.
    pub fn scan(mut self, first: u32, end: u32) -> Result<Counts> {
        let page_bytes = self.layout.basics.geometry.page_bytes;
        let most = (RUN_BYTES as u32 / page_bytes).max(1);
        let mut run = Vec::new();
        let mut page = first;
        while page < end {
            if self.layout.map.owner(page).is_none() {
                page += 1;
                continue;
            }
            let limit = end.min(page + most);
            let mut last = page;
            for later in page + 1..limit {
                if self.layout.map.owner(later).is_some() {
                    last = later;
                } else if later - last > GAP_PAGES {
                    break;
                }
            }
            let run_first = page;
            run.resize((last + 1 - run_first) as usize * page_bytes as usize, 0);
            self.reader.read_pages(run_first, &mut run)?;
            for bytes in run.chunks_exact(page_bytes as usize) {
                if let Some(owner) = self.layout.map.owner(page) {
                    self.scan_page(page, bytes, owner, (run_first, &run))?;
                }
                page += 1;
            }
        }
        Ok(self.counts)
    }

    fn scan_page(&mut self, number: u32, bytes: &[u8], owner: Owner, window: (u32, &[u8])) -> Result<()> {
        let layout = self.layout;
        let Some(tree) = layout.trees.get(owner.tree) else {
            return Ok(());
        };
        let mut count = TreeCount { pages: 1, ..TreeCount::default() };
        let outcome = self.scan_cells(number, bytes, owner, tree, window, &mut count);
        if let Some(total) = self.counts.trees.get_mut(owner.tree) {
            total.rows += count.rows;
            total.pages += count.pages;
            total.payload_bytes += count.payload_bytes;
        }
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(damage)) => {
                self.counts.problems.add(&tree.name, number, damage.to_string());
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Counts a page's cells. The inner result is about the page's first damage.
    fn scan_cells(
        &mut self,
        number: u32,
        bytes: &[u8],
        owner: Owner,
        tree: &Tree,
        window: (u32, &[u8]),
        count: &mut TreeCount,
    ) -> Result<Result<()>> {
        let geometry = &self.layout.basics.geometry;
        let page = match Page::parse(number, bytes, geometry) {
            Ok(page) => page,
            Err(error) => return Ok(Err(error)),
        };
        if !fits(page.kind(), tree) {
            return Ok(Err(Error::malformed(MISFIT)));
        }
        if page.kind().is_interior() != owner.interior {
            return Ok(Err(Error::malformed(
                "the page has children where others on its level have none; they are not counted",
            )));
        }
        if page.kind() == PageKind::TableInterior {
            return Ok(Ok(()));
        }
        let has_values = self.key_value_tree == Some(owner.tree);
        let has_rows = tree.kind != TreeKind::Index;
        let mut damage = Ok(());
        let mut stored_bytes = 0;
        for index in 0..page.cell_count() {
            let cell = match page.cell(index) {
                Ok(cell) => cell,
                Err(error) => {
                    damage = damage.and(Err(error));
                    continue;
                }
            };
            // Also what bounds the time that cells laid over each other can cost.
            stored_bytes += cell.stored_bytes;
            if stored_bytes > bytes.len() {
                return Ok(Err(Error::malformed("its cells overlap")));
            }
            count.rows += 1;
            count.payload_bytes += cell.payload_bytes;
            let followed = if has_values {
                self.value(&cell, window)?
            } else {
                match cell.overflow {
                    Some(_) => self.follower.follow(&cell, window, |_| {})?,
                    None => Followed::default(),
                }
            };
            count.pages += followed.pages;
            if let Some(error) = followed.damage {
                damage = damage.and(Err(error));
            }
            if has_rows {
                see_row(&mut self.counts.rows, cell.payload_bytes, &tree.name, cell.rowid);
            }
        }
        Ok(damage)
    }

    /// Counts an entry of `_cf_KV`.
    #[inline]
    fn value(&mut self, cell: &Cell<'_>, window: (u32, &[u8])) -> Result<Followed> {
        if cell.overflow.is_none() {
            let damage = self.record(cell.payload_bytes, cell.local).err();
            return Ok(Followed { pages: 0, damage });
        }
        let wanted = if cell.payload_bytes <= MAX_EXAMINED_BYTES {
            cell.payload_bytes
        } else {
            // The key, if it can be one, and enough of the value.
            let key_bytes = Header::parse(cell.local)
                .ok()
                .and_then(|header| header.types().next()?.ok())
                .map_or(0, |key| key.value_bytes().min(MAX_KEY_BYTES));
            HEAD_BYTES + key_bytes
        };
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        payload.extend_from_slice(cell.local);
        let followed = self.follower.follow(cell, window, |part| {
            let room = wanted.saturating_sub(payload.len() as u64);
            let length = usize::try_from(room).map_or(part.len(), |room| room.min(part.len()));
            payload.extend_from_slice(part.get(..length).unwrap_or_default());
        });
        let followed = followed.map(|mut followed| {
            if followed.damage.is_none() {
                followed.damage = self.record(cell.payload_bytes, &payload).err();
            }
            followed
        });
        self.payload = payload;
        followed
    }

    /// Counts the entry whose record, or the beginning of it, is `payload`.
    #[inline]
    fn record(&mut self, payload_bytes: u64, payload: &[u8]) -> Result<()> {
        let header = Header::parse(payload)?;
        let mut types = header.types();
        let (Some(key_type), Some(value_type)) = (types.next().transpose()?, types.next().transpose()?)
        else {
            return Err(Error::malformed("an entry lacks its key or value"));
        };
        let wrong = || Error::malformed("an entry's key or value is longer than its record");
        let body = payload.get(header.header_bytes()..).unwrap_or_default();
        let key_bytes = key_type.value_bytes();
        let value_bytes = value_type.value_bytes();
        if (header.header_bytes() as u64)
            .checked_add(key_bytes)
            .and_then(|bytes| bytes.checked_add(value_bytes))
            .is_none_or(|bytes| bytes > payload_bytes)
        {
            return Err(wrong());
        }
        let (key, rest) = usize::try_from(key_bytes)
            .ok()
            .and_then(|length| body.split_at_checked(length))
            .ok_or_else(|| Error::malformed("an entry's key is too long to be one"))?;
        let value = usize::try_from(value_bytes).ok().and_then(|length| rest.get(..length)).unwrap_or(rest);
        if let Some(key_values) = &mut self.counts.key_values {
            key_values.add(Entry { key, value_bytes, value, is_blob: value_type.is_blob() }, self.facts);
        }
        Ok(())
    }
}
