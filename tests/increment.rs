//! Checkpoints that store only what has changed: any number of them over each other, read back at
//! any point, damaged, and without dotctl.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::{Connection, params};
use serde_json::Value;
use support::{Ran, Random, dotctl, folder, run};

/// A store, and the checkpoints in it with what they must restore to.
struct World {
    folder: tempfile::TempDir,
    made: Vec<(String, Vec<u8>)>,
}

impl World {
    fn new() -> Self {
        World { folder: folder(), made: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, words: &[&str]) -> Ran {
        let store = self.path("store");
        Ran::of(dotctl().args(words).arg("--store").arg(store).output().unwrap())
    }

    /// Makes a checkpoint of `source`, which must restore to `content`.
    fn snapshot(&mut self, source: &str, content: Vec<u8>, more: &[&str]) -> Value {
        let path = self.path(source);
        let words = [&["snapshot", path.to_str().unwrap(), "--format", "json"], more].concat();
        let checkpoint = self.run(&words).exits(0).json()["checkpoint"].clone();
        self.made.push((checkpoint["id"].as_str().unwrap().to_owned(), content));
        checkpoint
    }

    /// Every checkpoint restores to what it was made of, and the store verifies.
    fn check(&self) {
        for (id, content) in &self.made {
            let ran = self.run(&["restore", id, "--to", "-"]).exits(0);
            assert!(ran.stdout == *content, "{id} is not what it was");
            let to = self.path("restored");
            self.run(&["restore", id, "--to", to.to_str().unwrap(), "--force"]).exits(0);
            assert!(fs::read(&to).unwrap() == *content, "{id} is not what it was");
        }
        let verified = self.run(&["verify", "--format", "json"]).exits(0).json();
        assert_eq!(verified["checked"]["checkpoints"], self.made.len());
        self.run(&["verify", "--quick"]).exits(0);
    }

    fn packs(&self) -> Vec<PathBuf> {
        support::files_below(&self.path("store").join("packs"))
    }
}

fn write_state(world: &World, state: &BTreeMap<Vec<u8>, (String, String)>) -> Vec<u8> {
    let entries: Vec<String> = state.values().map(|(key, value)| format!("[{key},{value}]")).collect();
    let text = format!("[{}]", entries.join(",")).into_bytes();
    fs::write(world.path("state.json"), &text).unwrap();
    text
}

/// A key as bytes and as JSON, some with escapes.
fn key(number: u64) -> (Vec<u8>, String) {
    let text = match number % 5 {
        0 => format!("é\"{number:06}\\"),
        _ => format!("key:{number:06}"),
    };
    let json = serde_json::to_string(&text).unwrap();
    (text.into_bytes(), json)
}

#[test]
fn state_at_any_point_is_as_it_was() {
    let mut random = Random(7);
    let mut world = World::new();
    let mut state = BTreeMap::new();
    let put = |state: &mut BTreeMap<_, _>, number: u64, random: &mut Random| {
        let (bytes, json) = key(number);
        let filler = "x".repeat((random.below(300)) as usize);
        let value = format!(
            r#"{{"value":{{"count":{},"text":"{filler}","name":"user {number}"}},"createdAt":1700000000000}}"#,
            random.below(1_000_000)
        );
        state.insert(bytes, (json, value));
    };
    (0..8_000).for_each(|number| put(&mut state, number, &mut random));
    let mut chains = 0;
    for step in 0..30 {
        let content = write_state(&world, &state);
        let checkpoint = world.snapshot("state.json", content, &[]);
        chains += u32::from(!checkpoint["base"].is_null());
        let runs_max = 9 + 40;
        assert!(checkpoint["chunk_count"].as_u64().unwrap() < runs_max, "{checkpoint}");
        match step {
            10 => state.clear(),
            11 => (0..9_000).for_each(|number| put(&mut state, number * 3, &mut random)),
            _ => {
                for _ in 0..random.below(120) {
                    let number = random.below(30_000);
                    put(&mut state, number, &mut random);
                    state.remove(&key(random.below(30_000)).0);
                }
            }
        }
    }
    assert!(chains > 20, "{chains}");
    world.check();
    // Any key at any point, from one chunk of each run.
    let (id, _) = &world.made[29];
    let state: Vec<Value> = serde_json::from_slice(&world.made[29].1).unwrap();
    for _ in 0..30 {
        let entry = &state[random.below(state.len() as u64) as usize];
        let got = world.run(&["get", id, entry[0].as_str().unwrap(), "-v"]).exits(0);
        assert_eq!(serde_json::from_slice::<Value>(&got.stdout).unwrap(), *entry);
        let chunks = got.stderr.split_whitespace().nth(1).unwrap().parse::<u32>().unwrap();
        assert!(chunks <= 9, "{got:?}");
    }
    world.run(&["get", id, "key:9999999"]).refuses(3);
}

/// Values as workerd stores strings: version 15, a one-byte string.
fn stored(text: &str) -> Vec<u8> {
    [&[0xff, 15, b'"', text.len() as u8], text.as_bytes()].concat()
}

#[test]
fn an_image_at_any_point_is_as_it_was() {
    let mut random = Random(11);
    let mut world = World::new();
    let path = world.path("object.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID; BEGIN")
        .unwrap();
    let put = |number: u64, random: &mut Random| {
        let text: String = (0..100).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
        connection
            .execute(
                "INSERT OR REPLACE INTO _cf_KV VALUES (?1, ?2)",
                params![format!("key:{number:06}"), stored(&text)],
            )
            .unwrap();
        text
    };
    (0..30_000).for_each(|number| drop(put(number, &mut random)));
    connection.execute_batch("COMMIT").unwrap();
    let mut chains = 0;
    let mut last = (0, String::new());
    for step in 0..25 {
        let checkpoint =
            world.snapshot("object.sqlite", fs::read(&path).unwrap(), &["--chunk-bytes", "64KiB"]);
        chains += u32::from(!checkpoint["base"].is_null());
        if step == 24 {
            break;
        }
        connection.execute_batch("BEGIN").unwrap();
        for _ in 0..random.below(60) + 1 {
            let number = random.below(40_000);
            last = (number, put(number, &mut random));
        }
        connection.execute_batch("COMMIT").unwrap();
        if step == 8 {
            connection.execute_batch("DELETE FROM _cf_KV WHERE key > 'key:02'; VACUUM").unwrap();
            put(0, &mut random);
            last = (1, put(1, &mut random));
        }
    }
    assert!(chains > 15, "{chains}");
    world.check();
    let key = format!("key:{:06}", last.0);
    let got = world.run(&["get", "latest", &key, "-v"]).exits(0);
    assert_eq!(String::from_utf8(got.stdout.clone()).unwrap().trim(), format!("\"{}\"", last.1));
    world.run(&["get", "latest", "key:999999"]).refuses(3);
}

#[test]
fn equal_content_adds_nothing() {
    let mut world = World::new();
    let mut state = BTreeMap::new();
    for number in 0..5_000 {
        let (bytes, json) = key(number);
        state.insert(bytes, (json, format!(r#"{{"value":{number},"createdAt":1}}"#)));
    }
    for step in 0..12 {
        let (bytes, json) = key(step);
        state.insert(bytes, (json, format!(r#"{{"value":"{step}","createdAt":2}}"#)));
        let content = write_state(&world, &state);
        world.snapshot("state.json", content.clone(), &[]);
        let packs = world.packs();
        let again = world.snapshot("state.json", content, &[]);
        assert_eq!((&again["new_bytes"], &again["new_chunk_count"]), (&0.into(), &0.into()), "{step}");
        assert_eq!(world.packs(), packs, "{step}");
    }
    let content = write_state(&world, &state);
    let full = world.snapshot("state.json", content, &["--base", "none"]);
    assert!(full["base"].is_null());
    world.check();
}

#[test]
fn a_base_can_be_named() {
    let mut world = World::new();
    let mut state = BTreeMap::new();
    for number in 0..5_000 {
        let (bytes, json) = key(number);
        state.insert(bytes, (json, format!(r#"{{"value":{number},"createdAt":1}}"#)));
    }
    for step in 0..3 {
        let (bytes, json) = key(step);
        state.insert(bytes, (json, format!(r#"{{"value":"{step}","createdAt":2}}"#)));
        let content = write_state(&world, &state);
        world.snapshot("state.json", content, &[]);
    }
    let first = world.made[0].0.clone();
    let content = write_state(&world, &state);
    let made = world.snapshot("state.json", content.clone(), &["--base", &first]);
    assert_eq!(made["base"], first.as_str());
    let source = world.path("state.json");
    let source = source.to_str().unwrap();
    world.run(&["snapshot", source, "--base", "ffff"]).refuses(3);
    world.run(&["snapshot", source, "--base", "x"]).refuses(2);
    world
        .run(&["snapshot", source, "--base", &first, "--namespace", "other"])
        .refuses(2)
        .mentions("namespace");
    world.check();
}

/// Whatever byte of a chain is changed, it is found, and no restore believes it.
#[test]
fn damage_in_a_chain_is_found() {
    let mut world = World::new();
    let mut state = BTreeMap::new();
    let mut random = Random(3);
    for number in 0..3_000 {
        let (bytes, json) = key(number);
        state.insert(bytes, (json, format!(r#"{{"value":{},"createdAt":1}}"#, random.below(1 << 40))));
    }
    for step in 0..3 {
        for _ in 0..20 {
            let (bytes, json) = key(random.below(4_000));
            state.insert(bytes, (json, format!(r#"{{"value":{step},"createdAt":2}}"#)));
        }
        let content = write_state(&world, &state);
        world.snapshot("state.json", content, &[]);
    }
    let (id, _) = world.made[2].clone();
    let chain = world.run(&["show", &id, "--packs", "--format", "json"]).json();
    let packs: Vec<&str> =
        chain["packs"].as_array().unwrap().iter().map(|pack| pack.as_str().unwrap()).collect();
    assert_eq!(packs.len(), 3);
    for pack in &packs[1..] {
        let whole = fs::read(pack).unwrap();
        for position in (0..whole.len()).step_by(whole.len() / 12) {
            let mut changed = whole.clone();
            changed[position] ^= 0x20;
            fs::write(pack, &changed).unwrap();
            is_found_and_refused(&world, &id, &format!("{pack} byte {position}"));
        }
        fs::write(pack, &whole[..whole.len() - 1]).unwrap();
        is_found_and_refused(&world, &id, "cut");
        fs::remove_file(pack).unwrap();
        is_found_and_refused(&world, &id, "removed");
        fs::write(pack, &whole).unwrap();
    }
    world.check();
    // What is built on a damaged base is a full checkpoint, and a warning says so.
    let whole = fs::read(packs[1]).unwrap();
    fs::write(packs[1], &whole[1..]).unwrap();
    let (bytes, json) = key(1);
    state.insert(bytes, (json, r#"{"value":"last","createdAt":3}"#.to_owned()));
    let content = write_state(&world, &state);
    let source = world.path("state.json");
    let ran = world.run(&["snapshot", source.to_str().unwrap(), "--format", "json"]).exits(0);
    ran.mentions("cannot be built on");
    assert!(ran.json()["checkpoint"]["base"].is_null());
    assert!(world.run(&["restore", "latest", "--to", "-"]).exits(0).stdout == content);
    world.run(&["snapshot", source.to_str().unwrap(), "--base", &id]).refuses(1);
}

fn is_found_and_refused(world: &World, id: &str, what: &str) {
    let verified = world.run(&["verify", id, "--format", "json"]);
    assert_eq!(verified.code, Some(1), "{what}: {verified:?}");
    let to = world.path("never");
    let ran = world.run(&["restore", id, "--to", to.to_str().unwrap()]);
    assert_eq!(ran.code, Some(1), "{what}: {ran:?}");
    assert!(!to.exists(), "{what}");
}

/// A codec that is named is the codec of the checkpoint's full run: another one makes a full checkpoint. One
/// that is not named leaves the base's, and so does a base that is named.
#[test]
fn a_codec_that_is_named_is_what_the_full_run_has() {
    let mut world = World::new();
    let mut state = BTreeMap::new();
    let mut random = Random(9);
    for number in 0..3_000 {
        let (bytes, json) = key(number);
        state.insert(bytes, (json, format!(r#"{{"value":{},"createdAt":1}}"#, random.below(1 << 40))));
    }
    let steps: [(&[&str], &str, bool); 8] = [
        (&[], "zstd", true),
        (&["--codec", "zstd"], "zstd", false),
        (&["--codec", "columnar"], "columnar", true),
        (&["--codec", "columnar"], "columnar", false),
        (&[], "columnar", false),
        (&["--codec", "gzip"], "gzip", true),
        (&["--codec", "none", "--base", "latest"], "gzip", false),
        (&["--codec", "none", "--base", "none"], "none", true),
    ];
    for (step, (more, codec, is_full)) in steps.into_iter().enumerate() {
        let (bytes, json) = key(step as u64);
        state.insert(bytes, (json, format!(r#"{{"value":"{step}","createdAt":2}}"#)));
        let content = write_state(&world, &state);
        let made = world.snapshot("state.json", content, more);
        assert_eq!((&made["codec"], made["base"].is_null()), (&codec.into(), is_full), "{more:?}: {made}");
    }
    world.check();
}

/// `dotctl.toml` says how far chains grow where no flag does.
#[test]
fn the_project_says_how_far_chains_grow() {
    let world = World::new();
    let config = world.path("other.toml");
    fs::write(&config, "[snapshot]\ncompact_runs = 2\ncompact_share = 10\n").unwrap();
    let mut state = BTreeMap::new();
    let mut runs = Vec::new();
    for step in 0..5 {
        for number in 0..1000 {
            let (bytes, json) = key(number);
            let value = if number % 200 == step { step } else { 0 };
            state.insert(bytes, (json, format!(r#"{{"value":{value},"createdAt":1}}"#)));
        }
        write_state(&world, &state);
        let source = world.path("state.json");
        world.run(&["snapshot", source.to_str().unwrap(), "--config", config.to_str().unwrap()]).exits(0);
        let shown = world.run(&["show", "latest", "--format", "json"]).exits(0).json();
        runs.push(shown["chain"]["delta_run_count"].as_u64().unwrap_or(0));
    }
    assert!(runs.iter().all(|runs| *runs <= 2) && runs.contains(&2), "{runs:?}");
    fs::write(&config, "[snapshot]\ncompact_runs = 99\n").unwrap();
    let source = world.path("state.json");
    let ran = world.run(&["snapshot", source.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    ran.refuses(2).mentions("line 2, column 16").mentions("from 1 to 16, it is 99");
}

/// The recipe of the format document, run as it stands there.
#[test]
fn a_chain_can_be_read_without_dotctl() {
    let mut world = World::new();
    let mut state = BTreeMap::new();
    for number in 0..3_000 {
        let (bytes, json) = key(number);
        state.insert(bytes, (json, format!(r#"{{"value":{number},"createdAt":1}}"#)));
    }
    for step in 0..3 {
        state.remove(&key(step * 7).0);
        for number in [step + 100, step + 4_000] {
            let (bytes, json) = key(number);
            state.insert(bytes, (json, format!(r#"{{"value":"{step}","createdAt":1}}"#)));
        }
        let content = write_state(&world, &state);
        world.snapshot("state.json", content, &["--namespace", "tiny"]);
    }
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMAT.md")).unwrap();
    let store = world.path("store");
    let block = |begin: &str| {
        let from = document.find(begin).unwrap();
        document[from..].split("```").next().unwrap().to_owned()
    };
    fs::write(store.join("merge.py"), block("import json, struct, sys")).unwrap();
    let manifests = support::names_in(&store.join("manifests/tiny"));
    let script = block("manifest=manifests/tiny/").replace("SEQUENCE-ID.json", &manifests[2]);
    let ended = Command::new("bash").args(["-euc", &script]).current_dir(&store).output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let expected = run(["restore", &world.made[2].0, "--to", "-", "--as", "ndjson", "--store"]
        .map(std::ffi::OsString::from)
        .into_iter()
        .chain([store.clone().into_os_string()]));
    assert!(fs::read(store.join("out")).unwrap() == expected.exits(0).stdout);
}
