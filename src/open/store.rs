//! From text to stores: of our checkpoints, and of those that TypeScript wrote.

use std::path::Path;
use std::rc::Rc;

use dotctl_engine::dotdo::Bucket;
use dotctl_engine::format::layout::STORE_MARKER;
use dotctl_engine::placement::PlacementPolicy;
use dotctl_engine::{Error, ErrorKind, Result};
use dotctl_stores::bucket::{BucketObjects, BucketSetting, BucketStore};
use dotctl_stores::database::is_database;
use dotctl_stores::door::{self, DoorAddress};
use dotctl_stores::dotdo::write::{Destination, Layout, ObjectsWriter, RecordsPlace};
use dotctl_stores::dotdo::{FolderObjects, Foreign, ObjectBucket, is_json, refuse_bucket_parent};
use dotctl_stores::folder::FolderStore;
use dotctl_stores::object::{Backend, ObjectStore};
use dotctl_stores::persisted::{PersistedBucket, named, refuse_to_write};
use dotctl_stores::placed::PlacedStore;
use dotctl_stores::sealed::{Identities, Keys, SealedStore};
use dotctl_stores::store::Store;

use super::{bucket_setting, live_object, scratch_folder};
use crate::cli::{BucketArgs, CopyArgs, IdentityArgs, ObjectBackend, StoreArgs};

/// What the store that somebody names holds.
pub struct Stores {
    /// Checkpoints of ours.
    pub native: Option<Box<dyn Store>>,
    /// Checkpoints that TypeScript wrote.
    pub foreign: Option<Foreign>,
    /// What else lies there and is not among them.
    pub warning: Option<String>,
}

/// The store that `args` name, for reading all that is in it.
pub fn stores(args: &StoreArgs) -> Result<Stores> {
    if let Some(bucket) = persisted(&args.store)? {
        return stores_in_persisted(&bucket, args);
    }
    let foreign = foreign(args)?;
    let path = Path::new(&args.store);
    // A file of records or a bucket of theirs holds none of ours; an object may hold both.
    let native = match foreign.is_some() && !(path.is_file() && is_database(path)?) {
        true => None,
        false => Some(store(args)?),
    };
    Ok(Stores { native, foreign, warning: None })
}

/// Those in a bucket that Miniflare persisted, where both may lie.
///
/// # Errors
/// Missing where neither does, and a prefix is named or others have checkpoints of ours: nobody is to
/// believe that all is well there.
fn stores_in_persisted(bucket: &PersistedBucket, args: &StoreArgs) -> Result<Stores> {
    let foreign = Foreign::bucket(Box::new(ObjectBucket::whole(bucket.objects())))?;
    let native = match bucket.holds_store() {
        true => Some(with_overflow(Box::new(bucket.store(scratch_folder())), args)?),
        false => None,
    };
    let below = bucket.stores_below();
    let is_empty = native.is_none() && foreign.catalogue().objects.is_empty();
    if is_empty && (bucket.has_prefix() || !below.is_empty()) {
        return Err(bucket.no_store());
    }
    let warning = named(&below).map(|below| {
        format!("checkpoints under other prefixes of this bucket are not among these: --store {below}")
    });
    Ok(Stores { native, foreign: Some(foreign), warning })
}

/// The bucket that Miniflare persisted and `text` names, if it is one.
fn persisted(text: &str) -> Result<Option<PersistedBucket>> {
    if text.contains("://") { Ok(None) } else { PersistedBucket::open(Path::new(text)) }
}

/// The store of our checkpoints in the bucket that Miniflare persisted and `text` names, if it is one.
///
/// # Errors
/// Missing where there are none.
pub fn persisted_store(text: &str) -> Result<Option<Box<dyn Store>>> {
    match persisted(text)? {
        Some(bucket) if bucket.holds_store() => Ok(Some(Box::new(bucket.store(scratch_folder())))),
        Some(bucket) => Err(bucket.no_store()),
        None => Ok(None),
    }
}

/// Refuses what `args` name, and the second store, if either is only read: before anything is done that
/// could be done by half.
///
/// # Errors
/// Unsupported where one is.
pub fn refuse_read_only(args: &StoreArgs) -> Result<()> {
    refuse_read_only_at(&args.store)?;
    args.overflow.as_deref().map_or(Ok(()), refuse_read_only_at)
}

/// The same of the one store that `text` names.
///
/// # Errors
/// As those of [`refuse_read_only`].
pub fn refuse_read_only_at(text: &str) -> Result<()> {
    if let Some(address) = DoorAddress::parse(text)? {
        return Err(door::refuse_to_write(&address));
    }
    if text.contains("://") { Ok(()) } else { refuse_to_write(Path::new(text)) }
}

/// The checkpoints that TypeScript wrote into the bucket that `args` name, if that is one. To look
/// costs requests, so this is for buckets in which nothing of ours was found.
pub fn foreign_in_bucket(args: &StoreArgs) -> Result<Option<Foreign>> {
    if DoorAddress::parse(&args.store)?.is_some() {
        return Ok(None);
    }
    match bucket_setting(&args.store, &args.bucket)? {
        Some(setting) => Foreign::bucket(bucket_objects(&setting)?).map(Some),
        None => Ok(None),
    }
}

fn bucket_objects(setting: &BucketSetting) -> Result<Box<dyn Bucket>> {
    Ok(Box::new(ObjectBucket::under_known_prefixes(BucketObjects::open(setting)?)))
}

/// The store of our checkpoints that `args` name, for reading.
pub fn store(args: &StoreArgs) -> Result<Box<dyn Store>> {
    with_overflow(open(&args.store, &args.bucket, Backend::Sqlite, false, open_folder)?, args)
}

/// `first` and the second store that `args` name, for reading.
fn with_overflow(first: Box<dyn Store>, args: &StoreArgs) -> Result<Box<dyn Store>> {
    let Some(overflow) = args.overflow.as_deref() else {
        return with_identities(first, &args.key);
    };
    let second: Box<dyn Store> = match persisted(overflow)? {
        // What TypeScript wrote may be all that is in it.
        Some(bucket) => Box::new(bucket.store(scratch_folder())),
        None if !holds_ours(overflow) => return with_identities(first, &args.key),
        None => open(overflow, &args.bucket, Backend::Sqlite, false, open_folder)?,
    };
    with_identities(Box::new(PlacedStore::new(first, second, PlacementPolicy::BUDGET)), &args.key)
}

/// `store`, and what opens the sealed checkpoints in it.
pub fn with_identities(store: Box<dyn Store>, args: &IdentityArgs) -> Result<Box<dyn Store>> {
    Ok(SealedStore::over(store, identities(args)?))
}

/// What opens sealed checkpoints; what is written with it lies open.
pub fn identities(args: &IdentityArgs) -> Result<Keys> {
    Ok(Keys { identities: Identities::read(&args.identity)?, ..Keys::default() })
}

/// The one store of our checkpoints that `args` name, to rewrite what is in it; in an object, checkpoints are put
/// where `backend` says.
///
/// # Errors
/// Unsupported where two stores are named, or TypeScript's.
pub fn store_for_rewriting(args: &StoreArgs, backend: ObjectBackend) -> Result<Box<dyn Store>> {
    if args.overflow.is_some() {
        return Err(Error::unsupported("checkpoints in two stores are not rewritten")
            .hint("name the one in which the checkpoint lies, without --overflow"));
    }
    refuse_read_only(args)?;
    if stores(args)?.native.is_none() {
        return Err(Error::unsupported("checkpoints that TypeScript wrote are not rewritten")
            .at(args.store.clone())
            .hint("`dotctl copy` brings them into a store of ours"));
    }
    with_identities(open(&args.store, &args.bucket, backend_of(backend), false, open_folder)?, &args.key)
}

/// The store that `text` names, made if it is not there; in an object, checkpoints are put where
/// `backend` says. `repair`: a bucket's packs are read before they are believed. What is written is sealed as
/// `keys` say.
pub fn store_for_writing(
    text: &str,
    overflow: Option<(&str, PlacementPolicy)>,
    bucket: &BucketArgs,
    backend: ObjectBackend,
    repair: bool,
    keys: Keys,
) -> Result<Box<dyn Store>> {
    refuse_read_only_at(text)?;
    let first = open(text, bucket, backend_of(backend), repair, create_folder)?;
    let Some((overflow, policy)) = overflow else {
        return Ok(SealedStore::over(first, keys));
    };
    refuse_read_only_at(overflow)?;
    let second = open(overflow, bucket, Backend::Sqlite, repair, create_folder)?;
    Ok(SealedStore::over(Box::new(PlacedStore::new(first, second, policy)), keys))
}

fn backend_of(backend: ObjectBackend) -> Backend {
    match backend {
        ObjectBackend::Sqlite => Backend::Sqlite,
        ObjectBackend::Kv => Backend::Kv,
    }
}

fn open_folder(path: &Path) -> Result<Box<dyn Store>> {
    Ok(Box::new(FolderStore::open(path)?))
}

fn create_folder(path: &Path) -> Result<Box<dyn Store>> {
    Ok(Box::new(FolderStore::open_or_create(path)?))
}

/// Whether the second store can hold checkpoints of ours: a folder that stands for a bucket does not.
fn holds_ours(text: &str) -> bool {
    let path = Path::new(text);
    text.contains("://") || path.join(STORE_MARKER.0).exists() || path.is_file()
}

fn open(
    text: &str,
    bucket: &BucketArgs,
    backend: Backend,
    repair: bool,
    folder: impl Fn(&Path) -> Result<Box<dyn Store>>,
) -> Result<Box<dyn Store>> {
    if let Some(object) = live_object(text)? {
        return Ok(Box::new(object));
    }
    if let Some(setting) = bucket_setting(text, bucket)? {
        return Ok(Box::new(BucketStore::open(&BucketSetting { repair, ..setting })?));
    }
    let path = Path::new(text);
    match object(path, backend)? {
        Some(store) => Ok(store),
        None => persisted_store(text)?.map_or_else(|| folder(path), Ok),
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
        return Err(no_database(path));
    }
    Ok(None)
}

fn no_database(path: &Path) -> Error {
    Error::new(ErrorKind::Missing, "there is no such database")
        .at(path.display().to_string())
        .hint("an object's database is a store once the object has made it")
}

/// The checkpoints in the store that TypeScript wrote; `None` where it is a kind of store that holds
/// none.
pub fn foreign(args: &StoreArgs) -> Result<Option<Foreign>> {
    if args.store.contains("://") {
        return Ok(None);
    }
    let overflow = args.overflow.as_deref().and_then(|text| objects(text, args).transpose()).transpose()?;
    let path = Path::new(&args.store);
    if path.is_file() {
        return match is_database(path)? {
            true => Foreign::database(path, overflow).map(Some),
            false if is_json(path)? => Foreign::json_file(path, overflow).map(Some),
            false => Ok(None),
        };
    }
    let stands_for_bucket = ["snapshots", "checkpoints"].iter().any(|name| path.join(name).is_dir());
    if stands_for_bucket && !path.join(STORE_MARKER.0).exists() {
        return objects(&args.store, args)?.map(Foreign::bucket).transpose();
    }
    Ok(None)
}

/// The bucket that `text` names, where TypeScript may have written; `None` if it is a store of ours alone.
fn objects(text: &str, args: &StoreArgs) -> Result<Option<Box<dyn Bucket>>> {
    if let Some(setting) = bucket_setting(text, &args.bucket)? {
        return bucket_objects(&setting).map(Some);
    }
    if let Some(bucket) = persisted(text)? {
        return Ok(Some(Box::new(ObjectBucket::whole(bucket.objects()))));
    }
    if holds_ours(text) {
        return Ok(None);
    }
    let path = Path::new(text);
    refuse_bucket_parent(path)?;
    Ok(Some(Box::new(ObjectBucket::whole(FolderObjects::open(path)?))))
}

/// Where `dotctl copy --to-layout` writes to.
///
/// # Errors
/// Malformed where `layout` needs another kind of place.
pub fn destination(args: &CopyArgs, layout: Layout) -> Result<Destination> {
    let backend = backend_of(args.object_backend);
    let mut bucket = args.to_overflow.as_deref().map(|text| objects_for_writing(text, args)).transpose()?;
    let path = Path::new(&args.to_store);
    let ends_with = |ending: &str| path.extension().is_some_and(|found| found == ending);
    let records = if args.to_store.contains("://") {
        None
    } else if path.is_file() {
        match is_database(path)? {
            true => Some(RecordsPlace::Object(path.to_owned())),
            false if is_json(path)? => Some(RecordsPlace::Json(path.to_owned())),
            false => {
                return Err(Error::malformed(
                    "this is neither an object's database nor a JSON file of records",
                )
                .at(args.to_store.clone()));
            }
        }
    } else if ends_with("sqlite") && !path.exists() {
        return Err(no_database(path));
    } else if ends_with("json") && !path.exists() {
        Some(RecordsPlace::Json(path.to_owned()))
    } else {
        None
    };
    if records.is_none() {
        if bucket.is_some() {
            return Err(Error::malformed("--to-overflow goes with an object's database or a JSON file")
                .at(args.to_store.clone())
                .hint("name one bucket, with --to-store"));
        }
        if layout == Layout::Manager {
            bucket = Some(objects_for_writing(&args.to_store, args)?);
        }
    }
    Destination::new(layout, records, bucket, backend)
}

/// The bucket that `text` names, or the folder that stands for one.
fn objects_for_writing(text: &str, args: &CopyArgs) -> Result<Rc<dyn ObjectsWriter>> {
    if let Some(setting) = bucket_setting(text, &args.store.bucket)? {
        return Ok(Rc::new(BucketObjects::open(&setting)?));
    }
    let path = Path::new(text);
    refuse_to_write(path)?;
    if path.join(STORE_MARKER.0).exists() {
        return Err(Error::malformed("this folder is a store of dotctl's own checkpoints")
            .at(text.to_owned())
            .hint("name another folder, or leave out --to-layout"));
    }
    if args.dry_run {
        return Ok(Rc::new(FolderObjects::planned(path)));
    }
    Ok(Rc::new(FolderObjects::open_or_create(path)?))
}
