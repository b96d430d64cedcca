//! Objects into a bucket or a folder that stands for one.

use sha2::{Digest, Sha256};

use dotctl_engine::dotdo::{Bucket, BucketObject};
use dotctl_engine::id::Hash;
use dotctl_engine::{Error, ErrorKind, Result};

use super::content::Content;
use crate::dotdo::{ObjectBucket, Objects};
use crate::store::Requests;

/// Objects that may be created.
pub trait ObjectsWriter: Objects {
    /// Creates the object `key` of `content` with custom metadata; says `false`, and changes nothing,
    /// where there is one of that key. It appears as a whole.
    fn create(&self, key: &str, content: &Content, metadata: &[(&str, String)]) -> Result<bool>;

    /// Requests sent so far, where they cost something.
    fn requests(&self) -> Option<Requests> {
        None
    }

    /// How people call an object.
    fn location(&self, key: &str) -> String;
}

/// Creates the object, or finds it there as it would be: left by a run that was stopped.
///
/// # Errors
/// Exists where another object has the key.
pub fn put(
    objects: &dyn ObjectsWriter,
    key: &str,
    content: &Content,
    metadata: &[(&str, String)],
) -> Result<()> {
    if objects.create(key, content, metadata)? {
        return Ok(());
    }
    let there = ObjectBucket::of(objects, vec![key.to_owned()]);
    let mut sha256 = Sha256::new();
    there.read(key, &mut |bytes| {
        sha256.update(bytes);
        Ok(())
    })?;
    let listed = there.list()?;
    let found = listed.iter().find(|object| object.key == key);
    let has = |found: &BucketObject| {
        metadata.iter().all(|(name, value)| found.metadata(name) == Some(value.as_str()))
    };
    if Hash::finish(sha256) == content.stored_sha256 && found.is_some_and(has) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Exists, "another object has this key")
        .at(objects.location(key))
        .hint("nothing was changed; what is there is never overwritten"))
}
