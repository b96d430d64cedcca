//! Reading checkpoints as a restore would, and telling everything that is wrong.

use std::collections::HashSet;

use dotctl_engine::checkpoint::{ContentHash, StateForm};
use dotctl_engine::chunk::{ChunkReader, ChunkSize};
use dotctl_engine::format::layout::ManifestKey;
use dotctl_engine::format::{CheckpointKind, Manifest, PackEntry};
use dotctl_engine::id::Hash;
use dotctl_engine::{Damage, Error, ErrorKind, Result};

use super::chunks::{CheckpointReader, ChunkPlan, check_end};
use super::progress::Progress;
use crate::buffer::AlignedBuffer;
use crate::pipeline::{self, Slot};
use crate::store::{Access, Store, check_pack, missing_pack};

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The manifest, pack or file.
    pub target: String,
    /// What is wrong.
    pub error: Error,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Checkpoints.
    pub checkpoints: u64,
    /// Chunks decoded; with a quick check, chunks in packs whose hash was taken.
    pub chunks: u64,
    /// Stored bytes read.
    pub bytes: u64,
}

/// Verifies checkpoints of one store, each pack once where that is enough.
pub struct Verifier<'a> {
    store: &'a dyn Store,
    quick: bool,
    /// Everything found so far.
    pub findings: Vec<Finding>,
    /// Everything read so far.
    pub checked: Checked,
    /// What manifests promise that have been verified, and packs that a quick check has hashed.
    substances: HashSet<Hash>,
    packs: HashSet<Hash>,
}

#[derive(Default)]
struct VerifySlot {
    job: Option<Job>,
    stored: Vec<u8>,
    raw: AlignedBuffer,
    outcome: Option<Result<()>>,
}

enum Job {
    Chunk(ChunkPlan),
    Broken(Finding),
}

impl Slot for VerifySlot {
    fn held_bytes(&self) -> usize {
        let (stored, raw) = match &self.job {
            Some(Job::Chunk(plan)) => (plan.stored_bytes(), plan.raw_bytes()),
            Some(Job::Broken(_)) | None => (0, 0),
        };
        self.stored.capacity().max(stored as usize) + self.raw.capacity().max(raw as usize)
    }
}

impl<'a> Verifier<'a> {
    /// A verifier of `store`; a quick one takes the packs' hashes and decodes nothing.
    pub fn new(store: &'a dyn Store, quick: bool) -> Self {
        Verifier {
            store,
            quick,
            findings: Vec::new(),
            checked: Checked::default(),
            substances: HashSet::new(),
            packs: HashSet::new(),
        }
    }

    /// Verifies everything that the store holds.
    pub fn store(&mut self, progress: &dyn Progress) -> Result<()> {
        // Before the manifests: a checkpoint made meanwhile then explains its packs.
        let packs = self.store.packs()?;
        let listing = self.store.manifests()?;
        for stray in listing.strays {
            self.find(stray, Error::corrupt("no manifest has this name"));
        }
        let mut named = HashSet::new();
        for key in &listing.keys {
            if let Some(manifest) = self.checkpoint(key, progress)? {
                named.extend(manifest.packs().map(|pack| pack.sha256));
            }
        }
        // A writer at work, or stopped at work, explains packs without a manifest.
        let broken_manifest = self.findings.iter().any(|finding| finding.target.starts_with("manifests/"));
        if !packs.unfinished && !broken_manifest {
            for (pack, _) in packs.packs.iter().filter(|(pack, _)| !named.contains(pack)) {
                let error =
                    Error::damaged(Damage::Missing, "the manifest of this pack", "a manifest", "none");
                self.find(self.store.pack_location(pack), error);
            }
        }
        Ok(())
    }

    /// Verifies one checkpoint and gives its manifest, if that can be read.
    pub fn checkpoint(&mut self, key: &ManifestKey, progress: &dyn Progress) -> Result<Option<Manifest>> {
        let read = self.store.read_manifest(key).and_then(|bytes| {
            let manifest = Manifest::read(key.id, &bytes)?;
            if manifest.namespace == key.namespace && manifest.sequence == key.sequence {
                Ok(manifest)
            } else {
                Err(Error::corrupt("the manifest lies under another checkpoint's name"))
            }
        });
        self.checked.checkpoints += 1;
        match read {
            Ok(manifest) => {
                self.manifest(&manifest, progress)?;
                Ok(Some(manifest))
            }
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_) | ErrorKind::Unsupported) => {
                self.find(key.to_string(), error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Verifies what `manifest` names.
    pub fn manifest(&mut self, manifest: &Manifest, progress: &dyn Progress) -> Result<()> {
        if self.quick {
            return self.packs_quickly(manifest, progress);
        }
        if self.substances.insert(manifest.substance()?) {
            self.content(manifest, progress)?;
        }
        Ok(())
    }

    fn find(&mut self, target: String, error: Error) {
        let finding = Finding { target, error };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Decodes every chunk and hashes the content.
    fn content(&mut self, manifest: &Manifest, progress: &dyn Progress) -> Result<()> {
        let store = self.store;
        let mut content = ContentHash::new(manifest.kind);
        let mut chunks = CheckpointReader::new(store, manifest)?;
        let mut whole = true;
        let workers = pipeline::worker_count();
        progress.begin("verifying", Some(manifest.raw_bytes));
        let verified = pipeline::run(
            workers,
            pipeline::slot_count(workers, ChunkSize::DEFAULT.bytes()),
            |slot: &mut VerifySlot| {
                slot.job = next_job(store, &mut chunks)?;
                Ok(slot.job.is_some())
            },
            ChunkReader::new,
            |reader, slot| {
                if let Some(Job::Chunk(plan)) = &slot.job {
                    let read = plan.read(reader, &mut slot.stored, &mut slot.raw, 0);
                    slot.outcome = Some(read.and_then(|()| check_end(manifest.kind, &slot.raw)));
                    if manifest.kind == CheckpointKind::State {
                        StateForm::Array.shape(&mut slot.raw);
                    }
                }
                Ok(())
            },
            |slot| {
                match (slot.job.take(), slot.outcome.take()) {
                    (Some(Job::Chunk(plan)), Some(Ok(()))) => {
                        content.update(&slot.raw);
                        self.checked.chunks += 1;
                        self.checked.bytes += slot.stored.len() as u64;
                        progress.advance(plan.raw_bytes().into());
                    }
                    (Some(Job::Chunk(plan)), Some(Err(error))) => {
                        whole = false;
                        self.find(plan.location().to_owned(), lasting(error)?);
                    }
                    (Some(Job::Broken(finding)), _) => {
                        whole = false;
                        self.find(finding.target, finding.error);
                    }
                    (Some(Job::Chunk(_)), None) | (None, _) => {}
                }
                Ok(())
            },
        );
        progress.end();
        verified?;
        let (actual, _) = content.finish();
        if whole && actual != manifest.content_sha256 {
            let target = format!("checkpoint {}", manifest.write()?.0);
            self.find(
                target,
                Error::damaged(Damage::Checksum, "the content", manifest.content_sha256, actual),
            );
        }
        Ok(())
    }

    /// Takes the hash of every pack not yet seen, several at once.
    fn packs_quickly(&mut self, manifest: &Manifest, progress: &dyn Progress) -> Result<()> {
        let store = self.store;
        let fresh: Vec<&PackEntry> = manifest.packs().filter(|pack| self.packs.insert(pack.sha256)).collect();
        progress.begin("hashing packs", Some(fresh.iter().map(|pack| pack.stored_bytes).sum()));
        let mut packs = fresh.into_iter();
        let workers = pipeline::worker_count();
        let verified = pipeline::run(
            workers,
            workers * 2,
            |slot: &mut QuickSlot| {
                slot.pack = packs.next().cloned();
                Ok(slot.pack.is_some())
            },
            || Ok(vec![0; 256 << 10]),
            |buffer, slot| {
                slot.outcome = slot.pack.as_ref().map(|pack| hash_pack(store, pack, buffer, progress));
                Ok(())
            },
            |slot| {
                let (Some(pack), Some(outcome)) = (slot.pack.take(), slot.outcome.take()) else {
                    return Ok(());
                };
                match outcome {
                    Ok(()) => {
                        self.checked.chunks += u64::from(pack.chunk_count);
                        self.checked.bytes += pack.stored_bytes;
                    }
                    Err(error) => self.find(store.pack_location(&pack.sha256), lasting(error)?),
                }
                Ok(())
            },
        );
        progress.end();
        verified
    }
}

#[derive(Default)]
struct QuickSlot {
    pack: Option<PackEntry>,
    outcome: Option<Result<()>>,
}

impl Slot for QuickSlot {
    fn held_bytes(&self) -> usize {
        0
    }
}

fn hash_pack(store: &dyn Store, entry: &PackEntry, buffer: &mut [u8], progress: &dyn Progress) -> Result<()> {
    let pack = store.open_pack(entry, Access::Whole)?.ok_or_else(|| missing_pack(entry))?;
    check_pack(pack.as_ref(), entry, buffer, |bytes| progress.advance(bytes))
}

/// The finding that `error` is, unless it is the machine's and may be gone the next time.
fn lasting(error: Error) -> Result<Error> {
    match error.kind() {
        ErrorKind::Corrupt(_) | ErrorKind::Unsupported => Ok(error),
        _ => Err(error),
    }
}

/// The next chunk to verify, or the finding that its pack cannot be opened.
fn next_job(store: &dyn Store, chunks: &mut CheckpointReader<'_>) -> Result<Option<Job>> {
    match chunks.next_chunk() {
        Ok(plan) => Ok(plan.map(Job::Chunk)),
        Err(error) => {
            let target = chunks.pack().map_or_else(String::new, |pack| store.pack_location(&pack.sha256));
            Ok(Some(Job::Broken(Finding { target, error: lasting(error)? })))
        }
    }
}
