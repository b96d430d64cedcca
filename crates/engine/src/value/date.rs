//! Dates as `Date.prototype.toISOString` prints them.

use std::fmt::Write;

/// Farthest time from 1970 that a Date can have, in milliseconds (ECMAScript, time values).
const MAXIMUM_MS: f64 = 8.64e15;
const DAY_MS: i64 = 86_400_000;

/// Appends `2026-01-01T00:00:00.000Z`; false, and nothing, for a number that is no time value:
/// NaN, a fraction, -0 or too far away.
pub(super) fn push_iso(out: &mut String, milliseconds: f64) -> bool {
    let is_time = milliseconds.abs() <= MAXIMUM_MS
        && milliseconds.fract() == 0.0
        && !(milliseconds == 0.0 && milliseconds.is_sign_negative());
    if !is_time {
        return false;
    }
    let milliseconds = milliseconds as i64;
    let (year, month, day) = civil(milliseconds.div_euclid(DAY_MS));
    let time = milliseconds.rem_euclid(DAY_MS);
    // Writing to a String does not fail.
    let _ = match year {
        0..=9999 => write!(out, "{year:04}"),
        _ => write!(out, "{year:+07}"),
    };
    let _ = write!(
        out,
        "-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        time / 3_600_000,
        time / 60_000 % 60,
        time / 1000 % 60,
        time % 1000
    );
    true
}

/// The year, month and day of a day counted from 1970-01-01, in the Gregorian calendar extended
/// both ways. Counts years from March, so that the leap day is the last (Howard Hinnant,
/// "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}
