//! The one place that says which stored documents this build reads.

use crate::error::{Error, Result};

/// The version that this build writes: into the header of every pack and into every manifest.
///
/// Version 1 (2026-11): chunks, packs, manifests with one full run.
pub const FORMAT_VERSION: u16 = 1;

/// Whether this build reads a document of `version`; `what` names it in the refusal.
pub fn can_read(what: &str, version: u64) -> Result<()> {
    match version {
        1 => Ok(()),
        0 => Err(Error::corrupt(format!("{what} has format version 0, which never existed"))),
        newer => Err(Error::unsupported(format!(
            "{what} has format version {newer}, this dotctl reads up to {FORMAT_VERSION}"
        ))
        .hint("read it with a newer dotctl; its packs decode with zstd or gzip alone")),
    }
}
