//! Databases of a real workerd: captured while they are in use and after `kill -9`, restored, and
//! read back by a real workerd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use support_real::*;

/// One workerd at a time: each starts within a second, but not several on a small machine.
static WORKERD: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    WORKERD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a real workerd reads in the database at `path`.
fn served(path: &Path) -> String {
    let _alone = alone();
    let ended = finish(node().arg(script("serve.mjs")).arg("--database").arg(path)).expect(0);
    ended.text().to_owned()
}

/// What serve.mjs says. Values are not parsed: some nest deeper than serde_json follows.
#[derive(Debug, Deserialize)]
struct Served<'a> {
    #[serde(borrow)]
    objects: Vec<ServedObject<'a>>,
}

#[derive(Debug, Deserialize)]
struct ServedObject<'a> {
    #[serde(borrow)]
    entries: Vec<ServedEntry<'a>>,
    alarm: u64,
    searches: Value,
    tables: Value,
}

#[derive(Debug, Deserialize)]
struct ServedEntry<'a> {
    key: String,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// A copy of the database at `path` and of its log, which may be opened.
fn copy_of(path: &Path, scratch: &Scratch, name: &str) -> PathBuf {
    let copy = scratch.path(name);
    fs::copy(path, &copy).unwrap();
    let log = beside(path, "-wal");
    if log.exists() {
        fs::copy(log, beside(&copy, "-wal")).unwrap();
    }
    copy
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// What SQLite's backup API makes of a copy of the database at `path`.
fn backup_of(path: &Path, scratch: &Scratch) -> Vec<u8> {
    let copy = copy_of(path, scratch, "backup-source");
    let target = scratch.path("backup-target");
    let connection = Connection::open(&copy).unwrap();
    connection.backup(rusqlite::MAIN_DB, &target, None::<fn(rusqlite::backup::Progress)>).unwrap();
    drop(connection);
    let bytes = fs::read(&target).unwrap();
    for path in [&copy, &target] {
        fs::remove_file(path).unwrap();
    }
    bytes
}

/// Page for page, but for the header fields that a backup counts up in its target: the change
/// counter (24..28), the schema cookie (40..44), and for which counter and by which SQLite the
/// size was written (92..100).
fn assert_pages_equal(restored: &[u8], backup: &[u8]) {
    assert_eq!(restored.len(), backup.len(), "sizes");
    for (position, (restored, backup)) in restored.chunks(4096).zip(backup.chunks(4096)).enumerate() {
        let masked = |page: &[u8]| {
            let mut page = page.to_vec();
            if position == 0 {
                for field in [24..28, 40..44, 92..100] {
                    page[field].fill(0);
                }
            }
            page
        };
        assert!(masked(restored) == masked(backup), "page {}", position + 1);
    }
}

/// Opens what must not change.
fn open_restored(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn assert_integrity(path: &Path) {
    // In log mode even a reader would put files beside it.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    fs::copy(path, &copy).unwrap();
    let connection = Connection::open(&copy).unwrap();
    let answer: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(answer, "ok", "{}", path.display());
}

/// Captures and restores the database at `path`, its folder `untouched`, and lets workerd read
/// both.
fn goes_and_comes_back(path: &Path, untouched: &Path) -> String {
    let scratch = Scratch::new();
    let before = contents(untouched);
    let checkpoint = scratch.snapshot(path, &[]);
    assert!(before == contents(untouched), "the source's folder is as it was");
    let restored = scratch.restore(checkpoint["id"].as_str().unwrap(), "restored.sqlite");
    let bytes = fs::read(&restored).unwrap();
    assert_eq!(checkpoint["raw_bytes"], bytes.len());
    assert_eq!(checkpoint["content_sha256"], sha256(&bytes));
    assert_integrity(&restored);
    assert_pages_equal(&bytes, &backup_of(path, &scratch));
    let original = served(path);
    assert!(original == served(&restored), "workerd reads the same in the original and the restored one");
    assert!(before == contents(untouched), "the source's folder is as it was");
    original
}

#[test]
fn a_hot_log_over_an_almost_empty_file_comes_back_whole() {
    let path = object_fixture("hot-wal");
    assert_eq!(fs::metadata(&path).unwrap().len(), 4096, "all is in the log");
    assert!(beside(&path, "-wal").exists() && beside(&path, "-shm").exists());
    let read = goes_and_comes_back(&path, path.parent().unwrap());
    // That what was compared is all there is.
    let [object] = serde_json::from_str::<Served>(&read).unwrap().objects.try_into().unwrap();
    let pair = |key: &str, value: &RawValue| (key.to_owned(), value.get().to_owned());
    let expected: Vec<_> =
        fixture_values("hot-wal").iter().map(|value| pair(&value.key, &value.value)).collect();
    let entries: Vec<_> = object.entries.iter().map(|entry| pair(&entry.key, entry.value)).collect();
    assert_eq!(entries, expected);
    assert_eq!(object.alarm, 4_070_908_800_123_u64, "2099-01-01T00:00:00.123Z");
    assert_eq!(object.searches["notes"]["integrity"], "ok");
    for table in ["numbers", "settings", "notes", "texts", "blobs", "accounts", "strict_types"] {
        assert!(object.tables[table]["row_count"].as_u64().unwrap() > 0, "{table}");
    }
}

#[test]
fn a_database_that_workerd_closed_comes_back_whole() {
    let path = object_fixture("clean");
    goes_and_comes_back(&path, path.parent().unwrap());
}

#[test]
fn a_database_comes_back_from_its_rows() {
    for name in ["hot-wal", "clean"] {
        let path = object_fixture(name);
        let scratch = Scratch::new();
        let made = scratch.snapshot(&path, &["--kind", "rows"]);
        let restored = scratch.restore(made["id"].as_str().unwrap(), "restored.sqlite");
        assert!(
            served(&path) == served(&restored),
            "{name}: workerd reads the same, alarm and searches included"
        );
    }
}

#[test]
fn a_folder_left_by_kill_9_gives_a_checkpoint_an_object() {
    let folder = fixture("state-folder/v3");
    let before = contents(&folder);
    let scratch = Scratch::new();
    let from_root = scratch.json(["snapshot", folder.to_str().unwrap()]);
    let from_do = scratch.json(["snapshot", folder.join("do").to_str().unwrap()]);
    assert!(before == contents(&folder), "the folder is as it was");

    let named = |document: &Value| -> Vec<(String, String)> {
        let checkpoints = document["checkpoints"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        checkpoints.iter().map(|made| (text(&made["namespace"]), text(&made["content_sha256"]))).collect()
    };
    assert_eq!(named(&from_root), named(&from_do), "the same objects below v3 and below v3/do");
    for made in from_do["checkpoints"].as_array().unwrap() {
        assert_eq!(made["new_chunk_count"], 0, "nothing is new the second time");
    }

    // One for each object's file, and none for what simulates KV and R2, or holds alarms.
    let mut expected: Vec<(String, PathBuf)> = before
        .keys()
        .filter(|path| path.starts_with(folder.join("do")))
        .filter(|path| path.extension().is_some_and(|ending| ending == "sqlite"))
        .filter(|path| path.file_stem().unwrap().len() == 64)
        .map(|path| {
            let class = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
            let class = class.strip_prefix("fixtures-").unwrap();
            (format!("{class}/{}", path.file_stem().unwrap().to_str().unwrap()), path.clone())
        })
        .collect();
    expected.sort();
    assert_eq!(expected.len(), 6);
    let namespaces: Vec<String> = named(&from_root).into_iter().map(|(namespace, _)| namespace).collect();
    assert_eq!(namespaces, expected.iter().map(|(namespace, _)| namespace.clone()).collect::<Vec<_>>());

    // workerd reads the restored objects at once, each in its place, and the originals.
    let restored = scratch.path("restored");
    for (namespace, path) in &expected {
        let to = restored.join(path.strip_prefix(&folder).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        scratch.run(["restore", &format!("{namespace}@latest"), "--to", to.to_str().unwrap()]);
        assert_integrity(&to);
        assert_pages_equal(&fs::read(&to).unwrap(), &backup_of(path, &scratch));
    }
    let _alone = alone();
    let serve = |state: &Path| finish(node().arg(script("serve.mjs")).arg("--state").arg(state)).expect(0);
    let (original, again) = (serve(&folder), serve(&restored));
    assert_eq!(original.text().matches("\"unique_key\":").count(), 6);
    assert!(original.stdout == again.stdout, "workerd reads the same in every object");
    assert!(before == contents(&folder), "the folder is as it was");
}

/// A workerd whose object commits all the time.
struct Hold {
    child: Child,
    /// Closing it ends the script, so that a failed test leaves nothing running.
    stdin: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    workerd: Pid,
    database: PathBuf,
}

impl Hold {
    fn start(state: &Path) -> Self {
        let mut child = node()
            .arg(script("hold.mjs"))
            .arg("--state")
            .arg(state)
            .arg("--stop-with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        assert_eq!(ready["ready"], true);
        let workerd = Pid::from_raw(ready["workerd_pid"].as_i64().unwrap().try_into().unwrap());
        let database = ready["database"].as_str().unwrap().into();
        Hold { child, stdin, lines, workerd, database }
    }

    /// Commits that workerd says are on disk, as it says it now.
    fn commits(&mut self) -> u64 {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("workerd has ended: {error} in {line:?}"));
        said["commits"].as_u64().unwrap()
    }

    /// Kills workerd as a crash would, and waits until the script has seen it.
    fn crash(&mut self) {
        kill(self.workerd, Signal::SIGKILL).unwrap();
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "the script ends well: {status}");
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "the script does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(kill(self.workerd, None).is_err(), "workerd is gone");
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It stops workerd and then itself.
        let _ = self.child.wait();
    }
}

/// The commits in a copy of hold's database, which must be consistent.
fn commits_in(path: &Path) -> u64 {
    assert_integrity(path);
    let bytes = fs::read(path).unwrap();
    assert_eq!(&bytes[18..20], [2, 2], "the mode is kept");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    fs::write(&copy, bytes).unwrap();
    let connection = Connection::open(&copy).unwrap();
    let (consistent, commits): (bool, i64) = connection
        .query_row(
            "SELECT (SELECT sum(amount) FROM debit) = amount AND (SELECT sum(amount) FROM credit) = amount
                AND (SELECT max(id) FROM debit) = commits AND (SELECT max(id) FROM credit) = commits, commits
             FROM total",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert!(consistent, "both sides of each transfer, or neither");
    commits.try_into().unwrap()
}

#[test]
fn snapshots_of_a_running_workerd_are_consistent_and_do_not_disturb_it() {
    const SNAPSHOTS: usize = 40;
    let scratch = Scratch::new();
    let _alone = alone();
    let mut hold = Hold::start(&scratch.path("state"));
    let database = hold.database.clone();
    let mut seen = Vec::new();
    for round in 0..SNAPSHOTS {
        let committed = hold.commits();
        let made = scratch.snapshot(&database, &[]);
        let restored = scratch.restore(made["id"].as_str().unwrap(), &format!("{round}.sqlite"));
        let commits = commits_in(&restored);
        assert!(commits >= committed, "snapshot {round}: what was committed before it began is in it");
        // The value beside the tables, by way of `get`.
        let value = scratch.run(["get", made["id"].as_str().unwrap(), "commits"]);
        assert_eq!(value.text().trim(), commits.to_string());
        seen.push(commits);
        fs::remove_file(restored).unwrap();
    }
    assert!(seen.windows(2).all(|pair| pair[0] <= pair[1]), "time goes forward: {seen:?}");
    assert!(seen.last().unwrap() - seen[0] > SNAPSHOTS as u64, "it committed all the while: {seen:?}");

    // Restoring over the file of a running object is refused and changes nothing.
    let first = scratch.json(["list"])["checkpoints"][SNAPSHOTS - 1]["id"].as_str().unwrap().to_owned();
    let over = ["restore", &first, "--to", database.to_str().unwrap()];
    assert_eq!(scratch.fails(3, over)["kind"], "exists");
    for _ in 0..5 {
        let refused = scratch.fails(3, over.into_iter().chain(["--force"]));
        assert_eq!(refused["kind"], "busy");
        assert!(refused["message"].as_str().unwrap().contains(database.to_str().unwrap()), "{refused}");
    }
    let names: Vec<_> = fs::read_dir(database.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!names.iter().any(|name| name.contains("partial")), "{names:?}");
    let before = hold.commits();
    let after = hold.commits();
    assert!(after > before, "workerd goes on");

    // Killed: all that it said was on disk is in the snapshot of what it left.
    let committed = hold.commits();
    hold.crash();
    drop(hold);
    let left = contents(&scratch.path("state"));
    let made = scratch.snapshot(&database, &[]);
    assert!(left == contents(&scratch.path("state")), "what it left is as it was");
    let restored = scratch.restore(made["id"].as_str().unwrap(), "left.sqlite");
    assert!(commits_in(&restored) >= committed, "what was committed before kill -9 is there");

    // Nobody uses it any more: now an old checkpoint takes its place, log and all, and workerd goes
    // on from there.
    scratch.run(over.into_iter().chain(["--force"]));
    assert_eq!(commits_in(&database), seen[0]);
    assert!(!beside(&database, "-wal").exists());
    let mut hold = Hold::start(&scratch.path("state"));
    let (begun, now) = (hold.commits(), hold.commits());
    assert!(begun > seen[0] && begun < seen[0] + 1000 && now > begun, "{} then {begun}, {now}", seen[0]);
    drop(hold);
    assert_eq!(finish(&mut scratch.dotctl(["verify"])).code, 0);
}

#[test]
fn a_restored_database_needs_nothing_beside_it() {
    let scratch = Scratch::new();
    let made = scratch.snapshot(&object_fixture("hot-wal"), &[]);
    let restored = scratch.restore(made["id"].as_str().unwrap(), "restored.sqlite");
    let rows: i64 =
        open_restored(&restored).query_row("SELECT count(*) FROM _cf_KV", [], |row| row.get(0)).unwrap();
    assert!(rows > 200);
}
