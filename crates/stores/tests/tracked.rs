//! Checkpoints of what a tracker names: as if everything had been compared.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

use dotctl_engine::checkpoint::ChangeTracker;
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::{Codec, CodecSetting};
use dotctl_engine::id::{Namespace, Time};
use dotctl_engine::rows::{RowPlace, Value, push_line, push_place, table_prefix};
use dotctl_stores::base::Base;
use dotctl_stores::drive::{NoProgress, SnapshotSetting, Verifier, get_entry};
use dotctl_stores::folder::FolderStore;
use dotctl_stores::reference::resolve;
use dotctl_stores::rows::restore_database;
use dotctl_stores::source::{capture_rows, capture_tracked};
use proptest::prelude::*;
use rusqlite::{Connection, OptionalExtension, params};

fn setting() -> SnapshotSetting {
    SnapshotSetting {
        namespace: Namespace::new("n").unwrap(),
        created_at: Time::from_unix_ms(1_700_000_000_000).unwrap(),
        codec: CodecSetting::new(Codec::Zstd, 1).unwrap(),
        chunk_size: ChunkSize::new(64 << 10).unwrap(),
        chain: dotctl_engine::checkpoint::ChainPolicy::DEFAULT,
    }
}

fn key(id: i64) -> String {
    let mut key = table_prefix("t");
    push_place(RowPlace::Rowid(id), &mut key);
    key
}

/// The row's line as the database has it now.
fn line(connection: &Connection, id: i64) -> Option<Vec<u8>> {
    let row =
        connection.query_row("SELECT x FROM t WHERE id = ?1", [id], |row| row.get::<_, String>(0)).optional();
    row.unwrap().map(|text| {
        let mut line = Vec::new();
        push_line(&key(id), [Value::Integer(id), Value::Text(text.into_bytes().into())], &mut line);
        line
    })
}

fn database(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT); BEGIN;").unwrap();
    for id in 0..2_000_i64 {
        let noise = (id.wrapping_mul(6_364_136_223_846_793_005)).cast_unsigned();
        connection
            .execute(
                "INSERT INTO t VALUES (?1, ?2)",
                params![id, format!("{noise:016x}{:016x}", noise.rotate_left(29))],
            )
            .unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    connection
}

#[derive(Debug, Clone)]
enum Write {
    Put(i64, String),
    Remove(i64),
}

fn any_write() -> impl Strategy<Value = Write> {
    prop_oneof![
        (0..2_100_i64, "[a-z]{0,30}").prop_map(|(id, text)| Write::Put(id, text)),
        (0..2_100_i64).prop_map(Write::Remove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Through more checkpoints than a chain has runs, so that the newer ones are joined.
    #[test]
    fn a_tracked_checkpoint_is_the_compared_one(
        steps in prop::collection::vec(prop::collection::vec(any_write(), 0..8), 12),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sqlite");
        let connection = database(&path);
        let store = FolderStore::open_or_create(&folder.path().join("store")).unwrap();
        let full = capture_rows(&store, &path, &setting(), &Base::None, &NoProgress).unwrap();
        let mut since = full.committed.manifest.sequence;
        let other = FolderStore::open_or_create(&folder.path().join("other")).unwrap();
        for writes in steps {
            let mut tracker = ChangeTracker::new(since);
            let mut ids = BTreeMap::new();
            for write in writes {
                let (Write::Put(id, _) | Write::Remove(id)) = &write;
                tracker.touch(key(*id).as_bytes());
                ids.insert(key(*id).into_bytes(), *id);
                match write {
                    Write::Put(id, text) => connection.execute("REPLACE INTO t VALUES (?1, ?2)", params![id, text]),
                    Write::Remove(id) => connection.execute("DELETE FROM t WHERE id = ?1", [id]),
                }
                .unwrap();
            }
            let base = resolve(&store, "n@latest").unwrap();
            let made = capture_tracked(&store, &base, &tracker, &mut |key| Ok(line(&connection, ids[key])), &setting());
            let made = made.unwrap().expect("few changes").committed.manifest;
            let compared = capture_rows(&other, &path, &setting(), &Base::None, &NoProgress).unwrap();
            let compared = compared.committed.manifest;
            prop_assert_eq!(made.content_sha256, compared.content_sha256);
            prop_assert_eq!((made.record_count, made.raw_bytes), (compared.record_count, compared.raw_bytes));
            prop_assert!(made.delta_runs().count() <= 8);
            for (key, id) in &ids {
                prop_assert_eq!(get_entry(&store, &made, key).unwrap().found, line(&connection, *id));
            }
            since = made.sequence;
        }
        let mut verifier = Verifier::new(&store, false);
        verifier.store(&NoProgress).unwrap();
        prop_assert!(verifier.findings.is_empty(), "{:?}", verifier.findings);
        let restored = folder.path().join("r.sqlite");
        restore_database(&store, &resolve(&store, "latest").unwrap().manifest, &restored, &NoProgress).unwrap();
    }
}

#[test]
fn who_cannot_know_compares() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sqlite");
    let connection = database(&path);
    let store = FolderStore::open_or_create(&folder.path().join("store")).unwrap();
    capture_rows(&store, &path, &setting(), &Base::None, &NoProgress).unwrap();
    let base = resolve(&store, "latest").unwrap();
    let capture = |tracker: &ChangeTracker| {
        let mut current = |_: &[u8]| Ok(line(&connection, 5));
        capture_tracked(&store, &base, tracker, &mut current, &setting()).unwrap()
    };
    assert!(capture(&ChangeTracker::new(2)).is_none(), "changes since another checkpoint");
    let mut lost = ChangeTracker::new(1);
    lost.lose();
    assert!(capture(&lost).is_none());
    // What was touched and is as it was adds nothing.
    let mut same = ChangeTracker::new(1);
    same.touch(key(5).as_bytes());
    let made = capture(&same).unwrap().committed;
    assert_eq!((made.new_bytes, made.manifest.content_sha256), (0, base.manifest.content_sha256));
}
