//! Writing one checkpoint into a bucket.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use dotctl_engine::checkpoint::{CheckpointFacts, PackSink};
use dotctl_engine::format::layout::{MANIFESTS, ManifestKey};
use dotctl_engine::format::{Document, Manifest, PackEntry};
use dotctl_engine::id::{Hash, Namespace, Time};
use dotctl_engine::{Error, ErrorKind, Result};

use super::BucketStore;
use super::buffers::Buffer;
use super::marks::Look;
use super::put::Creation;
use crate::store::{Adopted, Committed, Finish, Session, Store, keyed, pruned_meanwhile};

/// Packs on their way at once; each is in memory until it has arrived.
const UPLOADS_MAX: usize = 4;

/// Room for a pack of the usual size; a larger one grows.
const PACK_BYTES: usize = 9 << 20;

/// What came of a pack.
struct Uploaded {
    sha256: Hash,
    /// Whether the bucket did not hold it before.
    is_new: bool,
}

pub struct BucketSession<'a> {
    store: &'a BucketStore,
    pack: Option<Buffer>,
    sealed: HashSet<Hash>,
    uploads: JoinSet<Result<Uploaded>>,
    room: Arc<Semaphore>,
    new_packs: HashSet<Hash>,
    look: Option<Look>,
    /// Whether there was more than one look, so that packs may have gone between them.
    looked_again: bool,
}

impl<'a> BucketSession<'a> {
    pub fn begin(store: &'a BucketStore) -> Self {
        BucketSession {
            store,
            pack: None,
            sealed: HashSet::new(),
            uploads: JoinSet::new(),
            room: Arc::new(Semaphore::new(UPLOADS_MAX)),
            new_packs: HashSet::new(),
            look: None,
            looked_again: false,
        }
    }

    /// Counts an upload that has ended; the first failure ends the session.
    fn ended(&mut self, joined: std::result::Result<Result<Uploaded>, JoinError>) -> Result<()> {
        let died = |_| Error::new(ErrorKind::Io, "an upload died").at(self.store.client.place.clone());
        let uploaded = joined.map_err(died)??;
        if uploaded.is_new {
            self.new_packs.insert(uploaded.sha256);
        }
        Ok(())
    }

    /// Waits until every pack has arrived.
    fn finish_uploads(&mut self) -> Result<()> {
        while let Some(joined) = self.store.block_on(self.uploads.join_next()) {
            self.ended(joined)?;
        }
        Ok(())
    }

    /// Makes sure that no pack of ours is about to be removed, nor one of `others`, which this session
    /// did not write; and that those are there which were not sought a moment ago.
    fn settle(&mut self, others: HashSet<Hash>) -> Result<()> {
        self.finish_uploads()?;
        if self.sealed.is_empty() && others.is_empty() {
            return Ok(());
        }
        self.look_again()?;
        if !others.is_empty() {
            self.sealed.extend(&others);
            self.look()?;
        }
        let sought = if self.looked_again { &self.sealed } else { &others };
        if sought.is_empty() {
            return Ok(());
        }
        let there: HashSet<Hash> = self.store.list_packs()?.into_iter().map(|(pack, ..)| pack).collect();
        match sought.iter().find(|pack| !there.contains(pack)) {
            Some(gone) => Err(pruned_meanwhile(self.store.pack_location(gone))),
            None => Ok(()),
        }
    }

    /// Looks at the marks, now or not long ago, and keeps those packs of ours that are to go.
    fn look_again(&mut self) -> Result<()> {
        let grace_min = self.store.client.patience.grace_min;
        if self.look.as_ref().is_some_and(|look| look.age() < grace_min / 3) {
            return Ok(());
        }
        self.looked_again = self.look.is_some();
        self.look()
    }

    fn look(&mut self) -> Result<()> {
        let mut look = Look::take(self.store)?;
        let ours: Vec<Hash> = self.sealed.iter().filter(|pack| look.is_marked(pack)).copied().collect();
        if !ours.is_empty() {
            look.keep(self.store, &ours)?;
        }
        self.look = Some(look);
        Ok(())
    }

    /// The manifest with the number after the namespace's last one, finished. Two writers at once may take the same; their
    /// checkpoints have different ids, and the ids order them.
    ///
    /// # Errors
    /// `Exists` where the last one is this very checkpoint.
    fn number(&self, mut manifest: Manifest, finish: &Finish<'_>) -> Result<Manifest> {
        let folder = manifest.namespace.encoded();
        let prefix = self.store.key(&format!("{MANIFESTS}/{folder}/"));
        let listed = self.store.block_on(self.store.client.list(&prefix));
        let names = listed.map_err(|refusal| self.store.client.explain(&refusal, "list checkpoints"))?;
        let keys = names.iter().filter_map(|listed| ManifestKey::parse(&folder, &listed.name).ok());
        let Some(last) = keys.max() else {
            manifest.sequence = 1;
            return finish(manifest);
        };
        manifest.sequence = last.sequence;
        if finish(manifest.clone())?.write()?.0 == last.id {
            return Err(made_already(&last));
        }
        manifest.sequence = last.sequence.saturating_add(1);
        finish(manifest)
    }

    /// Creates the manifest under `key`, and says whether it was not there yet.
    fn create(&self, key: &ManifestKey, bytes: Vec<u8>) -> Result<bool> {
        let client = &self.store.client;
        let name = self.store.key(&key.to_string());
        match self.store.block_on(client.create(&name, Bytes::from(bytes), key.id)) {
            Ok(Creation::Created) => Ok(true),
            Ok(Creation::Exists) => Ok(false),
            Err(refusal) => Err(client.explain(&refusal, "write the manifest")),
        }
    }
}

fn made_already(key: &ManifestKey) -> Error {
    Error::new(ErrorKind::Exists, "another writer has made this very checkpoint")
        .at(key.to_string())
        .hint("nothing is lost: `dotctl list` shows it")
}

impl PackSink for BucketSession<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.pack.get_or_insert_with(|| self.store.buffers.take(PACK_BYTES)).extend(bytes);
        Ok(())
    }

    fn seal(&mut self, pack: &PackEntry) -> Result<()> {
        while let Some(joined) = self.uploads.try_join_next() {
            self.ended(joined)?;
        }
        self.look_again()?;
        let bytes = self.pack.take().map_or_else(Bytes::new, Bytes::from_owner);
        if !self.sealed.insert(pack.sha256) {
            return Ok(());
        }
        // Before it is looked for: it may be on its way out.
        if let Some(look) = self.look.as_mut().filter(|look| look.is_marked(&pack.sha256)) {
            look.keep(self.store, &[pack.sha256])?;
        }
        let room = self.store.block_on(self.room.clone().acquire_owned());
        let (client, key) = (self.store.client.clone(), self.store.pack_key(&pack.sha256));
        let (sha256, stored_bytes) = (pack.sha256, pack.stored_bytes);
        let repair = self.store.repair;
        self.uploads.spawn_on(
            async move {
                let _room = room;
                let explain = |refusal| client.explain(&refusal, "write a pack");
                let is_there = match repair {
                    true => client.holds(&key, &bytes).await,
                    // An object of this name and length arrived whole: the server compared its hash.
                    false => client.length(&key).await.map(|length| length == Some(stored_bytes)),
                };
                let is_new = !is_there.map_err(explain)?;
                if is_new {
                    client.put(&key, bytes, sha256).await.map_err(explain)?;
                }
                Ok(Uploaded { sha256, is_new })
            },
            self.store.handle(),
        );
        Ok(())
    }
}

impl Session for BucketSession<'_> {
    fn commit_as(
        &mut self,
        facts: CheckpointFacts,
        namespace: &Namespace,
        created_at: Time,
        finish: &Finish<'_>,
    ) -> Result<Committed> {
        let manifest = facts.manifest(namespace.clone(), 1, created_at);
        let all = manifest.packs().map(|pack| pack.sha256);
        self.settle(all.filter(|pack| !self.sealed.contains(pack)).collect())?;
        let manifest = self.number(manifest, finish)?;
        let (id, bytes) = manifest.write()?;
        let key = ManifestKey { namespace: namespace.clone(), sequence: manifest.sequence, id };
        match self.create(&key, bytes)? {
            true => Ok(Committed::new(id, manifest, &self.new_packs)),
            false => Err(made_already(&key)),
        }
    }

    fn adopt(&mut self, document: Document) -> Result<Option<Adopted>> {
        self.settle(HashSet::new())?;
        let (key, bytes) = keyed(&document)?;
        let new = self.create(&key, bytes)?;
        Ok(new.then(|| Adopted::new(&document, &self.new_packs)))
    }

    fn discard(&mut self) -> Result<()> {
        self.pack = None;
        Ok(())
    }
}
