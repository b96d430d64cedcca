//! The first pass: the schema, and the interior pages of every tree, which say whose every other
//! page is. It reads a few pages in a hundred.

use super::findings::Problems;
use super::page_map::{Owner, PageMap};
use super::scan::RUN_BYTES;
use crate::error::Result;
use crate::image::PageReader;
use crate::image::btree::{MAX_DEPTH, Page, PageKind};
use crate::image::geometry::{Basics, Geometry};
use crate::image::lookup::{Lookup, METADATA_TABLE, alarm_nanoseconds};
use crate::image::rows::Rows;
use crate::image::schema::{SCHEMA_ROOT, SchemaEntry, TreeKind};

/// Tables and indexes reported one by one; the rest are reported as two sums.
pub const MAX_NAMED_TREES: usize = 10_000;

/// Characters of a table's name that are kept.
const MAX_TABLE_NAME_CHARS: usize = 256;

/// A b-tree, or the sum of those that are not reported one by one.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub name: String,
    pub table_name: String,
    pub kind: TreeKind,
    pub roots: Vec<u32>,
    pub column_count: u32,
}

impl Tree {
    fn is_index(&self) -> bool {
        matches!(self.kind, TreeKind::Index | TreeKind::WithoutRowid)
    }
}

/// What the first pass finds out.
#[derive(Debug)]
pub(super) struct Layout {
    pub basics: Basics,
    pub trees: Vec<Tree>,
    pub map: PageMap,
    pub problems: Problems,
    pub freelist_page_count: u32,
    pub alarm_nanoseconds: Option<i64>,
    /// Trees left out of `trees`.
    pub unnamed_tree_count: u64,
}

struct Planner<'a> {
    reader: &'a dyn PageReader,
    geometry: Geometry,
    page: Vec<u8>,
    run: Vec<u8>,
    problems: Problems,
    map: PageMap,
}

impl Layout {
    /// # Errors
    /// Those of `reader`, and malformed where page 1 is no database header.
    pub fn read(reader: &dyn PageReader) -> Result<Layout> {
        let mut page = vec![0; reader.page_bytes() as usize];
        reader.read_pages(SCHEMA_ROOT, &mut page)?;
        let basics = Basics::parse(&page, reader.page_count())?;
        let geometry = basics.geometry;
        let mut problems = Problems::default();
        let (trees, unnamed_tree_count) = read_schema(reader, &basics, &mut problems)?;
        let mut planner = Planner {
            reader,
            geometry,
            page,
            run: Vec::new(),
            problems,
            map: PageMap::new(geometry.page_count, trees.len().min(PageMap::MAX_TREES)),
        };
        planner.claim_reserved(basics.auto_vacuum);
        for (index, tree) in trees.iter().enumerate() {
            for root in &tree.roots {
                planner.walk(index, tree, *root)?;
            }
        }
        let freelist_page_count = planner.walk_freelist(&basics)?;
        let alarm_nanoseconds = planner.alarm(reader)?;
        Ok(Layout {
            basics,
            trees,
            map: planner.map,
            problems: planner.problems,
            freelist_page_count,
            alarm_nanoseconds,
            unnamed_tree_count,
        })
    }
}

/// Tells damage, which is reported, from a reader's failure, which ends the inspection: what the
/// reader failed with is kept in `failure`.
fn noting<'a>(
    reader: &'a dyn PageReader,
    failure: &'a mut Option<crate::Error>,
) -> impl FnMut(u32, &mut [u8]) -> Result<()> + 'a {
    move |page, into| {
        reader.read_pages(page, into).inspect_err(|error| {
            *failure = Some(error.clone());
        })
    }
}

fn read_schema(
    reader: &dyn PageReader,
    basics: &Basics,
    problems: &mut Problems,
) -> Result<(Vec<Tree>, u64)> {
    let tree = |name: &str, table_name: &str, kind| Tree {
        name: name.chars().take(MAX_TABLE_NAME_CHARS).collect(),
        table_name: table_name.chars().take(MAX_TABLE_NAME_CHARS).collect(),
        kind,
        roots: Vec::new(),
        column_count: 0,
    };
    let mut trees = vec![tree("sqlite_schema", "sqlite_schema", TreeKind::Table)];
    if let Some(schema) = trees.first_mut() {
        schema.roots.push(SCHEMA_ROOT);
        schema.column_count = 5;
    }
    let mut others = tree("(other tables)", "", TreeKind::Table);
    let mut other_rowless = tree("(other tables without rowid)", "", TreeKind::WithoutRowid);
    let mut other_indexes = tree("(other indexes)", "", TreeKind::Index);
    let mut unnamed = 0;
    let mut rows = Rows::new(basics.geometry, SCHEMA_ROOT);
    let mut page = Vec::new();
    loop {
        let mut failure = None;
        let advanced = rows.advance(&mut page, noting(reader, &mut failure));
        if let Some(failure) = failure {
            return Err(failure);
        }
        let entry = match advanced {
            Ok(true) => SchemaEntry::parse(rows.payload(), basics.text_encoding),
            Ok(false) => break,
            Err(error) => {
                problems.add("sqlite_schema", SCHEMA_ROOT, error.to_string());
                break;
            }
        };
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                problems.add("sqlite_schema", SCHEMA_ROOT, error.to_string());
                continue;
            }
        };
        if !entry.has_tree() && entry.kind != TreeKind::Virtual {
            continue;
        }
        // The two tables that a report is mostly about are never among the others.
        let own = [super::KEY_VALUE_TABLE, METADATA_TABLE].contains(&entry.name.as_ref());
        if trees.len() >= MAX_NAMED_TREES && !own {
            unnamed += 1;
            let sum = match entry.kind {
                TreeKind::Index => &mut other_indexes,
                TreeKind::WithoutRowid => &mut other_rowless,
                _ => &mut others,
            };
            sum.column_count = sum.column_count.max(entry.column_count);
            if entry.has_tree() {
                sum.roots.push(entry.root);
            }
            continue;
        }
        if trees.len() >= PageMap::MAX_TREES - 3 {
            continue;
        }
        let mut named = tree(&entry.name, &entry.table_name, entry.kind);
        named.column_count = entry.column_count;
        if entry.has_tree() {
            named.roots.push(entry.root);
        }
        trees.push(named);
    }
    trees.extend([others, other_rowless, other_indexes].into_iter().filter(|sum| !sum.roots.is_empty()));
    Ok((trees, unnamed))
}

impl Planner<'_> {
    /// Claims the pages that are in no tree by the format's rules.
    fn claim_reserved(&mut self, auto_vacuum: bool) {
        self.map.claim(self.geometry.lock_page());
        if !auto_vacuum {
            return;
        }
        let span = self.geometry.usable_bytes / 5 + 1;
        for page in (2..=self.geometry.page_count).step_by(span as usize) {
            // The map that would lie on the lock page lies behind it.
            let page = page + u32::from(page == self.geometry.lock_page());
            self.map.claim(page);
        }
    }

    /// Goes through a tree's interior pages level by level and gives all its pages to it.
    fn walk(&mut self, index: usize, tree: &Tree, root: u32) -> Result<()> {
        if !self.geometry.contains(root) {
            let detail = format!("the root page {root} does not exist");
            self.problems.add(&tree.name, root, detail);
            return Ok(());
        }
        if !self.map.claim(root) {
            let detail = "the root page is used twice";
            self.problems.add(&tree.name, root, detail);
            return Ok(());
        }
        let mut level = vec![root];
        for _ in 0..MAX_DEPTH {
            if !self.any_interior(&level)? {
                for page in level {
                    self.map.set(page, leaf_of(index));
                }
                return Ok(());
            }
            level.sort_unstable();
            level = self.walk_level(index, tree, &level)?;
            if level.is_empty() {
                return Ok(());
            }
        }
        let detail = format!("the tree is deeper than {MAX_DEPTH} pages");
        self.problems.add(&tree.name, level.first().copied().unwrap_or(root), detail);
        Ok(())
    }

    /// Whether a level is one of interior pages, by its first, middle and last page: all leaves of
    /// a tree are equally deep. A page that is not like the others shows in the second pass.
    fn any_interior(&mut self, level: &[u32]) -> Result<bool> {
        let samples = [level.first(), level.get(level.len() / 2), level.last()];
        let mut before = None;
        for sample in samples.into_iter().flatten() {
            if before == Some(sample) {
                continue;
            }
            before = Some(sample);
            self.reader.read_pages(*sample, &mut self.page)?;
            let page = Page::parse(*sample, &self.page, &self.geometry);
            if page.is_ok_and(|page| page.kind().is_interior()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads a level of interior pages and gives the next one.
    fn walk_level(&mut self, index: usize, tree: &Tree, level: &[u32]) -> Result<Vec<u32>> {
        let mut next = Vec::new();
        let page_bytes = self.geometry.page_bytes as usize;
        let most = (RUN_BYTES / page_bytes).max(1);
        let mut rest = level;
        while let Some(first) = rest.first() {
            let length = (*first..)
                .zip(rest.iter().take(most))
                .take_while(|(expected, page)| expected == *page)
                .count()
                .max(1);
            let (run, later) = rest.split_at(length.min(rest.len()));
            rest = later;
            let mut bytes = std::mem::take(&mut self.run);
            bytes.resize(length * page_bytes, 0);
            self.reader.read_pages(*first, &mut bytes)?;
            for (number, bytes) in run.iter().zip(bytes.chunks_exact(page_bytes)) {
                self.walk_page(index, tree, *number, bytes, &mut next);
            }
            self.run = bytes;
        }
        Ok(next)
    }

    fn walk_page(&mut self, index: usize, tree: &Tree, number: u32, bytes: &[u8], next: &mut Vec<u32>) {
        let page = match Page::parse(number, bytes, &self.geometry) {
            Ok(page) => page,
            Err(error) => {
                self.problems.add(&tree.name, number, error.to_string());
                return;
            }
        };
        if !page.kind().is_interior() {
            let detail = "the page is a leaf where others on its level are not";
            self.problems.add(&tree.name, number, detail);
            self.map.set(number, leaf_of(index));
            return;
        }
        if !fits(page.kind(), tree) {
            self.problems.add(&tree.name, number, MISFIT);
            return;
        }
        self.map.set(number, Owner { tree: index, interior: true });
        for child in 0..page.child_count() {
            match page.child(child) {
                Ok(child) if self.map.claim(child) => next.push(child),
                Ok(child) => {
                    let detail = format!("its child page {child} is used twice");
                    self.problems.add(&tree.name, number, detail);
                }
                Err(error) => self.problems.add(&tree.name, number, error.to_string()),
            }
        }
    }

    /// Counts the pages of the free list.
    fn walk_freelist(&mut self, basics: &Basics) -> Result<u32> {
        const NAME: &str = "freelist";
        let mut found = 0_u32;
        let mut trunk = basics.freelist_first;
        let mut from = 1;
        while trunk != 0 {
            if !self.map.claim(trunk) {
                let detail = format!("it leads to page {trunk}, which is used or does not exist");
                self.problems.add(NAME, from, detail);
                break;
            }
            found += 1;
            self.reader.read_pages(trunk, &mut self.page)?;
            let usable = self.page.get(..self.geometry.usable_bytes as usize).unwrap_or_default();
            let (words, _) = usable.as_chunks();
            let mut words = words.iter().map(|word| u32::from_be_bytes(*word));
            from = trunk;
            trunk = words.next().unwrap_or(0);
            let claimed = words.next().unwrap_or(0) as usize;
            if claimed > words.len() {
                let detail = format!("a trunk page claims to list {claimed} pages");
                self.problems.add(NAME, from, detail);
            }
            for leaf in words.take(claimed) {
                if self.map.claim(leaf) {
                    found += 1;
                } else {
                    let detail = format!("it lists page {leaf}, which is used or does not exist");
                    self.problems.add(NAME, from, detail);
                }
            }
        }
        if found != basics.freelist_page_count {
            let detail =
                format!("the header counts {} free pages, and there are {found}", basics.freelist_page_count);
            self.problems.add(NAME, 1, detail);
        }
        Ok(found)
    }

    fn alarm(&mut self, reader: &dyn PageReader) -> Result<Option<i64>> {
        let mut failure = None;
        let mut lookup = Lookup::alarm(self.geometry.page_count);
        let found = lookup
            .run(self.geometry.page_bytes, noting(reader, &mut failure))
            .and_then(|found| if found { alarm_nanoseconds(lookup.column(1)?) } else { Ok(None) });
        if let Some(failure) = failure {
            return Err(failure);
        }
        Ok(found.unwrap_or_else(|error| {
            let detail = format!("the alarm cannot be read: {error}");
            self.problems.add(METADATA_TABLE, 0, detail);
            None
        }))
    }
}

/// Said of a page in the wrong sort of tree.
pub(super) const MISFIT: &str = "a table's page hangs in an index, or the other way round";

/// Whether a page of `kind` belongs into `tree`.
pub(super) fn fits(kind: PageKind, tree: &Tree) -> bool {
    kind.is_index() == tree.is_index()
}

fn leaf_of(tree: usize) -> Owner {
    Owner { tree, interior: false }
}
