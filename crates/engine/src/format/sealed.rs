//! Manifests in envelopes: of a checkpoint that is sealed a store shows what it needs to keep it, and nothing
//! of what it holds.
//!
//! What seals and opens is not known here: sealed text is text.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::key::RecordKey;
use super::manifest::{FORMAT_NAME, Manifest, PackEntry, Place};
use super::version::SEALED_VERSION;
use crate::error::{Damage, Error, Result};
use crate::id::{CheckpointId, Hash, Namespace, Time};

/// What a store knows of a sealed pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedPack {
    /// SHA-256 of the sealed bytes, and the pack's name: `packs/<sha256>`.
    pub sha256: Hash,
    /// How many those are.
    pub stored_bytes: u64,
}

/// The pack that a sealed one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackWithin {
    /// SHA-256 of its bytes.
    pub sha256: Hash,
    /// How many those are, header and index included.
    pub stored_bytes: u64,
}

/// The envelope of a sealed manifest: what everybody may read, and the sealed rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedManifest {
    /// Always `dotctl-manifest`.
    format: String,
    /// Always [`SEALED_VERSION`].
    version: u16,
    /// Whose state it is.
    pub namespace: Namespace,
    /// Position among the namespace's checkpoints, from 1.
    pub sequence: u64,
    /// The maker's clock when the capture began; a label.
    pub created_at: Time,
    /// Where the packs lie, if not beside the manifest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place: Option<Place>,
    /// The packs, in the order in which the sealed manifest names them.
    pub packs: Vec<SealedPack>,
    /// For whom it is sealed: a recipients file, sealed for those whom it names.
    pub recipients: String,
    /// The manifest, sealed.
    pub manifest: String,
}

impl SealedManifest {
    /// The envelope of `manifest`, whose packs are sealed.
    pub(super) fn around(manifest: &Manifest, recipients: String, sealed: String) -> Self {
        SealedManifest {
            format: FORMAT_NAME.to_owned(),
            version: SEALED_VERSION,
            namespace: manifest.namespace.clone(),
            sequence: manifest.sequence,
            created_at: manifest.created_at,
            place: manifest.place(),
            packs: manifest
                .packs()
                .map(|pack| SealedPack { sha256: pack.sha256, stored_bytes: pack.stored_bytes })
                .collect(),
            recipients,
            manifest: sealed,
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

    /// Reads a document whose version says that it is an envelope.
    fn parse(bytes: &[u8]) -> Result<Self> {
        let sealed: SealedManifest = serde_json::from_slice(bytes)
            .map_err(|error| Error::corrupt(format!("not a sealed manifest: {error}")))?;
        // Whoever adds sizes up after this need not look again.
        sealed
            .packs
            .iter()
            .try_fold(0_u64, |sum, pack| sum.checked_add(pack.stored_bytes))
            .ok_or_else(|| Error::corrupt("the sealed manifest's sizes contradict each other"))?;
        Ok(sealed)
    }

    /// Bytes of all packs.
    pub fn stored_bytes(&self) -> u64 {
        self.packs.iter().fold(0, |sum, pack| sum.saturating_add(pack.stored_bytes))
    }

    /// The manifest that `within`, the opened document, is, its packs under the names by which the store has
    /// them.
    ///
    /// # Errors
    /// Corrupt where that is no manifest, or not the one of this envelope.
    pub fn open(self, within: &[u8]) -> Result<Manifest> {
        let mut manifest = Manifest::parse(within)?;
        let belongs = (&manifest.namespace, manifest.sequence, manifest.created_at, manifest.place())
            == (&self.namespace, self.sequence, self.created_at, self.place)
            && manifest.packs().count() == self.packs.len();
        if !belongs {
            return Err(Error::corrupt("the sealed manifest and its envelope contradict each other"));
        }
        let mut sealed = self.packs.iter();
        for pack in manifest.packs_mut() {
            let Some(SealedPack { sha256, stored_bytes }) = sealed.next() else {
                break;
            };
            pack.within = Some(PackWithin { sha256: pack.sha256, stored_bytes: pack.stored_bytes });
            pack.sha256 = *sha256;
            pack.stored_bytes = *stored_bytes;
        }
        manifest.envelope = Some(Arc::new(self));
        Ok(manifest)
    }
}

impl PackEntry {
    /// A pack of which only its name and length are known.
    pub fn opaque(pack: &SealedPack) -> Self {
        PackEntry {
            sha256: pack.sha256,
            stored_bytes: pack.stored_bytes,
            // What is placed by its size is no smaller than this.
            raw_bytes: pack.stored_bytes,
            record_count: 0,
            chunk_count: 0,
            first_key: RecordKey::default(),
            index_bytes: 0,
            index_sha256: Hash::of(b""),
            within: None,
        }
    }

    /// Bytes of the pack once it is opened, header and index included.
    pub fn opened_bytes(&self) -> u64 {
        self.within.map_or(self.stored_bytes, |within| within.stored_bytes)
    }
}

/// A checkpoint's document as it lies in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One that can be read: nothing of it is sealed, or it has been opened.
    Open(Manifest),
    /// One that is sealed.
    Sealed(SealedManifest),
}

impl Document {
    /// Reads the document that is stored under `id`, and believes it only if it hashes to it.
    pub fn read(id: CheckpointId, bytes: &[u8]) -> Result<Self> {
        let actual = Hash::of(bytes);
        if actual != id {
            return Err(Error::damaged(Damage::Checksum, "the manifest", id, actual)
                .hint("run `dotctl verify` to see what else is damaged"));
        }
        Document::parse(bytes)
    }

    /// Reads a document without knowing its id.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        match Manifest::version_of(bytes)? {
            SEALED_VERSION => SealedManifest::parse(bytes).map(Document::Sealed),
            _ => Manifest::parse(bytes).map(Document::Open),
        }
    }

    /// The document's bytes and the id that they hash to.
    pub fn write(&self) -> Result<(CheckpointId, Vec<u8>)> {
        match self {
            Document::Open(manifest) => manifest.write(),
            Document::Sealed(sealed) => sealed.write(),
        }
    }

    /// The manifest, if it can be read.
    pub fn manifest(&self) -> Option<&Manifest> {
        match self {
            Document::Open(manifest) => Some(manifest),
            Document::Sealed(_) => None,
        }
    }

    /// Whether it lies in an envelope, opened or not.
    pub fn is_sealed(&self) -> bool {
        self.manifest().is_none_or(|manifest| manifest.envelope().is_some())
    }

    /// Whose state it is.
    pub fn namespace(&self) -> &Namespace {
        match self {
            Document::Open(manifest) => &manifest.namespace,
            Document::Sealed(sealed) => &sealed.namespace,
        }
    }

    /// Position among the namespace's checkpoints.
    pub fn sequence(&self) -> u64 {
        match self {
            Document::Open(manifest) => manifest.sequence,
            Document::Sealed(sealed) => sealed.sequence,
        }
    }

    /// The maker's clock when the capture began.
    pub fn created_at(&self) -> Time {
        match self {
            Document::Open(manifest) => manifest.created_at,
            Document::Sealed(sealed) => sealed.created_at,
        }
    }

    /// Where packs lie, if not beside the manifest.
    pub fn place(&self) -> Option<Place> {
        match self {
            Document::Open(manifest) => manifest.place(),
            Document::Sealed(sealed) => sealed.place,
        }
    }

    /// Bytes of all packs as they lie in the store.
    pub fn stored_bytes(&self) -> u64 {
        match self {
            Document::Open(manifest) => manifest.stored_bytes(),
            Document::Sealed(sealed) => sealed.stored_bytes(),
        }
    }

    /// The packs' names and lengths, in order.
    pub fn packs(&self) -> Vec<SealedPack> {
        match self {
            Document::Open(manifest) => manifest
                .packs()
                .map(|pack| SealedPack { sha256: pack.sha256, stored_bytes: pack.stored_bytes })
                .collect(),
            Document::Sealed(sealed) => sealed.packs.clone(),
        }
    }

    /// The packs, as much of them as is known.
    pub fn entries(&self) -> Vec<PackEntry> {
        match self {
            Document::Open(manifest) => manifest.packs().cloned().collect(),
            Document::Sealed(sealed) => sealed.packs.iter().map(PackEntry::opaque).collect(),
        }
    }
}
