//! `prune` and `tag` as people call them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Ran, dotctl, files_below, folder, leftovers, run_in, snapshot, words};

/// A state whose content depends on `seed`.
fn state(world: &Path, seed: u64) -> PathBuf {
    let path = world.join("state.json");
    let entries: Vec<String> =
        (0..50).map(|key| format!("[\"key:{key:03}\",{{\"value\":\"{seed} and {key}\"}}]")).collect();
    fs::write(&path, format!("[{}]", entries.join(","))).unwrap();
    path
}

/// Five checkpoints of `a` and one of `b`, in a folder or an object; the ids of `a`.
fn made(world: &Path, store: &Path) -> Vec<String> {
    let mut ids = Vec::new();
    for seed in 0..5 {
        let made = snapshot(store, &state(world, seed), "--namespace a --base none");
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    snapshot(store, &state(world, 9), "--namespace b");
    ids
}

/// Runs a line with `--store` and JSON.
fn json(store: &Path, line: &str) -> Value {
    run_at(store, line).exits(0).json()
}

fn run_at(store: &Path, line: &str) -> Ran {
    let mut command = dotctl();
    command.args(words(line)).args(["--format", "json", "--store"]).arg(store);
    Ran::of(command.output().unwrap())
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

fn pack_bytes(store: &Path) -> u64 {
    files_below(&store.join("packs")).iter().map(|path| path.metadata().unwrap().len()).sum()
}

fn prunes(world: &Path, store: &Path) -> Vec<String> {
    let made = made(world, store);
    let planned = json(store, "prune --keep-last 2 --dry-run");
    assert_eq!(planned["dry_run"], true);
    assert_eq!(ids(&planned["removed"]), [&made[0], &made[1], &made[2]]);
    assert_eq!(ids(&planned["kept"]).len(), 3);
    assert_eq!(planned["kept"][0]["reasons"], serde_json::json!(["last"]));
    assert_eq!(planned["kept"][1]["reasons"], serde_json::json!(["newest", "last"]));
    assert_eq!(json(store, "list")["checkpoints"].as_array().unwrap().len(), 6);
    let done = json(store, "prune --keep-last 2");
    for field in ["removed", "kept", "removed_pack_count", "removed_bytes", "waiting_pack_count"] {
        assert_eq!(done[field], planned[field], "{field}");
    }
    assert_eq!(done["removed_pack_count"], 3);
    let verified = json(store, "verify");
    assert_eq!((&verified["ok"], &verified["checked"]["checkpoints"]), (&true.into(), &3.into()));
    // Never the last of a namespace; by another rule, of one namespace.
    let done = json(store, "prune --keep-tag nothing --namespace a");
    assert_eq!((ids(&done["removed"]), ids(&done["kept"])), (vec![&*made[3]], vec![&*made[4]]));
    json(store, "prune --keep-within 0s");
    assert_eq!(json(store, "list")["checkpoints"].as_array().unwrap().len(), 2);
    assert_eq!(json(store, "verify")["ok"], true);
    assert_eq!(snapshot(store, &state(world, 7), "--namespace a")["sequence"], 6);
    made
}

#[test]
fn a_folder_is_pruned() {
    let world = folder();
    let store = world.path().join(".dotctl");
    let before = made(world.path(), &store);
    let bytes = pack_bytes(&store);
    let done = json(&store, "prune --keep-daily 1 --grace 0s");
    assert_eq!(ids(&done["removed"]).len(), before.len() - 1);
    assert_eq!(bytes - pack_bytes(&store), done["removed_bytes"].as_u64().unwrap());
    assert_eq!(leftovers(world.path()), [""; 0]);
    fs::remove_dir_all(&store).unwrap();
    prunes(world.path(), &store);
    assert_eq!(leftovers(world.path()), [""; 0]);
    run_in(world.path(), &words("prune --keep-last 1")).exits(0);
}

#[test]
fn an_object_is_pruned() {
    let world = folder();
    let store = world.path().join("object.sqlite");
    let database = rusqlite::Connection::open(&store).unwrap();
    database.execute_batch("CREATE TABLE words(word TEXT)").unwrap();
    drop(database);
    prunes(world.path(), &store);
}

#[test]
fn a_policy_is_needed_and_understood() {
    let world = folder();
    let store = world.path().join(".dotctl");
    made(world.path(), &store);
    for line in [
        "prune",
        "prune --keep-last 0",
        "prune --keep-within 3m",
        "prune --keep-tag a@b",
        "prune --keep-last -1",
    ] {
        assert_eq!(run_at(&store, line).code, Some(2), "{line}");
    }
    run_at(&store, "prune").refuses_in_json("nothing says what to keep");
    assert_eq!(json(&store, "list")["checkpoints"].as_array().unwrap().len(), 6);
}

trait RefusesInJson {
    fn refuses_in_json(&self, message: &str);
}

impl RefusesInJson for Ran {
    #[track_caller]
    fn refuses_in_json(&self, message: &str) {
        let error: Value = serde_json::from_str(&self.stderr).unwrap();
        assert!(error["error"]["message"].as_str().unwrap().contains(message), "{self:?}");
        assert!(error["error"]["hint"].is_string(), "{self:?}");
    }
}

#[test]
fn a_tag_names_a_checkpoint() {
    let world = folder();
    let store = world.path().join(".dotctl");
    let made = made(world.path(), &store);
    let tag = |id: &str, name: &str| json(&store, &format!("tag {id} {name}"));
    assert_eq!(json(&store, "tag a@latest v1 --dry-run")["changed"], true);
    assert_eq!(json(&store, "list")["checkpoints"][0]["tags"], serde_json::json!([]));
    assert_eq!(tag(&made[1], "v1")["changed"], true);
    assert_eq!(tag(&made[1], "v1")["changed"], false);
    tag(&made[1], "über/all");
    assert_eq!(json(&store, "show v1")["id"], *made[1]);
    assert_eq!(json(&store, "show v1")["tags"], serde_json::json!(["v1", "über/all"]));
    assert_eq!(json(&store, "show a@v1")["id"], *made[1]);
    let listed = json(&store, "list --namespace a");
    let of_it = listed["checkpoints"].as_array().unwrap().iter().find(|one| one["id"] == *made[1]).unwrap();
    assert_eq!(of_it["tags"], serde_json::json!(["v1", "über/all"]));
    let shown = String::from_utf8(support::run(["list", "--store", store.to_str().unwrap()]).stdout).unwrap();
    assert!(shown.contains("TAGS") && shown.contains("v1, über/all"), "{shown}");

    // In two namespaces: the namespace tells which.
    tag("b@latest", "v1");
    assert_eq!(run_at(&store, "show v1").code, Some(2));
    run_at(&store, "show v1").refuses_in_json("a@v1 or b@v1");
    assert_eq!(json(&store, "show b@v1")["namespace"], "b");
    tag(&made[0], "v1");
    assert_eq!(run_at(&store, "show a@v1").code, Some(2));
    for name in ["latest", "beef", "a@b", "2026-01-01T00:00:00Z", "1700000000000"] {
        assert_eq!(run_at(&store, &format!("tag latest {name}")).code, Some(2), "{name}");
    }
    assert_eq!(run_at(&store, "tag a@latest v1 --remove").code, Some(3));
    assert_eq!(run_at(&store, "show v2").code, Some(2));
    assert_eq!(run_at(&store, "show a@v2").code, Some(2));

    // What is tagged stays if that is asked for; a tag goes with its checkpoint.
    json(&store, "prune --keep-tag über/all");
    assert_eq!(ids(&json(&store, "list --namespace a")["checkpoints"]), [&made[4], &made[1]]);
    assert_eq!(json(&store, "show a@v1")["id"], *made[1]);
    assert_eq!(support::names_in(&store.join("tags/v1")).len(), 2);
    json(&store, "tag über/all über/all --remove");
    assert_eq!(support::names_in(&store.join("tags")), ["v1"]);
    json(&store, "prune --keep-last 1");
    assert_eq!(support::names_in(&store.join("tags/v1")).len(), 1);
    assert_eq!(json(&store, "show v1")["namespace"], "b");
}

/// Somebody may be copying packs into the folder, manifests last.
#[test]
fn a_pack_without_a_checkpoint_has_a_grace() {
    let world = folder();
    let store = world.path().join(".dotctl");
    made(world.path(), &store);
    let copied = store.join("packs").join("0".repeat(64));
    fs::write(&copied, "on its way").unwrap();
    let done = json(&store, "prune --keep-last 1");
    assert_eq!((&done["waiting_pack_count"], &done["waiting_bytes"]), (&1.into(), &10.into()));
    assert!(copied.exists());
    let done = json(&store, "prune --keep-last 1 --grace 0s");
    assert_eq!((&done["removed_pack_count"], &done["waiting_bytes"]), (&1.into(), &0.into()));
    assert!(!copied.exists());
    assert_eq!(json(&store, "verify")["ok"], true);
}

/// A manifest that cannot be read may need any pack, and one that got lost may come back.
#[test]
fn what_may_be_needed_is_not_removed() {
    let world = folder();
    let store = world.path().join(".dotctl");
    let made = made(world.path(), &store);
    let manifests = store.join("manifests/a");
    let path = |number: usize| manifests.join(format!("{:010}-{}.json", number + 1, made[number]));
    fs::remove_file(path(0)).unwrap();
    let packs = json(&store, "prune --keep-last 1")["removed_pack_count"].clone();
    // All but the newest and the lost one.
    assert_eq!(packs, 3);
    let lost = store.join("catalog/a").join(path(0).file_name().unwrap());
    fs::hard_link(&lost, path(0)).unwrap();
    assert_eq!(json(&store, "verify")["ok"], true);

    fs::remove_file(path(0)).unwrap();
    fs::write(path(0), "{}").unwrap();
    let before = files_below(&store);
    let refused = run_at(&store, "prune --keep-last 1");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    refused.refuses_in_json("manifest");
    assert_eq!(files_below(&store), before);
}
