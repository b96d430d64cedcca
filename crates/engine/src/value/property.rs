//! One property's number, without the rest of the value.

use super::decode::{Decoder, read_header};
use super::document::{Encoding, Token};
use super::reader::Reader;
use super::tag;
use crate::error::Result;

/// The number that the object in `bytes` has under `name`, an ASCII name. `None` where the value
/// is malformed up to there, is no plain object, has no such property, or has something else than
/// a number there. Reads no further than the property and takes memory linear in what it reads.
pub fn property_number(bytes: &[u8], name: &str) -> Option<f64> {
    let mut reader = Reader::new(bytes).ok()?;
    let (version, _) = read_header(&mut reader).ok()?;
    if let Some(found) = find_in_plain_values(reader, name.as_bytes()) {
        return found;
    }
    // The second reading is `decode`'s: version 13 was once written with flags.
    find(reader, version >= 14, name).or_else(|_| find(reader, true, name)).ok()?
}

fn find(reader: Reader<'_>, has_view_flags: bool, name: &str) -> Result<Option<f64>> {
    let mut decoder = Decoder::new(reader, has_view_flags);
    decoder.begin()?;
    if !matches!(decoder.tokens.last(), Some(Token::BeginObject { .. })) {
        return Ok(None);
    }
    loop {
        // The outer object is what is open now: the next step reads its next property's name and
        // the beginning of the value, and more steps the rest of it.
        let before = decoder.tokens.len();
        if !decoder.advance()? {
            return Ok(None);
        }
        let property = decoder.tokens.get(before..).unwrap_or_default();
        let mut property = property.iter().filter(|token| !matches!(token, Token::Padding(_)));
        if let Some(Token::String { encoding, bytes }) = property.next()
            && *encoding != Encoding::TwoByte
            && decoder.reader.slice(*bytes) == name.as_bytes()
        {
            return Ok(match property.next() {
                Some(Token::Int32(number)) => Some(f64::from(*number)),
                Some(Token::Uint32(number)) => Some(f64::from(*number)),
                Some(Token::Double(bits)) => Some(f64::from_bits(*bits)),
                _ => None,
            });
        }
        while decoder.frames.len() > 1 {
            decoder.advance()?;
        }
    }
}

/// Levels of objects and arrays that are read without tokens.
const PLAIN_LEVELS: usize = 8;

/// An open object or dense array.
#[derive(Clone, Copy)]
enum Level {
    /// So many properties so far.
    Object(u32),
    /// So many elements to come, of so many.
    Array(u32, u32),
}

/// The same for the usual state entry, which holds nothing but objects, full arrays, text, numbers
/// and the like: without memory for what is skipped. `None` where the value is anything else.
fn find_in_plain_values(mut reader: Reader<'_>, name: &[u8]) -> Option<Option<f64>> {
    if reader.byte("").ok()? != tag::BEGIN_OBJECT {
        return None;
    }
    let mut levels = [Level::Object(0); PLAIN_LEVELS];
    let mut depth = 0;
    loop {
        let level = levels.get_mut(depth)?;
        let mut is_wanted = false;
        match level {
            Level::Object(properties) => match reader.byte("").ok()? {
                tag::END_OBJECT => {
                    if reader.u32("").ok()? != *properties {
                        return None;
                    }
                    match depth.checked_sub(1) {
                        Some(outer) => depth = outer,
                        None => return Some(None),
                    }
                    continue;
                }
                tag::ONE_BYTE_STRING => {
                    *properties += 1;
                    let length = reader.u32("").ok()?;
                    let found = reader.span(length.into(), "").ok()?;
                    is_wanted = depth == 0 && reader.slice(found) == name;
                }
                _ => return None,
            },
            Level::Array(0, length) => {
                let ends = reader.byte("").ok()? == tag::END_DENSE_ARRAY
                    && reader.u32("").ok()? == 0
                    && reader.u32("").ok()? == *length;
                if !ends {
                    return None;
                }
                depth = depth.checked_sub(1)?;
                continue;
            }
            Level::Array(remaining, _) => *remaining -= 1,
        }
        let number = match reader.byte("").ok()? {
            tag::INT32 => Some(f64::from(reader.zigzag("").ok()?)),
            tag::UINT32 => Some(f64::from(reader.u32("").ok()?)),
            tag::DOUBLE => Some(f64::from_bits(reader.double("").ok()?)),
            tag::UNDEFINED | tag::NULL | tag::TRUE | tag::FALSE => None,
            tag::ONE_BYTE_STRING => {
                let length = reader.u32("").ok()?;
                reader.span(length.into(), "").ok()?;
                None
            }
            tag::BEGIN_OBJECT if !is_wanted => {
                depth += 1;
                *levels.get_mut(depth)? = Level::Object(0);
                continue;
            }
            tag::BEGIN_DENSE_ARRAY if !is_wanted => {
                let length = reader.u32("").ok()?;
                depth += 1;
                *levels.get_mut(depth)? = Level::Array(length, length);
                continue;
            }
            _ => return None,
        };
        if is_wanted {
            return Some(number);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// What the reader of plain objects says, where it says something, the decoder says too.
    fn agree(bytes: &[u8], name: &str) -> bool {
        let mut reader = Reader::new(bytes).unwrap();
        let Ok((version, _)) = read_header(&mut reader) else {
            return false;
        };
        let Some(quick) = find_in_plain_values(reader, name.as_bytes()) else {
            return false;
        };
        let slow = find(reader, version >= 14, name).unwrap();
        assert_eq!(quick.map(f64::to_bits), slow.map(f64::to_bits), "{bytes:02x?}");
        true
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            Just(b"T".to_vec()),
            Just(b"_".to_vec()),
            (0_u8..128).prop_map(|number| vec![b'I', number]),
            (0_u8..128).prop_map(|number| vec![b'U', number]),
            any::<[u8; 8]>().prop_map(|bits| [&b"N"[..], &bits].concat()),
            "[a-c]{0,9}".prop_map(|text| [&[b'"', text.len() as u8], text.as_bytes()].concat()),
            Just(b"A\0$\0\0".to_vec()),
            Just(b"A\x02I\x02\"\x01a$\0\x02".to_vec()),
            Just(b"A\x01-$\0\x01".to_vec()),
        ];
        leaf.prop_recursive(10, 64, 4, |inner| {
            prop::collection::vec(("[a-c]", inner), 0..4).prop_map(|properties| {
                let mut bytes = vec![b'o'];
                for (name, value) in &properties {
                    bytes.extend_from_slice(&[b'"', 1, name.as_bytes()[0]]);
                    bytes.extend_from_slice(value);
                }
                bytes.extend_from_slice(&[b'{', properties.len() as u8]);
                bytes
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn both_readings_agree(value in value(), name in "[a-d]", place: prop::sample::Index, byte: u8) {
            let mut bytes = [&b"\xff\x0f"[..], &value].concat();
            agree(&bytes, &name);
            let place = place.index(bytes.len());
            bytes[place] = byte;
            agree(&bytes, &name);
        }
    }

    #[test]
    fn a_state_entry_is_read_quickly() {
        let entry = b"\xff\x0fo\"\x05valueo\"\x01a\"\x02hi{\x01\"\x09createdAtU\x07\"\x09expiresAtU\x09{\x03";
        assert!(agree(entry, "expiresAt"));
        let array = b"\xff\x0fo\"\x05valueA\x02A\0$\0\0o{\0$\0\x02\"\x01bI\x04{\x02";
        assert!(agree(array, "b"));
        assert_eq!(property_number(array, "b"), Some(2.0));
        assert!(!agree(b"\xff\x0fo\"\x05valueA\x01-$\0\x01{\x01", "b"));
    }
}
