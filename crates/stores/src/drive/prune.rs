//! Removing the checkpoints that a policy does not keep.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use dotctl_engine::format::Place;
use dotctl_engine::format::layout::ManifestKey;
use dotctl_engine::id::{CheckpointId, Hash, Namespace, Time};
use dotctl_engine::retention::{Candidate, Reason, RetentionPolicy, reasons};
use dotctl_engine::tag::{Tag, Tagged};
use dotctl_engine::{Error, ErrorKind, Result};

use super::progress::Progress;
use crate::prune::{Needed, PruneRequest, Pruned, unsure};
use crate::reference::{Seen, see_each};
use crate::store::Store;

/// How checkpoints are removed.
#[derive(Debug, Clone)]
pub struct PruneSetting {
    /// What is kept.
    pub policy: RetentionPolicy,
    /// Only this namespace's are looked at.
    pub namespace: Option<Namespace>,
    /// How long a pack that no checkpoint names is left alone.
    pub grace: Duration,
    /// The clock's reading.
    pub now: Time,
    /// Say what would go, and change nothing.
    pub dry_run: bool,
}

/// A checkpoint that the policy has looked at.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Whose it is, its sequence and its id.
    pub key: ManifestKey,
    /// What the maker's clock said.
    pub created_at: Time,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Bytes of its packs, those included that others share.
    pub stored_bytes: u64,
    /// Why it is kept; none if it goes.
    pub reasons: Vec<Reason>,
}

/// What a prune did, or would do.
#[derive(Debug, Clone)]
pub struct PruneOutcome {
    /// The checkpoints of the namespaces in question, by namespace and sequence.
    pub judged: Vec<Judged>,
    /// What came of packs.
    pub pruned: Pruned,
}

/// What is known of a checkpoint until it is judged.
struct Facts {
    candidate: Candidate,
    stored_bytes: u64,
    is_half: bool,
}

/// Removes what `setting` does not keep. Every namespace keeps its newest checkpoint.
///
/// # Errors
/// Malformed, if the policy keeps nothing; corrupt, where a manifest cannot be read, since it may need
/// any pack; the store's.
pub fn prune(store: &dyn Store, setting: &PruneSetting, progress: &dyn Progress) -> Result<PruneOutcome> {
    if setting.policy.is_empty() {
        return Err(Error::malformed("nothing says what to keep")
            .hint("as in --keep-last 10 --keep-daily 30; the newest of each namespace is always kept"));
    }
    // Before the manifests: a tag that is here then belongs to one of them, or to none.
    let tags = store.tags()?;
    let listing = store.manifests()?;
    if let Some(stray) = listing.strays.first() {
        return Err(unsure(Error::corrupt("no manifest has this name").at(stray.clone())));
    }
    progress.begin("reading manifests", None);
    let (mut facts, mut needed) = (Vec::new(), Needed::default());
    let mut of_candidates: HashMap<ManifestKey, Vec<Hash>> = HashMap::new();
    for seen in see_each(store, &listing.keys) {
        let Seen { key, document } = match seen {
            // Somebody else pruned since it was listed.
            Err(error) if error.kind() == ErrorKind::Missing => continue,
            seen => seen.map_err(unsure)?,
        };
        if setting.namespace.as_ref().is_some_and(|wanted| *wanted != key.namespace) {
            needed.add(key, &document);
            continue;
        }
        of_candidates.insert(key.clone(), document.packs().iter().map(|pack| pack.sha256).collect());
        facts.push(Facts {
            // Some of its packs lie in a second store, or it is that store's half.
            is_half: !store.has_overflow() && document.place() == Some(Place::Overflow),
            stored_bytes: document.stored_bytes(),
            candidate: Candidate { tags: tags_of(&tags, &key.id), created_at: document.created_at(), key },
        });
    }
    progress.end();
    let mut judged = judge(facts, setting);
    let (mut doomed, mut released) = (Vec::new(), HashSet::new());
    for one in &judged {
        let packs = of_candidates.remove(&one.key).unwrap_or_default();
        match one.reasons.is_empty() {
            true => {
                doomed.push(one.key.clone());
                released.extend(packs);
            }
            false => needed.add_packs(one.key.clone(), packs),
        }
    }
    let mut removed: HashSet<CheckpointId> = doomed.iter().map(|key| key.id).collect();
    let request = PruneRequest {
        doomed,
        released,
        keep_tags: setting.policy.tags.clone(),
        needed,
        grace: setting.grace,
        now: setting.now,
        dry_run: setting.dry_run,
    };
    progress.begin("removing", None);
    let pruned = store.prune(request);
    progress.end();
    let pruned = pruned?;
    if !setting.dry_run {
        for spared in spared(store, setting, &mut judged, &removed)? {
            removed.remove(&spared);
        }
        remove_tags(store, &tags, &listing.keys, &removed)?;
    }
    Ok(PruneOutcome { judged, pruned })
}

/// Those of `removed` that the store has kept, since somebody tagged them while they were looked at; `judged` says so
/// then.
fn spared(
    store: &dyn Store,
    setting: &PruneSetting,
    judged: &mut [Judged],
    removed: &HashSet<CheckpointId>,
) -> Result<Vec<CheckpointId>> {
    if setting.policy.tags.is_empty() || removed.is_empty() {
        return Ok(Vec::new());
    }
    let mut tags = store.tags()?;
    tags.retain(|one| setting.policy.tags.contains(&one.tag) && removed.contains(&one.checkpoint));
    if tags.is_empty() {
        return Ok(Vec::new());
    }
    let there = store.manifests()?.keys;
    let is_spared = |one: &&mut Judged| {
        one.reasons.is_empty()
            && there.binary_search(&one.key).is_ok()
            && tags.iter().any(|tagged| tagged.checkpoint == one.key.id)
    };
    let spared = judged.iter_mut().filter(is_spared).map(|one| {
        one.tags = tags_of(&tags, &one.key.id);
        one.reasons.push(Reason::Tag);
        one.key.id
    });
    Ok(spared.collect())
}

fn tags_of(tags: &[Tagged], checkpoint: &CheckpointId) -> Vec<Tag> {
    let of_it = tags.iter().filter(|one| one.checkpoint == *checkpoint);
    of_it.map(|one| one.tag.clone()).collect()
}

fn judge(facts: Vec<Facts>, setting: &PruneSetting) -> Vec<Judged> {
    let candidates: Vec<_> = facts.iter().map(|facts| facts.candidate.clone()).collect();
    let reasons = reasons(&candidates, &setting.policy, setting.now);
    let judge = |(facts, mut reasons): (Facts, Vec<Reason>)| {
        if facts.is_half {
            reasons.push(Reason::Placed);
        }
        let Candidate { key, created_at, tags } = facts.candidate;
        Judged { key, created_at, tags, stored_bytes: facts.stored_bytes, reasons }
    };
    facts.into_iter().zip(reasons).map(judge).collect()
}

/// Removes the tags of what is gone: now, or by an earlier prune that was killed.
fn remove_tags(
    store: &dyn Store,
    tags: &[Tagged],
    listed: &[ManifestKey],
    removed: &HashSet<CheckpointId>,
) -> Result<()> {
    if tags.is_empty() {
        return Ok(());
    }
    let lost = store.lost_manifests()?;
    let there: HashSet<CheckpointId> = listed.iter().chain(&lost).map(|key| key.id).collect();
    let is_idle = |one: &&Tagged| removed.contains(&one.checkpoint) || !there.contains(&one.checkpoint);
    tags.iter().filter(is_idle).try_for_each(|one| store.remove_tag(one).map(drop))
}
