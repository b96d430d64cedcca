//! Reading checkpoints as a restore would, and telling everything that is wrong.

use std::collections::HashSet;

use dotctl_engine::checkpoint::{ContentHash, DirectoryCheck, shape_content};
use dotctl_engine::chunk::{ChunkReader, ChunkSize};
use dotctl_engine::finding::{Checked, Finding};
use dotctl_engine::format::delta::DeltaChunk;
use dotctl_engine::format::layout::{MANIFESTS, ManifestKey};
use dotctl_engine::format::{CheckpointKind, Document, Manifest, PackEntry, Run, RunKind};
use dotctl_engine::id::Hash;
use dotctl_engine::{Damage, Error, ErrorKind, Result};

use super::chunks::{ChunkPlan, RunReader, check_end};
use super::merged::read_merged;
use super::progress::Progress;
use crate::buffer::AlignedBuffer;
use crate::pipeline::{self, Slot};
use crate::reference::{see_each, seen_in};
use crate::store::{Access, ManifestListing, Store, check_pack, missing_pack};

/// How often a pack must be found without a manifest again before it is believed to have none.
const LOOKS_AGAIN: usize = 3;

/// Verifies checkpoints of one store, each pack once where that is enough.
pub struct Verifier<'a> {
    store: &'a dyn Store,
    quick: bool,
    /// Everything found so far.
    pub findings: Vec<Finding>,
    /// What could not be read, once for each manifest and pack: nobody knows whether it is damaged.
    pub unread: Vec<Finding>,
    /// Everything read so far.
    pub checked: Checked,
    /// What manifests promise that have been verified, and packs that a quick check has hashed.
    substances: HashSet<Hash>,
    packs: HashSet<Hash>,
    /// Whether what is looked at now is sealed.
    sealed: bool,
    /// Sealed packs whose hashes are wrong, or could not be taken.
    broken_packs: HashSet<Hash>,
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
            unread: Vec::new(),
            checked: Checked::default(),
            substances: HashSet::new(),
            packs: HashSet::new(),
            sealed: false,
            broken_packs: HashSet::new(),
        }
    }

    /// Verifies everything that the store holds.
    ///
    /// # Errors
    /// The store's, if it cannot list what it holds; an interruption. What cannot be read is in
    /// [`Verifier::unread`], and the rest is verified all the same.
    pub fn store(&mut self, progress: &dyn Progress) -> Result<()> {
        // Before the manifests: a checkpoint made meanwhile then explains its packs.
        let packs = self.store.packs()?;
        let listing = self.store.manifests()?;
        for stray in &listing.strays {
            self.find(stray.clone(), Error::corrupt("no manifest has this name"));
        }
        match self.store.audit(&listing) {
            Ok(found) => found.into_iter().for_each(|(place, error)| self.find(place, error)),
            Err(error) => self.note(self.store.location(), error)?,
        }
        let mut named = HashSet::new();
        for key in &listing.keys {
            if let Some(document) = self.checkpoint(key, progress)? {
                named.extend(document.packs().iter().map(|pack| pack.sha256));
            }
        }
        // A writer at work, or stopped at work, explains packs without a manifest.
        let mut all = self.findings.iter().chain(&self.unread);
        let broken_manifest = all.any(|finding| finding.target.starts_with(MANIFESTS));
        if !packs.unfinished && !broken_manifest {
            let mut nameless: Vec<Hash> = packs.packs.into_iter().map(|(pack, _)| pack).collect();
            nameless.retain(|pack| !named.contains(pack));
            self.look_again(&mut nameless, named, &listing)?;
            for pack in &nameless {
                let error =
                    Error::damaged(Damage::Missing, "the manifest of this pack", "a manifest", "none");
                self.find(self.store.pack_location(pack), error);
            }
        }
        Ok(())
    }

    /// Verifies one checkpoint and gives its document, if that can be read.
    pub fn checkpoint(&mut self, key: &ManifestKey, progress: &dyn Progress) -> Result<Option<Document>> {
        let seen = self.store.read_manifest(key).and_then(|bytes| seen_in(key.clone(), &bytes));
        let before = (self.findings.len(), self.unread.len(), self.checked);
        self.checked.checkpoints += 1;
        let document = match seen {
            Ok(seen) => Some(self.document(seen.document, progress)?),
            Err(error) => {
                self.note(key.to_string(), error)?;
                None
            }
        };
        if (self.findings.len(), self.unread.len()) == (before.0, before.1) || !self.is_pruned(key)? {
            return Ok(document);
        }
        // What is wrong with it concerns nobody, and others may have its packs.
        self.findings.truncate(before.0);
        self.unread.truncate(before.1);
        self.checked.checkpoints = before.2.checkpoints;
        self.checked.unopened_checkpoints = before.2.unopened_checkpoints;
        if let Some(document) = document {
            if let Some(manifest) = document.manifest() {
                self.substances.remove(&manifest.substance()?);
            }
            for pack in document.packs() {
                self.packs.remove(&pack.sha256);
            }
        }
        Ok(None)
    }

    /// Takes from `nameless` what is gone or has a name by now: prunes and writers may have come between
    /// the lists, `listing` among them, of which `named` are the packs.
    fn look_again(
        &self,
        nameless: &mut Vec<Hash>,
        mut named: HashSet<Hash>,
        listing: &ManifestListing,
    ) -> Result<()> {
        let mut seen: HashSet<ManifestKey> = listing.keys.iter().cloned().collect();
        for _ in 0..LOOKS_AGAIN {
            if nameless.is_empty() {
                break;
            }
            let packs = self.store.packs()?;
            if packs.unfinished {
                nameless.clear();
                break;
            }
            let there: HashSet<Hash> = packs.packs.into_iter().map(|(pack, _)| pack).collect();
            let fresh = self.store.manifests()?.keys.into_iter().filter(|key| seen.insert(key.clone()));
            let fresh: Vec<ManifestKey> = fresh.collect();
            for seen in see_each(self.store, &fresh).flatten() {
                named.extend(seen.document.packs().iter().map(|pack| pack.sha256));
            }
            nameless.retain(|pack| there.contains(pack) && !named.contains(pack));
        }
        Ok(())
    }

    /// Whether the checkpoint was removed on purpose since it was listed.
    fn is_pruned(&self, key: &ManifestKey) -> Result<bool> {
        let is_gone = self.store.read_manifest(key).is_err_and(|error| error.kind() == ErrorKind::Missing);
        Ok(is_gone && !self.store.lost_manifests()?.contains(key))
    }

    /// Verifies what `document` names and gives it back, opened if it can be: of one that is sealed and cannot,
    /// what lies in the store.
    pub fn document(&mut self, document: Document, progress: &dyn Progress) -> Result<Document> {
        self.sealed = document.is_sealed();
        let opened = match &document {
            Document::Open(manifest) => {
                self.manifest(manifest, progress)?;
                return Ok(document);
            }
            Document::Sealed(sealed) => self.store.open_manifest(sealed),
        };
        match opened {
            Ok(manifest) => {
                self.manifest(&manifest, progress)?;
                return Ok(Document::Open(manifest));
            }
            Err(error) if error.kind() == ErrorKind::Sealed => self.checked.unopened_checkpoints += 1,
            Err(error) => self.note(format!("checkpoint {}", document.write()?.0), error)?,
        }
        self.packs_quickly(document.entries(), true, progress)?;
        Ok(document)
    }

    fn manifest(&mut self, manifest: &Manifest, progress: &dyn Progress) -> Result<()> {
        let packs = || manifest.packs().cloned().collect();
        if self.quick {
            return self.packs_quickly(packs(), true, progress);
        }
        if manifest.envelope().is_some() {
            // What opens right may still be sealed anew, under another hash than its name.
            self.packs_quickly(packs(), false, progress)?;
            if manifest.packs().any(|pack| self.broken_packs.contains(&pack.sha256)) {
                return Ok(());
            }
        }
        if self.substances.insert(manifest.substance()?) {
            match manifest.is_chain() {
                true => self.chain(manifest, progress)?,
                false => self.content(manifest, progress)?,
            }
            self.directory(manifest)?;
        }
        Ok(())
    }

    fn find(&mut self, target: String, error: Error) {
        let finding = Finding { target, error };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// The same for a pack, whose repair depends on the store.
    fn note_pack(&mut self, target: String, error: Error) -> Result<()> {
        let error = match (error.kind(), error.next_step()) {
            (ErrorKind::Corrupt(_), None) if self.sealed => error.hint(
                "another copy of the store has it: equal names are equal bytes. A snapshot seals anew and does not put \
                 it in again",
            ),
            (ErrorKind::Corrupt(_), None) => error.hint(self.store.repair()),
            _ => error,
        };
        self.note(target, error)
    }

    /// Takes `error` for a finding, unless it is the machine's and may be gone the next time. An
    /// interruption ends everything.
    fn note(&mut self, target: String, error: Error) -> Result<()> {
        match error.kind() {
            ErrorKind::Corrupt(_) | ErrorKind::Unsupported => self.find(target, error),
            ErrorKind::Interrupted => return Err(error),
            _ if self.unread.iter().any(|unread| unread.target == target) => {}
            _ => self.unread.push(Finding { target, error }),
        }
        Ok(())
    }

    /// Decodes every chunk and hashes the content.
    fn content(&mut self, manifest: &Manifest, progress: &dyn Progress) -> Result<()> {
        let store = self.store;
        let mut content = ContentHash::new(manifest.kind);
        let mut chunks = RunReader::new(store, manifest.full_run()?);
        let mut whole = true;
        let workers = pipeline::worker_count_for(manifest.chunk_count());
        progress.begin("verifying", Some(manifest.raw_bytes));
        let verified = pipeline::run(
            workers,
            pipeline::slot_count(workers, ChunkSize::DEFAULT.bytes()),
            |slot: &mut VerifySlot| {
                slot.job = next_job(store, &mut chunks);
                Ok(slot.job.is_some())
            },
            ChunkReader::new,
            |reader, slot| {
                if let Some(Job::Chunk(plan)) = &slot.job {
                    let read = plan.read(reader, &mut slot.stored, &mut slot.raw, 0);
                    slot.outcome = Some(read.and_then(|()| check_end(manifest.kind, &slot.raw)));
                    shape_content(manifest.kind, &mut slot.raw);
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
                        self.note_pack(plan.location().to_owned(), error)?;
                    }
                    (Some(Job::Broken(finding)), _) => {
                        whole = false;
                        self.note_pack(finding.target, finding.error)?;
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

    /// Merges all runs and hashes the content. Where that fails, each run is read by itself, so that
    /// everything that is wrong is found.
    fn chain(&mut self, manifest: &Manifest, progress: &dyn Progress) -> Result<()> {
        let mut content = ContentHash::new(manifest.kind);
        progress.begin("verifying", Some(manifest.raw_bytes));
        let mut consume = |records: &mut [u8]| {
            shape_content(manifest.kind, records);
            content.update(records);
            progress.advance(records.len() as u64);
            Ok(())
        };
        let workers = pipeline::worker_count_for(manifest.chunk_count());
        let chunk_bytes = ChunkSize::DEFAULT.bytes();
        let merged = read_merged(self.store, manifest, workers, chunk_bytes, &|_, _| Ok(()), &mut consume);
        progress.end();
        let found = match merged {
            Ok(()) => {
                self.checked.chunks += manifest.chunk_count();
                self.checked.bytes += manifest.content_packs().map(|pack| pack.stored_bytes).sum::<u64>();
                let (actual, raw_bytes) = content.finish();
                if actual == manifest.content_sha256 && raw_bytes == manifest.raw_bytes {
                    return Ok(());
                }
                Error::damaged(Damage::Checksum, "the content", manifest.content_sha256, actual)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let before = self.findings.len() + self.unread.len();
                for run in manifest.runs.iter().filter(|run| run.kind != RunKind::Directory) {
                    self.run(manifest.kind, run)?;
                }
                if self.findings.len() + self.unread.len() > before {
                    return Ok(());
                }
                error
            }
        };
        self.note(format!("checkpoint {}", manifest.write()?.0), found)
    }

    /// Decodes the chunks of one run of a chain.
    fn run(&mut self, kind: CheckpointKind, run: &Run) -> Result<()> {
        let mut chunks = RunReader::new(self.store, run);
        let mut reader = ChunkReader::new()?;
        let (mut stored, mut raw) = (Vec::new(), AlignedBuffer::default());
        while let Some(job) = next_job(self.store, &mut chunks) {
            let plan = match job {
                Job::Chunk(plan) => plan,
                Job::Broken(finding) => {
                    self.note(finding.target, finding.error)?;
                    continue;
                }
            };
            let read = plan.read(&mut reader, &mut stored, &mut raw, 0).and_then(|()| match run.kind {
                RunKind::Delta => DeltaChunk::read(raw.to_vec(), plan.entry().record_count).map(|_| ()),
                RunKind::Full | RunKind::Directory => check_end(kind, &raw),
            });
            match read {
                Ok(()) => {
                    self.checked.chunks += 1;
                    self.checked.bytes += stored.len() as u64;
                }
                Err(error) => self.note(plan.location().to_owned(), error)?,
            }
        }
        Ok(())
    }

    /// Decodes the directory, where there is one, and checks its records.
    fn directory(&mut self, manifest: &Manifest) -> Result<()> {
        let Some(run) = manifest.directory() else {
            return Ok(());
        };
        // The manifest's sizes have been compared: an image has a page size.
        let page_count = u32::try_from(manifest.record_count).unwrap_or(u32::MAX);
        let mut check = DirectoryCheck::new(manifest.page_bytes.unwrap_or(0), page_count);
        let mut chunks = RunReader::new(self.store, run);
        let mut reader = ChunkReader::new()?;
        let (mut stored, mut raw) = (Vec::new(), AlignedBuffer::default());
        while let Some(job) = next_job(self.store, &mut chunks) {
            let plan = match job {
                Job::Chunk(plan) => plan,
                Job::Broken(finding) => {
                    self.note_pack(finding.target, finding.error)?;
                    check.skip();
                    continue;
                }
            };
            let read = plan.read(&mut reader, &mut stored, &mut raw, 0);
            if read.is_err() {
                check.skip();
            }
            match read.and_then(|()| check.chunk(plan.entry(), &raw)) {
                Ok(()) => {
                    self.checked.chunks += 1;
                    self.checked.bytes += stored.len() as u64;
                }
                Err(error) => self.note_pack(plan.location().to_owned(), error)?,
            }
        }
        Ok(())
    }

    /// Takes the hash of every pack of `packs` not yet seen, several at once. Those are `counted` where nothing
    /// more is done with them.
    fn packs_quickly(&mut self, packs: Vec<PackEntry>, counted: bool, progress: &dyn Progress) -> Result<()> {
        let store = self.store;
        let fresh: Vec<PackEntry> = packs.into_iter().filter(|pack| self.packs.insert(pack.sha256)).collect();
        progress.begin("hashing packs", Some(fresh.iter().map(|pack| pack.stored_bytes).sum()));
        let workers = pipeline::worker_count_for(fresh.len() as u64);
        let mut packs = fresh.into_iter();
        let verified = pipeline::run(
            workers,
            workers * 2,
            |slot: &mut QuickSlot| {
                slot.pack = packs.next();
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
                    Ok(()) if !counted => {}
                    Ok(()) => {
                        self.checked.chunks += u64::from(pack.chunk_count);
                        self.checked.bytes += pack.stored_bytes;
                    }
                    Err(error) => {
                        self.broken_packs.insert(pack.sha256);
                        self.note_pack(store.pack_location(&pack.sha256), error)?;
                    }
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

/// The next chunk to verify, or why its pack cannot be opened.
fn next_job(store: &dyn Store, chunks: &mut RunReader<'_>) -> Option<Job> {
    match chunks.next_chunk() {
        Ok(plan) => plan.map(Job::Chunk),
        Err(error) => {
            let target = chunks.pack().map_or_else(String::new, |pack| store.pack_location(&pack.sha256));
            Some(Job::Broken(Finding { target, error }))
        }
    }
}

/// Verifies the checkpoint under `key` and refuses it, saying `refusal`, at its first finding.
pub fn require_whole(
    store: &dyn Store,
    key: &ManifestKey,
    refusal: &str,
    progress: &dyn Progress,
) -> Result<()> {
    let mut verifier = Verifier::new(store, false);
    verifier.checkpoint(key, progress)?;
    refuse_first(verifier.findings, refusal)
}

/// Refuses, saying `refusal`, what has findings: by the first of them.
pub fn refuse_first(findings: Vec<Finding>, refusal: &str) -> Result<()> {
    match findings.into_iter().next() {
        Some(finding) => Err(finding.error.at(finding.target).at(refusal)),
        None => Ok(()),
    }
}
