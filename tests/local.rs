//! Objects restored to where a real workerd keeps them: it serves their data and fires their alarms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;

use support_real::*;

/// One workerd at a time: each starts within a second, but not several on a small machine.
static WORKERD: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    WORKERD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn alarm(state: &Path, more: &[&str]) -> Value {
    let _alone = alone();
    finish(node().arg(script("alarm.mjs")).arg("--state").arg(state).args(more)).expect(0).json()
}

fn database(set: &Value, name: &str) -> PathBuf {
    set["databases"][name].as_str().unwrap().into()
}

/// A copy of the database at `path` with its log, opened.
fn copy_of(path: &Path) -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    fs::copy(path, &copy).unwrap();
    let beside = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    if beside(path).exists() {
        fs::copy(beside(path), beside(&copy)).unwrap();
    }
    let connection = Connection::open(copy).unwrap();
    (folder, connection)
}

/// The alarm of an object as its class lists it.
fn listed(object: &Path) -> Option<i64> {
    let alarms = object.with_file_name("metadata.sqlite");
    if !alarms.exists() {
        return None;
    }
    let id = object.file_stem().unwrap().to_str().unwrap();
    let (_folder, connection) = copy_of(&alarms);
    connection
        .query_row("SELECT scheduled_time FROM _cf_ALARM WHERE actor_id = ?", [id], |row| row.get(0))
        .optional()
        .unwrap()
}

/// The alarm of an object as it knows it itself.
fn own(object: &Path) -> Option<i64> {
    let (_folder, connection) = copy_of(object);
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = '_cf_METADATA'", [], |row| row.get(0))
        .unwrap();
    if tables == 0 {
        return None;
    }
    let query = "SELECT value FROM _cf_METADATA WHERE key = 1";
    connection.query_row(query, [], |row| row.get(0)).optional().unwrap().flatten()
}

fn restore_to(scratch: &Scratch, id: &Value, to: &Path, more: &[&str]) -> Value {
    let args = ["restore", id.as_str().unwrap(), "--to", to.to_str().unwrap()];
    scratch.json(args.iter().chain(more))
}

#[test]
fn data_is_served_and_the_alarm_fires_where_nothing_was() {
    for kv in [&[][..], &["--kv"]] {
        let scratch = Scratch::new();
        let state = scratch.path("state");
        let set = alarm(&state, &[kv, &["--set", "one=none", "--set", "two=3600000"]].concat());
        let (one, two) = (database(&set, "one"), database(&set, "two"));
        let made = [scratch.snapshot(&one, &[]), scratch.snapshot(&two, &[])];
        let due = own(&two).unwrap();
        fs::remove_dir_all(&state).unwrap();
        fs::create_dir_all(two.parent().unwrap()).unwrap();

        let restored = restore_to(&scratch, &made[1]["id"], &two, &[]);
        assert_eq!(restored["alarms_file"], two.with_file_name("metadata.sqlite").to_str().unwrap());
        assert!(restored["alarm"].as_str().unwrap().ends_with('Z'), "{restored}");
        assert_eq!((own(&two), listed(&two)), (Some(due), Some(due)));
        // Due a moment ago, in the object and in the checkpoint.
        let connection = Connection::open(&two).unwrap();
        connection.execute("UPDATE _cf_METADATA SET value = 1000000000 WHERE key = 1", []).unwrap();
        // As Miniflare keeps it where it wraps the class.
        let named = kv.is_empty();
        if named {
            connection
                .execute_batch(
                    "CREATE TABLE IF NOT EXISTS __miniflare_do_name (id INTEGER PRIMARY KEY, name TEXT);
                     INSERT OR REPLACE INTO __miniflare_do_name VALUES (1, 'two')",
                )
                .unwrap();
        }
        connection.close().unwrap();
        let overdue = scratch.snapshot(&two, &["--namespace", "overdue"]);
        for path in [two.clone(), two.with_file_name("metadata.sqlite")] {
            fs::remove_file(path).unwrap();
        }
        restore_to(&scratch, &overdue["id"], &two, &[]);
        assert_eq!((own(&two), listed(&two)), (Some(1_000_000_000), Some(1_000_000_000)));
        restore_to(&scratch, &made[0]["id"], &one, &[]);

        let after = alarm(&state, &[kv, &["--wait", "1500", "--read", "one", "--read", "two"]].concat());
        let two = &after["read"]["two"];
        assert_eq!(
            (&two["value"], &two["fired"], &two["alarm"]),
            (&"of two".into(), &1.into(), &Value::Null)
        );
        assert_eq!(two["name_in_alarm"], if named { "two" } else { "undefined" });
        assert_eq!(after["read"]["one"]["value"], "of one");
    }
}

#[test]
fn both_files_agree_after_every_restore() {
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let set = alarm(&state, &["--set", "late=7200000", "--set", "early=3600000", "--set", "never=none"]);
    let named: Vec<(&str, PathBuf)> =
        ["late", "early", "never"].into_iter().map(|name| (name, database(&set, name))).collect();
    let mut made = Vec::new();
    for (_, path) in &named {
        assert_eq!(own(path), listed(path));
        made.push((scratch.snapshot(path, &[])["id"].clone(), own(path)));
    }
    assert!(made[1].1 < made[0].1 && made[1].1.is_some() && made[2].1.is_none());
    // Each over each, so that the alarm goes forth, back, away and comes.
    let target = &named[0].1;
    for (id, alarm) in [&made[1], &made[0], &made[2], &made[0], &made[1], &made[2], &made[2], &made[1]] {
        let restored = restore_to(&scratch, id, target, &["--force"]);
        assert_eq!((own(target), listed(target)), (*alarm, *alarm));
        assert_eq!(restored["alarm"].is_string(), alarm.is_some());
        // The others' alarms stay.
        assert_eq!(own(&named[1].1), listed(&named[1].1));
    }
    let names: Vec<_> =
        fs::read_dir(target.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("partial")), "{names:?}");
    let after = alarm(&state, &["--wait", "500", "--read", "late", "--read", "early"]);
    assert_eq!(after["read"]["late"]["value"], "of early", "the last one restored is served");
    assert_eq!(after["read"]["early"]["fired"], 0);
}

/// What a restore that was killed between its two files leaves: workerd puts it right by itself.
#[test]
fn an_alarm_listed_too_early_calls_nobody_and_is_put_right() {
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let set = alarm(&state, &["--set", "late=3600000", "--set", "never=none"]);
    let (late, never) = (database(&set, "late"), database(&set, "never"));
    let connection = Connection::open(late.with_file_name("metadata.sqlite")).unwrap();
    for path in [&late, &never] {
        let id = path.file_stem().unwrap().to_str().unwrap();
        connection
            .execute(
                "INSERT INTO _cf_ALARM (actor_id, scheduled_time) VALUES (?1, 1000000000)
                 ON CONFLICT DO UPDATE SET scheduled_time = excluded.scheduled_time",
                [id],
            )
            .unwrap();
    }
    connection.close().unwrap();
    let after = alarm(&state, &["--wait", "1500", "--read", "late", "--read", "never"]);
    for name in ["late", "never"] {
        assert_eq!(after["read"][name]["fired"], 0, "{after}");
    }
    assert_eq!((own(&late), own(&never)), (listed(&late), listed(&never)));
}

#[test]
fn refused_while_workerd_has_the_class_open() {
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let set = alarm(&state, &["--set", "one=3600000"]);
    let one = database(&set, "one");
    let id = scratch.snapshot(&one, &[])["id"].as_str().unwrap().to_owned();
    let other = one.with_file_name(format!("{}.sqlite", "a".repeat(64)));

    let _alone = alone();
    // It has the class open, and no object of it.
    let mut holding = node()
        .arg(script("alarm.mjs"))
        .arg("--state")
        .arg(&state)
        .arg("--hold")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holding.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("workerd_pid"), "{line}");
    let before = contents(&state);
    for to in [&one, &other] {
        let refused = scratch.fails(3, ["restore", &id, "--force", "--to", to.to_str().unwrap()]);
        assert_eq!(refused["kind"], "busy", "{refused}");
        assert!(refused["message"].as_str().unwrap().contains(to.to_str().unwrap()), "{refused}");
    }
    assert!(contents(&state) == before, "nothing changed");
    drop(holding.stdin.take());
    assert!(holding.wait().unwrap().success());
    scratch.run(["restore", &id, "--force", "--to", one.to_str().unwrap()]);
}

#[test]
fn elsewhere_only_the_file_is_written() {
    let scratch = Scratch::new();
    let made = scratch.snapshot(&object_fixture("hot-wal"), &[]);
    let folder = scratch.path("elsewhere");
    fs::create_dir(&folder).unwrap();
    let to = folder.join(format!("{}.sqlite", "b".repeat(64)));
    let restored = restore_to(&scratch, &made["id"], &to, &[]);
    assert_eq!(restored.get("alarm"), None);
    assert_eq!(contents(&folder).len(), 1);
}
