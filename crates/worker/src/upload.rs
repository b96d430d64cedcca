//! A checkpoint that comes from outside, part by part, and is put in the place of the object's state once it is
//! whole.
//!
//! Parts survive the object's restart, so an upload that was cut goes on. There is one upload at a time: a later one
//! puts the earlier away, and what still comes of that is refused.

use serde::Serialize;

use dotctl_engine::id::Hash;
use dotctl_engine::rows::RowsSum;
use dotctl_engine::{Error, ErrorKind, Result};

use crate::checkpointer::Checkpointer;
use crate::packed::Reader;
use crate::restore::{Staged, apply, decode, lay_piece, make_table};
use crate::rows::{Schema, is_runtimes_name, may_show_nothing, put_away, quoted};
use crate::storage::{Parameter, Storage};

/// The parts, laid as a restore inside lays its pieces.
const PARTS: &str = "_dotctl_uploaded";

/// What each part comes to.
const SUMS: &str = "_dotctl_uploaded_sums";

/// Whose parts they are, and what became of them.
const UPLOAD: &str = "_dotctl_upload";

/// After so long an upload that nobody finished is forgotten, in milliseconds.
const FORGOTTEN_MS: f64 = 24.0 * 3_600_000.0;

/// Parts of one upload at most: of 1 MiB each that is more than an object can hold.
const PARTS_MAX: u32 = 65_536;

/// How much state an object has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// No table and no entry.
    Nothing,
    /// Tables without rows.
    Tables,
    /// Rows or entries.
    Rows,
}

/// How much there is in the object. `has_entries` tells of the key-value storage.
pub fn held(storage: &Storage, has_entries: bool) -> Result<Held> {
    if has_entries {
        return Ok(Held::Rows);
    }
    let schema = Schema::read(storage)?;
    let mut held = Held::Nothing;
    for definition in &schema.definitions {
        let is_runtimes = is_runtimes_name(&definition.name);
        if definition.kind != "table" || is_runtimes || schema.is_shadow(storage, &definition.name)? {
            continue;
        }
        held = Held::Tables;
        let first = format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT 1)", quoted(&definition.name));
        let count = match storage.number(&first, &[]) {
            // It shows another one, which is not there.
            Err(_) if may_show_nothing(&definition.sql) => 0,
            // Nobody can tell: one without content may have an index.
            Err(_) if definition.is_virtual() => 1,
            count => count?,
        };
        if count > 0 {
            return Ok(Held::Rows);
        }
    }
    Ok(held)
}

/// What was put into the object, as the door tells it.
#[derive(Debug, Serialize)]
struct UploadReport {
    record_count: u64,
    raw_bytes: u64,
    content_sha256: String,
}

/// The request whose parts are there, and what was reported of it once it was put in.
struct Upload {
    request: String,
    report: Option<String>,
}

fn current(storage: &Storage) -> Result<Option<Upload>> {
    let there = "SELECT count(*) FROM sqlite_schema WHERE name = '_dotctl_upload'";
    if storage.number(there, &[])? == 0 {
        return Ok(None);
    }
    let rows = storage.query(&format!("SELECT request, coalesce(report, '') FROM {UPLOAD}"), &[])?;
    let mut reader = Reader::new(&rows);
    let Some(request) = reader.next()? else {
        return Ok(None);
    };
    let (request, report) = (request.text()?.to_owned(), reader.value()?.text()?.to_owned());
    Ok(Some(Upload { request, report: Some(report).filter(|report| !report.is_empty()) }))
}

/// Forgets an upload that somebody began long ago and did not finish.
pub fn forget_old(storage: &Storage) -> Result<()> {
    let there = "SELECT count(*) FROM sqlite_schema WHERE name = '_dotctl_upload'";
    if storage.number(there, &[])? == 0 {
        return Ok(());
    }
    let old = format!("SELECT count(*) FROM {UPLOAD} WHERE begun_ms < ?");
    if storage.number(&old, &[Parameter::Number(js_sys::Date::now() - FORGOTTEN_MS)])? > 0 {
        forget(storage)?;
    }
    Ok(())
}

fn forget_parts(storage: &Storage) -> Result<()> {
    put_away(storage, PARTS)?;
    put_away(storage, SUMS)
}

fn forget(storage: &Storage) -> Result<()> {
    forget_parts(storage)?;
    put_away(storage, UPLOAD)
}

fn other(upload: Option<&Upload>) -> Error {
    let message = match upload {
        Some(_) => "another restore into this object has begun since",
        None => "the object knows nothing of this restore",
    };
    Error::new(ErrorKind::Busy, message).hint("run the command again, once nobody else restores")
}

/// A part's number, if it is one.
fn number(given: f64) -> Result<u32> {
    match given.fract() == 0.0 && (0.0..f64::from(PARTS_MAX)).contains(&given) {
        true => Ok(given as u32),
        false => Err(Error::malformed(format!("parts have numbers from 0 to {}", PARTS_MAX - 1))),
    }
}

impl Checkpointer {
    /// Begins the upload `request`, unless it has begun. Any other is put away.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn begin_upload(&self, request: &str) -> Result<()> {
        let storage = &self.storage;
        if current(storage)?.is_some_and(|upload| upload.request == request) {
            return Ok(());
        }
        storage.transaction(|| {
            forget(storage)?;
            make_table(storage, PARTS)?;
            let columns = "part INTEGER PRIMARY KEY, content TEXT, record_count TEXT, raw_bytes TEXT";
            storage.execute(&format!("CREATE TABLE IF NOT EXISTS {SUMS} ({columns})"), &[])?;
            let columns = "request TEXT PRIMARY KEY, begun_ms, report TEXT";
            storage
                .execute(&format!("CREATE TABLE IF NOT EXISTS {UPLOAD} ({columns}) WITHOUT ROWID"), &[])?;
            let begun = Parameter::Number(js_sys::Date::now());
            storage.execute(
                &format!("INSERT INTO {UPLOAD} VALUES (?, ?, NULL)"),
                &[Parameter::Text(request), begun],
            )
        })
    }

    /// Takes a part of the upload `request`: whole lines of rows, `raw_bytes` of them, compressed with zstd.
    ///
    /// # Errors
    /// Busy where the upload is not this one; corrupt or malformed where the part is no such thing.
    pub fn upload_part(&self, request: &str, part: f64, raw_bytes: f64, stored: &[u8]) -> Result<()> {
        let storage = &self.storage;
        let part = number(part)?;
        match current(storage)? {
            Some(Upload { request: current, report }) if current == request => {
                if report.is_some() {
                    // Sent twice, and late.
                    return Ok(());
                }
            }
            upload => return Err(other(upload.as_ref())),
        }
        // A number that is none is a length that nothing has.
        let lines = decode(stored, raw_bytes as u32).map_err(|error| error.of_kind(ErrorKind::Malformed))?;
        if !lines.ends_with(b"\n") {
            return Err(Error::malformed("a part does not end with the end of a line"));
        }
        let mut sum = RowsSum::default();
        sum.add_lines(&lines);
        let (content, sum_bytes) = sum.finish();
        storage.transaction(|| {
            let text = part.to_string();
            let of_part = [Parameter::Text(&text)];
            storage.execute(&format!("DELETE FROM {PARTS} WHERE piece = CAST(? AS INTEGER)"), &of_part)?;
            lay_piece(storage, PARTS, part as usize, lines.len(), stored)?;
            let numbers = [content.to_string(), sum.record_count().to_string(), sum_bytes.to_string()];
            let [content, record_count, raw_bytes] = numbers.each_ref().map(|number| Parameter::Text(number));
            let insert = format!("INSERT OR REPLACE INTO {SUMS} VALUES (CAST(? AS INTEGER), ?, ?, ?)");
            storage.execute(&insert, &[Parameter::Text(&text), content, record_count, raw_bytes])
        })
    }

    /// Puts what was uploaded as `request`, `part_count` parts whose lines come to `content_sha256`, in the place of
    /// the object's state, and says what that was; said again if it was done already. `has_entries` tells of the
    /// key-value storage, and is asked when nothing can change any more; what is there is replaced only by `force`.
    ///
    /// # Errors
    /// Busy while a checkpoint or a restore goes on, or where the upload is not this one; exists where
    /// there are rows or entries; corrupt where it is not whole; those of a restore.
    pub async fn apply_upload(
        &self,
        request: &str,
        part_count: f64,
        content_sha256: &str,
        force: bool,
        has_entries: impl Fn() -> bool,
    ) -> Result<String> {
        let _busy = self.begin()?;
        let storage = &self.storage;
        let reported = |upload: Option<Upload>| match upload {
            Some(Upload { request: current, report }) if current == request => Ok(report),
            upload => Err(other(upload.as_ref())),
        };
        if let Some(report) = reported(current(storage)?)? {
            return Ok(report);
        }
        if let Some(alarms) = &self.alarms {
            // A checkpoint that an earlier life of the object has begun is no longer wanted.
            alarms.end().await?;
        }
        // From here to the alarm nothing else happens in the object.
        if let Some(report) = reported(current(storage)?)? {
            return Ok(report);
        }
        let expected: Hash = content_sha256.parse()?;
        let staged = Staged {
            table: PARTS,
            pieces: number(part_count)? as usize,
            sum: uploaded_sum(storage, part_count)?,
        };
        let (content, raw_bytes) = staged.sum.finish();
        if content != expected {
            return Err(
                Error::malformed("what was uploaded is not the checkpoint").hint("run the command again")
            );
        }
        if !force && held(storage, has_entries())? == Held::Rows {
            return Err(Error::new(ErrorKind::Exists, "the object holds rows or entries already")
                .hint("--force puts the checkpoint in their place"));
        }
        let report = UploadReport {
            record_count: staged.sum.record_count(),
            raw_bytes,
            content_sha256: content.to_string(),
        };
        let report = serde_json::to_string(&report)
            .map_err(|error| Error::malformed(format!("the answer cannot be spelled: {error}")))?;
        let alarm = storage.transaction(|| {
            let alarm = apply(storage, &staged)?;
            forget_parts(storage)?;
            storage.execute(&format!("UPDATE {UPLOAD} SET report = ?"), &[Parameter::Text(&report)])?;
            Ok(alarm)
        })?;
        storage.set_alarm(alarm).await?;
        Ok(report)
    }

    /// Puts the upload `request` away, if it is still there.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn forget_upload(&self, request: &str) -> Result<()> {
        match current(&self.storage)? {
            Some(upload) if upload.request == request && upload.report.is_none() => {
                self.storage.transaction(|| forget(&self.storage))
            }
            _ => Ok(()),
        }
    }
}

/// What all parts come to.
///
/// # Errors
/// Malformed where they are not `part_count`, numbered from 0.
fn uploaded_sum(storage: &Storage, part_count: f64) -> Result<RowsSum> {
    let select = format!("SELECT part, content, record_count, raw_bytes FROM {SUMS} ORDER BY part");
    let rows = storage.query(&select, &[])?;
    let mut reader = Reader::new(&rows);
    let (mut sum, mut expected) = (RowsSum::default(), 0_i64);
    while let Some(part) = reader.next()? {
        let wrong = |_| Error::corrupt("what is noted of a part is not as it was written");
        if part.integer()? != expected {
            break;
        }
        let content: Hash = reader.value()?.text()?.parse()?;
        let record_count = reader.value()?.text()?.parse().map_err(wrong)?;
        let raw_bytes = reader.value()?.text()?.parse().map_err(wrong)?;
        sum.add_sum(&RowsSum::resume(content, record_count, raw_bytes));
        expected += 1;
    }
    match expected as f64 == part_count && reader.is_at_end() {
        true => Ok(sum),
        false => Err(Error::malformed(format!("part {expected} of {part_count} has not come"))
            .hint("run the command again")),
    }
}
