//! A store in memory: the least that a store must do.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use dotctl_engine::checkpoint::{CheckpointFacts, PackSink};
use dotctl_engine::format::layout::ManifestKey;
use dotctl_engine::format::{Document, PackEntry};
use dotctl_engine::id::{Hash, Namespace, Time};
use dotctl_engine::tag::Tagged;
use dotctl_engine::{Error, ErrorKind, Result};
use dotctl_stores::prune::{PruneRequest, Pruned, check_tagged};
use dotctl_stores::store::{
    Access, Adopted, Committed, Finish, ManifestListing, Pack, PackListing, Session, Store, check_length,
    keyed,
};

#[derive(Default)]
pub struct MemoryStore(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    manifests: BTreeMap<ManifestKey, Vec<u8>>,
    packs: BTreeMap<Hash, Arc<Vec<u8>>>,
    tags: BTreeSet<Tagged>,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("no writer died")
    }
}

impl Store for MemoryStore {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn manifests(&self) -> Result<ManifestListing> {
        Ok(ManifestListing { keys: self.lock().manifests.keys().cloned().collect(), strays: Vec::new() })
    }

    fn read_manifest(&self, key: &ManifestKey) -> Result<Vec<u8>> {
        let missing = || Error::new(ErrorKind::Missing, "there is no such manifest").at(key.to_string());
        self.lock().manifests.get(key).cloned().ok_or_else(missing)
    }

    fn open_pack(&self, entry: &PackEntry, _: Access) -> Result<Option<Box<dyn Pack>>> {
        let Some(bytes) = self.lock().packs.get(&entry.sha256).cloned() else { return Ok(None) };
        check_length(entry, bytes.len() as u64)?;
        Ok(Some(Box::new(MemoryPack(bytes))))
    }

    fn pack_location(&self, sha256: &Hash) -> String {
        format!("memory/{sha256}")
    }

    fn packs(&self) -> Result<PackListing> {
        let packs = self.lock().packs.iter().map(|(sha256, bytes)| (*sha256, bytes.len() as u64)).collect();
        Ok(PackListing { packs, unfinished: false })
    }

    fn scratch_folder(&self) -> PathBuf {
        std::env::temp_dir()
    }

    fn begin(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(MemorySession { store: self, open: Vec::new(), sealed: Vec::new() }))
    }

    fn tags(&self) -> Result<Vec<Tagged>> {
        Ok(self.lock().tags.iter().cloned().collect())
    }

    fn add_tag(&self, tagged: &Tagged) -> Result<bool> {
        check_tagged(self, tagged)?;
        Ok(self.lock().tags.insert(tagged.clone()))
    }

    fn remove_tag(&self, tagged: &Tagged) -> Result<bool> {
        Ok(self.lock().tags.remove(tagged))
    }

    fn prune(&self, mut request: PruneRequest) -> Result<Pruned> {
        request.spare(|| self.tags())?;
        let listing = self.manifests()?;
        request.needed.complete(self, &listing, &request.doomed)?;
        let mut kept = self.lock();
        // What was written since is in nobody's list.
        let is_known = |key: &ManifestKey| listing.keys.contains(key);
        for (key, bytes) in kept.manifests.iter().filter(|(key, _)| !is_known(key)) {
            request.needed.add(key.clone(), &Document::read(key.id, bytes)?);
        }
        let mut pruned = Pruned::default();
        for (_, bytes) in kept.packs.iter().filter(|(pack, _)| !request.needed.has(pack)) {
            pruned.remove(bytes.len() as u64);
        }
        if !request.dry_run {
            kept.manifests.retain(|key, _| !request.doomed.contains(key));
            kept.packs.retain(|pack, _| request.needed.has(pack));
        }
        Ok(pruned)
    }
}

struct MemoryPack(Arc<Vec<u8>>);

impl Pack for MemoryPack {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let begin = offset as usize;
        let part =
            self.0.get(begin..begin + into.len()).ok_or_else(|| Error::corrupt("the pack ends early"))?;
        into.copy_from_slice(part);
        Ok(())
    }
}

struct MemorySession<'a> {
    store: &'a MemoryStore,
    open: Vec<u8>,
    sealed: Vec<(PackEntry, Vec<u8>)>,
}

impl PackSink for MemorySession<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.open.extend_from_slice(bytes);
        Ok(())
    }

    fn seal(&mut self, pack: &PackEntry) -> Result<()> {
        self.sealed.push((pack.clone(), std::mem::take(&mut self.open)));
        Ok(())
    }
}

impl Session for MemorySession<'_> {
    fn commit_as(
        &mut self,
        facts: CheckpointFacts,
        namespace: &Namespace,
        created_at: Time,
        finish: &Finish<'_>,
    ) -> Result<Committed> {
        let mut kept = self.store.lock();
        let last = kept.manifests.keys().filter(|key| key.namespace == *namespace).max().cloned();
        let mut manifest = facts.manifest(namespace.clone(), 1, created_at);
        if let Some(last) = last {
            manifest.sequence = last.sequence;
            if finish(manifest.clone())?.write()?.0 == last.id {
                return Err(Error::new(ErrorKind::Exists, "another writer has made this very checkpoint"));
            }
            manifest.sequence += 1;
        }
        let manifest = finish(manifest)?;
        let id = manifest.write()?.0;
        let (new_packs, _) = keep(&mut kept, &Document::Open(manifest.clone()), self.sealed.drain(..))?;
        Ok(Committed::new(id, manifest, &new_packs))
    }

    fn adopt(&mut self, document: Document) -> Result<Option<Adopted>> {
        let (new_packs, is_new) = keep(&mut self.store.lock(), &document, self.sealed.drain(..))?;
        Ok(is_new.then(|| Adopted::new(&document, &new_packs)))
    }

    fn discard(&mut self) -> Result<()> {
        self.open.clear();
        Ok(())
    }
}

/// Keeps a checkpoint: the packs that are new, and whether it was not there yet.
fn keep(
    kept: &mut Kept,
    document: &Document,
    packs: impl Iterator<Item = (PackEntry, Vec<u8>)>,
) -> Result<(HashSet<Hash>, bool)> {
    let (key, bytes) = keyed(document)?;
    let mut new_packs = HashSet::new();
    for (pack, bytes) in packs {
        if kept.packs.insert(pack.sha256, Arc::new(bytes)).is_none() {
            new_packs.insert(pack.sha256);
        }
    }
    let is_new = kept.manifests.insert(key, bytes).is_none();
    Ok((new_packs, is_new))
}
