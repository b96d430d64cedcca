//! Texts while they are put together, never more than promised.

use crate::error::{Error, Result};

/// Takes texts, end to end.
pub struct Output {
    /// What there is so far.
    pub bytes: Vec<u8>,
    limit: usize,
}

impl Output {
    /// Takes at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Output { bytes: Vec::new(), limit }
    }

    /// Adds `text`.
    pub fn push(&mut self, text: &[u8]) -> Result<()> {
        if text.len() > self.limit - self.bytes.len().min(self.limit) {
            return Err(Error::corrupt(format!("a columnar chunk comes to more than {} bytes", self.limit)));
        }
        self.bytes.extend_from_slice(text);
        Ok(())
    }
}
