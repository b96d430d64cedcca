//! A committed store that version 1 of the format wrote: every later version reads it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dotctl_engine::format::Manifest;
use dotctl_engine::id::CheckpointId;
use serde_json::Value;

use support_real::*;

fn golden() -> PathBuf {
    fixture("golden/v1")
}

fn expected() -> Vec<Value> {
    json_file(&fixture("golden/v1.json")).as_array().unwrap().clone()
}

/// Runs `dotctl COMMAND --store golden ARGS`, which must succeed.
fn run(args: &[&str]) -> Ended {
    finish(dotctl().args(&args[..1]).arg("--store").arg(golden()).args(&args[1..])).expect(0)
}

#[test]
fn the_store_verifies_and_reading_leaves_it_as_it_is() {
    let before = contents(&golden());
    let verified = run(&["verify", "--format", "json"]).json();
    assert_eq!(verified["ok"], true, "{verified}");
    assert_eq!(verified["findings"], serde_json::json!([]));
    assert_eq!(verified["checked"]["checkpoints"], expected().len());
    assert_eq!(run(&["verify", "--quick", "--format", "json"]).json()["ok"], true);
    let listed = run(&["list", "--format", "json"]).json();
    assert_eq!(listed["checkpoints"].as_array().unwrap().len(), expected().len());
    for checkpoint in expected() {
        let shown = run(&["show", checkpoint["id"].as_str().unwrap(), "--format", "json"]).json();
        for field in
            ["id", "namespace", "kind", "codec", "record_count", "raw_bytes", "chunk_count", "stored_bytes"]
        {
            assert_eq!(shown[field], checkpoint[field], "{field}");
        }
        assert_eq!(shown["content_sha256"], checkpoint["sha256"]);
    }
    assert!(before == contents(&golden()), "nothing was written, nothing removed");
}

#[test]
fn every_checkpoint_restores_to_what_it_was_made_of() {
    let folder = tempfile::tempdir().unwrap();
    for checkpoint in expected() {
        let (id, namespace) = (checkpoint["id"].as_str().unwrap(), checkpoint["namespace"].as_str().unwrap());
        for reference in [id.to_owned(), id[..8].to_owned(), format!("{namespace}@latest")] {
            let to = folder.path().join("restored");
            let restored =
                run(&["restore", &reference, "--to", to.to_str().unwrap(), "--format", "json"]).json();
            assert_eq!(restored["checkpoint"], id);
            assert_eq!(restored["sha256"], checkpoint["sha256"], "{reference}");
            assert_eq!(sha256_file(&to), checkpoint["sha256"].as_str().unwrap(), "{reference}");
            fs::remove_file(&to).unwrap();
        }
        if checkpoint["kind"] == "state" {
            let lines = run(&["restore", id, "--to", "-", "--as", "ndjson"]);
            assert_eq!(sha256(&lines.stdout), checkpoint["ndjson_sha256"].as_str().unwrap(), "{namespace}");
        }
    }
}

#[test]
fn single_entries_print_as_they_did() {
    let mut compared = 0;
    for checkpoint in expected() {
        for entry in checkpoint["entries"].as_array().unwrap() {
            let (key, text) = (entry[0].as_str().unwrap(), entry[1].as_str().unwrap());
            let got = run(&["get", checkpoint["id"].as_str().unwrap(), "--", key]);
            assert_eq!(got.text(), format!("{text}\n"), "{} {key}", checkpoint["namespace"]);
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared}");
}

/// A manifest's bytes are its id, so an engine that wrote any other byte would make other ids of
/// the same facts.
#[test]
fn manifests_are_written_again_byte_for_byte() {
    let mut ids = BTreeSet::new();
    for (path, bytes) in contents(&golden().join("manifests")) {
        let (_, id) = path.file_stem().unwrap().to_str().unwrap().split_once('-').unwrap();
        let id: CheckpointId = id.parse().unwrap();
        let manifest = Manifest::read(id, &bytes).unwrap();
        assert_eq!(manifest.write().unwrap(), (id, bytes));
        let verified = run(&["verify", path.to_str().unwrap(), "--format", "json"]).json();
        assert_eq!(verified["ok"], true, "{verified}");
        ids.insert(id.to_string());
    }
    let expected: BTreeSet<_> = expected().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, expected);
}

/// An old store takes new checkpoints, and where no compressor has a say equal records are equal
/// packs in every version: where chunks and packs end is part of the format.
#[test]
fn the_store_takes_a_new_checkpoint() {
    let scratch = Scratch::new();
    copy_folder(&golden(), &scratch.store());
    let source = scratch.restore("image/none@latest", "object.sqlite");
    let made = scratch
        .snapshot(&source, &["--codec", "none", "--chunk-bytes", "64KiB", "--namespace", "image/none"]);
    assert_eq!(made["sequence"], 2);
    assert_eq!(made["new_chunk_count"], 0, "{made}");
    let state = scratch.restore("state/zstd@latest", "state.json");
    let made = scratch.snapshot(&state, &["--namespace", "state/zstd"]);
    assert_eq!(made["sequence"], 2);
    assert_eq!(scratch.json(["verify"])["ok"], true);
    assert_old_is_kept(&golden(), &scratch.store());
}

fn assert_old_is_kept(old: &Path, new: &Path) {
    let now = contents(new);
    for (path, bytes) in contents(old) {
        assert!(now.get(&new.join(path.strip_prefix(old).unwrap())) == Some(&bytes), "{}", path.display());
    }
}
