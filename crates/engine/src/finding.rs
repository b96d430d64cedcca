//! What a check finds, and what it looked at.

use crate::error::Error;

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The manifest, pack, file, record or object concerned.
    pub target: String,
    /// What is wrong.
    pub error: Error,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Checkpoints.
    pub checkpoints: u64,
    /// Chunks that are right; with a quick check, chunks in packs whose hash was taken.
    pub chunks: u64,
    /// Stored bytes read.
    pub bytes: u64,
    /// Of the checkpoints, those that are sealed and were not opened: only what lies in the store was compared
    /// with its hashes, not what it holds.
    pub unopened_checkpoints: u64,
}

impl Checked {
    /// Adds what was looked at elsewhere.
    pub fn add(&mut self, other: Checked) {
        self.checkpoints += other.checkpoints;
        self.chunks += other.chunks;
        self.bytes += other.bytes;
        self.unopened_checkpoints += other.unopened_checkpoints;
    }
}
