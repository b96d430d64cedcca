//! Rooms that count, in Rust, with checkpoints. `../start rust` serves them locally.

use dotctl_worker::{BucketSetting, Checkpointer, Door, Setting, Where, door};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{
    Context, DurableObject, Env, Error, Method, Request, Response, Result, SqlStorage, State, durable_object,
    event,
};

/// One room.
#[durable_object]
pub struct Room {
    sql: SqlStorage,
    checkpoints: Checkpointer,
    door: Door,
}

/// What the example has as its own.
impl Room {
    fn count(&self) -> Result<i64> {
        #[derive(serde::Deserialize)]
        struct Row {
            count: i64,
        }
        let rows: Vec<Row> = self.sql.exec("SELECT count(*) AS count FROM visits", None)?.to_array()?;
        Ok(rows.first().map_or(0, |row| row.count))
    }
}

impl DurableObject for Room {
    fn new(state: State, env: Env) -> Self {
        let namespace = format!("Room/{}", state.id());
        let sql = state.storage().sql();
        let bucket = env.bucket("CHECKPOINTS").expect("wrangler.toml binds CHECKPOINTS");
        let setting = Setting {
            place: Where::Bucket(BucketSetting::new(bucket.as_ref().clone(), "rooms")),
            tracks_changes: true,
            ..Setting::new(namespace)
        };
        let ctx = state._inner();
        let checkpoints = Checkpointer::new(ctx.storage().expect("it has storage").into(), setting)
            .expect("Room is in new_sqlite_classes of wrangler.toml");
        let door = Door::new(&ctx, &checkpoints, &token(&env));
        sql.exec(
            "CREATE TABLE IF NOT EXISTS visits (id INTEGER PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP)",
            None,
        )
        .expect("the table is made");
        Room { sql, checkpoints, door }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        if let Some(answer) = self.door.fetch(request.inner()).await.map_err(said)? {
            return Ok(answer.unchecked_into::<worker::web_sys::Response>().into());
        }
        let path = request.path();
        let verb = path.rsplit('/').next().unwrap_or_default();
        match (request.method(), verb) {
            (Method::Post, "visits") => {
                self.sql.exec("INSERT INTO visits DEFAULT VALUES", None)?;
                Response::from_json(&self.count()?)
            }
            (Method::Get, "visits") => Response::from_json(&self.count()?),
            (Method::Post, "checkpoints") => {
                Response::from_json(&self.checkpoints.checkpoint().await.map_err(said)?)
            }
            (Method::Get, "checkpoints") => {
                Response::from_json(&self.checkpoints.list().await.map_err(said)?)
            }
            (Method::Post, "restore") => {
                Response::from_json(&self.checkpoints.restore("latest").await.map_err(said)?)
            }
            _ => Response::error("no such route", 404),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        // An object with alarms of its own does its work where this says that one has come, and says then how that went.
        if self.checkpoints.alarm().await.map_err(said)? {
            self.checkpoints.alarm_answered(true).await.map_err(said)?;
        }
        Response::empty()
    }
}

fn said(error: dotctl_worker::Error) -> Error {
    Error::RustError(error.to_string())
}

/// Who has it may come in by the door.
fn token(env: &Env) -> JsValue {
    env.secret("DOTCTL_TOKEN").map_or(JsValue::UNDEFINED, |token| token.to_string().into())
}

/// `/objects/NAME` is the door, for `dotctl`; `/rooms/NAME/…` goes to the room with that name.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _: Context) -> Result<Response> {
    let rooms = env.durable_object("ROOMS")?;
    if let Some(answer) = door(request.inner(), rooms.as_ref(), &token(&env)).await.map_err(said)? {
        return Ok(answer.unchecked_into::<worker::web_sys::Response>().into());
    }
    let path = request.path();
    let Some(name) = path.strip_prefix("/rooms/").and_then(|rest| rest.split('/').next()) else {
        return Response::error("no such route", 404);
    };
    rooms.id_from_name(name)?.get_stub()?.fetch_with_request(request).await
}
