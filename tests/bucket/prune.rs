//! Pruning: what every store must do, and why nobody who writes to a bucket meanwhile loses anything.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dotctl_engine::ErrorKind;
use dotctl_engine::id::{Namespace, Time};
use dotctl_engine::placement::PlacementPolicy;
use dotctl_engine::retention::RetentionPolicy;
use dotctl_engine::tag::{Tag, Tagged};
use dotctl_stores::bucket::{BucketSetting, BucketStore};
use dotctl_stores::drive::{NoProgress, PruneOutcome, PruneSetting, Verifier, prune};
use dotctl_stores::folder::FolderStore;
use dotctl_stores::object::{Backend, ObjectStore};
use dotctl_stores::placed::PlacedStore;
use dotctl_stores::prune::{Needed, PruneRequest};
use dotctl_stores::reference::resolve;
use dotctl_stores::store::Store;

use crate::made::{Entries, restored, send, setting, snapshot};
use crate::memory::MemoryStore;
use crate::servers::Server;
use crate::support::folder;

/// The least grace of the buckets here. Servers date objects to the second.
const GRACE: Duration = Duration::from_secs(3);

fn keep_last(last: u32) -> PruneSetting {
    PruneSetting {
        policy: RetentionPolicy { last, ..RetentionPolicy::default() },
        namespace: None,
        grace: GRACE,
        // Only what nobody dates but us is compared with it: after all checkpoints.
        now: Time::from_unix_ms(4_000_000_000_000).unwrap(),
        dry_run: false,
    }
}

fn removed(outcome: &PruneOutcome) -> Vec<u64> {
    let gone = outcome.judged.iter().filter(|one| one.reasons.is_empty());
    gone.map(|one| one.key.sequence).collect()
}

#[track_caller]
fn verifies(store: &dyn Store, checkpoints: u64) {
    let mut verifier = Verifier::new(store, false);
    verifier.store(&NoProgress).unwrap();
    assert_eq!((verifier.findings, verifier.unread), (Vec::new(), Vec::new()));
    assert_eq!(verifier.checked.checkpoints, checkpoints);
}

fn held_bytes(store: &dyn Store) -> u64 {
    store.packs().unwrap().packs.iter().map(|(_, bytes)| bytes).sum()
}

/// `waits`: packs go by a later prune, after the grace.
fn prunes(store: &dyn Store, waits: bool) {
    let mut made = Vec::new();
    for number in 0..4 {
        // The third has the first one's content.
        let mut entries = Entries::new(number % 2, 40, 1000);
        made.push(snapshot(store, &setting("pruned", number as i64), &mut entries).unwrap());
    }
    let other = snapshot(store, &setting("other", 0), &mut Entries::new(9, 40, 1000)).unwrap();
    let all_bytes = held_bytes(store);

    let nothing = PruneSetting { policy: RetentionPolicy::default(), ..keep_last(0) };
    assert_eq!(prune(store, &nothing, &NoProgress).unwrap_err().kind(), ErrorKind::Malformed);

    // Tags, of which one goes with its checkpoint.
    let tagged =
        |number: usize, name: &str| Tagged { tag: Tag::new(name).unwrap(), checkpoint: made[number].id };
    for (number, name) in [(0, "first"), (1, "second one/ö"), (1, "keep")] {
        assert!(store.add_tag(&tagged(number, name)).unwrap());
        assert!(!store.add_tag(&tagged(number, name)).unwrap());
    }
    assert_eq!(store.tags().unwrap(), [tagged(0, "first"), tagged(1, "keep"), tagged(1, "second one/ö")]);
    assert_eq!(resolve(store, "second one/ö").unwrap().id(), made[1].id);
    assert_eq!(resolve(store, "pruned@first").unwrap().id(), made[0].id);
    assert!(store.remove_tag(&tagged(1, "second one/ö")).unwrap());
    assert!(!store.remove_tag(&tagged(1, "second one/ö")).unwrap());
    assert_eq!(resolve(store, "second one/ö").unwrap_err().kind(), ErrorKind::Malformed);

    // What would go, goes: the first by its age, the third too; the second is tagged.
    let mut wanted = keep_last(1);
    wanted.policy.tags = vec![Tag::new("keep").unwrap()];
    let dry = prune(store, &PruneSetting { dry_run: true, ..wanted.clone() }, &NoProgress).unwrap();
    assert_eq!(removed(&dry), [1, 3]);
    verifies(store, 5);
    assert_eq!(held_bytes(store), all_bytes);
    if waits {
        sleep(GRACE);
    }
    let done = prune(store, &wanted, &NoProgress).unwrap();
    assert_eq!(removed(&done), [1, 3]);
    verifies(store, 3);
    assert_eq!(store.tags().unwrap(), [tagged(1, "keep")]);
    let freed = made[0].manifest.stored_bytes();
    if waits {
        assert_eq!((done.pruned.removed_bytes, done.pruned.waiting_bytes), (0, freed));
        assert_eq!(held_bytes(store), all_bytes);
        sleep(GRACE + Duration::from_secs(1));
        let later = prune(store, &wanted, &NoProgress).unwrap();
        assert_eq!((later.pruned.removed_bytes, later.pruned.waiting_bytes), (freed, 0));
    } else {
        assert_eq!(done.pruned, dry.pruned);
        assert_eq!((done.pruned.removed_bytes, done.pruned.waiting_bytes), (freed, 0));
    }
    assert_eq!(held_bytes(store), all_bytes - freed);
    verifies(store, 3);
    for kept in [&made[1], &made[3], &other] {
        restored(store, &kept.manifest).unwrap();
    }
    // Numbers go on, and what was removed is written again.
    let again = snapshot(store, &setting("pruned", 9), &mut Entries::new(0, 40, 1000)).unwrap();
    assert_eq!((again.manifest.sequence, again.new_bytes), (5, freed));
    let nothing_left = PruneSetting { namespace: Some(Namespace::new("other").unwrap()), ..keep_last(1) };
    assert_eq!(removed(&prune(store, &nothing_left, &NoProgress).unwrap()), [0; 0]);
    verifies(store, 4);
}

/// A prune that has decided what goes, and a tag that is given before it removes anything; then one that comes too
/// late.
fn spares(store: &dyn Store) {
    let mut made = Vec::new();
    for number in 0..3 {
        made.push(
            snapshot(store, &setting("spared", number), &mut Entries::new(number as u64, 40, 1000)).unwrap(),
        );
    }
    let keys = store.manifests().unwrap().keys;
    let keep = Tag::new("keep").unwrap();
    let tagged = |number: usize| Tagged { tag: keep.clone(), checkpoint: made[number].id };
    let request = PruneRequest {
        doomed: keys.iter().filter(|key| key.sequence < 3).cloned().collect(),
        released: made[..2].iter().flat_map(|made| made.manifest.packs()).map(|pack| pack.sha256).collect(),
        keep_tags: vec![keep.clone()],
        needed: Needed::default(),
        grace: GRACE,
        now: keep_last(1).now,
        dry_run: false,
    };
    assert!(store.add_tag(&tagged(1)).unwrap());
    store.prune(request).unwrap();
    let left: Vec<_> = store.manifests().unwrap().keys.iter().map(|key| key.sequence).collect();
    assert_eq!(left, [2, 3]);
    verifies(store, 2);
    restored(store, &made[1].manifest).unwrap();
    assert_eq!(store.add_tag(&tagged(0)).unwrap_err().kind(), ErrorKind::Missing);
    assert_eq!(store.tags().unwrap(), [tagged(1)]);
}

#[test]
fn a_tag_that_comes_in_time_keeps_its_checkpoint() {
    let root = folder();
    spares(&MemoryStore::default());
    spares(&FolderStore::open_or_create(&root.path().join("store")).unwrap());
    spares(&object(&root.path().join("object"), Backend::Sqlite));
    let server = Server::s3s();
    spares(&BucketStore::open(&impatient(&server, "spared")).unwrap());
    let half = |name: &str| Box::new(FolderStore::open_or_create(&root.path().join(name)).unwrap());
    spares(&PlacedStore::new(half("a"), half("b"), PlacementPolicy::HYBRID));
}

/// Tags while a prune looks at its manifests: whoever is told that a checkpoint has one finds it there, and it is
/// judged so.
fn tags_beside_prunes(open: &(dyn Fn() -> Box<dyn Store> + Sync)) {
    let keep = Tag::new("keep").unwrap();
    let mut wanted = keep_last(1);
    wanted.policy.tags = vec![keep.clone()];
    let (mut in_time, mut late) = (0, 0);
    for round in 0..40_u64 {
        let store = open();
        snapshot(store.as_ref(), &setting("beside", round as i64), &mut Entries::new(round, 10, 100))
            .unwrap();
        let keys = store.manifests().unwrap().keys;
        let [old, .., _] = keys.as_slice() else { continue };
        let tagged = Tagged { tag: keep.clone(), checkpoint: old.id };
        let (outcome, given) = std::thread::scope(|scope| {
            let pruning = scope.spawn(|| prune(open().as_ref(), &wanted, &NoProgress).unwrap());
            sleep(Duration::from_micros(round % 8 * 400));
            let given = open().add_tag(&tagged);
            (pruning.join().unwrap(), given)
        });
        let is_there = store.manifests().unwrap().keys.contains(old);
        match given {
            Ok(_) => {
                assert!(is_there, "round {round}");
                assert_eq!(store.tags().unwrap(), std::slice::from_ref(&tagged));
                assert!(!removed(&outcome).contains(&old.sequence), "round {round}");
                in_time += 1;
                store.remove_tag(&tagged).unwrap();
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
                assert!(!is_there && store.tags().unwrap().is_empty(), "round {round}");
                late += 1;
            }
        }
    }
    eprintln!("{in_time} tags in time, {late} too late");
    verifies(open().as_ref(), open().manifests().unwrap().keys.len() as u64);
}

#[test]
fn tags_are_given_beside_prunes() {
    let root = folder();
    let path = root.path().join("store");
    tags_beside_prunes(&|| Box::new(FolderStore::open_or_create(&path).unwrap()));
    let server = Server::s3s();
    let setting = impatient(&server, "tags");
    tags_beside_prunes(&|| Box::new(BucketStore::open(&setting).unwrap()));
}

#[test]
fn a_tag_waits_for_a_sweep_and_its_checkpoint_goes_with_that() {
    let server = Server::s3s();
    let store = BucketStore::open(&impatient(&server, "swept")).unwrap();
    snapshot(&store, &setting("kept", 0), &mut Entries::new(0, 10, 100)).unwrap();
    let [kept] = store.manifests().unwrap().keys.try_into().unwrap();
    let tagged = Tagged { tag: Tag::new("keep").unwrap(), checkpoint: kept.id };
    let prefix = server.files.as_ref().unwrap().join("swept");
    let sweep = prefix.join("prune/sweeps").join("0".repeat(32));
    std::fs::create_dir_all(sweep.parent().unwrap()).unwrap();
    std::fs::write(&sweep, "").unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let giving = scope.spawn(|| {
            let given = store.add_tag(&tagged).unwrap_err();
            (given.kind(), ended.load(Ordering::SeqCst))
        });
        sleep(Duration::from_millis(300));
        std::fs::remove_file(prefix.join(kept.to_string())).unwrap();
        ended.store(true, Ordering::SeqCst);
        std::fs::remove_file(&sweep).unwrap();
        assert_eq!(giving.join().unwrap(), (ErrorKind::Missing, true));
    });
    assert_eq!(store.tags().unwrap(), []);
}

/// What a store at `server` needs to be told: with little grace.
fn impatient(server: &Server, prefix: &str) -> BucketSetting {
    let mut setting = server.setting(prefix);
    setting.patience.grace_min = GRACE;
    setting.patience.sweep_max = Duration::from_secs(4);
    setting
}

fn prunes_at(server: &Server) {
    let store = BucketStore::open(&impatient(server, "pruned")).unwrap();
    prunes(&store, true);
    let hasty = PruneSetting { grace: GRACE / 2, ..keep_last(1) };
    assert_eq!(prune(&store, &hasty, &NoProgress).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn a_bucket_on_s3s_is_pruned() {
    prunes_at(&Server::s3s());
}

#[test]
fn a_bucket_on_miniflare_is_pruned() {
    prunes_at(&Server::miniflare());
}

#[test]
fn a_bucket_on_moto_is_pruned() {
    prunes_at(&Server::moto());
}

#[test]
fn memory_is_pruned() {
    prunes(&MemoryStore::default(), false);
}

#[test]
fn a_folder_is_pruned() {
    let root = folder();
    prunes(&FolderStore::open_or_create(&root.path().join("store")).unwrap(), false);
}

fn object(path: &std::path::Path, backend: Backend) -> ObjectStore {
    let database = rusqlite::Connection::open(path).unwrap();
    database.execute_batch("CREATE TABLE words(word TEXT)").unwrap();
    drop(database);
    ObjectStore::open(path, backend).unwrap()
}

#[test]
fn an_object_is_pruned() {
    for backend in [Backend::Sqlite, Backend::Kv] {
        let root = folder();
        prunes(&object(&root.path().join("object"), backend), false);
    }
}

/// Everything overflows: both halves go, and neither store alone takes one away.
#[test]
fn two_stores_as_one_are_pruned() {
    let root = folder();
    let half = |name: &str| FolderStore::open_or_create(&root.path().join(name)).unwrap();
    let placed = PlacedStore::new(Box::new(half("a")), Box::new(half("b")), PlacementPolicy::HYBRID);
    for number in 0..3 {
        let mut entries = Entries::new(number, 30, 100_000);
        let made = snapshot(&placed, &setting("large", number as i64), &mut entries).unwrap();
        assert!(made.manifest.runs[0].place.is_some());
    }
    for name in ["a", "b"] {
        assert_eq!(removed(&prune(&half(name), &keep_last(1), &NoProgress).unwrap()), [0; 0]);
    }
    verifies(&placed, 3);
    // As a prune leaves it that is killed between the two.
    let keys = half("a").manifests().unwrap().keys;
    for part in ["catalog", "manifests"] {
        let name = keys[0].to_string().replacen("manifests", part, 1);
        std::fs::remove_file(root.path().join("a").join(name)).unwrap();
    }
    let done = prune(&placed, &keep_last(1), &NoProgress).unwrap();
    assert_eq!(removed(&done), [2]);
    for store in [&placed as &dyn Store, &half("b")] {
        verifies(store, 1);
    }
    assert_eq!(half("b").manifests().unwrap().keys, keys[2..]);
    assert_eq!(half("b").packs().unwrap().packs.len(), 1);
}

/// A writer meets a mark whose pack may go any moment, and one that was put there after its look.
#[test]
fn a_writer_keeps_what_is_marked() {
    let server = Server::s3s();
    let store = BucketStore::open(&impatient(&server, "marked")).unwrap();
    let old = snapshot(&store, &setting("marked", 0), &mut Entries::new(0, 40, 1000)).unwrap();
    snapshot(&store, &setting("marked", 1), &mut Entries::new(1, 40, 1000)).unwrap();
    sleep(GRACE);
    let marked = prune(&store, &keep_last(1), &NoProgress).unwrap().pruned;
    assert_eq!(marked.waiting_pack_count, 1);
    sleep(GRACE + Duration::from_secs(1));
    // The mark is old by now. The writer takes it away, and the next prune begins from the start.
    let mut session = store.begin().unwrap();
    let setting_2 = setting("marked", 2);
    let facts = send(session.as_mut(), &setting_2, &mut Entries::new(0, 40, 1000)).unwrap();
    let pruned = prune(&store, &keep_last(1), &NoProgress).unwrap().pruned;
    assert_eq!((pruned.removed_pack_count, pruned.waiting_pack_count), (0, 1));
    // Marked again, and the writer has been slow: it looks again before it is done.
    sleep(GRACE / 2);
    let made = session.commit(facts, &setting_2.namespace, setting_2.created_at).unwrap();
    assert_eq!((made.new_bytes, made.manifest.content_sha256), (0, old.manifest.content_sha256));
    sleep(GRACE + Duration::from_secs(1));
    assert_eq!(prune(&store, &keep_last(1), &NoProgress).unwrap().pruned.removed_bytes, 0);
    restored(&store, &made.manifest).unwrap();
}

/// A writer that was away for longer than the grace finds that its packs are gone, and says so.
#[test]
fn a_writer_that_comes_too_late_is_told() {
    let server = Server::s3s();
    let store = BucketStore::open(&impatient(&server, "late")).unwrap();
    let mut session = store.begin().unwrap();
    let late = setting("late", 0);
    let facts = send(session.as_mut(), &late, &mut Entries::new(0, 40, 1000)).unwrap();
    // Sent for certain.
    while store.packs().unwrap().packs.is_empty() {
        sleep(Duration::from_millis(10));
    }
    for _ in 0..2 {
        sleep(GRACE + Duration::from_secs(1));
        prune(&store, &keep_last(1), &NoProgress).unwrap();
    }
    assert!(store.packs().unwrap().packs.is_empty());
    let refused = session.commit(facts, &late.namespace, late.created_at).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Busy, "{refused}");
    assert!(store.manifests().unwrap().keys.is_empty());
}

/// A checkpoint that names packs of another one, which goes while it is being written: either they
/// stay, or it is refused. An incremental one does that.
fn a_base_that_is_pruned(store: &dyn Store, waits: bool) {
    snapshot(store, &setting("base", 0), &mut Entries::new(0, 40, 1000)).unwrap();
    let facts = || {
        let memory = MemoryStore::default();
        let mut session = memory.begin().unwrap();
        send(session.as_mut(), &setting("base", 0), &mut Entries::new(0, 40, 1000)).unwrap()
    };
    let over = |number: i64| {
        let setting = setting("base", number);
        store.begin().unwrap().commit(facts(), &setting.namespace, setting.created_at)
    };
    over(1).unwrap();
    snapshot(store, &setting("base", 2), &mut Entries::new(1, 40, 1000)).unwrap();
    if waits {
        // Marked, and kept again.
        sleep(GRACE);
        assert_eq!(prune(store, &keep_last(1), &NoProgress).unwrap().pruned.waiting_pack_count, 1);
        sleep(GRACE + Duration::from_secs(1));
        over(3).unwrap();
        assert_eq!(prune(store, &keep_last(1), &NoProgress).unwrap().pruned.removed_pack_count, 0);
        verifies(store, 1);
    }
    for second in 4..if waits { 6 } else { 5 } {
        snapshot(store, &setting("base", second), &mut Entries::new(1, 40, 1000)).unwrap();
        prune(store, &keep_last(1), &NoProgress).unwrap();
        if waits {
            sleep(GRACE + Duration::from_secs(1));
        }
    }
    prune(store, &keep_last(1), &NoProgress).unwrap();
    assert_eq!(over(9).unwrap_err().kind(), ErrorKind::Busy);
    verifies(store, 1);
}

#[test]
fn a_base_that_is_pruned_is_noticed() {
    let root = folder();
    a_base_that_is_pruned(&FolderStore::open_or_create(&root.path().join("store")).unwrap(), false);
    a_base_that_is_pruned(&object(&root.path().join("object"), Backend::Sqlite), false);
    let server = Server::s3s();
    a_base_that_is_pruned(&BucketStore::open(&impatient(&server, "base")).unwrap(), true);
}

/// Writers that go back and forth between a few states, prunes and verifications, all at once: every
/// checkpoint that there is at any time is whole, and so is every one in the end.
fn side_by_side(open: &(dyn Fn() -> Box<dyn Store> + Sync), duration: Duration) {
    open();
    // Long enough for packs to go while another state is there, and to be written again.
    let (begun, each) = (Instant::now(), duration / 14);
    let stop = AtomicBool::new(false);
    let (snapshots, pruned, verified) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for writer in 0..3_u64 {
            let (stop, snapshots) = (&stop, &snapshots);
            scope.spawn(move || {
                let store = open();
                let namespace = format!("writer {}", writer % 2);
                for number in 0.. {
                    let state = begun.elapsed().as_millis() / each.as_millis() % 8;
                    let mut entries = Entries::new(state as u64, 40, 1000);
                    let second = (number * 3 + writer) as i64;
                    snapshot(store.as_ref(), &setting(&namespace, second), &mut entries).unwrap();
                    snapshots.fetch_add(1, Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                let store = open();
                while !stop.load(Ordering::Relaxed) {
                    match prune(store.as_ref(), &keep_last(2), &NoProgress) {
                        Ok(outcome) => {
                            pruned.fetch_add(outcome.pruned.removed_pack_count as usize, Ordering::Relaxed);
                        }
                        // The other one is at it.
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
                    }
                    sleep(Duration::from_millis(30));
                }
            });
        }
        scope.spawn(|| {
            let store = open();
            while !stop.load(Ordering::Relaxed) {
                let mut verifier = Verifier::new(store.as_ref(), false);
                verifier.store(&NoProgress).unwrap();
                assert_eq!((verifier.findings, verifier.unread), (Vec::new(), Vec::new()));
                verified.fetch_add(1, Ordering::Relaxed);
            }
        });
        sleep(duration);
        stop.store(true, Ordering::Relaxed);
    });
    let counts = [&snapshots, &pruned, &verified].map(|count| count.load(Ordering::Relaxed));
    eprintln!("{counts:?} snapshots, packs removed, verifications");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    let store = open();
    let left = store.manifests().unwrap().keys;
    verifies(store.as_ref(), left.len() as u64);
    prune(store.as_ref(), &keep_last(1), &NoProgress).unwrap();
    verifies(store.as_ref(), 2);
}

#[test]
fn snapshot_prune_and_verify_side_by_side_in_a_folder() {
    let root = folder();
    let path = root.path().join("store");
    side_by_side(&|| Box::new(FolderStore::open_or_create(&path).unwrap()), Duration::from_secs(5));
}

#[test]
fn snapshot_prune_and_verify_side_by_side_in_a_bucket() {
    let server = Server::s3s();
    let setting = impatient(&server, "beside");
    side_by_side(&|| Box::new(BucketStore::open(&setting).unwrap()), Duration::from_secs(20));
}
