//! A chain becomes one full run in its place: the same content, time, place in the history and tags; killed
//! at any call, old or new or both are there, never neither.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;

use rusqlite::{Connection, params};
use serde_json::Value;
use support::{
    Ran, checkpoints, copy_tree, dotctl, folder, in_parallel, kill_points, killed_at, leftovers, run_in,
    words,
};
use tempfile::TempDir;

fn write_state(world: &Path, step: u64) {
    let entry = |key: u64| {
        let value = if key % 50 < step { step } else { 0 };
        format!("[\"{key:04}\",{{\"value\":\"{value} of {key}\",\"createdAt\":1}}]")
    };
    let text: Vec<String> = (0..2000).map(entry).collect();
    fs::write(world.join("state.json"), format!("[{}]", text.join(","))).unwrap();
}

/// Four checkpoints of a namespace, each on the one before; the third has a tag. And another namespace.
fn template(store: &str) -> TempDir {
    let template = folder();
    for step in 0..4 {
        write_state(template.path(), step);
        let line = format!("snapshot state.json --namespace a --store {store}");
        run_in(template.path(), &words(&line)).exits(0);
    }
    let third = of_namespace(template.path(), store)[2]["id"].as_str().unwrap().to_owned();
    run_in(template.path(), &words(&format!("tag {third} keep --store {store}"))).exits(0);
    run_in(template.path(), &words(&format!("snapshot state.json --namespace b --store {store}"))).exits(0);
    template
}

/// The checkpoints of namespace `a`, oldest first.
fn of_namespace(world: &Path, store: &str) -> Vec<Value> {
    let line = format!("list --namespace a --format json --store {store}");
    let mut listed = run_in(world, &words(&line)).exits(0).json()["checkpoints"].as_array().unwrap().clone();
    listed.reverse();
    listed
}

fn restored(world: &Path, store: &str, reference: &str) -> Vec<u8> {
    run_in(world, &words(&format!("restore {reference} --to - --store {store}"))).exits(0).stdout
}

fn world(template: &TempDir) -> TempDir {
    let world = folder();
    copy_tree(template.path(), world.path());
    world
}

#[test]
fn state_keeps_everything_but_its_runs() {
    let store = ".dotctl";
    let template = template(store);
    let world = template.path();
    let before = of_namespace(world, store);
    assert!(!before[2]["base"].is_null());
    let content = restored(world, store, "keep");
    let plan = run_in(world, &words("compact keep --dry-run --format json")).exits(0).json();
    assert_eq!((&plan["checkpoint"]["id"], &plan["dry_run"]), (&before[2]["id"], &true.into()));
    assert_eq!(of_namespace(world, store), before);
    let made = run_in(world, &words("compact keep --format json")).exits(0).json();
    assert_eq!(made["replaced"][0]["id"], before[2]["id"]);
    let after = of_namespace(world, store);
    assert_eq!(after.len(), 4);
    for place in [0, 1, 3] {
        assert_eq!(after[place], before[place]);
    }
    for name in
        ["sequence", "namespace", "kind", "created_at", "record_count", "raw_bytes", "content_sha256", "tags"]
    {
        assert_eq!(after[2][name], before[2][name], "{name}");
    }
    assert_ne!(after[2]["id"], before[2]["id"]);
    assert!(after[2]["base"].is_null());
    assert!(restored(world, store, "keep") == content);
    let again = run_in(world, &words("compact keep --format json")).exits(0).json();
    assert_eq!((&again["replaced"], &again["new_bytes"]), (&Value::Array(Vec::new()), &0.into()));
    assert_eq!(of_namespace(world, store), after);
    run_in(world, &words("verify")).exits(0);
    assert_eq!(leftovers(world), [""; 0]);
    // The newest too, on which the next one is built then.
    run_in(world, &words("compact a@latest")).exits(0);
    write_state(world, 4);
    run_in(world, &words("snapshot state.json --namespace a")).exits(0);
    let last = of_namespace(world, store);
    assert_eq!((last.len(), &last[4]["base"]), (5, &last[3]["id"]));
    run_in(world, &words("verify")).exits(0);
}

#[test]
fn databases_too() {
    let template = folder();
    let world = template.path();
    let connection = Connection::open(world.join("object.sqlite")).unwrap();
    connection.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, x); BEGIN").unwrap();
    for number in 0..3000 {
        connection.execute("INSERT INTO t VALUES(?1, hex(randomblob(100)))", [number]).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    for kind in ["image", "rows"] {
        for step in 0..3 {
            connection.execute("UPDATE t SET x = ?2 WHERE id = ?1", params![step * 700 + 1, kind]).unwrap();
            let line = format!("snapshot object.sqlite --kind {kind} --namespace {kind}");
            run_in(world, &words(&line)).exits(0);
        }
        let before = restored(world, ".dotctl", &format!("{kind}@latest"));
        let line = format!("compact {kind}@latest --format json");
        let made = run_in(world, &words(&line)).exits(0).json();
        assert_eq!(made["replaced"].as_array().unwrap().len(), 1);
        assert!(made["checkpoint"]["base"].is_null());
        assert!(restored(world, ".dotctl", &format!("{kind}@latest")) == before);
    }
    run_in(world, &words("verify")).exits(0);
    assert_eq!(leftovers(world), [""; 0]);
}

#[test]
fn inside_an_object() {
    let template = folder();
    Connection::open(template.path().join("store.sqlite"))
        .unwrap()
        .execute_batch("CREATE TABLE t(x)")
        .unwrap();
    let world = template.path();
    let store = "store.sqlite";
    for step in 0..3 {
        write_state(world, step);
        run_in(world, &words("snapshot state.json --namespace a --store store.sqlite")).exits(0);
    }
    let before = of_namespace(world, store);
    let content = restored(world, store, "a@latest");
    let made = run_in(world, &words("compact a@latest --store store.sqlite --format json")).exits(0).json();
    assert_eq!(made["replaced"][0]["id"], before[2]["id"]);
    assert!(restored(world, store, "a@latest") == content);
    assert_eq!(of_namespace(world, store).len(), 3);
    run_in(world, &words("verify --store store.sqlite")).exits(0);
}

#[test]
fn what_is_damaged_is_left_as_it_is() {
    let template = template(".dotctl");
    let world = template.path();
    let before = of_namespace(world, ".dotctl");
    let shown = run_in(world, &words("show keep --packs --format json")).exits(0).json();
    let pack = world.join(shown["packs"][1].as_str().unwrap());
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes).unwrap();
    run_in(world, &words("compact keep")).refuses(1);
    assert_eq!(of_namespace(world, ".dotctl"), before);
}

const CALLS: [&str; 9] =
    ["openat", "fsync", "unlink", "unlinkat", "rename", "flock", "getdents64", "close", "linkat"];

const COMPACT: &str = "compact a@latest";

fn judge(world: &Path, content: &[u8], what: &str) {
    let there = of_namespace(world, ".dotctl");
    assert!((4..=5).contains(&there.len()), "{what}: {}", there.len());
    for sequence in 1..=4 {
        assert!(there.iter().any(|one| one["sequence"] == sequence), "{what}: {sequence} is gone");
    }
    assert!(there.iter().any(|one| one["tags"] == serde_json::json!(["keep"])), "{what}");
    assert!(restored(world, ".dotctl", "a@latest") == content, "{what}");
    run_in(world, &words("verify")).exits(0);
    run_in(world, &words(COMPACT)).exits(0);
    let there = of_namespace(world, ".dotctl");
    assert_eq!(there.len(), 4, "{what}");
    assert!(there[3]["base"].is_null(), "{what}");
    assert!(restored(world, ".dotctl", "a@latest") == content, "{what}");
    run_in(world, &words("prune --keep-last 10")).exits(0);
    assert_eq!(leftovers(world), [""; 0], "{what}");
    run_in(world, &words("verify")).exits(0);
    assert_eq!(checkpoints(world).unwrap().len(), 5, "{what}");
}

#[test]
fn killed_at_every_call() {
    let template = template(".dotctl");
    let newest = of_namespace(template.path(), ".dotctl")[3]["id"].as_str().unwrap().to_owned();
    run_in(template.path(), &words(&format!("tag {newest} head"))).exits(0);
    let content = restored(template.path(), ".dotctl", "a@latest");
    let points = kill_points(world(&template).path(), &words(COMPACT), &CALLS);
    let kills = in_parallel(&points, |(call, number)| {
        let world = world(&template);
        let is_killed = killed_at(world.path(), &words(COMPACT), call, *number);
        let what = format!("killed at {call} number {number}");
        assert!(restored(world.path(), ".dotctl", "head") == content, "{what}");
        judge(world.path(), &content, &what);
        assert!(restored(world.path(), ".dotctl", "head") == content, "{what}");
        usize::from(is_killed)
    });
    eprintln!("{kills} kills");
    assert!(kills >= 60, "only {kills} kills");
}

#[test]
fn the_numbers_can_be_set() {
    let template = folder();
    let world = template.path();
    let mut runs = Vec::new();
    for step in 0..6 {
        write_state(world, step);
        let mut command = dotctl();
        let line = "snapshot state.json --namespace a --compact-runs 2 --compact-share 10";
        Ran::of(command.current_dir(world).args(words(line)).output().unwrap()).exits(0);
        let shown = run_in(world, &words("show a@latest --format json")).exits(0).json();
        runs.push(shown["chain"]["delta_run_count"].as_u64().unwrap_or(0));
    }
    assert!(runs.iter().all(|runs| *runs <= 2) && runs.contains(&2), "{runs:?}");
    write_state(world, 40);
    run_in(world, &words("snapshot state.json --namespace a --compact-share 0.001")).exits(0);
    let last = &of_namespace(world, ".dotctl")[6];
    assert!(last["base"].is_null(), "{last}");
    for wrong in ["--compact-runs 0", "--compact-runs 17", "--compact-share -1", "--compact-share x"] {
        let ran = run_in(world, &words(&format!("snapshot state.json {wrong}")));
        assert_eq!(ran.code, Some(2), "{wrong}: {ran:?}");
    }
}
