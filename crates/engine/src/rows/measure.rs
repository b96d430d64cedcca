//! What a database's lines amount to.

use serde::Serialize;

use super::key::{RowKey, rowid_of};
use super::line::Value;
use super::parse::Line;
use crate::error::{Error, Result};
use crate::image::lookup::{KEY_VALUE_TABLE, METADATA_TABLE};
use crate::image::sql::TableShape;
use crate::limits;
use crate::measure::{
    AlarmReport, Entry, HEAD_BYTES, KeyValueReport, KeyValues, LimitFinding, MAX_EXAMINED_BYTES, ValueFacts,
    Watch, object_limits, see_row,
};

/// Tables of a report: more than SQLite would open in reasonable time.
const TABLES_MAX: usize = 100_000;

/// Bytes of all their names: what is more is no schema that SQLite opens.
const NAMES_BYTES_MAX: usize = 16 << 20;

/// Bytes of a record's header that a length in one byte can tell.
const SHORT_HEADER_BYTES: u64 = 126;

/// The report on an object by its rows.
#[derive(Debug, Serialize)]
pub struct ObjectReport {
    /// Its lines.
    pub rows: RowsReport,
    /// The entries of `_cf_KV`, where there is such a table.
    pub key_values: Option<KeyValueReport>,
    /// The alarm, where one is set.
    pub alarm: Option<AlarmReport>,
    /// The largest things that limits apply to.
    pub limits: Vec<LimitFinding>,
}

/// What lines there are.
#[derive(Debug, Default, Serialize)]
pub struct RowsReport {
    /// Definitions of tables, indexes, views and triggers.
    pub definition_count: u64,
    /// Bytes of their lines.
    pub definition_line_bytes: u64,
    /// Entries of the key-value storage.
    pub entry_count: u64,
    /// Bytes of their lines.
    pub entry_line_bytes: u64,
    /// Tables with rows, in the order of their names.
    pub tables: Vec<TableReport>,
}

/// What is in one table.
#[derive(Debug, Serialize)]
pub struct TableReport {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub row_count: u64,
    /// Bytes of the rows' lines: JSON, so mostly more than SQLite takes for them.
    pub line_bytes: u64,
    /// Bytes of the rows' values as SQLite stores values: text and BLOBs have their length, integers up to
    /// 8 bytes, real numbers 8, NULL none. What tells rows, columns and pages apart comes to it.
    pub value_bytes: u64,
}

/// Counts lines in memory that does not grow with their number.
#[derive(Debug)]
pub struct RowsMeasure {
    now_ms: f64,
    rows: RowsReport,
    names_bytes: usize,
    key_values: Option<KeyValues>,
    alarm: Option<AlarmReport>,
    row: Watch,
    columns: Watch,
}

impl RowsMeasure {
    /// Nothing counted yet. Entries are expired that expire before `now_ms`, in milliseconds since 1970.
    pub fn new(now_ms: i64) -> Self {
        RowsMeasure {
            now_ms: now_ms as f64,
            rows: RowsReport::default(),
            names_bytes: 0,
            key_values: None,
            alarm: None,
            row: Watch::new(&limits::ROW),
            columns: Watch::new(&limits::COLUMNS),
        }
    }

    /// Counts the next line in the order of keys, given without its line feed.
    ///
    /// # Errors
    /// Corrupt where it is none of rows.
    pub fn add(&mut self, line: &[u8], facts: &impl ValueFacts) -> Result<()> {
        let parsed = Line::parse(line)?;
        let values = parsed.values()?;
        let line_bytes = line.len() as u64 + 1;
        match RowKey::parse(&parsed.key)? {
            RowKey::Row(table, place) => {
                let sizes = RecordSizes::of(&values);
                see_row(&mut self.row, sizes.record_bytes(), &table, rowid_of(place));
                match &*table {
                    KEY_VALUE_TABLE => {
                        self.rows.entry_count += 1;
                        self.rows.entry_line_bytes += line_bytes;
                        return self.entry(&values, sizes.record_bytes(), facts);
                    }
                    METADATA_TABLE => self.metadata(&values),
                    _ => {}
                }
                let counted = self.table(&table)?;
                counted.row_count += 1;
                counted.line_bytes += line_bytes;
                counted.value_bytes += sizes.value_bytes;
            }
            key => {
                self.rows.definition_count += 1;
                self.rows.definition_line_bytes += line_bytes;
                if let (RowKey::Definition("table", name), [_, Value::Text(sql)]) = (key, values.as_slice()) {
                    let shape = TableShape::of(&String::from_utf8_lossy(sql));
                    self.columns.see(shape.column_count.into(), name.as_bytes());
                    if name == KEY_VALUE_TABLE {
                        self.key_values();
                    }
                }
            }
        }
        Ok(())
    }

    fn table(&mut self, name: &str) -> Result<&mut TableReport> {
        let tables = &mut self.rows.tables;
        if tables.last().is_none_or(|last| last.name != name) {
            self.names_bytes = self.names_bytes.saturating_add(name.len());
            if tables.len() >= TABLES_MAX || self.names_bytes > NAMES_BYTES_MAX {
                return Err(Error::unsupported(format!(
                    "rows of more than {TABLES_MAX} tables, or names of more than {NAMES_BYTES_MAX} bytes"
                )));
            }
            tables.push(TableReport { name: name.into(), row_count: 0, line_bytes: 0, value_bytes: 0 });
        }
        // One was there or has just been made.
        tables.last_mut().ok_or_else(|| Error::corrupt("a row belongs to no table"))
    }

    fn key_values(&mut self) -> &mut KeyValues {
        self.key_values.get_or_insert_with(|| KeyValues::new(self.now_ms))
    }

    fn entry(&mut self, values: &[Value<'_>], record_bytes: u64, facts: &impl ValueFacts) -> Result<()> {
        let [Value::Text(key), value] = values else {
            return Err(Error::corrupt("an entry of the key-value storage is not one"));
        };
        let whole: &[u8] = match value {
            Value::Blob(bytes) | Value::Text(bytes) => bytes,
            _ => &[],
        };
        let value_bytes = whole.len() as u64;
        let examined = match record_bytes <= MAX_EXAMINED_BYTES {
            true => whole,
            false => whole.get(..HEAD_BYTES as usize).unwrap_or(whole),
        };
        let is_blob = matches!(value, Value::Blob(_));
        self.key_values().add(Entry { key, value_bytes, value: examined, is_blob }, facts);
        Ok(())
    }

    fn metadata(&mut self, values: &[Value<'_>]) {
        if let [Value::Integer(1), Value::Integer(nanoseconds)] = values {
            self.alarm = AlarmReport::of_nanoseconds(*nanoseconds);
        }
    }

    /// Makes the report. `used_bytes` are those of the database's pages that are not free, where that is known.
    pub fn report(self, used_bytes: Option<u64>) -> ObjectReport {
        ObjectReport {
            limits: object_limits(used_bytes, self.key_values.as_ref(), &self.row, &self.columns),
            rows: self.rows,
            key_values: self.key_values.map(KeyValues::report),
            alarm: self.alarm,
        }
    }
}

/// What a row takes as SQLite's record, if every value is one of the record's: of a column that is the rowid
/// SQLite stores none, and whole numbers in a column of real ones as integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RecordSizes {
    header_bytes: u64,
    value_bytes: u64,
}

impl RecordSizes {
    fn of(values: &[Value<'_>]) -> Self {
        let (mut types_bytes, mut value_bytes) = (0, 0);
        for value in values {
            let (serial_type, bytes) = match value {
                Value::Null => (0, 0),
                Value::Integer(number) => (0, integer_bytes(*number)),
                Value::Real(_) => (0, 8),
                Value::Text(bytes) => (bytes.len() as u64 * 2 + 13, bytes.len() as u64),
                Value::Blob(bytes) => (bytes.len() as u64 * 2 + 12, bytes.len() as u64),
            };
            types_bytes += varint_bytes(serial_type);
            value_bytes += bytes;
        }
        // The header's length counts itself.
        let header_bytes = match types_bytes <= SHORT_HEADER_BYTES {
            true => types_bytes + 1,
            false => {
                let length = varint_bytes(types_bytes);
                types_bytes + varint_bytes(types_bytes + length)
            }
        };
        RecordSizes { header_bytes, value_bytes }
    }

    fn record_bytes(&self) -> u64 {
        self.header_bytes + self.value_bytes
    }
}

/// Bytes that SQLite takes for an integer.
fn integer_bytes(number: i64) -> u64 {
    // Without its sign, which takes a bit.
    let bits = 64 - (if number < 0 { !number } else { number }).leading_zeros();
    match bits {
        _ if matches!(number, 0 | 1) => 0,
        ..=7 => 1,
        8..=15 => 2,
        16..=23 => 3,
        24..=31 => 4,
        32..=47 => 6,
        _ => 8,
    }
}

/// Bytes of a variable-length integer of SQLite's.
fn varint_bytes(number: u64) -> u64 {
    let bits = u64::from(64 - number.leading_zeros());
    bits.div_ceil(7).clamp(1, 9)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::{Definition, push_line, table_prefix};
    use super::*;
    use rusqlite::types::Value as Sql;
    use rusqlite::{Connection, params_from_iter};

    struct Plain;

    impl ValueFacts for Plain {
        fn kind(&self, _: &[u8]) -> Option<&'static str> {
            Some("plain")
        }

        fn expires_at_ms(&self, _: &[u8]) -> Option<f64> {
            None
        }

        fn may_be_record(&self, _: &[u8], _: &[u8]) -> bool {
            false
        }
    }

    #[test]
    fn records_are_as_large_as_those_that_sqlite_writes() {
        let mut rows: Vec<Vec<Sql>> = Vec::new();
        for bits in [0, 1, 7, 8, 15, 16, 23, 24, 31, 32, 47, 48, 62] {
            for number in [1_i64 << bits, (1 << bits) - 1, -(1 << bits), -(1 << bits) - 1] {
                rows.push(vec![Sql::Integer(number), Sql::Null]);
            }
        }
        rows.push(vec![Sql::Integer(i64::MIN), Sql::Integer(i64::MAX)]);
        rows.push(vec![Sql::Real(1.5), Sql::Text(String::new())]);
        for length in [1, 50, 57, 58, 5_000, 8_186, 8_187, 200_000, 1_048_570, 1_048_571] {
            rows.push(vec![Sql::Blob(vec![1; length]), Sql::Text("é".repeat(length / 2))]);
        }
        for columns in [124, 125, 126, 127, 128, 400] {
            rows.push(vec![Sql::Text("x".repeat(60)); columns]);
            rows.push(vec![Sql::Null; columns]);
        }
        for row in rows {
            let connection = Connection::open_in_memory().unwrap();
            let columns: Vec<String> = (0..row.len()).map(|column| format!("c{column}")).collect();
            connection.execute(&format!("CREATE TABLE t ({})", columns.join(", ")), []).unwrap();
            let marks = vec!["?"; row.len()].join(", ");
            connection.execute(&format!("INSERT INTO t VALUES ({marks})"), params_from_iter(&row)).unwrap();
            let stored: i64 = connection
                .query_row("SELECT sum(payload) FROM dbstat WHERE name = 't'", [], |row| row.get(0))
                .unwrap();
            let values: Vec<Value<'_>> = row
                .iter()
                .map(|value| match value {
                    Sql::Null => Value::Null,
                    Sql::Integer(number) => Value::Integer(*number),
                    Sql::Real(number) => Value::Real(*number),
                    Sql::Text(text) => Value::Text(text.as_bytes().into()),
                    Sql::Blob(bytes) => Value::Blob(bytes.into()),
                })
                .collect();
            assert_eq!(RecordSizes::of(&values).record_bytes(), stored as u64, "{} columns", row.len());
        }
    }

    fn line(table: &str, place: &str, values: Vec<Value<'_>>) -> Vec<u8> {
        let mut line = Vec::new();
        push_line(&format!("{}{place}", table_prefix(table)), values, &mut line);
        line
    }

    fn definition(name: &str, sql: &str) -> Vec<u8> {
        let mut line = Vec::new();
        let kind = if sql.starts_with("CREATE INDEX") { "index" } else { "table" };
        Definition { kind: kind.into(), name: name.into(), table: name.into(), sql: sql.into() }
            .push_line(&mut line);
        line
    }

    fn text(text: &str) -> Value<'_> {
        Value::Text(text.as_bytes().into())
    }

    #[test]
    fn an_object_by_its_lines() {
        let blob = |length: usize| Value::Blob(vec![b'v'; length].into());
        let large = 1_700_000;
        let columns: Vec<String> = (0..81).map(|column| format!("c{column} TEXT")).collect();
        let lines = [
            definition("by_name", "CREATE INDEX by_name ON plain (name)"),
            definition("_cf_KV", "CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID"),
            definition("plain", "CREATE TABLE plain (id INTEGER PRIMARY KEY, name)"),
            definition("wide", &format!("CREATE TABLE wide ({})", columns.join(", "))),
            line("_cf_KV", ":a:1", vec![text("a:1"), blob(10)]),
            line("_cf_KV", ":a:2", vec![text("a:2"), blob(MAX_EXAMINED_BYTES as usize)]),
            line("_cf_METADATA", "#a1", vec![Value::Integer(1), Value::Integer(1_700_000_000_123_456_789)]),
            line("plain", "#a7", vec![Value::Integer(300), text("seven")]),
            line("plain", "#a8", vec![Value::Integer(0), blob(large)]),
        ];
        let mut measure = RowsMeasure::new(0);
        for line in &lines {
            measure.add(line, &Plain).unwrap();
        }
        let report = measure.report(Some(8_000_000_000));
        assert_eq!((report.rows.definition_count, report.rows.entry_count), (4, 2));
        let bytes = |lines: &[Vec<u8>]| lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>();
        assert_eq!(report.rows.definition_line_bytes, bytes(&lines[..4]));
        assert_eq!(report.rows.entry_line_bytes, bytes(&lines[4..6]));
        let [metadata, plain] = report.rows.tables.as_slice() else {
            panic!("{:?}", report.rows.tables);
        };
        assert_eq!((metadata.name.as_str(), metadata.row_count), (METADATA_TABLE, 1));
        assert_eq!((plain.name.as_str(), plain.row_count), ("plain", 2));
        assert_eq!((plain.line_bytes, plain.value_bytes), (bytes(&lines[7..]), 2 + 5 + large as u64));
        let entries = report.key_values.unwrap();
        assert_eq!((entries.count, entries.key_bytes, entries.value_bytes), (2, 6, MAX_EXAMINED_BYTES + 10));
        assert_eq!(entries.expiry.unexamined_count, 1);
        assert_eq!(report.alarm.unwrap().unix_ms, 1_700_000_000_123);
        let found: Vec<_> = report
            .limits
            .iter()
            .map(|found| (found.limit, found.actual_bytes.or(found.actual_count), found.key.as_deref()))
            .collect();
        // A header of 1 + 1 + 4 bytes.
        assert_eq!(
            found,
            [
                ("object", Some(8_000_000_000), None),
                ("key-and-value", Some(MAX_EXAMINED_BYTES + 3), Some("a:2")),
                ("row", Some(large as u64 + 6), Some("plain rowid 8")),
                ("columns", Some(81), Some("wide")),
                ("kv-backend-key", Some(3), Some("a:1")),
                ("kv-backend-value", Some(MAX_EXAMINED_BYTES), Some("a:2")),
            ]
        );
        for (limit, status) in [(0, "Warn"), (1, "Ok"), (2, "Warn"), (3, "Warn"), (4, "Ok"), (5, "Exceeded")]
        {
            assert_eq!(format!("{:?}", report.limits[limit].status), status, "{limit}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_reported() {
        let report = RowsMeasure::new(0).report(None);
        assert!(report.key_values.is_none() && report.alarm.is_none());
        let limits: Vec<_> = report.limits.iter().map(|found| found.limit).collect();
        assert_eq!(limits, ["row", "columns"]);
        // Entries may come and go, and their table stays.
        let mut measure = RowsMeasure::new(0);
        measure.add(&definition("_cf_KV", "CREATE TABLE _cf_KV (key, value)"), &Plain).unwrap();
        assert_eq!(measure.report(None).key_values.unwrap().count, 0);
        for wrong in [
            line("_cf_KV", ":a", vec![text("a")]),
            line("_cf_KV", ":a", vec![Value::Null, Value::Null]),
            b"[\"elsewhere\",[1]]".to_vec(),
            b"[\"row/t/#a1\",{}]".to_vec(),
        ] {
            assert!(RowsMeasure::new(0).add(&wrong, &Plain).is_err());
        }
    }
}
