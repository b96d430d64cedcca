//! How a line is spelled.

use std::borrow::Cow;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A value as SQLite stores it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A signed integer.
    Integer(i64),
    /// A floating-point number; never NaN, which SQLite stores as NULL.
    Real(f64),
    /// Text as its bytes, UTF-8 or not.
    Text(Cow<'a, [u8]>),
    /// Bytes.
    Blob(Cow<'a, [u8]>),
}

/// Appends the line of a record with `key`, without a line feed: `["key",[value,…]]`.
pub fn push_line<'a>(key: &str, values: impl IntoIterator<Item = Value<'a>>, into: &mut Vec<u8>) {
    into.push(b'[');
    push_text(key, into);
    into.extend_from_slice(b",[");
    for (position, value) in values.into_iter().enumerate() {
        if position > 0 {
            into.push(b',');
        }
        push_value(&value, into);
    }
    into.extend_from_slice(b"]]");
}

/// Bytes that the values take in a line, for who makes room before: doubling that of a large line takes twice as much.
pub fn spelled_values_bytes(values: &[Value<'_>]) -> usize {
    values.iter().map(|value| 1 + spelled_value_bytes(value)).sum()
}

fn spelled_value_bytes(value: &Value<'_>) -> usize {
    // What stands around a value that is no plain string.
    const WRAPPING_BYTES: usize = 20;
    match value {
        Value::Null | Value::Integer(_) => 20,
        Value::Real(_) => 32,
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(_) => {
                bytes.iter().map(|byte| if *byte < 0x80 { spelled_bytes(*byte) } else { 1 }).sum::<usize>()
                    + 2
            }
            Err(_) => bytes.len().div_ceil(3) * 4 + WRAPPING_BYTES,
        },
        // The shorter one of both ways.
        Value::Blob(bytes) => bytes.len().div_ceil(3) * 4 + WRAPPING_BYTES,
    }
}

fn push_value(value: &Value<'_>, into: &mut Vec<u8>) {
    match value {
        Value::Null => into.extend_from_slice(b"null"),
        Value::Integer(number) => {
            let _ = write!(into, "{number}");
        }
        Value::Real(number) => push_real(*number, into),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => push_text(text, into),
            Err(_) => push_base64("text_base64", bytes, into),
        },
        Value::Blob(bytes) => push_blob(bytes, into),
    }
}

/// The shortest digits that mean this number, and always a point or an exponent, so that it is no integer.
fn push_real(number: f64, into: &mut Vec<u8>) {
    if number.is_finite() {
        let _ = write!(into, "{number:?}");
    } else {
        push_wrapped("real", if number > 0.0 { "Infinity" } else { "-Infinity" }, into);
    }
}

/// Bytes as the characters U+0000 to U+00FF, or in base64 where that is shorter.
fn push_blob(bytes: &[u8], into: &mut Vec<u8>) {
    let spelled: usize = bytes.iter().map(|byte| spelled_bytes(*byte)).sum();
    if spelled > bytes.len().div_ceil(3) * 4 {
        return push_base64("base64", bytes, into);
    }
    into.extend_from_slice(b"{\"bytes\":\"");
    for byte in bytes {
        push_character(char::from(*byte), into);
    }
    into.extend_from_slice(b"\"}");
}

/// Straight to where it belongs: a copy of a large value takes as much again.
fn push_base64(name: &str, bytes: &[u8], into: &mut Vec<u8>) {
    for part in ["{\"", name, "\":\""] {
        into.extend_from_slice(part.as_bytes());
    }
    let begin = into.len();
    into.resize(begin + bytes.len().div_ceil(3) * 4, 0);
    // The room is as long as base64 is, so this cannot fail.
    let _ = STANDARD.encode_slice(bytes, into.get_mut(begin..).unwrap_or_default());
    into.extend_from_slice(b"\"}");
}

fn push_wrapped(name: &str, text: &str, into: &mut Vec<u8>) {
    for part in ["{\"", name, "\":\"", text, "\"}"] {
        into.extend_from_slice(part.as_bytes());
    }
}

/// Appends a JSON string as `JSON.stringify` prints it.
fn push_text(text: &str, into: &mut Vec<u8>) {
    into.push(b'"');
    let mut plain = 0;
    for (position, byte) in text.bytes().enumerate() {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            into.extend_from_slice(text.as_bytes().get(plain..position).unwrap_or_default());
            push_character(char::from(byte), into);
            plain = position + 1;
        }
    }
    into.extend_from_slice(text.as_bytes().get(plain..).unwrap_or_default());
    into.push(b'"');
}

/// Bytes that [`push_character`] takes for the character with this number.
fn spelled_bytes(byte: u8) -> usize {
    match byte {
        0x08 | b'\t' | b'\n' | 0x0c | b'\r' | b'"' | b'\\' => 2,
        0..0x20 => 6,
        0x20..0x80 => 1,
        0x80.. => 2,
    }
}

fn push_character(character: char, into: &mut Vec<u8>) {
    let short = match character {
        '\u{8}' => b'b',
        '\t' => b't',
        '\n' => b'n',
        '\u{c}' => b'f',
        '\r' => b'r',
        '"' => b'"',
        '\\' => b'\\',
        '\0'..' ' => {
            let _ = write!(into, "\\u{:04x}", u32::from(character));
            return;
        }
        other => {
            into.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
            return;
        }
    };
    into.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: Value<'_>) -> String {
        let mut line = Vec::new();
        push_line("k", [value], &mut line);
        String::from_utf8_lossy(&line).into_owned()
    }

    #[test]
    fn each_storage_class() {
        for (value, text) in [
            (Value::Null, "null"),
            (Value::Integer(i64::MIN), "-9223372036854775808"),
            (Value::Real(1.0), "1.0"),
            (Value::Real(-0.0), "-0.0"),
            (Value::Real(1e300), "1e300"),
            (Value::Real(5e-324), "5e-324"),
            (Value::Real(0.1 + 0.2), "0.30000000000000004"),
            (Value::Real(f64::INFINITY), r#"{"real":"Infinity"}"#),
            (Value::Real(f64::NEG_INFINITY), r#"{"real":"-Infinity"}"#),
            (Value::Text("é\u{0}\"\\\n\u{7f}".as_bytes().into()), "\"é\\u0000\\\"\\\\\\n\u{7f}\""),
            (Value::Text(b"\xff".into()), r#"{"text_base64":"/w=="}"#),
            (Value::Blob(b"".into()), r#"{"bytes":""}"#),
            (Value::Blob(b"\x80abcd\n".into()), "{\"bytes\":\"\u{80}abcd\\n\"}"),
            (Value::Blob(b"\x80a\n".into()), r#"{"base64":"gGEK"}"#),
            (Value::Blob(b"\x00\x01\x02".into()), r#"{"base64":"AAEC"}"#),
        ] {
            let room = spelled_values_bytes(std::slice::from_ref(&value));
            assert!((text.len()..text.len() + 32).contains(&room), "{text}: {room}");
            assert_eq!(line(value), format!("[\"k\",[{text}]]"));
        }
        let mut none = Vec::new();
        push_line("a\"b", [], &mut none);
        assert_eq!(none, br#"["a\"b",[]]"#);
    }

    #[test]
    fn the_room_for_large_values_is_hardly_more_than_they_take() {
        let escaped = "\"\u{1}é".repeat(100_000);
        for value in [
            Value::Text(escaped.as_bytes().into()),
            Value::Text(vec![0xff; 100_000].into()),
            Value::Blob(vec![0xff; 100_000].into()),
        ] {
            let room = spelled_values_bytes(std::slice::from_ref(&value));
            let taken = line(value).len();
            assert!((taken..taken + 64).contains(&(room + 7)), "{taken} of {room}");
        }
    }

    #[test]
    fn the_length_of_a_character_is_known_before_it_is_spelled() {
        for byte in 0..=255_u8 {
            let mut spelled = Vec::new();
            push_character(char::from(byte), &mut spelled);
            assert_eq!(spelled.len(), spelled_bytes(byte), "{byte}");
        }
    }
}
