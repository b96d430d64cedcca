//! From what a path holds to a checkpoint in a store.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use dotctl_engine::checkpoint::{ChainPolicy, ChangeTracker, CheckpointFacts, KeyRange};
use dotctl_engine::format::{CheckpointKind, Manifest};
use dotctl_engine::image::PageReader;
use dotctl_engine::state::{Order, OrderCheck};
use dotctl_engine::{Damage, Error, Result};

use crate::base::{Base, Chosen};
use crate::database::read_still;
use crate::dictionary::known_dictionary;
use crate::drive::{
    CurrentLine, EntrySource, Increment, Progress, SnapshotSetting, StoredLines, increment_image,
    increment_lines, increment_tracked, snapshot_image, snapshot_lines,
};
use crate::entries::StateEntries;
use crate::input::Input;
use crate::io_error;
use crate::reference::Found;
use crate::rows::RowSource;
use crate::spill::{SORT_MEMORY_BYTES, SortedEntries, SpillSorter};
use crate::store::{Committed, Session, Store};

/// A checkpoint that was made of a source.
#[derive(Debug)]
pub struct Captured {
    /// The checkpoint.
    pub committed: Committed,
    /// Whether the source was in another order than its keys' and has been sorted.
    pub reordered: bool,
    /// Why the newest checkpoint could not be built on, where it should have been.
    pub base_damage: Option<Error>,
}

/// Captures the database at `path`, in use or not, as one image, built on `base`.
pub fn capture_database(
    store: &dyn Store,
    path: &Path,
    setting: &SnapshotSetting,
    base: &Base,
    progress: &dyn Progress,
) -> Result<Captured> {
    store.check_source(path)?;
    let mut chosen = base.choose(store, setting, CheckpointKind::Image)?;
    let (mut session, facts) = read_still(path, |database| {
        if !chosen.has_pages_of(database.page_bytes())? {
            chosen = Chosen::none();
        }
        if let Some((manifest, foundation)) = &chosen.built_on {
            let mut session = store.begin()?;
            let increment =
                increment_image(store, manifest, foundation, database, setting, session.as_mut(), progress);
            if let Some(made) = chosen.take(store, session, increment)? {
                return Ok(made);
            }
        }
        let mut session = store.begin()?;
        let facts =
            snapshot_image(database, setting, store.directory_packs_min(), session.as_mut(), progress)?;
        Ok((session, facts))
    })?;
    let committed = session.commit(facts, &setting.namespace, setting.created_at)?;
    Ok(Captured { committed, reordered: false, base_damage: chosen.damage })
}

/// Captures the schema and the rows of the database at `path`, in use or not, built on `base`.
pub fn capture_rows(
    store: &dyn Store,
    path: &Path,
    setting: &SnapshotSetting,
    base: &Base,
    progress: &dyn Progress,
) -> Result<Captured> {
    store.check_source(path)?;
    let mut chosen = base.choose(store, setting, CheckpointKind::Rows)?;
    let name = path.display().to_string();
    let (mut session, facts) = read_still(path, |database| {
        let mut in_order = true;
        loop {
            let mut rows = RowSource::new(database, &name, !in_order)?;
            let made = match in_order {
                true => {
                    progress.begin("reading rows", None);
                    let made =
                        make_lines(CheckpointKind::Rows, store, &mut chosen, &mut rows, setting, progress);
                    progress.end();
                    if made.is_err() && rows.out_of_order {
                        in_order = false;
                        continue;
                    }
                    made
                }
                false => {
                    let mut sorted = sort_rows(store, &mut rows, &name, progress)?;
                    make_lines(CheckpointKind::Rows, store, &mut chosen, &mut sorted, setting, progress)
                }
            };
            if let Some(made) = made? {
                return Ok(made);
            }
        }
    })?;
    let committed = session.commit(facts, &setting.namespace, setting.created_at)?;
    Ok(Captured { committed, reordered: false, base_damage: chosen.damage })
}

/// Captures what has become of the rows that `tracker` names since `base`, and nothing else. `None` where
/// everything has to be compared: the tracker has lost count, there are too many changes, or they are not
/// of `base`.
pub fn capture_tracked(
    store: &dyn Store,
    base: &Found,
    tracker: &ChangeTracker,
    current: &mut CurrentLine<'_>,
    setting: &SnapshotSetting,
) -> Result<Option<Captured>> {
    let manifest = &base.manifest;
    let is_base = manifest.kind == CheckpointKind::Rows
        && manifest.sequence == tracker.since()
        && manifest.namespace == setting.namespace
        && store.takes_increments()
        && store.seals_like(manifest);
    let (Some(keys), true) = (tracker.keys(), is_base) else {
        return Ok(None);
    };
    let Some(foundation) = ChainPolicy::DEFAULT.foundation(base.id(), manifest) else {
        return Ok(None);
    };
    let mut session = store.begin()?;
    let increment =
        increment_tracked(store, manifest, &foundation, keys, current, setting, session.as_mut())?;
    let (mut session, facts) = match increment {
        Increment::Changed(facts) => (session, facts),
        Increment::Outgrown => return Ok(None),
        Increment::Equal => {
            drop(session);
            (store.begin()?, CheckpointFacts::same_as(manifest))
        }
    };
    let committed = session.commit(facts, &setting.namespace, setting.created_at)?;
    Ok(Some(Captured { committed, reordered: false, base_damage: None }))
}

/// Captures the rows that the checkpoint `original` in `from` shows, built on `base`. What is written is believed only if
/// it has the same content.
pub fn capture_stored(
    store: &dyn Store,
    from: &dyn Store,
    original: &Manifest,
    setting: &SnapshotSetting,
    base: &Base,
    progress: &dyn Progress,
) -> Result<Captured> {
    let mut chosen = base.choose(store, setting, CheckpointKind::Rows)?;
    let (mut session, facts) = loop {
        let everything = KeyRange { low: Vec::new(), high: None };
        let mut lines = StoredLines::within(from, original, everything)?;
        progress.begin("reading rows", Some(original.raw_bytes));
        let made = make_lines(CheckpointKind::Rows, store, &mut chosen, &mut lines, setting, progress);
        progress.end();
        if let Some(made) = made? {
            break made;
        }
    };
    if facts.content_sha256() != original.content_sha256 {
        let (expected, actual) = (original.content_sha256, facts.content_sha256());
        return Err(Error::damaged(Damage::Checksum, "the content", expected, actual)
            .at(from.location())
            .hint("`dotctl verify` tells what is damaged there"));
    }
    let committed = session.commit(facts, &setting.namespace, setting.created_at)?;
    Ok(Captured { committed, reordered: false, base_damage: chosen.damage })
}

/// The rows of tables that keep them in another order than their keys', sorted.
pub fn sort_rows(
    store: &dyn Store,
    rows: &mut dyn EntrySource,
    name: &str,
    progress: &dyn Progress,
) -> Result<Sorted> {
    progress.begin("sorting rows", None);
    let mut sorter = SpillSorter::new(&store.scratch_folder(), SORT_MEMORY_BYTES);
    while rows.advance()? {
        let (key, line) = rows.entry();
        sorter.push(key, line)?;
        progress.advance(line.len() as u64);
    }
    progress.end();
    Ok(Sorted { entries: sorter.finish().map_err(|error| error.at(name))?, name: name.to_owned() })
}

/// Captures the state entries in the file at `path` (`-` is stdin), built on `base`.
pub fn capture_state(
    store: &dyn Store,
    path: &Path,
    setting: &SnapshotSetting,
    base: &Base,
    progress: &dyn Progress,
) -> Result<Captured> {
    let rereadable = Rereadable::new(path, store)?;
    let mut chosen = match rereadable.reopens(path) {
        true => base.choose(store, setting, CheckpointKind::State)?,
        false => Base::None.choose(store, setting, CheckpointKind::State)?,
    };
    let mut input = rereadable.open(path)?;
    let mut reordered = false;
    loop {
        let made = match reordered {
            false => {
                let mut ordered = InOrder::new(input);
                progress.begin("reading entries", rereadable.total_bytes);
                let made =
                    make_lines(CheckpointKind::State, store, &mut chosen, &mut ordered, setting, progress);
                progress.end();
                reordered = ordered.out_of_order;
                match made {
                    Err(_) if reordered => None,
                    made => made?,
                }
            }
            true => {
                let mut sorted = sort(store, input, progress)?;
                progress.begin("writing entries", None);
                let made =
                    make_lines(CheckpointKind::State, store, &mut chosen, &mut sorted, setting, progress);
                progress.end();
                made?
            }
        };
        if let Some((mut session, facts)) = made {
            let committed = session.commit(facts, &setting.namespace, setting.created_at)?;
            return Ok(Captured { committed, reordered, base_damage: chosen.damage });
        }
        input = rereadable.reopen(path)?;
    }
}

/// Writes what `source` gives; nothing where it has to be read again, for another base or sorted.
fn make_lines<'a>(
    kind: CheckpointKind,
    store: &'a dyn Store,
    chosen: &mut Chosen,
    source: &mut dyn EntrySource,
    setting: &SnapshotSetting,
    progress: &dyn Progress,
) -> Result<Option<(Box<dyn Session + 'a>, CheckpointFacts)>> {
    let mut session = store.begin()?;
    if let Some((manifest, foundation)) = &chosen.built_on {
        let increment =
            increment_lines(store, manifest, foundation, source, setting, session.as_mut(), progress);
        return chosen.take(store, session, increment);
    }
    let dictionary = known_dictionary(store, setting);
    let facts = snapshot_lines(kind, source, setting, dictionary.as_ref(), session.as_mut(), progress)?;
    Ok(Some((session, facts)))
}

fn sort(store: &dyn Store, input: Input, progress: &dyn Progress) -> Result<Sorted> {
    let name = input.name().to_owned();
    progress.begin("sorting entries", None);
    let mut sorter = SpillSorter::new(&store.scratch_folder(), SORT_MEMORY_BYTES);
    let mut entries = StateEntries::new(input);
    while let Some(entry) = entries.next()? {
        sorter.push(entry.key, entry.text)?;
        progress.advance(entry.text.len() as u64);
    }
    drop(entries);
    progress.end();
    Ok(Sorted { entries: sorter.finish().map_err(|error| error.at(&name))?, name })
}

/// Entries that are expected in key order, and watched.
struct InOrder {
    name: String,
    entries: StateEntries,
    check: OrderCheck,
    out_of_order: bool,
}

impl InOrder {
    fn new(input: Input) -> Self {
        let name = input.name().to_owned();
        InOrder { name, entries: StateEntries::new(input), check: OrderCheck::new(), out_of_order: false }
    }
}

impl EntrySource for InOrder {
    fn advance(&mut self) -> Result<bool> {
        let Some(entry) = self.entries.next()? else {
            return Ok(false);
        };
        match self.check.push(entry.key).map_err(|error| error.at(&self.name))? {
            Order::InOrder => Ok(true),
            Order::OutOfOrder => {
                self.out_of_order = true;
                Err(Error::unsupported("the entries are not in key order"))
            }
        }
    }

    fn entry(&self) -> (&[u8], &[u8]) {
        let entry = self.entries.entry();
        (entry.key, entry.text)
    }
}

/// Entries that have been sorted.
pub struct Sorted {
    name: String,
    entries: SortedEntries,
}

impl EntrySource for Sorted {
    fn advance(&mut self) -> Result<bool> {
        self.entries.next().map(|entry| entry.is_some()).map_err(|error| error.at(&self.name))
    }

    fn entry(&self) -> (&[u8], &[u8]) {
        self.entries.entry()
    }

    fn release(&mut self) {
        self.entries.release();
    }
}

/// A source that can be read from its start once more: a file, or a pipe of which a copy is kept
/// in an unlinked file.
struct Rereadable {
    copy: Option<Arc<Mutex<File>>>,
    total_bytes: Option<u64>,
}

impl Rereadable {
    fn new(path: &Path, store: &dyn Store) -> Result<Self> {
        let metadata = std::fs::metadata(path).ok();
        if metadata.as_ref().is_some_and(std::fs::Metadata::is_file) {
            return Ok(Rereadable { copy: None, total_bytes: metadata.map(|metadata| metadata.len()) });
        }
        let folder = store.scratch_folder();
        let copy = tempfile::tempfile_in(&folder)
            .map_err(|error| io_error("create a temporary file in", &folder, &error))?;
        Ok(Rereadable { copy: Some(Arc::new(Mutex::new(copy))), total_bytes: None })
    }

    fn open(&self, path: &Path) -> Result<Input> {
        let Some(copy) = &self.copy else {
            return Input::open(path);
        };
        if path.as_os_str() == "-" {
            return Input::new("standard input", Copying { source: io::stdin(), copy: copy.clone() });
        }
        let source = File::open(path).map_err(|error| io_error("open", path, &error))?;
        Input::new(path.display().to_string(), Copying { source, copy: copy.clone() })
    }

    /// Whether the source can be read again.
    fn reopens(&self, path: &Path) -> bool {
        self.copy.is_none() || path.as_os_str() == "-"
    }

    /// The source from its start: what was copied, and what has not been read yet.
    fn reopen(&self, path: &Path) -> Result<Input> {
        let Some(copy) = &self.copy else {
            return Input::open(path);
        };
        let mut copied = copy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_clone()
            .map_err(|error| io_error("read the copy of", path, &error))?;
        copied.rewind().map_err(|error| io_error("read the copy of", path, &error))?;
        if path.as_os_str() == "-" {
            // Both share one place in the file, and what is read further is copied behind the rest.
            let rest = Copying { source: io::stdin(), copy: copy.clone() };
            return Input::new("standard input", copied.chain(rest));
        }
        Err(Error::unsupported("this is no plain file and its entries are not in key order")
            .at(path.display().to_string())
            .hint("pipe it in as `-`"))
    }
}

/// Keeps a copy of everything that is read.
struct Copying<R> {
    source: R,
    copy: Arc<Mutex<File>>,
}

impl<R: Read> Read for Copying<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.source.read(into)?;
        let mut copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
        copy.write_all(into.get(..bytes).unwrap_or_default())?;
        Ok(bytes)
    }
}
