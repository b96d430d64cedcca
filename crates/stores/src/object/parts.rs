//! Parts read lately, so that the chunks in one are read from the database once.

use std::sync::{Arc, Mutex, PoisonError};

use dotctl_engine::Result;
use dotctl_engine::id::Hash;

/// Bytes of parts that are kept.
const KEPT_BYTES: u64 = 8 << 20;

/// A part that is there, or that somebody is about to read.
type Slot = Arc<Mutex<Option<Arc<Vec<u8>>>>>;

/// Parts of packs, the latest last.
#[derive(Debug, Default)]
pub struct Parts {
    kept: Mutex<Vec<(Hash, u64, Slot)>>,
}

impl Parts {
    /// Part `number` of the pack `sha256`, of at most `part_bytes` bytes; `load` reads it.
    pub fn get(
        &self,
        sha256: Hash,
        number: u64,
        part_bytes: u64,
        load: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Arc<Vec<u8>>> {
        let slot = self.slot(sha256, number, part_bytes);
        // Who comes second waits for the first instead of reading the same.
        let mut part = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = &*part {
            return Ok(part.clone());
        }
        let read = Arc::new(load()?);
        *part = Some(read.clone());
        Ok(read)
    }

    /// Forgets all parts.
    pub fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn slot(&self, sha256: Hash, number: u64, part_bytes: u64) -> Slot {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, slot)) = kept.iter().find(|(pack, part, _)| (*pack, *part) == (sha256, number)) {
            return slot.clone();
        }
        while kept.len() as u64 >= (KEPT_BYTES / part_bytes.max(1)).max(1) {
            kept.remove(0);
        }
        let slot = Slot::default();
        kept.push((sha256, number, slot.clone()));
        slot
    }
}
