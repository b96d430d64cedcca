//! Where checkpoints lie: the object's own tables, or a bucket of R2. Both hold the same items under the same keys
//! as every store that the command line knows.

mod bucket;
mod marks;
mod object;
mod spool;

pub use bucket::Bucket;
pub use marks::Marks;
pub use object::ObjectTables;
pub use spool::{Source, Spool, discard_spool};

use futures_util::{StreamExt, TryStreamExt, stream};

use dotctl_engine::format::PackEntry;
use dotctl_engine::format::layout::pack_key;
use dotctl_engine::{Error, Result};

use crate::storage::Storage;

/// Requests at once: as many connections may wait for an answer, a further one would wait for them.
/// Source: developers.cloudflare.com/workers/platform/limits, read 2026-11-22.
const REQUESTS_AT_ONCE: usize = 6;

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

    /// How many bytes an item has; none where there is no such item.
    pub async fn stored_bytes(&self, key: &str) -> Result<Option<u64>> {
        match self {
            Place::Object(tables) => tables.stored_bytes(key),
            Place::Bucket(bucket) => bucket.stored_bytes(key).await,
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

    /// Puts an item of `total` bytes, unless there is one of its key, and says whether there was none. `storage` is where
    /// rows are.
    pub async fn create(&self, key: &str, total: u64, source: &Source, storage: &Storage) -> Result<bool> {
        match (self, source) {
            (Place::Object(tables), _) => tables.create(key, total, source),
            (Place::Bucket(bucket), Source::Bytes(bytes)) => bucket.create(key, bytes).await,
            (Place::Bucket(bucket), Source::Rows(select)) => {
                bucket.create_of_rows(key, total, storage, select).await
            }
        }
    }

    /// Puts a small item.
    pub async fn create_small(&self, key: &str, bytes: &[u8], storage: &Storage) -> Result<bool> {
        self.create(key, bytes.len() as u64, &Source::Bytes(bytes.to_vec()), storage).await
    }

    /// Where the bytes of an item are, so that it can be put elsewhere; none where there is no such item.
    pub async fn source(&self, key: &str) -> Result<Option<Source>> {
        match self {
            Place::Object(tables) => Ok(tables.parts(key)?.map(Source::Rows)),
            Place::Bucket(bucket) => Ok(bucket.read_all(key).await?.map(Source::Bytes)),
        }
    }

    /// Removes items, those that are there.
    pub async fn remove(&self, keys: &[String]) -> Result<()> {
        match self {
            Place::Object(tables) => keys.iter().try_for_each(|key| tables.remove(key)),
            Place::Bucket(bucket) => bucket.remove(keys).await,
        }
    }

    /// One of `packs` that is not there with as many bytes as it has to have; none where all are.
    pub async fn missing_pack<'a>(
        &self,
        packs: impl Iterator<Item = &'a PackEntry>,
    ) -> Result<Option<&'a PackEntry>> {
        let asked = packs.map(|pack| async move {
            let stored_bytes = self.stored_bytes(&pack_key(&pack.sha256)).await?;
            Ok::<_, Error>((stored_bytes != Some(pack.stored_bytes)).then_some(pack))
        });
        let mut answers = stream::iter(asked).buffer_unordered(REQUESTS_AT_ONCE);
        while let Some(missing) = answers.try_next().await? {
            if missing.is_some() {
                return Ok(missing);
            }
        }
        Ok(None)
    }
}
