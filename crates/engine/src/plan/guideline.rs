//! The tuning guide's recommendations for partitions and files in R2.

use serde::Serialize;

/// How data is partitioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "strategy")]
pub enum Partitioned {
    /// A partition an hour.
    Hour,
    /// A partition a day.
    Day,
    /// A partition a month.
    Month,
    /// Partitions by the hash of the tenant.
    Bucket {
        /// As many.
        bucket_count: u64,
    },
}

/// `recommendPartitioning` of the guide.
pub fn recommend_partitioning(events_per_day: f64, is_multi_tenant: bool) -> Partitioned {
    if is_multi_tenant {
        return Partitioned::Bucket { bucket_count: ((events_per_day / 100_000.0).ceil() as u64).min(256) };
    }
    if events_per_day > 1_000_000.0 {
        Partitioned::Hour
    } else if events_per_day > 100_000.0 {
        Partitioned::Day
    } else {
        Partitioned::Month
    }
}

impl Partitioned {
    /// Its name, and why.
    pub fn reason(&self) -> &'static str {
        match self {
            Partitioned::Hour => "more than 1 M events a day",
            Partitioned::Day => "100 K to 1 M events a day",
            Partitioned::Month => "100 K events a day or fewer",
            Partitioned::Bucket { .. } => "tenants are kept apart",
        }
    }

    /// Events of one partition in a month's data, at `events_per_day`.
    pub fn events(&self, events_per_day: f64) -> f64 {
        match self {
            Partitioned::Hour => events_per_day / 24.0,
            Partitioned::Day => events_per_day,
            Partitioned::Month => events_per_day * 30.0,
            Partitioned::Bucket { bucket_count } => events_per_day / (*bucket_count).max(1) as f64,
        }
    }
}

/// A row of the guide's table "Optimal Partition Size".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Guideline {
    /// What is counted.
    pub metric: &'static str,
    /// Fewest.
    pub minimum: u64,
    /// From here on it is best.
    pub optimal_from: u64,
    /// Up to here.
    pub optimal_to: u64,
    /// Most.
    pub maximum: u64,
}

const fn guideline(metric: &'static str, minimum: u64, optimal: (u64, u64), maximum: u64) -> Guideline {
    Guideline { metric, minimum, optimal_from: optimal.0, optimal_to: optimal.1, maximum }
}

const MB: u64 = 1_000_000;

/// The table "Optimal Partition Size". Its MB and GB are taken as decimal.
pub const GUIDELINES: [Guideline; 4] = [
    guideline("files-per-partition", 1, (10, 50), 1_000),
    guideline("rows-per-file", 10_000, (100_000, 1_000_000), 10_000_000),
    guideline("file-bytes", 10 * MB, (64 * MB, 256 * MB), 1_000 * MB),
    guideline("partitions-queried", 1, (1, 10), 100),
];

/// How a number stands to a guideline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Below the minimum.
    TooFew,
    /// Possible, and fewer than is best.
    Few,
    /// As it should be.
    Optimal,
    /// Possible, and more than is best.
    Many,
    /// Over the maximum.
    TooMany,
}

impl Guideline {
    /// How `number` stands to it.
    pub fn standing(&self, number: f64) -> Standing {
        if number < self.minimum as f64 {
            Standing::TooFew
        } else if number < self.optimal_from as f64 {
            Standing::Few
        } else if number <= self.optimal_to as f64 {
            Standing::Optimal
        } else if number <= self.maximum as f64 {
            Standing::Many
        } else {
            Standing::TooMany
        }
    }
}

/// A number of the design beside its guideline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// The guideline.
    #[serde(flatten)]
    pub guideline: Guideline,
    /// The design's number.
    pub actual: f64,
    /// How it stands.
    pub standing: Standing,
}

/// What partitions of `events_per_day` of `event_bytes` look like, in files of `file_bytes` at most.
pub fn measure_files(
    partitioned: Partitioned,
    events_per_day: f64,
    event_bytes: f64,
    file_bytes: u64,
) -> Vec<Measured> {
    let events = partitioned.events(events_per_day);
    let partition_bytes = events * event_bytes;
    let files = (partition_bytes / file_bytes.max(1) as f64).ceil().max(1.0);
    let numbers = [files, events / files, partition_bytes / files];
    GUIDELINES
        .iter()
        .zip(numbers)
        .map(|(guideline, actual)| Measured {
            guideline: *guideline,
            actual: actual.round(),
            standing: guideline.standing(actual),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recommendations_change_at_the_guides_borders() {
        let by_time = |events| recommend_partitioning(events, false);
        assert_eq!(by_time(1_000_001.0), Partitioned::Hour);
        assert_eq!(by_time(1_000_000.0), Partitioned::Day);
        assert_eq!(by_time(100_001.0), Partitioned::Day);
        assert_eq!(by_time(100_000.0), Partitioned::Month);
        let buckets = |events| recommend_partitioning(events, true);
        assert_eq!(buckets(100_001.0), Partitioned::Bucket { bucket_count: 2 });
        assert_eq!(buckets(1e15), Partitioned::Bucket { bucket_count: 256 });
        assert_eq!(buckets(0.0), Partitioned::Bucket { bucket_count: 0 });
    }
}
