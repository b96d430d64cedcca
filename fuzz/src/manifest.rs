//! The manifest reader on any bytes: what it accepts is written back to the same meaning.

use dotctl_engine::checkpoint::{KeyFinder, KeyStep};
use dotctl_engine::format::Manifest;
use dotctl_engine::id::Hash;

/// Checks everything that must hold for any `data`.
pub fn fuzz(data: &[u8]) {
    let Ok(manifest) = Manifest::parse(data) else {
        return;
    };
    let (id, written) = manifest.write().expect("an accepted manifest can be written");
    assert_eq!(id, Hash::of(&written));
    let again = Manifest::read(id, &written).expect("a written manifest can be read");
    assert_eq!(again, manifest);
    assert_eq!(again.write().expect("and written again").1, written);
    assert!(Manifest::read(Hash::of(b""), &written).is_err(), "another id names other bytes");

    let run = manifest.full_run().expect("the first run is the full one");
    assert_eq!(manifest.content_packs().count(), run.packs.len());
    manifest.chunk_count();
    manifest.stored_bytes();
    for run in std::iter::once(run).chain(manifest.directory()) {
        for pack in &run.packs {
            let finder = KeyFinder::new(run, pack.first_key.as_bytes()).expect("a key of the manifest's");
            assert!(
                matches!(finder.step(), KeyStep::Index(found) if found == pack),
                "a pack is found by its key"
            );
        }
    }
}
