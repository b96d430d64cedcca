//! A chain as one full run.
//!
//! The checkpoint keeps its namespace, its place in the sequence, its time and its content; its manifest is
//! another one, and so is its id. The new one is there, with the tags, before the old one goes. Who is killed
//! between leaves both, which restore to the same, and the next run ends it.

use std::collections::HashSet;
use std::time::Duration;

use dotctl_engine::checkpoint::{ChainPolicy, CheckpointFacts, PackSink, codec_setting};
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::format::layout::ManifestKey;
use dotctl_engine::format::{Document, Manifest};
use dotctl_engine::id::Time;
use dotctl_engine::tag::Tagged;
use dotctl_engine::{Damage, Error, Result};

use super::SnapshotSetting;
use super::chunks::load_dictionary;
use super::image::snapshot_image;
use super::lines::{StoredLines, with_prefix};
use super::progress::Progress;
use super::state::snapshot_lines;
use super::verify::Verifier;
use crate::image_file::ImageFile;
use crate::prune::{Needed, PruneRequest, Pruned};
use crate::reference::{Found, read};
use crate::store::{Access, Adopted, Store};

/// How a chain is compacted.
#[derive(Debug, Clone, Copy)]
pub struct CompactSetting {
    /// How large chunks are.
    pub chunk_size: ChunkSize,
    /// How long a pack that no checkpoint names any more is left alone.
    pub grace: Duration,
    /// The clock's reading.
    pub now: Time,
    /// Say what would be done, and change nothing.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Compacted {
    /// The full checkpoint; where nothing was written the one that there was.
    pub found: Found,
    /// Bytes of packs that the store did not hold before, and chunks in them.
    pub new_bytes: u64,
    /// Chunks in them.
    pub new_chunk_count: u64,
    /// The checkpoints that it stands for now, and that are gone, or would be.
    pub replaced: Vec<Found>,
    /// What came of their packs.
    pub pruned: Pruned,
}

/// Rewrites the checkpoint `found` as one full run in its place. A full one is left as it is; of a run that
/// was killed the rest is done.
///
/// # Errors
/// Corrupt where the content is not what the manifest says: nothing has changed then; the store's.
pub fn compact(
    store: &dyn Store,
    found: Found,
    setting: &CompactSetting,
    progress: &dyn Progress,
) -> Result<Compacted> {
    let mut compacted = Compacted {
        found,
        new_bytes: 0,
        new_chunk_count: 0,
        replaced: Vec::new(),
        pruned: Pruned::default(),
    };
    let mut twins = twins_of(store, &compacted.found)?;
    let mut kept = whole_twin(store, &compacted.found, &twins, progress)?;
    if kept.is_none() && !setting.dry_run {
        let before: HashSet<_> = twins.iter().map(Found::id).collect();
        if let Some(adopted) = write_full(store, &compacted.found.manifest, setting, progress)? {
            compacted.new_bytes = adopted.new_bytes;
            compacted.new_chunk_count = adopted.new_chunk_count.unwrap_or(0);
        }
        twins = twins_of(store, &compacted.found)?;
        // The one that was not there; or, where packs were missing, the one that was and has them again.
        let full = twins.iter().filter(|twin| !twin.manifest.is_chain());
        let full = full.min_by_key(|twin| before.contains(&twin.id())).ok_or_else(|| {
            Error::damaged(Damage::Missing, "the compacted checkpoint", "a manifest", "nothing")
        })?;
        kept = Some(full.clone());
    }
    match kept {
        Some(kept) => {
            twins.retain(|twin| twin.id() != kept.id());
            compacted.found = kept;
        }
        None => twins.retain(|twin| twin.manifest.is_chain()),
    }
    compacted.replaced = twins;
    if compacted.replaced.is_empty() {
        return Ok(compacted);
    }
    if !setting.dry_run {
        copy_tags(store, &compacted)?;
    }
    let released = compacted.replaced.iter().flat_map(|old| old.manifest.packs()).map(|pack| pack.sha256);
    let released: HashSet<_> = released.collect();
    let doomed: Vec<ManifestKey> = compacted.replaced.iter().map(|old| old.key.clone()).collect();
    progress.begin("removing", None);
    let pruned = store.prune(PruneRequest {
        doomed,
        released,
        keep_tags: Vec::new(),
        needed: Needed::default(),
        grace: setting.grace,
        now: setting.now,
        dry_run: setting.dry_run,
    });
    progress.end();
    compacted.pruned = pruned?;
    if !setting.dry_run {
        // Those too that somebody gave meanwhile.
        for one in copy_tags(store, &compacted)? {
            store.remove_tag(&one)?;
        }
    }
    Ok(compacted)
}

/// Gives the full checkpoint the tags of those that it replaces, and says which these are.
fn copy_tags(store: &dyn Store, compacted: &Compacted) -> Result<Vec<Tagged>> {
    let mut tags = store.tags()?;
    tags.retain(|one| compacted.replaced.iter().any(|old| old.id() == one.checkpoint));
    for one in &tags {
        store.add_tag(&Tagged { checkpoint: compacted.found.id(), tag: one.tag.clone() })?;
    }
    Ok(tags)
}

/// The full checkpoint in the place of `found`, if there is one: itself, or of its `twins` what a run that was
/// killed has written, if that is whole.
fn whole_twin(
    store: &dyn Store,
    found: &Found,
    twins: &[Found],
    progress: &dyn Progress,
) -> Result<Option<Found>> {
    if !found.manifest.is_chain() {
        return Ok(Some(found.clone()));
    }
    for twin in twins.iter().filter(|twin| !twin.manifest.is_chain()) {
        let mut verifier = Verifier::new(store, false);
        verifier.document(Document::Open(twin.manifest.clone()), progress)?;
        if verifier.findings.is_empty() && verifier.unread.is_empty() {
            return Ok(Some(twin.clone()));
        }
    }
    Ok(None)
}

/// The checkpoints in the place of `found` that have its content: itself, and what a run that was killed
/// has left.
fn twins_of(store: &dyn Store, found: &Found) -> Result<Vec<Found>> {
    let (key, manifest) = (&found.key, &found.manifest);
    let keys = store.manifests()?.keys.into_iter();
    let keys = keys.filter(|one| one.namespace == key.namespace && one.sequence == key.sequence);
    let twins = keys.map(|key| read(store, key)).collect::<Result<Vec<_>>>()?.into_iter();
    let is_twin = |one: &Found| {
        let other = &one.manifest;
        (other.kind, other.created_at, other.content_sha256)
            == (manifest.kind, manifest.created_at, manifest.content_sha256)
    };
    Ok(twins.filter(is_twin).collect())
}

/// Writes `manifest`, which is a chain, as a full one; `None` if that is there already.
fn write_full(
    store: &dyn Store,
    manifest: &Manifest,
    setting: &CompactSetting,
    progress: &dyn Progress,
) -> Result<Option<Adopted>> {
    if !store.takes_increments() {
        return Err(Error::unsupported("two stores together are not compacted")
            .hint("name the one in which the chain lies, without --overflow"));
    }
    let codec = codec_setting(manifest.kind, manifest.full_run()?.codec, None)?;
    let snapshot = SnapshotSetting {
        namespace: manifest.namespace.clone(),
        created_at: manifest.created_at,
        codec,
        chunk_size: setting.chunk_size,
        chain: ChainPolicy::DEFAULT,
    };
    // Before the session: in an object that holds the database alone.
    let pages = match manifest.kind.has_lines() {
        true => None,
        false => Some(ImageFile::restore(store, manifest, progress)?),
    };
    let mut session = store.begin_like(manifest)?;
    let facts = match &pages {
        Some(pages) => {
            snapshot_image(pages, &snapshot, store.directory_packs_min(), session.as_mut(), progress)?
        }
        None => full_lines(store, manifest, &snapshot, session.as_mut(), progress)?,
    };
    let actual = facts.content_sha256();
    if actual != manifest.content_sha256 {
        return Err(Error::damaged(Damage::Checksum, "the content", manifest.content_sha256, actual)
            .hint("nothing was changed; run `dotctl verify` for everything that is damaged"));
    }
    let full = facts.manifest(manifest.namespace.clone(), manifest.sequence, manifest.created_at);
    session.adopt(Document::Open(full))
}

fn full_lines(
    store: &dyn Store,
    manifest: &Manifest,
    setting: &SnapshotSetting,
    sink: &mut dyn PackSink,
    progress: &dyn Progress,
) -> Result<CheckpointFacts> {
    let mut lines = StoredLines::within(store, manifest, with_prefix(b""))?;
    let known = load_dictionary(store, manifest.full_run()?, Access::Whole)?;
    progress.begin("merging runs", Some(manifest.raw_bytes));
    let made = snapshot_lines(manifest.kind, &mut lines, setting, known.as_ref(), sink, progress);
    progress.end();
    made
}
