//! Sources that change, grow and shrink from step to step, for tests of chains.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, params};

use super::Random;

/// Writes `state.json` in `world` as it is at `step`.
pub fn write_state(world: &Path, step: u64) {
    let entries: Vec<String> = (step * 7..3000 + step * 30)
        .map(|key| {
            let noise: String = Random(key).bytes(30).iter().map(|byte| format!("{byte:02x}")).collect();
            let value = if key % 40 < step { step } else { 0 };
            format!("[\"{key:05}\",{{\"value\":\"{value} of {noise}\",\"createdAt\":1}}]")
        })
        .collect();
    fs::write(world.join("state.json"), format!("[{}]", entries.join(","))).unwrap();
}

/// Brings `source.sqlite` in `world` from the step before to `step`.
pub fn write_database(world: &Path, step: u64) {
    let connection = Connection::open(world.join("source.sqlite")).unwrap();
    let mut random = Random(5 + step);
    connection.execute_batch("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, x BLOB); BEGIN").unwrap();
    let range = if step == 0 { 0..1500 } else { 1500 + step * 10..1510 + step * 10 };
    for id in range {
        connection.execute("INSERT INTO t VALUES (?1, ?2)", params![id as i64, random.bytes(90)]).unwrap();
    }
    if step > 0 {
        let place = step as i64 * 100;
        connection.execute("UPDATE t SET x = ?2 WHERE id = ?1", params![place, random.bytes(90)]).unwrap();
        connection.execute("DELETE FROM t WHERE id = ?1", [place + 7]).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    connection.close().unwrap();
}
