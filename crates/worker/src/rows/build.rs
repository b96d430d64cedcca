//! Lines into an object's state.

use dotctl_engine::rows::{Definition, Line, RowKey, RowsSum, SEQUENCE_TABLE, Value, definition_statement};
use dotctl_engine::{Error, Result};

use super::form::TableForm;
use super::full_text::FullTexts;
use super::insertion::{BATCH_BYTES, Insertion};
use super::scan::entry_line;
use super::schema::{ENTRIES_TABLE, METADATA_TABLE, SCHEMA_BYTES_MAX, is_runtimes_name};
use crate::packed::Writer;
use crate::storage::Storage;

/// The table in which ANALYZE keeps what it found, and which only it makes.
pub const STATISTICS_TABLE: &str = "sqlite_stat1";

/// Whether a line is about what the runtime makes by itself when it needs it.
pub fn is_runtimes(key: &RowKey<'_>) -> bool {
    match key {
        RowKey::Definition(_, name) => is_runtimes_name(name),
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
    last_key: Vec<u8>,
    table: Option<Insertion>,
    entries: Writer,
    sequences: Vec<Vec<u8>>,
    /// Bytes of what waits until the rows are there.
    held_bytes: usize,
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
            last_key: Vec::new(),
            table: None,
            entries: Writer::default(),
            sequences: Vec::new(),
            held_bytes: 0,
            alarm: None,
            written: RowsSum::default(),
        }
    }

    /// Takes the next line.
    ///
    /// # Errors
    /// Unsupported where the runtime lets nobody put in what it says; corrupt where it does not come in the order of
    /// the keys: definitions come before rows, so that nothing is passed over.
    pub fn line(&mut self, line: &[u8]) -> Result<()> {
        let parsed = Line::parse(line)?;
        if !self.last_key.is_empty() && *parsed.key <= *self.last_key {
            return Err(Error::corrupt("the lines of the checkpoint are not in the order of their keys"));
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(&parsed.key);
        let key = RowKey::parse(&parsed.key)?;
        match key {
            RowKey::Database => Err(Error::unsupported(
                "the checkpoint is of a database with another encoding or page size than objects have",
            )),
            RowKey::Definition(kind, name) => {
                let definition = Definition::of(kind, name, &parsed.values()?)?;
                // Whoever made the checkpoint may have put any statements there.
                if definition.is_own() || definition_statement(&definition.sql).is_none() {
                    return Err(Error::corrupt(format!("the definition of {kind} {name:?} is not one")));
                }
                if is_runtimes_name(name) && (kind != "table" || definition.is_virtual()) {
                    return Err(Error::unsupported(format!(
                        "the {kind} {name:?}: the runtime keeps such names to itself"
                    )));
                }
                self.hold(definition.held_bytes())?;
                self.definitions.push(definition);
                Ok(())
            }
            RowKey::Row(ref table, place) => {
                self.begin()?;
                if self.full_texts.is_derived(&key) {
                    return self.full_texts.derived(self.storage, table, place, &parsed.values()?);
                }
                if !is_runtimes(&key) && *table != ENTRIES_TABLE {
                    self.written.add(line);
                }
                match &**table {
                    ENTRIES_TABLE => self.entry(&parsed.values()?),
                    METADATA_TABLE => self.metadata(&parsed.values()?),
                    SEQUENCE_TABLE => {
                        self.hold(line.len())?;
                        self.sequences.push(line.to_vec());
                        Ok(())
                    }
                    _ => self.row(table, place, &parsed.values()?),
                }
            }
        }
    }

    fn hold(&mut self, bytes: usize) -> Result<()> {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        match self.held_bytes > 2 * SCHEMA_BYTES_MAX {
            true => Err(Error::unsupported("the checkpoint has more definitions than fit into memory")),
            false => Ok(()),
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
        self.make(|definition| definition.has_rows() && !self.full_texts.is_part(&definition.name))?;
        self.full_texts.make(self.storage, &self.definitions)?;
        if self.definitions.iter().any(|definition| definition.name == STATISTICS_TABLE) {
            self.storage.execute("ANALYZE sqlite_schema", &[])?;
            self.storage.execute(&format!("DELETE FROM {STATISTICS_TABLE}"), &[])?;
        }
        Ok(())
    }

    /// Makes some of what is defined, and nothing that the runtime makes by itself: that is not read back.
    fn make(&self, which: impl Fn(&Definition) -> bool) -> Result<()> {
        let own = self.definitions.iter().filter(|definition| !is_runtimes_name(&definition.name));
        for definition in own.filter(|definition| which(definition)) {
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
