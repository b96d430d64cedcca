//! A store against a plain map of histories: writes, snapshots, look-ups, restores, differences, compactions, prunes,
//! clocks that jump, writers that die and writers beside each other, many thousand times.
//!
//! `DOTCTL_MODEL_STEPS` and `DOTCTL_MODEL_SEED` make a longer or another run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dotctl_engine::checkpoint::{Difference, StateForm};
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::{Codec, CodecSetting};
use dotctl_engine::format::Manifest;
use dotctl_engine::id::{CheckpointId, Namespace, Time};
use dotctl_engine::retention::RetentionPolicy;
use dotctl_engine::{ErrorKind, Result};
use dotctl_stores::base::Base;
use dotctl_stores::drive::{
    CompactSetting, NoProgress, PruneSetting, RestoreForm, SnapshotSetting, Verifier, compact, diff_stored,
    get_entry, prune, restore, restore_prefix,
};
use dotctl_stores::folder::FolderStore;
use dotctl_stores::reference::resolve;
use dotctl_stores::source::{Captured, capture_state};
use dotctl_stores::store::Store;
use tempfile::TempDir;

/// Steps of a usual run.
const STEPS: u64 = 100_000;

const NAMESPACES: [&str; 3] = ["a", "b/c", "ü"];
const KEYS: u64 = 400;

type State = BTreeMap<String, u64>;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A checkpoint, and what it must give back.
struct Point {
    id: CheckpointId,
    sequence: u64,
    state: State,
}

struct World {
    folder: TempDir,
    store: FolderStore,
    random: Random,
    now_ms: i64,
    live: [State; 3],
    /// Of each namespace, the oldest first.
    points: [Vec<Point>; 3],
    counts: BTreeMap<&'static str, u64>,
}

fn array(state: &State) -> String {
    let mut text = String::from("[");
    for (place, (key, value)) in state.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        // Long enough that a patch pays.
        let _ = write!(
            text,
            "{comma}[\"{key}\",{{\"value\":\"the {key} has the value {value:020}\",\"createdAt\":1}}]"
        );
    }
    text + "]"
}

fn entry(key: &str, value: u64) -> String {
    let one = array(&State::from([(key.to_owned(), value)]));
    one[1..one.len() - 1].to_owned()
}

fn namespace(index: usize) -> Namespace {
    Namespace::new(NAMESPACES[index]).unwrap()
}

fn capture(store: &FolderStore, path: &Path, index: usize, now_ms: i64, base: &Base) -> Result<Captured> {
    let setting = SnapshotSetting {
        namespace: namespace(index),
        created_at: Time::from_unix_ms(now_ms).unwrap(),
        codec: CodecSetting::new(Codec::Zstd, 1).unwrap(),
        chunk_size: ChunkSize::new(64 << 10).unwrap(),
        chain: dotctl_engine::checkpoint::ChainPolicy::DEFAULT,
    };
    capture_state(store, path, &setting, base, &NoProgress)
}

impl World {
    fn new(seed: u64) -> Self {
        // Making things durable takes most of the time on a disk.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let store = FolderStore::open_or_create(&folder.path().join("store")).unwrap();
        World {
            folder,
            store,
            random: Random(seed),
            now_ms: 1_700_000_000_000,
            live: Default::default(),
            points: Default::default(),
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn source(&self, index: usize) -> PathBuf {
        let path = self.folder.path().join(format!("{index}.json"));
        fs::write(&path, array(&self.live[index])).unwrap();
        path
    }

    fn step(&mut self, step: u64) {
        let index = self.random.below(3) as usize;
        match self.random.below(1000) {
            0..700 => {
                let key = format!("key:{:03}", self.random.below(KEYS));
                self.live[index].insert(key, step);
            }
            700..900 => {
                let key = format!("key:{:03}", self.random.below(KEYS));
                self.live[index].remove(&key);
            }
            900..940 => self.snapshot(index),
            940..952 => self.restore(index),
            952..958 => self.restore_part(index),
            958..976 => self.look_up(index),
            976..979 => self.compare(index),
            979..982 => self.compact(index),
            // The clock jumps, also backwards.
            982..988 => self.now_ms += self.random.below(10_000_000_000) as i64 - 5_000_000_000,
            988..991 => self.prune(index),
            991..994 => self.die(index),
            994..997 => self.beside_each_other(),
            _ => self.now_ms += self.random.below(1000) as i64,
        }
    }

    fn snapshot(&mut self, index: usize) {
        let base = match (self.random.below(10), self.points[index].len() as u64) {
            (0, _) => Base::None,
            (1, 1..) => {
                let place = self.random.below(self.points[index].len() as u64) as usize;
                let id = self.points[index][place].id.to_string();
                Base::Of(Box::new(resolve(&self.store, &id).unwrap()))
            }
            _ => Base::Auto,
        };
        let path = self.source(index);
        let made = capture(&self.store, &path, index, self.now_ms, &base).unwrap();
        assert!(made.base_damage.is_none(), "{:?}", made.base_damage);
        if made.committed.manifest.is_chain() {
            self.count("chains");
        }
        self.note(index, made);
    }

    fn note(&mut self, index: usize, made: Captured) {
        self.count("snapshots");
        let Manifest { sequence, .. } = made.committed.manifest;
        let newest = self.points[index].last().map_or(0, |point| point.sequence);
        assert!(sequence > newest, "{sequence} after {newest}");
        let state = self.live[index].clone();
        self.points[index].push(Point { id: made.committed.id, sequence, state });
    }

    fn any_point(&mut self, index: usize) -> Option<usize> {
        let count = self.points[index].len() as u64;
        (count > 0).then(|| self.random.below(count) as usize)
    }

    fn restore(&mut self, index: usize) {
        let Some(place) = self.any_point(index) else { return };
        self.count("restores");
        let point = &self.points[index][place];
        let found = resolve(&self.store, &point.id.to_string()).unwrap();
        let mut text = Vec::new();
        let form = RestoreForm::State(StateForm::Array);
        let mut write = |bytes: &[u8]| {
            text.extend_from_slice(bytes);
            Ok(())
        };
        restore(&self.store, &found.manifest, form, None, &mut write, None, &NoProgress).unwrap();
        assert!(text == array(&point.state).into_bytes(), "{} is not what it was", point.id);
        let newest = resolve(&self.store, &format!("{}@latest", NAMESPACES[index])).unwrap();
        assert_eq!(newest.key.id, self.points[index].last().unwrap().id);
    }

    fn look_up(&mut self, index: usize) {
        let Some(place) = self.any_point(index) else { return };
        self.count("look-ups");
        let key = format!("key:{:03}", self.random.below(KEYS));
        let point = &self.points[index][place];
        let found = resolve(&self.store, &point.id.to_string()).unwrap();
        let got = get_entry(&self.store, &found.manifest, key.as_bytes()).unwrap();
        let expected = point.state.get(&key).map(|value| entry(&key, *value).into_bytes());
        assert_eq!(got.found, expected, "{key} of {}", point.id);
        let runs = found.manifest.runs.len() as u64;
        assert!(got.chunks_read <= runs, "{} chunks of {runs} runs", got.chunks_read);
    }

    /// The entries whose keys begin with some digits.
    fn restore_part(&mut self, index: usize) {
        let Some(place) = self.any_point(index) else { return };
        self.count("parts");
        let prefix = format!("key:{}", self.random.below(40));
        let point = &self.points[index][place];
        let found = resolve(&self.store, &point.id.to_string()).unwrap();
        let mut text = Vec::new();
        let mut write = |bytes: &[u8]| {
            text.extend_from_slice(bytes);
            Ok(())
        };
        let (manifest, form) = (&found.manifest, StateForm::Array);
        restore_prefix(&self.store, manifest, prefix.as_bytes(), form, &mut write, &NoProgress).unwrap();
        let entries = point.state.iter().filter(|(key, _)| key.starts_with(&prefix));
        let part: State = entries.map(|(key, value)| (key.clone(), *value)).collect();
        assert!(text == array(&part).into_bytes(), "{prefix} of {}", point.id);
    }

    /// What differs between two points of a history, whichever is the older one.
    fn compare(&mut self, index: usize) {
        let (Some(old), Some(new)) = (self.any_point(index), self.any_point(index)) else { return };
        self.count("differences");
        let (old, new) = (&self.points[index][old], &self.points[index][new]);
        let found = |point: &Point| resolve(&self.store, &point.id.to_string()).unwrap().manifest;
        let mut seen = Vec::new();
        let text = |line: Option<&[u8]>| line.map(|line| String::from_utf8(line.to_vec()).unwrap());
        let mut visit = |one: Difference<'_>| {
            let key = String::from_utf8(one.key.to_vec()).unwrap();
            seen.push((key, text(one.old), text(one.new)));
            Ok(())
        };
        diff_stored(&self.store, &found(old), &found(new), &mut visit, &NoProgress).unwrap();
        let keys: BTreeSet<&String> = old.state.keys().chain(new.state.keys()).collect();
        let line = |state: &State, key: &str| state.get(key).map(|value| entry(key, *value));
        let expected: Vec<_> = keys
            .into_iter()
            .filter(|key| old.state.get(*key) != new.state.get(*key))
            .map(|key| (key.clone(), line(&old.state, key), line(&new.state, key)))
            .collect();
        assert!(seen == expected, "{} and {}", old.id, new.id);
    }

    /// A chain becomes one run in its place; its content stays.
    fn compact(&mut self, index: usize) {
        let Some(place) = self.any_point(index) else { return };
        let point = &self.points[index][place];
        let found = resolve(&self.store, &point.id.to_string()).unwrap();
        let setting = CompactSetting {
            chunk_size: ChunkSize::new(64 << 10).unwrap(),
            grace: Duration::ZERO,
            now: Time::from_unix_ms(self.now_ms).unwrap(),
            dry_run: false,
        };
        let before = found.manifest.clone();
        let compacted = compact(&self.store, found, &setting, &NoProgress).unwrap();
        let after = &compacted.found.manifest;
        assert!(!after.is_chain());
        let facts = |manifest: &Manifest| {
            (manifest.content_sha256, manifest.raw_bytes, manifest.record_count, manifest.sequence)
        };
        assert_eq!(facts(after), facts(&before));
        assert_eq!(compacted.replaced.len(), usize::from(before.is_chain()));
        assert_eq!(compacted.found.id() == point.id, !before.is_chain());
        self.points[index][place].id = compacted.found.id();
        if before.is_chain() {
            self.count("compactions");
        }
    }

    fn prune(&mut self, index: usize) {
        self.count("prunes");
        let last = 1 + self.random.below(12) as u32;
        let only = (self.random.below(2) == 0).then_some(index);
        let outcome = prune(&self.store, &self.prune_setting(last, only), &NoProgress).unwrap();
        for (index, points) in self.points.iter_mut().enumerate() {
            if only.is_none_or(|only| only == index) {
                points.drain(..points.len().saturating_sub(last as usize));
            }
        }
        let kept = outcome.judged.iter().filter(|one| !one.reasons.is_empty()).count();
        let expected: usize = match only {
            Some(index) => self.points[index].len(),
            None => self.points.iter().map(Vec::len).sum(),
        };
        assert_eq!(kept, expected);
    }

    fn prune_setting(&self, last: u32, only: Option<usize>) -> PruneSetting {
        PruneSetting {
            policy: RetentionPolicy { last, ..RetentionPolicy::default() },
            namespace: only.map(namespace),
            grace: Duration::ZERO,
            now: Time::from_unix_ms(self.now_ms).unwrap(),
            dry_run: false,
        }
    }

    /// A writer whose source ends in the middle: what it has written stays, its checkpoint does not.
    fn die(&mut self, index: usize) {
        self.count("deaths");
        let path = self.source(index);
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() * 3 / 4]).unwrap();
        let died = capture(&self.store, &path, index, self.now_ms, &Base::Auto);
        assert!(text.len() < 3 || died.is_err());
        if text.len() < 3 {
            self.note_nothing(index);
        }
    }

    /// An array cut short after its bracket may still be one; what was made of it is nobody's.
    fn note_nothing(&mut self, index: usize) {
        let newest = resolve(&self.store, &format!("{}@latest", NAMESPACES[index]));
        match newest {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Missing),
            Ok(found) => assert_eq!(Some(found.key.id), self.points[index].last().map(|point| point.id)),
        }
    }

    /// All namespaces are captured and pruned at once.
    fn beside_each_other(&mut self) {
        self.count("at once");
        let paths: Vec<PathBuf> = (0..3).map(|index| self.source(index)).collect();
        let setting = self.prune_setting(6, None);
        let (store, now_ms) = (&self.store, self.now_ms);
        let made: Vec<Captured> = std::thread::scope(|scope| {
            let writers: Vec<_> = paths
                .iter()
                .enumerate()
                .map(|(index, path)| {
                    scope.spawn(move || capture(store, path, index, now_ms, &Base::Auto).unwrap())
                })
                .collect();
            scope.spawn(|| prune(store, &setting, &NoProgress).unwrap());
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        for (index, made) in made.into_iter().enumerate() {
            self.note(index, made);
        }
        // Whether the prune saw the new ones is open: what is left are the newest, six or seven.
        for (index, points) in self.points.iter_mut().enumerate() {
            let listing = self.store.manifests().unwrap();
            let left = listing.keys.iter().filter(|key| key.namespace == namespace(index)).count();
            assert!(left >= points.len().min(6) && left <= points.len().min(7), "{left} of {}", points.len());
            points.drain(..points.len() - left);
        }
    }

    fn verify(&self) {
        let mut verifier = Verifier::new(&self.store, false);
        verifier.store(&NoProgress).unwrap();
        assert!(verifier.findings.is_empty(), "{:?}", verifier.findings);
        let listed: Vec<_> = self.store.manifests().unwrap().keys.iter().map(|key| key.id).collect();
        assert_eq!(listed.len(), self.points.iter().map(Vec::len).sum::<usize>());
        assert!(self.points.iter().flatten().all(|point| listed.contains(&point.id)));
    }
}

fn number(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => usual,
    }
}

#[test]
fn a_store_is_a_map_of_histories() {
    let steps = number("DOTCTL_MODEL_STEPS", STEPS);
    let seed = number("DOTCTL_MODEL_SEED", 20_261_121);
    let mut world = World::new(seed);
    for step in 0..steps {
        world.step(step);
        if step % 10_000 == 9_999 {
            world.verify();
        }
    }
    world.verify();
    for index in 0..3 {
        for _ in 0..10 {
            world.restore(index);
        }
    }
    eprintln!("seed {seed}, {steps} steps: {:?}", world.counts);
    for what in [
        "chains",
        "snapshots",
        "restores",
        "parts",
        "look-ups",
        "differences",
        "compactions",
        "prunes",
        "deaths",
        "at once",
    ] {
        assert!(world.counts.get(what).is_some_and(|count| *count > steps / 1000), "too few {what}");
    }
}
