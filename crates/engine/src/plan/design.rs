//! What is planned: a fleet of objects that are alike.

use serde::Serialize;

use super::profiles::{
    CHECKPOINT_PROFILES, COMPACTION_PROFILES, CheckpointProfile, CompactionProfile, SECONDS_PER_DAY,
    TIERING_PROFILES, TieringProfile,
};
use crate::error::{Error, Result};
use crate::estimate::{DEFAULT_COMPRESSION_RATIO, Shape, Sizes};
use crate::limits::{CacheLimits, SERVER_CACHE};

/// A fleet of objects. Numbers are of one object unless they say otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Design {
    /// Objects in the fleet.
    pub objects: u64,
    /// Operators, or collections, in an object.
    pub operators: u64,
    /// Entries in an object today.
    pub entries: u64,
    /// Mean bytes of a key.
    pub key_bytes: f64,
    /// Mean bytes of a value.
    pub value_bytes: f64,
    /// Compressed bytes by raw ones.
    pub compression_ratio: f64,
    /// Entries that come every day.
    pub growth_per_day: f64,
    /// Writes a second while the object is active.
    pub writes_per_second: f64,
    /// Reads a second while the object is active.
    pub reads_per_second: f64,
    /// How much of the time the object is active and in memory, in percent.
    pub active_percent: f64,
    /// Entries that change between two checkpoints that are kept, in percent.
    pub changed_percent: f64,
    /// Checkpoints that are kept, a day.
    pub checkpoints_per_day: f64,
    /// For how many days.
    pub retention_days: f64,
    /// Bytes of raw state that a restore brings back in a second. An assumption, until it is measured
    /// in the object at hand.
    pub restore_bytes_per_second: u64,
    /// Bytes of a pack in R2.
    pub pack_bytes: u64,
    /// Whether one data set holds many tenants.
    pub multi_tenant: bool,
    /// When lazy checkpoints are made.
    pub profile: CheckpointProfile,
    /// When deltas are merged.
    pub compaction: CompactionProfile,
    /// What stays in the object.
    pub tiering: TieringProfile,
    /// The actor cache's limits.
    #[serde(skip)]
    pub cache: CacheLimits,
}

/// Days of the month that prices are for.
pub const DAYS_PER_MONTH: f64 = 30.0;

impl Default for Design {
    fn default() -> Self {
        let [_, checkpoint, _] = CHECKPOINT_PROFILES;
        let [_, compaction, _] = COMPACTION_PROFILES;
        let [_, tiering, _] = TIERING_PROFILES;
        Design {
            objects: 1,
            operators: 1,
            entries: 10_000,
            key_bytes: 12.0,
            value_bytes: 50.0,
            compression_ratio: DEFAULT_COMPRESSION_RATIO,
            growth_per_day: 0.0,
            writes_per_second: 1.0,
            reads_per_second: 0.0,
            active_percent: 100.0,
            changed_percent: 10.0,
            checkpoints_per_day: 24.0,
            retention_days: 7.0,
            restore_bytes_per_second: 20_000_000,
            pack_bytes: 8 << 20,
            multi_tenant: false,
            profile: checkpoint,
            compaction,
            tiering,
            cache: SERVER_CACHE,
        }
    }
}

impl Design {
    /// Refuses numbers that no design has.
    ///
    /// # Errors
    /// Malformed, naming the number.
    pub fn check(&self) -> Result<()> {
        Shape::new(self.entries, self.key_bytes, self.value_bytes, self.compression_ratio)?;
        let rates = [
            ("growth per day", self.growth_per_day, f64::MAX),
            ("writes per second", self.writes_per_second, 1e15),
            ("reads per second", self.reads_per_second, 1e15),
            ("active percent", self.active_percent, 100.0),
            ("changed percent", self.changed_percent, 100.0),
            ("checkpoints per day", self.checkpoints_per_day, 1e15),
            ("retention days", self.retention_days, 1e15),
        ];
        for (what, number, most) in rates {
            if !(0.0..=most).contains(&number) {
                return Err(Error::malformed(format!("{number} is not possible as {what}")).hint(format!(
                    "give a number of 0 or more{}",
                    if most == 100.0 { ", up to 100" } else { "" }
                )));
            }
        }
        let whole =
            [("restore bytes per second", self.restore_bytes_per_second), ("pack bytes", self.pack_bytes)];
        for (what, number) in whole {
            if number == 0 {
                return Err(Error::malformed(format!("{what} cannot be 0")));
            }
        }
        Ok(())
    }

    /// Entries after `days`.
    pub fn entries_after(&self, days: f64) -> f64 {
        self.entries as f64 + self.growth_per_day * days
    }

    /// What an object's state amounts to after `days`, by the spike's formula.
    pub fn sizes_after(&self, days: f64) -> Sizes {
        let shape = Shape::new(
            self.entries_after(days) as u64,
            self.key_bytes,
            self.value_bytes,
            self.compression_ratio,
        );
        shape.map_or(Sizes { raw_bytes: u64::MAX, compressed_bytes: u64::MAX }, |shape| shape.sizes())
    }

    /// Bytes of an event that carries one entry, by the spike's formula.
    pub fn event_bytes(&self) -> f64 {
        Shape::new(1, self.key_bytes, self.value_bytes, 1.0)
            .map_or(0.0, |shape| shape.sizes().raw_bytes as f64)
    }

    /// Writes of an object in a day.
    pub fn writes_per_day(&self) -> f64 {
        self.writes_per_second * SECONDS_PER_DAY * self.active_percent / 100.0
    }

    /// Lazy checkpoints of an object in a day.
    pub fn lazy_checkpoints_per_day(&self) -> f64 {
        self.profile.per_day(self.writes_per_second, self.event_bytes()) * self.active_percent / 100.0
    }

    /// Distinct entries that one of them finds changed: every write hits any entry alike.
    pub fn changed_entries(&self) -> f64 {
        let checkpoints = self.lazy_checkpoints_per_day();
        if checkpoints <= 0.0 {
            return 0.0;
        }
        distinct(self.writes_per_day() / checkpoints, self.entries as f64)
    }
}

/// How many of `entries` are hit by `writes` that hit any of them alike.
pub fn distinct(writes: f64, entries: f64) -> f64 {
    if entries < 1.0 || writes <= 0.0 {
        return writes.max(0.0);
    }
    // 1 - (1 - 1/entries)^writes, without the loss of a power of nearly 1.
    let missed = (writes * (-1.0 / entries).ln_1p()).exp();
    (entries * (1.0 - missed)).min(writes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_entries_are_never_more_than_either() {
        assert!((distinct(5_000.0, 1e12) - 5_000.0).abs() < 1.0);
        assert!((distinct(1e9, 100.0) - 100.0).abs() < 1e-6);
        assert!((distinct(100.0, 100.0) - 63.4).abs() < 0.1);
        assert_eq!(distinct(0.0, 10.0), 0.0);
        assert!((distinct(7.0, 1.0) - 1.0).abs() < 1e-9);
    }
}
