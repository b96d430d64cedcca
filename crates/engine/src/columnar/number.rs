//! Numbers' texts: which ones are told by a number, and how that is printed.

/// Digits that any number of so many fits into 63 bits.
pub const DIGITS_MAX: usize = 18;

/// A number's text as digits and places behind the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// The digits without the point.
    pub mantissa: i64,
    /// Places behind the point.
    pub scale: u8,
}

/// The number that `text` is, if [`print`] prints the same text of it.
pub fn parse(text: &[u8]) -> Option<Number> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut mantissa = 0_i64;
    let (mut count, mut scale, mut point) = (0_usize, 0_u8, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
                count += 1;
                scale += u8::from(point);
            }
            b'.' if !point && count > 0 => point = true,
            _ => return None,
        }
        if count > DIGITS_MAX {
            return None;
        }
    }
    let whole = count.checked_sub(usize::from(scale))?;
    // `.5`, `5.` and `05` are no JSON, and would not be printed so.
    let spelled = whole > 0 && (scale > 0) == point && (whole == 1 || digits.first() != Some(&b'0'));
    if !spelled || (negative && mantissa == 0) {
        return None;
    }
    Some(Number { mantissa: if negative { -mantissa } else { mantissa }, scale })
}

/// The digits of `text`, which has nothing else, if they fit.
pub fn parse_digits(text: &[u8]) -> Option<i64> {
    if text.len() > DIGITS_MAX {
        return None;
    }
    Some(text.iter().fold(0, |value, digit| value * 10 + i64::from(digit.wrapping_sub(b'0') & 15)))
}

/// A number's text while it is printed, the last byte first.
pub struct Printed {
    bytes: [u8; 48],
    start: usize,
}

impl Printed {
    fn new() -> Self {
        Printed { bytes: [b'0'; 48], start: 48 }
    }

    fn push(&mut self, byte: u8) {
        // 20 digits, a point and a sign at most, or as many zeros as a place or width allows.
        self.start = self.start.saturating_sub(1);
        if let Some(place) = self.bytes.get_mut(self.start) {
            *place = byte;
        }
    }

    /// The text.
    pub fn text(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// `mantissa` with `scale` places behind the point, at most [`DIGITS_MAX`]; without the zeros at their end, and
/// the point if nothing follows it, where `stripped`.
pub fn print(mantissa: i64, scale: u8, stripped: bool) -> Printed {
    let mut printed = Printed::new();
    let mut rest = mantissa.unsigned_abs();
    let mut left = scale;
    if stripped {
        while left > 0 && rest.is_multiple_of(10) {
            rest /= 10;
            left -= 1;
        }
    }
    if left > 0 {
        for _ in 0..left {
            printed.push(b'0' + (rest % 10) as u8);
            rest /= 10;
        }
        printed.push(b'.');
    }
    loop {
        printed.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if mantissa < 0 {
        printed.push(b'-');
    }
    printed
}

/// `value` in `width` digits, at most [`DIGITS_MAX`]; what has more loses its first ones.
pub fn print_digits(value: i64, width: u8) -> Printed {
    let mut printed = Printed::new();
    let mut rest = value.unsigned_abs();
    for _ in 0..width {
        printed.push(b'0' + (rest % 10) as u8);
        rest /= 10;
    }
    printed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_is_printed_alike_is_a_number() {
        for text in ["0", "-1", "12.5", "1.0", "0.00", "-0.5", "9007199254740993", "999999999999999999"] {
            let number = parse(text.as_bytes()).unwrap();
            assert_eq!(print(number.mantissa, number.scale, false).text(), text.as_bytes());
        }
        for text in [
            "",
            "-",
            "-0",
            "-0.0",
            "00",
            "01",
            "1.",
            ".5",
            "1e3",
            "1E3",
            "+1",
            "1.2.3",
            "1234567890123456789",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(print(2150, 2, true).text(), b"21.5");
        assert_eq!(print(2100, 2, true).text(), b"21");
        assert_eq!(print(0, 2, true).text(), b"0");
        assert_eq!(print(i64::MIN, 18, false).text(), b"-9.223372036854775808");
        assert_eq!(print_digits(42, 5).text(), b"00042");
    }

    proptest! {
        #[test]
        fn a_number_prints_as_it_was(text in "-?[0-9]{1,20}(\\.[0-9]{1,20})?") {
            if let Some(number) = parse(text.as_bytes()) {
                prop_assert_eq!(print(number.mantissa, number.scale, false).text().to_vec(), text.into_bytes());
            }
        }
    }
}
