//! What page 1 says about all pages: how much of each is used and where the free ones hang.

use crate::error::{Error, Result};

/// The most pages an image may have here: 34 million, 137 GB at 4 KiB, 13 times the largest
/// object. It bounds what a sparse file that claims a size can make us allocate.
pub const MAX_PAGES: u32 = 1 << 25;

/// The byte that SQLite locks lies in a page that holds nothing, 1 GiB into the file.
const LOCK_BYTE_OFFSET: u32 = 0x4000_0000;

/// The first bytes of every database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The sizes that every reader of pages needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of one page.
    pub page_bytes: u32,
    /// Bytes of a page that SQLite itself uses: without the reserved ones at its end.
    pub usable_bytes: u32,
    /// Pages in the image.
    pub page_count: u32,
}

impl Geometry {
    /// The sizes of an image of `page_count` pages, which end with `reserved_bytes` that are not
    /// SQLite's.
    ///
    /// # Errors
    /// Malformed where no database has such pages; unsupported past [`MAX_PAGES`].
    pub fn new(page_bytes: u32, reserved_bytes: u8, page_count: u32) -> Result<Geometry> {
        if !page_bytes.is_power_of_two() || !(512..=65_536).contains(&page_bytes) {
            return Err(Error::malformed(format!("{page_bytes} bytes is no size for a page")));
        }
        let usable_bytes = page_bytes.saturating_sub(reserved_bytes.into());
        if usable_bytes < 480 {
            return Err(Error::malformed(format!(
                "{reserved_bytes} reserved bytes leave too little of a page"
            )));
        }
        if page_count > MAX_PAGES {
            return Err(Error::unsupported(format!(
                "the database has {page_count} pages; at most {MAX_PAGES} can be read"
            )));
        }
        Ok(Geometry { page_bytes, usable_bytes, page_count })
    }

    /// The page that holds the lock byte, if the image reaches that far or not.
    pub fn lock_page(&self) -> u32 {
        LOCK_BYTE_OFFSET / self.page_bytes.max(1) + 1
    }

    /// Whether `page` holds back pointers (a pointer map) in an auto-vacuum database.
    pub fn is_pointer_map(&self, page: u32) -> bool {
        if page < 2 {
            return false;
        }
        let span = self.usable_bytes / 5 + 1;
        let mut map = (page - 2) / span * span + 2;
        if map == self.lock_page() {
            map += 1;
        }
        page == map
    }

    /// Whether `page` is a page of this image.
    #[inline]
    pub fn contains(&self, page: u32) -> bool {
        page >= 1 && page <= self.page_count
    }
}

/// How a database stores text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextEncoding {
    /// UTF-8, which workerd uses.
    Utf8,
    /// UTF-16, little endian.
    Utf16Le,
    /// UTF-16, big endian.
    Utf16Be,
}

impl TextEncoding {
    /// The name that `PRAGMA encoding` gives it.
    pub fn name(self) -> &'static str {
        match self {
            TextEncoding::Utf8 => "UTF-8",
            TextEncoding::Utf16Le => "UTF-16le",
            TextEncoding::Utf16Be => "UTF-16be",
        }
    }
}

/// What the walks need of a database's first 100 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basics {
    /// The sizes.
    pub geometry: Geometry,
    /// The encoding of text.
    pub text_encoding: TextEncoding,
    /// Whether pointer map pages are interspersed.
    pub auto_vacuum: bool,
    /// Whether it vacuums on demand only.
    pub incremental_vacuum: bool,
    /// `PRAGMA user_version`: its user's.
    pub user_version: i32,
    /// `PRAGMA application_id`: its user's.
    pub application_id: i32,
    /// The first page of the free list, 0 for none.
    pub freelist_first: u32,
    /// Pages in the free list, as the header counts them.
    pub freelist_page_count: u32,
}

impl Basics {
    /// Reads them from page 1 of an image of `page_count` pages.
    ///
    /// # Errors
    /// Malformed where page 1 is no database header; unsupported past [`MAX_PAGES`].
    pub fn parse(page_one: &[u8], page_count: u32) -> Result<Basics> {
        let malformed = |message: String| Error::malformed(message).at("page 1");
        let header: &[u8; 100] =
            page_one.first_chunk().ok_or_else(|| malformed("the database header is cut short".into()))?;
        if header.first_chunk() != Some(MAGIC) {
            return Err(malformed("this is not a SQLite database header".into()));
        }
        let word = |at: usize| {
            header
                .get(at..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |bytes: &[u8; 4]| u32::from_be_bytes(*bytes))
        };
        let page_bytes = u32::try_from(page_one.len()).unwrap_or(u32::MAX);
        let geometry =
            Geometry::new(page_bytes, header[20], page_count).map_err(|error| error.at("page 1"))?;
        let text_encoding = match word(56) {
            // Zero: a database without any table yet.
            0 | 1 => TextEncoding::Utf8,
            2 => TextEncoding::Utf16Le,
            3 => TextEncoding::Utf16Be,
            other => return Err(malformed(format!("{other} is no text encoding."))),
        };
        Ok(Basics {
            geometry,
            text_encoding,
            auto_vacuum: word(52) != 0,
            incremental_vacuum: word(64) != 0,
            user_version: word(60).cast_signed(),
            application_id: word(68).cast_signed(),
            freelist_first: word(32),
            freelist_page_count: word(36),
        })
    }
}
