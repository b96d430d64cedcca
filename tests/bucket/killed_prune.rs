//! `kill -9` at every request of a prune of a bucket, before it arrives and after it was carried out:
//! whatever is left verifies, keeps what the policy keeps, and later prunes end what this one began.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::command::dotctl_at;
use crate::killed::killed_at;
use crate::servers::{BUCKET, Moment, Server};
use crate::support::{Ran, copy_tree, files_below, folder, in_parallel, names_in, words};

const PRUNE: &str = "prune --keep-last 2 --grace 1h";

fn run(server: &Server, line: &str) -> Ran {
    Ran::of(dotctl_at(&server.endpoint_url).args(words(line)).output().unwrap())
}

/// Lets two days pass since everything in the bucket was written.
pub fn age(root: &Path) {
    let then = SystemTime::now() - Duration::from_secs(48 * 3600);
    for path in files_below(root) {
        File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }
}

/// A folder of a server, in which one prune has everything to do: manifests that go, packs whose marks
/// are old, packs that get one, and a mark of a pack that is needed.
fn template() -> TempDir {
    let root = folder();
    let kept = folder();
    fs::create_dir(root.path().join(BUCKET)).unwrap();
    let server = Server::s3s_of(root, |_| true);
    let files = server.files.clone().unwrap();
    let snapshot = |namespace: &str, seed: u64| {
        let source = kept.path().join("state.json");
        let text: Vec<String> = (0..20).map(|key| format!("[\"{key:02}\",{{\"value\":{seed}}}]")).collect();
        fs::write(&source, format!("[{}]", text.join(","))).unwrap();
        let mut command = dotctl_at(&server.endpoint_url);
        command.args(["snapshot", "--base", "none", "--namespace", namespace]).arg(&source);
        Ran::of(command.output().unwrap()).exits(0);
        fs::remove_file(source).unwrap();
    };
    snapshot("b", 9);
    for seed in [0, 1, 2, 1, 3] {
        snapshot("a", seed);
    }
    age(&files);
    run(&server, PRUNE).exits(0);
    let marks = files.join("some/prefix/prune/marks");
    assert_eq!(names_in(&marks).len(), 2);
    for seed in [5, 6] {
        snapshot("a", seed);
    }
    let shown = run(&server, "show a@latest --packs").exits(0);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let pack = shown.trim().rsplit('/').next().unwrap();
    let old = names_in(&marks).remove(0);
    fs::copy(marks.join(&old), marks.join(pack.split('.').next().unwrap())).unwrap();
    assert_eq!(pack.split('.').next().unwrap().len(), old.len(), "{pack}");
    copy_tree(&files, &kept.path().join(BUCKET));
    kept
}

/// What is left of the bucket at `server`, then what later prunes make of it.
fn judge(server: &Server, what: &str) {
    let left = run(server, "list --format json").exits(0).json();
    let left = left["checkpoints"].as_array().unwrap();
    assert!((3..=5).contains(&left.len()), "{what}: {left:?}");
    for (namespace, sequence) in [("a", 6), ("a", 7), ("b", 1)] {
        let is_there = left.iter().any(|one| one["namespace"] == namespace && one["sequence"] == sequence);
        assert!(is_there, "{what}: {namespace} {sequence} is gone");
    }
    let verified = run(server, "verify --format json");
    assert_eq!(verified.code, Some(0), "{what}: {verified:?}");
    assert_eq!(verified.json()["checked"]["checkpoints"], left.len(), "{what}");
    let files = server.files.as_ref().unwrap();
    for _ in 0..2 {
        age(files);
        run(server, PRUNE).exits(0);
    }
    let prefix = files.join("some/prefix");
    assert_eq!(names_in(&prefix.join("packs")).len(), 3, "{what}");
    assert_eq!(files_below(&prefix.join("prune")), [""; 0].map(Path::new), "{what}");
    let verified = run(server, "verify --format json");
    assert_eq!(verified.code, Some(0), "{what}: {verified:?}");
    assert_eq!(verified.json()["checked"]["checkpoints"], 3, "{what}");
}

/// A prune of a copy of `template` that is killed at one moment of one of its requests; how many
/// requests there were.
fn prune_killed_at(template: &Path, moment: Moment, number: usize) -> usize {
    let root = folder();
    copy_tree(template, root.path());
    age(root.path());
    let what = format!("{moment:?} {number}");
    let command = |server: &Server| {
        let mut command = dotctl_at(&server.endpoint_url);
        command.args(words(PRUNE));
        command
    };
    let (server, count) = killed_at(root, moment, number, command, &what);
    judge(&server, &what);
    count
}

#[test]
fn prune_at_every_request() {
    let template = template();
    let count = prune_killed_at(template.path(), Moment::Before, 0);
    assert!(count >= 15, "only {count} requests");
    let points: Vec<(Moment, usize)> = [Moment::Before, Moment::After]
        .into_iter()
        .flat_map(|at| (1..=count).map(move |n| (at, n)))
        .collect();
    let kills = in_parallel(&points, |(moment, number)| {
        usize::from(prune_killed_at(template.path(), *moment, *number) >= *number)
    });
    eprintln!("{kills} kills");
    // Requests at once may come in another order, none goes without a reason.
    assert!(kills >= 2 * count - 4, "only {kills} kills of {count} requests");
}
