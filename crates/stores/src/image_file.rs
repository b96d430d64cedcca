//! An image in a temporary file without a name, for who needs its pages in any order.

use std::fs::File;
use std::os::unix::fs::FileExt;

use dotctl_engine::format::Manifest;
use dotctl_engine::image::PageReader;
use dotctl_engine::{Error, ErrorKind, Result};

use crate::drive::{Progress, RestoreForm, restore};
use crate::io_error;
use crate::store::Store;

/// A restored image.
pub struct ImageFile {
    file: File,
    page_bytes: u32,
    page_count: u32,
    place: String,
}

impl ImageFile {
    /// Restores the image of `manifest`, which is in `store`, every hash checked.
    pub fn restore(store: &dyn Store, manifest: &Manifest, progress: &dyn Progress) -> Result<Self> {
        let folder = store.scratch_folder();
        let file = tempfile::tempfile_in(&folder)
            .map_err(|error| io_error("create a temporary file in", &folder, &error))?;
        let write = |offset: u64, bytes: &[u8]| {
            file.write_all_at(bytes, offset)
                .map_err(|error| io_error("write a temporary file in", &folder, &error))
        };
        restore(store, manifest, RestoreForm::Database, Some(&write), &mut |_| Ok(()), None, progress)?;
        let wrong = || Error::corrupt("the manifest of an image says nothing of its pages");
        Ok(ImageFile {
            file,
            page_bytes: manifest.page_bytes.ok_or_else(wrong)?,
            page_count: u32::try_from(manifest.record_count).map_err(|_| wrong())?,
            place: folder.display().to_string(),
        })
    }
}

impl PageReader for ImageFile {
    fn page_bytes(&self) -> u32 {
        self.page_bytes
    }

    fn page_count(&self) -> u32 {
        self.page_count
    }

    fn read_pages(&self, first: u32, into: &mut [u8]) -> Result<()> {
        let offset = u64::from(first.saturating_sub(1)) * u64::from(self.page_bytes);
        self.file.read_exact_at(into, offset).map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot read page {first} of a temporary file: {error}"))
                .at(self.place.clone())
        })
    }
}
