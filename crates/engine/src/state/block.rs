//! Questions about sixteen or sixty-four bytes at once.
//!
//! Where every processor of a kind has vector instructions, those answer; elsewhere, as in
//! WebAssembly, arithmetic on two 64-bit words. Both answer alike.

/// Bytes of a small block.
pub(super) const BLOCK_BYTES: usize = 16;

/// Bytes of which [`Masks`] tell.
pub(super) const MASKED_BYTES: usize = 64;

/// What sixty-four bytes are, one bit each, the first byte's the lowest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Masks {
    /// Quotes, backslashes and control characters: what ends or interrupts a string's plain text.
    pub special: u64,
    /// Decimal digits.
    pub digits: u64,
    /// Bytes beyond ASCII.
    pub wide: u64,
}

/// The bytes from `position` on; zeros stand for what lies past the end. A zero is neither a digit
/// nor whitespace and may not stand in a string, so scanning stops there.
#[inline(always)]
pub(super) fn block_at<const N: usize>(bytes: &[u8], position: usize) -> [u8; N] {
    match bytes.get(position..).and_then(<[u8]>::first_chunk) {
        Some(block) => *block,
        None => short_block(bytes, position),
    }
}

#[cold]
fn short_block<const N: usize>(bytes: &[u8], position: usize) -> [u8; N] {
    let mut block = [0; N];
    let rest = bytes.get(position..).unwrap_or_default();
    for (into, from) in block.iter_mut().zip(rest) {
        *into = *from;
    }
    block
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use lanes::{masks, plain_string_bytes, structure};
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) use words::{masks, plain_string_bytes, structure};

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod lanes {
    use super::{BLOCK_BYTES, MASKED_BYTES, Masks};
    use wide::u8x16;

    /// The place of the first lane that is set, or sixteen.
    #[inline(always)]
    fn first(lanes: u8x16) -> usize {
        (lanes.to_bitmask() | 1 << BLOCK_BYTES).trailing_zeros() as usize
    }

    #[inline(always)]
    fn equal(lanes: u8x16, byte: u8) -> u8x16 {
        lanes.simd_eq(u8x16::splat(byte))
    }

    #[inline(always)]
    fn at_most(lanes: u8x16, limit: u8) -> u8x16 {
        lanes.min(u8x16::splat(limit)).simd_eq(lanes)
    }

    #[inline(always)]
    fn special(lanes: u8x16) -> u8x16 {
        equal(lanes, b'"') | equal(lanes, b'\\') | at_most(lanes, 0x1f)
    }

    /// What each of sixty-four bytes is.
    #[inline(always)]
    pub(in crate::state) fn masks(block: &[u8; MASKED_BYTES]) -> Masks {
        let mut masks = Masks::default();
        let (quarters, _) = block.as_chunks();
        for (index, quarter) in quarters.iter().enumerate() {
            let lanes = u8x16::new(*quarter);
            let bits = |lanes: u8x16| u64::from(lanes.to_bitmask()) << (index * BLOCK_BYTES);
            masks.special |= bits(special(lanes));
            masks.digits |= bits(at_most(lanes - u8x16::splat(b'0'), 9));
            masks.wide |= bits(lanes);
        }
        masks
    }

    /// How many bytes from the first on are ordinary text of a JSON string: no quote, backslash or
    /// control character.
    #[inline(always)]
    pub(in crate::state) fn plain_string_bytes(block: &[u8; BLOCK_BYTES]) -> usize {
        first(special(u8x16::new(*block)))
    }

    /// How many bytes come before the first quote, bracket or brace.
    #[inline(always)]
    pub(in crate::state) fn structure(block: &[u8; BLOCK_BYTES]) -> usize {
        let lanes = u8x16::new(*block);
        // A bracket and its brace differ in one bit.
        let folded = lanes | u8x16::splat(0x20);
        first(equal(folded, b'{') | equal(folded, b'}') | equal(lanes, b'"'))
    }
}

#[cfg(any(test, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod words {
    use super::{BLOCK_BYTES, MASKED_BYTES, Masks};

    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;

    /// The high bit of every byte that is at least `limit`, which is at most 0x80.
    #[inline(always)]
    fn at_least(word: u64, limit: u8) -> u64 {
        let raised = (word & !HIGHS) + ONES * u64::from(0x80 - limit);
        (raised | word) & HIGHS
    }

    #[inline(always)]
    fn equal(word: u64, byte: u8) -> u64 {
        !at_least(word ^ (ONES * u64::from(byte)), 1) & HIGHS
    }

    #[inline(always)]
    fn special(word: u64) -> u64 {
        equal(word, b'"') | equal(word, b'\\') | !at_least(word, 0x20) & HIGHS
    }

    /// The high bits of a word's bytes as eight neighbours.
    #[inline(always)]
    fn gather(flags: u64) -> u64 {
        (flags >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }

    /// See the function of this name above.
    #[inline(always)]
    pub(in crate::state) fn masks(block: &[u8; MASKED_BYTES]) -> Masks {
        let mut masks = Masks::default();
        let (words, _) = block.as_chunks();
        for (index, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let bits = |flags| gather(flags) << (index * 8);
            masks.special |= bits(special(word));
            masks.digits |= bits(!at_least(word ^ (ONES * u64::from(b'0')), 10) & HIGHS);
            masks.wide |= bits(word & HIGHS);
        }
        masks
    }

    #[inline(always)]
    fn first(block: &[u8; BLOCK_BYTES], flags: impl Fn(u64) -> u64) -> usize {
        let both = u128::from_le_bytes(*block);
        let low = flags(both as u64);
        let bits =
            if low != 0 { low.trailing_zeros() } else { 64 + flags((both >> 64) as u64).trailing_zeros() };
        (bits / 8) as usize
    }

    /// See the function of this name above.
    #[inline(always)]
    pub(in crate::state) fn plain_string_bytes(block: &[u8; BLOCK_BYTES]) -> usize {
        first(block, special)
    }

    /// See the function of this name above.
    #[inline(always)]
    pub(in crate::state) fn structure(block: &[u8; BLOCK_BYTES]) -> usize {
        first(block, |word| {
            let folded = word | (ONES * 0x20);
            equal(folded, b'{') | equal(folded, b'}') | equal(word, b'"')
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn is_special(byte: u8) -> bool {
        byte == b'"' || byte == b'\\' || byte < 0x20
    }

    fn first_where(block: &[u8; BLOCK_BYTES], wanted: impl Fn(u8) -> bool) -> usize {
        block.iter().position(|&b| wanted(b)).unwrap_or(BLOCK_BYTES)
    }

    fn bits_where(block: &[u8; MASKED_BYTES], wanted: impl Fn(u8) -> bool) -> u64 {
        (0..MASKED_BYTES).fold(0, |bits, place| bits | u64::from(wanted(block[place])) << place)
    }

    fn check(block: &[u8; BLOCK_BYTES]) {
        let plain = first_where(block, is_special);
        let structural = first_where(block, |b| b"\"[]{}".contains(&b));
        assert_eq!(plain_string_bytes(block), plain, "{block:x?}");
        assert_eq!(words::plain_string_bytes(block), plain, "{block:x?}");
        assert_eq!(structure(block), structural, "{block:x?}");
        assert_eq!(words::structure(block), structural, "{block:x?}");
    }

    fn check_masks(block: &[u8; MASKED_BYTES]) {
        let expected = Masks {
            special: bits_where(block, is_special),
            digits: bits_where(block, |b| b.is_ascii_digit()),
            wide: bits_where(block, |b| b >= 0x80),
        };
        assert_eq!(masks(block), expected, "{block:x?}");
        assert_eq!(words::masks(block), expected, "{block:x?}");
    }

    #[test]
    fn every_byte_at_every_place() {
        for filler in [b'0', b'a', 0xff, 0x80, 0x7f, b' ', b'!', b'#'] {
            for byte in 0..=255 {
                for place in 0..BLOCK_BYTES {
                    let mut block = [filler; BLOCK_BYTES];
                    block[place] = byte;
                    check(&block);
                }
                for place in 0..MASKED_BYTES {
                    let mut block = [filler; MASKED_BYTES];
                    block[place] = byte;
                    check_masks(&block);
                }
            }
        }
    }

    #[test]
    fn past_the_end_are_zeros() {
        assert_eq!(block_at(b"xabc", 1), *b"abc\0\0");
        assert_eq!(block_at(b"abc", 7), [0; BLOCK_BYTES]);
    }

    proptest! {
        #[test]
        fn any_block(block: [u8; BLOCK_BYTES], two: [[u8; 32]; 2]) {
            check(&block);
            check_masks(two.concat().as_slice().try_into().unwrap());
        }

        #[test]
        fn near_misses(picks in prop::collection::vec(0_usize..12, MASKED_BYTES)) {
            let bytes = *b"019\"\\\x1f /:[{}";
            let block: Vec<u8> = picks.into_iter().map(|pick| bytes[pick]).collect();
            check_masks(block.as_slice().try_into().unwrap());
            check(block.first_chunk().unwrap());
        }
    }
}
