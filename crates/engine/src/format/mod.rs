//! What is stored: packs and manifests, byte for byte as `docs/FORMAT.md` draws them. The writer
//! and the reader of each document share one file.

mod bytes;
pub mod delta;
pub mod directory;
pub mod envelope;
mod key;
pub mod layout;
mod manifest;
mod pack;
mod patch;
mod sealed;
mod version;

pub use key::RecordKey;
pub use manifest::{CheckpointKind, Manifest, PackEntry, Place, Run, RunKind};
pub use pack::{ChunkEntry, HEADER_PAYLOAD_BYTES, PackHeader, PackIndex};
pub use sealed::{Document, PackWithin, SealedManifest, SealedPack};
pub use version::{MANIFEST_VERSION, PACK_VERSION, SEALED_VERSION, can_read};
