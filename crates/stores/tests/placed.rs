//! Checkpoints placed in one of two stores by their size.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use dotctl_engine::checkpoint::{StateForm, codec_setting};
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::Codec;
use dotctl_engine::format::{CheckpointKind, Place};
use dotctl_engine::id::{Namespace, Time};
use dotctl_engine::placement::PlacementPolicy;
use dotctl_engine::{ErrorKind, Result};
use dotctl_stores::base::Base;
use dotctl_stores::drive::{NoProgress, RestoreForm, SnapshotSetting, Verifier, restore};
use dotctl_stores::folder::FolderStore;
use dotctl_stores::placed::PlacedStore;
use dotctl_stores::reference::resolve;
use dotctl_stores::source::capture_state;
use dotctl_stores::store::{Committed, Store};

/// Nothing is compressed, so that sizes are what they look like.
const POLICY: PlacementPolicy = PlacementPolicy {
    row_bytes_end: 64 << 10,
    warn_bytes: u64::MAX,
    chunk_bytes: 1 << 20,
    overflow_raw_bytes: 20 << 20,
    overflow_stored_bytes: u64::MAX,
    raw_bytes_end: 40 << 20,
};

fn open(folder: &Path) -> FolderStore {
    FolderStore::open_or_create(folder).unwrap()
}

fn placed(world: &Path, policy: PlacementPolicy) -> PlacedStore {
    let (object, overflow) = (open(&world.join("object")), open(&world.join("overflow")));
    PlacedStore::new(Box::new(object), Box::new(overflow), policy)
}

/// State of about `bytes` bytes.
fn state(world: &Path, bytes: usize) -> Vec<u8> {
    let filler = "x".repeat(1000);
    let entries: Vec<String> = (0..bytes / 1050)
        .map(|number| format!(r#"["{number:08}",{{"value":"{filler}","createdAt":1700000000000}}]"#))
        .collect();
    let text = format!("[{}]", entries.join(",")).into_bytes();
    fs::write(world.join("state.json"), &text).unwrap();
    text
}

fn snapshot(world: &Path, store: &dyn Store, unix_ms: i64) -> Result<Committed> {
    let setting = SnapshotSetting {
        namespace: Namespace::new("tests").unwrap(),
        created_at: Time::from_unix_ms(unix_ms).unwrap(),
        codec: codec_setting(CheckpointKind::State, Codec::None, None).unwrap(),
        chunk_size: ChunkSize::DEFAULT,
        chain: dotctl_engine::checkpoint::ChainPolicy::DEFAULT,
    };
    Ok(capture_state(store, &world.join("state.json"), &setting, &Base::Auto, &NoProgress)?.committed)
}

fn restored(store: &dyn Store, id: &str) -> Vec<u8> {
    let found = resolve(store, id).unwrap();
    let mut bytes = Vec::new();
    let form = RestoreForm::State(StateForm::Array);
    let mut write = |part: &[u8]| {
        bytes.extend_from_slice(part);
        Ok(())
    };
    restore(store, &found.manifest, form, None, &mut write, None, &NoProgress).unwrap();
    bytes
}

fn verifies(store: &dyn Store) {
    let mut verifier = Verifier::new(store, false);
    verifier.store(&NoProgress).unwrap();
    assert_eq!(verifier.findings, []);
}

#[test]
fn the_size_decides_and_both_sides_stay_whole() {
    let world = tempfile::tempdir().unwrap();
    let store = placed(world.path(), POLICY);
    let sizes = [100, 2 << 20, 19 << 20, 21 << 20, 39 << 20];
    let mut packs_in = Vec::new();
    for (moment, bytes) in sizes.into_iter().enumerate() {
        let text = state(world.path(), bytes);
        let committed = snapshot(world.path(), &store, moment as i64).unwrap();
        assert_eq!(committed.manifest.sequence, moment as u64 + 1);
        assert_eq!(restored(&store, &committed.id.to_string()), text, "{bytes}");
        let place = (bytes >= 20 << 20).then_some(Place::Overflow);
        assert_eq!(committed.manifest.full_run().unwrap().place, place);
        let object = open(&world.path().join("object")).packs().unwrap().packs.len();
        let overflow = open(&world.path().join("overflow")).packs().unwrap().packs.len();
        packs_in.push((object, overflow));
        if bytes >= 20 << 20 {
            // The second store needs nothing of the first one.
            let alone = open(&world.path().join("overflow"));
            assert_eq!(restored(&alone, &committed.id.to_string()), text);
        }
    }
    assert!(packs_in[..3].iter().all(|(_, overflow)| *overflow == 0), "{packs_in:?}");
    assert!(packs_in[3].1 > 0 && packs_in[4].1 > packs_in[3].1, "{packs_in:?}");
    assert_eq!(packs_in[2].0, packs_in[4].0);
    verifies(&store);
    verifies(&open(&world.path().join("overflow")));
}

/// What counts is what is restored, to the byte: not what the packs hold, which lacks state's brackets.
#[test]
fn the_border_is_that_of_the_restored_state() {
    let world = tempfile::tempdir().unwrap();
    let whole = state(world.path(), 3 << 20).len() as u64;
    for (border, place) in [(whole, Some(Place::Overflow)), (whole + 1, None)] {
        let policy = PlacementPolicy { overflow_raw_bytes: border, ..POLICY };
        let store = placed(&world.path().join(border.to_string()), policy);
        let committed = snapshot(world.path(), &store, 0).unwrap();
        assert_eq!(committed.manifest.raw_bytes, whole);
        assert_eq!(committed.manifest.full_run().unwrap().place, place, "{border}");
        verifies(&store);
    }
    let policy = PlacementPolicy { raw_bytes_end: whole, ..POLICY };
    let store = placed(&world.path().join("refused"), policy);
    assert_eq!(snapshot(world.path(), &store, 0).unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(store.manifests().unwrap().keys.is_empty());
}

#[test]
fn solution_two_counts_stored_bytes() {
    let world = tempfile::tempdir().unwrap();
    let store = placed(world.path(), PlacementPolicy::HYBRID);
    state(world.path(), 1_000_000);
    snapshot(world.path(), &store, 0).unwrap();
    assert!(open(&world.path().join("overflow")).packs().unwrap().packs.is_empty());
    state(world.path(), 1_100_000);
    snapshot(world.path(), &store, 1).unwrap();
    assert!(!open(&world.path().join("overflow")).packs().unwrap().packs.is_empty());
    verifies(&store);
}

#[test]
fn what_is_too_large_is_refused_and_leaves_nothing() {
    let world = tempfile::tempdir().unwrap();
    let store = placed(world.path(), POLICY);
    state(world.path(), 60 << 20);
    assert_eq!(snapshot(world.path(), &store, 0).unwrap_err().kind(), ErrorKind::Unsupported);
    for folder in ["object", "overflow"] {
        let store = open(&world.path().join(folder));
        assert!(store.manifests().unwrap().keys.is_empty());
        assert!(store.packs().unwrap().packs.is_empty());
    }
}
