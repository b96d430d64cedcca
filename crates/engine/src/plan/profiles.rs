//! The profiles of the tuning guide ("DoSQL & DoLake Performance Tuning Guide", version 1.0.0 of
//! 2026-01-22), number by number. Its sizes are products of 1,024.

use serde::Serialize;

use crate::limits::{CacheLimits, SERVER_CACHE, SPIKE_CACHE};

const MIB: u64 = 1 << 20;

/// When a lazy checkpoint is made: at the first of three thresholds. `CHECKPOINT_PROFILES` of the guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CheckpointProfile {
    /// Its name.
    pub name: &'static str,
    /// Events since the last one.
    pub events: u64,
    /// Milliseconds since the last one.
    pub interval_ms: u64,
    /// Bytes of events since the last one.
    pub bytes: u64,
    /// Whether one is made when the object stops in good order.
    pub on_shutdown: bool,
    /// What it is for.
    pub purpose: &'static str,
}

const fn checkpoint(
    name: &'static str,
    events: u64,
    interval_ms: u64,
    mib: u64,
    purpose: &'static str,
) -> CheckpointProfile {
    CheckpointProfile { name, events, interval_ms, bytes: mib * MIB, on_shutdown: true, purpose }
}

/// The checkpoint profiles.
pub const CHECKPOINT_PROFILES: [CheckpointProfile; 3] = [
    checkpoint("frequent", 100, 1_000, 1, "minimal loss"),
    checkpoint("balanced", 1_000, 5_000, 10, "speed and durability"),
    checkpoint("performance", 10_000, 30_000, 50, "the most throughput"),
];

/// When files are merged, and into what. `COMPACTION_PROFILES` of the guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CompactionProfile {
    /// Its name.
    pub name: &'static str,
    /// Files, or deltas, from which compaction begins.
    pub files_min: u64,
    /// Size of the file that comes out.
    pub target_file_bytes: u64,
    /// Files that one compaction takes at most.
    pub files_max: u64,
    /// Age that a partition must have, in milliseconds.
    pub partition_age_min_ms: u64,
    /// Hours of the day (UTC) at which it runs.
    pub hours: &'static [u8],
    /// What it is for.
    pub purpose: &'static str,
}

/// The compaction profiles.
pub const COMPACTION_PROFILES: [CompactionProfile; 3] = [
    CompactionProfile {
        name: "aggressive",
        files_min: 5,
        target_file_bytes: 64 * MIB,
        files_max: 20,
        partition_age_min_ms: 3_600_000,
        hours: &[2, 3, 4, 5],
        purpose: "many writes",
    },
    CompactionProfile {
        name: "balanced",
        files_min: 10,
        target_file_bytes: 128 * MIB,
        files_max: 50,
        partition_age_min_ms: 86_400_000,
        hours: &[2, 3, 4, 5],
        purpose: "the default",
    },
    CompactionProfile {
        name: "conservative",
        files_min: 20,
        target_file_bytes: 256 * MIB,
        files_max: 100,
        partition_age_min_ms: 604_800_000,
        hours: &[3, 4],
        purpose: "many reads",
    },
];

/// What stays in the object and what goes to R2. `TIERING_PROFILES` of the guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TieringProfile {
    /// Its name.
    pub name: &'static str,
    /// Age up to which data stays in the object, in milliseconds.
    pub hot_age_max_ms: u64,
    /// Bytes that stay in the object at most.
    pub hot_bytes_max: u64,
    /// Whether the rest goes to R2 by itself.
    pub migrates: bool,
    /// How long what was read from R2 stays in the object, in milliseconds.
    pub cache_ttl_ms: u64,
    /// What it is for.
    pub purpose: &'static str,
}

/// The tiering profiles.
pub const TIERING_PROFILES: [TieringProfile; 3] = [
    TieringProfile {
        name: "realtime",
        hot_age_max_ms: 3_600_000,
        hot_bytes_max: 100 * MIB,
        migrates: true,
        cache_ttl_ms: 300_000,
        purpose: "recent data is read most",
    },
    TieringProfile {
        name: "balanced",
        hot_age_max_ms: 86_400_000,
        hot_bytes_max: 500 * MIB,
        migrates: true,
        cache_ttl_ms: 3_600_000,
        purpose: "some of both",
    },
    TieringProfile {
        name: "analytics",
        hot_age_max_ms: 0,
        hot_bytes_max: 50 * MIB,
        migrates: true,
        cache_ttl_ms: 86_400_000,
        purpose: "mostly cold: a cache, no more",
    },
];

/// The actor caches that may be planned for.
pub const CACHES: [CacheLimits; 2] = [SERVER_CACHE, SPIKE_CACHE];

impl CheckpointProfile {
    /// How many checkpoints a day are made of `writes_per_second` of `event_bytes` each: as many as the
    /// first threshold makes, and never more than writes.
    pub fn per_day(&self, writes_per_second: f64, event_bytes: f64) -> f64 {
        let by_time = 1000.0 / self.interval_ms.max(1) as f64;
        let by_count = writes_per_second / self.events.max(1) as f64;
        let by_bytes = writes_per_second * event_bytes / self.bytes.max(1) as f64;
        by_time.max(by_count).max(by_bytes).min(writes_per_second) * SECONDS_PER_DAY
    }

    /// What an object that dies loses at most, in milliseconds, where nothing else keeps the events.
    pub fn recovery_point_ms(&self, writes_per_second: f64, event_bytes: f64) -> f64 {
        match self.per_day(writes_per_second, event_bytes) {
            none if none <= 0.0 => 0.0,
            per_day => (SECONDS_PER_DAY / per_day * 1000.0).min(self.interval_ms as f64),
        }
    }
}

/// Seconds of a day.
pub const SECONDS_PER_DAY: f64 = 86_400.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_threshold_decides() {
        let [_, balanced, _] = CHECKPOINT_PROFILES;
        // 1 a second: the timer. 1,000 a second: the count, once a second. Large events: the bytes.
        assert_eq!(balanced.per_day(1.0, 100.0), 17_280.0);
        assert_eq!(balanced.per_day(1_000.0, 100.0), 86_400.0);
        assert_eq!(balanced.per_day(100.0, 1_048_576.0), 864_000.0);
        // Fewer writes than timers: nothing to write, no checkpoint.
        assert_eq!(balanced.per_day(0.01, 100.0), 864.0);
        assert_eq!(balanced.per_day(0.0, 100.0), 0.0);
        assert_eq!(balanced.recovery_point_ms(1_000.0, 100.0), 1_000.0);
        assert_eq!(balanced.recovery_point_ms(0.01, 100.0), 5_000.0);
    }
}
