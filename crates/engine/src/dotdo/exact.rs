//! JSON text as a value that JavaScript spells in exactly the same way. What it would spell otherwise
//! is refused: `1.0`, more digits than a double has, white space, a name that comes twice, names that
//! count (which come first in an object, whatever their place).

use std::collections::HashSet;

use super::value::{Value, push_text};
use crate::error::{Error, Result};
use crate::state::decode_key;

/// Levels of objects and arrays at most.
const LEVELS_MAX: usize = 64;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Exact {
    /// One without parts.
    Plain(Value<'static>),
    /// An array.
    List(Vec<Exact>),
    /// An object.
    Object(Vec<(String, Exact)>),
}

/// Reads `text`.
///
/// # Errors
/// Unsupported where JavaScript spells it otherwise, or it is no JSON.
pub(super) fn exact(text: &str) -> Result<Exact> {
    let mut reader = Reader { rest: text };
    match reader.value(LEVELS_MAX) {
        Some(value) if reader.rest.is_empty() => Ok(value),
        _ => Err(Error::unsupported("JavaScript would spell this JSON text otherwise")),
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn take(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn head(&mut self, bytes: usize) -> Option<&'t str> {
        let (head, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(head)
    }

    // Recurses at most `LEVELS_MAX` deep.
    fn value(&mut self, levels: usize) -> Option<Exact> {
        let (word, value) = match self.rest.bytes().next()? {
            b'{' => return self.members(levels.checked_sub(1)?).map(Exact::Object),
            b'[' => return self.elements(levels.checked_sub(1)?).map(Exact::List),
            b'"' => return self.text().map(|text| Exact::Plain(Value::Text(text.into()))),
            b'n' => ("null", Value::Null),
            b't' => ("true", Value::Boolean(true)),
            b'f' => ("false", Value::Boolean(false)),
            _ => return self.number().map(Exact::Plain),
        };
        self.take(word)?;
        Some(Exact::Plain(value))
    }

    fn number(&mut self) -> Option<Value<'static>> {
        let end = self.rest.find([',', ']', '}']).unwrap_or(self.rest.len());
        let text = self.head(end)?;
        let number = Value::Number(text.parse().ok().filter(|number: &f64| number.is_finite())?);
        let mut spelled = String::new();
        number.write_json(&mut spelled);
        (spelled == text).then_some(number)
    }

    fn text(&mut self) -> Option<String> {
        let mut end = 1;
        loop {
            let rest = self.rest.as_bytes().get(end..)?;
            end += memchr::memchr2(b'"', b'\\', rest)?;
            if self.rest.as_bytes().get(end) == Some(&b'"') {
                break;
            }
            end += 2;
        }
        let spelled = self.head(end + 1)?;
        let mut bytes = Vec::new();
        decode_key(spelled.get(1..end)?.as_bytes(), &mut bytes);
        let text = String::from_utf8(bytes).ok()?;
        let mut again = String::new();
        push_text(&text, &mut again);
        (again == spelled).then_some(text)
    }

    fn elements(&mut self, levels: usize) -> Option<Vec<Exact>> {
        self.take("[")?;
        let mut elements = Vec::new();
        if self.take("]").is_some() {
            return Some(elements);
        }
        loop {
            elements.push(self.value(levels)?);
            if self.take("]").is_some() {
                return Some(elements);
            }
            self.take(",")?;
        }
    }

    fn members(&mut self, levels: usize) -> Option<Vec<(String, Exact)>> {
        self.take("{")?;
        let mut members = Vec::new();
        let mut names = HashSet::new();
        if self.take("}").is_some() {
            return Some(members);
        }
        loop {
            if !self.rest.starts_with('"') {
                return None;
            }
            let name = self.text()?;
            let counts = !name.is_empty() && name.bytes().all(|digit| digit.is_ascii_digit());
            if counts || name == "__proto__" || !names.insert(name.clone()) {
                return None;
            }
            self.take(":")?;
            members.push((name, self.value(levels)?));
            if self.take("}").is_some() {
                return Some(members);
            }
            self.take(",")?;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{encode, with_v8};
    use super::*;

    #[test]
    fn what_comes_back_is_spelled_as_it_was() {
        for text in [
            "null",
            "true",
            "0",
            "-7",
            "1.5",
            "1e+21",
            "5e-324",
            "9007199254740991",
            "4294967296",
            r#""""#,
            r#""λ \"\\\n\u0001 😀""#,
            "[]",
            "{}",
            r#"[1,[2,{"a":[]}],"x"]"#,
            r#"{"value":{"n":[0.1,-1e-7]},"b":false,"":null}"#,
        ] {
            // So deep that it is read as text again.
            let mut value = Value::Json(text.to_owned());
            for _ in 0..4 {
                value = Value::List(vec![value]);
            }
            let mut read = String::new();
            with_v8(&encode(&value).unwrap(), |value| {
                value.write_json(&mut read);
                Ok(())
            })
            .unwrap();
            assert_eq!(read, format!("[[[[{text}]]]]"));
        }
    }

    #[test]
    fn what_javascript_spells_otherwise_is_refused() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        for text in [
            "1.0",
            "1e3",
            "-0",
            "+1",
            "NaN",
            "inf",
            "12345678901234567890",
            "1e400",
            " 1",
            "[1, 2]",
            "[1,]",
            r#"{"a":1,"a":2}"#,
            r#"{"b":1,"1":2}"#,
            r#"{"__proto__":1}"#,
            "{a:1}",
            r#""\u00e9""#,
            r#""\/""#,
            r#""\ud800""#,
            r#""a"#,
            r#""\"#,
            "",
            "[",
            "{",
            "nul",
            "1]",
            &deep,
        ] {
            assert!(encode(&Value::Json(text.to_owned())).is_err(), "{text}");
        }
    }
}
