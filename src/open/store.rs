//! From text to a store.

use std::path::Path;

use dotctl_engine::{Error, ErrorKind, Result};
use dotctl_stores::bucket::BucketStore;
use dotctl_stores::database::is_database;
use dotctl_stores::folder::FolderStore;
use dotctl_stores::object::{Backend, ObjectStore};
use dotctl_stores::store::Store;

use super::bucket_setting;
use crate::cli::{BucketArgs, ObjectBackend, StoreArgs};

/// The store that `args` name, for reading.
pub fn store(args: &StoreArgs) -> Result<Box<dyn Store>> {
    open(&args.store, &args.bucket, Backend::Sqlite, |path| Ok(Box::new(FolderStore::open(path)?)))
}

/// The store that `text` names, made if it is not there; in an object, checkpoints are put where
/// `backend` says.
pub fn store_for_writing(text: &str, bucket: &BucketArgs, backend: ObjectBackend) -> Result<Box<dyn Store>> {
    let backend = match backend {
        ObjectBackend::Sqlite => Backend::Sqlite,
        ObjectBackend::Kv => Backend::Kv,
    };
    open(text, bucket, backend, |path| Ok(Box::new(FolderStore::open_or_create(path)?)))
}

fn open(
    text: &str,
    bucket: &BucketArgs,
    backend: Backend,
    folder: impl Fn(&Path) -> Result<Box<dyn Store>>,
) -> Result<Box<dyn Store>> {
    if let Some(setting) = bucket_setting(text, bucket)? {
        return Ok(Box::new(BucketStore::open(&setting)?));
    }
    let path = Path::new(text);
    match object(path, backend)? {
        Some(store) => Ok(store),
        None => folder(path),
    }
}

/// The store in the object's database at `path`, if that is one.
fn object(path: &Path, backend: Backend) -> Result<Option<Box<dyn Store>>> {
    if path.is_file() {
        if is_database(path)? {
            return Ok(Some(Box::new(ObjectStore::open(path, backend)?)));
        }
        return Err(Error::malformed("this file is no object's database, and so no store")
            .at(path.display().to_string())
            .hint("name a folder, or the database of an object"));
    }
    // A folder of that name is hardly what is meant.
    if path.extension().is_some_and(|ending| ending == "sqlite") && !path.exists() {
        return Err(Error::new(ErrorKind::Missing, "there is no such database")
            .at(path.display().to_string())
            .hint("an object's database is a store once the object has made it"));
    }
    Ok(None)
}
