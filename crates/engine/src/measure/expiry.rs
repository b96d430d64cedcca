//! Times to live.

use serde::Serialize;

/// Entries that carry a time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ExpiryReport {
    /// Entries with an `expiresAt`.
    pub expiring_count: u64,
    /// Entries whose `expiresAt` has passed.
    pub expired_count: u64,
    /// Bytes of keys and values of the expired ones.
    pub expired_bytes: u64,
    /// Values too large to be looked into.
    pub unexamined_count: u64,
}

impl ExpiryReport {
    /// Counts an entry that expires at `time_ms`, when it is `now_ms`.
    pub(crate) fn add(&mut self, time_ms: f64, now_ms: f64, entry_bytes: u64) {
        self.expiring_count += 1;
        if time_ms < now_ms {
            self.expired_count += 1;
            self.expired_bytes = self.expired_bytes.saturating_add(entry_bytes);
        }
    }

    pub(crate) fn merge(&mut self, other: ExpiryReport) {
        self.expiring_count += other.expiring_count;
        self.expired_count += other.expired_count;
        self.expired_bytes = self.expired_bytes.saturating_add(other.expired_bytes);
        self.unexamined_count += other.unexamined_count;
    }
}
