//! Sizes counted by powers of two.

use serde::Serialize;

/// Values whose sizes are in one octave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SizeBucket {
    /// The smallest size in it.
    pub from_bytes: u64,
    /// The smallest size past it.
    pub below_bytes: u64,
    /// Values.
    pub count: u64,
    /// Their bytes.
    pub value_bytes: u64,
}

/// Counts values by size. Past 4 GiB they share one bucket.
#[derive(Debug, Clone)]
pub(crate) struct Octaves {
    /// Index: bits of the size. Values and their bytes.
    counts: [(u64, u64); 33],
}

impl Default for Octaves {
    fn default() -> Self {
        Octaves { counts: [(0, 0); 33] }
    }
}

impl Octaves {
    #[inline]
    pub fn add(&mut self, value_bytes: u64) {
        let octave = (64 - value_bytes.leading_zeros()).min(32) as usize;
        if let Some((count, bytes)) = self.counts.get_mut(octave) {
            *count += 1;
            *bytes = bytes.saturating_add(value_bytes);
        }
    }

    pub fn merge(&mut self, other: &Octaves) {
        for ((count, bytes), (more, more_bytes)) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
            *bytes = bytes.saturating_add(more_bytes);
        }
    }

    /// The buckets that hold something, the smallest first.
    pub fn report(&self) -> Vec<SizeBucket> {
        (0_u32..)
            .zip(self.counts)
            .filter(|(_, (count, _))| *count > 0)
            .map(|(bits, (count, value_bytes))| SizeBucket {
                from_bytes: (1 << bits) >> 1,
                below_bytes: 1 << bits,
                count,
                value_bytes,
            })
            .collect()
    }
}
