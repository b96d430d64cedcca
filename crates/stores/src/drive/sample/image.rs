//! A database's pages.

use std::path::Path;

use dotctl_engine::Result;
use dotctl_engine::checkpoint::packed_bytes;
use dotctl_engine::chunk::PackBorder;
use dotctl_engine::format::RecordKey;
use dotctl_engine::id::{Namespace, Time};
use dotctl_engine::image::PageReader;
use dotctl_engine::image::leaf_keys::LeafKeysPart;

use super::{ChunkSource, SampleKind, SampleReport, SampleSetting, Visit, try_codecs};
use crate::database::{LiveDatabase, read_still};
use crate::drive::directory::DirectoryMaker;
use crate::drive::{Progress, SnapshotSetting};

/// Samples the database at `path`, in use or not.
pub fn sample_database(
    path: &Path,
    setting: &SampleSetting<'_>,
    progress: &dyn Progress,
) -> Result<SampleReport> {
    read_still(path, |database| sample_still(database, setting, progress))
}

fn sample_still(
    database: &LiveDatabase,
    setting: &SampleSetting<'_>,
    progress: &dyn Progress,
) -> Result<SampleReport> {
    let chunk_pages = setting.chunk_size.pages(database.page_bytes());
    let directory = DirectoryMaker::new(database, chunk_pages)?;
    let mut chunks = ImageChunks { database, chunk_pages, directory, is_surveyed: false, raw: Vec::new() };
    let (mut report, _) = try_codecs(SampleKind::Image, &mut chunks, setting, progress)?;
    for (codec, own) in setting.codecs.iter().zip(&mut report.codecs) {
        let snapshot = SnapshotSetting {
            namespace: Namespace::new("estimate")?,
            created_at: Time::from_unix_ms(0)?,
            codec: *codec,
            chunk_size: setting.chunk_size,
            chain: dotctl_engine::checkpoint::ChainPolicy::DEFAULT,
        };
        let made = chunks.directory.finish(database, &snapshot)?;
        let keys = made.iter().map(|chunk| (&chunk.first_key, chunk.bytes.len() as u64));
        own.directory_bytes = packed_bytes(codec.codec(), PackBorder::FOLDER, keys);
        for bytes in [&mut own.bounds.compressed_bytes, &mut own.bounds.low_bytes, &mut own.bounds.high_bytes]
        {
            *bytes = bytes.saturating_add(own.directory_bytes);
        }
    }
    Ok(report)
}

struct ImageChunks<'a> {
    database: &'a LiveDatabase,
    chunk_pages: u32,
    directory: DirectoryMaker,
    /// Whether every page was read once, and the directory knows its leaves.
    is_surveyed: bool,
    raw: Vec<u8>,
}

impl ChunkSource for ImageChunks<'_> {
    fn each(&mut self, wanted: Option<&[usize]>, visit: &mut Visit<'_>) -> Result<()> {
        let (page_bytes, page_count) = (self.database.page_bytes(), self.database.page_count());
        let chunk_count = page_count.div_ceil(self.chunk_pages);
        let geometry = self.directory.geometry().filter(|_| !self.is_surveyed);
        let mut leaf_keys = LeafKeysPart::default();
        let mut chunk = |number: u32| -> Result<()> {
            let done = number * self.chunk_pages;
            let pages = self.chunk_pages.min(page_count - done);
            self.raw.resize(pages as usize * page_bytes as usize, 0);
            self.database.read_pages(done + 1, &mut self.raw)?;
            if let Some(geometry) = &geometry {
                leaf_keys.scan(geometry, done + 1, &self.raw);
                self.directory.add(&leaf_keys);
            }
            visit(number as usize, &RecordKey::page(done + 1), &self.raw, pages)
        };
        match wanted {
            None => (0..chunk_count).try_for_each(&mut chunk)?,
            Some(wanted) => {
                let numbers = wanted.iter().filter_map(|index| u32::try_from(*index).ok());
                numbers.filter(|number| *number < chunk_count).try_for_each(&mut chunk)?;
            }
        }
        self.is_surveyed = true;
        Ok(())
    }
}
