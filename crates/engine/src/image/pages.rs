//! Where pages come from.

use crate::error::Result;

/// The pages of one consistent database image, read in any order.
///
/// The native adapter reads a main file overlaid with its write-ahead log; a checkpoint gives
/// pages out of its chunks. Page numbers start at 1, as in SQLite's own documents.
pub trait PageSource {
    /// Bytes of one page: a power of two from 512 to 65,536.
    fn page_bytes(&self) -> u32;

    /// Pages in the image.
    fn page_count(&self) -> u32;

    /// Reads page `number` (1 to `page_count`) into `into`, which is `page_bytes` long.
    fn read_page(&mut self, number: u32, into: &mut [u8]) -> Result<()>;
}

/// A source that several threads can read at once.
pub trait PageReader: Sync {
    /// Bytes of one page.
    fn page_bytes(&self) -> u32;

    /// Pages in the image.
    fn page_count(&self) -> u32;

    /// Reads the consecutive pages from `first` on that fill `into`, a whole number of pages.
    fn read_pages(&self, first: u32, into: &mut [u8]) -> Result<()>;
}
