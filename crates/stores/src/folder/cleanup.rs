//! After writers that were killed.

use std::collections::HashSet;
use std::fs;

use dotctl_engine::Result;
use dotctl_engine::format::Manifest;
use dotctl_engine::format::layout::PACKS;

use super::{FolderStore, STAGING, read_names};
use crate::durable::{TEMPORARY, sync_folder};
use crate::io_error;
use crate::store::Store;

/// Removes what killed writers left: a marker on its way to its name, packs that no manifest names,
/// then their staging folders.
/// The caller holds the store's lock alone. With a manifest that cannot be read nothing is
/// removed, since it may name any pack.
pub fn clean(store: &FolderStore) -> Result<()> {
    for name in read_names(&store.root)?.iter().filter(|name| name.starts_with(TEMPORARY)) {
        let path = store.root.join(name);
        fs::remove_file(&path).map_err(|error| io_error("remove", &path, &error))?;
    }
    let staging = store.root.join(STAGING);
    let abandoned = read_names(&staging)?;
    if abandoned.is_empty() {
        return Ok(());
    }
    let listing = store.manifests()?;
    let mut named = HashSet::new();
    for key in &listing.keys {
        let Ok(manifest) = store.read_manifest(key).and_then(|bytes| Manifest::read(key.id, &bytes)) else {
            return Ok(());
        };
        named.extend(manifest.packs().map(|pack| pack.sha256));
    }
    if !listing.strays.is_empty() {
        return Ok(());
    }
    for (pack, _) in store.packs()?.packs.iter().filter(|(pack, _)| !named.contains(pack)) {
        let path = store.pack_path(pack);
        fs::remove_file(&path).map_err(|error| io_error("remove the unfinished pack", &path, &error))?;
    }
    sync_folder(&store.root.join(PACKS))?;
    for name in abandoned {
        let path = staging.join(name);
        fs::remove_dir_all(&path).map_err(|error| io_error("remove", &path, &error))?;
    }
    Ok(())
}
