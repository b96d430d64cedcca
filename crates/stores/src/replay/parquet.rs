//! Parquet files, as a sink of Pipelines writes them: every row as JSON.

use std::fmt::Write;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::value::RawValue;

use dotctl_engine::id::Time;
use dotctl_engine::{Error, Result};

use super::source::LogFile;

/// Bytes of a file that lies in a bucket, at most: it is in memory as a whole.
const FETCHED_BYTES_MAX: u64 = 64 << 20;

/// Levels of groups and lists in a row at most.
const DEPTH_MAX: usize = 32;

/// Columns that hold JSON objects, which sinks without a JSON type write as text.
const OBJECTS: [&str; 5] = ["payload", "_meta", "before", "after", "value"];

/// Shows every row of `source` to `visit`, with its number from 1 on, as a JSON object.
///
/// # Errors
/// Malformed, for what is no Parquet file; those of reading and of `visit`.
pub fn each_row(source: &LogFile, visit: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
    match source.plain()? {
        Some(file) => rows(source, file, visit),
        None => rows(source, Bytes::from(source.whole(FETCHED_BYTES_MAX)?), visit),
    }
}

fn rows<R: ChunkReader + 'static>(
    source: &LogFile,
    bytes: R,
    visit: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let damaged = |error: ParquetError| {
        Error::malformed(format!("the Parquet file cannot be read: {error}")).at(&*source.name)
    };
    let reader = SerializedFileReader::new(bytes).map_err(damaged)?;
    let mut text = String::new();
    for (number, row) in reader.get_row_iter(None).map_err(damaged)?.enumerate() {
        let row = row.map_err(damaged)?;
        text.clear();
        object(&row, 0, &mut text);
        visit(number as u64 + 1, text.as_bytes())?;
    }
    Ok(())
}

fn object(row: &Row, depth: usize, into: &mut String) {
    into.push('{');
    let mut begun = false;
    for (name, field) in row.get_column_iter() {
        // What is not there is left out: an event's member that is null says nothing.
        if matches!(field, Field::Null) {
            continue;
        }
        if std::mem::replace(&mut begun, true) {
            into.push(',');
        }
        string(name, into);
        into.push(':');
        match field {
            Field::Str(text) if OBJECTS.contains(&name.as_str()) && is_object(text) => into.push_str(text),
            field => value(field, depth + 1, into),
        }
    }
    into.push('}');
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok()
}

fn string(text: &str, into: &mut String) {
    // Text is always JSON.
    into.push_str(&serde_json::Value::from(text).to_string());
}

fn value(field: &Field, depth: usize, into: &mut String) {
    // Writing to a String cannot fail.
    let _ = match field {
        Field::Null => write!(into, "null"),
        Field::Bool(value) => write!(into, "{value}"),
        Field::Byte(number) => write!(into, "{number}"),
        Field::Short(number) => write!(into, "{number}"),
        Field::Int(number) | Field::Date(number) | Field::TimeMillis(number) => write!(into, "{number}"),
        Field::Long(number) | Field::TimeMicros(number) => write!(into, "{number}"),
        Field::UByte(number) => write!(into, "{number}"),
        Field::UShort(number) => write!(into, "{number}"),
        Field::UInt(number) => write!(into, "{number}"),
        Field::ULong(number) => write!(into, "{number}"),
        Field::Float(number) => write!(into, "{}", serde_json::Value::from(*number)),
        Field::Double(number) => write!(into, "{}", serde_json::Value::from(*number)),
        Field::TimestampMillis(unix_ms) => return time(*unix_ms, into),
        Field::TimestampMicros(unix_us) => return time(unix_us.div_euclid(1000), into),
        Field::Str(text) => return string(text, into),
        Field::Bytes(bytes) => return string(&String::from_utf8_lossy(bytes.data()), into),
        Field::Group(row) if depth < DEPTH_MAX => return object(row, depth, into),
        Field::ListInternal(list) if depth < DEPTH_MAX => {
            into.push('[');
            for (place, element) in list.elements().iter().enumerate() {
                if place > 0 {
                    into.push(',');
                }
                value(element, depth + 1, into);
            }
            into.push(']');
            Ok(())
        }
        Field::MapInternal(map) if depth < DEPTH_MAX => {
            into.push('{');
            for (place, (name, element)) in map.entries().iter().enumerate() {
                if place > 0 {
                    into.push(',');
                }
                match name {
                    Field::Str(name) => string(name, into),
                    other => string(&other.to_string(), into),
                }
                into.push(':');
                value(element, depth + 1, into);
            }
            into.push('}');
            Ok(())
        }
        other => return string(&other.to_string(), into),
    };
}

fn time(unix_ms: i64, into: &mut String) {
    match Time::from_unix_ms(unix_ms) {
        Ok(time) => string(&time.to_string(), into),
        Err(_) => string("", into),
    }
}
