//! The table `things` of a new image, built page by page instead of row by row through SQLite, which
//! takes several times as long.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use dotctl_engine::Result;
use dotctl_engine::image::build::{PAGE_BYTES, Page, TreeBuilder};

use super::fold::Row;
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
    path: PathBuf,
    block: Vec<u8>,
    /// Where the block begins in the file.
    offset: u64,
}

impl Pages {
    fn put(&mut self, number: u32, page: &Page) -> Result<()> {
        let offset = u64::from(number - 1) * PAGE_BYTES as u64;
        if offset != self.offset + self.block.len() as u64 || self.block.len() >= BLOCK_BYTES {
            self.flush()?;
            self.offset = offset;
        }
        self.block.extend_from_slice(page);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.file
            .write_all_at(&self.block, self.offset)
            .map_err(|error| io_error("write", &self.path, &error))?;
        // So that there is less to wait for at the end.
        direct::begin_writing_out(&self.file, self.offset, self.block.len() as u64);
        self.offset += self.block.len() as u64;
        self.block.clear();
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
        Ok(BuiltTable {
            tree: TreeBuilder::new(pages + 1),
            pages: Pages {
                file,
                path: path.to_owned(),
                block: Vec::with_capacity(BLOCK_BYTES + PAGE_BYTES),
                offset: 0,
            },
            root,
        })
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
