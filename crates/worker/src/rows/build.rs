//! Lines into an object's state.

use dotctl_engine::rows::{Definition, Line, RowKey, RowsSum, SEQUENCE_TABLE, Value};
use dotctl_engine::{Error, Result};

use super::form::TableForm;
use super::full_text::FullTexts;
use super::insertion::{BATCH_BYTES, Insertion};
use super::scan::entry_line;
use super::schema::{ENTRIES_TABLE, METADATA_TABLE};
use crate::packed::Writer;
use crate::storage::Storage;

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
    full_texts: FullTexts,
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
            full_texts: FullTexts::default(),
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
        match key {
            RowKey::Database => Err(Error::unsupported(
                "the checkpoint is of a database with another encoding or page size than objects have",
            )),
            RowKey::Definition(kind, name) => {
                self.definitions.push(Definition::of(kind, name, &parsed.values()?)?);
                Ok(())
            }
            RowKey::Row(ref table, place) => {
                self.begin()?;
                if self.full_texts.is_derived(&key) {
                    return self.full_texts.derived(self.storage, table, place);
                }
                if !is_runtimes(&key) && *table != ENTRIES_TABLE {
                    self.written.add(line);
                }
                match &**table {
                    ENTRIES_TABLE => self.entry(&parsed.values()?),
                    METADATA_TABLE => self.metadata(&parsed.values()?),
                    SEQUENCE_TABLE => {
                        self.sequences.push(line.to_vec());
                        Ok(())
                    }
                    _ => self.row(table, place, &parsed.values()?),
                }
            }
        }
    }

    /// Makes the tables.
    fn begin(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        self.full_texts = FullTexts::of(&self.definitions)?;
        let mut line = Vec::new();
        for definition in &self.definitions {
            let key = RowKey::Definition(&definition.kind, &definition.name);
            if !is_runtimes(&key) && !self.full_texts.is_derived(&key) {
                line.clear();
                definition.push_line(&mut line);
                self.written.add(&line);
            }
        }
        let is_runtimes = |name: &str| name.starts_with("sqlite_") || name.starts_with("_cf_");
        self.make(|definition| {
            definition.has_rows()
                && !is_runtimes(&definition.name)
                && !self.full_texts.is_part(&definition.name)
        })?;
        self.full_texts.make(self.storage, &self.definitions)?;
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
            let form = TableForm::of(self.storage, table)?;
            let through = self.full_texts.insertion(self.storage, &form)?;
            self.table = Some(through.unwrap_or_else(|| Insertion::new(form)));
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
        for kind in ["index", "view"] {
            self.make(|definition| definition.kind == kind)?;
        }
        self.full_texts.finish(self.storage)?;
        self.make(|definition| definition.kind == "trigger")?;
        Ok((self.alarm, self.written))
    }
}
