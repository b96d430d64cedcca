//! What the door to the outside asks of an object: `js/door.js`, which has looked at the token already.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use dotctl_engine::format::Document;
use dotctl_engine::format::layout::{MANIFESTS, ManifestKey, PACKS, TAGS, pack_key, parse_tag};
use dotctl_engine::{Error, ErrorKind, Result};

use crate::checkpointer::Checkpointer;
use crate::javascript::{Answer, JsCheckpoints, answer, thrown};
use crate::places::Place;
use crate::storage::failed;
use crate::upload::held;

/// Items in one page of a listing.
const PAGE_ITEMS: usize = 1000;

/// A page of a listing.
#[derive(Serialize)]
struct Page {
    items: Vec<(String, u64)>,
    /// Whether there are more behind them.
    more: bool,
}

/// An object as those outside see it: its own checkpoints and their packs, and nothing else of where they lie.
#[wasm_bindgen(js_name = Inside)]
pub struct JsInside {
    checkpointer: Checkpointer,
    /// The packs of the object's checkpoints, as far as they have been asked for.
    packs: Rc<RefCell<HashMap<String, u64>>>,
}

#[wasm_bindgen(js_class = Inside)]
impl JsInside {
    /// That of the object with these checkpoints.
    #[wasm_bindgen(constructor)]
    pub fn new(checkpoints: &JsCheckpoints) -> Self {
        JsInside { checkpointer: checkpoints.0.clone(), packs: Rc::default() }
    }

    /// Whether a checkpoint or a restore goes on.
    #[wasm_bindgen(getter)]
    pub fn busy(&self) -> bool {
        self.checkpointer.storage.guard().busy()
    }

    /// How much state there is: `nothing`, `tables` without rows, or `rows`.
    pub fn held(&self, has_entries: bool) -> Answer<JsValue> {
        answer(held(&self.checkpointer.storage, has_entries))
    }

    /// The items whose keys begin with `prefix`, behind `after`.
    pub async fn items(&self, prefix: String, after: String) -> Answer<JsValue> {
        let (checkpointer, packs) = (self.checkpointer.clone(), self.packs.clone());
        answer(page(&checkpointer, &packs, &prefix, &after).await)
    }

    /// Bytes of an item from `offset` on, `length` of them or as many as there are: how many it has, and those; nothing
    /// where there is no such item.
    pub async fn item(&self, key: String, offset: f64, length: f64) -> Answer<JsValue> {
        let (checkpointer, packs) = (self.checkpointer.clone(), self.packs.clone());
        let read = read(&checkpointer, &packs, &key, offset as u64, length as u64).await;
        match read.map_err(|error| thrown(&error))? {
            Some((total, bytes)) => {
                let bytes = Uint8Array::from(bytes.as_slice());
                Ok(Array::of2(&JsValue::from_f64(total as f64), &bytes).into())
            }
            None => Ok(JsValue::UNDEFINED),
        }
    }

    /// Begins an upload.
    #[wasm_bindgen(js_name = beginUpload)]
    pub fn begin_upload(&self, request: &str) -> Answer<()> {
        self.checkpointer.begin_upload(request).map_err(|error| thrown(&error))
    }

    /// Takes a part of it.
    #[wasm_bindgen(js_name = uploadPart)]
    pub fn upload_part(&self, request: &str, part: f64, raw_bytes: f64, stored: &[u8]) -> Answer<()> {
        self.checkpointer.upload_part(request, part, raw_bytes, stored).map_err(|error| thrown(&error))
    }

    /// Puts it in the place of the object's state.
    #[wasm_bindgen(js_name = applyUpload)]
    pub async fn apply_upload(
        &self,
        request: String,
        part_count: f64,
        content_sha256: String,
        force: bool,
        has_entries: js_sys::Function,
    ) -> Answer<JsValue> {
        let checkpointer = self.checkpointer.clone();
        // What cannot be looked at is not to be overwritten.
        let has_entries = || has_entries.call0(&JsValue::NULL).map_or(true, |has| has.is_truthy());
        let report =
            checkpointer.apply_upload(&request, part_count, &content_sha256, force, has_entries).await;
        js_sys::JSON::parse(&report.map_err(|error| thrown(&error))?)
    }

    /// Puts it away.
    #[wasm_bindgen(js_name = forgetUpload)]
    pub fn forget_upload(&self, request: &str) -> Answer<()> {
        self.checkpointer.forget_upload(request).map_err(|error| thrown(&error))
    }
}

#[wasm_bindgen(module = "/js/door.js")]
extern "C" {
    #[wasm_bindgen(js_name = Door)]
    type JsDoor;
    #[wasm_bindgen(constructor, js_class = "Door")]
    fn js_new(ctx: &JsValue, checkpoints: JsCheckpoints, inside: JsInside, token: &JsValue) -> JsDoor;
    #[wasm_bindgen(method, js_name = fetch)]
    fn js_fetch(this: &JsDoor, request: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = door)]
    fn js_door(request: &JsValue, objects: &JsValue, options: &Object) -> Promise;
}

/// The door of an object that is written in Rust.
pub struct Door(JsDoor);

impl Door {
    /// That of the object with this `ctx` and these checkpoints, for whoever has `token`: a text, or a list as
    /// `index.d.ts` describes it. Without one nobody is let in.
    pub fn new(ctx: &JsValue, checkpointer: &Checkpointer, token: &JsValue) -> Self {
        let checkpoints = JsCheckpoints(checkpointer.clone());
        let inside = JsInside::new(&checkpoints);
        Door(JsDoor::js_new(ctx, checkpoints, inside, token))
    }

    /// The answer to a request, a `Response`; none to what is not the door's.
    ///
    /// # Errors
    /// Those of the runtime.
    pub async fn fetch(&self, request: &JsValue) -> Result<Option<JsValue>> {
        some(self.0.js_fetch(request)).await
    }
}

/// The door in the worker, before the objects of the namespace `objects`: looks at the token, and forwards to the object.
/// None where the request is not the door's.
///
/// # Errors
/// Those of the runtime.
pub async fn door(request: &JsValue, objects: &JsValue, token: &JsValue) -> Result<Option<JsValue>> {
    let options = Object::new();
    // A plain object takes every property.
    let _ = Reflect::set(&options, &"token".into(), token);
    some(js_door(request, objects, &options)).await
}

async fn some(answer: Promise) -> Result<Option<JsValue>> {
    let answer = JsFuture::from(answer).await.map_err(|error| failed(&error))?;
    Ok((!answer.is_undefined()).then_some(answer))
}

type Packs = RefCell<HashMap<String, u64>>;

async fn page(checkpointer: &Checkpointer, packs: &Packs, prefix: &str, after: &str) -> Result<Page> {
    let mut items = items(checkpointer, packs, prefix).await?;
    items.retain(|(key, _)| key.as_str() > after);
    items.sort_unstable();
    let more = items.len() > PAGE_ITEMS;
    items.truncate(PAGE_ITEMS);
    Ok(Page { items, more })
}

async fn items(checkpointer: &Checkpointer, packs: &Packs, prefix: &str) -> Result<Vec<(String, u64)>> {
    let near = &checkpointer.places.near;
    match prefix.trim_end_matches('/') {
        MANIFESTS => near.list(&own_manifests(checkpointer)).await,
        PACKS => {
            learn_packs(checkpointer, packs).await?;
            let mut named = packs.borrow().clone();
            if let Place::Object(tables) = near {
                let there = tables.list(&format!("{PACKS}/"))?;
                // Those that overflow the object are believed, as those in a bucket are: others lie among them.
                let overflow = checkpointer.places.far.is_some();
                let there: HashMap<String, u64> = there.into_iter().collect();
                named.retain(|key, stored_bytes| match there.get(key) {
                    Some(actual) => {
                        *stored_bytes = *actual;
                        true
                    }
                    None => overflow,
                });
            }
            Ok(named.into_iter().collect())
        }
        TAGS => {
            let own: Vec<_> = checkpointer.keys().await?.into_iter().map(|key| key.id).collect();
            let mut tags = near.list(&format!("{TAGS}/")).await?;
            tags.retain(|(key, _)| {
                let mut parts = key.splitn(3, '/').skip(1);
                let tagged = parts.next().zip(parts.next()).and_then(|(tag, id)| parse_tag(tag, id));
                tagged.is_some_and(|tagged| own.contains(&tagged.checkpoint))
            });
            Ok(tags)
        }
        _ => Err(Error::malformed("manifests, packs and tags can be listed")),
    }
}

fn own_manifests(checkpointer: &Checkpointer) -> String {
    format!("{MANIFESTS}/{}/", checkpointer.namespace.encoded())
}

/// Learns which packs the object's checkpoints have. A manifest that is damaged names none.
async fn learn_packs(checkpointer: &Checkpointer, packs: &Packs) -> Result<()> {
    let mut named = HashMap::new();
    for key in checkpointer.keys().await? {
        let bytes = checkpointer.places.near.read_all(&key.to_string()).await?;
        if let Some(document) = bytes.and_then(|bytes| Document::parse(&bytes).ok()) {
            let of_document = document.packs().into_iter();
            named.extend(of_document.map(|pack| (pack_key(&pack.sha256), pack.stored_bytes)));
        }
    }
    packs.replace(named);
    Ok(())
}

async fn read(
    checkpointer: &Checkpointer,
    packs: &Packs,
    key: &str,
    offset: u64,
    length: u64,
) -> Result<Option<(u64, Vec<u8>)>> {
    if !is_own(checkpointer, packs, key).await? {
        return Ok(None);
    }
    let places = &checkpointer.places;
    for place in std::iter::once(&places.near).chain(&places.far) {
        let Some(total) = place.stored_bytes(key).await? else {
            continue;
        };
        let length = length.min(total.saturating_sub(offset));
        if length == 0 {
            return Ok(Some((total, Vec::new())));
        }
        return match place.read(key, offset, length).await? {
            Some(bytes) => Ok(Some((total, bytes))),
            None => Err(Error::new(ErrorKind::Missing, "the item was removed meanwhile").at(key)),
        };
    }
    Ok(None)
}

/// Whether `key` is that of a manifest of this object, or of a pack of its checkpoints.
async fn is_own(checkpointer: &Checkpointer, packs: &Packs, key: &str) -> Result<bool> {
    if let Some(rest) = key.strip_prefix(&format!("{MANIFESTS}/")) {
        let parsed =
            rest.split_once('/').and_then(|(namespace, name)| ManifestKey::parse(namespace, name).ok());
        return Ok(parsed.is_some_and(|key| key.namespace == checkpointer.namespace));
    }
    if packs.borrow().contains_key(key) {
        return Ok(true);
    }
    if !key.starts_with(&format!("{PACKS}/")) {
        return Ok(false);
    }
    learn_packs(checkpointer, packs).await?;
    Ok(packs.borrow().contains_key(key))
}
