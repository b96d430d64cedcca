//! Records: a header of serial types, then the column values.

use super::varint;
use crate::error::{Error, Result};

/// One column's value, borrowed from its record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Column<'a> {
    /// NULL.
    Null,
    /// A signed integer.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text in the database's encoding, not proven to be valid.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

/// A serial type: what a column holds and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialType(pub u64);

impl SerialType {
    /// Bytes that the value takes in the record's body.
    #[inline]
    pub fn value_bytes(self) -> u64 {
        match self.0 {
            0 | 8 | 9 | 10 | 11 => 0,
            1..=4 => self.0,
            5 => 6,
            6 | 7 => 8,
            other => (other - 12) / 2,
        }
    }

    /// Whether the value is text.
    #[inline]
    pub fn is_text(self) -> bool {
        self.0 >= 13 && self.0 % 2 == 1
    }

    /// Whether the value is bytes.
    #[inline]
    pub fn is_blob(self) -> bool {
        self.0 >= 12 && self.0.is_multiple_of(2)
    }

    /// The value that `bytes`, [`SerialType::value_bytes`] long, hold.
    ///
    /// # Errors
    /// Malformed for the two reserved types.
    pub fn column(self, bytes: &[u8]) -> Result<Column<'_>> {
        Ok(match self.0 {
            0 => Column::Null,
            1..=6 => Column::Integer(integer(bytes)),
            7 => Column::Real(f64::from_bits(integer(bytes).cast_unsigned())),
            8 => Column::Integer(0),
            9 => Column::Integer(1),
            10 | 11 => {
                return Err(Error::malformed(format!("serial type {} is reserved", self.0)));
            }
            _ if self.is_text() => Column::Text(bytes),
            _ => Column::Blob(bytes),
        })
    }
}

/// A signed big-endian integer of up to eight bytes.
fn integer(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |value, byte| value << 8 | i64::from(*byte))
}

/// The serial types of a record, whose body may not be at hand yet.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    types: &'a [u8],
    header_bytes: usize,
}

impl<'a> Header<'a> {
    /// Reads the header at the beginning of `bytes`, a record or the first part of one.
    ///
    /// # Errors
    /// Malformed where the header is not wholly in `bytes`.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Header<'a>> {
        let cut = || Error::malformed("the record's header is cut short");
        let (claimed, taken) = varint::read(bytes).ok_or_else(cut)?;
        let header_bytes = usize::try_from(claimed).map_err(|_| cut())?;
        let types = bytes.get(taken..header_bytes).ok_or_else(cut)?;
        Ok(Header { types, header_bytes })
    }

    /// Where the body begins.
    #[inline]
    pub fn header_bytes(&self) -> usize {
        self.header_bytes
    }

    /// The serial types in order. A malformed one ends them with an error.
    #[inline]
    pub fn types(&self) -> Types<'a> {
        Types { rest: self.types }
    }
}

/// An iterator over serial types.
#[derive(Debug, Clone)]
pub struct Types<'a> {
    rest: &'a [u8],
}

impl Iterator for Types<'_> {
    type Item = Result<SerialType>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((value, taken)) = varint::read(self.rest) else {
            self.rest = &[];
            return Some(Err(Error::malformed("a serial type is cut short")));
        };
        self.rest = self.rest.get(taken..).unwrap_or_default();
        Some(Ok(SerialType(value)))
    }
}

/// The columns of a whole record.
#[derive(Debug, Clone)]
pub struct Columns<'a> {
    types: Types<'a>,
    body: &'a [u8],
}

impl<'a> Columns<'a> {
    /// The columns of the record `payload`.
    ///
    /// # Errors
    /// Malformed where its header is.
    pub fn of(payload: &'a [u8]) -> Result<Columns<'a>> {
        let header = Header::parse(payload)?;
        Ok(Columns { types: header.types(), body: payload.get(header.header_bytes()..).unwrap_or_default() })
    }
}

impl<'a> Iterator for Columns<'a> {
    type Item = Result<Column<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let serial_type = match self.types.next()? {
            Ok(serial_type) => serial_type,
            Err(error) => return Some(Err(error)),
        };
        let split = usize::try_from(serial_type.value_bytes())
            .ok()
            .and_then(|length| self.body.split_at_checked(length));
        let Some((value, rest)) = split else {
            self.types = Types { rest: &[] };
            return Some(Err(Error::malformed("a column's value is longer than its record")));
        };
        self.body = rest;
        Some(serial_type.column(value))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn integers_of_each_width() {
        assert_eq!(integer(&[0xff]), -1);
        assert_eq!(integer(&[0x80, 0]), -32_768);
        assert_eq!(integer(&[1, 0, 0]), 65_536);
        assert_eq!(integer(&[0x80, 0, 0, 0, 0, 0, 0, 0]), i64::MIN);
        assert_eq!(integer(&[]), 0);
    }

    #[test]
    fn a_value_past_the_end_is_an_error_and_the_last_item() {
        let mut columns = Columns::of(&[3, 1, 23, 7, 1, 2]).unwrap();
        assert_eq!(columns.next().unwrap().unwrap(), Column::Integer(7));
        assert!(columns.next().unwrap().is_err());
        assert!(columns.next().is_none());
    }

    #[test]
    fn header_claims_are_checked() {
        assert!(Columns::of(&[]).is_err());
        assert!(Columns::of(&[0x80]).is_err());
        assert!(Columns::of(&[9, 1]).is_err());
        assert!(Columns::of(&[0]).is_err());
        assert!(Header::parse(&[0xff; 9]).is_err());
        assert!(Columns::of(&[2, 10]).unwrap().next().unwrap().is_err());
    }
}
