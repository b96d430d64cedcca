//! Which packs the object's checkpoints name.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use dotctl_engine::Result;
use dotctl_engine::format::{Document, SealedPack};
use dotctl_engine::id::{CheckpointId, Hash};

use crate::checkpointer::Checkpointer;

/// Bytes of memory for what is kept: 160 checkpoints of 10,000 packs in common, or 4,000 of 10 packs of their own each.
/// The newest find room first. Manifests that find none are read again whenever somebody asks.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// What keeping a pack takes: itself, and its place in a table that may be half empty.
const PACK_BYTES: usize = 160;

/// What keeping a manifest takes beside its packs.
const MANIFEST_BYTES: usize = 120;

/// What the manifests say that have been read: they never change, so that each is read once.
#[derive(Default)]
pub struct NamedPacks {
    manifests: HashMap<CheckpointId, Rc<[Rc<SealedPack>]>>,
    /// Each pack once, whoever names it: the next checkpoint has most of them too.
    packs: HashMap<Hash, Rc<SealedPack>>,
    kept_bytes: usize,
}

impl NamedPacks {
    /// Whether a checkpoint names the pack, or did when that was last looked at.
    pub async fn has(named: &RefCell<Self>, checkpointer: &Checkpointer, sha256: &Hash) -> Result<bool> {
        if named.borrow().packs.contains_key(sha256) {
            return Ok(true);
        }
        let mut found = false;
        Self::see_each(named, checkpointer, |pack| {
            found = pack.sha256 == *sha256;
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .await?;
        Ok(found)
    }

    /// Shows every pack that a checkpoint names, once for each, until `see` has seen enough. A manifest that is
    /// damaged names none.
    pub async fn see_each(
        named: &RefCell<Self>,
        checkpointer: &Checkpointer,
        mut see: impl FnMut(&SealedPack) -> ControlFlow<()>,
    ) -> Result<()> {
        let keys = checkpointer.keys().await?;
        named.borrow_mut().forget_others(&keys.iter().map(|key| key.id).collect());
        // Once for each pass: all that are kept then are newer than what comes.
        let mut may_make_room = true;
        // The newest first: it is what is asked for.
        for (position, key) in keys.iter().enumerate().rev() {
            let kept = named.borrow().manifests.get(&key.id).cloned();
            let seen = match kept {
                Some(packs) => packs.iter().try_for_each(|pack| see(pack)),
                None => {
                    let bytes = checkpointer.places.near.read_all(&key.to_string()).await?;
                    let Some(document) = bytes.and_then(|bytes| Document::read(key.id, &bytes).ok()) else {
                        continue;
                    };
                    let packs = document.packs();
                    let mut named = named.borrow_mut();
                    if !named.keep(key.id, &packs) && std::mem::take(&mut may_make_room) {
                        let newer = keys.get(position + 1..).unwrap_or_default();
                        named.forget_others(&newer.iter().map(|key| key.id).collect());
                        named.keep(key.id, &packs);
                    }
                    drop(named);
                    packs.iter().try_for_each(&mut see)
                }
            };
            if seen.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Keeps what a manifest says, if there is room, and says whether there was.
    fn keep(&mut self, id: CheckpointId, packs: &[SealedPack]) -> bool {
        let new = packs.iter().filter(|pack| !self.packs.contains_key(&pack.sha256)).count();
        let bytes = kept_bytes(1, packs.len(), new);
        // Another request may have read it meanwhile.
        if self.manifests.contains_key(&id) {
            return true;
        }
        if self.kept_bytes + bytes > KEPT_BYTES_MAX {
            return false;
        }
        self.kept_bytes += bytes;
        let shared =
            |pack: &SealedPack| self.packs.entry(pack.sha256).or_insert_with(|| Rc::new(*pack)).clone();
        let packs = packs.iter().map(shared).collect();
        self.manifests.insert(id, packs);
        true
    }

    /// Forgets manifests that are none of `ids`, and the packs that only those name.
    fn forget_others(&mut self, ids: &HashSet<CheckpointId>) {
        if self.manifests.keys().all(|id| ids.contains(id)) {
            return;
        }
        self.manifests.retain(|id, _| ids.contains(id));
        self.packs.retain(|_, pack| Rc::strong_count(pack) > 1);
        let mentions: usize = self.manifests.values().map(|packs| packs.len()).sum();
        self.kept_bytes = kept_bytes(self.manifests.len(), mentions, self.packs.len());
    }
}

/// What so many manifests take that name so many different packs, `mentions` times in all.
fn kept_bytes(manifests: usize, mentions: usize, packs: usize) -> usize {
    manifests * MANIFEST_BYTES + mentions * size_of::<Rc<SealedPack>>() + packs * PACK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: usize) -> Hash {
        Hash::of(&number.to_le_bytes())
    }

    fn packs(numbers: std::ops::Range<usize>) -> Vec<SealedPack> {
        numbers.map(|number| SealedPack { sha256: hash(number), stored_bytes: number as u64 }).collect()
    }

    #[test]
    fn packs_in_common_are_kept_once_and_go_with_the_last_that_names_them() {
        let mut named = NamedPacks::default();
        assert!(named.keep(hash(1), &packs(0..100)));
        let alone = named.kept_bytes;
        assert!(named.keep(hash(2), &packs(10..110)));
        assert!(named.keep(hash(2), &packs(10..110)), "what is there needs no room");
        assert_eq!(named.packs.len(), 110);
        assert!(named.kept_bytes < alone + alone / 4);
        named.forget_others(&HashSet::from([hash(2), hash(3)]));
        assert_eq!((named.manifests.len(), named.packs.len(), named.kept_bytes), (1, 100, alone));
        assert!(named.packs.contains_key(&hash(109)) && !named.packs.contains_key(&hash(9)));
        named.forget_others(&HashSet::new());
        assert_eq!((named.packs.len(), named.kept_bytes), (0, 0));
    }

    #[test]
    fn what_finds_no_room_is_not_kept() {
        let mut named = NamedPacks::default();
        let mut count = 0;
        while named.keep(hash(count), &packs(count * 1000..(count + 1) * 1000)) {
            assert!(named.kept_bytes <= KEPT_BYTES_MAX);
            count += 1;
        }
        assert!(count > 20, "{count}");
        assert_eq!((named.manifests.len(), named.packs.len()), (count, count * 1000));
        // With room again it is.
        named.forget_others(&(1..count).map(hash).collect());
        assert!(named.keep(hash(count), &packs(count * 1000..(count + 1) * 1000)));
    }
}
