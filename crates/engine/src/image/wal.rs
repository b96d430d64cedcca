//! The write-ahead log: which of its frames hold the newest committed version of which page.
//!
//! The rules are those of SQLite's own recovery (`walIndexRecover` in `wal.c`): frames count from
//! the first on, as long as salts and the running checksum match, and only up to the last frame
//! that ends a transaction. A log whose header is invalid is an empty log.

use super::header::{explained_pages, is_page_size, word};
use crate::error::{Error, Result};

/// Bytes before the first frame.
pub const LOG_HEADER_BYTES: usize = 32;

/// Bytes before the page in each frame.
pub const FRAME_HEADER_BYTES: usize = 24;

/// The magic number without its lowest bit, which says in what byte order checksums are taken.
const LOG_MAGIC: u32 = 0x377f_0682;

/// The only version of the format there has been.
const LOG_VERSION: u32 = 3_007_000;

/// Entries that may gather before superseded ones are dropped.
const COMPACTION_MINIMUM: usize = 1 << 16;

/// The running checksum: two sums over 32-bit words, each feeding the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Checksum {
    big_endian: bool,
    sums: (u32, u32),
}

impl Checksum {
    /// Takes in `bytes`, a multiple of 8.
    fn update(&mut self, bytes: &[u8]) {
        self.sums = if self.big_endian {
            sum_words(bytes, self.sums, u32::from_be_bytes)
        } else {
            sum_words(bytes, self.sums, u32::from_le_bytes)
        };
    }
}

#[inline(always)]
fn sum_words(bytes: &[u8], (mut first, mut second): (u32, u32), read: impl Fn([u8; 4]) -> u32) -> (u32, u32) {
    for &[a, b, c, d, e, f, g, h] in bytes.as_chunks::<8>().0 {
        // The word joins first, so that only one addition waits for the other sum.
        first = first.wrapping_add(read([a, b, c, d])).wrapping_add(second);
        second = second.wrapping_add(read([e, f, g, h])).wrapping_add(first);
    }
    (first, second)
}

/// The log's first 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHeader {
    page_bytes: u32,
    salts: [u8; 8],
    checksum: Checksum,
}

impl LogHeader {
    /// Reads the header at the start of `bytes`. `None` if it is too short or not valid: SQLite
    /// takes such a log as empty. Another format version is an error, as it is for SQLite.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(bytes) = bytes.first_chunk::<LOG_HEADER_BYTES>() else {
            return Ok(None);
        };
        let magic = word(bytes, 0);
        let page_bytes = word(bytes, 8);
        if magic & !1 != LOG_MAGIC || !is_page_size(page_bytes) {
            return Ok(None);
        }
        let mut checksum = Checksum { big_endian: magic & 1 == 1, sums: (0, 0) };
        checksum.update(&bytes[..24]);
        if checksum.sums != (word(bytes, 24), word(bytes, 28)) {
            return Ok(None);
        }
        let version = word(bytes, 4);
        if version != LOG_VERSION {
            return Err(Error::unsupported(format!(
                "write-ahead log version {version} is not the known {LOG_VERSION}"
            ))
            .at("log header, byte 4"));
        }
        let mut salts = [0; 8];
        salts.copy_from_slice(&bytes[16..24]);
        Ok(Some(LogHeader { page_bytes, salts, checksum }))
    }

    /// Bytes of one page.
    pub fn page_bytes(&self) -> u32 {
        self.page_bytes
    }

    /// The two salts as they lie in the header. They change whenever the log starts over.
    pub fn salts(&self) -> [u8; 8] {
        self.salts
    }

    /// Bytes of one frame, header and page.
    pub fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.page_bytes as usize
    }
}

/// Reads frames, fed in order and in blocks of any size, and keeps 8 bytes for each.
#[derive(Debug)]
pub struct LogScanner {
    header: LogHeader,
    checksum: Checksum,
    /// The start of a frame whose rest has not been fed yet.
    partial: Vec<u8>,
    /// Valid frames so far.
    frames: u32,
    frame_limit: u32,
    ended: bool,
    /// Page number in the upper half, frame number in the lower, for frames 1 to `frames`.
    entries: Vec<u64>,
    /// Frames up to the last commit and the size in pages it states.
    committed_frames: u32,
    committed_pages: u32,
    committed_entries: usize,
    /// Drop superseded entries at the next commit that finds this many.
    compact_at: usize,
}

impl LogScanner {
    /// A scanner for the frames after `header`.
    pub fn new(header: LogHeader) -> Self {
        LogScanner {
            header,
            checksum: header.checksum,
            partial: Vec::new(),
            frames: 0,
            frame_limit: u32::MAX,
            ended: false,
            entries: Vec::new(),
            committed_frames: 0,
            committed_pages: 0,
            committed_entries: 0,
            compact_at: COMPACTION_MINIMUM,
        }
    }

    /// Reads no further than frame `frames`, as a live log's index tells.
    #[must_use]
    pub fn up_to(mut self, frames: u32) -> Self {
        self.frame_limit = frames;
        self.ended = frames == 0;
        self
    }

    /// Takes the log's next bytes, the first of them those after the header. `false` once more
    /// bytes cannot matter.
    pub fn feed(&mut self, mut bytes: &[u8]) -> bool {
        let frame_bytes = self.header.frame_bytes();
        if !self.partial.is_empty() {
            let missing = frame_bytes.saturating_sub(self.partial.len());
            let (head, rest) = bytes.split_at(missing.min(bytes.len()));
            self.partial.extend_from_slice(head);
            bytes = rest;
            if self.partial.len() < frame_bytes {
                return !self.ended;
            }
            let frame = std::mem::take(&mut self.partial);
            self.take_frame(&frame);
        }
        let mut frames = bytes.chunks_exact(frame_bytes);
        for frame in frames.by_ref() {
            if self.ended {
                return false;
            }
            self.take_frame(frame);
        }
        if !self.ended {
            self.partial.extend_from_slice(frames.remainder());
        }
        !self.ended
    }

    fn take_frame(&mut self, frame: &[u8]) {
        let Some((header, page)) = frame.split_first_chunk::<FRAME_HEADER_BYTES>() else {
            self.ended = true;
            return;
        };
        let number = word(header, 0);
        if header[8..16] != self.header.salts || number == 0 {
            self.ended = true;
            return;
        }
        self.checksum.update(&header[..8]);
        self.checksum.update(page);
        if self.checksum.sums != (word(header, 16), word(header, 20)) {
            self.ended = true;
            return;
        }
        // At most `frame_limit`, which `ended` guards.
        self.frames += 1;
        self.entries.push(u64::from(number) << 32 | u64::from(self.frames));
        let pages = word(header, 4);
        if pages != 0 {
            self.committed_frames = self.frames;
            self.committed_pages = pages;
            if self.entries.len() >= self.compact_at {
                keep_newest(&mut self.entries);
                self.compact_at = (self.entries.len() * 2).max(COMPACTION_MINIMUM);
            }
            self.committed_entries = self.entries.len();
        }
        self.ended = self.frames >= self.frame_limit;
    }

    /// What was found. `main_pages` is the size of the main file: a commit that states more pages
    /// than the two files can hold is an error.
    pub fn finish(mut self, main_pages: u32) -> Result<LogIndex> {
        self.entries.truncate(self.committed_entries);
        keep_newest(&mut self.entries);
        let explained = explained_pages(main_pages, self.committed_frames as usize, self.header.page_bytes);
        if self.committed_pages > explained {
            return Err(Error::malformed(format!(
                "the last transaction says {} pages; main file and log hold {explained} at most",
                self.committed_pages
            ))
            .at(format!("log frame {}", self.committed_frames)));
        }
        self.entries.retain(|&entry| page_of(entry) <= self.committed_pages);
        self.entries.shrink_to_fit();
        Ok(LogIndex {
            frame_bytes: self.header.frame_bytes() as u64,
            page_bytes: self.header.page_bytes,
            frames: self.committed_frames,
            pages: self.committed_pages,
            entries: self.entries,
        })
    }
}

fn page_of(entry: u64) -> u32 {
    (entry >> 32) as u32
}

fn frame_of(entry: u64) -> u32 {
    entry as u32
}

/// Sorts by page and keeps each page's newest frame.
fn keep_newest(entries: &mut Vec<u64>) {
    entries.sort_unstable();
    entries.dedup_by(|newer, older| {
        let same = page_of(*newer) == page_of(*older);
        if same {
            *older = *newer;
        }
        same
    });
}

/// A stretch of consecutive pages that are read the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogExtent {
    /// In consecutive frames: the first page lies at byte `offset` of the log, each further one
    /// [`FRAME_HEADER_BYTES`] after the end of the one before.
    Frames {
        /// Byte offset of the first page's content.
        offset: u64,
        /// Pages in the stretch.
        pages: u32,
    },
    /// Not in the log.
    Absent {
        /// Pages in the stretch.
        pages: u32,
    },
}

/// Where the log holds the newest committed version of each page: 8 bytes a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogIndex {
    frame_bytes: u64,
    page_bytes: u32,
    frames: u32,
    pages: u32,
    entries: Vec<u64>,
}

impl LogIndex {
    /// Bytes of one page.
    pub fn page_bytes(&self) -> u32 {
        self.page_bytes
    }

    /// The database's size in pages after the last commit; 0 if the log holds no commit.
    pub fn page_count(&self) -> u32 {
        self.pages
    }

    /// Frames up to and with the last commit.
    pub fn frame_count(&self) -> u32 {
        self.frames
    }

    /// Different pages that the log holds.
    pub fn held_pages(&self) -> usize {
        self.entries.len()
    }

    /// Byte offset in the log of the newest committed content of page `number`.
    pub fn offset(&self, number: u32) -> Option<u64> {
        match self.extent(number, 1) {
            LogExtent::Frames { offset, .. } => Some(offset),
            LogExtent::Absent { .. } => None,
        }
    }

    /// The longest stretch from page `first` on, at most `limit` pages (at least 1).
    pub fn extent(&self, first: u32, limit: u32) -> LogExtent {
        let limit = limit.max(1);
        let start = self.entries.partition_point(|&entry| page_of(entry) < first);
        let tail = self.entries.get(start..).unwrap_or_default();
        match tail.first() {
            Some(&entry) if page_of(entry) == first => {
                // Page and frame both one more: the packed entry grows by this.
                const STEP: u64 = 1 << 32 | 1;
                let pages = tail
                    .windows(2)
                    .take(limit as usize - 1)
                    .take_while(|pair| matches!(pair, [a, b] if a.checked_add(STEP) == Some(*b)))
                    .count() as u32
                    + 1;
                LogExtent::Frames {
                    offset: LOG_HEADER_BYTES as u64
                        + u64::from(frame_of(entry) - 1) * self.frame_bytes
                        + FRAME_HEADER_BYTES as u64,
                    pages,
                }
            }
            Some(&entry) => LogExtent::Absent { pages: limit.min(page_of(entry) - first) },
            None => LogExtent::Absent { pages: limit },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    /// Writes logs by the format's description, independently of the scanner's checksum loop.
    struct Writer {
        bytes: Vec<u8>,
        big_endian: bool,
        sums: (u32, u32),
        page_bytes: usize,
    }

    impl Writer {
        fn new(page_bytes: usize, big_endian: bool) -> Self {
            let mut writer = Writer { bytes: Vec::new(), big_endian, sums: (0, 0), page_bytes };
            let mut header = Vec::new();
            for word in [
                LOG_MAGIC + u32::from(big_endian),
                LOG_VERSION,
                page_bytes as u32,
                0,
                0x1122_3344,
                0x5566_7788,
            ] {
                header.extend(word.to_be_bytes());
            }
            writer.sum(&header);
            header.extend(writer.sums.0.to_be_bytes());
            header.extend(writer.sums.1.to_be_bytes());
            writer.bytes = header;
            writer
        }

        fn sum(&mut self, bytes: &[u8]) {
            for pair in bytes.chunks(8) {
                let read = |four: &[u8]| {
                    let four = four.try_into().unwrap();
                    if self.big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
                };
                let (x, y) = (read(&pair[..4]), read(&pair[4..]));
                self.sums.0 = self.sums.0.wrapping_add(x.wrapping_add(self.sums.1));
                self.sums.1 = self.sums.1.wrapping_add(y.wrapping_add(self.sums.0));
            }
        }

        fn frame(&mut self, page: u32, commit: u32) {
            let mut header = Vec::new();
            header.extend(page.to_be_bytes());
            header.extend(commit.to_be_bytes());
            let content: Vec<u8> =
                (0..self.page_bytes).map(|at| (at as u32 ^ page).wrapping_mul(0x9e37) as u8).collect();
            self.sum(&header);
            self.sum(&content);
            header.extend(0x1122_3344u32.to_be_bytes());
            header.extend(0x5566_7788u32.to_be_bytes());
            header.extend(self.sums.0.to_be_bytes());
            header.extend(self.sums.1.to_be_bytes());
            self.bytes.extend(header);
            self.bytes.extend(content);
        }
    }

    fn scan(bytes: &[u8], block: usize, main_pages: u32) -> Result<Option<LogIndex>> {
        let Some(header) = LogHeader::parse(bytes)? else {
            return Ok(None);
        };
        let mut scanner = LogScanner::new(header);
        for block in bytes[LOG_HEADER_BYTES..].chunks(block) {
            if !scanner.feed(block) {
                break;
            }
        }
        scanner.finish(main_pages).map(Some)
    }

    fn sample(big_endian: bool) -> Vec<u8> {
        let mut writer = Writer::new(512, big_endian);
        writer.frame(1, 0);
        writer.frame(2, 2);
        writer.frame(1, 0);
        writer.frame(3, 0);
        writer.frame(4, 4);
        writer.frame(2, 0);
        writer.bytes
    }

    fn frame_offset(frame: u64) -> u64 {
        32 + (frame - 1) * (512 + 24) + 24
    }

    #[test]
    fn newest_committed_frames_in_both_byte_orders_and_any_blocks() {
        for big_endian in [false, true] {
            for block in [1, 7, 536, 1000, 1 << 20] {
                let index = scan(&sample(big_endian), block, 1).unwrap().unwrap();
                assert_eq!((index.page_count(), index.frame_count()), (4, 5));
                let offsets: Vec<_> = (1..=5).map(|page| index.offset(page)).collect();
                let expected = [Some(3), Some(2), Some(4), Some(5), None];
                assert_eq!(offsets, expected.map(|frame| frame.map(frame_offset)));
                assert_eq!(index.extent(3, 10), LogExtent::Frames { offset: frame_offset(4), pages: 2 });
                assert_eq!(index.extent(5, 10), LogExtent::Absent { pages: 10 });
            }
        }
    }

    #[test]
    fn a_limit_hides_later_frames() {
        let bytes = sample(false);
        let header = LogHeader::parse(&bytes).unwrap().unwrap();
        let mut scanner = LogScanner::new(header).up_to(2);
        assert!(!scanner.feed(&bytes[32..]));
        let index = scanner.finish(1).unwrap();
        assert_eq!((index.page_count(), index.frame_count()), (2, 2));
        assert!(!LogScanner::new(header).up_to(0).feed(&bytes[32..]));
    }

    #[test]
    fn a_changed_byte_ends_the_log_before_its_frame() {
        let good = sample(false);
        for at in 32..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x40;
            let frame = (at - 32) / 536;
            let expected = match frame {
                0 | 1 => (0, 0),
                2..=4 => (2, 2),
                _ => (4, 5),
            };
            let index = scan(&bytes, 4096, 1).unwrap().unwrap();
            assert_eq!((index.page_count(), index.frame_count()), expected, "{at}");
        }
        for at in 0..32 {
            let mut bytes = good.clone();
            bytes[at] ^= 0x40;
            assert!(scan(&bytes, 4096, 1).is_ok_and(|index| index.is_none()), "{at}");
        }
    }

    #[test]
    fn truncation_leaves_whole_transactions() {
        let good = sample(true);
        for length in 32..good.len() {
            let index = scan(&good[..length], 100, 1).unwrap().unwrap();
            let expected = match (length - 32) / 536 {
                0 | 1 => 0,
                2..=4 => 2,
                _ => 4,
            };
            assert_eq!(index.page_count(), expected);
        }
    }

    #[test]
    fn a_database_that_shrank_drops_its_tail() {
        let mut writer = Writer::new(512, false);
        writer.frame(9, 9);
        writer.frame(1, 2);
        let index = scan(&writer.bytes, 4096, 1).unwrap().unwrap();
        assert_eq!((index.page_count(), index.held_pages()), (2, 1));
    }

    #[test]
    fn sizes_beyond_both_files_are_errors_and_cost_nothing() {
        let mut writer = Writer::new(512, false);
        writer.frame(1, u32::MAX);
        assert!(scan(&writer.bytes, 4096, 1).is_err());
        // One page of the main file, one frame, and as many bytes as a lock page may have.
        for (pages, fits) in [(130, true), (131, false)] {
            let mut writer = Writer::new(512, false);
            writer.frame(u32::MAX, pages);
            let index = scan(&writer.bytes, 4096, 1);
            assert_eq!(index.is_ok(), fits);
            if let Ok(Some(index)) = index {
                assert_eq!((index.page_count(), index.held_pages()), (130, 0));
                assert_eq!(index.extent(1, 200), LogExtent::Absent { pages: 200 });
            }
        }
    }

    #[test]
    fn superseded_entries_are_dropped_on_the_way() {
        let header = LogHeader::parse(&sample(false)).unwrap().unwrap();
        let mut scanner = LogScanner::new(header);
        for frame in 1..=200_000u64 {
            scanner.entries.push((1 + frame % 3) << 32 | frame);
        }
        keep_newest(&mut scanner.entries);
        assert_eq!(scanner.entries, [1 << 32 | 199_998, 2 << 32 | 199_999, 3 << 32 | 200_000]);
    }

    #[test]
    fn another_version_is_refused() {
        let mut writer = Writer::new(512, false);
        let mut header = writer.bytes[..24].to_vec();
        header[7] += 1;
        writer.sums = (0, 0);
        writer.sum(&header);
        header.extend(writer.sums.0.to_be_bytes());
        header.extend(writer.sums.1.to_be_bytes());
        assert!(LogHeader::parse(&header).is_err());
    }
}
