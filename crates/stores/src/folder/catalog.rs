//! The manifests' second names, which tell a manifest that was deleted from one that never was.
//!
//! `catalog/<namespace>/<sequence>-<id>.json` is a hard link to the manifest of the same name. A
//! checkpoint exists if and only if its manifest does, whatever lies here. The order decides what
//! a name means:
//!
//! - A checkpoint gets its second name after the manifest is durable, and loses it first if it is
//!   removed on purpose. So a second name alone is a manifest that got lost, at whatever point a
//!   writer was killed.
//! - A manifest alone, in a namespace that has a folder here, is the work of a writer under way or
//!   killed, as its staging folder tells; without one, its second name got lost.
//! - A namespace without a folder here was written before there was a catalog, or copied without
//!   it. Its next checkpoint gives all of them second names.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use dotctl_engine::format::layout::{MANIFESTS, ManifestKey};
use dotctl_engine::id::Hash;
use dotctl_engine::{Damage, Error, ErrorKind, Result};

use super::{FolderStore, STAGING, list, read_names};
use crate::durable::{link_new, sync_folder};
use crate::io_error;
use crate::store::ManifestListing;

/// The folder of second names.
pub const CATALOG: &str = "catalog";

/// The place of a manifest's second name in its store.
fn entry(key: &ManifestKey) -> String {
    format!("{CATALOG}/{}/{}", key.namespace.encoded(), key.name())
}

/// Gives those of the manifests `names` a second name that have none. `namespace` is encoded. The
/// manifests are durable afterwards, and so are their second names.
pub fn complete(store: &FolderStore, namespace: &str, names: &[String]) -> Result<()> {
    let catalog = store.root.join(CATALOG);
    let (manifests, entries) = (store.root.join(MANIFESTS).join(namespace), catalog.join(namespace));
    let held = read_names(&entries)?;
    let missing: Vec<_> = names.iter().filter(|name| held.binary_search(name).is_err()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    // First: after a loss of power no second name may be there without it.
    sync_folder(&manifests)?;
    if held.is_empty() {
        fs::create_dir_all(&entries).map_err(|error| io_error("create", &entries, &error))?;
        sync_folder(&store.root)?;
        sync_folder(&catalog)?;
    }
    for name in missing {
        match link_new(&manifests.join(name), &entries.join(name)) {
            // Removed on purpose since it was listed.
            Err(error) if error.kind() == ErrorKind::Missing => {}
            linked => drop(linked?),
        }
    }
    sync_folder(&entries)
}

/// The manifests that got lost: second names without a first one in `listing`.
pub fn lost(store: &FolderStore, listing: &ManifestListing) -> Result<Vec<ManifestKey>> {
    let mut recorded = list(&store.root, CATALOG)?.keys;
    recorded.retain(|key| listing.keys.binary_search(key).is_err());
    Ok(recorded)
}

/// The bytes of a manifest by its second name.
pub fn read(store: &FolderStore, key: &ManifestKey) -> Result<Vec<u8>> {
    store.read_document(&entry(key))
}

/// What is wrong between the manifests of `listing` and their second names: places and errors.
/// Others may be writing meanwhile, so whatever looks wrong is looked at again, in the order that
/// a writer does not.
pub fn audit(store: &FolderStore, listing: &ManifestListing) -> Result<Vec<(String, Error)>> {
    let recorded = list(&store.root, CATALOG)?;
    let exists = |place: &str| is_there(&store.root.join(place));
    let mut found = Vec::new();
    for key in &recorded.keys {
        let (first, second) = (key.to_string(), entry(key));
        if listing.keys.binary_search(key).is_err() && !exists(&first)? && exists(&second)? {
            let what = format!("the manifest whose second name is {second}");
            found.push((first.clone(), Error::damaged(Damage::Missing, &what, key.id, "nothing")));
        }
        if are_one(&store.root.join(&first), &store.root.join(&second)) {
            continue;
        }
        let error = match read(store, key) {
            Ok(bytes) if Hash::of(&bytes) == key.id => continue,
            Ok(bytes) => {
                Error::damaged(Damage::Checksum, "the manifest's second name", key.id, Hash::of(&bytes))
            }
            // Too long for a manifest.
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => error,
            // Removed on purpose since it was listed.
            Err(error) if error.kind() == ErrorKind::Missing => continue,
            Err(error) => return Err(error),
        };
        found.push((second, error));
    }
    let mut unrecorded: Vec<_> =
        listing.keys.iter().filter(|key| recorded.keys.binary_search(key).is_err()).collect();
    unrecorded.retain(|key| store.root.join(CATALOG).join(key.namespace.encoded()).is_dir());
    // After the lists: a writer that is done by now has given its checkpoint both names.
    let unfinished = !unrecorded.is_empty() && !read_names(&store.root.join(STAGING))?.is_empty();
    for key in unrecorded.into_iter().filter(|_| !unfinished) {
        let second = entry(key);
        if !exists(&second)? && exists(&key.to_string())? {
            let error = Error::damaged(Damage::Missing, "the manifest's second name", key.id, "nothing");
            found.push((second, error));
        }
    }
    for stray in recorded.strays {
        found.push((stray, Error::corrupt("no manifest has this name")));
    }
    Ok(found)
}

fn is_there(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|error| io_error("look at", path, &error))
}

/// Whether both are names of one file.
fn are_one(first: &Path, second: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    identity(first).is_some_and(|first| identity(second) == Some(first))
}
