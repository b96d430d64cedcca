//! What a design will come to: when it meets a limit, what it costs, and what it loses when an object
//! dies.

mod profiles;

pub use profiles::{
    CACHES, CHECKPOINT_PROFILES, COMPACTION_PROFILES, CheckpointProfile, CompactionProfile, SECONDS_PER_DAY,
    TIERING_PROFILES, TieringProfile,
};
