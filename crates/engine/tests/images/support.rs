//! Databases that SQLite itself made, and what it says about them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use dotctl_engine::Result;
use dotctl_engine::image::inspect::DatabaseReport;
use dotctl_engine::measure::ValueFacts;
use rusqlite::Connection;

#[path = "../../../../fuzz/src/image.rs"]
mod image;

/// A database file's bytes as pages.
pub type Image = image::Image<Vec<u8>>;

/// A database file of a test's own, deleted with it.
pub struct Database {
    pub path: PathBuf,
    pub connection: Connection,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Database {
    pub fn new(page_bytes: u32, reserved_bytes: u8, auto_vacuum: bool) -> Database {
        let name =
            format!("dotctl-image-{}-{}.sqlite", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        let connection = Connection::open(&path).unwrap();
        let mut reserved = i32::from(reserved_bytes);
        if reserved > 0 {
            // SAFETY: the handle and both pointers live through the call.
            let code = unsafe {
                rusqlite::ffi::sqlite3_file_control(
                    connection.handle(),
                    c"main".as_ptr(),
                    rusqlite::ffi::SQLITE_FCNTL_RESERVE_BYTES,
                    (&raw mut reserved).cast(),
                )
            };
            assert_eq!(code, rusqlite::ffi::SQLITE_OK);
        }
        let vacuum = if auto_vacuum { "full" } else { "none" };
        connection
            .execute_batch(&format!(
                "PRAGMA page_size={page_bytes}; PRAGMA auto_vacuum={vacuum};
                 PRAGMA journal_mode=memory; PRAGMA synchronous=off;"
            ))
            .unwrap();
        Database { path, connection }
    }

    pub fn run(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    /// The one number that a query gives.
    pub fn number(&self, sql: &str) -> u64 {
        let number: i64 = self.connection.query_row(sql, [], |row| row.get(0)).unwrap();
        number.cast_unsigned()
    }

    pub fn image(&self) -> Image {
        self.connection.cache_flush().unwrap();
        Image::new(read(&self.path))
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Everything at once: every kind of table, values of every type and size, holes from deletes.
pub fn varied(page_bytes: u32, reserved_bytes: u8, auto_vacuum: bool) -> Database {
    let database = Database::new(page_bytes, reserved_bytes, auto_vacuum);
    database.run(
        "BEGIN;
         CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
         CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB);
         INSERT INTO _cf_METADATA VALUES (1, 1790000000123000000);
         CREATE TABLE empty (a, b, c);
         CREATE TABLE empty_rowless (a PRIMARY KEY) WITHOUT ROWID;
         CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n, r REAL, b BLOB);
         CREATE INDEX things_n ON things(n, name);
         CREATE TABLE pairs (a INT, b TEXT, c BLOB, PRIMARY KEY (b, a)) WITHOUT ROWID;
         CREATE VIRTUAL TABLE texts USING fts5(title, body);
         CREATE VIEW named AS SELECT name FROM things;
         CREATE TRIGGER noting AFTER DELETE ON empty BEGIN SELECT 1; END;
         WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1500)
         INSERT INTO _cf_KV SELECT
             CASE i % 4 WHEN 0 THEN 'user:' WHEN 1 THEN 'order/' WHEN 2 THEN '' ELSE 'k:' END
                 || printf('%05d', (i * 7919) % 100003),
             CAST(x'ff0f6f' || zeroblob((i * i) % 900) AS BLOB) FROM c;
         WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1200)
         INSERT INTO things SELECT i * 3 - 1000, 'name ' || ((i * 7919) % 100003),
             CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN i WHEN 2 THEN -i * 1000000007
                 WHEN 3 THEN i * 0.5 ELSE 9223372036854775807 - i END,
             i / 3.0, randomblob((i * 37) % 700) FROM c;
         WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 800)
         INSERT INTO pairs SELECT i, 'é' || (i * 31 % 97), randomblob(i % 300) FROM c;
         WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 200)
         INSERT INTO texts SELECT 'title ' || i, 'some words ' || (i * 13) FROM c;
         INSERT INTO things(id, name, b) VALUES
             (100001, 'large', randomblob(300000)), (100002, 'largest', randomblob(5000000));
         INSERT INTO _cf_KV VALUES ('checkpoint:a:chunk:0', zeroblob(200000)),
             ('checkpoint:a:chunk:1', zeroblob(1048576)), ('checkpoint:a', x'ff0f6f7b00'),
             ('checkpoint:b', x'ff0f30'), ('long:' || printf('%.3000c', 'y'), x'ff0f54'),
             ('long:' || printf('%.3000c', 'x'), zeroblob(70000)),
             ('long:' || printf('%.3000c', 'x') || '1', x'ff0f46');
         COMMIT;
         DELETE FROM things WHERE id % 7 = 0;
         DELETE FROM pairs WHERE a % 3 = 0;",
    );
    database
}

/// Knows a few types by their tags.
pub struct Tags;

impl ValueFacts for Tags {
    fn kind(&self, value: &[u8]) -> Option<&'static str> {
        match value {
            [0xff, 0x0f, b'o', ..] => Some("object"),
            [0xff, 0x0f, ..] => Some("other"),
            _ => None,
        }
    }

    fn expires_at_ms(&self, value: &[u8]) -> Option<f64> {
        let name = b"expiresAtN";
        let at = value.windows(name.len()).position(|part| part == name)? + name.len();
        Some(f64::from_le_bytes(*value.get(at..)?.first_chunk()?))
    }

    fn may_be_record(&self, key: &[u8], _value: &[u8]) -> bool {
        key.starts_with(b"checkpoint:")
    }
}

/// The report, made in `part_count` parts merged from the last to the first.
pub fn inspect(image: &Image, part_count: usize) -> Result<DatabaseReport> {
    image.inspect(part_count, &Tags)
}
