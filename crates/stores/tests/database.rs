//! Reads of databases that SQLite is using, held against SQLite itself.
//!
//! Writers are child processes (this test binary again, see [`child_process`]): SQLite's locks are
//! the process's and would be lost when another file of the same database is closed in it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use dotctl_engine::image::{PageReader, PageSource};
use dotctl_engine::{ErrorKind, Result};
use dotctl_stores::database::{LiveDatabase, is_database};
use rusqlite::Connection;
use tempfile::TempDir;

const ROLE: &str = "DATABASE_TEST_ROLE";
const PATH: &str = "DATABASE_TEST_PATH";

/// The writers' side. Does nothing unless another test starts it with a role.
#[test]
#[ignore = "the other tests run it as a child process"]
fn child_process() {
    let (Ok(role), Ok(path)) = (std::env::var(ROLE), std::env::var(PATH)) else {
        return;
    };
    match role.as_str() {
        "shell" => shell(Path::new(&path)),
        "transfer" => transfer(Path::new(&path)),
        "reopen" => reopen(Path::new(&path)),
        "checkpoint" => checkpoint(Path::new(&path)),
        "grow" => grow(Path::new(&path)),
        other => panic!("no role {other}"),
    }
}

/// Runs SQL from standard input, a line at a time, on connections 1 and 2.
fn shell(path: &Path) {
    let connections = [1, 2].map(|_| open(path));
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (number, sql) = line.split_at(1);
        let connection = &connections[number.parse::<usize>().unwrap() - 1];
        let answer = match run_to_the_end(connection, sql) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("failed: {error}"),
        };
        println!("\nanswer {answer}");
    }
    // Without the closing that would tidy up.
    std::process::exit(0);
}

/// Unlike `execute_batch` takes every row, as an incremental vacuum needs.
fn run_to_the_end(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    let mut batch = rusqlite::Batch::new(connection, sql);
    while let Some(mut statement) = rusqlite::fallible_iterator::FallibleIterator::next(&mut batch)? {
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
    }
    Ok(())
}

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(20)).unwrap();
    connection
}

/// Moves amounts between rows, logging each move: the sum stays, and `moves` counts the log.
fn transfer(path: &Path) {
    let mut connection = open(path);
    connection.execute_batch("PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=30").unwrap();
    let mut seed = u64::from(std::process::id());
    loop {
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        for _ in 0..1 + seed % 7 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let [from, to, bytes] =
                [(seed >> 33) % 100 + 1, (seed >> 45) % 100 + 1, seed >> 52].map(|number| number as u32);
            transaction.execute("UPDATE account SET amount = amount - 5 WHERE id = ?1", [from]).unwrap();
            transaction.execute("UPDATE account SET amount = amount + 5 WHERE id = ?1", [to]).unwrap();
            transaction.execute("INSERT INTO move(body) VALUES (zeroblob(?1))", [bytes]).unwrap();
            transaction.execute("UPDATE total SET moves = moves + 1", []).unwrap();
        }
        if seed % 5 == 0 {
            let deleted = transaction.execute("DELETE FROM move WHERE id % 3 = 0", []).unwrap();
            transaction.execute("UPDATE total SET moves = moves - ?1", [deleted as u32]).unwrap();
        }
        transaction.commit().unwrap();
        std::thread::sleep(Duration::from_micros(seed >> 55));
    }
}

/// Opens and closes connections, each with one small transaction.
fn reopen(path: &Path) {
    loop {
        let connection = open(path);
        connection
            .execute_batch("PRAGMA synchronous=OFF; UPDATE account SET amount = amount WHERE id = 1")
            .unwrap();
        drop(connection);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Checkpoints in every mode.
fn checkpoint(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_millis(50)).unwrap();
    for mode in ["TRUNCATE", "RESTART", "PASSIVE", "FULL"].iter().cycle() {
        // Whether it was busy is in the row; an error would be one.
        connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())).unwrap();
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Grows and shrinks a table in transactions that are too large for the cache, until it is killed.
fn grow(path: &Path) {
    let connection = open(path);
    connection.execute_batch("PRAGMA synchronous=OFF; PRAGMA cache_size=10").unwrap();
    for round in 0.. {
        connection
            .execute_batch(&format!(
                "BEGIN;
                 UPDATE item SET body = randomblob(200 + {round} % 300);
                 INSERT INTO item(body) SELECT randomblob(300) FROM item LIMIT 400;
                 DELETE FROM item WHERE id > 2000;
                 COMMIT"
            ))
            .unwrap();
    }
}

/// A child process that is killed at the end.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(role: &str, path: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_process", "--exact", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .env(PATH, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Process { input: child.stdin.take(), output: BufReader::new(child.stdout.take().unwrap()), child }
    }

    /// What the shell answers to `sql` on connection `number`.
    fn ask(&mut self, number: u32, sql: &str) -> String {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{number}{}", sql.replace('\n', " ")).unwrap();
        input.flush().unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "{sql}");
            if let Some(answer) = line.strip_prefix("answer ") {
                return answer.trim_end().to_owned();
            }
        }
    }

    fn run(&mut self, sql: &str) {
        assert_eq!(self.ask(1, sql), "ok", "{sql}");
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All pages, in steps of changing size, and the check that they were still.
fn read_image(database: &LiveDatabase) -> Result<Vec<u8>> {
    let page_bytes = database.page_bytes() as usize;
    let page_count = database.page_count() as usize;
    let mut image = vec![0xaa; page_bytes * page_count];
    let (mut page, mut step) = (0, 1);
    while page < page_count {
        let pages = step.min(page_count - page);
        database.read_pages(page as u32 + 1, &mut image[page * page_bytes..(page + pages) * page_bytes])?;
        page += pages;
        step = step * 2 % 1201;
    }
    database.check_unchanged()?;
    Ok(image)
}

fn snapshot(path: &Path) -> Vec<u8> {
    read_image(&LiveDatabase::open(path).unwrap()).unwrap()
}

/// What SQLite's backup gives.
fn backup(path: &Path) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("backup");
    let source = Connection::open(path).unwrap();
    source.backup(rusqlite::MAIN_DB, &target, None::<fn(rusqlite::backup::Progress)>).unwrap();
    drop(source);
    fs::read(&target).unwrap()
}

/// The same of a copy, for what a connection to the original would tidy up.
fn backup_of_copy(path: &Path) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join(path.file_name().unwrap());
    for suffix in ["", "-wal", "-journal"] {
        let from = PathBuf::from(format!("{}{suffix}", path.display()));
        if from.exists() {
            fs::copy(from, format!("{}{suffix}", copy.display())).unwrap();
        }
    }
    backup(&copy)
}

/// Page for page, but for the header fields that a backup counts up in its target: the change
/// counter (24..28), the schema cookie (40..44), and for which counter and by which SQLite the
/// size was written (92..100).
fn assert_same(image: &[u8], backup: &[u8], what: &str) {
    assert_eq!(image.len(), backup.len(), "{what}: sizes");
    let page_bytes = match u16::from_be_bytes([image[16], image[17]]) {
        1 => 65_536,
        bytes => usize::from(bytes),
    };
    let pages = image.chunks(page_bytes).zip(backup.chunks(page_bytes));
    for (number, (ours, theirs)) in (1..).zip(pages) {
        let (mut ours, mut theirs) = (ours.to_vec(), theirs.to_vec());
        if number == 1 {
            for page in [&mut ours, &mut theirs] {
                page[24..28].fill(0);
                page[40..44].fill(0);
                page[92..100].fill(0);
            }
        }
        assert!(ours == theirs, "{what}: page {number} differs");
    }
}

fn with_image<T>(image: &[u8], work: impl FnOnce(&Connection) -> T) -> T {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("restored");
    fs::write(&path, image).unwrap();
    let connection = Connection::open(&path).unwrap();
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    work(&connection)
}

/// Every file of a folder with its bytes.
fn folder_bytes(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// Reads twice, sees that nothing beside the database changed, and compares with `expected`.
fn assert_reads_as(path: &Path, expected: impl FnOnce() -> Vec<u8>, what: &str) -> Vec<u8> {
    let before = folder_bytes(path);
    let image = snapshot(path);
    assert!(image == snapshot(path), "{what}: two reads differ");
    assert!(before == folder_bytes(path), "{what}: the folder changed");
    assert_same(&image, &expected(), what);
    with_image(&image, |_| ());
    image
}

const SCHEMA: &str = "
    CREATE TABLE item(id INTEGER PRIMARY KEY, body BLOB);
    CREATE TABLE pair(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
    CREATE INDEX item_body ON item(body);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700)
    INSERT INTO item(body) SELECT randomblob(i % 400) FROM n;
    INSERT INTO pair SELECT 'key ' || id, body FROM item;
    INSERT INTO item(body) VALUES (randomblob(200000));";

fn new_folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("object.sqlite");
    (folder, path)
}

/// A shell connected to a new database.
fn new_database(pragmas: &str) -> (TempDir, PathBuf, Process) {
    let (folder, path) = new_folder();
    let mut shell = Process::start("shell", &path);
    shell.run(&format!("PRAGMA wal_autocheckpoint=0;{pragmas};{SCHEMA}"));
    (folder, path, shell)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

#[test]
fn every_page_size_in_every_mode() {
    for page_bytes in [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536] {
        let size = format!("PRAGMA page_size={page_bytes}");
        let (_folder, path, _shell) = new_database(&size);
        let image = assert_reads_as(&path, || backup(&path), "rollback mode");
        let database = LiveDatabase::open(&path).unwrap();
        assert_eq!(database.page_bytes(), page_bytes);
        let mut page = vec![0; page_bytes as usize];
        (&database).read_page(2, &mut page).unwrap();
        assert_eq!(page, image[page.len()..2 * page.len()]);
        drop(database);

        let (_folder, path, mut shell) = new_database(&format!("{size}; PRAGMA journal_mode=WAL"));
        assert_eq!(fs::metadata(&path).unwrap().len(), u64::from(page_bytes));
        let database = LiveDatabase::open(&path).unwrap();
        assert_eq!(database.log_pages(), database.page_count() as usize);
        drop(database);
        assert_reads_as(&path, || backup(&path), "hot log");

        // A reader that keeps the checkpoint from going further than itself.
        assert_eq!(shell.ask(2, "BEGIN; SELECT count(*) FROM item"), "ok");
        shell.run("UPDATE item SET body = randomblob(100) WHERE id % 7 = 0");
        shell.run("PRAGMA wal_checkpoint(PASSIVE)");
        shell.run("DELETE FROM item WHERE id % 5 = 0; INSERT INTO pair VALUES ('new', 1)");
        assert_reads_as(&path, || backup(&path), "log checkpointed in part");

        assert_eq!(shell.ask(2, "COMMIT"), "ok");
        shell.run("PRAGMA wal_checkpoint(PASSIVE)");
        assert_reads_as(&path, || backup(&path), "log checkpointed in whole");
        shell.run("INSERT INTO pair VALUES ('newer', 1)");
        assert_reads_as(&path, || backup(&path), "log started over");
        shell.run("PRAGMA wal_checkpoint(TRUNCATE)");
        assert_eq!(fs::metadata(beside(&path, "-wal")).unwrap().len(), 0);
        assert_reads_as(&path, || backup(&path), "log truncated");

        drop(shell);
        drop(Connection::open(&path).unwrap().execute_batch("SELECT 1 FROM item"));
        assert!(!beside(&path, "-wal").exists());
        assert_reads_as(&path, || backup_of_copy(&path), "log mode, closed");
    }
}

#[test]
fn shrunken_databases() {
    for (pragmas, shrink) in [
        ("PRAGMA auto_vacuum=FULL", "DELETE FROM item WHERE id > 20"),
        ("PRAGMA auto_vacuum=INCREMENTAL", "DELETE FROM item WHERE id > 20; PRAGMA incremental_vacuum(30)"),
        ("", "DELETE FROM item WHERE id > 20; VACUUM"),
    ] {
        for mode in ["DELETE", "WAL"] {
            let (_folder, path, mut shell) = new_database(&format!("{pragmas}; PRAGMA journal_mode={mode}"));
            shell.run("PRAGMA wal_checkpoint(TRUNCATE)");
            let before = snapshot(&path).len();
            shell.run(shrink);
            let what = format!("{mode}: {shrink}");
            let image = assert_reads_as(&path, || backup(&path), &what);
            assert!(image.len() < before, "{what}");
            shell.run("INSERT INTO item(body) VALUES (randomblob(50000))");
            assert_reads_as(&path, || backup(&path), &what);
            shell.run("PRAGMA wal_checkpoint(PASSIVE)");
            assert_reads_as(&path, || backup(&path), &what);
        }
    }
}

#[test]
fn an_unfinished_transaction_that_spilled() {
    for mode in ["WAL", "DELETE"] {
        let (_folder, path, mut shell) =
            new_database(&format!("PRAGMA journal_mode={mode}; PRAGMA cache_size=5"));
        let image = snapshot(&path);
        let log_bytes = |path| fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
        let before = log_bytes(&path);
        shell.run("BEGIN; UPDATE item SET body = randomblob(300)");
        if mode == "WAL" {
            assert!(log_bytes(&path) > before + 100_000);
            assert!(image == assert_reads_as(&path, || backup(&path), "spilled"));
            shell.kill();
            assert!(image == snapshot(&path));
            assert_same(&image, &backup_of_copy(&path), "spilled, killed");
        } else {
            // It had to lock the main file to spill into it.
            let error = LiveDatabase::open_within(&path, Duration::from_millis(50)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Busy);
            let process = shell.child.id().to_string();
            assert!(error.to_string().contains(&process), "{error}");
            shell.kill();
            assert!(fs::metadata(beside(&path, "-journal")).unwrap().len() > 10_000);
            let after = assert_reads_as(&path, || backup_of_copy(&path), "hot journal");
            assert!(image == after);
            assert!(fs::read(&path).unwrap() != image);
            assert_super_journal_decides(&path, &image);
        }
    }
}

/// Ends the hot journal with the name of a super-journal: while that file exists the transaction
/// is rolled back, without it it was finished.
fn assert_super_journal_decides(path: &Path, original: &[u8]) {
    let name = beside(path, "-mj0123AB9CD");
    let bytes = name.to_str().unwrap().as_bytes();
    let lock_page = 0x4000_0000u32 / 4096 + 1;
    let sum: u32 = bytes.iter().map(|&byte| u32::from(byte)).sum();
    let mut journal = fs::read(beside(path, "-journal")).unwrap();
    journal.extend(lock_page.to_be_bytes());
    journal.extend(bytes);
    journal.extend((bytes.len() as u32).to_be_bytes());
    journal.extend(sum.to_be_bytes());
    journal.extend([0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    fs::write(beside(path, "-journal"), journal).unwrap();

    fs::write(&name, "").unwrap();
    assert!(snapshot(path) == original);
    fs::remove_file(&name).unwrap();
    let image = snapshot(path);
    assert!(image != original);
    assert_same(&image, &backup_of_copy(path), "finished by its super-journal");
}

#[test]
fn killed_writers() {
    for mode in ["WAL", "DELETE", "TRUNCATE", "PERSIST"] {
        let mut hot_journals = 0;
        for round in 0..8u64 {
            let (_folder, path) = new_folder();
            let connection = Connection::open(&path).unwrap();
            let pragma = format!("PRAGMA page_size=1024; PRAGMA journal_mode={mode}; {SCHEMA}");
            connection.execute_batch(&pragma).unwrap();
            drop(connection);
            let writer = Process::start("grow", &path);
            std::thread::sleep(Duration::from_millis(40 + 17 * round));
            writer.kill();
            let plain = fs::read(&path).unwrap();
            let image = assert_reads_as(&path, || backup_of_copy(&path), mode);
            hot_journals += u32::from(mode != "WAL" && plain != image);
            if mode == "WAL" {
                fs::remove_file(beside(&path, "-shm")).unwrap();
                assert!(image == snapshot(&path));
            }
        }
        assert!(mode == "WAL" || hot_journals > 0, "{mode}: no hot journal");
    }
}

#[test]
fn torn_logs() {
    let (_folder, path, mut shell) = new_database("PRAGMA page_size=512; PRAGMA journal_mode=WAL");
    for step in 0..6 {
        shell.run(&format!("UPDATE item SET body = randomblob(90) WHERE id % 50 = {step}"));
    }
    shell.kill();
    fs::remove_file(beside(&path, "-shm")).unwrap();
    let log = fs::read(beside(&path, "-wal")).unwrap();
    let mut sizes = std::collections::BTreeSet::new();
    for back in (0..40).map(|step| step * step * step * 4) {
        let cut = log.len() - back;
        fs::write(beside(&path, "-wal"), &log[..cut]).unwrap();
        let image = assert_reads_as(&path, || backup_of_copy(&path), "truncated");
        let mut torn = log.clone();
        torn[cut.min(log.len() - 1)] ^= 1;
        fs::write(beside(&path, "-wal"), &torn).unwrap();
        let torn = assert_reads_as(&path, || backup_of_copy(&path), "torn");
        sizes.insert(image);
        sizes.insert(torn);
    }
    assert!(sizes.len() > 4, "only {} states", sizes.len());
    // Without a valid header, or without a log, the main file is all there is.
    for log in [&log[..31], &[0; 4096][..], &[]] {
        fs::write(beside(&path, "-wal"), log).unwrap();
        assert!(snapshot(&path) == fs::read(&path).unwrap());
    }
}

#[test]
fn old_frames_of_a_log_that_was_started_over_are_ignored() {
    let (_folder, path, mut shell) = new_database("PRAGMA journal_mode=WAL");
    let old = fs::read(beside(&path, "-wal")).unwrap();
    shell.run("UPDATE item SET body = randomblob(100)");
    shell.run("PRAGMA wal_checkpoint(TRUNCATE)");
    // As it is between starting the log over and its first new frame.
    fs::write(beside(&path, "-wal"), old).unwrap();
    assert_same(&snapshot(&path), &backup(&path), "started over");
}

#[test]
fn a_log_that_its_users_see_and_that_is_damaged_is_an_error() {
    let (_folder, path, _shell) = new_database("PRAGMA journal_mode=WAL");
    let log = fs::OpenOptions::new().write(true).open(beside(&path, "-wal")).unwrap();
    log.write_all_at(b"damage", 9_000).unwrap();
    let error = LiveDatabase::open(&path).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{error}");
    assert!(error.place().unwrap().ends_with("-wal"), "{error}");
}

const ACCOUNTS: &str = "
    CREATE TABLE account(id INTEGER PRIMARY KEY, amount INTEGER);
    CREATE TABLE move(id INTEGER PRIMARY KEY, body BLOB);
    CREATE TABLE total(moves INTEGER);
    INSERT INTO total VALUES (0);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
    INSERT INTO account SELECT i, 1000 FROM n;";

/// Takes `count` snapshots while `roles` write; each must be a committed state.
fn snapshots_under_load(mode: &str, roles: &[&str], count: usize) {
    let (_folder, path) = new_folder();
    let connection = Connection::open(&path).unwrap();
    let pragma = format!("PRAGMA page_size=1024; PRAGMA journal_mode={mode}; {ACCOUNTS}");
    connection.execute_batch(&pragma).unwrap();
    drop(connection);
    let mut writers: Vec<_> = roles.iter().map(|role| Process::start(role, &path)).collect();
    let deadline = Instant::now() + Duration::from_secs(120);
    let (mut taken, mut unsettled) = (0, 0);
    let mut states = std::collections::BTreeSet::new();
    let mut newest = 0;
    // Until the writers, which run when the machine lets them, were seen at work often enough.
    while taken < count || states.len() <= count / 10 {
        let seen = states.len();
        assert!(Instant::now() < deadline, "{taken} snapshots of {seen} states, {unsettled} again");
        let database = LiveDatabase::open(&path).unwrap();
        let image = match read_image(&database) {
            Ok(image) => image,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                unsettled += 1;
                continue;
            }
        };
        if taken % 16 == 0 {
            // What was fixed at the start stays while others go on writing.
            std::thread::sleep(Duration::from_millis(30));
            assert!(read_image(&database).unwrap() == image);
        }
        drop(database);
        taken += 1;
        with_image(&image, |connection| {
            let (sum, moves, rows, last): (i64, i64, i64, i64) = connection
                .query_row(
                    "SELECT (SELECT sum(amount) FROM account), (SELECT moves FROM total),
                            (SELECT count(*) FROM move), (SELECT ifnull(max(id), 0) FROM move)",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
                )
                .unwrap();
            assert_eq!((sum, moves), (100_000, rows));
            // A later snapshot never shows an earlier state (deleting may take the last two rows).
            assert!(last + 2 >= newest, "{last} after {newest}");
            newest = newest.max(last);
            states.insert((moves, last));
        });
        for (writer, role) in writers.iter_mut().zip(roles) {
            assert!(writer.is_running(), "{role} failed");
        }
    }
    println!("{mode}: {taken} snapshots, {unsettled} again, {} states", states.len());
}

#[test]
fn snapshots_under_load_with_a_log() {
    let roles = ["transfer", "transfer", "reopen", "checkpoint"];
    snapshots_under_load("WAL", &roles, 250);
}

#[test]
fn snapshots_while_the_only_connection_comes_and_goes() {
    let (_folder, path) = new_folder();
    let connection = Connection::open(&path).unwrap();
    let pragma = format!("PRAGMA journal_mode=WAL; {ACCOUNTS}");
    connection.execute_batch(&pragma).unwrap();
    drop(connection);
    let mut writer = Process::start("reopen", &path);
    let (mut taken, mut unsettled) = (0, 0);
    let deadline = Instant::now() + Duration::from_secs(60);
    while taken < 100 {
        assert!(Instant::now() < deadline, "{taken} snapshots, {unsettled} again");
        match read_image(&LiveDatabase::open(&path).unwrap()) {
            Ok(image) => {
                taken += 1;
                with_image(&image, |_| ());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                unsettled += 1;
            }
        }
        assert!(writer.is_running());
        // Time for it to be the last to close, so that there is no -shm next.
        std::thread::sleep(Duration::from_micros(taken * 97));
    }
    println!("comes and goes: {taken} snapshots, {unsettled} again");
}

#[test]
fn snapshots_under_load_with_a_rollback_journal() {
    snapshots_under_load("DELETE", &["transfer", "reopen"], 200);
}

#[test]
fn what_the_locks_stop_and_what_not() {
    let (_folder, path, mut shell) = new_database("PRAGMA journal_mode=WAL");
    shell.run("PRAGMA busy_timeout=0");
    let main = fs::read(&path).unwrap();
    let database = LiveDatabase::open(&path).unwrap();
    let image = read_image(&database).unwrap();
    for mode in ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] {
        shell.run("UPDATE item SET body = randomblob(100)");
        shell.run(&format!("PRAGMA wal_checkpoint({mode})"));
        assert!(fs::read(&path).unwrap() == main, "{mode} wrote");
        assert!(read_image(&database).unwrap() == image, "{mode}");
    }
    assert!(shell.ask(1, "PRAGMA journal_mode=DELETE").contains("locked"));
    // Dropped, nothing is left of it.
    drop(database);
    shell.run("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_eq!(fs::metadata(beside(&path, "-wal")).unwrap().len(), 0);
    assert!(fs::read(&path).unwrap() != main);

    // A log that is moved in whole must not be started over either.
    shell.run("UPDATE item SET body = randomblob(100); PRAGMA wal_checkpoint(PASSIVE)");
    let database = LiveDatabase::open(&path).unwrap();
    let image = read_image(&database).unwrap();
    let log = fs::read(beside(&path, "-wal")).unwrap();
    shell.run("UPDATE item SET body = randomblob(100)");
    assert!(fs::read(beside(&path, "-wal")).unwrap().starts_with(&log));
    assert!(read_image(&database).unwrap() == image);
    drop(database);
    shell.run("PRAGMA wal_checkpoint(PASSIVE); UPDATE item SET body = randomblob(100)");
    assert!(!fs::read(beside(&path, "-wal")).unwrap().starts_with(&log));
}

#[test]
fn changes_that_no_lock_stops_are_found() {
    let (_folder, path, shell) = new_database("PRAGMA journal_mode=WAL");
    shell.kill();
    fs::remove_file(beside(&path, "-shm")).unwrap();
    let unchanged = |database: &LiveDatabase| database.check_unchanged().map_err(|e| e.kind());

    // Somebody connects.
    let database = LiveDatabase::open(&path).unwrap();
    assert_eq!(unchanged(&database), Ok(()));
    let mut shell = Process::start("shell", &path);
    shell.run("SELECT count(*) FROM item");
    assert_eq!(unchanged(&database), Err(ErrorKind::Busy));
    drop(database);
    shell.kill();
    fs::remove_file(beside(&path, "-shm")).unwrap();

    // Bytes of the log, or of the main file, change at once after opening.
    for suffix in ["-wal", ""] {
        let file = fs::OpenOptions::new().write(true).open(beside(&path, suffix)).unwrap();
        for _ in 0..20 {
            let database = LiveDatabase::open(&path).unwrap();
            let bytes = fs::read(beside(&path, suffix)).unwrap();
            file.write_all_at(&bytes[..1], 0).unwrap();
            assert_eq!(unchanged(&database), Err(ErrorKind::Busy), "{suffix}");
        }
    }

    // The log goes, another file takes the main file's name.
    let database = LiveDatabase::open(&path).unwrap();
    fs::rename(beside(&path, "-wal"), beside(&path, "-old")).unwrap();
    assert_eq!(unchanged(&database), Err(ErrorKind::Busy));
    drop(database);
    let database = LiveDatabase::open(&path).unwrap();
    fs::copy(&path, beside(&path, "-new")).unwrap();
    fs::rename(beside(&path, "-new"), &path).unwrap();
    assert_eq!(unchanged(&database), Err(ErrorKind::Busy));
}

#[test]
fn folders_that_may_only_be_read() {
    let (folder, path, shell) = new_database("PRAGMA journal_mode=WAL");
    let image = snapshot(&path);
    shell.kill();
    fs::remove_file(beside(&path, "-shm")).unwrap();
    for file in [path.clone(), beside(&path, "-wal")] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o444)).unwrap();
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    assert!(snapshot(&path) == image);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn holes_and_the_lock_page_are_zeros() {
    let (_folder, path) = new_folder();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA page_size=65536; CREATE TABLE item(id)").unwrap();
    drop(connection);
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    // 16,390 pages, sparse, the lock page written on, the last page cut: no copy to pass off.
    file.set_len(16_390 * 65_536 - 1000).unwrap();
    file.write_all_at(&16_390u32.to_be_bytes(), 28).unwrap();
    for page in [16_384u64, 16_385, 16_386] {
        file.write_all_at(b"written", (page - 1) * 65_536).unwrap();
    }
    let mut pages = vec![1; 7 * 65_536];
    let cut = LiveDatabase::open(&path).unwrap().read_pages(16_384, &mut pages).unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::Malformed);
    assert!(cut.message().contains("middle of page 16390"), "{cut}");
    file.set_len(16_390 * 65_536).unwrap();
    let database = LiveDatabase::open(&path).unwrap();
    assert_eq!(database.page_count(), 16_390);
    database.read_pages(16_384, &mut pages).unwrap();
    for (at, start) in [(0, &b"written"[..]), (1, &[0; 7]), (2, b"written"), (6, &[0; 7])] {
        assert_eq!(&pages[at * 65_536..][..7], start);
    }
    assert!(pages[6 * 65_536..].iter().all(|&byte| byte == 0));
    for (first, pages) in [(0, 1), (16_390, 2), (16_391, 1)] {
        let mut into = vec![0; pages * 65_536];
        assert!(database.read_pages(first, &mut into).is_err());
    }
    file.write_all_at(&16_391u32.to_be_bytes(), 28).unwrap();
    assert_eq!(LiveDatabase::open(&path).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn what_is_no_database() {
    let (folder, path) = new_folder();
    assert_eq!(is_database(&path).unwrap_err().kind(), ErrorKind::Missing);
    let error = LiveDatabase::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.next_step().is_some());
    assert!(!is_database(folder.path()).unwrap());
    assert!(LiveDatabase::open(folder.path()).is_err());
    for bytes in [&b""[..], b"SQLite format 3\0", b"{\"key\": 1}", &[0; 5000]] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(is_database(&path).unwrap(), bytes.starts_with(b"SQLite"));
        let error = LiveDatabase::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(error.to_string().contains("object.sqlite"), "{error}");
    }
}

#[test]
fn a_log_of_another_database_is_refused() {
    let (_folder, path, shell) = new_database("PRAGMA page_size=1024; PRAGMA journal_mode=WAL");
    let (_other_folder, other, other_shell) = new_database("PRAGMA page_size=512");
    drop((shell, other_shell));
    // Page 1 of the log would do; without it the main file's header stays.
    let log = fs::read(beside(&path, "-wal")).unwrap();
    fs::write(beside(&other, "-wal"), &log).unwrap();
    let database = LiveDatabase::open(&other);
    // The whole log explains itself: SQLite, too, takes page 1 and all others from it.
    assert_eq!(database.unwrap().page_bytes(), 1024);
    drop(fs::remove_file(beside(&other, "-wal")));

    let mut shell = Process::start("shell", &path);
    shell.run("PRAGMA wal_checkpoint(TRUNCATE); UPDATE item SET body = 1 WHERE id = 9");
    shell.kill();
    fs::copy(beside(&path, "-wal"), beside(&other, "-wal")).unwrap();
    let error = LiveDatabase::open(&other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
}

/// An empty file, or one with a damaged header, is locked as a database is: nobody begins to use it
/// while it is being replaced.
#[test]
fn a_file_that_is_no_database_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("target");
    std::fs::write(&path, "").unwrap();
    let database = Connection::open(&path).unwrap();
    database.busy_timeout(std::time::Duration::ZERO).unwrap();
    let held = dotctl_stores::takeover::take_over(&path).unwrap();
    let refused = database.execute_batch("CREATE TABLE t(a)").unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
    drop(held);
    database.execute_batch("CREATE TABLE t(a)").unwrap();
}
