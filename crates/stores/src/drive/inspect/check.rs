//! Whether a database is whole.

use std::path::Path;

use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::image::PageReader;
use dotctl_engine::{Error, Result};

use super::database::inspect_still;
use crate::database::{LiveDatabase, read_still};
use crate::drive::NoProgress;

/// Reads every page of the database at `path` and tells what is damaged, with the bytes read.
pub fn check_database(path: &Path) -> Result<(Vec<Error>, u64)> {
    read_still(path, |database| {
        let report = inspect_still(database, 0, &NoProgress)?;
        let mut problems: Vec<Error> = report
            .problems
            .iter()
            .map(|problem| Error::corrupt(format!("table {:?}: {}", problem.table, problem.detail)))
            .collect();
        // Free pages hold nothing, but must be there.
        if let Err(error) = read_every_page(database) {
            problems.push(error);
        }
        Ok((problems, u64::from(report.page_bytes) * u64::from(report.page_count)))
    })
}

fn read_every_page(database: &LiveDatabase) -> Result<()> {
    let chunk_pages = ChunkSize::DEFAULT.pages(database.page_bytes());
    let mut buffer = vec![0; chunk_pages as usize * database.page_bytes() as usize];
    let mut first = 1;
    while first <= database.page_count() {
        let pages = chunk_pages.min(database.page_count() - first + 1);
        let length = pages as usize * database.page_bytes() as usize;
        database.read_pages(first, buffer.get_mut(..length).unwrap_or_default())?;
        first += pages;
    }
    Ok(())
}
