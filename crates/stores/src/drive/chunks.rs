//! A run's chunks out of a store, in order.

use std::collections::VecDeque;
use std::sync::Arc;

use dotctl_engine::checkpoint::{DICTIONARY_CODEC, KeyRange, PackReading, index_range, read_dictionary};
use dotctl_engine::chunk::{ChunkReader, raw_bytes};
use dotctl_engine::codec::{Codec, Dictionary};
use dotctl_engine::format::{CheckpointKind, ChunkEntry, PackEntry, PackHeader, Place, Run, RunKind};
use dotctl_engine::{Damage, Error, ErrorKind, Result};

use crate::buffer::AlignedBuffer;
use crate::store::{Access, Pack, READS_AGAIN_MAX, Store, missing_pack};

/// Reads the packs of one run.
pub struct RunReader<'a> {
    store: &'a dyn Store,
    run: &'a Run,
    packs: std::slice::Iter<'a, PackEntry>,
    pack: Option<&'a PackEntry>,
    /// The packs after it, opened ahead.
    ahead: VecDeque<(&'a PackEntry, Opened)>,
    /// Bytes of the store's room that are left for what other readers need; `None`, and nothing is opened ahead.
    spared_bytes: Option<u64>,
    open: Option<(Arc<OpenPack>, usize)>,
    raw_offset: u64,
    access: Access,
    dictionary: Option<Dictionary>,
}

/// What a store answered when it was asked for a pack.
type Opened = Result<Option<Box<dyn Pack>>>;

/// Asks `store` for the pack of `entry`; of a sealed one, for what is within.
fn open(store: &dyn Store, entry: &PackEntry, access: Access) -> Opened {
    match (store.open_pack(entry, access)?, entry.within) {
        (Some(sealed), Some(_)) => store.open_sealed(entry, sealed).map(Some),
        (opened, _) => Ok(opened),
    }
}

/// A pack whose header and index have been checked.
pub struct OpenPack {
    pack: Box<dyn Pack>,
    kind: RunKind,
    reading: PackReading,
    location: String,
    dictionary: Option<Dictionary>,
}

/// A chunk that is about to be read: everything another thread needs for it.
pub struct ChunkPlan {
    pack: Arc<OpenPack>,
    chunk: ChunkEntry,
    /// Raw bytes of the chunks before it.
    pub raw_offset: u64,
}

impl OpenPack {
    /// Opens `entry` of `run`: its size, header and index must be as promised.
    pub fn open(store: &dyn Store, run: &Run, entry: &PackEntry, access: Access) -> Result<Self> {
        let dictionary = load_dictionary(store, run, access)?;
        OpenPack::of(store, run, entry, open(store, entry, access), access, dictionary)
    }

    fn of(
        store: &dyn Store,
        run: &Run,
        entry: &PackEntry,
        opened: Opened,
        access: Access,
        dictionary: Option<Dictionary>,
    ) -> Result<Self> {
        let location = store.pack_location(&entry.sha256);
        let checked = OpenPack::check(run.codec, entry, opened, access);
        let (pack, reading) = checked.map_err(|error| {
            let error = located(error, &location);
            match (run.place, error.kind()) {
                (Some(Place::Overflow), ErrorKind::Corrupt(Damage::Missing)) => {
                    error.hint("it was put into the second store: name that with --overflow")
                }
                _ => error,
            }
        })?;
        Ok(OpenPack { pack, kind: run.kind, reading, location, dictionary })
    }

    fn check(
        codec: Codec,
        entry: &PackEntry,
        opened: Opened,
        access: Access,
    ) -> Result<(Box<dyn Pack>, PackReading)> {
        let pack = opened?.ok_or_else(|| missing_pack(entry))?;
        let range = index_range(entry);
        let mut index = vec![0; entry.index_bytes as usize];
        let reading = read_checked(pack.as_ref(), range.start, &mut index, |index| {
            PackReading::open(codec, entry, index)
        })?;
        // Who wants a few chunks needs no header: the index, which the manifest vouches for, says
        // where they lie and what they hash to. In a bucket it would be one more request.
        if access == Access::Whole {
            let header = PackHeader { codec };
            let mut stored = vec![0; header.stored_bytes()];
            read_checked(pack.as_ref(), 0, &mut stored, |stored| header.check(stored))?;
        }
        Ok((pack, reading))
    }

    /// The pack's index.
    pub fn reading(&self) -> &PackReading {
        &self.reading
    }

    /// Reads and decodes one of its chunks into `raw`, placed for `offset` of a file; `stored` is a
    /// buffer to reuse.
    pub fn read(
        &self,
        reader: &mut ChunkReader,
        chunk: &ChunkEntry,
        stored: &mut Vec<u8>,
        raw: &mut AlignedBuffer,
        offset: u64,
    ) -> Result<()> {
        reader.set_dictionary(self.dictionary.as_ref());
        raw_bytes(chunk)
            .map(|raw_bytes| {
                stored.resize(chunk.stored_bytes as usize, 0);
                raw.set_length(raw_bytes, offset);
            })
            .and_then(|()| {
                read_checked(self.pack.as_ref(), chunk.stored_offset, stored, |stored| match self.kind {
                    RunKind::Full | RunKind::Delta => reader.read(self.reading.codec(), chunk, stored, raw),
                    RunKind::Directory => reader.read_hidden(self.reading.codec(), chunk, stored, raw),
                })
            })
            .map_err(|error| {
                located(error, &format!("{}, chunk at byte {}", self.location, chunk.stored_offset))
            })
    }
}

/// The dictionary that the chunks of `run` may be made with, if there is one.
pub fn load_dictionary(store: &dyn Store, run: &Run, access: Access) -> Result<Option<Dictionary>> {
    let Some(entry) = &run.dictionary else {
        return Ok(None);
    };
    let load = || {
        let opened = open(store, entry, access);
        let (pack, reading) = OpenPack::check(DICTIONARY_CODEC, entry, opened, access)?;
        let [chunk] = reading.chunks() else {
            return Err(Error::corrupt("a dictionary's pack has other chunks than one"));
        };
        raw_bytes(chunk)?;
        let mut stored = vec![0; chunk.stored_bytes as usize];
        read_checked(pack.as_ref(), chunk.stored_offset, &mut stored, |stored| read_dictionary(chunk, stored))
    };
    load().map(Some).map_err(|error| located(error, &store.pack_location(&entry.sha256)))
}

/// The machine's errors name the pack already.
fn located(error: Error, place: &str) -> Error {
    match error.kind() {
        ErrorKind::Corrupt(_) | ErrorKind::Unsupported => error.at(place),
        _ if error.place().is_some() => error,
        _ => error.at(place),
    }
}

/// Fills `into` from `offset` of `pack` and lets `check` look at it; what is damaged is fetched again
/// where that may help.
fn read_checked<T>(
    pack: &dyn Pack,
    offset: u64,
    into: &mut [u8],
    mut check: impl FnMut(&[u8]) -> Result<T>,
) -> Result<T> {
    pack.read_at(offset, into)?;
    let mut checked = check(into);
    for _ in 0..READS_AGAIN_MAX {
        match &checked {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => {}
            _ => break,
        }
        if !pack.read_again(offset, into)? {
            break;
        }
        checked = check(into);
    }
    checked
}

impl ChunkPlan {
    /// The chunk at `position` in `pack`, if it has so many.
    pub fn of(pack: &Arc<OpenPack>, position: usize, raw_offset: u64) -> Option<Self> {
        let chunk = pack.reading().chunks().get(position)?.clone();
        Some(ChunkPlan { pack: pack.clone(), chunk, raw_offset })
    }

    /// What the pack's index says of it.
    pub fn entry(&self) -> &ChunkEntry {
        &self.chunk
    }

    /// The pack it is in.
    pub fn location(&self) -> &str {
        &self.pack.location
    }

    /// Reads and decodes the chunk into `raw`, placed for `offset` of a file.
    pub fn read(
        &self,
        reader: &mut ChunkReader,
        stored: &mut Vec<u8>,
        raw: &mut AlignedBuffer,
        offset: u64,
    ) -> Result<()> {
        self.pack.read(reader, &self.chunk, stored, raw, offset)
    }

    /// Bytes the chunk takes in its pack.
    pub fn stored_bytes(&self) -> u32 {
        self.chunk.stored_bytes
    }

    /// Bytes the chunk decodes to.
    pub fn raw_bytes(&self) -> u32 {
        self.chunk.raw_bytes
    }
}

/// Refuses a chunk of lines that does not end with its last one's line feed.
pub fn check_end(kind: CheckpointKind, raw: &[u8]) -> Result<()> {
    if kind.has_lines() && !raw.ends_with(b"\n") {
        return Err(Error::corrupt("a chunk of lines does not end with its last one"));
    }
    Ok(())
}

impl<'a> RunReader<'a> {
    /// Reads what `run` names out of `store`.
    pub fn new(store: &'a dyn Store, run: &'a Run) -> Self {
        RunReader {
            store,
            run,
            packs: run.packs.iter(),
            pack: None,
            ahead: VecDeque::new(),
            spared_bytes: Some(0),
            open: None,
            raw_offset: 0,
            access: Access::Whole,
            dictionary: None,
        }
    }

    /// Reads of what `run` names only the packs that may have something of `range`, and those in parts.
    pub fn within(store: &'a dyn Store, run: &'a Run, range: &KeyRange) -> Self {
        let begin = run.packs.partition_point(|pack| pack.first_key.as_bytes() <= range.low.as_slice());
        let end = range.high.as_deref().map_or(run.packs.len(), |high| {
            run.packs.partition_point(|pack| pack.first_key.as_bytes() < high)
        });
        let packs = run.packs.get(begin.saturating_sub(1)..end).unwrap_or_default();
        RunReader {
            packs: packs.iter(),
            spared_bytes: None,
            access: Access::Parts,
            ..RunReader::new(store, run)
        }
    }

    /// The same as one of several readers, which opens ahead only while `spared_bytes` stay for the others.
    pub fn sparing(self, spared_bytes: u64) -> Self {
        RunReader { spared_bytes: Some(spared_bytes), ..self }
    }

    /// Opens the first pack and none ahead, so that several readers each have theirs.
    pub fn begin(&mut self) {
        if self.ahead.is_empty() {
            self.open_next();
        }
    }

    /// Leaves out the next `count` packs.
    pub fn skip(&mut self, count: usize) {
        let skipped = self.packs.by_ref().take(count).map(|pack| pack.raw_bytes);
        self.raw_offset += skipped.sum::<u64>();
    }

    /// The pack that was opened last, or could not be.
    pub fn pack(&self) -> Option<&'a PackEntry> {
        self.pack
    }

    /// Opens the next pack; says `false` where there is none. Where there is no room for the whole of it, it is
    /// read in parts: more requests, and no memory.
    fn open_next(&mut self) -> bool {
        let Some(entry) = self.packs.next() else { return false };
        let access = match self.store.room_bytes() {
            Some(room_bytes) if entry.stored_bytes > room_bytes => Access::Parts,
            _ => self.access,
        };
        self.ahead.push_back((entry, open(self.store, entry, access)));
        true
    }

    /// Whether the next pack may be opened before it is needed: where reading waits, and as long as there is room.
    fn opens_ahead(&self) -> bool {
        match (self.spared_bytes, self.store.room_bytes(), self.packs.as_slice().first()) {
            (Some(spared_bytes), Some(room_bytes), Some(next)) => {
                next.stored_bytes.saturating_add(spared_bytes) <= room_bytes
            }
            _ => false,
        }
    }

    /// The next chunk in order. After a pack that cannot be opened it goes on with the next one.
    pub fn next_chunk(&mut self) -> Result<Option<ChunkPlan>> {
        loop {
            if let Some((pack, position)) = &mut self.open
                && let Some(plan) = ChunkPlan::of(pack, *position, self.raw_offset)
            {
                *position += 1;
                self.raw_offset += u64::from(plan.raw_bytes());
                return Ok(Some(plan));
            }
            self.open = None;
            while (self.ahead.is_empty() || self.opens_ahead()) && self.open_next() {}
            let next = self.ahead.pop_front();
            self.pack = next.as_ref().map(|(entry, _)| *entry);
            let Some((entry, opened)) = next else {
                return Ok(None);
            };
            if self.dictionary.is_none() {
                self.dictionary = load_dictionary(self.store, self.run, Access::Whole)?;
            }
            let dictionary = self.dictionary.clone();
            let pack = OpenPack::of(self.store, self.run, entry, opened, self.access, dictionary)?;
            self.open = Some((Arc::new(pack), 0));
        }
    }
}
