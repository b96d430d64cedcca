//! Copy-on-write: what a row was before it was first changed is kept until the checkpoint has it.
//!
//! While a checkpoint is made, triggers keep each row's values before its first change. A scan reads a row
//! as it is if none are kept, else the kept ones, so it shows the moment at which watching began,
//! however many turns it takes.

use dotctl_engine::Result;

use super::batch::BATCH_BYTES;
use super::form::{TableForm, quoted};
use super::keep::{Keeper, Keeping};
use super::scan::{Scan, ScannedTable};
use crate::packed::{Reader, Writer};
use crate::storage::{Parameter, Storage};

/// The table that keeps the rows of the table with this number.
pub fn kept_table(number: usize) -> String {
    format!("_dotctl_before_{number}")
}

/// Entries of the key-value storage as they were; NULL for those that were not.
const KEPT_ENTRIES: &str =
    "CREATE TABLE IF NOT EXISTS _dotctl_before_entries (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID";

/// How a table's rows are kept as they are while a checkpoint is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Triggers keep each before its first change.
    Triggers,
    /// Triggers would miss some, or cannot be hung: all are copied first.
    Copy,
    /// They have another order than their lines: all are copied as lines, which are put in order so.
    SortedCopy,
}

/// A table's form, and how its rows are kept.
pub type WatchedForm = (TableForm, Way);

/// Begins to watch `forms`. Gives the number of the first; the others follow.
pub fn watch(storage: &Storage, forms: &[WatchedForm], has_entries: bool) -> Result<usize> {
    unwatch(storage)?;
    // Some may be left that could not be dropped.
    let first = storage.number(
        "SELECT coalesce(max(CAST(substr(name, 16) AS INTEGER)), -1) + 1 FROM sqlite_schema \
         WHERE type = 'table' AND name GLOB '_dotctl_before_[0-9]*'",
        &[],
    )?;
    let first = usize::try_from(first).unwrap_or_default();
    for (number, (form, way)) in (first..).zip(forms) {
        let keeper = Keeper::new(form, kept_table(number), Keeping::Values);
        let begun = match way {
            Way::Triggers => create(storage, &keeper, keeper.triggers()),
            Way::Copy => create(storage, &keeper, vec![keeper.copy()]),
            Way::SortedCopy => copy_lines(storage, form, &kept_table(number)),
        };
        begun.map_err(|error| error.at(format!("table {:?}", form.name)))?;
    }
    if has_entries {
        storage.execute(KEPT_ENTRIES, &[])?;
    }
    storage.guard().set_emptied(false);
    storage.guard().set_missed(None);
    storage.guard().set_capturing(has_entries);
    Ok(first)
}

fn create(storage: &Storage, keeper: &Keeper<'_>, statements: Vec<String>) -> Result<()> {
    let statements = std::iter::once(keeper.creation()).chain(statements);
    statements.into_iter().try_for_each(|statement| storage.execute(&statement, &[]))
}

fn copy_lines(storage: &Storage, form: &TableForm, kept: &str) -> Result<()> {
    let create = format!("CREATE TABLE {kept} (key TEXT PRIMARY KEY, line BLOB) WITHOUT ROWID");
    storage.execute(&create, &[])?;
    let insert = [format!("INSERT INTO {kept} VALUES (?, ?)")];
    let mut scan = Scan::of_table(ScannedTable { form: form.clone(), watched: None });
    scan.take_any_order();
    let mut packed = Writer::default();
    while scan.advance(storage)? {
        let (key, line) = scan.line();
        packed.count(0);
        packed.count(2);
        packed.text(&String::from_utf8_lossy(key));
        packed.blob(line);
        if packed.as_bytes().len() >= BATCH_BYTES {
            storage.run(&insert, packed.as_bytes())?;
            packed.clear();
        }
    }
    storage.run(&insert, packed.as_bytes())
}

/// The triggers that watch, and the tables on which they hang: other ones, and something was missed.
pub fn triggers(storage: &Storage) -> Result<Vec<u8>> {
    storage.query(
        "SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB '_dotctl_before_*' ORDER BY name",
        &[],
    )
}

/// Ends it, whoever began it.
pub fn unwatch(storage: &Storage) -> Result<()> {
    storage.guard().set_capturing(false);
    let found = storage.query(
        "SELECT type, name FROM sqlite_schema WHERE type IN ('trigger', 'table') \
         AND name GLOB '_dotctl_before_*' ORDER BY type DESC",
        &[],
    )?;
    let mut reader = Reader::new(&found);
    while let Some(kind) = reader.next()? {
        let (is_table, name) = (kind.text()? == "table", quoted(reader.value()?.text()?));
        match is_table {
            true => put_away(storage, &name)?,
            false => storage.execute(&format!("DROP TRIGGER {name}"), &[])?,
        }
    }
    Ok(())
}

/// Drops a table of this crate's. SQLite drops none while anybody's cursor is in the middle of anything, also one
/// that the object has read a row of and forgotten: then it is emptied, and dropped the next time.
pub fn put_away(storage: &Storage, table: &str) -> Result<()> {
    let dropped = storage.execute(&format!("DROP TABLE IF EXISTS {table}"), &[]);
    if dropped.is_err() {
        storage.execute(&format!("DELETE FROM {table}"), &[])?;
    }
    Ok(())
}

/// Entries that are kept, behind `after`: key and stored bytes by turns, at most `count_max`.
pub fn kept_entries(
    storage: &Storage,
    after: Option<&str>,
    count_max: u32,
    bytes_max: usize,
) -> Result<Vec<u8>> {
    let (filter, parameters) = match after {
        Some(after) => (" WHERE key > ?", vec![Parameter::Text(after)]),
        None => ("", Vec::new()),
    };
    let select =
        format!("SELECT key, value FROM _dotctl_before_entries{filter} ORDER BY key LIMIT {count_max}");
    storage.query_some(&select, &parameters, bytes_max)
}
