//! The file that a restore writes: under its name only once it is whole and durable.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use dotctl_engine::{Error, ErrorKind, Result};

use crate::buffer::direct_range;
use crate::database::check_unused;
use crate::durable::{link_new, sync_folder};
use crate::edges::{Added, Edges};
use crate::journal::Journal;
use crate::{direct, io_error};

/// Files that SQLite keeps beside a database and would apply to whatever lies there.
const COMPANIONS: [&str; 3] = ["-wal", "-journal", "-shm"];

/// Restores from this size on bypass the page cache: what is to be durable must reach the disk in
/// any case, and copying it into fresh memory first is the dearest part of writing.
const DIRECT_FROM_BYTES: u64 = 16 << 20;

/// A file on its way to its name.
pub struct Target {
    path: PathBuf,
    partial: PathBuf,
    file: File,
    /// The same file past the page cache, where that is possible.
    direct: Option<File>,
    edges: Edges,
    /// How far it has come, where that is kept for a run after this one.
    journal: PathBuf,
    replace: bool,
    /// Whether the file is to stay where it is: it has its name, or may go on later.
    stays: bool,
}

impl Target {
    /// Begins to write what will become `path`, a file of `raw_bytes` bytes. Whatever an earlier,
    /// killed run left on its way to the same name is removed. With `replace` an existing file may
    /// be there, unless it is in use, which [`Target::publish`] checks again.
    pub fn begin(path: &Path, raw_bytes: u64, replace: bool) -> Result<Self> {
        refuse_other_than_file(path)?;
        let partial = beside(path, PARTIAL)?;
        let journal = beside(path, PROGRESS)?;
        // Also where the target then turns out to be there: the killed run may have got so far.
        remove_abandoned(&partial, &journal)?;
        check_vacant(path, replace)?;
        if replace {
            check_unused(path)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&partial)
            .map_err(|error| io_error("create", path, &error))?;
        // Until it is locked another restore may take it for abandoned; what then lies there is not ours
        // to remove or to publish.
        lock(&file, &partial)?;
        let mut target = Target {
            path: path.to_owned(),
            partial,
            file,
            direct: None,
            edges: Edges::default(),
            journal,
            replace,
            stays: false,
        };
        direct::reserve(&target.file, raw_bytes)
            .map_err(|error| io_error("reserve space for", &target.partial, &error))?;
        target.open_direct(raw_bytes);
        Ok(target)
    }

    /// The same, for what takes long to fetch: goes on with the file that a stopped run of the same
    /// `what` left, and keeps a journal for the run after this one.
    pub fn begin_or_go_on(path: &Path, raw_bytes: u64, replace: bool, what: &str) -> Result<(Self, Journal)> {
        if let Some(going_on) = Target::go_on(path, raw_bytes, replace, what)? {
            return Ok(going_on);
        }
        let target = Target::begin(path, raw_bytes, replace)?;
        let journal = Journal::create(&target.journal, what)?;
        Ok((target, journal))
    }

    fn go_on(path: &Path, raw_bytes: u64, replace: bool, what: &str) -> Result<Option<(Self, Journal)>> {
        refuse_other_than_file(path)?;
        let partial = beside(path, PARTIAL)?;
        let place = beside(path, PROGRESS)?;
        let Some(journal) = Journal::open(&place, what) else {
            return Ok(None);
        };
        let no_follow = nix::fcntl::OFlag::O_NOFOLLOW.bits();
        let Ok(file) = OpenOptions::new().read(true).write(true).custom_flags(no_follow).open(&partial)
        else {
            return Ok(None);
        };
        lock(&file, &partial)?;
        // One with a second name is a finished file, which is not written to.
        let ours = |facts: &fs::Metadata| facts.is_file() && facts.nlink() == 1 && facts.len() == raw_bytes;
        if !file.metadata().is_ok_and(|facts| ours(&facts)) {
            return Ok(None);
        }
        check_vacant(path, replace)?;
        if replace {
            check_unused(path)?;
        }
        let mut target = Target {
            path: path.to_owned(),
            partial,
            file,
            direct: None,
            edges: Edges::default(),
            journal: place,
            replace,
            stays: false,
        };
        target.open_direct(raw_bytes);
        Ok(Some((target, journal)))
    }

    fn open_direct(&mut self, raw_bytes: u64) {
        if raw_bytes >= DIRECT_FROM_BYTES {
            self.direct = direct::open(&self.partial);
        }
    }

    /// Leaves what has arrived for a later run; says where it lies.
    pub fn leave(mut self) -> PathBuf {
        self.stays = true;
        self.partial.clone()
    }

    /// Writes `bytes` at `offset`; any thread, any order.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.write_parts(offset, bytes).map_err(|error| io_error("write", &self.partial, &error))
    }

    /// Fills `into` with what was written from `offset` on.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.flush()?;
        self.file.read_exact_at(into, offset).map_err(|error| io_error("read", &self.partial, &error))
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> Result<u64> {
        let facts = self.file.metadata();
        facts.map(|facts| facts.len()).map_err(|error| io_error("read", &self.partial, &error))
    }

    /// Removes what a killed run left on its way to `path`, for who changes what is there instead of
    /// writing it anew.
    ///
    /// # Errors
    /// Busy, if somebody is writing it just now.
    pub fn clean_up(path: &Path) -> Result<()> {
        remove_abandoned(&beside(path, PARTIAL)?, &beside(path, PROGRESS)?)
    }

    /// Where the file is for now, for who writes it by other means.
    pub fn partial(&self) -> &Path {
        &self.partial
    }

    /// Whole pages go past the page cache, what hangs over at the edges when its page is whole.
    fn write_parts(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(direct) = &self.direct else {
            return self.file.write_all_at(bytes, offset);
        };
        let range = direct_range(offset, bytes).unwrap_or(0..0);
        let (head, rest) = bytes.split_at_checked(range.start).unwrap_or((bytes, &[]));
        let (whole, tail) = rest.split_at_checked(range.len()).unwrap_or((rest, &[]));
        self.write_whole(direct, offset + range.start as u64, whole)?;
        for (edge, at) in [(head, 0), (tail, range.end)] {
            let at = offset + at as u64;
            match self.edges.add(at, edge) {
                Added::Kept => {}
                Added::Whole(begin, page) => self.write_whole(direct, begin, &page)?,
                Added::Refused => self.file.write_all_at(edge, at)?,
            }
        }
        Ok(())
    }

    fn write_whole(&self, direct: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match direct.write_all_at(bytes, offset) {
            // The file system promised more than it keeps.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.file.write_all_at(bytes, offset)
            }
            written => written,
        }
    }

    /// Writes what waits for the rest of its page.
    pub fn flush(&self) -> Result<()> {
        self.edges
            .flush(|offset, bytes| self.file.write_all_at(bytes, offset))
            .map_err(|error| io_error("write", &self.partial, &error))
    }

    /// Makes the file durable and gives it its name.
    pub fn publish(mut self) -> Result<()> {
        self.flush()?;
        self.file.sync_all().map_err(|error| io_error("make durable", &self.partial, &error))?;
        check_vacant(&self.path, self.replace)?;
        if self.replace {
            replace(&self.partial, &self.path)?;
        } else {
            if !link_new(&self.partial, &self.path)? {
                return Err(exists(&self.path));
            }
            let _ = fs::remove_file(&self.partial);
        }
        self.stays = true;
        let _ = fs::remove_file(&self.journal);
        sync_parent(&self.path)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.stays {
            let _ = fs::remove_file(&self.journal);
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// The files that SQLite may keep beside the database `path`.
pub fn companions(path: &Path) -> impl Iterator<Item = PathBuf> {
    COMPANIONS.into_iter().map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        name.into()
    })
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::Exists, "the target exists")
        .at(path.display().to_string())
        .hint("choose another path, or overwrite it with --force")
}

fn busy(path: &Path) -> Error {
    Error::new(ErrorKind::Busy, "another restore is writing to this target")
        .at(path.display().to_string())
        .hint("wait until it is done")
}

fn refuse_other_than_file(path: &Path) -> Result<()> {
    let what = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => "a folder",
        Ok(metadata) if !metadata.is_file() => "no plain file",
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::Exists, format!("the target is {what}"))
        .at(path.display().to_string())
        .hint("name the file to write, or `-` for stdout"))
}

/// Refuses a target that is there, or beside which a database left files that would be applied to
/// the restored one.
fn check_vacant(path: &Path, replace: bool) -> Result<()> {
    refuse_other_than_file(path)?;
    if replace {
        return Ok(());
    }
    if path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    for companion in companions(path) {
        if companion.symlink_metadata().is_ok() {
            return Err(Error::new(
                ErrorKind::Exists,
                "this file belongs to a database that was here and would be applied to the restored one",
            )
            .at(companion.display().to_string())
            .hint("move it away, choose another path, or remove it with --force"));
        }
    }
    Ok(())
}

/// How the file is called that is on its way to its name, and its journal.
const PARTIAL: &str = ".dotctl-partial";
const PROGRESS: &str = ".dotctl-progress";

fn beside(path: &Path, ending: &str) -> Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::malformed("the target has no file name").at(path.display().to_string()))?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(ending);
    Ok(path.with_file_name(beside))
}

/// Removes what a killed run left, never by writing into it: it may already be a second name of
/// the finished file.
fn remove_abandoned(partial: &Path, journal: &Path) -> Result<()> {
    let failed = |error: &io::Error| io_error("remove", partial, error);
    // First, so that it never tells of another file.
    let remove_journal = || match fs::remove_file(journal) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", journal, &error)),
        _ => Ok(()),
    };
    match OpenOptions::new().read(true).open(partial) {
        Ok(file) => {
            lock(&file, partial)?;
            remove_journal()?;
            fs::remove_file(partial).map_err(|error| failed(&error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => remove_journal(),
        Err(error) => Err(failed(&error)),
    }
}

/// Locks `file`, which was opened at `partial`.
fn lock(file: &File, partial: &Path) -> Result<()> {
    if file.try_lock().is_err() || !lies_at(file, partial) {
        return Err(busy(partial));
    }
    Ok(())
}

/// Whether `file` is still what lies at `path`. Once it is locked, nobody else removes it.
fn lies_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), path.metadata()) {
        (Ok(own), Ok(there)) => identity(own) == identity(there),
        _ => false,
    }
}

/// Puts `partial` in the place of `path`, whatever is there.
fn replace(partial: &Path, path: &Path) -> Result<()> {
    let database = crate::takeover::take_over(path)?;
    sync_parent(path)?;
    fs::rename(partial, path).map_err(|error| io_error("replace", path, &error))?;
    drop(database);
    Ok(())
}

fn sync_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => sync_folder(Path::new(".")),
    }
}
