//! What an image remembers of each entity that ever had an event: its last event and how many
//! there were, so that a later run knows an event that comes late.

use dotctl_engine::Result;
use dotctl_engine::event::{Last, bucket_of};

use super::spill::Spill;
use crate::pipeline::{self, Slot};

/// Bytes of an entity in an image: hash, time, sequence, namespace's hash, number of events.
pub const ENTITY_BYTES: usize = 32;

/// The number of events of an entity that came with a checkpoint of somebody else: it is not known.
pub const ADOPTED: u32 = 0;

/// An entity's hash and what is remembered of it, as an image keeps it.
pub fn to_bytes(hash: u64, last: &Last) -> [u8; ENTITY_BYTES] {
    let mut bytes = [0; ENTITY_BYTES];
    let parts: [&[u8]; 5] = [
        &hash.to_be_bytes(),
        &last.time_ms.to_be_bytes(),
        &last.sequence.to_be_bytes(),
        &last.namespace.to_be_bytes(),
        &last.count.to_be_bytes(),
    ];
    for (place, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    bytes
}

fn hash_of(bytes: &[u8; ENTITY_BYTES]) -> u64 {
    bytes.first_chunk().map_or(0, |hash| u64::from_be_bytes(*hash))
}

fn last_of(bytes: &[u8; ENTITY_BYTES]) -> Last {
    let long = |place: usize| {
        bytes.get(place..).and_then(<[u8]>::first_chunk).map_or(0, |number| u64::from_be_bytes(*number))
    };
    let word = |place: usize| {
        bytes.get(place..).and_then(<[u8]>::first_chunk).map_or(0, |number| u32::from_be_bytes(*number))
    };
    Last { time_ms: long(8) as i64, sequence: long(16), namespace: word(24), count: word(28) }
}

/// What `bucket` remembers of the entity that hashes to `hash`.
pub fn find(bucket: &[u8], hash: u64) -> Option<Last> {
    let (entries, _) = bucket.as_chunks::<ENTITY_BYTES>();
    let place = entries.binary_search_by_key(&hash, hash_of).ok()?;
    entries.get(place).map(last_of)
}

/// What an image has and is to have in its buckets of entities.
pub trait EntityBuckets {
    /// The entries of a bucket, sorted; empty where there are none.
    fn read(&mut self, bucket: u16) -> Result<Vec<u8>>;
    /// Takes a bucket's entries, all of them.
    fn write(&mut self, bucket: u16, entries: &[u8]) -> Result<()>;
}

/// A partition on its way.
#[derive(Default)]
struct EntitySlot {
    bytes: Vec<u8>,
    entries: Vec<[u8; ENTITY_BYTES]>,
}

impl Slot for EntitySlot {
    fn held_bytes(&self) -> usize {
        self.bytes.len() * 2
    }
}

/// Merges what is new in `spill`, 256 partitions by the hash's first byte, into the image's buckets.
/// `fresh`: there is nothing in them yet.
pub fn merge(spill: &Spill, fresh: bool, buckets: &mut dyn EntityBuckets) -> Result<()> {
    let workers = pipeline::worker_count();
    let mut next = 0;
    pipeline::run(
        workers,
        workers * 2 + 1,
        |slot: &mut EntitySlot| {
            if next >= spill.len() {
                return Ok(false);
            }
            spill.load(next, &mut slot.bytes)?;
            next += 1;
            Ok(true)
        },
        || Ok(()),
        |(), slot| {
            slot.entries.clear();
            slot.entries.extend_from_slice(slot.bytes.as_chunks::<ENTITY_BYTES>().0);
            slot.entries.sort_unstable();
            Ok(())
        },
        |slot| {
            for group in
                slot.entries.chunk_by(|one, other| bucket_of(hash_of(one)) == bucket_of(hash_of(other)))
            {
                let Some(bucket) = group.first().map(|first| bucket_of(hash_of(first))) else { continue };
                if fresh {
                    buckets.write(bucket, group.as_flattened())?;
                } else {
                    let before = buckets.read(bucket)?;
                    buckets.write(bucket, &merged(before.as_chunks().0, group))?;
                }
            }
            Ok(())
        },
    )
}

/// Both, sorted; of an entity in both what is new.
fn merged(before: &[[u8; ENTITY_BYTES]], group: &[[u8; ENTITY_BYTES]]) -> Vec<u8> {
    let mut merged = Vec::with_capacity((before.len() + group.len()) * ENTITY_BYTES);
    let (mut old, mut new) = (before.iter().peekable(), group.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some(one), Some(other)) if hash_of(one) < hash_of(other) => {
                merged.extend(old.next().into_iter().flatten());
            }
            (Some(one), Some(other)) => {
                if hash_of(one) == hash_of(other) {
                    old.next();
                }
                merged.extend(new.next().into_iter().flatten());
            }
            (Some(_), None) => merged.extend(old.next().into_iter().flatten()),
            (None, Some(_)) => merged.extend(new.next().into_iter().flatten()),
            (None, None) => return merged,
        }
    }
}
