//! A consistent read of a SQLite database that may be in use, without SQLite and without changing
//! a byte of it or beside it.
//!
//! What keeps the image still is SQLite's own protocol, of which only read locks are taken:
//!
//! - The shared lock of the main file, as every reader holds: nobody commits a rollback
//!   transaction, and the last connection to close neither empties nor removes the log.
//! - Read marks 0 and 1 of `-shm`: no checkpoint writes to the main file (each takes mark 0 for
//!   writing), and nobody starts the log over or truncates it (each takes marks 1 to 4). Writers
//!   go on appending to the log, which harms nothing: the frames that count are fixed first.
//! - Without `-shm` nobody is connected, and there is nothing to hold. Should somebody come,
//!   [`LiveDatabase::check_unchanged`] finds it.
//!
//! Frames count as SQLite counts them: while somebody is connected, up to the commit that the
//! `-shm` header names; else up to the last commit of the valid chain.
//!
//! SQLite's own locks belong to its process and are lost as soon as any other handle of the same
//! file is closed in it, such as those of this reader. So no process may have a database open both
//! here and through SQLite.

mod files;
mod hold;
mod index;
mod locks;
mod read;
mod still;

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use dotctl_engine::image::header::{DATABASE_HEADER_BYTES, DATABASE_MAGIC, DatabaseHeader};
use dotctl_engine::image::journal::{
    JournalIndex, JournalScanner, SUPER_JOURNAL_TAIL_BYTES, super_journal_name,
};
use dotctl_engine::image::wal::{LOG_HEADER_BYTES, LogHeader, LogIndex, LogScanner};
use dotctl_engine::image::{PageReader, PageSource};
use dotctl_engine::{Error, ErrorKind, Result};

use files::{Identity, Paths, Stamp};
use index::{IndexHeader, read_index};
use locks::Patience;
use read::Pages;

pub use hold::{HeldFile, check_unused, hold_alone};
pub use still::read_still;

/// How long [`LiveDatabase::open`] waits for others to let it in.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of the log that are read at once: they stay in the processor's cache for the checksum.
const LOG_BLOCK_BYTES: usize = 256 * 1024;

/// Whether `path` is a file that starts as a SQLite database does.
pub fn is_database(path: &Path) -> Result<bool> {
    if !std::fs::metadata(path).map_err(|error| files::failed(&error, "open", path))?.is_file() {
        return Ok(false);
    }
    let mut start = [0; DATABASE_MAGIC.len()];
    let count = files::read_up_to(&files::open(path)?, &mut start, 0)
        .map_err(|error| files::failed(&error, "read", path))?;
    Ok(count == start.len() && start == DATABASE_MAGIC)
}

/// One committed state of a database, held still until this is dropped.
#[derive(Debug)]
pub struct LiveDatabase {
    paths: Paths,
    header: DatabaseHeader,
    pages: Pages,
    main_stamp: Stamp,
    log: LogWitness,
    index: Option<(File, Identity)>,
}

/// What tells later that the log is still the one that was read.
#[derive(Debug)]
enum LogWitness {
    /// It may do what it likes: the image does not need it.
    Unneeded,
    /// Frames may follow, but what was read is locked; its identity and header stay.
    Locked(Identity, Vec<u8>),
    /// Nothing may change; `None`: it may not appear.
    Still(Option<Stamp>),
}

/// An attempt that failed for now, and who or what was in the way.
struct Hurdle(String);

/// A value, or what stands in its way for now.
type Attempt<T> = Result<std::result::Result<T, Hurdle>>;

/// What the processes connected to `-shm` say of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connections {
    /// Nobody is connected: the log speaks for itself.
    None,
    /// Somebody is, and the index is valid.
    Indexed(IndexHeader),
    /// Somebody is, and the next one to read will rebuild the index from the log.
    Unindexed,
}

impl LiveDatabase {
    /// Opens the database at `path`, its log and journal included, waiting up to 10 seconds for
    /// others to let it in.
    ///
    /// # Errors
    /// `Missing` if there is no such file; `Malformed` if it is no database or does not fit its
    /// log; `Corrupt` if the log fails a checksum before the last commit that its users see;
    /// `Busy` if others were in the way all the time.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_within(path, DEFAULT_PATIENCE)
    }

    /// The same, waiting as long as `patience`.
    pub fn open_within(path: &Path, patience: Duration) -> Result<Self> {
        let mut patience = Patience::new(patience);
        loop {
            match Self::attempt(path)? {
                Ok(database) => return Ok(database),
                Err(Hurdle(hurdle)) => {
                    if !patience.wait() {
                        return Err(Error::new(ErrorKind::Busy, format!("the database is in use: {hurdle}"))
                            .at(path.display().to_string())
                            .hint("let it finish, or stop it, then run the command again"));
                    }
                }
            }
        }
    }

    fn attempt(path: &Path) -> Attempt<Self> {
        let paths = Paths::of(path)?;
        let main = files::open(&paths.main)?;
        if let Err(hurdle) = lock_main(&main, &paths)? {
            return Ok(Err(hurdle));
        }
        let identity = Identity::of(&files::metadata(&main, &paths.main)?);
        if Identity::at(&paths.main)? != Some(identity) {
            return Ok(Err(Hurdle("the file is being replaced".to_owned())));
        }
        let index = match lock_index(&paths)? {
            Ok(index) => index,
            Err(hurdle) => return Ok(Err(hurdle)),
        };
        let mut start = [0; DATABASE_HEADER_BYTES];
        let start_bytes = read_at(&main, &mut start, 0, &paths.main)?;
        if start_bytes == 0 {
            return Err(Error::malformed("the file is empty")
                .at(paths.main.display().to_string())
                .hint("to SQLite it is a database without tables; there is nothing to read"));
        }

        // With -shm locked, or in rollback mode, nobody can change what counts. Otherwise only
        // the files' times will tell, so they must be old enough to.
        let log_mode = start[19] == 2 || Stamp::at(&paths.log)?.is_some();
        let unguarded = index.is_none() && log_mode;
        let main_stamp = Stamp::of(&files::metadata(&main, &paths.main)?);
        let log_stamp = Stamp::at(&paths.log)?;
        if unguarded {
            let settles_in = [Some(main_stamp), log_stamp]
                .iter()
                .flatten()
                .map(Stamp::settles_in)
                .max()
                .unwrap_or_default();
            if !settles_in.is_zero() {
                std::thread::sleep(settles_in);
                return Ok(Err(Hurdle("its files are changing".to_owned())));
            }
        }

        let journal = match hot_journal(&main, &start, main_stamp.bytes, &paths)? {
            Ok(journal) => journal,
            Err(hurdle) => return Ok(Err(hurdle)),
        };
        let index_file = index.as_ref().map(|(file, _)| file);
        let log = match read_log(index_file, main_stamp.bytes, journal.as_ref(), &paths)? {
            Ok(log) => log,
            Err(hurdle) => return Ok(Err(hurdle)),
        };
        let log_witness = match (&log, unguarded) {
            (_, true) => LogWitness::Still(log_stamp),
            (Some((file, _)), false) => LogWitness::Locked(
                Identity::of(&files::metadata(file, &paths.log)?),
                log_header(file, &paths)?,
            ),
            (None, false) => LogWitness::Unneeded,
        };

        let (header, pages) = assemble(main, &start, main_stamp.bytes, journal, log, &paths)?;
        Ok(Ok(LiveDatabase { paths, header, pages, main_stamp, log: log_witness, index }))
    }

    /// The header of the image's page 1.
    pub fn header(&self) -> &DatabaseHeader {
        &self.header
    }

    /// Pages of the image that come from the log.
    pub fn log_pages(&self) -> usize {
        self.pages.log.as_ref().map_or(0, |(_, index)| index.held_pages())
    }

    /// Checks that the image just read was still throughout. To be called after the last page is
    /// read and before anything is made of it.
    ///
    /// # Errors
    /// `Busy` if the main file was replaced or changed, the log changed where it must not, or
    /// somebody connected to a database that nobody was connected to: open it again and read
    /// again.
    pub fn check_unchanged(&self) -> Result<()> {
        let changed = |path: &Path, what: &str| {
            Err(Error::new(ErrorKind::Busy, what)
                .at(path.display().to_string())
                .hint("run the command again"))
        };
        if Stamp::at(&self.paths.main)? != Some(self.main_stamp) {
            return changed(&self.paths.main, "it changed while it was read");
        }
        match &self.index {
            Some((_, identity)) => {
                if Identity::at(&self.paths.index)? != Some(*identity) {
                    return changed(&self.paths.index, "it was replaced while its database was read");
                }
            }
            None => {
                if matches!(self.log, LogWitness::Still(_)) && Stamp::at(&self.paths.index)?.is_some() {
                    return changed(&self.paths.main, "somebody began to use it while it was read");
                }
            }
        }
        let log_is_same = match &self.log {
            LogWitness::Unneeded => true,
            LogWitness::Still(stamp) => Stamp::at(&self.paths.log)? == *stamp,
            LogWitness::Locked(identity, header) => {
                Identity::at(&self.paths.log)? == Some(*identity)
                    && match &self.pages.log {
                        Some((file, _)) => log_header(file, &self.paths)? == *header,
                        None => true,
                    }
            }
        };
        if !log_is_same {
            return changed(&self.paths.log, "it changed while it was read");
        }
        Ok(())
    }
}

impl PageReader for LiveDatabase {
    fn page_bytes(&self) -> u32 {
        self.pages.page_bytes
    }

    fn page_count(&self) -> u32 {
        self.pages.page_count
    }

    fn read_pages(&self, first: u32, into: &mut [u8]) -> Result<()> {
        self.pages.read(first, into, &self.paths)
    }
}

impl PageSource for &LiveDatabase {
    fn page_bytes(&self) -> u32 {
        self.pages.page_bytes
    }

    fn page_count(&self) -> u32 {
        self.pages.page_count
    }

    fn read_page(&mut self, number: u32, into: &mut [u8]) -> Result<()> {
        self.read_pages(number, into)
    }
}

/// Takes the shared lock the way SQLite's readers do.
fn lock_main(main: &File, paths: &Paths) -> Attempt<()> {
    let place = |error| lock_error(error, &paths.main);
    let in_the_way = |range, what: &str| {
        let name = locks::holder(main, range, false)
            .map_err(place)?
            .map_or_else(|| "another process".to_owned(), locks::Holder::name);
        Ok(Err(Hurdle(format!("{name} {what}"))))
    };
    if !locks::read_lock(main, locks::PENDING).map_err(place)? {
        return in_the_way(locks::PENDING, "is about to write to it");
    }
    let shared = locks::read_lock(main, locks::SHARED).map_err(place)?;
    locks::unlock(main, locks::PENDING).map_err(place)?;
    if !shared {
        return in_the_way(locks::SHARED, "has it locked for itself alone");
    }
    Ok(Ok(()))
}

/// Opens and locks `-shm`, if there is one.
fn lock_index(paths: &Paths) -> Attempt<Option<(File, Identity)>> {
    let Some(index) = files::open_if_there(&paths.index)? else {
        return Ok(Ok(None));
    };
    let place = |error| lock_error(error, &paths.index);
    if !locks::read_lock(&index, locks::LOG_READ).map_err(place)? {
        let name = locks::holder(&index, locks::LOG_READ, false)
            .map_err(place)?
            .map_or_else(|| "another process".to_owned(), locks::Holder::name);
        return Ok(Err(Hurdle(format!("{name} is moving its log into the main file"))));
    }
    let identity = Identity::of(&files::metadata(&index, &paths.index)?);
    if Identity::at(&paths.index)? != Some(identity) {
        return Ok(Err(Hurdle("its -shm file is being replaced".to_owned())));
    }
    Ok(Ok(Some((index, identity))))
}

/// Asks who is connected. To be called with the read marks held.
fn connections(index: &File, paths: &Paths) -> Attempt<Connections> {
    let place = |error| lock_error(error, &paths.index);
    if locks::holder(index, locks::LOG_CONNECTED, true).map_err(place)?.is_none() {
        return Ok(Ok(Connections::None));
    }
    let header = read_index(index).map_err(|error| files::failed(&error, "read", &paths.index))?;
    if let Some(header) = header {
        return Ok(Ok(Connections::Indexed(header)));
    }
    match locks::holder(index, locks::LOG_WRITE, false).map_err(place)? {
        Some(holder) => Ok(Err(Hurdle(format!("{} is writing to its log", holder.name())))),
        None => Ok(Ok(Connections::Unindexed)),
    }
}

/// Finds the log's frames that count. `None` if the log adds nothing to the main file.
fn read_log(
    index: Option<&File>,
    main_bytes: u64,
    journal: Option<&(File, JournalIndex)>,
    paths: &Paths,
) -> Attempt<Option<(File, LogIndex)>> {
    let connected = match index {
        Some(index) => match connections(index, paths)? {
            Ok(connected) => connected,
            Err(hurdle) => return Ok(Err(hurdle)),
        },
        None => Connections::None,
    };
    let expected = match connected {
        // Nothing committed since the log was last started over; old frames may still lie there.
        Connections::Indexed(IndexHeader { frames: 0, .. }) => return Ok(Ok(None)),
        Connections::Indexed(header) => Some(header),
        Connections::None | Connections::Unindexed => None,
    };
    let found = match files::open_if_there(&paths.log)? {
        Some(file) => scan_log(file, expected, main_bytes, journal, paths)?,
        None => None,
    };
    if let Some(expected) = expected {
        let Some((_, salts, log)) = &found else {
            return Ok(Err(Hurdle("its log is being replaced".to_owned())));
        };
        if *salts != expected.salts {
            return Ok(Err(Hurdle("its log is being started over".to_owned())));
        }
        if (log.frame_count(), log.page_count()) != (expected.frames, expected.pages) {
            return Err(Error::corrupt(format!(
                "{} frames of {} pages are committed, but the checksums hold only up to frame {} \
                 of {} pages",
                expected.frames,
                expected.pages,
                log.frame_count(),
                log.page_count()
            ))
            .at(paths.log.display().to_string())
            .hint("let its program checkpoint the log, then check the database for damage"));
        }
    } else {
        // Nobody was to be asked. If that changed meanwhile, so may have the answer.
        let same = match index {
            Some(index) => connections(index, paths)?.is_ok_and(|now| now == connected),
            None => Identity::at(&paths.index)?.is_none(),
        };
        if !same {
            return Ok(Err(Hurdle("others are beginning to use it".to_owned())));
        }
    }
    Ok(Ok(found.and_then(|(file, _, log)| (log.frame_count() > 0).then_some((file, log)))))
}

/// Reads the log once. `None` if its header is not valid.
fn scan_log(
    file: File,
    expected: Option<IndexHeader>,
    main_bytes: u64,
    journal: Option<&(File, JournalIndex)>,
    paths: &Paths,
) -> Result<Option<(File, [u8; 8], LogIndex)>> {
    let place = |error: Error| error.at(paths.log.display().to_string());
    let Some(header) = LogHeader::parse(&log_header(&file, paths)?).map_err(place)? else {
        return Ok(None);
    };
    let mut scanner = LogScanner::new(header);
    if let Some(expected) = expected {
        scanner = scanner.up_to(expected.frames);
    }
    let mut block = vec![0; LOG_BLOCK_BYTES];
    let mut offset = LOG_HEADER_BYTES as u64;
    loop {
        let count = read_at(&file, &mut block, offset, &paths.log)?;
        let (fresh, _) = block.split_at(count);
        if !scanner.feed(fresh) || count < LOG_BLOCK_BYTES {
            break;
        }
        offset += count as u64;
    }
    let main_pages = match journal {
        Some((_, journal)) => journal.page_count(),
        None => pages_in(main_bytes, header.page_bytes()),
    };
    let log = scanner.finish(main_pages).map_err(place)?;
    Ok(Some((file, header.salts(), log)))
}

fn log_header(log: &File, paths: &Paths) -> Result<Vec<u8>> {
    let mut bytes = vec![0; LOG_HEADER_BYTES];
    let count = read_at(log, &mut bytes, 0, &paths.log)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Reads the journal of a transaction that a killed process left unfinished. `None` if there is
/// no such journal. To be called with the shared lock held.
fn hot_journal(
    main: &File,
    start: &[u8],
    main_bytes: u64,
    paths: &Paths,
) -> Attempt<Option<(File, JournalIndex)>> {
    let Some(journal) = files::open_if_there(&paths.journal)? else {
        return Ok(Ok(None));
    };
    let reserved =
        || locks::holder(main, locks::RESERVED, true).map_err(|error| lock_error(error, &paths.main));
    let mut first = [0];
    read_at(&journal, &mut first, 0, &paths.journal)?;
    // A live writer's journal rolls back only what the main file does not show yet; one that
    // starts with zero is finished.
    if first == [0] || reserved()?.is_some() {
        return Ok(Ok(None));
    }
    let stamp = Stamp::of(&files::metadata(&journal, &paths.journal)?);
    let mut tail = vec![0; SUPER_JOURNAL_TAIL_BYTES];
    let tail_at = stamp.bytes.saturating_sub(tail.len() as u64);
    let tail_bytes = read_at(&journal, &mut tail, tail_at, &paths.journal)?;
    tail.truncate(tail_bytes);
    let finished = super_journal_name(&tail)
        .map(|name| Stamp::at(Path::new(std::ffi::OsStr::from_bytes(name))))
        .transpose()?
        .is_some_and(|stamp| stamp.is_none());

    let page_bytes = DatabaseHeader::parse(start).map_or(4096, |header| header.page_bytes);
    let mut scanner = JournalScanner::new(stamp.bytes, page_bytes);
    let mut piece = Vec::new();
    while let Some((offset, bytes)) = scanner.wanted() {
        piece.resize(bytes, 0);
        let count = read_at(&journal, &mut piece, offset, &paths.journal)?;
        piece.truncate(count);
        scanner.give(&piece);
    }
    // Its writer may have finished meanwhile, or another may have begun.
    if Stamp::at(&paths.journal)? != Some(stamp) || reserved()?.is_some() {
        return Ok(Err(Hurdle("its journal is being written".to_owned())));
    }
    if finished {
        return Ok(Ok(None));
    }
    let main_pages = pages_in(main_bytes, page_bytes);
    let index = scanner.finish(main_pages).map_err(|error| error.at(paths.journal.display().to_string()))?;
    Ok(Ok(index.map(|index| (journal, index))))
}

/// Puts the files together and settles page size and page count.
fn assemble(
    main: File,
    start: &[u8],
    main_bytes: u64,
    journal: Option<(File, JournalIndex)>,
    log: Option<(File, LogIndex)>,
    paths: &Paths,
) -> Result<(DatabaseHeader, Pages)> {
    let mut first_page = start.to_vec();
    let newer = [
        journal.as_ref().and_then(|(file, index)| Some((file, index.offset(1)?, &paths.journal))),
        log.as_ref().and_then(|(file, index)| Some((file, index.offset(1)?, &paths.log))),
    ];
    for (file, offset, path) in newer.into_iter().flatten() {
        read_at(file, &mut first_page, offset, path)?;
    }
    let place = |error: Error| error.at(paths.main.display().to_string());
    let header = DatabaseHeader::parse(&first_page).map_err(place)?;
    let page_bytes = header.page_bytes;
    let others = [
        journal.as_ref().map(|(_, index)| (index.page_bytes(), &paths.journal)),
        log.as_ref().map(|(_, index)| (index.page_bytes(), &paths.log)),
    ];
    for (other_bytes, path) in others.into_iter().flatten() {
        if other_bytes != page_bytes {
            return Err(Error::malformed(format!(
                "its pages have {other_bytes} bytes, those of the database {page_bytes}"
            ))
            .at(path.display().to_string())
            .hint("it belongs to another database: move it away"));
        }
    }
    let held_pages = match (&log, &journal) {
        (Some((_, index)), _) => index.page_count(),
        (None, Some((_, index))) => index.page_count(),
        (None, None) => pages_in(main_bytes, page_bytes),
    };
    let page_count = header.page_count(held_pages).map_err(place)?;
    Ok((header, Pages { page_bytes, page_count, main, main_bytes, journal, log }))
}

/// The pages that a file of `bytes` holds, the last perhaps in part.
fn pages_in(bytes: u64, page_bytes: u32) -> u32 {
    u32::try_from(bytes.div_ceil(u64::from(page_bytes))).unwrap_or(u32::MAX - 1)
}

fn read_at(file: &File, into: &mut [u8], offset: u64, path: &Path) -> Result<usize> {
    files::read_up_to(file, into, offset).map_err(|error| files::failed(&error, "read", path))
}

fn lock_error(error: nix::errno::Errno, path: &Path) -> Error {
    Error::new(ErrorKind::Io, format!("cannot lock it: {}", error.desc()))
        .at(path.display().to_string())
        .hint("its file system has no locks; copy the database with its -wal to one that has")
}
