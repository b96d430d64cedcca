//! What came of it, as JavaScript and the command line get it.

use serde::Serialize;

use dotctl_engine::format::Manifest;
use dotctl_engine::id::{CheckpointId, Time};
use dotctl_engine::{Damage, Error};

/// A checkpoint, spelled as `dotctl --format json` does.
#[derive(Debug, Clone, Serialize)]
pub struct CheckpointReport {
    /// Its id.
    pub id: CheckpointId,
    /// Whose state it is.
    pub namespace: String,
    /// Its position among those of its namespace.
    pub sequence: u64,
    /// How it was captured.
    pub kind: &'static str,
    /// When the capture began.
    pub created_at: Time,
    /// The checkpoint whose changes it stores; none where it is a full one.
    pub base: Option<CheckpointId>,
    /// Lines.
    pub record_count: u64,
    /// Bytes of all lines.
    pub raw_bytes: u64,
    /// Bytes of its packs.
    pub stored_bytes: u64,
    /// Chunks.
    pub chunk_count: u64,
    /// What its content hashes to.
    pub content_sha256: String,
}

impl CheckpointReport {
    /// That of `manifest`.
    pub fn of(id: CheckpointId, manifest: &Manifest) -> Self {
        CheckpointReport {
            id,
            namespace: manifest.namespace.as_str().to_owned(),
            sequence: manifest.sequence,
            kind: manifest.kind.name(),
            created_at: manifest.created_at,
            base: manifest.base,
            record_count: manifest.record_count,
            raw_bytes: manifest.raw_bytes,
            stored_bytes: manifest.stored_bytes(),
            chunk_count: manifest.chunk_count(),
            content_sha256: manifest.content_sha256.to_string(),
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What it is about.
    pub target: String,
    /// What kind of damage.
    pub kind: &'static str,
    /// What there should be, if that can be said.
    pub expected: Option<String>,
    /// What there is.
    pub actual: Option<String>,
    /// All of it in words.
    pub detail: String,
}

/// What checking came to.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// Whether nothing was found.
    pub ok: bool,
    /// Checkpoints that were looked at.
    pub checkpoints: u64,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// What was restored.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreReport {
    /// The checkpoint.
    pub checkpoint: CheckpointId,
    /// Its lines.
    pub record_count: u64,
    /// Bytes of them.
    pub raw_bytes: u64,
    /// What they hash to, computed from what was read back.
    pub content_sha256: String,
}

/// What a prune removed.
#[derive(Debug, Clone, Serialize)]
pub struct PruneReport {
    /// Checkpoints.
    pub removed_checkpoints: u64,
    /// Packs.
    pub removed_packs: u64,
}

impl Finding {
    /// That `error` says of the checkpoint.
    pub fn of(id: &CheckpointId, damage: Damage, error: &Error) -> Self {
        let (expected, actual) = error.contrast().unzip();
        Finding {
            target: id.to_string(),
            kind: damage.name(),
            expected: expected.map(str::to_owned),
            actual: actual.map(str::to_owned),
            detail: error.to_string(),
        }
    }
}
