//! A bucket that Miniflare or `wrangler dev` persisted: `<root>/r2/<bucket>/blobs/<80 hexadecimal
//! digits>`, and a database of a simulated object that says which blobs are which object.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use dotctl_engine::id::Hash;
use dotctl_engine::image::record::{Column, Columns};
use dotctl_engine::{Error, ErrorKind, Result};

use super::bucket::{ObjectFacts, Objects};
use super::table::Table;
use crate::database::LiveDatabase;
use crate::io_error;

/// The folder of the simulated objects' databases, and their unique key.
const SIMULATED: &str = "miniflare-R2BucketObject";

/// Columns of `_mf_objects`: key, `blob_id`, version, size, etag, uploaded, checksums,
/// `http_metadata`, `custom_metadata` (Miniflare 4.20260730).
const CUSTOM_METADATA_COLUMN: usize = 8;

/// The largest row: a key of 1 KiB and 8 KiB of metadata, with room.
const ROW_BYTES_MAX: u64 = 1 << 20;

/// The bucket. Its database is held still.
pub struct MiniflareObjects {
    folder: PathBuf,
    objects: BTreeMap<String, Stored>,
    /// Held so that nothing is compacted or removed while the blobs are read.
    _database: LiveDatabase,
}

#[derive(PartialEq, Eq)]
struct Stored {
    /// Blobs in order, with their sizes.
    blobs: Vec<(String, u64)>,
    stored_bytes: u64,
    metadata: Vec<(String, String)>,
}

/// Whether `path` is such a bucket's folder.
pub fn is_miniflare_bucket(path: &Path) -> bool {
    path.join("blobs").is_dir() && parent(path).is_some_and(|root| root.join(SIMULATED).is_dir())
}

/// The bucket that `path` is, or lies in as a key's beginning, and that beginning: no `/` at its ends.
///
/// # Errors
/// Malformed where there is a `..` within that beginning.
pub fn find_bucket(path: &Path) -> Result<Option<(PathBuf, String)>> {
    let absolute = std::path::absolute(path).map_err(|error| io_error("find", path, &error))?;
    let Some(folder) = absolute.ancestors().find(|folder| is_miniflare_bucket(folder)) else {
        return Ok(None);
    };
    let inside: Vec<_> =
        absolute.strip_prefix(folder).iter().flat_map(|inside| inside.components()).collect();
    if inside.contains(&Component::ParentDir) {
        return match leaves(&inside) {
            true => Ok(None),
            false => Err(Error::malformed("a prefix in a bucket has no `..`").at(path.display().to_string())),
        };
    }
    let parts: Vec<_> = inside.iter().map(|part| part.as_os_str().to_string_lossy()).collect();
    // As it was named, for what people get to read.
    let named = path.ancestors().nth(parts.len()).filter(|named| !named.as_os_str().is_empty());
    Ok(Some((named.unwrap_or(folder).to_owned(), parts.join("/"))))
}

/// Whether these components lead out of the folder that they begin in.
fn leaves(inside: &[Component<'_>]) -> bool {
    let mut depth = 0_usize;
    inside.iter().any(|part| match (part, depth) {
        (Component::ParentDir, 0) => true,
        (Component::ParentDir, _) => {
            depth -= 1;
            false
        }
        _ => {
            depth += 1;
            false
        }
    })
}

/// Refuses the folder in which Miniflare keeps all its buckets: it is none of them.
pub fn refuse_bucket_parent(path: &Path) -> Result<()> {
    match path.join(SIMULATED).is_dir() {
        true => Err(Error::malformed("this folder holds Miniflare's buckets, and is none itself")
            .at(path.display().to_string())
            .hint("name one of the folders in it, such as …/r2/<bucket>")),
        false => Ok(()),
    }
}

fn parent(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    absolute.parent().map(Path::to_owned)
}

impl MiniflareObjects {
    /// The bucket in the folder `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let place = |error: Error| error.at(path.display().to_string());
        let file = database_of(path).map_err(place)?;
        let database = LiveDatabase::open(&file)?;
        let read = read_objects(&database).map_err(|error| error.at(file.display().to_string()));
        database.check_unchanged()?;
        Ok(MiniflareObjects { folder: path.to_owned(), objects: read?, _database: database })
    }

    /// The keys of its objects, ordered.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.objects.keys().map(String::as_str)
    }

    /// The size of the object under `key`; `None` where there is none.
    pub fn stored_bytes(&self, key: &str) -> Option<u64> {
        self.objects.get(key).map(|stored| stored.stored_bytes)
    }

    /// The bytes that its files really have; `None` where one of them is not there.
    ///
    /// # Errors
    /// The file system's.
    pub fn held_bytes(&self, key: &str) -> Result<Option<u64>> {
        let mut held_bytes = 0_u64;
        for (blob, _) in self.objects.get(key).iter().flat_map(|stored| &stored.blobs) {
            let path = self.blob_path(blob);
            match fs::symlink_metadata(&path) {
                Ok(metadata) => held_bytes = held_bytes.saturating_add(metadata.len()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(io_error("look at", &path, &error)),
            }
        }
        Ok(Some(held_bytes))
    }

    /// The file that the object is, if it is one file.
    pub fn file(&self, key: &str) -> Option<PathBuf> {
        match self.objects.get(key)?.blobs.as_slice() {
            [(blob, _)] => Some(self.blob_path(blob)),
            _ => None,
        }
    }

    /// Whether the object was removed or written anew since the bucket was opened.
    ///
    /// # Errors
    /// As those of [`MiniflareObjects::open`].
    pub fn has_changed(&self, key: &str) -> Result<bool> {
        let now = MiniflareObjects::open(&self.folder)?;
        Ok(now.objects.get(key) != self.objects.get(key))
    }

    fn blob_path(&self, blob: &str) -> PathBuf {
        // The name comes from a table: nothing but digits may be in it.
        let is_name = !blob.is_empty() && blob.bytes().all(|digit| digit.is_ascii_hexdigit());
        self.folder.join("blobs").join(if is_name { blob } else { "not-a-blob" })
    }
}

/// The database of the bucket in `path`: its name is derived from the bucket's.
fn database_of(path: &Path) -> Result<PathBuf> {
    let missing = || {
        Error::new(ErrorKind::Missing, "the database that says what is in this bucket is not there")
            .hint("it is beside the bucket's folder, in miniflare-R2BucketObject")
    };
    let root = parent(path).ok_or_else(missing)?;
    let absolute = std::path::absolute(path).map_err(|error| io_error("find", path, &error))?;
    let bucket = absolute.file_name().and_then(|name| name.to_str()).ok_or_else(missing)?;
    let folder = root.join(SIMULATED);
    let derived = folder.join(format!("{}.sqlite", object_id(SIMULATED, bucket)));
    if derived.is_file() { Ok(derived) } else { Err(missing().at(derived.display().to_string())) }
}

/// The file name that workerd gives the object `name` of the namespace `unique_key`.
fn object_id(unique_key: &str, name: &str) -> String {
    let key = Hash::of(unique_key.as_bytes());
    let head = hmac(key.as_bytes(), name.as_bytes());
    let (head, _) = head.as_bytes().split_at(16);
    let tail = hmac(key.as_bytes(), head);
    let (tail, _) = tail.as_bytes().split_at(16);
    head.iter().chain(tail).map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC-SHA-256 (RFC 2104) with a key shorter than a block.
fn hmac(key: &[u8; Hash::BYTES], message: &[u8]) -> Hash {
    const BLOCK_BYTES: usize = 64;
    let pad = |with: u8| {
        let mut block = [with; BLOCK_BYTES];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Hash::finish(Sha256::new().chain_update(pad(0x36)).chain_update(message));
    Hash::finish(Sha256::new().chain_update(pad(0x5c)).chain_update(inner.as_bytes()))
}

fn text(column: Option<Result<Column<'_>>>) -> Result<Option<String>> {
    match column.transpose()? {
        Some(Column::Text(text)) => Ok(str::from_utf8(text).ok().map(str::to_owned)),
        _ => Ok(None),
    }
}

fn size(column: Option<Result<Column<'_>>>) -> Result<u64> {
    match column.transpose()? {
        Some(Column::Integer(size)) => {
            u64::try_from(size).map_err(|_| Error::malformed(format!("an object has {size} bytes")))
        }
        _ => Err(Error::malformed("an object has no size")),
    }
}

fn read_objects(database: &LiveDatabase) -> Result<BTreeMap<String, Stored>> {
    let table = Table::find(database, "_mf_objects")?
        .ok_or_else(|| Error::malformed("it has no table _mf_objects, so it is not a bucket's"))?;
    let mut objects = BTreeMap::new();
    table.rows(database, ROW_BYTES_MAX, |record, _| {
        let mut columns = Columns::of(record)?;
        let Some(key) = text(columns.next())? else {
            return Ok(());
        };
        let blob = text(columns.next())?;
        columns.next();
        let stored_bytes = size(columns.next())?;
        let metadata = text(columns.nth(CUSTOM_METADATA_COLUMN - 4))?.unwrap_or_default();
        let metadata = metadata_of(metadata.as_bytes()).unwrap_or_default();
        let blobs = blob.map(|blob| (blob, stored_bytes)).into_iter().collect();
        objects.insert(key, Stored { blobs, stored_bytes, metadata });
        Ok(())
    })?;
    let Some(parts) = Table::find(database, "_mf_multipart_parts")? else {
        return Ok(objects);
    };
    // Columns: upload_id, part_number, blob_id, size, etag, checksum_md5, object_key.
    let mut found: Vec<(String, u64, String, u64)> = Vec::new();
    parts.rows(database, ROW_BYTES_MAX, |record, _| {
        let mut columns = Columns::of(record)?;
        columns.next();
        let number = size(columns.next())?;
        let blob = text(columns.next())?;
        let bytes = size(columns.next())?;
        if let (Some(blob), Some(key)) = (blob, text(columns.nth(2))?) {
            found.push((key, number, blob, bytes));
        }
        Ok(())
    })?;
    found.sort();
    for (key, _, blob, bytes) in found {
        if let Some(object) = objects.get_mut(&key) {
            object.blobs.push((blob, bytes));
        }
    }
    Ok(objects)
}

/// Custom metadata: a JSON object of text.
pub(super) fn metadata_of(text: &[u8]) -> Option<Vec<(String, String)>> {
    let metadata: BTreeMap<String, String> = serde_json::from_slice(text).ok()?;
    Some(metadata.into_iter().collect())
}

/// Reads a file, not what a link points to, from `offset` on; `None` where it is not there.
pub(super) fn read_file_at(path: &Path, offset: u64, into: &mut [u8]) -> Result<Option<usize>> {
    let no_follow = nix::fcntl::OFlag::O_NOFOLLOW.bits();
    let file: File = match OpenOptions::new().read(true).custom_flags(no_follow).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", path, &error)),
    };
    let mut read = 0;
    while let Some(space) = into.get_mut(read..).filter(|space| !space.is_empty()) {
        match file.read_at(space, offset + read as u64) {
            Ok(0) => break,
            Ok(bytes) => read += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io_error("read", path, &error)),
        }
    }
    Ok(Some(read))
}

impl Objects for MiniflareObjects {
    fn list(&self, prefix: &str, visit: &mut dyn FnMut(ObjectFacts) -> Result<()>) -> Result<()> {
        let from_prefix = self.objects.range(prefix.to_owned()..);
        for (key, stored) in from_prefix.take_while(|(key, _)| key.starts_with(prefix)) {
            visit(ObjectFacts { key: key.clone(), stored_bytes: stored.stored_bytes })?;
        }
        Ok(())
    }

    fn read_at(&self, key: &str, offset: u64, into: &mut [u8]) -> Result<Option<usize>> {
        let Some(stored) = self.objects.get(key) else {
            return Ok(None);
        };
        let mut skipped = 0;
        let mut read = 0;
        for (blob, bytes) in &stored.blobs {
            let position = offset + read as u64;
            let end = skipped + bytes;
            if position >= skipped && position < end {
                let most = usize::try_from(end - position).unwrap_or(usize::MAX);
                let rest = into.get_mut(read..).unwrap_or_default();
                let most = most.min(rest.len());
                if most == 0 {
                    break;
                }
                let path = self.blob_path(blob);
                let part = rest.get_mut(..most).unwrap_or_default();
                let Some(got) = read_file_at(&path, position - skipped, part)? else {
                    return Ok(None);
                };
                read += got;
                if got < most {
                    break;
                }
            }
            skipped = end;
        }
        Ok(Some(read))
    }

    fn custom_metadata(&self, key: &str) -> Result<Option<Vec<(String, String)>>> {
        Ok(Some(self.objects.get(key).map(|stored| stored.metadata.clone()).unwrap_or_default()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_told_from_the_bucket_s_folder() {
        let root = tempfile::tempdir().unwrap();
        let bucket = root.path().join("r2/bucket");
        fs::create_dir_all(bucket.join("blobs")).unwrap();
        fs::create_dir_all(root.path().join("r2").join(SIMULATED)).unwrap();
        for (path, prefix) in [
            ("r2/bucket", Some("")),
            ("r2/bucket/", Some("")),
            ("r2/./bucket//some/./prefix/", Some("some/prefix")),
            ("r2/bucket/../bucket/some", Some("some")),
            ("r2/bucket/..", None),
            ("r2/bucket/some/../../../store", None),
            ("r2", None),
            ("r2/other/some", None),
        ] {
            let found = find_bucket(&root.path().join(path)).unwrap();
            assert_eq!(found.as_ref().map(|(_, prefix)| prefix.as_str()), prefix, "{path}");
            if let Some((folder, _)) = found {
                assert_eq!(folder.canonicalize().unwrap(), bucket.canonicalize().unwrap(), "{path}");
            }
        }
        assert!(find_bucket(&bucket.join("some/../prefix")).is_err());
    }

    /// As `fixtures/state-folder/v3/r2` has it.
    #[test]
    fn a_bucket_s_database_is_found_by_name() {
        let id = object_id(SIMULATED, "archive");
        assert_eq!(id, "ebdc338b8b09e0006633cef39ce343ff176a8c9603abf2863b1edb1dbcc3cd7b");
    }
}
