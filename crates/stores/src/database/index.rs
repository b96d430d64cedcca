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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn sample() -> [u8; 96] {
        let words = [3_007_000, 0, 5, 0, 7, 9, 1, 2, 11, 12u32];
        let mut copy: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        copy[12] = 1;
        let mut sums = (0u32, 0u32);
        for pair in copy.chunks(8) {
            let word = |four: &[u8]| u32::from_ne_bytes(four.try_into().unwrap());
            sums.0 = sums.0.wrapping_add(word(&pair[..4])).wrapping_add(sums.1);
            sums.1 = sums.1.wrapping_add(word(&pair[4..])).wrapping_add(sums.0);
        }
        copy.extend(sums.0.to_ne_bytes());
        copy.extend(sums.1.to_ne_bytes());
        copy.repeat(2).try_into().unwrap()
    }

    #[test]
    fn only_two_equal_valid_copies_count() {
        let header = parse(&sample()).unwrap();
        assert_eq!((header.frames, header.pages), (7, 9));
        for at in 0..96 {
            let mut bytes = sample();
            bytes[at] ^= 1;
            assert_eq!(parse(&bytes), None, "{at}");
        }
        for at in 0..48 {
            let mut bytes = sample();
            bytes[at] ^= 1;
            bytes[48 + at] ^= 1;
            assert_eq!(parse(&bytes), None, "{at}");
        }
        assert_eq!(parse(&[0; 96]), None);
    }
}
