//! How an object and a prune of the command line keep out of each other's way in a bucket: the writer's side of
//! `docs/FORMAT.md`, section 2, "A store in a bucket".

use std::collections::HashSet;

use dotctl_engine::Result;
use dotctl_engine::format::layout::PRUNE;
use dotctl_engine::id::Hash;

use super::Bucket;
use crate::storage::later;

/// After so long a writer looks again: a third of the shortest grace, in milliseconds.
const LOOK_MS: f64 = 20.0 * 60_000.0;

/// A sweep that is still there after so long was killed, in milliseconds.
const SWEEP_MS_MAX: f64 = 10.0 * 60_000.0;

/// Between two looks whether a sweep has ended, in milliseconds.
const SWEEP_PAUSE_MS: f64 = 1_000.0;

/// What the writer of one checkpoint knows of packs that are to go.
#[derive(Default)]
pub struct Marks {
    taken_ms: Option<f64>,
    marked: HashSet<Hash>,
    /// Packs that the checkpoint needs, as far as they are there.
    used: HashSet<Hash>,
}

impl Marks {
    /// To be called before a pack is looked for or sent.
    pub async fn before_pack(&mut self, bucket: &Bucket, pack: Hash) -> Result<()> {
        if self.taken_ms.is_none_or(|taken| js_sys::Date::now() - taken > LOOK_MS) {
            self.look(bucket).await?;
        }
        self.used.insert(pack);
        self.keep(bucket).await
    }

    /// To be called before the manifest, which names `packs`, is written, and before those are looked for the last time.
    pub async fn before_manifest(
        &mut self,
        bucket: &Bucket,
        packs: impl Iterator<Item = Hash>,
    ) -> Result<()> {
        self.used.extend(packs);
        self.look(bucket).await?;
        self.keep(bucket).await
    }

    async fn look(&mut self, bucket: &Bucket) -> Result<()> {
        self.taken_ms = Some(js_sys::Date::now());
        let prefix = format!("{PRUNE}/marks/");
        let names = bucket.list(&prefix).await?;
        self.marked = names.iter().filter_map(|(key, _)| key.strip_prefix(&prefix)?.parse().ok()).collect();
        Ok(())
    }

    /// Takes the marks from packs that are used; then waits for the sweeps that may have seen them.
    async fn keep(&mut self, bucket: &Bucket) -> Result<()> {
        let ours: Vec<Hash> = self.marked.intersection(&self.used).copied().collect();
        if ours.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = ours.iter().map(|pack| format!("{PRUNE}/marks/{pack}")).collect();
        bucket.remove(&names).await?;
        for pack in ours {
            self.marked.remove(&pack);
        }
        let begun = js_sys::Date::now();
        let mut seen: Option<HashSet<String>> = None;
        loop {
            let sweeps = bucket.list(&format!("{PRUNE}/sweeps/")).await?.into_iter().map(|(key, _)| key);
            // One that began later has seen that the marks are gone.
            let left: HashSet<String> =
                sweeps.filter(|key| seen.as_ref().is_none_or(|seen| seen.contains(key))).collect();
            if left.is_empty() || js_sys::Date::now() - begun > SWEEP_MS_MAX {
                return Ok(());
            }
            seen = Some(left);
            later(SWEEP_PAUSE_MS).await?;
        }
    }
}
