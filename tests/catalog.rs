//! What is deleted from a store is found, whatever else shares its packs, and what was removed on
//! purpose, never recorded or is being written is not.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use dotctl_stores::drive::{NoProgress, Verifier};
use dotctl_stores::folder::FolderStore;
use serde_json::Value;
use support::{
    Ran, checkpoints, copy_tree, dotctl, files_below, fixture, folder, leftovers, names_in, run_in, words,
};
use tempfile::TempDir;

const STORE: &str = ".dotctl";

fn run_words(world: &Path, line: &str) -> Ran {
    run_in(world, &words(line))
}

/// A store in which one namespace has three checkpoints of the same packs, one is empty and has
/// none, and one has its own.
fn world() -> TempDir {
    let world = folder();
    for name in ["listed.json", "empty.json", "spelled.json"] {
        fs::copy(fixture("state").join(name), world.path().join(name)).unwrap();
    }
    for line in [
        "listed.json --namespace shared",
        "listed.json --namespace shared",
        "listed.json --namespace shared",
        "empty.json",
        "spelled.json --namespace own/one",
    ] {
        run_words(world.path(), &format!("snapshot {line} --quiet")).exits(0);
    }
    run_words(world.path(), "verify").exits(0);
    assert_eq!(leftovers(world.path()), [""; 0]);
    world
}

/// A copy of the whole folder as any tool makes it: second names are files of their own then.
fn copied(world: &TempDir) -> TempDir {
    let copy = folder();
    copy_tree(world.path(), copy.path());
    copy
}

fn files_in(world: &Path, part: &str) -> Vec<PathBuf> {
    files_below(&world.join(STORE).join(part))
}

/// The targets of what `verify` finds, below the store.
#[track_caller]
fn found(world: &Path) -> Vec<(String, String)> {
    let report = run_words(world, "verify --format json").exits(1).json();
    assert_eq!(report["ok"], false);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            assert!(finding["detail"].as_str().unwrap().len() > 20, "{finding}");
            let target = text(&finding["target"]).replace("./.dotctl/", "");
            (text(&finding["kind"]), target)
        })
        .collect();
    found.sort();
    found
}

fn missing(path: &Path) -> (String, String) {
    let place = path.to_str().unwrap().split_once("/.dotctl/").unwrap().1;
    ("missing".to_owned(), place.to_owned())
}

#[test]
fn every_deletion_is_found() {
    let linked = world();
    let copy = copied(&linked);
    for world in [linked.path(), copy.path()] {
        let away = world.join("away");
        let mut tried = 0;
        for path in files_below(&world.join(STORE)).iter().filter(|path| !path.ends_with("store.json")) {
            // Writers make the locks when they are not there.
            if fs::metadata(path).unwrap().len() == 0 {
                continue;
            }
            fs::rename(path, &away).unwrap();
            assert_eq!(found(world), [missing(path)]);
            run_words(world, "verify --quick").exits(1);
            fs::rename(&away, path).unwrap();
            tried += 1;
        }
        assert_eq!(tried, 5 + 5 + 2, "manifests, their second names, packs");
        run_words(world, "verify").exits(0);
        // All at once, and a whole namespace with its folder.
        fs::rename(world.join(STORE).join("manifests/shared"), &away).unwrap();
        assert_eq!(found(world).len(), 3);
        fs::rename(&away, world.join(STORE).join("manifests/shared")).unwrap();
        fs::rename(world.join(STORE).join("manifests"), &away).unwrap();
        assert_eq!(found(world).len(), 5);
        fs::rename(&away, world.join(STORE).join("manifests")).unwrap();
        run_words(world, "verify").exits(0);
    }
}

/// The second name puts a deleted manifest back.
#[test]
fn a_deleted_manifest_comes_back() {
    let world = world();
    let world = world.path();
    let before = checkpoints(world).unwrap();
    for manifest in files_in(world, "manifests") {
        fs::remove_file(&manifest).unwrap();
    }
    copy_tree(&world.join(STORE).join("catalog"), &world.join(STORE).join("manifests"));
    assert_eq!(checkpoints(world).unwrap(), before);
    run_words(world, "verify").exits(0);
    run_words(world, "restore own/one@latest --to target").exits(0);
}

/// A lost manifest keeps its number and its packs, whoever writes and cleans meanwhile.
#[test]
fn a_deleted_manifest_is_waited_for() {
    let world = world();
    let world = world.path();
    let store = world.join(STORE);
    let own = files_in(world, "manifests/own%2Fone").remove(0);
    let newest = files_in(world, "manifests/shared").remove(2);
    for path in [&own, &newest] {
        fs::remove_file(path).unwrap();
    }
    let packs = names_in(&store.join("packs"));
    fs::create_dir(store.join("staging/1-0")).unwrap();
    fs::write(store.join("packs").join("0".repeat(64)), "of a killed writer").unwrap();
    let made = run_words(world, "snapshot listed.json --namespace shared --format json").exits(0).json();
    assert_eq!(made["checkpoint"]["sequence"], 4);
    assert_eq!(names_in(&store.join("packs")), packs, "cleaned, and no more than that");
    assert_eq!(found(world), [missing(&own), missing(&newest)]);
    for path in [&own, &newest] {
        let place = path.strip_prefix(store.join("manifests")).unwrap();
        fs::hard_link(store.join("catalog").join(place), path).unwrap();
    }
    run_words(world, "verify").exits(0);
    assert_eq!(leftovers(world), [""; 0]);
}

#[test]
fn what_was_removed_on_purpose_is_not_missed() {
    let world = world();
    let world = world.path();
    for number in [1, 0] {
        for part in ["catalog/shared", "manifests/shared"] {
            fs::remove_file(&files_in(world, part)[number]).unwrap();
        }
        run_words(world, "verify").exits(0);
    }
    let made = run_words(world, "snapshot listed.json --namespace shared --format json").exits(0).json();
    assert_eq!(made["checkpoint"]["sequence"], 4);
    run_words(world, "verify").exits(0);
}

/// A writer that was killed between the two names: its staging folder says so, and whoever cleans
/// gives the second one.
#[test]
fn a_manifest_without_its_second_name() {
    let world = world();
    let world = world.path();
    let second = files_in(world, "catalog/own%2Fone").remove(0);
    fs::remove_file(&second).unwrap();
    assert_eq!(found(world), [missing(&second)]);
    let staging = world.join(STORE).join("staging/1-0");
    fs::create_dir(&staging).unwrap();
    run_words(world, "verify").exits(0);
    run_words(world, "snapshot listed.json --namespace shared").exits(0);
    assert!(!staging.exists());
    assert!(second.exists());
    run_words(world, "verify").exits(0);
    // Without a staging folder the namespace's next checkpoint does it.
    let second = files_in(world, "catalog/shared").remove(1);
    fs::remove_file(&second).unwrap();
    run_words(world, "snapshot empty.json").exits(0);
    assert_eq!(found(world), [missing(&second)]);
    run_words(world, "snapshot empty.json --namespace shared").exits(0);
    assert!(second.exists());
    run_words(world, "verify").exits(0);
    assert_eq!(leftovers(world), [""; 0]);
}

/// As written before there was a catalog, or copied without it: nothing is missed, and the next
/// checkpoint of a namespace records all that are there.
#[test]
fn a_store_without_a_catalog() {
    let world = world();
    let world = world.path();
    let catalog = world.join(STORE).join("catalog");
    fs::remove_dir_all(&catalog).unwrap();
    run_words(world, "verify").exits(0);
    let gone = files_in(world, "manifests/shared").remove(1);
    fs::remove_file(gone).unwrap();
    run_words(world, "verify").exits(0);
    run_words(world, "snapshot listed.json --namespace shared").exits(0);
    run_words(world, "verify").exits(0);
    assert_eq!(names_in(&catalog), ["shared"]);
    let oldest = files_in(world, "manifests/shared").remove(0);
    fs::remove_file(&oldest).unwrap();
    assert_eq!(found(world), [missing(&oldest)]);
}

#[test]
fn second_names_that_are_wrong() {
    let world = world();
    // Files of their own: one inode has one content.
    let world = copied(&world);
    let world = world.path();
    let second = files_in(world, "catalog/own%2Fone").remove(0);
    let whole = fs::read(&second).unwrap();
    let place = missing(&second).1;
    for changed in [&whole[1..], b"", &[&whole[..], b" "].concat()] {
        fs::write(&second, changed).unwrap();
        assert_eq!(found(world), [("checksum-mismatch".to_owned(), place.clone())]);
        run_words(world, "restore own/one@latest --to target --force").exits(0);
    }
    fs::write(&second, &whole).unwrap();
    for stray in ["catalog/stray", "catalog/shared/stray"] {
        let path = world.join(STORE).join(stray);
        fs::write(&path, "").unwrap();
        assert_eq!(found(world), [("malformed".to_owned(), stray.to_owned())]);
        fs::remove_file(path).unwrap();
    }
    run_words(world, "verify").exits(0);
}

/// Sixteen writers at a time in two namespaces, and readers beside them that never see damage.
#[test]
fn writers_at_once() {
    const ROUNDS: usize = 8;
    let world = world();
    let world = world.path();
    let start = |namespace: &str| {
        let mut command = dotctl();
        command.current_dir(world).args(["snapshot", "listed.json", "--namespace", namespace]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let done = AtomicBool::new(false);
    let verified = std::thread::scope(|scope| {
        // In this process, so that it is done often.
        let reader = scope.spawn(|| {
            let store = FolderStore::open(&world.join(STORE)).unwrap();
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) {
                let mut verifier = Verifier::new(&store, true);
                verifier.store(&NoProgress).unwrap();
                assert_eq!((&verifier.findings[..], &verifier.unread[..]), (&[][..], &[][..]));
                rounds += 1;
            }
            rounds
        });
        let mut ended = Vec::new();
        for _ in 0..ROUNDS {
            let writers: Vec<_> = (0..16).map(|number| start(["shared", "new"][number % 2])).collect();
            ended.extend(writers.into_iter().map(|writer| writer.wait_with_output().unwrap()));
        }
        done.store(true, Ordering::Relaxed);
        for output in ended {
            Ran::of(output).exits(0);
        }
        reader.join().unwrap()
    });
    assert!(verified > 4, "{verified}");
    assert_eq!(checkpoints(world).unwrap().len(), 5 + ROUNDS * 16);
    assert_eq!(leftovers(world), [""; 0]);
    run_words(world, "verify").exits(0);
    let newest = files_in(world, "manifests/new").remove(ROUNDS * 8 - 1);
    fs::remove_file(&newest).unwrap();
    assert_eq!(found(world), [missing(&newest)]);
}
