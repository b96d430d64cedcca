//! Spans of time as people write and read them.

use std::time::Duration;

const UNITS: [(&str, u64); 6] =
    [("y", 365 * 86_400), ("w", 7 * 86_400), ("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];

/// Reads `90min`, `36h`, `7d`, `2w`, `1y` (365 days), and several of them together: `1d12h`.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let unit_names = "a duration is a whole number and a unit: s, min, h, d, w or y, as in 36h or 1d12h";
    let mut seconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let number: u64 = number.parse().map_err(|_| unit_names.to_owned())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(|| match unit {
            "m" | "M" => "`m` may be minutes or months: write min, or days".to_owned(),
            _ => unit_names.to_owned(),
        })?;
        seconds = number
            .checked_mul(*factor)
            .and_then(|more| seconds.checked_add(more))
            .ok_or_else(|| "a duration this long does not exist".to_owned())?;
        rest = after;
    }
    match text.is_empty() {
        true => Err(unit_names.to_owned()),
        false => Ok(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units() {
        assert_eq!(parse_span("1d12h"), Ok(Duration::from_secs(129_600)));
        assert_eq!(parse_span("90min"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_span("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_span("2w"), parse_span("14d"));
        for wrong in ["", "7", "d", "7m", "1.5h", "-1d", "7 d", "99999999999999999999s", "9999999999999999y"]
        {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
    }
}
