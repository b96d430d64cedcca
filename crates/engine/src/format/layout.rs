//! How the native layout spells what a store holds: one rule for folders, buckets and rows.

use std::fmt;

use crate::error::{Error, Result};
use crate::id::{self, CheckpointId, Namespace};
use crate::tag::{Tag, Tagged};

/// The folder, or key prefix, of packs.
pub const PACKS: &str = "packs";
/// The folder, or key prefix, of manifests.
pub const MANIFESTS: &str = "manifests";
/// The folder, or key prefix, of tags.
pub const TAGS: &str = "tags";
/// The key prefix, in a bucket, of what is to be removed.
pub const PRUNE: &str = "prune";
/// The document that marks a store, and its one content.
pub const STORE_MARKER: (&str, &[u8]) = ("store.json", b"{\"format\":\"dotctl-store\",\"version\":1}\n");

/// The key of the pack with this hash.
pub fn pack_key(sha256: &id::Hash) -> String {
    format!("{PACKS}/{sha256}")
}

/// The key of a tag: `tags/<tag>/<id>`, an object without content.
pub fn tag_key(tagged: &Tagged) -> String {
    format!("{TAGS}/{}/{}", tagged.tag.encoded(), tagged.checkpoint)
}

/// Reads the two components of a tag's key; `None` where they are no tag's.
pub fn parse_tag(tag: &str, id: &str) -> Option<Tagged> {
    Some(Tagged { tag: Tag::decode(tag).ok()?, checkpoint: id.parse().ok()? })
}

/// What a manifest's key says before it is read: `manifests/<namespace>/<sequence>-<id>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ManifestKey {
    /// Whose checkpoint it is.
    pub namespace: Namespace,
    /// Its position among the namespace's checkpoints.
    pub sequence: u64,
    /// Its id.
    pub id: CheckpointId,
}

impl ManifestKey {
    /// Reads a namespace's component and a manifest's file name.
    pub fn parse(namespace: &str, name: &str) -> Result<Self> {
        let wrong = || Error::corrupt(format!("`{namespace}/{name}` is not the name of a manifest"));
        let (sequence, id) =
            name.strip_suffix(".json").and_then(|stem| stem.split_once('-')).ok_or_else(wrong)?;
        let key = ManifestKey {
            namespace: Namespace::decode(namespace).map_err(|_| wrong())?,
            sequence: sequence.parse().map_err(|_| wrong())?,
            id: id.parse().map_err(|_| wrong())?,
        };
        if key.name() == name { Ok(key) } else { Err(wrong()) }
    }

    /// The file name: ten digits of sequence, so that names sort as checkpoints do, and the id.
    pub fn name(&self) -> String {
        format!("{:010}-{}.json", self.sequence, self.id)
    }
}

impl fmt::Display for ManifestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MANIFESTS}/{}/{}", self.namespace.encoded(), self.name())
    }
}
