//! Removing checkpoints from an object, and changing tags there: each is one transaction.

use std::sync::{Arc, Mutex, PoisonError};

use dotctl_engine::Result;
use dotctl_engine::format::layout::{STORE_MARKER, TAGS, pack_key, parse_tag, tag_key};
use dotctl_engine::id::Hash;
use dotctl_engine::tag::Tagged;

use super::items::{find, list};
use super::layout::Backend;
use super::writer::Writer;
use super::{Inner, ObjectStore};
use crate::interrupt;
use crate::prune::{PruneRequest, Pruned, check_tagged};
use crate::store::Store;

/// The database for ourselves alone, until this is dropped.
struct Alone<'a> {
    inner: &'a Inner,
    writer: Arc<Mutex<Writer>>,
}

impl<'a> Alone<'a> {
    fn begin(store: &'a ObjectStore) -> Result<Self> {
        // Where checkpoints are, so that no other tables are made.
        let backend =
            store.0.read(|items| find(items, STORE_MARKER.0))?.map_or(store.0.backend, |head| head.backend);
        Ok(Alone { inner: &store.0, writer: store.0.begin_writing(backend)? })
    }

    fn with<T>(&self, work: impl FnOnce(&Writer) -> Result<T>) -> Result<T> {
        work(&self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.with(|writer| Backend::ALL.into_iter().try_for_each(|backend| writer.remove(backend, key)))
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.inner.end_writing();
    }
}

/// Does what `request` asks. Nobody else has the database open meanwhile, so nothing needs a grace.
pub fn prune(store: &ObjectStore, mut request: PruneRequest) -> Result<Pruned> {
    let (packs, pruned) = sweepable(store, &mut request)?;
    if request.dry_run || packs.is_empty() && request.doomed.is_empty() {
        return Ok(pruned);
    }
    let alone = Alone::begin(store)?;
    // Others may have written until now, and given tags.
    request.spare(|| tags(store))?;
    let (packs, pruned) = sweepable(store, &mut request)?;
    interrupt::check()?;
    for key in &request.doomed {
        alone.remove(&key.to_string())?;
    }
    for pack in &packs {
        alone.remove(&pack_key(pack))?;
    }
    alone.with(Writer::commit)?;
    Ok(pruned)
}

fn sweepable(store: &ObjectStore, request: &mut PruneRequest) -> Result<(Vec<Hash>, Pruned)> {
    let listing = store.manifests()?;
    request.needed.complete(store, &listing, &request.doomed)?;
    let (mut packs, mut pruned) = (Vec::new(), Pruned::default());
    for (pack, stored_bytes) in store.packs()?.packs {
        if !request.needed.has(&pack) {
            pruned.remove(stored_bytes);
            packs.push(pack);
        }
    }
    Ok((packs, pruned))
}

/// All tags, ordered.
pub fn tags(store: &ObjectStore) -> Result<Vec<Tagged>> {
    let keys = store.0.read(|items| list(items, &format!("{TAGS}/")))?;
    let parse = |key: &str| {
        let (tag, id) = key.strip_prefix(TAGS)?.strip_prefix('/')?.split_once('/')?;
        parse_tag(tag, id)
    };
    let mut tags: Vec<_> = keys.iter().filter_map(|(key, _)| parse(key)).collect();
    tags.sort_unstable();
    Ok(tags)
}

/// Adds `tagged`, and says whether it was not there.
pub fn add_tag(store: &ObjectStore, tagged: &Tagged) -> Result<bool> {
    change_tag(store, tagged, false)
}

/// Removes `tagged`, and says whether it was there.
pub fn remove_tag(store: &ObjectStore, tagged: &Tagged) -> Result<bool> {
    change_tag(store, tagged, true)
}

fn change_tag(store: &ObjectStore, tagged: &Tagged, was_there: bool) -> Result<bool> {
    let key = tag_key(tagged);
    if store.0.read(|items| find(items, &key))?.is_some() != was_there {
        return Ok(false);
    }
    let alone = Alone::begin(store)?;
    if !was_there {
        check_tagged(store, tagged)?;
    }
    let backend =
        alone.with(|writer| find(writer, STORE_MARKER.0))?.map_or(store.0.backend, |head| head.backend);
    match was_there {
        true => alone.remove(&key)?,
        false => alone.with(|writer| writer.put(backend, &key, 0, |_, _| Ok(())))?,
    }
    alone.with(Writer::commit)?;
    Ok(true)
}
