//! What a store holds and what it saves.

use std::collections::{BTreeMap, HashMap};

use dotctl_engine::Result;
use dotctl_engine::id::{CheckpointId, Hash, Namespace, Time};
use serde::Serialize;

use crate::reference::see_each;
use crate::store::Store;

/// The report on a store.
#[derive(Debug, Clone, Serialize)]
pub struct StoreReport {
    /// Checkpoints whose manifests can be read.
    pub checkpoint_count: u64,
    /// Of those, the ones that are sealed and were not opened.
    pub unopened_checkpoint_count: u64,
    /// Bytes that restoring all of them would write, those aside that were not opened.
    pub raw_bytes: u64,
    /// Bytes of the packs that each refers to, shared ones counted for each.
    pub referenced_bytes: u64,
    /// Bytes of the packs that they refer to, each counted once.
    pub stored_bytes: u64,
    /// Those packs.
    pub pack_count: u64,
    /// Of those, the ones that the store does not have.
    pub missing_pack_count: u64,
    /// Bytes of all packs in the store.
    pub present_bytes: u64,
    /// All packs in the store.
    pub present_pack_count: u64,
    /// Packs that no manifest names.
    pub unreferenced_pack_count: u64,
    /// Their bytes.
    pub unreferenced_bytes: u64,
    /// `referenced_bytes` by `stored_bytes`: how often an average byte is used.
    pub dedup_ratio: Option<f64>,
    /// `raw_bytes` by `referenced_bytes`, without those that were not opened.
    pub compression_ratio: Option<f64>,
    /// Whether somebody writes to the store, or was stopped while writing.
    pub unfinished: bool,
    /// What is there of each namespace, the one with the most stored bytes first.
    pub namespaces: Vec<NamespaceReport>,
    /// Manifests that cannot be read, and names that are none.
    pub problems: Vec<String>,
}

/// One namespace's checkpoints.
#[derive(Debug, Clone, Serialize)]
pub struct NamespaceReport {
    /// Its name.
    pub namespace: Namespace,
    /// Its checkpoints.
    pub checkpoint_count: u64,
    /// Of those, the ones that are sealed and were not opened.
    pub unopened_checkpoint_count: u64,
    /// Bytes that restoring all of them would write.
    pub raw_bytes: u64,
    /// Bytes of the packs that they refer to, each counted once.
    pub stored_bytes: u64,
    /// The id of its newest checkpoint.
    pub newest: CheckpointId,
    /// When that was made.
    pub newest_created_at: Time,
}

/// A pack that manifests name.
struct Named {
    stored_bytes: u64,
    /// The last namespace seen to use it.
    namespace: usize,
}

/// Reports on `store`. Memory grows with the number of packs, some 100 bytes for each.
///
/// # Errors
/// The store's; a manifest that cannot be read is part of the report.
pub fn inspect_store(store: &dyn Store) -> Result<StoreReport> {
    // Before the manifests: a checkpoint made meanwhile then explains its packs.
    let packs = store.packs()?;
    let listing = store.manifests()?;
    let mut problems: Vec<String> =
        listing.strays.iter().map(|name| format!("{name} is not the name of a manifest")).collect();
    let mut named: HashMap<Hash, Named> = HashMap::new();
    let mut namespaces: Vec<NamespaceReport> = Vec::new();
    let (mut checkpoint_count, mut raw_bytes, mut referenced_bytes) = (0, 0_u64, 0_u64);
    let (mut unopened_checkpoint_count, mut unopened_bytes) = (0, 0_u64);
    // Keys come by namespace and in it by sequence, so that the last is the newest.
    for seen in see_each(store, &listing.keys) {
        let seen = match seen.and_then(|seen| seen.opened(store)) {
            Ok(seen) => seen,
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        let (id, document) = (seen.id(), &seen.document);
        let own_raw_bytes = document.manifest().map_or(0, |manifest| manifest.raw_bytes);
        checkpoint_count += 1;
        raw_bytes = raw_bytes.saturating_add(own_raw_bytes);
        referenced_bytes = referenced_bytes.saturating_add(document.stored_bytes());
        if document.manifest().is_none() {
            unopened_checkpoint_count += 1;
            unopened_bytes = unopened_bytes.saturating_add(document.stored_bytes());
        }
        if namespaces.last().is_none_or(|last| last.namespace != *document.namespace()) {
            namespaces.push(NamespaceReport {
                namespace: document.namespace().clone(),
                checkpoint_count: 0,
                unopened_checkpoint_count: 0,
                raw_bytes: 0,
                stored_bytes: 0,
                newest: id,
                newest_created_at: document.created_at(),
            });
        }
        let place = namespaces.len();
        let Some(own) = namespaces.last_mut() else {
            continue;
        };
        own.checkpoint_count += 1;
        own.unopened_checkpoint_count += u64::from(document.manifest().is_none());
        own.raw_bytes = own.raw_bytes.saturating_add(own_raw_bytes);
        own.newest = id;
        own.newest_created_at = document.created_at();
        for pack in document.packs() {
            let known =
                named.entry(pack.sha256).or_insert(Named { stored_bytes: pack.stored_bytes, namespace: 0 });
            if known.namespace != place {
                known.namespace = place;
                own.stored_bytes = own.stored_bytes.saturating_add(pack.stored_bytes);
            }
        }
    }
    namespaces.sort_by_key(|own| std::cmp::Reverse(own.stored_bytes));
    let stored_bytes = named.values().fold(0_u64, |sum, pack| sum.saturating_add(pack.stored_bytes));
    let mut present: BTreeMap<bool, (u64, u64)> = BTreeMap::new();
    for (sha256, stored_bytes) in &packs.packs {
        let (count, bytes) = present.entry(named.contains_key(sha256)).or_default();
        *count += 1;
        *bytes = bytes.saturating_add(*stored_bytes);
    }
    let (used_count, used_bytes) = present.get(&true).copied().unwrap_or_default();
    let (unreferenced_pack_count, unreferenced_bytes) = present.get(&false).copied().unwrap_or_default();
    let pack_count = named.len() as u64;
    Ok(StoreReport {
        checkpoint_count,
        unopened_checkpoint_count,
        raw_bytes,
        referenced_bytes,
        stored_bytes,
        pack_count,
        missing_pack_count: pack_count.saturating_sub(used_count),
        present_bytes: used_bytes.saturating_add(unreferenced_bytes),
        present_pack_count: used_count + unreferenced_pack_count,
        unreferenced_pack_count,
        unreferenced_bytes,
        dedup_ratio: ratio(referenced_bytes, stored_bytes),
        compression_ratio: ratio(raw_bytes, referenced_bytes.saturating_sub(unopened_bytes)),
        unfinished: packs.unfinished,
        namespaces,
        problems,
    })
}

/// `whole` by `part`, with three decimals.
fn ratio(whole: u64, part: u64) -> Option<f64> {
    (part > 0).then(|| (whole as f64 / part as f64 * 1_000.0).round() / 1_000.0)
}
