//! What every store of checkpoints must do, whatever it is made of.

use std::sync::Barrier;

use dotctl_engine::format::PackEntry;
use dotctl_engine::id::Hash;
use dotctl_engine::placement::PlacementPolicy;
use dotctl_engine::{Damage, ErrorKind};
use dotctl_stores::bucket::BucketStore;
use dotctl_stores::drive::{NoProgress, Verifier, copy, get_entry};
use dotctl_stores::folder::FolderStore;
use dotctl_stores::object::{Backend, ObjectStore};
use dotctl_stores::placed::PlacedStore;
use dotctl_stores::reference::{read_each, resolve, see};
use dotctl_stores::store::{Access, Store};

use crate::made::{Entries, restored, send, setting, snapshot};
use crate::memory::MemoryStore;
use crate::persisted::PersistedReader;
use crate::servers::Server;
use crate::support::folder;

/// What becomes of writers who make the same checkpoint at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Race {
    /// One makes it, the others are told that it exists.
    OneWinner,
    /// Several may be told that they made the one that there is.
    SomeWinners,
    /// Each makes one of its own, with the next number.
    Numbered,
    /// One may write at a time, and who comes meanwhile is told so.
    Alone,
}

fn conforms(new_store: &dyn Fn(&str) -> Box<dyn Store>, race: Race) {
    what_was_written_is_read(new_store("written").as_ref());
    checkpoints_are_listed_in_order(new_store("ordered").as_ref());
    a_dropped_session_leaves_nothing_that_counts(new_store("dropped").as_ref());
    a_pack_that_is_not_as_promised_is_told(new_store("promised").as_ref());
    a_copy_keeps_its_id(new_store("copied").as_ref());
    match race {
        Race::Alone => a_second_writer_is_refused(new_store("raced").as_ref()),
        _ => sixteen_writers_of_one_checkpoint(new_store("raced").as_ref(), race),
    }
}

fn a_copy_keeps_its_id(store: &dyn Store) {
    let original = MemoryStore::default();
    let mut entries = Entries::new(6, 100, 100_000);
    let made = snapshot(&original, &setting("copied", 0), &mut entries).unwrap();
    let found = resolve(&original, "latest").unwrap();
    let seen = see(&original, found.key.clone()).unwrap();
    let copied = copy(&original, &seen, store, &NoProgress).unwrap().unwrap();
    assert_eq!(copied.new_bytes, made.new_bytes);
    let there = resolve(store, &made.id.to_string()).unwrap();
    assert!(restored(store, &there.manifest).unwrap() == entries.array());
    assert!(copy(&original, &seen, store, &NoProgress).unwrap().is_none(), "it is there already");
    assert_eq!(store.manifests().unwrap().keys, original.manifests().unwrap().keys);
    let next = snapshot(store, &setting("copied", 1), &mut entries).unwrap();
    assert_eq!((next.manifest.sequence, next.new_bytes), (2, 0));
}

fn a_second_writer_is_refused(store: &dyn Store) {
    let session = store.begin().unwrap();
    assert_eq!(store.begin().err().unwrap().kind(), ErrorKind::Busy);
    drop(session);
    snapshot(store, &setting("raced", 0), &mut Entries::new(5, 10, 100)).unwrap();
}

fn what_was_written_is_read(store: &dyn Store) {
    // Some 15 MB in two packs or three.
    let mut entries = Entries::new(1, 150, 100_000);
    let made = snapshot(store, &setting("large", 0), &mut entries).unwrap();
    assert!(made.manifest.packs().count() > 1);
    assert_eq!(made.new_bytes, made.manifest.stored_bytes());
    assert!(restored(store, &made.manifest).unwrap() == entries.array());

    // The same again sends nothing again.
    let again = snapshot(store, &setting("large", 1), &mut entries).unwrap();
    assert_eq!((again.new_bytes, again.new_chunk_count, again.manifest.sequence), (0, 0, 2));

    let mut small = Entries::new(2, 3, 100);
    let made_small = snapshot(store, &setting("a name/with everything %", 0), &mut small).unwrap();
    assert!(restored(store, &made_small.manifest).unwrap() == small.array());

    for number in [0, 77, 149] {
        let key = format!("entry:{number:06}");
        let found = get_entry(store, &made.manifest, key.as_bytes()).unwrap();
        assert_eq!(found.found.unwrap(), entries.text(number).as_bytes());
    }
    assert_eq!(get_entry(store, &made.manifest, b"entry:nothing").unwrap().found, None);

    for access in [Access::Whole, Access::Parts] {
        for entry in made.manifest.packs() {
            let pack = store.open_pack(entry, access).unwrap().unwrap();
            let mut bytes = vec![0; entry.stored_bytes as usize];
            pack.read_at(0, &mut bytes).unwrap();
            assert_eq!(Hash::of(&bytes), entry.sha256);
            for (offset, length) in [(0, 1), (5, 100_000), (bytes.len() - 7, 7), (bytes.len(), 0)] {
                let mut part = vec![0; length];
                pack.read_at(offset as u64, &mut part).unwrap();
                assert!(part == bytes[offset..offset + length]);
            }
            assert!(pack.read_at(entry.stored_bytes - 1, &mut [0; 2]).is_err());
        }
    }
    for quick in [false, true] {
        let mut verifier = Verifier::new(store, quick);
        verifier.store(&NoProgress).unwrap();
        assert_eq!(verifier.findings, []);
        assert_eq!(verifier.checked.checkpoints, 3);
    }
    let held: u64 = store.packs().unwrap().packs.iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(held, made.new_bytes + made_small.new_bytes);
}

fn checkpoints_are_listed_in_order(store: &dyn Store) {
    assert!(store.manifests().unwrap().keys.is_empty());
    let mut ids = Vec::new();
    for (second, namespace) in ["b", "a", "b", "a-b", "a", "b"].iter().enumerate() {
        let mut entries = Entries::new(second as u64, 2, 10);
        ids.push(snapshot(store, &setting(namespace, second as i64), &mut entries).unwrap().id);
    }
    let listing = store.manifests().unwrap();
    assert_eq!(listing.strays, Vec::<String>::new());
    let listed: Vec<_> =
        listing.keys.iter().map(|key| (key.namespace.as_str(), key.sequence, key.id)).collect();
    let expected = [
        ("a", 1, ids[1]),
        ("a", 2, ids[4]),
        ("a-b", 1, ids[3]),
        ("b", 1, ids[0]),
        ("b", 2, ids[2]),
        ("b", 3, ids[5]),
    ];
    assert_eq!(listed, expected);
    assert_eq!(resolve(store, "latest").unwrap().id(), ids[5]);
    assert_eq!(resolve(store, "a@latest").unwrap().id(), ids[4]);
    let found: Vec<_> = read_each(store, &listing.keys).map(|found| found.unwrap().key).collect();
    assert_eq!(found, listing.keys);
}

fn a_dropped_session_leaves_nothing_that_counts(store: &dyn Store) {
    let mut entries = Entries::new(3, 80, 100_000);
    let mut session = store.begin().unwrap();
    send(session.as_mut(), &setting("dropped", 0), &mut entries).unwrap();
    drop(session);
    assert!(store.manifests().unwrap().keys.is_empty());
    let mut verifier = Verifier::new(store, false);
    verifier.store(&NoProgress).unwrap();
    assert_eq!(verifier.findings, []);
    let made = snapshot(store, &setting("dropped", 1), &mut entries).unwrap();
    assert!(restored(store, &made.manifest).unwrap() == entries.array());
}

fn a_pack_that_is_not_as_promised_is_told(store: &dyn Store) {
    let mut entries = Entries::new(4, 10, 100);
    let made = snapshot(store, &setting("promised", 0), &mut entries).unwrap();
    let entry = made.manifest.packs().next().unwrap();
    let damage = |entry: &PackEntry, access| {
        let opened = match store.open_pack(entry, access) {
            Ok(Some(pack)) => pack.read_at(0, &mut vec![0; entry.stored_bytes as usize]),
            Ok(None) => return Damage::Missing,
            Err(error) => Err(error),
        };
        match opened.unwrap_err().kind() {
            ErrorKind::Corrupt(damage) => damage,
            other => panic!("{other:?}"),
        }
    };
    for access in [Access::Whole, Access::Parts] {
        let absent = PackEntry { sha256: Hash::of(b"nothing like it"), ..entry.clone() };
        assert_eq!(damage(&absent, access), Damage::Missing);
        for stored_bytes in [entry.stored_bytes - 1, entry.stored_bytes + 1, entry.stored_bytes + (1 << 20)] {
            let other = PackEntry { stored_bytes, ..entry.clone() };
            assert_eq!(damage(&other, access), Damage::Size, "{stored_bytes} bytes, {access:?}");
        }
    }
}

fn sixteen_writers_of_one_checkpoint(store: &dyn Store, race: Race) {
    let barrier = Barrier::new(16);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    let mut session = store.begin().unwrap();
                    let setting = setting("raced", 0);
                    let facts = send(session.as_mut(), &setting, &mut Entries::new(5, 10, 100)).unwrap();
                    barrier.wait();
                    session.commit(facts, &setting.namespace, setting.created_at)
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let keys = store.manifests().unwrap().keys;
    let winners: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(error.kind(), ErrorKind::Exists, "{error}");
    }
    for winner in &winners {
        assert!(keys.iter().any(|key| key.id == winner.id));
    }
    match race {
        Race::OneWinner => assert_eq!((winners.len(), keys.len()), (1, 1)),
        Race::SomeWinners => assert!(!winners.is_empty() && keys.len() == 1, "{winners:?} {keys:?}"),
        Race::Numbered => assert_eq!((winners.len(), keys.len()), (16, 16)),
        Race::Alone => unreachable!("tested by itself"),
    }
    let mut verifier = Verifier::new(store, false);
    verifier.store(&NoProgress).unwrap();
    assert_eq!(verifier.findings, []);
}

fn conforms_at(server: &Server) {
    let race = if server.has_one_winner { Race::OneWinner } else { Race::SomeWinners };
    conforms(&|name| Box::new(BucketStore::open(&server.setting(name)).unwrap()), race);
}

#[test]
fn a_folder_conforms() {
    let root = folder();
    conforms(&|name| Box::new(FolderStore::open_or_create(&root.path().join(name)).unwrap()), Race::Numbered);
}

#[test]
fn an_object_conforms() {
    for backend in [Backend::Sqlite, Backend::Kv] {
        let root = folder();
        conforms(
            &|name| {
                let path = root.path().join(name);
                let database = rusqlite::Connection::open(&path).unwrap();
                database.execute_batch("CREATE TABLE words(word TEXT)").unwrap();
                drop(database);
                Box::new(ObjectStore::open(&path, backend).unwrap())
            },
            Race::Alone,
        );
    }
}

/// What is large goes into the second store.
#[test]
fn two_stores_as_one_conform() {
    let root = folder();
    let store = |name: &str| -> Box<dyn Store> {
        Box::new(FolderStore::open_or_create(&root.path().join(name)).unwrap())
    };
    let placed = |name: &str| -> Box<dyn Store> {
        let (object, overflow) = (store(name), store(&format!("{name}-overflow")));
        Box::new(PlacedStore::new(object, overflow, PlacementPolicy::HYBRID))
    };
    conforms(&placed, Race::Numbered);
}

#[test]
fn memory_conforms() {
    conforms(&|_| Box::new(MemoryStore::default()), Race::OneWinner);
}

#[test]
fn a_bucket_on_s3s_conforms() {
    conforms_at(&Server::s3s());
}

#[test]
fn a_bucket_on_miniflare_conforms() {
    conforms_at(&Server::miniflare());
}

/// What is written over S3 is read in Miniflare's files while it runs.
#[test]
fn a_bucket_that_miniflare_persisted_conforms() {
    let server = Server::miniflare();
    let files = server.files.as_ref().unwrap();
    conforms(
        &|name| {
            let writer = BucketStore::open(&server.setting(name)).unwrap();
            Box::new(PersistedReader { writer, path: files.join(name) })
        },
        Race::OneWinner,
    );
}

#[test]
fn a_bucket_on_moto_conforms() {
    conforms_at(&Server::moto());
}
