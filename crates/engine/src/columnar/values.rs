//! Columns that are decoded: each gives one text after another.

use std::rc::Rc;

use super::integers::Reader;
use super::number::{DIGITS_MAX, Printed, print, print_digits};
use super::output::Output;
use super::read::{Fields, place};
use super::{COLUMNS_IN_ALL_MAX, DEPTH_MAX, SLOT, tag};
use crate::error::{Error, Result};

/// Integers, one after another.
pub struct Cursor {
    values: Rc<[i64]>,
    at: usize,
}

impl Cursor {
    fn read(fields: &mut Fields<'_>, reader: &mut Reader, count: usize) -> Result<Self> {
        Ok(Cursor { values: reader.read(fields, count)?, at: 0 })
    }

    fn next(&mut self) -> Result<i64> {
        let value = self.values.get(self.at).copied();
        self.at += 1;
        value.ok_or_else(|| Error::corrupt("a column ends early"))
    }

    fn next_size(&mut self) -> Result<usize> {
        usize::try_from(self.next()?).map_err(|_| Error::corrupt("a text with less than no bytes"))
    }

    /// How often each of `count` values occurs.
    fn counts(&self, count: usize) -> Result<Vec<usize>> {
        let mut counts = vec![0; count];
        for value in self.values.iter() {
            *place(&mut counts, *value)? += 1;
        }
        Ok(counts)
    }
}

/// Texts that are there to be chosen from.
pub struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// What a chunk may still have: few bytes must not ask for much memory.
pub struct Budget {
    /// Bytes of [`Texts`], in all columns together.
    text_bytes: usize,
    /// Columns, those within others included.
    columns: usize,
}

impl Budget {
    /// Of a chunk of so many raw bytes.
    pub fn new(raw_bytes: usize) -> Self {
        Budget { text_bytes: raw_bytes, columns: COLUMNS_IN_ALL_MAX }
    }
}

impl Texts {
    fn read(
        fields: &mut Fields<'_>,
        reader: &mut Reader,
        budget: &mut Budget,
        count: usize,
        depth: u32,
    ) -> Result<Self> {
        let mut values = Values::read(fields, reader, budget, count, depth)?;
        let mut output = Output::new(budget.text_bytes);
        let mut ends = Vec::new();
        for _ in 0..count {
            values.next(&mut output)?;
            ends.push(output.bytes.len());
        }
        budget.text_bytes -= output.bytes.len();
        Ok(Texts { bytes: output.bytes, ends })
    }

    fn get(&self, at: i64) -> Result<&[u8]> {
        let found = usize::try_from(at).ok().and_then(|at| {
            let begin = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
            self.bytes.get(begin..*self.ends.get(at)?)
        });
        found.ok_or_else(|| Error::corrupt("a dictionary does not have so many texts"))
    }
}

/// A column.
pub enum Values<'a> {
    Split {
        which: Cursor,
        parts: Vec<Values<'a>>,
    },
    Decimals {
        scale: u8,
        stripped: bool,
        mantissas: Cursor,
    },
    FreeDecimals {
        scales: Cursor,
        mantissas: Cursor,
    },
    Quoted(Box<Values<'a>>),
    Plain {
        lengths: Cursor,
        bytes: &'a [u8],
    },
    Front {
        shared: Cursor,
        lengths: Cursor,
        bytes: &'a [u8],
        before: Vec<u8>,
    },
    Dictionary {
        texts: Texts,
        which: Cursor,
    },
    /// Of each pattern the columns of its digits.
    Patterns {
        texts: Texts,
        which: Cursor,
        digits: Vec<Vec<Values<'a>>>,
    },
    Digits {
        width: u8,
        values: Cursor,
    },
}

/// Most sorts of text in one column: strings, numbers and what is neither, and room for more.
const SORTS_MAX: usize = 16;

impl<'a> Values<'a> {
    /// The next column, of `count` texts.
    pub fn read(
        fields: &mut Fields<'a>,
        reader: &mut Reader,
        budget: &mut Budget,
        count: usize,
        depth: u32,
    ) -> Result<Self> {
        if depth > DEPTH_MAX {
            return Err(Error::corrupt("a columnar chunk has columns in columns without end"));
        }
        let depth = depth + 1;
        budget.columns = budget
            .columns
            .checked_sub(1)
            .ok_or_else(|| Error::corrupt(format!("a chunk has more than {COLUMNS_IN_ALL_MAX} columns")))?;
        let tag = fields.byte()?;
        Ok(match tag {
            tag::SPLIT => {
                let part_count = fields.size()?;
                // No sort of text is without one.
                let which = Cursor::read(fields, reader, count)?;
                if part_count > count.min(SORTS_MAX) {
                    return Err(Error::corrupt("a column has more sorts of texts than texts"));
                }
                let parts = which
                    .counts(part_count)?
                    .into_iter()
                    .map(|count| Values::read(fields, reader, budget, count, depth))
                    .collect::<Result<_>>()?;
                Values::Split { which, parts }
            }
            tag::INTEGERS => Values::Decimals {
                scale: 0,
                stripped: false,
                mantissas: Cursor::read(fields, reader, count)?,
            },
            tag::DECIMALS | tag::FIXED_DECIMALS => {
                let scale = places(i64::from(fields.byte()?))?;
                let mantissas = Cursor::read(fields, reader, count)?;
                Values::Decimals { scale, stripped: tag == tag::DECIMALS, mantissas }
            }
            tag::FREE_DECIMALS => Values::FreeDecimals {
                scales: Cursor::read(fields, reader, count)?,
                mantissas: Cursor::read(fields, reader, count)?,
            },
            tag::QUOTED => Values::Quoted(Box::new(Values::read(fields, reader, budget, count, depth)?)),
            tag::PLAIN => {
                let lengths = Cursor::read(fields, reader, count)?;
                let bytes = fields.take(sum(&lengths)?)?;
                Values::Plain { lengths, bytes }
            }
            tag::FRONT => {
                let shared = Cursor::read(fields, reader, count)?;
                let lengths = Cursor::read(fields, reader, count)?;
                let bytes = fields.take(sum(&lengths)?)?;
                Values::Front { shared, lengths, bytes, before: Vec::new() }
            }
            tag::DICTIONARY => {
                let entries = fields.size()?;
                let texts = Texts::read(fields, reader, budget, entries, depth)?;
                Values::Dictionary { texts, which: Cursor::read(fields, reader, count)? }
            }
            tag::PATTERNS => {
                let entries = fields.size()?;
                let texts = Texts::read(fields, reader, budget, entries, depth)?;
                let which = Cursor::read(fields, reader, count)?;
                let mut digits = Vec::with_capacity(entries);
                for (entry, count) in which.counts(entries)?.into_iter().enumerate() {
                    let runs = texts.get(entry as i64)?.iter().filter(|byte| **byte == SLOT).count();
                    let columns = (0..runs).map(|_| Values::read(fields, reader, budget, count, depth));
                    digits.push(columns.collect::<Result<Vec<_>>>()?);
                }
                Values::Patterns { texts, which, digits }
            }
            tag::DIGITS => {
                let width = places(i64::from(fields.byte()?))?;
                Values::Digits { width, values: Cursor::read(fields, reader, count)? }
            }
            other => {
                return Err(Error::corrupt(format!("a column is coded in a way that is not known, {other}")));
            }
        })
    }

    /// Adds the next text to `output`.
    pub fn next(&mut self, output: &mut Output) -> Result<()> {
        let printed: Printed = match self {
            Values::Split { which, parts } => return place(parts, which.next()?)?.next(output),
            Values::Quoted(texts) => {
                output.push(b"\"")?;
                texts.next(output)?;
                return output.push(b"\"");
            }
            Values::Plain { lengths, bytes } => return output.push(next_bytes(lengths, bytes)?),
            Values::Front { shared, lengths, bytes, before } => {
                let shared = shared.next_size()?;
                if shared > before.len() {
                    return Err(Error::corrupt("a text shares more than the one before has"));
                }
                before.truncate(shared);
                before.extend_from_slice(next_bytes(lengths, bytes)?);
                return output.push(before);
            }
            Values::Dictionary { texts, which } => return output.push(texts.get(which.next()?)?),
            Values::Patterns { texts, which, digits } => {
                let entry = which.next()?;
                let mut pieces = texts.get(entry)?.split(|byte| *byte == SLOT);
                output.push(pieces.next().unwrap_or_default())?;
                for (digits, piece) in place(digits, entry)?.iter_mut().zip(pieces) {
                    digits.next(output)?;
                    output.push(piece)?;
                }
                return Ok(());
            }
            Values::Decimals { scale, stripped, mantissas } => print(mantissas.next()?, *scale, *stripped),
            Values::FreeDecimals { scales, mantissas } => {
                let scale = places(scales.next()?)?;
                print(mantissas.next()?, scale, false)
            }
            Values::Digits { width, values } => print_digits(values.next()?, *width),
        };
        output.push(printed.text())
    }
}

/// Places behind the point, or digits of a text: as many as a number can have.
fn places(places: i64) -> Result<u8> {
    let places = u8::try_from(places).ok().filter(|places| usize::from(*places) <= DIGITS_MAX);
    places.ok_or_else(|| Error::corrupt("a number in a columnar chunk has too many places"))
}

fn sum(lengths: &Cursor) -> Result<usize> {
    let sum = lengths
        .values
        .iter()
        .try_fold(0_usize, |sum, length| sum.checked_add(usize::try_from(*length).ok()?));
    sum.ok_or_else(|| Error::corrupt("texts of a columnar chunk have impossible lengths"))
}

fn next_bytes<'a>(lengths: &mut Cursor, bytes: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = lengths.next_size()?;
    let (text, rest) =
        bytes.split_at_checked(length).ok_or_else(|| Error::corrupt("the texts of a column end early"))?;
    *bytes = rest;
    Ok(text)
}
