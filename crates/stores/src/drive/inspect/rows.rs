//! What a checkpoint of rows has.

use dotctl_engine::Result;
use dotctl_engine::checkpoint::KeyRange;
use dotctl_engine::format::Manifest;
use dotctl_engine::rows::{ObjectReport, RowsMeasure};

use super::database::Facts;
use crate::drive::{EntrySource, Progress, StoredLines};
use crate::store::Store;

/// Reports on an object by the lines of `manifest`, a checkpoint of rows in `store`. Entries are expired that expire
/// before `now_ms`, in milliseconds since 1970; `database_bytes` is what its database takes, where that is known.
///
/// # Errors
/// The store's; corrupt where a line is none of rows.
pub fn inspect_rows(
    store: &dyn Store,
    manifest: &Manifest,
    now_ms: i64,
    database_bytes: Option<u64>,
    progress: &dyn Progress,
) -> Result<ObjectReport> {
    let mut measure = RowsMeasure::new(now_ms);
    let everything = KeyRange { low: Vec::new(), high: None };
    let mut lines = StoredLines::within(store, manifest, everything)?;
    progress.begin("reading rows", Some(manifest.raw_bytes));
    while lines.advance()? {
        let (_, line) = lines.entry();
        measure.add(line, &Facts)?;
        progress.advance(line.len() as u64 + 1);
    }
    progress.end();
    Ok(measure.report(database_bytes))
}
