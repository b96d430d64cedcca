//! The two values in which a store keeps checkpoints in an object's key-value storage: bytes and
//! sizes, written as workerd writes a `Uint8Array` and a number.

use super::decode::decode;
use super::document::{Token, ViewKind};
use super::kind::ValueKind;
use super::tag;
use crate::error::{Error, Result};

/// The version that workerd writes since 2024.
const VERSION: u32 = 15;

/// The largest number that V8 writes as an integer: of 31 bits, its sign included.
const INTEGER_MAX: u64 = (1 << 30) - 1;

/// The largest integer that a double tells from its neighbours.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// What [`write_bytes`] puts around bytes, at most: two tags, a version, three counts, a subtag and
/// flags.
pub const BYTES_OVERHEAD_MAX: usize = 5 + 5 + 2 + 5 + 3;

/// A `Uint8Array` of these bytes, as `storage.put` stores it.
pub fn write_bytes(bytes: &[u8]) -> Result<Vec<u8>> {
    let length =
        u32::try_from(bytes.len()).map_err(|_| Error::unsupported("4 GiB or more in one Uint8Array"))?;
    let mut value = Vec::with_capacity(bytes.len() + BYTES_OVERHEAD_MAX);
    value.push(tag::VERSION);
    varint(VERSION, &mut value);
    value.push(tag::ARRAY_BUFFER);
    varint(length, &mut value);
    value.extend_from_slice(bytes);
    // The view: a Uint8Array, from byte 0 on, all of the buffer, no flags.
    value.extend_from_slice(&[tag::VIEW, b'B', 0]);
    varint(length, &mut value);
    value.push(0);
    Ok(value)
}

/// The bytes of a stored `Uint8Array` or `ArrayBuffer`.
///
/// # Errors
/// Malformed where the value is another one.
pub fn read_bytes(value: &[u8]) -> Result<&[u8]> {
    let document = decode(value)?;
    let whole = match document.tokens.as_slice() {
        [Token::ArrayBuffer(bytes)] => Some(bytes.of(value)),
        [Token::ArrayBuffer(bytes), Token::View { kind, offset_bytes, length_bytes, .. }]
            if ViewKind::from_tag(*kind).is_some_and(|view| view.kind == ValueKind::Uint8Array) =>
        {
            let begin = *offset_bytes as usize;
            bytes.of(value).get(begin..begin.saturating_add(*length_bytes as usize))
        }
        _ => None,
    };
    whole.ok_or_else(|| Error::malformed("the value is no Uint8Array"))
}

/// A number, as `storage.put` stores it.
pub fn write_number(number: u64) -> Result<Vec<u8>> {
    let mut value = vec![tag::VERSION];
    varint(VERSION, &mut value);
    match u32::try_from(number) {
        Ok(small) if number <= INTEGER_MAX => {
            value.push(tag::INT32);
            varint(small << 1, &mut value);
        }
        _ if number <= EXACT_MAX => {
            value.push(tag::DOUBLE);
            value.extend_from_slice(&(number as f64).to_le_bytes());
        }
        _ => return Err(Error::unsupported(format!("{number} is past what a stored number can tell"))),
    }
    Ok(value)
}

/// The stored number, a whole one and not negative.
///
/// # Errors
/// Malformed where the value is another one.
pub fn read_number(value: &[u8]) -> Result<u64> {
    let number = match decode(value)?.tokens.as_slice() {
        [Token::Int32(number)] => u64::try_from(*number).ok(),
        [Token::Uint32(number)] => Some(u64::from(*number)),
        [Token::Double(bits)] => {
            let number = f64::from_bits(*bits);
            let exact = number >= 0.0 && number <= EXACT_MAX as f64 && number.fract() == 0.0;
            exact.then_some(number as u64)
        }
        _ => None,
    };
    number.ok_or_else(|| Error::malformed("the value is no whole number"))
}

fn varint(mut number: u32, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_are_written_as_workerd_wrote_them() {
        // `value:typed:Uint8Array:empty` of fixtures/objects, and one of 3 bytes by the same rule.
        assert_eq!(write_bytes(&[]).unwrap(), [0xff, 15, 0x42, 0, 0x56, 0x42, 0, 0, 0]);
        assert_eq!(write_bytes(&[1, 2, 3]).unwrap(), [0xff, 15, 0x42, 3, 1, 2, 3, 0x56, 0x42, 0, 3, 0]);
        for length in [0, 1, 127, 128, 16_383, 16_384, 129_024, 2_097_152] {
            let bytes = vec![7; length];
            let value = write_bytes(&bytes).unwrap();
            assert!(value.len() <= length + BYTES_OVERHEAD_MAX);
            assert_eq!(read_bytes(&value).unwrap(), bytes);
        }
    }

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 63, 64, INTEGER_MAX, INTEGER_MAX + 1, u64::from(u32::MAX), EXACT_MAX] {
            assert_eq!(read_number(&write_number(number).unwrap()).unwrap(), number);
        }
        assert!(write_number(EXACT_MAX + 1).is_err());
    }

    #[test]
    fn other_values_are_refused() {
        let number = write_number(5).unwrap();
        let bytes = write_bytes(b"abc").unwrap();
        assert!(read_bytes(&number).is_err() && read_number(&bytes).is_err());
        assert!(read_bytes(&bytes[..bytes.len() - 2]).is_err());
        assert!(read_number(&[]).is_err());
        let fraction = [&[0xff, 15, b'N'][..], &0.5_f64.to_le_bytes()].concat();
        let negative = [0xff, 15, b'I', 1];
        assert!(read_number(&fraction).is_err() && read_number(&negative).is_err());
    }
}
