//! Which events were there before: by their keys, in this log and in those applied earlier.

use dotctl_engine::Result;
use dotctl_engine::event::{Identity, KeyRecord, bucket_of};

use super::marks::Marks;
use super::spill::Spill;
use crate::pipeline::{self, Slot};

/// Partitions of key records: by a hash's first byte.
pub const KEY_PARTITIONS: usize = 256;

/// Buckets of an image in one partition.
const BUCKETS: usize = 16;

/// Bytes of an applied key in an image.
pub const ENTRY_BYTES: usize = 16;

/// Conflicts that are shown.
pub const SHOWN_MAX: usize = 10;

/// What the keys tell.
#[derive(Debug, Default)]
pub struct KeyReport {
    /// Events that came before in this log.
    pub repeated: Marks,
    /// The first of their kind in this log, of those that the image has already.
    pub known: Marks,
    /// Different events that share a key with another.
    pub conflicts: u64,
    /// Positions of the first of them.
    pub conflict_positions: Vec<u64>,
}

/// One partition on its way.
#[derive(Default)]
struct KeySlot {
    partition: usize,
    bytes: Vec<u8>,
    records: Vec<KeyRecord>,
    /// What the image has in these buckets, sorted.
    applied: Vec<u8>,
    /// What it is to have, by bucket.
    merged: Vec<(u16, Vec<u8>)>,
    repeated: Vec<u64>,
    known: Vec<u64>,
    conflicts: Vec<u64>,
}

impl Slot for KeySlot {
    fn held_bytes(&self) -> usize {
        self.bytes.len() * 2 + self.applied.len()
    }
}

/// What an image has and is to have in its buckets of keys.
pub trait KeyBuckets {
    /// The entries of a bucket, sorted; empty where there are none.
    fn read(&mut self, bucket: u16) -> Result<Vec<u8>>;
    /// Takes a bucket's entries, all of them, because some are new.
    fn write(&mut self, bucket: u16, entries: &[u8]) -> Result<()>;
}

/// Goes over all key records. `fresh`: the image has no keys yet, so that threads can share the work.
pub fn settle_keys(spill: &Spill, fresh: bool, buckets: &mut dyn KeyBuckets) -> Result<KeyReport> {
    let mut report = KeyReport::default();
    if !fresh {
        let mut slot = KeySlot::default();
        for partition in 0..KEY_PARTITIONS {
            load(spill, partition, &mut slot)?;
            if slot.bytes.is_empty() {
                continue;
            }
            for bucket in buckets_of(partition) {
                slot.applied.extend_from_slice(&buckets.read(bucket)?);
            }
            work(&mut slot);
            consume(&slot, &mut report, buckets)?;
        }
        return Ok(report);
    }
    let workers = pipeline::worker_count();
    let mut next = 0;
    pipeline::run(
        workers,
        workers * 2 + 1,
        |slot: &mut KeySlot| {
            if next >= KEY_PARTITIONS {
                return Ok(false);
            }
            load(spill, next, slot)?;
            next += 1;
            Ok(true)
        },
        || Ok(()),
        |(), slot| {
            work(slot);
            Ok(())
        },
        |slot| consume(slot, &mut report, buckets),
    )?;
    Ok(report)
}

fn buckets_of(partition: usize) -> impl Iterator<Item = u16> {
    (0..BUCKETS).map(move |place| (partition * BUCKETS + place) as u16)
}

fn load(spill: &Spill, partition: usize, slot: &mut KeySlot) -> Result<()> {
    slot.partition = partition;
    slot.applied.clear();
    spill.load(partition, &mut slot.bytes)
}

fn consume(slot: &KeySlot, report: &mut KeyReport, buckets: &mut dyn KeyBuckets) -> Result<()> {
    slot.repeated.iter().for_each(|position| report.repeated.set(*position));
    slot.known.iter().for_each(|position| report.known.set(*position));
    report.conflicts += slot.conflicts.len() as u64;
    report.conflict_positions.extend_from_slice(&slot.conflicts);
    report.conflict_positions.sort_unstable();
    report.conflict_positions.truncate(SHOWN_MAX);
    for (bucket, entries) in &slot.merged {
        buckets.write(*bucket, entries)?;
    }
    Ok(())
}

/// Sorts a partition's records and finds out what is new.
fn work(slot: &mut KeySlot) {
    slot.records.clear();
    slot.records.extend(slot.bytes.as_chunks::<{ KeyRecord::BYTES }>().0.iter().map(KeyRecord::from_bytes));
    slot.records.sort_unstable();
    slot.repeated.clear();
    slot.known.clear();
    slot.conflicts.clear();
    slot.merged.clear();
    let mut applied = slot.applied.as_chunks::<ENTRY_BYTES>().0.iter().map(identity).peekable();
    let mut merged = Merged::default();
    for group in slot.records.chunk_by(|one, other| one.identity.key == other.identity.key) {
        let key = group.first().map_or(0, |record| record.identity.key);
        while let Some(before) = applied.next_if(|known| known.key < key) {
            merged.push(before, false);
        }
        let mut contents = 0;
        let mut known = Vec::new();
        while let Some(same) = applied.next_if(|known| known.key == key) {
            known.push(same.content);
            contents += 1;
        }
        let mut all = known.clone();
        for same in group.chunk_by(|one, other| one.identity.content == other.identity.content) {
            let Some((first, rest)) = same.split_first() else { continue };
            slot.repeated.extend(rest.iter().map(|record| record.position));
            if known.contains(&first.identity.content) {
                slot.known.push(first.position);
                continue;
            }
            all.push(first.identity.content);
            if contents > 0 {
                slot.conflicts.push(first.position);
            }
            contents += 1;
        }
        let is_new = all.len() > known.len();
        all.sort_unstable();
        for content in all {
            merged.push(Identity { key, content }, is_new);
        }
    }
    applied.for_each(|after| merged.push(after, false));
    slot.merged = merged.finish();
}

/// Entries by bucket; only buckets with something new are kept.
#[derive(Default)]
struct Merged {
    bucket: Option<(u16, Vec<u8>)>,
    has_new: bool,
    changed: Vec<(u16, Vec<u8>)>,
}

impl Merged {
    fn push(&mut self, identity: Identity, is_new: bool) {
        let bucket = bucket_of(identity.key);
        if self.bucket.as_ref().is_none_or(|(open, _)| *open != bucket) {
            if let Some(done) = self.bucket.take().filter(|_| self.has_new) {
                self.changed.push(done);
            }
            self.bucket = Some((bucket, Vec::new()));
            self.has_new = false;
        }
        self.has_new |= is_new;
        if let Some((_, entries)) = &mut self.bucket {
            entries.extend_from_slice(&identity.key.to_be_bytes());
            entries.extend_from_slice(&identity.content.to_be_bytes());
        }
    }

    fn finish(mut self) -> Vec<(u16, Vec<u8>)> {
        self.changed.extend(self.bucket.take().filter(|_| self.has_new));
        self.changed
    }
}

fn identity(entry: &[u8; ENTRY_BYTES]) -> Identity {
    let (key, content) = entry.split_at(8);
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_be_bytes);
    Identity { key: number(key), content: number(content) }
}
