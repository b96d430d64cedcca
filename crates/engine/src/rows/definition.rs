//! The definitions of a database's tables, indexes, triggers and views.

use super::key::RowKey;
use super::line::{Value, push_line};
use crate::error::{Error, Result};

/// The table in which SQLite counts AUTOINCREMENT, and writes while rows are put in.
pub const SEQUENCE_TABLE: &str = "sqlite_sequence";

/// How the names begin of what keeps an object's checkpoints, or watches what is written meanwhile: it is no
/// part of the object's state.
pub const OWN_NAMES: &str = "_dotctl_";

/// An entry of `sqlite_schema` that has SQL; those without come with their table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// `table`, `index`, `trigger` or `view`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table that it belongs to.
    pub table: String,
    /// How it was made.
    pub sql: String,
}

impl Definition {
    /// The key of its line.
    pub fn key(&self) -> Vec<u8> {
        RowKey::definition(&self.kind, &self.name)
    }

    /// Appends its line.
    pub fn push_line(&self, into: &mut Vec<u8>) {
        let text = |text: &str| Value::Text(text.as_bytes().to_vec().into());
        push_line(&String::from_utf8_lossy(&self.key()), [text(&self.table), text(&self.sql)], into);
    }

    /// The definition that a line with the key of one says.
    ///
    /// # Errors
    /// Corrupt where the line says something else.
    pub fn of(kind: &str, name: &str, values: &[Value<'_>]) -> Result<Self> {
        let wrong = || Error::corrupt(format!("the definition of {kind} {name} is not one"));
        let [Value::Text(table), Value::Text(sql)] = values else {
            return Err(wrong());
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| wrong());
        Ok(Definition { kind: kind.into(), name: name.into(), table: text(table)?, sql: text(sql)? })
    }

    /// Whether it is a table with rows of its own.
    pub fn has_rows(&self) -> bool {
        self.kind == "table" && !self.is_virtual()
    }

    /// Whether it is a virtual table.
    pub fn is_virtual(&self) -> bool {
        // As SQLite spells it whatever was typed.
        self.kind == "table"
            && self.sql.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("CREATE VIRTUAL "))
    }

    /// Whether it is no part of what a checkpoint of rows holds.
    pub fn is_own(&self) -> bool {
        [&self.name, &self.table].into_iter().any(|name| {
            name.get(..OWN_NAMES.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_NAMES))
        })
    }

    /// Bytes in memory.
    pub fn held_bytes(&self) -> usize {
        self.kind.len() + self.name.len() + self.table.len() + self.sql.len()
    }
}

/// The tables with rows of their own, SQLite's before those which would make them.
pub fn tables_with_rows(definitions: &[Definition]) -> impl Iterator<Item = &Definition> {
    let is_sqlite = |definition: &&Definition| definition.name.starts_with("sqlite_");
    let with_rows = || definitions.iter().filter(|definition| definition.has_rows());
    with_rows().filter(is_sqlite).chain(with_rows().filter(move |definition| !is_sqlite(definition)))
}
