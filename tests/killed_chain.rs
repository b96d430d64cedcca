//! `kill -9` at the calls of an increment and of a compaction, in a folder and in an object: whatever was
//! under way, the store verifies, every earlier checkpoint restores to exactly what it was, and the next run
//! ends the job.
//!
//! A usual run kills at a sample of the calls; `DOTCTL_EVERY_KILL=1` kills at each of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use support::changing::{write_database, write_state};
use support::{
    copy_tree, folder, in_parallel, kill_points, killed_at, leftovers, names_in, run_in, sample, words,
};
use tempfile::TempDir;

/// Calls that change what is on disk, or come between two that do.
const CALLS: [&str; 19] = [
    "openat",
    "mkdir",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat2",
    "linkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "fcntl",
    "flock",
    "getdents64",
    "close",
    "copy_file_range",
];

/// Kills of one test, unless all are asked for.
const KILLS: usize = 70;

/// Checkpoints before the command that is killed.
const EARLIER: u64 = 3;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    State,
    Image,
    Rows,
}

impl Kind {
    fn source(self) -> &'static str {
        match self {
            Kind::State => "state.json",
            Kind::Image | Kind::Rows => "source.sqlite",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::State => "",
            Kind::Image => "--kind image",
            Kind::Rows => "--kind rows",
        }
    }

    /// Writes the source as it is at `step`: it changes, grows and shrinks.
    fn write(self, world: &Path, step: u64) {
        match self {
            Kind::State => write_state(world, step),
            Kind::Image | Kind::Rows => write_database(world, step),
        }
    }
}

/// A command to kill, and the world in which it runs.
struct Scene {
    template: TempDir,
    store: &'static str,
    line: String,
    /// Ids and contents of the checkpoints that are there before.
    earlier: Vec<(String, Vec<u8>)>,
    /// The newest content, once the command was done.
    newest: Vec<u8>,
    is_compaction: bool,
}

impl Scene {
    /// A chain of `kind` in `store`, and a command on it.
    fn new(kind: Kind, store: &'static str, is_compaction: bool) -> Self {
        let template = folder();
        let world = template.path();
        if store != ".dotctl" {
            let connection = Connection::open(world.join(store)).unwrap();
            if kind == Kind::State {
                connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
            }
            connection.execute_batch("CREATE TABLE mine(x); INSERT INTO mine VALUES ('kept')").unwrap();
        }
        let (source, more) = (kind.source(), kind.words());
        let snapshot = format!("snapshot {source} {more} --namespace a --chunk-bytes 64KiB --store {store}");
        let mut scene = Scene {
            store,
            line: snapshot.clone(),
            earlier: Vec::new(),
            newest: Vec::new(),
            is_compaction,
            template,
        };
        let world = scene.template.path();
        for step in 0..EARLIER {
            kind.write(world, step);
            run_in(world, &words(&snapshot)).exits(0);
            let content = scene.restored(world, "a@latest");
            if kind != Kind::Rows {
                assert!(content == fs::read(world.join(source)).unwrap());
            }
            scene.earlier.push((scene.listed(world)[0].clone(), content));
        }
        match is_compaction {
            true => {
                run_in(world, &words(&format!("tag a@latest head --store {store}"))).exits(0);
                scene.line = format!("compact a@latest --store {store}");
            }
            false => kind.write(world, EARLIER),
        }
        let done = scene.world();
        run_in(done.path(), &words(&scene.line)).exits(0);
        scene.newest = scene.restored(done.path(), "a@latest");
        assert_eq!(scene.newest == scene.earlier.last().unwrap().1, is_compaction);
        scene.is_done(done.path(), "by itself");
        scene
    }

    fn world(&self) -> TempDir {
        let world = folder();
        copy_tree(self.template.path(), world.path());
        world
    }

    fn restored(&self, world: &Path, reference: &str) -> Vec<u8> {
        run_in(world, &words(&format!("restore {reference} --to - --store {}", self.store))).exits(0).stdout
    }

    /// The ids of all checkpoints, the newest first.
    fn listed(&self, world: &Path) -> Vec<String> {
        let ran = run_in(world, &words(&format!("list --format json --store {}", self.store))).exits(0);
        assert_eq!(ran.stderr, "");
        let all = ran.json()["checkpoints"].take();
        all.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Everything is there and whole, old or new; then the same command again.
    fn judge(&self, world: &Path, what: &str) {
        let listed = self.listed(world);
        let mut known = self.earlier.as_slice();
        if let (true, Some((_, before))) = (self.is_compaction, known.split_last()) {
            // Old, new or both stand in its place.
            known = before;
            assert!(self.restored(world, "head") == self.newest, "{what}: the tag");
            assert!(self.restored(world, "a@latest") == self.newest, "{what}: the newest");
        }
        let more = listed.len() - known.len();
        assert!(if self.is_compaction { (1..=2).contains(&more) } else { more <= 1 }, "{what}: {listed:?}");
        for (id, content) in known {
            assert!(listed.contains(id), "{what}: {id} is gone");
            assert!(self.restored(world, id) == *content, "{what}: {id} is not what it was");
        }
        let verify = format!("verify --format json --store {}", self.store);
        let verified = run_in(world, &words(&verify));
        assert_eq!(verified.code, Some(0), "{what}: {verified:?}");
        assert_eq!(verified.json()["checked"]["checkpoints"], listed.len(), "{what}");
        let again = run_in(world, &words(&self.line));
        assert_eq!(again.code, Some(0), "{what}: {again:?}");
        self.is_done(world, what);
    }

    /// Nothing is left to do.
    fn is_done(&self, world: &Path, what: &str) {
        assert!(self.restored(world, "a@latest") == self.newest, "{what}");
        let shown = run_in(world, &words(&format!("show a@latest --format json --store {}", self.store)));
        let is_chain = !shown.exits(0).json()["chain"].is_null();
        assert_eq!(is_chain, !self.is_compaction, "{what}");
        let count = self.listed(world).len();
        match self.is_compaction {
            true => assert_eq!(count, self.earlier.len(), "{what}"),
            // Killed behind its manifest, it has made the next one already.
            false => assert!((1..=2).contains(&(count - self.earlier.len())), "{what}: {count}"),
        }
        if self.is_compaction {
            let prune = format!("prune --keep-last 10 --grace 0s --store {}", self.store);
            run_in(world, &words(&prune)).exits(0);
        }
        run_in(world, &words(&format!("verify --store {}", self.store))).exits(0);
        match self.store {
            ".dotctl" => assert_eq!(leftovers(world), [""; 0], "{what}"),
            object => {
                // Whoever writes to it next removes what a killed run left beside it.
                let connection = Connection::open(world.join(object)).unwrap();
                let mine: String = connection.query_row("SELECT x FROM mine", [], |row| row.get(0)).unwrap();
                connection.execute("UPDATE mine SET x = 'changed'", []).unwrap();
                connection.close().unwrap();
                assert_eq!(mine, "kept", "{what}");
                assert_eq!(names_in(world), names_in(self.template.path()), "{what}");
                run_in(world, &words(&format!("verify --store {}", self.store))).exits(0);
            }
        }
    }

    /// Kills at a sample of the calls, or at all of them, and judges.
    fn kill(&self) {
        let line = words(&self.line);
        let all = kill_points(self.world().path(), &line, &CALLS);
        let (count, points) = (all.len(), sample(all, KILLS));
        let kills = in_parallel(&points, |(call, number)| {
            let world = self.world();
            let is_killed = killed_at(world.path(), &line, call, *number);
            self.judge(world.path(), &format!("`{}` killed at {call} number {number}", self.line));
            usize::from(is_killed)
        });
        eprintln!("{kills} kills of {count}");
        // Threads do not always share their work in the same way.
        assert!(kills >= points.len() * 3 / 4 && kills >= 45, "only {kills} kills");
    }
}

#[test]
fn state_in_a_folder() {
    Scene::new(Kind::State, ".dotctl", false).kill();
}

#[test]
fn image_in_a_folder() {
    Scene::new(Kind::Image, ".dotctl", false).kill();
}

#[test]
fn rows_in_a_folder() {
    Scene::new(Kind::Rows, ".dotctl", false).kill();
}

#[test]
fn state_in_an_object() {
    Scene::new(Kind::State, "object.sqlite", false).kill();
}

#[test]
fn image_in_an_object() {
    Scene::new(Kind::Image, "object.sqlite", false).kill();
}

#[test]
fn rows_in_an_object() {
    Scene::new(Kind::Rows, "object.sqlite", false).kill();
}

#[test]
fn compact_state_in_a_folder() {
    Scene::new(Kind::State, ".dotctl", true).kill();
}

#[test]
fn compact_image_in_a_folder() {
    Scene::new(Kind::Image, ".dotctl", true).kill();
}

#[test]
fn compact_rows_in_a_folder() {
    Scene::new(Kind::Rows, ".dotctl", true).kill();
}

#[test]
fn compact_state_in_an_object() {
    Scene::new(Kind::State, "object.sqlite", true).kill();
}

#[test]
fn compact_image_in_an_object() {
    Scene::new(Kind::Image, "object.sqlite", true).kill();
}
