//! Two stores as one: what is small lies in the object, what overflows in a second store.
//!
//! The first store has every manifest. What is placed into the second one is a whole checkpoint
//! there too, manifest included, so that it can be verified, restored and pruned by itself.
//!
//! ```text
//! fits       packs and manifest ───────────────────────────> object
//! overflows  packs, then manifest ─> overflow, then manifest ─> object
//! ```

use std::collections::HashSet;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use dotctl_engine::checkpoint::{CheckpointFacts, PackSink};
use dotctl_engine::format::layout::ManifestKey;
use dotctl_engine::format::{Document, PackEntry, Place};
use dotctl_engine::id::{Hash, Namespace, Time};
use dotctl_engine::placement::{Placement, PlacementPolicy};
use dotctl_engine::tag::Tagged;
use dotctl_engine::{Error, Result};

use crate::io_error;
use crate::prune::{PruneRequest, Pruned, unsure};
use crate::reference::{self, Seen};
use crate::store::{
    Access, Adopted, Committed, Finish, ManifestListing, Pack, PackListing, Requests, Session, Store,
};

/// A store whose large checkpoints lie in another one.
pub struct PlacedStore {
    object: Box<dyn Store>,
    overflow: Box<dyn Store>,
    policy: PlacementPolicy,
    /// The packs that the object held when somebody first asked where one lies.
    in_object: OnceLock<HashSet<Hash>>,
}

impl PlacedStore {
    /// Places by `policy` into `object` or `overflow`.
    pub fn new(object: Box<dyn Store>, overflow: Box<dyn Store>, policy: PlacementPolicy) -> Self {
        PlacedStore { object, overflow, policy, in_object: OnceLock::new() }
    }
}

impl Store for PlacedStore {
    fn location(&self) -> String {
        format!("{} and {}", self.object.location(), self.overflow.location())
    }

    fn manifests(&self) -> Result<ManifestListing> {
        self.object.manifests()
    }

    fn read_manifest(&self, key: &ManifestKey) -> Result<Vec<u8>> {
        self.object.read_manifest(key)
    }

    fn open_pack(&self, entry: &PackEntry, access: Access) -> Result<Option<Box<dyn Pack>>> {
        match self.object.open_pack(entry, access)? {
            Some(pack) => Ok(Some(pack)),
            None => self.overflow.open_pack(entry, access),
        }
    }

    fn takes_increments(&self) -> bool {
        // A checkpoint lies in one of the two with all its packs.
        false
    }

    fn directory_packs_min(&self) -> usize {
        self.object.directory_packs_min().max(self.overflow.directory_packs_min())
    }

    fn room_bytes(&self) -> Option<u64> {
        self.overflow.room_bytes().or(self.object.room_bytes())
    }

    fn pack_location(&self, sha256: &Hash) -> String {
        let in_object = self.in_object.get_or_init(|| {
            let packs = self.object.packs().map(|listing| listing.packs).unwrap_or_default();
            packs.into_iter().map(|(sha256, _)| sha256).collect()
        });
        match in_object.contains(sha256) {
            true => self.object.pack_location(sha256),
            false => self.overflow.pack_location(sha256),
        }
    }

    fn packs(&self) -> Result<PackListing> {
        let mut listing = self.object.packs()?;
        listing.packs.extend(self.overflow.packs()?.packs);
        // The second store may hold other objects' checkpoints, and their packs.
        listing.unfinished = true;
        Ok(listing)
    }

    fn scratch_folder(&self) -> PathBuf {
        self.object.scratch_folder()
    }

    fn check_source(&self, path: &Path) -> Result<()> {
        self.object.check_source(path).and_then(|()| self.overflow.check_source(path))
    }

    fn audit(&self, listing: &ManifestListing) -> Result<Vec<(String, Error)>> {
        self.object.audit(listing)
    }

    fn requests(&self) -> Option<Requests> {
        self.overflow.requests()
    }

    fn warning(&self) -> Option<String> {
        self.overflow.warning()
    }

    fn begin(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(PlacedSession {
            store: self,
            spool: Spool::new(self.scratch_folder())?,
            overflow: None,
            raw_bytes: 0,
            stored_bytes: 0,
        }))
    }

    fn tags(&self) -> Result<Vec<Tagged>> {
        self.object.tags()
    }

    fn add_tag(&self, tagged: &Tagged) -> Result<bool> {
        self.object.add_tag(tagged)
    }

    fn remove_tag(&self, tagged: &Tagged) -> Result<bool> {
        self.object.remove_tag(tagged)
    }

    /// The object's half goes first: what it names is always there.
    fn prune(&self, mut request: PruneRequest) -> Result<Pruned> {
        let (there, leftovers) = self.overflowed(&request)?;
        let in_object = self.object.prune(request.clone())?;
        // The second store has manifests of its own, and those of other objects.
        let is_there = |key: &ManifestKey| there.keys.binary_search(key).is_ok();
        if !request.dry_run {
            // Somebody has tagged it meanwhile.
            let spared = self.object.manifests()?.keys;
            request.doomed.retain(|key| spared.binary_search(key).is_err());
        }
        request.doomed.retain(is_there);
        for seen in leftovers {
            request.released.extend(seen.document.packs().iter().map(|pack| pack.sha256));
            request.doomed.push(seen.key);
        }
        Ok(in_object.and(self.overflow.prune(request)?))
    }

    fn has_overflow(&self) -> bool {
        true
    }

    fn lost_manifests(&self) -> Result<Vec<ManifestKey>> {
        self.object.lost_manifests()
    }
}

impl PlacedStore {
    /// The second store's manifests, and of those the halves of checkpoints that the object does not
    /// have any more: it was pruned, and whoever did it was stopped. A writer makes its half before
    /// the object's, so they must be older than the grace, and not the newest.
    fn overflowed(&self, request: &PruneRequest) -> Result<(ManifestListing, Vec<Seen>)> {
        let there = self.overflow.manifests()?;
        let here = self.object.manifests()?.keys;
        let lost = self.object.lost_manifests()?;
        let left_over = |key: &&ManifestKey| {
            let is_older =
                |other: &ManifestKey| other.namespace == key.namespace && other.sequence > key.sequence;
            here.binary_search(key).is_err() && !lost.contains(key) && here.iter().any(is_older)
        };
        let grace_ms = u64::try_from(request.grace.as_millis()).unwrap_or(u64::MAX);
        let until_ms = request.now.unix_ms().saturating_sub_unsigned(grace_ms);
        let mut leftovers = Vec::new();
        for key in there.keys.iter().filter(left_over) {
            let seen = reference::see(self.overflow.as_ref(), key.clone()).map_err(unsure)?;
            let is_half = seen.document.place() == Some(Place::Overflow);
            if is_half && seen.document.created_at().unix_ms() <= until_ms {
                leftovers.push(seen);
            }
        }
        Ok((there, leftovers))
    }
}

/// A checkpoint of which it is not known yet where it goes.
struct PlacedSession<'a> {
    store: &'a PlacedStore,
    spool: Spool,
    /// Once it is known to overflow.
    overflow: Option<Box<dyn Session + 'a>>,
    raw_bytes: u64,
    stored_bytes: u64,
}

impl PlacedSession<'_> {
    fn placement(&self) -> Placement {
        self.store.policy.place(self.raw_bytes, self.stored_bytes)
    }

    /// Refuses what has become too large, and moves what overflows.
    fn settle(&mut self) -> Result<()> {
        match self.placement() {
            Placement::Rejected => Err(too_large(&self.store.policy)),
            Placement::R2 if self.overflow.is_none() => {
                let mut session = self.store.overflow.begin()?;
                self.spool.drain(session.as_mut())?;
                self.overflow = Some(session);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The same for the whole, which has `raw_bytes`: the chunks of state are a byte shorter than its array.
    fn settle_whole(&mut self, raw_bytes: u64) -> Result<()> {
        self.raw_bytes = self.raw_bytes.max(raw_bytes);
        self.settle()
    }

    /// The number of the next checkpoint: the object's, which alone has them all.
    fn next_sequence(&self, namespace: &Namespace) -> Result<u64> {
        let keys = self.store.object.manifests()?.keys;
        let last = keys.iter().filter(|key| key.namespace == *namespace).map(|key| key.sequence).max();
        Ok(last.unwrap_or(0).saturating_add(1))
    }
}

impl PackSink for PlacedSession<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.overflow {
            Some(session) => session.append(bytes),
            None => self.spool.append(bytes),
        }
    }

    fn seal(&mut self, pack: &PackEntry) -> Result<()> {
        self.raw_bytes = self.raw_bytes.saturating_add(pack.raw_bytes);
        self.stored_bytes = self.stored_bytes.saturating_add(pack.stored_bytes);
        match &mut self.overflow {
            Some(session) => session.seal(pack)?,
            None => self.spool.seal(pack),
        }
        self.settle()
    }
}

impl Session for PlacedSession<'_> {
    fn commit_as(
        &mut self,
        facts: CheckpointFacts,
        namespace: &Namespace,
        created_at: Time,
        finish: &Finish<'_>,
    ) -> Result<Committed> {
        self.settle_whole(facts.raw_bytes())?;
        let Some(mut overflow) = self.overflow.take() else {
            let mut object = self.store.object.begin()?;
            self.spool.drain(object.as_mut())?;
            return object.commit_as(facts, namespace, created_at, finish);
        };
        let mut manifest = facts.manifest(namespace.clone(), self.next_sequence(namespace)?, created_at);
        manifest.overflow();
        let manifest = finish(manifest)?;
        let there = overflow.adopt(Document::Open(manifest.clone()))?;
        // Until the object has it too, it is a checkpoint of the second store alone.
        self.store.object.begin()?.adopt(Document::Open(manifest.clone()))?;
        Ok(Committed {
            id: manifest.write()?.0,
            manifest,
            new_bytes: there.map_or(0, |there| there.new_bytes),
            new_chunk_count: there.and_then(|there| there.new_chunk_count).unwrap_or(0),
        })
    }

    fn adopt(&mut self, document: Document) -> Result<Option<Adopted>> {
        if let Some(manifest) = document.manifest() {
            self.settle_whole(manifest.raw_bytes)?;
        }
        let Some(overflow) = &mut self.overflow else {
            let mut object = self.store.object.begin()?;
            self.spool.drain(object.as_mut())?;
            return object.adopt(document);
        };
        let there = overflow.adopt(document.clone())?;
        let here = self.store.object.begin()?.adopt(document)?;
        // It is new if the object had no manifest of it; its packs are new where they lie.
        Ok(here.map(|here| there.unwrap_or(here)))
    }

    fn discard(&mut self) -> Result<()> {
        match &mut self.overflow {
            Some(session) => session.discard(),
            None => self.spool.discard(),
        }
    }
}

fn too_large(policy: &PlacementPolicy) -> Error {
    Error::unsupported(format!("the state has {} bytes or more, and is placed nowhere", policy.raw_bytes_end))
        .hint("split it into several namespaces, or set a larger limit in dotctl.toml")
}

/// Packs in a temporary file, until it is known where they go.
struct Spool {
    file: File,
    folder: PathBuf,
    packs: Vec<PackEntry>,
}

impl Spool {
    fn new(folder: PathBuf) -> Result<Self> {
        let file = tempfile::tempfile_in(&folder)
            .map_err(|error| io_error("create a temporary file in", &folder, &error))?;
        Ok(Spool { file, folder, packs: Vec::new() })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|error| io_error("write a temporary file in", &self.folder, &error))
    }

    fn seal(&mut self, pack: &PackEntry) {
        self.packs.push(pack.clone());
    }

    /// Forgets what lies behind the last pack.
    fn discard(&mut self) -> Result<()> {
        let end = self.packs.iter().map(|pack| pack.stored_bytes).sum();
        let kept = self.file.set_len(end).and_then(|()| self.file.seek(SeekFrom::Start(end)));
        kept.map(drop).map_err(|error| io_error("write a temporary file in", &self.folder, &error))
    }

    /// Hands every pack to `session` and is empty then.
    fn drain(&mut self, session: &mut dyn Session) -> Result<()> {
        let failed = |error: std::io::Error| io_error("read a temporary file in", &self.folder, &error);
        let mut buffer = vec![0; 1 << 20];
        let mut offset = 0;
        for pack in self.packs.drain(..) {
            let end = offset + pack.stored_bytes;
            while offset < end {
                let length = (end - offset).min(buffer.len() as u64) as usize;
                let part = buffer.get_mut(..length).unwrap_or_default();
                self.file.read_exact_at(part, offset).map_err(failed)?;
                session.append(part)?;
                offset += length as u64;
            }
            session.seal(&pack)?;
        }
        self.file.set_len(0).map_err(failed)?;
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(())
    }
}
