//! The files of a database and what tells that one of them changed.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dotctl_engine::{Error, ErrorKind, Result};
use nix::libc;

/// How far apart two changes must be for their times to differ, where times have nanoseconds:
/// the kernel takes them from a clock that moves with its ticks, 10 ms at most.
const TICK: Duration = Duration::from_millis(20);

/// The same where a time is a whole second, as file systems without fractions give.
const COARSE_TICK: Duration = Duration::from_millis(2_010);

/// The paths of a database and of what SQLite keeps beside it.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    pub(super) main: PathBuf,
    pub(super) log: PathBuf,
    pub(super) index: PathBuf,
    pub(super) journal: PathBuf,
}

impl Paths {
    /// Follows symbolic links first, as SQLite does: the log lies beside the real file.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let main = std::fs::canonicalize(path).map_err(|error| failed(&error, "open", path))?;
        let beside = |suffix: &str| {
            let mut name = OsString::from(&main);
            name.push(suffix);
            PathBuf::from(name)
        };
        Ok(Paths { log: beside("-wal"), index: beside("-shm"), journal: beside("-journal"), main })
    }
}

/// The error of a failed call on `path`.
pub(super) fn failed(error: &io::Error, verb: &str, path: &Path) -> Error {
    let place = path.display().to_string();
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorKind::Missing, "no such file").at(place).hint("check the path")
        }
        io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::Io, format!("cannot {verb} it: permission denied"))
                .at(place)
                .hint("run as a user who may read the database and the files beside it")
        }
        _ => Error::new(ErrorKind::Io, format!("cannot {verb} it: {error}"))
            .at(place)
            .hint("check the disk, then run the command again"),
    }
}

/// Opens a file to read it, never waiting for a pipe and never creating anything.
pub(super) fn open(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| failed(&error, "open", path))?;
    if !metadata(&file, path)?.is_file() {
        return Err(Error::malformed("not a regular file").at(path.display().to_string()));
    }
    Ok(file)
}

/// The same, `None` if there is no such file.
pub(super) fn open_if_there(path: &Path) -> Result<Option<File>> {
    match open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn metadata(file: &File, path: &Path) -> Result<Metadata> {
    file.metadata().map_err(|error| failed(&error, "stat", path))
}

/// The bytes at `offset` that are there, at most what `into` holds.
pub(super) fn read_up_to(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Which file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Identity { device: metadata.dev(), inode: metadata.ino() }
    }

    /// What lies at `path` now; `None` if nothing does.
    pub(super) fn at(path: &Path) -> Result<Option<Self>> {
        Ok(Stamp::at(path)?.map(|stamp| stamp.identity))
    }
}

/// All that a file system notes when a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) identity: Identity,
    pub(super) bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Stamp {
            identity: Identity::of(metadata),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// What lies at `path` now; `None` if nothing does.
    pub(super) fn at(path: &Path) -> Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(Stamp::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&error, "stat", path)),
        }
    }

    /// How long until a further change is sure to get another time than this one: git's rule for
    /// index entries as young as the index. Zero for all but the youngest files.
    pub(super) fn settles_in(&self) -> Duration {
        let tick = if self.changed.1 == 0 { COARSE_TICK } else { TICK };
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(self.changed.0), u32::try_from(self.changed.1))
        else {
            return Duration::ZERO;
        };
        let changed = UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        match SystemTime::now().duration_since(changed) {
            Ok(age) => tick.saturating_sub(age),
            // From the future: any further change is noted with the present time, which differs.
            // Only a clock a little ahead of this one can still coincide.
            Err(ahead) if ahead.duration() < tick => tick + ahead.duration(),
            Err(_) => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_file_just_written_settles_soon_and_stays_settled() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "new").unwrap();
        let stamp = Stamp::at(file.path()).unwrap().unwrap();
        let settles_in = stamp.settles_in();
        assert!(!settles_in.is_zero() && settles_in <= COARSE_TICK);
        std::thread::sleep(settles_in);
        assert!(stamp.settles_in().is_zero());
        std::fs::write(file.path(), "old").unwrap();
        assert_ne!(Stamp::at(file.path()).unwrap(), Some(stamp));
    }

    #[test]
    fn times_from_elsewhere() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let stamp = |seconds: i64, nanoseconds| Stamp {
            identity: Identity { device: 1, inode: 1 },
            bytes: 0,
            modified: (0, 0),
            changed: (seconds, nanoseconds),
        };
        let seconds = i64::try_from(now.as_secs()).unwrap();
        assert!(stamp(seconds + 1_000, 5).settles_in().is_zero());
        assert!(stamp(-5, 5).settles_in().is_zero());
        assert!(stamp(seconds - 5, 0).settles_in().is_zero());
        // A whole second: perhaps the file system knows no finer ones.
        assert!(stamp(seconds, 0).settles_in() > TICK);
    }
}
