//! The rows of a checkpoint, of its rows or of its pages.

use dotctl_engine::format::{CheckpointKind, Manifest};
use dotctl_engine::{Error, Result};

use super::RowSource;
use crate::drive::{EntrySource, Progress, StoredLines, with_prefix};
use crate::image_file::ImageFile;
use crate::interrupt;
use crate::source::sort_rows;
use crate::store::Store;

/// A checkpoint of rows or of an image, whose rows can be read several times.
pub struct RowsSide<'a> {
    store: &'a dyn Store,
    manifest: &'a Manifest,
    /// An image's pages.
    pages: Option<ImageFile>,
    /// Whether they keep some rows in another order than their keys'.
    out_of_order: bool,
}

impl<'a> RowsSide<'a> {
    /// The rows of `manifest`, which is in `store`. An image is restored into a temporary file first.
    ///
    /// # Errors
    /// Unsupported where it is of state, or SQLite does not understand its schema; the store's.
    pub fn open(store: &'a dyn Store, manifest: &'a Manifest, progress: &dyn Progress) -> Result<Self> {
        let mut side = RowsSide { store, manifest, pages: None, out_of_order: false };
        match manifest.kind {
            CheckpointKind::Rows => return Ok(side),
            CheckpointKind::State => return Err(Error::unsupported("a checkpoint of state has no rows")),
            CheckpointKind::Image => {}
        }
        side.pages = Some(ImageFile::restore(store, manifest, progress)?);
        side.watch()?;
        Ok(side)
    }

    fn name(&self) -> String {
        format!("{}@{}", self.manifest.namespace, self.manifest.created_at)
    }

    /// Finds out whether the image keeps all rows in the order of their keys.
    fn watch(&mut self) -> Result<()> {
        let Some(pages) = &self.pages else { return Ok(()) };
        let mut rows = RowSource::new(pages, &self.name(), false)?;
        let mut count = 0_u64;
        loop {
            match rows.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(_) if rows.out_of_order => break,
                Err(error) => return Err(error),
            }
            count += 1;
            if count.is_multiple_of(4096) {
                interrupt::check()?;
            }
        }
        self.out_of_order = true;
        Ok(())
    }

    /// The lines with keys that begin with `prefix`, in the order of their keys.
    pub fn lines(&self, prefix: &[u8], progress: &dyn Progress) -> Result<Box<dyn EntrySource + '_>> {
        let Some(pages) = &self.pages else {
            return Ok(Box::new(StoredLines::within(self.store, self.manifest, with_prefix(prefix))?));
        };
        let mut rows = RowSource::new(pages, &self.name(), self.out_of_order)?;
        rows.pass_to(prefix);
        let prefix = prefix.to_vec();
        match self.out_of_order {
            true => {
                let lines = sort_rows(self.store, &mut rows, &self.name(), progress)?;
                Ok(Box::new(Filtered { lines, prefix }))
            }
            false => Ok(Box::new(Filtered { lines: rows, prefix })),
        }
    }
}

/// Those of `lines` whose keys begin with `prefix`.
struct Filtered<S> {
    lines: S,
    prefix: Vec<u8>,
}

impl<S: EntrySource> EntrySource for Filtered<S> {
    fn advance(&mut self) -> Result<bool> {
        while self.lines.advance()? {
            if self.lines.entry().0.starts_with(&self.prefix) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn entry(&self) -> (&[u8], &[u8]) {
        self.lines.entry()
    }
}
