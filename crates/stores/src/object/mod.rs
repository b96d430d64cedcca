//! An object's database as a store: what a folder keeps in files lies in its rows.
//!
//! ```text
//! item  store.json                                   says the layout's version
//! item  manifests/<namespace>/<sequence>-<id>.json
//! item  packs/<sha256>
//! item  tags/<tag>/<id>                              no bytes
//! ```
//!
//! An item is a row that tells its size, and rows with parts of its bytes; or the same as entries
//! of the key-value storage. A checkpoint is written in one transaction, with the database locked
//! against everybody; it is read with our own reader, in use or not, which changes nothing.
//!
//! SQLite's locks belong to its process and are lost as soon as another handle of the file is
//! closed in it. So while a checkpoint is being written, whatever else this process reads of the
//! store it reads through the writer.

mod image;
mod items;
mod layout;
mod parts;
mod prune;
mod session;
mod writer;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};

use dotctl_engine::format::layout::{MANIFESTS, ManifestKey, PACKS, STORE_MARKER, pack_key};
use dotctl_engine::format::{Manifest, PackEntry};
use dotctl_engine::id::Hash;
use dotctl_engine::tag::Tagged;
use dotctl_engine::{Damage, Error, ErrorKind, Result};

use crate::io_error;
use crate::prune::{PruneRequest, Pruned};
use crate::store::{Access, ManifestListing, Pack, PackListing, Session, Store, check_length};
use image::Image;
use items::{Items, find, list, part, whole};
use layout::{Head, manifests_prefix, packs_prefix};
use parts::Parts;

pub use layout::Backend;
pub(crate) use writer::Writer;

/// Attempts to read a database that others go on changing.
const ATTEMPTS_MAX: u32 = 20;

/// Checkpoints inside an object.
pub struct ObjectStore(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// Where new checkpoints go.
    backend: Backend,
    state: RwLock<State>,
    parts: Parts,
}

/// How the database is open, if it is.
#[derive(Default)]
struct State {
    image: Option<Image>,
    writer: Option<Arc<Mutex<Writer>>>,
}

impl ObjectStore {
    /// Opens the store in the object's database at `path`; new checkpoints go to `backend`. An
    /// object without any checkpoint is a store without any.
    ///
    /// # Errors
    /// Corrupt, if a version wrote there that this one does not know; those of opening a database
    /// in use.
    pub fn open(path: &Path, backend: Backend) -> Result<Self> {
        let inner =
            Inner { path: path.to_owned(), backend, state: RwLock::default(), parts: Parts::default() };
        let (marker, content) = STORE_MARKER;
        let marked = inner.read(|items| match find(items, marker)? {
            None => Ok(true),
            Some(head) if head.stored_bytes != content.len() as u64 => Ok(false),
            Some(head) => Ok(whole(items, marker, &head)? == content),
        })?;
        if !marked {
            return Err(Error::corrupt("this is not the marker of a store that this dotctl reads")
                .at(inner.place(marker))
                .hint("a newer dotctl may have written the store, or the object was damaged"));
        }
        Ok(ObjectStore(Arc::new(inner)))
    }
}

impl Inner {
    /// How messages call an item.
    fn place(&self, key: &str) -> String {
        format!("{}:{key}", self.path.display())
    }

    fn failed(&self, verb: &str, error: &io::Error) -> Error {
        io_error(verb, &self.path, error)
    }

    fn state_alone(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `read` makes of one state of the database.
    fn read<T>(&self, read: impl Fn(&dyn Items) -> Result<T>) -> Result<T> {
        let mut attempt = 1;
        loop {
            {
                let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(writer) = &state.writer {
                    return read(&*writer.lock().unwrap_or_else(PoisonError::into_inner));
                }
                if let Some(image) = state.image.as_ref().filter(|image| !image.is_old()) {
                    let outcome = read(image);
                    match image.check_unchanged() {
                        Ok(()) => return outcome,
                        Err(error) if error.kind() == ErrorKind::Busy && attempt < ATTEMPTS_MAX => {}
                        Err(error) => return Err(error),
                    }
                    attempt += 1;
                }
            }
            let mut state = self.state_alone();
            if state.writer.is_none() {
                state.image = None;
                state.image = Some(Image::open(&self.path)?);
            }
        }
    }

    fn begin_writing(&self, backend: Backend) -> Result<Arc<Mutex<Writer>>> {
        let mut state = self.state_alone();
        if state.writer.is_some() {
            return Err(Error::new(ErrorKind::Busy, "a checkpoint is being written into this object")
                .at(self.path.display().to_string())
                .hint("an object takes one at a time"));
        }
        // Closing it later would take the writer's locks away.
        state.image = None;
        self.parts.clear();
        let writer = Arc::new(Mutex::new(Writer::begin(&self.path, backend)?));
        state.writer = Some(writer.clone());
        Ok(writer)
    }

    /// Lets go of the database; what was not committed is undone.
    fn end_writing(&self) {
        self.state_alone().writer = None;
    }
}

/// The manifest's key that the item `key` stands for.
fn parse_key(key: &str) -> Result<ManifestKey> {
    key.strip_prefix(MANIFESTS)
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| Error::corrupt("no manifest has this name"))
        .and_then(|(namespace, name)| ManifestKey::parse(namespace, name))
}

impl Store for ObjectStore {
    fn location(&self) -> String {
        self.0.path.display().to_string()
    }

    fn manifests(&self) -> Result<ManifestListing> {
        let mut listing = ManifestListing::default();
        for (key, _) in self.0.read(|items| list(items, &manifests_prefix()))? {
            match parse_key(&key) {
                Ok(key) => listing.keys.push(key),
                Err(_) => listing.strays.push(key),
            }
        }
        listing.keys.sort_unstable();
        Ok(listing)
    }

    fn read_manifest(&self, key: &ManifestKey) -> Result<Vec<u8>> {
        let key = key.to_string();
        self.0
            .read(|items| {
                let head = find(items, &key)?
                    .ok_or_else(|| Error::new(ErrorKind::Missing, "the manifest is gone"))?;
                Manifest::check_length(head.stored_bytes)?;
                whole(items, &key, &head)
            })
            .map_err(|error| error.at(self.0.path.display().to_string()))
    }

    fn open_pack(&self, entry: &PackEntry, _: Access) -> Result<Option<Box<dyn Pack>>> {
        let Some(head) = self.0.read(|items| find(items, &pack_key(&entry.sha256)))? else {
            return Ok(None);
        };
        check_length(entry, head.stored_bytes)?;
        Ok(Some(Box::new(ObjectPack { store: self.0.clone(), sha256: entry.sha256, head })))
    }

    fn pack_location(&self, sha256: &Hash) -> String {
        self.0.place(&pack_key(sha256))
    }

    fn packs(&self) -> Result<PackListing> {
        let keys = self.0.read(|items| list(items, &packs_prefix()))?;
        let packs = keys
            .into_iter()
            .filter_map(|(key, stored_bytes)| {
                let name = key.strip_prefix(PACKS)?.strip_prefix('/')?;
                Some((name.parse().ok()?, stored_bytes))
            })
            .collect();
        // A transaction is there as a whole or not at all.
        Ok(PackListing { packs, unfinished: false })
    }

    fn scratch_folder(&self) -> PathBuf {
        match self.0.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    fn begin(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(session::ObjectSession::begin(self, self.0.backend)?))
    }

    fn tags(&self) -> Result<Vec<Tagged>> {
        prune::tags(self)
    }

    fn add_tag(&self, tagged: &Tagged) -> Result<bool> {
        prune::add_tag(self, tagged)
    }

    fn remove_tag(&self, tagged: &Tagged) -> Result<bool> {
        prune::remove_tag(self, tagged)
    }

    fn prune(&self, request: PruneRequest) -> Result<Pruned> {
        prune::prune(self, request)
    }

    fn check_source(&self, path: &Path) -> Result<()> {
        let identity = |path: &Path| {
            let metadata = std::fs::metadata(path).map_err(|error| io_error("open", path, &error))?;
            Ok((metadata.dev(), metadata.ino()))
        };
        if identity(path)? != identity(&self.0.path)? {
            return Ok(());
        }
        Err(Error::unsupported("an object's image cannot be kept in the object itself")
            .at(path.display().to_string())
            .hint("each would hold all earlier ones; name another store. State entries can be kept in it"))
    }
}

struct ObjectPack {
    store: Arc<Inner>,
    sha256: Hash,
    head: Head,
}

impl ObjectPack {
    fn part(&self, number: u64) -> Result<Arc<Vec<u8>>> {
        let key = pack_key(&self.sha256);
        self.store.parts.get(self.sha256, number, self.head.backend.part_bytes(), || {
            self.store.read(|items| match find(items, &key)? {
                // Where its rows are may have changed, what it is cannot have.
                Some(head)
                    if (head.backend, head.stored_bytes) == (self.head.backend, self.head.stored_bytes) =>
                {
                    part(items, &key, &head, number)
                }
                _ => Err(Error::damaged(Damage::Missing, "the pack", self.sha256, "nothing")),
            })
        })
    }
}

impl Pack for ObjectPack {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let ends_early = || Error::corrupt("the pack ends early");
        let part_bytes = self.head.backend.part_bytes();
        let (mut offset, mut rest) = (offset, into);
        while !rest.is_empty() {
            let number = offset / part_bytes;
            if number >= self.head.part_count() {
                return Err(ends_early());
            }
            let part = self.part(number)?;
            let from = part.get((offset % part_bytes) as usize..).unwrap_or_default();
            let bytes = from.len().min(rest.len());
            let (now, later) = rest.split_at_mut(bytes);
            now.copy_from_slice(from.get(..bytes).filter(|from| !from.is_empty()).ok_or_else(ends_early)?);
            offset += bytes as u64;
            rest = later;
        }
        Ok(())
    }
}
