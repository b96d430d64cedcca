//! Checksums as the producers write them: SHA-256 or MurmurHash3, told apart by their form.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::id::Hash;

/// A checksum that a record states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// 64 hexadecimal digits.
    Sha256(Hash),
    /// MurmurHash3 x86 32, seed 0: up to 8 digits, as `toString(16)` prints it or with leading
    /// zeros.
    Murmur3(u32),
}

impl Checksum {
    /// Reads a checksum; `None` where the text has neither form.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|digit| digit.is_ascii_hexdigit());
        match text.len() {
            64 if digits => text.to_ascii_lowercase().parse().ok().map(Checksum::Sha256),
            1..=8 if digits => u32::from_str_radix(text, 16).ok().map(Checksum::Murmur3),
            _ => None,
        }
    }

    /// The checksum of the same kind over `bytes`.
    pub fn of_same_kind(self, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::like(self);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The kind's name.
    pub fn algorithm(self) -> &'static str {
        match self {
            Checksum::Sha256(_) => "sha256",
            Checksum::Murmur3(_) => "murmur3",
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Checksum::Sha256(hash) => write!(f, "sha256:{hash}"),
            Checksum::Murmur3(hash) => write!(f, "murmur3:{hash:x}"),
        }
    }
}

/// Takes a checksum over bytes that come in parts.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// MurmurHash3 x86 32.
    Murmur3(Murmur3),
}

impl Hasher {
    /// A hasher of the kind that `checksum` is of.
    pub fn like(checksum: Checksum) -> Self {
        match checksum {
            Checksum::Sha256(_) => Hasher::Sha256(Sha256::new()),
            Checksum::Murmur3(_) => Hasher::Murmur3(Murmur3::default()),
        }
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Murmur3(hasher) => hasher.update(bytes),
        }
    }

    /// The checksum of all of them.
    pub fn finish(self) -> Checksum {
        match self {
            Hasher::Sha256(hasher) => Checksum::Sha256(Hash::finish(hasher)),
            Hasher::Murmur3(hasher) => Checksum::Murmur3(hasher.finish()),
        }
    }
}

/// MurmurHash3 x86 32 with seed 0 (Austin Appleby's `MurmurHash3.cpp`, in the public domain), of
/// bytes that come in parts.
#[derive(Debug, Clone, Default)]
pub struct Murmur3 {
    hash: u32,
    /// The bytes of the word that is not whole yet, the first one lowest.
    tail: u32,
    tail_bytes: u32,
    /// The algorithm counts in 32 bits.
    length_bytes: u32,
}

impl Murmur3 {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.length_bytes = self.length_bytes.wrapping_add(bytes.len() as u32);
        let mut rest = bytes;
        while self.tail_bytes != 0
            && let Some((first, after)) = rest.split_first()
        {
            self.push(*first);
            rest = after;
        }
        let (words, rest) = rest.as_chunks();
        for word in words {
            self.mix(u32::from_le_bytes(*word));
        }
        for byte in rest {
            self.push(*byte);
        }
    }

    fn push(&mut self, byte: u8) {
        self.tail |= u32::from(byte) << (8 * self.tail_bytes);
        self.tail_bytes += 1;
        if self.tail_bytes == 4 {
            let word = std::mem::take(&mut self.tail);
            self.tail_bytes = 0;
            self.mix(word);
        }
    }

    fn mix(&mut self, word: u32) {
        self.hash = (self.hash ^ scramble(word)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }

    /// The hash of all of them.
    pub fn finish(self) -> u32 {
        let mut hash = self.hash ^ scramble(self.tail) ^ self.length_bytes;
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
        hash ^ (hash >> 16)
    }
}

fn scramble(word: u32) -> u32 {
    word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn murmur3(parts: &[&[u8]]) -> u32 {
        let mut hasher = Murmur3::default();
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finish()
    }

    /// The values that other implementations publish.
    #[test]
    fn murmur3_of_known_texts() {
        assert_eq!(murmur3(&[]), 0);
        assert_eq!(murmur3(&[b"hello"]), 0x248b_fa47);
        assert_eq!(murmur3(&[b"The quick brown fox jumps over the lazy dog"]), 0x2e4f_f723);
    }

    #[test]
    fn kinds_are_told_apart_by_form() {
        assert_eq!(Checksum::parse("a7c21f"), Some(Checksum::Murmur3(0xa7_c21f)));
        assert_eq!(Checksum::parse("00A7C21F"), Some(Checksum::Murmur3(0xa7_c21f)));
        let sha256 = Hash::of(b"x").to_string();
        assert_eq!(Checksum::parse(&sha256), Some(Checksum::Sha256(Hash::of(b"x"))));
        assert_eq!(Checksum::parse(&sha256.to_uppercase()), Some(Checksum::Sha256(Hash::of(b"x"))));
        for wrong in ["", "123456789", "+1", "xyz", "-1", &sha256[1..]] {
            assert_eq!(Checksum::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn parts_hash_as_the_whole(bytes: Vec<u8>, cut: prop::sample::Index, again: prop::sample::Index) {
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            let (middle, tail) = tail.split_at(again.index(tail.len() + 1));
            prop_assert_eq!(murmur3(&[&bytes]), murmur3(&[head, middle, tail]));
        }
    }
}
