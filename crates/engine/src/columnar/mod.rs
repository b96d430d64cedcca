//! Lines of JSON as columns, and back to exactly the same bytes.
//!
//! A line is cut into a template, the line without its scalars, and the scalars. Those at the same
//! place become a column, which is coded by what its texts have in common: integers by what they
//! differ from the one before, decimals as scaled integers, strings by patterns with numbers in them, by a
//! dictionary or by what they share with the one before. A text that its coding would not
//! print in the same way is kept as it is: nothing here means a value, only bytes. `docs/FORMAT.md`
//! draws the layout.

mod cut;
mod integers;
mod lines;
mod node;
mod number;
mod output;
mod read;
mod text;
mod values;

pub use lines::{Columns, write};
pub use read::read;

/// Most raw bytes of a chunk that is taken apart: what the largest chunk size gives. Only a chunk of one
/// large record has more.
pub const RAW_BYTES_MAX: usize = 6 << 20;

/// Most numbers in a chunk, in all its columns together: 8 bytes each while it is decoded.
const NUMBERS_MAX: usize = 1 << 20;

/// Most columns in a chunk, those within others included: some 160 bytes each while it is decoded, however few the
/// chunk has.
const COLUMNS_IN_ALL_MAX: usize = 1 << 16;

/// Stands in a template for a scalar, and in a pattern for digits. A chunk that has it is not taken apart.
const SLOT: u8 = 0;

/// Columns in columns, at most: an element of a split, its pattern, its digits.
const DEPTH_MAX: u32 = 6;

/// What a column is, in front of it.
mod tag {
    /// Several sorts of text: which, then a column for each sort.
    pub const SPLIT: u8 = 0;
    /// Integers as they are printed.
    pub const INTEGERS: u8 = 1;
    /// Decimals without zeros at the end.
    pub const DECIMALS: u8 = 2;
    /// Decimals with as many places each.
    pub const FIXED_DECIMALS: u8 = 3;
    /// Decimals with their own number of places each.
    pub const FREE_DECIMALS: u8 = 4;
    /// Texts in quotes: a column without them.
    pub const QUOTED: u8 = 5;
    /// Texts end to end.
    pub const PLAIN: u8 = 6;
    /// Texts without what they share with the one before.
    pub const FRONT: u8 = 7;
    /// Which of some texts.
    pub const DICTIONARY: u8 = 8;
    /// Which of some texts with digits in them, and the digits.
    pub const PATTERNS: u8 = 9;
    /// Digits, as many in each text.
    pub const DIGITS: u8 = 10;
}

#[cfg(test)]
mod tests;
