//! One entry of a state checkpoint.

use dotctl_engine::Result;
use dotctl_engine::checkpoint::{KeyFinder, KeyStep};
use dotctl_engine::chunk::ChunkReader;
use dotctl_engine::format::Manifest;

use super::chunks::OpenPack;
use crate::store::Store;

/// The compact text of the entry with `key`, decoded from exactly one chunk. `key_of` reads the
/// decoded key of an entry's text.
pub fn get_entry(
    store: &dyn Store,
    manifest: &Manifest,
    key: &[u8],
    key_of: impl FnMut(&[u8]) -> Result<Vec<u8>>,
) -> Result<Option<Vec<u8>>> {
    let codec = manifest.full_run()?.codec;
    let mut finder = KeyFinder::new(manifest, key)?;
    let KeyStep::Index(entry) = finder.step() else {
        return Ok(None);
    };
    let pack = OpenPack::open(store, codec, entry)?;
    finder.index(pack.reading());
    let KeyStep::Chunk(_, chunk) = finder.step() else {
        return Ok(None);
    };
    let (mut stored, mut raw) = (Vec::new(), Vec::new());
    pack.read(&mut ChunkReader::new()?, &chunk, &mut stored, &mut raw)?;
    let found = finder.chunk(&raw, key_of)?;
    Ok(found.and_then(|range| raw.get(range)).map(<[u8]>::to_vec))
}
