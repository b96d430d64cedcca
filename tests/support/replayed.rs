//! What a replay says and leaves.

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use super::{run_in, words};

/// What `dotctl replay` with the words of `line` prints.
pub fn replay_json(world: &Path, line: &str) -> Value {
    run_in(world, &words(&format!("replay {line} --format json"))).exits(0).json()
}

/// Each entity's JSON as the view of `image` shows it.
pub fn entities(image: &Path) -> Vec<Value> {
    let connection = Connection::open(image).unwrap();
    connection
        .prepare("SELECT data FROM entities ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .map(|data| serde_json::from_str(&data.unwrap()).unwrap())
        .collect()
}
