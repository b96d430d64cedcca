//! Checkpoints inside an object: every command on them, and a real workerd that finds its own data
//! beside them and the checkpoints through its own storage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use serde_json::Value;

use support_real::*;

/// One workerd at a time: each starts within a second, but not several on a small machine.
static WORKERD: Mutex<()> = Mutex::new(());

const BACKENDS: [&str; 2] = ["sqlite", "kv"];

fn alone() -> MutexGuard<'static, ()> {
    WORKERD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn alarm(state: &Path, more: &[&str]) -> Value {
    let _alone = alone();
    finish(node().arg(script("alarm.mjs")).arg("--state").arg(state).args(more)).expect(0).json()
}

/// A scratch folder whose store is a copy of the object that `kill -9` left with all in its log.
fn object() -> Scratch {
    let scratch = Scratch::new();
    let from = object_fixture("hot-wal");
    fs::copy(&from, scratch.store()).unwrap();
    fs::copy(format!("{}-wal", from.display()), format!("{}-wal", scratch.store().display())).unwrap();
    scratch
}

/// State in 3 packs, of which noise makes up most.
fn large_state(scratch: &Scratch) -> PathBuf {
    let mut numbers = Numbers(5);
    let entries: Vec<String> = (0..60_000)
        .map(|number| {
            let noise: String = (0..24).map(|_| format!("{:016x}", numbers.draw())).collect();
            format!(r#"["key:{number:08}",{{"value":"{noise}","createdAt":1}}]"#)
        })
        .collect();
    let path = scratch.path("state.json");
    fs::write(&path, format!("[{}]", entries.join(","))).unwrap();
    path
}

/// Everything in the scratch folder but what tests restored.
fn untouched(scratch: &Scratch) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = contents(&scratch.path("")).into_iter().collect();
    all.retain(|(path, _)| path.file_name().unwrap().to_string_lossy().starts_with("store"));
    all
}

#[test]
fn every_command_on_both_backends() {
    for backend in BACKENDS {
        let scratch = object();
        let with = ["--object-backend", backend];
        assert_eq!(scratch.json(["list"])["checkpoints"], Value::Array(vec![]));
        let state = large_state(&scratch);
        let image = object_fixture("clean");
        let of_state = scratch.snapshot(&state, &with);
        let of_image = scratch.snapshot(&image, &[&["--namespace", "img"][..], &with].concat());
        assert!(of_state["pack_count"].as_u64().unwrap() > 1, "{of_state}");

        // The same packs as in a folder, so that they can be copied from one to the other.
        let folder = Scratch::new();
        let in_folder = folder.snapshot(&state, &[]);
        let names = |scratch: &Scratch, id: &Value| -> Vec<String> {
            let shown = scratch.run(["show", id.as_str().unwrap(), "--packs"]);
            shown.text().lines().map(|line| line.rsplit('/').next().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&scratch, &of_state["id"]), names(&folder, &in_folder["id"]));

        // Nothing that reads changes anything.
        let before = untouched(&scratch);
        assert_eq!(before.len(), 1, "neither a log nor its index stays");
        let listed = scratch.json(["list"]);
        assert_eq!(listed["checkpoints"].as_array().unwrap().len(), 2);
        assert_eq!(listed["checkpoints"][0]["id"], of_image["id"]);
        let verified = scratch.json(["verify"]);
        assert_eq!((&verified["ok"], &verified["checked"]["checkpoints"]), (&true.into(), &2.into()));
        assert_eq!(scratch.json(["verify", "--quick"])["ok"], true);
        let restored = scratch.restore("state@latest", "out.json");
        assert!(fs::read(restored).unwrap() == fs::read(&state).unwrap());
        let restored = scratch.restore("img@latest", "out.sqlite");
        assert_eq!(of_image["content_sha256"], sha256_file(&restored));
        let got = scratch.json(["get", "state@latest", "key:00031415"]);
        assert_eq!(got["key"], "key:00031415");
        assert_eq!(scratch.run(["show", "img@latest"]).code, 0);
        assert!(untouched(&scratch) == before);

        // Once more: nothing is new, whichever way it would be put.
        for again in BACKENDS {
            let made = scratch.snapshot(&state, &["--object-backend", again]);
            assert_eq!((&made["new_chunk_count"], &made["new_bytes"]), (&0.into(), &0.into()));
        }
        let listed = scratch.json(["list", "--namespace", "state"]);
        let sequences: Vec<_> =
            listed["checkpoints"].as_array().unwrap().iter().map(|one| &one["sequence"]).collect();
        assert_eq!(sequences, [3, 2, 1]);
        assert_eq!(scratch.json(["verify"])["checked"]["checkpoints"], 4);
        // The object's own values are there.
        let own = Connection::open(scratch.store()).unwrap();
        let entries: i64 = own
            .query_row("SELECT count(*) FROM _cf_KV WHERE key NOT LIKE 'dotctl:%'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(entries, fixture_values("hot-wal").len() as i64);
        let answer: String = own.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(answer, "ok");
    }
}

#[test]
fn every_row_and_record_is_within_the_platforms_limits() {
    let scratch = object();
    let state = large_state(&scratch);
    for backend in BACKENDS {
        // Only what is not there yet is put, so each has its own.
        let codec = if backend == "kv" { "gzip" } else { "zstd" };
        scratch.snapshot(&state, &["--object-backend", backend, "--codec", codec, "--base", "none"]);
    }
    let object = Connection::open(scratch.store()).unwrap();
    let most = |query: &str| -> u64 {
        object.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
    };
    let row = most("SELECT max(length(bytes)) FROM _dotctl_parts");
    assert!(row > 1_000_000 && row < (1 << 20) - 32, "{row}");
    let record = most("SELECT max(length(value) + length(key)) FROM _cf_KV WHERE key LIKE 'dotctl:%'");
    assert!(record > 129_000 && record <= 131_072, "{record}");
    assert!(most("SELECT max(length(key)) FROM _cf_KV WHERE key LIKE 'dotctl:%'") <= 2_048);
}

/// What `items` says of each pack and manifest of the store, from inside the object.
fn assert_read_from_inside(items: &Value, scratch: &Scratch, checkpoint: &Value) {
    let id = checkpoint["id"].as_str().unwrap();
    let packs = scratch.run(["show", id, "--packs"]);
    let mut found = 0;
    for pack in packs.text().lines().map(|line| line.rsplit('/').next().unwrap()) {
        assert_eq!(items[format!("packs/{pack}")]["sha256"], pack, "{items}");
        found += 1;
    }
    assert_eq!(found, checkpoint["pack_count"].as_u64().unwrap());
    let manifest = items.as_object().unwrap().iter().find(|(key, _)| key.ends_with(&format!("-{id}.json")));
    assert_eq!(manifest.unwrap().1["sha256"], id, "a manifest is named by its hash");
}

/// An object of a stopped workerd as the store, and its state folder.
fn real_object(kv: bool) -> (Scratch, PathBuf, PathBuf) {
    let scratch = Scratch::new();
    let folder = scratch.path("local");
    let kv: &[&str] = if kv { &["--kv"] } else { &[] };
    let set = alarm(&folder, &[kv, &["--set", "one=3600000"]].concat());
    let path = PathBuf::from(set["databases"]["one"].as_str().unwrap());
    std::os::unix::fs::symlink(&path, scratch.store()).unwrap();
    (scratch, folder, path)
}

#[test]
fn workerd_finds_its_data_its_alarm_and_the_checkpoints() {
    // A KV-backed object has no tables of its own; the others have both.
    for (kv_class, backend) in [(false, "sqlite"), (false, "kv"), (true, "kv")] {
        let (scratch, folder, path) = real_object(kv_class);
        let kv: &[&str] = if kv_class { &["--kv"] } else { &[] };
        let before = alarm(&folder, &[kv, &["--read", "one"]].concat())["read"]["one"].clone();
        assert!(before["alarm"].is_u64());
        let made = scratch.snapshot(&large_state(&scratch), &["--object-backend", backend]);
        for ending in ["-wal", "-shm"] {
            assert!(!Path::new(&format!("{}{ending}", path.display())).exists(), "{ending} stays");
        }
        assert_eq!(fs::read(&path).unwrap()[18..20], [2, 2], "in log mode as workerd left it");
        let after = alarm(&folder, &[kv, &["--read", "one"]].concat())["read"]["one"].clone();
        assert_eq!((&after["value"], &after["alarm"]), (&before["value"], &before["alarm"]));
        let items = if backend == "kv" { &after["entries"] } else { &after["tables"] };
        assert_read_from_inside(items, &scratch, &made);
        // And it goes on after workerd was there.
        let again = scratch.snapshot(&large_state(&scratch), &["--object-backend", backend]);
        assert_eq!(again["new_chunk_count"], 0);
        assert_eq!(scratch.json(["verify"])["ok"], true);
    }
}

/// A workerd that has the object `one` open.
struct Holding(Child);

impl Holding {
    fn start(folder: &Path) -> Self {
        let mut child = node()
            .arg(script("alarm.mjs"))
            .arg("--state")
            .arg(folder)
            .args(["--set", "one=3600000", "--read", "one", "--hold"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("of one"), "{line}");
        Holding(child)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_live_object_is_read_and_not_written() {
    let (scratch, folder, _) = real_object(false);
    let state = large_state(&scratch);
    let made = scratch.snapshot(&state, &[]);
    let _alone = alone();
    let holding = Holding::start(&folder);
    let before = contents(&folder);
    assert!(before.keys().any(|path| path.to_string_lossy().ends_with("-wal")));
    let id = made["id"].as_str().unwrap();
    assert_eq!(scratch.json(["list"])["checkpoints"][0]["id"], id);
    assert_eq!(scratch.json(["verify"])["ok"], true);
    assert_eq!(scratch.json(["get", id, "key:00000001"])["key"], "key:00000001");
    let restored = scratch.restore(id, "live.json");
    assert!(fs::read(restored).unwrap() == fs::read(&state).unwrap());
    for backend in BACKENDS {
        let args = ["snapshot", state.to_str().unwrap(), "--object-backend", backend];
        let refused = scratch.fails(3, args);
        assert_eq!(refused["kind"], "busy", "{refused}");
        assert!(refused["hint"].as_str().unwrap().contains("workerd"), "{refused}");
    }
    assert!(before == contents(&folder), "nothing changed");
    drop(holding);
    // Killed: what is in its log and not in the file counts.
    assert_eq!(scratch.json(["verify"])["ok"], true);
    assert_eq!(scratch.snapshot(&state, &[])["sequence"], 2);
}

#[test]
fn a_reader_beside_it_keeps_a_writer_out() {
    let scratch = object();
    let state = fixture("state/listed.json");
    // The log is folded in first, so that the reader needs nothing else.
    scratch.snapshot(&state, &[]);
    let other = Connection::open(scratch.store()).unwrap();
    other.execute_batch("BEGIN; SELECT count(*) FROM _cf_KV").unwrap();
    assert_eq!(scratch.fails(3, ["snapshot", state.to_str().unwrap()])["kind"], "busy");
    drop(other);
    scratch.snapshot(&state, &[]);
}

/// The command of docs/FORMAT.md, as it stands there.
#[test]
fn out_of_an_object_without_dotctl() {
    for tool in ["sqlite3", "zstd"] {
        need_tool(tool);
    }
    let scratch = object();
    let made = scratch.snapshot(&large_state(&scratch), &[]);
    let format = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMAT.md")).unwrap();
    let command = format.split("```sh\n").find(|block| block.starts_with("sqlite3 object.sqlite")).unwrap();
    let command = command.split("```").next().unwrap().replace("ID", made["id"].as_str().unwrap());
    let folder = scratch.path("out");
    fs::create_dir(&folder).unwrap();
    fs::copy(scratch.store(), folder.join("object.sqlite")).unwrap();
    finish(std::process::Command::new("sh").args(["-ec", &command]).current_dir(&folder)).expect(0);
    let lines = scratch.path("lines");
    scratch.run(["restore", "latest", "--as", "ndjson", "--to", lines.to_str().unwrap()]);
    assert!(fs::read(folder.join("out")).unwrap() == fs::read(lines).unwrap());
}

#[test]
fn an_object_does_not_hold_its_own_image() {
    let scratch = object();
    let before = untouched(&scratch);
    let own = scratch.store();
    let linked = scratch.path("linked.sqlite");
    fs::hard_link(&own, &linked).unwrap();
    for source in [&own, &linked] {
        let refused = scratch.fails(2, ["snapshot", source.to_str().unwrap()]);
        assert!(refused["message"].as_str().unwrap().contains("in the object itself"), "{refused}");
        assert!(refused["hint"].is_string());
    }
    assert!(before == untouched(&scratch));
}

#[test]
fn an_image_of_an_object_holds_its_checkpoints() {
    let scratch = object();
    let state = fixture("state/listed.json");
    let made = scratch.snapshot(&state, &[]);
    let folder = Scratch::new();
    let image = folder.snapshot(&scratch.store(), &["--namespace", "whole"]);
    let restored = folder.restore(image["id"].as_str().unwrap(), "object.sqlite");
    let listed =
        finish(dotctl().args(["--format", "json", "list", "--store"]).arg(&restored)).expect(0).json();
    assert_eq!(listed["checkpoints"][0]["id"], made["id"]);
    let verified = finish(dotctl().args(["--format", "json", "verify"]).arg(&restored)).expect(0).json();
    assert_eq!(verified["checked"]["checkpoints"], 1);
    let inspected = finish(dotctl().args(["--format", "json", "inspect"]).arg(&restored)).expect(0).json();
    assert_eq!(inspected["native_checkpoint_count"], 1);
}

#[test]
fn tables_that_are_not_ours_are_left_alone() {
    let foreign = [
        "CREATE TABLE _dotctl_items (key TEXT PRIMARY KEY, mine TEXT)",
        "CREATE VIEW _dotctl_parts AS SELECT 1 AS part",
        "CREATE TABLE _DOTCTL_ITEMS (key TEXT)",
        "DROP TABLE _cf_KV; CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB, more TEXT)",
        "CREATE TRIGGER spy AFTER INSERT ON _cf_KV BEGIN DELETE FROM _cf_KV; END",
        "CREATE INDEX more ON _cf_KV (length(value))",
    ];
    for (sql, backend) in foreign.iter().zip(["sqlite", "sqlite", "sqlite", "kv", "kv", "kv"]) {
        let scratch = object();
        let connection = Connection::open(scratch.store()).unwrap();
        connection.execute_batch(sql).unwrap();
        connection.close().unwrap();
        let before = untouched(&scratch);
        let source = fixture("state/listed.json");
        let refused = scratch.fails(3, ["snapshot", source.to_str().unwrap(), "--object-backend", backend]);
        assert_eq!(refused["kind"], "exists", "{sql}: {refused}");
        assert!(before == untouched(&scratch), "{sql}");
    }
}

/// A store in an object with one checkpoint, after `sql` in place of bit rot.
fn damaged(backend: &str, sql: &str) -> Value {
    let scratch = object();
    scratch.snapshot(&large_state(&scratch), &["--object-backend", backend]);
    let connection = Connection::open(scratch.store()).unwrap();
    let long = vec![0_u8; 3 << 20];
    let statement = connection.prepare(sql).unwrap();
    let wanted = statement.parameter_count();
    drop(statement);
    let changed = match wanted {
        0 => connection.execute(sql, []),
        _ => connection.execute(sql, params![long]),
    };
    assert!(changed.unwrap() > 0, "{sql} changes nothing");
    connection.close().unwrap();
    let verified = finish(&mut scratch.dotctl_json(["verify"])).expect(1).json();
    assert_eq!(verified["ok"], false, "{sql}");
    // The same where the object is what is verified.
    let object = scratch.store();
    let as_target = finish(dotctl().args(["--format", "json", "verify"]).arg(&object)).expect(1).json();
    assert_eq!(as_target["findings"], verified["findings"], "{sql}");
    let to = scratch.path("out.json");
    let refused = finish(&mut scratch.dotctl_json(["restore", "state@latest", "--to", to.to_str().unwrap()]));
    assert!(refused.code == 1 || refused.code == 3, "{sql}: {refused:?}");
    assert!(!to.exists(), "{sql}");
    // Once more: what is damaged is replaced.
    if sql.contains("parts") || sql.contains("part:packs") {
        assert!(
            scratch.snapshot(&scratch.path("state.json"), &["--object-backend", backend])["new_chunk_count"]
                .as_u64()
                .unwrap()
                > 0
        );
        scratch.restore("state@latest", "again.json");
    }
    verified
}

#[test]
fn damage_inside_is_found_and_mended_by_the_next_snapshot() {
    for sql in [
        "DELETE FROM _dotctl_parts WHERE part = 3",
        "UPDATE _dotctl_parts SET bytes = substr(bytes, 2) WHERE part = 2",
        "UPDATE _dotctl_parts SET bytes = zeroblob(length(bytes)) WHERE part = 2",
        "UPDATE _dotctl_parts SET bytes = ?1 WHERE part = 2",
        "UPDATE _dotctl_parts SET bytes = 'text' WHERE part = 2",
    ] {
        damaged("sqlite", sql);
    }
    for sql in [
        "DELETE FROM _cf_KV WHERE key LIKE 'dotctl:part:packs%:000003'",
        "UPDATE _cf_KV SET value = substr(value, 1, 1000) WHERE key LIKE 'dotctl:part:packs%:000002'",
        "UPDATE _cf_KV SET value = ?1 WHERE key LIKE 'dotctl:part:packs%:000002'",
    ] {
        damaged("kv", sql);
    }
    for (backend, sql) in [
        ("sqlite", "UPDATE _dotctl_items SET stored_bytes = stored_bytes + 1 WHERE key LIKE 'packs/%'"),
        ("sqlite", "UPDATE _dotctl_items SET stored_bytes = 9223372036854775807 WHERE key LIKE 'packs/%'"),
        ("sqlite", "UPDATE _dotctl_items SET first_part = 9223372036854775807 WHERE key LIKE 'packs/%'"),
        ("sqlite", "DELETE FROM _dotctl_items WHERE key LIKE 'packs/%'"),
        ("kv", "DELETE FROM _cf_KV WHERE key LIKE 'dotctl:packs/%'"),
    ] {
        damaged(backend, sql);
    }
}

#[test]
fn what_is_no_object() {
    let scratch = Scratch::new();
    let source = fixture("state/listed.json");
    let snapshot = |store: &Path| {
        finish(dotctl().args(["--format", "json", "snapshot"]).arg(&source).arg("--store").arg(store))
    };
    let file = scratch.path("notes.txt");
    fs::write(&file, "no database").unwrap();
    assert_eq!(snapshot(&file).expect(2).error()["kind"], "malformed");
    let absent = scratch.path("absent.sqlite");
    assert_eq!(snapshot(&absent).expect(3).error()["kind"], "missing");
    assert!(!absent.exists());
    // A newer layout is not guessed at.
    let newer = object();
    newer.snapshot(&source, &[]);
    let connection = Connection::open(newer.store()).unwrap();
    let marker = "{\"format\":\"dotctl-store\",\"version\":2}\n";
    let changed = connection.execute(
        "UPDATE _dotctl_parts SET bytes = CAST(?1 AS BLOB) WHERE part =
            (SELECT first_part FROM _dotctl_items WHERE key = 'store.json')",
        [marker],
    );
    assert_eq!(changed.unwrap(), 1);
    connection.close().unwrap();
    let refused = newer.fails(1, ["list"]);
    assert!(refused["hint"].as_str().unwrap().contains("newer"), "{refused}");
}

#[test]
fn read_where_nothing_can_be_written() {
    let scratch = object();
    let made = scratch.snapshot(&fixture("state/listed.json"), &[]);
    let folder = scratch.path("locked");
    fs::create_dir(&folder).unwrap();
    let object = folder.join("object.sqlite");
    fs::copy(scratch.store(), &object).unwrap();
    fs::set_permissions(&object, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let listed = finish(dotctl().args(["--format", "json", "list", "--store"]).arg(&object)).expect(0).json();
    assert_eq!(listed["checkpoints"][0]["id"], made["id"]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Random bytes of the object are changed: whatever a command says, it is an answer, and what it
/// restores is right.
#[test]
fn random_damage_is_an_answer() {
    for backend in BACKENDS {
        let scratch = object();
        let source = fixture("state/listed.json");
        let made = scratch.snapshot(&source, &["--object-backend", backend]);
        let sound = fs::read(scratch.store()).unwrap();
        let to = scratch.path("out.json");
        let mut numbers = Numbers(11);
        let (mut found, mut restored) = (0, 0);
        for round in 0..150 {
            let mut bytes = sound.clone();
            // Some anywhere, some in the first pages and some in the last, where most is decided.
            for _ in 0..1 + round % 4 {
                let length = bytes.len() as u64;
                let at = match round % 3 {
                    0 => numbers.draw() % length,
                    1 => numbers.draw() % 8_192,
                    _ => length - 1 - numbers.draw() % 32_768,
                };
                bytes[at as usize] = numbers.draw() as u8;
            }
            if round % 10 == 9 {
                bytes.truncate((numbers.draw() % sound.len() as u64) as usize);
            }
            fs::write(scratch.store(), &bytes).unwrap();
            for words in [&["list"][..], &["verify"], &["verify", "--quick"]] {
                let ended = finish(&mut scratch.dotctl_json(words));
                assert!((0..=3).contains(&ended.code), "{round}: {ended:?}");
                assert!(!ended.stderr.contains("panicked"), "{round}: {ended:?}");
                found += usize::from(ended.code != 0);
            }
            let args = ["restore", "latest", "--force", "--to", to.to_str().unwrap()];
            let ended = finish(&mut scratch.dotctl_json(args));
            assert!(!ended.stderr.contains("panicked"), "{round}: {ended:?}");
            if ended.code == 0 {
                restored += 1;
                assert_eq!(made["content_sha256"], sha256_file(&to));
            }
            let args = ["snapshot", source.to_str().unwrap(), "--object-backend", backend];
            let ended = finish(&mut scratch.dotctl_json(args));
            assert!(!ended.stderr.contains("panicked"), "{round}: {ended:?}");
            let _ = fs::remove_file(format!("{}-wal", scratch.store().display()));
        }
        assert!(found > 30 && restored > 30, "{found} found, {restored} restored");
    }
}
