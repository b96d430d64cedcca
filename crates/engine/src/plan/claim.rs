//! The claim of "Unified Storage": from 86.4 million writes a day to 17,280, and what is billed.

use serde::Serialize;

use super::design::{Design, distinct};
use super::profiles::SECONDS_PER_DAY;

/// `checkpointInterval` of `UnifiedStoreConfig`.
const INTERVAL_MS: u64 = 5_000;

/// `dirtyCountThreshold` of `UnifiedStoreConfig`: dirty entries at which a checkpoint is made at once.
const DIRTY_COUNT: f64 = 100.0;

/// What the claim counts, and what the platform counts, of one object.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Claim {
    /// Writes in a day, each of which would be one to SQLite.
    pub writes_per_day: f64,
    /// Milliseconds between two checkpoints.
    pub interval_ms: u64,
    /// Checkpoints in a day by the timer alone: what the claim calls writes.
    pub claimed_writes_per_day: f64,
    /// By how much that is less, in percent.
    pub claimed_reduction_percent: f64,
    /// Checkpoints in a day, where 100 dirty entries make one at once, as the default has it.
    pub checkpoints_per_day: f64,
    /// Rows that are billed for the timer's checkpoints, a row for each entry that changed.
    pub billed_rows_per_day: f64,
    /// Rows that are billed where 100 dirty entries make a checkpoint at once.
    pub billed_rows_with_threshold_per_day: f64,
    /// By how much the timer's rows are less than the writes, in percent.
    pub billed_reduction_percent: f64,
}

/// The claim for `writes_per_second` to an object of `entries`, with a checkpoint every `interval_ms`.
pub fn claim(writes_per_second: f64, entries: u64, interval_ms: u64) -> Claim {
    let seconds = interval_ms.max(1) as f64 / 1000.0;
    let writes_per_day = writes_per_second * SECONDS_PER_DAY;
    let by_timer = SECONDS_PER_DAY / seconds;
    let dirty = |writes: f64| distinct(writes, entries as f64);
    let billed = by_timer * dirty(writes_per_second * seconds);
    // As many writes as it takes to make 100 of the entries dirty.
    let entries = entries as f64;
    let until_full = match entries > DIRTY_COUNT {
        true => (1.0 - DIRTY_COUNT / entries).ln() / (-1.0 / entries).ln_1p(),
        false => f64::INFINITY,
    };
    let checkpoints = by_timer.max(writes_per_day / until_full);
    let reduction = |rows: f64| match writes_per_day > 0.0 {
        true => ((1.0 - rows / writes_per_day) * 100.0).max(0.0),
        false => 0.0,
    };
    Claim {
        writes_per_day,
        interval_ms,
        claimed_writes_per_day: by_timer,
        claimed_reduction_percent: reduction(by_timer),
        checkpoints_per_day: checkpoints,
        billed_rows_per_day: billed,
        billed_rows_with_threshold_per_day: checkpoints * dirty(writes_per_day / checkpoints.max(1.0)),
        billed_reduction_percent: reduction(billed),
    }
}

/// The claim as it was made, at 1,000 writes a second and 5 s, for the entries of `design`.
pub fn claim_as_made(design: &Design) -> Claim {
    claim(1_000.0, design.entries, INTERVAL_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_billed_is_rows() {
        let few = claim(1_000.0, 1_000, 5_000);
        // 5,000 writes hit nearly all of 1,000 entries.
        assert!((few.billed_rows_per_day / 17_280.0 - 993.3).abs() < 0.1, "{few:?}");
        let many = claim(1_000.0, 1_000_000_000, 5_000);
        assert!(many.billed_reduction_percent < 0.01, "{many:?}");
        // A checkpoint each 100 writes: ten a second.
        assert!((many.checkpoints_per_day - 864_000.0).abs() < 1.0, "{many:?}");
        let one = claim(1_000.0, 1, 5_000);
        assert!((one.billed_rows_per_day - 17_280.0).abs() < 1e-6);
        assert_eq!(claim(0.0, 10, 5_000).billed_reduction_percent, 0.0);
    }
}
