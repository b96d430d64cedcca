//! What a design will come to: when it meets a limit, what it costs, and what it loses when an object
//! dies.

mod capacity;
mod claim;
mod cost;
mod design;
mod guideline;
mod partition;
mod profiles;
mod trace;

pub use capacity::{Forecast, forecasts};
pub use claim::{Claim, claim, claim_as_made};
pub use cost::{Alternative, COLUMNAR_THRESHOLD, Item, PackChoice, alternatives, pack_choices, recommend};
pub use design::{DAYS_PER_MONTH, Design, distinct};
pub use guideline::{
    GUIDELINES, Guideline, Measured, Partitioned, Standing, measure_files, recommend_partitioning,
};
pub use partition::{
    Filter, PARTITION_BYTES, PROMOTION_PERCENT_MIN, Partitioning, Partitions, READS_PER_SECOND,
    WRITES_PER_SECOND_MAX, WRITES_PER_SECOND_MIN, topology_bits,
};
pub use profiles::{
    CACHES, CHECKPOINT_PROFILES, COMPACTION_PROFILES, CheckpointProfile, CompactionProfile, SECONDS_PER_DAY,
    TIERING_PROFILES, TieringProfile,
};
pub use trace::{CacheOutcome, Outcome, Target, Thresholds, Trace, TraceEvent, TraceReport};
