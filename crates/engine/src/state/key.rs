//! Keys: from JSON string text to the bytes that order them, and back for people.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// Bytes of a decoded key at most. An object's storage takes 2,048.
pub const MAX_KEY_BYTES: usize = crate::format::RecordKey::BYTES_MAX;

/// Characters of a key that a message shows.
const SHOWN_CHARACTERS: usize = 60;

/// The decoded key of an entry's compact text, `["key",{…}]`.
///
/// # Errors
/// Corrupt where the text begins otherwise. The rest of the entry is not looked at.
pub fn line_key(line: &[u8]) -> Result<Cow<'_, [u8]>> {
    let text = line.strip_prefix(b"[\"").ok_or_else(no_entry)?;
    let mut end = memchr::memchr2(b'"', b'\\', text).ok_or_else(no_entry)?;
    if text.get(end) == Some(&b'"') {
        return Ok(Cow::Borrowed(text.get(..end).unwrap_or_default()));
    }
    while text.get(end) != Some(&b'"') {
        // An escape's second byte may be a quote.
        let from = end + 2;
        let rest = text.get(from..).unwrap_or_default();
        end = from + memchr::memchr2(b'"', b'\\', rest).ok_or_else(no_entry)?;
    }
    let mut key = Vec::new();
    decode(text.get(..end).unwrap_or_default(), &mut key);
    Ok(Cow::Owned(key))
}

/// Takes a line apart into the text of its key, a JSON string, and the text of its value.
///
/// # Errors
/// Corrupt where it is no entry.
pub fn split_line(line: &[u8]) -> Result<(&[u8], &[u8])> {
    let text = line.strip_prefix(b"[").ok_or_else(no_entry)?;
    let mut end = 1;
    loop {
        let rest = text.get(end..).unwrap_or_default();
        end += memchr::memchr2(b'"', b'\\', rest).ok_or_else(no_entry)?;
        if text.get(end) == Some(&b'"') {
            break;
        }
        end += 2;
    }
    let (key, rest) = text.split_at_checked(end + 1).ok_or_else(no_entry)?;
    let value = rest.strip_prefix(b",").and_then(|rest| rest.strip_suffix(b"]"));
    Ok((key, value.filter(|_| key.starts_with(b"\"")).ok_or_else(no_entry)?))
}

fn no_entry() -> Error {
    Error::corrupt("a chunk of state has a line without an entry")
}

/// Decodes a checked JSON string's text (without its quotes) and appends it to `into`: UTF-8, with
/// a lone surrogate as the three bytes that UTF-8's scheme gives its number (WTF-8).
pub(crate) fn decode(text: &[u8], into: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(place) = rest.iter().position(|byte| *byte == b'\\') {
        let (plain, escape) = rest.split_at(place);
        into.extend_from_slice(plain);
        rest = decode_escape(escape, into);
    }
    into.extend_from_slice(rest);
}

/// Decodes the escape at the start of `escape` and returns what follows it.
fn decode_escape<'a>(escape: &'a [u8], into: &mut Vec<u8>) -> &'a [u8] {
    let short = match escape.get(1) {
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'u') => {
            let first = code_unit(escape).unwrap_or(0xfffd);
            let rest = escape.get(6..).unwrap_or_default();
            if (0xd800..0xdc00).contains(&first)
                && let Some(second @ 0xdc00..0xe000) = code_unit(rest)
            {
                push_scalar(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), into);
                return rest.get(6..).unwrap_or_default();
            }
            push_scalar(first, into);
            return rest;
        }
        Some(other) => *other,
        None => return &[],
    };
    into.push(short);
    escape.get(2..).unwrap_or_default()
}

/// The number in a `\uXXXX` at the start of `text`.
fn code_unit(text: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = text.get(..6)? else {
        return None;
    };
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

/// Appends `number` in UTF-8's scheme, surrogates included.
fn push_scalar(number: u32, into: &mut Vec<u8>) {
    if let Some(character) = char::from_u32(number) {
        into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        into.extend_from_slice(&[
            0xe0 | (number >> 12) as u8,
            0x80 | (number >> 6 & 0x3f) as u8,
            0x80 | (number & 0x3f) as u8,
        ]);
    }
}

/// A decoded key as JSON for a message: in quotes, escaped, the middle left out when it is long.
pub fn shown_key(key: &[u8]) -> String {
    let mut text = String::from("\"");
    let mut rest = key;
    let mut shown = 0;
    while !rest.is_empty() && shown < SHOWN_CHARACTERS {
        rest = show_character(rest, &mut text);
        shown += 1;
    }
    if !rest.is_empty() {
        text.push('…');
    }
    text.push('"');
    if !rest.is_empty() {
        text.push_str(&format!(" ({} bytes)", key.len()));
    }
    text
}

/// Shows the first character of `key` and returns what follows it.
fn show_character<'a>(key: &'a [u8], into: &mut String) -> &'a [u8] {
    let longest = key.get(..4).unwrap_or(key);
    let valid = match std::str::from_utf8(longest) {
        Ok(text) => text,
        Err(error) => longest
            .get(..error.valid_up_to())
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default(),
    };
    if let Some(character) = valid.chars().next() {
        match character {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            control if control.is_control() => {
                into.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                into.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => into.push(other),
        }
        return key.get(character.len_utf8()..).unwrap_or_default();
    }
    if let Some([0xed, second @ 0xa0..=0xbf, third, rest @ ..]) = Some(key) {
        let unit = 0xd000 | u32::from(second & 0x3f) << 6 | u32::from(third & 0x3f);
        into.push_str(&format!("\\u{unit:04x}"));
        return rest;
    }
    into.push('\u{fffd}');
    key.get(1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn decoded(text: &str) -> Vec<u8> {
        let mut key = Vec::new();
        decode(text.as_bytes(), &mut key);
        key
    }

    #[test]
    fn a_line_is_a_key_and_a_value() {
        for (line, key, value) in [
            (r#"["a",{"value":1}]"#, r#""a""#, r#"{"value":1}"#),
            (r#"["",[]]"#, r#""""#, "[]"),
            (r#"["a\"b\\",[1,"]"]]"#, r#""a\"b\\""#, r#"[1,"]"]"#),
        ] {
            let (found, rest) = split_line(line.as_bytes()).unwrap();
            assert_eq!((found, rest), (key.as_bytes(), value.as_bytes()));
        }
        for line in ["", "[", "[\"", "[\"a", "[\"a\\", "[\"a\"", "[\"a\"]", "[1,2]", "[\"a\",1", "{\"a\":1}"]
        {
            assert!(split_line(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn escapes_become_bytes() {
        assert_eq!(decoded(r#"a\"\\\/\b\f\n\r\tz"#), b"a\"\\/\x08\x0c\n\r\tz");
        assert_eq!(decoded(r"\u0041\u00e9\u20ac"), "Aé€".as_bytes());
        assert_eq!(decoded(r"\ud83d\uDE00!"), "😀!".as_bytes());
    }

    #[test]
    fn lone_surrogates_take_three_bytes() {
        assert_eq!(decoded(r"\ud800"), [0xed, 0xa0, 0x80]);
        assert_eq!(decoded(r"\udfffx"), [0xed, 0xbf, 0xbf, b'x']);
        assert_eq!(decoded(r"\ude00\ud83d"), [0xed, 0xb8, 0x80, 0xed, 0xa0, 0xbd]);
        assert_eq!(decoded(r"\ud83d\ud83d\ude00"), [&[0xed, 0xa0, 0xbd][..], "😀".as_bytes()].concat());
        assert_eq!(decoded(r"\ud83d\n"), [0xed, 0xa0, 0xbd, b'\n']);
    }

    #[test]
    fn the_key_of_a_line_is_found() {
        for (line, key) in [
            (r#"["a",{}]"#, "a"),
            (r#"["",{"value":"b"}]"#, ""),
            (r#"["a\"b\\",{}]"#, "a\"b\\"),
            (r#"["\u00e9\\\"x",{}]"#, "é\\\"x"),
        ] {
            assert_eq!(line_key(line.as_bytes()).unwrap(), key.as_bytes(), "{line}");
        }
        for line in ["", "[", "[\"", "[\"a", "[\"a\\", "[\"a\\\"", "{}"] {
            assert!(line_key(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn keys_are_shown_as_json() {
        assert_eq!(shown_key("user:é".as_bytes()), "\"user:é\"");
        assert_eq!(shown_key(b"a\"b\\c\n\x1b"), r#""a\"b\\c\u000a\u001b""#);
        assert_eq!(shown_key(&decoded(r"\udfff\ud800.")), r#""\udfff\ud800.""#);
        assert_eq!(shown_key(b"\xff"), "\"\u{fffd}\"");
        assert_eq!(shown_key("\u{202e}".as_bytes()), "\"\\u202e\"");
        let long = shown_key(&[b'k'; 70_000]);
        assert!(long.ends_with("k…\" (70000 bytes)"), "{long}");
        assert!(long.len() < 100);
    }
}
