//! Counting sizes: exact totals and percentiles in bounded memory.

use std::collections::BTreeMap;

use serde::Serialize;

/// Distinct sizes kept without a further allocation: most prefixes of a great many have no more.
const FEW: usize = 4;

/// Sizes below this have a counter each; it is where most sizes are.
const DENSE_BYTES: u64 = 1_024;

/// Distinct larger sizes that are counted exactly in one report. Past it a new size is rounded up
/// to one of 16 steps an octave and the percentiles are approximate.
pub const MAX_DISTINCT_SIZES: usize = 65_536;

/// How often each size occurred.
#[derive(Debug, Clone, Default)]
pub(super) struct Sizes {
    /// Sizes and their counts until there are more than fit; then `dense` and `sparse` have them.
    few: [(u64, u64); FEW],
    few_count: usize,
    is_many: bool,
    dense: Vec<u64>,
    sparse: BTreeMap<u64, u64>,
    count: u64,
    total_bytes: u64,
    max_bytes: u64,
    approximate: bool,
}

/// What a number of sizes amount to. Percentiles are nearest-rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SizeSummary {
    /// The sum.
    pub total_bytes: u64,
    /// The mean, rounded down.
    pub mean_bytes: u64,
    /// The median.
    pub p50_bytes: u64,
    /// 95 % are at most this.
    pub p95_bytes: u64,
    /// The largest.
    pub max_bytes: u64,
}

/// Rounds up to one of 16 steps an octave.
fn step(bytes: u64) -> u64 {
    let grain = 1 << (60_u32.saturating_sub(bytes.leading_zeros())).saturating_sub(1);
    bytes.div_ceil(grain).saturating_mul(grain)
}

impl Sizes {
    /// Counts `bytes` `count` times. `room` is how many more distinct sizes may be kept.
    #[inline]
    pub fn add(&mut self, bytes: u64, count: u64, room: &mut usize) {
        self.count += count;
        self.total_bytes = self.total_bytes.saturating_add(bytes.saturating_mul(count));
        self.max_bytes = self.max_bytes.max(bytes);
        self.tally(bytes, count, room);
    }

    #[inline]
    fn tally(&mut self, bytes: u64, count: u64, room: &mut usize) {
        if self.is_many {
            self.tally_one_of_many(bytes, count, room);
        } else {
            self.tally_one_of_few(bytes, count, room);
        }
    }

    fn tally_one_of_few(&mut self, bytes: u64, count: u64, room: &mut usize) {
        for (known, counter) in self.few.iter_mut().take(self.few_count) {
            if *known == bytes {
                *counter += count;
                return;
            }
        }
        if let Some(free) = self.few.get_mut(self.few_count) {
            *free = (bytes, count);
            self.few_count += 1;
            return;
        }
        self.is_many = true;
        for (bytes, count) in self.few {
            self.tally_one_of_many(bytes, count, room);
        }
        self.few_count = 0;
        self.tally_one_of_many(bytes, count, room);
    }

    #[inline]
    fn tally_one_of_many(&mut self, bytes: u64, count: u64, room: &mut usize) {
        if bytes < DENSE_BYTES {
            let at = bytes as usize;
            if at >= self.dense.len() {
                self.dense.resize((at + 1).next_multiple_of(64), 0);
            }
            if let Some(counter) = self.dense.get_mut(at) {
                *counter += count;
            }
        } else if let Some(counter) = self.sparse.get_mut(&bytes) {
            *counter += count;
        } else if *room > 0 {
            *room -= 1;
            self.sparse.insert(bytes, count);
        } else {
            self.approximate = true;
            *self.sparse.entry(step(bytes)).or_default() += count;
        }
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Sizes, room: &mut usize) {
        self.count += other.count;
        self.total_bytes = self.total_bytes.saturating_add(other.total_bytes);
        self.max_bytes = self.max_bytes.max(other.max_bytes);
        self.approximate |= other.approximate;
        for (bytes, count) in other.counted() {
            self.tally(bytes, count, room);
        }
    }

    /// Sizes counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Whether percentiles are approximate.
    pub fn approximate(&self) -> bool {
        self.approximate
    }

    /// How many of the distinct sizes allowed these take.
    pub fn distinct(&self) -> usize {
        self.sparse.len()
    }

    /// Sizes and how often each occurred, the smallest first.
    fn counted(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut few = self.few;
        let few = few.get_mut(..self.few_count).unwrap_or_default();
        few.sort_unstable();
        let few = few.to_vec();
        let dense = self
            .dense
            .iter()
            .enumerate()
            .map(|(bytes, count)| (bytes as u64, *count))
            .filter(|(_, count)| *count > 0);
        let sparse = self.sparse.iter().map(|(bytes, count)| (*bytes, *count));
        few.into_iter().chain(dense).chain(sparse)
    }

    fn percentile(&self, percent: u64) -> u64 {
        let rank = (u128::from(self.count) * u128::from(percent)).div_ceil(100);
        let mut seen = 0_u128;
        for (bytes, count) in self.counted() {
            seen += u128::from(count);
            if seen >= rank {
                return bytes.min(self.max_bytes);
            }
        }
        self.max_bytes
    }

    /// What the sizes amount to.
    pub fn summary(&self) -> SizeSummary {
        SizeSummary {
            total_bytes: self.total_bytes,
            mean_bytes: self.total_bytes.checked_div(self.count).unwrap_or(0),
            p50_bytes: self.percentile(50),
            p95_bytes: self.percentile(95),
            max_bytes: self.max_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn reference(mut sizes: Vec<u64>) -> SizeSummary {
        sizes.sort_unstable();
        let at = |percent: usize| sizes[(sizes.len() * percent).div_ceil(100).max(1) - 1];
        let total_bytes: u64 = sizes.iter().sum();
        SizeSummary {
            total_bytes,
            mean_bytes: total_bytes / sizes.len() as u64,
            p50_bytes: at(50),
            p95_bytes: at(95),
            max_bytes: *sizes.last().unwrap(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn summaries_are_exact_and_merge(
            left in prop::collection::vec(0u64..5_000, 1..200),
            right in prop::collection::vec(0u64..5_000, 0..200),
        ) {
            let mut room = MAX_DISTINCT_SIZES;
            let mut sizes = Sizes::default();
            let mut other = Sizes::default();
            for bytes in &left {
                sizes.add(*bytes, 1, &mut room);
            }
            for bytes in &right {
                other.add(*bytes, 1, &mut room);
            }
            sizes.merge(&other, &mut room);
            prop_assert_eq!(sizes.summary(), reference([left, right].concat()));
        }

        #[test]
        fn without_room_sizes_are_near(
            list in prop::collection::vec(1_024u64..5_000_000, 1..200),
        ) {
            let mut sizes = Sizes::default();
            for bytes in &list {
                sizes.add(*bytes, 1, &mut 0);
            }
            let distinct = list.iter().collect::<std::collections::BTreeSet<_>>().len();
            let (found, exact) = (sizes.summary(), reference(list));
            prop_assert_eq!(sizes.approximate(), distinct > FEW);
            prop_assert_eq!(found.total_bytes, exact.total_bytes);
            prop_assert_eq!(found.max_bytes, exact.max_bytes);
            prop_assert!(found.p50_bytes >= exact.p50_bytes);
            prop_assert!(found.p50_bytes <= exact.p50_bytes + exact.p50_bytes / 8);
            prop_assert!(sizes.distinct() <= 16 * 14);
        }
    }
}
