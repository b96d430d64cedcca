//! Pages out of up to three files: the log over the journal over the main file.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;

use dotctl_engine::image::header::lock_page;
use dotctl_engine::image::journal::JournalIndex;
use dotctl_engine::image::wal::{FRAME_HEADER_BYTES, LogExtent, LogIndex};
use dotctl_engine::{Error, ErrorKind, Result};

use super::files::{Paths, failed};

/// Frames that one call reads at most: each takes two buffers of the 1,024 the kernel accepts.
#[cfg(target_os = "linux")]
const FRAMES_AT_ONCE: usize = 512;

/// The files and where in them the pages lie.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) page_bytes: u32,
    pub(super) page_count: u32,
    pub(super) main: File,
    pub(super) main_bytes: u64,
    pub(super) journal: Option<(File, JournalIndex)>,
    pub(super) log: Option<(File, LogIndex)>,
}

impl Pages {
    /// Fills `into` with the pages from `first` on.
    pub(super) fn read(&self, first: u32, into: &mut [u8], paths: &Paths) -> Result<()> {
        let page_bytes = self.page_bytes as usize;
        let wanted = u32::try_from(into.len() / page_bytes).unwrap_or(u32::MAX);
        let end = u64::from(first) + u64::from(wanted);
        if first == 0 || end > u64::from(self.page_count) + 1 || !into.len().is_multiple_of(page_bytes) {
            return Err(Error::malformed(format!(
                "{} bytes from page {first} on are not whole pages of {}",
                into.len(),
                self.page_count
            ))
            .at(paths.main.display().to_string()));
        }
        let lock_page = lock_page(self.page_bytes);
        let (mut number, mut rest) = (first, into);
        while !rest.is_empty() {
            // At least 1, and below 2^32: checked above.
            let mut limit = (end - u64::from(number)) as u32;
            if number == lock_page {
                limit = 1;
            } else if number < lock_page {
                limit = limit.min(lock_page - number);
            }
            let extent = match &self.log {
                Some((_, index)) => index.extent(number, limit),
                None => LogExtent::Absent { pages: limit },
            };
            let pages = match extent {
                _ if number == lock_page => {
                    // SQLite neither reads nor writes it; whatever the file holds there.
                    let (page, _) = rest.split_at_mut(page_bytes);
                    page.fill(0);
                    1
                }
                LogExtent::Frames { offset, pages } => {
                    let (now, _) = rest.split_at_mut(pages as usize * page_bytes);
                    if let Some((log, _)) = &self.log {
                        read_frames(log, now, page_bytes, offset)
                            .map_err(|error| unread(&error, &paths.log, offset))?;
                    }
                    pages
                }
                LogExtent::Absent { pages } => self.read_below(number, pages, rest, paths)?,
            };
            number = number.saturating_add(pages);
            rest = rest.get_mut(pages as usize * page_bytes..).unwrap_or_default();
        }
        Ok(())
    }

    /// Reads pages that are not in the log, at most `limit`, and says how many.
    fn read_below(&self, number: u32, limit: u32, into: &mut [u8], paths: &Paths) -> Result<u32> {
        let page_bytes = self.page_bytes as usize;
        let mut pages = limit;
        if let Some((file, index)) = &self.journal {
            if let Some(offset) = index.offset(number) {
                let (page, _) = into.split_at_mut(page_bytes);
                file.read_exact_at(page, offset).map_err(|error| unread(&error, &paths.journal, offset))?;
                return Ok(1);
            }
            if let Some(next) = index.next_held(number) {
                pages = pages.min(next - number);
            }
        }
        let (now, _) = into.split_at_mut(pages as usize * page_bytes);
        let offset = u64::from(number - 1) * u64::from(self.page_bytes);
        let there =
            usize::try_from(self.main_bytes.saturating_sub(offset)).unwrap_or(usize::MAX).min(now.len());
        let (there, beyond) = now.split_at_mut(there);
        self.main.read_exact_at(there, offset).map_err(|error| unread(&error, &paths.main, offset))?;
        if !there.len().is_multiple_of(page_bytes) {
            // SQLite would fill it up with zeros, and pass off a truncated copy as a database.
            let page = offset / u64::from(self.page_bytes) + (there.len() / page_bytes) as u64 + 1;
            return Err(Error::malformed(format!("the file ends in the middle of page {page}"))
                .at(paths.main.display().to_string())
                .hint("it was cut off; take another copy, or restore a checkpoint"));
        }
        // What no file holds reads as zeros.
        beyond.fill(0);
        Ok(pages)
    }
}

/// Reads consecutive frames' pages. `offset` is that of the first page, after its frame header.
fn read_frames(log: &File, into: &mut [u8], page_bytes: usize, mut offset: u64) -> io::Result<()> {
    let frame_bytes = (FRAME_HEADER_BYTES + page_bytes) as u64;
    #[cfg(target_os = "linux")]
    let into = {
        let mut rest = into;
        let mut headers = [0u8; FRAME_HEADER_BYTES * FRAMES_AT_ONCE];
        while rest.len() > page_bytes {
            let frames = (rest.len() / page_bytes).min(FRAMES_AT_ONCE);
            let (now, later) = rest.split_at_mut(frames * page_bytes);
            let expected = frames * (FRAME_HEADER_BYTES + page_bytes) - FRAME_HEADER_BYTES;
            let mut parts = Vec::with_capacity(2 * frames);
            for (page, header) in
                now.chunks_exact_mut(page_bytes).zip(headers.chunks_exact_mut(FRAME_HEADER_BYTES))
            {
                parts.push(IoSliceMut::new(page));
                parts.push(IoSliceMut::new(header));
            }
            // The header after the last page belongs to the next frame.
            parts.pop();
            let read = nix::sys::uio::preadv(log, &mut parts, offset as nix::libc::off_t);
            if read != Ok(expected) {
                // Interrupted or short: page by page it goes on, or tells why not.
                read_each(log, now, page_bytes, offset)?;
            }
            offset += frames as u64 * frame_bytes;
            rest = later;
        }
        rest
    };
    read_each(log, into, page_bytes, offset)
}

fn read_each(log: &File, into: &mut [u8], page_bytes: usize, offset: u64) -> io::Result<()> {
    let frame_bytes = (FRAME_HEADER_BYTES + page_bytes) as u64;
    for (page, at) in into.chunks_exact_mut(page_bytes).zip(0u64..) {
        log.read_exact_at(page, offset + at * frame_bytes)?;
    }
    Ok(())
}

fn unread(error: &io::Error, path: &Path, offset: u64) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Error::new(ErrorKind::Busy, "it became shorter while it was read")
            .at(format!("{}, byte {offset}", path.display()))
            .hint("Run the command again once nothing else changes the file.");
    }
    failed(error, "read", path)
}
