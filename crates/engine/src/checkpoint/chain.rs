//! How far a chain of runs may grow.

use crate::format::{Manifest, Run};
use crate::id::{CheckpointId, Hash};

/// When changes are no longer laid over what is there.
#[derive(Debug, Clone, Copy)]
pub struct ChainPolicy {
    /// Stored bytes that delta runs may have for each million of the full run.
    pub delta_millionths_max: u64,
    /// Delta runs that a checkpoint may have.
    pub delta_runs_max: usize,
}

impl ChainPolicy {
    /// Half of the full run, and 8 runs: a restore then reads at most half as much again.
    pub const DEFAULT: ChainPolicy = ChainPolicy { delta_millionths_max: 500_000, delta_runs_max: 8 };

    /// What a new checkpoint can be built on, of `manifest`, whose id is `id`; `None` where a full one
    /// is due.
    ///
    /// Where there is room for one more run, on all of it. Otherwise on its older runs alone, so that
    /// the newest and the new one become one, which costs no reading: the changes since then are
    /// found in the same way. How many are left is decided by their sizes: a run stays if it is
    /// at least as large as all behind it. So each byte is stored again a few times at most.
    pub fn foundation(&self, id: CheckpointId, manifest: &Manifest) -> Option<Foundation> {
        let stored_bytes = |run: &Run| run.packs.iter().map(|pack| pack.stored_bytes).sum::<u64>();
        let full = manifest.full_run().ok()?;
        let sizes: Vec<u64> = manifest.delta_runs().map(stored_bytes).collect();
        let mut kept = sizes.len();
        if kept >= self.delta_runs_max.min(Manifest::DELTA_RUNS_MAX) {
            let mut behind = 0_u64;
            for (position, size) in sizes.iter().enumerate().rev() {
                if behind > 0 && *size >= behind {
                    break;
                }
                behind = behind.saturating_add(*size);
                kept = position;
            }
        }
        let allowed = u128::from(stored_bytes(full)) * u128::from(self.delta_millionths_max) / 1_000_000;
        let taken: u64 = sizes.iter().take(kept).sum();
        let left = u64::try_from(allowed).unwrap_or(u64::MAX).checked_sub(taken).filter(|left| *left > 0)?;
        let deltas = manifest.delta_runs().take(kept);
        Some(Foundation {
            id,
            content_sha256: manifest.content_sha256,
            runs: std::iter::once(full).chain(deltas).cloned().collect(),
            delta_bytes_max: left,
        })
    }
}

/// The runs that a new checkpoint is laid over.
#[derive(Debug, Clone)]
pub struct Foundation {
    /// The checkpoint that they were taken from.
    pub id: CheckpointId,
    /// Its content, which the runs have unless some of them were left out.
    pub content_sha256: Hash,
    /// The full run and the delta runs, the oldest first.
    pub runs: Vec<Run>,
    /// Stored bytes that the new run may have.
    pub delta_bytes_max: u64,
}
