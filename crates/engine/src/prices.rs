//! What requests cost. Every number of it is here, with its unit, date and source.

/// The price of one thing that the platform counts, each month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// What is paid for.
    pub name: &'static str,
    /// How the priced unit is called.
    pub unit: &'static str,
    /// How much of what is counted makes one priced unit.
    pub unit_amount: u64,
    /// How much each month is free.
    pub included_amount: u64,
    /// Millionths of a US dollar for a unit.
    pub micro_usd_per_unit: u64,
    /// When the price was read.
    pub date: &'static str,
    /// Where.
    pub source: &'static str,
}

const DATE: &str = "2026-11-21";
const OBJECT_PRICING: &str = "https://developers.cloudflare.com/durable-objects/platform/pricing/";
const R2_PRICING: &str = "https://developers.cloudflare.com/r2/pricing/";
const PIPELINES_PRICING: &str = "https://developers.cloudflare.com/pipelines/platform/pricing/";

const MILLION: u64 = 1_000_000;
const GB: u64 = 1_000_000_000;

const fn per_million(
    name: &'static str,
    included_amount: u64,
    micro_usd_per_unit: u64,
    source: &'static str,
) -> Price {
    Price {
        name,
        unit: "million",
        unit_amount: MILLION,
        included_amount,
        micro_usd_per_unit,
        date: DATE,
        source,
    }
}

const fn per_gb(
    name: &'static str,
    included_amount: u64,
    micro_usd_per_unit: u64,
    source: &'static str,
) -> Price {
    Price { name, unit: "GB", unit_amount: GB, included_amount, micro_usd_per_unit, date: DATE, source }
}

/// Rows that objects read: 25 billion free, then 0.001 USD per million.
pub const ROWS_READ: Price = per_million("do-rows-read", 25_000 * MILLION, 1_000, OBJECT_PRICING);

/// Rows that objects write, index updates, deletes and `setAlarm` included: 50 million free, then
/// 1.00 USD per million.
pub const ROWS_WRITTEN: Price = per_million("do-rows-written", 50 * MILLION, 1_000_000, OBJECT_PRICING);

/// What SQLite-backed objects store, averaged over the month: 5 GB free, then 0.20 USD per GB.
pub const OBJECT_STORAGE: Price = per_gb("do-storage", 5 * GB, 200_000, OBJECT_PRICING);

/// Requests to objects: 1 million free, then 0.15 USD per million.
pub const OBJECT_REQUESTS: Price = per_million("do-requests", MILLION, 150_000, OBJECT_PRICING);

/// Duration of objects in memory, in gigabyte-seconds: 400,000 free, then 12.50 USD per million.
pub const OBJECT_DURATION: Price = per_million("do-duration", 400_000, 12_500_000, OBJECT_PRICING);

/// R2, standard storage: 10 GB-month free, then 0.015 USD.
pub const R2_STORAGE: Price = per_gb("r2-storage", 10 * GB, 15_000, R2_PRICING);

/// R2, infrequent access: 0.01 USD per GB-month, 30 days at least.
pub const R2_INFREQUENT_STORAGE: Price = per_gb("r2-infrequent-storage", 0, 10_000, R2_PRICING);

/// R2, reading out of infrequent access: 0.01 USD per GB.
pub const R2_INFREQUENT_RETRIEVAL: Price = per_gb("r2-infrequent-retrieval", 0, 10_000, R2_PRICING);

/// R2, class A operations: those that write or list. 1 million free, then 4.50 USD per million.
pub const R2_CLASS_A: Price = per_million("r2-class-a", MILLION, 4_500_000, R2_PRICING);

/// R2, class B operations: those that read. 10 million free, then 0.36 USD per million.
pub const R2_CLASS_B: Price = per_million("r2-class-b", 10 * MILLION, 360_000, R2_PRICING);

/// What Pipelines transform: 50 GB free, then 0.04 USD per GB.
pub const PIPELINE_TRANSFORMS: Price = per_gb("pipeline-transforms", 50 * GB, 40_000, PIPELINES_PRICING);

/// What Pipelines write as JSON: 50 GB free, then 0.03 USD per GB.
pub const PIPELINE_JSON: Price = per_gb("pipeline-sink-json", 50 * GB, 30_000, PIPELINES_PRICING);

/// What Pipelines write as Parquet or Iceberg: 50 GB free, then 0.06 USD per GB.
pub const PIPELINE_PARQUET: Price = per_gb("pipeline-sink-parquet", 50 * GB, 60_000, PIPELINES_PRICING);

/// What Pipelines take in costs nothing; it is listed so that nobody misses it.
pub const PIPELINE_INGRESS: Price = per_gb("pipeline-ingress", 0, 0, PIPELINES_PRICING);

impl Price {
    /// What `count` of them cost, in US dollars, to the fraction and without what is free each month.
    pub fn usd(&self, count: u64) -> f64 {
        count as f64 / self.unit_amount as f64 * self.micro_usd_per_unit as f64 / 1e6
    }

    /// Whole units that are billed for `amount` of them in a month: what is not free, rounded up.
    pub fn billed_units(&self, amount: u128) -> u128 {
        amount.saturating_sub(self.included_amount.into()).div_ceil(self.unit_amount.max(1).into())
    }

    /// What those cost, in millionths of a US dollar.
    pub fn billed_micro_usd(&self, amount: u128) -> u128 {
        self.billed_units(amount).saturating_mul(self.micro_usd_per_unit.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_costs_what_the_table_says() {
        assert_eq!(R2_CLASS_A.usd(1_000_000), 4.5);
        assert_eq!(R2_CLASS_B.usd(1_000_000), 0.36);
        assert_eq!(R2_CLASS_A.usd(0), 0.0);
    }

    #[test]
    fn overage_is_rounded_up_to_whole_units() {
        assert_eq!(ROWS_WRITTEN.billed_micro_usd(50_000_000), 0);
        assert_eq!(ROWS_WRITTEN.billed_micro_usd(50_000_001), 1_000_000);
        assert_eq!(ROWS_WRITTEN.billed_micro_usd(52_000_000), 2_000_000);
        assert_eq!(OBJECT_STORAGE.billed_micro_usd(5_000_000_001), 200_000);
        assert_eq!(OBJECT_DURATION.billed_micro_usd(1_400_000), 12_500_000);
        assert_eq!(PIPELINE_INGRESS.billed_micro_usd(u128::MAX), 0);
        assert!(R2_CLASS_A.billed_micro_usd(u128::MAX) > 0);
    }
}
