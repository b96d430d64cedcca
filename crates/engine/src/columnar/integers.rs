//! Columns of integers: as they are or by their differences, in as few bytes as the widest needs, taken
//! apart so that bytes of equal weight lie side by side.

use std::rc::Rc;

use super::NUMBERS_MAX;
use super::cut::{Sink, entropy_bytes};
use crate::error::{Error, Result};

/// Bit of the form: numbers are folded around zero (`v << 1`, or `!(v << 1)` of a negative one) and not counted
/// from the smallest.
const FOLDED: u8 = 4;
/// The same numbers as in a column before.
const SAME: u8 = 3;

/// Values that the form is chosen by: stretches of the column.
const SAMPLE_STRETCHES: usize = 8;
const SAMPLE_STRETCH: usize = 256;

/// Integers, and how they are to be written.
pub struct Integers {
    values: Vec<i64>,
    form: u8,
    /// Bytes that they will take, about.
    pub cost: f64,
}

/// What [`Integers`] writes once its differences are taken.
struct Differences {
    first: Option<i64>,
    second: Option<i64>,
    rest: Vec<i64>,
}

fn differences(values: &[i64], order: u8) -> Differences {
    let delta: Vec<i64> = match order {
        0 => return Differences { first: None, second: None, rest: values.to_vec() },
        _ => pairs(values),
    };
    let first = values.first().copied();
    match order {
        1 => Differences { first, second: None, rest: delta },
        _ => Differences { first, second: delta.first().copied(), rest: pairs(&delta) },
    }
}

fn pairs(values: &[i64]) -> Vec<i64> {
    let difference = |pair: &[i64]| match pair {
        [before, after] => after.wrapping_sub(*before),
        _ => 0,
    };
    values.windows(2).map(difference).collect()
}

fn fold(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unfold(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn bytes_of(value: u64) -> u8 {
    (8 - value.leading_zeros() / 8) as u8
}

/// The base and the width in which `rest` is written in `form`.
fn frame(rest: &[i64], form: u8) -> (i64, u8) {
    let base = if form & FOLDED != 0 { 0 } else { rest.iter().copied().min().unwrap_or(0) };
    let widest = rest.iter().map(|value| offset(*value, base, form)).max().unwrap_or(0);
    (base, bytes_of(widest))
}

fn offset(value: i64, base: i64, form: u8) -> u64 {
    if form & FOLDED != 0 { fold(value) } else { value.wrapping_sub(base) as u64 }
}

/// Bytes that `values` take in `form`, about.
fn cost(values: &[i64], form: u8) -> f64 {
    let taken = differences(values, form & 3);
    let (base, width) = frame(&taken.rest, form);
    let mut total = 0.0;
    for plane in 0..width {
        let mut counts = [0_u32; 256];
        for value in &taken.rest {
            let byte = offset(*value, base, form) >> (8 * u32::from(plane)) & 255;
            if let Some(count) = counts.get_mut(byte as usize) {
                *count += 1;
            }
        }
        total += entropy_bytes(&counts, taken.rest.len());
    }
    total
}

impl Integers {
    /// Chooses how `values` are written.
    pub fn new(values: Vec<i64>) -> Self {
        let stretch = values.len() / SAMPLE_STRETCHES;
        let sampled = if stretch > SAMPLE_STRETCH * 2 {
            values
                .chunks(stretch)
                .flat_map(|part| part.get(..SAMPLE_STRETCH).unwrap_or(part))
                .copied()
                .collect()
        } else {
            Vec::new()
        };
        let sample: &[i64] = if sampled.is_empty() { &values } else { &sampled };
        let (mut form, mut least) = (0, f64::INFINITY);
        for candidate in [0, 1, 2, FOLDED | 1, FOLDED | 2] {
            let bytes = cost(sample, candidate);
            // What is simpler is taken if others are hardly better.
            if bytes < least * 0.98 - 2.0 || least.is_infinite() {
                (form, least) = (candidate, bytes);
            }
        }
        let scaled = least * values.len() as f64 / sample.len().max(1) as f64;
        Integers { values, form, cost: scaled + 4.0 }
    }

    /// Writes them behind what is in `sink`.
    pub fn write(self, sink: &mut Sink) {
        sink.number_count += self.values.len();
        let values: Rc<[i64]> = self.values.into();
        if values.len() > 1
            && let Some(place) = sink.columns.iter().position(|column| *column == values)
        {
            sink.bytes.push(SAME);
            sink.number(place as u64);
            sink.columns.push(values);
            return;
        }
        let taken = differences(&values, self.form & 3);
        let (base, width) = frame(&taken.rest, self.form);
        sink.bytes.push(self.form);
        sink.bytes.push(width);
        if self.form & FOLDED == 0 {
            sink.number(fold(base));
        }
        for number in [taken.first, taken.second].into_iter().flatten() {
            sink.number(fold(number));
        }
        for plane in 0..width {
            sink.end_part();
            let shift = 8 * u32::from(plane);
            let bytes = taken.rest.iter().map(|value| (offset(*value, base, self.form) >> shift) as u8);
            sink.bytes.extend(bytes);
            sink.end_part();
        }
        sink.columns.push(values);
    }
}

/// Reads columns of integers.
#[derive(Default)]
pub struct Reader {
    columns: Vec<Rc<[i64]>>,
    number_count: usize,
}

impl Reader {
    /// The next column, of `count` numbers.
    pub fn read(&mut self, fields: &mut super::read::Fields<'_>, count: usize) -> Result<Rc<[i64]>> {
        self.number_count = self.number_count.saturating_add(count);
        if self.number_count > NUMBERS_MAX {
            return Err(Error::corrupt("a columnar chunk has too many numbers"));
        }
        let form = fields.byte()?;
        if form == SAME {
            let place = fields.size()?;
            let column = self.columns.get(place).filter(|column| column.len() == count).cloned();
            let column = column.ok_or_else(|| Error::corrupt("a column is the same as none"))?;
            self.columns.push(column.clone());
            return Ok(column);
        }
        let order = usize::from(form & 3);
        let width = fields.byte()?;
        if form & !(FOLDED | 3) != 0 || order == usize::from(SAME) || width > 8 {
            return Err(Error::corrupt(format!("a column of integers in form {form}, {width} bytes wide")));
        }
        let base = if form & FOLDED == 0 { unfold(fields.number()?) } else { 0 };
        let mut starts = [0_i64; 2];
        for start in starts.iter_mut().take(order.min(count)) {
            *start = unfold(fields.number()?);
        }
        let rest = count.saturating_sub(order);
        let mut offsets = vec![0_u64; rest];
        for plane in 0..width {
            let bytes = fields.take(rest)?;
            for (value, byte) in offsets.iter_mut().zip(bytes) {
                *value |= u64::from(*byte) << (8 * u32::from(plane));
            }
        }
        let values = offsets.into_iter().map(|value| match form & FOLDED {
            0 => base.wrapping_add(value as i64),
            _ => unfold(value),
        });
        let [first, second] = starts;
        let column: Rc<[i64]> = match order {
            0 => values.collect(),
            1 => sums(first, values).take(count).collect(),
            _ => sums(first, sums(second, values)).take(count).collect(),
        };
        self.columns.push(column.clone());
        Ok(column)
    }
}

/// `first`, and each further sum with the next of `values`.
fn sums(first: i64, values: impl Iterator<Item = i64>) -> impl Iterator<Item = i64> {
    let mut sum = first;
    std::iter::once(first).chain(values.map(move |value| {
        sum = sum.wrapping_add(value);
        sum
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::columnar::read::Fields;
    use proptest::prelude::*;

    fn back(values: &[i64]) -> usize {
        let mut sink = Sink::default();
        for form in [0, 1, 2, FOLDED, FOLDED | 1, FOLDED | 2] {
            Integers { values: values.to_vec(), form, cost: 0.0 }.write(&mut sink);
            // So that the next form is not written as the same column.
            sink.columns.clear();
        }
        let mut fields = Fields::new(&sink.bytes);
        for _ in 0..6 {
            assert_eq!(*Reader::default().read(&mut fields, values.len()).unwrap(), *values);
        }
        fields.end().unwrap();
        let mut sink = Sink::default();
        Integers::new(values.to_vec()).write(&mut sink);
        let once = sink.bytes.len();
        Integers::new(values.to_vec()).write(&mut sink);
        let (mut fields, mut reader) = (Fields::new(&sink.bytes), Reader::default());
        for _ in 0..2 {
            assert_eq!(*reader.read(&mut fields, values.len()).unwrap(), *values);
        }
        fields.end().unwrap();
        once
    }

    #[test]
    fn series_take_few_bytes() {
        let steady: Vec<i64> = (0..10_000).map(|n| 1_700_000_000_000 + n * 60_000).collect();
        assert!(back(&steady) < 24);
        assert!(back(&[7; 10_000]) < 8);
        assert!(back(&[i64::MIN, i64::MAX, 0, -1, i64::MIN]) < 60);
    }

    proptest! {
        #[test]
        fn any_integers_come_back(values in prop::collection::vec(any::<i64>(), 0..50)) {
            back(&values);
        }

        #[test]
        fn small_integers_come_back(values in prop::collection::vec(-300..300_i64, 0..50)) {
            back(&values);
        }
    }
}
