//! The header of the log's index, the `-shm` file that connected processes share.
//!
//! Only while somebody is connected does it say anything: then it, and not the log's own bytes,
//! decides which frames count. A log that was started over keeps its old frames until a writer
//! comes, and only the index tells.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of one of the two copies that the file starts with. Source: `WalIndexHdr` in wal.c.
const COPY_BYTES: usize = 48;

/// What the index says of the log. Its numbers are in this machine's byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexHeader {
    /// Frames that are committed; 0: the log is to be ignored.
    pub(super) frames: u32,
    /// The database's size in pages after the last of them.
    pub(super) pages: u32,
    /// The salts that the log's header has, if it has been written since the log started over.
    pub(super) salts: [u8; 8],
}

/// Reads the header. `None` while it is being written, or was never.
pub(super) fn read_index(shm: &File) -> io::Result<Option<IndexHeader>> {
    let mut both = [0; 2 * COPY_BYTES];
    let mut filled = 0;
    while filled < both.len() {
        match shm.read_at(&mut both[filled..], filled as u64) {
            Ok(0) => return Ok(None),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(parse(&both))
}

fn parse(both: &[u8; 2 * COPY_BYTES]) -> Option<IndexHeader> {
    let (copy, other) = both.split_first_chunk::<COPY_BYTES>()?;
    let initialized = copy[12] != 0;
    if copy[..] != *other || !initialized {
        return None;
    }
    let word = |at: usize| {
        copy.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_ne_bytes(*word))
    };
    let mut sums = (0u32, 0u32);
    for at in (0..40).step_by(8) {
        sums.0 = sums.0.wrapping_add(word(at)).wrapping_add(sums.1);
        sums.1 = sums.1.wrapping_add(word(at + 4)).wrapping_add(sums.0);
    }
    if sums != (word(40), word(44)) {
        return None;
    }
    let mut salts = [0; 8];
    salts.copy_from_slice(&copy[32..40]);
    Some(IndexHeader { frames: word(16), pages: word(20), salts })
}
