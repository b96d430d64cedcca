//! Which rows have changed since a checkpoint: triggers write their keys down, from one checkpoint to the next.
//!
//! The keys of a table's rows lie in `_dotctl_touched_N`; `_dotctl_tracking` says since which checkpoint, and of which
//! schema that is true. While a checkpoint is made the triggers that keep values ([`super::watch`]) stand in for these,
//! and what they saw belongs to the next checkpoint, or to the same one made again if this one fails. The triggers are in the
//! database, so they see whatever is written, also by a version of the class that knows nothing of them; whoever
//! drops a table drops its triggers, and that is seen.
//!
//! Only keys, and of other columns as few as can be named: SQLite drops no column that a trigger names. `js/storage.js` therefore
//! removes the triggers before such a statement, and the next checkpoint is a full one.

use dotctl_engine::Result;
use dotctl_engine::id::{CheckpointId, Hash};

use super::form::{Identity, TableForm, quoted};
use super::keep::{EVENTS, Keeper, Keeping};
use super::schema::Schema;
use super::watch::{WatchedForm, Way, kept_table, put_away, unwatch};
use crate::packed::{Given, Reader};
use crate::storage::{Parameter, Storage};

const TRACKING: &str =
    "CREATE TABLE IF NOT EXISTS _dotctl_tracking (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID";

/// The table with the keys of the rows of the table with this number.
pub fn touched_table(number: usize) -> String {
    format!("_dotctl_touched_{number}")
}

/// Since when changes are known, and where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracked {
    /// The checkpoint.
    pub base: CheckpointId,
    /// The number of the first table's keys; the others follow.
    pub first: usize,
}

/// Whether changes of a table are tracked.
pub fn is_tracked((form, way): &WatchedForm) -> bool {
    *way == Way::Triggers && form.is_trackable()
}

fn said(storage: &Storage, name: &str) -> Result<Option<String>> {
    if storage.number("SELECT count(*) FROM sqlite_schema WHERE name = '_dotctl_tracking'", &[])? == 0 {
        return Ok(None);
    }
    let rows =
        storage.query("SELECT value FROM _dotctl_tracking WHERE name = ?", &[Parameter::Text(name)])?;
    Ok(match Reader::new(&rows).next()? {
        Some(Given::Text(value)) => Some(value.to_owned()),
        _ => None,
    })
}

fn say(storage: &Storage, name: &str, value: &str) -> Result<()> {
    let put =
        "INSERT INTO _dotctl_tracking VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    storage.execute(put, &[Parameter::Text(name), Parameter::Text(value)])
}

fn said_number(storage: &Storage, name: &str) -> Result<Option<usize>> {
    Ok(said(storage, name)?.and_then(|number| number.parse().ok()))
}

/// What is known of changes to the tables of `schema`; none where something may have been missed.
fn tracked(storage: &Storage, schema: &Schema) -> Result<Option<Tracked>> {
    let base = said(storage, "base")?.and_then(|id| id.parse().ok());
    let first = said_number(storage, "first")?;
    let fingerprint = said(storage, "schema")?.and_then(|hash| hash.parse::<Hash>().ok());
    Ok(match (base, first, fingerprint) {
        (Some(base), Some(first), Some(fingerprint)) if fingerprint == schema.fingerprint() => {
            Some(Tracked { base, first })
        }
        _ => None,
    })
}

/// Whether the triggers whose names begin so are those on tracked tables, `name` giving the name for a number.
fn hang(
    storage: &Storage,
    forms: &[WatchedForm],
    first: usize,
    name: impl Fn(usize) -> String,
) -> Result<bool> {
    for (number, watched) in (first..).zip(forms) {
        if !is_tracked(watched) {
            continue;
        }
        let found = storage.number(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 \
             AND substr(name, 1, length(?2) + 1) = ?2 || '_'",
            &[Parameter::Text(&watched.0.name), Parameter::Text(&name(number))],
        )?;
        if usize::try_from(found) != Ok(EVENTS.len()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A checkpoint begins, and others see to changes from now on, whose tables' numbers begin with `watched_first`: gives what
/// is known of changes until now.
pub fn pause(
    storage: &Storage,
    schema: &Schema,
    forms: &[WatchedForm],
    watched_first: usize,
) -> Result<Option<Tracked>> {
    let known = match tracked(storage, schema)? {
        Some(known) if hang(storage, forms, known.first, touched_table)? => known,
        _ => {
            forget(storage)?;
            return Ok(None);
        }
    };
    drop_triggers(storage)?;
    say(storage, "watched", &watched_first.to_string())?;
    Ok(Some(known))
}

/// The checkpoint `base` was made, of the moment since which the tables from `watched_first` on have kept what was changed:
/// from there on changes are known.
pub fn go_on_from(
    storage: &Storage,
    base: &CheckpointId,
    schema: &Schema,
    forms: &[WatchedForm],
    watched_first: usize,
) -> Result<()> {
    // Some may be left that could not be dropped.
    let first = storage.number(
        "SELECT coalesce(max(CAST(substr(name, 17) AS INTEGER)), -1) + 1 FROM sqlite_schema \
         WHERE type = 'table' AND name GLOB '_dotctl_touched_[0-9]*'",
        &[],
    )?;
    forget(storage)?;
    let first = usize::try_from(first).unwrap_or_default();
    for ((number, watched), watched_number) in (first..).zip(forms).zip(watched_first..) {
        if is_tracked(watched) {
            let keeper = Keeper::new(&watched.0, touched_table(number), Keeping::Keys);
            storage.execute(&keeper.creation(), &[])?;
            take_over(storage, &keeper, &watched.0, watched_number)?;
        }
    }
    storage.execute(TRACKING, &[])?;
    say(storage, "base", &base.to_string())?;
    say(storage, "first", &first.to_string())?;
    say(storage, "schema", &schema.fingerprint().to_string())
}

/// Keys of what was kept of rows into the table of `keeper`, whose triggers stand watch from now on.
fn take_over(storage: &Storage, keeper: &Keeper<'_>, form: &TableForm, watched_number: usize) -> Result<()> {
    let columns: Vec<String> = match &form.identity {
        Identity::Rowid(_) => vec!["place".into()],
        Identity::Key(_) => form
            .kept_columns()
            .into_iter()
            .enumerate()
            .filter(|(at, _)| form.is_key(*at))
            .map(|(_, name)| name)
            .collect(),
    };
    let (touched, kept) = (&keeper.name, kept_table(watched_number));
    let same: Vec<String> =
        columns.iter().map(|column| format!("{touched}.{column} = {kept}.{column}")).collect();
    let columns = columns.join(", ");
    storage.execute(
        &format!(
            "INSERT INTO {touched} ({columns}) SELECT {columns} FROM {kept} \
             WHERE NOT EXISTS (SELECT 1 FROM {touched} WHERE {})",
            same.join(" AND ")
        ),
        &[],
    )?;
    keeper.triggers().iter().try_for_each(|trigger| storage.execute(trigger, &[]))
}

/// No checkpoint was made in the end, by this life of the object or an earlier one: what was seen meanwhile is added
/// to what was known. Ends the watch.
pub fn resume(storage: &Storage) -> Result<()> {
    if let Some(watched_first) = said_number(storage, "watched")? {
        // Tables that cannot be watched any more are no reason to fail: this is called in the object's constructor.
        if !add_watched(storage, watched_first).unwrap_or(false) {
            forget(storage)?;
        }
    }
    unwatch(storage)
}

/// Adds what the tables from `watched_first` on have seen to what was known, and says whether that can be relied on.
fn add_watched(storage: &Storage, watched_first: usize) -> Result<bool> {
    let schema = Schema::read(storage)?;
    let forms = schema.watched_forms(storage)?;
    let Some(known) = tracked(storage, &schema)? else {
        return Ok(false);
    };
    if !hang(storage, &forms, watched_first, kept_table)? {
        return Ok(false);
    }
    for ((number, watched), watched_number) in (known.first..).zip(&forms).zip(watched_first..) {
        if is_tracked(watched) {
            let keeper = Keeper::new(&watched.0, touched_table(number), Keeping::Keys);
            take_over(storage, &keeper, &watched.0, watched_number)?;
        }
    }
    storage.execute("DELETE FROM _dotctl_tracking WHERE name = 'watched'", &[])?;
    Ok(true)
}

/// Ends it: the next checkpoint is a full one.
pub fn forget(storage: &Storage) -> Result<()> {
    drop_triggers(storage)?;
    let found = storage.query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' \
         AND (name GLOB '_dotctl_touched_*' OR name = '_dotctl_tracking')",
        &[],
    )?;
    let mut reader = Reader::new(&found);
    while let Some(name) = reader.next()? {
        put_away(storage, &quoted(name.text()?))?;
    }
    Ok(())
}

fn drop_triggers(storage: &Storage) -> Result<()> {
    let found = storage.query(
        "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB '_dotctl_touched_*'",
        &[],
    )?;
    let mut reader = Reader::new(&found);
    while let Some(name) = reader.next()? {
        storage.execute(&format!("DROP TRIGGER {}", quoted(name.text()?)), &[])?;
    }
    Ok(())
}
