//! Removing checkpoints from a folder, while nobody writes.
//!
//! The order is the reverse of writing: a staging folder says that something is under way, then go
//! second names, manifests, packs, and at last the staging folder, each durable before the next. So
//! whoever is killed leaves checkpoints that are whole, and packs that no manifest names and that the
//! next writer or prune removes.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use dotctl_engine::Result;
use dotctl_engine::format::Document;
use dotctl_engine::format::layout::{MANIFESTS, PACKS};
use dotctl_engine::id::{Hash, Time};

use super::catalog::{self, CATALOG};
use super::session::{lock_for_pruning, make_staging};
use super::{FolderStore, STAGING, cleanup};
use crate::durable::sync_folder;
use crate::prune::{PruneRequest, Pruned, unsure};
use crate::store::Store;
use crate::{interrupt, io_error};

/// Does what `request` asks. Waits until nobody writes, and keeps writers waiting meanwhile.
pub fn prune(store: &FolderStore, mut request: PruneRequest) -> Result<Pruned> {
    let lock = match request.dry_run {
        true => None,
        false => Some(lock_for_pruning(store)?),
    };
    if lock.is_some() {
        // After a prune that was killed, this is what it had still to do.
        cleanup::clean(store)?;
    }
    // Who gives a tag holds the lock, too.
    request.spare(|| store.tags())?;
    let (packs, pruned) = sweepable(store, &mut request)?;
    let is_done = packs.is_empty() && request.doomed.is_empty();
    if !request.dry_run && !is_done {
        interrupt::check()?;
        remove(store, &request, &packs)?;
    }
    drop(lock);
    Ok(pruned)
}

/// The packs that nobody needs and that go now.
fn sweepable(store: &FolderStore, request: &mut PruneRequest) -> Result<(Vec<Hash>, Pruned)> {
    let listing = store.manifests()?;
    let PruneRequest { needed, doomed, .. } = request;
    needed.complete(store, &listing, doomed)?;
    // Somebody may want to put a lost one back.
    for key in catalog::lost(store, &listing)? {
        let manifest = catalog::read(store, &key).and_then(|bytes| Document::read(key.id, &bytes));
        let manifest = manifest.map_err(|error| unsure(error.at(key.to_string())))?;
        needed.add(key, &manifest);
    }
    let (mut packs, mut pruned) = (Vec::new(), Pruned::default());
    for (pack, stored_bytes) in store.packs()?.packs {
        if request.needed.has(&pack) {
            continue;
        }
        // Nobody writes here, but somebody may be copying packs into the folder.
        if request.released.contains(&pack) || is_old(&store.pack_path(&pack), request) {
            pruned.remove(stored_bytes);
            packs.push(pack);
        } else {
            pruned.wait(stored_bytes);
        }
    }
    Ok((packs, pruned))
}

/// Whether the pack has been here for as long as the grace lasts. Its own time may be a copy's.
fn is_old(path: &Path, request: &PruneRequest) -> bool {
    let Ok(metadata) = path.metadata() else {
        return false;
    };
    let came_ms = metadata.ctime().saturating_mul(1000);
    came_ms <= since(request.now, request)
}

/// The latest moment that is as far away as the grace.
fn since(now: Time, request: &PruneRequest) -> i64 {
    let grace_ms = u64::try_from(request.grace.as_millis()).unwrap_or(u64::MAX);
    now.unix_ms().saturating_sub_unsigned(grace_ms)
}

fn remove(store: &FolderStore, request: &PruneRequest, packs: &[Hash]) -> Result<()> {
    let staging = make_staging(&store.root.join(STAGING))?;
    sync_folder(&store.root.join(STAGING))?;
    for part in [CATALOG, MANIFESTS] {
        let mut folders = BTreeSet::new();
        for key in &request.doomed {
            let folder = store.root.join(part).join(key.namespace.encoded());
            remove_name(&folder.join(key.name()))?;
            folders.insert(folder);
        }
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            sync_folder(folder)?;
        }
    }
    for pack in packs {
        remove_name(&store.pack_path(pack))?;
    }
    sync_folder(&store.root.join(PACKS))?;
    fs::remove_dir_all(&staging).map_err(|error| io_error("remove", &staging, &error))
}

/// Removes the file if it is there.
fn remove_name(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path, &error)),
        _ => Ok(()),
    }
}
