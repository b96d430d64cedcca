//! Memory for packs: counted, and used again, since fresh memory is the slowest there is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that all packs of a store should have in memory together: those that are read, those that are
/// written, and the buffers that wait for the next one. That is some six packs on their way, which take 5 to 10 %
/// off a restore from a server that sends each of them slowly; more gain nothing. Chunks at work and everything
/// else take some 60 MiB beside it, so that a restore stays below 128 MiB.
pub const HELD_BYTES_MAX: u64 = 56 << 20;

/// How much a buffer grows by, at least.
const GROWTH_BYTES: usize = 2 << 20;

/// The memory of one store's packs.
#[derive(Clone, Default)]
pub struct Buffers(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    /// Buffers that nobody uses at present.
    idle: Vec<Vec<u8>>,
    /// Bytes of those that somebody does.
    lent_bytes: u64,
}

impl Memory {
    fn held_bytes(&self) -> u64 {
        self.idle.iter().fold(self.lent_bytes, |held, buffer| held.saturating_add(buffer.capacity() as u64))
    }

    /// An idle buffer that has room for `bytes` and not much more, as all of it counts.
    fn fitting(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let fits = bytes..=bytes.saturating_add(bytes / 4);
        let idle = self.idle.iter().enumerate().map(|(place, buffer)| (buffer.capacity(), place));
        let (_, place) = idle.filter(|(capacity, _)| fits.contains(capacity)).min()?;
        Some(self.idle.swap_remove(place))
    }

    /// Frees idle buffers until there is room for `bytes`, or none is left.
    fn make_room(&mut self, bytes: usize) {
        while self.held_bytes().saturating_add(bytes as u64) > HELD_BYTES_MAX && self.idle.pop().is_some() {}
    }
}

impl Buffers {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that packs may have beside those that are in memory.
    pub fn room_bytes(&self) -> u64 {
        HELD_BYTES_MAX.saturating_sub(self.lock().lent_bytes)
    }

    /// An empty buffer with room for `bytes`, so that it need not grow. There is always one, even beyond what
    /// should be held: who can wait asks for the room first.
    pub fn take(&self, bytes: usize) -> Buffer {
        let mut memory = self.lock();
        let buffer = match memory.fitting(bytes) {
            Some(mut buffer) => {
                buffer.clear();
                buffer
            }
            None => {
                memory.make_room(bytes);
                Vec::with_capacity(bytes)
            }
        };
        let counted_bytes = buffer.capacity() as u64;
        memory.lent_bytes = memory.lent_bytes.saturating_add(counted_bytes);
        Buffer { bytes: buffer, counted_bytes, home: self.clone() }
    }
}

/// Bytes of a pack; its memory goes back where it came from.
pub struct Buffer {
    bytes: Vec<u8>,
    /// For how many it counts.
    counted_bytes: u64,
    home: Buffers,
}

impl Buffer {
    /// Puts `part` behind what is there.
    pub fn extend(&mut self, part: &[u8]) {
        let needed = self.bytes.len().saturating_add(part.len());
        if needed > self.bytes.capacity() {
            // A large block is moved without being copied.
            self.bytes.reserve_exact(part.len().max(GROWTH_BYTES));
            let mut memory = self.home.lock();
            let capacity = self.bytes.capacity() as u64;
            memory.lent_bytes = memory.lent_bytes.saturating_add(capacity).saturating_sub(self.counted_bytes);
            self.counted_bytes = capacity;
        }
        self.bytes.extend_from_slice(part);
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut memory = self.home.lock();
        memory.lent_bytes = memory.lent_bytes.saturating_sub(self.counted_bytes);
        let buffer = std::mem::take(&mut self.bytes);
        if memory.held_bytes().saturating_add(buffer.capacity() as u64) <= HELD_BYTES_MAX {
            memory.idle.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memory_counts() {
        let buffers = Buffers::default();
        let held_bytes = || buffers.lock().held_bytes();
        let packs: Vec<Buffer> = (0..5).map(|_| buffers.take(10 << 20)).collect();
        assert_eq!((held_bytes(), buffers.room_bytes()), (50 << 20, 6 << 20));
        // Writers get theirs in any case.
        let mut more = buffers.take(9 << 20);
        more.extend(&vec![0; 12 << 20]);
        assert!(held_bytes() >= 62 << 20);
        assert_eq!(buffers.room_bytes(), 0);
        drop(packs);
        assert!((48 << 20..=HELD_BYTES_MAX).contains(&held_bytes()), "what is idle counts too");
        drop(more);
        assert_eq!(buffers.room_bytes(), HELD_BYTES_MAX);

        let again = buffers.take(9 << 20);
        assert_eq!(buffers.room_bytes(), 46 << 20, "the one that fits");
        let small = buffers.take(1000);
        assert!(buffers.room_bytes() > 45 << 20, "not one that is far too large");
        assert_eq!((again.as_ref().len(), small.as_ref().len()), (0, 0));
        let other = buffers.take(30 << 20);
        assert!(held_bytes() <= HELD_BYTES_MAX, "idle ones make room");
        drop((again, small, other));
        assert!(held_bytes() <= HELD_BYTES_MAX);
    }
}
