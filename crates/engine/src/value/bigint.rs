//! BigInts as text.

use std::fmt::Write;

/// Longest number printed in decimal digits, in 64-bit digits (4,096 bits). Beyond it decimal
/// takes time that grows with the square of the length, so such a number is printed in
/// hexadecimal, which `BigInt("0x…")` reads as well.
const DECIMAL_DIGITS: usize = 64;
/// The largest power of ten in 64 bits, and its exponent.
const CHUNK: u128 = 10_000_000_000_000_000_000;

/// Appends the number whose sign is the lowest bit of `bitfield` and whose magnitude is
/// `magnitude`, the lowest byte first.
pub(super) fn push(out: &mut String, bitfield: u32, magnitude: &[u8]) {
    let used = magnitude.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut digits: Vec<u64> = magnitude
        .get(..used)
        .unwrap_or_default()
        .chunks(8)
        .map(|chunk| chunk.iter().rev().fold(0, |digit, byte| digit << 8 | u64::from(*byte)))
        .collect();
    if digits.is_empty() {
        out.push('0');
        return;
    }
    if bitfield & 1 == 1 {
        out.push('-');
    }
    if digits.len() > DECIMAL_DIGITS {
        out.push_str("0x");
        for (place, digit) in digits.iter().rev().enumerate() {
            // Writing to a String does not fail.
            let _ = if place == 0 { write!(out, "{digit:x}") } else { write!(out, "{digit:016x}") };
        }
        return;
    }
    let mut chunks = Vec::new();
    while !digits.is_empty() {
        let mut remainder = 0u128;
        for digit in digits.iter_mut().rev() {
            let dividend = remainder << 64 | u128::from(*digit);
            *digit = (dividend / CHUNK) as u64;
            remainder = dividend % CHUNK;
        }
        chunks.push(remainder);
        while digits.last() == Some(&0) {
            digits.pop();
        }
    }
    for (place, chunk) in chunks.iter().rev().enumerate() {
        let _ = if place == 0 { write!(out, "{chunk}") } else { write!(out, "{chunk:019}") };
    }
}
