//! Checkpoints in a database of any page size: what is written through SQLite is read without it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use dotctl_engine::ErrorKind;
use dotctl_engine::checkpoint::codec_setting;
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::Codec;
use dotctl_engine::format::CheckpointKind;
use dotctl_engine::id::{Namespace, Time};
use dotctl_stores::base::Base;
use dotctl_stores::drive::{NoProgress, SnapshotSetting, Verifier, get_entry};
use dotctl_stores::object::{Backend, ObjectStore};
use dotctl_stores::reference::resolve;
use dotctl_stores::source::{capture_database, capture_state};
use dotctl_stores::store::{Access, Store};
use rusqlite::Connection;

fn database(path: &Path, page_bytes: u32, mode: &str) {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "page_size", page_bytes).unwrap();
    connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).unwrap();
    // Entries on both sides of ours, with keys longer than what a page holds of them.
    connection
        .execute_batch(
            "CREATE TABLE mine (id INTEGER PRIMARY KEY, text);
             CREATE TABLE _cf_KV (\n        key TEXT PRIMARY KEY,\n        value BLOB\n      ) WITHOUT ROWID;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
             INSERT INTO _cf_KV SELECT
                 CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'dotctl' || char(57 + i % 2) ELSE 'z' END
                     || i || hex(zeroblob(i * 7)), zeroblob(i) FROM n;",
        )
        .unwrap();
    connection.close().unwrap();
}

fn setting(namespace: &str) -> SnapshotSetting {
    SnapshotSetting {
        namespace: Namespace::new(namespace).unwrap(),
        created_at: Time::from_unix_ms(1_790_000_000_000).unwrap(),
        codec: codec_setting(CheckpointKind::State, Codec::None, None).unwrap(),
        chunk_size: ChunkSize::new(64 << 10).unwrap(),
        chain: dotctl_engine::checkpoint::ChainPolicy::DEFAULT,
    }
}

fn state(path: &Path, entries: u32) {
    let text: Vec<String> = (0..entries)
        .map(|number| {
            let value = format!("{:x}", u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)).repeat(8);
            format!(r#"["key:{number:08}",{{"value":"{value}","createdAt":1}}]"#)
        })
        .collect();
    fs::write(path, format!("[{}]", text.join(","))).unwrap();
}

#[test]
fn every_page_size_and_journal_mode() {
    for (page_bytes, mode) in
        [(512, "WAL"), (1_024, "DELETE"), (4_096, "WAL"), (4_096, "TRUNCATE"), (65_536, "WAL")]
    {
        for backend in [Backend::Sqlite, Backend::Kv] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("object.sqlite");
            database(&path, page_bytes, mode);
            let source = folder.path().join("state.json");
            state(&source, 20_000);
            let store = ObjectStore::open(&path, backend).unwrap();
            // A namespace as long as they get.
            let long = "n".repeat(255);
            for namespace in ["a/b", &long] {
                let committed = capture_state(&store, &source, &setting(namespace), &Base::Auto, &NoProgress)
                    .unwrap()
                    .committed;
                assert_eq!(committed.new_chunk_count > 0, namespace == "a/b");
            }
            // Through the same handle, and through a new one.
            for store in [&store, &ObjectStore::open(&path, Backend::Sqlite).unwrap()] {
                let mut verifier = Verifier::new(store, false);
                verifier.store(&NoProgress).unwrap();
                assert_eq!(verifier.findings, [], "{page_bytes} {mode} {backend:?}");
                assert_eq!(verifier.checked.checkpoints, 2);
                let found = resolve(store, &format!("{long}@latest")).unwrap();
                let entry = get_entry(store, &found.manifest, b"key:00012345").unwrap().found.unwrap();
                assert!(entry.starts_with(br#"["key:00012345","#));
            }
            let names: Vec<_> =
                fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names.len(), 2, "{names:?}");
            let connection = Connection::open(&path).unwrap();
            let kept: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
            // Modes without a log are of the connection, not of the file.
            assert_eq!(kept == "wal", mode == "WAL");
            let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(check, "ok");
        }
    }
}

#[test]
fn what_is_read_while_a_checkpoint_is_written_goes_through_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.sqlite");
    database(&path, 4_096, "WAL");
    let source = folder.path().join("state.json");
    state(&source, 30_000);
    for backend in [Backend::Sqlite, Backend::Kv] {
        let store = ObjectStore::open(&path, backend).unwrap();
        let name = format!("{backend:?}");
        let made =
            capture_state(&store, &source, &setting(&name), &Base::Auto, &NoProgress).unwrap().committed;
        let first_pack = made.manifest.packs().next().unwrap().clone();
        let pack = store.open_pack(&first_pack, Access::Parts).unwrap().unwrap();

        let session = store.begin().unwrap();
        assert_eq!(store.begin().err().unwrap().kind(), ErrorKind::Busy, "one at a time");
        assert!(store.manifests().unwrap().keys.iter().any(|key| key.id == made.id));
        let found = resolve(&store, &format!("{name}@latest")).unwrap();
        assert!(get_entry(&store, &found.manifest, b"key:00012345").unwrap().found.is_some());
        let mut start = [0; 8];
        pack.read_at(0, &mut start).unwrap();
        assert!(is_locked_for_others(&path), "the writer's locks were lost");
        drop(session);
        assert!(!is_locked_for_others(&path));
        assert!(get_entry(&store, &found.manifest, b"key:00012345").unwrap().found.is_some());
    }
}

/// Whether another process that asks for the shared lock is refused it.
fn is_locked_for_others(path: &Path) -> bool {
    use nix::fcntl::{FcntlArg, fcntl};
    let file = fs::File::open(path).unwrap();
    let mut lock = nix::libc::flock {
        l_type: nix::libc::F_RDLCK as nix::libc::c_short,
        l_whence: nix::libc::SEEK_SET as nix::libc::c_short,
        l_start: 0x4000_0002,
        l_len: 510,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock)).unwrap();
    let held = lock.l_type == nix::libc::F_WRLCK as nix::libc::c_short;
    // Closing it would take the process's own locks away.
    std::mem::forget(file);
    held
}

#[test]
fn an_image_and_its_store_are_two_databases() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one.sqlite"), folder.path().join("other.sqlite"));
    database(&one, 4_096, "WAL");
    database(&other, 4_096, "WAL");
    let store = ObjectStore::open(&one, Backend::Sqlite).unwrap();
    assert_eq!(
        capture_database(&store, &one, &setting("one"), &Base::Auto, &NoProgress).unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    capture_database(&store, &other, &setting("other"), &Base::Auto, &NoProgress).unwrap();
    assert_eq!(store.manifests().unwrap().keys.len(), 1);
}
