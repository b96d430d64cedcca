//! A stored value as records are read from it: the same, whether it came as V8's bytes or as JSON.

use std::borrow::Cow;
use std::fmt::Write;

use crate::error::{Error, Result};
use crate::value::{Parts, View, decode};

/// Levels of objects and arrays that are taken apart: record, delta, its lists, their pairs.
/// Everything that lies deeper is JSON text.
pub(super) const LEVELS: usize = 4;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Nothing that a record could mean anything with.
    Null,
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A `Uint8Array`, an `ArrayBuffer`, or what `JSON.stringify` makes of them.
    Bytes(Cow<'a, [u8]>),
    /// An array.
    List(Vec<Value<'a>>),
    /// An object, or a `Map` with text for keys.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
    /// Something else or something deep inside, as JSON text.
    Json(String),
}

impl<'a> Value<'a> {
    /// The member `name` of an object.
    pub fn member(&self, name: &str) -> Option<&Value<'a>> {
        match self {
            Value::Object(members) => {
                members.iter().rev().find(|(found, _)| found == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Whether it is an object that has all of `names`.
    pub fn has(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.member(name).is_some())
    }

    /// The text that it is.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number that it is, if that is whole, not negative and exact.
    pub fn count(&self) -> Option<u64> {
        match self {
            Value::Number(number) if *number >= 0.0 && number.fract() == 0.0 && *number <= MAX_SAFE => {
                Some(*number as u64)
            }
            _ => None,
        }
    }

    /// The boolean that it is.
    pub fn boolean(&self) -> Option<bool> {
        match self {
            Value::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The bytes that it is, in any spelling of bytes: `Uint8Array`, `ArrayBuffer`, the object
    /// `{"0":1,"1":2}` that `JSON.stringify` prints for them, an array of numbers, Node's
    /// `{"type":"Buffer","data":[…]}`.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            Value::List(list) if list.is_empty() => Some(&[]),
            Value::Object(members) if members.is_empty() => Some(&[]),
            Value::Object(_) if self.member("type")?.text() == Some("Buffer") => self.member("data")?.bytes(),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn elements(&self) -> Option<&[Value<'a>]> {
        match self {
            Value::List(elements) => Some(elements),
            // What JSON spells as bytes may be a list of small numbers.
            Value::Bytes(bytes) if bytes.is_empty() => Some(&[]),
            _ => None,
        }
    }
}

impl Value<'_> {
    /// Appends the value as `JSON.stringify` printed it, or would print it.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Number(number) if number.is_finite() => {
                out.push_str(ryu_js::Buffer::new().format_finite(if *number == 0.0 { 0.0 } else { *number }));
            }
            Value::Number(_) => out.push_str("null"),
            Value::Text(text) => push_text(text, out),
            Value::Bytes(bytes) => {
                for (at, byte) in bytes.iter().enumerate() {
                    out.push_str(if at == 0 { "{" } else { "," });
                    // Writing to a String does not fail.
                    let _ = write!(out, "\"{at}\":{byte}");
                }
                out.push_str(if bytes.is_empty() { "{}" } else { "}" });
            }
            // At most `LEVELS` deep.
            Value::List(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    element.write_json(out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    push_text(name, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
            Value::Json(text) => out.push_str(text),
        }
    }
}

/// Appends `text` as a JSON string.
pub(super) fn push_text(text: &str, out: &mut String) {
    // A string is always printed.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// JavaScript's greatest whole number that is exact, 2^53 - 1.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// Parts of a value at most, 2^20: a list of chunks has as many as chunks, a delta three for each
/// change. It bounds what a hostile value can make us allocate.
const PARTS_MAX: usize = 1 << 20;

/// How many parts may still come.
pub(super) struct Budget(usize);

impl Budget {
    /// All of them.
    pub(super) fn new() -> Self {
        Budget(PARTS_MAX)
    }

    /// Takes one.
    pub(super) fn take(&mut self) -> Result<()> {
        self.0 = self.0.checked_sub(1).ok_or_else(|| {
            Error::unsupported(format!("a value of more than {PARTS_MAX} parts is no checkpoint's record"))
        })?;
        Ok(())
    }
}

/// Reads the V8 value in `bytes` and shows it to `visit`.
///
/// # Errors
/// Those of [`decode`], and of `visit`; unsupported where the value has more parts than any record.
pub fn with_v8<T>(bytes: &[u8], visit: impl FnOnce(&Value<'_>) -> Result<T>) -> Result<T> {
    let document = decode(bytes)?;
    let parts = Parts::of(&document);
    visit(&from_view(parts.root(), LEVELS, &mut Budget::new())?)
}

// Recurses at most `LEVELS` deep.
fn from_view<'v>(view: View<'v>, levels: usize, budget: &mut Budget) -> Result<Value<'v>> {
    budget.take()?;
    if let Some(inner) = levels.checked_sub(1) {
        if let Some(text) = view.text() {
            return Ok(Value::Text(text));
        }
        if let Some(bytes) = view.bytes() {
            return Ok(Value::Bytes(Cow::Borrowed(bytes)));
        }
        if let Some(number) = view.number() {
            return Ok(Value::Number(number));
        }
        if let Some(value) = view.boolean() {
            return Ok(Value::Boolean(value));
        }
        if view.is_undefined() {
            return Ok(Value::Null);
        }
        if let Some(properties) = view.properties() {
            let members = properties.map(|(name, value)| Ok((name, from_view(value, inner, budget)?)));
            return members.collect::<Result<_>>().map(Value::Object);
        }
        if let Some(elements) = view.elements() {
            let elements = elements.map(|element| from_view(element, inner, budget));
            return elements.collect::<Result<_>>().map(Value::List);
        }
    }
    let mut text = String::new();
    view.stringify(&mut text);
    Ok(Value::Json(text))
}
