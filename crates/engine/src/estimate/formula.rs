//! The spike's formula.

use crate::error::{Error, Result};

/// What JSON state becomes under gzip if nobody knows better: a tenth. From `estimateCheckpointSize` of the
/// spike of 2026-01-13.
pub const DEFAULT_COMPRESSION_RATIO: f64 = 0.1;

/// Bytes of an entry besides key and value: timestamps and the like. From the same function.
const ENTRY_OVERHEAD_BYTES: f64 = 50.0;

/// What quotes, commas and braces add. From the same function.
const JSON_OVERHEAD: f64 = 1.2;

/// State as the formula knows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    entries: u64,
    key_bytes: f64,
    value_bytes: f64,
    compression_ratio: f64,
}

/// What state amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes as JSON.
    pub raw_bytes: u64,
    /// Bytes compressed.
    pub compressed_bytes: u64,
}

impl Shape {
    /// `entries` with keys and values of these mean lengths in bytes. `compression_ratio` is
    /// compressed bytes by raw ones.
    ///
    /// # Errors
    /// Malformed, where a number is negative or none.
    pub fn new(entries: u64, key_bytes: f64, value_bytes: f64, compression_ratio: f64) -> Result<Self> {
        let numbers = [
            ("a mean length of keys", key_bytes),
            ("a mean length of values", value_bytes),
            ("a compression ratio", compression_ratio),
        ];
        for (what, number) in numbers {
            if !number.is_finite() || number < 0.0 {
                return Err(Error::malformed(format!("{number} is not possible as {what}"))
                    .hint("give a number of 0 or more"));
            }
        }
        Ok(Shape { entries, key_bytes, value_bytes, compression_ratio })
    }

    /// Entries.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Mean bytes of a key.
    pub fn key_bytes(&self) -> f64 {
        self.key_bytes
    }

    /// Mean bytes of a value.
    pub fn value_bytes(&self) -> f64 {
        self.value_bytes
    }

    /// The formula, operation for operation as JavaScript does it. More than 2^64 - 1 bytes are given
    /// as that many.
    pub fn sizes(&self) -> Sizes {
        let raw =
            self.entries as f64 * (self.key_bytes + self.value_bytes + ENTRY_OVERHEAD_BYTES) * JSON_OVERHEAD;
        let compressed = raw * self.compression_ratio;
        // A cast of a float stops at the ends of the integer's range.
        Sizes { raw_bytes: raw.ceil() as u64, compressed_bytes: compressed.ceil() as u64 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn sizes(entries: u64, key: f64, value: f64, ratio: f64) -> (u64, u64) {
        let sizes = Shape::new(entries, key, value, ratio).unwrap().sizes();
        (sizes.raw_bytes, sizes.compressed_bytes)
    }

    #[test]
    fn ten_thousand_counters() {
        // The spike's comment says 1,440,000 and 144,000; its formula does not.
        assert_eq!(sizes(10_000, 12.0, 50.0, DEFAULT_COMPRESSION_RATIO), (1_344_000, 134_400));
        assert_eq!(sizes(0, 12.0, 50.0, 0.1), (0, 0));
    }

    /// Made by `node` with the spike's own function; `make-formula.mjs` makes them again.
    #[test]
    fn as_javascript_says() {
        let cases: Vec<[f64; 6]> = serde_json::from_str(include_str!("formula.json")).unwrap();
        assert!(cases.len() > 400);
        for [entries, key, value, ratio, raw, compressed] in cases {
            let (raw_bytes, compressed_bytes) = sizes(entries as u64, key, value, ratio);
            assert_eq!(raw_bytes as f64, raw, "{entries} {key} {value}");
            assert_eq!(compressed_bytes as f64, compressed, "{entries} {key} {value} {ratio}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for number in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(Shape::new(1, number, 1.0, 0.1).is_err());
            assert!(Shape::new(1, 1.0, number, 0.1).is_err());
            assert!(Shape::new(1, 1.0, 1.0, number).is_err());
        }
    }

    proptest! {
        #[test]
        fn more_entries_are_never_less(
            entries in 0..=1_000_000_000_000_000_u64,
            more in 0..=1_000_000_000_000_000_u64,
            key in 0.0..1e7_f64,
            value in 0.0..1e9_f64,
            ratio in 0.0..4.0_f64,
        ) {
            let one = sizes(entries, key, value, ratio);
            let two = sizes(entries + more, key, value, ratio);
            prop_assert!(one.0 <= two.0 && one.1 <= two.1);
            prop_assert!(one.0 >= entries.saturating_mul(60).min(u64::MAX / 2) || one.0 == u64::MAX);
        }
    }
}
