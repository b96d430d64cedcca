//! From text to sources and stores; the only place that reads the environment and the clock.

mod bucket;
mod door;
mod secret;
mod store;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use dotctl_engine::format::layout::STORE_MARKER;
use dotctl_engine::id::Time;
use dotctl_engine::{Error, Result};
use dotctl_stores::database::is_database;
use dotctl_stores::door::DoorAddress;
use dotctl_stores::objects::{LocalObject, find_objects};

pub use bucket::bucket_setting;
pub use door::{door_address, live_object, live_object_at};
pub use secret::without_secrets;
pub use store::{
    Stores, destination, foreign, foreign_in_bucket, identities, persisted_store, refuse_read_only,
    refuse_read_only_at, store, store_for_rewriting, store_for_writing, stores, with_identities,
};

/// What a path on the command line turned out to be.
pub enum Source {
    /// An object's database.
    Database(PathBuf),
    /// State entries; `-` is stdin.
    State(PathBuf),
    /// A folder with objects below it.
    Objects(Vec<LocalObject>),
    /// A store of checkpoints.
    Store(PathBuf),
    /// A live object.
    Live(DoorAddress),
}

/// Refuses an address where a file is meant. It is not repeated: people put credentials into addresses.
pub fn check_path(path: &Path) -> Result<()> {
    let text = path.to_string_lossy();
    let is_scheme =
        |scheme: &str| !scheme.is_empty() && scheme.chars().all(|letter| letter.is_ascii_alphanumeric());
    if text.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme)) && !path.exists() {
        return Err(Error::malformed("an address cannot be here, only a path")
            .hint("a bucket is named with --store, as s3://BUCKET/PREFIX or r2://BUCKET/PREFIX"));
    }
    Ok(())
}

/// Recognises what `path` is by what it holds, not by its name.
pub fn source(path: &Path) -> Result<Source> {
    if path.as_os_str() == "-" {
        return Ok(Source::State(path.to_owned()));
    }
    if let Some(address) = door_address(path)? {
        return Ok(Source::Live(address));
    }
    check_path(path)?;
    let metadata = std::fs::metadata(path).map_err(|error| dotctl_stores::io_error("open", path, &error))?;
    if metadata.is_dir() {
        if path.join(STORE_MARKER.0).exists() {
            return Ok(Source::Store(path.to_owned()));
        }
        let objects = find_objects(path)?;
        if objects.is_empty() {
            return Err(Error::malformed("there is no object's database below this folder")
                .at(path.display().to_string())
                .hint("objects lie in files <class>/<64 hexadecimal digits>.sqlite, as in .wrangler/state/v3/do"));
        }
        return Ok(Source::Objects(objects));
    }
    if is_database(path)? {
        Ok(Source::Database(path.to_owned()))
    } else {
        Ok(Source::State(path.to_owned()))
    }
}

/// The time now.
pub fn now() -> Result<Time> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Where temporary files may lie.
pub fn scratch_folder() -> PathBuf {
    std::env::temp_dir()
}

/// Whether the environment asks for no colour (<https://no-color.org>).
pub fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Whether the locale says that characters beyond ASCII can be shown.
pub fn speaks_utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
        .unwrap_or_default();
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// Where a step of a GitHub workflow writes its summary, if this is one.
pub fn step_summary() -> Option<PathBuf> {
    std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Appends `text` to the file at `path`, which is made if it is not there.
pub fn append(path: &Path, text: &str) -> Result<()> {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|error| dotctl_stores::io_error("write to", path, &error))
}

/// A folder for temporary files, which may become as large as a source.
pub fn temporary_folder() -> PathBuf {
    std::env::temp_dir()
}
