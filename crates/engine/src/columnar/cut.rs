//! Where in the columns a compressor does well to begin a new block: where other bytes come.

use std::rc::Rc;

/// Bytes that a block costs beside its content: its header and its table of codes, about.
const BLOCK_COST_BYTES: f64 = 90.0;

/// Parts shorter than this are not worth a look.
const PART_BYTES_MIN: usize = 512;

/// Columns while they are written.
#[derive(Default)]
pub struct Sink {
    /// What has been written.
    pub bytes: Vec<u8>,
    /// Numbers in columns so far.
    pub number_count: usize,
    /// Columns so far, those within others included.
    pub column_count: usize,
    /// Columns of integers so far.
    pub columns: Vec<Rc<[i64]>>,
    parts: Vec<usize>,
}

impl Sink {
    /// Writes a number of variable length.
    pub fn number(&mut self, mut number: u64) {
        while number >= 128 {
            self.bytes.push(number as u8 | 128);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// Says that other bytes come from here on.
    pub fn end_part(&mut self) {
        if self.bytes.len() >= self.parts.last().unwrap_or(&0) + PART_BYTES_MIN {
            self.parts.push(self.bytes.len());
        }
    }

    /// The bytes, and where in them blocks should end: what is unlike what comes before it stands in a
    /// block of its own.
    pub fn finish(self) -> (Vec<u8>, Vec<usize>) {
        let mut cuts = Vec::new();
        let mut block = Counts::default();
        let mut start = 0;
        for end in self.parts.into_iter().chain([self.bytes.len()]) {
            let part = Counts::of(self.bytes.get(start..end).unwrap_or_default());
            let joined = block.with(&part);
            if start > 0 && joined.bytes() > block.bytes() + part.bytes() + BLOCK_COST_BYTES {
                cuts.push(start);
                block = part;
            } else {
                block = joined;
            }
            start = end;
        }
        (self.bytes, cuts)
    }
}

struct Counts {
    counts: [u32; 256],
    total: usize,
}

impl Default for Counts {
    fn default() -> Self {
        Counts { counts: [0; 256], total: 0 }
    }
}

impl Counts {
    fn of(bytes: &[u8]) -> Self {
        let mut counts = Counts::default();
        for byte in bytes {
            if let Some(count) = counts.counts.get_mut(usize::from(*byte)) {
                *count += 1;
            }
        }
        counts.total = bytes.len();
        counts
    }

    fn with(&self, other: &Counts) -> Counts {
        let mut joined = Counts { counts: self.counts, total: self.total + other.total };
        for (count, more) in joined.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        joined
    }

    fn bytes(&self) -> f64 {
        entropy_bytes(&self.counts, self.total)
    }
}

/// Bytes that `total` bytes take, each coded by how often it occurs.
pub fn entropy_bytes(counts: &[u32; 256], total: usize) -> f64 {
    let total = total as f64;
    let bits: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) * (total / f64::from(*count)).log2())
        .sum();
    bits / 8.0
}

/// The same of these bytes.
pub fn entropy_of<'a>(texts: impl Iterator<Item = &'a [u8]>) -> f64 {
    let mut counts = [0_u32; 256];
    let mut total = 0;
    for text in texts {
        total += text.len();
        for byte in text {
            if let Some(count) = counts.get_mut(usize::from(*byte)) {
                *count += 1;
            }
        }
    }
    entropy_bytes(&counts, total)
}
