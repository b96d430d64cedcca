//! A live object, reached by the door that `crates/worker` opens: its checkpoints as a store to read, a
//! checkpoint of this moment, and the way back. `docs/WORKER.md`, "The door", describes the requests.

mod address;
mod client;
mod restore;
mod state;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::runtime::{Builder, Handle, Runtime};

use dotctl_engine::format::layout::{MANIFESTS, ManifestKey, PACKS, TAGS, pack_key, parse_tag};
use dotctl_engine::format::{Manifest, PackEntry};
use dotctl_engine::id::{Hash, Namespace};
use dotctl_engine::tag::Tagged;
use dotctl_engine::{Error, ErrorKind, Result};

use crate::bucket::Patience;
use crate::bucket::buffers::Buffers;
use crate::bucket::client::random;
use crate::bucket::pack::Source;
use crate::prune::{PruneRequest, Pruned};
use crate::store::{Access, ManifestListing, Pack, PackListing, READS_AGAIN_MAX, Session, Store};
use client::{Client, Request, escaped};

pub use address::DoorAddress;
pub use client::Token;
pub use restore::Uploaded;
pub use state::ObjectState;

/// Threads that wait for the network.
const THREADS: usize = 2;

/// Items that a door may list: of packs alone, 8 TB.
const ITEMS_MAX: usize = 1_000_000;

/// A live object. As a store it has the checkpoints that the object made of itself, and cannot be written.
pub struct LiveObject {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
    client: Arc<Client>,
    buffers: Buffers,
    scratch_folder: PathBuf,
}

impl LiveObject {
    /// The object at `address`, which lets `token` in. Nothing is sent to it yet.
    ///
    /// # Errors
    /// Where the machine lets no threads be started.
    pub fn open(
        address: DoorAddress,
        token: Token,
        patience: Patience,
        scratch_folder: PathBuf,
    ) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("dotctl-door")
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::Io, format!("cannot start threads: {error}")))?;
        let client = Arc::new(runtime.block_on(async { Client::new(address, token, patience) }));
        Ok(LiveObject {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            client,
            buffers: Buffers::default(),
            scratch_folder,
        })
    }

    /// Has the object make a checkpoint of its state as it is now, and waits for it.
    ///
    /// # Errors
    /// Those of the object and of the network.
    pub fn checkpoint(&self) -> Result<ManifestKey> {
        let path = format!("checkpoints/{}", nonce());
        let request = Request { method: "PUT", path: &path, headers: &[], body: Bytes::new() };
        let answer = self.handle.block_on(self.client.ask_until_done(&request))?;
        let made = answer.get("checkpoint");
        let key = || {
            let text = |name: &str| made?.get(name)?.as_str();
            Some(ManifestKey {
                namespace: Namespace::new(text("namespace")?).ok()?,
                sequence: made?.get("sequence")?.as_u64()?,
                id: text("id")?.parse().ok()?,
            })
        };
        key().ok_or_else(|| self.strange("the object does not say which checkpoint it has made"))
    }

    fn strange(&self, message: &str) -> Error {
        Error::new(ErrorKind::Io, message)
            .at(self.client.location())
            .hint("it may have been made with another version of dotctl-worker")
    }

    /// The items below `folder`, each with its bytes.
    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>> {
        let mut items: Vec<(String, u64)> = Vec::new();
        loop {
            let after = items.last().map(|(key, _)| format!("&after={}", escaped(key))).unwrap_or_default();
            let path = format!("items?prefix={folder}{after}");
            let request = Request { method: "GET", path: &path, headers: &[], body: Bytes::new() };
            let (_, page) = self.handle.block_on(self.client.ask(&request))?;
            let listed = page.get("items").and_then(Value::as_array);
            let listed = listed.ok_or_else(|| self.strange("the object lists nothing"))?;
            for item in listed {
                let key = item.get(0).and_then(Value::as_str).unwrap_or_default();
                let below = key.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
                let stored_bytes = item.get(1).and_then(Value::as_u64);
                let (Some(_), Some(stored_bytes)) = (below, stored_bytes) else {
                    return Err(self.strange("the object lists what is no item"));
                };
                if items.last().is_some_and(|(last, _)| last.as_str() >= key) || items.len() >= ITEMS_MAX {
                    return Err(self.strange("the object lists without order or end"));
                }
                items.push((key.to_owned(), stored_bytes));
            }
            match page.get("more").and_then(Value::as_bool) {
                Some(true) if !listed.is_empty() => {}
                _ => return Ok(items),
            }
        }
    }
}

/// The number of a request, which nobody else has.
fn nonce() -> String {
    format!("{:016x}{:016x}", random(), random())
}

impl Drop for LiveObject {
    fn drop(&mut self) {
        // A look-up of a name that hangs keeps nobody.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// That nothing can be written there.
fn read_only(location: &str) -> Error {
    Error::unsupported("a live object makes its checkpoints itself, others cannot be put there")
        .at(location)
        .hint(
            "`dotctl snapshot` with its address as SOURCE has it make one; `dotctl restore --to` puts one in",
        )
}

/// Refuses the object at `address` where something is to be written.
pub fn refuse_to_write(address: &DoorAddress) -> Error {
    read_only(address.as_str())
}

impl Store for LiveObject {
    fn location(&self) -> String {
        self.client.location().to_owned()
    }

    fn manifests(&self) -> Result<ManifestListing> {
        let mut listing = ManifestListing::default();
        for (key, _) in self.list(MANIFESTS)? {
            let mut parts = key.splitn(3, '/').skip(1);
            match parts.next().zip(parts.next()).map(|(folder, name)| ManifestKey::parse(folder, name)) {
                Some(Ok(key)) => listing.keys.push(key),
                _ => listing.strays.push(key),
            }
        }
        listing.keys.sort_unstable();
        Ok(listing)
    }

    fn read_manifest(&self, key: &ManifestKey) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // What suffered on its way is read again.
        for _ in 0..READS_AGAIN_MAX {
            bytes.clear();
            let range = 0..Manifest::BYTES_MAX + 1;
            let sink = |part: &[u8]| bytes.extend_from_slice(part);
            let total = self.handle.block_on(self.client.fetch(&key.to_string(), range, None, sink))?;
            let total = total.ok_or_else(|| {
                Error::new(ErrorKind::Missing, "this manifest is not there any more").at(key.to_string())
            })?;
            Manifest::check_length(total).map_err(|error| error.at(key.to_string()))?;
            if Hash::of(&bytes) == key.id {
                break;
            }
        }
        Ok(bytes)
    }

    fn open_pack(&self, entry: &PackEntry, access: Access) -> Result<Option<Box<dyn Pack>>> {
        let source = Source {
            handle: self.handle.clone(),
            client: self.client.clone(),
            key: pack_key(&entry.sha256),
            entry: entry.clone(),
        };
        Ok(Some(source.open(access, &self.buffers)))
    }

    fn room_bytes(&self) -> Option<u64> {
        Some(self.buffers.room_bytes())
    }

    fn pack_location(&self, sha256: &Hash) -> String {
        format!("{}/items/{}", self.client.location(), pack_key(sha256))
    }

    fn packs(&self) -> Result<PackListing> {
        let listed = self.list(PACKS)?.into_iter();
        let packs = listed
            .filter_map(|(key, stored_bytes)| Some((key.rsplit('/').next()?.parse().ok()?, stored_bytes)));
        // A checkpoint may be being made.
        Ok(PackListing { packs: packs.collect(), unfinished: true })
    }

    fn scratch_folder(&self) -> PathBuf {
        self.scratch_folder.clone()
    }

    fn repair(&self) -> &'static str {
        "the object's next checkpoint puts it in again, if the object prunes the damaged one; or another copy has it"
    }

    fn has_overflow(&self) -> bool {
        // The door looks into both places.
        true
    }

    fn begin(&self) -> Result<Box<dyn Session + '_>> {
        Err(read_only(self.client.location()))
    }

    fn tags(&self) -> Result<Vec<Tagged>> {
        let mut tags: Vec<Tagged> = self
            .list(TAGS)?
            .iter()
            .filter_map(|(key, _)| {
                let mut parts = key.splitn(3, '/').skip(1);
                parse_tag(parts.next()?, parts.next()?)
            })
            .collect();
        tags.sort_unstable();
        Ok(tags)
    }

    fn add_tag(&self, _: &Tagged) -> Result<bool> {
        Err(read_only(self.client.location()))
    }

    fn remove_tag(&self, _: &Tagged) -> Result<bool> {
        Err(read_only(self.client.location()))
    }

    fn prune(&self, _: PruneRequest) -> Result<Pruned> {
        Err(read_only(self.client.location()))
    }
}
