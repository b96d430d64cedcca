//! A folder as a store.
//!
//! ```text
//! store.json                                   marks the folder, says the layout's version
//! lock                                         empty; writers share it, making and cleaning the
//!                                              store takes it alone
//! order.lock                                   empty; held while a checkpoint takes its number
//! gate.lock                                    empty; writers share it for a moment before they take
//!                                              `lock`, who waits for them to end holds it alone
//! manifests/<namespace>/<sequence>-<id>.json   a checkpoint exists if and only if this does
//! catalog/<namespace>/<sequence>-<id>.json     the manifest's second name
//! packs/<sha256>
//! tags/<tag>/<id>                              empty
//! staging/<writer>/                            packs on their way; gone once the writer is done
//! ```
//!
//! A writer collects packs in its staging folder, makes them durable, renames them into `packs`,
//! then links the manifest, then gives it its second name, then removes the staging folder. Whatever a killed writer leaves, its
//! staging folder tells of it, and the next writer that is alone cleans it up.

mod catalog;
mod cleanup;
mod prune;
mod session;
mod tags;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use dotctl_engine::format::layout::{MANIFESTS, ManifestKey, PACKS, STORE_MARKER, TAGS, pack_key};
use dotctl_engine::format::{Manifest, PackEntry};
use dotctl_engine::id::Hash;
use dotctl_engine::tag::Tagged;
use dotctl_engine::{Damage, Error, ErrorKind, Result};

use crate::prune::{PruneRequest, Pruned};
use crate::store::{Access, ManifestListing, Pack, PackListing, Session, Store, check_length};
use crate::{durable, io_error};
use catalog::CATALOG;

const STAGING: &str = "staging";
const LOCK: &str = "lock";
const ORDER_LOCK: &str = "order.lock";
const GATE_LOCK: &str = "gate.lock";

/// Checkpoints in a folder on this machine.
#[derive(Debug)]
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    /// Opens the store at `root`.
    pub fn open(root: &Path) -> Result<Self> {
        let marker = root.join(STORE_MARKER.0);
        match fs::read(&marker) {
            Ok(bytes) if bytes == STORE_MARKER.1 => Ok(FolderStore { root: root.to_owned() }),
            Ok(_) => Err(Error::corrupt("this is not the marker of a store that this dotctl reads")
                .at(marker.display().to_string())
                .hint("a newer dotctl may have written the store, or the file was damaged")),
            Err(error) if error.kind() == io::ErrorKind::NotFound && lost_marker(root)? => {
                let name = STORE_MARKER.0;
                Err(Error::damaged(Damage::Missing, "the marker of this store", name, "nothing")
                    .at(marker.display().to_string())
                    .hint(format!(
                        "copy {name} from any other store; `dotctl verify` then reads all the rest"
                    )))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::Missing, "there is no store of checkpoints here")
                    .at(root.display().to_string())
                    .hint("name one with --store or DOTCTL_STORE; `dotctl snapshot` makes one"))
            }
            Err(error) => Err(io_error("read", &marker, &error)),
        }
    }

    /// Opens the store at `root`, or makes one where there is nothing or an empty folder.
    pub fn open_or_create(root: &Path) -> Result<Self> {
        match FolderStore::open(root) {
            Err(error) if error.kind() == ErrorKind::Missing => FolderStore::create(root),
            opened => opened,
        }
    }

    fn create(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(|error| io_error("create the store", root, &error))?;
        let foreign = read_names(root)?.into_iter().find(|name| {
            // The marker may be there since a moment ago.
            ![PACKS, MANIFESTS, CATALOG, TAGS, STAGING, LOCK, ORDER_LOCK, GATE_LOCK, STORE_MARKER.0]
                .contains(&name.as_str())
                && !name.starts_with(durable::TEMPORARY)
        });
        if let Some(name) = foreign {
            return Err(Error::new(ErrorKind::Exists, format!("this folder is no store, it holds `{name}`"))
                .at(root.display().to_string())
                .hint("name an empty folder, or one that does not exist yet"));
        }
        for folder in [PACKS, MANIFESTS, STAGING] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|error| io_error("create", &path, &error))?;
        }
        let store = FolderStore { root: root.to_owned() };
        let lock = session::lock_alone(&store, LOCK)?;
        durable::create_new(root, STORE_MARKER.0, STORE_MARKER.1)?;
        drop(lock);
        FolderStore::open(root)
    }

    /// The bytes of a manifest at `place`, one of its two names.
    fn read_document(&self, place: &str) -> Result<Vec<u8>> {
        let path = self.root.join(place);
        let failed = |error: io::Error| io_error("read the manifest", &path, &error);
        let bytes = fs::metadata(&path).map_err(failed)?.len();
        Manifest::check_length(bytes).map_err(|error| error.at(path.display().to_string()))?;
        fs::read(&path).map_err(failed)
    }

    fn pack_path(&self, sha256: &Hash) -> PathBuf {
        self.root.join(pack_key(sha256))
    }
}

/// Whether a store was written here: its marker comes before anything else in it.
fn lost_marker(root: &Path) -> Result<bool> {
    for folder in [MANIFESTS, PACKS, CATALOG] {
        if !read_names(&root.join(folder))?.is_empty() {
            // Another process may have made the store since we looked.
            return Ok(!root.join(STORE_MARKER.0).exists());
        }
    }
    Ok(false)
}

/// The names in a folder, sorted; a folder that is not there has none.
pub(crate) fn read_names(folder: &Path) -> Result<Vec<String>> {
    let failed = |error: &io::Error| io_error("list", folder, error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(&error)),
    };
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| failed(&error))?;
    names.sort_unstable();
    Ok(names)
}

/// The manifests' names below `part` of the store at `root`.
fn list(root: &Path, part: &str) -> Result<ManifestListing> {
    let mut listing = ManifestListing::default();
    let folder = root.join(part);
    for namespace in read_names(&folder)? {
        let inner = folder.join(&namespace);
        if !inner.is_dir() {
            listing.strays.push(format!("{part}/{namespace}"));
            continue;
        }
        for name in read_names(&inner)? {
            match ManifestKey::parse(&namespace, &name) {
                Ok(key) => listing.keys.push(key),
                Err(_) => listing.strays.push(format!("{part}/{namespace}/{name}")),
            }
        }
    }
    listing.keys.sort_unstable();
    Ok(listing)
}

impl Store for FolderStore {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn manifests(&self) -> Result<ManifestListing> {
        list(&self.root, MANIFESTS)
    }

    fn read_manifest(&self, key: &ManifestKey) -> Result<Vec<u8>> {
        self.read_document(&key.to_string())
    }

    fn open_pack(&self, entry: &PackEntry, _: Access) -> Result<Option<Box<dyn Pack>>> {
        let path = self.pack_path(&entry.sha256);
        let failed = |error: &io::Error| io_error("read the pack", &path, error);
        match File::open(&path) {
            Ok(file) => {
                check_length(entry, file.metadata().map_err(|error| failed(&error))?.len())?;
                Ok(Some(Box::new(PackFile { file, path })))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    fn pack_location(&self, sha256: &Hash) -> String {
        self.pack_path(sha256).display().to_string()
    }

    fn packs(&self) -> Result<PackListing> {
        let folder = self.root.join(PACKS);
        let mut packs = Vec::new();
        for name in read_names(&folder)? {
            // What is gone since it was listed has been cleaned up.
            if let (Ok(sha256), Ok(metadata)) = (name.parse(), folder.join(&name).metadata()) {
                packs.push((sha256, metadata.len()));
            }
        }
        // After the packs: whose writer is done by now has its manifest.
        let unfinished = !read_names(&self.root.join(STAGING))?.is_empty();
        Ok(PackListing { packs, unfinished })
    }

    fn audit(&self, listing: &ManifestListing) -> Result<Vec<(String, Error)>> {
        catalog::audit(self, listing)
    }

    fn scratch_folder(&self) -> PathBuf {
        self.root.clone()
    }

    fn begin(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(session::FolderSession::begin(self)?))
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

    fn lost_manifests(&self) -> Result<Vec<ManifestKey>> {
        catalog::lost(self, &self.manifests()?)
    }
}

struct PackFile {
    file: File,
    path: PathBuf,
}

impl Pack for PackFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(into, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Error::corrupt("the pack ends early").at(self.path.display().to_string())
            }
            _ => io_error("read the pack", &self.path, &error),
        })
    }
}
