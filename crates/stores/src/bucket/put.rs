//! Objects into a bucket.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use dotctl_engine::id::Hash;

use super::client::{Class, Client, Conditions, random};
use super::refusal::Refusal;
use crate::dotdo::write::Content;

/// The user metadata that tells who wrote an object.
const NONCE: &str = "dotctl-nonce";

/// Signs with a hash that is known already, instead of taking it again.
#[derive(Debug)]
struct KnownHash(Hash);

impl Intercept for KnownHash {
    fn name(&self) -> &'static str {
        "KnownHash"
    }

    fn modify_before_signing(
        &self,
        _: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let known = aws_runtime::auth::PayloadSigningOverride::Precomputed(self.0.to_string());
        config.interceptor_state().store_put(known);
        Ok(())
    }
}

/// What came of an attempt to create an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It is there and ours.
    Created,
    /// Somebody else's is there.
    Exists,
}

impl Client {
    /// Writes the object at `key`, which hashes to `sha256`. The server is told so in the signed
    /// header `x-amz-content-sha256` and refuses anything else.
    pub async fn put(&self, key: &str, bytes: Bytes, sha256: Hash) -> Result<(), Refusal> {
        self.call(Class::A, bytes.len(), || {
            self.s3
                .put_object()
                .bucket(&self.bucket)
                .key(key)
                .body(ByteStream::from(bytes.clone()))
                .customize()
                .interceptor(KnownHash(sha256))
                .send()
        })
        .await
        .map(|_| ())
    }

    /// Removes the object at `key`, if it is there.
    pub async fn delete(&self, key: &str) -> Result<(), Refusal> {
        let deleted =
            self.call(Class::Free, 0, || self.s3.delete_object().bucket(&self.bucket).key(key).send()).await;
        match deleted {
            Err(refusal) if !refusal.is_missing_object() => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Creates the object at `key` unless there is one, and finds out once whether a server that
    /// nobody knows heeds that condition: it has to refuse the same again. One that does not would
    /// only write the same bytes again, since the key names their hash.
    pub async fn create(&self, key: &str, bytes: Bytes, sha256: Hash) -> Result<Creation, Refusal> {
        let created = self.create_once(key, bytes.clone(), sha256).await?;
        let Conditions { heeded, ignored } = &self.conditions;
        if created == Creation::Exists {
            heeded.store(true, Ordering::Relaxed);
        }
        if !heeded.load(Ordering::Relaxed) && !ignored.load(Ordering::Relaxed) {
            match self.create_once(key, bytes, sha256).await {
                Ok(Creation::Exists) => heeded.store(true, Ordering::Relaxed),
                Ok(Creation::Created) => ignored.store(true, Ordering::Relaxed),
                // The object is there, and the next one will tell.
                Err(_) => {}
            }
        }
        Ok(created)
    }

    /// The answer to a request that came through may be lost, and its repetition then refused: what is
    /// there is ours if it carries our nonce.
    async fn create_once(&self, key: &str, bytes: Bytes, sha256: Hash) -> Result<Creation, Refusal> {
        let nonce = format!("{:016x}{:016x}", random(), random());
        let created = self
            .call(Class::A, bytes.len(), || {
                self.s3
                    .put_object()
                    .bucket(&self.bucket)
                    .key(key)
                    .if_none_match("*")
                    .metadata(NONCE, &nonce)
                    .content_type("application/json")
                    .body(ByteStream::from(bytes.clone()))
                    .customize()
                    .interceptor(KnownHash(sha256))
                    .send()
            })
            .await;
        match created {
            Ok(_) => Ok(Creation::Created),
            Err(refusal) if refusal.is_conflict() => match self.nonce(key).await? {
                Some(found) if found == nonce => Ok(Creation::Created),
                _ => Ok(Creation::Exists),
            },
            Err(refusal) => Err(refusal),
        }
    }

    /// Creates the object at `key` of `content` unless there is one; says whether there was none. After a
    /// lost reply it may be there and ours all the same.
    pub async fn create_from_file(
        &self,
        key: &str,
        content: &Content,
        metadata: &[(&str, String)],
    ) -> Result<bool, Refusal> {
        let metadata: HashMap<String, String> =
            metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let bytes = usize::try_from(content.stored_bytes).unwrap_or(usize::MAX);
        let send = || async {
            let body = ByteStream::read_from().path(content.path()).build().await;
            self.s3
                .put_object()
                .bucket(&self.bucket)
                .key(key)
                .if_none_match("*")
                .set_metadata((!metadata.is_empty()).then(|| metadata.clone()))
                .body(body.map_err(SdkError::construction_failure)?)
                .customize()
                .interceptor(KnownHash(content.stored_sha256))
                .send()
                .await
        };
        match self.call(Class::A, bytes, send).await {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.is_conflict() => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    /// The nonce that the object at `key` carries.
    async fn nonce(&self, key: &str) -> Result<Option<String>, Refusal> {
        let head =
            self.call(Class::B, 0, || self.s3.head_object().bucket(&self.bucket).key(key).send()).await?;
        Ok(head.metadata().and_then(|metadata| metadata.get(NONCE)).cloned())
    }
}
