//! One property's number, without the rest of the value.

use super::decode::{Decoder, read_header};
use super::document::{Encoding, Token};
use super::reader::Reader;
use crate::error::Result;

/// The number that the object in `bytes` has under `name`, an ASCII name. `None` where the value
/// is malformed up to there, is no plain object, has no such property, or has something else than
/// a number there. Reads no further than the property and takes memory linear in what it reads.
pub fn property_number(bytes: &[u8], name: &str) -> Option<f64> {
    let mut reader = Reader::new(bytes).ok()?;
    let (version, _) = read_header(&mut reader).ok()?;
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
