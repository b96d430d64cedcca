//! What an object's database consists of.

use dotctl_engine::id::Hash;
use dotctl_engine::rows::Definition;
use dotctl_engine::{Error, Result};

use super::form::{TableForm, quoted};
use super::watch::{WatchedForm, Way};
use crate::packed::{Given, Reader};
use crate::storage::Storage;

/// The table of key-value entries, which SQL may not read.
pub const ENTRIES_TABLE: &str = "_cf_KV";
/// The table of the alarm, which SQL may not read either.
pub const METADATA_TABLE: &str = "_cf_METADATA";

/// Bytes of all definitions that are held in memory.
pub const SCHEMA_BYTES_MAX: usize = 4 << 20;

/// Whether `name` is that of a table that the runtime or SQLite makes by itself, and nobody else may.
pub fn is_runtimes_name(name: &str) -> bool {
    name.starts_with("_cf_") || name.starts_with("sqlite_")
}

/// The definitions of an object's database, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// All that is state.
    pub definitions: Vec<Definition>,
}

impl Schema {
    /// Reads it.
    pub fn read(storage: &Storage) -> Result<Self> {
        let rows = storage
            .query("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL", &[])?;
        let mut reader = Reader::new(&rows);
        let (mut definitions, mut held_bytes) = (Vec::new(), 0_usize);
        while let Some(kind) = reader.next()? {
            let text = |given: Given<'_>| given.text().map(str::to_owned);
            let definition = Definition {
                kind: text(kind)?,
                name: text(reader.value()?)?,
                table: text(reader.value()?)?,
                sql: text(reader.value()?)?,
            };
            if !definition.is_own() {
                held_bytes += definition.held_bytes();
                definitions.push(definition);
            }
        }
        if held_bytes > SCHEMA_BYTES_MAX {
            return Err(Error::unsupported(format!(
                "a schema of {held_bytes} bytes, more than {SCHEMA_BYTES_MAX}"
            )));
        }
        definitions.sort_by_key(Definition::key);
        Ok(Schema { definitions })
    }

    /// Whether all is as in `other` but for tables that the runtime makes when it needs them.
    pub fn is_like(&self, other: &Schema) -> bool {
        let own = |schema: &Schema| -> Vec<Definition> {
            schema
                .definitions
                .iter()
                .filter(|definition| !definition.name.starts_with("_cf_"))
                .cloned()
                .collect()
        };
        own(self) == own(other)
    }

    /// What tells it from others that are not [`Schema::is_like`] it.
    pub fn fingerprint(&self) -> Hash {
        let mut lines = Vec::new();
        for definition in self.definitions.iter().filter(|definition| !definition.name.starts_with("_cf_")) {
            definition.push_line(&mut lines);
            lines.push(b'\n');
        }
        Hash::of(&lines)
    }

    /// Its tables that have rows.
    pub fn tables(&self) -> impl Iterator<Item = &Definition> {
        self.definitions.iter().filter(|definition| definition.has_rows())
    }

    /// Whether `name` is a table in which a virtual one keeps its rows: nothing can be hung on it.
    pub fn is_shadow(&self, storage: &Storage, name: &str) -> Result<bool> {
        let kind = storage.query(
            "SELECT type FROM pragma_table_list WHERE schema = 'main' AND name = ?",
            &[crate::storage::Parameter::Text(name)],
        )?;
        Ok(Reader::new(&kind).value()?.text()? == "shadow" && !name.starts_with("_cf_"))
    }

    /// The same, each with how its rows are kept while a checkpoint is made.
    pub fn watched_forms(&self, storage: &Storage) -> Result<Vec<WatchedForm>> {
        let mut forms = Vec::new();
        for form in self.forms(storage)? {
            let is_unseen = form.replaces_unseen
                || form.name.starts_with("sqlite_")
                || self.is_shadow(storage, &form.name)?;
            let way = match (form.has_other_order(storage)?, is_unseen) {
                (true, _) => Way::SortedCopy,
                (false, true) => Way::Copy,
                (false, false) => Way::Triggers,
            };
            forms.push((form, way));
        }
        Ok(forms)
    }

    /// What the tables that SQL may read look like, in the order of their rows' keys.
    pub fn forms(&self, storage: &Storage) -> Result<Vec<TableForm>> {
        let tables = self.tables().filter(|table| !table.name.starts_with("_cf_"));
        let mut forms =
            tables.map(|table| TableForm::of(storage, &table.name)).collect::<Result<Vec<_>>>()?;
        forms.sort_by_key(|form| dotctl_engine::rows::table_prefix(&form.name));
        Ok(forms)
    }
}

/// Removes every table and view but the runtime's, and this crate's own.
pub fn drop_all(storage: &Storage, schema: &Schema) -> Result<()> {
    let of = |kind: &str, definition: &Definition| {
        let drop = format!("DROP {kind} {}", quoted(&definition.name));
        let mut dropped = storage.execute(&drop, &[]);
        if dropped.as_ref().is_err_and(|error| error.message().contains("may not be dropped")) {
            dropped = read_schema_again(storage).and_then(|()| storage.execute(&drop, &[]));
        }
        dropped.map_err(|error| match error.message().contains("is locked") {
            true => error.hint("read every cursor to its end (toArray does); one was left in the middle"),
            false => error,
        })
    };
    for definition in schema.definitions.iter().filter(|definition| definition.kind == "trigger") {
        of("TRIGGER", definition)?;
    }
    for definition in schema.definitions.iter().filter(|definition| definition.kind == "view") {
        of("VIEW", definition)?;
    }
    // A virtual table takes the tables along in which it keeps its rows.
    let (virtuals, plain): (Vec<_>, Vec<_>) = schema
        .definitions
        .iter()
        .filter(|definition| definition.kind == "table" && !is_runtimes_name(&definition.name))
        .partition(|definition| definition.is_virtual());
    for definition in virtuals {
        of("TABLE", definition)?;
    }
    let left = Schema::read(storage)?;
    for definition in plain.into_iter().filter(|definition| left.definitions.contains(definition)) {
        of("TABLE", definition)?;
    }
    Ok(())
}

/// Has SQLite read its schema anew, as it does for whatever is renamed. FTS5 (SQLite 3.47) forgets the table of a virtual one
/// with `contentless_unindexed=1` when that is dropped, and until then SQLite believes that it belongs to it.
fn read_schema_again(storage: &Storage) -> Result<()> {
    for statement in [
        "CREATE TABLE _dotctl_renamed (x)",
        "ALTER TABLE _dotctl_renamed RENAME TO _dotctl_renamed_again",
        "DROP TABLE _dotctl_renamed_again",
    ] {
        storage.execute(statement, &[])?;
    }
    Ok(())
}
