//! The byte-range locks by which SQLite processes keep out of each other's way.
//!
//! On Linux they are taken per open file (`F_OFD_SETLK`), so that neither another thread's locks
//! nor its closing of the same file can lose them. Elsewhere they are the process's.

use std::fs::File;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// Held by whoever is about to take a lock of the main file.
pub(super) const PENDING: Range = Range::new(0x4000_0000, 1);
/// Held for writing by the one writer of a rollback transaction.
pub(super) const RESERVED: Range = Range::new(0x4000_0001, 1);
/// Held for reading by every reader; for writing by who changes the main file.
pub(super) const SHARED: Range = Range::new(0x4000_0002, 510);

// In -shm, from `WAL_LOCK` of wal.c (120) on: write, checkpoint, recover, then five read marks.

/// Held for writing by the writer that appends to the log, and by a recovery.
pub(super) const LOG_WRITE: Range = Range::new(120, 1);
/// Read marks 0 and 1. A checkpoint holds the first for writing while it changes the main file;
/// who starts the log over or truncates it holds 1 to 4 for writing.
pub(super) const LOG_READ: Range = Range::new(123, 2);
/// The dead-man switch: every connection to -shm holds it for reading.
pub(super) const LOG_CONNECTED: Range = Range::new(128, 1);

/// Bytes of a file that are locked together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    first: libc::off_t,
    bytes: libc::off_t,
}

impl Range {
    const fn new(first: libc::off_t, bytes: libc::off_t) -> Self {
        Range { first, bytes }
    }

    fn flock(self, kind: libc::c_int) -> libc::flock {
        libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: self.first,
            l_len: self.bytes,
            // Must be 0 for locks of an open file.
            l_pid: 0,
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set(lock: &libc::flock) -> FcntlArg<'_> {
    FcntlArg::F_OFD_SETLK(lock)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn get(lock: &mut libc::flock) -> FcntlArg<'_> {
    FcntlArg::F_OFD_GETLK(lock)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set(lock: &libc::flock) -> FcntlArg<'_> {
    FcntlArg::F_SETLK(lock)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn get(lock: &mut libc::flock) -> FcntlArg<'_> {
    FcntlArg::F_GETLK(lock)
}

/// Takes a read lock, which lasts until [`unlock`] or until `file` is closed. `false` if somebody
/// holds a write lock.
pub(super) fn read_lock(file: &File, range: Range) -> nix::Result<bool> {
    lock(file, range, libc::F_RDLCK)
}

/// Takes a write lock in the same way, on a `file` opened for writing. `false` if somebody holds
/// any lock.
pub(super) fn write_lock(file: &File, range: Range) -> nix::Result<bool> {
    lock(file, range, libc::F_WRLCK)
}

fn lock(file: &File, range: Range, kind: libc::c_int) -> nix::Result<bool> {
    loop {
        return match fcntl(file, set(&range.flock(kind))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(Errno::EINTR) => continue,
            Err(other) => Err(other),
        };
    }
}

/// Gives a lock back.
pub(super) fn unlock(file: &File, range: Range) -> nix::Result<()> {
    fcntl(file, set(&range.flock(libc::F_UNLCK))).map(drop)
}

/// Whether anybody else holds a lock of the kind that a lock for writing (`true`) or reading
/// (`false`) would meet, and who.
pub(super) fn holder(file: &File, range: Range, writing: bool) -> nix::Result<Option<Holder>> {
    let kind = if writing { libc::F_WRLCK } else { libc::F_RDLCK };
    let mut lock = range.flock(kind);
    fcntl(file, get(&mut lock))?;
    if libc::c_int::from(lock.l_type) == libc::F_UNLCK as libc::c_int {
        return Ok(None);
    }
    Ok(Some(Holder { process: (lock.l_pid > 0).then_some(lock.l_pid) }))
}

/// Who holds a lock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    /// Not known for locks of an open file.
    process: Option<libc::pid_t>,
}

impl Holder {
    /// `process 123 (workerd)`, as far as it is known.
    pub(super) fn name(self) -> String {
        let Some(process) = self.process else {
            return "another process".to_owned();
        };
        match std::fs::read_to_string(format!("/proc/{process}/comm")) {
            Ok(command) => format!("process {process} ({})", command.trim_end()),
            Err(_) => format!("process {process}"),
        }
    }
}

/// How long to go on trying, in pauses that grow.
#[derive(Debug)]
pub(super) struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Patience { deadline: Instant::now() + limit, pause: Duration::from_micros(100) }
    }

    /// Pauses. `false` if the time is up.
    pub(super) fn wait(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(self.pause.min(left));
        // Short, since a busy checkpointer leaves only short gaps.
        self.pause = (self.pause * 2).min(Duration::from_millis(4));
        true
    }
}
