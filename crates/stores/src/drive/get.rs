//! One entry of a checkpoint.

use std::sync::Arc;

use dotctl_engine::checkpoint::{KeyFinder, KeyStep};
use dotctl_engine::chunk::ChunkReader;
use dotctl_engine::format::{Manifest, RecordKey};
use dotctl_engine::image::lookup::Lookup;
use dotctl_engine::image::record::Column;
use dotctl_engine::state::{EntryReader, Progress};
use dotctl_engine::{Error, Result, value};

use super::chunks::{ChunkPlan, OpenPack};
use crate::buffer::AlignedBuffer;
use crate::store::{Access, Store};

/// The compact text of the entry with `key` in a checkpoint of state, decoded from one chunk.
pub fn get_entry(store: &dyn Store, manifest: &Manifest, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let codec = manifest.full_run()?.codec;
    let mut finder = KeyFinder::new(manifest, key)?;
    let KeyStep::Index(entry) = finder.step() else {
        return Ok(None);
    };
    let pack = OpenPack::open(store, codec, entry, Access::Parts)?;
    finder.index(pack.reading());
    let KeyStep::Chunk(_, chunk) = finder.step() else {
        return Ok(None);
    };
    let (mut stored, mut raw) = (Vec::new(), AlignedBuffer::default());
    pack.read(&mut ChunkReader::new()?, &chunk, &mut stored, &mut raw, 0)?;
    let found = finder.chunk(&raw, key_of)?;
    Ok(found.and_then(|range| raw.get(range)).map(<[u8]>::to_vec))
}

/// The decoded key of an entry's line.
fn key_of(line: &[u8]) -> Result<Vec<u8>> {
    let mut reader = EntryReader::new();
    let mut rest = line;
    loop {
        match reader.advance()? {
            Progress::Entry => return Ok(reader.entry().key.to_vec()),
            Progress::End => return Err(Error::corrupt("a chunk of state has a line without an entry")),
            Progress::NeedInput if rest.is_empty() => reader.end(),
            Progress::NeedInput => {
                let space = reader.space();
                let bytes = space.len().min(rest.len());
                let (now, later) = rest.split_at(bytes);
                if let Some(space) = space.get_mut(..bytes) {
                    space.copy_from_slice(now);
                }
                reader.filled(bytes);
                rest = later;
            }
        }
    }
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

/// The value that an object stored under `key`, in a checkpoint of its database: only the chunks
/// with the pages on the way to it are read.
pub fn get_value(store: &dyn Store, manifest: &Manifest, key: &[u8]) -> Result<Option<StoredValue>> {
    let wrong = || Error::corrupt("the manifest of an image says nothing of its pages");
    let page_bytes = manifest.page_bytes.ok_or_else(wrong)?;
    let page_count = u32::try_from(manifest.record_count).map_err(|_| wrong())?;
    let mut pages = ImagePages::new(store, manifest, page_bytes)?;
    let mut lookup = Lookup::key(page_count, key);
    if !lookup.run(page_bytes, |number, page| pages.read(number, page))? {
        return Ok(None);
    }
    match lookup.column(1)? {
        Column::Blob(bytes) => {
            let document = value::decode(bytes)?;
            let mut json = String::new();
            value::to_json(&document, &mut json);
            Ok(Some(StoredValue { kind: value::kind(bytes)?.name(), json, value_bytes: bytes.len() }))
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
}

struct DecodedChunk {
    first_page: u32,
    raw: AlignedBuffer,
}

impl<'a> ImagePages<'a> {
    fn new(store: &'a dyn Store, manifest: &'a Manifest, page_bytes: u32) -> Result<Self> {
        let reader = ChunkReader::new()?;
        Ok(ImagePages { store, manifest, page_bytes, reader, packs: Vec::new(), chunks: Vec::new() })
    }

    fn read(&mut self, number: u32, page: &mut [u8]) -> Result<()> {
        for chunk in &self.chunks {
            if let Some(found) = chunk.page(number, self.page_bytes) {
                page.copy_from_slice(found);
                return Ok(());
            }
        }
        let chunk = self.decode(number)?;
        let missing = || Error::corrupt(format!("page {number} is in no chunk"));
        page.copy_from_slice(chunk.page(number, self.page_bytes).ok_or_else(missing)?);
        if self.chunks.len() == CACHED_CHUNKS_MAX {
            self.chunks.remove(0);
        }
        self.chunks.push(chunk);
        Ok(())
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
                let pack = Arc::new(OpenPack::open(self.store, run.codec, entry, Access::Parts)?);
                self.packs.push((position, pack.clone()));
                pack
            }
        };
        let chunk = pack.reading().index().find(&key).ok_or_else(missing)?;
        let first_page = pack.reading().chunks().get(chunk).and_then(|chunk| chunk.first_key.page_number());
        let plan = ChunkPlan::of(&pack, chunk, 0).ok_or_else(missing)?;
        let (mut stored, mut raw) = (Vec::new(), AlignedBuffer::default());
        plan.read(&mut self.reader, &mut stored, &mut raw, 0)?;
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
