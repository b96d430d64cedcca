//! What is in a database, by this machine's threads.

use std::path::Path;

use dotctl_engine::dotdo::may_be_record;
use dotctl_engine::image::PageReader;
use dotctl_engine::image::inspect::{DatabaseReport, Inspection, Partial};
use dotctl_engine::measure::ValueFacts;
use dotctl_engine::{Error, ErrorKind, Result, value};

use crate::database::{LiveDatabase, read_still};
use crate::drive::Progress;
use crate::pipeline;

/// Reports on the database at `path`, in use or not. Entries are expired that expire before
/// `now_ms`, in milliseconds since 1970.
pub fn inspect_database(path: &Path, now_ms: i64, progress: &dyn Progress) -> Result<DatabaseReport> {
    read_still(path, |database| inspect_still(database, now_ms, progress))
}

/// The same of a database that stands still.
pub fn inspect_still(
    database: &LiveDatabase,
    now_ms: i64,
    progress: &dyn Progress,
) -> Result<DatabaseReport> {
    let pages = Watched { pages: database, progress };
    let total_bytes = u64::from(database.page_count()) * u64::from(database.page_bytes());
    progress.begin("reading pages", Some(total_bytes));
    let report = inspect_pages(&pages, now_ms);
    progress.end();
    report
}

fn inspect_pages(pages: &dyn PageReader, now_ms: i64) -> Result<DatabaseReport> {
    let inspection = Inspection::plan(pages, now_ms as f64)?;
    let parts = inspection.parts(pipeline::worker_count());
    let partials = std::thread::scope(|scope| {
        let runs: Vec<_> =
            parts.iter().map(|part| scope.spawn(|| inspection.run(*part, pages, &Facts))).collect();
        runs.into_iter()
            .map(|run| run.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Io, "a worker thread died"))))
            .collect::<Result<Vec<Partial>>>()
    })?;
    let whole = partials.into_iter().reduce(|mut whole, part| {
        whole.merge(part);
        whole
    });
    whole.map(|whole| inspection.finish(whole)).ok_or_else(|| Error::malformed("the database has no page"))
}

/// What the report wants to know of values.
pub(super) struct Facts;

impl ValueFacts for Facts {
    fn kind(&self, bytes: &[u8]) -> Option<&'static str> {
        value::kind(bytes).ok().map(value::ValueKind::name)
    }

    fn expires_at_ms(&self, bytes: &[u8]) -> Option<f64> {
        value::property_number(bytes, "expiresAt")
    }

    fn may_be_record(&self, key: &[u8], value: &[u8]) -> bool {
        str::from_utf8(key).is_ok_and(|key| may_be_record(key, value))
    }
}

/// Pages whose reading is told of.
struct Watched<'a> {
    pages: &'a LiveDatabase,
    progress: &'a dyn Progress,
}

impl PageReader for Watched<'_> {
    fn page_bytes(&self) -> u32 {
        self.pages.page_bytes()
    }

    fn page_count(&self) -> u32 {
        self.pages.page_count()
    }

    fn read_pages(&self, first: u32, into: &mut [u8]) -> Result<()> {
        self.pages.read_pages(first, into)?;
        self.progress.advance(into.len() as u64);
        Ok(())
    }
}
