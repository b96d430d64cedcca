//! Values as the bytes in which many of them cross between the engine and JavaScript: `js/storage.js`.

use dotctl_engine::{Error, Result};

/// A value that JavaScript gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Given<'a> {
    /// `null`: SQL's NULL.
    Null,
    /// A number: a REAL, unless the query made sure that it is another thing.
    Number(f64),
    /// A text, in UTF-8.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// Reads values one after another.
#[derive(Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Those in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// Whether there is no more.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value, if there is one.
    pub fn next(&mut self) -> Result<Option<Given<'a>>> {
        let Some((tag, rest)) = self.0.split_first() else {
            return Ok(None);
        };
        let wrong = || Error::malformed("what JavaScript gave is cut short");
        let (value, rest) = match tag {
            0 => (Given::Null, rest),
            1 => {
                let (number, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
                (Given::Number(f64::from_le_bytes(*number)), rest)
            }
            2 | 3 => {
                let (length, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
                let (bytes, rest) =
                    rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(wrong)?;
                let value = match tag {
                    2 => Given::Text(std::str::from_utf8(bytes).map_err(|_| wrong())?),
                    _ => Given::Bytes(bytes),
                };
                (value, rest)
            }
            _ => return Err(wrong()),
        };
        self.0 = rest;
        Ok(Some(value))
    }

    /// The next value, which has to be there.
    pub fn value(&mut self) -> Result<Given<'a>> {
        self.next()?.ok_or_else(|| Error::malformed("a row has fewer values than columns"))
    }
}

impl<'a> Given<'a> {
    /// The text that it is.
    pub fn text(self) -> Result<&'a str> {
        match self {
            Given::Text(text) => Ok(text),
            other => Err(Error::malformed(format!("a text was expected, not {other:?}"))),
        }
    }

    /// The bytes that it is.
    pub fn bytes(self) -> Result<&'a [u8]> {
        match self {
            Given::Bytes(bytes) => Ok(bytes),
            other => Err(Error::malformed(format!("bytes were expected, not {other:?}"))),
        }
    }

    /// The whole number that it is, exact up to 2^53.
    pub fn integer(self) -> Result<i64> {
        match self {
            Given::Number(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => {
                Ok(number as i64)
            }
            other => Err(Error::malformed(format!("a whole number was expected, not {other:?}"))),
        }
    }
}

/// Writes values one after another.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// A number that says how to read what follows.
    pub fn count(&mut self, count: usize) {
        self.bytes.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }

    /// A number.
    pub fn number(&mut self, number: f64) {
        self.bytes.push(1);
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.bytes.push(2);
        self.count(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Bytes.
    pub fn blob(&mut self, bytes: &[u8]) {
        self.bytes.push(3);
        self.count(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_come_back() {
        let mut writer = Writer::default();
        writer.number(-0.5);
        writer.text("é\0");
        writer.blob(&[0, 255]);
        let mut reader = Reader::new(writer.as_bytes());
        assert_eq!(reader.next().unwrap(), Some(Given::Number(-0.5)));
        assert_eq!(reader.next().unwrap(), Some(Given::Text("é\0")));
        assert_eq!(reader.next().unwrap(), Some(Given::Bytes(&[0, 255])));
        assert_eq!(reader.next().unwrap(), None);
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let mut writer = Writer::default();
        writer.text("text");
        for end in 1..writer.len() {
            assert!(Reader::new(&writer.as_bytes()[..end]).next().is_err(), "{end}");
        }
        assert!(Reader::new(&[9]).next().is_err());
        assert!(Reader::new(&[2, 1, 0, 0, 0, 0xff]).next().is_err());
    }
}
