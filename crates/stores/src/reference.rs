//! From what people call a checkpoint to its manifest.

use dotctl_engine::format::layout::ManifestKey;
use dotctl_engine::format::{Document, Manifest};
use dotctl_engine::id::{CheckpointId, Namespace, Time};
use dotctl_engine::tag::{Tag, is_id_prefix};
use dotctl_engine::{Error, ErrorKind, Result};

use crate::store::Store;

/// A checkpoint in a store.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its manifest's key.
    pub key: ManifestKey,
    /// Its manifest, checked.
    pub manifest: Manifest,
}

impl Found {
    /// Its id.
    pub fn id(&self) -> CheckpointId {
        self.key.id
    }
}

/// A checkpoint in a store, as much of it as can be seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its manifest's key.
    pub key: ManifestKey,
    /// Its document, checked.
    pub document: Document,
}

impl Seen {
    /// Its id.
    pub fn id(&self) -> CheckpointId {
        self.key.id
    }

    /// The same, opened if it is sealed and a key is at hand.
    ///
    /// # Errors
    /// Corrupt where what is within is not what was sealed.
    pub fn opened(self, store: &dyn Store) -> Result<Seen> {
        let Document::Sealed(sealed) = &self.document else {
            return Ok(self);
        };
        match store.open_manifest(sealed) {
            Ok(manifest) => Ok(Seen { document: Document::Open(manifest), ..self }),
            Err(error) if error.kind() == ErrorKind::Sealed => Ok(self),
            Err(error) => Err(error.at(self.key.to_string())),
        }
    }

    /// The checkpoint with its manifest.
    ///
    /// # Errors
    /// Sealed where no key is at hand that opens it; corrupt as [`Seen::opened`].
    pub fn found(self, store: &dyn Store) -> Result<Found> {
        let Seen { key, document } = self;
        let manifest = match document {
            Document::Open(manifest) => manifest,
            Document::Sealed(sealed) => {
                store.open_manifest(&sealed).map_err(|error| error.at(key.to_string()))?
            }
        };
        Ok(Found { key, manifest })
    }
}

/// Finds the checkpoint that `reference` names: an id, a unique prefix of one, `latest`,
/// `NAMESPACE@latest`, `NAMESPACE@TIME`, or a tag, with `NAMESPACE@` before it if several have it.
pub fn resolve(store: &dyn Store, reference: &str) -> Result<Found> {
    let key = find_key(store, reference)?;
    read(store, key)
}

/// The key that `reference` names, its manifest not yet believed.
pub fn find_key(store: &dyn Store, reference: &str) -> Result<ManifestKey> {
    let keys = store.manifests()?.keys;
    let missing = |what: String| {
        Error::new(ErrorKind::Missing, what)
            .at(store.location())
            .hint("`dotctl list` shows the checkpoints there are")
    };
    if let Some((namespace, moment)) = reference.rsplit_once('@') {
        let namespace = Namespace::new(namespace)?;
        let mut of_namespace = keys.into_iter().filter(|key| key.namespace == namespace);
        let found =
            if moment == "latest" {
                of_namespace.next_back()
            } else {
                match (moment.parse::<Time>(), Tag::new(moment)) {
                    (Err(no_time), Ok(tag)) => {
                        let found = tagged(store, of_namespace.collect(), &tag, reference)?;
                        Some(found.ok_or_else(|| {
                            no_time.hint(format!("no checkpoint of {namespace} has that tag"))
                        })?)
                    }
                    (moment, _) => newest_until(store, of_namespace.rev(), moment?)?,
                }
            };
        return found.ok_or_else(|| missing(format!("there is no checkpoint {reference}")));
    }
    if reference == "latest" {
        return newest(store, keys)?.ok_or_else(|| missing("there is no checkpoint yet".to_owned()));
    }
    if !is_id_prefix(reference) {
        let found = match Tag::new(reference) {
            Ok(tag) => tagged(store, keys, &tag, reference)?,
            Err(_) => None,
        };
        return found.ok_or_else(|| {
            Error::malformed(format!("`{reference}` names no checkpoint"))
                .hint("an id, at least 4 digits of one, a tag, latest, NAMESPACE@latest or NAMESPACE@TIME")
        });
    }
    let mut matching = keys.into_iter().filter(|key| key.id.to_string().starts_with(reference));
    match (matching.next(), matching.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(missing(format!("there is no checkpoint whose id begins with {reference}"))),
        (Some(one), Some(other)) => {
            Err(Error::malformed(format!("{reference} may be {} or {}", one.id, other.id))
                .hint("give more digits"))
        }
    }
}

/// The one of `keys` that has `tag`.
fn tagged(
    store: &dyn Store,
    keys: Vec<ManifestKey>,
    tag: &Tag,
    reference: &str,
) -> Result<Option<ManifestKey>> {
    let tags = store.tags()?;
    let has_it = |key: &ManifestKey| tags.iter().any(|one| one.checkpoint == key.id && one.tag == *tag);
    let having: Vec<ManifestKey> = keys.into_iter().filter(has_it).collect();
    if let Some(one) = same_checkpoint(store, &having)? {
        return Ok(Some(one));
    }
    let mut having = having.into_iter();
    match (having.next(), having.next()) {
        (Some(one), Some(other)) if one.namespace == other.namespace => {
            Err(Error::malformed(format!("{reference} may be {} or {}", one.id, other.id))
                .hint("several checkpoints have this tag; give an id"))
        }
        (Some(one), Some(other)) => {
            let (one, other) = (one.namespace, other.namespace);
            Err(Error::malformed(format!("{reference} may be {one}@{tag} or {other}@{tag}"))
                .hint("several namespaces have this tag; say which, or give an id"))
        }
        (found, _) => Ok(found),
    }
}

/// What a compaction that was killed has left twice: both in one place of the history, with one content. The
/// full one, if `having` are such.
fn same_checkpoint(store: &dyn Store, having: &[ManifestKey]) -> Result<Option<ManifestKey>> {
    let place = |key: &ManifestKey| (key.namespace.clone(), key.sequence);
    let [first, others @ ..] = having else { return Ok(None) };
    if others.is_empty() || others.iter().any(|other| place(other) != place(first)) {
        return Ok(None);
    }
    let found = having.iter().map(|key| read(store, key.clone())).collect::<Result<Vec<_>>>()?;
    let content = |one: &Found| (one.manifest.created_at, one.manifest.content_sha256);
    if found.windows(2).any(|pair| matches!(pair, [one, other] if content(one) != content(other))) {
        return Ok(None);
    }
    Ok(found.into_iter().find(|one| !one.manifest.is_chain()).map(|one| one.key))
}

/// Reads the manifest under `key` and checks that it belongs there.
///
/// # Errors
/// As [`see`], and as [`Seen::found`].
pub fn read(store: &dyn Store, key: ManifestKey) -> Result<Found> {
    see(store, key)?.found(store)
}

/// Reads the document under `key`, sealed or not, and checks that it belongs there.
pub fn see(store: &dyn Store, key: ManifestKey) -> Result<Seen> {
    let place = key.to_string();
    store.read_manifest(&key).and_then(|bytes| seen_in(key, &bytes)).map_err(|error| error.at(place))
}

/// Manifests that are read at once where reading waits for a network.
const MANIFESTS_AT_ONCE: usize = 32;

/// Reads the manifests under `keys`, in their order, and checks each as [`read`] does.
pub fn read_each<'a>(
    store: &'a dyn Store,
    keys: &'a [ManifestKey],
) -> impl Iterator<Item = Result<Found>> + 'a {
    see_each(store, keys).map(|seen| seen?.found(store))
}

/// Reads the documents under `keys`, in their order, and checks each as [`see`] does.
pub fn see_each<'a>(
    store: &'a dyn Store,
    keys: &'a [ManifestKey],
) -> impl Iterator<Item = Result<Seen>> + 'a {
    keys.chunks(MANIFESTS_AT_ONCE).flat_map(move |some| {
        let read = store.read_manifests(some);
        some.iter().zip(read).map(|(key, bytes)| {
            bytes.and_then(|bytes| seen_in(key.clone(), &bytes)).map_err(|error| error.at(key.to_string()))
        })
    })
}

/// The document that `bytes` are, which has to belong under `key`. Errors do not name the key.
pub fn seen_in(key: ManifestKey, bytes: &[u8]) -> Result<Seen> {
    let document = Document::read(key.id, bytes)?;
    if *document.namespace() != key.namespace || document.sequence() != key.sequence {
        return Err(Error::corrupt("the manifest lies under another checkpoint's name"));
    }
    Ok(Seen { key, document })
}

/// The last of every namespace, and of those the one made last by the clock.
fn newest(store: &dyn Store, keys: Vec<ManifestKey>) -> Result<Option<ManifestKey>> {
    let mut last_of_each: Vec<ManifestKey> = Vec::new();
    for key in keys {
        match last_of_each.last_mut() {
            Some(last) if last.namespace == key.namespace => *last = key,
            _ => last_of_each.push(key),
        }
    }
    if last_of_each.len() < 2 {
        return Ok(last_of_each.pop());
    }
    let mut newest: Option<Seen> = None;
    for seen in see_each(store, &last_of_each) {
        let seen = seen?;
        if newest.as_ref().is_none_or(|newest| newest.document.created_at() <= seen.document.created_at()) {
            newest = Some(seen);
        }
    }
    Ok(newest.map(|seen| seen.key))
}

fn newest_until(
    store: &dyn Store,
    newest_first: impl Iterator<Item = ManifestKey>,
    moment: Time,
) -> Result<Option<ManifestKey>> {
    for key in newest_first {
        let seen = see(store, key)?;
        if seen.document.created_at() <= moment {
            return Ok(Some(seen.key));
        }
    }
    Ok(None)
}
