//! What the door to the outside asks of an object: `js/door.js`, which has looked at the token already.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::rc::Rc;

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use dotctl_engine::format::layout::{MANIFESTS, ManifestKey, PACKS, TAGS, pack_key, parse_tag};
use dotctl_engine::id::Hash;
use dotctl_engine::{Error, ErrorKind, Result};

use crate::checkpointer::Checkpointer;
use crate::javascript::{Answer, JsCheckpoints, answer, thrown};
use crate::named::NamedPacks;
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
    named: Rc<RefCell<NamedPacks>>,
}

#[wasm_bindgen(js_class = Inside)]
impl JsInside {
    /// That of the object with these checkpoints.
    #[wasm_bindgen(constructor)]
    pub fn new(checkpoints: &JsCheckpoints) -> Self {
        JsInside { checkpointer: checkpoints.0.clone(), named: Rc::default() }
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
        let (checkpointer, named) = (self.checkpointer.clone(), self.named.clone());
        answer(page(&checkpointer, &named, &prefix, &after).await)
    }

    /// Bytes of an item from `offset` on, `length` of them or as many as there are: how many it has, and those; nothing
    /// where there is no such item.
    pub async fn item(&self, key: String, offset: f64, length: f64) -> Answer<JsValue> {
        let (checkpointer, named) = (self.checkpointer.clone(), self.named.clone());
        let read = read(&checkpointer, &named, &key, offset as u64, length as u64).await;
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

type Named = RefCell<NamedPacks>;

async fn page(checkpointer: &Checkpointer, named: &Named, prefix: &str, after: &str) -> Result<Page> {
    let mut items = items(checkpointer, named, prefix, after).await?;
    items.retain(|(key, _)| key.as_str() > after);
    items.sort_unstable();
    let more = items.len() > PAGE_ITEMS;
    items.truncate(PAGE_ITEMS);
    Ok(Page { items, more })
}

/// The items behind `after`; of packs only as many as tell that there are more than a page has.
async fn items(
    checkpointer: &Checkpointer,
    named: &Named,
    prefix: &str,
    after: &str,
) -> Result<Vec<(String, u64)>> {
    let near = &checkpointer.places.near;
    match prefix.trim_end_matches('/') {
        MANIFESTS => near.list(&own_manifests(checkpointer)).await,
        PACKS => packs(checkpointer, named, after).await,
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

async fn packs(checkpointer: &Checkpointer, named: &Named, after: &str) -> Result<Vec<(String, u64)>> {
    let after = match after {
        "" => None,
        key => Some(pack_of(key).ok_or_else(|| Error::malformed("no pack has the key to list behind"))?),
    };
    let there: Option<HashMap<Hash, u64>> = match &checkpointer.places.near {
        Place::Object(tables) => {
            let items = tables.list(&format!("{PACKS}/"))?.into_iter();
            Some(items.filter_map(|(key, stored_bytes)| Some((pack_of(&key)?, stored_bytes))).collect())
        }
        Place::Bucket(_) => None,
    };
    // Those that overflow the object are believed, as those in a bucket are: others lie among them.
    let is_believed = there.is_none() || checkpointer.places.far.is_some();
    let actual = |sha256: &Hash| there.as_ref().and_then(|there| there.get(sha256)).copied();
    // Hashes sort as their keys do.
    let mut first = BTreeMap::new();
    NamedPacks::see_each(named, checkpointer, |pack| {
        let is_behind = after.is_none_or(|after| pack.sha256 > after);
        let stored_bytes = actual(&pack.sha256).or(is_believed.then_some(pack.stored_bytes));
        if let Some(stored_bytes) = stored_bytes.filter(|_| is_behind) {
            first.insert(pack.sha256, stored_bytes);
            if first.len() > PAGE_ITEMS + 1 {
                first.pop_last();
            }
        }
        ControlFlow::Continue(())
    })
    .await?;
    Ok(first.into_iter().map(|(sha256, stored_bytes)| (pack_key(&sha256), stored_bytes)).collect())
}

/// The pack that has this key.
fn pack_of(key: &str) -> Option<Hash> {
    key.strip_prefix(PACKS)?.strip_prefix('/')?.parse().ok()
}

fn own_manifests(checkpointer: &Checkpointer) -> String {
    format!("{MANIFESTS}/{}/", checkpointer.namespace.encoded())
}

async fn read(
    checkpointer: &Checkpointer,
    named: &Named,
    key: &str,
    offset: u64,
    length: u64,
) -> Result<Option<(u64, Vec<u8>)>> {
    if !is_own(checkpointer, named, key).await? {
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
async fn is_own(checkpointer: &Checkpointer, named: &Named, key: &str) -> Result<bool> {
    if let Some(rest) = key.strip_prefix(&format!("{MANIFESTS}/")) {
        let parsed =
            rest.split_once('/').and_then(|(namespace, name)| ManifestKey::parse(namespace, name).ok());
        return Ok(parsed.is_some_and(|key| key.namespace == checkpointer.namespace));
    }
    match pack_of(key) {
        Some(sha256) => NamedPacks::has(named, checkpointer, &sha256).await,
        None => Ok(false),
    }
}
