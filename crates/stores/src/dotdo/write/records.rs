//! Records into an object's key-value storage or into a JSON file: all of them or none.

use std::collections::HashSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use dotctl_engine::dotdo::{Records, Value, encode};
use dotctl_engine::limits::{KEY_AND_VALUE, KV_BACKEND_KEY, KV_BACKEND_VALUE, Limit};
use dotctl_engine::{Error, ErrorKind, Result};

use crate::dotdo::JsonFile;
use crate::durable::sync_folder;
use crate::io_error;
use crate::object::{Backend, Writer};

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordsPlace {
    /// An object's database.
    Object(PathBuf),
    /// A JSON file, made if it is not there.
    Json(PathBuf),
}

impl RecordsPlace {
    /// The file.
    pub fn path(&self) -> &Path {
        let (RecordsPlace::Object(path) | RecordsPlace::Json(path)) = self;
        path
    }

    /// What tells whether somebody wrote there: of the file, and of a database's log.
    pub fn stamp(&self) -> Stamp {
        let mut log = self.path().as_os_str().to_owned();
        log.push("-wal");
        // An empty log says nothing, and comes and goes.
        [self.path(), Path::new(&log)]
            .map(|path| fs::metadata(path).ok().filter(|file| file.len() > 0).as_ref().map(facts))
    }
}

/// Identity, length and time of a place's files.
pub type Stamp = [Option<(u64, u64, i64, i64)>; 2];

/// Records being written. Dropped without a commit, nothing has changed.
pub struct RecordsWriter {
    backend: Backend,
    target: Target,
}

enum Target {
    Object(Writer),
    Json(JsonWriter),
}

impl RecordsWriter {
    /// Begins to write to `place`, where the limits of `backend` hold.
    ///
    /// # Errors
    /// Busy while anybody has the object open.
    pub fn begin(place: &RecordsPlace, backend: Backend) -> Result<Self> {
        let target = match place {
            RecordsPlace::Object(path) => Target::Object(Writer::begin(path, Backend::Kv)?),
            RecordsPlace::Json(path) => Target::Json(JsonWriter::begin(path)?),
        };
        Ok(RecordsWriter { backend, target })
    }

    /// Puts `value` under `key`, where nothing may be.
    ///
    /// # Errors
    /// Unsupported where an object does not store so much under one key; Exists.
    pub fn create(&mut self, key: &str, value: &Value<'_>) -> Result<()> {
        let stored = encode(value).map_err(|error| error.at(key.to_owned()))?;
        check_room(self.backend, key, stored.len() as u64)?;
        match &mut self.target {
            Target::Object(writer) => writer.create_entry(key, &stored),
            Target::Json(writer) => writer.create(key, value),
        }
    }

    /// Makes all of them durable.
    pub fn commit(self) -> Result<()> {
        match self.target {
            Target::Object(writer) => writer.commit(),
            Target::Json(writer) => writer.commit(),
        }
    }
}

/// What of a record goes beyond a limit, and that. How far is not told: a large value is not built to its end.
fn excess(backend: Backend, key: &str, value_bytes: u64) -> Option<(&'static str, Limit)> {
    let key_bytes = key.len() as u64;
    let (what, actual, limit) = match backend {
        Backend::Sqlite => ("key and value", key_bytes + value_bytes, KEY_AND_VALUE),
        Backend::Kv if key_bytes > KV_BACKEND_KEY.amount => ("key", key_bytes, KV_BACKEND_KEY),
        Backend::Kv => ("value", value_bytes, KV_BACKEND_VALUE),
    };
    (actual > limit.amount).then_some((what, limit))
}

/// Whether an object of `backend` stores `value` under `key`.
pub fn takes(backend: Backend, key: &str, value: &Value<'_>) -> bool {
    encode(value).is_ok_and(|stored| excess(backend, key, stored.len() as u64).is_none())
}

/// Refuses a record that an object cannot store.
fn check_room(backend: Backend, key: &str, value_bytes: u64) -> Result<()> {
    let Some((what, limit)) = excess(backend, key, value_bytes) else {
        return Ok(());
    };
    let objects = match backend {
        Backend::Sqlite => "a SQLite-backed object",
        Backend::Kv => "a KV-backed object",
    };
    Err(Error::unsupported(format!(
        "the {what} would have more than {} bytes, the most that {objects} stores ({})",
        limit.amount, limit.name
    ))
    .at(key.to_owned())
    .hint("nothing was written; --to-layout chunked cuts it into records that fit, --to-layout hybrid with --to-overflow puts it into a bucket"))
}

/// A JSON file with more records than before, on its way to its name.
struct JsonWriter {
    path: PathBuf,
    /// What was there: its identity, length and time.
    before: Option<(u64, u64, i64, i64)>,
    file: NamedTempFile,
    keys: HashSet<String>,
    /// How an entry begins, what stands between key and value, and how it ends.
    pair: [&'static str; 3],
    closing: &'static str,
}

fn facts(metadata: &fs::Metadata) -> (u64, u64, i64, i64) {
    (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

impl JsonWriter {
    fn begin(path: &Path) -> Result<Self> {
        let failed = |error: &io::Error| io_error("write beside", path, error);
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let before = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error("open", path, &error)),
        };
        let permissions =
            before.as_ref().map_or_else(|| Permissions::from_mode(0o666), fs::Metadata::permissions);
        let mut file = tempfile::Builder::new()
            .prefix(".tmp-dotctl-")
            .permissions(permissions)
            .tempfile_in(folder)
            .map_err(|error| failed(&error))?;
        let mut keys = HashSet::new();
        let (pair, closing) = match &before {
            None => {
                file.write_all(b"{").map_err(|error| failed(&error))?;
                (["", ":", ""], "}")
            }
            Some(_) => {
                // That it is JSON of this kind, and which keys it has.
                JsonFile::open(path)?.scan(&mut |key, _, _| {
                    keys.insert(key.to_owned());
                    Ok(())
                })?;
                copy_open(path, &mut file)?
            }
        };
        Ok(JsonWriter {
            path: path.to_owned(),
            before: before.as_ref().map(facts),
            file,
            keys,
            pair,
            closing,
        })
    }

    fn create(&mut self, key: &str, value: &Value<'_>) -> Result<()> {
        let separator = if self.keys.is_empty() { "" } else { "," };
        if !self.keys.insert(key.to_owned()) {
            return Err(Error::new(ErrorKind::Exists, format!("there is a record {key} already"))
                .at(self.path.display().to_string())
                .hint("nothing was changed; what is there is never overwritten"));
        }
        let [begin, between, end] = self.pair;
        let mut text = format!("{separator}{begin}");
        Value::Text(key.into()).write_json(&mut text);
        text.push_str(between);
        value.write_json(&mut text);
        text.push_str(end);
        self.file.write_all(text.as_bytes()).map_err(|error| io_error("write beside", &self.path, &error))
    }

    fn commit(mut self) -> Result<()> {
        let failed = |error: &io::Error| io_error("write", &self.path, error);
        let file = &mut self.file;
        file.write_all(self.closing.as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.as_file().sync_all())
            .map_err(|error| failed(&error))?;
        let now = fs::metadata(&self.path).ok().as_ref().map(facts);
        if now != self.before {
            return Err(Error::new(ErrorKind::Busy, "the file changed meanwhile")
                .at(self.path.display().to_string())
                .hint("run the command again; nothing was written"));
        }
        let folder = self.file.path().parent().map(Path::to_owned);
        let moved = match self.before {
            Some(_) => self.file.persist(&self.path),
            None => self.file.persist_noclobber(&self.path),
        };
        moved.map_err(|error| io_error("write", &self.path, &error.error))?;
        folder.map_or(Ok(()), |folder| sync_folder(&folder))
    }
}

/// Copies the JSON file at `path`, which has been scanned, without the bracket at its end; says how
/// its entries are spelled, and the bracket.
fn copy_open(path: &Path, to: &mut NamedTempFile) -> Result<([&'static str; 3], &'static str)> {
    let failed = |error: io::Error| io_error("read", path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let mut end = file.metadata().map_err(failed)?.len();
    let mut last = [0];
    while end > 0 {
        end -= 1;
        file.read_exact_at(&mut last, end).map_err(failed)?;
        if !last[0].is_ascii_whitespace() {
            break;
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    io::copy(&mut file.take(end), to).map_err(failed)?;
    Ok(match last {
        [b']'] => (["[", ",", "]"], "]"),
        _ => (["", ":", ""], "}"),
    })
}
