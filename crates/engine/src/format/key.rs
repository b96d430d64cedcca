//! The key of a record, as indexes and manifests spell it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, Result};

/// A record's key as bytes that sort as the records do: a state entry's key in UTF-8 (a lone
/// surrogate as its three bytes), an image page's number in four bytes, highest first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RecordKey(Vec<u8>);

impl RecordKey {
    /// Longest key that a chunk index holds. An object's own keys end at 2,048 bytes.
    pub const BYTES_MAX: usize = u16::MAX as usize;

    /// Takes a key of at most [`RecordKey::BYTES_MAX`] bytes.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > Self::BYTES_MAX {
            let shown = String::from_utf8_lossy(bytes.get(..40).unwrap_or_default()).into_owned();
            return Err(Error::unsupported(format!(
                "the key that begins {shown:?} has {} bytes, more than {}",
                bytes.len(),
                Self::BYTES_MAX
            )));
        }
        Ok(RecordKey(bytes.to_vec()))
    }

    /// The key of page `number`.
    pub fn page(number: u32) -> Self {
        RecordKey(number.to_be_bytes().to_vec())
    }

    /// The page number, where the key is one.
    pub fn page_number(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.0.as_slice().try_into().ok()?))
    }

    /// The bytes by which records are ordered.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// Text where the bytes are printable text, else `{"hex": …}`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelling {
    Text(String),
    Bytes { hex: String },
}

impl Serialize for RecordKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let spelling = match std::str::from_utf8(&self.0) {
            Ok(text) if !text.contains(char::is_control) => Spelling::Text(text.to_owned()),
            _ => Spelling::Bytes { hex: self.0.iter().map(|byte| format!("{byte:02x}")).collect() },
        };
        spelling.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecordKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let bytes = match Spelling::deserialize(deserializer)? {
            Spelling::Text(text) => text.into_bytes(),
            Spelling::Bytes { hex } => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                hex.as_bytes()
                    .chunks(2)
                    .map(|pair| match pair {
                        [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
                        _ => None,
                    })
                    .collect::<Option<Vec<u8>>>()
                    .ok_or_else(|| de::Error::custom("a key's hex is not hexadecimal"))?
            }
        };
        RecordKey::new(&bytes).map_err(de::Error::custom)
    }
}
