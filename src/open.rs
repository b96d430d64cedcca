//! From text to sources and stores; the only place that reads the environment and the clock.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use dotctl_engine::dotdo::Bucket;
use dotctl_engine::format::layout::STORE_MARKER;
use dotctl_engine::id::Time;
use dotctl_engine::{Error, Result};
use dotctl_stores::database::is_database;
use dotctl_stores::dotdo::{
    FolderObjects, Foreign, MiniflareObjects, ObjectBucket, is_json, is_miniflare_bucket,
};
use dotctl_stores::folder::FolderStore;
use dotctl_stores::objects::{LocalObject, find_objects};
use dotctl_stores::store::Store;

use crate::cli::StoreArgs;

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
}

/// Recognises what `path` is by what it holds, not by its name.
pub fn source(path: &Path) -> Result<Source> {
    if path.as_os_str() == "-" {
        return Ok(Source::State(path.to_owned()));
    }
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

/// What the store that `args` name holds.
pub struct Stores {
    /// Checkpoints of ours.
    pub native: Option<Box<dyn Store>>,
    /// Checkpoints that TypeScript wrote.
    pub foreign: Option<Foreign>,
}

/// The store that `args` name, for reading all that is in it.
pub fn stores(args: &StoreArgs) -> Result<Stores> {
    match foreign(args)? {
        Some(foreign) => Ok(Stores { native: None, foreign: Some(foreign) }),
        None => Ok(Stores { native: Some(store(args)?), foreign: None }),
    }
}

/// The checkpoints in the store that TypeScript wrote; `None` where it is a kind of store that holds
/// none.
pub fn foreign(args: &StoreArgs) -> Result<Option<Foreign>> {
    let overflow = args.overflow.as_deref().map(bucket).transpose()?;
    let Ok(path) = folder(&args.store) else {
        return Ok(None);
    };
    if path.is_file() {
        return match is_database(path)? {
            true => Foreign::database(path, overflow).map(Some),
            false if is_json(path)? => Foreign::json_file(path, overflow).map(Some),
            false => Ok(None),
        };
    }
    let stands_for_bucket = ["snapshots", "checkpoints"].iter().any(|name| path.join(name).is_dir());
    if is_miniflare_bucket(path) || (stands_for_bucket && !path.join(STORE_MARKER.0).exists()) {
        return Foreign::bucket(bucket(&args.store)?).map(Some);
    }
    Ok(None)
}

/// The bucket that `text` names.
fn bucket(text: &str) -> Result<Box<dyn Bucket>> {
    let path = folder(text)?;
    Ok(match is_miniflare_bucket(path) {
        true => Box::new(ObjectBucket::whole(MiniflareObjects::open(path)?)),
        false => Box::new(ObjectBucket::whole(FolderObjects::open(path)?)),
    })
}

/// The store that `args` name, for reading.
pub fn store(args: &StoreArgs) -> Result<Box<dyn Store>> {
    Ok(Box::new(FolderStore::open(folder(&args.store)?)?))
}

/// The store that `args` name, made if it is not there.
pub fn store_for_writing(args: &StoreArgs) -> Result<Box<dyn Store>> {
    Ok(Box::new(FolderStore::open_or_create(folder(&args.store)?)?))
}

fn folder(text: &str) -> Result<&Path> {
    match text.split_once("://") {
        Some((scheme, _)) => Err(Error::unsupported(format!("stores at {scheme}:// are not built yet"))
            .at(text)
            .hint("name a folder")),
        None => Ok(Path::new(text)),
    }
}

/// The time now.
pub fn now() -> Result<Time> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
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
