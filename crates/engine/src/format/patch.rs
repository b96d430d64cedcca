//! What a new version of a record has in common with its old one.

use super::delta::write_varint;

/// A stretch that is equal in both versions, at the same place, and shorter than this is stored: what
/// tells where it ends and the next one begins takes as many bytes once both are compressed.
const COPY_BYTES_MIN: usize = 24;

/// The same for a stretch that has moved. What the codec finds again among a chunk's other literals costs it
/// no more than a step costs here: with 16 bytes, chunks of a database's pages became 3 % larger, with 128 as
/// much (2026-11-22).
const MOVED_BYTES_MIN: usize = 48;

/// Stretches without an equal at their place are looked for elsewhere from this length on.
const SOUGHT_BYTES_MIN: usize = 48;

/// Largest old version that is looked through: a page, or a usual entry.
const OLD_BYTES_MAX: usize = 65_536;

/// Bytes by which a stretch is known.
const GRAM_BYTES: usize = 8;

/// Slots of the table of stretches: a power of two.
const SLOTS: usize = 4096;

/// Finds what of a new version is in the old one, at its place or moved. The same versions give the same
/// steps.
#[derive(Debug, Clone, Default)]
pub struct Patcher {
    /// Each place in the old version plus one, by the hash of what stands there.
    places: Vec<u32>,
    /// What to copy, in the order of the new version.
    copies: Vec<Copy>,
}

/// A stretch that both versions have.
#[derive(Debug, Clone, Copy)]
struct Copy {
    old: usize,
    new: usize,
    length: usize,
}

impl Patcher {
    /// Finds the stretches that `new` has in common with `old`.
    pub fn find(&mut self, old: &[u8], new: &[u8]) {
        self.copies.clear();
        if old.len() == new.len() {
            self.find_in_place(old, new);
        } else {
            // What was cut out or put in lies between what both begin and end with.
            let begin = common(old, new);
            let rest = (old.get(begin..).unwrap_or_default(), new.get(begin..).unwrap_or_default());
            let end = rest.0.iter().rev().zip(rest.1.iter().rev()).take_while(|(a, b)| a == b).count();
            self.copies.push(Copy { old: 0, new: 0, length: begin });
            self.copies.push(Copy { old: old.len() - end, new: new.len() - end, length: end });
        }
        self.copies.retain(|copy| copy.length > 0);
        if old.len() <= OLD_BYTES_MAX {
            self.find_moved(old, new);
        }
    }

    fn find_in_place(&mut self, old: &[u8], new: &[u8]) {
        let equal_at =
            |at: usize| common(old.get(at..).unwrap_or_default(), new.get(at..).unwrap_or_default());
        let mut at = 0;
        while at < new.len() {
            at = next_equal(old, new, at);
            let length = equal_at(at);
            // What both begin with is told in any case.
            if at == 0 || length >= COPY_BYTES_MIN || at + length == new.len() {
                self.copies.push(Copy { old: at, new: at, length });
            }
            // What comes next is not equal, or the end.
            at += length + 1;
        }
    }

    /// Looks in all of `old` for what has no equal at its place.
    fn find_moved(&mut self, old: &[u8], new: &[u8]) {
        let in_place = std::mem::take(&mut self.copies);
        let mut known = false;
        let mut from = 0;
        let end = Copy { old: old.len(), new: new.len(), length: 0 };
        for copy in in_place.into_iter().chain([end]) {
            if copy.new.saturating_sub(from) >= SOUGHT_BYTES_MIN {
                if !known {
                    self.learn(old);
                    known = true;
                }
                self.seek(old, new, from, copy.new);
            }
            from = copy.new + copy.length;
            if copy.length > 0 {
                self.copies.push(copy);
            }
        }
    }

    fn learn(&mut self, old: &[u8]) {
        self.places.clear();
        self.places.resize(SLOTS, 0);
        for (place, gram) in (1..).zip(old.windows(GRAM_BYTES)) {
            if let Some(slot) = self.places.get_mut(slot_of(gram)) {
                *slot = place;
            }
        }
    }

    /// Adds copies of what of `new`, from `from` up to `end`, stands anywhere in `old`.
    fn seek(&mut self, old: &[u8], new: &[u8], from: usize, end: usize) {
        let new = new.get(..end).unwrap_or_default();
        let (mut from, mut at) = (from, from);
        while let Some(gram) = new.get(at..at + GRAM_BYTES) {
            let place = self.places.get(slot_of(gram)).copied().unwrap_or(0) as usize;
            let equal = place.checked_sub(1).filter(|at| old.get(*at..*at + GRAM_BYTES) == Some(gram));
            let found = equal.map(|place| {
                let ahead = common(old.get(place..).unwrap_or_default(), new.get(at..).unwrap_or_default());
                let before = old.get(..place).unwrap_or_default().iter().rev();
                let behind = before.zip(new.get(from..at).unwrap_or_default().iter().rev());
                let behind = behind.take_while(|(a, b)| a == b).count();
                Copy { old: place - behind, new: at - behind, length: ahead + behind }
            });
            match found.filter(|copy| copy.length >= MOVED_BYTES_MIN) {
                Some(copy) => {
                    self.copies.push(copy);
                    from = copy.new + copy.length;
                    at = from;
                }
                None => at += 1,
            }
        }
    }

    /// Appends the steps that were found, and the bytes of `new` between them.
    pub fn write(&self, new: &[u8], heads: &mut Vec<u8>, literals: &mut Vec<u8>) {
        // Where in both versions the steps so far have come to.
        let (mut old_at, mut new_at) = (0, 0);
        let mut copies = self.copies.iter().peekable();
        // The first step may copy nothing.
        let mut copied = copies.next_if(|copy| copy.new == 0 && copy.old == 0).map_or(0, |copy| copy.length);
        while new_at < new.len() {
            let begin = new_at + copied;
            let next = copies.next();
            let end = next.map_or(new.len(), |copy| copy.new);
            write_varint(heads, copied as u64);
            write_varint(heads, (end - begin) as u64);
            literals.extend_from_slice(new.get(begin..end).unwrap_or_default());
            old_at += copied + end - begin;
            new_at = end;
            if let Some(copy) = next {
                let moved = copy.old as i64 - old_at as i64;
                write_varint(heads, moved.unsigned_abs() << 1 | u64::from(moved < 0));
                old_at = copy.old;
                copied = copy.length;
            }
        }
    }
}

/// The slot of what is [`GRAM_BYTES`] long.
fn slot_of(gram: &[u8]) -> usize {
    let number = gram.try_into().map(u64::from_le_bytes).unwrap_or(0);
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52) as usize % SLOTS
}

/// The first place from `from` on at which both have the same byte, or the end of one of them.
fn next_equal(old: &[u8], new: &[u8], from: usize) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or(0);
    let (old, new) = (old.get(from..).unwrap_or_default(), new.get(from..).unwrap_or_default());
    let mut passed = 0;
    // Words first: a page whose rows have moved has nothing at its place for long stretches.
    for (one, other) in old.chunks_exact(8).zip(new.chunks_exact(8)) {
        let differing = word(one) ^ word(other);
        // The highest bit of the lowest byte that is 0; higher ones may be wrong.
        let zero = differing.wrapping_sub(ONES) & !differing & ONES << 7;
        if zero != 0 {
            return from + passed + (zero.trailing_zeros() / 8) as usize;
        }
        passed += 8;
    }
    let rest = (old.get(passed..).unwrap_or_default(), new.get(passed..).unwrap_or_default());
    from + passed + rest.0.iter().zip(rest.1).take_while(|(one, other)| one != other).count()
}

/// Bytes that both begin with.
pub fn common(one: &[u8], other: &[u8]) -> usize {
    let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
    let mut equal = 0;
    // Words first: most of a changed page is as it was.
    for (one, other) in one.chunks_exact(8).zip(other.chunks_exact(8)) {
        match word(one).zip(word(other)) {
            Some((one, other)) if one == other => equal += 8,
            Some((one, other)) => return equal + ((one ^ other).trailing_zeros() / 8) as usize,
            None => break,
        }
    }
    let (one, other) = (one.get(equal..).unwrap_or_default(), other.get(equal..).unwrap_or_default());
    equal + one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_equal_byte_is_found_wherever_it_is() {
        for length in 0..40 {
            let old = vec![0x80; length];
            // Differences of 1 and of all bits are those that arithmetic on words may confuse.
            for other in [0x81, 0x7f, 0x00, 0xff] {
                let mut new = vec![other; length];
                for from in 0..=length {
                    assert_eq!(next_equal(&old, &new, from), length);
                }
                for place in 0..length {
                    new[place] = 0x80;
                    for from in 0..=length {
                        assert_eq!(next_equal(&old, &new, from), if from <= place { place } else { length });
                    }
                    new[place] = other;
                }
            }
        }
    }
}
