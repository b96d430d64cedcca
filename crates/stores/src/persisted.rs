//! A bucket that Miniflare or `wrangler dev` persisted as a store, for reading. What lies in it is laid
//! out as in any bucket (`bucket`), and comes out of one moment: that at which it was opened.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dotctl_engine::format::layout::{
    MANIFESTS, ManifestKey, PACKS, PRUNE, STORE_MARKER, TAGS, pack_key, parse_tag,
};
use dotctl_engine::format::{Manifest, PackEntry};
use dotctl_engine::id::Hash;
use dotctl_engine::tag::Tagged;
use dotctl_engine::{Damage, Error, ErrorKind, Result};

use crate::dotdo::{MiniflareObjects, ObjectFacts, Objects, find_bucket};
use crate::prune::{PruneRequest, Pruned};
use crate::store::{Access, ManifestListing, Pack, PackListing, Session, Store, check_length, missing_pack};

/// Other stores of the bucket that a message names, at most.
const NAMED_STORES_MAX: usize = 5;

/// The bucket, below a prefix of its keys.
#[derive(Clone)]
pub struct PersistedBucket {
    objects: Arc<MiniflareObjects>,
    folder: PathBuf,
    /// Empty, or with a `/` at its end.
    prefix: String,
    /// The prefixes, spelled as this one, under which checkpoints of ours lie.
    stores: BTreeSet<String>,
}

/// Where in a bucket `path` leads; `None` where it is something else. A folder that is a store by its
/// own marker is one, wherever it lies.
fn locate(path: &Path) -> Result<Option<(PathBuf, String)>> {
    match path.is_file() || path.join(STORE_MARKER.0).exists() {
        true => Ok(None),
        false => find_bucket(path),
    }
}

/// Refuses a path in such a bucket for what is to be written.
///
/// # Errors
/// Unsupported where it is one.
pub fn refuse_to_write(path: &Path) -> Result<()> {
    match locate(path)? {
        Some(_) => Err(read_only(path.display().to_string())),
        None => Ok(()),
    }
}

fn read_only(location: String) -> Error {
    Error::unsupported("a bucket that Miniflare persisted is only read")
        .at(location)
        .hint("write to Miniflare's S3 endpoint while it runs: s3://BUCKET with --endpoint-url")
}

impl PersistedBucket {
    /// The bucket that `path` names, and the prefix in it; `None` where it is something else.
    ///
    /// # Errors
    /// Those of the metadata's database; malformed where `path` leaves the bucket that it has entered.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let Some((folder, prefix)) = locate(path)? else {
            return Ok(None);
        };
        let objects = Arc::new(MiniflareObjects::open(&folder)?);
        let mut stores: BTreeSet<_> = objects.keys().filter_map(store_prefix).map(str::to_owned).collect();
        // A tag may have the name of packs.
        let tags = format!("{TAGS}/");
        let is_tags =
            |prefix: &String| prefix.strip_suffix(&tags).is_some_and(|before| stores.contains(before));
        let of_tags: Vec<_> = stores.iter().filter(|prefix| is_tags(prefix)).cloned().collect();
        stores.retain(|prefix| !of_tags.contains(prefix));
        let prefix = if prefix.is_empty() { prefix } else { prefix + "/" };
        Ok(Some(PersistedBucket { objects, folder, prefix, stores }))
    }

    /// Whether checkpoints of ours lie just here, or were begun.
    pub fn holds_store(&self) -> bool {
        self.stores.contains(&self.prefix)
    }

    /// Whether a prefix is named.
    pub fn has_prefix(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// The store here; temporary files may lie in `scratch_folder`.
    pub fn store(&self, scratch_folder: PathBuf) -> PersistedStore {
        PersistedStore { bucket: self.clone(), scratch_folder }
    }

    /// The objects here that are none of a store's of ours, by their keys below the prefix.
    pub fn objects(&self) -> PersistedObjects {
        PersistedObjects(self.clone())
    }

    /// Where below this prefix other stores of ours lie, as `--store` takes it.
    pub fn stores_below(&self) -> Vec<String> {
        let is_below = |prefix: &&String| prefix.starts_with(&self.prefix) && **prefix != self.prefix;
        self.stores.iter().filter(is_below).map(|prefix| self.path(prefix)).collect()
    }

    /// That nothing of ours is here, and where something is.
    pub fn no_store(&self) -> Error {
        let error = Error::new(ErrorKind::Missing, "no checkpoints of dotctl's own lie here in this bucket")
            .at(self.location());
        let mut places = self.stores_below();
        if places.is_empty() {
            places = self.stores.iter().map(|prefix| self.path(prefix)).collect();
        }
        match named(&places) {
            Some(places) => error.hint(format!("there are such under another prefix: --store {places}")),
            None => error.hint("none lie under another prefix either; what TypeScript wrote can be listed, restored and verified"),
        }
    }

    fn location(&self) -> String {
        self.path(&self.prefix)
    }

    fn path(&self, key: &str) -> String {
        self.folder.join(key.trim_end_matches('/')).display().to_string().trim_end_matches('/').to_owned()
    }

    /// The object's key for a name of the layout.
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What lies in a folder of the layout: names below it, and sizes.
    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>> {
        let prefix = self.key(&format!("{folder}/"));
        let mut listed = Vec::new();
        self.objects.list(&prefix, &mut |facts| {
            let name = facts.key.get(prefix.len()..).unwrap_or_default().to_owned();
            listed.push((name, facts.stored_bytes));
            Ok(())
        })?;
        Ok(listed)
    }

    /// Whether the key is one of a store of ours.
    fn is_store_s(&self, key: &str) -> bool {
        let is_in = |prefix: &String| {
            let name = key.strip_prefix(prefix.as_str()).and_then(|name| name.split_once('/'));
            name.is_some_and(|(folder, _)| [MANIFESTS, PACKS, TAGS, PRUNE].contains(&folder))
        };
        self.stores.iter().any(is_in)
    }
}

/// `places` for people, one after another.
pub fn named(places: &[String]) -> Option<String> {
    let shown = places.get(..NAMED_STORES_MAX).unwrap_or(places).join(", or ");
    match places.len().checked_sub(NAMED_STORES_MAX) {
        _ if places.is_empty() => None,
        Some(more) if more > 0 => Some(format!("{shown}, or {more} others")),
        _ => Some(shown),
    }
}

/// The prefix of the store whose manifest or pack has this key.
fn store_prefix(key: &str) -> Option<&str> {
    let (folder, name) = key.rsplit_once('/')?;
    let before = match name.parse::<Hash>() {
        Ok(_) => folder.strip_suffix(PACKS)?,
        Err(_) => {
            let (folder, namespace) = folder.rsplit_once('/')?;
            ManifestKey::parse(namespace, name).ok()?;
            folder.strip_suffix(MANIFESTS)?
        }
    };
    // No prefix of a store begins with one.
    let is_prefix = before.is_empty() || (before.ends_with('/') && !before.starts_with('/'));
    is_prefix.then_some(before)
}

/// What of a bucket others than we have written.
pub struct PersistedObjects(PersistedBucket);

impl Objects for PersistedObjects {
    fn list(&self, prefix: &str, visit: &mut dyn FnMut(ObjectFacts) -> Result<()>) -> Result<()> {
        let bucket = &self.0;
        bucket.objects.list(&bucket.key(prefix), &mut |facts| match bucket.is_store_s(&facts.key) {
            true => Ok(()),
            false => {
                let key = facts.key.get(bucket.prefix.len()..).unwrap_or_default().to_owned();
                visit(ObjectFacts { key, ..facts })
            }
        })
    }

    fn read_at(&self, key: &str, offset: u64, into: &mut [u8]) -> Result<Option<usize>> {
        self.0.objects.read_at(&self.0.key(key), offset, into)
    }

    fn custom_metadata(&self, key: &str) -> Result<Option<Vec<(String, String)>>> {
        self.0.objects.custom_metadata(&self.0.key(key))
    }
}

/// Checkpoints in such a bucket.
pub struct PersistedStore {
    bucket: PersistedBucket,
    scratch_folder: PathBuf,
}

impl Store for PersistedStore {
    fn location(&self) -> String {
        self.bucket.location()
    }

    fn manifests(&self) -> Result<ManifestListing> {
        let mut listing = ManifestListing::default();
        for (name, _) in self.bucket.list(MANIFESTS)? {
            match name.split_once('/').map(|(folder, name)| ManifestKey::parse(folder, name)) {
                Some(Ok(key)) => listing.keys.push(key),
                _ => listing.strays.push(format!("{MANIFESTS}/{name}")),
            }
        }
        listing.keys.sort_unstable();
        Ok(listing)
    }

    fn read_manifest(&self, key: &ManifestKey) -> Result<Vec<u8>> {
        let (objects, name) = (&self.bucket.objects, self.bucket.key(&key.to_string()));
        let gone =
            || Error::new(ErrorKind::Missing, "this manifest is not there any more").at(key.to_string());
        let stored_bytes = objects.stored_bytes(&name).ok_or_else(gone)?;
        Manifest::check_length(stored_bytes).map_err(|error| error.at(key.to_string()))?;
        let mut bytes = vec![0; usize::try_from(stored_bytes).unwrap_or_default()];
        match objects.read_at(&name, 0, &mut bytes)? {
            // One that is shorter has another hash.
            Some(read) => bytes.truncate(read),
            None if objects.has_changed(&name)? => return Err(gone()),
            None => {
                let error = Error::damaged(Damage::Missing, "the manifest", key.id, "nothing");
                return Err(error.at(key.to_string()));
            }
        }
        Ok(bytes)
    }

    fn open_pack(&self, entry: &PackEntry, _: Access) -> Result<Option<Box<dyn Pack>>> {
        let objects = &self.bucket.objects;
        let key = self.bucket.key(&pack_key(&entry.sha256));
        let Some(stored_bytes) = objects.stored_bytes(&key) else {
            return Ok(None);
        };
        let Some(held_bytes) = objects.held_bytes(&key)? else {
            return match objects.has_changed(&key)? {
                true => Err(changed_meanwhile(self.pack_location(&entry.sha256))),
                false => Ok(None),
            };
        };
        check_length(entry, stored_bytes)?;
        check_length(entry, held_bytes)?;
        Ok(Some(Box::new(PersistedPack { objects: objects.clone(), key, entry: entry.clone() })))
    }

    /// The file itself, where it is one: Miniflare gives it a name of its own.
    fn pack_location(&self, sha256: &Hash) -> String {
        let key = self.bucket.key(&pack_key(sha256));
        match self.bucket.objects.file(&key) {
            Some(file) => file.display().to_string(),
            None => self.bucket.path(&key),
        }
    }

    fn packs(&self) -> Result<PackListing> {
        let listed = self.bucket.list(PACKS)?.into_iter();
        let packs = listed.filter_map(|(name, stored_bytes)| Some((name.parse().ok()?, stored_bytes)));
        // Nothing tells of a writer that is at work or was stopped.
        Ok(PackListing { packs: packs.collect(), unfinished: true })
    }

    fn scratch_folder(&self) -> PathBuf {
        self.scratch_folder.clone()
    }

    fn repair(&self) -> &'static str {
        "`dotctl snapshot --repair` of the same state through Miniflare's S3 endpoint puts it in again, or another \
         copy of the store: equal names are equal bytes"
    }

    fn begin(&self) -> Result<Box<dyn Session + '_>> {
        Err(read_only(self.location()))
    }

    fn tags(&self) -> Result<Vec<Tagged>> {
        let listed = self.bucket.list(TAGS)?;
        let parse = |name: &str| name.split_once('/').and_then(|(tag, id)| parse_tag(tag, id));
        let mut tags: Vec<_> = listed.iter().filter_map(|(name, _)| parse(name)).collect();
        tags.sort_unstable();
        Ok(tags)
    }

    fn add_tag(&self, _: &Tagged) -> Result<bool> {
        Err(read_only(self.location()))
    }

    fn remove_tag(&self, _: &Tagged) -> Result<bool> {
        Err(read_only(self.location()))
    }

    fn prune(&self, _: PruneRequest) -> Result<Pruned> {
        Err(read_only(self.location()))
    }
}

/// That what was there when the bucket was opened is not any more.
fn changed_meanwhile(location: String) -> Error {
    Error::new(ErrorKind::Busy, "this pack was removed or written anew while it was read")
        .at(location)
        .hint("run the command again")
}

/// A pack in the bucket's files.
struct PersistedPack {
    objects: Arc<MiniflareObjects>,
    key: String,
    entry: PackEntry,
}

impl Pack for PersistedPack {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let early = || Error::corrupt("the pack ends early");
        let end = offset.checked_add(into.len() as u64).ok_or_else(early)?;
        if end > self.entry.stored_bytes {
            return Err(early());
        }
        match self.objects.read_at(&self.key, offset, into)? {
            Some(read) if read == into.len() => Ok(()),
            Some(_) => Err(early()),
            None if self.objects.has_changed(&self.key)? => Err(changed_meanwhile(self.key.clone())),
            None => Err(missing_pack(&self.entry)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_found_by_their_keys() {
        let digits = "0123456789abcdef".repeat(4);
        let found = |key: &str| store_prefix(&key.replace("ID", &digits)).map(str::to_owned);
        for (key, prefix) in [
            ("packs/ID", Some("")),
            ("manifests/counters/0000000001-ID.json", Some("")),
            ("some/prefix/packs/ID", Some("some/prefix/")),
            ("packs/manifests/a/0000000012-ID.json", Some("packs/")),
            ("packs/packs/ID", Some("packs/")),
            ("/packs/ID", None),
            ("other-packs/ID", None),
            ("packs/ID.gz", None),
            ("manifests/0000000001-ID.json", None),
            ("manifests/counters/1-ID.json", None),
            ("manifests/counters/further/0000000001-ID.json", None),
            ("ID", None),
            ("tags/nightly/ID", None),
        ] {
            assert_eq!(found(key).as_deref(), prefix, "{key}");
        }
    }

    #[test]
    fn places_are_named_up_to_a_few() {
        let places = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
        assert_eq!(named(&places(0)), None);
        assert_eq!(named(&places(2)).unwrap(), "0, or 1");
        assert_eq!(named(&places(5)).unwrap(), "0, or 1, or 2, or 3, or 4");
        assert_eq!(named(&places(7)).unwrap(), "0, or 1, or 2, or 3, or 4, or 2 others");
    }
}
