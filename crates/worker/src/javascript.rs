//! The same for JavaScript: what `js/index.js` wraps.

use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::*;

use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::placement::PlacementPolicy;
use dotctl_engine::retention::RetentionPolicy;
use dotctl_engine::{Error, Result};
use serde::Serialize;

use crate::checkpointer::{BucketSetting, Checkpointer, Setting, Where};

/// The checkpoints of one object.
#[wasm_bindgen(js_name = Checkpoints)]
pub struct JsCheckpoints(pub(crate) Checkpointer);

pub type Answer<T> = std::result::Result<T, JsValue>;

/// An error as JavaScript throws it: with `kind`, and `hint` where there is one.
pub fn thrown(error: &Error) -> JsValue {
    let thrown: JsValue = JsError::new(&error.to_string()).into();
    let _ = Reflect::set(&thrown, &"kind".into(), &error.kind().name().into());
    if let Some(hint) = error.next_step() {
        let _ = Reflect::set(&thrown, &"hint".into(), &hint.into());
    }
    thrown
}

pub fn answer<T: Serialize>(result: Result<T>) -> Answer<JsValue> {
    let value = result.map_err(|error| thrown(&error))?;
    let text = serde_json::to_string(&value)
        .map_err(|error| thrown(&Error::malformed(format!("the answer cannot be spelled: {error}"))))?;
    js_sys::JSON::parse(&text)
}

fn option(options: &Object, name: &str) -> Option<JsValue> {
    let value = Reflect::get(options, &name.into()).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

fn count(options: &Object, name: &str) -> Result<Option<f64>> {
    let Some(value) = option(options, name) else {
        return Ok(None);
    };
    match value.as_f64().filter(|number| number.fract() == 0.0 && *number >= 0.0) {
        Some(number) => Ok(Some(number)),
        None => Err(Error::malformed(format!("{name} is not a whole number"))),
    }
}

/// What goes into R2 where checkpoints overflow: a rule by name, and its numbers where they are given.
fn placement(options: &Object) -> Result<PlacementPolicy> {
    let Some(given) = option(options, "placement") else {
        return Ok(PlacementPolicy::BUDGET);
    };
    let given = Object::from(given);
    let rule = option(&given, "rule").and_then(|rule| rule.as_string());
    let mut policy = match rule.as_deref() {
        None | Some("budget") => PlacementPolicy::BUDGET,
        Some("hybrid") => PlacementPolicy::HYBRID,
        Some(other) => {
            return Err(
                Error::malformed(format!("placement.rule is {other:?}")).hint("there are budget and hybrid")
            );
        }
    };
    for (name, bytes) in [
        ("overflowRawBytes", &mut policy.overflow_raw_bytes),
        ("overflowStoredBytes", &mut policy.overflow_stored_bytes),
        ("rawBytesEnd", &mut policy.raw_bytes_end),
    ] {
        if let Some(number) = count(&given, name)? {
            *bytes = number as u64;
        }
    }
    Ok(policy)
}

#[wasm_bindgen(js_class = Checkpoints)]
impl JsCheckpoints {
    /// `storage` is `ctx.storage`; the options are those of `CheckpointerOptions` in `index.d.ts`.
    #[wasm_bindgen(constructor)]
    pub fn new(storage: JsValue, options: &Object) -> Answer<JsCheckpoints> {
        let make = || {
            let text = |name: &str| option(options, name).and_then(|value| value.as_string());
            let namespace = text("namespace").ok_or_else(|| Error::malformed("namespace is not a text"))?;
            let chunk_size = match count(options, "chunkBytes")? {
                Some(bytes) => ChunkSize::new(bytes as u64)?,
                None => ChunkSize::DEFAULT,
            };
            let request_ms = count(options, "requestMs")?.unwrap_or(BucketSetting::REQUEST_MS);
            let bucket =
                |binding| BucketSetting { binding, prefix: text("prefix").unwrap_or_default(), request_ms };
            let place = match (option(options, "bucket"), option(options, "overflow")) {
                (None, None) => Where::Object,
                (Some(binding), None) => Where::Bucket(bucket(binding)),
                (None, Some(binding)) => Where::Overflowing(bucket(binding), placement(options)?),
                (Some(_), Some(_)) => {
                    return Err(Error::malformed("bucket and overflow are both given").hint(
                        "bucket is for all checkpoints, overflow for those too large for the object's tables",
                    ));
                }
            };
            let has_alarm = option(options, "hasAlarm").is_none_or(|has| has.is_truthy());
            let tracks_changes = option(options, "trackChanges").is_some_and(|tracks| tracks.is_truthy());
            Checkpointer::new(storage, Setting { namespace, place, chunk_size, has_alarm, tracks_changes })
        };
        make().map(JsCheckpoints).map_err(|error| thrown(&error))
    }

    /// Makes a checkpoint of the state at the moment of the call.
    pub fn checkpoint(&self) -> js_sys::Promise {
        let made = self.0.checkpoint();
        wasm_bindgen_futures::future_to_promise(async move { answer(made.await) })
    }

    /// Says how the object has answered its own alarm.
    #[wasm_bindgen(js_name = alarmAnswered)]
    pub async fn alarm_answered(&self, well: bool) -> Answer<JsValue> {
        answer(self.0.clone().alarm_answered(well).await)
    }

    /// To be called when the object's alarm comes: says whether it is the object's own.
    pub async fn alarm(&self) -> Answer<JsValue> {
        answer(self.0.clone().alarm().await)
    }

    /// Lists them.
    pub async fn list(&self) -> Answer<JsValue> {
        answer(self.0.clone().list().await)
    }

    /// Verifies one, or all.
    pub async fn verify(&self, reference: Option<String>) -> Answer<JsValue> {
        answer(self.0.clone().verify(reference.as_deref()).await)
    }

    /// Restores one.
    pub async fn restore(&self, reference: String) -> Answer<JsValue> {
        answer(self.0.clone().restore(&reference).await)
    }

    /// Removes those that the policy does not keep.
    pub async fn prune(&self, policy: Object) -> Answer<JsValue> {
        let number = |name: &str| {
            Ok::<u32, Error>(count(&policy, name)?.map_or(0, |number| number.min(f64::from(u32::MAX)) as u32))
        };
        let read = || {
            Ok(RetentionPolicy {
                last: number("keepLast")?,
                hourly: number("keepHourly")?,
                daily: number("keepDaily")?,
                weekly: number("keepWeekly")?,
                monthly: number("keepMonthly")?,
                within_ms: count(&policy, "keepWithinMs")?.map(|ms| ms as u64),
                tags: Vec::new(),
            })
        };
        let policy: RetentionPolicy = read().map_err(|error: Error| thrown(&error))?;
        answer(self.0.clone().prune(&policy).await)
    }
}
