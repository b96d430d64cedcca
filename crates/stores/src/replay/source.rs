//! Where events come from: files, folders, patterns, standard input, a bucket's objects.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use dotctl_engine::{Error, ErrorKind, Result};

use crate::dotdo::Objects;
use crate::input::Input;
use crate::io_error;

/// Folders below one that was named, at most; a Hive-style log has a few.
const DEPTH_MAX: usize = 16;

/// Files at most, which bounds the memory for their names.
const FILES_MAX: usize = 1 << 20;

/// Bytes of a pipe that are looked at before the rest is read.
const HEAD_BYTES: usize = 1 << 20;

/// Bytes of any source that are looked at to know what is in it.
const SAMPLE_BYTES: usize = 256 << 10;

/// Bytes of an object that are fetched together.
const OBJECT_BLOCK_BYTES: usize = 4 << 20;

/// A part of the log.
pub struct LogFile {
    /// What messages call it.
    pub name: String,
    /// Its bytes as they are stored, where that is known.
    pub bytes: Option<u64>,
    origin: Origin,
}

enum Origin {
    File(PathBuf),
    /// What was read ahead of a pipe, and where the rest comes from.
    Pipe {
        head: Vec<u8>,
        rest: Mutex<Option<Box<dyn Read + Send>>>,
    },
    Object {
        objects: Arc<dyn Objects + Send + Sync>,
        key: String,
    },
}

impl LogFile {
    /// Every part of the log that `word` names, in the order of their names: a file, everything below
    /// a folder (hidden files and what begins with `_` aside), whatever a pattern matches, a file or a folder,
    /// or `-` for standard input.
    ///
    /// # Errors
    /// Missing, if nothing is there; Io, if it cannot be listed.
    pub fn find(word: &str) -> Result<Vec<LogFile>> {
        if word == "-" {
            return Ok(vec![LogFile::pipe("standard input".to_owned(), Box::new(io::stdin()))?]);
        }
        let path = Path::new(word);
        let mut paths = Vec::new();
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => below(path, &mut paths)?,
            Ok(_) => paths.push(path.to_owned()),
            Err(_) if is_pattern(word) => matching(word, &mut paths)?,
            Err(error) => return Err(io_error("open", path, &error)),
        }
        if paths.is_empty() {
            return Err(Error::new(ErrorKind::Missing, "there is no log file here").at(word.to_owned()));
        }
        paths.into_iter().map(LogFile::file).collect()
    }

    /// The objects of a bucket, all below what `objects` shows, or those of them that the pattern `wanted` describes
    /// as it would files; `address` is where they are, `word` what the caller was told.
    ///
    /// # Errors
    /// Those of listing; Missing, if there is none.
    pub fn objects(
        objects: Arc<dyn Objects + Send + Sync>,
        address: &str,
        wanted: Option<&str>,
        word: &str,
    ) -> Result<Vec<LogFile>> {
        let mut files = Vec::new();
        let wanted = wanted.map(parts);
        objects.list("", &mut |facts| {
            let is_wanted = wanted.as_ref().is_none_or(|wanted| fits(wanted, &parts(&facts.key)));
            if facts.stored_bytes > 0 && !is_hidden(&facts.key) && is_wanted {
                files.push(LogFile {
                    name: format!("{address}{}", facts.key),
                    bytes: Some(facts.stored_bytes),
                    origin: Origin::Object { objects: Arc::clone(&objects), key: facts.key },
                });
            }
            Ok(())
        })?;
        if files.is_empty() {
            return Err(Error::new(ErrorKind::Missing, "there is no log file here").at(word.to_owned()));
        }
        Ok(files)
    }

    fn file(path: PathBuf) -> Result<LogFile> {
        let metadata = fs::metadata(&path).map_err(|error| io_error("open", &path, &error))?;
        let name = path.display().to_string();
        // Such as a shell's `<(…)`: what was read of it once does not come again.
        if !metadata.is_file() {
            let pipe = File::open(&path).map_err(|error| io_error("open", &path, &error))?;
            return LogFile::pipe(name, Box::new(pipe));
        }
        Ok(LogFile { name, bytes: Some(metadata.len()), origin: Origin::File(path) })
    }

    fn pipe(name: String, mut pipe: Box<dyn Read + Send>) -> Result<LogFile> {
        let mut head = Vec::new();
        (&mut pipe)
            .take(HEAD_BYTES as u64)
            .read_to_end(&mut head)
            .map_err(|error| Error::new(ErrorKind::Io, format!("it cannot be read: {error}")).at(&*name))?;
        Ok(LogFile { name, bytes: None, origin: Origin::Pipe { head, rest: Mutex::new(Some(pipe)) } })
    }

    /// The file itself, where there is one that can be read anywhere.
    pub fn plain(&self) -> Result<Option<File>> {
        match (&self.origin, self.bytes) {
            (Origin::File(path), Some(_)) => {
                File::open(path).map(Some).map_err(|error| io_error("open", path, &error))
            }
            _ => Ok(None),
        }
    }

    /// The bytes, decompressed.
    pub fn open(&self) -> Result<Input> {
        match &self.origin {
            Origin::File(path) => Input::open(path),
            Origin::Pipe { head, rest } => {
                let rest = rest.lock().unwrap_or_else(PoisonError::into_inner).take();
                let rest = rest.unwrap_or_else(|| Box::new(io::empty()));
                Input::new(&*self.name, Cursor::new(head.clone()).chain(rest))
            }
            Origin::Object { .. } => self.open_object(OBJECT_BLOCK_BYTES),
        }
    }

    fn open_object(&self, block_bytes: usize) -> Result<Input> {
        let Origin::Object { objects, key } = &self.origin else {
            return self.open();
        };
        let bytes = self.bytes.unwrap_or(0);
        let reader = ObjectReader { objects: Arc::clone(objects), key: key.clone(), bytes, offset: 0 };
        Input::new(&*self.name, io::BufReader::with_capacity(block_bytes, reader))
    }

    /// The first bytes, decompressed, without using up anything.
    pub fn head(&self) -> Result<Vec<u8>> {
        let mut input = match &self.origin {
            Origin::Pipe { head, .. } => Input::new(&*self.name, Cursor::new(head.clone()))?,
            _ => self.open_object(SAMPLE_BYTES)?,
        };
        let mut head = vec![0; SAMPLE_BYTES];
        let mut filled = 0;
        while let Some(room) = head.get_mut(filled..).filter(|room| !room.is_empty()) {
            match input.read(room) {
                Ok(0) | Err(_) => break,
                Ok(bytes) => filled += bytes,
            }
        }
        head.truncate(filled);
        Ok(head)
    }

    /// Whether what begins with `head` is what a sink writes as Parquet.
    pub fn is_parquet(head: &[u8]) -> bool {
        head.starts_with(b"PAR1")
    }

    /// The object of a bucket that it is: its store, key and size in bytes.
    pub fn object(&self) -> Option<(Arc<dyn Objects + Send + Sync>, String, u64)> {
        match &self.origin {
            Origin::Object { objects, key } => Some((Arc::clone(objects), key.clone(), self.bytes?)),
            _ => None,
        }
    }
}

struct ObjectReader {
    objects: Arc<dyn Objects + Send + Sync>,
    key: String,
    bytes: u64,
    offset: u64,
}

impl Read for ObjectReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.objects.read_at(&self.key, self.offset, into) {
            Ok(Some(0)) if self.offset < self.bytes && !into.is_empty() => {
                Err(io::Error::other(Error::new(ErrorKind::Io, "the object changed while it was read")))
            }
            Ok(Some(bytes)) => {
                self.offset += bytes as u64;
                Ok(bytes)
            }
            Ok(None) => Err(io::Error::other(Error::new(ErrorKind::Io, "the object is gone"))),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// What tools leave in such folders and is no log: `.hidden`, `_SUCCESS`, `_delta_log`.
fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with(['.', '_']))
}

/// The names in a key.
fn parts(key: &str) -> Vec<String> {
    key.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn below(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let mut folders = vec![(folder.to_owned(), 0)];
    let first = into.len();
    while let Some((folder, depth)) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| io_error("list", &folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| io_error("list", &folder, &error))?;
            if is_hidden(&entry.file_name().to_string_lossy()) {
                continue;
            }
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| io_error("look at", &path, &error))?;
            if kind.is_dir() {
                if depth < DEPTH_MAX {
                    folders.push((path, depth + 1));
                }
            } else if kind.is_file() {
                into.push(path);
                too_many(into, &folder)?;
            }
        }
    }
    into.get_mut(first..).unwrap_or_default().sort();
    Ok(())
}

fn too_many(paths: &[PathBuf], place: &Path) -> Result<()> {
    if paths.len() > FILES_MAX {
        return Err(Error::unsupported(format!("there are more than {FILES_MAX} files"))
            .at(place.display().to_string())
            .hint("name a part of them"));
    }
    Ok(())
}

/// Whether a name, or a part of one, describes others: `*`, `?` and `[…]` within a name, `**` for any folders.
pub fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?', '['])
}

/// Whatever `pattern` matches, and everything below the folders that it matches.
fn matching(pattern: &str, into: &mut Vec<PathBuf>) -> Result<()> {
    let fixed: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| !is_pattern(&part.as_os_str().to_string_lossy()))
        .collect();
    let root = if fixed.as_os_str().is_empty() { PathBuf::from(".") } else { fixed.clone() };
    let wanted: Vec<String> = Path::new(pattern)
        .strip_prefix(&fixed)
        .unwrap_or(Path::new(pattern))
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let mut all = Vec::new();
    if root.is_dir() {
        below(&root, &mut all)?;
    }
    for path in all {
        let names: Vec<String> = path
            .strip_prefix(&root)
            .unwrap_or(&path)
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        if fits(&wanted, &names) {
            into.push(path);
        }
    }
    Ok(())
}

/// Whether a file is what `wanted` describes, or below a folder that is.
fn fits(wanted: &[String], names: &[String]) -> bool {
    match (wanted.split_first(), names.split_first()) {
        (None, _) => true,
        (Some((first, rest)), _) if first == "**" => {
            fits(rest, names) || names.split_first().is_some_and(|(_, names)| fits(wanted, names))
        }
        (Some((first, rest)), Some((name, names))) => {
            (first == name || name_fits(first.as_bytes(), name.as_bytes())) && fits(rest, names)
        }
        _ => false,
    }
}

/// Whether `name` is what `pattern` describes; in time that grows with their product at most.
fn name_fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while place < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, place));
                at += 1;
            }
            _ => match (one_fits(pattern, at, name.get(place).copied().unwrap_or_default()), star) {
                (Some(length), _) => {
                    at += length;
                    place += 1;
                }
                (None, Some((begun, eaten))) => {
                    star = Some((begun, eaten + 1));
                    (at, place) = (begun + 1, eaten + 1);
                }
                (None, None) => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|letter| *letter == b'*')
}

/// How many bytes of `pattern` describe `byte` at `at`, if they do: `?`, `[…]` with ranges and `!`, or the byte itself.
fn one_fits(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    let rest = pattern.get(at..)?;
    let (first, inside) = rest.split_first()?;
    // The first of those that are described may be `]`.
    let begun = if matches!(inside.first(), Some(b'!' | b'^')) { 2 } else { 1 };
    let end = inside.iter().skip(begun).position(|one| *one == b']').map(|place| place + begun);
    match (first, end) {
        (b'[', Some(end)) => {
            let inside = inside.get(..end)?;
            let (is_other, inside) = match inside.split_first() {
                Some((b'!' | b'^', others)) => (true, others),
                _ => (false, inside),
            };
            let mut is_in = false;
            let mut rest = inside;
            loop {
                rest = match rest {
                    [low, b'-', high, rest @ ..] => {
                        is_in |= (*low..=*high).contains(&byte);
                        rest
                    }
                    [one, rest @ ..] => {
                        is_in |= *one == byte;
                        rest
                    }
                    [] => break,
                };
            }
            (is_in != is_other).then_some(end + 2)
        }
        (b'?', _) => Some(1),
        (letter, _) => (*letter == byte).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*.json", "a.json", true),
            ("*.json", "a.json.gz", false),
            ("a?c*", "abcde", true),
            ("**", "", true),
            ("*a*b", "xaxaxb", true),
            ("*a*b", "xaxaxc", false),
            ("", "", true),
            ("hr=0[13-5]", "hr=04", true),
            ("hr=0[13-5]", "hr=01", true),
            ("hr=0[13-5]", "hr=02", false),
            ("[!a]b", "ab", false),
            ("[!a]b", "cb", true),
            ("*[0-9].json", "x1y2.json", true),
            ("[]]", "]", true),
            ("[a]", "a", true),
            ("[a]", "[", false),
            ("[ab", "[ab", true),
            ("[ab", "a", false),
        ] {
            assert_eq!(name_fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn folders_and_patterns_find_logs_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for path in
            ["event_date=2026-01-02/hr=00/b.json", "event_date=2026-01-01/hr=01/a.json.gz", "_SUCCESS", ".x"]
        {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"{}").unwrap();
        }
        let names = |word: String| -> Vec<String> {
            let files = LogFile::find(&word).unwrap();
            files
                .into_iter()
                .map(|file| file.name[folder.path().display().to_string().len() + 1..].to_owned())
                .collect()
        };
        let all = ["event_date=2026-01-01/hr=01/a.json.gz", "event_date=2026-01-02/hr=00/b.json"];
        let root = folder.path().display();
        assert_eq!(names(root.to_string()), all);
        assert_eq!(names(format!("{root}/**/*.json*")), all);
        assert_eq!(names(format!("{root}/event_date=*-02/*/*")), all[1..]);
        // A folder that fits is read whole, as one that is named.
        assert_eq!(names(format!("{root}/event_date=*-0[2-9]")), all[1..]);
        assert_eq!(names(format!("{root}/*/")), all);
        let odd = folder.path().join("day[1]");
        fs::create_dir(&odd).unwrap();
        fs::write(odd.join("c.json"), b"{}").unwrap();
        assert_eq!(names(format!("{root}/day[1]/*.json")), ["day[1]/c.json"]);
        let missing = LogFile::find(&format!("{root}/*.parquet")).err().unwrap();
        assert_eq!(missing.kind(), ErrorKind::Missing);
    }
}
