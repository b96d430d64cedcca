//! Removing checkpoints: what a store is asked for, and which packs are still needed.

use std::collections::HashSet;
use std::time::Duration;

use dotctl_engine::format::Document;
use dotctl_engine::format::layout::ManifestKey;
use dotctl_engine::id::{Hash, Time};
use dotctl_engine::tag::{Tag, Tagged};
use dotctl_engine::{Error, ErrorKind, Result};

use crate::reference::see_each;
use crate::store::{ManifestListing, Store};

/// What is to be removed from a store.
#[derive(Debug, Clone)]
pub struct PruneRequest {
    /// The checkpoints that go. They need not be there any more.
    pub doomed: Vec<ManifestKey>,
    /// The packs that those name.
    pub released: HashSet<Hash>,
    /// Checkpoints of `doomed` that have one of these tags by now stay.
    pub keep_tags: Vec<Tag>,
    /// What the others need, as far as it is known.
    pub needed: Needed,
    /// How long a pack that no checkpoint names is left alone, since somebody may be about to name
    /// it. What a store can rule out by its locks it does not wait for.
    pub grace: Duration,
    /// The clock's reading.
    pub now: Time,
    /// Say what would go, and change nothing.
    pub dry_run: bool,
}

impl PruneRequest {
    /// Takes those out that somebody has tagged since it was decided what goes. `tags` is asked for them at a
    /// moment from which on nobody gives any to what goes; it is not asked where no tag keeps anything.
    pub fn spare(&mut self, tags: impl FnOnce() -> Result<Vec<Tagged>>) -> Result<()> {
        if self.keep_tags.is_empty() || self.doomed.is_empty() {
            return Ok(());
        }
        let (tags, keep_tags) = (tags()?, &self.keep_tags);
        let kept = tags.iter().filter(|one| keep_tags.contains(&one.tag));
        let kept: HashSet<_> = kept.map(|one| one.checkpoint).collect();
        self.doomed.retain(|key| !kept.contains(&key.id));
        Ok(())
    }
}

/// Makes sure that the checkpoint which gets a tag is there.
///
/// # Errors
/// Missing, where it is not.
pub fn check_tagged(store: &dyn Store, tagged: &Tagged) -> Result<()> {
    match store.manifests()?.keys.iter().any(|key| key.id == tagged.checkpoint) {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Missing, "this checkpoint is not there any more")
            .at(tagged.checkpoint.to_string())
            .hint("somebody may have pruned it; `dotctl list` tells which there are")),
    }
}

/// Packs that checkpoints which stay need.
#[derive(Debug, Clone, Default)]
pub struct Needed {
    read: HashSet<ManifestKey>,
    packs: HashSet<Hash>,
}

impl Needed {
    /// Adds those of `document`, which lies under `key`.
    pub fn add(&mut self, key: ManifestKey, document: &Document) {
        self.add_packs(key, document.packs().iter().map(|pack| pack.sha256));
    }

    /// The same, its packs at hand.
    pub fn add_packs(&mut self, key: ManifestKey, packs: impl IntoIterator<Item = Hash>) {
        self.packs.extend(packs);
        self.read.insert(key);
    }

    /// Whether the pack is one of them.
    pub fn has(&self, pack: &Hash) -> bool {
        self.packs.contains(pack)
    }

    /// Reads what `listing` has beyond what was read before, `doomed` aside.
    ///
    /// # Errors
    /// A name that is no manifest's, or a manifest that cannot be read: it may need any pack.
    pub fn complete(
        &mut self,
        store: &dyn Store,
        listing: &ManifestListing,
        doomed: &[ManifestKey],
    ) -> Result<()> {
        if let Some(stray) = listing.strays.first() {
            return Err(unsure(Error::corrupt("no manifest has this name").at(stray.clone())));
        }
        let doomed: HashSet<_> = doomed.iter().collect();
        let fresh = listing.keys.iter().filter(|key| !doomed.contains(key) && !self.read.contains(*key));
        let fresh: Vec<_> = fresh.cloned().collect();
        for seen in see_each(store, &fresh) {
            match seen {
                Ok(seen) => self.add(seen.key, &seen.document),
                // Removed since it was listed.
                Err(error) if error.kind() == ErrorKind::Missing => {}
                Err(error) => return Err(unsure(error)),
            }
        }
        Ok(())
    }
}

/// `error`, met where a manifest is to say which packs it needs.
pub fn unsure(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Interrupted => error,
        _ => error.hint(
            "no pack was removed, since this one may need any; `dotctl verify` tells more. Repair it or move it \
             away, then prune again",
        ),
    }
}

/// What came of the packs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Packs that are gone, or would be.
    pub removed_pack_count: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Packs that no checkpoint names and that are left alone for now.
    pub waiting_pack_count: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
}

impl Pruned {
    /// Counts a pack that goes.
    pub fn remove(&mut self, bytes: u64) {
        self.removed_pack_count += 1;
        self.removed_bytes = self.removed_bytes.saturating_add(bytes);
    }

    /// Counts a pack that waits.
    pub fn wait(&mut self, bytes: u64) {
        self.waiting_pack_count += 1;
        self.waiting_bytes = self.waiting_bytes.saturating_add(bytes);
    }

    /// Adds what came of another store's packs.
    #[must_use]
    pub fn and(self, other: Pruned) -> Self {
        Pruned {
            removed_pack_count: self.removed_pack_count + other.removed_pack_count,
            removed_bytes: self.removed_bytes.saturating_add(other.removed_bytes),
            waiting_pack_count: self.waiting_pack_count + other.waiting_pack_count,
            waiting_bytes: self.waiting_bytes.saturating_add(other.waiting_bytes),
        }
    }
}
