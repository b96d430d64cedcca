//! Rows into a table, many at once, each value as it is.

use std::collections::HashMap;

use dotctl_engine::rows::{Value, rowid_of};
use dotctl_engine::{Error, ErrorKind, Result};

use super::form::{Identity, TableForm, quoted};
use crate::packed::Writer;
use crate::storage::Storage;

/// Bytes of rows that cross at once.
pub const BATCH_BYTES: usize = 512 << 10;

/// Statements that are kept at once. Rows have one for each of their patterns of NULLs and types, and wide tables have very
/// many of those.
const STATEMENTS_MAX: usize = 256;

/// Rows on their way into one table.
pub struct Insertion {
    /// What they look like.
    pub form: TableForm,
    head: String,
    /// One for each way in which a row's values are bound.
    statements: Vec<String>,
    numbers: HashMap<Vec<u8>, usize>,
    packed: Writer,
    /// What to do where the table does not take a row that it should.
    hint: Option<&'static str>,
}

impl Insertion {
    /// Into the table that they are of.
    pub fn new(form: TableForm) -> Self {
        let rowid = match form.identity {
            Identity::Rowid(name) if !form.has_rowid_column => Some(name.to_owned()),
            _ => None,
        };
        let columns: Vec<String> = rowid.into_iter().chain(form.named_columns()).collect();
        let table = form.name.clone();
        Self::into_columns(form, &table, &columns)
    }

    /// Into these columns of `table`, which puts each value where `form` has it, or refuses it.
    pub fn through(form: TableForm, table: &str, columns: &[String], hint: &'static str) -> Self {
        Insertion { hint: Some(hint), ..Self::into_columns(form, table, columns) }
    }

    fn into_columns(form: TableForm, table: &str, columns: &[String]) -> Self {
        Insertion {
            form,
            head: format!("INSERT INTO {} ({}) VALUES ", quoted(table), columns.join(", ")),
            statements: Vec::new(),
            numbers: HashMap::new(),
            packed: Writer::default(),
            hint: None,
        }
    }

    /// Takes a row.
    pub fn row(&mut self, storage: &Storage, place: &str, values: &[Value<'_>]) -> Result<()> {
        if values.len() != self.form.columns.len() {
            return Err(Error::corrupt(format!(
                "a row of table {:?} has {} values, and the table {} columns",
                self.form.name,
                values.len(),
                self.form.columns.len()
            )));
        }
        let rowid = match self.form.identity {
            Identity::Rowid(_) if !self.form.has_rowid_column => {
                let rowid = rowid_of(place).ok_or_else(|| Error::corrupt("a row's key has no rowid"))?;
                Some(Value::Integer(rowid))
            }
            _ => None,
        };
        let all = || rowid.iter().chain(values);
        let bindings: Vec<u8> = all().map(binding).collect();
        let number = match self.numbers.get(&bindings) {
            Some(number) => *number,
            None => {
                if self.statements.len() == STATEMENTS_MAX {
                    self.flush(storage)?;
                    self.statements.clear();
                    self.numbers.clear();
                }
                let parameters: Vec<&str> = bindings.iter().map(|binding| parameter(*binding)).collect();
                self.statements.push(format!("{}({})", self.head, parameters.join(", ")));
                self.numbers.insert(bindings.clone(), self.statements.len() - 1);
                self.statements.len() - 1
            }
        };
        self.packed.count(number);
        self.packed.count(bindings.iter().filter(|binding| parameter(**binding).contains('?')).count());
        for (value, binding) in all().zip(&bindings) {
            match (value, binding) {
                (Value::Integer(number), b'n') => self.packed.number(*number as f64),
                (Value::Integer(number), _) => self.packed.text(&number.to_string()),
                (Value::Real(number), _) => self.packed.number(*number),
                (Value::Text(bytes), b't') | (Value::Blob(bytes), b'b') => self.packed.blob(bytes),
                _ => {}
            }
        }
        if self.packed.len() >= BATCH_BYTES {
            self.flush(storage)?;
        }
        Ok(())
    }

    /// Puts in what was taken.
    pub fn flush(&mut self, storage: &Storage) -> Result<()> {
        let place = |error: Error| {
            let error = error.at(format!("table {:?}", self.form.name));
            match self.hint {
                Some(hint) => error.of_kind(ErrorKind::Unsupported).hint(hint),
                None => error,
            }
        };
        storage.run(&self.statements, self.packed.as_bytes()).map_err(place)?;
        self.packed.clear();
        Ok(())
    }
}

/// How a value is bound, as a letter.
fn binding(value: &Value<'_>) -> u8 {
    match value {
        Value::Null => b'0',
        // What a double holds crosses as one.
        Value::Integer(number) if number.unsigned_abs() <= 1 << 53 => b'n',
        Value::Integer(_) => b'i',
        Value::Real(_) => b'r',
        // No bytes may be taken for NULL.
        Value::Text(bytes) if bytes.is_empty() => b'T',
        Value::Blob(bytes) if bytes.is_empty() => b'B',
        Value::Text(_) => b't',
        Value::Blob(_) => b'b',
    }
}

/// The SQL for a value that is bound so.
fn parameter(binding: u8) -> &'static str {
    match binding {
        b'0' => "NULL",
        b'n' | b'i' => "CAST(? AS INTEGER)",
        b'T' => "''",
        b'B' => "x''",
        b't' => "CAST(? AS TEXT)",
        _ => "?",
    }
}
