//! Committed stores that each version of the format wrote: every later version reads them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dotctl_engine::format::Document;
use dotctl_engine::id::CheckpointId;
use serde_json::Value;

use support_real::*;

/// The store that one version wrote.
#[derive(Clone, Copy)]
struct Golden(&'static str);

const ALL: [Golden; 3] = [Golden("v1"), Golden("v2"), Golden("v3")];

impl Golden {
    fn store(self) -> PathBuf {
        fixture(&format!("golden/{}", self.0))
    }

    fn expected(self) -> Vec<Value> {
        json_file(&fixture(&format!("golden/{}.json", self.0))).as_array().unwrap().clone()
    }

    /// Runs `dotctl COMMAND --store golden ARGS`, which must succeed.
    fn run(self, args: &[&str]) -> Ended {
        finish(dotctl().args(&args[..1]).arg("--store").arg(self.store()).args(&args[1..])).expect(0)
    }
}

#[test]
fn the_store_verifies_and_reading_leaves_it_as_it_is() {
    ALL.into_iter().for_each(check_reading);
}

fn check_reading(golden: Golden) {
    let before = contents(&golden.store());
    let verified = golden.run(&["verify", "--format", "json"]).json();
    assert_eq!(verified["ok"], true, "{verified}");
    assert_eq!(verified["findings"], serde_json::json!([]));
    assert_eq!(verified["checked"]["checkpoints"], golden.expected().len());
    assert_eq!(golden.run(&["verify", "--quick", "--format", "json"]).json()["ok"], true);
    let listed = golden.run(&["list", "--format", "json"]).json();
    assert_eq!(listed["checkpoints"].as_array().unwrap().len(), golden.expected().len());
    for checkpoint in golden.expected() {
        let shown = golden.run(&["show", checkpoint["id"].as_str().unwrap(), "--format", "json"]).json();
        for field in [
            "id",
            "namespace",
            "kind",
            "codec",
            "record_count",
            "raw_bytes",
            "chunk_count",
            "stored_bytes",
            "directory_bytes",
        ] {
            assert_eq!(shown[field], checkpoint[field], "{field}");
        }
        assert_eq!(shown["content_sha256"], checkpoint["sha256"]);
        assert_eq!(shown["chain"]["delta_run_count"], checkpoint["delta_run_count"], "{shown}");
    }
    assert!(before == contents(&golden.store()), "nothing was written, nothing removed");
}

#[test]
fn every_checkpoint_restores_to_what_it_was_made_of() {
    ALL.into_iter().for_each(check_restoring);
}

fn check_restoring(golden: Golden) {
    let folder = tempfile::tempdir().unwrap();
    for checkpoint in golden.expected() {
        let (id, namespace) = (checkpoint["id"].as_str().unwrap(), checkpoint["namespace"].as_str().unwrap());
        let mut references = vec![id.to_owned(), id[..8].to_owned()];
        if newest(golden, namespace) == checkpoint {
            references.push(format!("{namespace}@latest"));
        }
        for reference in references {
            let to = folder.path().join("restored");
            let restored =
                golden.run(&["restore", &reference, "--to", to.to_str().unwrap(), "--format", "json"]).json();
            assert_eq!(restored["checkpoint"], id);
            if checkpoint["kind"] == "rows" {
                assert_eq!(rows_sha256(&to), checkpoint["rows_sha256"], "{reference}");
            } else {
                assert_eq!(restored["sha256"], checkpoint["sha256"], "{reference}");
                assert_eq!(sha256_file(&to), checkpoint["sha256"].as_str().unwrap(), "{reference}");
            }
            fs::remove_file(&to).unwrap();
        }
        if checkpoint["kind"] != "image" {
            let lines = golden.run(&["restore", id, "--to", "-", "--as", "ndjson"]);
            assert_eq!(sha256(&lines.stdout), checkpoint["ndjson_sha256"].as_str().unwrap(), "{namespace}");
        }
    }
}

/// The SHA-256 of a database's things as SQLite quotes them: its file has bytes of its own.
fn rows_sha256(path: &Path) -> String {
    let line = "quote(id) || '|' || quote(name) || '|' || quote(body) || '|' || quote(share) AS line";
    let sql = format!("SELECT group_concat(line, char(10)) FROM (SELECT {line} FROM things ORDER BY id)");
    let connection = rusqlite::Connection::open(path).unwrap();
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let text: String = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
    sha256(text.as_bytes())
}

#[test]
fn single_entries_print_as_they_did() {
    let mut compared = 0;
    for (golden, checkpoint) in
        ALL.into_iter().flat_map(|golden| golden.expected().into_iter().map(move |one| (golden, one)))
    {
        for entry in checkpoint["entries"].as_array().unwrap() {
            let (key, text) = (entry[0].as_str().unwrap(), entry[1].as_str().unwrap());
            let got = golden.run(&["get", checkpoint["id"].as_str().unwrap(), "--", key]);
            assert_eq!(got.text(), format!("{text}\n"), "{} {key}", checkpoint["namespace"]);
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared}");
}

/// A manifest's bytes are its id, so an engine that wrote any other byte would make other ids of
/// the same facts.
#[test]
fn manifests_are_written_again_byte_for_byte() {
    ALL.into_iter().for_each(check_manifests);
}

fn check_manifests(golden: Golden) {
    let mut ids = BTreeSet::new();
    for (path, bytes) in contents(&golden.store().join("manifests")) {
        let (_, id) = path.file_stem().unwrap().to_str().unwrap().split_once('-').unwrap();
        let id: CheckpointId = id.parse().unwrap();
        let document = Document::read(id, &bytes).unwrap();
        assert_eq!(document.write().unwrap(), (id, bytes));
        let verified = golden.run(&["verify", path.to_str().unwrap(), "--format", "json"]).json();
        assert_eq!(verified["ok"], true, "{verified}");
        ids.insert(id.to_string());
    }
    let expected: BTreeSet<_> =
        golden.expected().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, expected);
}

/// An old store takes new checkpoints, and where no compressor has a say equal records are equal
/// packs in every version: where chunks and packs end is part of the format.
#[test]
fn the_store_takes_a_new_checkpoint() {
    let golden = Golden("v1");
    let scratch = Scratch::new();
    copy_folder(&golden.store(), &scratch.store());
    let source = scratch.restore("image/none@latest", "object.sqlite");
    let made = scratch
        .snapshot(&source, &["--codec", "none", "--chunk-bytes", "64KiB", "--namespace", "image/none"]);
    assert_eq!(made["sequence"], 2);
    assert_eq!(made["new_chunk_count"], 0, "{made}");
    let state = scratch.restore("state/zstd@latest", "state.json");
    let made = scratch.snapshot(&state, &["--namespace", "state/zstd"]);
    assert_eq!(made["sequence"], 2);
    assert_eq!(scratch.json(["verify"])["ok"], true);
    assert_old_is_kept(&golden.store(), &scratch.store());
}

fn assert_old_is_kept(old: &Path, new: &Path) {
    let now = contents(new);
    for (path, bytes) in contents(old) {
        assert!(now.get(&new.join(path.strip_prefix(old).unwrap())) == Some(&bytes), "{}", path.display());
    }
}

/// Of the same database the same directory is made, and values are read by it.
#[test]
fn directories_are_made_again_and_read() {
    let golden = Golden("v2");
    let scratch = Scratch::new();
    copy_folder(&golden.store(), &scratch.store());
    let source = scratch.restore("image/none@latest", "object.sqlite");
    let made = scratch
        .snapshot(&source, &["--codec", "none", "--chunk-bytes", "64KiB", "--namespace", "image/none"]);
    assert_eq!((&made["new_chunk_count"], &made["new_bytes"]), (&0.into(), &0.into()), "{made}");
    assert!(made["directory_bytes"].as_u64().unwrap() > 0, "{made}");
    for checkpoint in golden.expected() {
        let key = checkpoint["entries"][0][0].as_str().unwrap();
        let got = golden.run(&["get", checkpoint["id"].as_str().unwrap(), key, "-v"]);
        assert_eq!(got.stderr, "read 2 chunks\n");
    }
}

/// Of the same sources the same chains are made: where nothing is new, nothing is stored.
#[test]
fn chains_go_on() {
    let golden = Golden("v3");
    let scratch = Scratch::new();
    copy_folder(&golden.store(), &scratch.store());
    for (namespace, name, more) in
        [("state/zstd", "s.json", ""), ("image/zstd", "i.sqlite", "image"), ("rows/zstd", "r.sqlite", "rows")]
    {
        let source = scratch.restore(&format!("{namespace}@latest"), name);
        let mut words = vec!["--chunk-bytes", "64KiB", "--namespace", namespace];
        words.extend(if more.is_empty() { vec![] } else { vec!["--kind", more] });
        let made = scratch.snapshot(&source, &words);
        assert_eq!((&made["sequence"], &made["new_chunk_count"]), (&5.into(), &0.into()), "{made}");
        assert_eq!(made["chunk_count"], newest(golden, namespace)["chunk_count"], "{made}");
    }
    let compacted = scratch.json(["compact", "state/zstd@latest"]);
    assert_eq!(compacted["checkpoint"]["content_sha256"], newest(golden, "state/zstd")["sha256"]);
    assert_eq!(scratch.json(["verify"])["ok"], true);
}

fn newest(golden: Golden, namespace: &str) -> Value {
    golden.expected().into_iter().rfind(|one| one["namespace"] == namespace).unwrap()
}
