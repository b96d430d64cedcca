//! What a line says.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::line::Value;
use crate::error::{Error, Result};
use crate::state::{decode_key, line_key};

/// Values of one line: the most columns that any SQLite can be built for. Source: "Maximum Number Of Columns",
/// sqlite.org/limits.html.
const VALUES_MAX: usize = 32_767;

/// A line of a checkpoint of rows.
#[derive(Debug)]
pub struct Line<'a> {
    /// The decoded key.
    pub key: Cow<'a, [u8]>,
    /// The text behind it, `[value,…]]`.
    rest: &'a [u8],
}

impl<'a> Line<'a> {
    /// Takes the key of a line without its line feed.
    ///
    /// # Errors
    /// Corrupt where it does not begin as a line of rows does.
    pub fn parse(line: &'a [u8]) -> Result<Self> {
        let key = line_key(line)?;
        let text_bytes = match &key {
            Cow::Borrowed(key) => key.len(),
            Cow::Owned(_) => string_end(line.get(2..).unwrap_or_default()).ok_or_else(wrong)?,
        };
        let rest = line.get(text_bytes + 2..).and_then(|rest| rest.strip_prefix(b"\","));
        Ok(Line { key, rest: rest.ok_or_else(wrong)? })
    }

    /// The values, in order.
    ///
    /// # Errors
    /// Corrupt where the line is none of rows.
    pub fn values(&self) -> Result<Vec<Value<'a>>> {
        let mut rest = self.rest.strip_prefix(b"[").ok_or_else(wrong)?;
        let mut values = Vec::new();
        if rest == b"]]" {
            return Ok(values);
        }
        loop {
            let (value, behind) = value(rest).ok_or_else(wrong)?;
            if values.len() == VALUES_MAX {
                return Err(wrong());
            }
            values.push(value);
            rest = match behind {
                [b',', next @ ..] => next,
                b"]]" => return Ok(values),
                _ => return Err(wrong()),
            };
        }
    }
}

fn wrong() -> Error {
    Error::corrupt("a checkpoint of rows has a line that is not one of rows")
}

fn value(text: &[u8]) -> Option<(Value<'_>, &[u8])> {
    match text {
        [b'"', rest @ ..] => {
            let (text, rest) = string(rest)?;
            Some((Value::Text(text), rest))
        }
        [b'{', b'"', rest @ ..] => {
            let (name, rest) = string(rest)?;
            let (text, rest) = string(rest.strip_prefix(b":\"")?)?;
            let value = match &*name {
                b"bytes" => Value::Blob(latin(&text)?.into()),
                b"base64" => Value::Blob(STANDARD.decode(&text).ok()?.into()),
                b"text_base64" => Value::Text(STANDARD.decode(&text).ok()?.into()),
                b"real" if *text == *b"Infinity" => Value::Real(f64::INFINITY),
                b"real" if *text == *b"-Infinity" => Value::Real(f64::NEG_INFINITY),
                _ => return None,
            };
            Some((value, rest.strip_prefix(b"}")?))
        }
        [b'n', ..] => Some((Value::Null, text.strip_prefix(b"null")?)),
        _ => {
            let end = text.iter().position(|byte| matches!(byte, b',' | b']'))?;
            let (number, rest) = text.split_at(end);
            let number = std::str::from_utf8(number).ok()?;
            let is_real = number.bytes().any(|byte| matches!(byte, b'.' | b'e'));
            // What Rust reads as a number and JSON does not.
            if number.starts_with('+')
                || number.bytes().any(|byte| byte.is_ascii_alphabetic() && byte != b'e')
            {
                return None;
            }
            let value = match is_real {
                true => Value::Real(number.parse().ok().filter(|real: &f64| real.is_finite())?),
                false => Value::Integer(number.parse().ok()?),
            };
            Some((value, rest))
        }
    }
}

/// Where the string ends whose text begins `text`: its closing quote.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut end = memchr::memchr2(b'"', b'\\', text)?;
    while text.get(end) != Some(&b'"') {
        let from = end + 2;
        end = from + memchr::memchr2(b'"', b'\\', text.get(from..)?)?;
    }
    Some(end)
}

fn string(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let end = string_end(text)?;
    let (string, rest) = text.split_at(end);
    let decoded = match memchr::memchr(b'\\', string) {
        None => Cow::Borrowed(string),
        Some(_) => {
            let mut decoded = Vec::with_capacity(string.len());
            decode_key(string, &mut decoded);
            Cow::Owned(decoded)
        }
    };
    Some((decoded, rest.get(1..)?))
}

/// The bytes that the characters U+0000 to U+00FF stand for.
fn latin(text: &[u8]) -> Option<Vec<u8>> {
    std::str::from_utf8(text).ok()?.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::push_line;
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value<'static>> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            any::<f64>().prop_filter("NaN is NULL", |real| !real.is_nan()).prop_map(Value::Real),
            any::<String>().prop_map(|text| Value::Text(text.into_bytes().into())),
            prop::collection::vec(any::<u8>(), 0..50).prop_map(|bytes| Value::Text(bytes.into())),
            prop::collection::vec(any::<u8>(), 0..50).prop_map(|bytes| Value::Blob(bytes.into())),
            prop::collection::vec(0x20_u8..0x90, 0..50).prop_map(|bytes| Value::Blob(bytes.into())),
        ]
    }

    /// Bits, so that 0.0 and -0.0 differ.
    fn shown(values: &[Value<'_>]) -> String {
        let bits = |value: &Value<'_>| match value {
            Value::Real(real) => format!("real {:x}", real.to_bits()),
            other => format!("{other:?}"),
        };
        values.iter().map(bits).collect::<Vec<_>>().join(" ")
    }

    proptest! {
        #[test]
        fn lines_are_read_as_they_were_written(
            key in any::<String>(),
            values in prop::collection::vec(any_value(), 0..6),
        ) {
            let mut line = Vec::new();
            push_line(&key, values.clone(), &mut line);
            prop_assert!(!line.contains(&b'\n'));
            let json: serde_json::Value = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(json[0].as_str().unwrap(), key.as_str());
            let read = Line::parse(&line).unwrap();
            prop_assert_eq!(&*read.key, key.as_bytes());
            prop_assert_eq!(shown(&read.values().unwrap()), shown(&values));
        }

        #[test]
        fn anything_is_an_answer(line in "\\[\"[a\\\\\"]{0,4}\",\\[?[\\[\\]{},\":a-z0-9.+e\\\\-]{0,20}") {
            if let Ok(line) = Line::parse(line.as_bytes()) {
                let _ = line.values();
            }
        }
    }

    #[test]
    fn what_is_no_line_of_rows_is_refused() {
        for line in [
            r#"["a",{}]"#,
            r#"["a",[1]"#,
            r#"["a",[1,]]"#,
            r#"["a",[true]]"#,
            r#"["a",[+1]]"#,
            r#"["a",[1e999]]"#,
            r#"["a",[inf]]"#,
            r#"["a",[1.0x]]"#,
            r#"["a",[9223372036854775808]]"#,
            r#"["a",[{"base64":"!"}]]"#,
            r#"["a",[{"bytes":"€"}]]"#,
            r#"["a",[{"other":"x"}]]"#,
            r#"["a",["x]]"#,
            r#"["a",[]]x"#,
        ] {
            assert!(Line::parse(line.as_bytes()).and_then(|line| line.values()).is_err(), "{line}");
        }
    }
}
