//! A store whose checkpoints only those can read who have a key.
//!
//! ```text
//! pack      ── age ──> sealed pack, named by the hash of its sealed bytes
//! manifest  ── age ──> envelope: what a store needs to keep it, and the sealed manifest
//! ```
//!
//! This lies over any other store. That one sees sealed packs and envelopes and treats them as it treats others:
//! they have names, lengths and hashes. Keys are in memory, and nowhere else.

mod keys;
mod pack;
mod session;
mod text;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dotctl_engine::format::layout::ManifestKey;
use dotctl_engine::format::{Manifest, PackEntry, SealedManifest, SealedPack};
use dotctl_engine::id::Hash;
use dotctl_engine::tag::Tagged;
use dotctl_engine::{Error, Result};

pub use keys::{Identities, Recipients};
pub use text::looks_sealed;

use crate::prune::{PruneRequest, Pruned};
use crate::store::{
    Access, ManifestListing, Pack, PackListing, Requests, Sealing, Session, Store, no_identity,
};
use pack::OpenedPack;
use session::SealingSession;

/// What somebody who uses a store can open, and for whom what is written is sealed.
#[derive(Default)]
pub struct Keys {
    /// What opens.
    pub identities: Identities,
    /// For whom to seal; nobody: what is written lies open.
    pub recipients: Option<Recipients>,
    /// Whether a checkpoint may lie open although the one before it in its namespace is sealed.
    pub open_after_sealed: bool,
}

/// A store, and the keys to it.
pub struct SealedStore {
    inner: Box<dyn Store>,
    identities: Arc<Identities>,
    recipients: Option<Arc<Recipients>>,
    open_after_sealed: bool,
    /// Packs that are sealed for just these recipients already, by what they hold.
    known: Mutex<HashMap<Hash, SealedPack>>,
}

impl SealedStore {
    /// `store` with `keys`; as it is where there are none.
    pub fn over(store: Box<dyn Store>, keys: Keys) -> Box<dyn Store> {
        let Keys { identities, recipients, open_after_sealed } = keys;
        if identities.is_empty() && recipients.is_none() && !open_after_sealed {
            return store;
        }
        Box::new(SealedStore {
            inner: store,
            identities: Arc::new(identities),
            recipients: recipients.map(Arc::new),
            open_after_sealed,
            known: Mutex::default(),
        })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Hash, SealedPack>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For whom `sealed` is.
    fn recipients_of(&self, sealed: &SealedManifest) -> Result<Recipients> {
        let within = text::open(&self.identities, &sealed.manifest, "the manifest")?;
        self.recipients_with(sealed, &within)
    }

    fn recipients_with(&self, sealed: &SealedManifest, within: &[u8]) -> Result<Recipients> {
        let text = text::open(&self.identities, &sealed.recipients, "the recipients")?;
        let recipients = Recipients::parse(&String::from_utf8_lossy(&text))
            .map_err(|error| Error::corrupt(format!("the sealed recipients cannot be read: {error}")))?;
        // Anybody can seal other ones for the same people.
        if text != text::recipients_of(&recipients, within).as_bytes() {
            return Err(Error::corrupt("the sealed recipients are not this manifest's")
                .hint("somebody has changed the envelope: whom the checkpoint was sealed for is not known"));
        }
        Ok(recipients)
    }
}

impl Store for SealedStore {
    fn open_manifest(&self, sealed: &SealedManifest) -> Result<Manifest> {
        if self.identities.is_empty() {
            return Err(no_identity());
        }
        let within = text::open(&self.identities, &sealed.manifest, "the manifest")?;
        let recipients = self.recipients_with(sealed, &within)?;
        let manifest = sealed.clone().open(&within)?;
        if self.recipients.as_deref() == Some(&recipients) {
            let packs = manifest.packs().filter_map(|pack| {
                let sealed = SealedPack { sha256: pack.sha256, stored_bytes: pack.stored_bytes };
                Some((pack.within?.sha256, sealed))
            });
            self.known().extend(packs);
        }
        Ok(manifest)
    }

    fn open_sealed(&self, entry: &PackEntry, pack: Box<dyn Pack>) -> Result<Box<dyn Pack>> {
        if self.identities.is_empty() {
            return Err(no_identity());
        }
        Ok(Box::new(OpenedPack::new(entry, pack, self.identities.clone())?))
    }

    fn sealing(&self) -> Sealing {
        match (&self.recipients, self.open_after_sealed) {
            (Some(_), _) => Sealing::Sealed,
            (None, true) => Sealing::Open,
            (None, false) => Sealing::None,
        }
    }

    fn seals_like(&self, manifest: &Manifest) -> bool {
        match (&self.recipients, manifest.envelope()) {
            (Some(own), Some(sealed)) => self.recipients_of(sealed).is_ok_and(|theirs| theirs == **own),
            (None, None) => true,
            _ => false,
        }
    }

    fn begin(&self) -> Result<Box<dyn Session + '_>> {
        let session = self.inner.begin()?;
        Ok(match &self.recipients {
            Some(recipients) => Box::new(SealingSession::new(self, session, recipients.clone())),
            None => session,
        })
    }

    fn begin_like(&self, manifest: &Manifest) -> Result<Box<dyn Session + '_>> {
        let Some(sealed) = manifest.envelope() else {
            return self.inner.begin();
        };
        let recipients = Arc::new(self.recipients_of(sealed)?);
        Ok(Box::new(SealingSession::new(self, self.inner.begin()?, recipients)))
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    fn manifests(&self) -> Result<ManifestListing> {
        self.inner.manifests()
    }

    fn read_manifest(&self, key: &ManifestKey) -> Result<Vec<u8>> {
        self.inner.read_manifest(key)
    }

    fn read_manifests(&self, keys: &[ManifestKey]) -> Vec<Result<Vec<u8>>> {
        self.inner.read_manifests(keys)
    }

    fn open_pack(&self, entry: &PackEntry, access: Access) -> Result<Option<Box<dyn Pack>>> {
        self.inner.open_pack(entry, access)
    }

    fn holds(&self, entry: &PackEntry) -> Result<bool> {
        self.inner.holds(entry)
    }

    fn room_bytes(&self) -> Option<u64> {
        self.inner.room_bytes()
    }

    fn pack_location(&self, sha256: &Hash) -> String {
        self.inner.pack_location(sha256)
    }

    fn packs(&self) -> Result<PackListing> {
        self.inner.packs()
    }

    fn audit(&self, listing: &ManifestListing) -> Result<Vec<(String, Error)>> {
        self.inner.audit(listing)
    }

    fn scratch_folder(&self) -> PathBuf {
        // Not in a store that others can read, not even for a moment.
        std::env::temp_dir()
    }

    fn check_source(&self, path: &Path) -> Result<()> {
        self.inner.check_source(path)
    }

    fn takes_increments(&self) -> bool {
        self.inner.takes_increments()
    }

    fn directory_packs_min(&self) -> usize {
        self.inner.directory_packs_min()
    }

    fn repair(&self) -> &'static str {
        self.inner.repair()
    }

    fn tags(&self) -> Result<Vec<Tagged>> {
        self.inner.tags()
    }

    fn add_tag(&self, tagged: &Tagged) -> Result<bool> {
        self.inner.add_tag(tagged)
    }

    fn remove_tag(&self, tagged: &Tagged) -> Result<bool> {
        self.inner.remove_tag(tagged)
    }

    fn prune(&self, request: PruneRequest) -> Result<Pruned> {
        self.inner.prune(request)
    }

    fn has_overflow(&self) -> bool {
        self.inner.has_overflow()
    }

    fn lost_manifests(&self) -> Result<Vec<ManifestKey>> {
        self.inner.lost_manifests()
    }

    fn requests(&self) -> Option<Requests> {
        self.inner.requests()
    }

    fn warning(&self) -> Option<String> {
        self.inner.warning()
    }
}
