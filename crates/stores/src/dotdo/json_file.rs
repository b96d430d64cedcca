//! A JSON file of keys and values: `{key: value, …}` or `[[key, value], …]`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use dotctl_engine::dotdo::{
    EntrySpans, Look, RECORD_BYTES_MAX, Records, Value, Visit, begins_as_chunk, read_json, read_json_slice,
    recognise,
};
use dotctl_engine::{Error, ErrorKind, Result};

use crate::{interrupt, io_error};

/// Text read together.
const BLOCK_BYTES: usize = 256 << 10;

/// The longest text of one record: `"1048575":255,` for each byte, and some more.
const RECORD_TEXT_BYTES_MAX: u64 = 16 * RECORD_BYTES_MAX;

/// Records up to this length are read whole at the first look; of longer ones, which most chunks
/// are, the beginning is looked at first.
const WHOLE_BYTES_MAX: u64 = 64 << 10;

/// Records up to this length are read as a whole before they are parsed: a chunk of 1 MiB takes some
/// 14 MB of text.
const IN_MEMORY_BYTES_MAX: u64 = 16 << 20;

/// That beginning.
const HEAD_BYTES: u64 = 64;

/// The longest key that is looked at; an object's have 2 KiB at most.
const KEY_TEXT_BYTES_MAX: u64 = 64 << 10;

/// The file.
pub struct JsonFile {
    path: PathBuf,
    file: File,
    /// Where the values lie that are records.
    places: RefCell<HashMap<String, Range<u64>>>,
}

/// Whether the file at `path` begins as a JSON object or array does.
pub fn is_json(path: &Path) -> Result<bool> {
    let file = File::open(path).map_err(|error| io_error("open", path, &error))?;
    let mut start = Vec::new();
    file.take(4096).read_to_end(&mut start).map_err(|error| io_error("read", path, &error))?;
    Ok(matches!(start.trim_ascii_start().first(), Some(b'{' | b'[')))
}

impl JsonFile {
    /// The file at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| io_error("open", path, &error))?;
        Ok(JsonFile { path: path.to_owned(), file, places: RefCell::default() })
    }

    fn part(&self, range: &Range<u64>) -> Part<'_> {
        Part { file: &self.file, range: range.clone() }
    }

    fn key(&self, range: &Range<u64>) -> Result<Option<String>> {
        if range.end - range.start > KEY_TEXT_BYTES_MAX {
            return Ok(None);
        }
        let mut text = Vec::new();
        self.part(range).read_to_end(&mut text).map_err(|error| io_error("read", &self.path, &error))?;
        Ok(serde_json::from_slice(&text).ok())
    }

    fn begins_as_chunk(&self, range: &Range<u64>) -> Result<bool> {
        let mut head = Vec::new();
        let read = self.part(range).take(HEAD_BYTES).read_to_end(&mut head);
        read.map_err(|error| io_error("read", &self.path, &error))?;
        Ok(begins_as_chunk(&head))
    }

    fn value(&self, range: &Range<u64>) -> Result<Value<'static>> {
        let bytes = range.end - range.start;
        if bytes > RECORD_TEXT_BYTES_MAX {
            return Err(Error::malformed(format!("the record has {bytes} bytes of text, more than any has")));
        }
        if bytes <= IN_MEMORY_BYTES_MAX {
            let mut text = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
            let read = self.part(range).read_to_end(&mut text);
            read.map_err(|error| io_error("read", &self.path, &error))?;
            return read_json_slice(&text);
        }
        read_json(BufReader::with_capacity(BLOCK_BYTES, self.part(range)))
    }
}

/// A stretch of a file.
struct Part<'f> {
    file: &'f File,
    range: Range<u64>,
}

impl Read for Part<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX).min(into.len());
        let bytes = self.file.read_at(into.get_mut(..most).unwrap_or_default(), self.range.start)?;
        self.range.start += bytes as u64;
        Ok(bytes)
    }
}

impl Records for JsonFile {
    fn scan(&self, visit: &mut Visit<'_>) -> Result<()> {
        let mut spans = EntrySpans::default();
        let mut block = vec![0; BLOCK_BYTES];
        let mut offset = 0;
        let place = |error: Error| match error.kind() {
            ErrorKind::Malformed => error
                .at(self.path.display().to_string())
                .hint("a JSON file of records is {\"key\": value, …} or [[\"key\", value], …]"),
            _ => error,
        };
        loop {
            interrupt::check()?;
            let bytes = match self.file.read_at(&mut block, offset) {
                Ok(0) => return spans.finish().map_err(place),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(io_error("read", &self.path, &error)),
            };
            offset += bytes as u64;
            let mut failed = Ok(());
            let fed = spans.feed(block.get(..bytes).unwrap_or_default(), |span| {
                let Some(key) = self.key(&span.key)? else {
                    return Ok(());
                };
                let stored_bytes = span.value.end - span.value.start;
                if stored_bytes > WHOLE_BYTES_MAX && self.begins_as_chunk(&span.value)? {
                    self.places.borrow_mut().insert(key.clone(), span.value.clone());
                    failed = visit(&key, stored_bytes, Ok(Look::Chunk));
                    return failed.clone();
                }
                let value = self.value(&span.value);
                if let Ok(value) = &value
                    && !matches!(recognise(value), Ok(None))
                {
                    self.places.borrow_mut().insert(key.clone(), span.value.clone());
                }
                failed = match &value {
                    Ok(value) => visit(&key, stored_bytes, Ok(Look::Value(value))),
                    Err(error) => visit(&key, stored_bytes, Err(error.clone())),
                };
                failed.clone()
            });
            failed?;
            fed.map_err(place)?;
        }
    }

    fn read(&self, key: &str, visit: &mut dyn FnMut(&Value<'_>) -> Result<()>) -> Result<bool> {
        interrupt::check()?;
        let Some(range) = self.places.borrow().get(key).cloned() else {
            return Ok(false);
        };
        visit(&self.value(&range)?).map(|()| true)
    }
}
