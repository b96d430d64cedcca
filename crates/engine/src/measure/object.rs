//! What concerns an object as a whole, whether its pages are looked at or its rows.

use serde::Serialize;

use super::key_values::KeyValues;
use super::watch::{LimitFinding, Watch};
use crate::id::Time;
use crate::limits;

/// When the object asked to be woken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmReport {
    /// In milliseconds since 1970.
    pub unix_ms: i64,
    /// The same as RFC 3339.
    pub time: Time,
}

impl AlarmReport {
    /// Of an alarm as workerd keeps it.
    pub(crate) fn of_nanoseconds(nanoseconds: i64) -> Option<AlarmReport> {
        let unix_ms = nanoseconds.div_euclid(1_000_000);
        // No number of nanoseconds is outside the years that a time can have.
        Time::from_unix_ms(unix_ms).ok().map(|time| AlarmReport { unix_ms, time })
    }
}

/// Sees a row of `table` whose record has `record_bytes`.
#[inline]
pub(crate) fn see_row(rows: &mut Watch, record_bytes: u64, table: &str, rowid: Option<i64>) {
    match rowid {
        Some(rowid) if record_bytes >= limits::ROW.warn_from() => {
            rows.see(record_bytes, format!("{table} rowid {rowid}").as_bytes());
        }
        _ => rows.see(record_bytes, table.as_bytes()),
    }
}

/// How near an object is to its limit, by the bytes of its database's pages that are not free.
pub(crate) fn object_limit(used_bytes: u64) -> LimitFinding {
    let mut object = Watch::new(&limits::OBJECT);
    object.see(used_bytes, &[]);
    object.finding()
}

/// The same, where that is known, and how near what it holds is to limits, in the order of reports.
pub(crate) fn object_limits(
    used_bytes: Option<u64>,
    key_values: Option<&KeyValues>,
    rows: &Watch,
    columns: &Watch,
) -> Vec<LimitFinding> {
    let mut limits: Vec<LimitFinding> = used_bytes.map(object_limit).into_iter().collect();
    limits.extend(key_values.map(|found| found.key_and_value.finding()));
    limits.extend([rows.finding(), columns.finding()]);
    if let Some(found) = key_values {
        limits.extend([found.key.finding(), found.value.finding()]);
    }
    limits
}
