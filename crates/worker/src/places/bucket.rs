//! Items as objects of an R2 bucket, under a prefix: `docs/FORMAT.md`, section 2.

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::JsValue;

use dotctl_engine::format::layout::PACKS;
use dotctl_engine::{Damage, Error, Result};

use crate::storage::{Storage, call, later};

/// How often a request is sent that R2 answers with "later" or not at all.
const ATTEMPTS: u32 = 8;

/// The wait before the second attempt, doubled for each later one, in milliseconds.
const WAIT_MS: f64 = 50.0;

/// Keys that one request removes at most: what R2 takes.
const REMOVED_KEYS: usize = 1000;

/// A bucket, as the binding gives it.
#[derive(Clone)]
pub struct Bucket {
    js: JsValue,
    /// Ends with a slash, or is empty.
    prefix: String,
    /// How long an answer may take, in milliseconds.
    request_ms: f64,
}

impl Bucket {
    /// `bucket`, a binding, whose answers may take `request_ms` milliseconds; every key gets `prefix` and a slash before it.
    pub fn new(bucket: JsValue, prefix: &str, request_ms: f64) -> Self {
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Bucket { js: bucket, prefix, request_ms }
    }

    /// How people call it.
    pub fn location(&self) -> String {
        format!("R2, {}", if self.prefix.is_empty() { "the whole bucket" } else { &self.prefix })
    }

    /// Sends a request until it is answered.
    async fn send(&self, method: &str, arguments: &[JsValue]) -> Result<JsValue> {
        self.persist(|| call(&self.js, method, arguments, self.request_ms)).await
    }

    async fn persist<T: Future<Output = Result<JsValue>>>(&self, request: impl Fn() -> T) -> Result<JsValue> {
        let mut wait_ms = WAIT_MS;
        let mut attempt = 1;
        loop {
            match request().await {
                Err(error) if attempt < ATTEMPTS && may_pass(error.message()) => {
                    later(wait_ms).await?;
                    wait_ms *= 2.0;
                    attempt += 1;
                }
                answer => return answer.map_err(|error| error.at(self.location())),
            }
        }
    }

    /// Keys that begin with `prefix`, in order, each with its bytes.
    pub async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        let mut items = Vec::new();
        let mut cursor = JsValue::UNDEFINED;
        loop {
            let options = Object::new();
            set(&options, "prefix", &format!("{}{prefix}", self.prefix).into());
            set(&options, "cursor", &cursor);
            let page = self.send("list", &[options.into()]).await?;
            let objects: Array = get(&page, "objects").into();
            for object in objects.iter() {
                let key = get(&object, "key").as_string().unwrap_or_default();
                let key = key.strip_prefix(&self.prefix).unwrap_or_default().to_owned();
                items.push((key, get(&object, "size").as_f64().unwrap_or_default() as u64));
            }
            if get(&page, "truncated").as_bool() != Some(true) {
                return Ok(items);
            }
            cursor = get(&page, "cursor");
        }
    }

    /// How many bytes an item has; none where there is no such item.
    pub async fn stored_bytes(&self, key: &str) -> Result<Option<u64>> {
        let head = self.send("head", &[self.key(key)]).await?;
        Ok(get(&head, "size").as_f64().map(|size| size as u64))
    }

    /// `length` bytes of an item from `offset` on.
    pub async fn read(&self, key: &str, offset: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let range = Object::new();
        set(&range, "offset", &(offset as f64).into());
        set(&range, "length", &(length as f64).into());
        let options = Object::new();
        set(&options, "range", &range);
        self.get_bytes(key, options.into(), Some(length)).await
    }

    /// All bytes of an item.
    pub async fn read_all(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.get_bytes(key, JsValue::UNDEFINED, None).await
    }

    /// A body may end early without an error: it is asked for again, and at last refused.
    async fn get_bytes(&self, key: &str, options: JsValue, length: Option<u64>) -> Result<Option<Vec<u8>>> {
        let mut wait_ms = WAIT_MS;
        for attempt in 1.. {
            let object = match call(&self.js, "get", &[self.key(key), options.clone()], self.request_ms).await
            {
                Err(error) if attempt < ATTEMPTS && may_pass(error.message()) => {
                    later(wait_ms).await?;
                    wait_ms *= 2.0;
                    continue;
                }
                answer => answer.map_err(|error| error.at(self.location()))?,
            };
            if object.is_null() || object.is_undefined() {
                return Ok(None);
            }
            let promised = length.or_else(|| get(&object, "size").as_f64().map(|size| size as u64));
            let error = match call(&object, "arrayBuffer", &[], self.request_ms).await {
                Ok(buffer) => {
                    let bytes = Uint8Array::new(&buffer).to_vec();
                    if promised.is_none_or(|promised| promised == bytes.len() as u64) {
                        return Ok(Some(bytes));
                    }
                    Error::damaged(Damage::Size, "the object", promised.unwrap_or_default(), bytes.len())
                }
                Err(error) => error,
            };
            if attempt >= ATTEMPTS {
                return Err(error.at(format!("{}{key}", self.prefix)));
            }
            later(wait_ms).await?;
            wait_ms *= 2.0;
        }
        Ok(None)
    }

    /// Puts an item, unless there is one of its key, and says whether there was none.
    pub async fn create(&self, key: &str, bytes: &[u8]) -> Result<bool> {
        let body = Uint8Array::from(bytes);
        let put = self.send("put", &[self.key(key), body.into(), create_only().into()]).await?;
        Ok(!put.is_null())
    }

    /// The same of `total` bytes in rows of the object, which are read as R2 takes them, and hashed by it.
    pub async fn create_of_rows(
        &self,
        key: &str,
        total: u64,
        storage: &Storage,
        select: &str,
    ) -> Result<bool> {
        let options = create_only();
        if let Some(sha256) = key.strip_prefix(&format!("{PACKS}/")) {
            set(&options, "sha256", &sha256.into());
        }
        let request = || {
            let options = options.clone().into();
            storage.put_rows(&self.js, self.key(key), options, total, select, self.request_ms)
        };
        Ok(!self.persist(request).await?.is_null())
    }

    /// Removes items.
    pub async fn remove(&self, keys: &[String]) -> Result<()> {
        for some in keys.chunks(REMOVED_KEYS) {
            let some: Array = some.iter().map(|key| self.key(key)).collect();
            self.send("delete", &[some.into()]).await?;
        }
        Ok(())
    }

    fn key(&self, key: &str) -> JsValue {
        format!("{}{key}", self.prefix).into()
    }
}

/// Whether a request that failed so may succeed later: R2's errors end with their number, of which
/// those from 10001 (internal), 10043 (unavailable), 10054 (the client went away) and 10058 (too many requests)
/// pass; and so does whatever has no number of R2's, since it did not come from there.
/// Source: developers.cloudflare.com/r2/api/error-codes, read 2026-11-22.
fn may_pass(message: &str) -> bool {
    let number = message.rsplit_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    match number.and_then(|number| number.parse::<u32>().ok()) {
        Some(number) => matches!(number, 0 | 10001 | 10043 | 10054 | 10058),
        None => true,
    }
}

/// The options of a put: of two that write one key, R2 lets one.
fn create_only() -> Object {
    let only_if = Object::new();
    set(&only_if, "etagDoesNotMatch", &"*".into());
    let options = Object::new();
    set(&options, "onlyIf", &only_if);
    options
}

fn set(target: &Object, name: &str, value: &JsValue) {
    // A plain object takes every property.
    let _ = Reflect::set(target, &name.into(), value);
}

fn get(target: &JsValue, name: &str) -> JsValue {
    Reflect::get(target, &name.into()).unwrap_or(JsValue::UNDEFINED)
}
