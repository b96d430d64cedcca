//! The definitions of a database's tables, indexes, triggers and views.

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

use dotctl_engine::limits::WORKERD_LENGTH;
use dotctl_engine::rows::{RowKey, Value, push_line};
use dotctl_engine::{Error, Result};

/// Bytes of all definitions that are held in memory.
pub const SCHEMA_BYTES_MAX: usize = 16 << 20;

/// The table in which SQLite counts AUTOINCREMENT, and writes while rows are put in.
pub const SEQUENCE_TABLE: &str = "sqlite_sequence";

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
    /// The root page of its tree, in the database that it was read from; 0 where it has none.
    pub root: u32,
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
        Ok(Definition { kind: kind.into(), name: name.into(), table: text(table)?, sql: text(sql)?, root: 0 })
    }

    /// Whether it is a table with rows of its own.
    pub fn has_rows(&self) -> bool {
        self.kind == "table" && !self.is_virtual()
    }

    fn is_virtual(&self) -> bool {
        // As SQLite spells it whatever was typed.
        self.sql.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("CREATE VIRTUAL "))
    }

    /// Bytes in memory.
    pub fn held_bytes(&self) -> usize {
        self.kind.len() + self.name.len() + self.table.len() + self.sql.len()
    }
}

/// Prepares a connection to a new, empty database for definitions that somebody else wrote: they can
/// make tables and indexes, and nothing else.
pub fn guard(connection: &mut Connection) -> rusqlite::Result<()> {
    // SQLite's own tables are made like all others.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Old definitions have texts in double quotes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, true)?;
    let length = i32::try_from(WORKERD_LENGTH.amount).unwrap_or(i32::MAX).max(ROW_BYTES_MAX as i32);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, length)?;
    connection.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, 100)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    connection.pragma_update(None, "writable_schema", true)
}

/// Largest row that is taken.
pub const ROW_BYTES_MAX: usize = 16 << 20;

fn only_definitions(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::CreateTable { .. }
        | AuthAction::CreateIndex { .. }
        | AuthAction::Reindex { .. }
        | AuthAction::Function { .. }
        | AuthAction::Read { .. }
        | AuthAction::Insert { .. }
        | AuthAction::Update { .. } => Authorization::Allow,
        _ => Authorization::Deny,
    }
}

/// Makes `definitions`, tables or indexes.
pub fn make<'a>(
    connection: &mut Connection,
    definitions: impl Iterator<Item = &'a Definition>,
) -> Result<()> {
    let failed = |error: &rusqlite::Error, definition: &Definition| {
        Error::unsupported(format!("SQLite does not take the definition of {:?}: {error}", definition.name))
            .hint("a checkpoint of its pages needs no schema: --kind image")
    };
    connection
        .authorizer(Some(only_definitions))
        .map_err(|error| Error::unsupported(format!("SQLite cannot be guarded: {error}")))?;
    let made = definitions.into_iter().try_for_each(|definition| {
        let made = connection.prepare(&definition.sql).and_then(|mut statement| statement.execute([]));
        made.map(drop).map_err(|error| failed(&error, definition))
    });
    connection
        .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
        .map_err(|error| Error::unsupported(format!("SQLite cannot be guarded: {error}")))?;
    made
}

/// The tables with rows of their own, SQLite's before those which would make them.
pub fn tables(definitions: &[Definition]) -> impl Iterator<Item = &Definition> {
    let is_own = |definition: &&Definition| definition.name.starts_with("sqlite_");
    let with_rows = || definitions.iter().filter(|definition| definition.has_rows());
    with_rows().filter(is_own).chain(with_rows().filter(move |definition| !is_own(definition)))
}

/// The definitions that have nothing stored: they are written into the schema as they are.
pub fn words(definitions: &[Definition]) -> impl Iterator<Item = &Definition> {
    definitions.iter().filter(|definition| {
        matches!(definition.kind.as_str(), "trigger" | "view")
            || definition.kind == "table" && definition.is_virtual()
    })
}
