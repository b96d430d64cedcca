//! The entries of one operator in an object's database, as the state snapshot that they make.

use std::io::{BufWriter, Write};
use std::path::Path;

use dotctl_engine::image::lookup::KEY_VALUE_TABLE;
use dotctl_engine::image::record::{Column, Columns};
use dotctl_engine::{Error, ErrorKind, Result, value};

use super::log::LogChunks;
use super::respool::{Respool, temporary};
use super::state::sample_state;
use super::{SampleKind, SampleReport, SampleSetting, try_codecs};
use crate::database::{LiveDatabase, read_still};
use crate::dotdo::Table;
use crate::drive::Progress;
use crate::io_error;

/// Bytes of an entry that is read, many times what an object can hold.
const ENTRY_BYTES_MAX: u64 = 64 << 20;

/// Prefixes that are named where the one asked for is not there.
const PREFIXES_MAX: usize = 8;

/// Samples the entries of the key-value table of the database at `path` whose keys begin with `prefix`: as JSON,
/// an entry each, which is what a snapshot of the operator is.
///
/// # Errors
/// Missing, if there are entries and none of them begins with `prefix`; those of reading, and of values that are none.
pub fn sample_operator(
    path: &Path,
    prefix: &str,
    setting: &SampleSetting<'_>,
    progress: &dyn Progress,
) -> Result<SampleReport> {
    let source = read_still(path, |database| spool(database, prefix, path, setting.scratch))?;
    match sample_state(&source, setting, progress) {
        // Not every value of an object is a state entry's.
        Err(error) if error.kind() == ErrorKind::Malformed => {
            let mut chunks = LogChunks::new(&source, setting.chunk_size);
            let (report, _) = try_codecs(SampleKind::State, &mut chunks, setting, progress)?;
            Ok(report)
        }
        report => report,
    }
}

/// The entries, a line each.
fn spool(database: &LiveDatabase, prefix: &str, path: &Path, scratch: &Path) -> Result<Respool> {
    let mut lines = BufWriter::new(temporary(scratch)?);
    let failed = |error: &std::io::Error| io_error("write a temporary file in", scratch, error);
    let (mut text, mut found, mut others) = (String::new(), false, Vec::<String>::new());
    if let Some(table) = Table::find(database, KEY_VALUE_TABLE)? {
        table.rows(database, ENTRY_BYTES_MAX, |record, _| {
            let mut columns = Columns::of(record)?;
            let Some(Ok(Column::Text(key))) = columns.next() else {
                return Ok(());
            };
            let key = String::from_utf8_lossy(key);
            if !key.starts_with(prefix) {
                let other = key.split_inclusive(':').next().unwrap_or_default();
                if others.len() < PREFIXES_MAX && others.iter().all(|known| known != other) {
                    others.push(other.to_owned());
                }
                return Ok(());
            }
            found = true;
            let Some(Column::Blob(stored)) = columns.next().transpose()? else {
                return Err(Error::malformed("the value is no bytes").at(key.into_owned()));
            };
            let document = value::decode(stored).map_err(|error| error.at(key.clone().into_owned()))?;
            text.clear();
            value::to_json(&document, &mut text);
            let name = serde_json::Value::from(&*key);
            writeln!(lines, "[{name},{text}]").map_err(|error| failed(&error))
        })?;
    }
    if !found && !others.is_empty() {
        return Err(Error::new(ErrorKind::Missing, format!("no key begins with `{prefix}`"))
            .at(path.display().to_string())
            .hint(format!("set `prefix` to one of those there are: {}", others.join(", "))));
    }
    let copy = lines.into_inner().map_err(|error| failed(error.error()))?;
    Ok(Respool::of_copy(path.display().to_string(), copy))
}
