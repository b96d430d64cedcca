//! Manifests: the small JSON document that makes packs a checkpoint.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::key::RecordKey;
use super::pack::PackIndex;
use super::sealed::{PackWithin, SealedManifest};
use super::version::{MANIFEST_VERSION, SEALED_VERSION, can_read};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::id::{CheckpointId, Hash, Namespace, Time};

/// What manifests call themselves.
pub(super) const FORMAT_NAME: &str = "dotctl-manifest";

/// The version of manifests that knows directories.
const DIRECTORY_VERSION: u16 = 2;

/// The first version that says where a run lies.
const PLACE_VERSION: u16 = 2;

/// The version of manifests that knows delta runs.
const DELTA_VERSION: u16 = 3;

/// The version of manifests that knows rows.
const ROWS_VERSION: u16 = 3;

/// The version of manifests that knows codecs whose chunks are more than a frame of their bytes.
const MARKED_CODEC_VERSION: u16 = 3;

/// How a source was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointKind {
    /// State entries, ordered by key.
    State,
    /// A database's pages, exact.
    Image,
    /// A database's schema and rows, each a line: see [`crate::rows`].
    Rows,
}

impl CheckpointKind {
    /// The name used on the command line and in manifests.
    pub fn name(self) -> &'static str {
        match self {
            CheckpointKind::State => "state",
            CheckpointKind::Image => "image",
            CheckpointKind::Rows => "rows",
        }
    }

    /// Whether its records are lines of text: state entries or rows.
    pub fn has_lines(self) -> bool {
        self != CheckpointKind::Image
    }
}

/// What a run holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// Every record; of the checkpoint, where no delta run follows.
    Full,
    /// What has changed since the runs before it: see [`super::delta`].
    Delta,
    /// Where in an image the keys of `_cf_KV` are: see [`super::directory`].
    Directory,
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
    /// Where the pack is sealed, what it holds: then its name and its bytes are those of the sealed one, and all
    /// the rest is of the one within.
    #[serde(skip)]
    pub within: Option<PackWithin>,
}

/// Where the packs of a run lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In the second store, which takes what is too large for the first one.
    Overflow,
}

/// A sequence of records in key order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// What it holds.
    pub kind: RunKind,
    /// How its chunks are compressed.
    pub codec: Codec,
    /// Where its packs lie, if not beside the manifest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place: Option<Place>,
    /// The pack of the dictionary that its chunks may be made with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dictionary: Option<PackEntry>,
    /// Its packs, in the order of their keys.
    pub packs: Vec<PackEntry>,
}

/// Describes one checkpoint completely: with the packs it names it can be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always `dotctl-manifest`.
    format: String,
    /// The oldest version that can say this.
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
    /// State entries, pages, or lines of rows.
    pub record_count: u64,
    /// Bytes that restore writes: the database file, or the state as a compact JSON array. Of rows the
    /// bytes of their lines.
    pub raw_bytes: u64,
    /// SHA-256 of those bytes; of rows what [`crate::rows::RowsSum`] gives.
    pub content_sha256: Hash,
    /// Bytes of a page, for an image.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub page_bytes: Option<u32>,
    /// The full run; behind it delta runs, the oldest first, and an image's directory, if there are any.
    pub runs: Vec<Run>,
    /// What it lies in, where it is sealed.
    #[serde(skip)]
    pub(super) envelope: Option<Arc<SealedManifest>>,
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

    /// Most delta runs of a manifest: a reader has a chunk of each in memory.
    pub const DELTA_RUNS_MAX: usize = 16;

    /// A manifest without runs.
    pub fn new(
        namespace: Namespace,
        sequence: u64,
        kind: CheckpointKind,
        created_at: Time,
        content_sha256: Hash,
    ) -> Self {
        Manifest {
            format: FORMAT_NAME.to_owned(),
            version: if kind == CheckpointKind::Rows { ROWS_VERSION } else { 1 },
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
            envelope: None,
        }
    }

    /// The bytes of the document that a store keeps, and the id that they hash to: of the envelope, where it has
    /// one.
    ///
    /// # Errors
    /// Unsupported where packs are sealed and it is not.
    pub fn write(&self) -> Result<(CheckpointId, Vec<u8>)> {
        if let Some(envelope) = &self.envelope {
            return envelope.write();
        }
        if self.packs().any(|pack| pack.within.is_some()) {
            return Err(Error::unsupported("a checkpoint that is not sealed cannot have packs that are"));
        }
        self.write_open()
    }

    /// The envelope that it lies in, where it is sealed.
    pub fn envelope(&self) -> Option<&SealedManifest> {
        self.envelope.as_deref()
    }

    /// The document that an envelope holds: as if nothing were sealed, packs under the names of those within.
    ///
    /// # Errors
    /// Unsupported where a pack is not sealed.
    pub fn within(&self) -> Result<Vec<u8>> {
        let mut open = self.clone();
        for pack in open.packs_mut() {
            let within = pack
                .within
                .take()
                .ok_or_else(|| Error::unsupported("a sealed checkpoint cannot have packs that are not"))?;
            pack.sha256 = within.sha256;
            pack.stored_bytes = within.stored_bytes;
        }
        Ok(open.write_open()?.1)
    }

    /// Puts it into an envelope: `sealed` is what [`Manifest::within`] gave, sealed.
    #[must_use]
    pub fn seal(mut self, recipients: String, sealed: String) -> Self {
        self.envelope = Some(Arc::new(SealedManifest::around(&self, recipients, sealed)));
        self
    }

    fn write_open(&self) -> Result<(CheckpointId, Vec<u8>)> {
        let mut bytes = serde_json::to_vec(self)
            .map_err(|error| Error::malformed(format!("the manifest cannot be written: {error}")))?;
        bytes.push(b'\n');
        Manifest::check_length(bytes.len() as u64)?;
        Ok((Hash::of(&bytes), bytes))
    }

    /// The version of a document that this build reads.
    pub(super) fn version_of(bytes: &[u8]) -> Result<u16> {
        Manifest::check_length(bytes.len() as u64)?;
        let preamble: Preamble = serde_json::from_slice(bytes).map_err(not_a_manifest)?;
        if preamble.format != FORMAT_NAME {
            return Err(Error::corrupt(format!("not a checkpoint manifest but {:?}", preamble.format)));
        }
        can_read("the manifest", preamble.version, MANIFEST_VERSION)?;
        Ok(u16::try_from(preamble.version).unwrap_or(u16::MAX))
    }

    /// Reads a document that is not sealed, without knowing its id.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if Manifest::version_of(bytes)? == SEALED_VERSION {
            return Err(Error::corrupt("a sealed manifest where an open one belongs"));
        }
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(not_a_manifest)?;
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

    /// Adds a run behind the ones that are there.
    pub fn add_run(&mut self, run: Run) {
        self.version = self.version.max(match run.kind {
            RunKind::Full => 1,
            RunKind::Directory => DIRECTORY_VERSION,
            RunKind::Delta => DELTA_VERSION,
        });
        if run.codec.is_marked() {
            self.version = self.version.max(MARKED_CODEC_VERSION);
        }
        self.runs.push(run);
    }

    /// Says that all packs lie in the second store.
    pub fn overflow(&mut self) {
        self.version = self.version.max(PLACE_VERSION);
        for run in &mut self.runs {
            run.place = Some(Place::Overflow);
        }
    }

    /// The full run: the first, and the whole content.
    pub fn full_run(&self) -> Result<&Run> {
        match self.runs.as_slice() {
            [run, ..] if run.kind == RunKind::Full => Ok(run),
            _ => Err(Error::corrupt("the manifest's first run is not the full one")),
        }
    }

    /// The run that says where keys are, if there is one.
    pub fn directory(&self) -> Option<&Run> {
        self.runs.iter().find(|run| run.kind == RunKind::Directory)
    }

    /// The runs of changes over the full one, the oldest first.
    pub fn delta_runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| run.kind == RunKind::Delta)
    }

    /// Whether the content is a full run and changes to it.
    pub fn is_chain(&self) -> bool {
        self.delta_runs().next().is_some()
    }

    /// The runs of the content: the full one and the delta runs over it, the oldest first.
    pub fn content_runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| run.kind != RunKind::Directory)
    }

    /// The packs of the content: of the full run, in the order in which they are laid end to end,
    /// then of the delta runs.
    pub fn content_packs(&self) -> impl Iterator<Item = &PackEntry> {
        self.content_runs().flat_map(|run| &run.packs)
    }

    /// Bytes of all records: of an image's pages, or of state or rows as one record a line.
    pub fn records_bytes(&self) -> u64 {
        match self.kind {
            CheckpointKind::State if self.record_count == 0 => 0,
            CheckpointKind::State => self.raw_bytes.saturating_sub(1),
            CheckpointKind::Image | CheckpointKind::Rows => self.raw_bytes,
        }
    }

    /// Chunks of the content.
    pub fn chunk_count(&self) -> u64 {
        self.content_packs().map(|pack| u64::from(pack.chunk_count)).sum()
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

    /// Where its packs lie, if not beside it.
    pub fn place(&self) -> Option<Place> {
        self.runs.iter().find_map(|run| run.place)
    }

    /// Every pack, to say under which name it lies in its store.
    pub fn packs_mut(&mut self) -> impl Iterator<Item = &mut PackEntry> {
        self.runs.iter_mut().flat_map(|run| run.dictionary.iter_mut().chain(&mut run.packs))
    }

    /// Every pack, the directory's and dictionaries' too.
    pub fn packs(&self) -> impl Iterator<Item = &PackEntry> {
        self.runs.iter().flat_map(|run| run.dictionary.iter().chain(&run.packs))
    }

    fn check(&self) -> Result<()> {
        let run = self.full_run()?;
        let image = self.kind == CheckpointKind::Image;
        if self.kind == CheckpointKind::Rows && self.version < ROWS_VERSION {
            return Err(self.wrong_runs());
        }
        let deltas = self.delta_runs().count();
        match self.runs.get(1 + deltas..).unwrap_or_default() {
            [] => {}
            [more] if more.kind == RunKind::Directory && image && self.version >= DIRECTORY_VERSION => {
                // Whatever key is looked for, some record is not above it.
                if more.packs.first().is_none_or(|pack| !pack.first_key.as_bytes().is_empty()) {
                    return Err(Error::corrupt("the manifest's directory does not begin with the empty key"));
                }
            }
            _ => return Err(self.wrong_runs()),
        }
        if deltas > 0 {
            // A directory between them would be counted as one.
            let in_order = self.runs.iter().skip(1).take(deltas).all(|run| run.kind == RunKind::Delta);
            if self.version < DELTA_VERSION || deltas > Self::DELTA_RUNS_MAX || !in_order {
                return Err(self.wrong_runs());
            }
            if self.delta_runs().any(|run| run.packs.is_empty()) {
                return Err(Error::corrupt("the manifest has a delta run without packs"));
            }
        }
        if self.version < PLACE_VERSION && self.runs.iter().any(|run| run.place.is_some()) {
            return Err(Error::corrupt("a manifest of version 1 does not say where its runs lie"));
        }
        for run in &self.runs {
            let marked = run.codec.is_marked() && self.version < MARKED_CODEC_VERSION;
            let dictionary = run.dictionary.is_some() && !run.codec.takes_dictionary();
            if marked || dictionary {
                return Err(self.wrong_runs());
            }
        }
        // Whoever adds sizes up after this need not look again.
        let mut stored_bytes = 0_u64;
        for pack in self.packs() {
            stored_bytes =
                stored_bytes.checked_add(pack.stored_bytes).ok_or_else(|| contradiction("sizes"))?;
            pack.check()?;
        }
        for run in &self.runs {
            run.sums()?;
            if !run.packs.windows(2).all(|pair| matches!(pair, [a, b] if a.first_key < b.first_key)) {
                return Err(contradiction("packs"));
            }
        }
        let (record_count, raw_bytes) = run.sums()?;
        // What a chain comes to is known once its runs are merged.
        if deltas == 0 && record_count != self.record_count {
            return Err(contradiction("record counts"));
        }
        let sizes_agree = match self.kind {
            // `[`, the entries with a comma or `]` behind each; `[]` where there are none.
            CheckpointKind::State => {
                self.raw_bytes >= 2 && (deltas > 0 || self.raw_bytes == raw_bytes.saturating_add(1).max(2))
            }
            CheckpointKind::Image => {
                let page_bytes = u64::from(self.page_bytes.unwrap_or(0));
                (deltas > 0 || self.raw_bytes == raw_bytes)
                    && self.record_count.checked_mul(page_bytes) == Some(self.raw_bytes)
            }
            CheckpointKind::Rows => deltas > 0 || self.raw_bytes == raw_bytes,
        };
        if !sizes_agree {
            return Err(contradiction("sizes"));
        }
        Ok(())
    }

    fn wrong_runs(&self) -> Error {
        Error::corrupt(format!("the manifest, of version {}, has runs that it cannot have", self.version))
    }
}

fn not_a_manifest(error: serde_json::Error) -> Error {
    Error::corrupt(format!("not a checkpoint manifest: {error}"))
}

impl PackEntry {
    fn check(&self) -> Result<()> {
        if self.index_bytes > PackIndex::READ_BYTES_MAX {
            return Err(Error::corrupt(format!(
                "the manifest claims an index of {} bytes",
                self.index_bytes
            )));
        }
        if u64::from(self.index_bytes) > self.stored_bytes {
            return Err(contradiction("pack and index sizes"));
        }
        Ok(())
    }
}

impl Run {
    /// Records and raw bytes of all packs.
    fn sums(&self) -> Result<(u64, u64)> {
        let sums = self.packs.iter().try_fold((0_u64, 0_u64), |(records, raw), pack| {
            Some((records.checked_add(pack.record_count)?, raw.checked_add(pack.raw_bytes)?))
        });
        sums.ok_or_else(|| contradiction("sizes"))
    }
}

fn contradiction(what: &str) -> Error {
    Error::corrupt(format!("the manifest's {what} contradict each other"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codecs_that_older_readers_do_not_know_need_a_newer_version() {
        let pack = PackEntry {
            sha256: Hash::of(b"pack"),
            stored_bytes: 100,
            raw_bytes: 0,
            record_count: 0,
            chunk_count: 1,
            first_key: RecordKey::default(),
            index_bytes: 50,
            index_sha256: Hash::of(b"index"),
            within: None,
        };
        let parsed = |codec, dictionary: &Option<PackEntry>, version: &str| {
            let created_at = Time::from_unix_ms(0).unwrap();
            let namespace = Namespace::new("a").unwrap();
            let mut manifest =
                Manifest::new(namespace, 1, CheckpointKind::State, created_at, Hash::of(b"[]"));
            manifest.raw_bytes = 2;
            let dictionary = dictionary.clone();
            manifest.add_run(Run { kind: RunKind::Full, codec, place: None, dictionary, packs: Vec::new() });
            let (_, bytes) = manifest.write().unwrap();
            let text = String::from_utf8(bytes).unwrap();
            let own = format!("\"version\":{}", manifest.version);
            Manifest::parse(text.replace(&own, &format!("\"version\":{version}")).as_bytes())
        };
        for codec in Codec::ALL {
            assert_eq!(parsed(codec, &None, "3").unwrap().full_run().unwrap().codec, codec);
            assert_eq!(parsed(codec, &None, "2").is_err(), codec.is_marked(), "{codec}");
            let with_dictionary = parsed(codec, &Some(pack.clone()), "3");
            assert_eq!(with_dictionary.is_ok(), codec.takes_dictionary(), "{codec}");
            if let Ok(manifest) = with_dictionary {
                assert_eq!(manifest.packs().count(), 1);
                assert_eq!(manifest.stored_bytes(), 100);
                assert_eq!(manifest.content_packs().count(), 0);
            }
        }
    }
}
