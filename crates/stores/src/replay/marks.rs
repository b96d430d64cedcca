//! A bit for each event of the log that is not to be applied.

use std::collections::HashMap;

/// Bits of a position that count events within a unit.
pub const UNIT_BITS: u32 = 22;

/// Events marked by position: unit and number in it.
#[derive(Debug, Default)]
pub struct Marks {
    units: HashMap<u64, Vec<u64>>,
    count: u64,
}

impl Marks {
    /// Marks the event at `position`.
    pub fn set(&mut self, position: u64) {
        let bit = position & ((1 << UNIT_BITS) - 1);
        let words = self.units.entry(position >> UNIT_BITS).or_default();
        let place = (bit / 64) as usize;
        if words.len() <= place {
            words.resize(place + 1, 0);
        }
        if let Some(word) = words.get_mut(place) {
            *word |= 1 << (bit % 64);
        }
        self.count += 1;
    }

    /// Whether the event at `position` is marked.
    pub fn has(&self, position: u64) -> bool {
        let bit = position & ((1 << UNIT_BITS) - 1);
        self.count > 0
            && self
                .units
                .get(&(position >> UNIT_BITS))
                .and_then(|words| words.get((bit / 64) as usize))
                .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }
}
