//! Lines into an object's state.

use std::collections::HashMap;

use dotctl_engine::rows::{Definition, Line, RowKey, RowsSum, SEQUENCE_TABLE, Value, rowid_of};
use dotctl_engine::{Error, Result};

use super::form::{Identity, TableForm, quoted};
use super::scan::entry_line;
use super::schema::{ENTRIES_TABLE, METADATA_TABLE};
use crate::packed::Writer;
use crate::storage::Storage;

/// Bytes of rows that cross at once.
const BATCH_BYTES: usize = 512 << 10;

/// The table in which ANALYZE keeps what it found, and which only it makes.
pub const STATISTICS_TABLE: &str = "sqlite_stat1";

/// Whether a line is about what the runtime makes by itself when it needs it.
pub fn is_runtimes(key: &RowKey<'_>) -> bool {
    match key {
        RowKey::Definition(_, name) => name.starts_with("_cf_") || name.starts_with("sqlite_"),
        RowKey::Row(table, _) => table == METADATA_TABLE,
        RowKey::Database => false,
    }
}

/// Lines on their way into the object, which has no tables but the runtime's.
pub struct Build<'a> {
    storage: &'a Storage,
    definitions: Vec<Definition>,
    begun: bool,
    table: Option<Insertion>,
    entries: Writer,
    sequences: Vec<Vec<u8>>,
    alarm: Option<f64>,
    written: RowsSum,
}

impl<'a> Build<'a> {
    /// Nothing yet.
    pub fn new(storage: &'a Storage) -> Self {
        Build {
            storage,
            definitions: Vec::new(),
            begun: false,
            table: None,
            entries: Writer::default(),
            sequences: Vec::new(),
            alarm: None,
            written: RowsSum::default(),
        }
    }

    /// Takes the next line.
    ///
    /// # Errors
    /// Unsupported where the runtime lets nobody put in what it says.
    pub fn line(&mut self, line: &[u8]) -> Result<()> {
        let parsed = Line::parse(line)?;
        let key = RowKey::parse(&parsed.key)?;
        let is_entry = matches!(&key, RowKey::Row(table, _) if table == ENTRIES_TABLE);
        if !is_runtimes(&key) && !is_entry {
            self.written.add(line);
        }
        match key {
            RowKey::Database => Err(Error::unsupported(
                "the checkpoint is of a database with another encoding or page size than objects have",
            )),
            RowKey::Definition(kind, name) => {
                let definition = Definition::of(kind, name, &parsed.values()?)?;
                if definition.is_virtual() {
                    return Err(Error::unsupported(format!(
                        "{name:?} is a virtual table, and the runtime lets nobody write the tables in which it \
                         keeps its rows"
                    ))
                    .hint("dotctl restore makes a database file of the checkpoint"));
                }
                self.definitions.push(definition);
                Ok(())
            }
            RowKey::Row(table, place) => {
                self.begin()?;
                match &*table {
                    ENTRIES_TABLE => self.entry(&parsed.values()?),
                    METADATA_TABLE => self.metadata(&parsed.values()?),
                    SEQUENCE_TABLE => {
                        self.sequences.push(line.to_vec());
                        Ok(())
                    }
                    _ => self.row(&table, place, &parsed.values()?),
                }
            }
        }
    }

    /// Makes the tables.
    fn begin(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        let is_runtimes = |name: &str| name.starts_with("sqlite_") || name.starts_with("_cf_");
        self.make(|definition| definition.kind == "table" && !is_runtimes(&definition.name))?;
        if self.definitions.iter().any(|definition| definition.name == STATISTICS_TABLE) {
            self.storage.execute("ANALYZE sqlite_schema", &[])?;
            self.storage.execute(&format!("DELETE FROM {STATISTICS_TABLE}"), &[])?;
        }
        Ok(())
    }

    fn make(&self, which: impl Fn(&Definition) -> bool) -> Result<()> {
        for definition in self.definitions.iter().filter(|definition| which(definition)) {
            let place = |error: Error| error.at(format!("the definition of {:?}", definition.name));
            self.storage.execute(&definition.sql, &[]).map_err(place)?;
        }
        Ok(())
    }

    fn entry(&mut self, values: &[Value<'_>]) -> Result<()> {
        let [Value::Text(key), Value::Blob(stored)] = values else {
            return Err(Error::corrupt("an entry of the key-value storage is not one"));
        };
        let key = std::str::from_utf8(key).map_err(|_| Error::corrupt("an entry's key is no text"))?;
        self.entries.text(key);
        self.entries.blob(stored);
        // The value is what has to come back: the same one may be stored in more than one way.
        let place = |error: Error| error.at(format!("entry {key:?}"));
        self.written.add(&entry_line(key, &self.storage.stored_again(stored).map_err(place)?).1);
        if self.entries.len() >= BATCH_BYTES {
            self.put_entries()?;
        }
        Ok(())
    }

    fn put_entries(&mut self) -> Result<()> {
        self.storage.put_entries(self.entries.as_bytes())?;
        self.entries.clear();
        Ok(())
    }

    fn metadata(&mut self, values: &[Value<'_>]) -> Result<()> {
        if let [Value::Integer(1), Value::Integer(nanoseconds)] = values {
            self.alarm = Some((*nanoseconds / 1_000_000) as f64);
        }
        Ok(())
    }

    fn row(&mut self, table: &str, place: &str, values: &[Value<'_>]) -> Result<()> {
        if self.table.as_ref().is_none_or(|insertion| insertion.form.name != table) {
            self.end_table()?;
            self.table = Some(Insertion::new(TableForm::of(self.storage, table)?));
        }
        match &mut self.table {
            Some(insertion) => insertion.row(self.storage, place, values),
            None => Ok(()),
        }
    }

    fn end_table(&mut self) -> Result<()> {
        match &mut self.table.take() {
            Some(insertion) => insertion.flush(self.storage),
            None => Ok(()),
        }
    }

    /// Puts in what comes after the rows; gives the alarm in Unix milliseconds, and what the lines came to that
    /// are not about what the runtime makes by itself.
    pub fn finish(mut self) -> Result<(Option<f64>, RowsSum)> {
        self.begin()?;
        self.end_table()?;
        self.put_entries()?;
        if self.definitions.iter().any(|definition| definition.name == SEQUENCE_TABLE) {
            // SQLite has counted in it meanwhile.
            self.storage.execute("DELETE FROM sqlite_sequence", &[])?;
        }
        for line in std::mem::take(&mut self.sequences) {
            let line = Line::parse(&line)?;
            if let RowKey::Row(table, place) = RowKey::parse(&line.key)? {
                self.row(&table, place, &line.values()?)?;
            }
        }
        self.end_table()?;
        for kind in ["index", "view", "trigger"] {
            self.make(|definition| definition.kind == kind)?;
        }
        Ok((self.alarm, self.written))
    }
}

/// Rows on their way into one table.
struct Insertion {
    form: TableForm,
    head: String,
    /// One for each way in which a row's values are bound.
    statements: Vec<String>,
    numbers: HashMap<Vec<u8>, usize>,
    packed: Writer,
}

impl Insertion {
    fn new(form: TableForm) -> Self {
        let rowid = match form.identity {
            Identity::Rowid(name) if !form.has_rowid_column => Some(name.to_owned()),
            _ => None,
        };
        let columns: Vec<String> = rowid.into_iter().chain(form.named_columns()).collect();
        let head = format!("INSERT INTO {} ({}) VALUES ", quoted(&form.name), columns.join(", "));
        Insertion { form, head, statements: Vec::new(), numbers: HashMap::new(), packed: Writer::default() }
    }

    fn row(&mut self, storage: &Storage, place: &str, values: &[Value<'_>]) -> Result<()> {
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

    fn flush(&mut self, storage: &Storage) -> Result<()> {
        let place = |error: Error| error.at(format!("table {:?}", self.form.name));
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
