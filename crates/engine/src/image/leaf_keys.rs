//! The first and the last key of each leaf of `_cf_KV`, collected while all pages pass by anyway.

use super::btree::{Page, PageKind};
use super::geometry::Geometry;
use super::record::Header;

/// Most bytes of [`LeafKeys`]. What is not kept costs a directory some bytes, nothing else. A page
/// of 4 KiB with keys of 20 bytes takes 48, so this is enough for a gigabyte of them.
const BYTES_MAX: usize = 12 << 20;

/// The keys of leaves in one stretch of pages.
#[derive(Debug, Clone, Default)]
pub struct LeafKeysPart {
    first_page: u32,
    /// One for each page.
    places: Vec<Place>,
    keys: Vec<u8>,
}

/// Where in a part a leaf's keys are, the first and behind it the last; both empty for another page.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    from: u32,
    first_bytes: u16,
    last_bytes: u16,
}

impl LeafKeysPart {
    /// Takes the keys of the leaves in `pages`, which begin with page `first_page`, over what was
    /// there. Pages that only look like such leaves do no harm: nobody asks for them.
    pub fn scan(&mut self, geometry: &Geometry, first_page: u32, pages: &[u8]) {
        self.first_page = first_page;
        self.places.clear();
        self.keys.clear();
        for (page, bytes) in (first_page..).zip(pages.chunks_exact(geometry.page_bytes as usize)) {
            let from = self.keys.len();
            let keys = self.keys_of(geometry, page, bytes).zip(u32::try_from(from).ok());
            self.places.push(match keys {
                Some(((first_bytes, last_bytes), from)) => Place { from, first_bytes, last_bytes },
                None => {
                    self.keys.truncate(from);
                    Place::default()
                }
            });
        }
    }

    fn keys_of(&mut self, geometry: &Geometry, number: u32, bytes: &[u8]) -> Option<(u16, u16)> {
        let page = Page::parse(number, bytes, geometry).ok()?;
        if page.kind() != PageKind::IndexLeaf {
            return None;
        }
        let mut take = |index| {
            let cell = page.cell(index).ok()?;
            let key = key_of(cell.local)?;
            self.keys.extend_from_slice(key);
            u16::try_from(key.len()).ok()
        };
        Some((take(0)?, take(page.cell_count().checked_sub(1)?)?))
    }

    fn find(&self, page: u32) -> Option<(&[u8], &[u8])> {
        let place = self.places.get(page.checked_sub(self.first_page)? as usize)?;
        let (first, rest) =
            self.keys.get(place.from as usize..)?.split_at_checked(place.first_bytes.into())?;
        Some((first, rest.get(..place.last_bytes.into())?)).filter(|(_, last)| !last.is_empty())
    }
}

/// The key of a row with a text and one more value, where all of it is in the page.
fn key_of(local: &[u8]) -> Option<&[u8]> {
    let header = Header::parse(local).ok()?;
    let mut types = header.types();
    let first = types.next()?.ok()?;
    types.next()?.ok()?;
    if !first.is_text() || types.next().is_some() {
        return None;
    }
    local.get(header.header_bytes()..)?.get(..usize::try_from(first.value_bytes()).ok()?)
}

/// The keys of leaves in a whole image, as many as fit.
#[derive(Debug, Default)]
pub struct LeafKeys {
    parts: Vec<LeafKeysPart>,
    /// Each part's first page.
    begins: Vec<u32>,
    bytes: usize,
}

impl LeafKeys {
    /// Keeps a copy of `part`, whose pages follow those of the parts before, if there is room.
    pub fn add(&mut self, part: &LeafKeysPart) {
        let bytes = part.keys.len() + part.places.len() * size_of::<Place>();
        if !part.keys.is_empty() && self.bytes + bytes <= BYTES_MAX {
            self.bytes += bytes;
            self.begins.push(part.first_page);
            self.parts.push(part.clone());
        }
    }

    /// The first and the last key of the leaf `page`, where they are known.
    pub fn find(&self, page: u32) -> Option<(&[u8], &[u8])> {
        let at = self.begins.partition_point(|begin| *begin <= page).checked_sub(1)?;
        self.parts.get(at)?.find(page)
    }
}
