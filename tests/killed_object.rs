//! `kill -9` at every call that changes something, where an object's database is the store, and
//! where an object is restored to its place among others: old or new, and nothing of the killed run
//! is in the way of the next.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};
use support::{
    contents_below, copy_tree, fixture, folder, in_parallel, kill_points, killed_at, names_in, run_in, words,
};
use tempfile::TempDir;

/// Calls that change what is on disk, or come between two that do.
const CALLS: [&str; 13] = [
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fallocate",
    "rename",
    "linkat",
    "unlink",
    "fcntl",
    "flock",
    "close",
];

/// Runs `line` in a copy of `template` for every call in it, killed there, and has the world judged;
/// the number of kills.
fn kill_at_every_call(template: &Path, line: &str, judge: impl Fn(&Path, &str) + Sync) -> usize {
    let words = words(line);
    let world = || -> TempDir {
        let world = folder();
        copy_tree(template, world.path());
        world
    };
    let points = kill_points(world().path(), &words, &CALLS);
    in_parallel(&points, |(call, number)| {
        let world = world();
        let is_killed = killed_at(world.path(), &words, call, *number);
        judge(world.path(), &format!("`{line}` killed at {call} number {number}"));
        usize::from(is_killed)
    })
}

/// A copy of the database at `path` with what lies beside it but its index, opened.
fn copy_of(path: &Path) -> (TempDir, Connection) {
    let folder = folder();
    let copy = folder.path().join("copy");
    fs::copy(path, &copy).unwrap();
    for ending in ["-wal", "-journal"] {
        let beside = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
        if beside(path).exists() {
            fs::copy(beside(path), beside(&copy)).unwrap();
        }
    }
    let connection = Connection::open(copy).unwrap();
    (folder, connection)
}

/// The object's own entries, which no checkpoint touches; the database must be sound.
fn own_entries(path: &Path) -> Vec<(String, Vec<u8>)> {
    let (_folder, connection) = copy_of(path);
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut entries =
        connection.prepare("SELECT key, value FROM _cf_KV WHERE key NOT LIKE 'dotctl:%'").unwrap();
    entries.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

fn checkpoint_count(world: &Path) -> usize {
    let listed = run_in(world, &words("list --store object.sqlite --format json"));
    assert_eq!(listed.stderr, "");
    listed.exits(0).json()["checkpoints"].as_array().unwrap().len()
}

#[test]
fn snapshot_into_an_object_at_every_call() {
    for backend in ["sqlite", "kv"] {
        for earlier in [0, 1] {
            let template = folder();
            let hot = support::hot_database(&template.path().join("hot"));
            for ending in ["", "-wal"] {
                let from = format!("{}{ending}", hot.display());
                fs::copy(from, template.path().join(format!("object.sqlite{ending}"))).unwrap();
            }
            fs::remove_dir_all(template.path().join("hot")).unwrap();
            for name in ["listed.json", "unsorted.ndjson"] {
                fs::copy(fixture("state").join(name), template.path().join(name)).unwrap();
            }
            let snapshot = format!("snapshot listed.json --store object.sqlite --object-backend {backend}");
            if earlier == 1 {
                run_in(template.path(), &words(&snapshot.replace("listed.json", "unsorted.ndjson"))).exits(0);
            }
            let object = template.path().join("object.sqlite");
            let entries = own_entries(&object);
            assert!(entries.len() > 200);
            let kills = kill_at_every_call(template.path(), &snapshot, |world, what| {
                let object = world.join("object.sqlite");
                assert!(own_entries(&object) == entries, "{what}");
                let count = checkpoint_count(world);
                assert!(count == earlier || count == earlier + 1, "{what}: {count} checkpoints");
                let verified = run_in(world, &words("verify --store object.sqlite --format json")).exits(0);
                assert_eq!(verified.json()["checked"]["checkpoints"], count, "{what}");
                run_in(world, &words(&snapshot)).exits(0);
                assert_eq!(checkpoint_count(world), count + 1, "{what}");
                run_in(world, &words("verify --store object.sqlite")).exits(0);
                assert!(own_entries(&object) == entries, "{what}");
                assert_eq!(names_in(world), ["listed.json", "object.sqlite", "unsorted.ndjson"], "{what}");
            });
            eprintln!("{kills} kills");
            assert!(kills >= 60, "only {kills} kills");
        }
    }
}

/// An object's database with one row that says which it is, and its alarm.
fn object(path: &Path, word: &str, alarm: Option<i64>) {
    let connection = Connection::open(path).unwrap();
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE words(word TEXT); CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB)",
        )
        .unwrap();
    connection.execute("INSERT INTO words VALUES (?)", [word]).unwrap();
    connection.execute("INSERT INTO _cf_METADATA VALUES (1, ?)", [alarm]).unwrap();
    connection.close().unwrap();
}

fn word_and_alarm(path: &Path) -> (String, Option<i64>) {
    let (_folder, connection) = copy_of(path);
    let query = "SELECT word, (SELECT value FROM _cf_METADATA WHERE key = 1) FROM words";
    connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

fn listed(alarms: &Path, id: &str) -> Option<i64> {
    if !alarms.exists() {
        return None;
    }
    let (_folder, connection) = copy_of(alarms);
    let query = "SELECT count(*) FROM sqlite_schema WHERE name = '_cf_ALARM'";
    if !connection.query_row::<bool, _, _>(query, [], |row| row.get(0)).unwrap() {
        return None;
    }
    let query = "SELECT scheduled_time FROM _cf_ALARM WHERE actor_id = ?";
    connection.query_row(query, [id], |row| row.get(0)).optional().unwrap()
}

/// Both files agree, or the listed alarm comes before the object's, which workerd puts right.
fn agree(own: Option<i64>, listed: Option<i64>) -> bool {
    own == listed || listed.is_some_and(|listed| own.is_none_or(|own| listed < own))
}

#[test]
fn restore_of_an_object_in_its_place_at_every_call() {
    let (early, late) = (Some(4_000_000_000_000_000_000), Some(4_100_000_000_000_000_000));
    let id = "a".repeat(64);
    let place = format!("do/worker-Class/{id}.sqlite");
    // The old object's alarm; `None`: there is neither an object nor a list.
    let cases = [
        (None, late),
        (None, None),
        (Some(late), early),
        (Some(early), late),
        (Some(None), late),
        (Some(late), None),
    ];
    for (before, after) in cases {
        let template = folder();
        let root = template.path();
        fs::create_dir_all(root.join("do/worker-Class")).unwrap();
        object(&root.join("new.sqlite"), "new", after);
        run_in(root, &words("snapshot new.sqlite")).exits(0);
        let alarms = root.join("do/worker-Class/metadata.sqlite");
        if let Some(alarm) = before {
            object(&root.join(&place), "old", alarm);
            let connection = Connection::open(&alarms).unwrap();
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
            connection
                .execute_batch(
                    "CREATE TABLE _cf_ALARM (actor_id TEXT PRIMARY KEY, scheduled_time INTEGER, actor_name TEXT)
                         WITHOUT ROWID;
                     INSERT INTO _cf_ALARM VALUES ('other', 5, 'name')",
                )
                .unwrap();
            if let Some(time) = alarm {
                connection.execute("INSERT INTO _cf_ALARM VALUES (?, ?, 'mine')", (&id, time)).unwrap();
            }
            connection.close().unwrap();
        }
        let restore = format!("restore latest --force --to {place}");
        let kills = kill_at_every_call(root, &restore, |world, what| {
            let object = world.join(&place);
            let alarms = world.join("do/worker-Class/metadata.sqlite");
            let listed = || listed(&alarms, &id);
            if object.exists() {
                let (word, own) = word_and_alarm(&object);
                let expected = if word == "new" { after } else { before.flatten() };
                assert_eq!(own, expected, "{what}: {word}");
                assert!(agree(own, listed()), "{what}: {word} {own:?}, listed {:?}", listed());
            } else {
                assert_eq!(before, None, "{what}: the object is gone");
            }
            run_in(world, &words(&restore)).exits(0);
            assert_eq!(word_and_alarm(&object), ("new".to_owned(), after), "{what}");
            assert_eq!(listed(), after, "{what}");
            if before.is_some() {
                let (_folder, connection) = copy_of(&alarms);
                let query = "SELECT scheduled_time FROM _cf_ALARM WHERE actor_id = 'other'";
                assert_eq!(connection.query_row::<i64, _, _>(query, [], |row| row.get(0)).unwrap(), 5);
            }
            let names = names_in(&world.join("do/worker-Class"));
            assert!(
                names.iter().all(|name| !name.contains("partial") && !name.ends_with("-wal")),
                "{names:?}"
            );
        });
        eprintln!("{kills} kills from {before:?} to {after:?}");
        assert!(kills >= 20, "only {kills} kills");
        assert!(!contents_below(root).is_empty());
    }
}
