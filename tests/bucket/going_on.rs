//! A restore that was stopped goes on where it was, and believes nothing that it has not read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::command::dotctl_at;
use crate::made::Entries;
use crate::servers::Server;
use crate::support::{Ran, folder, names_in, sha256_of, words};

struct World {
    server: Server,
    folder: TempDir,
    id: String,
    pack_count: usize,
    sha256: String,
    lines_sha256: String,
}

impl World {
    /// A checkpoint of some 12 packs in a bucket.
    fn new() -> Self {
        let server = Server::s3s();
        let folder = folder();
        let source = folder.path().join("state.json");
        fs::write(&source, Entries::new(77, 24_000, 4_000).array()).unwrap();
        let ran = dotctl_at(&server.endpoint_url)
            .args(words("snapshot --codec none --format json"))
            .arg(&source)
            .output();
        let made = Ran::of(ran.unwrap()).exits(0).json();
        fs::remove_file(&source).unwrap();
        let mut world = World {
            server,
            folder,
            id: made["checkpoint"]["id"].as_str().unwrap().to_owned(),
            pack_count: made["checkpoint"]["pack_count"].as_u64().unwrap() as usize,
            sha256: made["checkpoint"]["content_sha256"].as_str().unwrap().to_owned(),
            lines_sha256: String::new(),
        };
        assert!(world.pack_count >= 8, "{made}");
        let whole = world.path("whole");
        world.lines_sha256 =
            world.restore("--as ndjson", &whole).exits(0).json()["sha256"].as_str().unwrap().to_owned();
        assert_eq!(names_in(world.folder.path()), ["whole"], "nothing lies beside it");
        fs::remove_file(whole).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn restore(&self, more: &str, to: &Path) -> Ran {
        let mut command = dotctl_at(&self.server.endpoint_url);
        command.args(["restore", &self.id, "--format", "json", "--to"]).arg(to).args(words(more));
        Ran::of(command.output().unwrap())
    }

    /// Kills a slow restore with `kill -9` once it has `packs` packs.
    fn killed(&self, packs: usize, more: &str, to: &Path) {
        assert_eq!(self.stopped(Signal::SIGKILL, packs, more, to).signal, Some(9));
        assert!(!to.exists());
    }

    fn stopped(&self, signal: Signal, packs: usize, more: &str, to: &Path) -> Ran {
        let mut command = dotctl_at(&self.server.endpoint_url);
        command
            .args(["restore", &self.id, "--max-requests-per-second", "4", "--to"])
            .arg(to)
            .args(words(more));
        let mut child: Child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let journal = journal(to);
        let until = Instant::now() + Duration::from_secs(60);
        while fs::read_to_string(&journal).map_or(0, |text| text.lines().count()) <= packs {
            assert!(Instant::now() < until && child.try_wait().unwrap().is_none(), "it was not that slow");
            std::thread::sleep(Duration::from_millis(5));
        }
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }
}

fn beside(to: &Path, ending: &str) -> PathBuf {
    to.with_file_name(format!(".{}.dotctl-{ending}", to.file_name().unwrap().to_str().unwrap()))
}

fn journal(to: &Path) -> PathBuf {
    beside(to, "progress")
}

fn packs_fetched(ran: &Ran) -> usize {
    // A listing tells of the manifest, and one request brings it.
    let requests: &Value = &ran.json()["requests"];
    requests["class_b"].as_u64().unwrap() as usize - 1
}

#[test]
fn a_killed_restore_goes_on_where_it_was() {
    let world = World::new();
    let to = world.path("target");
    for (more, sha256) in [("", &world.sha256), ("--as ndjson", &world.lines_sha256)] {
        world.killed(4, more, &to);
        let ran = world.restore(more, &to).exits(0);
        assert_eq!((ran.json()["sha256"].as_str(), &sha256_of(&to)), (Some(&**sha256), sha256));
        let fetched = packs_fetched(&ran);
        assert!(fetched <= world.pack_count - 4, "{fetched} of {}", world.pack_count);
        assert_eq!(names_in(world.folder.path()), ["target"]);
        fs::remove_file(&to).unwrap();
    }
}

#[test]
fn what_is_not_as_it_was_written_is_fetched_again() {
    let world = World::new();
    let to = world.path("target");
    let flip = |path: &Path, at: usize| {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let faults: [(&str, &dyn Fn()); 7] = [
        ("a bit of the file", &|| flip(&beside(&to, "partial"), 1 << 20)),
        ("its first byte", &|| flip(&beside(&to, "partial"), 0)),
        ("a shorter file", &|| {
            drop(fs::File::options().write(true).open(beside(&to, "partial")).unwrap().set_len(1000))
        }),
        ("no file", &|| fs::remove_file(beside(&to, "partial")).unwrap()),
        ("a finished file", &|| fs::hard_link(beside(&to, "partial"), world.path("other")).unwrap()),
        ("a journal that promises more", &|| {
            let text = fs::read_to_string(journal(&to)).unwrap();
            let last = text.lines().last().unwrap().split_once(' ').unwrap().1.to_owned();
            fs::write(journal(&to), format!("{text}7 {last}\n9999999 {last}\n")).unwrap();
        }),
        ("no journal", &|| fs::remove_file(journal(&to)).unwrap()),
    ];
    for (what, fault) in faults {
        world.killed(3, "", &to);
        fault();
        let other = fs::read(world.path("other")).ok();
        let ran = world.restore("", &to).exits(0);
        assert_eq!(sha256_of(&to), world.sha256, "{what}");
        assert_eq!(packs_fetched(&ran), world.pack_count, "{what}");
        assert_eq!(fs::read(world.path("other")).ok(), other, "{what}: it was written to");
        let _ = fs::remove_file(world.path("other"));
        assert_eq!(names_in(world.folder.path()), ["target"], "{what}");
        fs::remove_file(&to).unwrap();
    }
    // All had arrived, and it was killed before the file had its name.
    for (more, whole) in [("", &world.sha256), ("--as ndjson", &world.lines_sha256)] {
        world.restore(more, &to).exits(0);
        let bytes = fs::read(&to).unwrap();
        fs::remove_file(&to).unwrap();
        world.killed(1, more, &to);
        fs::write(beside(&to, "partial"), bytes).unwrap();
        let head = fs::read_to_string(journal(&to)).unwrap().lines().next().unwrap().to_owned();
        fs::write(journal(&to), format!("{head}\n{} {}\n", world.pack_count, world.sha256)).unwrap();
        let ran = world.restore(more, &to).exits(0);
        assert_eq!((packs_fetched(&ran), &sha256_of(&to)), (0, whole));
        assert_eq!(names_in(world.folder.path()), ["target"]);
        fs::remove_file(&to).unwrap();
    }
    // The end of the journal's last line is missing: the line before counts.
    world.killed(4, "", &to);
    let text = fs::read_to_string(journal(&to)).unwrap();
    fs::write(journal(&to), &text[..text.len() - 3]).unwrap();
    let ran = world.restore("", &to).exits(0);
    assert!(packs_fetched(&ran) < world.pack_count);
    assert_eq!(sha256_of(&to), world.sha256);
}

/// Another form, another checkpoint: nothing of the first run is used.
#[test]
fn another_restore_begins_anew() {
    let world = World::new();
    let to = world.path("target");
    world.killed(3, "", &to);
    let ran = world.restore("--as ndjson", &to).exits(0);
    assert_eq!((packs_fetched(&ran), sha256_of(&to)), (world.pack_count, world.lines_sha256.clone()));
    fs::remove_file(&to).unwrap();

    world.killed(3, "", &to);
    let source = world.path("small.json");
    fs::write(&source, r#"[["a",{"value":1,"createdAt":1}]]"#).unwrap();
    let mut command = dotctl_at(&world.server.endpoint_url);
    command.args(words("snapshot --format json")).arg(&source);
    let small = Ran::of(command.output().unwrap()).exits(0).json();
    let mut command = dotctl_at(&world.server.endpoint_url);
    command.args(["restore", small["checkpoint"]["id"].as_str().unwrap(), "--to"]).arg(&to);
    Ran::of(command.output().unwrap()).exits(0);
    assert_eq!(sha256_of(&to), small["checkpoint"]["content_sha256"]);
    assert_eq!(names_in(world.folder.path()), ["small.json", "target"]);
}

/// Pressing Ctrl-C leaves what has arrived, and damage does not.
#[test]
fn a_failed_restore_says_where_it_goes_on() {
    let world = World::new();
    let to = world.path("target");
    let failed = world.stopped(Signal::SIGINT, 3, "", &to);
    assert_eq!(failed.code, Some(130), "{failed:?}");
    let partial = beside(&to, "partial");
    failed.mentions(partial.to_str().unwrap());
    assert!(partial.exists() && !to.exists());
    let ran = world.restore("", &to).exits(0);
    assert!(packs_fetched(&ran) <= world.pack_count - 3);
    assert_eq!(sha256_of(&to), world.sha256);
    fs::remove_file(&to).unwrap();

    world.killed(3, "", &to);
    let files = world.server.files.as_ref().unwrap().join("some/prefix/packs");
    for name in names_in(&files) {
        let path = files.join(name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    world.restore("", &to).exits(1);
    assert_eq!(names_in(world.folder.path()), [""; 0], "damage leaves nothing");
}
