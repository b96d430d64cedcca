//! The members of an entry that measurements need, found without parsing the rest.

use super::block::{BLOCK_BYTES, block_at, plain_string_bytes, structure};
use super::key::decode;
use std::ops::Range;

/// Where an entry's `value`, `createdAt` and `expiresAt` are in its compact text. Of a name that
/// is there twice the last counts, as with `JSON.parse`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// The value's text.
    pub value: Option<Range<usize>>,
    /// The text of `createdAt`.
    pub created_at: Option<Range<usize>>,
    /// The text of `expiresAt`.
    pub expires_at: Option<Range<usize>>,
}

impl Members {
    /// Finds the members in `text`, an entry as [`EntryReader`](super::EntryReader) gives it. Text
    /// that is something else gives members that are not there.
    pub fn of(text: &[u8]) -> Self {
        let mut members = Members::default();
        // Behind `["key",{`.
        let mut position = after_string(text, 2).saturating_add(2);
        while text.get(position) == Some(&b'"') {
            let name_end = after_string(text, position + 1);
            let name = position + 1..name_end.saturating_sub(1);
            let value_start = name_end.saturating_add(1);
            let value_end = after_value(text, value_start);
            members.note(text, name, value_start..value_end);
            position = value_end.saturating_add(1);
        }
        members
    }

    fn note(&mut self, text: &[u8], name: Range<usize>, value: Range<usize>) {
        let raw = text.get(name).unwrap_or_default();
        let mut decoded = Vec::new();
        let name = if raw.contains(&b'\\') {
            decode(raw, &mut decoded);
            &decoded
        } else {
            raw
        };
        let member = match name {
            b"value" => &mut self.value,
            b"createdAt" => &mut self.created_at,
            b"expiresAt" => &mut self.expires_at,
            _ => return,
        };
        *member = Some(value);
    }

    /// Bytes of the value's JSON text; 0 where there is none.
    pub fn value_bytes(&self) -> usize {
        self.value.as_ref().map_or(0, Range::len)
    }

    /// `createdAt` in milliseconds since 1970, where it is a number; `text` is the entry's.
    pub fn created_at(&self, text: &[u8]) -> Option<i64> {
        milliseconds(text.get(self.created_at.clone()?)?)
    }

    /// `expiresAt` in milliseconds since 1970, where it is a number; `text` is the entry's.
    pub fn expires_at(&self, text: &[u8]) -> Option<i64> {
        milliseconds(text.get(self.expires_at.clone()?)?)
    }
}

/// A JSON number as whole milliseconds, rounded down.
fn milliseconds(number: &[u8]) -> Option<i64> {
    if !matches!(number.first()?, b'-' | b'0'..=b'9') {
        return None;
    }
    let text = std::str::from_utf8(number).ok()?;
    text.parse::<i64>().ok().or_else(|| {
        let floor = text.parse::<f64>().ok()?.floor();
        // The cast keeps to the type's limits.
        floor.is_finite().then_some(floor as i64)
    })
}

/// The position behind the string whose text begins at `position`.
pub(super) fn after_string(text: &[u8], mut position: usize) -> usize {
    while position < text.len() {
        let plain = plain_string_bytes(&block_at(text, position));
        position += plain;
        if plain == BLOCK_BYTES {
            continue;
        }
        match text.get(position) {
            Some(b'\\') => position += 2,
            Some(b'"') => return position + 1,
            _ => position += 1,
        }
    }
    text.len()
}

/// The position behind the value that begins at `start`.
fn after_value(text: &[u8], start: usize) -> usize {
    match text.get(start) {
        Some(b'"') => after_string(text, start + 1),
        Some(b'{' | b'[') => after_container(text, start),
        _ => text
            .get(start..)
            .and_then(|rest| rest.iter().position(|byte| matches!(byte, b',' | b'}')))
            .map_or(text.len(), |bytes| start + bytes),
    }
}

fn after_container(text: &[u8], start: usize) -> usize {
    let mut position = start;
    let mut depth = 0_usize;
    while position < text.len() {
        let bytes = structure(&block_at(text, position));
        position += bytes;
        if bytes == BLOCK_BYTES {
            continue;
        }
        match text.get(position) {
            Some(b'"') => {
                position = after_string(text, position + 1);
                continue;
            }
            Some(b'{' | b'[') => depth += 1,
            Some(b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        position += 1;
        if depth == 0 {
            return position;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn shown<'a>(text: &'a str, range: &Option<Range<usize>>) -> Option<&'a str> {
        range.clone().map(|range| &text[range])
    }

    #[test]
    fn members_are_found_among_others() {
        let text = r#"["a\"]",{"x":{"value":1,"y":"}"},"value":[{"a":"]}\\"},[],"\""],"z":null,"createdAt":17,"expiresAt":1704067200000}]"#;
        let members = Members::of(text.as_bytes());
        assert_eq!(shown(text, &members.value), Some(r#"[{"a":"]}\\"},[],"\""]"#));
        assert_eq!(members.value_bytes(), 22);
        assert_eq!(members.created_at(text.as_bytes()), Some(17));
        assert_eq!(members.expires_at(text.as_bytes()), Some(1_704_067_200_000));
    }

    #[test]
    fn escaped_and_repeated_names() {
        let text = r#"["k",{"value":1,"v\u0061lue":"a longer string than a block"}]"#;
        let members = Members::of(text.as_bytes());
        assert_eq!(shown(text, &members.value), Some(r#""a longer string than a block""#));
        assert_eq!(members.created_at(text.as_bytes()), None);
    }

    #[test]
    fn times_that_are_not_plain_integers() {
        for (number, expected) in [
            ("1.5e3", Some(1500)),
            ("-0.5", Some(-1)),
            ("1e400", None),
            ("1e30", Some(i64::MAX)),
            ("null", None),
            ("\"7\"", None),
        ] {
            let text = format!(r#"["k",{{"expiresAt":{number}}}]"#);
            let members = Members::of(text.as_bytes());
            assert_eq!(members.expires_at(text.as_bytes()), expected, "{number}");
        }
    }

    #[test]
    fn other_text_has_no_members_and_no_panic() {
        let text = br#"["k",{"value":{"a":[1,"x\"y"]},"createdAt":1}]"#;
        for end in 0..text.len() {
            Members::of(&text[..end]);
        }
        assert_eq!(Members::of(br#"["k",{}]"#), Members::default());
    }
}
