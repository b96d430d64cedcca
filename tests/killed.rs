//! `kill -9` at hundreds of points: whatever was under way, the store verifies, the target is absent
//! or whole, the next run succeeds without anybody's help, and nothing of the killed one is left.
//!
//! strace kills before a system call that changes something on disk, one run for each such call;
//! other runs are killed after a time, wherever they are by then.

mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::{
    Ran, Random, checkpoints, contents_below, copy_tree, dotctl, fixture, folder, hot_database, in_parallel,
    kill_points, killed_at, leftovers, run_in, sha256_of, snapshot, strace,
};
use tempfile::TempDir;

/// Calls that change what is on disk, or come between two that do.
const CALLS: [&str; 16] = [
    "openat",
    "mkdir",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "renameat2",
    "linkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "flock",
    "getdents64",
    "close",
];

const SIGKILL: i32 = 9;

/// A command to kill, and the world it runs in.
struct Scene {
    template: TempDir,
    words: Vec<String>,
    /// Checkpoints before and after.
    checkpoints: (usize, usize),
    /// The content that the last checkpoint must have once the command was done.
    content_sha256: String,
}

impl Scene {
    /// Runs `words` to their end in a copy of `template`, so that what is expected is what happens.
    fn new(template: TempDir, words: &str) -> Self {
        let words = support::words(words);
        let before = checkpoints(template.path()).map_or(0, |all| all.len());
        let mut scene = Scene { template, words, checkpoints: (before, 0), content_sha256: String::new() };
        let done = scene.world();
        run_in(done.path(), &scene.words).exits(0);
        let after = checkpoints(done.path()).expect("a store");
        assert_eq!(leftovers(done.path()), [""; 0], "a run that ended by itself left something");
        scene.checkpoints.1 = after.len();
        scene.content_sha256 = after[0]["content_sha256"].as_str().expect("a hash").to_owned();
        scene
    }

    fn world(&self) -> TempDir {
        let world = folder();
        copy_tree(self.template.path(), world.path());
        world
    }

    /// Kills before every call of [`CALLS`], then judges; the number of kills.
    fn kill_at_every_call(&self) -> usize {
        let points = kill_points(self.world().path(), &self.words, &CALLS);
        in_parallel(&points, |(call, number)| {
            let world = self.world();
            let is_killed = killed_at(world.path(), &self.words, call, *number);
            self.judge(world.path(), &format!("{:?} killed at {call} number {number}", self.words));
            usize::from(is_killed)
        })
    }

    /// Kills runs after random times up to what a whole run takes, until `wanted` of them were not
    /// done yet. How long a run takes depends on what else the machine does, so that is found out.
    fn kill_after_times(&self, wanted: usize, seed: u64) -> usize {
        const RUNS_AT_ONCE: usize = 35;
        let begun = Instant::now();
        run_in(self.world().path(), &self.words).exits(0);
        let mut whole = begun.elapsed().as_micros() as u64;
        let mut random = Random(seed);
        let mut kills = 0;
        for _ in 0..20 {
            let times: Vec<u64> = (0..RUNS_AT_ONCE).map(|_| random.below(whole)).collect();
            let killed = in_parallel(&times, |micros| self.kill_after(*micros));
            kills += killed;
            if kills >= wanted {
                break;
            }
            if killed < RUNS_AT_ONCE / 2 {
                whole = whole * 2 / 3;
            }
        }
        kills
    }

    /// Whether a run was killed, and not done, after this time.
    fn kill_after(&self, micros: u64) -> usize {
        let world = self.world();
        let mut command = dotctl();
        command.current_dir(world.path()).args(&self.words);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().expect("dotctl runs");
        std::thread::sleep(Duration::from_micros(micros));
        child.kill().expect("a child to kill");
        let status = child.wait().expect("a child");
        self.judge(world.path(), &format!("{:?} killed after {micros} microseconds", self.words));
        usize::from(status.signal() == Some(SIGKILL))
    }

    /// What must hold after a kill, whenever it came.
    fn judge(&self, world: &Path, what: &str) {
        let old_files =
            |part: &str| contents_below(&self.template.path().join(part)).into_iter().map(|(_, bytes)| bytes);
        // The source is as it was.
        assert!(
            old_files("source").eq(contents_below(&world.join("source")).into_iter().map(|(_, bytes)| bytes)),
            "{what}"
        );
        // The store holds what it held, or that and the new checkpoint, and all of it is whole.
        let (before, after) = self.checkpoints;
        match checkpoints(world) {
            Some(all) => {
                assert!(all.len() == before || all.len() == after, "{what}: {} checkpoints", all.len());
                let verified = run_in(world, &support::words("verify --format json"));
                assert_eq!(verified.code, Some(0), "{what}: {verified:?}");
                assert_eq!(verified.json()["checked"]["checkpoints"], all.len(), "{what}");
            }
            None => assert_eq!(before, 0, "{what}: the store is gone"),
        }
        // The target is absent, as it was, or whole.
        let is_restore = self.words[0] == "restore";
        let target = world.join("target");
        let replaced = self.template.path().join("target").exists();
        if is_restore {
            let is_new = target.exists() && sha256_of(&target) == self.content_sha256;
            assert!(is_new || target.exists() == replaced, "{what}: half a target");
            if !is_new && replaced {
                assert_eq!(rows_of(world), ["old"], "{what}");
            }
            if is_new {
                assert!(!world.join("target-wal").exists(), "{what}: the old log beside the new file");
            }
        } else {
            assert!(!target.exists());
        }

        // The next run succeeds; where the killed one was done but for its word, it says so.
        let again = run_in(world, &self.words);
        if is_restore && again.code == Some(3) {
            again.mentions("the target exists");
            assert_eq!(sha256_of(&target), self.content_sha256, "{what}");
        } else {
            assert_eq!(again.code, Some(0), "{what}: {again:?}");
        }
        let all = checkpoints(world).expect("a store");
        assert!(all.len() == after || all.len() == after + usize::from(!is_restore), "{what}: {}", all.len());
        assert_eq!(all[0]["content_sha256"], *self.content_sha256, "{what}");
        if is_restore {
            assert_eq!(sha256_of(&target), self.content_sha256, "{what}");
        }
        assert_eq!(leftovers(world), [""; 0], "{what}");
        run_in(world, &support::words("verify --quick")).exits(0);
    }
}

/// The rows of a copy of the target with the files beside it, so that looking changes nothing.
fn rows_of(world: &Path) -> Vec<String> {
    let copy = folder();
    for name in ["target", "target-wal", "target-journal"] {
        if world.join(name).exists() {
            fs::copy(world.join(name), copy.path().join(name)).expect("a copy");
        }
    }
    let database = rusqlite::Connection::open(copy.path().join("target")).expect("a database");
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(check, "ok");
    let mut statement = database.prepare("SELECT word FROM words").expect("a table");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("rows")
}

/// A folder with `source/` and, made by the binary, checkpoints of `earlier` in `.dotctl`.
fn template(earlier: &[&Path]) -> TempDir {
    let template = folder();
    hot_database(&template.path().join("source"));
    fs::rename(
        template.path().join("source").join(support::HOT),
        template.path().join("source/object.sqlite"),
    )
    .unwrap();
    for ending in ["-wal", "-shm"] {
        let name = format!("source/{}{ending}", support::HOT);
        fs::rename(template.path().join(name), template.path().join(format!("source/object.sqlite{ending}")))
            .unwrap();
    }
    fs::copy(fixture("state/listed.json"), template.path().join("source/listed.json")).unwrap();
    fs::copy(fixture("state/unsorted.ndjson"), template.path().join("source/unsorted.ndjson")).unwrap();
    for source in earlier {
        let path = template.path().join("source").join(source);
        snapshot(&template.path().join(".dotctl"), &path, "");
    }
    template
}

/// A state of 8 MB in 128 chunks, which takes long enough to be killed in the middle of it.
fn large_state(folder: &Path) -> PathBuf {
    let mut random = Random(3);
    let mut text = String::from("[");
    for number in 0..20_000 {
        let comma = if number == 0 { "" } else { "," };
        let noise: String = random.bytes(180).iter().map(|byte| format!("{byte:02x}")).collect();
        text.push_str(&format!("{comma}[\"key:{number:08}\",{{\"value\":\"{noise}\",\"createdAt\":1}}]"));
    }
    text.push(']');
    let path = folder.join("source/large.json");
    fs::write(&path, text).unwrap();
    path
}

#[track_caller]
fn assert_enough(kills: usize, at_least: usize) {
    eprintln!("{kills} kills");
    assert!(kills >= at_least, "only {kills} kills");
}

#[test]
fn first_snapshot_at_every_call() {
    let scene = Scene::new(template(&[]), "snapshot source/object.sqlite");
    assert_eq!(scene.checkpoints, (0, 1));
    assert_enough(scene.kill_at_every_call(), 50);
}

#[test]
fn snapshot_beside_another_at_every_call() {
    let scene = Scene::new(template(&[Path::new("object.sqlite")]), "snapshot source/listed.json");
    assert_eq!(scene.checkpoints, (1, 2));
    assert_enough(scene.kill_at_every_call(), 40);
}

#[test]
fn snapshot_that_sorts_at_every_call() {
    let scene = Scene::new(template(&[Path::new("object.sqlite")]), "snapshot source/unsorted.ndjson");
    assert_enough(scene.kill_at_every_call(), 40);
}

#[test]
fn snapshot_again_at_every_call() {
    let scene = Scene::new(template(&[Path::new("object.sqlite")]), "snapshot source/object.sqlite");
    assert_eq!(scene.checkpoints, (1, 2));
    assert_enough(scene.kill_at_every_call(), 40);
}

/// Into a store from before there was a catalog, which the snapshot makes.
#[test]
fn snapshot_into_an_old_store_at_every_call() {
    let template = template(&[Path::new("listed.json"), Path::new("object.sqlite")]);
    snapshot(&template.path().join(".dotctl"), &template.path().join("source/listed.json"), "");
    fs::remove_dir_all(template.path().join(".dotctl/catalog")).unwrap();
    let scene = Scene::new(template, "snapshot source/listed.json");
    assert_eq!(scene.checkpoints, (3, 4));
    assert_enough(scene.kill_at_every_call(), 40);
}

#[test]
fn restore_at_every_call() {
    for (source, name) in [("object.sqlite", "object"), ("listed.json", "listed")] {
        let scene = Scene::new(template(&[Path::new(source)]), &format!("restore {name}@latest --to target"));
        assert_enough(scene.kill_at_every_call(), 15);
    }
}

/// Over a database that somebody left with a log: the old rows or the new file, never a mixture.
#[test]
fn restore_over_a_database_at_every_call() {
    let template = template(&[Path::new("object.sqlite")]);
    let target = template.path().join("target");
    {
        let made = folder();
        let path = made.path().join("target");
        let database = rusqlite::Connection::open(&path).unwrap();
        database.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        database.execute_batch("CREATE TABLE words(word TEXT); INSERT INTO words VALUES('old')").unwrap();
        for name in ["target", "target-wal"] {
            fs::copy(made.path().join(name), template.path().join(name)).unwrap();
        }
    }
    assert!(fs::metadata(template.path().join("target-wal")).unwrap().len() > 0);
    assert!(target.exists());
    let scene = Scene::new(template, "restore latest --to target --force");
    assert_enough(scene.kill_at_every_call(), 30);
}

#[test]
fn snapshot_after_random_times() {
    let template = template(&[Path::new("object.sqlite")]);
    large_state(template.path());
    let scene = Scene::new(template, "snapshot source/large.json --chunk-bytes 64KiB --codec none");
    assert_enough(scene.kill_after_times(70, 4), 70);
}

#[test]
fn restore_after_random_times() {
    let template = template(&[]);
    let source = large_state(template.path());
    snapshot(&template.path().join(".dotctl"), &source, "--chunk-bytes 64KiB");
    let scene = Scene::new(template, "restore latest --to target --force");
    assert_enough(scene.kill_after_times(70, 5), 70);
}

#[test]
fn strace_is_there() {
    let mut command = strace();
    command.args(["-o", "/dev/null", "-einject=write:signal=KILL:when=1", "sh", "-c", "echo alive"]);
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.signal, Some(SIGKILL), "strace does not kill: {ran:?}");
}
