//! Strings and numbers as `JSON.stringify` prints them.

use super::document::Encoding;
use std::fmt::Write;

/// Appends a string with its quotes. Lone surrogates stay escapes, `\udxxx`.
pub(super) fn push_string(out: &mut String, encoding: Encoding, bytes: &[u8]) {
    out.push('"');
    match encoding {
        Encoding::OneByte => {
            let mut rest = bytes;
            while let Some(place) = rest.iter().position(|byte| !is_plain(*byte)) {
                let (plain, special) = rest.split_at(place);
                out.push_str(&String::from_utf8_lossy(plain));
                if let Some((byte, after)) = special.split_first() {
                    push_character(out, char::from(*byte));
                    rest = after;
                }
            }
            out.push_str(&String::from_utf8_lossy(rest));
        }
        Encoding::TwoByte => {
            let (pairs, _) = bytes.as_chunks();
            let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
            for character in char::decode_utf16(units) {
                match character {
                    Ok(character) => push_character(out, character),
                    Err(lone) => push_escape(out, lone.unpaired_surrogate()),
                }
            }
        }
        // The decoder refused what is not UTF-8.
        Encoding::Utf8 => {
            for character in String::from_utf8_lossy(bytes).chars() {
                push_character(out, character);
            }
        }
    }
    out.push('"');
}

/// Whether a character prints as the byte it is.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn push_character(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\0'..='\u{1f}' => push_escape(out, character as u16),
        _ => out.push(character),
    }
}

fn push_escape(out: &mut String, unit: u16) {
    // Writing to a String does not fail.
    let _ = write!(out, "\\u{unit:04x}");
}

/// The bits of the NaN that JavaScript's `NaN` is.
const NAN: u64 = 0x7ff8_0000_0000_0000;

/// Appends a number: as JSON where JSON has it, else as a tagged object.
pub(super) fn push_number(out: &mut String, bits: u64) {
    let value = f64::from_bits(bits);
    if value.is_nan() {
        out.push_str("{\"$v8\":\"number\",\"value\":\"NaN\"");
        if bits != NAN {
            let _ = write!(out, ",\"bits\":\"{bits:016x}\"");
        }
        out.push('}');
    } else if value.is_infinite() || (value == 0.0 && value.is_sign_negative()) {
        let name = if value == 0.0 {
            "-0"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        let _ = write!(out, "{{\"$v8\":\"number\",\"value\":\"{name}\"}}");
    } else {
        out.push_str(ryu_js::Buffer::new().format_finite(value));
    }
}

/// Appends a number as a property's name, without quotes.
pub(super) fn push_number_name(out: &mut String, bits: u64) {
    out.push_str(ryu_js::Buffer::new().format(f64::from_bits(bits)));
}
