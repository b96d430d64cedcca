//! Memory for packs, used again and again: fresh memory is the slowest there is.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Buffers kept for the next pack.
const KEPT_MAX: usize = 6;

/// A larger one is not kept.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// Buffers that nobody uses at present.
#[derive(Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// An empty buffer with room for `bytes`, so that it need not move while it fills.
    pub fn take(&self, bytes: usize) -> Vec<u8> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        buffer.clear();
        if buffer.capacity() < bytes {
            // Not grown: nothing needs copying.
            buffer = Vec::with_capacity(bytes);
        }
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&self, buffer: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX && buffer.capacity() > 0 && buffer.capacity() <= KEPT_BYTES_MAX {
            kept.push(buffer);
        }
    }

    /// The bytes of `buffer` for a request and its repetitions; it comes back after the last.
    pub fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, home: self.clone() })
    }
}

struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.buffer));
    }
}
