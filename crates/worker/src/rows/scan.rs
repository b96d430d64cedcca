//! An object's state as lines, in the order of their keys, a batch at a time.

use std::cmp::Ordering;
use std::collections::VecDeque;

use dotctl_engine::rows::{Definition, RowPlace, Value, push_line, push_place, table_prefix};
use dotctl_engine::{Error, Result};

use super::batch::{After, Appetite, BATCH_BYTES, ROWS};
use super::form::{Identity, TableForm, crossing, quoted};
use super::schema::{ENTRIES_TABLE, METADATA_TABLE, Schema};
use super::watch::{Way, kept_entries, kept_table};
use crate::packed::{Given, Reader};
use crate::storage::{Parameter, Storage};

/// Goes through an object's state as it was when watching began.
pub struct Scan {
    definitions: VecDeque<Definition>,
    parts: VecDeque<Part>,
    current: Option<Part>,
    batch: Batch,
    key: String,
    line: Vec<u8>,
    last_key: String,
    takes_any_order: bool,
    is_at_end: bool,
}

/// Something that has rows.
enum Part {
    Table(TableScan),
    /// A table of which the lines lie in the one with this number.
    Lines {
        number: usize,
        after: Option<String>,
        appetite: Appetite,
    },
    Entries {
        after: Option<String>,
        watched: bool,
        appetite: Appetite,
    },
    Alarm(Option<f64>),
}

/// A table of which `after` was the last row read.
struct TableScan {
    form: TableForm,
    statements: [String; 2],
    after: After,
    appetite: Appetite,
}

/// Rows that were read and not yet taken.
#[derive(Default)]
struct Batch {
    lines: VecDeque<(String, Vec<u8>)>,
    ended: bool,
}

/// A table to be scanned.
pub struct ScannedTable {
    /// What it looks like.
    pub form: TableForm,
    /// How its rows are kept, and under which number; none where it is read as it is.
    pub watched: Option<(usize, Way)>,
}

impl Scan {
    /// Goes through what `schema` defines; `tables` are those that SQL may read, in the order of their keys.
    /// `watched` says whether entries are watched: an object may have no tables besides. `alarm` is the object's
    /// alarm in Unix milliseconds, if it is set.
    pub fn new(schema: &Schema, tables: Vec<ScannedTable>, watched: bool, alarm: Option<f64>) -> Self {
        let mut parts: Vec<(String, Part)> =
            tables.into_iter().map(|table| (table_prefix(&table.form.name), Part::table(table))).collect();
        for table in schema.tables() {
            let part = match table.name.as_str() {
                ENTRIES_TABLE => Part::entries(watched),
                METADATA_TABLE => Part::Alarm(alarm),
                _ => continue,
            };
            parts.push((table_prefix(&table.name), part));
        }
        parts.sort_by(|one, other| one.0.cmp(&other.0));
        Self::of(schema.definitions.clone().into(), parts.into_iter().map(|(_, part)| part).collect())
    }

    /// Goes through the definitions of `schema` alone.
    pub fn of_definitions(schema: &Schema) -> Self {
        Self::of(schema.definitions.clone().into(), VecDeque::new())
    }

    /// Goes through the rows of one table that SQL may read.
    pub fn of_table(table: ScannedTable) -> Self {
        Self::of(VecDeque::new(), [Part::table(table)].into())
    }

    /// Goes through the entries alone.
    pub fn of_entries(watched: bool) -> Self {
        Self::of(VecDeque::new(), [Part::entries(watched)].into())
    }

    /// Gives the alarm alone.
    pub fn of_alarm(alarm: Option<f64>) -> Self {
        Self::of(VecDeque::new(), [Part::Alarm(alarm)].into())
    }

    fn of(definitions: VecDeque<Definition>, parts: VecDeque<Part>) -> Self {
        Scan {
            definitions,
            parts,
            current: None,
            batch: Batch::default(),
            key: String::new(),
            line: Vec::new(),
            last_key: String::new(),
            takes_any_order: false,
            is_at_end: false,
        }
    }

    /// Takes rows that are in any order.
    pub fn take_any_order(&mut self) {
        self.takes_any_order = true;
    }

    /// Moves to the next line; says `false` when there is none.
    pub fn advance(&mut self, storage: &Storage) -> Result<bool> {
        if let Some(definition) = self.definitions.pop_front() {
            self.line.clear();
            definition.push_line(&mut self.line);
            self.key = String::from_utf8_lossy(&definition.key()).into_owned();
            return Ok(true);
        }
        while self.batch.lines.is_empty() {
            if self.current.is_none() || self.batch.ended {
                self.batch.ended = false;
                self.current = self.parts.pop_front();
            }
            match &mut self.current {
                None => {
                    self.is_at_end = true;
                    return Ok(false);
                }
                Some(part) => part.read(storage, &mut self.batch)?,
            }
        }
        if let Some((key, line)) = self.batch.lines.pop_front() {
            std::mem::swap(&mut self.last_key, &mut self.key);
            (self.key, self.line) = (key, line);
        }
        if self.last_key >= self.key && !self.takes_any_order {
            let table = match &self.current {
                Some(Part::Table(table)) => table.form.name.clone(),
                _ => ENTRIES_TABLE.to_owned(),
            };
            return Err(Error::unsupported(format!(
                "the rows of table {table:?} are not in the order of their keys"
            ))
            .hint(
                "keys WITHOUT ROWID of more than 4,000 bytes, with text that is not UTF-8 among other text, or with fractions in \
                 a column of integers, cannot be carried from inside: dotctl snapshot can",
            ));
        }
        Ok(true)
    }

    /// The key and the line that [`Scan::advance`] moved to.
    pub fn line(&self) -> (&[u8], &[u8]) {
        (self.key.as_bytes(), &self.line)
    }

    /// Frees the room that the line takes, which has been taken over.
    pub fn release(&mut self) {
        self.line = Vec::new();
    }

    /// The same; none behind the last line.
    pub fn current(&self) -> Option<(&[u8], &[u8])> {
        (!self.is_at_end).then(|| self.line())
    }
}

impl Part {
    fn table(table: ScannedTable) -> Self {
        match table.watched {
            Some((number, Way::SortedCopy)) => Part::Lines { number, after: None, appetite: Appetite::new() },
            _ => Part::Table(TableScan::new(table)),
        }
    }

    fn entries(watched: bool) -> Self {
        Part::Entries { after: None, watched, appetite: Appetite::new() }
    }

    fn read(&mut self, storage: &Storage, batch: &mut Batch) -> Result<()> {
        match self {
            Part::Table(table) => {
                let read = table.read(storage, batch);
                read.map_err(|error| error.at(format!("table {:?}", table.form.name)))
            }
            Part::Lines { number, after, appetite } => {
                read_lines(storage, &kept_table(*number), after, appetite, batch)
            }
            Part::Entries { after, watched, appetite } => {
                read_entries(storage, after, *watched, appetite, batch)
            }
            Part::Alarm(alarm) => {
                // As workerd stores it: row 1, nanoseconds since 1970; NULL once there was one.
                let nanoseconds = alarm.map(|ms| Value::Integer((ms as i64).saturating_mul(1_000_000)));
                let mut key = table_prefix(METADATA_TABLE);
                push_place(RowPlace::Rowid(1), &mut key);
                let mut line = Vec::new();
                push_line(&key, [Value::Integer(1), nanoseconds.unwrap_or(Value::Null)], &mut line);
                batch.lines.push_back((key, line));
                batch.ended = true;
                Ok(())
            }
        }
    }
}

impl TableScan {
    fn new(table: ScannedTable) -> Self {
        let statements = [selection(&table, false), selection(&table, true)];
        TableScan { form: table.form, statements, after: After::Nothing, appetite: Appetite::new() }
    }

    fn read(&mut self, storage: &Storage, batch: &mut Batch) -> Result<()> {
        let rows = self.after.query(storage, &self.statements, self.appetite)?;
        let mut reader = Reader::new(&rows);
        let mut count = 0;
        while !reader.is_at_end() {
            let (mut key, mut line) = (String::new(), Vec::new());
            let mut at = reader.clone();
            self.form.line(&mut reader, &mut key, &mut line)?;
            self.after = match &self.form.identity {
                Identity::Rowid(_) => After::rowid(&mut at)?,
                Identity::Key(columns) => {
                    let mut values = Vec::new();
                    for _ in &self.form.columns {
                        values.push(at.value()?);
                    }
                    After::key(columns.iter().filter_map(|(column, _)| values.get(*column).copied()))?
                }
            };
            batch.lines.push_back((key, line));
            count += 1;
        }
        self.appetite.learn(count, rows.len());
        batch.ended = count == 0 || self.after.is_last();
        Ok(())
    }
}

/// The statement that reads a table's rows, those behind a given one if `is_later`. For a key its parameters
/// are spelled `?1t` and so on: what type they have is known when it runs.
fn selection(table: &ScannedTable, is_later: bool) -> String {
    let form = &table.form;
    let named = form.named_columns();
    let kept: Vec<String> = form.kept_columns();
    let arm = |source: &str, place: Option<&str>, columns: &[String], filter: Option<String>| {
        let order: Vec<String> = match &form.identity {
            Identity::Rowid(_) => vec![place.unwrap_or_default().to_owned()],
            Identity::Key(key) => {
                key.iter().filter_map(|(column, _)| columns.get(*column).cloned()).collect()
            }
        };
        let later = is_later.then(|| match &form.identity {
            Identity::Rowid(_) => format!("{} > CAST(?1 AS INTEGER)", order.join(", ")),
            Identity::Key(key) => {
                let parameters: Vec<String> = (1..=key.len()).map(|number| format!("?{number}t")).collect();
                format!("({}) > ({})", order.join(", "), parameters.join(", "))
            }
        });
        let conditions: Vec<String> = later.into_iter().chain(filter).collect();
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        let mut results: Vec<String> = Vec::new();
        if let Some(place) = place {
            results.push(format!("CAST({place} AS TEXT)"));
        }
        results.extend(columns.iter().map(|column| crossing(column)));
        (order, results, format!(" FROM {source}{filter}"))
    };
    let rowid = match &form.identity {
        Identity::Rowid(name) => Some(*name),
        Identity::Key(_) => None,
    };
    let live = |filter| arm(&quoted(&form.name), rowid, &named, filter);
    let plain = |(order, results, rest): (Vec<String>, Vec<String>, String)| {
        format!("SELECT {}{rest} ORDER BY {} LIMIT {ROWS}", results.join(", "), order.join(", "))
    };
    let Some((number, way)) = table.watched else {
        return plain(live(None));
    };
    let kept_name = kept_table(number);
    let existed = arm(&kept_name, rowid.map(|_| "place"), &kept, Some("existed".into()));
    if way != Way::Triggers {
        return plain(existed);
    }
    let table_name = quoted(&form.name);
    let is_kept = match &form.identity {
        Identity::Rowid(name) => format!("place = {table_name}.{name}"),
        Identity::Key(key) => {
            let equal: Vec<String> = key
                .iter()
                .filter_map(|(column, _)| Some(format!("c{column} = +{table_name}.{}", named.get(*column)?)))
                .collect();
            equal.join(" AND ")
        }
    };
    let there = live(Some(format!("NOT EXISTS (SELECT 1 FROM {kept_name} WHERE {is_kept})")));
    // Both in order, so SQLite merges them as they come. What orders them stands first, and again in the results.
    let both: Vec<String> = [there, existed]
        .into_iter()
        .map(|(order, results, rest)| {
            let order: Vec<String> =
                order.iter().enumerate().map(|(number, column)| format!("{column} AS o{number}")).collect();
            let results: Vec<String> =
                results.iter().enumerate().map(|(number, result)| format!("{result} AS r{number}")).collect();
            format!("SELECT {}, {}{rest}", order.join(", "), results.join(", "))
        })
        .collect();
    let orders = match &form.identity {
        Identity::Rowid(_) => 1,
        Identity::Key(key) => key.len(),
    };
    let results = kept.len() + usize::from(rowid.is_some());
    let names = |letter: char, count: usize| -> String {
        (0..count).map(|number| format!("{letter}{number}")).collect::<Vec<_>>().join(", ")
    };
    format!(
        "SELECT {} FROM ({} ORDER BY {} LIMIT {ROWS})",
        names('r', results),
        both.join(" UNION ALL "),
        names('o', orders)
    )
}

/// Reads lines behind the key `after` out of the table `kept`.
fn read_lines(
    storage: &Storage,
    kept: &str,
    after: &mut Option<String>,
    appetite: &mut Appetite,
    batch: &mut Batch,
) -> Result<()> {
    let (filter, parameters) = match after {
        Some(after) => (" WHERE key > ?", vec![Parameter::Text(after)]),
        None => ("", Vec::new()),
    };
    let select = format!("SELECT key, line FROM {kept}{filter} ORDER BY key LIMIT {}", appetite.rows());
    let rows = storage.query_some(&select, &parameters, BATCH_BYTES)?;
    let mut reader = Reader::new(&rows);
    let mut count = 0;
    let mut last = None;
    while let Some(key) = reader.next()? {
        let key = key.text()?.to_owned();
        batch.lines.push_back((key.clone(), reader.value()?.bytes()?.to_vec()));
        last = Some(key);
        count += 1;
    }
    appetite.learn(count, rows.len());
    batch.ended = last.is_none();
    *after = last;
    Ok(())
}

/// Reads entries behind `after`, as they were when watching began.
fn read_entries(
    storage: &Storage,
    after: &mut Option<String>,
    watched: bool,
    appetite: &mut Appetite,
    batch: &mut Batch,
) -> Result<()> {
    let there = storage.entries(after.as_deref(), appetite.rows(), BATCH_BYTES)?;
    let kept = match watched {
        true => kept_entries(storage, after.as_deref(), appetite.rows(), BATCH_BYTES)?,
        false => Vec::new(),
    };
    let (last_there, count_there) = last_key(&there)?;
    let (last_kept, count_kept) = last_key(&kept)?;
    appetite.learn(count_there.max(count_kept), there.len().max(kept.len()));
    // Behind the last key of one side there may be more of it, which has to come first.
    let end = match (last_there, last_kept) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let (mut there_reader, mut kept_reader) = (Reader::new(&there), Reader::new(&kept));
    let next = |reader: &mut Reader<'_>| -> Result<Option<(String, Option<Vec<u8>>)>> {
        let Some(key) = reader.next()? else { return Ok(None) };
        let key = key.text()?;
        if end.is_some_and(|end| key > end) {
            return Ok(None);
        }
        let key = key.to_owned();
        Ok(Some(match reader.value()? {
            Given::Null => (key, None),
            value => (key, Some(value.bytes()?.to_vec())),
        }))
    };
    let (mut live, mut before) = (next(&mut there_reader)?, next(&mut kept_reader)?);
    loop {
        let order = match (&live, &before) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.0.cmp(&other.0),
        };
        let taken = match order {
            Ordering::Less => std::mem::replace(&mut live, next(&mut there_reader)?),
            Ordering::Greater => std::mem::replace(&mut before, next(&mut kept_reader)?),
            Ordering::Equal => {
                live = next(&mut there_reader)?;
                std::mem::replace(&mut before, next(&mut kept_reader)?)
            }
        };
        if let Some((key, Some(bytes))) = taken {
            batch.lines.push_back(entry_line(&key, &bytes));
        }
    }
    batch.ended = end.is_none();
    if let Some(end) = end {
        *after = Some(end.to_owned());
    }
    Ok(())
}

/// The last key of entries, and how many there are.
fn last_key(entries: &[u8]) -> Result<(Option<&str>, usize)> {
    let (mut last, mut count) = (None, 0);
    let mut reader = Reader::new(entries);
    while let Some(key) = reader.next()? {
        last = Some(key.text()?);
        reader.value()?;
        count += 1;
    }
    Ok((last, count))
}

/// The key and the line of an entry of the key-value storage.
pub fn entry_line(key: &str, stored: &[u8]) -> (String, Vec<u8>) {
    let text = Value::Text(key.as_bytes().into());
    let mut row_key = table_prefix(ENTRIES_TABLE);
    push_place(RowPlace::Key(std::slice::from_ref(&text)), &mut row_key);
    let mut line = Vec::with_capacity(2 * row_key.len() + stored.len().div_ceil(3) * 4 + 32);
    push_line(&row_key, [text.clone(), Value::Blob(stored.into())], &mut line);
    (row_key, line)
}
