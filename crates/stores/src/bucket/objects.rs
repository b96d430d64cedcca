//! A bucket's objects as they are, for what others than we have written.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use dotctl_engine::{Error, ErrorKind, Result};

use super::client::Class;
use super::fetch::Fetched;
use super::{BucketSetting, BucketStore};
use crate::dotdo::write::{Content, ObjectsWriter};
use crate::dotdo::{ObjectFacts, Objects};
use crate::store::Requests;

/// The objects below a bucket's prefix.
pub struct BucketObjects {
    store: BucketStore,
    /// What listings told.
    lengths: Mutex<HashMap<String, u64>>,
}

impl BucketObjects {
    /// Those of the bucket that `setting` names. Nothing is sent to it yet.
    ///
    /// # Errors
    /// As those of [`BucketStore::open`].
    pub fn open(setting: &BucketSetting) -> Result<Self> {
        Ok(BucketObjects { store: BucketStore::open(setting)?, lengths: Mutex::default() })
    }

    fn length(&self, key: &str) -> Result<Option<u64>> {
        let known = self.lengths.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied();
        if known.is_some() {
            return Ok(known);
        }
        let client = &self.store.client;
        let length = self.store.block_on(client.length(&self.store.key(key)));
        length.map_err(|refusal| client.explain(&refusal, "read an object"))
    }
}

impl ObjectsWriter for BucketObjects {
    fn create(&self, key: &str, content: &Content, metadata: &[(&str, String)]) -> Result<bool> {
        if let Some((name, _)) = metadata.iter().find(|(_, value)| !value.is_ascii()) {
            return Err(Error::unsupported(format!(
                "the custom metadata `{name}` has letters beyond ASCII, which S3 does not take there"
            ))
            .at(self.location(key))
            .hint("snapshot with another --namespace, or copy into a folder"));
        }
        if self.length(key)?.is_some() {
            return Ok(false);
        }
        let name = self.store.key(key);
        let client = &self.store.client;
        let created = self.store.block_on(client.create_from_file(&name, content, metadata));
        created.map_err(|refusal| client.explain(&refusal, "write an object"))
    }

    fn requests(&self) -> Option<Requests> {
        Some(self.store.client.requests())
    }

    fn location(&self, key: &str) -> String {
        format!("{}/{key}", self.store.client.place)
    }
}

impl Objects for BucketObjects {
    fn list(&self, prefix: &str, visit: &mut dyn FnMut(ObjectFacts) -> Result<()>) -> Result<()> {
        let client = &self.store.client;
        let listed = self.store.block_on(client.list(&self.store.key(prefix)));
        for listed in listed.map_err(|refusal| client.explain(&refusal, "list objects"))? {
            let key = format!("{prefix}{}", listed.name);
            let mut lengths = self.lengths.lock().unwrap_or_else(PoisonError::into_inner);
            lengths.insert(key.clone(), listed.stored_bytes);
            drop(lengths);
            visit(ObjectFacts { key, stored_bytes: listed.stored_bytes })?;
        }
        Ok(())
    }

    fn read_at(&self, key: &str, offset: u64, into: &mut [u8]) -> Result<Option<usize>> {
        let Some(total_bytes) = self.length(key)? else {
            return Ok(None);
        };
        let end = offset.saturating_add(into.len() as u64).min(total_bytes);
        if offset >= end {
            return Ok(Some(0));
        }
        let client = &self.store.client;
        let mut filled = 0;
        let sink = |part: &[u8]| {
            if let Some(room) = into.get_mut(filled..filled + part.len()) {
                room.copy_from_slice(part);
                filled += part.len();
            }
        };
        let fetched = self.store.block_on(client.fetch(&self.store.key(key), offset..end, total_bytes, sink));
        match fetched.map_err(|refusal| client.explain(&refusal, "read an object"))? {
            Fetched::Whole => Ok(Some(filled)),
            Fetched::Missing => Ok(None),
            Fetched::OtherLength(_) => {
                Err(Error::new(ErrorKind::Busy, "the object changed while it was read")
                    .at(key.to_owned())
                    .hint("run the command again"))
            }
        }
    }

    fn custom_metadata(&self, key: &str) -> Result<Option<Vec<(String, String)>>> {
        let client = &self.store.client;
        let name = self.store.key(key);
        let head = self.store.block_on(
            client.call(Class::B, 0, || client.s3.head_object().bucket(&client.bucket).key(&name).send()),
        );
        match head {
            Ok(head) => Ok(Some(head.metadata.unwrap_or_default().into_iter().collect())),
            Err(refusal) if refusal.is_missing_object() => Ok(None),
            Err(refusal) => Err(client.explain(&refusal, "read an object's metadata")),
        }
    }
}
