//! `dotctl copy` between stores.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;

use support::{Ran, contents_below, copy_tree, files_below, fixture, folder, run, sha256_of, snapshot};

fn copy(from: &Path, to: &Path, reference: &str) -> Ran {
    let (from, to) = (from.display().to_string(), to.display().to_string());
    run(["copy", reference, "--store", &from, "--to-store", &to, "--format", "json"])
}

#[test]
fn a_copy_is_the_same_checkpoint() {
    let world = folder();
    let (from, to) = (world.path().join("from"), world.path().join("to"));
    for source in ["state/listed.json", "state/empty.json", "objects/clean"] {
        let source = fixture(source);
        let source = if source.is_dir() { files_below(&source).remove(0) } else { source };
        let made = snapshot(&from, &source, "");
        let copied = copy(&from, &to, "latest").exits(0).json();
        for member in ["id", "namespace", "sequence", "content_sha256", "stored_bytes", "created_at"] {
            assert_eq!(copied["checkpoint"][member], made[member]);
        }
        assert_eq!(copied["existed"], false);
        assert_eq!(copied["new_bytes"], made["new_bytes"]);
        let again = copy(&from, &to, made["id"].as_str().unwrap()).exits(0).json();
        assert_eq!((&again["existed"], &again["new_bytes"]), (&true.into(), &0.into()));
    }
    let stored = |store: &Path| {
        let mut stored = contents_below(&store.join("packs"));
        stored.extend(contents_below(&store.join("manifests")));
        stored
    };
    assert_eq!(
        stored(&from).into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>(),
        stored(&to).into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>()
    );
    run(["verify", "--store", &to.display().to_string()]).exits(0);
}

#[test]
fn damage_is_not_copied() {
    let world = folder();
    let (from, to) = (world.path().join("from"), world.path().join("to"));
    snapshot(&from, &fixture("state/listed.json"), "");
    let pack = files_below(&from.join("packs")).remove(0);
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, &bytes).unwrap();
    copy(&from, &to, "latest").exits(1).mentions("the original does not verify, nothing was copied");
    assert!(files_below(&to.join("manifests")).is_empty() && files_below(&to.join("packs")).is_empty());
}

#[test]
fn a_dry_run_makes_no_store() {
    let world = folder();
    let (from, to) = (world.path().join("from"), world.path().join("to"));
    snapshot(&from, &fixture("state/listed.json"), "");
    let (from, there) = (from.display().to_string(), to.display().to_string());
    run(["copy", "latest", "--store", &from, "--to-store", &there, "--dry-run"]).exits(0);
    assert!(!to.exists());
}

/// What TypeScript wrote becomes a checkpoint of ours, if it is state.
#[test]
fn a_checkpoint_of_typescript_becomes_one_of_ours() {
    let world = folder();
    copy_tree(&fixture("dotdo/sound/do/spike-Store"), &world.path().join("from"));
    let from = files_below(&world.path().join("from")).remove(0);
    let to = world.path().join("to");
    let expected: Vec<serde_json::Value> =
        serde_json::from_slice(&fs::read(fixture("dotdo/sound/expected.json")).unwrap()).unwrap();
    assert_eq!(expected[0]["id"], "mk9d2x-gzip");
    let (mut converted, mut refused) = (0, 0);
    for one in expected.iter().filter(|one| one["form"] == "chunked") {
        let id = one["id"].as_str().unwrap();
        let ran = copy(&from, &to, id);
        if ran.code == Some(2) {
            ran.mentions("only state entries and databases become checkpoints of ours");
            refused += 1;
            continue;
        }
        let copied = ran.exits(0).json();
        assert_eq!(copied["original"]["id"], id);
        let made = copied["checkpoint"]["id"].as_str().unwrap();
        let target = world.path().join("restored");
        let words = ["restore", made, "--store", to.to_str().unwrap(), "--force", "--to"];
        run(words.into_iter().chain([target.to_str().unwrap()])).exits(0);
        // Listed state comes back byte for byte. What was gzip before it was compressed is state, too.
        let of = if id == "mk9d2x-raw-gzip" { &expected[0] } else { one };
        assert_eq!(of["sha256"], sha256_of(&target), "{id}");
        converted += 1;
    }
    assert!(converted > 0, "{refused} refused");
    run(["verify", "--store", to.to_str().unwrap()]).exits(0);
}

/// A copy is placed as a snapshot is: what is large lies in the second store, whole.
#[test]
fn a_copy_overflows_into_the_second_store() {
    let world = folder();
    let path = |name: &str| world.path().join(name);
    let from = path("from");
    let small = snapshot(&from, &fixture("state/listed.json"), "");
    let large = snapshot(&from, &files_below(&fixture("objects/clean"))[0], "--codec none --namespace large");
    assert!(large["stored_bytes"].as_u64() > small["stored_bytes"].as_u64());
    let object = path("object.sqlite");
    fs::copy(&files_below(&fixture("objects/clean"))[0], &object).unwrap();
    let config = path("dotctl.toml");
    let end = small["stored_bytes"].as_u64().unwrap() + 1;
    fs::write(&config, format!("[placement]\nrule = \"hybrid\"\noverflow_stored_bytes = {end}\n")).unwrap();
    let text = |path: &Path| path.display().to_string();
    let (from, object, overflow) = (text(&from), text(&object), text(&path("overflow")));
    for (made, is_there) in [(&small, false), (&large, true)] {
        let id = made["id"].as_str().unwrap();
        let copied = run([
            "copy",
            id,
            "--store",
            &from,
            "--to-store",
            &object,
            "--to-overflow",
            &overflow,
            "--config",
            &text(&config),
            "--format",
            "json",
        ]);
        assert_eq!(copied.exits(0).json()["checkpoint"]["id"], id);
        assert_eq!(
            Path::new(&overflow).join("manifests").is_dir()
                && !files_below(&path("overflow/manifests")).is_empty(),
            is_there
        );
        let target = path(id);
        run(["restore", id, "--store", &object, "--overflow", &overflow, "--to", &text(&target)]).exits(0);
        assert_eq!(made["content_sha256"], sha256_of(&target));
    }
    run(["verify", "--store", &object, "--overflow", &overflow]).exits(0);
    // Without it only what is small is there.
    run(["verify", small["id"].as_str().unwrap(), "--store", &object]).exits(0);
    run(["verify", large["id"].as_str().unwrap(), "--store", &object]).exits(1);
    run(["copy", "latest", "--store", &from, "--to-store", &object, "--placement", "hybrid"]).exits(2);
}
