//! Definitions of tables, indexes, triggers and views into SQLite.

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

use dotctl_engine::limits::WORKERD_LENGTH;
use dotctl_engine::rows::Definition;
use dotctl_engine::{Error, Result};

/// Bytes of all definitions that are held in memory.
pub const SCHEMA_BYTES_MAX: usize = 16 << 20;

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

/// The definitions that have nothing stored: they are written into the schema as they are.
pub fn words(definitions: &[Definition]) -> impl Iterator<Item = &Definition> {
    definitions.iter().filter(|definition| {
        matches!(definition.kind.as_str(), "trigger" | "view") || definition.is_virtual()
    })
}
