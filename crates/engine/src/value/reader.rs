//! A cursor over untrusted bytes.

use super::document::Span;
use super::tag;
use crate::error::{Error, Result};

/// Input that is not the format, at byte `offset`.
pub(super) fn malformed(offset: usize, message: impl Into<String>) -> Error {
    Error::malformed(message).at(format!("byte {offset}"))
}

/// Well-formed input that cannot be carried, at byte `offset`.
pub(super) fn unsupported(offset: usize, message: impl Into<String>) -> Error {
    Error::unsupported(message).at(format!("byte {offset}"))
}

/// A tag, the byte it stands at and the padding bytes before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    pub byte: u8,
    pub offset: usize,
    pub padding: u32,
}

/// Reads forward, never past the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`. Offsets are kept in 32 bits, so longer input is refused.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(Error::unsupported("a value of 4 GiB or more; V8 cannot store one"));
        }
        Ok(Reader { bytes, position: 0 })
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// The next byte, left in place.
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    /// The next byte.
    pub fn byte(&mut self, what: &str) -> Result<u8> {
        let byte =
            self.peek().ok_or_else(|| malformed(self.position, format!("the value ends before {what}")))?;
        self.position += 1;
        Ok(byte)
    }

    /// The next tag, after any padding.
    pub fn tag(&mut self, what: &str) -> Result<Tag> {
        let start = self.position;
        while self.peek() == Some(tag::PADDING) {
            self.position += 1;
        }
        let offset = self.position;
        let byte = self.byte(what)?;
        // Positions fit in 32 bits, see `new`.
        let padding = u32::try_from(offset - start).unwrap_or(u32::MAX);
        Ok(Tag { byte, offset, padding })
    }

    /// An unsigned number of at most `bits` bits, 7 bits a byte, the lowest first, in the fewest
    /// bytes that hold it: the only spelling V8 writes.
    fn varint(&mut self, bits: u32, what: &str) -> Result<u64> {
        let start = self.position;
        let mut value = 0u64;
        let mut shift = 0u32;
        loop {
            let byte = self.byte(what)?;
            let low = u64::from(byte & 0x7f);
            if shift >= bits || (shift + 7 > bits && low >> (bits - shift) != 0) {
                return Err(malformed(start, format!("{what} is not a {bits}-bit number")));
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(malformed(start, format!("{what} is written in more bytes than it needs")));
                }
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// A 32-bit varint.
    pub fn u32(&mut self, what: &str) -> Result<u32> {
        // `varint` checked the width.
        Ok(u32::try_from(self.varint(32, what)?).unwrap_or(u32::MAX))
    }

    /// A signed 32-bit varint: 0, -1, 1, -2 and so on.
    pub fn zigzag(&mut self, what: &str) -> Result<i32> {
        let value = self.u32(what)?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A double's bits.
    pub fn double(&mut self, what: &str) -> Result<u64> {
        let span = self.span(8, what)?;
        let mut bytes = [0u8; 8];
        bytes.copy_from_slice(self.slice(span));
        Ok(u64::from_le_bytes(bytes))
    }

    /// The next `length` bytes.
    pub fn span(&mut self, length: u64, what: &str) -> Result<Span> {
        let left = self.bytes.len() - self.position;
        match usize::try_from(length) {
            Ok(bytes) if bytes <= left => {
                // Positions fit in 32 bits, see `new`.
                let span = Span {
                    start: u32::try_from(self.position).unwrap_or(u32::MAX),
                    length: u32::try_from(bytes).unwrap_or(u32::MAX),
                };
                self.position += bytes;
                Ok(span)
            }
            _ => Err(malformed(self.position, format!("{what} of {length} bytes, but {left} are left"))),
        }
    }

    /// A 64-bit length and that many bytes: workerd's own strings.
    pub fn delimited(&mut self, what: &str) -> Result<Span> {
        let length = self.varint(64, what)?;
        self.span(length, what)
    }

    /// The bytes of a span this reader gave.
    pub fn slice(&self, span: Span) -> &'a [u8] {
        span.of(self.bytes)
    }

    /// Refuses bytes that are not UTF-8.
    pub fn require_utf8(&self, span: Span, what: &str) -> Result<()> {
        std::str::from_utf8(self.slice(span)).map_err(|error| {
            malformed(span.start as usize + error.valid_up_to(), format!("{what} is not UTF-8"))
        })?;
        Ok(())
    }
}
