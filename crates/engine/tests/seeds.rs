//! Every number in every table of the seeds that a formula or a limit gives. A test is named after its
//! seed, a row by the words that the seed has for it. What cannot be reproduced is in
//! `docs/SEED_DIFFERENCES.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dotctl_engine::budget::{OBJECTS, OPERATORS};
use dotctl_engine::estimate::{
    Backend, DEFAULT_COMPRESSION_RATIO, Estimate, KV_OVERHEAD_PERCENT_MAX, KV_OVERHEAD_PERCENT_MIN, Shape,
    Sizes,
};
use dotctl_engine::limits::{
    BOUND_PARAMETERS, COLUMNS, KEY_AND_VALUE, KV_BACKEND_ACCOUNT, KV_BACKEND_CHUNKS, KV_BACKEND_KEY,
    KV_BACKEND_VALUE, MEMORY, OBJECT, ROW, SPIKE_CACHE, STATEMENT,
};
use dotctl_engine::placement::{Placement, PlacementPolicy};
use dotctl_engine::plan::{
    CHECKPOINT_PROFILES, COMPACTION_PROFILES, Design, Filter, GUIDELINES, Partitioned, Partitioning,
    READS_PER_SECOND, TIERING_PROFILES, WRITES_PER_SECOND_MAX, WRITES_PER_SECOND_MIN, claim,
    recommend_partitioning, topology_bits,
};
use dotctl_engine::prices::{ROWS_READ, ROWS_WRITTEN};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const KB: u64 = 1_000;
const MB: u64 = 1_000_000;
const GB: u64 = 1_000_000_000;

mod checkpoint_size_limits_in_do_storage {
    use super::*;

    #[test]
    fn sqlite_backed_durable_objects() {
        for (row, limit, number) in [
            ("Storage per DO", OBJECT, 10 * GB),
            ("Max key+value size", KEY_AND_VALUE, 2 * MB),
            ("Max row size", ROW, 2 * MB),
            ("Max SQL statement", STATEMENT, 100 * KB),
            ("Max columns per table", COLUMNS, 100),
            ("Bound params per query", BOUND_PARAMETERS, 100),
        ] {
            assert_eq!(limit.amount, number, "{row}");
        }
    }

    #[test]
    fn key_value_backed_durable_objects() {
        for (row, limit, number) in [
            ("Storage per account", KV_BACKEND_ACCOUNT, 50 * GB),
            ("Max key size", KV_BACKEND_KEY, 2_048),
            ("Max value size", KV_BACKEND_VALUE, 131_072),
            ("Max practical checkpoint (100 chunks)", KV_BACKEND_CHUNKS, 100),
        ] {
            assert_eq!(limit.amount, number, "{row}");
        }
        assert_eq!((KV_OVERHEAD_PERCENT_MIN, KV_OVERHEAD_PERCENT_MAX), (5, 10), "Chunk overhead");
    }

    /// "Typical Checkpoint Sizes": entries and raw sizes are observations; what they compress to is the raw
    /// size by 5 or by 10, and the placement is the thresholds'.
    #[test]
    fn typical_checkpoint_sizes() {
        use Placement::{DoChunks, DoRow, R2};
        for (row, entries, raw, compressed, ratio, placement) in [
            ("Counter aggregations", 100, 50 * KB, 10 * KB, 0.2, DoRow),
            ("Session windows", 500, 200 * KB, 40 * KB, 0.2, DoRow),
            ("User state", 1_000, 500 * KB, 100 * KB, 0.2, DoRow),
            ("Event counts", 10_000, 5 * MB, 500 * KB, 0.1, DoRow),
            ("Sliding windows", 5_000, 20 * MB, 4 * MB, 0.2, DoChunks),
            ("Join state", 10_000, 50 * MB, 10 * MB, 0.2, DoChunks),
            ("Full aggregations", 50_000, 100 * MB, 20 * MB, 0.2, DoChunks),
            ("Graph state", 100_000, 500 * MB, 100 * MB, 0.2, DoChunks),
            ("ML features", 1_000_000, GB, 200 * MB, 0.2, R2),
        ] {
            // The length of keys and values that the formula has at this raw size.
            let entry_bytes = raw as f64 / entries as f64 / 1.2 - 50.0;
            let value_bytes = if entry_bytes >= 0.0 { entry_bytes } else { panic!("{row}: {entry_bytes}") };
            let sizes = Shape::new(entries, 0.0, value_bytes, ratio).unwrap().sizes();
            assert!(sizes.raw_bytes.abs_diff(raw) <= 1, "{row}: {sizes:?}");
            assert!(sizes.compressed_bytes.abs_diff(compressed) <= 1, "{row}: {sizes:?}");
            let sizes = Sizes { raw_bytes: raw, compressed_bytes: compressed };
            let made = Estimate::new(entries, sizes, (0, 0), Backend::Sqlite, &PlacementPolicy::BUDGET);
            assert_eq!(made.placement, placement, "{row}");
        }
    }

    /// "Max single checkpoint: ~2 MB without chunking", and Solution 2's `SIZE_THRESHOLD`.
    #[test]
    fn one_row() {
        assert_eq!(PlacementPolicy::HYBRID.overflow_stored_bytes, 1024 * 1024);
        assert_eq!(PlacementPolicy::HYBRID.place(1 << 40, MIB - 1), Placement::DoRow);
        assert_eq!(PlacementPolicy::HYBRID.place(1 << 40, MIB), Placement::R2);
        const { assert!(ROW.amount >= MIB) };
    }

    #[test]
    fn per_operator_budget() {
        let rows = [
            ("Counters/Aggregations", 10 * MB, MB, 10_000),
            ("Windowed State", 50 * MB, 5 * MB, 5_000),
            ("Join State", 100 * MB, 10 * MB, 50_000),
            ("Pattern Matching", 20 * MB, 2 * MB, 1_000),
        ];
        for (budget, (row, raw, compressed, entries)) in OPERATORS.iter().zip(rows) {
            let numbers = (budget.raw_bytes, budget.compressed_bytes, budget.entries);
            assert_eq!(numbers, (raw, compressed, entries), "{row}");
            // Each row of the table is the formula's ratio of its own.
            assert_eq!(
                budget.compressed_bytes as f64,
                budget.raw_bytes as f64 * DEFAULT_COMPRESSION_RATIO,
                "{row}"
            );
        }
    }

    #[test]
    fn per_do_budget() {
        let rows = [
            ("Light", 5, 100 * MB, 10 * MB),
            ("Standard", 10, 500 * MB, 50 * MB),
            ("Heavy", 20, 2 * GB, 200 * MB),
        ];
        for (budget, (row, operators, raw, compressed)) in OBJECTS.iter().zip(rows) {
            let numbers = (budget.operators, budget.raw_bytes, budget.compressed_bytes);
            assert_eq!(numbers, (operators, raw, compressed), "{row}");
        }
    }

    #[test]
    fn warning_thresholds() {
        let budget = PlacementPolicy::BUDGET;
        assert_eq!(budget.warn_bytes, 50 * 1024 * 1024, "WARN_THRESHOLD");
        assert_eq!(budget.chunk_bytes, 100 * 1024 * 1024, "CHUNK_THRESHOLD");
        assert_eq!(budget.overflow_raw_bytes, 500 * 1024 * 1024, "R2_THRESHOLD");
        assert_eq!(budget.raw_bytes_end, 2 * 1024 * 1024 * 1024, "MAX_THRESHOLD");
    }

    #[test]
    fn appendix_example() {
        let sizes = Shape::new(10_000, 12.0, 50.0, DEFAULT_COMPRESSION_RATIO).unwrap().sizes();
        assert_eq!((sizes.raw_bytes, sizes.compressed_bytes), (1_344_000, 134_400));
    }
}

mod unified_storage {
    use super::*;

    #[test]
    fn cost_model() {
        let made = claim(1_000.0, 1_000_000_000, 5_000);
        assert_eq!(made.writes_per_day, 86_400_000.0, "86.4M SQLite writes/day");
        assert_eq!(made.claimed_writes_per_day, 17_280.0, "17,280 writes/day");
        assert_eq!(format!("{:.2}", made.claimed_reduction_percent), "99.98");
        let conservative = claim(1_000.0, 1_000_000_000, 1_000);
        assert_eq!(conservative.claimed_writes_per_day, 86_400.0, "interval of 1 second");
        assert_eq!(format!("{:.1}", conservative.claimed_reduction_percent), "99.9");
    }

    /// "PipelineEmitterConfig": what it holds back, and so what is lost.
    #[test]
    fn pipeline_emitter_config() {
        let lost = |writes_per_second: f64, value_bytes: f64| {
            let design = Design { writes_per_second, value_bytes, ..Design::default() };
            let all = dotctl_engine::plan::alternatives(&design, &PlacementPolicy::BUDGET);
            all.into_iter().find(|one| one.name == "lazy-rows").unwrap().recovery_point_ms
        };
        assert_eq!(lost(1.0, 50.0), 60_000.0, "flushInterval");
        assert_eq!(lost(100.0, 50.0), 1_000.0 / 100.0 * 1_000.0, "batchSize");
        let event_bytes = (12.0 + 8_000.0 + 50.0) * 1.2_f64;
        assert_eq!(
            lost(100.0, 8_000.0),
            (MIB as f64 / (100.0 * event_bytes.ceil()) * 1_000.0).round(),
            "batchBytes"
        );
    }

    /// "UnifiedStoreConfig" and "LazyCheckpointerOptions".
    #[test]
    fn unified_store_config() {
        let made = dotctl_engine::plan::claim_as_made(&Design::default());
        assert_eq!(made.interval_ms, 5_000, "checkpointInterval");
        let many = claim(1_000.0, 1_000_000_000, 5_000);
        let each = many.writes_per_day / many.checkpoints_per_day;
        assert_eq!(each.round(), 100.0, "dirtyCountThreshold");
        assert_eq!(dotctl_engine::plan::COLUMNAR_THRESHOLD, 1_000, "columnarThreshold");
        let [_, balanced, _] = CHECKPOINT_PROFILES;
        assert_eq!(balanced.bytes, 10 * MIB, "memoryThresholdBytes");
    }

    #[test]
    fn columnar_vs_normalized_storage() {
        // Rows of the table, with `columnarThreshold` of UnifiedStoreConfig: one row below, as many above.
        let rows = |entries: u64| {
            let design = Design { entries, writes_per_second: 1e6, ..Design::default() };
            let all = dotctl_engine::plan::alternatives(&design, &PlacementPolicy::BUDGET);
            let columnar = all.into_iter().find(|one| one.name == "lazy-columnar").unwrap();
            columnar.impossible.is_none().then(|| columnar.rows_per_day as f64 / columnar.checkpoints_per_day)
        };
        assert_eq!(rows(999), Some(1.0));
        assert_eq!(rows(1_000), None);
    }
}

mod durable_objects_storage_in_workerd {
    use super::*;

    #[test]
    fn limits_and_constraints() {
        for (row, number, stated) in [
            ("Maximum key size", KV_BACKEND_KEY.amount, 2 * KIB),
            ("Maximum value size", KV_BACKEND_VALUE.amount, 128 * KIB),
            ("Maximum operation size", SPIKE_CACHE.operation_bytes, 16 * MIB),
            ("Cache soft limit", SPIKE_CACHE.soft_bytes, 32 * MIB),
            ("Cache hard limit", SPIKE_CACHE.hard_bytes, 64 * MIB),
            ("Dirty list limit", SPIKE_CACHE.dirty_bytes, 8 * MIB),
        ] {
            assert_eq!(number, stated, "{row}");
        }
        assert_eq!(SPIKE_CACHE.flush_ms, 2_000, "2 seconds elapse since the first write in the batch");
    }
}

mod performance_tuning_guide {
    use super::*;

    #[test]
    fn performance_comparison_of_batches() {
        for (row, individual_ms, batched_ms, speedup) in [
            ("INSERT 100", 1_000.0, 15.0, 67.0),
            ("INSERT 1,000", 10_000.0, 50.0, 200.0),
            ("UPDATE 100", 1_200.0, 25.0, 48.0),
            ("DELETE 100", 800.0, 20.0, 40.0_f64),
        ] {
            let quotient: f64 = individual_ms / batched_ms;
            assert_eq!(quotient.round(), speedup, "{row}");
        }
    }

    #[test]
    fn memory_limit() {
        assert_eq!(MEMORY.amount, 128 * MB);
    }

    #[test]
    fn checkpoint_profiles() {
        let rows = [
            ("frequent", 100, 1_000, 1024 * 1024),
            ("balanced", 1_000, 5_000, 10 * 1024 * 1024),
            ("performance", 10_000, 30_000, 50 * 1024 * 1024),
        ];
        for (profile, (name, events, interval_ms, bytes)) in CHECKPOINT_PROFILES.iter().zip(rows) {
            assert_eq!(
                (profile.name, profile.events, profile.interval_ms, profile.bytes),
                (name, events, interval_ms, bytes)
            );
            assert!(profile.on_shutdown);
        }
    }

    type CompactionRow = (&'static str, u64, u64, u64, u64, &'static [u8]);

    #[test]
    fn compaction_profiles() {
        let rows: [CompactionRow; 3] = [
            ("aggressive", 5, 64 * MIB, 20, 3_600_000, &[2, 3, 4, 5]),
            ("balanced", 10, 128 * MIB, 50, 86_400_000, &[2, 3, 4, 5]),
            ("conservative", 20, 256 * MIB, 100, 604_800_000, &[3, 4]),
        ];
        for (profile, row) in COMPACTION_PROFILES.iter().zip(rows) {
            let numbers = (
                profile.name,
                profile.files_min,
                profile.target_file_bytes,
                profile.files_max,
                profile.partition_age_min_ms,
                profile.hours,
            );
            assert_eq!(numbers, row);
        }
    }

    #[test]
    fn tiering_profiles() {
        let rows = [
            ("realtime", 3_600_000, 100 * MIB, 300_000),
            ("balanced", 86_400_000, 500 * MIB, 3_600_000),
            ("analytics", 0, 50 * MIB, 86_400_000),
        ];
        for (profile, row) in TIERING_PROFILES.iter().zip(rows) {
            let numbers = (profile.name, profile.hot_age_max_ms, profile.hot_bytes_max, profile.cache_ttl_ms);
            assert_eq!(numbers, row);
            assert!(profile.migrates);
        }
    }

    #[test]
    fn partition_recommendations() {
        assert_eq!(
            recommend_partitioning(1_000_001.0, false),
            Partitioned::Hour,
            "timeSeries.high: >1M events/day"
        );
        assert_eq!(
            recommend_partitioning(500_000.0, false),
            Partitioned::Day,
            "timeSeries.medium: 100K-1M events/day"
        );
        assert_eq!(
            recommend_partitioning(99_999.0, false),
            Partitioned::Month,
            "timeSeries.low: <100K events/day"
        );
        let tenants = recommend_partitioning(1_600_000.0, true);
        assert_eq!(tenants, Partitioned::Bucket { bucket_count: 16 }, "entity.multiTenant");
        assert_eq!(recommend_partitioning(1e9, true), Partitioned::Bucket { bucket_count: 256 });
    }

    #[test]
    fn optimal_partition_size() {
        let rows = [
            ("Files per partition", 1, (10, 50), 1_000),
            ("Rows per file", 10_000, (100_000, 1_000_000), 10_000_000),
            ("File size", 10 * MB, (64 * MB, 256 * MB), GB),
            ("Partitions queried", 1, (1, 10), 100),
        ];
        for (guideline, (row, minimum, optimal, maximum)) in GUIDELINES.iter().zip(rows) {
            let numbers =
                (guideline.minimum, (guideline.optimal_from, guideline.optimal_to), guideline.maximum);
            assert_eq!(numbers, (minimum, optimal, maximum), "{row}");
        }
    }

    #[test]
    fn benchmark_comparison_table() {
        assert_eq!(OBJECT.amount, 10 * GB, "Max DB Size, DoSQL");
        assert_eq!(ROWS_READ.usd(1_000_000), 0.001, "Pricing (reads), DoSQL");
        assert_eq!(ROWS_WRITTEN.usd(1_000_000), 1.0, "Pricing (writes), DoSQL");
    }
}

mod fokosdb {
    use super::*;

    #[test]
    fn platform_constraints() {
        assert_eq!(MEMORY.amount, 128 * MB, "memory limit of 128MB");
        assert_eq!(OBJECT.amount, 10 * GB, "up to 10GB");
        assert_eq!(ROW.amount, 2 * MB, "each row up to 2MB");
        let rates = (READS_PER_SECOND, WRITES_PER_SECOND_MIN, WRITES_PER_SECOND_MAX);
        assert_eq!(rates, (1_000, 300, 500), "1000 requests per second doing reads and 300-500 doing writes");
    }

    #[test]
    fn roots_out_of_the_box() {
        for (roots, gb) in [(10, 5), (100, 50), (1_000, 500)] {
            let made = Partitioning { roots, ..Partitioning::default() }.of(u128::from(gb * GB));
            assert_eq!((made.holding, made.capacity_bytes), (roots.into(), u128::from(gb * GB)), "N={roots}");
        }
    }

    #[test]
    fn reference_use_cases() {
        for (partitions, data_bytes, bits, bytes) in
            [(1_000_u64, 500 * GB, 2_001, 251), (1_000_000, 500_000 * GB, 2_000_001, 250_001)]
        {
            let made = Partitioning { roots: partitions, ..Partitioning::default() }.of(data_bytes.into());
            assert_eq!((made.holding, made.forwarding), (partitions.into(), 0));
            assert_eq!((made.topology_bits, made.topology_bytes), (bits, bytes), "(2N+1) bits");
            assert_eq!(topology_bits(partitions.into()), bits);
        }
    }

    #[test]
    fn bloom_filter_of_promoted_hash_keys() {
        let filter = Filter::of(1_000_000);
        assert_eq!(filter.hashes, 7, "7 hash functions");
        assert_eq!(format!("{:.2}", filter.bytes as f64 / MIB as f64), "1.14", "about 1.14MB for 1_000_000");
    }
}
