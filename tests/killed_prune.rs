//! `kill -9` before every call of a prune that changes something: whatever is left verifies, keeps
//! what the policy keeps, and the next prune ends what this one began.

mod support;

use std::fs;
use std::path::Path;

use support::{
    Ran, calls_of, checkpoints, copy_tree, dotctl, files_below, folder, in_parallel, kill_points, killed_at,
    leftovers, names_in, run_in, snapshot, strace, words,
};
use tempfile::TempDir;

const CALLS: [&str; 11] = [
    "openat",
    "mkdir",
    "fsync",
    "unlink",
    "unlinkat",
    "rmdir",
    "flock",
    "getdents64",
    "close",
    "write",
    "linkat",
];

/// Content of the checkpoints; two of them share it with one that stays.
const SEEDS: [u64; 6] = [0, 1, 2, 1, 3, 4];

/// Six checkpoints, the first of which has a tag; the policy keeps three.
fn template() -> TempDir {
    let template = folder();
    let store = template.path().join(".dotctl");
    for seed in SEEDS {
        let source = template.path().join("state.json");
        let text: Vec<String> = (0..20).map(|key| format!("[\"{key:02}\",{{\"value\":{seed}}}]")).collect();
        fs::write(&source, format!("[{}]", text.join(","))).expect("a file");
        snapshot(&store, &source, "--namespace a --base none");
    }
    snapshot(&store, &template.path().join("state.json"), "--namespace b");
    let first = checkpoints(template.path()).expect("a store");
    let first = first.iter().find(|one| one["namespace"] == "a" && one["sequence"] == 1).expect("the first");
    run_in(template.path(), &words(&format!("tag {} old", first["id"].as_str().expect("an id")))).exits(0);
    template
}

const PRUNE: &str = "prune --keep-last 3";

fn judge(world: &Path, what: &str) {
    let left = checkpoints(world).expect("a store");
    assert!((4..=7).contains(&left.len()), "{what}: {}", left.len());
    let kept: Vec<_> = left.iter().filter(|one| one["namespace"] == "a").collect();
    for sequence in 4..=6 {
        assert!(kept.iter().any(|one| one["sequence"] == sequence), "{what}: {sequence} is gone");
    }
    let verified = run_in(world, &words("verify --format json"));
    assert_eq!(verified.code, Some(0), "{what}: {verified:?}");
    assert_eq!(verified.json()["checked"]["checkpoints"], left.len(), "{what}");
    run_in(world, &words(PRUNE)).exits(0);
    assert_eq!(checkpoints(world).expect("a store").len(), 4, "{what}");
    assert_eq!(leftovers(world), [""; 0], "{what}");
    assert_eq!(names_in(&world.join(".dotctl/packs")).len(), 3, "{what}");
    // A folder may stay; the tag does not.
    assert!(
        !world.join(".dotctl/tags").exists() || files_below(&world.join(".dotctl/tags")).is_empty(),
        "{what}"
    );
    run_in(world, &words("verify")).exits(0);
}

fn world(template: &TempDir) -> TempDir {
    let world = folder();
    copy_tree(template.path(), world.path());
    world
}

#[test]
fn prune_at_every_call() {
    let template = template();
    let done = world(&template);
    run_in(done.path(), &words(PRUNE)).exits(0);
    judge(done.path(), "done");
    let points = kill_points(world(&template).path(), &words(PRUNE), &CALLS);
    let kills = in_parallel(&points, |(call, number)| {
        let world = world(&template);
        let is_killed = killed_at(world.path(), &words(PRUNE), call, *number);
        judge(world.path(), &format!("killed at {call} number {number}"));
        usize::from(is_killed)
    });
    eprintln!("{kills} kills");
    assert!(kills >= 60, "only {kills} kills");
}

/// The next snapshot cleans up as well as the next prune does.
#[test]
fn a_snapshot_ends_what_a_killed_prune_began() {
    let template = template();
    let points: Vec<usize> =
        (1..=calls_of(world(&template).path(), &words(PRUNE), &["unlink"])["unlink"]).collect();
    let kills = in_parallel(&points, |number| {
        let world = world(&template);
        let mut command = strace();
        command.current_dir(world.path()).args(["-o", "/dev/null"]);
        command.arg(format!("-einject=unlink:signal=KILL:when={number}"));
        command.arg(env!("CARGO_BIN_EXE_dotctl")).args(words(PRUNE)).output().expect("strace");
        let mut next = dotctl();
        next.current_dir(world.path()).args(words("snapshot state.json --namespace c"));
        Ran::of(next.output().expect("dotctl runs")).exits(0);
        assert_eq!(leftovers(world.path()), [""; 0], "unlink {number}");
        run_in(world.path(), &words("verify")).exits(0);
        1
    });
    assert!(kills >= 6, "only {kills} kills");
}
