//! Chains of changes in a bucket and in an object: every command on them.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::command::dotctl_at;
use crate::servers::{BUCKET, Server};
use crate::support::{Ran, folder, words};

/// 4,000 entries that do not compress well, some of which were changed in each of `steps`.
fn state(steps: u64) -> Vec<(String, String)> {
    let mut random = crate::support::Random(17);
    let mut entries: Vec<(String, String)> = (0..4000)
        .map(|number| {
            let text: String = (0..100).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
            (format!("key:{number:05}"), text)
        })
        .collect();
    for step in 0..steps {
        for _ in 0..20 {
            let place = random.below(entries.len() as u64) as usize;
            entries[place].1 = format!("changed in {step}");
        }
        entries.remove(random.below(entries.len() as u64) as usize);
    }
    entries
}

fn text_of(entries: &[(String, String)]) -> String {
    let lines: Vec<String> = entries
        .iter()
        .map(|(key, text)| format!("[\"{key}\",{{\"value\":\"{text}\",\"createdAt\":1}}]"))
        .collect();
    format!("[{}]", lines.join(","))
}

struct World<'a> {
    folder: &'a Path,
    endpoint_url: String,
    store: String,
    /// Of what writes.
    more: String,
}

impl World<'_> {
    fn run(&self, line: &str) -> Ran {
        let mut command = dotctl_at(&self.endpoint_url);
        command.current_dir(self.folder).env("DOTCTL_STORE", &self.store).args(words(line));
        Ran::of(command.output().expect("dotctl runs"))
    }

    fn snapshot(&self, step: u64) -> Value {
        fs::write(self.folder.join("state.json"), text_of(&state(step))).expect("a file");
        let line =
            format!("snapshot state.json --namespace n --chunk-bytes 64KiB --format json {}", self.more);
        self.run(&line).exits(0).json()["checkpoint"].take()
    }
}

fn works(world: &World<'_>, packs_wait: bool) {
    let made: Vec<Value> = (0..5).map(|step| world.snapshot(step)).collect();
    assert!(made[0]["base"].is_null());
    for step in 1..5 {
        assert_eq!(made[step]["base"], made[step - 1]["id"], "{step}");
        let (new, stored) = (made[step]["new_bytes"].as_u64(), made[step]["stored_bytes"].as_u64());
        assert!(new.expect("a number") * 20 < stored.expect("a number"), "{}", made[step]);
    }
    assert_eq!(
        world.run("list --format json").exits(0).json()["checkpoints"][0]["chain"]["delta_run_count"],
        4
    );
    for (step, one) in made.iter().enumerate() {
        let id = one["id"].as_str().expect("an id");
        let content = text_of(&state(step as u64));
        assert!(world.run(&format!("restore {id} --to -")).exits(0).stdout == content.as_bytes(), "{step}");
        world.run(&format!("restore {id} --to r.json --force")).exits(0);
        assert!(fs::read(world.folder.join("r.json")).expect("a file") == content.as_bytes(), "{step}");
    }
    world.run("verify").exits(0);
    world.run("verify --quick").exits(0);
    let newest = state(4);
    let (key, text) = newest.iter().find(|(_, text)| text.starts_with("changed in 1")).expect("a change");
    let got = world.run(&format!("get latest {key}")).exits(0);
    assert!(String::from_utf8(got.stdout).expect("text").contains(text));
    // Neighbours are compared at the price of their changes.
    let ids: Vec<&str> = made.iter().map(|one| one["id"].as_str().expect("an id")).collect();
    let found = world.run(&format!("diff {} {} --format json", ids[3], ids[4])).exits(1).json();
    assert_eq!((&found["added"], &found["deleted"]), (&0.into(), &1.into()));
    assert!(found["modified"].as_u64().is_some_and(|count| (15..=20).contains(&count)), "{found}");
    let part = world.run("restore latest --to - --as ndjson --key-prefix key:0001").exits(0);
    let expected = newest.iter().filter(|(key, _)| key.starts_with("key:0001")).count();
    assert_eq!(part.stdout.split(|byte| *byte == b'\n').count() - 1, expected);

    let compacted = world.run(&format!("compact latest --format json {}", world.more)).exits(0).json();
    assert_eq!(compacted["replaced"][0]["id"], ids[4]);
    assert_eq!(compacted["checkpoint"]["content_sha256"], made[4]["content_sha256"]);
    assert_eq!(compacted["removed_pack_count"], u64::from(!packs_wait), "{compacted}");
    assert_eq!(compacted["waiting_pack_count"], u64::from(packs_wait), "{compacted}");
    let content = text_of(&newest);
    assert!(world.run("restore latest --to -").exits(0).stdout == content.as_bytes());
    // What is kept needs nothing of what goes.
    let pruned = world.run("prune --keep-last 2 --format json").exits(0).json();
    assert_eq!(pruned["removed"].as_array().map(Vec::len), Some(3));
    assert!(
        world.run(&format!("restore {} --to -", ids[3])).exits(0).stdout == text_of(&state(3)).as_bytes()
    );
    world.run("verify").exits(0);
    let next = world.snapshot(5);
    assert_eq!(next["base"], compacted["checkpoint"]["id"]);
    assert!(world.run("restore latest --to -").exits(0).stdout == text_of(&state(5)).as_bytes());
    world.run("verify").exits(0);
}

#[test]
fn chains_in_a_bucket() {
    let server = Server::s3s();
    let work = folder();
    let (endpoint_url, store) = (server.endpoint_url.clone(), format!("s3://{BUCKET}/chains"));
    works(&World { folder: work.path(), endpoint_url, store, more: String::new() }, true);
}

#[test]
fn chains_in_an_object() {
    for backend in ["sqlite", "kv"] {
        let work = folder();
        let object = work.path().join("object.sqlite");
        let connection = Connection::open(&object).expect("a database");
        let schema = "CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID";
        connection.execute_batch(schema).expect("a table");
        drop(connection);
        let world = World {
            folder: work.path(),
            endpoint_url: "http://127.0.0.1:9".to_owned(),
            store: object.display().to_string(),
            more: format!("--object-backend {backend}"),
        };
        works(&world, false);
        // Nothing of it lies in the other place.
        let connection = Connection::open(&object).expect("a database");
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u32>(0)).expect("a number");
        let tables = count("SELECT count(*) FROM sqlite_schema WHERE type = 'table'");
        let entries = count("SELECT count(*) FROM _cf_KV");
        assert_eq!((tables > 1, entries > 0), (backend == "sqlite", backend == "kv"));
    }
}
