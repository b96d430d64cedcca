//! Files written past the page cache, where the system can.

use std::fs::File;
use std::io;
use std::path::Path;

/// Gives `file` its length and, where the file system can, its space on the disk, so that a full
/// disk is known before anything is decoded.
pub fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if bytes > 0 {
        use nix::errno::Errno;
        use nix::fcntl::{FallocateFlags, fallocate};
        let length = i64::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        match fallocate(file, FallocateFlags::empty(), 0, length) {
            Ok(()) => return Ok(()),
            // Not every file system can.
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    file.set_len(bytes)
}

/// Opens `path` once more for writing whole pages past the page cache; `None` where the file
/// system has no such way.
pub fn open(path: &Path) -> Option<File> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flag = nix::fcntl::OFlag::O_DIRECT.bits();
        std::fs::OpenOptions::new().write(true).custom_flags(flag).open(path).ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

/// Asks the system to begin writing out this part of `file`, and does not wait for it. What becomes of
/// it is seen when the file is made durable.
pub fn begin_writing_out(file: &File, offset: u64, bytes: u64) {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let (Ok(offset), Ok(bytes)) = (i64::try_from(offset), i64::try_from(bytes)) else {
            return;
        };
        // SAFETY: the descriptor is open as long as `file` is; the call takes numbers alone.
        #[allow(unsafe_code)]
        unsafe {
            nix::libc::sync_file_range(file.as_raw_fd(), offset, bytes, nix::libc::SYNC_FILE_RANGE_WRITE);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, offset, bytes);
}
