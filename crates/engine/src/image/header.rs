//! The first 100 bytes of a database file.
//!
//! Source of the offsets: "The Database Header" in SQLite's file format document.

use crate::error::{Error, Result};

/// The 16 bytes every database file starts with.
pub const DATABASE_MAGIC: [u8; 16] = *b"SQLite format 3\0";

/// Bytes of the database header.
pub const DATABASE_HEADER_BYTES: usize = 100;

/// Where the file system locks of a database lie. The page that holds this byte is never used.
pub const LOCK_BYTE: u64 = 0x4000_0000;

/// The header's fields that decide how the rest of the file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseHeader {
    /// Bytes of one page: a power of two from 512 to 65,536.
    pub page_bytes: u32,
    /// 1 for rollback journals, 2 for a write-ahead log; larger: read only.
    pub write_version: u8,
    /// 1 for rollback journals, 2 for a write-ahead log.
    pub read_version: u8,
    /// Bytes at the end of each page that are not SQLite's.
    pub reserved_bytes: u8,
    /// Counts the transactions that changed the main file.
    pub change_counter: u32,
    /// The size in pages as the header states it. See [`DatabaseHeader::page_count`].
    pub stated_pages: u32,
    /// The change counter at which `stated_pages` was written.
    pub version_valid_for: u32,
}

/// The big-endian number at `at`; 0 beyond the end, so check the length first.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_be_bytes(*word))
}

/// Whether `bytes` is a size that pages can have.
pub(super) fn is_page_size(bytes: u32) -> bool {
    bytes.is_power_of_two() && (512..=65_536).contains(&bytes)
}

/// The page that holds the lock byte: pages are numbered from 1.
pub fn lock_page(page_bytes: u32) -> u32 {
    // 0x4000_0000 / 512 + 1 fits easily.
    u32::try_from(LOCK_BYTE / u64::from(page_bytes.max(512))).map_or(u32::MAX, |page| page + 1)
}

/// The most pages that a main file of `main_pages` and as many pages beside it can explain.
///
/// SQLite refuses to checkpoint into more: the rest can only be the lock page, of which it takes
/// the size to be the largest there is.
pub(super) fn explained_pages(main_pages: u32, beside: usize, page_bytes: u32) -> u32 {
    u32::try_from(beside)
        .unwrap_or(u32::MAX)
        .saturating_add(main_pages)
        .saturating_add(65_536 / page_bytes.max(512))
}

impl DatabaseHeader {
    /// Reads the header at the start of `bytes`, page 1 or its first 100 bytes.
    ///
    /// Checks what SQLite checks before it opens a file: magic, page size, usable size, read
    /// version, payload fractions.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let Some(bytes) = bytes.first_chunk::<DATABASE_HEADER_BYTES>() else {
            return Err(Error::malformed(format!(
                "not a SQLite database: {} bytes are fewer than its header of 100",
                bytes.len()
            ))
            .at("database header"));
        };
        if !bytes.starts_with(&DATABASE_MAGIC) {
            return Err(Error::malformed(
                "not a SQLite database: it does not start with \"SQLite format 3\"",
            )
            .at("database header, byte 0"));
        }
        let page_bytes = match u16::from_be_bytes([bytes[16], bytes[17]]) {
            1 => 65_536,
            size => u32::from(size),
        };
        if !is_page_size(page_bytes) {
            return Err(Error::malformed(format!(
                "{page_bytes} is no page size; it is a power of two from 512 to 65536"
            ))
            .at("database header, byte 16"));
        }
        let (write_version, read_version, reserved_bytes) = (bytes[18], bytes[19], bytes[20]);
        if read_version > 2 {
            return Err(Error::unsupported(format!(
                "read version {read_version} is newer than any SQLite this version knows (2)"
            ))
            .at("database header, byte 19"));
        }
        if page_bytes - u32::from(reserved_bytes) < 480 {
            return Err(Error::malformed(format!(
                "{reserved_bytes} reserved bytes leave less than 480 of a {page_bytes}-byte page"
            ))
            .at("database header, byte 20"));
        }
        if bytes[21..24] != [64, 32, 32] {
            return Err(Error::malformed("the payload fractions are not 64, 32 and 32")
                .at("database header, byte 21"));
        }
        Ok(DatabaseHeader {
            page_bytes,
            write_version,
            read_version,
            reserved_bytes,
            change_counter: word(bytes, 24),
            stated_pages: word(bytes, 28),
            version_valid_for: word(bytes, 92),
        })
    }

    /// The database's size in pages, by SQLite's rule: the header's own number where it was
    /// written by the last change, else what the files hold.
    ///
    /// `held_pages` is the size after the log's last commit, or that of the main file.
    pub fn page_count(&self, held_pages: u32) -> Result<u32> {
        if self.stated_pages == 0 || self.change_counter != self.version_valid_for {
            return Ok(held_pages);
        }
        if self.stated_pages > held_pages {
            return Err(Error::malformed(format!(
                "the header says {} pages and the files hold {held_pages}",
                self.stated_pages
            ))
            .at("database header, byte 28")
            .hint("the file is truncated, or its -wal was left behind when it was copied"));
        }
        Ok(self.stated_pages)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::error::ErrorKind;

    fn sample(page_field: u16) -> Vec<u8> {
        let mut bytes = vec![0; 100];
        bytes[..16].copy_from_slice(&DATABASE_MAGIC);
        bytes[16..18].copy_from_slice(&page_field.to_be_bytes());
        bytes[18..24].copy_from_slice(&[2, 2, 0, 64, 32, 32]);
        bytes[24..28].copy_from_slice(&7u32.to_be_bytes());
        bytes[28..32].copy_from_slice(&9u32.to_be_bytes());
        bytes[92..96].copy_from_slice(&7u32.to_be_bytes());
        bytes
    }

    #[test]
    fn page_size_one_means_65536() {
        assert_eq!(DatabaseHeader::parse(&sample(1)).unwrap().page_bytes, 65_536);
        assert_eq!(DatabaseHeader::parse(&sample(512)).unwrap().page_bytes, 512);
    }

    #[test]
    fn each_wrong_field_is_named() {
        for (at, value, place) in [
            (0, 0, "byte 0"),
            (16, 0, "byte 16"),
            (17, 1, "byte 16"),
            (19, 3, "byte 19"),
            (22, 31, "byte 21"),
        ] {
            let mut bytes = sample(512);
            bytes[at] = value;
            let error = DatabaseHeader::parse(&bytes).unwrap_err();
            assert!(error.to_string().contains(place), "{error}");
        }
        let mut bytes = sample(512);
        bytes[20] = 33;
        assert!(DatabaseHeader::parse(&bytes).is_err());
        assert!(DatabaseHeader::parse(&bytes[..99]).is_err());
    }

    #[test]
    fn stated_size_counts_only_when_it_is_current() {
        let header = DatabaseHeader::parse(&sample(4096)).unwrap();
        assert_eq!(header.page_count(9).unwrap(), 9);
        assert_eq!(header.page_count(12).unwrap(), 9);
        assert_eq!(header.page_count(8).unwrap_err().kind(), ErrorKind::Malformed);
        let stale = DatabaseHeader { version_valid_for: 6, ..header };
        assert_eq!(stale.page_count(12).unwrap(), 12);
    }

    #[test]
    fn the_lock_page_is_the_one_at_a_gibibyte() {
        assert_eq!(lock_page(4096), 262_145);
        assert_eq!(lock_page(65_536), 16_385);
    }
}
