//! Columns back into lines.

use memchr::memchr;

use super::SLOT;
use super::integers::Reader;
use super::lines::{COLUMNS_MAX, templates_max};
use super::output::Output;
use super::values::{Budget, Values};
use crate::error::{Damage, Error, Result};

/// The columns' bytes, read from the front.
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Fields { rest: bytes }
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| Error::corrupt("a columnar chunk ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    /// A number of variable length: seven bits a byte, the lowest first.
    pub fn number(&mut self) -> Result<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 127);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 128 {
                return Ok(number);
            }
        }
        Err(Error::corrupt("a number in a columnar chunk has more than 64 bits"))
    }

    pub fn size(&mut self) -> Result<usize> {
        usize::try_from(self.number()?).map_err(|_| Error::corrupt("a columnar chunk claims too much"))
    }

    pub fn end(self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Error::corrupt(format!("a columnar chunk has {} bytes too many", self.rest.len())))
        }
    }
}

/// Puts the lines together that [`super::write`] took apart: exactly as many bytes as `raw` has.
///
/// # Errors
/// Corrupt where `bytes` are not such columns.
pub fn read(bytes: &[u8], raw: &mut [u8]) -> Result<()> {
    let mut fields = Fields::new(bytes);
    let (line_count, template_count, column_count) = (fields.size()?, fields.size()?, fields.size()?);
    // A line becomes at least one byte; the others have limits, so that few bytes cannot ask for much memory.
    if line_count > raw.len() || template_count > templates_max(line_count) || column_count > COLUMNS_MAX {
        return Err(Error::corrupt("a columnar chunk claims too much"));
    }
    let mut templates = Vec::with_capacity(template_count);
    for _ in 0..template_count {
        let end = memchr(b'\n', fields.rest).ok_or_else(|| Error::corrupt("a template has no end"))?;
        templates.push((fields.take(end + 1)?, Vec::new()));
    }
    for (text, slots) in &mut templates {
        for _ in text.iter().filter(|byte| **byte == SLOT) {
            let column = fields.size()?;
            if column >= column_count {
                return Err(Error::corrupt(format!("a template names column {column} of {column_count}")));
            }
            slots.push(column);
        }
    }
    let mut reader = Reader::default();
    let lines = reader.read(&mut fields, line_count)?;
    let mut uses = vec![0_usize; templates.len()];
    for template in lines.iter() {
        *place(&mut uses, *template)? += 1;
    }
    let mut counts = vec![0_usize; column_count];
    for ((_, slots), uses) in templates.iter().zip(uses) {
        for column in slots {
            let count = counts.get_mut(*column).ok_or_else(no_entry)?;
            *count = count.saturating_add(uses);
        }
    }
    // What is in dictionaries and patterns is in the lines too.
    let mut budget = Budget::new(raw.len());
    let mut columns = Vec::with_capacity(column_count);
    for count in counts {
        columns.push(Values::read(&mut fields, &mut reader, &mut budget, count, 0)?);
    }
    fields.end()?;
    let mut output = Output::new(raw.len());
    output.bytes.reserve(raw.len());
    for template in lines.iter() {
        let (text, slots) = place(&mut templates, *template)?;
        let mut pieces = text.split(|byte| *byte == SLOT);
        output.push(pieces.next().unwrap_or_default())?;
        for (column, piece) in slots.iter().zip(pieces) {
            columns.get_mut(*column).ok_or_else(no_entry)?.next(&mut output)?;
            output.push(piece)?;
        }
    }
    if output.bytes.len() != raw.len() {
        return Err(Error::damaged(Damage::Size, "the decoded chunk", raw.len(), output.bytes.len()));
    }
    raw.copy_from_slice(&output.bytes);
    Ok(())
}

/// What is at `at` of `list`.
pub fn place<T>(list: &mut [T], at: i64) -> Result<&mut T> {
    usize::try_from(at).ok().and_then(|at| list.get_mut(at)).ok_or_else(no_entry)
}

fn no_entry() -> Error {
    Error::corrupt("a columnar chunk names what it does not have")
}
