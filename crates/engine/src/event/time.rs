//! Times as events write them.

use crate::id::Time;

/// Milliseconds since 1970 that the text of a JSON string or number says: RFC 3339, or Unix
/// milliseconds (fractions are dropped).
pub(super) fn milliseconds(text: &[u8]) -> Option<i64> {
    if let Some(time) = plain(text) {
        return Some(time);
    }
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(time) = text.parse::<Time>() {
        return Some(time.unix_ms());
    }
    let number: f64 = text.parse().ok()?;
    let whole = number.floor();
    // Within the years that a time may have, where every whole number is exact.
    Time::from_unix_ms(if whole.abs() < 1e15 { whole as i64 } else { return None }).ok().map(Time::unix_ms)
}

/// `2026-01-13T12:00:00.123Z`, the form that `toISOString` gives, without a general parser.
fn plain(text: &[u8]) -> Option<i64> {
    let text: &[u8; 24] = text.try_into().ok()?;
    let shape = text[4] == b'-'
        && text[7] == b'-'
        && text[10] == b'T'
        && text[13] == b':'
        && text[16] == b':'
        && text[19] == b'.'
        && text[23] == b'Z';
    if !shape {
        return None;
    }
    let mut valid = true;
    let mut digit = |place: usize| {
        let value = text.get(place).map_or(10, |byte| byte.wrapping_sub(b'0'));
        valid &= value < 10;
        i64::from(value)
    };
    let year = digit(0) * 1000 + digit(1) * 100 + digit(2) * 10 + digit(3);
    let month = digit(5) * 10 + digit(6);
    let day = digit(8) * 10 + digit(9);
    let hour = digit(11) * 10 + digit(12);
    let minute = digit(14) * 10 + digit(15);
    let second = digit(17) * 10 + digit(18);
    let millisecond = digit(20) * 100 + digit(21) * 10 + digit(22);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !valid
        || !(1..=12).contains(&month)
        || day < 1
        || day > month_days
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    // Days since 1970 by Howard Hinnant's `days_from_civil`: years begin in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days =
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + millisecond)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_short_way_agrees_with_the_long_one(unix_ms in -60_000_000_000_000_i64..250_000_000_000_000) {
            let text = Time::from_unix_ms(unix_ms).unwrap().to_string();
            prop_assert_eq!(plain(text.as_bytes()), Some(unix_ms));
        }
    }

    #[test]
    fn other_forms() {
        assert_eq!(milliseconds(b"1699123456789"), Some(1_699_123_456_789));
        assert_eq!(milliseconds(b"1699123456789.75"), Some(1_699_123_456_789));
        assert_eq!(milliseconds(b"2026-01-13T12:00:00Z"), Some(1_768_305_600_000));
        assert_eq!(milliseconds(b"2026-01-13T13:00:00.5+01:00"), Some(1_768_305_600_500));
        for wrong in
            [&b"2026-02-30T12:00:00.000Z"[..], b"yesterday", b"1e300", b"", b"2026-13-01T00:00:00.000Z"]
        {
            assert_eq!(milliseconds(wrong), None);
        }
    }
}
