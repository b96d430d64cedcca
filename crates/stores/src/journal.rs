//! How far a restore has come that may be stopped: beside the file on its way to its name.
//!
//! ```text
//! dotctl-progress 1 <checkpoint> <form>
//! <packs> <SHA-256 of the content of so many packs>
//! …
//! ```
//!
//! The last whole line counts, and only if what lies in the file hashes to what it says. So nothing
//! depends on what reached the disk, and in which order, when a machine went down.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use dotctl_engine::Result;
use dotctl_engine::id::Hash;

use crate::io_error;

/// How the first line begins.
const HEAD: &str = "dotctl-progress 1 ";

/// The longest journal that is read: a line for each pack of the largest manifest.
const BYTES_MAX: u64 = 32 << 20;

/// Content that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Packs whose content is there.
    pub pack_count: usize,
    /// What the content of these packs would hash to by itself.
    pub content_sha256: Hash,
}

/// The journal of one restore.
pub struct Journal {
    path: PathBuf,
    file: File,
    /// The last mark.
    last: Option<Mark>,
}

impl Journal {
    /// Begins the journal at `path` of a restore of `what`.
    pub fn create(path: &Path, what: &str) -> Result<Self> {
        let failed = |error| io_error("create", path, &error);
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
        writeln!(file, "{HEAD}{what}").map_err(failed)?;
        Ok(Journal { path: path.to_owned(), file, last: None })
    }

    /// The journal at `path` of a restore of `what` that was stopped, if there is one that says anything.
    pub fn open(path: &Path, what: &str) -> Option<Self> {
        let no_follow = nix::fcntl::OFlag::O_NOFOLLOW.bits();
        let mut file = OpenOptions::new().read(true).append(true).custom_flags(no_follow).open(path).ok()?;
        let mut text = String::new();
        (&mut file).take(BYTES_MAX).read_to_string(&mut text).ok()?;
        let (head, lines) = text.split_once('\n')?;
        if head.strip_prefix(HEAD)? != what {
            return None;
        }
        // One that was cut has no end.
        let whole = lines.split_inclusive('\n').rev().filter_map(|line| line.strip_suffix('\n'));
        let last = whole.filter_map(mark).next()?;
        if !lines.ends_with('\n') {
            file.write_all(b"\n").ok()?;
        }
        Some(Journal { path: path.to_owned(), file, last: Some(last) })
    }

    /// The last mark.
    pub fn last(&self) -> Option<Mark> {
        self.last
    }

    /// Notes that so much is there.
    pub fn mark(&mut self, mark: Mark) -> Result<()> {
        self.last = Some(mark);
        writeln!(self.file, "{} {}", mark.pack_count, mark.content_sha256)
            .map_err(|error| io_error("write", &self.path, &error))
    }
}

fn mark(line: &str) -> Option<Mark> {
    let (pack_count, content_sha256) = line.split_once(' ')?;
    Some(Mark { pack_count: pack_count.parse().ok()?, content_sha256: content_sha256.parse().ok()? })
}
