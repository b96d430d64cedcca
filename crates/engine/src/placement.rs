//! Where a checkpoint goes: into the object as one row, into the object as chunks, or into R2.
//!
//! The numbers are those of the research spike "Checkpoint Size Limits in DO Storage" of
//! 2026-01-13: `SIZE_THRESHOLD` of its Solution 2, and its `STATE_BUDGETS`. Its sizes are binary.

use serde::Serialize;

const MIB: u64 = 1 << 20;

/// Where a checkpoint goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Into the object, in one row.
    DoRow,
    /// Into the object, in chunks.
    DoChunks,
    /// Into R2.
    R2,
    /// Nowhere: too large.
    Rejected,
}

impl Placement {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Placement::DoRow => "do-row",
            Placement::DoChunks => "do-chunks",
            Placement::R2 => "r2",
            Placement::Rejected => "rejected",
        }
    }
}

/// What decides where a checkpoint goes. Raw bytes are those of the state, stored bytes those of
/// its compressed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacementPolicy {
    /// Stored bytes from which a checkpoint is no longer one row.
    pub row_bytes_end: u64,
    /// Raw bytes from which people are warned.
    pub warn_bytes: u64,
    /// Raw bytes from which it is chunks, however small they become.
    pub chunk_bytes: u64,
    /// Raw bytes from which it goes into R2.
    pub overflow_raw_bytes: u64,
    /// Stored bytes from which it goes into R2.
    pub overflow_stored_bytes: u64,
    /// Raw bytes from which it is rejected.
    pub raw_bytes_end: u64,
}

impl PlacementPolicy {
    /// The spike's table of budgets: 50 MiB warns, 100 MiB forces chunks, 500 MiB forces R2,
    /// 2 GiB is rejected.
    pub const BUDGET: PlacementPolicy = PlacementPolicy {
        row_bytes_end: MIB,
        warn_bytes: 50 * MIB,
        chunk_bytes: 100 * MIB,
        overflow_raw_bytes: 500 * MIB,
        overflow_stored_bytes: u64::MAX,
        raw_bytes_end: 2048 * MIB,
    };

    /// The spike's Solution 2: what compresses to less than 1 MiB is one row, all else goes into R2.
    pub const HYBRID: PlacementPolicy = PlacementPolicy {
        row_bytes_end: MIB,
        warn_bytes: u64::MAX,
        chunk_bytes: u64::MAX,
        overflow_raw_bytes: u64::MAX,
        overflow_stored_bytes: MIB,
        raw_bytes_end: u64::MAX,
    };

    /// Where a checkpoint of these sizes goes.
    pub fn place(&self, raw_bytes: u64, stored_bytes: u64) -> Placement {
        if raw_bytes >= self.raw_bytes_end {
            Placement::Rejected
        } else if raw_bytes >= self.overflow_raw_bytes || stored_bytes >= self.overflow_stored_bytes {
            Placement::R2
        } else if raw_bytes >= self.chunk_bytes || stored_bytes >= self.row_bytes_end {
            Placement::DoChunks
        } else {
            Placement::DoRow
        }
    }

    /// Whether people are to be warned of state of this size.
    pub fn warns(&self, raw_bytes: u64) -> bool {
        raw_bytes >= self.warn_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_table() {
        let budget = PlacementPolicy::BUDGET;
        for (raw_bytes, stored_bytes, expected) in [
            (0, 0, Placement::DoRow),
            (99 * MIB, MIB - 1, Placement::DoRow),
            (99 * MIB, MIB, Placement::DoChunks),
            (100 * MIB, 1, Placement::DoChunks),
            (500 * MIB - 1, 100 * MIB, Placement::DoChunks),
            (500 * MIB, 1, Placement::R2),
            (2048 * MIB - 1, 1, Placement::R2),
            (2048 * MIB, 1, Placement::Rejected),
        ] {
            assert_eq!(budget.place(raw_bytes, stored_bytes), expected, "{raw_bytes} {stored_bytes}");
        }
        assert!(!budget.warns(50 * MIB - 1));
        assert!(budget.warns(50 * MIB));
    }

    #[test]
    fn solution_two() {
        let hybrid = PlacementPolicy::HYBRID;
        assert_eq!(hybrid.place(4096 * MIB, MIB - 1), Placement::DoRow);
        assert_eq!(hybrid.place(MIB, MIB), Placement::R2);
        assert!(!hybrid.warns(u64::MAX - 1));
    }

    #[test]
    fn more_bytes_never_move_a_checkpoint_back() {
        let sizes: Vec<u64> = (0..34).flat_map(|power| [(1_u64 << power) - 1, 1 << power]).collect();
        let rank = |placement| match placement {
            Placement::DoRow => 0,
            Placement::DoChunks => 1,
            Placement::R2 => 2,
            Placement::Rejected => 3,
        };
        for policy in [PlacementPolicy::BUDGET, PlacementPolicy::HYBRID] {
            for raw in sizes.windows(2) {
                for stored in sizes.windows(2) {
                    let [a, b] = [raw[0], raw[1]].map(|raw| rank(policy.place(raw, stored[0])));
                    assert!(a <= b);
                    let [a, b] = [stored[0], stored[1]].map(|stored| rank(policy.place(raw[0], stored)));
                    assert!(a <= b);
                }
            }
        }
    }
}
