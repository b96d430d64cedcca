//! What every store of checkpoints offers, whatever it is made of.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use dotctl_engine::checkpoint::{CheckpointFacts, PackSink};
use dotctl_engine::format::layout::ManifestKey;
use dotctl_engine::format::{Document, Manifest, PackEntry, SealedManifest};
use dotctl_engine::id::{CheckpointId, Hash, Namespace, Time};
use dotctl_engine::tag::Tagged;
use dotctl_engine::{Damage, Error, ErrorKind, Result};

use crate::prune::{PruneRequest, Pruned};

/// A place that keeps checkpoints.
pub trait Store: Sync {
    /// How people call it.
    fn location(&self) -> String;

    /// The manifests' keys, ordered by namespace and sequence. `strays` are names among them that
    /// no manifest can have.
    fn manifests(&self) -> Result<ManifestListing>;

    /// The stored bytes of a manifest.
    fn read_manifest(&self, key: &ManifestKey) -> Result<Vec<u8>>;

    /// The stored bytes of several manifests, in the order of `keys`.
    fn read_manifests(&self, keys: &[ManifestKey]) -> Vec<Result<Vec<u8>>> {
        keys.iter().map(|key| self.read_manifest(key)).collect()
    }

    /// Opens the pack that `entry` promises; `None` where there is none of its name. That it has
    /// the promised length is checked now or by the first read, which then also tells if it is
    /// missing.
    fn open_pack(&self, entry: &PackEntry, access: Access) -> Result<Option<Box<dyn Pack>>>;

    /// Bytes of packs that may be opened as a whole beside those that are open, where an open pack is kept in
    /// memory because reading waits; `None` where it is neither.
    fn room_bytes(&self) -> Option<u64> {
        None
    }

    /// Where a pack lies: a path or key that other tools understand.
    fn pack_location(&self, sha256: &Hash) -> String;

    /// The packs that the store holds, and whether somebody is writing, or was stopped while
    /// writing, so that packs without a manifest are to be expected.
    fn packs(&self) -> Result<PackListing>;

    /// What is wrong by a record that the store itself keeps of its manifests: places and errors.
    /// `listing` is what [`Store::manifests`] gave. A store that keeps no such record has nothing
    /// to say.
    fn audit(&self, listing: &ManifestListing) -> Result<Vec<(String, Error)>> {
        let _ = listing;
        Ok(Vec::new())
    }

    /// A folder on this machine for temporary files as large as a source.
    fn scratch_folder(&self) -> PathBuf;

    /// Refuses a database that this store cannot keep an image of: the one that it lies in.
    fn check_source(&self, _path: &Path) -> Result<()> {
        Ok(())
    }

    /// Whether a checkpoint may be laid over another one's packs.
    fn takes_increments(&self) -> bool {
        true
    }

    /// The fewest packs of content with which an image gets a directory, which is one pack more: so
    /// that a small checkpoint costs no more requests than it must.
    fn directory_packs_min(&self) -> usize {
        1
    }

    /// How a pack that is damaged or missing is replaced.
    fn repair(&self) -> &'static str {
        "a snapshot of the same state puts it in again, or another copy of the store: equal names are equal bytes"
    }

    /// Whether it holds the pack of `entry`, as far as it looks before it believes that. A damaged one it does
    /// not hold.
    fn holds(&self, entry: &PackEntry) -> Result<bool> {
        check_held(self.open_pack(entry, Access::Whole), entry)
    }

    /// Begins to write one checkpoint.
    fn begin(&self) -> Result<Box<dyn Session + '_>>;

    /// Begins to write one checkpoint, sealed for those for whom `manifest` is, if it is.
    ///
    /// # Errors
    /// Sealed where the key is not at hand that tells for whom.
    fn begin_like(&self, manifest: &Manifest) -> Result<Box<dyn Session + '_>> {
        match manifest.envelope() {
            Some(_) => Err(no_identity()),
            None => self.begin(),
        }
    }

    /// What becomes of checkpoints that are written here.
    fn sealing(&self) -> Sealing {
        Sealing::None
    }

    /// Opens a sealed manifest with the keys that are at hand.
    ///
    /// # Errors
    /// Sealed where none of them does; corrupt where what it opens is not what was sealed.
    fn open_manifest(&self, _sealed: &SealedManifest) -> Result<Manifest> {
        Err(no_identity())
    }

    /// What of the sealed pack of `entry` is within.
    ///
    /// # Errors
    /// As [`Store::open_manifest`].
    fn open_sealed(&self, _entry: &PackEntry, _pack: Box<dyn Pack>) -> Result<Box<dyn Pack>> {
        Err(no_identity())
    }

    /// Whether what is written here now is sealed for just those for whom `manifest` is, so that it may name the
    /// same packs.
    fn seals_like(&self, manifest: &Manifest) -> bool {
        self.sealing() != Sealing::Sealed && manifest.envelope().is_none()
    }

    /// The tags that checkpoints have, ordered. One whose checkpoint was removed means nothing.
    fn tags(&self) -> Result<Vec<Tagged>>;

    /// Gives a checkpoint a tag, for good when this returns, and says whether it did not have it. No prune that
    /// keeps this tag removes the checkpoint then, not even one that is under way.
    ///
    /// # Errors
    /// Missing, where the checkpoint is not there, or not any more.
    fn add_tag(&self, tagged: &Tagged) -> Result<bool>;

    /// Takes a tag from a checkpoint, and says whether it had it.
    fn remove_tag(&self, tagged: &Tagged) -> Result<bool>;

    /// Removes checkpoints, and packs that nobody needs: manifests before packs, each for good before
    /// what comes next, and nothing that a checkpoint needs which is being written beside it.
    fn prune(&self, request: PruneRequest) -> Result<Pruned>;

    /// Whether this is a store together with the second one, where its large checkpoints lie.
    fn has_overflow(&self) -> bool {
        false
    }

    /// Manifests that got lost and may be put back.
    fn lost_manifests(&self) -> Result<Vec<ManifestKey>> {
        Ok(Vec::new())
    }

    /// Requests sent so far, where they cost something.
    fn requests(&self) -> Option<Requests> {
        None
    }

    /// What the user should know about the store, once something has been learnt.
    fn warning(&self) -> Option<String> {
        None
    }
}

/// What becomes of checkpoints that are written to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealing {
    /// They lie open, and may not follow one of their namespace that is sealed.
    None,
    /// They lie open, whatever came before.
    Open,
    /// They are sealed.
    Sealed,
}

/// That something is sealed, and nobody gave a key.
pub fn no_identity() -> Error {
    Error::new(ErrorKind::Sealed, "the checkpoint is sealed, and there is no key to open it")
        .hint("name the file of the age identity that it is sealed for: --identity FILE")
}

/// Requests sent to a bucket, in the classes by which R2 counts them. One that failed or was sent
/// again counts too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Those that write or list.
    pub class_a: u64,
    /// Those that read.
    pub class_b: u64,
    /// Whether the bucket is one of R2, so that R2's prices are what they cost.
    pub at_r2: bool,
}

/// What [`Store::manifests`] found.
#[derive(Debug, Default)]
pub struct ManifestListing {
    /// Keys of manifests, ordered by namespace and sequence.
    pub keys: Vec<ManifestKey>,
    /// Names that are not a manifest's.
    pub strays: Vec<String>,
}

/// What [`Store::packs`] found.
#[derive(Debug, Default)]
pub struct PackListing {
    /// The packs, with the bytes that each has.
    pub packs: Vec<(Hash, u64)>,
    /// Whether a writer is, or was, in the middle of something.
    pub unfinished: bool,
}

/// How much of a pack its reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// All of it, in order or nearly so.
    Whole,
    /// A few places.
    Parts,
}

/// A stored pack, read at any place by any thread.
pub trait Pack: Send + Sync {
    /// Fills `into` from `offset` on.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()>;

    /// Fills `into` again from where the pack really lies, since what came first was not as it was
    /// written and may have been damaged on its way. Says `false` where nothing else could come.
    fn read_again(&self, _offset: u64, _into: &mut [u8]) -> Result<bool> {
        Ok(false)
    }
}

/// How often bytes that are not as they were written are fetched again before the damage is
/// believed to lie in the store.
pub const READS_AGAIN_MAX: usize = 3;

/// Refuses the pack of `entry` if it has another length.
pub fn check_length(entry: &PackEntry, actual_bytes: u64) -> Result<()> {
    match actual_bytes == entry.stored_bytes {
        true => Ok(()),
        false => Err(Error::damaged(Damage::Size, "the pack", entry.stored_bytes, actual_bytes)),
    }
}

/// That a checkpoint cannot name the pack at `location`, which it did not write: somebody has pruned
/// the one that it came from.
pub fn pruned_meanwhile(location: String) -> Error {
    Error::new(ErrorKind::Busy, "a pack that this checkpoint needs has been pruned meanwhile")
        .at(location)
        .hint("run the command again")
}

/// The damage that the pack of `entry` is not there.
pub fn missing_pack(entry: &PackEntry) -> Error {
    Error::damaged(Damage::Missing, "the pack", entry.sha256, "nothing")
}

/// What makes a checkpoint's manifest, once it has its number, what is to be stored.
pub type Finish<'f> = dyn Fn(Manifest) -> Result<Manifest> + 'f;

/// One checkpoint being written. Dropped without a commit, it leaves nothing that counts.
pub trait Session: PackSink {
    /// Makes every pack durable, then creates the manifest. Packs that it names and that were not
    /// sealed here have to be there still.
    fn commit(
        &mut self,
        facts: CheckpointFacts,
        namespace: &Namespace,
        created_at: Time,
    ) -> Result<Committed> {
        self.commit_as(facts, namespace, created_at, &Ok)
    }

    /// The same; the manifest is stored as `finish` gives it.
    fn commit_as(
        &mut self,
        facts: CheckpointFacts,
        namespace: &Namespace,
        created_at: Time,
        finish: &Finish<'_>,
    ) -> Result<Committed>;

    /// Makes every pack durable, then creates a manifest that was made elsewhere and keeps its id: a
    /// copy. `None` if it is there already.
    fn adopt(&mut self, document: Document) -> Result<Option<Adopted>>;

    /// Forgets what was appended to the pack being written.
    fn discard(&mut self) -> Result<()>;
}

/// A checkpoint that now exists.
#[derive(Debug)]
pub struct Committed {
    /// Its id.
    pub id: CheckpointId,
    /// Its manifest.
    pub manifest: Manifest,
    /// Bytes of packs that the store did not hold before.
    pub new_bytes: u64,
    /// Chunks of the content in them.
    pub new_chunk_count: u64,
}

impl Committed {
    /// What became of `manifest`, with these packs new in the store.
    pub fn new(id: CheckpointId, manifest: Manifest, new_packs: &HashSet<Hash>) -> Self {
        let (new_bytes, new_chunk_count) = novelty(&manifest, new_packs);
        Committed { id, manifest, new_bytes, new_chunk_count }
    }
}

/// What a checkpoint that was adopted brought.
#[derive(Debug, Clone, Copy)]
pub struct Adopted {
    /// Bytes of packs that the store did not hold before.
    pub new_bytes: u64,
    /// Chunks of the content in them; `None` where it is sealed and nobody knows.
    pub new_chunk_count: Option<u64>,
}

impl Adopted {
    /// What became of `document`, with these packs new in the store.
    pub fn new(document: &Document, new_packs: &HashSet<Hash>) -> Self {
        match document {
            Document::Open(manifest) => {
                let (new_bytes, chunk_count) = novelty(manifest, new_packs);
                Adopted { new_bytes, new_chunk_count: Some(chunk_count) }
            }
            Document::Sealed(sealed) => {
                let new = sealed.packs.iter().filter(|pack| new_packs.contains(&pack.sha256));
                Adopted { new_bytes: new.map(|pack| pack.stored_bytes).sum(), new_chunk_count: None }
            }
        }
    }
}

/// Bytes of those packs of `manifest` that are new, and chunks of the content in them.
fn novelty(manifest: &Manifest, new_packs: &HashSet<Hash>) -> (u64, u64) {
    let is_new = |pack: &&PackEntry| new_packs.contains(&pack.sha256);
    let bytes = manifest.packs().filter(is_new).map(|pack| pack.stored_bytes).sum();
    let chunk_count = manifest.content_packs().filter(is_new).map(|pack| u64::from(pack.chunk_count)).sum();
    (bytes, chunk_count)
}

/// The key of a document that lies in a store, and its bytes.
pub fn keyed(document: &Document) -> Result<(ManifestKey, Vec<u8>)> {
    let (id, bytes) = document.write()?;
    Ok((ManifestKey { namespace: document.namespace().clone(), sequence: document.sequence(), id }, bytes))
}

/// Whether `opened`, what a store answered when it was asked for the pack of `entry`, is that pack.
pub fn check_held(opened: Result<Option<Box<dyn Pack>>>, entry: &PackEntry) -> Result<bool> {
    match opened {
        // A bad sector is damage too.
        Ok(Some(held)) => Ok(check_pack(held.as_ref(), entry, &mut vec![0; 256 << 10], |_| ()).is_ok()),
        Ok(None) => Ok(false),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads all of `pack`, through `buffer`, and compares its hash with `entry`; `read` hears of the
/// bytes.
pub fn check_pack(
    pack: &dyn Pack,
    entry: &PackEntry,
    buffer: &mut [u8],
    mut read: impl FnMut(u64),
) -> Result<()> {
    let mut sha256 = Sha256::new();
    let mut offset = 0;
    while offset < entry.stored_bytes {
        let length = (entry.stored_bytes - offset).min(buffer.len() as u64) as usize;
        let part = buffer.get_mut(..length).unwrap_or_default();
        pack.read_at(offset, part)?;
        sha256.update(&*part);
        offset += length as u64;
        read(length as u64);
    }
    let mut actual = Hash::finish(sha256);
    // An empty read tells whether there is anything to read again.
    if actual != entry.sha256 && pack.read_again(0, &mut [])? {
        let mut again = vec![0; usize::try_from(entry.stored_bytes).unwrap_or_default()];
        for _ in 0..READS_AGAIN_MAX {
            pack.read_again(0, &mut again)?;
            actual = Hash::of(&again);
            if actual == entry.sha256 {
                break;
            }
        }
    }
    match actual == entry.sha256 {
        true => Ok(()),
        false => Err(Error::damaged(Damage::Checksum, "the pack", entry.sha256, actual)),
    }
}
