//! What a table's rows look like, as SQL reads them and as lines.

use dotctl_engine::rows::{
    RowPlace, Value, push_line, push_name, push_place, spelled_values_bytes, table_prefix,
};
use dotctl_engine::{Error, Result};

use crate::packed::{Given, Reader};
use crate::storage::{Parameter, Storage};

/// Columns of a table that is watched: its rows are kept with two more, and the platform allows 100.
pub const COLUMNS_MAX: usize = 97;

/// Columns that a query gives at most: the platform's limit.
const RESULTS_MAX: usize = 100;

/// A table, those of its columns left out that are computed.
#[derive(Debug, Clone)]
pub struct TableForm {
    /// Its name.
    pub name: String,
    /// What the keys of its rows begin with.
    prefix: String,
    /// Its columns, in their order.
    pub columns: Vec<String>,
    /// How a row is told from the others.
    pub identity: Identity,
    /// Whether one of the columns is the rowid.
    pub has_rowid_column: bool,
    /// Sets of columns of which no two rows have the same values, each with its collation.
    pub uniques: Vec<Vec<(String, String)>>,
    /// Whether triggers cannot tell which row a new one replaces: where no two rows may have the same of something
    /// that is computed, of a column whose default takes the place of NULL, or only where a condition holds.
    pub replaces_unseen: bool,
    /// Whether rows that are told apart have different keys as lines, too, and the other way round: a column of the key
    /// that ignores case, or takes whole numbers and fractions, makes a row of which the line has another key by a mere
    /// change of its spelling.
    pub has_exact_key: bool,
}

/// How a row is told from the others of its table.
#[derive(Debug, Clone)]
pub enum Identity {
    /// By its rowid, which has this name.
    Rowid(&'static str),
    /// By these columns, each with its collation, in a table WITHOUT ROWID.
    Key(Vec<(usize, String)>),
}

impl TableForm {
    /// Asks what table `name` looks like.
    pub fn of(storage: &Storage, name: &str) -> Result<Self> {
        let place = |error: Error| error.at(format!("table {name:?}"));
        Self::try_of(storage, name).map_err(place)
    }

    fn try_of(storage: &Storage, name: &str) -> Result<Self> {
        let text = [Parameter::Text(name)];
        let told =
            storage.query("SELECT name, hidden, type, pk, \"notnull\" AND dflt_value IS NOT NULL FROM pragma_table_xinfo(?) ORDER BY cid", &text)?;
        let mut reader = Reader::new(&told);
        let (mut columns, mut all, mut defaulted) = (Vec::new(), Vec::new(), Vec::new());
        let mut has_exact_key = true;
        // Of the primary key: how many columns, and whether one is of the type that a rowid has.
        let (mut key_columns, mut has_integer) = (0, false);
        while let Some(column) = reader.next()? {
            let column = column.text()?.to_owned();
            let is_stored = reader.value()?.integer()? == 0;
            let declared = reader.value()?.text()?;
            if reader.value()?.integer()? > 0 {
                key_columns += 1;
                has_integer = declared.eq_ignore_ascii_case("INTEGER");
                has_exact_key &= converts_exactly(declared);
            }
            if reader.value()?.integer()? != 0 {
                defaulted.push(column.clone());
            }
            all.push(column.clone());
            if is_stored {
                columns.push(column);
            }
        }
        if columns.len() > COLUMNS_MAX {
            return Err(Error::unsupported(format!(
                "{} columns, and at most {COLUMNS_MAX} can be watched beside what tells rows apart",
                columns.len()
            ))
            .hint("split the table; the platform allows 100 columns in all"));
        }
        let has_rowid = storage
            .number("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?", &text)?
            == 0;
        let mut form = TableForm {
            name: name.to_owned(),
            prefix: table_prefix(name),
            columns,
            identity: Identity::Key(Vec::new()),
            has_rowid_column: has_rowid && key_columns == 1 && has_integer,
            uniques: Vec::new(),
            replaces_unseen: false,
            has_exact_key: has_rowid || has_exact_key,
        };
        if has_rowid {
            let is_free = |name: &&str| !all.iter().any(|column| column.eq_ignore_ascii_case(name));
            let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(is_free);
            form.identity = Identity::Rowid(
                rowid.ok_or_else(|| Error::unsupported("it has columns with all names of the rowid"))?,
            );
        }
        form.ask_indexes(storage, has_rowid, &defaulted)?;
        if let Identity::Key(key) = &form.identity
            && form.columns.len() + key.len() > RESULTS_MAX
        {
            return Err(Error::unsupported(format!(
                "{} columns and {} of a key, more than {RESULTS_MAX} together",
                form.columns.len(),
                key.len()
            )));
        }
        Ok(form)
    }

    fn ask_indexes(&mut self, storage: &Storage, has_rowid: bool, defaulted: &[String]) -> Result<()> {
        let text = [Parameter::Text(&self.name)];
        let indexes = storage.query(
            "SELECT i.name, i.origin, i.partial, x.name, x.coll FROM pragma_index_list(?) AS i \
             JOIN pragma_index_xinfo(i.name) AS x WHERE i.\"unique\" AND x.key ORDER BY i.seq, x.seqno",
            &text,
        )?;
        let mut reader = Reader::new(&indexes);
        let mut current: Option<String> = None;
        while let Some(index) = reader.next()? {
            let index = index.text()?;
            let is_primary = reader.value()?.text()? == "pk";
            let is_key = is_primary && !has_rowid;
            if is_primary {
                // A rowid needs no index.
                self.has_rowid_column = false;
            }
            let is_partial = reader.value()?.integer()? != 0;
            let name = match reader.value()? {
                Given::Text(name) => name.to_owned(),
                _ => String::new(),
            };
            let collation = reader.value()?.text()?.to_owned();
            // What has no name is an expression; what is no stored column is computed.
            self.replaces_unseen |= is_partial || defaulted.contains(&name) || !self.columns.contains(&name);
            self.has_exact_key &= !is_key || collation == "BINARY";
            if is_key && let Identity::Key(key) = &mut self.identity {
                let position = self.columns.iter().position(|column| *column == name);
                key.push((position.ok_or_else(|| Error::unsupported("its key is computed"))?, collation));
                continue;
            }
            if current.as_deref() != Some(index) {
                current = Some(index.to_owned());
                self.uniques.push(Vec::new());
            }
            if let Some(unique) = self.uniques.last_mut() {
                unique.push((name, collation));
            }
        }
        Ok(())
    }

    /// Whether the rows may have another order than their lines: where the key ignores case, or has whole numbers and
    /// fractions in one column.
    pub fn has_other_order(&self, storage: &Storage) -> Result<bool> {
        let Identity::Key(key) = &self.identity else {
            return Ok(false);
        };
        if key.iter().any(|(_, collation)| collation != "BINARY") {
            return Ok(true);
        }
        if self.has_exact_key {
            return Ok(false);
        }
        let names = key.iter().filter_map(|(column, _)| self.columns.get(*column));
        let mixed: Vec<String> = names
            .map(|name| quoted(name))
            .map(|name| format!("(max(typeof({name}) = 'real') AND max(typeof({name}) = 'integer'))"))
            .collect();
        let select = format!("SELECT {} FROM {}", mixed.join(" OR "), quoted(&self.name));
        Ok(storage.number(&select, &[])? != 0)
    }

    /// Whether a row can be asked for by the key under which it was changed, in one query with whether it is there.
    pub fn is_trackable(&self) -> bool {
        match &self.identity {
            Identity::Rowid(_) => true,
            Identity::Key(key) => self.has_exact_key && self.columns.len() + key.len() < RESULTS_MAX,
        }
    }

    /// Whether a column is part of what tells rows apart, other than by their rowid.
    pub fn is_key(&self, position: usize) -> bool {
        matches!(&self.identity, Identity::Key(key) if key.iter().any(|(column, _)| *column == position))
    }

    /// The names under which a row's values are kept while it is watched: one for each column.
    pub fn kept_columns(&self) -> Vec<String> {
        (0..self.columns.len()).map(|position| format!("c{position}")).collect()
    }

    /// The columns' names, as SQL.
    pub fn named_columns(&self) -> Vec<String> {
        self.columns.iter().map(|column| quoted(column)).collect()
    }

    /// The line of the row whose values come next in `reader`, those that tell it apart first; its key over
    /// `key`, the line over `line`.
    pub fn line(&self, reader: &mut Reader<'_>, key: &mut String, line: &mut Vec<u8>) -> Result<()> {
        let rowid = match self.identity {
            Identity::Rowid(_) => Some(integer(reader.value()?)?),
            Identity::Key(_) => None,
        };
        let mut values = Vec::with_capacity(self.columns.len());
        for _ in &self.columns {
            values.push(value(reader.value()?)?);
        }
        key.clear();
        key.push_str(&self.prefix);
        match (&self.identity, rowid) {
            (Identity::Key(columns), _) => {
                let key_values: Vec<Value<'_>> =
                    columns.iter().filter_map(|(column, _)| values.get(*column).cloned()).collect();
                push_place(RowPlace::Key(&key_values), key);
            }
            (Identity::Rowid(_), rowid) => push_place(RowPlace::Rowid(rowid.unwrap_or_default()), key),
        }
        line.clear();
        // Doubling a large line would take twice its room.
        line.reserve_exact(2 * key.len() + spelled_values_bytes(&values) + 16);
        push_line(key, values, line);
        Ok(())
    }
}

/// Whether a column of this declared type has each value in one form: as an integer, or as text. Source:
/// "Determination Of Column Affinity", sqlite.org/datatype3.html.
fn converts_exactly(declared: &str) -> bool {
    let declared = declared.to_ascii_uppercase();
    ["INT", "CHAR", "CLOB", "TEXT"].iter().any(|part| declared.contains(part))
}

/// A name as SQL.
pub fn quoted(name: &str) -> String {
    let mut quoted = String::new();
    push_name(name, &mut quoted);
    quoted
}

/// An expression for what is stored, so that every storage class crosses to JavaScript as it is: NULL and
/// REAL as they are, an INTEGER as its digits, TEXT and BLOB as bytes behind a letter.
pub fn crossing(column: &str) -> String {
    format!(
        "CASE typeof({column}) WHEN 'integer' THEN CAST({column} AS TEXT) \
         WHEN 'text' THEN CAST('t'||{column} AS BLOB) WHEN 'blob' THEN CAST('b'||{column} AS BLOB) \
         ELSE {column} END"
    )
}

/// The value that crossed by [`crossing`].
pub fn value(given: Given<'_>) -> Result<Value<'_>> {
    Ok(match given {
        Given::Null => Value::Null,
        Given::Number(number) => Value::Real(number),
        Given::Text(_) => Value::Integer(integer(given)?),
        Given::Bytes([b't', text @ ..]) => Value::Text(text.into()),
        Given::Bytes([b'b', bytes @ ..]) => Value::Blob(bytes.into()),
        Given::Bytes(_) => return Err(Error::malformed("a value has no type")),
    })
}

fn integer(given: Given<'_>) -> Result<i64> {
    given.text()?.parse().map_err(|_| Error::malformed("an integer has other than digits"))
}
