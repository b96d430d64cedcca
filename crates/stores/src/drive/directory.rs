//! The directory of an image: its making.

use dotctl_engine::checkpoint::DirectoryBuilder;
use dotctl_engine::chunk::StoredChunk;
use dotctl_engine::image::PageReader;
use dotctl_engine::image::geometry::{Basics, Geometry};
use dotctl_engine::image::key_walk::KeyWalk;
use dotctl_engine::image::leaf_keys::{LeafKeys, LeafKeysPart};
use dotctl_engine::{ErrorKind, Result};

use super::SnapshotSetting;

/// An image of so many chunks or fewer has no directory: a look-up reads no more of them anyway.
const CHUNKS_MAX: u32 = 2;

/// Collects what a directory needs while an image is read, then makes it.
pub struct DirectoryMaker {
    /// The sizes of an image that may have a directory.
    geometry: Option<Geometry>,
    leaf_keys: LeafKeys,
}

impl DirectoryMaker {
    /// The maker for `pages`, in chunks of `chunk_pages`.
    pub fn new(pages: &impl PageReader, chunk_pages: u32) -> Result<Self> {
        let mut geometry = None;
        if pages.page_count().div_ceil(chunk_pages) > CHUNKS_MAX {
            let mut first = vec![0; pages.page_bytes() as usize];
            pages.read_pages(1, &mut first)?;
            geometry = Basics::parse(&first, pages.page_count()).ok().map(|basics| basics.geometry);
        }
        Ok(DirectoryMaker { geometry, leaf_keys: LeafKeys::default() })
    }

    /// The sizes by which leaves are to be scanned, if they are.
    pub fn geometry(&self) -> Option<Geometry> {
        self.geometry
    }

    /// Takes the leaves of the next chunk.
    pub fn add(&mut self, part: &LeafKeysPart) {
        self.leaf_keys.add(part);
    }

    /// The directory's chunks; none where there is nothing to win, where there is no `_cf_KV` as
    /// objects have it, or where its tree is damaged: a look-up then goes down the tree.
    pub fn finish(&self, pages: &impl PageReader, setting: &SnapshotSetting) -> Result<Vec<StoredChunk>> {
        let Some(geometry) = self.geometry else {
            return Ok(Vec::new());
        };
        match self.build(geometry, pages, setting) {
            Err(error) if matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Unsupported) => {
                Ok(Vec::new())
            }
            built => built,
        }
    }

    fn build(
        &self,
        geometry: Geometry,
        pages: &impl PageReader,
        setting: &SnapshotSetting,
    ) -> Result<Vec<StoredChunk>> {
        let mut walk = KeyWalk::new(pages.page_count());
        let mut builder =
            DirectoryBuilder::new(setting.codec, setting.chunk_size, geometry, &self.leaf_keys)?;
        let mut page = vec![0; pages.page_bytes() as usize];
        while walk.advance(&mut page, |number, into| pages.read_pages(number, into))? {
            builder.push(&walk)?;
        }
        builder.finish()
    }
}
