//! A value out of JSON text, as it streams by.

use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::value::{Budget, LEVELS, Value};
use crate::error::{Error, ErrorKind, Result};

/// Reads the one JSON value in `text`. Bytes spelled as an object or a list of numbers take no more
/// memory than they are.
///
/// # Errors
/// Malformed where it is no JSON; unsupported where it has more parts than any record; those of
/// `text`.
pub fn read_json(text: impl Read) -> Result<Value<'static>> {
    read(serde_json::Deserializer::from_reader(text))
}

/// The same of text that is in memory, which is quicker.
///
/// # Errors
/// As [`read_json`].
pub fn read_json_slice(text: &[u8]) -> Result<Value<'static>> {
    read(serde_json::Deserializer::from_slice(text))
}

fn read<'de>(mut reader: serde_json::Deserializer<impl serde_json::de::Read<'de>>) -> Result<Value<'static>> {
    let mut budget = Budget::new();
    let read = Seed { levels: LEVELS, budget: &mut budget }.deserialize(&mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    read.map_err(|error| {
        if error.is_io() {
            Error::new(ErrorKind::Io, format!("it cannot be read: {error}"))
        } else {
            Error::malformed(format!("the record is not JSON that can be read: {error}"))
        }
    })
}

struct Seed<'b> {
    levels: usize,
    budget: &'b mut Budget,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value<'static>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<Self::Value, D::Error> {
        if self.levels == 0 {
            self.budget.take().map_err(D::Error::custom)?;
            let text: Box<RawValue> = serde::Deserialize::deserialize(from)?;
            return Ok(Value::Json(String::from(Box::<str>::from(text))));
        }
        from.deserialize_any(self)
    }
}

/// The byte that a value is, where bytes are spelled as numbers.
fn byte(value: &Value<'_>) -> Option<u8> {
    value.count().and_then(|number| u8::try_from(number).ok())
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Self::Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Self::Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Self::Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Self::Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Self::Value, E> {
        Ok(Value::Text(value.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> std::result::Result<Self::Value, A::Error> {
        let mut bytes = Vec::new();
        let mut elements = Vec::new();
        let levels = self.levels - 1;
        while let Some(element) = from.next_element_seed(Seed { levels, budget: &mut *self.budget })? {
            match byte(&element) {
                Some(byte) if elements.is_empty() => bytes.push(byte),
                _ => {
                    for byte in bytes.drain(..) {
                        self.budget.take().map_err(A::Error::custom)?;
                        elements.push(Value::Number(byte.into()));
                    }
                    self.budget.take().map_err(A::Error::custom)?;
                    elements.push(element);
                }
            }
        }
        Ok(if bytes.is_empty() { Value::List(elements) } else { Value::Bytes(bytes.into()) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> std::result::Result<Self::Value, A::Error> {
        let mut bytes: Vec<u8> = Vec::new();
        let mut members = Vec::new();
        let levels = self.levels - 1;
        loop {
            // Names that only count bytes are not kept: there may be a million.
            let number = members.is_empty().then_some(bytes.len());
            let Some(name) = from.next_key_seed(Name { number })? else {
                break;
            };
            let value = from.next_value_seed(Seed { levels, budget: &mut *self.budget })?;
            match byte(&value) {
                Some(byte) if name.is_none() => bytes.push(byte),
                _ => {
                    let name = name.unwrap_or_else(|| bytes.len().to_string());
                    for (at, byte) in bytes.drain(..).enumerate() {
                        self.budget.take().map_err(A::Error::custom)?;
                        members.push((at.to_string().into(), Value::Number(byte.into())));
                    }
                    self.budget.take().map_err(A::Error::custom)?;
                    members.push((name.into(), value));
                }
            }
        }
        Ok(if bytes.is_empty() { Value::Object(members) } else { Value::Bytes(bytes.into()) })
    }
}

/// Reads a name: `None` if it is `number`.
struct Name {
    number: Option<usize>,
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> std::result::Result<Self::Value, E> {
        Ok(match self.number {
            Some(number) if is_number(name, number) => None,
            _ => Some(name.to_owned()),
        })
    }
}

/// Whether the text of a value begins as a chunk's does when `JSON.stringify` prints it. `head` is
/// its beginning.
pub fn begins_as_chunk(head: &[u8]) -> bool {
    let Some(rest) = head.strip_prefix(b"{\"index\":") else {
        return false;
    };
    let digits = rest.iter().take_while(|digit| digit.is_ascii_digit()).count();
    let rest = rest.get(digits..).unwrap_or_default();
    digits > 0 && (rest.starts_with(b",\"data\":{\"0\":") || rest.starts_with(b",\"data\":["))
}

/// Whether `name` is the number `number` as JavaScript names properties by.
fn is_number(name: &str, number: usize) -> bool {
    let first = name.bytes().next();
    (first != Some(b'0') || name == "0") && first != Some(b'+') && name.parse() == Ok(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Value<'static>> {
        let value = read_json_slice(text.as_bytes());
        assert_eq!(value.is_ok(), read_json(text.as_bytes()).is_ok());
        value
    }

    #[test]
    fn bytes_in_each_spelling() {
        for text in [
            r#"{"0":1,"1":255}"#,
            "[1,255]",
            r#"{"type":"Buffer","data":[1,255]}"#,
            r#" { "0" : 1, "1" : 255 } "#,
        ] {
            assert_eq!(read(text).unwrap().bytes(), Some(&[1, 255][..]), "{text}");
        }
        for text in ["{}", "[]"] {
            assert_eq!(read(text).unwrap().bytes(), Some(&[][..]), "{text}");
        }
        for text in
            [r#"{"0":1,"2":255}"#, r#"{"0":1,"1":256}"#, "[1,-1]", "[1,\"a\"]", r#"{"00":1}"#, "\"AQ==\""]
        {
            assert_eq!(read(text).unwrap().bytes(), None, "{text}");
        }
    }

    #[test]
    fn a_chunk_is_known_by_how_it_begins() {
        assert!(begins_as_chunk(br#"{"index":12,"data":{"0":1,"1""#));
        assert!(begins_as_chunk(br#"{"index":12,"data":[1,2"#));
        for other in [r#"{"index":12,"data":"a"#, r#"{"index":,"data":["#, r#"{"id":1"#, r#"{"index":1"#, ""]
        {
            assert!(!begins_as_chunk(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn names_that_stop_counting_are_kept() {
        let value = read(r#"{"0":1,"1":2,"2":"x","3":4,"a":5}"#).unwrap();
        let expected = [("0", 1.0), ("1", 2.0), ("3", 4.0), ("a", 5.0)];
        for (name, number) in expected {
            assert_eq!(value.member(name), Some(&Value::Number(number)), "{name}");
        }
        assert_eq!(value.member("2").unwrap().text(), Some("x"));
        let value = read(r#"{"0":1,"b":2}"#).unwrap();
        assert_eq!(value.member("b"), Some(&Value::Number(2.0)));
    }

    #[test]
    fn what_lies_deep_is_kept_as_text() {
        let text = r#"{"a":{"b":[["k", {"c":1.0}]]}}"#;
        let value = read(text).unwrap();
        let pair = value.member("a").unwrap().member("b").unwrap().elements().unwrap()[0].elements().unwrap();
        assert_eq!(pair[0], Value::Json(r#""k""#.to_owned()));
        assert_eq!(pair[1], Value::Json(r#"{"c":1.0}"#.to_owned()));
    }

    #[test]
    fn depth_and_parts_are_bounded() {
        assert!(read(&"[".repeat(1 << 20)).is_err());
        let many = format!("[\"a\"{}]", ",\"a\"".repeat(1 << 20));
        assert!(read(&many).unwrap_err().message().contains("parts"));
        assert!(read("{} {}").is_err());
    }
}
