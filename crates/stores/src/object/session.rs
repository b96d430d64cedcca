//! Writing one checkpoint into an object: one transaction.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use dotctl_engine::checkpoint::{CheckpointFacts, PackSink};
use dotctl_engine::format::layout::{ManifestKey, STORE_MARKER, pack_key};
use dotctl_engine::format::{Document, PackEntry};
use dotctl_engine::id::{Hash, Namespace, Time};
use dotctl_engine::{Error, ErrorKind, Result};

use super::items::{find, list, part};
use super::layout::{Backend, manifests_prefix};
use super::writer::Writer;
use super::{Inner, parse_key};
use crate::io_error;
use crate::store::{Adopted, Committed, Finish, Session, Store, keyed, pruned_meanwhile};

pub struct ObjectSession<'a> {
    store: &'a super::ObjectStore,
    backend: Backend,
    /// Until the commit.
    writer: Option<Arc<Mutex<Writer>>>,
    /// The pack being written: it is named by its hash, and may be there already. Has no name.
    staged: File,
    staged_bytes: u64,
    new_packs: HashSet<Hash>,
}

impl<'a> ObjectSession<'a> {
    pub fn begin(store: &'a super::ObjectStore, backend: Backend) -> Result<Self> {
        let folder = store.scratch_folder();
        let staged = tempfile::tempfile_in(&folder)
            .map_err(|error| io_error("create a temporary file in", &folder, &error))?;
        let writer = Some(store.0.begin_writing(backend)?);
        Ok(ObjectSession { store, backend, writer, staged, staged_bytes: 0, new_packs: HashSet::new() })
    }

    fn inner(&self) -> &Inner {
        &self.store.0
    }

    fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer =
            self.writer.as_ref().ok_or_else(|| Error::new(ErrorKind::Io, "the transaction has ended"))?;
        Ok(writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets go of the database.
    fn end(&mut self) {
        if self.writer.take().is_some() {
            self.inner().end_writing();
        }
    }

    /// Whether the pack is there, read and found whole: a damaged one is replaced.
    fn holds(&self, pack: &PackEntry) -> Result<bool> {
        let writer = self.writer()?;
        let key = pack_key(&pack.sha256);
        let is_whole = || -> Result<bool> {
            let Some(head) = find(&*writer, &key)? else {
                return Ok(false);
            };
            if head.stored_bytes != pack.stored_bytes {
                return Ok(false);
            }
            let mut sha256 = Sha256::new();
            for number in 0..head.part_count() {
                sha256.update(part(&*writer, &key, &head, number)?);
            }
            Ok(Hash::finish(sha256) == pack.sha256)
        };
        match is_whole() {
            Ok(whole) => Ok(whole),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn next_sequence(&self, namespace: &Namespace) -> Result<u64> {
        let prefix = format!("{}{}/", manifests_prefix(), namespace.encoded());
        let last = list(&*self.writer()?, &prefix)?
            .iter()
            .filter_map(|(key, _)| parse_key(key).ok())
            .map(|key| key.sequence)
            .max();
        Ok(last.unwrap_or(0).saturating_add(1))
    }

    fn put(&self, key: &str, bytes: &[u8]) -> Result<()> {
        self.writer()?.put(self.backend, key, bytes.len() as u64, |offset, into| {
            let begin = usize::try_from(offset).unwrap_or(usize::MAX);
            let from = bytes.get(begin..).and_then(|rest| rest.get(..into.len()));
            into.copy_from_slice(from.ok_or_else(|| Error::corrupt("the item is shorter than it was"))?);
            Ok(())
        })
    }
}

impl PackSink for ObjectSession<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.staged.write_all(bytes).map_err(|error| self.inner().failed("write beside", &error))?;
        self.staged_bytes += bytes.len() as u64;
        Ok(())
    }

    fn seal(&mut self, pack: &PackEntry) -> Result<()> {
        if self.staged_bytes == 0 {
            return Ok(());
        }
        if !self.holds(pack)? {
            self.writer()?.put(
                self.backend,
                &pack_key(&pack.sha256),
                self.staged_bytes,
                |offset, into| {
                    self.staged
                        .read_exact_at(into, offset)
                        .map_err(|error| self.inner().failed("read beside", &error))
                },
            )?;
            self.new_packs.insert(pack.sha256);
        }
        self.discard()
    }
}

impl Session for ObjectSession<'_> {
    fn commit_as(
        &mut self,
        facts: CheckpointFacts,
        namespace: &Namespace,
        created_at: Time,
        finish: &Finish<'_>,
    ) -> Result<Committed> {
        let sequence = self.next_sequence(namespace)?;
        let manifest = finish(facts.manifest(namespace.clone(), sequence, created_at))?;
        for pack in manifest.packs() {
            if find(&*self.writer()?, &pack_key(&pack.sha256))?.is_none() {
                return Err(pruned_meanwhile(self.store.pack_location(&pack.sha256)));
            }
        }
        let (id, bytes) = manifest.write()?;
        self.publish(&ManifestKey { namespace: namespace.clone(), sequence, id }, &bytes)?;
        Ok(Committed::new(id, manifest, &self.new_packs))
    }

    fn adopt(&mut self, document: Document) -> Result<Option<Adopted>> {
        let (key, bytes) = keyed(&document)?;
        let new = self.publish(&key, &bytes)?;
        Ok(new.then(|| Adopted::new(&document, &self.new_packs)))
    }

    fn discard(&mut self) -> Result<()> {
        self.staged_bytes = 0;
        self.staged
            .set_len(0)
            .and_then(|()| std::io::Seek::rewind(&mut self.staged))
            .map_err(|error| self.inner().failed("write beside", &error))
    }
}

impl ObjectSession<'_> {
    /// Ends the transaction with the manifest under `key`, and says whether it was not there yet.
    fn publish(&mut self, key: &ManifestKey, bytes: &[u8]) -> Result<bool> {
        let key = key.to_string();
        let new = find(&*self.writer()?, &key)?.is_none();
        if new {
            self.put(&key, bytes)?;
        }
        let (marker, content) = STORE_MARKER;
        let marked = find(&*self.writer()?, marker)?.is_some();
        if !marked {
            self.put(marker, content)?;
        }
        self.writer()?.commit()?;
        self.end();
        Ok(new)
    }
}

impl Drop for ObjectSession<'_> {
    fn drop(&mut self) {
        self.end();
    }
}
