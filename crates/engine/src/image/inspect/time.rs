//! A time of the clock as text.

/// A time in milliseconds since 1970 as RFC 3339 in UTC, with milliseconds.
pub(super) fn rfc_3339(unix_ms: i64) -> String {
    let days = unix_ms.div_euclid(86_400_000);
    let ms = unix_ms.rem_euclid(86_400_000);
    // Days to a civil date in eras of 400 years that begin on 1 March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1_000 % 60,
        ms % 1_000
    )
}

#[cfg(test)]
mod tests {
    use super::rfc_3339;

    #[test]
    fn known_times() {
        assert_eq!(rfc_3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc_3339(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc_3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc_3339(1_790_000_000_123), "2026-09-21T14:13:20.123Z");
        assert_eq!(rfc_3339(i64::MAX / 1_000_000), "2262-04-11T23:47:16.854Z");
    }
}
