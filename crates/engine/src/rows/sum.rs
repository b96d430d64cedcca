//! What rows come to, whatever their order: a sum that single rows can be taken out of again.

use sha2::{Digest, Sha256};

use crate::id::Hash;

/// The sum, modulo 2^256, of the SHA-256 of each line, with the number of lines and their bytes.
///
/// Who has a line more or less adds or takes that line alone, which makes the hash of what one row was changed
/// in as cheap as that row. Who can choose lines at will could find two sets
/// with one sum; what a checkpoint consists of is named by the SHA-256 of its packs, and this sum
/// proves that reading and merging them gave what was captured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowsSum {
    /// The lowest word first.
    sum: [u64; 4],
    record_count: u64,
    raw_bytes: u64,
}

impl RowsSum {
    /// The sum that came to these three.
    pub fn resume(content: Hash, record_count: u64, raw_bytes: u64) -> Self {
        let mut sum = [0; 4];
        let (eights, _) = content.as_bytes().as_chunks();
        for (word, bytes) in sum.iter_mut().zip(eights) {
            *word = u64::from_le_bytes(*bytes);
        }
        RowsSum { sum, record_count, raw_bytes }
    }

    /// Adds a line, given without its line feed.
    pub fn add(&mut self, line: &[u8]) {
        let mut carry = false;
        for (word, more) in self.sum.iter_mut().zip(words(line)) {
            (*word, carry) = word.carrying_add(more, carry);
        }
        self.record_count = self.record_count.wrapping_add(1);
        self.raw_bytes = self.raw_bytes.wrapping_add(line.len() as u64 + 1);
    }

    /// Adds all that came to `other`.
    pub fn add_sum(&mut self, other: &RowsSum) {
        let mut carry = false;
        for (word, more) in self.sum.iter_mut().zip(other.sum) {
            (*word, carry) = word.carrying_add(more, carry);
        }
        self.record_count = self.record_count.wrapping_add(other.record_count);
        self.raw_bytes = self.raw_bytes.wrapping_add(other.raw_bytes);
    }

    /// Takes a line out again.
    pub fn remove(&mut self, line: &[u8]) {
        let mut borrow = false;
        for (word, less) in self.sum.iter_mut().zip(words(line)) {
            (*word, borrow) = word.borrowing_sub(less, borrow);
        }
        self.record_count = self.record_count.wrapping_sub(1);
        self.raw_bytes = self.raw_bytes.wrapping_sub(line.len() as u64 + 1);
    }

    /// Adds each of `lines`, all of which end with a line feed.
    pub fn add_lines(&mut self, lines: &[u8]) {
        let mut rest = lines;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(end);
            self.add(line);
            rest = behind.get(1..).unwrap_or_default();
        }
    }

    /// Lines so far.
    pub fn record_count(&self) -> u64 {
        self.record_count
    }

    /// The sum, its lowest byte first, and the bytes of all lines.
    pub fn finish(&self) -> (Hash, u64) {
        let mut bytes = [0; Hash::BYTES];
        for (into, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.sum) {
            *into = word.to_le_bytes();
        }
        (bytes.into(), self.raw_bytes)
    }
}

fn words(line: &[u8]) -> [u64; 4] {
    let digest = Sha256::digest(line);
    let mut words = [0; 4];
    let (eights, _) = digest.as_chunks();
    for (word, bytes) in words.iter_mut().zip(eights) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum_of<'a>(lines: impl IntoIterator<Item = &'a Vec<u8>>) -> RowsSum {
        let mut sum = RowsSum::default();
        lines.into_iter().for_each(|line| sum.add(line));
        sum
    }

    #[test]
    fn one_line_by_hand() {
        let mut sum = RowsSum::default();
        sum.add_lines(b"[\"row/t/#a1\",[1]]\n");
        assert_eq!((sum.record_count, sum.raw_bytes), (1, 18));
        assert_eq!(sum.sum, words(b"[\"row/t/#a1\",[1]]"));
        // Of one line the sum is its hash.
        assert_eq!(sum.finish(), (Hash::of(b"[\"row/t/#a1\",[1]]"), 18));
        let (content, raw_bytes) = sum.finish();
        assert_eq!(RowsSum::resume(content, 1, raw_bytes), sum);
    }

    #[test]
    fn carries_go_through_all_words() {
        let mut sum = RowsSum { sum: [u64::MAX; 4], record_count: 0, raw_bytes: 0 };
        let full = sum;
        sum.add(b"x");
        let mut one_less = words(b"x");
        // u256::MAX + x = x - 1
        one_less[0] = one_less[0].wrapping_sub(1);
        assert_eq!(sum.sum, one_less);
        sum.remove(b"x");
        assert_eq!(sum, full);
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_lines_can_be_taken_out(
            lines in prop::collection::vec(prop::collection::vec(0x20_u8..0x7f, 0..40), 1..20),
            taken in any::<prop::sample::Index>(),
        ) {
            let whole = sum_of(&lines);
            prop_assert_eq!(sum_of(lines.iter().rev()), whole);
            let index = taken.index(lines.len());
            let mut less = whole;
            less.remove(&lines[index]);
            let others = lines.iter().enumerate().filter(|(place, _)| *place != index).map(|(_, line)| line);
            prop_assert_eq!(sum_of(others), less);
            let (first, second) = lines.split_at(index);
            let mut parts = sum_of(first);
            parts.add_sum(&sum_of(second));
            prop_assert_eq!(parts, whole);
            prop_assert_ne!(less.finish(), whole.finish());
        }
    }
}
