//! What cannot be done is refused with the documented exit code and a sentence, and leaves
//! everything as it was.

mod support;

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use support::{
    Ran, calls_of, checkpoints, clean, contents_below, copy_tree, dotctl, fixture, folder, hot_database,
    in_parallel, leftovers, names_in, run_in, sha256_of, snapshot, strace, words,
};
use tempfile::TempDir;

/// A folder with a source and a checkpoint of it in the default store.
fn world() -> TempDir {
    let world = folder();
    let source = world.path().join("source");
    let database = hot_database(&source);
    for ending in ["", "-wal", "-shm"] {
        let from = format!("{}{ending}", database.display());
        fs::rename(from, source.join(format!("object.sqlite{ending}"))).unwrap();
    }
    fs::copy(fixture("state/listed.json"), source.join("listed.json")).unwrap();
    fs::copy(fixture("state/unsorted.ndjson"), source.join("unsorted.ndjson")).unwrap();
    snapshot(&world.path().join(".dotctl"), &source.join("object.sqlite"), "--namespace object");
    world
}

fn run_words(world: &Path, line: &str) -> Ran {
    run_in(world, &words(line))
}

// A machine that fails.

/// What the kernel answers when the disk is full, broken or out of reach.
const FAILURES: [(&str, &str); 12] = [
    ("write", "ENOSPC"),
    ("pwrite64", "ENOSPC"),
    ("pwrite64", "EIO"),
    ("fsync", "EIO"),
    ("fdatasync", "EIO"),
    ("mkdir", "ENOSPC"),
    ("rename", "ENOSPC"),
    ("linkat", "EMLINK"),
    ("unlink", "EACCES"),
    ("unlinkat", "EIO"),
    ("pread64", "EIO"),
    ("flock", "ENOLCK"),
];

/// Fails every such call once, each in a run of its own. The command is then done after all, or
/// refuses with 3 and a sentence; the store is whole, there is no half target, and it works again.
fn every_failing_call(line: &str, at_least: usize) {
    let template = world();
    let before = checkpoints(template.path()).unwrap().len();
    let names: Vec<&str> = FAILURES.iter().map(|(call, _)| *call).collect();
    let copy = |from: &Path| {
        let copy = folder();
        copy_tree(from, copy.path());
        copy
    };
    let counts = calls_of(copy(template.path()).path(), &words(line), &names);
    let points: Vec<(&str, &str, usize)> = FAILURES
        .iter()
        .flat_map(|(call, error)| {
            let count = counts.get(*call).copied().unwrap_or(0);
            (1..=count).map(move |number| (*call, *error, number))
        })
        .collect();
    let refused = in_parallel(&points, |(call, error, number)| {
        let world = copy(template.path());
        let mut command = strace();
        command.current_dir(world.path()).args(["-o", "/dev/null"]);
        command.arg(format!("-einject={call}:error={error}:when={number}"));
        command.arg(env!("CARGO_BIN_EXE_dotctl")).args(words(line));
        let ran = Ran::of(command.output().unwrap());
        let what = format!("{line}: {call} number {number} gives {error}: {ran:?}");
        let target = world.path().join("target");
        match ran.code {
            // Only what clears up may fail unheard: the next run does it again.
            Some(0) => assert!(["unlink", "unlinkat", "flock", "pread64"].contains(call), "{what}"),
            // It failed before the binary began.
            Some(127) if ran.stderr.contains("loading shared libraries") => return 0,
            Some(3) => ran.says_one_error(),
            _ => panic!("{what}"),
        }
        let verified = run_words(world.path(), "verify");
        assert_eq!(verified.code, Some(0), "{what}: {verified:?}");
        if line.starts_with("snapshot") {
            let after = checkpoints(world.path()).unwrap().len();
            assert!(after == before || after == before + 1, "{what}");
            assert!(ran.code == Some(3) || after == before + 1, "{what}: done, and no checkpoint");
        } else {
            let whole = fs::read(&target).ok();
            let expected = &checkpoints(world.path()).unwrap()[0]["content_sha256"];
            assert!(whole.is_none() || *expected == *sha256_of(&target), "{what}: half a target");
            assert!(ran.code == Some(3) || whole.is_some(), "{what}: done, and no target");
        }
        let again = format!("{line} {}", if line.starts_with("restore") { "--force" } else { "" });
        let again = run_words(world.path(), &again);
        assert_eq!(again.code, Some(0), "{what}: {again:?}");
        assert_eq!(leftovers(world.path()), [""; 0], "{what}");
        usize::from(ran.code == Some(3))
    });
    eprintln!("{refused} of {} refused", points.len());
    assert!(refused >= at_least, "only {refused} of {} refused", points.len());
}

#[test]
fn failing_calls_of_a_snapshot() {
    every_failing_call("snapshot source/listed.json", 15);
}

#[test]
fn failing_calls_of_a_snapshot_of_a_database() {
    every_failing_call("snapshot source/object.sqlite --namespace other --codec none", 15);
}

#[test]
fn failing_calls_of_a_snapshot_that_sorts() {
    // Quiet, since a warning may fail and be no failure.
    every_failing_call("snapshot source/unsorted.ndjson --quiet", 15);
}

#[test]
fn failing_calls_of_a_restore() {
    every_failing_call("restore latest --to target", 4);
}

/// A pack, or a manifest, that cannot be read is said, and keeps nothing else from being verified.
#[test]
fn verify_reads_on_after_a_failure() {
    let world = world();
    let store = world.path().join(".dotctl");
    for (name, namespace) in [("listed.json", "second"), ("spelled.json", "third")] {
        snapshot(&store, &fixture("state").join(name), &format!("--namespace {namespace}"));
    }
    let pack_of = |namespace: &str| {
        let manifest = support::files_below(&store.join("manifests").join(namespace)).remove(0);
        let document: serde_json::Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
        store.join("packs").join(document["runs"][0]["packs"][0]["sha256"].as_str().unwrap())
    };
    let damaged = pack_of("third");
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[40] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let manifest = support::files_below(&store.join("manifests/second")).remove(0);
    let failing = [
        (pack_of("object"), "pread64", "EIO", "Input/output error"),
        (pack_of("object"), "openat", "EACCES", "Permission denied"),
        (manifest, "openat", "EIO", "Input/output error"),
    ];
    for (path, call, error, message) in failing {
        for quick in ["", "--quick"] {
            let mut command = strace();
            command.current_dir(world.path()).args(["-o", "/dev/null", "-P"]).arg(&path);
            command.arg(format!("-einject={call}:error={error}"));
            command.arg(env!("CARGO_BIN_EXE_dotctl")).args(words("verify --format json --store"));
            command.arg(&store).args(words(quick));
            let what = format!("{} {error} {quick}", path.display());
            let ran = Ran::of(command.output().unwrap()).exits(3);
            assert_eq!(ran.stderr.lines().count(), 1, "{what}: {ran:?}");
            let said: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
            assert_eq!(said["error"]["kind"], "io", "{what}");
            let told = said["error"]["message"].as_str().unwrap();
            assert!(told.contains(message), "{what}: {told}");
            let name = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(told.matches(name).count(), 1, "{what}: {told}");
            let report = ran.json();
            assert_eq!((&report["ok"], &report["checked"]["checkpoints"]), (&false.into(), &3.into()));
            let targets = |list: &serde_json::Value| -> Vec<String> {
                let list = list.as_array().unwrap().iter();
                list.map(|one| one["target"].as_str().unwrap().to_owned()).collect()
            };
            assert_eq!(targets(&report["findings"]), [damaged.to_str().unwrap()], "{what}");
            let failed = targets(&report["failed"]);
            assert!(failed.len() == 1 && path.ends_with(&failed[0]), "{what}: {failed:?}");
            assert_eq!(
                (&report["failed"][0]["kind"], &report["failed"][0]["message"]),
                (&"io".into(), &told.into())
            );
        }
    }
    run_words(world.path(), "verify").exits(1);
}

/// From some call on there is no space at all, not even for what dotctl has to say.
#[test]
fn a_disk_that_stays_full() {
    for (line, call) in [("snapshot source/listed.json", "write"), ("restore latest --to target", "pwrite64")]
    {
        let world = world();
        let mut command = strace();
        command.current_dir(world.path()).args(["-o", "/dev/null"]);
        command.arg(format!("-einject={call}:error=ENOSPC:when=1+"));
        command.arg(env!("CARGO_BIN_EXE_dotctl")).args(words(line));
        let ran = Ran::of(command.output().unwrap()).exits(3);
        if call == "pwrite64" {
            ran.says_one_error();
            ran.mentions("No space left on device").mentions("target");
        }
        assert!(!world.path().join("target").exists());
        assert_eq!(leftovers(world.path()), [""; 0]);
        run_words(world.path(), "verify").exits(0);
    }
}

#[test]
fn nobody_listens() {
    let world = world();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let start = |line: &str| {
        let mut command = dotctl();
        command.current_dir(world.path()).args(words(line));
        command
    };
    for line in ["list", "show latest", "verify", "restore latest --to -", "list --format json"] {
        let ran = Ran::of(start(line).stdout(full()).output().unwrap()).exits(3);
        assert!(ran.stderr.contains("No space left on device"), "{ran:?}");
    }
    // Where stderr is gone too, the exit code is what is left.
    for (line, code) in
        [("show nothing", 2), ("restore 0123 --to target", 3), ("nonsense", 2), ("list --format xml", 2)]
    {
        assert_eq!(start(line).stderr(full()).output().unwrap().status.code(), Some(code), "{line}");
    }
    // A reader that has what it wanted is no failure.
    for line in ["restore latest --to -", "list", "show latest --packs"] {
        let mut child = start(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ran = Ran::of(child.wait_with_output().unwrap()).exits(0);
        assert_eq!(ran.stderr, "", "{line}");
    }
    let mut child = start("restore latest --to -").stdout(Stdio::piped()).spawn().unwrap();
    let mut head = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut head).unwrap();
    assert_eq!(&head, b"SQLite format 3\0");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

// Permissions.

/// The binary as a user whom permissions bind: root is made somebody else.
struct Bound {
    binary: PathBuf,
    as_root: bool,
}

impl Bound {
    fn new(folder: &TempDir) -> Self {
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let as_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        if as_root {
            let probe = Command::new("setpriv").arg("--version").output();
            assert!(probe.is_ok(), "as root these tests need setpriv, of util-linux: {probe:?}");
        }
        // The build's folder may be one that others cannot enter.
        let binary = folder.path().join("dotctl-copy");
        fs::copy(env!("CARGO_BIN_EXE_dotctl"), &binary).unwrap();
        Bound { binary, as_root }
    }

    fn run(&self, world: &Path, line: &str) -> Ran {
        let mut command = match self.as_root {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&self.binary);
                command
            }
            false => Command::new(&self.binary),
        };
        clean(&mut command);
        Ran::of(command.current_dir(world).args(words(line)).output().unwrap())
    }
}

fn chmod_all(root: &Path, folders: u32, files: u32) {
    for path in support::files_below(root) {
        fs::set_permissions(path, Permissions::from_mode(files)).unwrap();
    }
    let mut all = vec![root.to_owned()];
    while let Some(next) = all.pop() {
        all.extend(
            fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()),
        );
        fs::set_permissions(next, Permissions::from_mode(folders)).unwrap();
    }
}

#[test]
fn a_read_only_store() {
    let world = world();
    let bound = Bound::new(&world);
    let store = world.path().join(".dotctl");
    let out = world.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, Permissions::from_mode(0o777)).unwrap();
    chmod_all(&store, 0o555, 0o444);
    let before = contents_below(&store);
    for source in ["listed.json", "object.sqlite", "unsorted.ndjson"] {
        bound
            .run(world.path(), &format!("snapshot source/{source}"))
            .refuses(3)
            .mentions("Permission denied");
    }
    assert_eq!(contents_below(&store), before);
    // Reading needs no permission to write.
    for line in [
        "list",
        "verify",
        "verify --quick",
        "show latest",
        "restore latest --to out/target",
        "get latest value:true",
    ] {
        let ran = bound.run(world.path(), line);
        assert!(
            ran.code == Some(0) || (line.starts_with("get") && ran.stderr.contains("no entry has the key")),
            "{ran:?}"
        );
    }
    assert_eq!(names_in(&out), ["target"]);
    assert_eq!(contents_below(&store), before);
    chmod_all(&store, 0o755, 0o644);
}

#[test]
fn permission_denied() {
    let world = world();
    let bound = Bound::new(&world);
    let store = world.path().join(".dotctl");
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    // No new store in a folder of others.
    bound
        .run(world.path(), "snapshot source/listed.json --store new")
        .refuses(3)
        .mentions("Permission denied");
    assert!(!world.path().join("new").exists());
    // No target there either.
    bound
        .run(world.path(), "restore latest --to target")
        .refuses(3)
        .mentions("Permission denied")
        .mentions("target");
    assert!(!world.path().join("target").exists());
    // A source that may not be read.
    let source = world.path().join("source/listed.json");
    mode(&source, 0o000);
    let writable = world.path().join("writable");
    fs::create_dir(&writable).unwrap();
    mode(&writable, 0o777);
    bound
        .run(world.path(), "snapshot source/listed.json --store writable/s")
        .refuses(3)
        .mentions("listed.json");
    bound.run(world.path(), "inspect source/listed.json").refuses(3).mentions("listed.json");
    mode(&world.path().join("source"), 0o000);
    bound
        .run(world.path(), "snapshot source/object.sqlite --store writable/s")
        .refuses(3)
        .mentions("object.sqlite");
    mode(&world.path().join("source"), 0o755);
    // A pack that may not be read is the machine's fault and no damage.
    let pack = support::files_below(&store.join("packs")).remove(0);
    mode(&pack, 0o000);
    let verified = bound.run(world.path(), "verify").exits(3);
    verified.mentions("Permission denied").says_one_error();
    bound.run(world.path(), "restore latest --to writable/target").refuses(3).mentions("Permission denied");
    assert_eq!(names_in(&writable).iter().filter(|name| name.contains("target")).count(), 0);
    mode(&pack, 0o644);
    mode(&store, 0o000);
    for line in [
        "list",
        "verify",
        "show latest",
        "restore latest --to writable/target",
        "snapshot source/object.sqlite",
    ] {
        bound.run(world.path(), line).refuses(3).mentions("Permission denied");
    }
    mode(&store, 0o755);
    run_words(world.path(), "verify").exits(0);
}

/// An object in a folder that nobody may write to: nothing needs to be made beside it.
#[test]
fn a_source_in_a_read_only_folder() {
    let world = world();
    let bound = Bound::new(&world);
    let source = world.path().join("source");
    chmod_all(&source, 0o555, 0o444);
    let writable = world.path().join("writable");
    fs::create_dir(&writable).unwrap();
    fs::set_permissions(&writable, Permissions::from_mode(0o777)).unwrap();
    let before = contents_below(&source);
    let line = "snapshot source/object.sqlite --store writable/s --format json";
    let made = bound.run(world.path(), line).exits(0).json();
    let expected = &checkpoints(world.path()).unwrap()[0]["content_sha256"];
    assert_eq!(made["checkpoint"]["content_sha256"], *expected);
    assert_eq!(contents_below(&source), before);
    chmod_all(&source, 0o755, 0o644);
}

// Targets.

#[test]
fn a_target_that_exists() {
    let world = world();
    let target = world.path().join("target");
    fs::write(&target, "mine").unwrap();
    run_words(world.path(), "restore latest --to target")
        .refuses(3)
        .mentions("--force")
        .mentions("target exists");
    assert_eq!(fs::read(&target).unwrap(), b"mine");
    run_words(world.path(), "restore latest --to target --force").exits(0);
    assert_eq!(*sha256_of(&target), checkpoints(world.path()).unwrap()[0]["content_sha256"]);
    // Itself again.
    run_words(world.path(), "restore latest --to target").refuses(3);
    run_words(world.path(), "restore latest --to target --force").exits(0);
    assert_eq!(names_in(world.path()), [".dotctl", "source", "target"]);
}

#[test]
fn a_target_that_is_no_file() {
    let world = world();
    let inside = world.path().join("folder");
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("mine"), "mine").unwrap();
    for force in ["", "--force"] {
        for path in ["folder", "folder/", ".", "..", "/"] {
            run_words(world.path(), &format!("restore latest --to {path} {force}"))
                .refuses(3)
                .mentions("a folder");
        }
    }
    run_words(world.path(), "restore latest --to nowhere/target").refuses(3).mentions("nowhere");
    run_words(world.path(), "restore latest --to source/listed.json/target").refuses(3);

    // A link is a name that is taken; with --force it is replaced, and what it names is not touched.
    for (name, to) in [("link", "folder/mine"), ("dangling", "folder/absent")] {
        let link = world.path().join(name);
        symlink(to, &link).unwrap();
        run_words(world.path(), &format!("restore latest --to {name}")).refuses(3).mentions("target exists");
        assert_eq!(fs::read_link(&link).unwrap(), Path::new(to));
        run_words(world.path(), &format!("restore latest --to {name} --force")).exits(0);
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
    }
    symlink("folder", world.path().join("to-folder")).unwrap();
    run_words(world.path(), "restore latest --to to-folder --force").refuses(3).mentions("a folder");
    assert_eq!(contents_below(&inside), [(inside.join("mine"), b"mine".to_vec())]);
    let expected = [".dotctl", "dangling", "folder", "link", "source", "to-folder"];
    assert_eq!(names_in(world.path()), expected);
}

/// SQLite would apply a log that lies beside the target to the restored database.
#[test]
fn files_of_a_database_beside_the_target() {
    for ending in ["-wal", "-journal", "-shm"] {
        let world = world();
        let companion = world.path().join(format!("target{ending}"));
        fs::write(&companion, "old").unwrap();
        let ran = run_words(world.path(), "restore latest --to target").refuses(3);
        ran.mentions(&format!("target{ending}")).mentions("belongs to a database");
        assert_eq!(fs::read(&companion).unwrap(), b"old");
        assert!(!world.path().join("target").exists());
        run_words(world.path(), "restore latest --to target --force").exits(0);
        assert!(!companion.exists());
        assert_eq!(
            *sha256_of(&world.path().join("target")),
            checkpoints(world.path()).unwrap()[0]["content_sha256"]
        );
    }
}

fn open_log(path: &Path) -> Connection {
    let database = Connection::open(path).unwrap();
    database.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    database.execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES('first')").unwrap();
    database
}

#[test]
fn over_a_database_in_use() {
    let world = world();
    let target = world.path().join("target");
    let database = open_log(&target);
    let refused = || {
        let ran = run_words(world.path(), "restore latest --to target --force").refuses(3);
        ran.mentions("has this database open").mentions("hint: ");
        assert_eq!(names_in(world.path()).iter().filter(|name| name.contains("partial")).count(), 0);
    };
    // Open and idle, reading, writing.
    refused();
    database.execute_batch("INSERT INTO t VALUES('second'); BEGIN; SELECT * FROM t").unwrap();
    refused();
    database.execute_batch("INSERT INTO t VALUES('third')").unwrap();
    refused();
    database.execute_batch("COMMIT").unwrap();
    // It has lost nothing and goes on.
    let other = Connection::open(&target).unwrap();
    other.execute_batch("INSERT INTO t VALUES('fourth')").unwrap();
    let count = |database: &Connection| -> i64 {
        database.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count(&database), count(&other)), (4, 4));
    let check: String = other.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    drop((database, other));
    // Closed, it may be replaced.
    run_words(world.path(), "restore latest --to target --force").exits(0);
    assert_eq!(*sha256_of(&target), checkpoints(world.path()).unwrap()[0]["content_sha256"]);
    assert_eq!(names_in(world.path()), [".dotctl", "source", "target"]);
}

/// Refused before anything is read, so that nobody waits for it: the damaged pack is never met.
#[test]
fn over_a_database_in_use_at_once() {
    let world = world();
    let pack = support::files_below(&world.path().join(".dotctl/packs")).remove(0);
    fs::write(pack, "damaged").unwrap();
    let target = world.path().join("target");
    let database = open_log(&target);
    let force = || run_words(world.path(), "restore latest --to target --force");
    force()
        .refuses(3)
        .mentions(&format!("process {}", std::process::id()))
        .mentions("has this database open");
    drop(database);
    let database = Connection::open(&target).unwrap();
    database.execute_batch("PRAGMA journal_mode = DELETE; BEGIN IMMEDIATE").unwrap();
    force().refuses(3).mentions("has this database open");
    drop(database);
    force().refuses(1).mentions("the pack");
}

/// In use since a moment ago, while the restore is under way.
#[test]
fn over_a_database_in_use_in_the_end() {
    for is_empty in [false, true] {
        let world = world();
        let target = world.path().join("target");
        if is_empty {
            fs::write(&target, "").unwrap();
        } else {
            drop(open_log(&target));
        }
        let mut command = strace();
        command.current_dir(world.path()).args(["-o", "/dev/null"]);
        command.arg("-einject=fsync:delay_enter=2s:when=1");
        command.arg(env!("CARGO_BIN_EXE_dotctl")).args(words("restore latest --to target --force"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while !world.path().join(".target.dotctl-partial").exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let database = Connection::open(&target).unwrap();
        let table = if is_empty { "CREATE TABLE t(a); INSERT INTO t VALUES('first');" } else { "" };
        database.execute_batch(&format!("BEGIN IMMEDIATE; {table} INSERT INTO t VALUES('second')")).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap()).refuses(3);
        ran.mentions("has this database open");
        database.execute_batch("COMMIT").unwrap();
        let count: i64 = database.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 2);
    }
}

/// What is no database to look at may be somebody's all the same: the files beside it stay.
#[test]
fn over_a_broken_database_in_use() {
    let breaks = ["truncate -s 0 target", "printf xxxx | dd of=target conv=notrunc status=none", "rm target"];
    for line in breaks {
        let world = world();
        let target = world.path().join("target");
        let database = open_log(&target);
        // In a process of its own: to close the file in this one would drop SQLite's locks.
        let broken = Command::new("sh").current_dir(world.path()).args(["-c", line]).status().unwrap();
        assert!(broken.success());
        let beside = names_in(world.path());
        assert!(beside.iter().any(|name| name == "target-wal"), "{beside:?}");
        run_words(world.path(), "restore latest --to target --force")
            .refuses(3)
            .mentions("has this database open");
        assert_eq!(names_in(world.path()), beside, "{line}");
        drop(database);
        run_words(world.path(), "restore latest --to target --force").exits(0);
        assert_eq!(*sha256_of(&target), checkpoints(world.path()).unwrap()[0]["content_sha256"], "{line}");
        assert_eq!(names_in(world.path()), [".dotctl", "source", "target"], "{line}");
    }
    // A new database in its first transaction has no byte yet.
    let world = world();
    let target = world.path().join("target");
    let database = Connection::open(&target).unwrap();
    database.execute_batch("BEGIN IMMEDIATE; CREATE TABLE t(a)").unwrap();
    assert_eq!(fs::metadata(&target).unwrap().len(), 0);
    run_words(world.path(), "restore latest --to target --force")
        .refuses(3)
        .mentions("has this database open");
    database.execute_batch("COMMIT").unwrap();
    assert_ne!(fs::metadata(&target).unwrap().len(), 0);
}

/// A file that may only be read cannot be locked, and may be replaced.
#[test]
fn over_a_read_only_file() {
    let world = world();
    let bound = Bound::new(&world);
    let out = world.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("target"), "old").unwrap();
    chmod_all(&out, 0o777, 0o444);
    bound.run(world.path(), "restore latest --to out/target --force").exits(0);
    assert_eq!(*sha256_of(&out.join("target")), checkpoints(world.path()).unwrap()[0]["content_sha256"]);
}

#[test]
fn over_a_database_in_a_transaction() {
    let world = world();
    let target = world.path().join("target");
    let database = Connection::open(&target).unwrap();
    database.execute_batch("CREATE TABLE t(a); BEGIN IMMEDIATE; INSERT INTO t VALUES(1)").unwrap();
    run_words(world.path(), "restore latest --to target --force")
        .refuses(3)
        .mentions("has this database open");
    database.execute_batch("COMMIT").unwrap();
    let count: i64 = database.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}

/// Its user was killed: a log that was never folded in lies beside it.
#[test]
fn over_a_database_left_with_its_log() {
    let world = world();
    let made = folder();
    let database = open_log(&made.path().join("target"));
    for name in ["target", "target-wal"] {
        fs::copy(made.path().join(name), world.path().join(name)).unwrap();
    }
    drop(database);
    run_words(world.path(), "restore latest --to target").refuses(3);
    run_words(world.path(), "restore latest --to target --force").exits(0);
    assert_eq!(names_in(world.path()), [".dotctl", "source", "target"]);
    let restored = Connection::open(world.path().join("target")).unwrap();
    let check: String = restored.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let kept: i64 = restored.query_row("SELECT count(*) FROM _cf_KV", [], |row| row.get(0)).unwrap();
    assert!(kept > 0);
}

// Several at once.

fn start(world: &Path, line: &str) -> Child {
    let mut command = dotctl();
    command.current_dir(world).args(words(line)).args(["--format", "json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn finish(children: Vec<Child>) -> Vec<Ran> {
    children.into_iter().map(|child| Ran::of(child.wait_with_output().unwrap())).collect()
}

/// Eight processes make the store and write into it at once, several rounds of it.
#[test]
fn snapshots_at_once_of_different_sources() {
    for round in 0..10 {
        let world = folder();
        for number in 0..8 {
            let text = format!("[[\"key\",{{\"value\":{number}}}],[\"round\",{{\"value\":{round}}}]]");
            fs::write(world.path().join(format!("{number}.json")), text).unwrap();
        }
        let line = |number| format!("snapshot {number}.json --namespace shared");
        let made = finish((0..8).map(|number| start(world.path(), &line(number))).collect());
        let ids: Vec<String> = made
            .into_iter()
            .map(|ran| ran.exits(0).json()["checkpoint"]["id"].as_str().unwrap().to_owned())
            .collect();
        let all = checkpoints(world.path()).unwrap();
        assert_eq!(all.len(), 8);
        let mut sequences: Vec<u64> = all.iter().map(|one| one["sequence"].as_u64().unwrap()).collect();
        sequences.sort_unstable();
        assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 7, 8], "two checkpoints in one place of the order");
        run_words(world.path(), "verify").exits(0);
        for (number, id) in ids.iter().enumerate() {
            run_words(world.path(), &format!("restore {id} --to restored-{number}")).exits(0);
            let restored = fs::read(world.path().join(format!("restored-{number}"))).unwrap();
            assert_eq!(restored, fs::read(world.path().join(format!("{number}.json"))).unwrap());
        }
        assert_eq!(leftovers(world.path()), [""; 0]);
    }
}

#[test]
fn snapshots_at_once_of_one_source() {
    for _ in 0..5 {
        let world = folder();
        fs::copy(fixture("state/listed.json"), world.path().join("listed.json")).unwrap();
        let made = finish((0..8).map(|_| start(world.path(), "snapshot listed.json")).collect());
        let contents: Vec<_> =
            made.into_iter().map(|ran| ran.exits(0).json()["checkpoint"]["content_sha256"].take()).collect();
        assert!(contents.windows(2).all(|pair| pair[0] == pair[1]));
        assert!(!checkpoints(world.path()).unwrap().is_empty());
        assert_eq!(names_in(&world.path().join(".dotctl/packs")).len(), 1, "one content, one pack");
        run_words(world.path(), "verify").exits(0);
        assert_eq!(leftovers(world.path()), [""; 0]);
    }
}

#[test]
fn snapshots_of_a_database_beside_reads_and_restores() {
    let world = world();
    let before = contents_below(&world.path().join("source"));
    let mut children = Vec::new();
    for number in 0..4 {
        children.push(start(world.path(), "snapshot source/object.sqlite"));
        children.push(start(world.path(), &format!("restore object@latest --to target-{number}")));
        children.push(start(world.path(), "verify"));
    }
    for ran in finish(children) {
        ran.exits(0);
    }
    assert_eq!(contents_below(&world.path().join("source")), before);
    assert_eq!(leftovers(world.path()), [""; 0]);
}

#[test]
fn restores_at_once_to_one_target() {
    let world = world();
    let ran = finish((0..8).map(|_| start(world.path(), "restore latest --to target")).collect());
    let done = ran.iter().filter(|ran| ran.code == Some(0)).count();
    let refused = ran.iter().filter(|ran| ran.code == Some(3)).count();
    assert_eq!((done, refused), (1, 7), "{ran:?}");
    assert_eq!(
        *sha256_of(&world.path().join("target")),
        checkpoints(world.path()).unwrap()[0]["content_sha256"]
    );
    assert_eq!(names_in(world.path()), [".dotctl", "source", "target"]);
}

// Words.

/// Exactly one JSON object on stderr, nothing on stdout.
#[track_caller]
fn json_error(ran: &Ran, kind: &str) {
    assert!(ran.stdout.is_empty(), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"]["kind"], kind, "{ran:?}");
    assert!(error["error"]["message"].as_str().unwrap().split_whitespace().count() >= 3, "{ran:?}");
    assert!(error["error"].as_object().unwrap().contains_key("hint"), "{ran:?}");
}

#[test]
fn wrong_usage() {
    let world = world();
    for line in [
        "",
        "nonsense",
        "snapshot",
        "snapshot a b",
        "restore latest",
        "restore --to target",
        "restore latest --to target --as xml",
        "restore latest --to target --unknown",
        "verify --checksum sha256:00",
        "verify a --quick --checksum sha256:00",
        "list --namespace",
        "get latest",
        "completions tcsh",
        "snapshot source/listed.json --chunk-bytes 1XB",
        "snapshot source/listed.json --codec lzma",
        "snapshot source/listed.json --kind rows-of-pages",
    ] {
        let ran = run_words(world.path(), line).exits(2);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{line}: {ran:?}");
        for json in [format!("--format json {line}"), format!("{line} --format=json")] {
            json_error(&run_words(world.path(), &json).exits(2), "usage");
        }
    }
}

#[test]
fn words_that_mean_nothing_here() {
    let world = world();
    for (line, code, kind) in [
        ("restore 0123 --to target", 3, "missing"),
        ("restore nobody@latest --to target", 3, "missing"),
        ("restore object@2001-01-01T00:00:00Z --to target", 3, "missing"),
        ("restore object@yesterday --to target", 2, "malformed"),
        ("restore 012 --to target", 2, "malformed"),
        ("restore latest --to target --as json", 2, "unsupported"),
        ("show 0123", 3, "missing"),
        ("show latest --store absent", 3, "missing"),
        ("list --store absent", 3, "missing"),
        ("verify --store absent", 3, "missing"),
        ("verify 0123", 3, "missing"),
        ("list --store s4://bucket/prefix", 2, "unsupported"),
        ("get latest absent", 3, "missing"),
        ("snapshot absent.json", 3, "missing"),
        ("inspect absent.json", 3, "missing"),
        ("snapshot source/listed.json --kind image", 2, "malformed"),
        ("snapshot source/listed.json --chunk-bytes 1", 2, "malformed"),
        ("snapshot source/listed.json --chunk-bytes 5MiB", 2, "malformed"),
        ("snapshot .dotctl", 2, "malformed"),
        ("snapshot empty", 2, "malformed"),
        ("inspect empty", 2, "malformed"),
        ("snapshot source/listed.json --store source", 3, "exists"),
        ("verify source/listed.json --checksum sha256:00", 2, "malformed"),
        ("verify source/listed.json --checksum md5:00", 2, "malformed"),
    ] {
        fs::create_dir_all(world.path().join("empty")).unwrap();
        let before = contents_below(world.path());
        run_words(world.path(), line).refuses(code);
        json_error(&run_words(world.path(), &format!("{line} --format json")).exits(code), kind);
        assert_eq!(contents_below(world.path()), before, "{line}");
        assert!(!world.path().join("absent").exists(), "{line}");
    }
}

/// Also a check that finds something speaks one JSON object, on stdout.
#[test]
fn findings_are_results() {
    let world = world();
    let pack = support::files_below(&world.path().join(".dotctl/packs")).remove(0);
    File::options().append(true).open(&pack).unwrap().write_all(b"x").unwrap();
    let ran = run_words(world.path(), "verify --format json").exits(1);
    assert_eq!(ran.stderr, "");
    assert_eq!(ran.json()["findings"][0]["kind"], "size-mismatch");
    json_error(&run_words(world.path(), "restore latest --to target --format json").exits(1), "corrupt");
    assert!(!world.path().join("target").exists());
}
