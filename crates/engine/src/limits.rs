//! What the platform allows. Every number of it is here, with its unit, date and source.
//!
//! Sizes are decimal where Cloudflare's pages say MB or GB. The pages were read on 2026-11-21
//! (<https://developers.cloudflare.com/durable-objects/platform/limits/>); what workerd does
//! locally was measured the same day.

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
}

/// Where a limit's number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSource {
    /// Cloudflare's documentation of Durable Objects, "Limits".
    Documentation,
    /// What workerd itself refused.
    Measured,
    /// The research spike "Checkpoint Size Limits in DO Storage" of 2026-01-13.
    Spike,
    /// The notes on workerd's storage that the spike came with.
    WorkerdNotes,
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Its name in reports.
    pub name: &'static str,
    /// The largest amount allowed.
    pub amount: u64,
    /// What is counted.
    pub unit: Unit,
    /// When the number was read or measured.
    pub date: &'static str,
    /// Where.
    pub source: LimitSource,
}

/// How near to a limit something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitStatus {
    /// Far enough.
    Ok,
    /// At [`WARN_PERCENT`] of the limit or more.
    Warn,
    /// Past the limit.
    Exceeded,
}

/// From this share of a limit on, a finding warns.
pub const WARN_PERCENT: u64 = 80;

/// The limits that the spike of 2026-01-13 lists, under this name wherever a command reproduces it.
pub const SPIKE_PROFILE: &str = "spike-2026-01";

const fn documented(name: &'static str, amount: u64, unit: Unit) -> Limit {
    Limit { name, amount, unit, date: "2026-11-21", source: LimitSource::Documentation }
}

/// Storage of one SQLite-backed object: 10 GB. The pages in its free list do not count, as in
/// workerd's `databaseSize`.
pub const OBJECT: Limit = documented("object", 10_000_000_000, Unit::Bytes);

/// Key and value together in a SQLite-backed object: 2 MB.
pub const KEY_AND_VALUE: Limit = documented("key-and-value", 2_000_000, Unit::Bytes);

/// One row of a table: 2 MB.
pub const ROW: Limit = documented("row", 2_000_000, Unit::Bytes);

/// Columns of a table: 100.
pub const COLUMNS: Limit = documented("columns", 100, Unit::Count);

/// A SQL statement: 100 KB.
pub const STATEMENT: Limit = documented("statement", 100_000, Unit::Bytes);

/// Bound parameters of a query: 100.
pub const BOUND_PARAMETERS: Limit = documented("bound-parameters", 100, Unit::Count);

/// Memory of one isolate, shared by the objects in it: 128 MB.
pub const MEMORY: Limit = documented("memory", 128_000_000, Unit::Bytes);

/// How long `blockConcurrencyWhile` may take, and so a restore that does not resume: 30 s.
pub const RESTORE_WINDOW: Limit = documented("restore-window", 30_000, Unit::Milliseconds);

/// Storage of all KV-backed objects of an account: 50 GB, which Cloudflare raises on request.
pub const KV_BACKEND_ACCOUNT: Limit = Limit {
    name: "kv-backend-account",
    amount: 50_000_000_000,
    unit: Unit::Bytes,
    date: "2026-01-13",
    source: LimitSource::Spike,
};

/// Chunks of a checkpoint in a KV-backed object that the spike calls practical: 100, some 10 MB.
pub const KV_BACKEND_CHUNKS: Limit = Limit {
    name: "kv-backend-chunks",
    amount: 100,
    unit: Unit::Count,
    date: "2026-01-13",
    source: LimitSource::Spike,
};

/// A key in a KV-backed object: 2 KiB.
pub const KV_BACKEND_KEY: Limit = documented("kv-backend-key", 2_048, Unit::Bytes);

/// A value in a KV-backed object: 128 KiB.
pub const KV_BACKEND_VALUE: Limit = documented("kv-backend-value", 131_072, Unit::Bytes);

/// The longest value that workerd's SQLite takes (`SQLITE_LIMIT_LENGTH`): 4 MiB. What lies between
/// [`ROW`] and this passes locally and fails in production.
pub const WORKERD_LENGTH: Limit = Limit {
    name: "workerd-length",
    amount: 4_194_304,
    unit: Unit::Bytes,
    date: "2026-11-21",
    source: LimitSource::Measured,
};

/// The limits of workerd's actor cache, the write-back cache of KV-backed objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// Which limits these are.
    pub name: &'static str,
    /// Bytes from which clean entries are evicted.
    pub soft_bytes: u64,
    /// Bytes past which the isolate is reset, with every object in it.
    pub hard_bytes: u64,
    /// Unwritten bytes past which writers wait.
    pub dirty_bytes: u64,
    /// Bytes of one operation at most.
    pub operation_bytes: u64,
    /// How long after the first unwritten write everything is flushed, in milliseconds.
    pub flush_ms: u64,
    /// When the numbers were read.
    pub date: &'static str,
    /// Where.
    pub source: LimitSource,
}

const MIB: u64 = 1 << 20;

/// The actor cache as the notes on workerd have it: 32, 64, 8 and 16 MiB, 2 s.
pub const SPIKE_CACHE: CacheLimits = CacheLimits {
    name: SPIKE_PROFILE,
    soft_bytes: 32 * MIB,
    hard_bytes: 64 * MIB,
    dirty_bytes: 8 * MIB,
    operation_bytes: 16 * MIB,
    flush_ms: 2_000,
    date: "2026-01-13",
    source: LimitSource::WorkerdNotes,
};

/// The actor cache as workerd's server sets it by default: soft 16 MiB, hard 128 MiB; the rest as
/// before.
pub const SERVER_CACHE: CacheLimits = CacheLimits {
    name: "server-2026-11",
    soft_bytes: 16 * MIB,
    hard_bytes: 128 * MIB,
    date: "2026-11-21",
    source: LimitSource::Documentation,
    ..SPIKE_CACHE
};

impl Limit {
    /// How near `actual` is.
    #[inline]
    pub fn status(&self, actual: u64) -> LimitStatus {
        if actual > self.amount {
            LimitStatus::Exceeded
        } else if actual >= self.warn_from() {
            LimitStatus::Warn
        } else {
            LimitStatus::Ok
        }
    }

    /// The smallest amount that warns.
    #[inline]
    pub fn warn_from(&self) -> u64 {
        (self.amount / 100 * WARN_PERCENT).saturating_add(self.amount % 100 * WARN_PERCENT / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_changes_at_the_borders() {
        assert_eq!(ROW.status(1_599_999), LimitStatus::Ok);
        assert_eq!(ROW.status(1_600_000), LimitStatus::Warn);
        assert_eq!(ROW.status(2_000_000), LimitStatus::Warn);
        assert_eq!(ROW.status(2_000_001), LimitStatus::Exceeded);
        assert_eq!(COLUMNS.status(79), LimitStatus::Ok);
        assert_eq!(COLUMNS.status(80), LimitStatus::Warn);
    }
}
