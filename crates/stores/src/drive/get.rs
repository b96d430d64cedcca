//! One entry of a checkpoint.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use dotctl_engine::checkpoint::{KeyFinder, KeyStep, find_page};
use dotctl_engine::chunk::ChunkReader;
use dotctl_engine::format::delta::DeltaChunk;
use dotctl_engine::format::{ChunkEntry, Manifest, PackEntry, RecordKey, Run, RunKind};
use dotctl_engine::image::geometry::Geometry;
use dotctl_engine::image::lookup::Lookup;
use dotctl_engine::image::record::Column;
use dotctl_engine::state::line_key;
use dotctl_engine::{Error, ErrorKind, Result, value};

use super::chunks::{ChunkPlan, OpenPack};
use crate::buffer::AlignedBuffer;
use crate::store::{Access, Store};

/// What a look-up found, and what it took.
#[derive(Debug)]
pub struct Got<T> {
    /// What is under the key.
    pub found: Option<T>,
    /// Chunks that were decoded for it, a directory's included.
    pub chunks_read: u64,
    /// Why the directory was of no use, where there is one that should have been.
    pub directory_damage: Option<Error>,
}

/// The line of the entry or row with `key`, decoded from one chunk of each run at most.
pub fn get_entry(store: &dyn Store, manifest: &Manifest, key: &[u8]) -> Result<Got<Vec<u8>>> {
    let mut lines = LineLookup::new(store, &manifest.runs)?;
    let found = lines.find(key)?;
    Ok(Got { found, chunks_read: lines.chunks_read(), directory_damage: None })
}

/// Looks lines up in a full run and the delta runs over it.
pub struct LineLookup<'a> {
    full: &'a Run,
    changes: Changes<'a>,
    /// The full run's chunk that was decoded last.
    held: Option<HeldLines<'a>>,
    chunks_read: u64,
}

struct HeldLines<'a> {
    pack: &'a PackEntry,
    first_key: RecordKey,
    raw: AlignedBuffer,
}

impl<'a> LineLookup<'a> {
    /// Looks in `runs`, the full one first, the newest last.
    pub fn new(store: &'a dyn Store, runs: &'a [Run]) -> Result<Self> {
        let full = runs.first().filter(|run| run.kind == RunKind::Full);
        let full = full.ok_or_else(|| Error::corrupt("there is no full run to look in"))?;
        Ok(LineLookup { full, changes: Changes::new(store, runs), held: None, chunks_read: 0 })
    }

    /// The line with `key`, without its line feed.
    pub fn find(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let LineLookup { full, changes, held, chunks_read } = self;
        let store = changes.store;
        changes.resolve(key, || {
            let run: &'a Run = full;
            let mut finder = KeyFinder::new(run, key)?;
            let Some((entry, pack, chunk)) = locate(store, run, &mut finder)? else { return Ok(None) };
            let is_held = |held: &&mut HeldLines<'_>| held.pack == entry && held.first_key == chunk.first_key;
            let raw = match held.as_mut().filter(is_held) {
                Some(held) => &held.raw,
                None => {
                    let (mut stored, mut raw) = (Vec::new(), AlignedBuffer::default());
                    pack.read(&mut ChunkReader::new()?, &chunk, &mut stored, &mut raw, 0)?;
                    *chunks_read += 1;
                    &held.insert(HeldLines { pack: entry, first_key: chunk.first_key, raw }).raw
                }
            };
            let found = finder.chunk(raw, |line| line_key(line).map(Cow::into_owned))?;
            Ok(found.and_then(|range| raw.get(range).map(<[u8]>::to_vec)))
        })
    }

    /// Chunks that were decoded so far.
    pub fn chunks_read(&self) -> u64 {
        self.chunks_read + self.changes.chunks_read
    }
}

/// The delta runs of a checkpoint, for look-ups.
struct Changes<'a> {
    store: &'a dyn Store,
    /// The newest first, each with the chunk of it that was decoded last.
    runs: Vec<(&'a Run, Option<HeldChunk<'a>>)>,
    chunks_read: u64,
}

/// A decoded chunk, and where it lies.
struct HeldChunk<'a> {
    pack: &'a PackEntry,
    first_key: RecordKey,
    chunk: Rc<DeltaChunk>,
}

impl<'a> Changes<'a> {
    fn new(store: &'a dyn Store, runs: &'a [Run]) -> Self {
        let runs = runs.iter().rev().filter(|run| run.kind == RunKind::Delta);
        Changes { store, runs: runs.map(|run| (run, None)).collect(), chunks_read: 0 }
    }

    /// The record with `key`, where `full` gives what the full run has of it.
    fn resolve(
        &mut self,
        key: &[u8],
        full: impl FnOnce() -> Result<Option<Vec<u8>>>,
    ) -> Result<Option<Vec<u8>>> {
        let mut records = Vec::new();
        let mut needs_older = true;
        for position in 0..self.runs.len() {
            if let Some(chunk) = self.chunk(position, key)?
                && let Some(record) = chunk.find(key)
            {
                needs_older = chunk.needs_older(record);
                records.push((chunk, record));
                if !needs_older {
                    break;
                }
            }
        }
        let mut value = if needs_older { full()? } else { None };
        for (chunk, record) in records.iter().rev() {
            let mut new = Vec::new();
            value = chunk.apply(*record, value.as_deref(), &mut new)?.then_some(new);
        }
        Ok(value)
    }

    /// The chunk of a run that can hold the record with `key`.
    fn chunk(&mut self, position: usize, key: &[u8]) -> Result<Option<Rc<DeltaChunk>>> {
        let Some((run, held)) = self.runs.get_mut(position) else { return Ok(None) };
        let run: &'a Run = run;
        let mut finder = KeyFinder::new(run, key)?;
        let Some((entry, pack, chunk)) = locate(self.store, run, &mut finder)? else { return Ok(None) };
        if let Some(held) = held
            && held.pack == entry
            && held.first_key == chunk.first_key
        {
            return Ok(Some(held.chunk.clone()));
        }
        let (mut stored, mut raw) = (Vec::new(), AlignedBuffer::default());
        pack.read(&mut ChunkReader::new()?, &chunk, &mut stored, &mut raw, 0)?;
        self.chunks_read += 1;
        let decoded = Rc::new(DeltaChunk::read(raw.to_vec(), chunk.record_count)?);
        *held = Some(HeldChunk { pack: entry, first_key: chunk.first_key, chunk: decoded.clone() });
        Ok(Some(decoded))
    }
}

/// The one chunk of `run` that can hold what `finder` looks for, and the pack that it lies in.
fn locate<'r>(
    store: &dyn Store,
    run: &'r Run,
    finder: &mut KeyFinder<'r>,
) -> Result<Option<(&'r PackEntry, OpenPack, ChunkEntry)>> {
    let KeyStep::Index(entry) = finder.step() else {
        return Ok(None);
    };
    let pack = OpenPack::open(store, run, entry, Access::Parts)?;
    finder.index(pack.reading());
    match finder.step() {
        KeyStep::Chunk(_, chunk) => Ok(Some((entry, pack, chunk))),
        _ => Ok(None),
    }
}

/// The one chunk of `run` that can hold what `finder` looks for, decoded.
fn find_chunk<'r>(
    store: &dyn Store,
    run: &'r Run,
    finder: &mut KeyFinder<'r>,
) -> Result<Option<(ChunkEntry, AlignedBuffer)>> {
    let Some((_, pack, chunk)) = locate(store, run, finder)? else {
        return Ok(None);
    };
    let (mut stored, mut raw) = (Vec::new(), AlignedBuffer::default());
    pack.read(&mut ChunkReader::new()?, &chunk, &mut stored, &mut raw, 0)?;
    Ok(Some((chunk, raw)))
}

/// A value out of an object's key-value storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredValue {
    /// Its type's name.
    pub kind: &'static str,
    /// The value as `docs/VALUES.md` spells it.
    pub json: String,
    /// Bytes it takes in the database.
    pub value_bytes: usize,
}

/// The value that an object stored under `key`, in a checkpoint of its database: the directory
/// names the one page to read; without one, the pages on the way down the tree are read.
pub fn get_value(store: &dyn Store, manifest: &Manifest, key: &[u8]) -> Result<Got<StoredValue>> {
    let wrong = || Error::corrupt("the manifest of an image says nothing of its pages");
    let page_bytes = manifest.page_bytes.ok_or_else(wrong)?;
    let page_count = u32::try_from(manifest.record_count).map_err(|_| wrong())?;
    let mut pages = ImagePages::new(store, manifest, page_bytes)?;
    let mut directory_damage = None;
    // No directory holds a longer key, so that the tree must tell.
    if let Some(run) = manifest.directory().filter(|_| key.len() <= RecordKey::BYTES_MAX) {
        match look_in_directory(&mut pages, run, page_count, key) {
            Ok(lookup) => {
                let found = lookup.map(|lookup| stored_value(&lookup)).transpose()?;
                return Ok(Got { found, chunks_read: pages.chunks_read, directory_damage });
            }
            Err(error) => directory_damage = Some(distrusted(error)?),
        }
    }
    let mut lookup = Lookup::key(page_count, key);
    let found = lookup.run(page_bytes, |number, page| pages.read(number, page))?;
    let found = found.then(|| stored_value(&lookup)).transpose()?;
    Ok(Got { found, chunks_read: pages.chunks_read, directory_damage })
}

/// Why a directory is not to be trusted, unless the machine failed.
fn distrusted(error: Error) -> Result<Error> {
    match error.kind() {
        ErrorKind::Corrupt(_) | ErrorKind::Malformed | ErrorKind::Unsupported => Ok(error),
        _ => Err(error),
    }
}

/// The row with `key`, looked for in the page that the directory `run` names.
fn look_in_directory(
    pages: &mut ImagePages<'_>,
    run: &Run,
    page_count: u32,
    key: &[u8],
) -> Result<Option<Lookup>> {
    let mut finder = KeyFinder::new(run, key)?;
    let missing = || Error::corrupt("the directory has no chunk for the key");
    let (chunk, raw) = find_chunk(pages.store, run, &mut finder)?.ok_or_else(missing)?;
    pages.chunks_read += 1;
    let place = find_page(&raw, chunk.record_count, key)?;
    let geometry = Geometry::new(pages.page_bytes, place.reserved_bytes, page_count)?;
    let mut lookup = Lookup::key_in_page(geometry, place.page, key)?;
    if lookup.run(pages.page_bytes, |number, page| pages.read(number, page))? {
        return Ok(Some(lookup));
    }
    if place.certain {
        return Err(Error::corrupt(format!("page {} has not the key that the directory says", place.page)));
    }
    Ok(None)
}

/// The value in the row that `lookup` found.
fn stored_value(lookup: &Lookup) -> Result<StoredValue> {
    match lookup.column(1)? {
        Column::Blob(bytes) => {
            let document = value::decode(bytes)?;
            let mut json = String::new();
            value::to_json(&document, &mut json);
            Ok(StoredValue { kind: value::kind(bytes)?.name(), json, value_bytes: bytes.len() })
        }
        _ => Err(Error::unsupported("this entry's value is not one that an object stores")),
    }
}

/// Decoded chunks kept while one look-up goes through an image.
const CACHED_CHUNKS_MAX: usize = 8;

/// Pages of an image in a store, decoded chunk by chunk as they are asked for.
struct ImagePages<'a> {
    store: &'a dyn Store,
    manifest: &'a Manifest,
    page_bytes: u32,
    reader: ChunkReader,
    packs: Vec<(usize, Arc<OpenPack>)>,
    chunks: Vec<DecodedChunk>,
    changes: Changes<'a>,
    chunks_read: u64,
}

struct DecodedChunk {
    first_page: u32,
    raw: AlignedBuffer,
}

impl<'a> ImagePages<'a> {
    fn new(store: &'a dyn Store, manifest: &'a Manifest, page_bytes: u32) -> Result<Self> {
        let reader = ChunkReader::new()?;
        Ok(ImagePages {
            store,
            manifest,
            page_bytes,
            reader,
            packs: Vec::new(),
            chunks: Vec::new(),
            changes: Changes::new(store, &manifest.runs),
            chunks_read: 0,
        })
    }

    fn read(&mut self, number: u32, page: &mut [u8]) -> Result<()> {
        let missing = || Error::corrupt(format!("page {number} is in no chunk"));
        if self.changes.runs.is_empty() {
            page.copy_from_slice(self.full_page(number)?.ok_or_else(missing)?);
            return Ok(());
        }
        let mut changes = std::mem::replace(&mut self.changes, Changes::new(self.store, &self.manifest.runs));
        let read_before = changes.chunks_read;
        let key = RecordKey::page(number);
        let found = changes.resolve(key.as_bytes(), || Ok(self.full_page(number)?.map(<[u8]>::to_vec)));
        self.chunks_read += changes.chunks_read - read_before;
        self.changes = changes;
        let found = found?.filter(|found| found.len() == page.len()).ok_or_else(missing)?;
        page.copy_from_slice(&found);
        Ok(())
    }

    /// The page as the full run has it, if it does.
    fn full_page(&mut self, number: u32) -> Result<Option<&[u8]>> {
        let page_bytes = self.page_bytes;
        let held = self.chunks.iter().position(|chunk| chunk.page(number, page_bytes).is_some());
        let position = match held {
            Some(position) => position,
            None => {
                let chunk = self.decode(number)?;
                if self.chunks.len() == CACHED_CHUNKS_MAX {
                    self.chunks.remove(0);
                }
                self.chunks.push(chunk);
                self.chunks.len() - 1
            }
        };
        Ok(self.chunks.get(position).and_then(|chunk| chunk.page(number, page_bytes)))
    }

    fn decode(&mut self, number: u32) -> Result<DecodedChunk> {
        let missing = || Error::corrupt(format!("page {number} is in no pack"));
        let run = self.manifest.full_run()?;
        let key = RecordKey::page(number);
        let position =
            run.packs.partition_point(|pack| pack.first_key <= key).checked_sub(1).ok_or_else(missing)?;
        let pack = match self.packs.iter().find(|(held, _)| *held == position) {
            Some((_, pack)) => pack.clone(),
            None => {
                let entry = run.packs.get(position).ok_or_else(missing)?;
                let pack = Arc::new(OpenPack::open(self.store, run, entry, Access::Parts)?);
                self.packs.push((position, pack.clone()));
                pack
            }
        };
        let chunk = pack.reading().index().find(&key).ok_or_else(missing)?;
        let first_page = pack.reading().chunks().get(chunk).and_then(|chunk| chunk.first_key.page_number());
        let plan = ChunkPlan::of(&pack, chunk, 0).ok_or_else(missing)?;
        let (mut stored, mut raw) = (Vec::new(), AlignedBuffer::default());
        plan.read(&mut self.reader, &mut stored, &mut raw, 0)?;
        self.chunks_read += 1;
        Ok(DecodedChunk { first_page: first_page.ok_or_else(missing)?, raw })
    }
}

impl DecodedChunk {
    fn page(&self, number: u32, page_bytes: u32) -> Option<&[u8]> {
        let position = number.checked_sub(self.first_page)? as usize;
        let begin = position.checked_mul(page_bytes as usize)?;
        self.raw.get(begin..begin.checked_add(page_bytes as usize)?)
    }
}
