//! The one place that says which stored documents this build reads.

use crate::error::{Error, Result};

/// The version of packs: in the header and the index of each.
///
/// Version 1 (2026-11): a header, chunks, an index. What the chunks hold is the manifest's to say,
/// so that a new kind of run leaves packs as they are, and equal chunks equal packs.
pub const PACK_VERSION: u16 = 1;

/// The newest version of manifests. A manifest has the oldest that can say what it says.
///
/// Version 1 (2026-11): one full run. Version 2 (2026-11): also a directory, and where a run lies.
/// Version 3 (2026-11): also delta runs, rows, and the codecs `columnar`, `zstd-dictionary` and `auto`.
/// Version 4 (2026-11): the envelope of a sealed manifest, which is of one of the others.
pub const MANIFEST_VERSION: u16 = SEALED_VERSION;

/// The version of manifests that are sealed.
pub const SEALED_VERSION: u16 = 4;

/// Whether this build, which knows versions up to `newest`, reads a document of `version`; `what`
/// names it in the refusal.
pub fn can_read(what: &str, version: u64, newest: u16) -> Result<()> {
    match version {
        0 => Err(Error::corrupt(format!("{what} has format version 0, which never existed"))),
        known if known <= u64::from(newest) => Ok(()),
        newer => Err(Error::unsupported(format!(
            "{what} has format version {newer}, this dotctl reads up to {newest}"
        ))
        .hint("read it with a newer dotctl; its packs decode with zstd or gzip alone")),
    }
}
