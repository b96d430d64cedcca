//! `get` out of an image: the chunk of the directory that holds the key, and the chunk with its page.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use dotctl_engine::format::Manifest;
use serde_json::Value;

use support_real::*;

/// A V8 value: the string `text`, of less than 128 bytes.
fn stored(text: &str) -> Vec<u8> {
    [&[0xff, 0x0f, b'"', text.len() as u8], text.as_bytes()].concat()
}

/// 30,000 entries that came in no order: a tree of four levels, in chunks of 1 MiB and smaller ones.
fn write_database(path: &Path) -> Vec<(String, String)> {
    let mut connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA page_size = 1024;
             CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;",
        )
        .unwrap();
    let mut numbers = Numbers(7);
    let entries: Vec<(String, String)> = (0..30_000)
        .map(|row| {
            let kind = ["order", "session", "user"][row % 3];
            let text: String = (0..6).map(|_| format!("{:016x}", numbers.draw())).collect();
            (format!("{kind}:{:016x}", numbers.draw()), text)
        })
        .collect();
    let transaction = connection.transaction().unwrap();
    for (key, text) in &entries {
        transaction.execute("INSERT INTO _cf_KV VALUES (?1, ?2)", (key, stored(text))).unwrap();
    }
    transaction.commit().unwrap();
    entries
}

fn chunks_read(ended: &Ended) -> u64 {
    let count = ended.stderr.lines().find_map(|line| line.strip_prefix("read ")?.strip_suffix(" chunks"));
    count.unwrap_or_else(|| panic!("{ended:?}")).parse().unwrap()
}

#[test]
fn a_look_up_reads_two_chunks() {
    let scratch = Scratch::new();
    let database = scratch.path("object.sqlite");
    let entries = write_database(&database);
    for size in ["64KiB", "256KiB", "1MiB"] {
        let made = scratch.snapshot(&database, &["--chunk-bytes", size, "--namespace", size]);
        assert!(made["chunk_count"].as_u64().unwrap() >= 4, "{made}");
        let directory_bytes = made["directory_bytes"].as_u64().unwrap();
        assert!(directory_bytes < made["stored_bytes"].as_u64().unwrap() / 50, "{made}");
        // Nothing is new the second time, the directory neither.
        let again = scratch.snapshot(&database, &["--chunk-bytes", size, "--namespace", size]);
        assert_eq!((&again["new_bytes"], &again["new_chunk_count"]), (&0.into(), &0.into()), "{again}");
        let get = |key: &str| {
            let reference = format!("{size}@latest");
            let mut command = dotctl();
            command.args(["get", &reference, key, "-v", "--store"]).arg(scratch.store());
            finish(&mut command)
        };
        for (key, text) in entries.iter().step_by(997) {
            let got = get(key).expect(0);
            assert_eq!(got.text(), format!("\"{text}\"\n"));
            assert_eq!(chunks_read(&got), 2, "{key}");
            for absent in [format!("{key}0"), key[..key.len() - 1].to_owned(), key.replace(':', ";")] {
                let got = get(&absent).expect(3);
                assert_eq!(chunks_read(&got), 2, "{absent}");
            }
        }
    }
    let verified = scratch.json(["verify"]);
    assert_eq!(verified["ok"], true, "{verified}");
    assert_eq!(scratch.json(["verify", "--quick"])["ok"], true);
}

/// The directory is in the store and in the sums, and not in what is restored or taken out.
#[test]
fn a_directory_is_counted_and_is_no_content() {
    let scratch = Scratch::new();
    let database = scratch.path("object.sqlite");
    write_database(&database);
    let made = scratch.snapshot(&database, &[]);
    let shown = scratch.json(["show", "latest"]);
    assert_eq!(shown["directory_bytes"], made["directory_bytes"]);
    let listed: BTreeSet<String> = scratch.json(["show", "latest", "--packs"])["packs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pack| pack.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed.len() as u64, shown["pack_count"].as_u64().unwrap());
    let mut content_bytes = 0;
    let mut directory_bytes = 0;
    for entry in fs::read_dir(scratch.store().join("packs")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::metadata(&path).unwrap().len();
        *(if listed.contains(path.to_str().unwrap()) { &mut content_bytes } else { &mut directory_bytes }) +=
            bytes;
    }
    assert_eq!(shown["directory_bytes"], directory_bytes);
    assert_eq!(shown["stored_bytes"], content_bytes + directory_bytes);
    let store = finish(dotctl().args(["inspect", "--format", "json"]).arg(scratch.store())).expect(0).json();
    assert_eq!(store["stored_bytes"], shown["stored_bytes"]);
    assert_eq!(store["present_bytes"], shown["stored_bytes"]);
    assert_eq!(store["unreferenced_pack_count"], 0);
    let restored = scratch.restore("latest", "restored.sqlite");
    assert!(fs::read(restored).unwrap() == fs::read(database).unwrap());
}

/// What a manifest with a directory may say is as narrow as without.
#[test]
fn manifests_that_cannot_be() {
    let folder = fixture("golden/v2/manifests/image%2Fzstd");
    let (_, bytes) = contents(&folder).pop_first().unwrap();
    let whole: Value = serde_json::from_slice(&bytes).unwrap();
    Manifest::parse(&bytes).unwrap();
    let wrong = |what: &str, change: &dyn Fn(&mut Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        assert_ne!(changed, whole);
        assert!(Manifest::parse(changed.to_string().as_bytes()).is_err(), "{what}");
    };
    wrong("version 1 has no directories", &|manifest| manifest["version"] = 1.into());
    wrong("version 4 is not known", &|manifest| manifest["version"] = 4.into());
    wrong("the directory first", &|manifest| manifest["runs"].as_array_mut().unwrap().swap(0, 1));
    wrong("two directories", &|manifest| {
        let directory = manifest["runs"][1].clone();
        manifest["runs"].as_array_mut().unwrap().push(directory);
    });
    wrong("two full runs", &|manifest| manifest["runs"][1] = manifest["runs"][0].clone());
    wrong("no full run", &|manifest| drop(manifest["runs"].as_array_mut().unwrap().remove(0)));
    wrong("an empty directory", &|manifest| manifest["runs"][1]["packs"] = Value::Array(Vec::new()));
    wrong("another first key", &|manifest| manifest["runs"][1]["packs"][0]["first_key"] = "a".into());
    wrong("an index larger than its pack", &|manifest| {
        manifest["runs"][1]["packs"][0]["index_bytes"] = 100_000.into();
    });
    wrong("sizes past what can be added", &|manifest| {
        manifest["runs"][1]["packs"][0]["stored_bytes"] = u64::MAX.into();
    });
    wrong("an unknown kind", &|manifest| manifest["runs"][1]["kind"] = "rows".into());
    wrong("an unknown member", &|manifest| manifest["runs"][1]["more"] = 1.into());
}

/// Of a damaged tree there is no directory, and of two chunks neither; both are captured.
#[test]
fn where_there_is_no_directory() {
    let scratch = Scratch::new();
    let database = scratch.path("object.sqlite");
    let entries = write_database(&database);
    let mut bytes = fs::read(&database).unwrap();
    let root = 1024;
    assert_eq!(bytes[root], 2, "the root is an interior page");
    bytes[root + 8..root + 12].copy_from_slice(&[0, 0, 0, 1]);
    let damaged = scratch.path("damaged.sqlite");
    fs::write(&damaged, bytes).unwrap();
    let made = scratch.snapshot(&damaged, &["--namespace", "damaged"]);
    assert!(made["directory_bytes"].is_null(), "{made}");
    let smallest = entries.iter().min().unwrap();
    let mut command = dotctl();
    command.args(["get", "damaged@latest", &smallest.0, "--store"]).arg(scratch.store());
    assert_eq!(finish(&mut command).expect(0).text(), format!("\"{}\"\n", smallest.1));
    let small = scratch.snapshot(&database, &["--namespace", "small", "--chunk-bytes", "4MiB"]);
    assert_eq!(small["chunk_count"], 2, "{small}");
    assert!(small["directory_bytes"].is_null(), "{small}");
}
