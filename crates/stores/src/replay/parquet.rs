//! Parquet files, as a sink of Pipelines writes them: every row as JSON.

use std::fmt::Write;

use parquet::basic::{LogicalType, TimeUnit};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use serde_json::value::RawValue;

use dotctl_engine::id::Time;
use dotctl_engine::{Error, ErrorKind, Result};

use super::object_blocks::ObjectBlocks;
use super::source::LogFile;
use crate::guarded::guarded;
use crate::interrupt;

/// Levels of groups and lists in a row at most.
const DEPTH_MAX: usize = 32;

/// Columns that hold JSON objects, which sinks without a JSON type write as text.
const OBJECTS: [&str; 5] = ["payload", "_meta", "before", "after", "value"];

/// Shows the rows of `source` to `visit`, each with its number from 1 on, as a JSON object, for as long
/// as it says so.
///
/// # Errors
/// Malformed, for what is no Parquet file; those of reading and of `visit`.
pub fn each_row(source: &LogFile, visit: &mut dyn FnMut(u64, &[u8]) -> Result<bool>) -> Result<()> {
    match (source.plain()?, source.object()) {
        (Some(file), _) => rows(source, file, visit),
        (None, Some((objects, key, bytes))) => rows(source, ObjectBlocks::new(objects, key, bytes), visit),
        (None, None) => Err(Error::unsupported("Parquet is read from its end, which a pipe does not have")
            .at(&*source.name)
            .hint("write it into a file first")),
    }
}

fn rows<R: ChunkReader + 'static>(
    source: &LogFile,
    bytes: R,
    visit: &mut dyn FnMut(u64, &[u8]) -> Result<bool>,
) -> Result<()> {
    let failed = |error| failure(source, error);
    let panicked = || damaged(source, "it contradicts itself");
    let reader = guarded(|| SerializedFileReader::new(bytes)).ok_or_else(panicked)?.map_err(failed)?;
    let file_metadata = reader.metadata().file_metadata();
    // Rows of no columns take no bytes, so that a file can claim any number of them.
    if file_metadata.schema_descr().num_columns() == 0 {
        return Err(damaged(source, "it has no columns"));
    }
    let schema = file_metadata.schema();
    let mut rows = guarded(|| reader.get_row_iter(None)).ok_or_else(panicked)?.map_err(failed)?;
    let mut text = String::new();
    let mut number = 0;
    while let Some(row) = guarded(|| rows.next()).ok_or_else(panicked)? {
        number += 1;
        if number % 4096 == 0 {
            interrupt::check()?;
        }
        text.clear();
        object(&row.map_err(failed)?, Some(schema), 0, &mut text);
        if !visit(number, text.as_bytes())? {
            break;
        }
    }
    Ok(())
}

fn damaged(source: &LogFile, why: impl std::fmt::Display) -> Error {
    Error::malformed(format!("the Parquet file cannot be read: {why}")).at(&*source.name)
}

/// What `error` says of the file, or of the machine or server that could not read it.
fn failure(source: &LogFile, error: ParquetError) -> Error {
    if let ParquetError::External(inner) = &error {
        if let Some(error) = inner.downcast_ref::<Error>() {
            return error.clone().at(&*source.name);
        }
        if let Some(error) = inner.downcast_ref::<std::io::Error>() {
            let told = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
            if let Some(told) = told {
                return told.clone().at(&*source.name);
            }
            // The machine's errors have a number; the format's have none.
            if error.raw_os_error().is_some() {
                return Error::new(ErrorKind::Io, format!("it cannot be read: {error}")).at(&*source.name);
            }
        }
    }
    damaged(source, error)
}

/// The row as a JSON object; `schema` is its group.
fn object(row: &Row, schema: Option<&Type>, depth: usize, into: &mut String) {
    into.push('{');
    let mut begun = false;
    let fields = schema.filter(|schema| schema.is_group()).map(Type::get_fields).unwrap_or_default();
    for (place, (name, field)) in row.get_column_iter().enumerate() {
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
            field => value(field, fields.get(place).map(AsRef::as_ref), depth + 1, into),
        }
    }
    into.push('}');
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Whether a column's whole numbers are nanoseconds since 1970, which the reader does not tell.
fn is_nanoseconds(column: Option<&Type>) -> bool {
    let logical = column.and_then(|column| column.get_basic_info().logical_type_ref());
    matches!(logical, Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS)
}

fn string(text: &str, into: &mut String) {
    // Text is always JSON.
    into.push_str(&serde_json::Value::from(text).to_string());
}

fn value(field: &Field, column: Option<&Type>, depth: usize, into: &mut String) {
    // Writing to a String cannot fail.
    let _ = match field {
        Field::Null => write!(into, "null"),
        Field::Bool(value) => write!(into, "{value}"),
        Field::Byte(number) => write!(into, "{number}"),
        Field::Short(number) => write!(into, "{number}"),
        Field::Int(number) | Field::TimeMillis(number) => write!(into, "{number}"),
        Field::Long(unix_ns) if is_nanoseconds(column) => return time(unix_ns.div_euclid(1_000_000), into),
        Field::Long(number) | Field::TimeMicros(number) => write!(into, "{number}"),
        Field::UByte(number) => write!(into, "{number}"),
        Field::UShort(number) => write!(into, "{number}"),
        Field::UInt(number) => write!(into, "{number}"),
        Field::ULong(number) => write!(into, "{number}"),
        // What is no number becomes null.
        Field::Float16(number) => return float(number.to_f32(), into),
        Field::Float(number) => return float(*number, into),
        Field::Double(number) => return float(*number, into),
        Field::Date(days) => return date(*days, into),
        Field::TimestampMillis(unix_ms) => return time(*unix_ms, into),
        Field::TimestampMicros(unix_us) => return time(unix_us.div_euclid(1000), into),
        Field::Str(text) => return string(text, into),
        Field::Bytes(bytes) => return string(&String::from_utf8_lossy(bytes.data()), into),
        Field::Group(row) if depth < DEPTH_MAX => return object(row, column, depth, into),
        Field::ListInternal(list) if depth < DEPTH_MAX => {
            into.push('[');
            for (place, element) in list.elements().iter().enumerate() {
                if place > 0 {
                    into.push(',');
                }
                value(element, None, depth + 1, into);
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
                value(element, None, depth + 1, into);
            }
            into.push('}');
            Ok(())
        }
        other => return string(&other.to_string(), into),
    };
}

/// The shortest text that reads as the same number.
fn float(number: impl serde::Serialize, into: &mut String) {
    into.push_str(&serde_json::to_string(&number).unwrap_or_default());
}

/// `2026-01-13`, as the JSON of the same sink has it.
fn date(days: i32, into: &mut String) {
    match Time::from_unix_ms(i64::from(days) * 86_400_000) {
        Ok(time) => string(time.to_string().split('T').next().unwrap_or_default(), into),
        Err(_) => string("", into),
    }
}

fn time(unix_ms: i64, into: &mut String) {
    match Time::from_unix_ms(unix_ms) {
        Ok(time) => string(&time.to_string(), into),
        Err(_) => string("", into),
    }
}
