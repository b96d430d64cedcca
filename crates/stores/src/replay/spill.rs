//! Records by partition: what does not fit in memory goes to temporary files without names.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use dotctl_engine::{Error, ErrorKind, Result};

/// A stretch of whole records.
#[derive(Debug)]
enum Extent {
    Memory(Vec<u8>),
    File { offset: u64, bytes: usize },
}

/// Partitions of records, filled by several threads.
#[derive(Debug)]
pub struct Spill {
    folder: PathBuf,
    partitions: Vec<Mutex<Vec<Extent>>>,
    /// Bytes of extents that may still stay in memory.
    memory_bytes: AtomicUsize,
    files: [SpillFile; FILES],
}

#[derive(Debug, Default)]
struct SpillFile {
    file: OnceLock<File>,
    end: AtomicU64,
}

/// Files of a spill: a file takes one writer at a time, which would keep the threads waiting for each
/// other.
const FILES: usize = 4;

impl Spill {
    /// As many empty partitions, of which `memory_bytes` stay in memory; the rest lies in `folder`.
    pub fn new(folder: &Path, partitions: usize, memory_bytes: usize) -> Self {
        Spill {
            folder: folder.to_owned(),
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            memory_bytes: AtomicUsize::new(memory_bytes),
            files: Default::default(),
        }
    }

    /// How many partitions there are.
    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    fn failure(&self, what: &str, error: &io::Error) -> Error {
        Error::new(ErrorKind::Io, format!("temporary data cannot be {what}: {error}"))
            .at(self.folder.display().to_string())
            .hint("free as much space there as the log takes, or name an image elsewhere")
    }

    /// The file of a partition, and where it ends.
    fn file(&self, partition: usize) -> Result<(&File, &AtomicU64)> {
        let [first, ..] = &self.files;
        let of = self.files.get(partition % FILES).unwrap_or(first);
        if let Some(file) = of.file.get() {
            return Ok((file, &of.end));
        }
        let file = tempfile::tempfile_in(&self.folder).map_err(|error| self.failure("made", &error))?;
        // Another thread's, if that was quicker.
        Ok((of.file.get_or_init(|| file), &of.end))
    }

    /// Puts what `buffer` holds into a partition and empties it.
    fn take(&self, partition: usize, buffer: &mut Vec<u8>) -> Result<()> {
        let Some(extents) = self.partitions.get(partition).filter(|_| !buffer.is_empty()) else {
            return Ok(());
        };
        let bytes = buffer.len();
        let fits = self
            .memory_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
            .is_ok();
        let extent = if fits {
            Extent::Memory(buffer.clone())
        } else {
            let (file, end) = self.file(partition)?;
            let offset = end.fetch_add(bytes as u64, Ordering::Relaxed);
            file.write_all_at(buffer, offset).map_err(|error| self.failure("written", &error))?;
            Extent::File { offset, bytes }
        };
        buffer.clear();
        extents.lock().unwrap_or_else(PoisonError::into_inner).push(extent);
        Ok(())
    }

    /// Bytes in a partition.
    pub fn bytes(&self, partition: usize) -> usize {
        let Some(extents) = self.partitions.get(partition) else {
            return 0;
        };
        let extents = extents.lock().unwrap_or_else(PoisonError::into_inner);
        extents
            .iter()
            .map(|extent| match extent {
                Extent::Memory(held) => held.len(),
                Extent::File { bytes, .. } => *bytes,
            })
            .sum()
    }

    /// Fills `into` with a partition's records; what it held in memory is freed.
    pub fn load(&self, partition: usize, into: &mut Vec<u8>) -> Result<()> {
        into.clear();
        into.reserve(self.bytes(partition));
        let Some(extents) = self.partitions.get(partition) else {
            return Ok(());
        };
        for extent in std::mem::take(&mut *extents.lock().unwrap_or_else(PoisonError::into_inner)) {
            match extent {
                Extent::Memory(held) => into.extend_from_slice(&held),
                Extent::File { offset, bytes } => {
                    let filled = into.len();
                    into.resize(filled + bytes, 0);
                    self.read(partition, into.get_mut(filled..).unwrap_or_default(), offset)?;
                }
            }
        }
        Ok(())
    }

    /// Frees what a partition held in memory.
    pub fn forget(&self, partition: usize) {
        if let Some(extents) = self.partitions.get(partition) {
            extents.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn read(&self, partition: usize, into: &mut [u8], offset: u64) -> Result<()> {
        let (file, _) = self.file(partition)?;
        file.read_exact_at(into, offset).map_err(|error| self.failure("read", &error))
    }

    /// Shows a partition's stretches of records to `visit`.
    pub fn each_extent(&self, partition: usize, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let Some(extents) = self.partitions.get(partition) else {
            return Ok(());
        };
        let mut block = Vec::new();
        for extent in extents.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            match extent {
                Extent::Memory(held) => visit(held)?,
                Extent::File { offset, bytes } => {
                    block.resize(*bytes, 0);
                    self.read(partition, &mut block, *offset)?;
                    visit(&block)?;
                }
            }
        }
        Ok(())
    }
}

/// One thread's way to fill partitions.
pub struct SpillWriter<'a> {
    spill: &'a Spill,
    buffers: Vec<Vec<u8>>,
    buffer_bytes: usize,
}

impl<'a> SpillWriter<'a> {
    /// Buffers of `memory_bytes` in all.
    pub fn new(spill: &'a Spill, memory_bytes: usize) -> Self {
        let buffer_bytes = (memory_bytes / spill.len().max(1)).clamp(512, 64 << 10);
        SpillWriter { spill, buffers: vec![Vec::new(); spill.len()], buffer_bytes }
    }

    /// Has `write` append one record of at most `bytes` to a partition.
    #[inline]
    pub fn push(&mut self, partition: usize, bytes: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let Some(buffer) = self.buffers.get_mut(partition) else {
            return Ok(());
        };
        if buffer.len() + bytes > self.buffer_bytes {
            self.spill.take(partition, buffer)?;
            if buffer.capacity() == 0 {
                buffer.reserve(self.buffer_bytes);
            } else if buffer.capacity() > self.buffer_bytes * 2 {
                // A large record's.
                *buffer = Vec::with_capacity(self.buffer_bytes);
            }
        }
        write(buffer);
        Ok(())
    }

    /// Hands over what is still here.
    pub fn finish(mut self) -> Result<()> {
        for (partition, buffer) in self.buffers.iter_mut().enumerate() {
            self.spill.take(partition, buffer)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn everything_comes_back_from_memory_and_file() {
        let folder = tempfile::tempdir().unwrap();
        for memory_bytes in [0, 3_000, 1 << 30] {
            let spill = Spill::new(folder.path(), 3, memory_bytes);
            std::thread::scope(|scope| {
                for thread in 0..3_u8 {
                    let spill = &spill;
                    scope.spawn(move || {
                        let mut writer = SpillWriter::new(spill, 4_000);
                        for number in 0..1_000_u16 {
                            let partition = usize::from(number % 3);
                            writer
                                .push(partition, 3, |buffer| {
                                    buffer.push(thread);
                                    buffer.extend_from_slice(&number.to_le_bytes());
                                })
                                .unwrap();
                        }
                        writer.finish().unwrap();
                    });
                }
            });
            let mut all = Vec::new();
            let mut held = Vec::new();
            for partition in 0..3 {
                let bytes = spill.bytes(partition);
                spill.load(partition, &mut held).unwrap();
                assert_eq!(held.len(), bytes);
                for record in held.chunks_exact(3) {
                    let number = u16::from_le_bytes([record[1], record[2]]);
                    assert_eq!(usize::from(number % 3), partition);
                    all.push((record[0], number));
                }
            }
            all.sort();
            let expected: Vec<_> =
                (0..3).flat_map(|thread| (0..1_000).map(move |number| (thread, number))).collect();
            assert_eq!(all, expected);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
