//! The rows of a table that were changed since a checkpoint, as they were when watching began.

use dotctl_engine::rows::{RowPlace, Value, push_place, table_prefix};
use dotctl_engine::{Error, Result};

use super::batch::{After, Appetite, ROWS};
use super::form::{Identity, TableForm, crossing, quoted, value};
use super::tracking::touched_table;
use super::watch::kept_table;
use crate::packed::Reader;
use crate::storage::Storage;

/// A row's key, and its line; none where there was no such row.
pub type TouchedRow = (String, Option<Vec<u8>>);

/// Goes through them in the order of their keys.
pub struct TouchedScan {
    form: TableForm,
    statements: [String; 2],
    after: After,
    appetite: Appetite,
    last_key: String,
}

impl TouchedScan {
    /// Those of the table with this form, whose keys are in the table with the number `touched`; what was kept of its rows
    /// since watching began is in the one with the number `watched`.
    pub fn new(form: TableForm, touched: usize, watched: usize) -> Self {
        let statements = [false, true].map(|is_later| selection(&form, touched, watched, is_later));
        TouchedScan {
            form,
            statements,
            after: After::Nothing,
            appetite: Appetite::new(),
            last_key: String::new(),
        }
    }

    /// The next ones; none at all behind the last.
    ///
    /// # Errors
    /// Unsupported where the order of the keys is another one than that of the lines.
    pub fn next_rows(&mut self, storage: &Storage) -> Result<Vec<TouchedRow>> {
        let mut rows = Vec::new();
        if self.after.is_last() {
            return Ok(rows);
        }
        let place = |error: Error| error.at(format!("table {:?}", self.form.name));
        let found = self.after.query(storage, &self.statements, self.appetite).map_err(place)?;
        let mut reader = Reader::new(&found);
        while let Some(is_there) = reader.next()? {
            let is_there = is_there.integer()? != 0;
            let mut key = String::new();
            let line = match &self.form.identity {
                Identity::Rowid(_) => {
                    let mut at = reader.clone();
                    self.after = After::rowid(&mut at)?;
                    self.line(is_there, &mut reader, &mut key)?
                }
                Identity::Key(columns) => {
                    let mut given = Vec::new();
                    for _ in columns {
                        given.push(reader.value()?);
                    }
                    self.after = After::key(given.into_iter())?;
                    self.line(is_there, &mut reader, &mut key)?
                }
            };
            if line.is_none() {
                key = table_prefix(&self.form.name);
                match &self.after {
                    After::Rowid(rowid) => push_place(RowPlace::Rowid(*rowid), &mut key),
                    After::Key(values) => push_place(RowPlace::Key(values), &mut key),
                    After::Nothing => {}
                }
            }
            if self.last_key >= key {
                return Err(Error::unsupported("the keys of its rows have another order than their lines")
                    .at(format!("table {:?}", self.form.name)));
            }
            self.last_key.clone_from(&key);
            rows.push((key, line));
        }
        self.appetite.learn(rows.len(), found.len());
        Ok(rows)
    }

    fn line(&self, is_there: bool, reader: &mut Reader<'_>, key: &mut String) -> Result<Option<Vec<u8>>> {
        if is_there {
            let mut line = Vec::new();
            self.form.line(reader, key, &mut line)?;
            return Ok(Some(line));
        }
        if let Identity::Rowid(_) = self.form.identity {
            reader.value()?;
        }
        for _ in &self.form.columns {
            let _: Value<'_> = value(reader.value()?)?;
        }
        Ok(None)
    }
}

/// The statement: whether the row is there, what tells it apart, and its values. Each key's row is looked up
/// in what was kept, and else in the table.
fn selection(form: &TableForm, touched: usize, watched: usize, is_later: bool) -> String {
    let (touched, kept, table) = (touched_table(touched), kept_table(watched), quoted(&form.name));
    let named = form.named_columns();
    let (keys, order, later, same_kept, same_live, is_live) = match &form.identity {
        Identity::Rowid(name) => (
            vec!["place".to_owned()],
            "place".to_owned(),
            "place > CAST(?1 AS INTEGER)".to_owned(),
            "b.place = k.place".to_owned(),
            format!("t.{name} = k.place"),
            format!("t.{name} IS NOT NULL"),
        ),
        Identity::Key(key) => {
            let columns: Vec<String> = key.iter().map(|(column, _)| format!("c{column}")).collect();
            let parameters: Vec<String> = (1..=key.len()).map(|number| format!("?{number}t")).collect();
            let kept: Vec<String> =
                columns.iter().map(|column| format!("b.{column} = +k.{column}")).collect();
            let live: Vec<String> = key
                .iter()
                .filter_map(|(column, _)| Some(format!("t.{} = k.c{column}", named.get(*column)?)))
                .collect();
            let first = key.first().and_then(|(column, _)| named.get(*column)).cloned().unwrap_or_default();
            (
                columns.clone(),
                columns.join(", "),
                format!("({}) > ({})", columns.join(", "), parameters.join(", ")),
                kept.join(" AND "),
                live.join(" AND "),
                format!("t.{first} IS NOT NULL"),
            )
        }
    };
    let mut results = vec![format!("CASE WHEN b.existed IS NULL THEN {is_live} ELSE b.existed END")];
    match &form.identity {
        Identity::Rowid(_) => results.push("CAST(k.place AS TEXT)".into()),
        Identity::Key(_) => results.extend(keys.iter().map(|column| crossing(&format!("k.{column}")))),
    }
    results.extend(named.iter().zip(form.kept_columns()).map(|(name, column)| {
        crossing(&format!("CASE WHEN b.existed IS NULL THEN t.{name} ELSE b.{column} END"))
    }));
    let later = if is_later { format!(" WHERE {later}") } else { String::new() };
    format!(
        "SELECT {} FROM (SELECT {order} FROM {touched}{later} ORDER BY {order} LIMIT {ROWS}) AS k \
         LEFT JOIN {kept} AS b ON {same_kept} LEFT JOIN {table} AS t ON {same_live}",
        results.join(", ")
    )
}
