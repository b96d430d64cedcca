//! Objects as a store of them has them, and what the engine asks for.

use dotctl_engine::dotdo::{BARE_PREFIX, Bucket, BucketObject, SNAPSHOT_PREFIX};

use crate::interrupt;
use dotctl_engine::{Error, Result};

/// Bytes of an object that are read together.
const PART_BYTES: usize = 1 << 20;

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Its key.
    pub key: String,
    /// Its size.
    pub stored_bytes: u64,
}

/// A store of objects with custom metadata: R2, S3, or what stands for them.
pub trait Objects {
    /// Shows every object whose key begins with `prefix` to `visit`.
    fn list(&self, prefix: &str, visit: &mut dyn FnMut(ObjectFacts) -> Result<()>) -> Result<()>;

    /// Reads from `offset` on into `into`: how many bytes, fewer only at the end; `None` where there
    /// is no such object.
    fn read_at(&self, key: &str, offset: u64, into: &mut [u8]) -> Result<Option<usize>>;

    /// The custom metadata of an object; `None` where the store keeps none.
    fn custom_metadata(&self, key: &str) -> Result<Option<Vec<(String, String)>>>;
}

impl<O: Objects + ?Sized, P: std::ops::Deref<Target = O>> Objects for P {
    fn list(&self, prefix: &str, visit: &mut dyn FnMut(ObjectFacts) -> Result<()>) -> Result<()> {
        (**self).list(prefix, visit)
    }

    fn read_at(&self, key: &str, offset: u64, into: &mut [u8]) -> Result<Option<usize>> {
        (**self).read_at(key, offset, into)
    }

    fn custom_metadata(&self, key: &str) -> Result<Option<Vec<(String, String)>>> {
        (**self).custom_metadata(key)
    }
}

/// [`Objects`] as the engine asks for them.
pub struct ObjectBucket<O> {
    objects: O,
    prefixes: Vec<String>,
}

impl<O: Objects> ObjectBucket<O> {
    /// Those of `objects` whose keys begin with one of `prefixes`.
    pub fn of(objects: O, prefixes: Vec<String>) -> Self {
        ObjectBucket { objects, prefixes }
    }

    /// All of `objects`: for a store where listing and custom metadata cost nothing.
    pub fn whole(objects: O) -> Self {
        ObjectBucket::of(objects, vec![String::new()])
    }

    /// Those under the prefixes that checkpoints have: for a store that may hold millions of others,
    /// and where custom metadata costs a request each.
    pub fn under_known_prefixes(objects: O) -> Self {
        ObjectBucket::of(objects, [SNAPSHOT_PREFIX, BARE_PREFIX].map(str::to_owned).to_vec())
    }
}

/// Objects listed at most: the engine holds their keys.
const OBJECTS_MAX: usize = 1 << 18;

impl<O: Objects> Bucket for ObjectBucket<O> {
    fn list(&self) -> Result<Vec<BucketObject>> {
        let mut objects = Vec::new();
        for prefix in &self.prefixes {
            self.objects.list(prefix, &mut |facts| {
                let metadata = self.objects.custom_metadata(&facts.key)?;
                objects.push(BucketObject {
                    key: facts.key,
                    stored_bytes: facts.stored_bytes,
                    keeps_metadata: metadata.is_some(),
                    metadata: metadata.unwrap_or_default(),
                });
                if objects.len() > OBJECTS_MAX {
                    return Err(Error::unsupported(format!(
                        "the bucket has more than {OBJECTS_MAX} objects"
                    )));
                }
                Ok(())
            })?;
        }
        Ok(objects)
    }

    fn read(&self, key: &str, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let mut part = vec![0; PART_BYTES];
        let mut offset = 0;
        loop {
            interrupt::check()?;
            let Some(bytes) = self.objects.read_at(key, offset, &mut part)? else {
                return Ok(false);
            };
            visit(part.get(..bytes).unwrap_or_default())?;
            offset += bytes as u64;
            if bytes < PART_BYTES {
                return Ok(true);
            }
        }
    }
}
