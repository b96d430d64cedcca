//! After writers that were killed.

use std::collections::HashSet;
use std::fs;

use dotctl_engine::Result;
use dotctl_engine::format::Document;
use dotctl_engine::format::layout::{ManifestKey, PACKS};

use super::{FolderStore, STAGING, catalog, read_names};
use crate::durable::{TEMPORARY, remove_abandoned, sync_folder};
use crate::io_error;
use crate::store::Store;

/// Removes what killed writers left: a marker on its way to its name, packs that no manifest names,
/// then, once every manifest has its second name, their staging folders.
/// The caller holds the store's lock alone. With a manifest that cannot be read nothing is
/// removed, since it may name any pack.
pub fn clean(store: &FolderStore) -> Result<()> {
    for name in read_names(&store.root)?.iter().filter(|name| name.starts_with(TEMPORARY)) {
        remove_abandoned(&store.root.join(name))?;
    }
    let staging = store.root.join(STAGING);
    let abandoned = read_names(&staging)?;
    if abandoned.is_empty() {
        return Ok(());
    }
    let listing = store.manifests()?;
    let lost = catalog::lost(store, &listing)?;
    let manifests = listing.keys.iter().map(|key| (key, store.read_manifest(key)));
    // Somebody may want to put a lost one back.
    let kept = lost.iter().map(|key| (key, catalog::read(store, key)));
    let mut named = HashSet::new();
    for (key, bytes) in manifests.chain(kept) {
        let Ok(manifest) = bytes.and_then(|bytes| Document::read(key.id, &bytes)) else {
            return Ok(());
        };
        named.extend(manifest.packs().iter().map(|pack| pack.sha256));
    }
    if !listing.strays.is_empty() {
        return Ok(());
    }
    for (pack, _) in store.packs()?.packs.iter().filter(|(pack, _)| !named.contains(pack)) {
        let path = store.pack_path(pack);
        fs::remove_file(&path).map_err(|error| io_error("remove the unfinished pack", &path, &error))?;
    }
    sync_folder(&store.root.join(PACKS))?;
    for keys in listing.keys.chunk_by(|one, next| one.namespace == next.namespace) {
        let names: Vec<_> = keys.iter().map(ManifestKey::name).collect();
        if let Some(key) = keys.first() {
            catalog::complete(store, &key.namespace.encoded(), &names)?;
        }
    }
    for name in abandoned {
        let path = staging.join(name);
        fs::remove_dir_all(&path).map_err(|error| io_error("remove", &path, &error))?;
    }
    Ok(())
}
