//! Whatever happens to the bytes of a store: `verify` finds it, `restore` refuses it.
//!
//! Every byte of every file is changed. A process for each would take hours, so those changes are
//! put to the same public functions that the commands call, in the same order, and a sample of them
//! to the binary.

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use dotctl_engine::checkpoint::StateForm;
use dotctl_engine::format::{CheckpointKind, PackHeader, PackIndex};
use dotctl_engine::{ErrorKind, Result};
use dotctl_stores::drive::{NoProgress, RestoreForm, Verifier, get_value, restore};
use dotctl_stores::folder::FolderStore;
use dotctl_stores::reference::resolve;
use dotctl_stores::target::Target;
use support::{Ran, Random, copy_tree, files_below, fixture, folder, hot_database, names_in, snapshot};
use tempfile::TempDir;

/// A store with checkpoints, and a folder into which restores would write.
struct World {
    folder: TempDir,
    ids: Vec<String>,
}

impl World {
    fn new() -> Self {
        let folder = folder();
        fs::create_dir(folder.path().join("targets")).unwrap();
        World { folder, ids: Vec::new() }
    }

    /// A world of one checkpoint.
    fn of(source: &Path, more: &str) -> Self {
        let mut world = World::new();
        world.add(source, more);
        world
    }

    fn add(&mut self, source: &Path, more: &str) {
        let checkpoint = snapshot(&self.store(), source, more);
        self.ids.push(checkpoint["id"].as_str().unwrap().to_owned());
    }

    fn copy(&self) -> Self {
        let copy = folder();
        copy_tree(self.folder.path(), copy.path());
        World { folder: copy, ids: self.ids.clone() }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn targets(&self) -> PathBuf {
        self.folder.path().join("targets")
    }

    /// The files that hold data. Locks are empty, and writers make them when they are not there; in
    /// `catalog` lie second names of manifests, and `tests/catalog.rs` looks at those.
    fn files(&self) -> Vec<PathBuf> {
        let locks = ["lock", "order.lock", "gate.lock"].map(|name| self.store().join(name));
        assert!(locks.iter().all(|lock| fs::metadata(lock).unwrap().len() == 0));
        let catalog = self.store().join("catalog");
        let holds_data = |path: &PathBuf| !locks.contains(path) && !path.starts_with(&catalog);
        files_below(&self.store()).into_iter().filter(holds_data).collect()
    }

    fn file_in(&self, part: &str, number: usize) -> PathBuf {
        files_below(&self.store().join(part)).swap_remove(number)
    }

    /// The packs of directories, which a restore has no need of.
    fn directory_packs(&self) -> Vec<PathBuf> {
        let store = FolderStore::open(&self.store()).unwrap();
        let packs = |id: &String| {
            let manifest = resolve(&store, id).unwrap().manifest;
            let runs = manifest.directory().into_iter();
            runs.flat_map(|run| &run.packs).map(|pack| pack.sha256.to_string()).collect::<Vec<_>>()
        };
        self.ids.iter().flat_map(packs).map(|name| self.store().join("packs").join(name)).collect()
    }

    /// What `dotctl verify` does, in this process: the number of findings.
    fn findings(&self) -> usize {
        let store = match FolderStore::open(&self.store()) {
            Ok(store) => store,
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => return 1,
            Err(error) => panic!("{error}"),
        };
        let mut verifier = Verifier::new(&store, false);
        verifier.store(&NoProgress).unwrap();
        verifier.findings.len()
    }

    /// What `dotctl restore` does, in this process.
    fn restore(&self, reference: &str) -> Result<()> {
        let store = FolderStore::open(&self.store())?;
        let found = resolve(&store, reference)?;
        let form = match found.manifest.kind {
            CheckpointKind::Image => RestoreForm::Database,
            CheckpointKind::State | CheckpointKind::Rows => RestoreForm::State(StateForm::Array),
        };
        let target = Target::begin(&self.targets().join("restored"), 0, false)?;
        let write = |offset: u64, bytes: &[u8]| target.write_at(offset, bytes);
        restore(&store, &found.manifest, form, Some(&write), &mut |_| Ok(()), None, &NoProgress)?;
        target.publish()
    }

    #[track_caller]
    fn is_refused(&self, reference: &str, what: &str) {
        assert!(self.restore(reference).is_err(), "{what}: restored {reference}");
        assert_eq!(names_in(&self.targets()), [""; 0], "{what}: left behind");
    }

    /// Found and refused, in this process.
    #[track_caller]
    fn is_noticed(&self, what: &str) {
        assert_ne!(self.findings(), 0, "{what}: nothing found");
        self.is_refused("latest", what);
        self.is_refused(&self.ids[0], what);
    }

    /// Verifies through the binary: exit 1, and a finding that says what and where.
    #[track_caller]
    fn verify_finds(&self, what: &str) -> Ran {
        let mut command = support::dotctl();
        command.args(["verify", "--format", "json", "--store"]).arg(self.store());
        let ran = Ran::of(command.output().unwrap()).exits(1);
        let report = ran.json();
        assert_eq!(report["ok"], false, "{what}");
        let findings = report["findings"].as_array().unwrap();
        assert!(!findings.is_empty(), "{what}");
        for finding in findings {
            let kind = finding["kind"].as_str().unwrap();
            assert!(
                ["missing", "checksum-mismatch", "size-mismatch", "malformed"].contains(&kind),
                "{what}: {kind}"
            );
            assert!(!finding["target"].as_str().unwrap().is_empty(), "{what}");
            assert!(finding["detail"].as_str().unwrap().len() > 10, "{what}");
        }
        ran
    }

    /// Restores through the binary: refused with one of `codes`, and nothing left.
    #[track_caller]
    fn restore_refuses(&self, reference: &str, codes: &[i32], what: &str) {
        let mut command = support::dotctl();
        command.args(["restore", reference, "--to"]).arg(self.targets().join("restored"));
        let ran = Ran::of(command.arg("--store").arg(self.store()).output().unwrap());
        assert!(ran.code.is_some_and(|code| codes.contains(&code)), "{what}: {ran:?}");
        assert!(ran.stdout.is_empty(), "{what}: {ran:?}");
        ran.says_one_error();
        assert_eq!(names_in(&self.targets()), [""; 0], "{what}: left behind");
    }

    /// Found and refused, through the binary.
    #[track_caller]
    fn binary_notices(&self, id: &str, codes: &[i32], what: &str) {
        self.verify_finds(what);
        self.restore_refuses(id, codes, what);
    }
}

/// The store is whole and restores; without this the tests below would prove nothing.
fn assert_whole(world: &World) {
    assert_eq!(world.findings(), 0);
    for id in &world.ids {
        world.restore(id).unwrap();
        fs::remove_file(world.targets().join("restored")).unwrap();
    }
    let mut command = support::dotctl();
    Ran::of(command.args(["verify", "--store"]).arg(world.store()).output().unwrap()).exits(0);
}

/// Changes bytes of every file at every offset that `step` meets, on two threads: a bit, restoring
/// `latest`, and to any other value, restoring the id; in small files every bit.
fn change_every_byte(world: &World, step: usize) {
    assert_whole(world);
    let changed: usize = std::thread::scope(|scope| {
        let part = |first: usize| {
            let copy = world.copy();
            scope.spawn(move || change_bytes(&copy, first * step, 2 * step))
        };
        let parts = [part(0), part(1)];
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    });
    let total: usize =
        world.files().iter().map(|path| (fs::metadata(path).unwrap().len() as usize).div_ceil(step)).sum();
    assert_eq!(changed, total);
    eprintln!("{changed} bytes changed");
}

fn change_bytes(world: &World, first: usize, step: usize) -> usize {
    let mut changed = 0;
    let directories = world.directory_packs();
    for path in world.files() {
        let file = File::options().write(true).open(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for offset in (first..whole.len()).step_by(step) {
            let byte = whole[offset];
            let all_bits = [0, 1, 2, 3, 4, 5, 6, 7].map(|bit| byte ^ (1 << bit));
            let two = [byte ^ (1 << (offset % 8)), byte.wrapping_add(1 + (offset % 255) as u8)];
            let values: &[u8] = if whole.len() < 2000 { &all_bits } else { &two };
            for (turn, value) in values.iter().enumerate() {
                file.write_all_at(&[*value], offset as u64).unwrap();
                let what = format!("byte {offset} of {} is {value}", path.display());
                assert_ne!(world.findings(), 0, "{what}: nothing found");
                if !directories.contains(&path) {
                    world.is_refused(["latest", &world.ids[0]][turn % 2], &what);
                }
            }
            file.write_all_at(&[byte], offset as u64).unwrap();
            changed += 1;
        }
    }
    assert_whole(world);
    changed
}

/// A database small enough that all its bytes can be changed uncompressed: 512-byte pages.
fn small_database(folder: &Path) -> PathBuf {
    let path = folder.join("small.sqlite");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch("PRAGMA page_size = 512; CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);").unwrap();
    for row in 0..100 {
        database.execute("INSERT INTO t VALUES(?1, ?2)", (row, format!("text number {row}"))).unwrap();
    }
    path
}

#[test]
fn every_byte_of_an_image_zstd() {
    let sources = folder();
    change_every_byte(&World::of(&hot_database(sources.path()), "--codec zstd"), 1);
}

#[test]
fn every_byte_of_an_image_gzip() {
    let sources = folder();
    change_every_byte(&World::of(&hot_database(sources.path()), "--codec gzip"), 1);
}

#[test]
fn every_byte_of_an_image_none() {
    let sources = folder();
    change_every_byte(&World::of(&small_database(sources.path()), "--codec none"), 1);
    // 225 kB in four chunks: a sample of them, at a step that meets every place in a page.
    change_every_byte(&World::of(&hot_database(sources.path()), "--codec none --chunk-bytes 64KiB"), 61);
}

/// A world of one checkpoint, a full run and two delta runs: whatever those before it were is pruned.
fn chain(kind: &str) -> World {
    let mut world = World::new();
    let sources = folder();
    let path = sources.path().join(if kind == "state" { "s.json" } else { "s.sqlite" });
    let noise = |row: u64| Random(row).bytes(40).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for step in 0..3_u64 {
        if kind == "state" {
            let version = |row: u64| if row % 40 == step { step } else { 0 };
            let rows = (step..120)
                .map(|row| format!("[\"{row:04}\",{{\"value\":\"{}{}\"}}]", noise(row), version(row)));
            fs::write(&path, format!("[{}]", rows.collect::<Vec<_>>().join(","))).unwrap();
        } else {
            let database = rusqlite::Connection::open(&path).unwrap();
            if step == 0 {
                database
                    .execute_batch("PRAGMA page_size = 512; CREATE TABLE t (a INTEGER PRIMARY KEY, b);")
                    .unwrap();
                (0..120).for_each(|row| {
                    database.execute("INSERT INTO t VALUES (?1, ?2)", (row, noise(row as u64))).unwrap();
                });
            }
            database
                .execute("UPDATE t SET b = ?2 WHERE a = ?1", (step as i64 * 50, noise(1000 + step)))
                .unwrap();
        }
        let kind = if kind == "rows" { "--kind rows" } else { "" };
        world.add(&path, &format!("--namespace n {kind}"));
    }
    let mut command = support::dotctl();
    Ran::of(command.args(["prune", "--keep-last", "1", "--store"]).arg(world.store()).output().unwrap())
        .exits(0);
    world.ids = world.ids.split_off(2);
    let store = FolderStore::open(&world.store()).unwrap();
    let manifest = resolve(&store, "latest").unwrap().manifest;
    assert_eq!((manifest.delta_runs().count(), manifest.kind.name()), (2, kind));
    world
}

#[test]
fn every_byte_of_a_chain_of_state() {
    change_every_byte(&chain("state"), 1);
}

#[test]
fn every_byte_of_a_chain_of_images() {
    change_every_byte(&chain("image"), 1);
}

#[test]
fn every_byte_of_a_chain_of_rows() {
    change_every_byte(&chain("rows"), 1);
}

/// A database whose checkpoint has a directory, and keys of it: some in interior pages.
fn database_with_directory(folder: &Path) -> (PathBuf, Vec<String>) {
    let path = folder.join("keys.sqlite");
    let mut database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch(
            "PRAGMA page_size = 512;
             CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;",
        )
        .unwrap();
    let keys: Vec<String> = (0..1500).map(|row| format!("{}:{row}", row * 7919 % 1009)).collect();
    let transaction = database.transaction().unwrap();
    for key in &keys {
        // `"…"` as V8 stores it.
        let value = [b"\xff\x0f\"\x3c", &[b'v'; 60][..]].concat();
        transaction.execute("INSERT INTO _cf_KV VALUES (?1, ?2)", (key, value)).unwrap();
    }
    transaction.commit().unwrap();
    (path, keys.into_iter().step_by(13).collect())
}

/// What happens to a directory is found, keeps nobody from restoring, and gives no wrong answer.
#[test]
fn every_byte_of_a_directory() {
    let sources = folder();
    let (database, keys) = database_with_directory(sources.path());
    for codec in ["zstd", "gzip", "none"] {
        let world = World::of(&database, &format!("--codec {codec} --chunk-bytes 64KiB"));
        assert_whole(&world);
        let store = FolderStore::open(&world.store()).unwrap();
        let manifest = resolve(&store, "latest").unwrap().manifest;
        let run = manifest.directory().expect("a directory");
        let [pack] = run.packs.as_slice() else { panic!("{run:?}") };
        let path = world.store().join("packs").join(pack.sha256.to_string());
        let whole = fs::read(&path).unwrap();
        let get = |key: &str| get_value(&store, &manifest, key.as_bytes()).unwrap();
        for key in &keys {
            let got = get(key);
            assert!(got.directory_damage.is_none() && got.chunks_read <= 2, "{got:?}");
        }
        // A look-up does not read the pack's header.
        let header_bytes = PackHeader { codec: run.codec }.stored_bytes();
        let ask = |turn: usize, what: &str, is_read: bool| {
            let (present, absent) = (&keys[turn % keys.len()], format!("{turn}:none"));
            let got = get(present);
            assert!(got.found.is_some_and(|value| value.value_bytes == 64), "{what}");
            assert_eq!(got.directory_damage.is_some(), is_read, "{what}");
            assert!(get(&absent).found.is_none(), "{what}");
        };
        for offset in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[offset] ^= 1 << (offset % 8);
            fs::write(&path, damaged).unwrap();
            let what = format!("byte {offset}");
            assert_ne!(world.findings(), 0, "{what}: nothing found");
            // The whole pack is checked before anything of it is used.
            if codec != "none" || offset % 7 == 0 {
                ask(offset, &what, offset >= header_bytes);
            }
        }
        for length in (0..whole.len()).step_by(97) {
            fs::write(&path, &whole[..length]).unwrap();
            assert_ne!(world.findings(), 0, "cut to {length}: nothing found");
            ask(length, "cut", true);
        }
        fs::remove_file(&path).unwrap();
        assert_ne!(world.findings(), 0, "removed: nothing found");
        ask(1, "removed", true);
        world.restore("latest").unwrap();
        assert_eq!(fs::read(world.targets().join("restored")).unwrap(), fs::read(&database).unwrap());
        let mut command = support::dotctl();
        let ran = Ran::of(
            command.args(["get", "latest", &keys[0], "--store"]).arg(world.store()).output().unwrap(),
        );
        ran.exits(0).mentions("warning: the checkpoint's directory is damaged");
    }
}

#[test]
fn every_byte_of_a_state() {
    for codec in ["zstd", "gzip", "none", "columnar", "zstd-dictionary"] {
        change_every_byte(&World::of(&fixture("state/listed.json"), &format!("--codec {codec}")), 1);
    }
}

#[test]
fn changed_bytes_through_the_binary() {
    let sources = folder();
    let database = hot_database(sources.path());
    let mut random = Random(1);
    for codec in ["zstd", "gzip", "none"] {
        for source in [&database, &fixture("state/listed.json")] {
            let world = World::of(source, &format!("--codec {codec}"));
            for path in world.files() {
                let whole = fs::read(&path).unwrap();
                for _ in 0..12 {
                    let offset = random.below(whole.len() as u64) as usize;
                    let mut damaged = whole.clone();
                    damaged[offset] ^= 1 << random.below(8);
                    fs::write(&path, &damaged).unwrap();
                    let what = format!("byte {offset} of {}", path.display());
                    world.binary_notices(&world.ids[0], &[1], &what);
                    world.restore_refuses("latest", &[1], &what);
                }
                fs::write(&path, &whole).unwrap();
            }
            assert_whole(&world);
        }
    }
}

#[test]
fn truncated_files() {
    let sources = folder();
    let database = hot_database(sources.path());
    for codec in ["zstd", "gzip", "none"] {
        for source in [&database, &fixture("state/listed.json")] {
            let world = World::of(source, &format!("--codec {codec}"));
            for path in world.files() {
                let whole = fs::read(&path).unwrap();
                // All lengths of small files; of others a sample, and all that touch the index.
                let step = if whole.len() < 4000 { 1 } else { 97 };
                let near_the_end = whole.len().saturating_sub(150)..whole.len();
                for length in (0..whole.len()).step_by(step).chain(near_the_end) {
                    fs::write(&path, &whole[..length]).unwrap();
                    world.is_noticed(&format!("{} cut to {length}", path.display()));
                }
                for length in [0, whole.len() / 2, whole.len() - 1] {
                    fs::write(&path, &whole[..length]).unwrap();
                    let what = format!("{} cut to {length}", path.display());
                    world.binary_notices(&world.ids[0], &[1], &what);
                }
                fs::write(&path, &whole).unwrap();
            }
            assert_whole(&world);
        }
    }
}

#[test]
fn longer_files() {
    for codec in ["zstd", "gzip", "none"] {
        let world = World::of(&fixture("state/listed.json"), &format!("--codec {codec}"));
        for path in world.files() {
            let whole = fs::read(&path).unwrap();
            for more in [&b"\0"[..], b"\n", b" ", b"{}", &whole] {
                fs::write(&path, [&whole, more].concat()).unwrap();
                let what = format!("{} with {} more bytes", path.display(), more.len());
                world.is_noticed(&what);
                world.binary_notices(&world.ids[0], &[1], &what);
            }
            fs::write(&path, &whole).unwrap();
        }
        assert_whole(&world);
    }
}

#[test]
fn deleted_files() {
    let sources = folder();
    let database = hot_database(sources.path());
    for source in [&database, &fixture("state/listed.json")] {
        let world = World::of(source, "");
        assert_eq!(world.files().len(), 3, "a manifest, a pack and the marker");
        for path in world.files() {
            let whole = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            let what = format!("without {}", path.display());
            world.is_noticed(&what);
            // A checkpoint without a manifest is none that could be named.
            let codes: &[i32] = if path.starts_with(world.store().join("manifests")) { &[3] } else { &[1] };
            world.binary_notices(&world.ids[0], codes, &what);
            fs::write(&path, whole).unwrap();
        }
        assert_whole(&world);
    }
}

#[test]
fn folders_gone() {
    for part in ["manifests", "packs"] {
        let world = World::of(&fixture("state/listed.json"), "");
        fs::remove_dir_all(world.store().join(part)).unwrap();
        world.binary_notices(&world.ids[0], &[1, 3], part);
    }
}

/// One image and one state in a store.
fn two_checkpoints() -> World {
    let sources = folder();
    let mut world = World::of(&hot_database(sources.path()), "--namespace one");
    world.add(&fixture("state/listed.json"), "--namespace two");
    assert_whole(&world);
    world
}

#[track_caller]
fn swap(one: &Path, other: &Path) {
    let (first, second) = (fs::read(one).unwrap(), fs::read(other).unwrap());
    assert_ne!(first, second);
    fs::write(one, second).unwrap();
    fs::write(other, first).unwrap();
}

#[test]
fn swapped_packs_of_two_checkpoints() {
    let world = two_checkpoints();
    swap(&world.file_in("packs", 0), &world.file_in("packs", 1));
    for id in &world.ids {
        world.binary_notices(id, &[1], "packs swapped");
    }
}

#[test]
fn a_pack_of_another_checkpoint() {
    let world = two_checkpoints();
    fs::copy(world.file_in("packs", 0), world.file_in("packs", 1)).unwrap();
    world.verify_finds("a pack twice");
    let refused = world.ids.iter().filter(|id| world.restore(id).is_err()).count();
    assert_eq!(refused, 1, "one checkpoint lost its pack, the other did not");
}

#[test]
fn swapped_packs_of_one_checkpoint() {
    let sources = folder();
    let path = sources.path().join("large.sqlite");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch("CREATE TABLE t(a BLOB)").unwrap();
    let mut random = Random(2);
    for _ in 0..20 {
        database.execute("INSERT INTO t VALUES(?1)", [random.bytes(1 << 20)]).unwrap();
    }
    drop(database);
    for codec in ["zstd", "none"] {
        let world = World::of(&path, &format!("--codec {codec}"));
        let packs = files_below(&world.store().join("packs"));
        assert!(packs.len() >= 2, "{} packs", packs.len());
        swap(&packs[0], &packs[1]);
        world.binary_notices(&world.ids[0], &[1], "packs swapped");
        swap(&packs[0], &packs[1]);
        assert_whole(&world);
        // Every finding is told, not only the first.
        for pack in &packs {
            let mut bytes = fs::read(pack).unwrap();
            bytes[1000] ^= 1;
            fs::write(pack, bytes).unwrap();
        }
        let report = world.verify_finds("a byte in each pack").json();
        assert_eq!(report["findings"].as_array().unwrap().len(), packs.len());
    }
}

#[test]
fn swapped_chunks_inside_a_pack() {
    let sources = folder();
    let database = hot_database(sources.path());
    for (codec, name) in dotctl_engine::codec::Codec::ALL.map(|codec| (codec, codec.name())) {
        let world = World::of(&database, &format!("--codec {name} --chunk-bytes 64KiB"));
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(world.file_in("manifests", 0)).unwrap()).unwrap();
        let pack = &manifest["runs"][0]["packs"][0];
        let path = world.store().join("packs").join(pack["sha256"].as_str().unwrap());
        let whole = fs::read(&path).unwrap();
        let index_bytes = pack["index_bytes"].as_u64().unwrap() as usize;
        let index = PackIndex::read(codec, &whole[whole.len() - index_bytes..]).unwrap();
        let range = |chunk: &dotctl_engine::format::ChunkEntry| {
            let begin = chunk.stored_offset as usize;
            begin..begin + chunk.stored_bytes as usize
        };
        let chunks = index.chunks();
        assert!(chunks.len() >= 3, "{} chunks", chunks.len());
        assert_eq!(chunks[0].stored_offset as usize, PackHeader { codec }.stored_bytes());
        let begin = range(&chunks[0]).start;
        let end = range(&chunks[1]).end;
        let swapped = [
            &whole[..begin],
            &whole[range(&chunks[1])],
            &whole[range(&chunks[0])],
            &whole[end..whole.len() - index_bytes],
        ]
        .concat();
        fs::write(&path, [&swapped, &whole[whole.len() - index_bytes..]].concat()).unwrap();
        world.binary_notices(&world.ids[0], &[1], "chunks swapped, the index as it was");

        // The index swapped along, all hashes in it right: only the manifest's hash tells.
        let mut other = PackIndex::new(codec);
        for number in (0..chunks.len()).map(|number| [1, 0].get(number).copied().unwrap_or(number)) {
            let mut chunk = chunks[number].clone();
            chunk.first_key = chunks[[1, 0].get(number).copied().unwrap_or(number)].first_key.clone();
            other.push(chunk);
        }
        let index = other.write();
        assert_eq!(index.len(), index_bytes);
        fs::write(&path, [&swapped, &index[..]].concat()).unwrap();
        world.binary_notices(&world.ids[0], &[1], "chunks and their index swapped");
        fs::write(&path, &whole).unwrap();
        assert_whole(&world);
    }
}

#[test]
fn a_manifest_of_another_checkpoint() {
    let world = two_checkpoints();
    let (one, two) = (world.file_in("manifests", 0), world.file_in("manifests", 1));
    let whole = fs::read(&one).unwrap();
    fs::copy(&two, &one).unwrap();
    world.binary_notices(&world.ids[0], &[1], "a manifest replaced");
    fs::write(&one, &whole).unwrap();
    assert_whole(&world);

    swap(&one, &two);
    for id in &world.ids {
        world.binary_notices(id, &[1], "manifests swapped");
    }
}

/// An older checkpoint of the same namespace in the newer one's place.
#[test]
fn a_manifest_of_the_same_namespace() {
    let mut world = World::of(&fixture("state/listed.json"), "--namespace one");
    world.add(&fixture("state/empty.json"), "--namespace one");
    let (old, new) = (world.file_in("manifests", 0), world.file_in("manifests", 1));
    fs::copy(&old, &new).unwrap();
    world.binary_notices("latest", &[1], "the old manifest in the new one's place");
    world.binary_notices(&world.ids[1], &[1], "the old manifest in the new one's place");
}

#[test]
fn a_manifest_under_another_name() {
    let world = World::of(&fixture("state/listed.json"), "--namespace one");
    let path = world.file_in("manifests", 0);
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let (sequence, id) = name.split_once('-').unwrap();
    let other_id = id.replacen(&id[..1], if id.starts_with('0') { "1" } else { "0" }, 1);
    let manifests = world.store().join("manifests");
    // A name that no manifest can have is no checkpoint at all: there is none to restore.
    for (to, codes) in [
        (format!("two/{name}"), [1]),
        (format!("one/0000000002-{id}"), [1]),
        (format!("one/{sequence}-{other_id}"), [1]),
        (format!("one/1-{id}"), [3]),
        (format!("one/{name}.old"), [3]),
        (name.to_string(), [3]),
    ] {
        let moved = manifests.join(&to);
        fs::create_dir_all(moved.parent().unwrap()).unwrap();
        fs::rename(&path, &moved).unwrap();
        world.binary_notices("latest", &codes, &to);
        fs::rename(&moved, &path).unwrap();
    }
    fs::remove_dir(manifests.join("two")).unwrap();
    assert_whole(&world);
    // A second copy under another name takes nothing from the first, and is found all the same.
    fs::create_dir(manifests.join("two")).unwrap();
    fs::copy(&path, manifests.join("two").join(&name)).unwrap();
    world.verify_finds("a copy in another namespace");
    world.restore_refuses("two@latest", &[1], "a copy in another namespace");
}

/// `verify --quick` takes hashes only, and still meets every stored byte.
#[test]
fn a_quick_check_meets_every_byte() {
    let world = World::of(&fixture("state/listed.json"), "");
    let quick = || {
        let store = FolderStore::open(&world.store()).unwrap();
        let mut verifier = Verifier::new(&store, true);
        verifier.store(&NoProgress).unwrap();
        verifier.findings.len()
    };
    assert_eq!(quick(), 0);
    for path in world.files().iter().filter(|path| !path.ends_with("store.json")) {
        let whole = fs::read(path).unwrap();
        for offset in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[offset] ^= 1 << (offset % 8);
            fs::write(path, damaged).unwrap();
            assert_ne!(quick(), 0, "byte {offset} of {}", path.display());
        }
        fs::write(path, whole).unwrap();
    }
    assert_eq!(quick(), 0);
}
