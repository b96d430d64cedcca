//! Telling somebody how far a long job is.

/// Hears of raw bytes that are done.
pub trait Progress: Sync {
    /// The job has `total_bytes` raw bytes in all, where that is known.
    fn begin(&self, job: &str, total_bytes: Option<u64>);

    /// `raw_bytes` more are done.
    fn advance(&self, raw_bytes: u64);

    /// The job is over.
    fn end(&self);
}

/// Nobody listens.
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _job: &str, _total_bytes: Option<u64>) {}
    fn advance(&self, _raw_bytes: u64) {}
    fn end(&self) {}
}
