//! How many objects a data set needs, in the style of FokosDB: roots, a fixed fan-out, hash keys that
//! are promoted.
//!
//! From the post "FokosDB: A strongly consistent bottomless storage database ontop of Cloudflare Durable
//! Objects", read on 2026-01-22. Its sizes are decimal, but for the Bloom filter's "1.14MB", which is binary.

use serde::Serialize;

/// Bytes from which a partition is split.
pub const PARTITION_BYTES: u64 = 500_000_000;

/// Requests that only read which an object answers in a second.
pub const READS_PER_SECOND: u64 = 1_000;

/// Requests that write which an object answers in a second, at least.
pub const WRITES_PER_SECOND_MIN: u64 = 300;

/// The same, at most.
pub const WRITES_PER_SECOND_MAX: u64 = 500;

/// Share of a partition from which a hash key is promoted, in percent, at least.
pub const PROMOTION_PERCENT_MIN: u64 = 30;

/// False positives of the filter of promoted hash keys.
const FALSE_POSITIVES: f64 = 0.01;

/// How a data set is cut into partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Partitioning {
    /// Partitions at the root, which can never change.
    pub roots: u64,
    /// Children that a partition is split into, always as many.
    pub fan_out: u64,
    /// Bytes from which one is split.
    pub partition_bytes: u64,
    /// Hash keys with a partition of their own.
    pub promoted_keys: u64,
}

impl Default for Partitioning {
    fn default() -> Self {
        Partitioning { roots: 10, fan_out: 10, partition_bytes: PARTITION_BYTES, promoted_keys: 0 }
    }
}

/// What a data set comes to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Partitions {
    /// Bytes in all partitions.
    pub data_bytes: u128,
    /// Partitions that hold data.
    pub holding: u128,
    /// Partitions that were split and only forward.
    pub forwarding: u128,
    /// Splits from a root down to where the data is.
    pub levels: u32,
    /// Bytes that they hold before the next split.
    pub capacity_bytes: u128,
    /// Bits of the tree's encoding, 2N + 1.
    pub topology_bits: u128,
    /// The same in bytes.
    pub topology_bytes: u128,
    /// Bytes of the filter of promoted hash keys.
    pub filter_bytes: u64,
    /// Hash functions of the filter.
    pub filter_hashes: u32,
    /// Reads a second of all of them.
    pub reads_per_second: u128,
    /// Writes a second of all of them, at least.
    pub writes_per_second_min: u128,
    /// Writes a second of all of them, at most.
    pub writes_per_second_max: u128,
}

/// Splits from a root at most; more than any data set has.
const LEVELS_MAX: u32 = 64;

impl Partitioning {
    /// What `data_bytes` come to, spread over hash keys alike.
    pub fn of(&self, data_bytes: u128) -> Partitions {
        let (roots, fan_out) = (u128::from(self.roots.max(1)), u128::from(self.fan_out));
        let each = u128::from(self.partition_bytes.max(1));
        let needed = data_bytes.div_ceil(each);
        let (mut holding, mut forwarding, mut levels) = (roots, 0_u128, 0);
        // Spread alike, all partitions of a level fill up and split together.
        while holding < needed && fan_out > 1 && levels < LEVELS_MAX {
            forwarding = forwarding.saturating_add(holding);
            holding = holding.saturating_mul(fan_out);
            levels += 1;
        }
        let holding = holding.saturating_add(self.promoted_keys.into());
        let filter = Filter::of(self.promoted_keys);
        let topology_bits = topology_bits(holding.saturating_add(forwarding));
        Partitions {
            data_bytes,
            holding,
            forwarding,
            levels,
            capacity_bytes: holding.saturating_mul(each),
            topology_bits,
            topology_bytes: topology_bits.div_ceil(8),
            filter_bytes: filter.bytes,
            filter_hashes: filter.hashes,
            reads_per_second: holding.saturating_mul(READS_PER_SECOND.into()),
            writes_per_second_min: holding.saturating_mul(WRITES_PER_SECOND_MIN.into()),
            writes_per_second_max: holding.saturating_mul(WRITES_PER_SECOND_MAX.into()),
        }
    }
}

/// Bits of a tree of `partitions` as a level-ordered unary degree sequence.
pub fn topology_bits(partitions: u128) -> u128 {
    partitions.saturating_mul(2).saturating_add(1)
}

/// A Bloom filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// Its bytes.
    pub bytes: u64,
    /// Its hash functions.
    pub hashes: u32,
}

impl Filter {
    /// The filter of `keys` with one false positive of a hundred: `-n ln p / (ln 2)^2` bits.
    pub fn of(keys: u64) -> Self {
        let bits = -(keys as f64) * FALSE_POSITIVES.ln() / std::f64::consts::LN_2.powi(2);
        Filter { bytes: (bits / 8.0).ceil() as u64, hashes: (-FALSE_POSITIVES.log2()).round() as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn roots_hold_what_the_post_says() {
        for (roots, gb) in [(10, 5), (100, 50), (1_000, 500)] {
            let made = Partitioning { roots, ..Partitioning::default() }.of(gb * 1_000_000_000);
            assert_eq!((made.holding, made.forwarding, made.levels), (roots.into(), 0, 0));
            assert_eq!(made.capacity_bytes, gb * 1_000_000_000);
            let more = Partitioning { roots, ..Partitioning::default() }.of(gb * 1_000_000_000 + 1);
            assert_eq!(
                (more.holding, more.forwarding, more.levels),
                (u128::from(roots) * 10, roots.into(), 1)
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_overflows(roots: u64, fan_out: u64, bytes: u64, keys: u64, data: u128) {
            let partitioning = Partitioning { roots, fan_out, partition_bytes: bytes, promoted_keys: keys };
            let made = partitioning.of(data);
            prop_assert!(made.holding >= 1 && made.topology_bits > 2);
        }
    }
}
