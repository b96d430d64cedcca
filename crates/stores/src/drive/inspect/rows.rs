//! What a checkpoint of rows has.

use serde::Serialize;

use dotctl_engine::checkpoint::KeyRange;
use dotctl_engine::format::Manifest;
use dotctl_engine::image::lookup::KEY_VALUE_TABLE;
use dotctl_engine::rows::RowKey;
use dotctl_engine::{Error, Result};

use crate::drive::{EntrySource, Progress, StoredLines};
use crate::store::Store;

/// What is in the rows of a database.
#[derive(Debug, Default, Serialize)]
pub struct RowsReport {
    /// Definitions of tables, indexes, views and triggers.
    pub definition_count: u64,
    /// Bytes of their lines.
    pub definition_line_bytes: u64,
    /// Entries of the key-value storage.
    pub entry_count: u64,
    /// Bytes of their lines.
    pub entry_line_bytes: u64,
    /// Tables with rows, in the order of their names.
    pub tables: Vec<TableReport>,
}

/// What is in one table.
#[derive(Debug, Serialize)]
pub struct TableReport {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub row_count: u64,
    /// Bytes of the rows' lines: JSON, so mostly more than SQLite takes for them.
    pub line_bytes: u64,
}

/// Tables of a report: more than SQLite would open in reasonable time.
const TABLES_MAX: usize = 100_000;

/// Reads all lines of `manifest`, a checkpoint of rows in `store`.
///
/// # Errors
/// The store's; corrupt where a line is none of rows.
pub fn inspect_rows(store: &dyn Store, manifest: &Manifest, progress: &dyn Progress) -> Result<RowsReport> {
    let mut report = RowsReport::default();
    let everything = KeyRange { low: Vec::new(), high: None };
    let mut lines = StoredLines::within(store, manifest, everything)?;
    progress.begin("reading rows", Some(manifest.raw_bytes));
    while lines.advance()? {
        let (key, line) = lines.entry();
        let line_bytes = line.len() as u64 + 1;
        progress.advance(line_bytes);
        match RowKey::parse(key)? {
            RowKey::Database | RowKey::Definition(..) => {
                report.definition_count += 1;
                report.definition_line_bytes += line_bytes;
            }
            RowKey::Row(table, _) if table == KEY_VALUE_TABLE => {
                report.entry_count += 1;
                report.entry_line_bytes += line_bytes;
            }
            RowKey::Row(table, _) => {
                if report.tables.last().is_none_or(|last| last.name != table) {
                    if report.tables.len() >= TABLES_MAX {
                        return Err(Error::unsupported(format!("rows of more than {TABLES_MAX} tables")));
                    }
                    report.tables.push(TableReport { name: table.into_owned(), row_count: 0, line_bytes: 0 });
                }
                if let Some(last) = report.tables.last_mut() {
                    last.row_count += 1;
                    last.line_bytes += line_bytes;
                }
            }
        }
    }
    progress.end();
    Ok(report)
}
