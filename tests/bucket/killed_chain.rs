//! `kill -9` at the requests of an increment and of a compaction in a bucket, before they arrive and after
//! they were carried out: the store verifies, every earlier checkpoint restores to exactly what it was, and
//! the next run ends the job.
//!
//! A usual run kills at a sample of the requests; `DOTCTL_EVERY_KILL=1` kills at each of them.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::command::dotctl_at;
use crate::killed::killed_at;
use crate::killed_prune::age;
use crate::servers::{BUCKET, Moment, Server};
use crate::support::changing::{write_database, write_state};
use crate::support::{Ran, copy_tree, folder, in_parallel, sample, words};

/// Kills of one test, unless all are asked for.
const KILLS: usize = 24;

/// Checkpoints before the command that is killed.
const EARLIER: u64 = 3;

fn run(server: &Server, work: &Path, line: &str) -> Ran {
    Ran::of(dotctl_at(&server.endpoint_url).current_dir(work).args(words(line)).output().unwrap())
}

fn restored(server: &Server, work: &Path, reference: &str) -> Vec<u8> {
    run(server, work, &format!("restore {reference} --to -")).exits(0).stdout
}

/// The ids of all checkpoints, the newest first.
fn listed(server: &Server, work: &Path) -> Vec<String> {
    let all = run(server, work, "list --format json").exits(0).json()["checkpoints"].take();
    all.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// A command to kill, and the bucket on which it runs.
struct Scene {
    bucket: TempDir,
    work: TempDir,
    line: String,
    /// Ids and contents of the checkpoints that are there before.
    earlier: Vec<(String, Vec<u8>)>,
    /// The newest content, once the command was done.
    newest: Vec<u8>,
    is_compaction: bool,
}

impl Scene {
    fn new(write: fn(&Path, u64), source: &str, is_compaction: bool) -> Self {
        let (bucket, work) = (folder(), folder());
        fs::create_dir(bucket.path().join(BUCKET)).unwrap();
        let snapshot = format!("snapshot {source} --namespace a --chunk-bytes 64KiB");
        let mut scene = Scene {
            bucket,
            work,
            line: snapshot.clone(),
            earlier: Vec::new(),
            newest: Vec::new(),
            is_compaction,
        };
        let made = folder();
        fs::create_dir(made.path().join(BUCKET)).unwrap();
        let server = Server::s3s_of(made, |_| true);
        let work = scene.work.path();
        for step in 0..EARLIER {
            write(work, step);
            run(&server, work, &snapshot).exits(0);
            let content = restored(&server, work, "a@latest");
            if !source.contains("rows") {
                assert!(content == fs::read(work.join(source.split(' ').next().unwrap())).unwrap());
            }
            scene.earlier.push((listed(&server, work)[0].clone(), content));
        }
        match is_compaction {
            true => {
                run(&server, work, "tag a@latest head").exits(0);
                scene.line = "compact a@latest".to_owned();
            }
            false => write(work, EARLIER),
        }
        copy_tree(server.files.as_ref().unwrap(), &scene.bucket.path().join(BUCKET));
        run(&server, work, &scene.line).exits(0);
        scene.newest = restored(&server, work, "a@latest");
        assert_eq!(scene.newest == scene.earlier.last().unwrap().1, is_compaction);
        scene.is_done(&server, "by itself");
        scene
    }

    /// Runs the command and kills it at one moment of one of its requests; how many there were.
    fn kill_at(&self, moment: Moment, number: usize) -> usize {
        let root = folder();
        copy_tree(self.bucket.path(), root.path());
        let what = format!("`{}` killed {moment:?} {number}", self.line);
        let command = |server: &Server| {
            let mut command = dotctl_at(&server.endpoint_url);
            command.current_dir(self.work.path()).args(words(&self.line));
            command
        };
        let (server, count) = killed_at(root, moment, number, command, &what);
        self.judge(&server, &what);
        count
    }

    fn judge(&self, server: &Server, what: &str) {
        let work = self.work.path();
        let listed = listed(server, work);
        let mut known = self.earlier.as_slice();
        if let (true, Some((_, before))) = (self.is_compaction, known.split_last()) {
            // Old, new or both stand in its place.
            known = before;
            assert!(restored(server, work, "head") == self.newest, "{what}: the tag");
            assert!(restored(server, work, "a@latest") == self.newest, "{what}: the newest");
        }
        let more = listed.len() - known.len();
        assert!(if self.is_compaction { (1..=2).contains(&more) } else { more <= 1 }, "{what}: {listed:?}");
        for (id, content) in known {
            assert!(restored(server, work, id) == *content, "{what}: {id} is not what it was");
        }
        let verified = run(server, work, "verify --format json");
        assert_eq!(verified.code, Some(0), "{what}: {verified:?}");
        assert_eq!(verified.json()["checked"]["checkpoints"], listed.len(), "{what}");
        if self.is_compaction {
            // Else a sweep that it has left counts for ten minutes.
            age(server.files.as_ref().unwrap());
        }
        let again = run(server, work, &self.line);
        assert_eq!(again.code, Some(0), "{what}: {again:?}");
        self.is_done(server, what);
    }

    /// Nothing is left to do.
    fn is_done(&self, server: &Server, what: &str) {
        let work = self.work.path();
        assert!(restored(server, work, "a@latest") == self.newest, "{what}");
        let shown = run(server, work, "show a@latest --format json").exits(0).json();
        assert_eq!(shown["chain"].is_null(), self.is_compaction, "{what}");
        let count = listed(server, work).len();
        match self.is_compaction {
            true => assert_eq!(count, self.earlier.len(), "{what}"),
            // Killed behind its manifest, it has made the next one already.
            false => assert!((1..=2).contains(&(count - self.earlier.len())), "{what}: {count}"),
        }
        run(server, work, "verify").exits(0);
    }

    fn kill(&self) {
        let count = self.kill_at(Moment::Before, 0);
        let points: Vec<(Moment, usize)> = [Moment::Before, Moment::After]
            .into_iter()
            .flat_map(|at| (1..=count).map(move |number| (at, number)))
            .collect();
        let points = sample(points, KILLS);
        let kills =
            in_parallel(&points, |(moment, number)| usize::from(self.kill_at(*moment, *number) >= *number));
        eprintln!("{kills} kills, {count} requests");
        // Requests at once may come in another order, none goes without a reason.
        assert!(kills + 4 >= points.len() && kills >= 12, "only {kills} kills of {count} requests");
    }
}

#[test]
fn state_at_every_request() {
    Scene::new(write_state, "state.json", false).kill();
}

#[test]
fn image_at_every_request() {
    Scene::new(write_database, "source.sqlite", false).kill();
}

#[test]
fn rows_at_every_request() {
    Scene::new(write_database, "source.sqlite --kind rows", false).kill();
}

#[test]
fn compact_state_at_every_request() {
    Scene::new(write_state, "state.json", true).kill();
}

#[test]
fn compact_image_at_every_request() {
    Scene::new(write_database, "source.sqlite", true).kill();
}
