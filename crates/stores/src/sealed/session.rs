//! Writing one sealed checkpoint.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use age::stream::StreamWriter;
use sha2::{Digest, Sha256};

use dotctl_engine::checkpoint::{CheckpointFacts, PackSink};
use dotctl_engine::format::{Document, Manifest, PackEntry, PackWithin, SealedPack};
use dotctl_engine::id::{Hash, Namespace, Time};
use dotctl_engine::{Error, ErrorKind, Result};

use super::{Recipients, SealedStore, text};
use crate::store::{Adopted, Committed, Finish, Session};

/// Seals packs on their way into another session, and the manifest after them.
pub struct SealingSession<'a> {
    store: &'a SealedStore,
    inner: Box<dyn Session + 'a>,
    recipients: Arc<Recipients>,
    open: Option<OpenPack>,
    /// Under which name the store has the packs that were written here.
    sealed: HashMap<Hash, SealedPack>,
}

/// A pack that is being sealed.
struct OpenPack {
    writer: StreamWriter<Sealed>,
    sealed: Sealed,
    sha256: Sha256,
    bytes: u64,
}

/// Sealed bytes on their way.
#[derive(Clone, Default)]
struct Sealed(Rc<RefCell<Vec<u8>>>);

impl Write for Sealed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("the pack cannot be sealed: {error}"))
}

impl OpenPack {
    fn begin(recipients: &Recipients) -> Result<Self> {
        let sealed = Sealed::default();
        let writer = recipients.encryptor()?.wrap_output(sealed.clone()).map_err(failed)?;
        Ok(OpenPack { writer, sealed, sha256: Sha256::new(), bytes: 0 })
    }
}

/// Hands on what has been sealed so far.
fn hand_on(sealed: &Sealed, sha256: &mut Sha256, bytes: &mut u64, inner: &mut dyn Session) -> Result<()> {
    let mut sealed = sealed.0.borrow_mut();
    if !sealed.is_empty() {
        sha256.update(&*sealed);
        *bytes += sealed.len() as u64;
        inner.append(&sealed)?;
        sealed.clear();
    }
    Ok(())
}

impl<'a> SealingSession<'a> {
    /// Seals for `recipients` what goes into `inner`, a session of `store`.
    pub fn new(store: &'a SealedStore, inner: Box<dyn Session + 'a>, recipients: Arc<Recipients>) -> Self {
        SealingSession { store, inner, recipients, open: None, sealed: HashMap::new() }
    }

    /// The name under which the store has a pack with the bytes of `pack` already, for the same recipients.
    fn held(&self, pack: &PackEntry) -> Result<Option<SealedPack>> {
        if let Some(own) = self.sealed.get(&pack.sha256) {
            return Ok(Some(*own));
        }
        if self.store.recipients.as_ref() != Some(&self.recipients) {
            return Ok(None);
        }
        let Some(known) = self.store.known().get(&pack.sha256).copied() else {
            return Ok(None);
        };
        Ok(self.store.inner.holds(&named(pack, &known))?.then_some(known))
    }

    /// Says of those of `packs` that were written here under which name they lie.
    fn name<'p>(&self, packs: impl Iterator<Item = &'p mut PackEntry>) -> Result<()> {
        for pack in packs.filter(|pack| pack.within.is_none()) {
            let sealed = self.sealed.get(&pack.sha256).ok_or_else(|| {
                Error::unsupported("a sealed checkpoint cannot have packs that are not")
                    .at(pack.sha256.to_string())
            })?;
            *pack = named(pack, sealed);
        }
        Ok(())
    }
}

/// `pack` as it lies in the store, sealed.
fn named(pack: &PackEntry, sealed: &SealedPack) -> PackEntry {
    PackEntry {
        sha256: sealed.sha256,
        stored_bytes: sealed.stored_bytes,
        within: Some(PackWithin { sha256: pack.sha256, stored_bytes: pack.stored_bytes }),
        ..pack.clone()
    }
}

fn seal_manifest(recipients: &Recipients, manifest: Manifest) -> Result<Manifest> {
    let within = manifest.within()?;
    let sealed = text::seal(recipients, &within)?;
    let for_whom = text::seal(recipients, text::recipients_of(recipients, &within).as_bytes())?;
    Ok(manifest.seal(for_whom, sealed))
}

impl PackSink for SealingSession<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(OpenPack::begin(&self.recipients)?),
        };
        open.writer.write_all(bytes).map_err(failed)?;
        hand_on(&open.sealed, &mut open.sha256, &mut open.bytes, self.inner.as_mut())
    }

    fn seal(&mut self, pack: &PackEntry) -> Result<()> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        if let Some(held) = self.held(pack)? {
            self.sealed.insert(pack.sha256, held);
            return self.inner.discard();
        }
        open.writer.finish().map_err(failed)?;
        hand_on(&open.sealed, &mut open.sha256, &mut open.bytes, self.inner.as_mut())?;
        let sealed = SealedPack { sha256: Hash::finish(open.sha256), stored_bytes: open.bytes };
        self.sealed.insert(pack.sha256, sealed);
        self.inner.seal(&named(pack, &sealed))
    }
}

impl Session for SealingSession<'_> {
    fn commit_as(
        &mut self,
        mut facts: CheckpointFacts,
        namespace: &Namespace,
        created_at: Time,
        finish: &Finish<'_>,
    ) -> Result<Committed> {
        self.name(facts.packs_mut())?;
        let recipients = self.recipients.clone();
        let seal = |manifest: Manifest| seal_manifest(&recipients, finish(manifest)?);
        self.inner.commit_as(facts, namespace, created_at, &seal)
    }

    fn adopt(&mut self, document: Document) -> Result<Option<Adopted>> {
        match document {
            Document::Open(mut manifest) if manifest.envelope().is_none() => {
                self.name(manifest.packs_mut())?;
                let manifest = seal_manifest(&self.recipients, manifest)?;
                self.inner.adopt(Document::Open(manifest))
            }
            document => self.inner.adopt(document),
        }
    }

    fn discard(&mut self) -> Result<()> {
        self.open = None;
        self.inner.discard()
    }
}
