//! Which records may have changed since a checkpoint, told by who changes them.

use std::collections::BTreeSet;

/// Keys that were written since a checkpoint: added, modified or deleted. What became of them is looked up when
/// the next checkpoint is made, so a key that is written a thousand times is one key, and one that is as
/// it was costs nothing.
///
/// A checkpoint made by a tracker reads what the tracker names and nothing else. So whoever writes must name every
/// key, before or in the same transaction as the write; and who cannot be sure, after a restart for instance,
/// says so with [`ChangeTracker::lose`].
#[derive(Debug, Clone)]
pub struct ChangeTracker {
    since: u64,
    keys: BTreeSet<Vec<u8>>,
    held_bytes: usize,
    is_lost: bool,
}

impl ChangeTracker {
    /// Memory for keys. With more of them, comparing everything is not much dearer.
    pub const BYTES_MAX: usize = 4 << 20;

    /// Bytes that a key takes besides its own, about.
    const KEY_BYTES: usize = 40;

    /// Nothing has changed since the checkpoint with this sequence.
    pub fn new(since: u64) -> Self {
        ChangeTracker { since, keys: BTreeSet::new(), held_bytes: 0, is_lost: false }
    }

    /// The record with `key` was added, modified or deleted.
    pub fn touch(&mut self, key: &[u8]) {
        if self.is_lost || self.keys.contains(key) {
            return;
        }
        self.held_bytes += key.len() + Self::KEY_BYTES;
        match self.held_bytes > Self::BYTES_MAX {
            true => self.lose(),
            false => drop(self.keys.insert(key.to_vec())),
        }
    }

    /// Anything may have changed.
    pub fn lose(&mut self) {
        self.is_lost = true;
        self.keys = BTreeSet::new();
        self.held_bytes = 0;
    }

    /// The sequence of the checkpoint since which changes are known.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// The keys, in order; none where anything may have changed.
    pub fn keys(&self) -> Option<&BTreeSet<Vec<u8>>> {
        (!self.is_lost).then_some(&self.keys)
    }

    /// Bytes of memory held, about.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_kept_once_and_in_order() {
        let mut tracker = ChangeTracker::new(7);
        for key in [b"b".as_slice(), b"a", b"b"] {
            tracker.touch(key);
        }
        assert_eq!(tracker.since(), 7);
        assert!(tracker.keys().unwrap().iter().eq([b"a", b"b"]));
        assert_eq!(tracker.held_bytes(), 82);
    }

    #[test]
    fn too_many_keys_are_all_keys() {
        let mut tracker = ChangeTracker::new(1);
        let mut key = 0_u32;
        while tracker.keys().is_some() {
            tracker.touch(&key.to_be_bytes());
            key += 1;
            assert!(tracker.held_bytes() <= ChangeTracker::BYTES_MAX);
        }
        assert_eq!(key as usize, ChangeTracker::BYTES_MAX / 44 + 1);
        tracker.touch(b"more");
        assert_eq!(tracker.held_bytes(), 0);
    }
}
