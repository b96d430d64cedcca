//! From text to sources and stores; the only place that reads the environment and the clock.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use dotctl_engine::format::layout::STORE_MARKER;
use dotctl_engine::id::Time;
use dotctl_engine::{Error, Result};
use dotctl_stores::bucket::{BucketSetting, BucketStore, Patience};
use dotctl_stores::database::is_database;
use dotctl_stores::folder::FolderStore;
use dotctl_stores::objects::{LocalObject, find_objects};
use dotctl_stores::store::Store;

use crate::cli::{BucketArgs, StoreArgs};

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

/// The store that `args` name, for reading.
pub fn store(args: &StoreArgs) -> Result<Box<dyn Store>> {
    match bucket_setting(&args.store, &args.bucket)? {
        Some(setting) => Ok(Box::new(BucketStore::open(&setting)?)),
        None => Ok(Box::new(FolderStore::open(Path::new(&args.store))?)),
    }
}

/// The store that `args` name, made if it is not there.
pub fn store_for_writing(args: &StoreArgs) -> Result<Box<dyn Store>> {
    match bucket_setting(&args.store, &args.bucket)? {
        Some(setting) => Ok(Box::new(BucketStore::open(&setting)?)),
        None => Ok(Box::new(FolderStore::open_or_create(Path::new(&args.store))?)),
    }
}

/// What `text` says of a bucket, if that is how it begins. No message repeats it: people put
/// credentials into addresses.
pub fn bucket_setting(text: &str, args: &BucketArgs) -> Result<Option<BucketSetting>> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(None);
    };
    let example = "a bucket is s3://BUCKET/PREFIX or r2://BUCKET/PREFIX";
    let scheme = ["s3", "r2"]
        .into_iter()
        .find(|known| *known == scheme)
        .ok_or_else(|| Error::unsupported("only s3:// and r2:// are stores with an address").hint(example))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    // S3's rule, and R2's.
    if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(is_name) {
        return Err(Error::malformed(format!("what follows {scheme}:// is not a bucket's name")).hint(
            "3 to 63 letters, digits, `-` and `.`; credentials come from the environment or a profile",
        ));
    }
    let prefix = prefix.trim_matches('/');
    if prefix.chars().any(char::is_control) || prefix.split('/').any(|part| part == "." || part == "..") {
        return Err(
            Error::malformed("a prefix in a bucket has no control characters and no `..`").hint(example)
        );
    }
    let (mut endpoint_url, mut region) = (args.endpoint_url.clone(), args.region.clone());
    if scheme == "r2" {
        region.get_or_insert_with(|| "auto".to_owned());
        if endpoint_url.is_none() {
            endpoint_url = Some(r2_endpoint()?);
        }
    }
    Ok(Some(BucketSetting {
        scheme,
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        endpoint_url,
        region,
        credentials: None,
        requests_per_second_max: args.max_requests_per_second,
        names_per_page: BucketSetting::NAMES_PER_PAGE,
        scratch_folder: std::env::temp_dir(),
        patience: Patience::default(),
    }))
}

/// The address of the account's buckets.
fn r2_endpoint() -> Result<String> {
    let account = std::env::var("R2_ACCOUNT_ID").unwrap_or_default();
    if account.is_empty() || !account.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        return Err(Error::malformed("R2_ACCOUNT_ID does not name the account that r2:// is in").hint(
            "set it to the 32 digits that Cloudflare's dashboard shows under R2, or give --endpoint-url",
        ));
    }
    Ok(format!("https://{account}.r2.cloudflarestorage.com"))
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
