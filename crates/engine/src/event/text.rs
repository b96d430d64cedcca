//! JSON strings and objects inside events.

use std::borrow::Cow;

use crate::state::{Cursor, Scanner, Token, decode_key};

/// A value's place in the text that was scanned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    /// The value's text; a string's with its quotes.
    pub text: &'a [u8],
    pub token: Token,
}

impl<'a> Value<'a> {
    /// What a string says; `None` for what is no string.
    pub fn string(&self) -> Option<Cow<'a, [u8]>> {
        let Token::String { escaped } = self.token else {
            return None;
        };
        let inner = inner(self.text);
        Some(if escaped {
            let mut decoded = Vec::with_capacity(inner.len());
            decode_key(inner, &mut decoded);
            Cow::Owned(decoded)
        } else {
            Cow::Borrowed(inner)
        })
    }

    /// What a string or number says, for what may be either.
    pub fn word(&self) -> Option<Cow<'a, [u8]>> {
        match self.token {
            Token::Number => Some(Cow::Borrowed(self.text)),
            _ => self.string(),
        }
    }
}

/// A string's text without its quotes.
fn inner(text: &[u8]) -> &[u8] {
    text.get(1..text.len().saturating_sub(1)).unwrap_or_default()
}

/// A member of an object: its name as text without quotes, and its value's text.
#[derive(Debug, Clone)]
pub(super) struct Member<'a> {
    pub name: &'a [u8],
    /// The name decoded, where that makes a difference.
    decoded: Option<Box<[u8]>>,
    pub value: &'a [u8],
    pub token: Token,
}

impl Member<'_> {
    /// The name that counts.
    pub fn key(&self) -> &[u8] {
        self.decoded.as_deref().unwrap_or(self.name)
    }
}

/// Has `visit` see the members of `object`, checked JSON, in order. Text that is something else has
/// fewer members.
pub(super) fn each_member<'a>(scanner: &mut Scanner, object: &'a [u8], mut visit: impl FnMut(Member<'a>)) {
    let mut cursor = Cursor::new(object, 0);
    // Checked when the event was read.
    let _ = scanner.members(&mut cursor, |scanner, cursor, name, escaped| {
        let start = cursor.position();
        let token = scanner.value(cursor)?;
        let name = object.get(name).unwrap_or_default();
        let decoded = escaped.then(|| {
            let mut decoded = Vec::with_capacity(name.len());
            decode_key(name, &mut decoded);
            decoded.into_boxed_slice()
        });
        let value = object.get(start..cursor.position()).unwrap_or_default();
        visit(Member { name, decoded, value, token });
        Ok(())
    });
}

/// Appends `text` as a JSON string.
pub(super) fn push_string(text: &[u8], into: &mut Vec<u8>) {
    into.push(b'"');
    for byte in text {
        match byte {
            b'"' => into.extend_from_slice(b"\\\""),
            b'\\' => into.extend_from_slice(b"\\\\"),
            0..=0x1f => into.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => into.push(*byte),
        }
    }
    into.push(b'"');
}
