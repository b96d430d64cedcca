//! Names of things: hashes, checkpoint ids, namespaces, times.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, Result};

/// A SHA-256, written as 64 lowercase hexadecimal digits. The default, all zero, is nothing's hash.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Bytes of a SHA-256.
    pub const BYTES: usize = 32;

    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Hash(sha2::Sha256::digest(bytes).into())
    }

    /// What `hasher` has seen.
    pub fn finish(hasher: sha2::Sha256) -> Self {
        use sha2::Digest;
        Hash(hasher.finalize().into())
    }

    /// The hash itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Hash(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::malformed(format!("`{text}` is not 64 lowercase hexadecimal digits"));
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else {
                return Err(wrong());
            };
            let nibble = |digit: u8| match digit {
                b'0'..=b'9' => Ok(digit - b'0'),
                b'a'..=b'f' => Ok(digit - b'a' + 10),
                _ => Err(wrong()),
            };
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Hash(bytes))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Names a checkpoint: the SHA-256 of its manifest's bytes, so that the name proves the manifest.
pub type CheckpointId = Hash;

/// Whose state a checkpoint holds: `<class>/<object id>`, or any name a producer chose.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Namespace(String);

impl Namespace {
    /// Longest spelling as one path component: what file systems allow a name.
    pub const ENCODED_BYTES_MAX: usize = 255;

    /// Takes a name that has at least one character, no control characters and fits a path
    /// component once encoded.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = Namespace(name.into());
        if name.0.is_empty() {
            return Err(Error::malformed("a namespace cannot be empty"));
        }
        if name.0.chars().any(char::is_control) {
            return Err(Error::malformed(format!("namespace {:?} has a control character", name.0)));
        }
        let encoded_bytes = name.encoded().len();
        if encoded_bytes > Self::ENCODED_BYTES_MAX {
            return Err(Error::malformed(format!(
                "namespace {:?} takes {encoded_bytes} bytes as a key, more than {}",
                name.0,
                Self::ENCODED_BYTES_MAX
            )));
        }
        Ok(name)
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as one path component: letters, digits, `-`, `_` and inner `.` stand for
    /// themselves, every other byte is `%` and two uppercase hexadecimal digits.
    pub fn encoded(&self) -> String {
        use fmt::Write;
        let mut encoded = String::with_capacity(self.0.len());
        for (position, byte) in self.0.bytes().enumerate() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(byte.into()),
                b'.' if position > 0 => encoded.push('.'),
                _ => {
                    // Writing to a String cannot fail.
                    let _ = write!(encoded, "%{byte:02X}");
                }
            }
        }
        encoded
    }

    /// Reads what [`Namespace::encoded`] wrote, and nothing else.
    pub fn decode(component: &str) -> Result<Self> {
        let wrong = || Error::malformed(format!("`{component}` does not spell a namespace"));
        let mut bytes = Vec::with_capacity(component.len());
        let mut rest = component.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            if first != b'%' {
                bytes.push(first);
                continue;
            }
            let digits = rest.get(..2).ok_or_else(wrong)?;
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
            rest = rest.get(2..).ok_or_else(wrong)?;
        }
        let name = Namespace::new(String::from_utf8(bytes).map_err(|_| wrong())?)?;
        if name.encoded() == component { Ok(name) } else { Err(wrong()) }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Namespace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Namespace::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// A moment in milliseconds since 1970-01-01T00:00:00Z, written as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The moment `unix_ms` milliseconds after the epoch; years 0 to 9999.
    pub fn from_unix_ms(unix_ms: i64) -> Result<Self> {
        let moment = Time(unix_ms);
        match moment.date() {
            Some(date) if (0..=9999).contains(&date.year()) => Ok(moment),
            _ => Err(Error::malformed(format!("{unix_ms} ms is outside the years 0 to 9999"))),
        }
    }

    /// Milliseconds since the epoch.
    pub fn unix_ms(self) -> i64 {
        self.0
    }

    /// Which month of UTC this is, counted from the year 0.
    pub fn month_number(self) -> i64 {
        self.date().map_or(0, |date| i64::from(date.year()) * 12 + i64::from(u8::from(date.month())) - 1)
    }

    fn date(self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).ok()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date().ok_or(fmt::Error)?;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            date.hour(),
            date.minute(),
            date.second(),
            date.millisecond()
        )
    }
}

impl FromStr for Time {
    type Err = Error;

    /// Reads RFC 3339 (any offset; fractions of a millisecond are dropped) or Unix milliseconds.
    fn from_str(text: &str) -> Result<Self> {
        if let Ok(unix_ms) = text.parse() {
            return Time::from_unix_ms(unix_ms);
        }
        let date = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
            Error::malformed(format!(
                "`{text}` is neither a time as 2026-01-31T12:00:00Z nor Unix milliseconds"
            ))
        })?;
        let unix_ms = date.unix_timestamp_nanos().div_euclid(1_000_000);
        Time::from_unix_ms(i64::try_from(unix_ms).unwrap_or(i64::MAX))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn namespaces_survive_their_encoding() {
        for name in ["Room/4f2a", "a b", "..", ".hidden", "x.y", "übung", "50%", "-"] {
            let namespace = Namespace::new(name).unwrap();
            let encoded = namespace.encoded();
            assert!(!encoded.contains('/') && !encoded.starts_with('.'), "{encoded}");
            assert_eq!(Namespace::decode(&encoded).unwrap(), namespace);
        }
    }

    #[test]
    fn a_namespace_has_one_spelling() {
        for component in ["%2f", "%41", "a/b", ".a", "%", "%4", "", "%C3"] {
            assert!(Namespace::decode(component).is_err(), "{component}");
        }
        assert!(Namespace::new("a\nb").is_err());
        assert!(Namespace::new("é".repeat(43)).is_err());
    }

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        let moment: Time = "2026-01-13T12:00:00.5+01:00".parse().unwrap();
        assert_eq!(moment.to_string(), "2026-01-13T11:00:00.500Z");
        assert_eq!(moment, "1768302000500".parse().unwrap());
        assert_eq!(Time::from_unix_ms(-1).unwrap().to_string(), "1969-12-31T23:59:59.999Z");
        assert!("yesterday".parse::<Time>().is_err());
        assert!(Time::from_unix_ms(i64::MAX).is_err());
    }

    #[test]
    fn hashes_read_only_their_own_spelling() {
        let hash = Hash::of(b"abc");
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
        assert!(hash.to_string().to_uppercase().parse::<Hash>().is_err());
        assert!("ba78".parse::<Hash>().is_err());
    }
}
