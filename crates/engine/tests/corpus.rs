//! Every committed seed of the fuzz targets, through the functions that the targets run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The tests may use the machine.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::path::Path;

#[path = "../../../fuzz/src/chunk.rs"]
mod chunk;
#[path = "../../../fuzz/src/columnar.rs"]
mod columnar;
#[path = "../../../fuzz/src/database.rs"]
mod database;
#[path = "../../../fuzz/src/delta.rs"]
mod delta;
#[path = "../../../fuzz/src/event.rs"]
mod event;
#[path = "../../../fuzz/src/manifest.rs"]
mod manifest;
#[path = "../../../fuzz/src/state.rs"]
mod state;
#[path = "../../../fuzz/src/value.rs"]
mod value;

/// Runs `fuzz` on each seed of `target`, of which there are `least` or more.
fn run(target: &str, least: usize, fuzz: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut seeds: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    assert!(seeds.len() >= least, "{} seeds in {}", seeds.len(), folder.display());
    for seed in seeds {
        // Shown where a seed fails.
        println!("{}", seed.display());
        let bytes = std::fs::read(&seed).unwrap();
        fuzz(&bytes);
        // What is cut off anywhere is nearly right, too.
        let step = (bytes.len() / 50).max(1);
        for end in (0..bytes.len()).step_by(step) {
            fuzz(&bytes[..end]);
        }
    }
}

#[test]
fn manifests() {
    run("manifest", 5, manifest::fuzz);
}

#[test]
fn states() {
    run("state", 20, state::fuzz);
}

#[test]
fn values() {
    run("value", 100, value::fuzz);
}

#[test]
fn chunks() {
    run("chunk", 10, chunk::fuzz);
}

#[test]
fn columns() {
    run("columnar", 8, columnar::fuzz);
}

#[test]
fn deltas() {
    run("delta", 12, delta::fuzz);
}

#[test]
fn databases() {
    run("database", 9, database::fuzz);
}

#[test]
fn events() {
    run("event", 8, event::fuzz);
}
