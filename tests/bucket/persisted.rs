//! Buckets that Miniflare persisted, read in its files: while it runs, and after.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use dotctl_engine::format::PackEntry;
use dotctl_engine::format::layout::ManifestKey;
use dotctl_engine::id::{Hash, Time};
use dotctl_engine::retention::RetentionPolicy;
use dotctl_engine::tag::Tagged;
use dotctl_engine::{ErrorKind, Result};
use dotctl_stores::bucket::BucketStore;
use dotctl_stores::drive::{NoProgress, PruneSetting, prune};
use dotctl_stores::persisted::{PersistedBucket, PersistedStore};
use dotctl_stores::prune::{PruneRequest, Pruned};
use dotctl_stores::store::{Access, ManifestListing, Pack, PackListing, Session, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::dotctl_at;
use crate::made::{Entries, setting, snapshot};
use crate::servers::{BUCKET, Server};
use crate::support::{Ran, contents_below, copy_tree, dotctl, fixture, folder, sha256_of, words};

/// Writes through S3, and reads each time what the files hold just then.
pub struct PersistedReader {
    pub writer: BucketStore,
    /// The bucket's folder, and the prefix.
    pub path: PathBuf,
}

impl PersistedReader {
    fn now(&self) -> Result<PersistedStore> {
        let bucket = PersistedBucket::open(&self.path)?.expect("a bucket");
        Ok(bucket.store(std::env::temp_dir()))
    }
}

impl Store for PersistedReader {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn manifests(&self) -> Result<ManifestListing> {
        self.now()?.manifests()
    }

    fn read_manifest(&self, key: &ManifestKey) -> Result<Vec<u8>> {
        self.now()?.read_manifest(key)
    }

    fn open_pack(&self, entry: &PackEntry, access: Access) -> Result<Option<Box<dyn Pack>>> {
        self.now()?.open_pack(entry, access)
    }

    fn pack_location(&self, sha256: &Hash) -> String {
        self.now().unwrap().pack_location(sha256)
    }

    fn packs(&self) -> Result<PackListing> {
        self.now()?.packs()
    }

    fn scratch_folder(&self) -> PathBuf {
        std::env::temp_dir()
    }

    fn begin(&self) -> Result<Box<dyn Session + '_>> {
        self.writer.begin()
    }

    fn tags(&self) -> Result<Vec<Tagged>> {
        self.now()?.tags()
    }

    fn add_tag(&self, tagged: &Tagged) -> Result<bool> {
        self.writer.add_tag(tagged)
    }

    fn remove_tag(&self, tagged: &Tagged) -> Result<bool> {
        self.writer.remove_tag(tagged)
    }

    fn prune(&self, request: PruneRequest) -> Result<Pruned> {
        self.writer.prune(request)
    }
}

/// A Miniflare that stops, and what it leaves.
struct World {
    folder: TempDir,
    bucket: PathBuf,
    server: Option<Server>,
}

impl World {
    fn new() -> Self {
        World::of(folder(), BUCKET)
    }

    fn of(folder: TempDir, bucket: &str) -> Self {
        let server = Some(Server::miniflare_at(folder.path(), bucket));
        World { bucket: folder.path().join(bucket), folder, server }
    }

    /// A command with this as its store: an address, which the running server has, or a path.
    fn at(&self, store: impl AsRef<Path>) -> Command {
        let mut command = match &self.server {
            Some(server) => dotctl_at(&server.endpoint_url),
            None => dotctl(),
        };
        command.env("DOTCTL_STORE", store.as_ref());
        command
    }

    #[track_caller]
    fn run(&self, store: impl AsRef<Path>, line: &str, paths: &[&Path]) -> Ran {
        Ran::of(self.at(store).args(words(line)).args(paths).output().expect("dotctl runs"))
    }
}

fn state(folder: &Path, name: &str, entries: &Entries) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, entries.array()).unwrap();
    path
}

fn ids(listed: &Value) -> Vec<String> {
    let listed = listed["checkpoints"].as_array().expect("a list").iter();
    listed.map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

/// The same answers come from the files as through S3, whether it runs or not.
#[test]
fn every_command_reads_what_miniflare_persisted() {
    let mut world = World::new();
    let work = folder();
    let address = format!("s3://{BUCKET}/some/prefix");
    let entries = Entries::new(7, 600, 4_000);
    let (old, new) = (
        state(work.path(), "old.json", &entries),
        state(work.path(), "new.json", &Entries::new(7, 599, 4_000)),
    );
    let image =
        fixture("objects/clean/8404631331c39f1e8af77ef103c37993149a37e51562b73dcca4f42ecc1fd80d.sqlite");
    for source in [&old, &new] {
        world.run(&address, "snapshot --namespace counters --base none", &[source]).exits(0);
    }
    world.run(&address, "snapshot --namespace image", &[&image]).exits(0);
    world.run(&address, "tag image@latest nightly", &[]).exits(0);
    let over_s3 = world.run(&address, "list --format json", &[]).exits(0).json();
    let path = world.bucket.join("some/prefix");
    for running in [true, false] {
        if !running {
            drop(world.server.take());
        }
        let before = (!running).then(|| contents_below(world.folder.path()));
        let listed = world.run(&path, "list --format json", &[]).exits(0).json();
        assert_eq!(listed["checkpoints"], over_s3["checkpoints"]);
        assert_eq!(listed["checkpoints"].as_array().unwrap().len(), 3);
        let shown = world.run(&path, "show nightly --format json", &[]).exits(0).json();
        assert_eq!((&shown["namespace"], &shown["tags"][0]), (&"image".into(), &"nightly".into()));
        for line in ["verify --format json", "verify --quick --format json"] {
            let verified = world.run(&path, line, &[]).exits(0).json();
            assert_eq!((&verified["ok"], &verified["checked"]["checkpoints"]), (&true.into(), &3.into()));
        }
        for (reference, source) in [("image@latest", &image), ("counters@latest", &new)] {
            let to = work.path().join("restored");
            let line = format!("restore {reference} --force --format json --to");
            let restored = world.run(&path, &line, &[&to]).exits(0).json();
            assert_eq!(restored["sha256"], sha256_of(source), "{reference}");
            assert_eq!(sha256_of(&to), sha256_of(source), "{reference}");
        }
        let got = world.run(&path, "get counters@latest entry:000321", &[]).exits(0);
        assert_eq!(String::from_utf8(got.stdout).unwrap().trim_end(), entries.text(321));
        let [first, second] = [&ids(&over_s3)[2], &ids(&over_s3)[1]];
        let differs = world.run(&path, &format!("diff {first} {second} --format json"), &[]).exits(1).json();
        assert_eq!((&differs["deleted"], &differs["added"]), (&1.into(), &0.into()), "{differs}");
        let inspected = world.run(work.path(), "inspect --format json", &[&path]).exits(0).json();
        assert_eq!((&inspected["kind"], &inspected["checkpoint_count"]), (&"store".into(), &3.into()));
        let to_store = work.path().join(format!("copied while running: {running}"));
        world.run(&path, "copy image@latest --to-store", &[&to_store]).exits(0);
        assert_eq!(ids(&world.run(&to_store, "list --format json", &[]).exits(0).json()), ids(&over_s3)[..1]);
        // The files themselves, for other tools.
        let packs = world.run(&path, "show counters@latest --packs", &[]).exits(0);
        let packs = String::from_utf8(packs.stdout).unwrap();
        assert!(packs.lines().count() > 0 && packs.lines().all(|pack| Path::new(pack).is_file()), "{packs}");

        // Where nothing is, nothing is said to be well, and it is told where something is.
        let elsewhere = format!("--store {}", path.display());
        for place in [&world.bucket, &world.bucket.join("some"), &world.bucket.join("other")] {
            for line in ["list", "verify", "show latest", "get latest key", "restore latest --to x"] {
                world.run(place, line, &[]).refuses(3).mentions(&elsewhere);
            }
            world.run(work.path(), "inspect", &[place]).refuses(3).mentions(&elsewhere);
        }
        world.run(world.bucket.join("some/../prefix"), "list", &[]).refuses(2).mentions("`..`");
        if let Some(before) = before {
            assert!(contents_below(world.folder.path()) == before, "reading changed something");
        }
    }
}

/// TypeScript's checkpoints and ours in one bucket, each as if alone, also where our prefix is one of theirs.
#[test]
fn both_layouts_lie_in_one_bucket() {
    let persisted = folder();
    copy_tree(&fixture("dotdo/sound/r2"), persisted.path());
    let world = World::of(persisted, "overflow");
    let work = folder();
    let source = state(work.path(), "state.json", &Entries::new(8, 20, 100));
    let theirs = ids(&world.run(&world.bucket, "list --format json", &[]).exits(0).json());
    assert_eq!(theirs.len(), 5);

    world.run("s3://overflow/checkpoints/ours", "snapshot --namespace below", &[&source]).exits(0);
    let below = world.bucket.join("checkpoints/ours");
    for line in ["list --format json", "verify --format json"] {
        let ran = world.run(&world.bucket, line, &[]).exits(0);
        ran.mentions("other prefixes").mentions(&format!("--store {}", below.display()));
    }
    assert_eq!(ids(&world.run(&world.bucket, "list --format json", &[]).exits(0).json()), theirs);
    let ours = world.run(&below, "list --format json", &[]).exits(0);
    assert_eq!(ours.stderr, "");
    assert_eq!(ids(&ours.json()).len(), 1);

    world.run("s3://overflow", "snapshot --namespace root", &[&source]).exits(0);
    let both = world.run(&world.bucket, "list --format json", &[]).exits(0).json();
    assert_eq!(ids(&both)[1..], theirs);
    assert_eq!(
        (&both["checkpoints"][0]["layout"], &both["checkpoints"][1]["layout"]),
        (&"native".into(), &"dotdo".into())
    );
    let verified = world.run(&world.bucket, "verify --format json", &[]).exits(0).json();
    assert_eq!(verified["checked"]["checkpoints"], 6);
    let to = work.path().join("restored");
    world.run(&world.bucket, "restore root@latest --to", &[&to]).exits(0);
    assert_eq!(sha256_of(&to), sha256_of(&source));
    world.run(&world.bucket, "restore snap-mk9mgr-gzip --force --to", &[&to]).exits(0);
    let inspected = world.run(work.path(), "inspect --format json", &[&world.bucket]).exits(0).json();
    assert_eq!(inspected["checkpoint_count"], 1);
}

/// What was placed in the bucket is read in its files.
#[test]
fn placed_checkpoints_are_read() {
    let mut world = World::new();
    let work = folder();
    let source = state(work.path(), "state.json", &Entries::new(9, 800, 4_000));
    let first = work.path().join("first");
    let address = format!("s3://{BUCKET}/large");
    let line = format!("snapshot --namespace n --placement hybrid --overflow {address}");
    world.run(&first, &line, &[&source]).exits(0);
    let shown = world.run(&first, "show latest --format json", &[]).exits(0).json();
    assert_eq!(shown["place"], "overflow", "{shown}");
    drop(world.server.take());
    let large = world.bucket.join("large");
    let to = work.path().join("restored");
    world.run(&first, "restore latest --to", &[&to, Path::new("--overflow"), &large]).exits(0);
    assert_eq!(sha256_of(&to), sha256_of(&source));
    let verified = world.run(&first, "verify --format json --overflow", &[&large]).exits(0).json();
    assert_eq!((&verified["ok"], &verified["checked"]["checkpoints"]), (&true.into(), &1.into()));
    world.run(&first, "get latest entry:000700 --overflow", &[&large]).exits(0);
    // It is a whole checkpoint there, too.
    assert_eq!(ids(&world.run(&large, "list --format json", &[]).exits(0).json()).len(), 1);
    // What is missing is told, where another prefix is named.
    let found = world.run(&first, "verify --format json --overflow", &[&world.bucket]).exits(1).json();
    assert_eq!(found["findings"][0]["kind"], "missing", "{found}");
    for line in ["prune --keep-last 1", "prune --keep-last 1 --dry-run", "snapshot", "snapshot --dry-run"] {
        let before = contents_below(work.path());
        let source: &[&Path] = if line.starts_with("prune") { &[] } else { &[&source] };
        let paths = [source, &[Path::new("--overflow"), &large]].concat();
        world.run(&first, line, &paths).refuses(2).mentions("only read");
        assert!(contents_below(work.path()) == before);
    }
}

/// Nothing is written into such a bucket, or beside it.
#[test]
fn writing_is_refused() {
    let mut world = World::new();
    let work = folder();
    let source = state(work.path(), "state.json", &Entries::new(10, 20, 100));
    let local = work.path().join("local");
    for store in [format!("s3://{BUCKET}"), format!("s3://{BUCKET}/some"), local.display().to_string()] {
        world.run(store, "snapshot --namespace n", &[&source]).exits(0);
    }
    drop(world.server.take());
    let before = (contents_below(world.folder.path()), contents_below(work.path()));
    for path in [world.bucket.clone(), world.bucket.join("some"), world.bucket.join("new/prefix")] {
        for dry_run in ["", "--dry-run"] {
            let refused = |store: &Path, line: &str, paths: &[&Path]| {
                let ran = world.run(store, &line.replacen(' ', &format!(" {dry_run} "), 1), paths).refuses(2);
                ran.mentions("only read").mentions("S3 endpoint");
            };
            refused(&path, "snapshot --namespace n", &[&source]);
            refused(&path, "tag latest name", &[]);
            refused(&path, "prune --keep-last 1", &[]);
            refused(&path, "compact latest", &[]);
            refused(&local, "copy latest --to-store", &[&path]);
            refused(&local, "copy latest --to-layout manager --to-store", &[&path]);
        }
    }
    assert!((contents_below(world.folder.path()), contents_below(work.path())) == before);
    assert!(!world.bucket.join("new").exists());
}

/// Damage in Miniflare's files is found like any other.
#[test]
fn damage_is_found() {
    let mut world = World::new();
    let work = folder();
    let source = state(work.path(), "state.json", &Entries::new(11, 600, 4_000));
    world.run(format!("s3://{BUCKET}"), "snapshot --namespace n", &[&source]).exits(0);
    drop(world.server.take());
    let packs = world.run(&world.bucket, "show latest --packs", &[]).exits(0);
    let pack = PathBuf::from(String::from_utf8(packs.stdout).unwrap().lines().next().unwrap());
    let whole = std::fs::read(&pack).unwrap();
    let finds = |kind: &str| {
        let found = world.run(&world.bucket, "verify --format json", &[]).exits(1).json();
        assert_eq!(found["findings"][0]["kind"], kind, "{found}");
        assert_eq!(found["failed"], serde_json::json!([]), "{found}");
        let to = work.path().join("restored");
        world.run(&world.bucket, "restore latest --to", &[&to]).refuses(1);
        assert!(!to.exists());
        found["findings"].clone()
    };
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    std::fs::write(&pack, &flipped).unwrap();
    finds("checksum-mismatch");
    std::fs::write(&pack, &whole[..whole.len() - 1]).unwrap();
    finds("size-mismatch");
    std::fs::remove_file(&pack).unwrap();
    finds("missing");
    std::fs::write(&pack, &whole).unwrap();
    world.run(&world.bucket, "verify", &[]).exits(0);
    let is_manifest = |(_, bytes): &(PathBuf, Vec<u8>)| bytes.starts_with(b"{");
    let manifests: Vec<_> = contents_below(&world.bucket).into_iter().filter(is_manifest).collect();
    let [(manifest, text)] = manifests.as_slice() else { panic!("one manifest: {manifests:?}") };
    for (bytes, kind) in [(Some(&text[1..]), "checksum-mismatch"), (None, "missing")] {
        match bytes {
            Some(bytes) => std::fs::write(manifest, bytes).unwrap(),
            None => std::fs::remove_file(manifest).unwrap(),
        }
        let found = world.run(&world.bucket, "verify --format json", &[]).exits(1).json();
        assert_eq!(found["findings"][0]["kind"], kind, "{found}");
    }
}

/// What somebody prunes while it is read is not taken for damage.
#[test]
fn what_was_pruned_meanwhile_is_no_damage() {
    let server = Server::miniflare();
    let mut bucket = server.setting("pruned");
    bucket.patience.grace_min = Duration::from_secs(2);
    let writer = BucketStore::open(&bucket).unwrap();
    let made = snapshot(&writer, &setting("n", 0), &mut Entries::new(1, 5, 100)).unwrap();
    snapshot(&writer, &setting("n", 1), &mut Entries::new(2, 5, 100)).unwrap();
    let path = server.files.as_ref().unwrap().join("pruned");
    let reader = PersistedBucket::open(&path).unwrap().unwrap().store(std::env::temp_dir());
    let key = reader.manifests().unwrap().keys.remove(0);
    let entry = made.manifest.packs().next().unwrap();
    assert!(reader.read_manifest(&key).is_ok() && reader.open_pack(entry, Access::Whole).is_ok());
    let opened = reader.open_pack(entry, Access::Parts).unwrap().unwrap();
    let setting = PruneSetting {
        policy: RetentionPolicy { last: 1, ..RetentionPolicy::default() },
        namespace: None,
        grace: bucket.patience.grace_min,
        now: Time::from_unix_ms(4_000_000_000_000).unwrap(),
        dry_run: false,
    };
    // The files go some time after the objects.
    let until = Instant::now() + Duration::from_secs(60);
    let refused = loop {
        prune(&writer, &setting, &NoProgress).unwrap();
        match reader.open_pack(entry, Access::Whole) {
            Err(error) => break error,
            Ok(pack) => assert!(pack.is_some() && Instant::now() < until, "it was not pruned"),
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    assert_eq!(refused.kind(), ErrorKind::Busy, "{refused}");
    assert_eq!(opened.read_at(0, &mut [0; 8]).unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(reader.read_manifest(&key).unwrap_err().kind(), ErrorKind::Missing);
}
