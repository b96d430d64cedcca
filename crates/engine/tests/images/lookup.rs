//! Single rows, found with few reads.

use std::cell::Cell;

use dotctl_engine::ErrorKind;
use dotctl_engine::image::PageReader;
use dotctl_engine::image::lookup::{Lookup, alarm_nanoseconds};
use dotctl_engine::image::record::Column;

use crate::support::{Database, Image, varied};

/// The value of a key and how many pages were read for it.
fn get(image: &Image, key: &[u8]) -> (Option<Vec<u8>>, u64) {
    let reads = Cell::new(0);
    let mut lookup = Lookup::key(image.page_count(), key);
    let found = lookup
        .run(image.page_bytes, |page, into| {
            reads.set(reads.get() + 1);
            image.read(page, into)
        })
        .unwrap();
    let value = found.then(|| match lookup.column(1).unwrap() {
        Column::Blob(value) => value.to_vec(),
        other => panic!("{other:?}"),
    });
    (value, reads.get())
}

fn entries(database: &Database) -> Vec<(String, Vec<u8>)> {
    let mut statement = database.connection.prepare("SELECT key, value FROM _cf_KV").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

fn check_every_key(database: &Database, depth: u64) {
    let image = database.image();
    let schema = database.number("SELECT count(*) FROM dbstat WHERE name = 'sqlite_schema'");
    for (key, value) in entries(database) {
        let overflow = (key.len() + value.len()) as u64 / u64::from(image.page_bytes - 300) + 1;
        // On the way down other cells' long keys may have to be read too.
        let compared = if key.starts_with("long:") || key.starts_with('k') || key > "m".into() {
            2 * 3_100 / u64::from(image.page_bytes - 300) + 2
        } else {
            0
        };
        let (found, reads) = get(&image, key.as_bytes());
        assert_eq!(found.as_ref(), Some(&value), "{key}");
        let local = key.len() + value.len() + 20 < image.page_bytes as usize / 8;
        let most = schema + depth + compared + if local { 0 } else { overflow };
        assert!(reads <= most, "{key}: {reads} reads, {most} allowed");
        for missing in [format!("{key}\0"), format!("{key}~"), key[1..].to_owned()] {
            let (found, reads) = get(&image, missing.as_bytes());
            assert!(reads <= schema + depth + 2 * 3_100 / u64::from(image.page_bytes - 300) + 4);
            if let Some(found) = found {
                assert!(entries_contain(database, &missing, &found));
            }
        }
    }
    for missing in ["", "a", "zzz", "user:", "checkpoint:a:chunk:", "\u{10ffff}"] {
        assert_eq!(get(&image, missing.as_bytes()).0, None, "{missing}");
    }
}

fn entries_contain(database: &Database, key: &str, value: &[u8]) -> bool {
    database
        .connection
        .query_row("SELECT value FROM _cf_KV WHERE key = ?", [key], |row| row.get::<_, Vec<u8>>(0))
        .is_ok_and(|stored| stored == value)
}

fn depth_of(database: &Database, name: &str) -> u64 {
    database.number(&format!(
        "SELECT max(length(path) - length(replace(path, '/', ''))) FROM dbstat
             WHERE name = '{name}' AND pagetype != 'overflow'"
    ))
}

#[test]
fn every_key_is_found_and_no_other() {
    for page_bytes in [512, 1_024, 4_096, 65_536] {
        let database = varied(page_bytes, 0, page_bytes == 1_024);
        let depth = depth_of(&database, "_cf_KV");
        check_every_key(&database, depth);
    }
}

#[test]
fn keys_of_a_table_with_rowids() {
    let database = varied(4_096, 0, false);
    database.run(
        "ALTER TABLE _cf_KV RENAME TO old; CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB);
         INSERT INTO _cf_KV SELECT * FROM old ORDER BY value; DROP TABLE old;",
    );
    let depth = depth_of(&database, "_cf_KV") + depth_of(&database, "sqlite_autoindex__cf_KV_1");
    check_every_key(&database, depth);
}

fn alarm(database: &Database) -> Option<i64> {
    let image = database.image();
    let mut lookup = Lookup::alarm(image.page_count());
    lookup
        .run(image.page_bytes, |page, into| image.read(page, into))
        .unwrap()
        .then(|| alarm_nanoseconds(lookup.column(1).unwrap()).unwrap())
        .flatten()
}

#[test]
fn the_alarm_is_row_one() {
    let database = varied(4_096, 0, false);
    assert_eq!(alarm(&database), Some(1_790_000_000_123_000_000));
    database.run("INSERT INTO _cf_METADATA VALUES (0, 5), (2, 7)");
    assert_eq!(alarm(&database), Some(1_790_000_000_123_000_000));
    database.run("UPDATE _cf_METADATA SET value = NULL WHERE key = 1");
    assert_eq!(alarm(&database), None);
    database.run("DELETE FROM _cf_METADATA WHERE key = 1");
    assert_eq!(alarm(&database), None);
    database.run("DROP TABLE _cf_METADATA");
    assert_eq!(alarm(&database), None);
}

#[test]
fn forms_without_an_answer() {
    let database = Database::new(4_096, 0, false);
    database.run("CREATE TABLE _cf_KV (key TEXT, value BLOB)");
    let image = database.image();
    let mut lookup = Lookup::key(image.page_count(), b"a");
    let error = lookup.run(4_096, |page, into| image.read(page, into)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(!Lookup::key(0, b"a").run(4_096, |_, _| panic!()).unwrap());
    assert_eq!(Lookup::key(0, b"a").column(1).unwrap_err().kind(), ErrorKind::Missing);
}

#[test]
fn rows_longer_than_allowed_are_refused_before_they_are_read() {
    let database = Database::new(4_096, 0, false);
    database.run(
        "CREATE TABLE items (key TEXT PRIMARY KEY, size INTEGER) WITHOUT ROWID;
         INSERT INTO items VALUES ('a', 7);
         CREATE TABLE parts (part INTEGER PRIMARY KEY, bytes BLOB);
         INSERT INTO parts VALUES (5, zeroblob(1000000))",
    );
    let image = database.image();
    let mut lookup = Lookup::entry(image.page_count(), "items", b"a").at_most(100);
    assert!(lookup.run(4_096, |page, into| image.read(page, into)).unwrap());
    assert_eq!(lookup.column(1).unwrap(), Column::Integer(7));
    for (most, there) in [(1_000_100, true), (999_999, false)] {
        let reads = Cell::new(0);
        let mut lookup = Lookup::row(image.page_count(), "parts", 5).at_most(most);
        let found = lookup.run(4_096, |page, into| {
            reads.set(reads.get() + 1);
            image.read(page, into)
        });
        match found {
            Ok(found) => assert!(found && there),
            Err(error) => {
                assert!(!there && reads.get() < 5 && error.kind() == ErrorKind::Malformed, "{error}")
            }
        }
    }
    let mut absent = Lookup::row(image.page_count(), "parts", 6).at_most(100);
    assert!(!absent.run(4_096, |page, into| image.read(page, into)).unwrap());
}
