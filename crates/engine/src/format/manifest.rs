//! Manifests: the small JSON document that makes packs a checkpoint.

use serde::{Deserialize, Serialize};

use super::key::RecordKey;
use super::pack::PackIndex;
use super::version::{FORMAT_VERSION, can_read};
use crate::codec::Codec;
use crate::error::{Damage, Error, Result};
use crate::id::{CheckpointId, Hash, Namespace, Time};

const FORMAT_NAME: &str = "dotctl-manifest";

/// How a source was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointKind {
    /// State entries, ordered by key.
    State,
    /// A database's pages, exact.
    Image,
}

impl CheckpointKind {
    /// The name used on the command line and in manifests.
    pub fn name(self) -> &'static str {
        match self {
            CheckpointKind::State => "state",
            CheckpointKind::Image => "image",
        }
    }
}

/// What a run holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// Every record of the checkpoint.
    Full,
}

/// One pack as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackEntry {
    /// SHA-256 of the pack's bytes, and its name: `packs/<sha256>`.
    pub sha256: Hash,
    /// Bytes of the pack, header and index included.
    pub stored_bytes: u64,
    /// Bytes its chunks decode to.
    pub raw_bytes: u64,
    /// Records in its chunks.
    pub record_count: u64,
    /// Chunks in it.
    pub chunk_count: u32,
    /// The key of its first record.
    pub first_key: RecordKey,
    /// Bytes at the pack's end that are its index.
    pub index_bytes: u32,
    /// SHA-256 of those bytes.
    pub index_sha256: Hash,
}

/// A sequence of records in key order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// What it holds.
    pub kind: RunKind,
    /// How its chunks are compressed.
    pub codec: Codec,
    /// Its packs, in the order of their keys.
    pub packs: Vec<PackEntry>,
}

/// Describes one checkpoint completely: with the packs it names it can be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always `dotctl-manifest`.
    format: String,
    /// The format's version, [`FORMAT_VERSION`] when written by this build.
    version: u16,
    /// Whose state this is.
    pub namespace: Namespace,
    /// Position among the namespace's checkpoints, from 1. This, not the clock, orders them.
    pub sequence: u64,
    /// How the source was captured.
    pub kind: CheckpointKind,
    /// The maker's clock when the capture began; a label.
    pub created_at: Time,
    /// The checkpoint this one was built on.
    pub base: Option<CheckpointId>,
    /// State entries, or pages.
    pub record_count: u64,
    /// Bytes that restore writes: the database file, or the state as a compact JSON array.
    pub raw_bytes: u64,
    /// SHA-256 of those bytes.
    pub content_sha256: Hash,
    /// Bytes of a page, for an image.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub page_bytes: Option<u32>,
    /// The runs to merge, oldest first.
    pub runs: Vec<Run>,
}

/// What a reader needs of a manifest of any version to refuse it well.
#[derive(Deserialize)]
struct Preamble {
    format: String,
    version: u64,
}

impl Manifest {
    /// Largest manifest that is written or read: 200,000 packs, some terabytes of state.
    pub const BYTES_MAX: u64 = 64 << 20;

    /// A manifest of this build's version, without runs.
    pub fn new(
        namespace: Namespace,
        sequence: u64,
        kind: CheckpointKind,
        created_at: Time,
        content_sha256: Hash,
    ) -> Self {
        Manifest {
            format: FORMAT_NAME.to_owned(),
            version: FORMAT_VERSION,
            namespace,
            sequence,
            kind,
            created_at,
            base: None,
            record_count: 0,
            raw_bytes: 0,
            content_sha256,
            page_bytes: None,
            runs: Vec::new(),
        }
    }

    /// The document's bytes and the id that they hash to.
    pub fn write(&self) -> Result<(CheckpointId, Vec<u8>)> {
        let mut bytes = serde_json::to_vec(self)
            .map_err(|error| Error::malformed(format!("the manifest cannot be written: {error}")))?;
        bytes.push(b'\n');
        Manifest::check_length(bytes.len() as u64)?;
        Ok((Hash::of(&bytes), bytes))
    }

    /// Reads the document that is stored under `id`, and believes it only if it hashes to it.
    pub fn read(id: CheckpointId, bytes: &[u8]) -> Result<Self> {
        let actual = Hash::of(bytes);
        if actual != id {
            return Err(Error::damaged(Damage::Checksum, "the manifest", id, actual)
                .hint("run `dotctl verify` to see what else is damaged"));
        }
        Manifest::parse(bytes)
    }

    /// Reads a document without knowing its id.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        Manifest::check_length(bytes.len() as u64)?;
        let wrong = |error: serde_json::Error| Error::corrupt(format!("not a checkpoint manifest: {error}"));
        let preamble: Preamble = serde_json::from_slice(bytes).map_err(wrong)?;
        if preamble.format != FORMAT_NAME {
            return Err(Error::corrupt(format!("not a checkpoint manifest but {:?}", preamble.format)));
        }
        can_read("the manifest", preamble.version)?;
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(wrong)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Refuses a document of more than [`Manifest::BYTES_MAX`] bytes.
    pub fn check_length(bytes: u64) -> Result<()> {
        if bytes > Self::BYTES_MAX {
            return Err(Error::unsupported(format!(
                "a manifest of {bytes} bytes, more than {}",
                Self::BYTES_MAX
            )));
        }
        Ok(())
    }

    /// The full run. Version 1 has exactly one.
    pub fn full_run(&self) -> Result<&Run> {
        match self.runs.as_slice() {
            [run] => Ok(run),
            _ => Err(Error::corrupt("a manifest of version 1 has exactly one run")),
        }
    }

    /// Chunks of all runs.
    pub fn chunk_count(&self) -> u64 {
        self.packs().map(|pack| u64::from(pack.chunk_count)).sum()
    }

    /// Bytes of all packs, headers and indexes included.
    pub fn stored_bytes(&self) -> u64 {
        self.packs().fold(0, |sum, pack| sum.saturating_add(pack.stored_bytes))
    }

    /// A hash of all that a restore depends on: not of whose checkpoint it is, or when it was made.
    pub fn substance(&self) -> Result<Hash> {
        let sizes = (self.record_count, self.raw_bytes, self.page_bytes);
        serde_json::to_vec(&(self.kind, self.content_sha256, sizes, &self.runs))
            .map(|bytes| Hash::of(&bytes))
            .map_err(|error| Error::malformed(format!("the manifest cannot be written: {error}")))
    }

    /// Every pack, in the order in which they are laid end to end.
    pub fn packs(&self) -> impl Iterator<Item = &PackEntry> {
        self.runs.iter().flat_map(|run| &run.packs)
    }

    fn check(&self) -> Result<()> {
        let run = self.full_run()?;
        let contradiction =
            |what: &str| Err(Error::corrupt(format!("the manifest's {what} contradict each other")));
        let mut record_count = 0_u64;
        let mut raw_bytes = 0_u64;
        let mut stored_bytes = 0_u64;
        for pack in &run.packs {
            let sums = (
                record_count.checked_add(pack.record_count),
                raw_bytes.checked_add(pack.raw_bytes),
                stored_bytes.checked_add(pack.stored_bytes),
            );
            // Whoever adds them up after this need not look again.
            let (Some(records), Some(raw), Some(stored)) = sums else {
                return contradiction("sizes");
            };
            (record_count, raw_bytes, stored_bytes) = (records, raw, stored);
            if pack.index_bytes > PackIndex::READ_BYTES_MAX {
                return Err(Error::corrupt(format!(
                    "the manifest claims an index of {} bytes",
                    pack.index_bytes
                )));
            }
            if u64::from(pack.index_bytes) > pack.stored_bytes {
                return contradiction("pack and index sizes");
            }
        }
        if record_count != self.record_count {
            return contradiction("record counts");
        }
        let sizes_agree = match self.kind {
            // `[`, the entries with a comma or `]` behind each; `[]` where there are none.
            CheckpointKind::State => self.raw_bytes == raw_bytes.saturating_add(1).max(2),
            CheckpointKind::Image => {
                let page_bytes = u64::from(self.page_bytes.unwrap_or(0));
                self.raw_bytes == raw_bytes && record_count.checked_mul(page_bytes) == Some(raw_bytes)
            }
        };
        if !sizes_agree {
            return contradiction("sizes");
        }
        if !run.packs.windows(2).all(|pair| matches!(pair, [a, b] if a.first_key < b.first_key)) {
            return contradiction("packs");
        }
        Ok(())
    }
}
