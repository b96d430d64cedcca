//! An entry as it stands in a run: sizes and number, the key if the text does not show it, text.
//!
//! ```text
//! 0   u32 little-endian  bytes of text
//! 4   u32 little-endian  bytes of key; the highest bit is set if the key follows
//! 8   u64 little-endian  number of the entry in its input, from 1
//! 16  key, if the bit is set: it has escapes in the text
//!     text `["key",{…}]`
//! ```
//! Runs live as long as one sort; this is no format to keep.

use std::ops::Range;

/// Bytes before the key or the text.
pub(super) const HEAD_BYTES: usize = 16;

/// Where the key begins in a text that shows it.
const KEY_IN_TEXT: usize = 2;

const KEY_FOLLOWS: u32 = 1 << 31;

/// An entry in a sort, as an [`EntryReader`](crate::state::EntryReader) gives it: within
/// [`MAX_ENTRY_BYTES`](crate::state::MAX_ENTRY_BYTES) and
/// [`MAX_KEY_BYTES`](crate::state::MAX_KEY_BYTES).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The decoded key.
    pub key: &'a [u8],
    /// The compact JSON text.
    pub text: &'a [u8],
    /// Which entry of the input it is, from 1.
    pub number: u64,
}

impl<'a> Record<'a> {
    fn key_follows(&self) -> bool {
        let key_end = KEY_IN_TEXT.saturating_add(self.key.len());
        self.text.get(KEY_IN_TEXT..key_end) != Some(self.key)
    }

    /// The record as three stretches of bytes that are written one after the other.
    pub fn parts(&self) -> ([u8; 16], &'a [u8], &'a [u8]) {
        let follows = self.key_follows();
        let flag = if follows { KEY_FOLLOWS } else { 0 };
        let mut head = [0; HEAD_BYTES];
        let sizes =
            (self.text.len() as u64 & u64::from(u32::MAX)) | u64::from(self.key.len() as u32 | flag) << 32;
        let fields = u128::from(sizes) | u128::from(self.number) << 64;
        head.copy_from_slice(&fields.to_le_bytes());
        (head, if follows { self.key } else { &[] }, self.text)
    }

    /// Bytes that the record takes in a run.
    pub(super) fn bytes(&self) -> usize {
        let (head, key, text) = self.parts();
        head.len() + key.len() + text.len()
    }
}

/// A record's head: where its parts are, from the head's first byte on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub key: Range<usize>,
    pub text: Range<usize>,
    pub number: u64,
}

impl Head {
    /// Reads the head at the start of `bytes`.
    #[inline(always)]
    pub(super) fn read(bytes: &[u8]) -> Option<Head> {
        let fields = u128::from_le_bytes(*bytes.first_chunk()?);
        let text_bytes = (fields as u32) as usize;
        let key_field = (fields >> 32) as u32;
        let key_bytes = (key_field & !KEY_FOLLOWS) as usize;
        let (key_start, text_start) = if key_field & KEY_FOLLOWS != 0 {
            (HEAD_BYTES, HEAD_BYTES.checked_add(key_bytes)?)
        } else {
            (HEAD_BYTES + KEY_IN_TEXT, HEAD_BYTES)
        };
        Some(Head {
            key: key_start..key_start.checked_add(key_bytes)?,
            text: text_start..text_start.checked_add(text_bytes)?,
            number: (fields >> 64) as u64,
        })
    }

    /// The record at the start of `bytes`, as much of it as is there.
    #[inline(always)]
    pub(super) fn record<'a>(&self, bytes: &'a [u8]) -> Record<'a> {
        Record {
            key: bytes.get(self.key.clone()).unwrap_or_default(),
            text: bytes.get(self.text.clone()).unwrap_or_default(),
            number: self.number,
        }
    }
}

/// Eight bytes of `key` behind its first `shared`, as a number that orders like them; keys that
/// end earlier count as filled with zeros.
#[inline(always)]
pub(super) fn prefix(key: &[u8], shared: usize) -> u64 {
    let rest = key.get(shared..).unwrap_or_default();
    match rest.first_chunk() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            rest.iter()
                .fold((0, 64), |(number, shift), byte| {
                    let shift = shift - 8;
                    (number | u64::from(*byte) << shift, shift)
                })
                .0
        }
    }
}

/// How many bytes from the first on two keys share.
#[inline(always)]
pub(super) fn shared_bytes(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn records_come_back() {
        let plain = (&b"ab"[..], &br#"["ab",{}]"#[..]);
        let escaped = (&b"a\n"[..], &br#"["a\n",{}]"#[..]);
        for ((key, text), follows) in [(plain, false), (escaped, true)] {
            let record = Record { key, text, number: u64::MAX - 1 };
            let (head, apart, rest) = record.parts();
            assert_eq!(apart.is_empty(), !follows);
            let bytes = [&head, apart, rest].concat();
            assert_eq!(bytes.len(), record.bytes());
            assert_eq!(Head::read(&bytes).unwrap().record(&bytes), record);
            assert_eq!(Head::read(&bytes[..15]), None);
        }
    }

    #[test]
    fn prefixes_order_like_keys() {
        assert_eq!(prefix(b"xabcdefghi", 1), u64::from_be_bytes(*b"abcdefgh"));
        assert_eq!(prefix(b"xab", 1), u64::from_be_bytes(*b"ab\0\0\0\0\0\0"));
        assert_eq!(prefix(b"x", 1), 0);
        assert_eq!(prefix(b"", 1), 0);
    }
}
