//! A database's bytes as pages, for the fuzz target and for the engine's tests of images.

use std::sync::atomic::{AtomicU64, Ordering};

use dotctl_engine::image::PageReader;
use dotctl_engine::image::inspect::{DatabaseReport, Inspection};
use dotctl_engine::measure::ValueFacts;
use dotctl_engine::{Error, Result};

/// Counts the reads.
pub struct Image<B> {
    pub bytes: B,
    pub page_bytes: u32,
    reads: AtomicU64,
}

impl<B: AsRef<[u8]> + Sync> Image<B> {
    pub fn new(bytes: B) -> Self {
        // What is no page size is read as if it were the usual one.
        let page_bytes = match bytes.as_ref().get(16..18) {
            Some([0, 1]) => 65_536,
            Some(size) => match u32::from(u16::from_be_bytes([size[0], size[1]])) {
                size if size.is_power_of_two() && size >= 512 => size,
                _ => 4_096,
            },
            None => 4_096,
        };
        Image { bytes, page_bytes, reads: AtomicU64::new(0) }
    }

    pub fn read(&self, page: u32, into: &mut [u8]) -> Result<()> {
        self.read_pages(page, into)
    }

    /// Pages read since the last call.
    pub fn take_reads(&self) -> u64 {
        self.reads.swap(0, Ordering::Relaxed)
    }

    /// The report, made in `part_count` parts merged from the last to the first.
    pub fn inspect(&self, part_count: usize, facts: &impl ValueFacts) -> Result<DatabaseReport> {
        let inspection = Inspection::plan(self, 2_000.0)?;
        let mut merged = None;
        for part in inspection.parts(part_count).into_iter().rev() {
            let partial = inspection.run(part, self, facts)?;
            match &mut merged {
                None => merged = Some(partial),
                Some(merged) => merged.merge(partial),
            }
        }
        Ok(inspection.finish(merged.expect("an inspection has at least one part")))
    }
}

impl<B: AsRef<[u8]> + Sync> PageReader for Image<B> {
    fn page_bytes(&self) -> u32 {
        self.page_bytes
    }

    fn page_count(&self) -> u32 {
        (self.bytes.as_ref().len() / self.page_bytes as usize) as u32
    }

    fn read_pages(&self, first: u32, into: &mut [u8]) -> Result<()> {
        self.reads.fetch_add((into.len() / self.page_bytes as usize) as u64, Ordering::Relaxed);
        assert!(first >= 1, "page numbers begin with 1");
        let from = (first as usize - 1) * self.page_bytes as usize;
        match self.bytes.as_ref().get(from..from + into.len()) {
            Some(bytes) => into.copy_from_slice(bytes),
            None => return Err(Error::malformed(format!("page {first} is past the end"))),
        }
        Ok(())
    }
}
