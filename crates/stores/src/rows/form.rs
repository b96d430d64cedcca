//! What the rows of a table look like, as records and as lines.

use std::borrow::Cow;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

use dotctl_engine::image::geometry::TextEncoding;
use dotctl_engine::image::record::{Column, Columns};
use dotctl_engine::rows::{RowPlace, Value, push_line, push_place, table_prefix};
use dotctl_engine::{Error, Result};

/// A table's columns, those that are computed left out.
#[derive(Debug)]
pub struct TableForm {
    /// The table's name.
    pub name: String,
    /// What the keys of its rows begin with.
    prefix: String,
    /// Its columns, in their order.
    pub columns: Vec<ColumnForm>,
    /// For each field of a record the column that it is of; none where that is computed.
    fields: Vec<Option<usize>>,
    /// The columns of the primary key, in a table WITHOUT ROWID.
    key: Option<Vec<usize>>,
    /// The name of the rowid, where it is no column's value.
    pub rowid_name: Option<&'static str>,
}

/// A column whose value is stored.
#[derive(Debug)]
pub struct ColumnForm {
    /// Its name.
    pub name: String,
    /// Whether its numbers are all REAL, though whole ones are stored as integers.
    is_real: bool,
    /// Whether it is the rowid.
    is_rowid: bool,
    /// What rows have that were stored before the column was added.
    default: Value<'static>,
}

/// A column as SQLite tells of it.
struct Told {
    name: String,
    declared: String,
    default: Option<String>,
    key_position: u32,
    hidden: u32,
}

impl TableForm {
    /// Asks `connection`, which has the table, what it looks like.
    pub fn of(connection: &Connection, name: &str) -> Result<Self> {
        let failed = |error: rusqlite::Error| {
            Error::unsupported(format!("SQLite does not tell what table {name:?} looks like: {error}"))
                .hint("a checkpoint of its pages needs no schema: --kind image")
        };
        let told = columns(connection, name).map_err(failed)?;
        let key_index: Option<String> = connection
            .query_row("SELECT name FROM pragma_index_list(?1) WHERE origin = 'pk'", [name], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        let without_rowid: bool = connection
            .query_row(
                "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
                [name],
                |row| row.get(0),
            )
            .map_err(failed)?;
        let mut places = Vec::new();
        let mut columns = Vec::new();
        let key_columns = told.iter().filter(|column| column.key_position > 0).count();
        for column in &told {
            // Computed: virtual (2) or stored (3).
            let is_stored = column.hidden == 0;
            places.push(is_stored.then_some(columns.len()));
            if is_stored {
                let is_rowid = column.key_position > 0
                    && key_columns == 1
                    && key_index.is_none()
                    && !without_rowid
                    && column.declared.eq_ignore_ascii_case("INTEGER");
                columns.push(ColumnForm {
                    name: column.name.clone(),
                    is_real: is_real(&column.declared),
                    is_rowid,
                    default: default(column).map_err(failed)?,
                });
            }
        }
        let stored = |position: usize| told.get(position).filter(|column| column.hidden != 2);
        let (fields, key) = match key_index.filter(|_| without_rowid) {
            None => {
                let fields = (0..told.len()).filter(|position| stored(*position).is_some());
                (fields.map(|position| places.get(position).copied().flatten()).collect(), None)
            }
            Some(index) => {
                let (fields, key) = key_fields(connection, &index, &places).map_err(failed)?;
                (fields, Some(key))
            }
        };
        let has_rowid_column = columns.iter().any(|column| column.is_rowid);
        let rowid_name = match without_rowid || has_rowid_column {
            true => None,
            false => Some(rowid_name(&told).ok_or_else(|| {
                Error::unsupported(format!("table {name:?} has columns with all names of the rowid"))
                    .hint("a checkpoint of its pages has it all: --kind image")
            })?),
        };
        Ok(TableForm { name: name.to_owned(), prefix: table_prefix(name), columns, fields, key, rowid_name })
    }

    /// The columns of the primary key, by their places in `columns`, in a table WITHOUT ROWID.
    pub fn key_columns(&self) -> Option<&[usize]> {
        self.key.as_deref()
    }

    /// The column that is the rowid, if one is.
    pub fn rowid_column(&self) -> Option<&ColumnForm> {
        self.columns.iter().find(|column| column.is_rowid)
    }

    /// Writes the line of the row that `record` stores, over what is in `line`; its key over `key`.
    pub fn line(
        &self,
        rowid: Option<i64>,
        record: &[u8],
        encoding: TextEncoding,
        key: &mut String,
        line: &mut Vec<u8>,
    ) -> Result<()> {
        let mut values: Vec<Value<'_>> = self.columns.iter().map(|column| column.default.clone()).collect();
        let mut fields = self.fields.iter();
        for column in Columns::of(record)? {
            let Some(field) = fields.next() else { break };
            let column = column?;
            let Some((place, form)) =
                field.and_then(|place| Some((values.get_mut(place)?, self.columns.get(place)?)))
            else {
                continue;
            };
            *place = match (column, rowid) {
                (_, Some(rowid)) if form.is_rowid => Value::Integer(rowid),
                (Column::Null, _) => Value::Null,
                (Column::Integer(number), _) if form.is_real => Value::Real(number as f64),
                (Column::Integer(number), _) => Value::Integer(number),
                (Column::Real(number), _) if number.is_nan() => Value::Null,
                (Column::Real(number), _) => Value::Real(number),
                (Column::Text(bytes), _) => Value::Text(self.text(bytes, encoding)?),
                (Column::Blob(bytes), _) => Value::Blob(bytes.into()),
            };
        }
        key.clear();
        key.push_str(&self.prefix);
        match (&self.key, rowid) {
            (Some(columns), _) => {
                let values: Vec<Value<'_>> =
                    columns.iter().filter_map(|column| values.get(*column).cloned()).collect();
                push_place(RowPlace::Key(&values), key);
            }
            (None, Some(rowid)) => push_place(RowPlace::Rowid(rowid), key),
            (None, None) => {
                return Err(
                    Error::malformed("a table with rowids is stored as one without").at(self.name.clone())
                );
            }
        }
        line.clear();
        push_line(key, values, line);
        Ok(())
    }

    fn text<'a>(&self, bytes: &'a [u8], encoding: TextEncoding) -> Result<Cow<'a, [u8]>> {
        let units: fn([u8; 2]) -> u16 = match encoding {
            TextEncoding::Utf8 => return Ok(bytes.into()),
            TextEncoding::Utf16Le => u16::from_le_bytes,
            TextEncoding::Utf16Be => u16::from_be_bytes,
        };
        let (pairs, rest) = bytes.as_chunks();
        let text: std::result::Result<String, _> =
            char::decode_utf16(pairs.iter().map(|pair| units(*pair))).collect();
        text.ok().filter(|_| rest.is_empty()).map(|text| text.into_bytes().into()).ok_or_else(|| {
            Error::unsupported("a text is not valid UTF-16, and would not come back as it is")
                .at(format!("table {:?}", self.name))
                .hint("a checkpoint of its pages has it as it is: --kind image")
        })
    }
}

fn columns(connection: &Connection, name: &str) -> rusqlite::Result<Vec<Told>> {
    let mut statement = connection
        .prepare("SELECT name, type, dflt_value, pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid")?;
    let rows = statement.query_map([name], |row| {
        Ok(Told {
            name: row.get(0)?,
            declared: row.get(1)?,
            default: row.get(2)?,
            key_position: row.get(3)?,
            hidden: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// The fields of a table WITHOUT ROWID, those of its primary key first; and the columns of that.
fn key_fields(
    connection: &Connection,
    index: &str,
    places: &[Option<usize>],
) -> rusqlite::Result<(Vec<Option<usize>>, Vec<usize>)> {
    let mut statement = connection.prepare("SELECT cid, key FROM pragma_index_xinfo(?1) ORDER BY seqno")?;
    let rows = statement.query_map([index], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)))?;
    let (mut fields, mut key) = (Vec::new(), Vec::new());
    for row in rows {
        let (column, is_key) = row?;
        let place = usize::try_from(column).ok().and_then(|column| places.get(column).copied().flatten());
        fields.push(place);
        key.extend(place.filter(|_| is_key));
    }
    Ok((fields, key))
}

/// Whether a column of this type has the affinity REAL: "Datatypes In SQLite", section 3.1.
fn is_real(declared: &str) -> bool {
    let declared = declared.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
    !has(&["INT", "CHAR", "CLOB", "TEXT", "BLOB"]) && has(&["REAL", "FLOA", "DOUB"])
}

fn rowid_name(columns: &[Told]) -> Option<&'static str> {
    let is_free = |name: &&str| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].into_iter().find(is_free)
}

/// What the column's default comes to in such a column.
fn default(column: &Told) -> rusqlite::Result<Value<'static>> {
    let Some(default) = &column.default else {
        return Ok(Value::Null);
    };
    // By itself, so that what else the table demands is no obstacle.
    let connection = Connection::open_in_memory()?;
    let declared = column.declared.replace('"', "\"\"");
    let declared = if declared.is_empty() { declared } else { format!("\"{declared}\"") };
    connection.execute_batch(&format!("CREATE TABLE one (value {declared} DEFAULT ({default}))"))?;
    connection.execute_batch("INSERT INTO one DEFAULT VALUES")?;
    connection.query_row("SELECT value FROM one", [], |row| {
        Ok(match row.get_ref(0)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(bytes) => Value::Text(bytes.to_vec().into()),
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec().into()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_with_the_affinity_of_reals() {
        for declared in ["REAL", "float", "DOUBLE PRECISION"] {
            assert!(is_real(declared), "{declared}");
        }
        for declared in
            ["", "INTEGER", "FLOATING POINT", "NUMERIC", "TEXT", "ANY", "REALTEXT", "DECIMAL(10,5)"]
        {
            assert!(!is_real(declared), "{declared}");
        }
    }
}
