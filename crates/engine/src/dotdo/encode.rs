//! Records as an object stores them: V8's bytes, spelled as V8 spells them.

use super::exact::{Exact, exact};
use super::value::Value;
use crate::error::{Error, Result};
use crate::value::{decode, encode as respell};

/// V8's format, version 15, as workerd writes it now.
const HEADER: [u8; 2] = [0xff, 15];

/// Writes one value.
#[derive(Debug, Clone)]
pub struct Encoder {
    out: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder { out: HEADER.to_vec() }
    }
}

impl Encoder {
    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn length(&mut self, bytes: usize) -> Result<()> {
        let length = u32::try_from(bytes)
            .map_err(|_| Error::unsupported("a value of 4 GiB or more is none that an object stores"))?;
        self.varint(length);
        Ok(())
    }

    /// Text, in the shorter of V8's two encodings that holds it.
    ///
    /// # Errors
    /// Unsupported where it is too long; the same goes for all that follow.
    pub fn text(&mut self, text: &str) -> Result<()> {
        let latin1: Option<Vec<u8>> =
            text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
        if let Some(latin1) = latin1 {
            self.out.push(b'"');
            self.length(latin1.len())?;
            self.out.extend_from_slice(&latin1);
            return Ok(());
        }
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = u32::try_from(units.len()).unwrap_or(u32::MAX);
        // The units stand at an even place.
        let length_bytes = (32 - length.leading_zeros()).div_ceil(7).max(1);
        if (self.out.len() + 1 + length_bytes as usize) % 2 == 1 {
            self.out.push(0);
        }
        self.out.push(b'c');
        self.length(units.len())?;
        self.out.extend_from_slice(&units);
        Ok(())
    }

    /// A whole number: a small one as an integer, any other as a double.
    pub fn number(&mut self, number: u64) {
        match u32::try_from(number) {
            Ok(small) if small < 1 << 30 => {
                self.out.push(b'I');
                self.varint(small << 1);
            }
            _ => self.double(number as f64),
        }
    }

    fn double(&mut self, number: f64) {
        self.out.push(b'N');
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) {
        self.out.push(if value { b'T' } else { b'F' });
    }

    /// A `Uint8Array` of a buffer of its own.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.push(b'B');
        self.length(bytes.len())?;
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"VB\0");
        self.length(bytes.len())?;
        self.varint(0);
        Ok(())
    }

    /// An array of what `element` writes.
    pub fn list<T>(
        &mut self,
        elements: &[T],
        mut element: impl FnMut(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        self.out.push(b'A');
        self.length(elements.len())?;
        elements.iter().try_for_each(|value| element(self, value))?;
        self.out.extend_from_slice(b"$\0");
        self.length(elements.len())
    }

    /// Begins an object; names and values follow in turn, then [`Encoder::end_object`].
    pub fn begin_object(&mut self) {
        self.out.push(b'o');
    }

    /// Ends an object of so many properties.
    pub fn end_object(&mut self, properties: u32) {
        self.out.push(b'{');
        self.varint(properties);
    }

    /// The value's bytes, as they are spelled once they were read.
    pub fn finish(self) -> Result<Vec<u8>> {
        decode(&self.out).map(|document| respell(&document))
    }
}

/// `value` as an object stores it.
///
/// # Errors
/// Unsupported where a part of it is too large for V8's format, or is JSON text that JavaScript would
/// spell otherwise: what is read back is to be the same text.
pub fn encode(value: &Value<'_>) -> Result<Vec<u8>> {
    let mut encoder = Encoder::default();
    encoder.value(value)?;
    encoder.finish()
}

impl Encoder {
    /// Any value of a record.
    // Recurses as deep as records are: their makers decide.
    fn value(&mut self, value: &Value<'_>) -> Result<()> {
        match value {
            Value::Null => self.out.push(b'0'),
            Value::Boolean(value) => self.boolean(*value),
            Value::Number(number) => match value.count() {
                Some(whole) => self.number(whole),
                None => self.double(*number),
            },
            Value::Text(text) => self.text(text)?,
            Value::Bytes(bytes) => self.bytes(bytes)?,
            Value::List(elements) => self.list(elements, |encoder, element| encoder.value(element))?,
            Value::Object(members) => {
                self.begin_object();
                for (name, value) in members {
                    self.text(name)?;
                    self.value(value)?;
                }
                self.end_object(u32::try_from(members.len()).unwrap_or(u32::MAX));
            }
            Value::Json(text) => self.exact(&exact(text)?)?,
        }
        Ok(())
    }

    // Recurses as deep as `exact` lets it be.
    fn exact(&mut self, value: &Exact) -> Result<()> {
        match value {
            Exact::Plain(value) => self.value(value),
            Exact::List(elements) => self.list(elements, Encoder::exact),
            Exact::Object(members) => {
                self.begin_object();
                for (name, value) in members {
                    self.text(name)?;
                    self.exact(value)?;
                }
                self.end_object(u32::try_from(members.len()).unwrap_or(u32::MAX));
                Ok(())
            }
        }
    }
}
