//! Sorting state entries that do not fit in memory: runs in a temporary file, merged.

use dotctl_engine::state::sort::{Record, Run, RunBuilder, RunMerge, RunSource};
use dotctl_engine::{Error, ErrorKind, Result};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes that are written together.
const WRITE_BLOCK_BYTES: usize = 256 * 1024;

/// Bytes of memory with which a sort keeps its process within 64 MiB, beside the window of a
/// zstd source (32 MiB at most) and an entry as large as may be (16 MiB).
pub const SORT_MEMORY_BYTES: usize = 9 * 1024 * 1024;

/// A temporary file without a name: it is gone when the process is, however that ends.
#[derive(Debug)]
struct SpillFile {
    file: File,
    folder: PathBuf,
}

impl SpillFile {
    fn failure(&self, what: &str, error: &io::Error) -> Error {
        failure(&self.folder, what, error)
    }
}

fn failure(folder: &Path, what: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("the sort's temporary data cannot be {what}: {error}"))
        .at(folder.display().to_string())
        .hint("free as much space there as the state takes, or keep the store elsewhere")
}

impl RunSource for SpillFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(into, offset).map_err(|error| self.failure("read", &error))
    }
}

/// Writes one run at the file's end.
struct RunWriter<'a> {
    file: &'a SpillFile,
    start: u64,
    written: u64,
    buffer: Vec<u8>,
}

impl<'a> RunWriter<'a> {
    fn new(file: &'a SpillFile, start: u64) -> Self {
        RunWriter { file, start, written: 0, buffer: Vec::with_capacity(WRITE_BLOCK_BYTES) }
    }

    fn push(&mut self, record: Record<'_>) -> Result<()> {
        let (head, key, text) = record.parts();
        self.write(&head)?;
        self.write(key)?;
        self.write(text)
    }

    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() > WRITE_BLOCK_BYTES {
            self.flush()?;
        }
        if bytes.len() > WRITE_BLOCK_BYTES {
            return self.write_out(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.write_out(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn write_out(&mut self, bytes: &[u8]) -> Result<()> {
        let offset = self.start.saturating_add(self.written);
        self.file.file.write_all_at(bytes, offset).map_err(|error| self.file.failure("written", &error))?;
        self.written = self.written.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn finish(mut self) -> Result<Run> {
        self.flush()?;
        Ok(Run { offset: self.start, bytes: self.written })
    }
}

/// Sorts entries by key within bounded memory; what does not fit goes to a temporary file.
pub struct SpillSorter {
    folder: PathBuf,
    memory_bytes: usize,
    builder: RunBuilder,
    file: Option<SpillFile>,
    runs: VecDeque<Run>,
    entries: u64,
}

impl SpillSorter {
    /// A sorter that takes `memory_bytes` (see [`SORT_MEMORY_BYTES`]) and makes its temporary file
    /// in `folder`. While it gives entries, one that is large comes on top.
    pub fn new(folder: &Path, memory_bytes: usize) -> Self {
        SpillSorter {
            folder: folder.to_owned(),
            memory_bytes,
            builder: RunBuilder::new(memory_bytes.saturating_sub(WRITE_BLOCK_BYTES)),
            file: None,
            runs: VecDeque::new(),
            entries: 0,
        }
    }

    /// Takes the next entry: its decoded key and its compact text, as the reader gives them.
    ///
    /// # Errors
    /// Malformed, if a key is seen to occur twice; Io, if the temporary file fails.
    pub fn push(&mut self, key: &[u8], text: &[u8]) -> Result<()> {
        self.entries = self.entries.saturating_add(1);
        let record = Record { key, text, number: self.entries };
        if self.builder.push(record) {
            return Ok(());
        }
        if !self.builder.is_empty() {
            self.spill()?;
            if self.builder.push(record) {
                return Ok(());
            }
        }
        self.write_run(|writer| writer.push(record))
    }

    /// Entries taken.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes in the temporary file.
    pub fn spilled_bytes(&self) -> u64 {
        self.runs.back().map_or(0, |run| run.offset.saturating_add(run.bytes))
    }

    /// Writes what the builder holds as a run.
    fn spill(&mut self) -> Result<()> {
        self.builder.sort()?;
        let builder = std::mem::replace(&mut self.builder, RunBuilder::new(0));
        self.write_run(|writer| {
            let mut index = 0;
            while let Some(record) = builder.record(index) {
                writer.push(record)?;
                index += 1;
            }
            Ok(())
        })?;
        self.builder = builder;
        self.builder.clear();
        Ok(())
    }

    /// Adds a run of what `write` writes.
    fn write_run(&mut self, write: impl FnOnce(&mut RunWriter<'_>) -> Result<()>) -> Result<()> {
        let end = self.spilled_bytes();
        let file = match self.file.take() {
            Some(file) => file,
            None => SpillFile {
                file: tempfile::tempfile_in(&self.folder)
                    .map_err(|error| failure(&self.folder, "created", &error))?,
                folder: self.folder.clone(),
            },
        };
        let mut writer = RunWriter::new(self.file.insert(file), end);
        write(&mut writer)?;
        self.runs.push_back(writer.finish()?);
        Ok(())
    }

    /// Ends the input.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(mut self) -> Result<SortedEntries> {
        if self.runs.is_empty() {
            self.builder.sort()?;
            return Ok(SortedEntries(Sorted::InMemory { builder: self.builder, next: 0 }));
        }
        if !self.builder.is_empty() {
            self.spill()?;
        }
        let shared = self.builder.shared_key_bytes();
        drop(self.builder);
        let Some(file) = self.file else {
            return Err(Error::new(ErrorKind::Io, "the sort lost its temporary file"));
        };
        let memory_bytes = self.memory_bytes.saturating_sub(WRITE_BLOCK_BYTES);
        let fan_in = RunMerge::fan_in(memory_bytes);
        let mut runs = self.runs;
        let mut end = runs.back().map_or(0, |run| run.offset.saturating_add(run.bytes));
        while runs.len() > fan_in {
            // Only as many as leave a full last merge.
            let together = fan_in.min(runs.len() - fan_in + 1);
            let merged: Vec<Run> = runs.drain(..together).collect();
            let mut merge = RunMerge::new(&file, &merged, memory_bytes, shared)?;
            let mut writer = RunWriter::new(&file, end);
            while let Some(record) = merge.next(&file)? {
                writer.push(record)?;
            }
            let run = writer.finish()?;
            end = end.saturating_add(run.bytes);
            runs.push_back(run);
        }
        let runs: Vec<Run> = runs.into();
        let merge = RunMerge::new(&file, &runs, memory_bytes, shared)?;
        Ok(SortedEntries(Sorted::Merged { merge, file }))
    }
}

/// The entries of a finished sort, by key.
pub struct SortedEntries(Sorted);

enum Sorted {
    InMemory { builder: RunBuilder, next: usize },
    Merged { merge: RunMerge, file: SpillFile },
}

impl SortedEntries {
    /// The next entry's key and text.
    ///
    /// # Errors
    /// Malformed, if its key occurs twice; Io, if the temporary file fails.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        let record = match &mut self.0 {
            Sorted::InMemory { builder, next } => {
                let record = builder.record(*next);
                *next = next.saturating_add(1);
                record
            }
            Sorted::Merged { merge, file } => merge.next(file)?,
        };
        Ok(record.map(|record| (record.key, record.text)))
    }

    /// Gives up the memory of the last entry, if that was large: it is empty from now on.
    pub fn release(&mut self) {
        if let Sorted::Merged { merge, .. } = &mut self.0 {
            merge.release();
        }
    }

    /// The entry that [`SortedEntries::next`] gave last; empty where there is none.
    pub fn entry(&self) -> (&[u8], &[u8]) {
        let record = match &self.0 {
            Sorted::InMemory { builder, next } => {
                next.checked_sub(1).and_then(|current| builder.record(current))
            }
            Sorted::Merged { merge, .. } => merge.record(),
        };
        record.map_or((&[], &[]), |record| (record.key, record.text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Sorts a thousand entries in `memory_bytes` and gives the bytes of all first runs and of the
    /// whole temporary file.
    fn spilled_and_written(memory_bytes: usize) -> (u64, u64) {
        let mut sorter = SpillSorter::new(&std::env::temp_dir(), memory_bytes);
        for number in 0..1_000 {
            let key = format!("user:{:03}", number * 7 % 1_000);
            let text = format!("[\"{key}\",{{\"value\":\"{}\"}}]", "v".repeat(1_000));
            sorter.push(key.as_bytes(), text.as_bytes()).unwrap();
        }
        let spilled = sorter.spilled_bytes();
        let Sorted::Merged { file, .. } = sorter.finish().unwrap().0 else {
            panic!("nothing was spilled");
        };
        (spilled, file.file.metadata().unwrap().len())
    }

    #[test]
    fn only_as_many_runs_as_fit_are_merged_at_once() {
        let (spilled, written) = spilled_and_written(WRITE_BLOCK_BYTES + 4 * 128 * 1024);
        assert!(written < 2 * spilled, "few runs need one merge: {written} of {spilled}");
        let (spilled, written) = spilled_and_written(WRITE_BLOCK_BYTES + 20_000);
        assert!(written > 4 * spilled, "{written} of {spilled}");
    }
}
