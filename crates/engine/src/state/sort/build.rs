//! One run, sorted in memory.

use super::record::{Head, Record, prefix, shared_bytes};
use crate::error::Result;
use crate::state::order::duplicate_key;

/// Where a record is, and what of its key decides most comparisons.
#[derive(Debug, Clone, Copy)]
struct Slot {
    prefix: u64,
    offset: usize,
}

/// Collects records in one stretch of memory and sorts them by key.
#[derive(Debug)]
pub struct RunBuilder {
    arena: Vec<u8>,
    slots: Vec<Slot>,
    memory_bytes: usize,
    /// Of all records offered since the builder was made.
    first_key: Option<Vec<u8>>,
    shared: usize,
}

impl RunBuilder {
    /// A builder whose records, with what sorting them takes, fill at most `memory_bytes`.
    pub fn new(memory_bytes: usize) -> Self {
        RunBuilder { arena: Vec::new(), slots: Vec::new(), memory_bytes, first_key: None, shared: 0 }
    }

    /// Takes a record, or leaves it and returns `false` if there is no room for it: into an empty
    /// builder such a record never fits, and it is a run by itself.
    pub fn push(&mut self, record: Record<'_>) -> bool {
        self.note_key(record.key);
        let used = self.arena.len() + self.slots.len() * size_of::<Slot>();
        let more = record.bytes().saturating_add(size_of::<Slot>());
        if used.saturating_add(more) > self.memory_bytes {
            return false;
        }
        if self.arena.is_empty() {
            // Reserved, not yet touched; growing by copies would need half as much again.
            self.arena.reserve_exact(self.memory_bytes);
        }
        self.slots.push(Slot { prefix: 0, offset: self.arena.len() });
        let (head, key, text) = record.parts();
        self.arena.extend_from_slice(&head);
        self.arena.extend_from_slice(key);
        self.arena.extend_from_slice(text);
        true
    }

    /// Narrows down what all keys have in common.
    #[inline(always)]
    fn note_key(&mut self, key: &[u8]) {
        match &self.first_key {
            None => {
                self.shared = key.len();
                self.first_key = Some(key.to_vec());
            }
            Some(first) => {
                let shared = first.get(..self.shared).unwrap_or_default();
                if !key.starts_with(shared) {
                    self.shared = shared_bytes(shared, key);
                }
            }
        }
    }

    /// Sorts what was taken since the last [`clear`](Self::clear).
    ///
    /// # Errors
    /// Malformed, if two records have the same key.
    pub fn sort(&mut self) -> Result<()> {
        let arena = &self.arena;
        let shared = self.shared;
        for slot in &mut self.slots {
            slot.prefix = prefix(record_at(arena, slot.offset).key, shared);
        }
        self.slots.sort_unstable_by(|one, other| {
            one.prefix.cmp(&other.prefix).then_with(|| {
                let (one, other) = (record_at(arena, one.offset), record_at(arena, other.offset));
                one.key.cmp(other.key)
            })
        });
        for pair in self.slots.windows(2) {
            if let [one, other] = pair
                && one.prefix == other.prefix
            {
                let (one, other) = (record_at(arena, one.offset), record_at(arena, other.offset));
                if one.key == other.key {
                    return Err(duplicate_key(one.key, one.number, other.number));
                }
            }
        }
        Ok(())
    }

    /// The record at `index` in sorted order, if there are as many.
    pub fn record(&self, index: usize) -> Option<Record<'_>> {
        let slot = self.slots.get(index)?;
        Some(record_at(&self.arena, slot.offset))
    }

    /// Records held.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes that all keys so far have in common, those of earlier runs included.
    pub fn shared_key_bytes(&self) -> usize {
        self.shared
    }

    /// Forgets the records and keeps the memory for the next run.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.slots.clear();
    }
}

#[inline(always)]
fn record_at(arena: &[u8], offset: usize) -> Record<'_> {
    let bytes = arena.get(offset..).unwrap_or_default();
    match Head::read(bytes) {
        Some(head) => head.record(bytes),
        None => Record { key: &[], text: &[], number: 0 },
    }
}
