//! A part of a checkpoint by its keys, and a chain at any time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;
use support::{Ran, Random, files_below, folder, run_in, sha256_of, words};

fn run(world: &Path, line: &str) -> Ran {
    run_in(world, &words(line))
}

/// Entries that do not compress, in key order: `a:0000` to `a:2999`, `b:…`, `é:…`.
fn entries(random: &mut Random) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    for name in ["a", "b", "é"] {
        for number in 0..3000 {
            let text: String = (0..150).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
            let key = format!("{name}:{number:04}");
            entries.push((key.clone(), format!("[\"{key}\",{{\"value\":\"{text}\",\"createdAt\":1}}]")));
        }
    }
    entries
}

fn write(world: &Path, entries: &[(String, String)]) {
    let lines: Vec<&str> = entries.iter().map(|(_, line)| line.as_str()).collect();
    fs::write(world.join("state.json"), format!("[{}]", lines.join(","))).unwrap();
}

fn with_prefix<'a>(entries: &'a [(String, String)], prefix: &str) -> Vec<&'a str> {
    entries.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, line)| line.as_str()).collect()
}

#[test]
fn only_what_has_the_prefix_is_written_and_read() {
    let world = folder();
    let world = world.path();
    let mut random = Random(21);
    let mut entries = entries(&mut random);
    for step in 0..4 {
        write(world, &entries);
        run(world, "snapshot state.json --chunk-bytes 64KiB").exits(0);
        for _ in 0..30 {
            let place = random.below(entries.len() as u64) as usize;
            let key = entries[place].0.clone();
            entries[place].1 = format!("[\"{key}\",{{\"value\":{step},\"createdAt\":2}}]");
            entries.remove(random.below(entries.len() as u64) as usize);
        }
    }
    write(world, &entries);
    let made = run(world, "snapshot state.json --chunk-bytes 64KiB --format json").exits(0).json();
    assert!(!made["checkpoint"]["base"].is_null());
    for prefix in ["a:", "b:01", "b:2999", "é", "é:1", "nothing"] {
        let expected = with_prefix(&entries, prefix);
        let restored =
            run(world, &format!("restore latest --to - --as ndjson --key-prefix {prefix}")).exits(0);
        let lines: String = expected.iter().map(|line| format!("{line}\n")).collect();
        assert!(restored.stdout == lines.as_bytes(), "{prefix}");
        let line = format!("restore latest --to part.json --force --key-prefix {prefix} --format json");
        let said = run(world, &line).exits(0).json();
        assert_eq!(fs::read_to_string(world.join("part.json")).unwrap(), format!("[{}]", expected.join(",")));
        assert_eq!(said["record_count"], expected.len());
        assert_eq!(said["sha256"], sha256_of(&world.join("part.json")));
        assert_eq!((&said["checked"], &said["key_prefix"]), (&"chunks".into(), &prefix.into()));
    }
    run(world, "restore latest --to part.json --key-prefix a").refuses(3);
    // Damage elsewhere is no obstacle, here it is.
    let full: PathBuf = files_below(&world.join(".dotctl/packs"))
        .into_iter()
        .max_by_key(|pack| pack.metadata().unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&full).unwrap();
    bytes[100..1000].fill(0);
    fs::write(&full, bytes).unwrap();
    let restored = run(world, "restore latest --to - --as ndjson --key-prefix é:").exits(0);
    assert_eq!(restored.stdout.split(|byte| *byte == b'\n').count() - 1, with_prefix(&entries, "é:").len());
    run(world, "restore latest --to never.json --key-prefix a:").refuses(1);
    assert!(!world.join("never.json").exists());
}

#[test]
fn rows_of_a_table_and_no_pages() {
    let world = folder();
    let world = world.path();
    let connection = Connection::open(world.join("object.sqlite")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE a(x); CREATE TABLE b(x); INSERT INTO a VALUES(1),(2); INSERT INTO b VALUES('three')",
        )
        .unwrap();
    run(world, "snapshot object.sqlite --kind rows --namespace rows").exits(0);
    run(world, "snapshot object.sqlite --namespace image").exits(0);
    let rows = run(world, "restore rows@latest --to - --as ndjson --key-prefix row/a/").exits(0);
    assert_eq!(rows.stdout, b"[\"row/a/#a1\",[1]]\n[\"row/a/#a2\",[2]]\n");
    run(world, "restore rows@latest --to x --key-prefix row/a/").refuses(2).mentions("--as ndjson");
    run(world, "restore image@latest --to x --key-prefix row/a/").refuses(2).mentions("--kind rows");
    assert!(!world.join("x").exists());
}

#[test]
fn a_chain_at_any_time() {
    let world = folder();
    let world = world.path();
    let mut random = Random(4);
    let mut entries = entries(&mut random);
    let mut made = Vec::new();
    for step in 0..5 {
        let key = entries[step * 17].0.clone();
        entries[step * 17].1 = format!("[\"{key}\",{{\"value\":{step},\"createdAt\":2}}]");
        write(world, &entries);
        let one = run(world, "snapshot state.json --namespace n --format json").exits(0).json();
        let one: &Value = &one["checkpoint"];
        assert_eq!(one["base"].is_null(), step == 0);
        made.push((
            one["created_at"].as_str().unwrap().to_owned(),
            fs::read(world.join("state.json")).unwrap(),
        ));
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    for (time, content) in &made {
        let restored = run(world, &format!("restore n@{time} --to -")).exits(0);
        assert!(restored.stdout == *content, "{time}");
    }
    run(world, "restore n@2001-01-01T00:00:00Z --to -").refuses(3);
    // `list` and `show` tell what the chain costs.
    let listed = run(world, "list --format json").exits(0).json();
    let newest = &listed["checkpoints"][0];
    let chain = &newest["chain"];
    assert_eq!(chain["delta_run_count"], 4);
    let sum = chain["full_bytes"].as_u64().unwrap() + chain["delta_bytes"].as_u64().unwrap();
    assert_eq!((chain["restore_bytes"].as_u64(), newest["stored_bytes"].as_u64()), (Some(sum), Some(sum)));
    assert!(listed["checkpoints"][4]["chain"].is_null());
    let text = String::from_utf8(run(world, "list").exits(0).stdout).unwrap();
    assert!(text.contains(" in 4 ") && text.contains("CHANGES"), "{text}");
    assert_eq!(text.lines().count(), 6, "a line each: {text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let text = String::from_utf8(run(world, "show latest").exits(0).stdout).unwrap();
    assert!(text.contains("in 4 runs") && text.contains("restore reads"), "{text}");
}
