//! Where checkpoints lie: the object's own tables, or a bucket of R2. Both hold the same items under the same keys
//! as every store that the command line knows.

mod bucket;
mod object;

pub use bucket::Bucket;
pub use object::ObjectTables;

use dotctl_engine::Result;
use dotctl_engine::format::PackEntry;
use dotctl_engine::format::layout::pack_key;

use crate::storage::Storage;

/// One of them.
#[derive(Clone)]
pub enum Place {
    /// The object's own tables.
    Object(ObjectTables),
    /// A bucket.
    Bucket(Bucket),
}

impl Place {
    /// The object's tables.
    pub fn object(storage: &Storage) -> Self {
        Place::Object(ObjectTables::new(storage.clone()))
    }

    /// How people call it.
    pub fn location(&self) -> String {
        match self {
            Place::Object(_) => "the object's tables".into(),
            Place::Bucket(bucket) => bucket.location(),
        }
    }

    /// Keys that begin with `prefix`, in order, each with its bytes.
    pub async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        match self {
            Place::Object(tables) => tables.list(prefix),
            Place::Bucket(bucket) => bucket.list(prefix).await,
        }
    }

    /// `length` bytes of an item from `offset` on; none where there is no such item.
    pub async fn read(&self, key: &str, offset: u64, length: u64) -> Result<Option<Vec<u8>>> {
        match self {
            Place::Object(tables) => tables.read(key, offset, length),
            Place::Bucket(bucket) => bucket.read(key, offset, length).await,
        }
    }

    /// All bytes of an item; none where there is no such item.
    pub async fn read_all(&self, key: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Place::Object(tables) => match tables.stored_bytes(key)? {
                Some(stored_bytes) => tables.read(key, 0, stored_bytes),
                None => Ok(None),
            },
            Place::Bucket(bucket) => bucket.read_all(key).await,
        }
    }

    /// Puts an item, unless there is one of its key, and says whether there was none.
    pub async fn create(&self, key: &str, pieces: &[Vec<u8>]) -> Result<bool> {
        match self {
            Place::Object(tables) => tables.create(key, pieces),
            Place::Bucket(bucket) => bucket.create(key, pieces).await,
        }
    }

    /// Removes items, those that are there.
    pub async fn remove(&self, keys: &[String]) -> Result<()> {
        match self {
            Place::Object(tables) => keys.iter().try_for_each(|key| tables.remove(key)),
            Place::Bucket(bucket) => bucket.remove(keys).await,
        }
    }

    /// Whether the pack is there with as many bytes as it has to have.
    pub async fn has_pack(&self, pack: &PackEntry) -> Result<bool> {
        let key = pack_key(&pack.sha256);
        match self {
            Place::Object(tables) => Ok(tables.stored_bytes(&key)? == Some(pack.stored_bytes)),
            Place::Bucket(bucket) => Ok(bucket.stored_bytes(&key).await? == Some(pack.stored_bytes)),
        }
    }
}
