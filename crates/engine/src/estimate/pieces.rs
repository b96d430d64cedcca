//! What a checkpoint of a size is made of, and which limits it is near.

use serde::Serialize;

use super::formula::Sizes;
use crate::limits::{
    KEY_AND_VALUE, KV_BACKEND_CHUNKS, KV_BACKEND_KEY, KV_BACKEND_VALUE, Limit, MEMORY, OBJECT, ROW,
};
use crate::measure::{LimitFinding, Watch};
use crate::placement::{Placement, PlacementPolicy};

/// Bytes of one chunk of a checkpoint in a SQLite-backed object: `chunkSize` of the spike's Solution 1.
const CHUNK_BYTES: u64 = 1 << 20;

/// What the records around chunks add in a KV-backed object, at least, in percent of the
/// compressed bytes. "~5-10% for metadata", the spike's "KV DO Constraints".
pub const KV_OVERHEAD_PERCENT_MIN: u64 = 5;

/// The same, at most.
pub const KV_OVERHEAD_PERCENT_MAX: u64 = 10;

/// What keeps an object's storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// SQLite: rows of up to 2 MB.
    Sqlite,
    /// The older key-value storage: values of up to 131,072 bytes.
    Kv,
}

/// A checkpoint that does not exist yet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Entries in it.
    pub entries: u64,
    /// Bytes of the state as JSON.
    pub raw_bytes: u64,
    /// Bytes of its compressed form.
    pub compressed_bytes: u64,
    /// Rows, values or objects that it is kept in; none if it is rejected.
    pub chunk_count: u64,
    /// Where it goes.
    pub placement: Placement,
    /// What keeps the object's storage.
    pub backend: Backend,
    /// Whether its raw size alone is reason to warn.
    pub warns: bool,
    /// Bytes that the records of a KV-backed object take, at least and at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_bytes_min: Option<u64>,
    /// At most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_bytes_max: Option<u64>,
    /// The limits that apply, and how near it is.
    pub limits: Vec<LimitFinding>,
}

impl Estimate {
    /// A checkpoint of `entries` that amount to `sizes`, of which one has a key and a value of about these
    /// bytes.
    pub fn new(
        entries: u64,
        sizes: Sizes,
        (key_bytes, value_bytes): (u64, u64),
        backend: Backend,
        policy: &PlacementPolicy,
    ) -> Self {
        let Sizes { raw_bytes, compressed_bytes } = sizes;
        let stored_bytes = |percent: u64| {
            let overhead = u128::from(compressed_bytes) * u128::from(percent);
            u64::try_from(overhead.div_ceil(100))
                .map_or(u64::MAX, |more| compressed_bytes.saturating_add(more))
        };
        let stored_bytes_max = stored_bytes(KV_OVERHEAD_PERCENT_MAX);
        let (bytes, chunk_bytes) = match backend {
            Backend::Sqlite => (compressed_bytes, CHUNK_BYTES),
            Backend::Kv => (stored_bytes_max, KV_BACKEND_VALUE.amount),
        };
        let mut placement = policy.place(raw_bytes, compressed_bytes);
        let mut chunk_count = bytes.div_ceil(chunk_bytes).max(1);
        if placement == Placement::DoRow && chunk_count > 1 {
            // One row of a SQLite-backed object is many values of a KV-backed one. A policy of one's own may also
            // keep more in a row than a chunk.
            match backend {
                Backend::Kv => placement = Placement::DoChunks,
                Backend::Sqlite => chunk_count = 1,
            }
        }
        match placement {
            Placement::R2 => chunk_count = 1,
            Placement::Rejected => chunk_count = 0,
            Placement::DoRow | Placement::DoChunks => {}
        }
        let is_kv = backend == Backend::Kv;
        let mut estimate = Estimate {
            entries,
            raw_bytes,
            compressed_bytes,
            chunk_count,
            placement,
            backend,
            warns: policy.warns(raw_bytes),
            stored_bytes_min: is_kv.then(|| stored_bytes(KV_OVERHEAD_PERCENT_MIN)),
            stored_bytes_max: is_kv.then_some(stored_bytes_max),
            limits: Vec::new(),
        };
        estimate.limits = estimate.findings(key_bytes, value_bytes);
        estimate
    }

    fn findings(&self, key_bytes: u64, value_bytes: u64) -> Vec<LimitFinding> {
        let in_object = matches!(self.placement, Placement::DoRow | Placement::DoChunks);
        let kept = |bytes: u64| if in_object { bytes } else { 0 };
        let entry_bytes = key_bytes.saturating_add(value_bytes);
        let memory = (&MEMORY, self.raw_bytes, "the state in memory");
        let seen: Vec<(&'static Limit, u64, &str)> = match self.backend {
            Backend::Sqlite => {
                let row_bytes = match self.placement {
                    Placement::DoRow => self.compressed_bytes,
                    _ => self.compressed_bytes.min(CHUNK_BYTES),
                };
                vec![
                    (&OBJECT, kept(self.compressed_bytes), "the checkpoint"),
                    (&KEY_AND_VALUE, entry_bytes, "a mean entry"),
                    (&ROW, kept(row_bytes), "the checkpoint"),
                    memory,
                ]
            }
            Backend::Kv => {
                let chunks = if in_object { self.chunk_count } else { 0 };
                vec![
                    (&KV_BACKEND_KEY, key_bytes, "a mean entry"),
                    (&KV_BACKEND_VALUE, value_bytes, "a mean entry"),
                    (&KV_BACKEND_CHUNKS, chunks, "the checkpoint"),
                    memory,
                ]
            }
        };
        let find = |(limit, actual, name): (&'static Limit, u64, &str)| {
            let mut watch = Watch::new(limit);
            watch.see(actual, name.as_bytes());
            watch.finding()
        };
        seen.into_iter().map(find).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::estimate::{DEFAULT_COMPRESSION_RATIO, Shape};
    use crate::limits::LimitStatus;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn of(raw_bytes: u64, compressed_bytes: u64, backend: Backend) -> Estimate {
        let sizes = Sizes { raw_bytes, compressed_bytes };
        Estimate::new(1, sizes, (12, 50), backend, &PlacementPolicy::BUDGET)
    }

    #[test]
    fn rows_chunks_and_objects() {
        let place = |raw, compressed| {
            let estimate = of(raw, compressed, Backend::Sqlite);
            (estimate.placement, estimate.chunk_count, estimate.warns)
        };
        assert_eq!(place(1_344_000, 134_400), (Placement::DoRow, 1, false));
        assert_eq!(place(50 * MIB, 1000), (Placement::DoRow, 1, true));
        assert_eq!(place(50 * MIB, 5 * MIB), (Placement::DoChunks, 5, true));
        assert_eq!(place(100 * MIB, 1000), (Placement::DoChunks, 1, true));
        assert_eq!(place(100 * MIB, 10 * MIB + 1), (Placement::DoChunks, 11, true));
        assert_eq!(place(500 * MIB, 50 * MIB), (Placement::R2, 1, true));
        assert_eq!(place(2049 * MIB, 50 * MIB), (Placement::Rejected, 0, true));
    }

    #[test]
    fn values_of_a_key_value_object() {
        let small = of(1000, 119_156, Backend::Kv);
        // With 10 % of overhead it is 131,072 bytes: one value, and not a byte more.
        assert_eq!((small.placement, small.chunk_count), (Placement::DoRow, 1));
        assert_eq!((small.stored_bytes_min, small.stored_bytes_max), (Some(125_114), Some(131_072)));
        let more = of(1000, 119_157, Backend::Kv);
        assert_eq!((more.placement, more.chunk_count), (Placement::DoChunks, 2));
        let large = of(99 * MIB, 12_000_000, Backend::Kv);
        let chunks = large.limits.iter().find(|found| found.limit == "kv-backend-chunks").unwrap();
        assert_eq!((chunks.actual_count, chunks.status), (Some(101), LimitStatus::Exceeded));
    }

    proptest! {
        #[test]
        fn nothing_overflows(
            entries in 0..=1_000_000_000_000_000_u64,
            key in 0.0..1e7_f64,
            value in 0.0..1e9_f64,
            kv: bool,
        ) {
            let sizes = Shape::new(entries, key, value, DEFAULT_COMPRESSION_RATIO).unwrap().sizes();
            let backend = if kv { Backend::Kv } else { Backend::Sqlite };
            let made = Estimate::new(entries, sizes, (key as u64, value as u64), backend, &PlacementPolicy::BUDGET);
            prop_assert_eq!(made.chunk_count == 0, made.placement == Placement::Rejected);
            prop_assert!(made.stored_bytes_max.is_none_or(|bytes| bytes >= made.compressed_bytes));
        }
    }
}
