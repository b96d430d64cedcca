//! Which sequence numbers of a namespace there were.

use std::collections::BTreeMap;

/// Numbers in one block.
const BLOCK: u64 = 65_536;

/// Numbers in a block above which a bit for each takes less memory than two bytes for each.
const LISTED_MAX: usize = 4_096;

#[derive(Debug, Clone)]
enum Block {
    Listed(Vec<u16>),
    Bits(Box<[u64; 1024]>),
    Full,
}

/// A set of sequence numbers: a bit each where they are dense.
#[derive(Debug, Clone, Default)]
pub struct SequenceSet {
    blocks: BTreeMap<u64, Block>,
    /// Roughly.
    stored_bytes: usize,
}

impl SequenceSet {
    /// Adds `sequence`.
    pub fn insert(&mut self, sequence: u64) {
        let place = (sequence % BLOCK) as u16;
        let mut added_bytes = 0;
        let block = self.blocks.entry(sequence / BLOCK).or_insert_with(|| {
            added_bytes += 96;
            Block::Listed(Vec::new())
        });
        match block {
            Block::Full => {}
            Block::Bits(bits) => {
                if let Some(word) = bits.get_mut(usize::from(place / 64)) {
                    *word |= 1 << (place % 64);
                }
            }
            Block::Listed(list) => {
                let at = match list.last() {
                    Some(last) if *last < place => list.len(),
                    _ => match list.binary_search(&place) {
                        Ok(_) => return,
                        Err(at) => at,
                    },
                };
                list.insert(at, place);
                added_bytes += 2;
                if list.len() > LISTED_MAX {
                    let mut bits = Box::new([0_u64; 1024]);
                    for place in list.iter() {
                        if let Some(word) = bits.get_mut(usize::from(*place / 64)) {
                            *word |= 1 << (place % 64);
                        }
                    }
                    *block = Block::Bits(bits);
                }
            }
        }
        self.stored_bytes += added_bytes;
    }

    /// Adds every number from `first` to `last`.
    pub fn insert_range(&mut self, first: u64, last: u64) {
        let mut next = first;
        while next <= last {
            let block_end = next - next % BLOCK + (BLOCK - 1);
            if next.is_multiple_of(BLOCK) && block_end <= last {
                self.blocks.insert(next / BLOCK, Block::Full);
                self.stored_bytes += 96;
            } else {
                for sequence in next..=block_end.min(last) {
                    self.insert(sequence);
                }
            }
            match block_end.checked_add(1) {
                Some(after) => next = after,
                None => return,
            }
        }
    }

    /// Adds what `other` holds.
    pub fn merge(&mut self, other: &SequenceSet) {
        for (first, last) in other.ranges() {
            self.insert_range(first, last);
        }
    }

    /// Whether `sequence` is in it.
    pub fn contains(&self, sequence: u64) -> bool {
        let place = (sequence % BLOCK) as u16;
        match self.blocks.get(&(sequence / BLOCK)) {
            None => false,
            Some(Block::Full) => true,
            Some(Block::Bits(bits)) => {
                bits.get(usize::from(place / 64)).is_some_and(|word| word >> (place % 64) & 1 == 1)
            }
            Some(Block::Listed(list)) => list.binary_search(&place).is_ok(),
        }
    }

    /// Roughly what it takes in memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.stored_bytes
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// What it holds as stretches `(first, last)`, in order.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        let mut push = |first: u64, last: u64| match ranges.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(first) => *end = last,
            _ => ranges.push((first, last)),
        };
        for (number, block) in &self.blocks {
            let base = number * BLOCK;
            match block {
                Block::Full => push(base, base + (BLOCK - 1)),
                Block::Listed(list) => {
                    for place in list {
                        push(base + u64::from(*place), base + u64::from(*place));
                    }
                }
                Block::Bits(bits) => {
                    for (index, word) in bits.iter().enumerate() {
                        let mut rest = *word;
                        let word_base = base + index as u64 * 64;
                        if rest == u64::MAX {
                            push(word_base, word_base + 63);
                            continue;
                        }
                        while rest != 0 {
                            let bit = u64::from(rest.trailing_zeros());
                            push(word_base + bit, word_base + bit);
                            rest &= rest - 1;
                        }
                    }
                }
            }
        }
        ranges
    }

    /// The stretches between the first and the last number that it does not hold.
    pub fn missing(&self) -> Vec<(u64, u64)> {
        let ranges = self.ranges();
        ranges
            .windows(2)
            .filter_map(|pair| match pair {
                [(_, end), (start, _)] => Some((end + 1, start - 1)),
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_holds_what_was_put_in(
            picks in prop::collection::vec((0_u64..400_000, 1_u64..9_000), 1..40),
            apart in prop::collection::vec(any::<u64>(), 0..20),
        ) {
            let mut set = SequenceSet::default();
            let mut model = BTreeSet::new();
            for (first, count) in picks {
                for number in first..first + count {
                    set.insert(number);
                    model.insert(number);
                }
            }
            for number in apart {
                set.insert(number);
                model.insert(number);
            }
            let held: u64 = set.ranges().iter().map(|(first, last)| last - first + 1).sum();
            prop_assert_eq!(held, model.len() as u64);
            for number in &model {
                prop_assert!(set.contains(*number));
            }
            let mut copy = SequenceSet::default();
            copy.merge(&set);
            prop_assert_eq!(copy.ranges(), set.ranges());
            for (first, last) in set.missing() {
                prop_assert!(!model.contains(&first) && !model.contains(&last));
                prop_assert!(model.contains(&(first - 1)) && model.contains(&(last + 1)));
            }
        }
    }

    #[test]
    fn whole_blocks_and_the_last_number() {
        let mut set = SequenceSet::default();
        set.insert_range(1, 200_000);
        set.insert(u64::MAX);
        assert_eq!(set.ranges(), [(1, 200_000), (u64::MAX, u64::MAX)]);
        assert_eq!(set.missing(), [(200_001, u64::MAX - 1)]);
    }
}
