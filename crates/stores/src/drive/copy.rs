//! A checkpoint from one store into another, pack by pack: names, hashes and id stay.

use sha2::{Digest, Sha256};

use dotctl_engine::format::PackEntry;
use dotctl_engine::id::Hash;
use dotctl_engine::{Damage, Error, Result};

use super::progress::Progress;
use super::verify::require_whole;
use crate::reference::Seen;
use crate::store::{Access, Adopted, Store, missing_pack};

/// Bytes of a pack that are in memory at once.
const PART_BYTES: usize = 1 << 20;

/// Copies `seen` out of `from` into `to`; `None` if it is there already. The original is verified
/// before, and what then lies in `to` after: hashes, decoding and content; of a sealed one that cannot be opened,
/// hashes.
pub fn copy(
    from: &dyn Store,
    seen: &Seen,
    to: &dyn Store,
    progress: &dyn Progress,
) -> Result<Option<Adopted>> {
    require_whole(from, &seen.key, "the original does not verify, nothing was copied", progress)?;
    let mut session = to.begin()?;
    progress.begin("copying", Some(seen.document.stored_bytes()));
    let mut buffer = vec![0; PART_BYTES];
    let sent = seen.document.entries().iter().try_for_each(|entry| {
        let location = || from.pack_location(&entry.sha256);
        send_pack(from, entry, &mut buffer, &mut |bytes| session.append(bytes), progress)
            .map_err(|error| error.at(location()))?;
        session.seal(entry)
    });
    progress.end();
    sent?;
    let committed = session.adopt(seen.document.clone())?;
    drop(session);
    require_whole(to, &seen.key, "the copy does not verify", progress)?;
    Ok(committed)
}

/// Hands the pack's bytes on in order. The last of them come once its hash was right.
fn send_pack(
    from: &dyn Store,
    entry: &PackEntry,
    buffer: &mut [u8],
    append: &mut dyn FnMut(&[u8]) -> Result<()>,
    progress: &dyn Progress,
) -> Result<()> {
    let pack = from.open_pack(entry, Access::Whole)?.ok_or_else(|| missing_pack(entry))?;
    let mut sha256 = Sha256::new();
    let mut offset = 0;
    while offset < entry.stored_bytes {
        let length = (entry.stored_bytes - offset).min(buffer.len() as u64) as usize;
        let part = buffer.get_mut(..length).unwrap_or_default();
        pack.read_at(offset, part)?;
        sha256.update(&*part);
        offset += length as u64;
        if offset == entry.stored_bytes {
            let actual = Hash::finish(std::mem::take(&mut sha256));
            if actual != entry.sha256 {
                return Err(Error::damaged(Damage::Checksum, "the pack", entry.sha256, actual));
            }
        }
        append(part)?;
        progress.advance(length as u64);
    }
    Ok(())
}
