//! `dotctl inspect` through the built binary, on what a real workerd wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// A copy, because SQLite and its like may change what they look at.
fn copy(path: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("copy");
    copy_folder(&fixture(path), &target);
    (folder, target)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn database_in(folder: &Path) -> PathBuf {
    let is_database = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "sqlite");
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find(is_database).unwrap()
}

fn dotctl(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dotctl")).args(words).env("LC_ALL", "C.UTF-8").output().unwrap()
}

fn inspect(target: &Path, code: i32) -> Value {
    let output = dotctl(&["inspect", target.to_str().unwrap(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What people see of `target`; every line of it fits a terminal and obeys nothing.
fn shown(target: &Path, code: i32) -> String {
    let output = dotctl(&["inspect", target.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines() {
        let columns = unicode_width::UnicodeWidthStr::width(line);
        assert!(columns <= 80, "{columns} columns: {line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    text
}

fn limit<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["limits"].as_array().unwrap().iter().find(|finding| finding["limit"] == name).unwrap()
}

/// The rows of `_cf_KV` as their producer described them.
fn stored_rows(folder: &str) -> Vec<Value> {
    let text = fs::read_to_string(fixture("objects/values.json")).unwrap();
    let lines = text.lines().map(|line| line.trim_end_matches(',')).filter(|line| line.len() > 1);
    let in_folder = |row: &Value| row["in"].as_array().unwrap().iter().any(|name| name == folder);
    lines.map(parse_deep).filter(in_folder).collect()
}

/// A row without its value, which may be deeper than this reader of JSON bears.
fn parse_deep(line: &str) -> Value {
    #[derive(serde::Deserialize)]
    struct Row<'a> {
        key: String,
        r#in: Vec<String>,
        #[serde(borrow)]
        value: &'a serde_json::value::RawValue,
        stored_bytes: u64,
    }
    let row: Row<'_> = serde_json::from_str(line).unwrap();
    let value = serde_json::from_str(row.value.get()).unwrap_or(Value::Null);
    serde_json::json!({"key": row.key, "in": row.r#in, "value": value, "stored_bytes": row.stored_bytes})
}

fn expires_at(row: &Value) -> Option<f64> {
    let properties = row["value"]["properties"].as_array()?;
    properties.iter().find(|pair| pair[0] == "expiresAt")?[1].as_f64()
}

#[test]
fn databases_that_workerd_wrote() {
    for folder in ["clean", "hot-wal"] {
        let rows = stored_rows(folder);
        let (_keep, objects) = copy(&format!("objects/{folder}"));
        let path = database_in(&objects);
        let report = inspect(&path, 0);
        assert_eq!(report["kind"], "database");
        assert_eq!(report["target"], path.to_str().unwrap());
        assert_eq!(report["page_bytes"], 4_096);
        let pages = report["page_count"].as_u64().unwrap();
        assert!(pages > 20, "the log is read: {pages}");
        assert_eq!(report["raw_bytes"], pages * 4_096);
        let entries = &report["key_values"];
        assert_eq!(entries["count"], rows.len());
        let value_bytes: u64 = rows.iter().map(|row| row["stored_bytes"].as_u64().unwrap()).sum();
        let key_bytes: usize = rows.iter().map(|row| row["key"].as_str().unwrap().len()).sum();
        assert_eq!(
            (&entries["value_bytes"], &entries["key_bytes"]),
            (&value_bytes.into(), &key_bytes.into())
        );
        let expiring: Vec<f64> = rows.iter().filter_map(expires_at).collect();
        assert!(expiring.len() > 10);
        let expiry = &entries["expiry"];
        assert_eq!(expiry["expiring_count"], expiring.len());
        let now_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as f64;
        assert_eq!(expiry["expired_count"], expiring.iter().filter(|time| **time < now_ms).count());
        let counters: Vec<u64> = rows
            .iter()
            .filter(|row| row["key"].as_str().unwrap().starts_with("counter:"))
            .map(|row| row["stored_bytes"].as_u64().unwrap())
            .collect();
        let groups = entries["prefixes"].as_array().unwrap();
        let group = groups.iter().find(|group| group["prefix"] == "counter:").unwrap();
        assert_eq!(group["count"], counters.len());
        for field in ["total_bytes", "mean_bytes", "p50_bytes", "p95_bytes", "max_bytes"] {
            assert!(group["key"][field].is_u64() && group["value"][field].is_u64(), "{field}");
        }
        assert_eq!(group["value"]["total_bytes"], counters.iter().sum::<u64>());
        assert_eq!(group["value"]["max_bytes"], *counters.iter().max().unwrap());
        assert!(entries["types"].as_array().unwrap().iter().all(|found| found["type"] != "malformed"));
        assert!(entries["checkpoints"].is_array());
        assert_eq!(report["alarm"]["time"], "2099-01-01T00:00:00.123Z");
        let table = &report["tables"][0];
        assert!(table["name"].is_string() && table["row_count"].is_u64() && table["stored_bytes"].is_u64());
        let object = limit(&report, "object");
        assert_eq!((&object["limit_bytes"], &object["status"]), (&10_000_000_000_u64.into(), &"ok".into()));
        let largest = limit(&report, "key-and-value");
        assert_eq!(largest["status"], if folder == "clean" { "warn" } else { "ok" });
        assert!(largest["actual_bytes"].is_u64() && largest["key"].is_string());
        assert_eq!(report["problem_count"], 0);

        let text = shown(&path, 0);
        for part in ["_cf_KV", "counter:", "object", "2099-01-01T00:00:00.123Z", "█", "kv-backend-value"] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
    }
}

#[test]
fn bars_without_characters_beyond_ascii() {
    let (_keep, objects) = copy("objects/clean");
    let path = database_in(&objects);
    let output = Command::new(env!("CARGO_BIN_EXE_dotctl"))
        .args(["inspect", path.to_str().unwrap(), "--color", "always"])
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("####") && !text.contains('█'), "{text}");
    assert!(text.contains("\x1b[33mkey-and-value"), "near is marked: {text}");
    let plain = dotctl(&["inspect", path.to_str().unwrap(), "--color", "never"]);
    assert!(!plain.stdout.contains(&0x1b));
}

#[test]
fn names_are_never_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    let name = "evil\x1b[2J\u{202e}\n".to_owned() + &"長".repeat(100);
    connection
        .execute_batch(&format!(
            "CREATE TABLE \"{name}\" (a);
             CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;"
        ))
        .unwrap();
    let keys =
        ["\x1b[31mred:1", "\u{9b}31m/2", "bell\x07:x", "checkpoint:\x1b]0;title\x07", &"漢:".repeat(900)];
    for key in keys {
        let value = [&b"\xff\x0f\""[..], &[100], &[b'x'; 100]].concat();
        connection.execute("INSERT INTO _cf_KV VALUES (?, ?)", (key, value)).unwrap();
    }
    drop(connection);
    let text = shown(&path, 0);
    assert!(text.contains("\\u{1b}[31mred:"), "{text}");
    assert!(text.contains("evil\\u{1b}[2J"), "{text}");
    let report = inspect(&path, 0);
    assert_eq!(report["key_values"]["count"], keys.len());
}

#[test]
fn many_tables_and_prefixes_are_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.sqlite");
    let mut connection = rusqlite::Connection::open(&path).unwrap();
    let transaction = connection.transaction().unwrap();
    transaction
        .execute_batch("CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
        .unwrap();
    for index in 0..40 {
        transaction.execute_batch(&format!("CREATE TABLE t{index} (a)")).unwrap();
        transaction
            .execute("INSERT INTO _cf_KV VALUES (?, ?)", (format!("p{index}:k"), b"\xff\x0fT".as_slice()))
            .unwrap();
    }
    transaction.commit().unwrap();
    drop(connection);
    let text = shown(&path, 0);
    // 42 trees with sqlite_schema; 12 are shown.
    assert!(text.contains("and 30 more, "), "{text}");
    assert!(text.contains("and 28 more with 28 entries"), "{text}");
}

#[test]
fn damage_is_told_last_and_by_the_exit_code() {
    let (_keep, objects) = copy("objects/clean");
    let path = database_in(&objects);
    let mut bytes = fs::read(&path).unwrap();
    // The beginning of a page in the middle of the file.
    let place = bytes.len() / 4_096 / 2 * 4_096;
    bytes[place..place + 64].fill(0xee);
    fs::write(&path, bytes).unwrap();
    let text = shown(&path, 1);
    let (_, problems) = text.split_once("DAMAGED: ").unwrap();
    assert!(problems.contains("page "), "{text}");
    let report = inspect(&path, 1);
    assert!(report["problem_count"].as_u64().unwrap() > 0);
    assert!(report["problems"][0]["page"].is_u64());
}

#[test]
fn state_in_every_form() {
    let listed: Vec<Value> = serde_json::from_slice::<Value>(&escaped_surrogates("state/listed.json"))
        .unwrap()
        .as_array()
        .unwrap()
        .clone();
    let now_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as f64;
    let whole = inspect(&fixture("state/listed.json"), 0);
    assert_eq!(whole["kind"], "state");
    assert_eq!(whole["count"], listed.len());
    assert_eq!(whole["sorted"], true);
    assert_eq!(whole["raw_bytes"], fs::metadata(fixture("state/listed.json")).unwrap().len());
    let expiring: Vec<f64> = listed.iter().filter_map(|entry| entry[1]["expiresAt"].as_f64()).collect();
    assert_eq!(whole["expiry"]["expiring_count"], expiring.len());
    assert_eq!(whole["expiry"]["expired_count"], expiring.iter().filter(|time| **time < now_ms).count());
    let created: Vec<i64> = listed.iter().filter_map(|entry| entry[1]["createdAt"].as_i64()).collect();
    assert_eq!(created.iter().min(), Some(&1_767_225_600_000));
    assert_eq!(whole["oldest"], "2026-01-01T00:00:00.000Z");
    let groups = whole["prefixes"].as_array().unwrap();
    let group = groups.iter().find(|group| group["prefix"] == "counter:").unwrap();
    let counters = listed.iter().filter(|entry| entry[0].as_str().unwrap().starts_with("counter:")).count();
    assert_eq!(group["count"], counters);
    assert!(group["value"]["p95_bytes"].is_u64() && group["key"]["mean_bytes"].is_u64());
    assert_eq!(limit(&whole, "key-and-value")["status"], "ok");
    for form in ["listed.ndjson", "listed.json.gz", "listed.json.zst", "listed-two-frames.json.zst"] {
        let path = fixture(&format!("state/{form}"));
        let report = inspect(&path, 0);
        for field in ["count", "raw_bytes", "key_bytes", "value_bytes", "prefixes", "sizes", "limits"] {
            assert_eq!(report[field], whole[field], "{form} {field}");
        }
        assert!(shown(&path, 0).contains("counter:"));
    }
    assert_eq!(inspect(&fixture("state/unsorted.ndjson.gz"), 0)["sorted"], false);
    assert!(shown(&fixture("state/unsorted.ndjson"), 0).contains("not by key"));
    assert_eq!(inspect(&fixture("state/empty.json"), 0)["count"], 0);
    shown(&fixture("state/empty.json"), 0);
    let repeated = inspect(&fixture("faults/state-duplicate-key/adjacent.json"), 0);
    assert!(repeated["repeated_key_count"].as_u64().unwrap() > 0);
}

/// The file with its lone surrogates replaced, which this reader of JSON refuses.
fn escaped_surrogates(path: &str) -> Vec<u8> {
    let text = fs::read_to_string(fixture(path)).unwrap();
    ["\\ud8", "\\udb", "\\udc", "\\udf"]
        .iter()
        .fold(text, |text, surrogate| text.replace(surrogate, "\\u00"))
        .into_bytes()
}

#[test]
fn state_from_standard_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dotctl"))
        .args(["inspect", "-", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let bytes = fs::read(fixture("state/listed.json.zst")).unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["target"], &report["count"]), (&"-".into(), &200.into()));
}

#[test]
fn malformed_state_is_refused() {
    let output = dotctl(&["inspect", fixture("faults/state-truncated/in-an-entry.json").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_folder_of_objects() {
    let (_keep, folder) = copy("state-folder/v3/do");
    let report = inspect(&folder, 0);
    assert_eq!(report["kind"], "objects");
    let objects = report["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 6);
    let sizes: Vec<u64> = objects.iter().map(|object| object["raw_bytes"].as_u64().unwrap()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    for object in objects {
        let alone = inspect(Path::new(object["path"].as_str().unwrap()), 0);
        assert_eq!(object["raw_bytes"], alone["raw_bytes"]);
        assert_eq!(object["entry_count"], alone["key_values"]["count"]);
        assert_eq!(object["alarm"], alone["alarm"]["time"]);
        assert!(object["table_count"].is_u64() && object["nearest_limit"]["limit"].is_string());
    }
    let text = shown(&folder, 0);
    assert!(text.starts_with("6 objects, ") && text.contains("Room/"), "{text}");

    // One that cannot be read does not hide the others.
    let broken = objects[2]["path"].as_str().unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{broken}{suffix}"));
    }
    fs::write(broken, b"no database").unwrap();
    let output = dotctl(&["inspect", folder.to_str().unwrap(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(error["error"]["message"].as_str().unwrap().contains(broken), "{error}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["objects"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    let row = rows.iter().find(|row| row["path"] == broken).unwrap();
    assert!(row["error"]["kind"].is_string(), "{row}");
    assert_eq!(rows.iter().filter(|row| row["raw_bytes"].is_u64()).count(), 5);
    assert!(shown(&folder, 1).contains("CANNOT BE READ"));
}

#[test]
fn a_store() {
    let (keep, objects) = copy("objects/clean");
    let path = database_in(&objects);
    let store = keep.path().join("store");
    let store = store.to_str().unwrap();
    for namespace in ["a", "a", "b"] {
        let output =
            dotctl(&["snapshot", path.to_str().unwrap(), "--store", store, "--namespace", namespace, "-q"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let report = inspect(Path::new(store), 0);
    assert_eq!(report["kind"], "store");
    assert_eq!(report["checkpoint_count"], 3);
    let raw_bytes = fs::metadata(&path).unwrap().len();
    assert_eq!(report["raw_bytes"], 3 * raw_bytes);
    let packs: Vec<_> = fs::read_dir(Path::new(store).join("packs")).unwrap().map(Result::unwrap).collect();
    let pack_bytes: u64 = packs.iter().map(|pack| pack.metadata().unwrap().len()).sum();
    assert_eq!(report["stored_bytes"], pack_bytes);
    assert_eq!(report["referenced_bytes"], 3 * pack_bytes);
    assert_eq!(report["dedup_ratio"], 3.0);
    assert!(report["compression_ratio"].as_f64().unwrap() > 1.0);
    assert_eq!((&report["present_bytes"], &report["unreferenced_bytes"]), (&pack_bytes.into(), &0.into()));
    let namespaces = report["namespaces"].as_array().unwrap();
    assert_eq!(namespaces.len(), 2);
    let own = namespaces.iter().find(|own| own["namespace"] == "a").unwrap();
    assert_eq!((&own["checkpoint_count"], &own["stored_bytes"]), (&2.into(), &pack_bytes.into()));
    assert!(own["newest_created_at"].as_str().unwrap().ends_with('Z'));
    assert!(shown(Path::new(store), 0).contains("3.00 times"));

    let unreferenced = Path::new(store).join("packs").join("0".repeat(64));
    fs::write(&unreferenced, b"12345").unwrap();
    let report = inspect(Path::new(store), 0);
    assert_eq!((&report["unreferenced_pack_count"], &report["unreferenced_bytes"]), (&1.into(), &5.into()));
    assert_eq!(report["stored_bytes"], pack_bytes);

    fs::remove_file(packs[0].path()).unwrap();
    assert_eq!(inspect(Path::new(store), 1)["missing_pack_count"], 1);
    assert!(shown(Path::new(store), 1).contains("DAMAGED"));
}
