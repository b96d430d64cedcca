//! Copy-on-write: what a row was before it was first changed is kept until the checkpoint has it.
//!
//! While a checkpoint is made, triggers keep each row's values before its first change. A scan reads a row
//! as it is if none are kept, else the kept ones, so it shows the moment at which watching began,
//! however many turns it takes. Only a statement's own conflict clause counts inside its triggers
//! ("ON CONFLICT", SQLite's language reference), so nothing here relies on `OR IGNORE`. Rows that a
//! statement replaces fire no trigger of theirs, so what is in the way of a new row is kept before it comes.

use dotctl_engine::Result;

use super::form::{Identity, TableForm, quoted};
use crate::packed::Reader;
use crate::storage::{Parameter, Storage};

/// The table that keeps the rows of the table with this number.
pub fn kept_table(number: usize) -> String {
    format!("_dotctl_before_{number}")
}

/// Entries of the key-value storage as they were; NULL for those that were not.
const KEPT_ENTRIES: &str =
    "CREATE TABLE IF NOT EXISTS _dotctl_before_entries (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID";

/// Begins to watch `forms`; those for which `copies` is true are copied as a whole. Gives the number of
/// the first; the others follow.
pub fn watch(storage: &Storage, forms: &[(TableForm, bool)], has_entries: bool) -> Result<usize> {
    unwatch(storage)?;
    // Some may be left that could not be dropped.
    let first = storage.number(
        "SELECT coalesce(max(CAST(substr(name, 16) AS INTEGER)), -1) + 1 FROM sqlite_schema \
         WHERE type = 'table' AND name GLOB '_dotctl_before_[0-9]*'",
        &[],
    )?;
    let first = usize::try_from(first).unwrap_or_default();
    for (number, (form, copies)) in (first..).zip(forms) {
        for statement in statements(form, number, *copies) {
            storage.execute(&statement, &[]).map_err(|error| error.at(format!("table {:?}", form.name)))?;
        }
    }
    if has_entries {
        storage.execute(KEPT_ENTRIES, &[])?;
    }
    storage.guard().set_emptied(false);
    storage.guard().set_missed(None);
    storage.guard().set_capturing(has_entries);
    Ok(first)
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

fn statements(form: &TableForm, number: usize, copies: bool) -> Vec<String> {
    let (table, kept) = (quoted(&form.name), kept_table(number));
    let columns = form.kept_columns();
    let named = form.named_columns();
    let create = match &form.identity {
        Identity::Rowid(_) => {
            let columns: String = columns.iter().map(|column| format!(", {column}")).collect();
            format!("CREATE TABLE {kept} (place INTEGER PRIMARY KEY, existed INTEGER{columns})")
        }
        Identity::Key(key) => {
            let collated = |(position, column): (usize, &String)| {
                let collation = key.iter().find(|(column, _)| *column == position);
                let collation =
                    collation.map_or(String::new(), |(_, name)| format!(" COLLATE {}", quoted(name)));
                format!(", {column}{collation}")
            };
            let columns: String = columns.iter().enumerate().map(collated).collect();
            let key: Vec<String> = key.iter().map(|(column, _)| format!("c{column}")).collect();
            format!(
                "CREATE TABLE {kept} (existed INTEGER{columns}, PRIMARY KEY ({})) WITHOUT ROWID",
                key.join(", ")
            )
        }
    };
    let row = |source: &str| -> Vec<String> {
        let place = match &form.identity {
            Identity::Rowid(name) => Some(format!("{source}{name}")),
            Identity::Key(_) => None,
        };
        place
            .into_iter()
            .chain(["1".to_owned()])
            .chain(named.iter().map(|name| format!("{source}{name}")))
            .collect()
    };
    if copies {
        return vec![create, format!("INSERT INTO {kept} SELECT {} FROM {table}", row("").join(", "))];
    }
    // Whether the row at `source` is kept already. What is kept has no affinity, and `+` takes it from the
    // other side, too: else the table of what is kept would be searched row by row.
    let is_kept = |source: &str| match &form.identity {
        Identity::Rowid(name) => format!("EXISTS (SELECT 1 FROM {kept} WHERE place = {source}{name})"),
        Identity::Key(key) => {
            let equal: Vec<String> = key
                .iter()
                .map(|(column, _)| {
                    format!("c{column} = +{source}{}", named.get(*column).map_or("", String::as_str))
                })
                .collect();
            format!("EXISTS (SELECT 1 FROM {kept} WHERE {})", equal.join(" AND "))
        }
    };
    let keep_old =
        format!("INSERT INTO {kept} SELECT {} WHERE NOT {};", row("OLD.").join(", "), is_kept("OLD."));
    // A row that was not there: of what tells it apart as much as is needed.
    let absent: Vec<String> = match &form.identity {
        Identity::Rowid(name) => vec![format!("NEW.{name}"), "0".into()]
            .into_iter()
            .chain(columns.iter().map(|_| "NULL".into()))
            .collect(),
        Identity::Key(key) => ["0".to_owned()]
            .into_iter()
            .chain(named.iter().enumerate().map(|(position, name)| {
                match key.iter().any(|(column, _)| *column == position) {
                    true => format!("NEW.{name}"),
                    false => "NULL".into(),
                }
            }))
            .collect(),
    };
    let keep_absent =
        format!("INSERT INTO {kept} SELECT {} WHERE NOT {};", absent.join(", "), is_kept("NEW."));
    // What a row with NEW's values would replace.
    let same_identity = match &form.identity {
        Identity::Rowid(name) => format!("{table}.{name} = NEW.{name}"),
        Identity::Key(key) => {
            let names = key.iter().filter_map(|(column, collation)| Some((named.get(*column)?, collation)));
            let equal: Vec<String> = names
                .map(|(name, collation)| format!("{table}.{name} = NEW.{name} COLLATE {}", quoted(collation)))
                .collect();
            equal.join(" AND ")
        }
    };
    let same_unique = form.uniques.iter().map(|unique| {
        let equal: Vec<String> = unique
            .iter()
            .map(|(name, collation)| {
                format!("{table}.{0} = NEW.{0} COLLATE {1}", quoted(name), quoted(collation))
            })
            .collect();
        equal.join(" AND ")
    });
    let keep_in_the_way: String = std::iter::once(same_identity)
        .chain(same_unique)
        .map(|same| {
            let prefix = format!("{table}.");
            format!(
                "INSERT INTO {kept} SELECT {} FROM {table} WHERE {same} AND NOT {};",
                row(&prefix).join(", "),
                is_kept(&prefix)
            )
        })
        .collect();
    // An action of a foreign key may change the new row before AFTER UPDATE is told of it.
    let is_there = match &form.identity {
        Identity::Rowid(name) => format!("NEW.{name} IS NOT NULL"),
        Identity::Key(key) => {
            let names = key.iter().filter_map(|(column, _)| named.get(*column));
            names.map(|name| format!("NEW.{name} IS NOT NULL")).collect::<Vec<_>>().join(" AND ")
        }
    };
    let keep_absent_first = format!("{} AND {is_there};", keep_absent.trim_end_matches(';'));
    let trigger = |name: &str, event: &str, body: &str| {
        format!("CREATE TRIGGER {kept}_{name} {event} ON {table} BEGIN {body} END")
    };
    vec![
        create,
        trigger("inserting", "BEFORE INSERT", &keep_in_the_way),
        trigger("inserted", "AFTER INSERT", &keep_absent),
        trigger("updating", "BEFORE UPDATE", &format!("{keep_old}{keep_in_the_way}{keep_absent_first}")),
        trigger("updated", "AFTER UPDATE", &keep_absent),
        trigger("deleting", "BEFORE DELETE", &keep_old),
    ]
}
