//! What differs between two databases as SQL that makes one of the other.
//!
//! Triggers would answer to every statement, and an index that admits no equals would refuse what is
//! right only at the end. So triggers are made last, rows that go are deleted before others come, and a row
//! that comes replaces what is in its way: that has changed too, and its own statement follows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::path::PathBuf;

use rusqlite::Connection;

use dotctl_engine::checkpoint::Difference;
use dotctl_engine::rows::{
    Definition, Line, RowKey, SEQUENCE_TABLE, Value, definition_statement, push_name, push_sql_value,
    rowid_of, table_prefix, tables_with_rows,
};
use dotctl_engine::{Error, Result};

use super::RowsSide;
use super::build::About;
use super::form::TableForm;
use super::schema::{SCHEMA_BYTES_MAX, guard, make};
use crate::drive::{EntrySource, Progress};
use crate::io_error;
use crate::store::Store;

/// Writes the statements for the differences between two databases.
pub struct RowsChangeset<'a> {
    write: &'a mut dyn FnMut(&[u8]) -> Result<()>,
    old: Schema,
    new: Schema,
    /// Tables that go, or are made anew with all their rows.
    replaced: BTreeSet<String>,
    /// Statements that come after all deletions.
    puts: BufWriter<File>,
    folder: PathBuf,
    statement: String,
}

/// The definitions of a database, and what its tables look like.
struct Schema {
    about: About,
    definitions: BTreeMap<(String, String), Definition>,
    connection: Connection,
    form: Option<(String, TableForm)>,
}

impl Schema {
    fn read(lines: &mut dyn EntrySource) -> Result<Self> {
        let mut about = About::default();
        let mut definitions = BTreeMap::new();
        let mut held_bytes = 0_usize;
        while lines.advance()? {
            let parsed = Line::parse(lines.entry().1)?;
            match RowKey::parse(&parsed.key)? {
                RowKey::Database => about = About::of(&parsed.values()?)?,
                RowKey::Definition(kind, name) => {
                    let definition = Definition::of(kind, name, &parsed.values()?)?;
                    if definition_statement(&definition.sql).is_none() {
                        return Err(Error::unsupported(format!(
                            "the definition of {kind} {name:?} is not one"
                        ))
                        .hint("restore the second checkpoint instead"));
                    }
                    held_bytes += definition.held_bytes();
                    if held_bytes > SCHEMA_BYTES_MAX {
                        return Err(Error::corrupt("a checkpoint of rows has more definitions than it can"));
                    }
                    definitions.insert((kind.to_owned(), name.to_owned()), definition);
                }
                // Definitions come first.
                RowKey::Row(..) => break,
            }
        }
        let failed = |error: rusqlite::Error| {
            Error::unsupported(format!("SQLite cannot be asked about the schema: {error}"))
        };
        let mut connection = Connection::open_in_memory().map_err(failed)?;
        guard(&mut connection).map_err(failed)?;
        let all: Vec<_> = definitions.values().cloned().collect();
        make(&mut connection, tables_with_rows(&all))?;
        Ok(Schema { about, definitions, connection, form: None })
    }

    fn of_kind<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'s Definition> {
        self.definitions.values().filter(move |definition| definition.kind == kind)
    }

    /// Whether it has this very definition.
    fn has(&self, definition: &Definition) -> bool {
        let same = |one: &Definition| one.table == definition.table && one.sql == definition.sql;
        let key = (definition.kind.clone(), definition.name.clone());
        self.definitions.get(&key).is_some_and(same)
    }

    fn form(&mut self, table: &str) -> Result<&TableForm> {
        let form = match self.form.take() {
            Some(form) if form.0 == table => form,
            _ => (table.to_owned(), TableForm::of(&self.connection, table)?),
        };
        Ok(&self.form.insert(form).1)
    }
}

impl<'a> RowsChangeset<'a> {
    /// Begins what makes `new` of `old`; `write` gets it in order.
    ///
    /// # Errors
    /// Unsupported where no statement does that: another encoding or page size.
    pub fn begin(
        store: &dyn Store,
        old: &RowsSide<'_>,
        new: &RowsSide<'_>,
        write: &'a mut dyn FnMut(&[u8]) -> Result<()>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let read = |side: &RowsSide<'_>| Schema::read(side.lines(b"", progress)?.as_mut());
        let (old, new) = (read(old)?, read(new)?);
        if !old.about.is_laid_out_as(&new.about) {
            return Err(Error::unsupported(
                "no SQL gives a database another encoding, page size or vacuum mode",
            )
            .hint("restore the second checkpoint instead"));
        }
        let folder = store.scratch_folder();
        let puts = tempfile::tempfile_in(&folder)
            .map_err(|error| io_error("create a temporary file in", &folder, &error))?;
        let mut changeset = RowsChangeset {
            write,
            old,
            new,
            replaced: BTreeSet::new(),
            puts: BufWriter::with_capacity(256 << 10, puts),
            folder,
            statement: String::new(),
        };
        changeset.open()?;
        Ok(changeset)
    }

    fn line(&mut self, text: &str) -> Result<()> {
        (self.write)(text.as_bytes())?;
        (self.write)(b"\n")
    }

    fn open(&mut self) -> Result<()> {
        let (old, new) = (&self.old, &self.new);
        let virtual_ones = |from: &Schema, to: &Schema| -> Vec<Definition> {
            let tables = from.of_kind("table").filter(|table| !table.has_rows() && !to.has(table));
            tables.cloned().collect()
        };
        let (gone, come) = (virtual_ones(old, new), virtual_ones(new, old));
        let tables = |from: &Schema, to: &Schema| -> Vec<Definition> {
            from.of_kind("table").filter(|table| table.has_rows() && !to.has(table)).cloned().collect()
        };
        let (drops, makes) = (tables(old, new), tables(new, old));
        if drops.iter().any(|table| table.name == SEQUENCE_TABLE) {
            return Err(Error::unsupported("no SQL removes the table in which SQLite counts AUTOINCREMENT")
                .hint("restore the second checkpoint instead"));
        }
        self.replaced = drops.iter().chain(&makes).map(|table| table.name.clone()).collect();
        let is_own = |table: &Definition| table.name.starts_with("sqlite_");
        let edits_schema = !gone.is_empty() || !come.is_empty() || makes.iter().any(is_own);
        let mut lines: Vec<String> =
            vec!["PRAGMA foreign_keys=OFF;".into(), "PRAGMA ignore_check_constraints=ON;".into()];
        if edits_schema {
            lines.push("PRAGMA writable_schema=ON;".into());
        }
        lines.push("BEGIN IMMEDIATE;".into());
        let drop = |what: &str, definition: &Definition| {
            let mut text = format!("DROP {what} ");
            push_name(&definition.name, &mut text);
            text.push(';');
            text
        };
        lines.extend(old.of_kind("trigger").map(|trigger| drop("TRIGGER", trigger)));
        lines.extend(old.of_kind("view").filter(|view| !new.has(view)).map(|view| drop("VIEW", view)));
        lines.extend(old.of_kind("index").filter(|index| !new.has(index)).map(|index| drop("INDEX", index)));
        for table in &gone {
            let mut text = "DELETE FROM sqlite_schema WHERE type='table' AND name=".to_owned();
            push_sql_value(&Value::Text(table.name.as_bytes().into()), &mut text);
            lines.push(text + ";");
        }
        lines.extend(drops.iter().map(|table| drop("TABLE", table)));
        // SQLite's own before those that would make them.
        let (own, others): (Vec<_>, Vec<_>) = makes.iter().partition(|table| is_own(table));
        lines.extend(own.into_iter().chain(others).map(statement));
        lines.into_iter().try_for_each(|line| self.line(&line))
    }

    /// Takes the next difference.
    pub fn add(&mut self, found: &Difference<'_>) -> Result<()> {
        let RowKey::Row(table, place) = RowKey::parse(found.key)? else { return Ok(()) };
        if table == SEQUENCE_TABLE || self.replaced.contains(&*table) {
            return Ok(());
        }
        let mut statement = std::mem::take(&mut self.statement);
        statement.clear();
        let spelled = match (found.old, found.new) {
            (_, Some(line)) => {
                let values = Line::parse(line)?;
                push_put(self.new.form(&table)?, place, &values.values()?, &mut statement)
            }
            (Some(line), None) => {
                let values = Line::parse(line)?;
                push_deletion(self.old.form(&table)?, place, &values.values()?, &mut statement)
            }
            (None, None) => Ok(()),
        };
        let written = spelled.and_then(|()| match found.new {
            Some(_) => self.put(statement.as_bytes()),
            None => (self.write)(statement.as_bytes()),
        });
        self.statement = statement;
        written
    }

    fn put(&mut self, statement: &[u8]) -> Result<()> {
        self.puts
            .write_all(statement)
            .map_err(|error| io_error("write a temporary file in", &self.folder, &error))
    }

    /// Writes what is left; `side` is the database that comes out.
    pub fn finish(mut self, side: &RowsSide<'_>, progress: &dyn Progress) -> Result<()> {
        self.copy_puts()?;
        let mut whole: Vec<String> = self.replaced.iter().cloned().collect();
        whole.retain(|table| self.new.definitions.contains_key(&("table".to_owned(), table.clone())));
        whole.retain(|table| table != SEQUENCE_TABLE);
        if self.new.definitions.contains_key(&("table".to_owned(), SEQUENCE_TABLE.to_owned())) {
            whole.push(SEQUENCE_TABLE.to_owned());
        }
        for table in whole {
            if table == SEQUENCE_TABLE {
                // SQLite has counted in it meanwhile.
                self.line("DELETE FROM sqlite_sequence;")?;
            }
            let mut lines = side.lines(table_prefix(&table).as_bytes(), progress)?;
            let mut statement = String::new();
            while lines.advance()? {
                let line = Line::parse(lines.entry().1)?;
                let RowKey::Row(_, place) = RowKey::parse(&line.key)? else { continue };
                statement.clear();
                push_put(self.new.form(&table)?, place, &line.values()?, &mut statement)?;
                (self.write)(statement.as_bytes())?;
            }
        }
        self.close()
    }

    fn copy_puts(&mut self) -> Result<()> {
        let failed = |error: &std::io::Error| io_error("read a temporary file in", &self.folder, error);
        self.puts.flush().map_err(|error| failed(&error))?;
        let file = self.puts.get_mut();
        file.rewind().map_err(|error| failed(&error))?;
        let mut block = vec![0; 256 << 10];
        loop {
            let bytes = file.read(&mut block).map_err(|error| failed(&error))?;
            if bytes == 0 {
                return Ok(());
            }
            (self.write)(block.get(..bytes).unwrap_or_default())?;
        }
    }

    fn close(&mut self) -> Result<()> {
        let (old, new) = (&self.old, &self.new);
        let mut lines = Vec::new();
        // Of a table that was dropped they are gone.
        let is_due = |index: &&Definition| !old.has(index) || self.replaced.contains(&index.table);
        lines.extend(new.of_kind("index").filter(is_due).map(statement));
        let mut edits_schema = old.of_kind("table").any(|table| !table.has_rows() && !new.has(table));
        for table in new.of_kind("table").filter(|table| !table.has_rows() && !old.has(table)) {
            let text = |text: &str| {
                let mut spelled = String::new();
                push_sql_value(&Value::Text(text.as_bytes().to_vec().into()), &mut spelled);
                spelled
            };
            let (name, of, sql) = (text(&table.name), text(&table.table), text(&table.sql));
            lines.push(format!(
                "INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table',{name},{of},0,{sql});"
            ));
            edits_schema = true;
        }
        lines.extend(new.of_kind("view").filter(|view| !old.has(view)).map(statement));
        lines.extend(new.of_kind("trigger").map(statement));
        if old.about.user_version != new.about.user_version {
            lines.push(format!("PRAGMA user_version={};", new.about.user_version));
        }
        if old.about.application_id != new.about.application_id {
            lines.push(format!("PRAGMA application_id={};", new.about.application_id));
        }
        lines.push("COMMIT;".into());
        if edits_schema {
            lines.push("PRAGMA writable_schema=RESET;".into());
        }
        lines.push("PRAGMA ignore_check_constraints=OFF;".into());
        lines.into_iter().try_for_each(|line| self.line(&line))
    }
}

/// What made it, as a statement.
fn statement(definition: &Definition) -> String {
    definition_statement(&definition.sql).unwrap_or_default()
}

fn check_values(form: &TableForm, values: &[Value<'_>]) -> Result<()> {
    match values.len() == form.columns.len() {
        true => Ok(()),
        false => Err(Error::corrupt(format!(
            "a row has {} values, and the table {} columns",
            values.len(),
            form.columns.len()
        ))
        .at(format!("table {:?}", form.name))),
    }
}

fn rowid(place: &str) -> Result<i64> {
    rowid_of(place).ok_or_else(|| Error::corrupt("a row's key has no rowid"))
}

fn push_put(form: &TableForm, place: &str, values: &[Value<'_>], into: &mut String) -> Result<()> {
    check_values(form, values)?;
    into.push_str("INSERT OR REPLACE INTO ");
    push_name(&form.name, into);
    into.push('(');
    let mut separator = "";
    if let Some(name) = form.rowid_name {
        into.push_str(name);
        separator = ",";
    }
    for column in &form.columns {
        into.push_str(separator);
        push_name(&column.name, into);
        separator = ",";
    }
    into.push_str(") VALUES(");
    separator = "";
    if form.rowid_name.is_some() {
        push_sql_value(&Value::Integer(rowid(place)?), into);
        separator = ",";
    }
    for value in values {
        into.push_str(separator);
        push_sql_value(value, into);
        separator = ",";
    }
    into.push_str(");\n");
    Ok(())
}

fn push_deletion(form: &TableForm, place: &str, values: &[Value<'_>], into: &mut String) -> Result<()> {
    check_values(form, values)?;
    into.push_str("DELETE FROM ");
    push_name(&form.name, into);
    into.push_str(" WHERE ");
    let Some(key) = form.key_columns() else {
        match form.rowid_column() {
            Some(column) => push_name(&column.name, into),
            None => into.push_str(form.rowid_name.unwrap_or("rowid")),
        }
        into.push('=');
        push_sql_value(&Value::Integer(rowid(place)?), into);
        into.push_str(";\n");
        return Ok(());
    };
    let mut separator = "";
    for (column, value) in key.iter().filter_map(|at| form.columns.get(*at).zip(values.get(*at))) {
        into.push_str(separator);
        push_name(&column.name, into);
        into.push_str(" IS ");
        push_sql_value(value, into);
        separator = " AND ";
    }
    into.push_str(";\n");
    Ok(())
}
