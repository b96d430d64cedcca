//! Questions about sixteen bytes at once.
//!
//! Where every processor of a kind has vector instructions, those answer; elsewhere, as in
//! WebAssembly, arithmetic on two 64-bit words. Both answer alike.

/// Bytes looked at together.
pub(super) const BLOCK_BYTES: usize = 16;

/// The sixteen bytes from `position` on; zeros stand for what lies past the end. A zero is neither
/// a digit nor whitespace and may not stand in a string, so scanning stops there.
#[inline(always)]
pub(super) fn block_at(bytes: &[u8], position: usize) -> [u8; BLOCK_BYTES] {
    match bytes.get(position..).and_then(<[u8]>::first_chunk) {
        Some(block) => *block,
        None => short_block(bytes, position),
    }
}

#[cold]
fn short_block(bytes: &[u8], position: usize) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let rest = bytes.get(position..).unwrap_or_default();
    for (into, from) in block.iter_mut().zip(rest) {
        *into = *from;
    }
    block
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use lanes::{digits, plain_string_bytes, structure};
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) use words::{digits, plain_string_bytes, structure};

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod lanes {
    use super::BLOCK_BYTES;
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

    /// How many bytes from the first on are ordinary text of a JSON string (no quote, backslash or
    /// control character), and a number that is not zero if any of the sixteen is not ASCII.
    #[inline(always)]
    pub(in crate::state) fn plain_string_bytes(block: &[u8; BLOCK_BYTES]) -> (usize, u64) {
        let lanes = u8x16::new(*block);
        let special = equal(lanes, b'"') | equal(lanes, b'\\') | at_most(lanes, 0x1f);
        (first(special), u64::from(lanes.to_bitmask()))
    }

    /// How many bytes from the first on are decimal digits.
    #[inline(always)]
    pub(in crate::state) fn digits(block: &[u8; BLOCK_BYTES]) -> usize {
        let values = u8x16::new(*block) - u8x16::splat(b'0');
        at_most(values, 9).to_bitmask().trailing_ones() as usize
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
    use super::BLOCK_BYTES;

    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;

    #[inline(always)]
    fn halves(block: &[u8; BLOCK_BYTES]) -> [u64; 2] {
        let both = u128::from_le_bytes(*block);
        [both as u64, (both >> 64) as u64]
    }

    /// The high bit of every byte that is below `limit` (at most 0x80); above the first such byte
    /// a bit may be set too many, which nobody asks for.
    #[inline(always)]
    fn below(word: u64, limit: u8) -> u64 {
        word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHS
    }

    #[inline(always)]
    fn equal(word: u64, byte: u8) -> u64 {
        below(word ^ (ONES * u64::from(byte)), 1)
    }

    #[inline(always)]
    fn first(flags: [u64; 2]) -> usize {
        let [low, high] = flags;
        let bits = if low != 0 {
            low.trailing_zeros()
        } else {
            64 + high.trailing_zeros()
        };
        (bits / 8) as usize
    }

    /// See the function of this name above.
    #[inline(always)]
    pub(in crate::state) fn plain_string_bytes(block: &[u8; BLOCK_BYTES]) -> (usize, u64) {
        let words = halves(block);
        let special = words.map(|word| equal(word, b'"') | equal(word, b'\\') | below(word, 0x20));
        let [low, high] = words;
        (first(special), (low | high) & HIGHS)
    }

    /// See the function of this name above.
    #[inline(always)]
    pub(in crate::state) fn digits(block: &[u8; BLOCK_BYTES]) -> usize {
        first(halves(block).map(|word| {
            let value = word ^ (ONES * u64::from(b'0'));
            (((value & !HIGHS) + ONES * 0x76) | value) & HIGHS
        }))
    }

    /// See the function of this name above.
    #[inline(always)]
    pub(in crate::state) fn structure(block: &[u8; BLOCK_BYTES]) -> usize {
        first(halves(block).map(|word| {
            let folded = word | (ONES * 0x20);
            equal(folded, b'{') | equal(folded, b'}') | equal(word, b'"')
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn first_where(block: &[u8; BLOCK_BYTES], wanted: impl Fn(u8) -> bool) -> usize {
        block.iter().position(|&b| wanted(b)).unwrap_or(BLOCK_BYTES)
    }

    fn check(block: &[u8; BLOCK_BYTES]) {
        let plain = first_where(block, |b| b == b'"' || b == b'\\' || b < 0x20);
        let wide = block.iter().any(|b| *b >= 0x80);
        let numeric = first_where(block, |b| !b.is_ascii_digit());
        let structural = first_where(block, |b| b"\"[]{}".contains(&b));
        let (bytes, high) = plain_string_bytes(block);
        assert_eq!((bytes, high != 0), (plain, wide), "{block:x?}");
        let (bytes, high) = words::plain_string_bytes(block);
        assert_eq!((bytes, high != 0), (plain, wide), "{block:x?}");
        assert_eq!(digits(block), numeric, "{block:x?}");
        assert_eq!(words::digits(block), numeric, "{block:x?}");
        assert_eq!(structure(block), structural, "{block:x?}");
        assert_eq!(words::structure(block), structural, "{block:x?}");
    }

    #[test]
    fn every_byte_at_every_place() {
        for filler in [b'0', b'a', 0xff, 0x80, 0x7f, b' ', b'!', b'#'] {
            for place in 0..BLOCK_BYTES {
                for byte in 0..=255 {
                    let mut block = [filler; BLOCK_BYTES];
                    block[place] = byte;
                    check(&block);
                }
            }
        }
    }

    #[test]
    fn past_the_end_are_zeros() {
        assert_eq!(&block_at(b"xabc", 1)[..4], b"abc\0");
        assert_eq!(block_at(b"abc", 7), [0; BLOCK_BYTES]);
    }

    proptest! {
        #[test]
        fn any_block(block: [u8; BLOCK_BYTES]) {
            check(&block);
        }

        #[test]
        fn near_misses(picks in prop::array::uniform16(0usize..12)) {
            let bytes = *b"019\"\\\x1f /:[{}";
            check(&picks.map(|pick| bytes[pick]));
        }
    }
}
