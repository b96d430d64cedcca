//! One record out of a run, by key.

use super::open::PackReading;
use crate::error::Result;
use crate::format::{ChunkEntry, PackEntry, RecordKey, Run};

/// What a look-up needs next, or what it found.
#[derive(Debug)]
pub enum KeyStep<'a> {
    /// The index of this pack, for [`KeyFinder::index`].
    Index(&'a PackEntry),
    /// This chunk of that pack, decoded, for [`KeyFinder::chunk`].
    Chunk(&'a PackEntry, ChunkEntry),
    /// The key is not in the run.
    Absent,
}

/// An entry's place in a decoded chunk.
pub type Found = std::ops::Range<usize>;

/// Finds the one chunk that can hold a key: one index and one chunk are read, never more.
pub struct KeyFinder<'a> {
    key: RecordKey,
    pack: Option<&'a PackEntry>,
    chunk: Option<ChunkEntry>,
}

impl<'a> KeyFinder<'a> {
    /// Looks for the record with `key` (decoded, see [`RecordKey`]) in `run`.
    pub fn new(run: &'a Run, key: &[u8]) -> Result<Self> {
        let key = RecordKey::new(key)?;
        let packs = &run.packs;
        let position = packs.partition_point(|pack| pack.first_key <= key).checked_sub(1);
        Ok(KeyFinder { key, pack: position.and_then(|position| packs.get(position)), chunk: None })
    }

    /// The next step.
    pub fn step(&self) -> KeyStep<'a> {
        match (self.pack, &self.chunk) {
            (None, _) => KeyStep::Absent,
            (Some(pack), None) => KeyStep::Index(pack),
            (Some(pack), Some(chunk)) => KeyStep::Chunk(pack, chunk.clone()),
        }
    }

    /// Takes the index asked for.
    pub fn index(&mut self, reading: &PackReading) {
        self.chunk =
            reading.index().find(&self.key).and_then(|position| reading.chunks().get(position)).cloned();
        if self.chunk.is_none() {
            self.pack = None;
        }
    }

    /// Takes the chunk asked for, decoded, of a checkpoint of state, and says where in it the entry's line lies. `key_of`
    /// reads the decoded key of one line.
    pub fn chunk(
        &self,
        raw: &[u8],
        mut key_of: impl FnMut(&[u8]) -> Result<Vec<u8>>,
    ) -> Result<Option<Found>> {
        let (mut low, mut high) = (0, raw.len());
        while low < high {
            // The line that the middle byte belongs to.
            let middle = low + (high - low) / 2;
            let begin =
                raw[low..middle].iter().rposition(|&byte| byte == b'\n').map_or(low, |at| low + at + 1);
            let end = raw[middle..high].iter().position(|&byte| byte == b'\n').map_or(high, |at| middle + at);
            match key_of(&raw[begin..end])?.as_slice().cmp(self.key.as_bytes()) {
                std::cmp::Ordering::Equal => return Ok(Some(begin..end)),
                std::cmp::Ordering::Less => low = (end + 1).min(high),
                std::cmp::Ordering::Greater => high = begin,
            }
        }
        Ok(None)
    }
}
