//! The table `things` of a new image, built page by page instead of row by row through SQLite, which
//! takes several times as long.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use dotctl_engine::Result;
use dotctl_engine::image::build::{PAGE_BYTES, Page, TreeBuilder};

use super::fold::Row;
use crate::buffer::AlignedBuffer;
use crate::{direct, io_error};

/// Bytes of pages that are written together.
const BLOCK_BYTES: usize = 1 << 20;

/// Where a database's header tells its size, its change counter, and for which state of that counter
/// the size holds. "Database File Format", section 1.3.
const PAGE_COUNT_OFFSET: u64 = 28;
const CHANGE_COUNTER_OFFSET: u64 = 24;
const VALID_FOR_OFFSET: u64 = 92;

/// A table on its way into a database that nobody has open.
pub struct BuiltTable {
    tree: TreeBuilder,
    pages: Pages,
    root: u32,
}

/// Finished pages on their way to the file.
struct Pages {
    file: File,
    /// Past the page cache, whose fresh memory costs more than the rest of writing.
    direct: Option<File>,
    path: PathBuf,
    block: AlignedBuffer,
    filled: usize,
    /// Where the block begins in the file.
    offset: u64,
}

impl Pages {
    fn put(&mut self, number: u32, page: &Page) -> Result<()> {
        let offset = u64::from(number - 1) * PAGE_BYTES as u64;
        if offset != self.offset + self.filled as u64 || self.filled + PAGE_BYTES > BLOCK_BYTES {
            self.flush()?;
            self.offset = offset;
        }
        if let Some(room) = self.block.get_mut(self.filled..self.filled + PAGE_BYTES) {
            room.copy_from_slice(page);
        }
        self.filled += PAGE_BYTES;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let block = self.block.get(..self.filled).unwrap_or_default();
        self.write(block).map_err(|error| io_error("write", &self.path, &error))?;
        self.offset += self.filled as u64;
        self.filled = 0;
        Ok(())
    }

    fn write(&self, block: &[u8]) -> std::io::Result<()> {
        if let Some(direct) = self.direct.as_ref().filter(|_| block.len() == BLOCK_BYTES) {
            match direct.write_all_at(block, self.offset) {
                // The file system promised more than it keeps.
                Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {}
                written => return written,
            }
        }
        self.file.write_all_at(block, self.offset)?;
        // So that there is less to wait for at the end.
        direct::begin_writing_out(&self.file, self.offset, block.len() as u64);
        Ok(())
    }
}

impl BuiltTable {
    /// A table whose root is page `root`, in the database at `path`; its other pages come behind all
    /// that are there.
    pub fn begin(path: &Path, root: u32) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| io_error("open", path, &error))?;
        let bytes = file.metadata().map_err(|error| io_error("look at", path, &error))?.len();
        // Far below 2^32: an image begins with its keys.
        let pages = u32::try_from(bytes.div_ceil(PAGE_BYTES as u64)).unwrap_or(u32::MAX - 1);
        let mut block = AlignedBuffer::default();
        block.set_length(BLOCK_BYTES, 0);
        let direct = direct::open(path);
        let pages_out = Pages { file, direct, path: path.to_owned(), block, filled: 0, offset: 0 };
        Ok(BuiltTable { tree: TreeBuilder::new(pages + 1), pages: pages_out, root })
    }

    /// Appends a row; its id is greater than that of the row before.
    #[inline]
    pub fn push(&mut self, row: Row<'_>) -> Result<()> {
        let pages = &mut self.pages;
        self.tree.push(&[row.id, row.type_name, row.data], &mut |number, page| pages.put(number, page))
    }

    /// Writes what is left; the database then has the table.
    pub fn finish(self) -> Result<()> {
        let BuiltTable { tree, mut pages, root } = self;
        let next = tree.finish(root, &mut |number, page| pages.put(number, page))?;
        pages.flush()?;
        let failed = |error: std::io::Error| io_error("write", &pages.path, &error);
        let mut counter = [0; 4];
        pages.file.read_exact_at(&mut counter, CHANGE_COUNTER_OFFSET).map_err(failed)?;
        pages.file.write_all_at(&counter, VALID_FOR_OFFSET).map_err(failed)?;
        pages.file.write_all_at(&(next - 1).to_be_bytes(), PAGE_COUNT_OFFSET).map_err(failed)
    }
}
