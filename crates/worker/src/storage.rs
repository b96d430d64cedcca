//! What the runtime offers an object, as the engine asks for it. SQL and the key-value storage are
//! synchronous: nothing else happens in the object until the code awaits something.

use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use dotctl_engine::{Error, ErrorKind, Result};

use crate::packed::{Given, Reader, Writer};

#[wasm_bindgen(module = "/js/values.js")]
extern "C" {
    // `storage.js` imports this file: named here, it lies beside it.
    #[wasm_bindgen(js_name = deserialize, catch)]
    fn _deserialize(stored: &Uint8Array) -> std::result::Result<JsValue, JsValue>;
}

#[wasm_bindgen(module = "/js/storage.js")]
extern "C" {
    #[wasm_bindgen(js_name = query, catch)]
    fn js_query(
        storage: &JsValue,
        statement: &str,
        parameters: &[u8],
        bytes_max: f64,
        may_end_early: bool,
    ) -> std::result::Result<Uint8Array, JsValue>;
    #[wasm_bindgen(js_name = run, catch)]
    fn js_run(storage: &JsValue, statements: &Array, packed: &[u8]) -> std::result::Result<(), JsValue>;
    #[wasm_bindgen(js_name = transaction, catch)]
    fn js_transaction(
        storage: &JsValue,
        work: &mut dyn FnMut() -> std::result::Result<(), JsValue>,
    ) -> std::result::Result<(), JsValue>;
    #[wasm_bindgen(js_name = entries, catch)]
    fn js_entries(
        storage: &JsValue,
        after: Option<&str>,
        count_max: u32,
        bytes_max: f64,
    ) -> std::result::Result<Uint8Array, JsValue>;
    #[wasm_bindgen(js_name = putEntries, catch)]
    fn js_put_entries(storage: &JsValue, packed: &[u8]) -> std::result::Result<(), JsValue>;
    #[wasm_bindgen(js_name = storedAgain, catch)]
    fn js_stored_again(stored: &[u8]) -> std::result::Result<Uint8Array, JsValue>;
    #[wasm_bindgen(js_name = clearEntries, catch)]
    fn js_clear_entries(storage: &JsValue) -> std::result::Result<(), JsValue>;
    #[wasm_bindgen(js_name = watchEntries, catch)]
    fn js_watch_entries(storage: &JsValue) -> std::result::Result<Guard, JsValue>;
    #[wasm_bindgen(js_name = alarm)]
    fn js_alarm(storage: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = setAlarm)]
    fn js_set_alarm(storage: &JsValue, unix_ms: Option<f64>) -> Promise;
    #[wasm_bindgen(js_name = later)]
    fn js_later(ms: f64) -> Promise;
    #[wasm_bindgen(js_name = putRows)]
    fn js_put_rows(
        storage: &JsValue,
        bucket: &JsValue,
        key: JsValue,
        options: JsValue,
        total: f64,
        select: &str,
    ) -> Promise;
    #[wasm_bindgen(js_name = within)]
    fn js_within(promise: &Promise, ms: f64) -> Promise;
    #[wasm_bindgen(js_name = watchAlarms)]
    fn js_watch_alarms(storage: &JsValue) -> JsAlarms;

    #[derive(Clone)]
    type JsAlarms;
    #[wasm_bindgen(method, getter, js_name = wanted)]
    fn js_wanted(this: &JsAlarms) -> bool;
    #[wasm_bindgen(method, js_name = begin)]
    fn js_begin(this: &JsAlarms, ms: f64) -> Promise;
    #[wasm_bindgen(method, js_name = turn)]
    fn js_turn(this: &JsAlarms) -> Promise;
    #[wasm_bindgen(method, js_name = end)]
    fn js_end(this: &JsAlarms) -> Promise;
    #[wasm_bindgen(method, js_name = answered)]
    fn js_answered(this: &JsAlarms, well: bool) -> Promise;
    #[wasm_bindgen(method, js_name = came)]
    fn js_came(this: &JsAlarms, ms: f64) -> Promise;

    /// Watches what is written to the key-value storage.
    #[derive(Clone)]
    pub type Guard;
    #[wasm_bindgen(method, setter)]
    pub fn set_capturing(this: &Guard, capturing: bool);
    #[wasm_bindgen(method, getter)]
    pub fn busy(this: &Guard) -> bool;
    #[wasm_bindgen(method, setter)]
    pub fn set_busy(this: &Guard, busy: bool);
    #[wasm_bindgen(method, getter)]
    pub fn emptied(this: &Guard) -> bool;
    #[wasm_bindgen(method, getter)]
    pub fn missed(this: &Guard) -> Option<String>;
    #[wasm_bindgen(method, setter)]
    pub fn set_missed(this: &Guard, missed: Option<String>);
    #[wasm_bindgen(method, setter)]
    pub fn set_emptied(this: &Guard, emptied: bool);
}

/// Values that belong to the `?` of a statement.
pub enum Parameter<'a> {
    /// A text; also an integer, for `CAST(? AS INTEGER)`.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
    /// A number, which SQLite gets as REAL.
    Number(f64),
}

/// More than any query here gives.
const ALL_BYTES: usize = 64 << 20;

/// An object's storage: `ctx.storage`.
#[derive(Clone)]
pub struct Storage {
    js: JsValue,
    guard: Guard,
}

impl Storage {
    /// Takes the storage, and watches from now on what is written to its key-value entries.
    ///
    /// # Errors
    /// Where it is that of an object that is not SQLite-backed.
    pub fn new(storage: JsValue) -> Result<Self> {
        let guard = js_watch_entries(&storage).map_err(|error| failed(&error))?;
        Ok(Storage { js: storage, guard })
    }

    /// What is known of writes to the key-value storage.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The rows of a query, each value in order.
    pub fn query(&self, statement: &str, parameters: &[Parameter<'_>]) -> Result<Vec<u8>> {
        self.ask(statement, parameters, ALL_BYTES, false)
    }

    /// The same; no more rows once they have `bytes_max` bytes.
    pub fn query_some(
        &self,
        statement: &str,
        parameters: &[Parameter<'_>],
        bytes_max: usize,
    ) -> Result<Vec<u8>> {
        self.ask(statement, parameters, bytes_max, true)
    }

    fn ask(
        &self,
        statement: &str,
        parameters: &[Parameter<'_>],
        bytes_max: usize,
        may_end_early: bool,
    ) -> Result<Vec<u8>> {
        let mut packed = Writer::default();
        push_parameters(parameters, &mut packed);
        let rows = js_query(&self.js, statement, packed.as_bytes(), bytes_max as f64, may_end_early)
            .map_err(|error| failed(&error))?;
        Ok(rows.to_vec())
    }

    /// The one whole number that a query gives.
    pub fn number(&self, statement: &str, parameters: &[Parameter<'_>]) -> Result<i64> {
        match Reader::new(&self.query(statement, parameters)?).value()? {
            Given::Null => Ok(0),
            value => value.integer(),
        }
    }

    /// Runs one statement.
    pub fn execute(&self, statement: &str, parameters: &[Parameter<'_>]) -> Result<()> {
        let mut packed = Writer::default();
        packed.count(0);
        packed.count(parameters.len());
        push_parameters(parameters, &mut packed);
        let place = |error: Error| error.at(statement.get(..80).unwrap_or(statement));
        self.run(&[statement.to_owned()], packed.as_bytes()).map_err(place)
    }

    /// Runs many: for each its number in `statements`, its number of parameters, and those.
    pub fn run(&self, statements: &[String], packed: &[u8]) -> Result<()> {
        let statements: Array = statements.iter().map(|statement| JsValue::from_str(statement)).collect();
        js_run(&self.js, &statements, packed).map_err(|error| failed(&error))
    }

    /// Does everything in `work` or nothing of it.
    pub fn transaction<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut work = Some(work);
        let mut done = None;
        let mut refused = None;
        let outcome = js_transaction(&self.js, &mut || {
            match work.take().map(|work| work()) {
                Some(Ok(value)) => done = Some(value),
                Some(Err(error)) => {
                    let message = JsError::new(error.message()).into();
                    refused = Some(error);
                    return Err(message);
                }
                None => {}
            }
            Ok(())
        });
        match (outcome, refused, done) {
            (_, Some(error), _) => Err(error),
            (Err(error), ..) => Err(failed(&error)),
            (Ok(()), None, Some(value)) => Ok(value),
            (Ok(()), None, None) => Err(Error::new(ErrorKind::Io, "the transaction was not run")),
        }
    }

    /// Entries of the key-value storage behind `after`: keys and stored bytes by turns.
    pub fn entries(&self, after: Option<&str>, count_max: u32, bytes_max: usize) -> Result<Vec<u8>> {
        let entries = js_entries(&self.js, after, count_max, bytes_max as f64).map_err(|error| {
            let behind =
                after.map_or_else(|| "the first entry".into(), |after| format!("behind entry {after:?}"));
            failed(&error).at(format!("key-value storage, {behind}"))
        })?;
        Ok(entries.to_vec())
    }

    /// Puts entries: keys and stored bytes by turns.
    pub fn put_entries(&self, packed: &[u8]) -> Result<()> {
        js_put_entries(&self.js, packed).map_err(|error| failed(&error))
    }

    /// Stored bytes as this object would store the value again.
    pub fn stored_again(&self, stored: &[u8]) -> Result<Vec<u8>> {
        js_stored_again(stored).map(|stored| stored.to_vec()).map_err(|error| failed(&error))
    }

    /// Puts `total` bytes into `bucket`, a binding of R2: those of the rows that `select` gives for each number in the place of its
    /// `?`, from 0 on. At most `ms` milliseconds.
    pub async fn put_rows(
        &self,
        bucket: &JsValue,
        key: JsValue,
        options: JsValue,
        total: u64,
        select: &str,
        ms: f64,
    ) -> Result<JsValue> {
        let put = js_put_rows(&self.js, bucket, key, options, total as f64, select);
        settled(js_within(&put, ms)).await
    }

    /// Removes every entry.
    pub fn clear_entries(&self) -> Result<()> {
        js_clear_entries(&self.js).map_err(|error| failed(&error))
    }

    /// Asks for the time of the object's alarm: it is that of the moment of the call.
    pub fn alarm(&self) -> AlarmTime {
        AlarmTime(js_alarm(&self.js))
    }

    /// Sets the object's alarm, or removes it.
    pub async fn set_alarm(&self, unix_ms: Option<f64>) -> Result<()> {
        settled(js_set_alarm(&self.js, unix_ms)).await.map(drop)
    }
}

/// The object's alarm, of which a checkpoint that takes long makes use: `js/storage.js`.
#[derive(Clone)]
pub struct Alarms(JsAlarms);

impl Alarms {
    /// That of the object with this storage.
    pub fn new(storage: &Storage) -> Self {
        Alarms(js_watch_alarms(&storage.js))
    }

    /// Whether a checkpoint was begun and has not ended, in this life of the object or an earlier one.
    pub fn wanted(&self) -> bool {
        self.0.js_wanted()
    }

    /// Has the object woken after `ms` milliseconds, whatever becomes of it until then.
    pub async fn begin(&self, ms: f64) -> Result<()> {
        settled(self.0.js_begin(ms)).await.map(drop)
    }

    /// Goes on in a new event, which has its own limit of time.
    pub async fn turn(&self) -> Result<()> {
        settled(self.0.js_turn()).await.map(drop)
    }

    /// The alarm is the object's own again.
    pub async fn end(&self) -> Result<()> {
        settled(self.0.js_end()).await.map(drop)
    }

    /// The alarm has come. Says whether it was the object's own too; the next one comes after `ms` milliseconds.
    pub async fn came(&self, ms: f64) -> Result<bool> {
        Ok(settled(self.0.js_came(ms)).await?.is_truthy())
    }
}

impl Alarms {
    /// The object has answered its own alarm, or failed to.
    pub async fn answered(&self, well: bool) -> Result<()> {
        settled(self.0.js_answered(well)).await.map(drop)
    }
}

async fn settled(promise: Promise) -> Result<JsValue> {
    JsFuture::from(promise).await.map_err(|error| failed(&error))
}

/// Gives other events of the object their turn.
pub async fn next_turn() -> Result<()> {
    later(0.0).await
}

/// Waits.
pub async fn later(ms: f64) -> Result<()> {
    settled(js_later(ms)).await.map(drop)
}

/// An answer that comes later.
pub struct AlarmTime(Promise);

impl AlarmTime {
    /// The time in Unix milliseconds, if an alarm is set.
    pub async fn get(self) -> Result<Option<f64>> {
        Ok(settled(self.0).await?.as_f64())
    }
}

fn push_parameters(parameters: &[Parameter<'_>], packed: &mut Writer) {
    for parameter in parameters {
        match parameter {
            Parameter::Text(text) => packed.text(text),
            Parameter::Blob(bytes) => packed.blob(bytes),
            Parameter::Number(number) => packed.number(*number),
        }
    }
}

/// What JavaScript threw.
pub fn failed(error: &JsValue) -> Error {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    Error::new(ErrorKind::Io, message.unwrap_or_else(|| format!("{error:?}")))
}

/// Calls the method `name` of `target` and waits for what it promises, at most `ms` milliseconds.
pub async fn call(target: &JsValue, name: &str, arguments: &[JsValue], ms: f64) -> Result<JsValue> {
    let method = Reflect::get(target, &name.into())
        .ok()
        .and_then(|method| method.dyn_into::<Function>().ok())
        .ok_or_else(|| Error::new(ErrorKind::Io, format!("there is no method {name}")))?;
    let arguments: Array = arguments.iter().collect();
    let promise = method.apply(target, &arguments).map_err(|error| failed(&error))?;
    settled(js_within(&Promise::resolve(&promise), ms)).await
}
