//! The rollback journal: the original pages of a transaction that was never finished.
//!
//! The rules are those of SQLite's rollback (`pager_playback` in `pager.c`), which a journal left
//! by a killed process still awaits. Whether a journal is such a one ("hot") is seen from locks
//! and files, so that is for the caller to find out.

use super::header::{explained_pages, is_page_size, lock_page, word};
use crate::error::{Error, Result};

/// The 8 bytes each journal header starts with, and a super-journal's name ends with.
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// Bytes of a journal header that mean something; it fills a whole sector.
const JOURNAL_HEADER_BYTES: usize = 28;

/// The largest sector SQLite works with.
const SECTOR_BYTES_MAXIMUM: u32 = 65_536;

/// Bytes at a journal's end in which a super-journal's name can lie: 512 of name, 16 around it.
pub const SUPER_JOURNAL_TAIL_BYTES: usize = 528;

#[derive(Debug, Clone, Copy)]
enum Next {
    Header,
    /// Records that the last header promised and that have not been read.
    Records(u64),
    Done,
}

/// Reads a journal piece by piece: ask [`JournalScanner::wanted`], give the bytes, repeat.
#[derive(Debug)]
pub struct JournalScanner {
    journal_bytes: u64,
    page_bytes: u32,
    sector_bytes: u32,
    nonce: u32,
    position: u64,
    next: Next,
    original_pages: Option<u32>,
    /// Page number and the offset of its content, in journal order.
    entries: Vec<(u32, u64)>,
}

impl JournalScanner {
    /// A scanner for a journal of `journal_bytes`. `page_bytes` is the database's page size, for
    /// journals that do not say.
    pub fn new(journal_bytes: u64, page_bytes: u32) -> Self {
        JournalScanner {
            journal_bytes,
            page_bytes,
            sector_bytes: 512,
            nonce: 0,
            position: 0,
            next: Next::Header,
            original_pages: None,
            entries: Vec::new(),
        }
    }

    /// The next bytes to give: offset and length. `None` when all is read.
    pub fn wanted(&self) -> Option<(u64, usize)> {
        let (bytes, needed) = match self.next {
            Next::Header => (JOURNAL_HEADER_BYTES, u64::from(self.sector_bytes)),
            Next::Records(_) => (self.record_bytes(), self.record_bytes() as u64),
            Next::Done => return None,
        };
        let fits = self.position.checked_add(needed)? <= self.journal_bytes;
        fits.then_some((self.position, bytes))
    }

    fn record_bytes(&self) -> usize {
        // Page number, page, checksum.
        self.page_bytes as usize + 8
    }

    /// Takes the bytes last wanted; too few of them end the journal there.
    pub fn give(&mut self, bytes: &[u8]) {
        let taken = match self.next {
            Next::Header => self.take_header(bytes),
            Next::Records(left) => self.take_record(bytes, left),
            Next::Done => None,
        };
        self.next = taken.unwrap_or(Next::Done);
        if matches!(self.next, Next::Records(0)) {
            let sector = u64::from(self.sector_bytes);
            self.position = self.position.div_ceil(sector).saturating_mul(sector);
            self.next = Next::Header;
        }
    }

    fn take_header(&mut self, bytes: &[u8]) -> Option<Next> {
        if bytes.len() < JOURNAL_HEADER_BYTES || !bytes.starts_with(&JOURNAL_MAGIC) {
            return None;
        }
        if self.position == 0 {
            let sector_bytes = word(bytes, 20);
            let page_bytes = match word(bytes, 24) {
                0 => self.page_bytes,
                size => size,
            };
            if !is_page_size(page_bytes)
                || !sector_bytes.is_power_of_two()
                || !(32..=SECTOR_BYTES_MAXIMUM).contains(&sector_bytes)
            {
                return None;
            }
            self.page_bytes = page_bytes;
            self.sector_bytes = sector_bytes;
            self.original_pages = Some(word(bytes, 16));
        }
        self.nonce = word(bytes, 12);
        self.position = self.position.checked_add(u64::from(self.sector_bytes))?;
        Some(Next::Records(match word(bytes, 8) {
            // Written without syncs: the rest of the file is records.
            u32::MAX => self.journal_bytes.saturating_sub(self.position) / self.record_bytes() as u64,
            records => u64::from(records),
        }))
    }

    fn take_record(&mut self, bytes: &[u8], left: u64) -> Option<Next> {
        if bytes.len() < self.record_bytes() {
            return None;
        }
        let page = bytes.get(4..self.record_bytes() - 4)?;
        let number = word(bytes, 0);
        if number == 0 || number == lock_page(self.page_bytes) {
            return None;
        }
        // Pages beyond the original size need no rollback; SQLite skips them unchecked.
        if number <= self.original_pages.unwrap_or(0) {
            if self.checksum(page) != word(bytes, self.record_bytes() - 4) {
                return None;
            }
            self.entries.push((number, self.position.checked_add(4)?));
        }
        self.position = self.position.checked_add(self.record_bytes() as u64)?;
        Some(Next::Records(left.checked_sub(1)?))
    }

    /// The nonce plus every 200th byte, counted from the page's end.
    fn checksum(&self, page: &[u8]) -> u32 {
        page.iter()
            .rev()
            .skip(199)
            .step_by(200)
            .take((page.len() - 1) / 200)
            .fold(self.nonce, |sum, &byte| sum.wrapping_add(u32::from(byte)))
    }

    /// What the rollback would write. `None` if the journal rolls nothing back. `main_pages` is
    /// the size of the main file.
    pub fn finish(mut self, main_pages: u32) -> Result<Option<JournalIndex>> {
        let Some(original_pages) = self.original_pages else {
            return Ok(None);
        };
        // Stable, and the last of equal pages stays: played back in order, it wins.
        self.entries.sort_by_key(|&(number, _)| number);
        self.entries.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                *earlier = *later;
            }
            same
        });
        let explained = explained_pages(main_pages, self.entries.len(), self.page_bytes);
        if original_pages > explained {
            return Err(Error::malformed(format!(
                "the journal says {original_pages} pages; main file and journal hold {explained} at most"
            ))
            .at("journal header, byte 16"));
        }
        Ok(Some(JournalIndex { page_bytes: self.page_bytes, pages: original_pages, entries: self.entries }))
    }
}

/// The pages that a rollback would write back, and the size it would give the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalIndex {
    page_bytes: u32,
    pages: u32,
    entries: Vec<(u32, u64)>,
}

impl JournalIndex {
    /// Bytes of one page.
    pub fn page_bytes(&self) -> u32 {
        self.page_bytes
    }

    /// The database's size in pages before the unfinished transaction.
    pub fn page_count(&self) -> u32 {
        self.pages
    }

    /// Byte offset in the journal of page `number`'s original content.
    pub fn offset(&self, number: u32) -> Option<u64> {
        let at = self.entries.binary_search_by_key(&number, |&(number, _)| number).ok()?;
        self.entries.get(at).map(|&(_, offset)| offset)
    }

    /// The first page from `number` on that the journal holds.
    pub fn next_held(&self, number: u32) -> Option<u32> {
        let at = self.entries.partition_point(|&(held, _)| held < number);
        self.entries.get(at).map(|&(held, _)| held)
    }
}

/// The name of the super-journal (a transaction over several databases) that a journal ends with.
/// If that file no longer exists, the transaction was finished and the journal is not hot.
///
/// `tail` is the journal's last [`SUPER_JOURNAL_TAIL_BYTES`], or all of it.
pub fn super_journal_name(tail: &[u8]) -> Option<&[u8]> {
    let (rest, magic) = tail.split_last_chunk::<8>()?;
    let (rest, checksum) = rest.split_last_chunk::<4>()?;
    let (rest, length) = rest.split_last_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let name = rest.get(rest.len().checked_sub(length)?..)?;
    // The sum takes each byte as signed.
    let sum =
        name.iter().fold(0u32, |sum, &byte| sum.wrapping_add(i32::from(byte.cast_signed()).cast_unsigned()));
    let named = name.split_last_chunk::<12>().is_some_and(|(_, end)| {
        end.starts_with(b"-mj") && end[9] == b'9' && end[3..].iter().all(u8::is_ascii_hexdigit)
    });
    (*magic == JOURNAL_MAGIC && sum == u32::from_be_bytes(*checksum) && named).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    const NONCE: u32 = 0xffff_fff0;

    fn header(records: u32, pages: u32) -> Vec<u8> {
        let mut bytes = JOURNAL_MAGIC.to_vec();
        for word in [records, NONCE, pages, 512, 512] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.resize(512, 0);
        bytes
    }

    fn record(page: u32, fill: u8) -> Vec<u8> {
        let mut bytes = page.to_be_bytes().to_vec();
        bytes.extend([fill; 512]);
        // 512-byte pages are sampled at 312 and 112.
        bytes.extend(NONCE.wrapping_add(2 * u32::from(fill)).to_be_bytes());
        bytes
    }

    fn scan(bytes: &[u8], main_pages: u32) -> Result<Option<JournalIndex>> {
        let mut scanner = JournalScanner::new(bytes.len() as u64, 512);
        while let Some((offset, length)) = scanner.wanted() {
            let at = offset as usize;
            scanner.give(&bytes[at..(at + length).min(bytes.len())]);
        }
        scanner.finish(main_pages)
    }

    #[test]
    fn several_headers_and_pages_beyond_the_original_size() {
        let mut bytes = header(2, 5);
        bytes.extend(record(2, 20));
        bytes.extend(record(9, 90));
        bytes.resize(2048, 0);
        bytes.extend(header(1, 5));
        bytes.extend(record(5, 200));
        let index = scan(&bytes, 3).unwrap().unwrap();
        assert_eq!(index.page_count(), 5);
        assert_eq!(index.offset(2), Some(516));
        assert_eq!(index.offset(9), None);
        assert_eq!(index.offset(5), Some(2560 + 4));
        assert_eq!(index.next_held(3), Some(5));
    }

    #[test]
    fn unsynced_journals_count_by_length_and_a_torn_end_is_ignored() {
        let mut bytes = header(u32::MAX, 3);
        bytes.extend(record(1, 1));
        bytes.extend(record(2, 2));
        bytes.extend(&record(3, 3)[..100]);
        let index = scan(&bytes, 3).unwrap().unwrap();
        assert_eq!(index.offset(2), Some(512 + 520 + 4));
        assert_eq!(index.offset(3), None);
        let zero = scan(&header(0, 3), 3).unwrap().unwrap();
        assert_eq!(zero.next_held(1), None);
    }

    #[test]
    fn a_wrong_checksum_ends_the_rollback() {
        let mut bytes = header(2, 3);
        bytes.extend(record(1, 1));
        bytes.extend(record(2, 2));
        bytes[512 + 520 + 4 + 312] ^= 1;
        let index = scan(&bytes, 3).unwrap().unwrap();
        assert_eq!((index.offset(1), index.offset(2)), (Some(516), None));
    }

    #[test]
    fn nothing_valid_is_no_journal_and_a_wild_size_an_error() {
        assert!(scan(&[], 3).unwrap().is_none());
        assert!(scan(&[0; 4096], 3).unwrap().is_none());
        assert!(scan(&header(0, 131), 3).is_ok());
        assert!(scan(&header(0, 132), 3).is_err());
    }

    #[test]
    fn super_journal_names_are_checked() {
        let name = b"/data/a.db-mj0123AB9CD";
        let mut tail = b"\0\0\0\0".to_vec();
        tail.extend(name);
        tail.extend((name.len() as u32).to_be_bytes());
        let sum: u32 = name.iter().map(|&byte| u32::from(byte)).sum();
        tail.extend(sum.to_be_bytes());
        tail.extend(JOURNAL_MAGIC);
        assert_eq!(super_journal_name(&tail), Some(&name[..]));
        tail[6] ^= 1;
        assert_eq!(super_journal_name(&tail), None);
        assert_eq!(super_journal_name(b"short"), None);
    }
}
