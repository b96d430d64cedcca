//! Sorting entries by key within bounded memory: runs sorted in memory, then merged.
//!
//! Nothing here knows a file. [`RunBuilder`] hands out a sorted run's bytes, whoever keeps them
//! gives them back through [`RunSource`], and [`RunMerge`] reads many runs as one.

mod build;
mod merge;
mod record;

pub use build::RunBuilder;
pub use merge::{MIN_BLOCK_BYTES, Run, RunMerge, RunSource};
pub use record::Record;
