//! Input made to do harm: an answer with the documented exit code and a sentence, in bounded time
//! and memory, never a panic, never half a target.

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dotctl_engine::checkpoint::{Assembler, PackSink};
use dotctl_engine::chunk::{ChunkSize, PackBorder, StoredChunk};
use dotctl_engine::codec::Codec;
use dotctl_engine::format::layout::{ManifestKey, STORE_MARKER};
use dotctl_engine::format::{CheckpointKind, PackEntry, RecordKey};
use dotctl_engine::id::{Hash, Namespace, Time};
use rusqlite::Connection;
use support::{Ran, Random, copy_tree, dotctl, fixture, folder, names_in, run_in, sha256_of, words};
use tempfile::TempDir;
use wait4::Wait4;

/// What the whole of dotctl may take.
const MEMORY_BYTES_MAX: i64 = 64 << 20;

/// No run here has reason to take longer, on a busy machine and unoptimised.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Runs the binary in `world`; it must end by itself, in time, and within its memory.
#[track_caller]
fn bounded(world: &Path, line: &str) -> Ran {
    bounded_with(world, line, Stdio::null())
}

#[track_caller]
fn bounded_with(world: &Path, line: &str, stdin: Stdio) -> Ran {
    let papers = folder();
    let begun = Instant::now();
    let launched = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "launcher", "--test-threads=1"])
        .env(LAUNCH, papers.path())
        .env("DOTCTL_TEST_WORDS", line)
        .current_dir(world)
        .stdin(stdin)
        .output()
        .unwrap();
    assert!(launched.status.success(), "{line}: {launched:?}");
    let paper = |name: &str| fs::read(papers.path().join(name)).unwrap();
    let used = String::from_utf8(paper("used")).unwrap();
    let used: Vec<i64> = used.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [code, signal, memory_bytes] = used[..] else { panic!("{used:?}") };
    let ran = Ran {
        code: (code >= 0).then_some(code as i32),
        signal: (signal > 0).then_some(signal as i32),
        stdout: paper("stdout"),
        stderr: String::from_utf8(paper("stderr")).unwrap(),
    };
    assert!(ran.code.is_some_and(|code| code <= 3), "{line}: {ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{line}: {ran:?}");
    assert!(begun.elapsed() < TIME_MAX, "{line}: {:?}", begun.elapsed());
    assert!(memory_bytes > 1 << 20, "nothing was measured");
    assert!(memory_bytes < MEMORY_BYTES_MAX, "{line}: {memory_bytes} bytes of memory");
    ran
}

/// Names the folder for what [`launcher`] has to tell.
const LAUNCH: &str = "DOTCTL_TEST_LAUNCH";

/// Not a test but the process that [`bounded`] starts: the kernel counts as a child's memory what
/// its parent held when it made it, and among these tests that may be more than is allowed.
#[test]
fn launcher() {
    let Some(papers) = std::env::var_os(LAUNCH).map(PathBuf::from) else { return };
    let paper = |name: &str| File::create(papers.join(name)).unwrap();
    let mut command = dotctl();
    command.args(words(&std::env::var("DOTCTL_TEST_WORDS").unwrap()));
    command.stdin(Stdio::inherit()).stdout(paper("stdout")).stderr(paper("stderr"));
    let mut child = command.spawn().unwrap();
    let id = child.id();
    std::thread::spawn(move || {
        std::thread::sleep(TIME_MAX);
        let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
    });
    let used = child.wait4().unwrap();
    let (code, signal) = (used.status.code().unwrap_or(-1), used.status.signal().unwrap_or(0));
    fs::write(papers.join("used"), format!("{code} {signal} {}", used.rusage.maxrss)).unwrap();
}

/// Nothing became a checkpoint, and nothing lies about.
#[track_caller]
fn nothing_was_made(world: &Path) {
    let store = world.join(".dotctl");
    if store.exists() {
        assert_eq!(names_in(&store.join("packs")), [""; 0]);
        assert_eq!(names_in(&store.join("staging")), [""; 0]);
        assert_eq!(names_in(&store.join("manifests")), [""; 0]);
        run_in(world, &words("verify")).exits(0);
    }
}

// The committed faults.

#[test]
fn committed_faults() {
    let mut seen = 0;
    for fault in names_in(&fixture("faults")) {
        let from = fixture("faults").join(&fault);
        let expected: serde_json::Value =
            serde_json::from_slice(&fs::read(from.join("expected.json")).unwrap()).unwrap();
        let code = expected["exit_code"].as_i64().unwrap() as i32;
        let messages = expected["messages"].as_object().unwrap();
        let files: Vec<String> = names_in(&from).into_iter().filter(|name| name != "expected.json").collect();
        assert!(
            files.iter().all(|name| messages.contains_key(name)) && messages.len() == files.len(),
            "{fault}"
        );
        for (name, message) in messages {
            let world = folder();
            copy_tree(&from, world.path());
            let ran = bounded(world.path(), &format!("snapshot {name}")).refuses(code);
            // Where in its sentence the words stand is the sentence's.
            let message = message.as_str().unwrap().to_lowercase();
            assert!(ran.stderr.to_lowercase().contains(&message), "`{message}` is not in {ran:?}");
            ran.mentions(name);
            nothing_was_made(world.path());
            // A file that is no database may be a damaged manifest for all that verify knows.
            let verified = bounded(world.path(), &format!("verify {name}"));
            assert!(matches!(verified.code, Some(1 | 2)), "{verified:?}");
            if name.ends_with(".sqlite") {
                bounded(world.path(), &format!("inspect {name}")).refuses(code);
            }
            // Looking at it changed nothing.
            assert_eq!(fs::read(world.path().join(name)).unwrap(), fs::read(from.join(name)).unwrap());
            seen += 1;
        }
    }
    assert!(seen >= 28, "{seen} files");
}

// Chunks.

/// Packs as they are assembled, kept to be written to a store.
#[derive(Default)]
struct Packs {
    open: Vec<u8>,
    sealed: Vec<(Hash, Vec<u8>)>,
}

impl PackSink for Packs {
    fn append(&mut self, bytes: &[u8]) -> dotctl_engine::Result<()> {
        self.open.extend_from_slice(bytes);
        Ok(())
    }

    fn seal(&mut self, pack: &PackEntry) -> dotctl_engine::Result<()> {
        self.sealed.push((pack.sha256, std::mem::take(&mut self.open)));
        Ok(())
    }
}

/// A store of one checkpoint with these chunks and right hashes all over: stored bytes, and what
/// the index says they decode to.
fn crafted_store(world: &Path, codec: Codec, kind: CheckpointKind, chunks: &[(Vec<u8>, u32)]) {
    let store = world.join(".dotctl");
    let mut packs = Packs::default();
    let mut assembler = Assembler::new(kind, codec, PackBorder::FOLDER);
    for (number, (bytes, raw_bytes)) in chunks.iter().enumerate() {
        let stored = StoredChunk {
            sha256: Hash::of(bytes),
            bytes: bytes.clone(),
            raw_bytes: *raw_bytes,
            record_count: raw_bytes / 4096,
            first_key: RecordKey::new(&(number as u32 * 8192 + 1).to_be_bytes()).unwrap(),
        };
        assembler.add(&stored, b"x", &mut packs).unwrap();
    }
    let page_bytes = (kind == CheckpointKind::Image).then_some(4096);
    let facts = assembler.finish(page_bytes, &mut packs).unwrap();
    let namespace = Namespace::new("crafted").unwrap();
    let mut manifest = facts.manifest(namespace.clone(), 1, Time::from_unix_ms(1).unwrap());
    // As the index has it, so that the manifest does not contradict itself.
    let raw_bytes: u64 = chunks.iter().map(|(_, raw_bytes)| u64::from(*raw_bytes)).sum();
    manifest.raw_bytes = raw_bytes + u64::from(kind == CheckpointKind::State);
    let (id, bytes) = manifest.write().unwrap();
    let key = ManifestKey { namespace, sequence: 1, id };
    let path = store.join(key.to_string());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::create_dir_all(store.join("packs")).unwrap();
    fs::write(path, bytes).unwrap();
    fs::write(store.join(STORE_MARKER.0), STORE_MARKER.1).unwrap();
    for (sha256, bytes) in packs.sealed {
        fs::write(store.join("packs").join(sha256.to_string()), bytes).unwrap();
    }
}

/// One zstd frame of 64 GiB in 2 MiB: blocks that repeat one byte 131,072 times (RFC 8878, 3.1.1.2).
fn endless_frame(states_its_size: bool) -> Vec<u8> {
    const BLOCK_BYTES: u32 = 128 << 10;
    const BLOCKS: u32 = 512 << 10;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd];
    if states_its_size {
        // A window, then eight bytes of content size.
        frame.extend_from_slice(&[0b1100_0000, 0x58]);
        frame.extend_from_slice(&(u64::from(BLOCK_BYTES) * u64::from(BLOCKS)).to_le_bytes());
    } else {
        frame.extend_from_slice(&[0, 0x58]);
    }
    for number in 1..=BLOCKS {
        let header = BLOCK_BYTES << 3 | 1 << 1 | u32::from(number == BLOCKS);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(b' ');
    }
    frame
}

fn gzip(parts: impl Iterator<Item = Vec<u8>>, into: impl Write) {
    let mut encoder = flate2::write::GzEncoder::new(into, flate2::Compression::fast());
    for part in parts {
        encoder.write_all(&part).unwrap();
    }
    encoder.finish().unwrap();
}

/// 256 MiB of spaces as one member.
fn large_member() -> Vec<u8> {
    let mut member = Vec::new();
    gzip((0..256).map(|_| vec![b' '; 1 << 20]), &mut member);
    member
}

#[track_caller]
fn crafted_is_refused(world: &Path) -> Ran {
    let report = bounded(world, "verify --format json").exits(1).json();
    assert_eq!(report["ok"], false);
    assert!(!report["findings"].as_array().unwrap().is_empty());
    for reference in ["latest", "crafted@latest"] {
        bounded(world, &format!("restore {reference} --to target")).refuses(1);
        bounded(world, &format!("restore {reference} --to - --quiet")).exits(1).says_one_error();
    }
    let got = bounded(world, "get latest key");
    assert!(got.code == Some(1) && got.stdout.is_empty(), "{got:?}");
    assert_eq!(names_in(world), [".dotctl"]);
    bounded(world, "restore latest --to target").refuses(1)
}

#[test]
fn chunks_that_decode_to_64_gib() {
    for states_its_size in [false, true] {
        let frame = endless_frame(states_its_size);
        assert!(frame.len() < 3 << 20);
        for claimed in [4096, 1 << 20, ChunkSize::READ_BYTES_MAX] {
            for kind in [CheckpointKind::State, CheckpointKind::Image] {
                let world = folder();
                let chunks = vec![(frame.clone(), claimed); 3];
                crafted_store(world.path(), Codec::Zstd, kind, &chunks);
                crafted_is_refused(world.path()).mentions("decode");
            }
        }
    }
}

#[test]
fn chunks_that_claim_4_gib() {
    for codec in Codec::ALL {
        let world = folder();
        let chunk = if codec == Codec::Gzip { large_member() } else { endless_frame(false) };
        crafted_store(world.path(), codec, CheckpointKind::Image, &[(chunk, u32::MAX / 4096 * 4096)]);
        crafted_is_refused(world.path()).mentions("claims to decode to 4294963200 bytes");
    }
}

#[test]
fn gzip_chunks_that_decode_to_more() {
    for claimed in [4096, 1 << 20, ChunkSize::READ_BYTES_MAX] {
        let world = folder();
        crafted_store(world.path(), Codec::Gzip, CheckpointKind::State, &vec![(large_member(), claimed); 3]);
        crafted_is_refused(world.path()).mentions("the decoded chunk has");
    }
}

#[test]
fn chunks_of_nothing_known() {
    let mut random = Random(7);
    for codec in Codec::ALL {
        for chunk in [vec![0], random.bytes(100_000), b"[]\n".to_vec(), endless_frame(true)[..20].to_vec()] {
            let world = folder();
            crafted_store(world.path(), codec, CheckpointKind::State, &[(chunk, 4096)]);
            crafted_is_refused(world.path());
        }
    }
}

// State.

/// A source in a folder of its own.
fn source(name: &str, bytes: &[u8]) -> TempDir {
    let world = folder();
    fs::write(world.path().join(name), bytes).unwrap();
    world
}

#[track_caller]
fn state_is_refused(text: &[u8]) -> Ran {
    let world = source("state.json", text);
    let ran = bounded(world.path(), "snapshot state.json").refuses(2);
    ran.mentions("state.json");
    nothing_was_made(world.path());
    // The same through a pipe, where the name is another.
    let stdin = Stdio::from(File::open(world.path().join("state.json")).unwrap());
    bounded_with(world.path(), "snapshot -", stdin).refuses(2).mentions("standard input");
    nothing_was_made(world.path());
    ran
}

#[test]
fn deep_nesting() {
    const DEPTH: usize = 10_000_000;
    let (open, close) = ("[".repeat(DEPTH / 2), "]".repeat(DEPTH / 2));
    state_is_refused(open.as_bytes());
    state_is_refused(format!("[[\"a\",{{\"value\":{open}").as_bytes()).mentions("entry 1");
    state_is_refused(format!("[[\"a\",{{\"value\":{open}{close}}}]]").as_bytes()).mentions("entry 1");
    let objects = "{\"a\":".repeat(DEPTH / 5);
    state_is_refused(format!("[[\"a\",{{\"value\":{objects}").as_bytes()).mentions("entry 1");
    state_is_refused(format!("[\"a\",{{\"value\":{objects}1").as_bytes()).mentions("entry 1");
    state_is_refused(format!("[[{open}{close}]]").as_bytes());
    // What is deep and allowed is kept.
    let (open, close) = ("[".repeat(5000), "]".repeat(5000));
    let text = format!("[[\"a\",{{\"value\":{open}{close}}}]]");
    let world = source("state.json", text.as_bytes());
    bounded(world.path(), "snapshot state.json").exits(0);
    bounded(world.path(), "restore latest --to back.json").exits(0);
    assert_eq!(fs::read_to_string(world.path().join("back.json")).unwrap(), text);
    bounded(world.path(), "get latest a").exits(0);
    bounded(world.path(), "get latest a --format json").exits(0);
}

#[test]
fn bytes_that_are_no_state() {
    let mut random = Random(8);
    let whole = fs::read(fixture("state/listed.json")).unwrap();
    state_is_refused(b"[[\"a\",{\"value\":\"\xff\"}]]").mentions("UTF-8");
    state_is_refused(b"[[\"\xc3\x28\",{\"value\":1}]]").mentions("UTF-8");
    state_is_refused(b"\0\0\0\0");
    state_is_refused(b"[[\"a\",{\"value\":\"\0\"}]]");
    state_is_refused(b"[[\"a\",{\"value\":NaN}]]");
    state_is_refused(b"[[\"a\",{\"value\":01}]]");
    state_is_refused(b"[[\"a\",{\"value\":\"\\ud8\"}]]");
    state_is_refused(&random.bytes(100_000));
    state_is_refused(&"\"".repeat(1 << 20).into_bytes());
    state_is_refused(&b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..]).mentions("gzip");
    state_is_refused(&b"\x28\xb5\x2f\xfd\0\0"[..]).mentions("zstd");
    for length in [1, 2, 100, whole.len() / 2, whole.len() - 1] {
        state_is_refused(&whole[..length]).mentions("the end of the input");
    }
    state_is_refused(b"[[\"same\",{\"value\":1}],[\"b\",{\"value\":1}],[\"same\",{\"value\":2}]]")
        .mentions("ntries 1 and 3 have the same key \"same\"");
}

#[test]
fn empty_sources() {
    let world = source("empty.json", b"");
    let ran = bounded(world.path(), "snapshot empty.json");
    // No entries, or no state: documented either way, and never a broken checkpoint.
    match ran.code {
        Some(0) => {
            bounded(world.path(), "restore latest --to back.json").exits(0);
            assert_eq!(fs::read(world.path().join("back.json")).unwrap(), b"[]");
        }
        _ => {
            ran.refuses(2).mentions("empty.json");
            nothing_was_made(world.path());
        }
    }
    fs::create_dir_all(world.path().join("folder/within")).unwrap();
    for line in ["snapshot folder", "inspect folder"] {
        bounded(world.path(), line).refuses(2).mentions("no object's database");
    }
    for line in ["snapshot /dev/null --namespace null", "verify /dev/null", "inspect /dev/null"] {
        let ran = bounded(world.path(), line);
        assert!(ran.code != Some(1), "{ran:?}");
    }
}

#[test]
fn a_named_pipe() {
    let world = folder();
    let pipe = world.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (name, code) in [("listed.json", 0), ("unsorted.ndjson", 2)] {
        let bytes = fs::read(fixture("state").join(name)).unwrap();
        let to = pipe.clone();
        // A reader that goes away early is the writer's pipe error.
        let writer = std::thread::spawn(move || {
            let _ = fs::write(to, bytes);
        });
        let ran = bounded(world.path(), "snapshot pipe").exits(code);
        if code == 0 {
            bounded(world.path(), "restore latest --to back.json").exits(0);
            assert_eq!(
                fs::read(world.path().join("back.json")).unwrap(),
                fs::read(fixture("state/listed.json")).unwrap()
            );
        } else {
            ran.refuses(2).mentions("pipe it in as `-`");
        }
        // Nobody may be left waiting: whoever still writes finds a reader.
        let _ = File::options().read(true).write(true).open(&pipe);
        writer.join().unwrap();
    }
}

/// 1 GiB of spaces in a file of a few MiB, and the same with one entry behind them.
#[test]
fn a_gzip_bomb() {
    let world = folder();
    let member = large_member();
    let mut last = Vec::new();
    gzip([b"[[\"a\",{\"value\":1}]]".to_vec()].into_iter(), &mut last);
    let bomb = [&member[..], &member, &member, &member].concat();
    fs::write(world.path().join("bomb.json.gz"), &bomb).unwrap();
    fs::write(world.path().join("late.json.gz"), [&bomb[..], &last].concat()).unwrap();
    let ran = bounded(world.path(), "snapshot bomb.json.gz");
    assert!(matches!(ran.code, Some(0 | 2)), "{ran:?}");
    bounded(world.path(), "snapshot late.json.gz").exits(0);
    bounded(world.path(), "restore late@latest --to back.json").exits(0);
    assert_eq!(fs::read(world.path().join("back.json")).unwrap(), b"[[\"a\",{\"value\":1}]]");
    // In one string they are an entry that is too large.
    let mut opening = Vec::new();
    gzip([b"[[\"a\",{\"value\":\"".to_vec()].into_iter(), &mut opening);
    fs::write(world.path().join("string.json.gz"), [&opening[..], &member].concat()).unwrap();
    bounded(world.path(), "snapshot string.json.gz").refuses(2).mentions("key \"a\" is larger than 16777216");
}

#[test]
fn entries_as_large_as_allowed() {
    let world = folder();
    let entry = |key: &str, bytes: usize| {
        let frame = format!("[\"{key}\",{{\"value\":\"\"}}]").len();
        format!("[\"{key}\",{{\"value\":\"{}\"}}]", "x".repeat(bytes - frame))
    };
    // Incompressible ones are the larger burden; these are the larger chunks.
    let most = 16 << 20;
    for (name, text) in [
        ("one.json", format!("[{}]", entry("a", 15 << 20))),
        ("three.json", format!("[{},{},{}]", entry("a", most), entry("b", 15 << 20), entry("c", most))),
        ("unsorted.json", format!("[{},{},{}]", entry("c", 15 << 20), entry("b", most), entry("a", 100))),
    ] {
        let path = world.path().join(name);
        fs::write(&path, &text).unwrap();
        let size = text.len();
        drop(text);
        for codec in ["zstd", "gzip", "none"] {
            bounded(world.path(), &format!("snapshot {name} --codec {codec} --namespace {name}-{codec}"))
                .exits(0);
            bounded(world.path(), &format!("restore {name}-{codec}@latest --to back --force")).exits(0);
            assert_eq!(fs::metadata(world.path().join("back")).unwrap().len(), size as u64);
            if name != "unsorted.json" {
                assert_eq!(sha256_of(&world.path().join("back")), sha256_of(&path));
            }
        }
        bounded(world.path(), "verify").exits(0);
        fs::remove_file(path).unwrap();
    }
    fs::write(world.path().join("beyond.json"), format!("[{}]", entry("the-large-one", most + 1))).unwrap();
    let before = names_in(&world.path().join(".dotctl/packs"));
    bounded(world.path(), "snapshot beyond.json").refuses(2).mentions("the-large-one").mentions("16777216");
    assert_eq!(names_in(&world.path().join(".dotctl/packs")), before);
}

// Databases.

/// An object's database of a few dozen pages with overflow, free pages, an index and no log.
fn database(folder: &Path) -> PathBuf {
    let path = folder.join("object.sqlite");
    let database = Connection::open(&path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE _cf_KV(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
             CREATE TABLE _cf_METADATA(key INTEGER PRIMARY KEY, value BLOB);
             CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c BLOB); CREATE INDEX i ON t(b);
             CREATE TABLE gone(a BLOB); INSERT INTO gone VALUES(zeroblob(40000))",
        )
        .unwrap();
    for number in 0..200 {
        let large = vec![7_u8; if number % 20 == 0 { 20_000 } else { 50 }];
        // V8's format 15: a one-byte string.
        let value = [&[0xff, 15, b'"', 3], &b"abc"[..]].concat();
        database.execute("INSERT INTO _cf_KV VALUES(?1, ?2)", (format!("key:{number}"), value)).unwrap();
        database.execute("INSERT INTO t VALUES(?1, ?2, ?3)", (number, format!("{number}"), large)).unwrap();
    }
    database.execute_batch("DROP TABLE gone").unwrap();
    path
}

/// Every verb answers. A snapshot keeps the pages as they are, or refuses; then it restores exactly.
#[track_caller]
fn answered(world: &Path, what: &str) -> (Ran, Ran) {
    let path = world.join("object.sqlite");
    let before = fs::read(&path).unwrap();
    let inspected = bounded(world, "inspect object.sqlite");
    let verified = bounded(world, "verify object.sqlite");
    for ran in [&inspected, &verified] {
        assert_ne!(ran.code, Some(3), "{what}: {ran:?}");
        if ran.code == Some(2) {
            ran.says_one_error();
        }
    }
    let made = bounded(world, "snapshot object.sqlite --namespace o");
    match made.code {
        Some(0) => {
            bounded(world, "restore o@latest --to back --force").exits(0);
            let restored = fs::read(world.join("back")).unwrap();
            assert!(restored.len() <= before.len() && before.starts_with(&restored), "{what}");
            bounded(world, "get o@latest key:7");
            fs::remove_file(world.join("back")).unwrap();
        }
        Some(2) => made.says_one_error(),
        _ => panic!("{what}: {made:?}"),
    }
    assert_eq!(fs::read(&path).unwrap(), before, "{what}");
    (inspected, verified)
}

/// Where a page begins in a file of 4,096-byte pages.
fn page(number: usize) -> usize {
    (number - 1) * 4096
}

fn root_of(path: &Path, name: &str) -> usize {
    let database = Connection::open(path).unwrap();
    database
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [name], |row| row.get::<_, i64>(0))
        .unwrap() as usize
}

#[test]
fn trees_that_are_no_trees() {
    let template = folder();
    let whole_path = database(template.path());
    let root = root_of(&whole_path, "t");
    let whole = fs::read(&whole_path).unwrap();
    let at = page(root);
    assert_eq!(whole[at], 5, "an interior page");
    let right_most = at + 8;
    let first_cell = at + usize::from(u16::from_be_bytes([whole[at + 12], whole[at + 13]]));
    let page_count = (whole.len() / 4096) as u32;
    let child = u32::from_be_bytes(whole[first_cell..first_cell + 4].try_into().unwrap());
    let leaf = page(child as usize);
    assert_eq!(whole[leaf], 13, "a leaf");
    let leaf_cell = leaf + usize::from(u16::from_be_bytes([whole[leaf + 8], whole[leaf + 9]]));
    let number = |number: u32| number.to_be_bytes().to_vec();
    let varint_most = vec![0xff; 9];
    for (what, offset, bytes) in [
        ("a page that is its own last child", right_most, number(root as u32)),
        ("a page that is its own first child", first_cell, number(root as u32)),
        ("a child that is the schema", first_cell, number(1)),
        ("two children that are one", first_cell, whole[right_most..right_most + 4].to_vec()),
        ("child 0", first_cell, number(0)),
        ("a child behind the end", right_most, number(page_count + 1)),
        ("child 2^32 - 1", right_most, number(u32::MAX)),
        ("child 2^31", first_cell, number(1 << 31)),
        ("65,535 cells", at + 3, vec![0xff, 0xff]),
        ("65,535 cells in a leaf", leaf + 3, vec![0xff, 0xff]),
        ("a cell behind the page", leaf + 8, vec![0xff, 0xff]),
        ("a cell in the header", leaf + 8, vec![0, 1]),
        ("a cell at the last byte", leaf + 8, vec![0x0f, 0xff]),
        ("a payload of 2^63 bytes", leaf_cell, varint_most.clone()),
        ("a payload of 2^31 bytes", leaf_cell, vec![0x88, 0x80, 0x80, 0x80, 0x00]),
        ("a record header of 2^63 bytes", leaf_cell + 2, varint_most.clone()),
        ("no kind of page", at, vec![0]),
        ("another kind of page", at, vec![10]),
        ("an index's page", leaf, vec![2]),
        ("a root of zeros", at, vec![0; 4096]),
        ("a root of ones", at, vec![0xff; 4096]),
    ] {
        let world = folder();
        let mut damaged = whole.clone();
        damaged[offset..offset + bytes.len()].copy_from_slice(&bytes);
        fs::write(world.path().join("object.sqlite"), damaged).unwrap();
        let (_, verified) = answered(world.path(), what);
        assert!(matches!(verified.code, Some(1 | 2)), "{what}: not found: {verified:?}");
    }
}

/// The page that is the first of an overflow chain: the one that points on from a leaf of `t`.
#[test]
fn overflow_chains_that_never_end() {
    let template = folder();
    let whole = fs::read(database(template.path())).unwrap();
    let page_count = whole.len() / 4096;
    // Overflow pages hold the rows' sevens behind a page number.
    let chain: Vec<usize> = (2..=page_count)
        .filter(|number| whole[page(*number) + 4..page(*number) + 4096].iter().all(|byte| *byte == 7))
        .collect();
    assert!(chain.len() > 10, "{chain:?}");
    for next in [chain[0] as u32, chain[1] as u32, 0, 1, u32::MAX, page_count as u32 + 1] {
        let world = folder();
        let mut damaged = whole.clone();
        damaged[page(chain[1])..page(chain[1]) + 4].copy_from_slice(&next.to_be_bytes());
        fs::write(world.path().join("object.sqlite"), damaged).unwrap();
        let what = format!("page {} goes on at {next}", chain[1]);
        let (_, verified) = answered(world.path(), &what);
        assert!(matches!(verified.code, Some(1 | 2)), "{what}: not found: {verified:?}");
    }
}

#[test]
fn headers_that_lie() {
    let template = folder();
    let whole = fs::read(database(template.path())).unwrap();
    let page_count = (whole.len() / 4096) as u32;
    for (what, offset, bytes, refused) in [
        ("pages of 1 byte", 16, vec![0, 2], true),
        ("pages of 0 bytes", 16, vec![0, 0], true),
        ("pages of 65,536 bytes", 16, vec![0, 1], false),
        ("pages of 512 bytes", 16, vec![2, 0], false),
        ("255 reserved bytes", 20, vec![255], false),
        ("no payload fractions", 21, vec![0, 0, 0], false),
        ("one page more", 28, (page_count + 1).to_be_bytes().to_vec(), true),
        ("2^32 - 1 pages", 28, vec![0xff; 4], true),
        ("2^31 pages", 28, vec![0x80, 0, 0, 0], true),
        ("no pages", 28, vec![0; 4], false),
        ("one page", 28, vec![0, 0, 0, 1], false),
        ("a free list behind the end", 32, vec![0xff; 4], false),
        ("a free list that is the schema", 32, vec![0, 0, 0, 1], false),
        ("2^32 - 1 free pages", 36, vec![0xff; 4], false),
        ("schema format 9", 44, vec![0, 0, 0, 9], false),
        ("an encoding of its own", 56, vec![0, 0, 0, 9], false),
        ("UTF-16", 56, vec![0, 0, 0, 2], false),
        ("pointer maps", 52, vec![0xff; 4], false),
        ("a newer file format", 18, vec![9, 9], false),
    ] {
        let world = folder();
        let mut damaged = whole.clone();
        damaged[offset..offset + bytes.len()].copy_from_slice(&bytes);
        fs::write(world.path().join("object.sqlite"), damaged).unwrap();
        let (inspected, _) = answered(world.path(), what);
        if refused {
            assert_eq!(inspected.code, Some(2), "{what}: {inspected:?}");
        }
    }
}

/// What `PRAGMA writable_schema` lets anybody write.
#[test]
fn schemas_that_lie() {
    let deep = format!("CREATE TABLE t(a DEFAULT {}1{})", "(".repeat(200_000), ")".repeat(200_000));
    let wide =
        format!("CREATE TABLE t({})", (0..50_000).map(|n| format!("c{n}")).collect::<Vec<_>>().join(","));
    let quoted = "CREATE TABLE \"t\"\"(((' /* -- \"(a, b, c) WITHOUT ROWID, STRICT".to_owned();
    for (what, change) in [
        ("root 0", "UPDATE sqlite_schema SET rootpage = 0 WHERE name = '_cf_KV'".to_owned()),
        ("root 1", "UPDATE sqlite_schema SET rootpage = 1 WHERE name = '_cf_KV'".to_owned()),
        ("root -1", "UPDATE sqlite_schema SET rootpage = -1 WHERE name = 't'".to_owned()),
        ("root 2^62", "UPDATE sqlite_schema SET rootpage = 1 << 62 WHERE name = 't'".to_owned()),
        ("a root that is text", "UPDATE sqlite_schema SET rootpage = 'x' WHERE name = 't'".to_owned()),
        ("all at one root", "UPDATE sqlite_schema SET rootpage = 2".to_owned()),
        ("no SQL", "UPDATE sqlite_schema SET sql = NULL".to_owned()),
        ("a blob for SQL", "UPDATE sqlite_schema SET sql = x'ff00fe'".to_owned()),
        ("a table's name twice", "UPDATE sqlite_schema SET name = '_cf_KV'".to_owned()),
        ("a number for a name", "UPDATE sqlite_schema SET name = 7".to_owned()),
        ("no name", "UPDATE sqlite_schema SET name = NULL".to_owned()),
        ("no type", "UPDATE sqlite_schema SET type = NULL".to_owned()),
        ("a type of its own", "UPDATE sqlite_schema SET type = 'loop'".to_owned()),
        ("another table's SQL", "UPDATE sqlite_schema SET sql = 'CREATE TABLE _cf_KV(a)' WHERE name = '_cf_KV'".to_owned()),
        ("keys that are rows", "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 't') WHERE name = '_cf_KV'".to_owned()),
        ("nested SQL", format!("UPDATE sqlite_schema SET sql = '{deep}' WHERE name = 't'")),
        ("wide SQL", format!("UPDATE sqlite_schema SET sql = '{wide}' WHERE name = 't'")),
        ("quotes", format!("UPDATE sqlite_schema SET sql = '{}' WHERE name = 't'", quoted.replace('\'', "''"))),
        ("half an SQL", "UPDATE sqlite_schema SET sql = 'CREATE TABLE _cf_KV(' WHERE name = '_cf_KV'".to_owned()),
        ("a view of itself", "CREATE VIEW v AS SELECT * FROM w; CREATE VIEW w AS SELECT * FROM v".to_owned()),
        ("terminal codes", "UPDATE sqlite_schema SET name = 'x' || char(27) || '[2J' || char(10) WHERE name = 't'".to_owned()),
    ] {
        let world = folder();
        let path = database(world.path());
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
        connection.execute_batch(&change).unwrap();
        drop(connection);
        let (inspected, _) = answered(world.path(), what);
        assert!(!inspected.stdout.contains(&27), "{what}: {inspected:?}");
    }
}

/// Any bytes changed anywhere, in the file, in its log and in its journal.
#[test]
fn random_damage() {
    let template = folder();
    let plain = fs::read(database(template.path())).unwrap();
    let mut random = Random(9);
    for round in 0..60 {
        let world = folder();
        let mut damaged = plain.clone();
        for _ in 0..=random.below(20) {
            // The beginnings of pages hold what pages hang together by.
            let within = if random.below(2) == 0 { random.below(16) } else { random.below(4096) };
            let offset = random.below(plain.len() as u64 / 4096) * 4096 + within;
            damaged[offset as usize] = [0, 1, 2, 5, 10, 13, 0x7f, 0x80, 0xff][random.below(9) as usize];
        }
        if random.below(5) == 0 {
            damaged.truncate(random.below(plain.len() as u64) as usize);
        }
        damaged[..16].copy_from_slice(b"SQLite format 3\0");
        fs::write(world.path().join("object.sqlite"), damaged).unwrap();
        answered(world.path(), &format!("round {round}"));
    }
}

#[test]
fn logs_that_lie() {
    let hot = fs::read(fixture("objects/hot-wal").join(support::HOT)).unwrap();
    let log = fs::read(fixture("objects/hot-wal").join(format!("{}-wal", support::HOT))).unwrap();
    let mut random = Random(10);
    let mut logs: Vec<(String, Vec<u8>)> = vec![
        ("an empty log".to_owned(), Vec::new()),
        ("zeros".to_owned(), vec![0; 1 << 20]),
        ("noise".to_owned(), random.bytes(1 << 20)),
        ("a header alone".to_owned(), log[..32].to_vec()),
        ("text".to_owned(), b"this is no log".repeat(1000)),
    ];
    for (offset, what) in
        [(0, "magic"), (4, "version"), (8, "page size"), (16, "salt"), (24, "checksum"), (32, "page")]
    {
        for bytes in [[0; 4], [0xff; 4], [0, 0, 0, 3]] {
            let mut damaged = log.clone();
            damaged[offset..offset + 4].copy_from_slice(&bytes);
            logs.push((format!("{what} {bytes:?}"), damaged));
        }
    }
    for (what, log) in logs {
        for ending in ["-wal", "-journal"] {
            let world = source("object.sqlite", &hot);
            fs::write(world.path().join(format!("object.sqlite{ending}")), &log).unwrap();
            for line in
                ["snapshot object.sqlite --namespace o", "inspect object.sqlite", "verify object.sqlite"]
            {
                let ran = bounded(world.path(), line);
                if !matches!(ran.code, Some(0 | 1)) {
                    ran.says_one_error();
                }
            }
            assert_eq!(fs::read(world.path().join("object.sqlite")).unwrap(), hot, "{what}");
            assert_eq!(fs::read(world.path().join(format!("object.sqlite{ending}"))).unwrap(), log, "{what}");
        }
    }
}

/// Manifests from a stranger, given as a file.
#[test]
fn manifests_that_lie() {
    let world = folder();
    fs::copy(fixture("state/listed.json"), world.path().join("listed.json")).unwrap();
    run_in(world.path(), &words("snapshot listed.json")).exits(0);
    let path = support::files_below(&world.path().join(".dotctl/manifests")).remove(0);
    let whole = fs::read_to_string(path).unwrap();
    let deep = format!("{{\"format\":\"dotctl-manifest\",\"version\":1,\"x\":{}", "[".repeat(10_000_000));
    let mut lies = vec![
        deep,
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        whole.replace("\"version\":1", "\"version\":4"),
        whole.replace("\"version\":1", "\"version\":99999999999999999999"),
        whole.replace("\"version\":1", "\"version\":1,\"unknown\":1"),
        whole.replace("\"version\":1", "\"version\":1,\"version\":1"),
        whole.replace("\"kind\":\"state\"", "\"kind\":\"rows\""),
        whole.replace("\"codec\":\"zstd\"", "\"codec\":\"gzip\""),
        whole.replace("\"record_count\":200", "\"record_count\":201"),
        whole.replace("\"record_count\":200", "\"record_count\":18446744073709551615"),
        whole.replace("\"namespace\":\"listed\"", "\"namespace\":\"../../up\""),
    ];
    for field in ["stored_bytes", "raw_bytes", "index_bytes", "chunk_count"] {
        let begin = whole.find(&format!("\"{field}\":")).unwrap() + field.len() + 3;
        let end = begin + whole[begin..].find([',', '}']).unwrap();
        for value in ["0", "1", "4294967295", "9223372036854775807", "-1", "1e3", "\"1\""] {
            if value != &whole[begin..end] {
                lies.push(format!("{}{value}{}", &whole[..begin], &whole[end..]));
            }
        }
    }
    for lie in lies {
        assert_ne!(lie, whole);
        fs::write(world.path().join("stranger.json"), &lie).unwrap();
        let ran = bounded(world.path(), "verify stranger.json --format json");
        let short: String = lie.chars().take(700).collect();
        if lie.contains("../../up") {
            // A name is a name: it leads nowhere.
            assert!(ran.code.is_some(), "{short}");
            continue;
        }
        assert!(matches!(ran.code, Some(1 | 2)), "{short}: {ran:?}");
    }
}
