//! What a checkpoint holds, made an image that events can be applied to.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, params};

use dotctl_engine::event::{Last, bucket_of, collection_entities, entity_hash};
use dotctl_engine::id::Time;
use dotctl_engine::{Error, Result};
use serde_json::Value;

use super::entities;
use super::image::{FORM, REPLAY};
use crate::alone::{failure, open_guarded};

/// Sees to it that the database at `path`, which has no name yet, is an image. One that `replay` made
/// is; in another, such as an object's, `things` and `collections` are counted, and each entity is
/// taken to have every event up to its `$updatedAt`.
pub fn adopt(path: &Path, columnar_threshold: u64) -> Result<()> {
    let place = path.display().to_string();
    let failed = |error: rusqlite::Error| {
        failure(&place, "read", &error)
            .hint("a checkpoint to begin with has the tables `things` and `collections`")
    };
    let connection = open_guarded(path, OpenFlags::empty()).map_err(failed)?;
    let ready = || -> rusqlite::Result<bool> {
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        // An object's is in log mode; a file without a name needs neither log nor journal.
        connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
        connection.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.query_row(
            "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'replay_setting'",
            [],
            |row| row.get(0),
        )
    };
    if !ready().map_err(failed)? {
        count(&connection, columnar_threshold, &place).map_err(|error| error.at(&*place))?;
    }
    connection.close().map_err(|(_, error)| failed(error))
}

fn count(connection: &Connection, columnar_threshold: u64, place: &str) -> Result<()> {
    let failed = |error: rusqlite::Error| {
        failure(place, "read", &error).without_place().hint(
            "a checkpoint to begin with has the tables things (id, type, data) and collections (type, data)",
        )
    };
    connection.execute_batch("BEGIN").and_then(|()| connection.execute_batch(REPLAY)).map_err(failed)?;
    let mut buckets: Vec<Vec<[u8; entities::ENTITY_BYTES]>> = vec![Vec::new(); 4096];
    let mut note = |id: &[u8], data: &[u8]| {
        let hash = entity_hash(id);
        let last =
            Last { time_ms: updated_ms(data), sequence: u64::MAX, namespace: 0, count: entities::ADOPTED };
        if let Some(bucket) = buckets.get_mut(usize::from(bucket_of(hash))) {
            bucket.push(entities::to_bytes(hash, &last));
        }
    };
    let mut types: std::collections::BTreeMap<String, (i64, i64)> = std::collections::BTreeMap::new();
    let mut count = |name: &str, data_bytes: usize| {
        let known = types.entry(name.to_owned()).or_default();
        known.0 += 1;
        known.1 = known.1.saturating_add(i64::try_from(data_bytes).unwrap_or(i64::MAX));
    };
    let mut things = connection.prepare("SELECT id, type, data FROM things").map_err(failed)?;
    let mut rows = things.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let text = |place: usize| -> Result<String> { row.get(place).map_err(failed) };
        let (id, name, data) = (text(0)?, text(1)?, text(2)?);
        note(id.as_bytes(), data.as_bytes());
        count(&name, data.len());
    }
    drop(rows);
    drop(things);
    let collections: Vec<(String, String)> = connection
        .prepare("SELECT type, data FROM collections")
        .and_then(|mut all| all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(failed)?;
    for (name, data) in collections {
        let all = collection_entities(data.as_bytes())
            .ok_or_else(|| Error::corrupt(format!("the collection {name:?} is no JSON of entities")))?;
        for (id, data) in all {
            note(&id, &data);
            count(&name, data.len());
        }
    }
    let mut write = || -> rusqlite::Result<()> {
        for (name, (number, data_bytes)) in &types {
            connection
                .execute("INSERT INTO replay_types VALUES (?1, ?2, ?3)", params![name, number, data_bytes])?;
        }
        for (bucket, entries) in buckets.iter_mut().enumerate() {
            if !entries.is_empty() {
                entries.sort_unstable();
                let entries = entries.concat();
                connection.execute(
                    "INSERT INTO replay_entities VALUES (?1, ?2)",
                    params![bucket as i64, entries],
                )?;
            }
        }
        let threshold = i64::try_from(columnar_threshold).unwrap_or(i64::MAX);
        for (name, value) in [("form", FORM), ("columnar_threshold", threshold)] {
            connection.execute("INSERT INTO replay_setting VALUES (?1, ?2)", params![name, value])?;
        }
        connection.execute_batch("COMMIT")
    };
    write().map_err(failed)
}

/// When an entity changed last, by what it says itself.
fn updated_ms(data: &[u8]) -> i64 {
    let Ok(Value::Object(members)) = serde_json::from_slice::<Value>(data) else {
        return i64::MIN;
    };
    match members.get("$updatedAt") {
        Some(Value::String(text)) => text.parse::<Time>().map_or(i64::MIN, Time::unix_ms),
        Some(Value::Number(number)) => number.as_f64().map_or(i64::MIN, |number| number.floor() as i64),
        _ => i64::MIN,
    }
}
