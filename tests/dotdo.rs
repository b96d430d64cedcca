//! Checkpoints that TypeScript wrote, through the binary: `fixtures/dotdo` was written by workerd.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use support::{Ran, dotctl, fixture, folder, names_in};

/// The object's database below `root`, and its bucket if there is one.
fn places(root: &Path) -> (PathBuf, Option<PathBuf>) {
    let databases = root.join("do/spike-Store");
    let name = names_in(&databases).into_iter().find(|name| name.ends_with(".sqlite")).expect("a database");
    let bucket = root.join("r2/overflow");
    (databases.join(name), bucket.is_dir().then_some(bucket))
}

/// A copy: what is read may not be in the repository, whose folders may be read-only.
fn copied(from: &str, to: &Path) -> (PathBuf, Option<PathBuf>) {
    support::copy_tree(&fixture("dotdo").join(from), to);
    places(to)
}

#[track_caller]
fn run(words: &[&str], store: &Path, overflow: Option<&Path>) -> Ran {
    let mut command = dotctl();
    command.args(words).arg("--store").arg(store).args(["--format", "json"]);
    if let Some(overflow) = overflow {
        command.arg("--overflow").arg(overflow);
    }
    Ran::of(command.output().expect("dotctl runs"))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

/// Restores everything that `expected.json` lists, and compares.
fn restores_all(store: &Path, overflow: Option<&Path>, is_there: impl Fn(&str) -> bool) -> usize {
    let out = folder();
    let expected = json(&fixture("dotdo/sound/expected.json"));
    let expected = expected.as_array().expect("a list");
    let wanted: Vec<_> = expected.iter().filter(|made| is_there(text(made, "id"))).collect();
    for made in &wanted {
        let to = out.path().join("restored");
        let id = text(made, "id");
        let ran = run(&["restore", id, "--to", to.to_str().unwrap()], store, overflow).exits(0);
        let report = ran.json();
        assert_eq!(report["sha256"], made["sha256"], "{id}");
        assert_eq!(report["raw_bytes"], made["raw_bytes"], "{id}");
        assert_eq!(report["checksum_covers"], made["covers"], "{id}");
        assert_eq!(support::sha256_of(&to), text(made, "sha256"), "{id}");
        fs::remove_file(to).unwrap();
    }
    wanted.len()
}

#[test]
fn everything_in_an_object_is_listed_restored_and_verified() {
    let world = folder();
    let (database, bucket) = copied("sound", world.path());
    let before = support::contents_below(world.path());
    let listed = run(&["list"], &database, bucket.as_deref()).exits(0).json();
    let listed = listed["checkpoints"].as_array().unwrap();
    let expected = json(&fixture("dotdo/sound/expected.json"));
    for made in expected.as_array().unwrap() {
        let found = listed.iter().find(|found| found["id"] == made["id"]).expect("it is listed");
        assert_eq!(found["form"], made["form"]);
        assert_eq!(found["layout"], "dotdo");
        let shown = run(&["show", text(made, "id")], &database, bucket.as_deref()).exits(0).json();
        assert_eq!(shown, *found);
    }
    // And a manager's record without a snapshot.
    assert_eq!(listed.len(), expected.as_array().unwrap().len() + 1);
    assert_eq!(restores_all(&database, bucket.as_deref(), |_| true), 21);

    let verified = run(&["verify"], &database, bucket.as_deref()).exits(0).json();
    assert_eq!(verified["ok"], true);
    assert_eq!(verified["checked"]["checkpoints"], listed.len());
    assert_eq!(verified["checked"]["chunks"], 16);
    let quick = run(&["verify", "--quick"], &database, bucket.as_deref()).exits(0).json();
    assert_eq!(quick["checked"], verified["checked"]);
    for made in expected.as_array().unwrap() {
        let one = run(&["verify", text(made, "id")], &database, bucket.as_deref()).exits(0).json();
        assert_eq!(one["checked"]["checkpoints"], 1);
    }
    let inspected =
        Ran::of(dotctl().arg("inspect").arg(&database).args(["--format", "json"]).output().unwrap());
    let held = inspected.exits(0).json();
    // Without the bucket, its snapshots and the payload without a manifest.
    assert_eq!(held["checkpoints"].as_array().unwrap().len(), listed.len() - 4);
    let empty = world.path().join("none");
    let mut command = dotctl();
    command.arg("verify").arg(&database).arg("--store").arg(&empty).args(["--format", "json"]);
    command.arg("--overflow").arg(bucket.unwrap());
    let of_file = Ran::of(command.output().unwrap()).exits(0).json();
    assert_eq!(of_file["checked"]["checkpoints"], listed.len());
    assert_eq!(support::contents_below(world.path()), before, "nothing was changed");
}

#[test]
fn without_the_bucket_what_lies_there_is_said_to_be_missing() {
    let world = folder();
    let (database, _) = copied("sound", world.path());
    run(&["list"], &database, None).exits(0);
    let verified = run(&["verify"], &database, None).exits(1).json();
    let mut targets: Vec<_> =
        verified["findings"].as_array().unwrap().iter().map(|f| text(f, "target")).collect();
    targets.sort_unstable();
    assert_eq!(
        targets,
        ["checkpoint:cp-mk9mgr-gzip", "checkpoint:cp-mk9mgr-other", "operator:manifest:mk9hyb-large"]
    );
    let out = world.path().join("out");
    let ran = run(&["restore", "mk9hyb-large", "--to", out.to_str().unwrap()], &database, None).exits(3);
    assert!(ran.stderr.contains("--overflow"), "{ran:?}");
    assert!(!out.exists());
    let in_object = restores_all(&database, None, |id| {
        !id.contains("mgr") && !id.contains("large") && !id.contains("parts")
    });
    assert_eq!(in_object, 14);
}

#[test]
fn a_bucket_by_itself() {
    let world = folder();
    let (_, bucket) = copied("sound", world.path());
    let bucket = bucket.unwrap();
    let listed = run(&["list"], &bucket, None).exits(0).json();
    let mut ids: Vec<_> =
        listed["checkpoints"].as_array().unwrap().iter().map(|found| text(found, "id")).collect();
    ids.sort_unstable();
    let expected =
        ["mk9hyb-large", "mk9hyb-parts", "snap-mk9mgr-gzip", "snap-mk9mgr-other", "snap-mk9mgr-plain"];
    assert_eq!(ids, expected);
    run(&["verify"], &bucket, None).exits(0);
    let around = bucket.parent().unwrap();
    let ran = run(&["verify"], &copied("sound", &world.path().join("more")).0, Some(around)).exits(2);
    assert!(ran.stderr.contains("is none itself"), "{ran:?}");
    let namespaced = run(&["list", "--namespace", "tenant-b"], &bucket, None).exits(0).json();
    assert_eq!(namespaced["checkpoints"].as_array().unwrap().len(), 1);
    // Without its manifest nothing tells what a payload hashes to.
    assert_eq!(restores_all(&bucket, None, |id| id.starts_with("snap-") || id == "mk9hyb-parts"), 4);
}

#[test]
fn the_same_records_as_json() {
    let world = folder();
    let (_, bucket) = copied("sound", world.path());
    let records = world.path().join("records.json");
    // JSON.stringify makes nothing of a Map.
    let is_there = |id: &str| !id.starts_with("windows") && id != "mk9d2x-content";
    assert_eq!(restores_all(&records, bucket.as_deref(), is_there), 19);
    run(&["verify"], &records, bucket.as_deref()).exits(0);
    // And as a list of pairs.
    let object = json(&records);
    let pairs: Vec<_> = object.as_object().unwrap().iter().collect();
    let listed = world.path().join("pairs.json");
    fs::write(&listed, serde_json::to_vec(&pairs).unwrap()).unwrap();
    assert_eq!(restores_all(&listed, bucket.as_deref(), is_there), 19);
}

#[test]
fn each_fault_is_found_and_nothing_else() {
    let faults = names_in(&fixture("dotdo/faults"));
    assert!(faults.len() >= 24, "{faults:?}");
    for fault in faults {
        let world = folder();
        let (database, bucket) = copied(&format!("faults/{fault}"), world.path());
        let expected = json(&world.path().join("expected.json"));
        let pairs = |findings: &Value| {
            let findings = findings.as_array().expect("findings").iter();
            let mut pairs: Vec<_> = findings
                .map(|finding| (text(finding, "target").to_owned(), text(finding, "kind").to_owned()))
                .collect();
            pairs.sort();
            pairs
        };
        let ran = run(&["verify"], &database, bucket.as_deref());
        let report = ran.exits(1).json();
        assert_eq!(pairs(&report["findings"]), pairs(&expected["findings"]), "{fault}: {report:#}");
        let quick = run(&["verify", "--quick"], &database, bucket.as_deref()).exits(1).json();
        assert_eq!(
            (&quick["findings"], &quick["checked"]),
            (&report["findings"], &report["checked"]),
            "{fault}"
        );
        // A list shows what can be shown.
        run(&["list"], &database, bucket.as_deref()).exits(0);
    }
}

/// What is damaged is never restored.
#[test]
fn damage_is_not_restored() {
    let restorable_all_the_same =
        ["chunks-left-over", "chunk-count-wrong", "chunks-orphaned", "manifest-malformed"];
    for fault in names_in(&fixture("dotdo/faults")) {
        if restorable_all_the_same.contains(&fault.as_str()) {
            continue;
        }
        let world = folder();
        let (database, bucket) = copied(&format!("faults/{fault}"), world.path());
        let report = run(&["verify"], &database, bucket.as_deref()).exits(1).json();
        let listed = run(&["list"], &database, bucket.as_deref()).exits(0).json();
        let out = world.path().join("restored");
        let mut refused = 0;
        for found in listed["checkpoints"].as_array().unwrap() {
            let ran = run(
                &["restore", text(found, "id"), "--to", out.to_str().unwrap()],
                &database,
                bucket.as_deref(),
            );
            if ran.code == Some(0) {
                fs::remove_file(&out).unwrap();
            } else {
                assert!(matches!(ran.code, Some(1 | 3)), "{fault}: {ran:?}");
                assert!(!out.exists(), "{fault}");
                refused += usize::from(ran.code == Some(1));
            }
        }
        let harmless = ["snapshot-without-metadata", "snapshot-of-another-namespace"];
        assert!(refused > 0 || harmless.contains(&fault.as_str()), "{fault}: {report:#}");
    }
}

/// A folder stands for a bucket, and nothing outside of it is read.
#[test]
fn a_folder_for_a_bucket() {
    let world = folder();
    let bucket = world.path().join("bucket");
    fs::create_dir_all(bucket.join("snapshots")).unwrap();
    fs::create_dir_all(bucket.join("checkpoints")).unwrap();
    fs::write(bucket.join("snapshots/snap-1.gz"), b"{\"tables\":{}}").unwrap();
    fs::write(bucket.join("checkpoints/two.gz"), b"plain").unwrap();
    fs::write(world.path().join("secret.gz"), b"secret").unwrap();
    let listed = run(&["list"], &bucket, None).exits(0).json();
    assert_eq!(listed["checkpoints"].as_array().unwrap().len(), 2);
    run(&["verify"], &bucket, None).exits(0);
    let sha256 = support::sha256_of(&bucket.join("snapshots/snap-1.gz"));
    let metadata = |checksum: &str, ns: &str| {
        format!(r#"{{"checksum":"{checksum}","schemaVersion":"1","createdAt":"1768305600123","ns":"{ns}"}}"#)
    };
    fs::write(bucket.join("snapshots/snap-1.gz.metadata.json"), metadata(&sha256, "tenant")).unwrap();
    let shown = run(&["show", "snap-1"], &bucket, None).exits(0).json();
    assert_eq!(shown["namespace"], "tenant");
    assert_eq!(shown["created_at"], "2026-01-13T12:00:00.123Z");
    run(&["verify", "snap-1"], &bucket, None).exits(0);
    fs::write(bucket.join("snapshots/snap-1.gz.metadata.json"), metadata("0", "tenant")).unwrap();
    run(&["verify", "snap-1"], &bucket, None).exits(1);

    let sha256 = support::sha256_of(&world.path().join("secret.gz"));
    for key in
        ["../secret.gz", "checkpoints/../../secret.gz", world.path().join("secret.gz").to_str().unwrap()]
    {
        let records = serde_json::json!({
            "checkpoint:x": {"id": "out", "sizeBytes": 6, "location": "r2", "storageKey": key, "checksum": sha256},
        });
        let file = world.path().join("records.json");
        fs::write(&file, records.to_string()).unwrap();
        let ran = run(&["restore", "out", "--to", "-"], &file, Some(&bucket)).exits(1);
        assert!(ran.stdout.is_empty(), "{ran:?}");
    }
}

/// What is no store of records says so, in an orderly way.
#[test]
fn hostile_files_are_refused() {
    let world = folder();
    let deep = format!("{{\"checkpoint:a\":{}", "[".repeat(1 << 20));
    let chunks = vec!["\"x\""; 300_000].join(",");
    let many = format!(
        r#"{{"checkpoint:a":{{"id":"a","totalSize":1,"chunkCount":1e99,"chunks":[{chunks}],"checksum":"0"}}}}"#
    );
    for (name, text, code) in [
        ("cut.json", "{\"checkpoint:a\":{\"id\":", 2),
        ("scalars.json", "[1,2,3]", 2),
        ("deep.json", deep.as_str(), 2),
        ("many.json", many.as_str(), 1),
        ("surrogate.json", r#"{"checkpoint:\ud800":{"chunks":[],"chunkCount":0,"checksum":"\udc00"}}"#, 0),
        ("nothing.json", "{}", 0),
    ] {
        let file = world.path().join(name);
        fs::write(&file, text).unwrap();
        let ran = run(&["verify"], &file, None);
        assert_eq!(ran.code, Some(code), "{name}: {ran:?}");
        assert!(!ran.stderr.contains("panicked"), "{name}: {ran:?}");
    }
    let dry = world.path().join("out");
    let (database, _) = copied("sound", world.path());
    let words = ["restore", "mk9d2x-gzip", "--dry-run", "--to", dry.to_str().unwrap()];
    assert_eq!(run(&words, &database, None).exits(0).json()["target_exists"], false);
    assert!(!dry.exists());
    fs::write(&dry, "mine").unwrap();
    run(&["restore", "mk9d2x-gzip", "--to", dry.to_str().unwrap()], &database, None).exits(3);
    assert_eq!(fs::read(&dry).unwrap(), b"mine");
    run(&["restore", "mk9d2x-gzip", "--force", "--to", dry.to_str().unwrap()], &database, None).exits(0);
    run(&["restore", "mk9d2x", "--to", "-"], &database, None).exits(2);
    run(&["restore", "none", "--to", "-"], &database, None).exits(3);
    run(&["restore", "mk9d2x-gzip", "--as", "json", "--to", "-"], &database, None).exits(2);
    run(&["show", "mk9d2x-gzip", "--packs"], &database, None).exits(2);
    run(&["restore", "cp-mk9mgr-position", "--to", "-"], &database, None).exits(3);
}

/// A quick check believes a checksum of what is stored: data that was broken before it was hashed is
/// found by the full one alone.
#[test]
fn a_quick_check_does_not_decompress() {
    let world = folder();
    // gzip's beginning, and nothing that it could hold.
    let bytes: Vec<u8> = [&[0x1f, 0x8b, 8, 0][..], &[0xff; 60]].concat();
    fs::write(world.path().join("bytes"), &bytes).unwrap();
    let sha256 = support::sha256_of(&world.path().join("bytes"));
    let record = |checksum: &str| {
        serde_json::json!({
            "checkpoint:x": bytes,
            "place": {"id": "x", "sizeBytes": 64, "location": "do", "storageKey": "checkpoint:x", "checksum": checksum},
        })
    };
    let file = world.path().join("records.json");
    fs::write(&file, record(&sha256).to_string()).unwrap();
    run(&["verify"], &file, None).exits(1);
    run(&["verify", "--quick"], &file, None).exits(0);
    run(&["verify", "--quick", "x"], &file, None).exits(0);
    fs::write(&file, record("0").to_string()).unwrap();
    run(&["verify", "--quick"], &file, None).exits(1);
}
