//! Partitions of entities: how they are chosen, and taken one after another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dotctl_engine::Result;
use dotctl_engine::event::EventRecord;

use super::spill::{Spill, SpillWriter};

/// Bytes of a partition above which it is parted again.
const LOADED_BYTES_MAX: usize = 24 << 20;

/// Records of a large partition of which one is looked at.
const SAMPLE_STEP: usize = 64;

/// The least ids of all partitions but the first.
#[derive(Debug, Default)]
pub struct Splitters {
    /// The first sixteen bytes of each as a number, which tells most ids apart.
    words: Vec<u128>,
    ids: Vec<Vec<u8>>,
}

impl Splitters {
    /// Chosen by a sample of ids, so that partitions are of about equal size.
    pub fn choose(ids: Vec<Vec<u8>>, partitions: usize) -> Self {
        let ids = splitters(ids, partitions);
        Splitters { words: ids.iter().map(|id| word(id)).collect(), ids }
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> usize {
        self.ids.len() + 1
    }

    /// The partition of the entity `id`.
    #[inline]
    pub fn partition(&self, id: &[u8]) -> usize {
        let wanted = word(id);
        let mut place = self.words.partition_point(|least| *least < wanted);
        while self.words.get(place) == Some(&wanted)
            && self.ids.get(place).is_some_and(|least| least.as_slice() <= id)
        {
            place += 1;
        }
        place
    }
}

/// The first sixteen bytes as a number that orders as they do; zeros stand for what is not there.
#[inline]
fn word(id: &[u8]) -> u128 {
    match id.first_chunk::<16>() {
        Some(word) => u128::from_be_bytes(*word),
        None => {
            let mut word = [0; 16];
            for (place, byte) in word.iter_mut().zip(id) {
                *place = *byte;
            }
            u128::from_be_bytes(word)
        }
    }
}

fn splitters(mut ids: Vec<Vec<u8>>, partitions: usize) -> Vec<Vec<u8>> {
    ids.sort_unstable();
    let mut chosen: Vec<Vec<u8>> = Vec::new();
    for number in 1..partitions {
        let place = ids.len() * number / partitions;
        if let Some(id) = ids.get_mut(place)
            && chosen.last().is_none_or(|last| *last < *id)
        {
            chosen.push(id.clone());
        }
    }
    chosen
}

/// Partitions still to be taken, the next one last.
pub struct Partitions {
    folder: PathBuf,
    rest: Vec<(Arc<Spill>, usize)>,
}

impl Partitions {
    /// All of `spill`'s, whose temporary data lies in `folder`.
    pub fn new(spill: Spill, folder: &Path) -> Self {
        let spill = Arc::new(spill);
        let rest = (0..spill.len()).rev().map(|number| (Arc::clone(&spill), number)).collect();
        Partitions { folder: folder.to_owned(), rest }
    }

    /// Fills `into` with the next partition's records; says whether there is one.
    pub fn next(&mut self, into: &mut Vec<u8>) -> Result<bool> {
        while let Some((spill, number)) = self.rest.pop() {
            let bytes = spill.bytes(number);
            if bytes == 0 {
                continue;
            }
            if bytes > LOADED_BYTES_MAX
                && let Some(parts) = self.part(&spill, number, bytes)?
            {
                let parts = Arc::new(parts);
                self.rest.extend((0..parts.len()).rev().map(|number| (Arc::clone(&parts), number)));
                continue;
            }
            spill.load(number, into)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Parts what the sample taken at first did not foresee; nothing for a single entity's events.
    fn part(&self, spill: &Spill, number: usize, bytes: usize) -> Result<Option<Spill>> {
        let mut ids = Vec::new();
        let mut seen = 0;
        each_record(spill, number, &mut |record| {
            if seen % SAMPLE_STEP == 0 {
                ids.push(record.id.to_vec());
            }
            seen += 1;
            Ok(())
        })?;
        let splitters = Splitters::choose(ids, (bytes / (LOADED_BYTES_MAX / 6)).clamp(2, 512));
        if splitters.partitions() == 1 {
            return Ok(None);
        }
        let parts = Spill::new(&self.folder, splitters.partitions(), 0);
        let mut writer = SpillWriter::new(&parts, 8 << 20);
        each_record(spill, number, &mut |record| {
            writer.push(splitters.partition(record.id), record.stored_bytes_max(), |into| record.write(into))
        })?;
        writer.finish()?;
        let largest = (0..parts.len()).map(|number| parts.bytes(number)).max().unwrap_or(0);
        // A single entity that fills it all would be parted for ever.
        if largest >= bytes {
            return Ok(None);
        }
        spill.forget(number);
        Ok(Some(parts))
    }
}

fn each_record(
    spill: &Spill,
    number: usize,
    visit: &mut dyn FnMut(EventRecord<'_>) -> Result<()>,
) -> Result<()> {
    spill.each_extent(number, &mut |extent| {
        let mut rest = extent;
        while let Some((record, length)) = EventRecord::read(rest) {
            rest = rest.get(length..).unwrap_or_default();
            visit(record)?;
        }
        Ok(())
    })
}
