//! Sources that are read several times, whatever they are.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use dotctl_engine::Result;

use crate::drive::Progress;
use crate::entries::StateEntries;
use crate::input::Input;
use crate::io_error;
use crate::spill::{SORT_MEMORY_BYTES, SpillSorter};

/// A file, or a copy of what came through a pipe, in a file without a name.
pub struct Respool {
    name: String,
    path: PathBuf,
    copy: Option<File>,
}

impl Respool {
    pub fn new(path: &Path, scratch: &Path) -> Result<Self> {
        let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        let is_stdin = path.as_os_str() == "-";
        let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
        if is_file && !is_stdin {
            return Ok(Respool { name, path: path.to_owned(), copy: None });
        }
        let mut copy = temporary(scratch)?;
        let copied = match is_stdin {
            true => io::copy(&mut io::stdin().lock(), &mut copy),
            false => File::open(path).and_then(|mut pipe| io::copy(&mut pipe, &mut copy)),
        };
        copied.map_err(|error| io_error("read", path, &error))?;
        Ok(Respool { name, path: path.to_owned(), copy: Some(copy) })
    }

    /// What is in a temporary file already.
    pub fn of_copy(name: String, copy: File) -> Self {
        Respool { path: PathBuf::from(&name), name, copy: Some(copy) }
    }

    /// What messages call the source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The source from its start.
    pub fn open(&self) -> Result<Input> {
        let Some(copy) = &self.copy else {
            return Input::open(&self.path);
        };
        let again = copy.try_clone().and_then(|mut copy| copy.rewind().map(|()| copy));
        Input::new(&*self.name, again.map_err(|error| io_error("read the copy of", &self.path, &error))?)
    }

    /// Whether the source is a log of events, which are objects, and not state entries, which are arrays.
    pub fn is_log(&self) -> Result<bool> {
        let mut input = self.open()?;
        let mut block = [0; 4096];
        let mut first = Vec::new();
        while first.len() < 2 {
            let bytes = input.read(&mut block)?;
            if bytes == 0 {
                break;
            }
            let new = block.get(..bytes).unwrap_or_default();
            first.extend(new.iter().copied().filter(|byte| !byte.is_ascii_whitespace()));
        }
        Ok(first.first() == Some(&b'{') || first.starts_with(b"[{"))
    }
}

/// A file without a name.
pub fn temporary(scratch: &Path) -> Result<File> {
    tempfile::tempfile_in(scratch).map_err(|error| io_error("create a temporary file in", scratch, &error))
}

/// The entries of `source` in key order, a line each.
pub fn sorted(source: &Respool, scratch: &Path, progress: &dyn Progress) -> Result<Respool> {
    let mut sorter = SpillSorter::new(scratch, SORT_MEMORY_BYTES);
    let mut entries = StateEntries::new(source.open()?);
    while let Some(entry) = entries.next()? {
        sorter.push(entry.key, entry.text)?;
        progress.advance(entry.text.len() as u64);
    }
    drop(entries);
    let mut sorted = sorter.finish().map_err(|error| error.at(source.name()))?;
    let mut lines = BufWriter::new(temporary(scratch)?);
    let failed = |error: &io::Error| io_error("write a temporary file in", scratch, error);
    while let Some((_, text)) = sorted.next()? {
        lines.write_all(text).and_then(|()| lines.write_all(b"\n")).map_err(|error| failed(&error))?;
    }
    let copy = lines.into_inner().map_err(|error| failed(error.error()))?;
    Ok(Respool::of_copy(source.name.clone(), copy))
}
