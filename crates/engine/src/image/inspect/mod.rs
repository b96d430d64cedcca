//! The report on a database: what is in it and how near its limits.
//!
//! Two passes. [`Inspection::plan`] reads the schema and the interior pages, which say whose each
//! page is. Then the file is scanned in its own order, in as many [`Part`]s as the caller likes,
//! side by side if it has threads: [`Inspection::run`] each, [`Partial::merge`] them in any order,
//! [`Inspection::finish`]. Damage becomes a [`Problem`] and the rest goes on; no page is counted
//! twice, so trees and chains that lead back to themselves end.
//!
//! Memory: 1 byte a page (2 with more than 127 trees) and 1 bit a page, buffers of a few hundred
//! KiB a part, and tables whose sizes the `MAX_` constants bound.

mod findings;
mod overflow;
mod page_map;
mod plan;
mod scan;

use serde::Serialize;

pub use findings::{MAX_PROBLEMS, Problem};
pub use plan::MAX_NAMED_TREES;

use super::PageReader;
use super::geometry::TextEncoding;
use super::lookup::KEY_VALUE_TABLE;
use super::schema::TreeKind;
use crate::error::Result;
use crate::limits;
use crate::measure::{
    AlarmReport, KeyValueReport, KeyValues, LimitFinding, ValueFacts, Watch, object_limit, object_limits,
};
use findings::Problems;
use plan::Layout;
use scan::{Counts, Scanner};

/// A database whose inspection is planned.
#[derive(Debug)]
pub struct Inspection {
    page_bytes: u32,
    page_count: u32,
    now_ms: f64,
    /// `None` for a database without a page.
    layout: Option<Layout>,
}

/// A stretch of the file, to be scanned by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    first: u32,
    end: u32,
}

/// What parts of the file amount to.
#[derive(Debug, Clone)]
pub struct Partial {
    counts: Counts,
}

impl Partial {
    /// Adds what another part amounts to.
    pub fn merge(&mut self, other: Partial) {
        self.counts.merge(other.counts);
    }
}

/// A table, index, or virtual table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: TreeKind,
    /// The table that an index belongs to.
    pub table: String,
    /// Rows, or an index's entries.
    pub row_count: u64,
    /// Pages of its tree, overflow pages included.
    pub page_count: u64,
    /// Bytes of those pages.
    pub stored_bytes: u64,
    /// Bytes of the records in them.
    pub payload_bytes: u64,
}

/// The report on a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatabaseReport {
    /// Bytes of one page.
    pub page_bytes: u32,
    /// Pages in the file.
    pub page_count: u32,
    /// Free pages in it.
    pub freelist_page_count: u32,
    /// The encoding of text.
    pub text_encoding: &'static str,
    /// Whether the database keeps pointer maps.
    pub auto_vacuum: bool,
    /// Tables and indexes, the largest first.
    pub tables: Vec<TableReport>,
    /// Tables and indexes past [`MAX_NAMED_TREES`], reported as sums only.
    pub unlisted_table_count: u64,
    /// The entries of `_cf_KV`, where there is such a table with keys in UTF-8.
    pub key_values: Option<KeyValueReport>,
    /// The alarm, where one is set.
    pub alarm: Option<AlarmReport>,
    /// The largest things that limits apply to.
    pub limits: Vec<LimitFinding>,
    /// Damage found, up to [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// All damage found.
    pub problem_count: u64,
}

impl Inspection {
    /// Reads the schema and the interior pages. Entries are expired that expire before `now_ms`,
    /// in milliseconds since 1970.
    ///
    /// # Errors
    /// Those of `reader`; malformed where page 1 is no database header; unsupported past
    /// [`super::geometry::MAX_PAGES`].
    pub fn plan(reader: &dyn PageReader, now_ms: f64) -> Result<Inspection> {
        let layout = match reader.page_count() {
            0 => None,
            _ => Some(Layout::read(reader)?),
        };
        Ok(Inspection { page_bytes: reader.page_bytes(), page_count: reader.page_count(), now_ms, layout })
    }

    /// Divides the file into `count` parts of nearly the same size, or fewer where it is small.
    pub fn parts(&self, count: usize) -> Vec<Part> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let count = count.clamp(1, u64::from(self.page_count).max(1));
        let border = |part: u64| 1 + (u64::from(self.page_count) * part / count) as u32;
        (0..count).map(|part| Part { first: border(part), end: border(part + 1) }).collect()
    }

    /// Scans one part. Every part is to be scanned once, with the reader that was planned with.
    ///
    /// # Errors
    /// Those of `reader`. Damage is no error.
    pub fn run(&self, part: Part, reader: &dyn PageReader, facts: &impl ValueFacts) -> Result<Partial> {
        let counts = match &self.layout {
            None => Counts::new(0),
            Some(layout) => {
                let scanner = Scanner::new(layout, reader, facts, key_value_tree(layout), self.now_ms);
                scanner.scan(part.first, part.end)?
            }
        };
        Ok(Partial { counts })
    }

    /// Makes the report, once all parts are merged into `partial`.
    pub fn finish(self, partial: Partial) -> DatabaseReport {
        let Some(layout) = self.layout else {
            return self.report_of_nothing();
        };
        let Counts { trees: counts, key_values, rows, problems: found } = partial.counts;
        let mut problems = layout.problems;
        problems.merge(found);
        let (unused_count, unused_first) = layout.map.unused();
        if unused_count > 0 && problems.count == 0 {
            let detail = format!("{unused_count} pages from here on are in no table and not free.");
            problems.add("", unused_first, detail);
        }
        let mut columns = Watch::new(&limits::COLUMNS);
        for tree in &layout.trees {
            if tree.kind != TreeKind::Index {
                columns.see(u64::from(tree.column_count), tree.name.as_bytes());
            }
        }
        let mut tables: Vec<_> = layout
            .trees
            .into_iter()
            .zip(counts)
            .map(|(tree, count)| TableReport {
                name: tree.name,
                kind: tree.kind,
                table: tree.table_name,
                row_count: count.rows,
                page_count: count.pages,
                stored_bytes: count.pages * u64::from(self.page_bytes),
                payload_bytes: count.payload_bytes,
            })
            .collect();
        tables.sort_by(|a, b| (b.stored_bytes, &a.name).cmp(&(a.stored_bytes, &b.name)));
        let used_bytes = used_bytes(self.page_bytes, self.page_count, layout.freelist_page_count);
        let limits = object_limits(Some(used_bytes), key_values.as_ref(), &rows, &columns);
        DatabaseReport {
            page_bytes: self.page_bytes,
            page_count: self.page_count,
            freelist_page_count: layout.freelist_page_count,
            text_encoding: layout.basics.text_encoding.name(),
            auto_vacuum: layout.basics.auto_vacuum,
            tables,
            unlisted_table_count: layout.unnamed_tree_count,
            key_values: key_values.map(KeyValues::report),
            alarm: layout.alarm_nanoseconds.and_then(AlarmReport::of_nanoseconds),
            limits,
            problem_count: problems.count,
            problems: problems.listed,
        }
    }

    fn report_of_nothing(&self) -> DatabaseReport {
        let Problems { listed, count } = Problems::default();
        DatabaseReport {
            page_bytes: self.page_bytes,
            page_count: 0,
            freelist_page_count: 0,
            text_encoding: TextEncoding::Utf8.name(),
            auto_vacuum: false,
            tables: Vec::new(),
            unlisted_table_count: 0,
            key_values: None,
            alarm: None,
            limits: vec![object_limit(0)],
            problems: listed,
            problem_count: count,
        }
    }
}

/// The tree of `_cf_KV`, where its keys can be read: workerd writes UTF-8 only.
fn key_value_tree(layout: &Layout) -> Option<usize> {
    if layout.basics.text_encoding != TextEncoding::Utf8 {
        return None;
    }
    layout.trees.iter().position(|tree| {
        tree.name == KEY_VALUE_TABLE && matches!(tree.kind, TreeKind::Table | TreeKind::WithoutRowid)
    })
}

fn used_bytes(page_bytes: u32, page_count: u32, free: u32) -> u64 {
    u64::from(page_count.saturating_sub(free)) * u64::from(page_bytes)
}
