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

/// The least ids of all partitions but the first, so that they are of about equal size.
pub fn splitters(mut ids: Vec<Vec<u8>>, partitions: usize) -> Vec<Vec<u8>> {
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
        let splitters = splitters(ids, (bytes / (LOADED_BYTES_MAX / 6)).clamp(2, 512));
        if splitters.is_empty() {
            return Ok(None);
        }
        let parts = Spill::new(&self.folder, splitters.len() + 1, 0);
        let mut writer = SpillWriter::new(&parts, 8 << 20);
        each_record(spill, number, &mut |record| {
            let place = splitters.partition_point(|least| least.as_slice() <= record.id);
            writer.push(place, record.stored_bytes(), |into| record.write(into))
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
