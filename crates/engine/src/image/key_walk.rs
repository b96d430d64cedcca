//! The leaves of `_cf_KV` in key order and the rows between them, out of interior pages alone, as a
//! machine that says which page it needs next.

use super::btree::{Cell, Chain, MAX_DEPTH, Page, place};
use super::geometry::{Basics, Geometry, TextEncoding};
use super::lookup::KEY_VALUE_TABLE;
use super::record::Header;
use super::rows::{Rows, Step};
use super::schema::{SCHEMA_ROOT, SchemaEntry, TreeKind};
use crate::error::{Error, Result};

/// The longest key that a walk carries along: more than 30 times an object's longest.
const KEY_BYTES_MAX: u64 = 65_535;

/// What a walk needs or has next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WalkStep {
    /// Read this page and give it.
    Read(u32),
    /// A leaf is there.
    Leaf,
    /// There are no more.
    End,
}

/// How far a walk is.
#[derive(Debug)]
enum Phase {
    /// Nothing is known: page 1 comes first.
    Start,
    /// Looking for the tree's root.
    Schema(Rows),
    /// In the tree.
    Tree,
    /// There is no tree of keys in the order of their bytes.
    None,
}

/// A page on the way from the root to where the walk is.
#[derive(Debug)]
struct Frame {
    number: u32,
    bytes: Vec<u8>,
    /// Children and cells already visited.
    visited: usize,
}

/// A walk over the interior pages of `_cf_KV`'s tree.
///
/// It holds one page per level and two keys. The schema, each interior page, the leftmost leaf
/// and the overflow pages of long keys between leaves are read, each once.
#[derive(Debug)]
pub struct KeyWalk {
    page_count: u32,
    geometry: Option<Geometry>,
    phase: Phase,
    frames: Vec<Frame>,
    spare: Vec<Vec<u8>>,
    wanted: Option<u32>,
    /// Interior pages above each leaf, once the leftmost leaf has told.
    leaf_depth: Option<usize>,
    /// The leftmost leaf, between its reading and its telling.
    first_leaf: bool,
    leaf: u32,
    leaf_count: u32,
    interior: u32,
    key: Vec<u8>,
    previous: Vec<u8>,
    /// The overflow pages of a key, and how long the key is to become.
    chain: Option<(Option<Chain>, usize)>,
    pages_read: u32,
}

impl KeyWalk {
    /// A walk in an image of `page_count` pages. A database without `_cf_KV`, in UTF-16, or whose
    /// `_cf_KV` is another table than an object's has no leaves to walk over.
    pub fn new(page_count: u32) -> KeyWalk {
        KeyWalk {
            page_count,
            geometry: None,
            phase: if page_count == 0 { Phase::None } else { Phase::Start },
            frames: Vec::new(),
            spare: Vec::new(),
            wanted: None,
            leaf_depth: None,
            first_leaf: false,
            leaf: 0,
            leaf_count: 0,
            interior: 0,
            key: Vec::new(),
            previous: Vec::new(),
            chain: None,
            pages_read: 0,
        }
    }

    /// The sizes of the image, known once there is a leaf.
    pub fn geometry(&self) -> Option<Geometry> {
        self.geometry
    }

    /// The leaf that the walk is at.
    pub fn leaf(&self) -> u32 {
        self.leaf
    }

    /// The key of the row between that leaf and the one before; empty at the first.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The interior page with that row; 0 at the first leaf.
    pub fn interior(&self) -> u32 {
        self.interior
    }

    /// Goes to the next leaf, `false` at the end, with pages from `read`, which fills the slice
    /// with the page of that number. `page` is a buffer, one page long.
    ///
    /// # Errors
    /// Those of `read`; malformed where the tree is, or where its keys do not ascend; unsupported
    /// where it has keys that are no text or longer than 65,535 bytes.
    pub fn advance(
        &mut self,
        page: &mut [u8],
        mut read: impl FnMut(u32, &mut [u8]) -> Result<()>,
    ) -> Result<bool> {
        loop {
            match self.step()? {
                WalkStep::Read(number) => {
                    read(number, page)?;
                    self.give(page)?;
                }
                WalkStep::Leaf => return Ok(true),
                WalkStep::End => return Ok(false),
            }
        }
    }

    fn step(&mut self) -> Result<WalkStep> {
        loop {
            match &mut self.phase {
                Phase::Start => return Ok(WalkStep::Read(1)),
                Phase::None => return Ok(WalkStep::End),
                Phase::Tree => return self.step_in_tree(),
                Phase::Schema(rows) => match rows.step()? {
                    Step::Read(page) => return Ok(WalkStep::Read(page)),
                    Step::End => self.phase = Phase::None,
                    Step::Row => {
                        // As in a look-up, a row that cannot be read is not the one.
                        let Ok(entry) = SchemaEntry::parse(rows.payload(), TextEncoding::Utf8) else {
                            continue;
                        };
                        let is_table = matches!(entry.kind, TreeKind::Table | TreeKind::WithoutRowid);
                        if is_table && entry.table_name.eq_ignore_ascii_case(KEY_VALUE_TABLE) {
                            self.wanted = entry.by_key_bytes.then_some(entry.root);
                            self.phase = if entry.by_key_bytes { Phase::Tree } else { Phase::None };
                        }
                    }
                },
            }
        }
    }

    fn step_in_tree(&mut self) -> Result<WalkStep> {
        let Some(geometry) = self.geometry else {
            return Ok(WalkStep::End);
        };
        loop {
            if let Some((chain, key_bytes)) = &self.chain {
                if self.key.len() < *key_bytes {
                    let next = chain.and_then(|chain| chain.next_page());
                    return next.map(WalkStep::Read).ok_or_else(|| {
                        Error::malformed("a key is longer than its record").at(place(self.interior))
                    });
                }
                self.chain = None;
                if self.key <= self.previous {
                    return Err(Error::malformed("the keys do not ascend").at(place(self.interior)));
                }
            }
            if let Some(page) = self.wanted {
                if !geometry.contains(page) {
                    return Err(Error::malformed(format!("its root page {page} does not exist")));
                }
                return Ok(WalkStep::Read(page));
            }
            if std::mem::take(&mut self.first_leaf) {
                return Ok(WalkStep::Leaf);
            }
            let depth = self.frames.len();
            let Some(frame) = self.frames.last_mut() else {
                return Ok(WalkStep::End);
            };
            let page = Page::parse(frame.number, &frame.bytes, &geometry)?;
            let at = frame.visited / 2;
            let is_cell = frame.visited % 2 == 1;
            frame.visited += 1;
            if is_cell && at < page.cell_count() {
                let cell = page.cell(at)?;
                std::mem::swap(&mut self.key, &mut self.previous);
                self.interior = frame.number;
                self.chain =
                    Some(key_of(&cell, &mut self.key).map_err(|error| error.at(place(frame.number)))?);
            } else if !is_cell && at < page.child_count() {
                let child = page.child(at)?;
                if self.leaf_depth != Some(depth) {
                    self.wanted = Some(child);
                    continue;
                }
                self.leaf = child;
                self.leaf_count += 1;
                if self.leaf_count > self.page_count {
                    return Err(Error::malformed("the tree leads to the same pages again"));
                }
                return Ok(WalkStep::Leaf);
            } else if let Some(frame) = self.frames.pop() {
                self.spare.push(frame.bytes);
            }
        }
    }

    fn give(&mut self, bytes: &[u8]) -> Result<()> {
        self.pages_read += 1;
        // The schema and the tree may each read all pages once.
        if self.pages_read / 2 > self.page_count {
            return Err(Error::malformed("the tree leads to the same pages again"));
        }
        match (&mut self.phase, self.geometry) {
            (Phase::Start, _) => {
                let basics = Basics::parse(bytes, self.page_count)?;
                if basics.text_encoding != TextEncoding::Utf8 {
                    self.phase = Phase::None;
                    return Ok(());
                }
                self.geometry = Some(basics.geometry);
                let mut rows = Rows::new(basics.geometry, SCHEMA_ROOT);
                rows.give(bytes)?;
                self.phase = Phase::Schema(rows);
                Ok(())
            }
            (Phase::Schema(rows), _) => rows.give(bytes),
            (Phase::Tree, Some(geometry)) => self.enter(bytes, &geometry),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, bytes: &[u8], geometry: &Geometry) -> Result<()> {
        if let Some((Some(chain), key_bytes)) = &mut self.chain {
            let part = chain.take(bytes, geometry)?;
            let missing = key_bytes.saturating_sub(self.key.len()).min(part.len());
            self.key.extend_from_slice(part.get(..missing).unwrap_or_default());
            return Ok(());
        }
        let Some(number) = self.wanted.take() else {
            return Ok(());
        };
        let kind = Page::parse(number, bytes, geometry)?.kind();
        let wrong = |what: &str| Err(Error::malformed(what).at(place(number)));
        if !kind.is_index() {
            return wrong("a table's page hangs in an index");
        }
        if !kind.is_interior() {
            if self.leaf_depth.replace(self.frames.len()).is_some() {
                return wrong("leaves are not all equally deep");
            }
            (self.leaf, self.leaf_count, self.first_leaf) = (number, 1, true);
            return Ok(());
        }
        if self.frames.len() + 1 >= MAX_DEPTH {
            return wrong(&format!("the tree is deeper than {MAX_DEPTH} pages"));
        }
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(bytes);
        self.frames.push(Frame { number, bytes: copy, visited: 0 });
        Ok(())
    }
}

/// Puts as much of the cell's key into `key` as is in its page; gives the rest's chain and the
/// key's whole length.
fn key_of(cell: &Cell<'_>, key: &mut Vec<u8>) -> Result<(Option<Chain>, usize)> {
    let header = Header::parse(cell.local)?;
    let key_bytes = match header.types().next().transpose()? {
        Some(first) if first.is_text() && first.value_bytes() <= KEY_BYTES_MAX => {
            first.value_bytes() as usize
        }
        _ => return Err(Error::unsupported("a key is no text, or too long")),
    };
    let local = cell.local.get(header.header_bytes()..).unwrap_or_default();
    key.clear();
    key.extend_from_slice(local.get(..key_bytes.min(local.len())).unwrap_or_default());
    Ok((Chain::of(cell), key_bytes))
}
