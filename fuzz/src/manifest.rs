//! The manifest reader on any bytes: what it accepts is written back to the same meaning.

use dotctl_engine::checkpoint::{KeyFinder, KeyStep};
use dotctl_engine::format::{Document, Manifest, SealedManifest};
use dotctl_engine::id::Hash;

/// Checks everything that must hold for any `data`.
pub fn fuzz(data: &[u8]) {
    let manifest = match Document::parse(data) {
        Ok(Document::Open(manifest)) => manifest,
        Ok(Document::Sealed(envelope)) => return sealed(envelope),
        Err(_) => return,
    };
    let (id, written) = manifest.write().expect("an accepted manifest can be written");
    assert_eq!(id, Hash::of(&written));
    let again = Document::read(id, &written).expect("a written manifest can be read");
    assert_eq!(again.manifest(), Some(&manifest));
    assert_eq!(again.write().expect("and written again").1, written);
    assert!(Document::read(Hash::of(b""), &written).is_err(), "another id names other bytes");

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

/// An envelope: written back to the same meaning; and where what is sealed is a manifest lying open, the manifest
/// that comes out has the envelope's bytes and holds what went in.
fn sealed(envelope: SealedManifest) {
    let (id, written) = envelope.write().expect("an accepted envelope can be written");
    let document = Document::read(id, &written).expect("a written envelope can be read");
    assert_eq!(document, Document::Sealed(envelope.clone()));
    assert_eq!(document.entries().len(), document.packs().len());
    document.stored_bytes();
    let within = envelope.manifest.clone();
    let Ok(manifest) = envelope.open(within.as_bytes()) else {
        return;
    };
    assert_eq!(manifest.write().expect("an opened manifest can be written").1, written);
    assert_eq!(manifest.stored_bytes(), document.stored_bytes());
    let inner = manifest.within().expect("every pack is sealed");
    let inner = Manifest::parse(&inner).expect("what is within can be read");
    assert_eq!(inner.packs().count(), manifest.packs().count());
}
