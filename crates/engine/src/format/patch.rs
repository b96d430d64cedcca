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

/// Places in the old version that are learned are so far apart: each stretch of [`MOVED_BYTES_MIN`] has one, and
/// most have two. With all of them chunks of a database's pages became no smaller (2026-11-22).
const LEARNED_EVERY: usize = 16;

/// Bytes that are compared at once.
const WORD_BYTES: usize = 8;

/// Slots of the table of stretches: a power of two.
const SLOTS: usize = 4096;

/// Finds what of a new version is in the old one, at its place or moved. The same versions give the same
/// steps.
#[derive(Debug, Clone, Default)]
pub struct Patcher {
    /// Places in the old version plus one, by the hash of what stands there.
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
            let end = common_end(Some(rest.0), Some(rest.1));
            self.copies.push(Copy { old: 0, new: 0, length: begin });
            self.copies.push(Copy { old: old.len() - end, new: new.len() - end, length: end });
        }
        self.copies.retain(|copy| copy.length > 0);
        if old.len() <= OLD_BYTES_MAX {
            self.find_moved(old, new);
        }
    }

    fn find_in_place(&mut self, old: &[u8], new: &[u8]) {
        // What both begin and end with is told in any case.
        let begin = common(old, new);
        self.copies.push(Copy { old: 0, new: 0, length: begin });
        let mut done = begin;
        // A stretch that is long enough has a word at a multiple of its size: others are passed over.
        let mut at = begin.next_multiple_of(WORD_BYTES);
        while let Some((one, other)) = word_at(old, at).zip(word_at(new, at)) {
            if one != other {
                at += WORD_BYTES;
                continue;
            }
            let length = common_end(old.get(done..at), new.get(done..at));
            let from = at - length;
            let length = common(old.get(from..).unwrap_or_default(), new.get(from..).unwrap_or_default());
            if length >= COPY_BYTES_MIN {
                self.copies.push(Copy { old: from, new: from, length });
                done = from + length;
            }
            at = (from + length).next_multiple_of(WORD_BYTES).max(at + WORD_BYTES);
        }
        let length = common_end(old.get(done..), new.get(done..));
        self.copies.push(Copy { old: old.len() - length, new: new.len() - length, length });
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
        for (place, stretch) in (1..).step_by(LEARNED_EVERY).zip(old.chunks(LEARNED_EVERY)) {
            if let Some(gram) = stretch.first_chunk()
                && let Some(slot) = self.places.get_mut(slot_of(gram))
            {
                *slot = place;
            }
        }
    }

    /// Adds copies of what of `new`, from `from` up to `end`, stands anywhere in `old`.
    fn seek(&mut self, old: &[u8], new: &[u8], from: usize, end: usize) {
        let new = new.get(..end).unwrap_or_default();
        let (mut from, mut at) = (from, from);
        let place_of =
            |gram: &[u8; GRAM_BYTES]| self.places.get(slot_of(gram)).copied().unwrap_or(0) as usize;
        loop {
            // Most of what has no equal at its place has none elsewhere.
            let grams = new.get(at..).unwrap_or_default().array_windows();
            let Some(passed) = grams.clone().position(|gram| place_of(gram) > 0) else { return };
            at += passed;
            let gram = new.get(at..).and_then(<[u8]>::first_chunk);
            let Some(place) = gram.and_then(|gram| place_of(gram).checked_sub(1)) else { return };
            let ahead = common(old.get(place..).unwrap_or_default(), new.get(at..).unwrap_or_default());
            if ahead < GRAM_BYTES {
                at += 1;
                continue;
            }
            let behind = common_end(old.get(..place), new.get(from..at));
            let length = behind + ahead;
            if length < MOVED_BYTES_MIN {
                at += 1;
                continue;
            }
            self.copies.push(Copy { old: place - behind, new: at - behind, length });
            from = at + ahead;
            at = from;
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
fn slot_of(gram: &[u8; GRAM_BYTES]) -> usize {
    (u64::from_le_bytes(*gram).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52) as usize % SLOTS
}

/// The word at `at`.
fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

/// Bytes that both end with.
fn common_end(one: Option<&[u8]>, other: Option<&[u8]>) -> usize {
    let (mut one, mut other) = (one.unwrap_or_default(), other.unwrap_or_default());
    let mut equal = 0;
    while let Some(((rest, word), (other_rest, other_word))) =
        one.split_last_chunk().zip(other.split_last_chunk())
    {
        let differing = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other_word);
        if differing != 0 {
            return equal + (differing.leading_zeros() / 8) as usize;
        }
        (one, other) = (rest, other_rest);
        equal += WORD_BYTES;
    }
    equal + one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count()
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
    fn what_both_begin_or_end_with_is_found_whatever_its_length() {
        for length in 0..40 {
            let old = vec![0x80; length];
            // Differences of 1 and of all bits are those that arithmetic on words may confuse.
            for other in [0x81, 0x00, 0x7f] {
                for place in 0..length {
                    let mut new = old.clone();
                    new[place] = other;
                    assert_eq!(common(&old, &new), place);
                    assert_eq!(common_end(Some(&old), Some(&new)), length - place - 1);
                    assert_eq!(common_end(Some(&old), Some(&new[place..])), length - place - 1);
                }
            }
            assert_eq!((common(&old, &old), common_end(Some(&old), Some(&old))), (length, length));
        }
    }

    #[test]
    fn a_stretch_at_its_place_is_found_wherever_it_begins() {
        let (bytes, mut patcher) = (256, Patcher::default());
        for begin in 1..64 {
            for length in 0..64 {
                let old: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
                let mut new: Vec<u8> = old.iter().map(|byte| !byte).collect();
                new[begin..begin + length].copy_from_slice(&old[begin..begin + length]);
                patcher.copies.clear();
                patcher.find_in_place(&old, &new);
                let found = patcher.copies.iter().filter(|copy| copy.length > 0);
                let found: Vec<_> = found.map(|copy| (copy.old, copy.new, copy.length)).collect();
                let wanted = (length >= COPY_BYTES_MIN).then_some((begin, begin, length));
                assert_eq!(found, Vec::from_iter(wanted));
            }
        }
    }

    #[test]
    fn a_stretch_that_has_moved_is_found_wherever_it_was_and_is() {
        let mut patcher = Patcher::default();
        for from in 0..LEARNED_EVERY {
            for to in 0..LEARNED_EVERY {
                // No byte is at its place.
                let stretch: Vec<u8> = (0..MOVED_BYTES_MIN).map(|at| 1 + at as u8).collect();
                let place = |at, filler| [&vec![filler; at][..], &stretch, &vec![filler; 99 - at]].concat();
                let (old, new) = (place(from, 0xfe), place(to + 50, 0xff));
                patcher.find(&old, &new);
                let found = patcher.copies.iter().find(|copy| copy.length == MOVED_BYTES_MIN);
                assert_eq!(found.map(|copy| (copy.old, copy.new)), Some((from, to + 50)));
            }
        }
    }
}
