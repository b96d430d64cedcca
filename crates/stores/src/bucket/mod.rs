//! A bucket of S3 or R2 as a store.
//!
//! ```text
//! <prefix>/manifests/<namespace>/<sequence>-<id>.json   a checkpoint exists if and only if this does
//! <prefix>/packs/<sha256>
//! <prefix>/tags/<tag>/<id>                              empty
//! <prefix>/prune/marks/<sha256>                         empty: this pack is to go
//! <prefix>/prune/sweeps/<nonce>                         empty: packs are being removed
//! ```
//!
//! There is no marker: a prefix without manifests is a store without checkpoints. A writer sends its
//! packs, then creates the manifest with `If-None-Match: *`. What a writer that was stopped has sent
//! stays, and the next one does not send it again: names are hashes, and the server compared each
//! with its bytes when they came.

pub(crate) mod buffers;
pub(crate) mod client;
mod connect;
pub(crate) mod fetch;
mod listing;
mod marks;
mod objects;
mod pace;
pub(crate) mod pack;
mod prune;
mod put;
pub(crate) mod refusal;
mod session;
mod setting;
mod tags;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::runtime::{Builder, Handle, Runtime};

use dotctl_engine::format::layout::{MANIFESTS, ManifestKey, PACKS, pack_key};
use dotctl_engine::format::{Manifest, PackEntry};
use dotctl_engine::id::Hash;
use dotctl_engine::tag::Tagged;
use dotctl_engine::{Error, ErrorKind, Result};

use crate::prune::{PruneRequest, Pruned};
use crate::store::{
    Access, ManifestListing, Pack, PackListing, READS_AGAIN_MAX, Requests, Session, Store, check_held,
};
use buffers::Buffers;
use client::Client;
use pack::Source;
use session::BucketSession;

pub use objects::BucketObjects;
pub use setting::{BucketSetting, Credentials, Patience};

/// Threads that wait for the network.
const THREADS: usize = 2;

/// Checkpoints in a bucket.
pub struct BucketStore {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
    client: Arc<Client>,
    buffers: Buffers,
    prefix: String,
    scratch_folder: PathBuf,
    /// Whether a writer reads the packs that are there, and does not only look.
    repair: bool,
}

impl BucketStore {
    /// The store in the bucket that `setting` names. Nothing is sent to it yet, so one that is not
    /// there is found out about later.
    ///
    /// # Errors
    /// No region or no credentials are known, or the endpoint is no address.
    pub fn open(setting: &BucketSetting) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("dotctl-bucket")
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::Io, format!("cannot start threads: {error}")))?;
        let client = Arc::new(runtime.block_on(connect::connect(setting))?);
        Ok(BucketStore {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            client,
            buffers: Buffers::default(),
            prefix: setting.prefix.clone(),
            scratch_folder: setting.scratch_folder.clone(),
            repair: setting.repair,
        })
    }

    fn handle(&self) -> &Handle {
        &self.handle
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle.block_on(future)
    }

    /// The object's key for a name of the layout.
    fn key(&self, name: &str) -> String {
        match self.prefix.is_empty() {
            true => name.to_owned(),
            false => format!("{}/{name}", self.prefix),
        }
    }

    fn pack_key(&self, sha256: &Hash) -> String {
        self.key(&pack_key(sha256))
    }

    /// The packs, each with its bytes and when it was written by the server's clock.
    fn list_packs(&self) -> Result<Vec<(Hash, u64, Option<i64>)>> {
        let listed = self.list(PACKS, "list packs")?.into_iter();
        let pack = |listed: listing::Listed| {
            Some((listed.name.parse().ok()?, listed.stored_bytes, listed.modified_ms))
        };
        Ok(listed.filter_map(pack).collect())
    }

    fn list(&self, folder: &str, doing: &str) -> Result<Vec<listing::Listed>> {
        let prefix = self.key(&format!("{folder}/"));
        self.block_on(self.client.list(&prefix)).map_err(|refusal| self.client.explain(&refusal, doing))
    }
}

/// Reads the manifest `key` out of the object `name`. One that is not as it was written is read again,
/// and in the end given as it is.
async fn read_manifest(client: Arc<Client>, name: String, key: ManifestKey) -> Result<Vec<u8>> {
    let place = || key.to_string();
    let mut bytes = Vec::new();
    for _ in 0..READS_AGAIN_MAX {
        bytes = client
            .fetch_small(&name, Manifest::BYTES_MAX)
            .await
            .map_err(|refusal| client.explain(&refusal, "read a manifest"))?
            .ok_or_else(|| {
                Error::new(ErrorKind::Missing, "this manifest is not there any more").at(place())
            })?;
        Manifest::check_length(bytes.len() as u64).map_err(|error| error.at(place()))?;
        if Hash::of(&bytes) == key.id {
            break;
        }
    }
    Ok(bytes)
}

impl Drop for BucketStore {
    fn drop(&mut self) {
        // A look-up of a name that hangs keeps nobody.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Store for BucketStore {
    fn location(&self) -> String {
        self.client.place.clone()
    }

    fn manifests(&self) -> Result<ManifestListing> {
        let mut listing = ManifestListing::default();
        for listed in self.list(MANIFESTS, "list checkpoints")? {
            let key = listed.name.split_once('/').map(|(folder, name)| ManifestKey::parse(folder, name));
            match key {
                Some(Ok(key)) => listing.keys.push(key),
                _ => listing.strays.push(format!("{MANIFESTS}/{}", listed.name)),
            }
        }
        listing.keys.sort_unstable();
        Ok(listing)
    }

    fn read_manifest(&self, key: &ManifestKey) -> Result<Vec<u8>> {
        self.block_on(read_manifest(self.client.clone(), self.key(&key.to_string()), key.clone()))
    }

    fn read_manifests(&self, keys: &[ManifestKey]) -> Vec<Result<Vec<u8>>> {
        let reading: Vec<_> = keys
            .iter()
            .map(|key| {
                let name = self.key(&key.to_string());
                self.handle.spawn(read_manifest(self.client.clone(), name, key.clone()))
            })
            .collect();
        let died = |_| Error::new(ErrorKind::Io, "a download died").at(self.location());
        reading.into_iter().map(|read| self.block_on(read).map_err(died)?).collect()
    }

    fn open_pack(&self, entry: &PackEntry, access: Access) -> Result<Option<Box<dyn Pack>>> {
        let source = Source {
            handle: self.handle.clone(),
            client: self.client.clone(),
            key: self.pack_key(&entry.sha256),
            entry: entry.clone(),
        };
        Ok(Some(source.open(access, &self.buffers)))
    }

    /// An object of this name and length arrived whole: the server compared its hash.
    fn holds(&self, entry: &PackEntry) -> Result<bool> {
        if self.repair {
            return check_held(self.open_pack(entry, Access::Whole), entry);
        }
        let length = self.block_on(self.client.length(&self.pack_key(&entry.sha256)));
        let length = length.map_err(|refusal| self.client.explain(&refusal, "look for a pack"))?;
        Ok(length == Some(entry.stored_bytes))
    }

    fn directory_packs_min(&self) -> usize {
        2
    }

    fn room_bytes(&self) -> Option<u64> {
        Some(self.buffers.room_bytes())
    }

    fn pack_location(&self, sha256: &Hash) -> String {
        format!("{}/{}", self.client.place, pack_key(sha256))
    }

    fn packs(&self) -> Result<PackListing> {
        let packs = self.list_packs()?.into_iter().map(|(sha256, stored_bytes, _)| (sha256, stored_bytes));
        // Nothing tells of a writer that is at work or was stopped.
        Ok(PackListing { packs: packs.collect(), unfinished: true })
    }

    fn scratch_folder(&self) -> PathBuf {
        self.scratch_folder.clone()
    }

    fn repair(&self) -> &'static str {
        "`dotctl snapshot --repair` of the same state puts it in again, or another copy of the store: equal \
         names are equal bytes"
    }

    fn begin(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(BucketSession::begin(self)))
    }

    fn tags(&self) -> Result<Vec<Tagged>> {
        tags::list(self)
    }

    fn add_tag(&self, tagged: &Tagged) -> Result<bool> {
        tags::add(self, tagged)
    }

    fn remove_tag(&self, tagged: &Tagged) -> Result<bool> {
        tags::remove(self, tagged)
    }

    fn prune(&self, request: PruneRequest) -> Result<Pruned> {
        prune::prune(self, request)
    }

    fn requests(&self) -> Option<Requests> {
        Some(self.client.requests())
    }

    fn warning(&self) -> Option<String> {
        self.client.conditions.ignored.load(Ordering::Relaxed).then(|| {
            format!(
                "{} ignores `If-None-Match`: of several writers that make the same checkpoint at once, each \
                 is told that it did; no checkpoint is overwritten by another",
                self.client.server
            )
        })
    }
}
