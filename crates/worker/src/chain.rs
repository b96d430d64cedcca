//! A checkpoint's lines out of its packs, in order, every hash checked.

use dotctl_engine::checkpoint::{
    DICTIONARY_CODEC, KeyRange, PackReading, RunMerge, index_range, merge_lines, read_dictionary,
};
use dotctl_engine::chunk::{ChunkReader, raw_bytes};
use dotctl_engine::codec::Dictionary;
use dotctl_engine::format::delta::DeltaChunk;
use dotctl_engine::format::layout::pack_key;
use dotctl_engine::format::{ChunkEntry, Manifest, PackEntry, Place as RunPlace, Run, RunKind};
use dotctl_engine::placement::PlacementPolicy;
use dotctl_engine::{Damage, Error, Result};

use crate::places::Place;

/// Where the packs of a checkpoint lie.
#[derive(Clone)]
pub struct Places {
    /// Beside the manifest.
    pub near: Place,
    /// Those that overflow it.
    pub far: Option<Place>,
    /// Which those are.
    pub policy: PlacementPolicy,
}

impl Places {
    /// Where a run's packs lie.
    pub fn of(&self, run: &Run) -> Result<&Place> {
        match (run.place, &self.far) {
            (None, _) => Ok(&self.near),
            (Some(RunPlace::Overflow), Some(far)) => Ok(far),
            (Some(RunPlace::Overflow), None) => {
                Err(Error::damaged(Damage::Missing, "the second store", "a bucket", "nothing")
                    .hint("the checkpoint's packs were put into R2: give the bucket"))
            }
        }
    }
}

/// Reads a checkpoint piece by piece.
pub struct ChainLines<'a> {
    cursors: Vec<Cursor<'a>>,
    low: Option<Vec<u8>>,
    reader: ChunkReader,
}

struct Cursor<'a> {
    run: &'a Run,
    place: &'a Place,
    packs: std::slice::Iter<'a, PackEntry>,
    open: Option<(&'a PackEntry, PackReading, usize)>,
    dictionary: Option<Dictionary>,
    /// The chunk that the current piece lies in.
    current: Option<Decoded>,
    next: Option<(&'a PackEntry, ChunkEntry)>,
}

enum Decoded {
    Lines(Vec<u8>),
    Delta(Box<DeltaChunk>),
}

impl<'a> ChainLines<'a> {
    /// Reads `manifest`, a checkpoint of rows.
    pub async fn new(places: &'a Places, manifest: &'a Manifest) -> Result<Self> {
        let mut cursors = Vec::new();
        for run in manifest.content_runs() {
            let place = places.of(run)?;
            let dictionary = match &run.dictionary {
                Some(pack) => Some(load_dictionary(place, pack).await?),
                None => None,
            };
            let mut cursor = Cursor {
                run,
                place,
                packs: run.packs.iter(),
                open: None,
                dictionary,
                current: None,
                next: None,
            };
            cursor.look_ahead(&[]).await?;
            cursors.push(cursor);
        }
        Ok(ChainLines { cursors, low: Some(Vec::new()), reader: ChunkReader::new()? })
    }

    /// Puts the lines of the next piece over what is in `into`; says `false` when there is none.
    pub async fn next_piece(&mut self, into: &mut Vec<u8>) -> Result<bool> {
        match self.low.take() {
            Some(low) => self.piece_from(low, into).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// The first key behind the piece that was read last; none where nothing is behind it.
    pub fn border(&self) -> Option<&[u8]> {
        self.low.as_deref()
    }

    /// Puts the lines from `low` on, up to the end of the piece that it lies in, over what is in `into`. Pieces are read in
    /// ascending order, and those between them are not looked at.
    pub async fn piece_from(&mut self, low: Vec<u8>, into: &mut Vec<u8>) -> Result<()> {
        // Chunks are read in the room of the last piece.
        *into = Vec::new();
        for cursor in &mut self.cursors {
            cursor.move_to(&low, &mut self.reader).await?;
        }
        let nexts = self.cursors.iter().filter_map(|cursor| cursor.next.as_ref());
        let border = nexts.map(|(_, chunk)| chunk.first_key.as_bytes()).min().map(<[u8]>::to_vec);
        self.low.clone_from(&border);
        let range = KeyRange { low, high: border };
        let decoded = || self.cursors.iter().filter_map(|cursor| cursor.current.as_ref());
        let lines = decoded().find_map(|decoded| match decoded {
            Decoded::Lines(lines) => Some(lines.as_slice()),
            Decoded::Delta(_) => None,
        });
        let deltas = decoded().filter_map(|decoded| match decoded {
            Decoded::Delta(delta) => Some(delta.as_ref()),
            Decoded::Lines(_) => None,
        });
        let mut merge = RunMerge::new(deltas, &range);
        // Little more comes out; growing would take twice its room.
        let line_bytes = lines.map_or(0, <[u8]>::len);
        into.reserve_exact(line_bytes + line_bytes / 8);
        merge_lines(lines.unwrap_or_default(), &mut merge, &range, into)
    }
}

impl Cursor<'_> {
    /// Finds the chunk behind the one found last; packs that end before `key` are not looked into.
    async fn look_ahead(&mut self, key: &[u8]) -> Result<()> {
        loop {
            if let Some((pack, reading, position)) = &mut self.open
                && let Some(chunk) = reading.chunks().get(*position)
            {
                *position += 1;
                self.next = Some((pack, chunk.clone()));
                return Ok(());
            }
            while self.packs.as_slice().get(1).is_some_and(|next| next.first_key.as_bytes() <= key) {
                self.packs.next();
            }
            let Some(pack) = self.packs.next() else {
                self.next = None;
                return Ok(());
            };
            self.open = Some((pack, open(self.place, self.run.codec, pack).await?, 0));
        }
    }

    /// Makes the chunk the current one in which `key` lies.
    async fn move_to(&mut self, key: &[u8], reader: &mut ChunkReader) -> Result<()> {
        let mut found = None;
        while self.next.as_ref().is_some_and(|(_, chunk)| chunk.first_key.as_bytes() <= key) {
            found = self.next.take();
            self.look_ahead(key).await?;
        }
        if let Some((pack, chunk)) = found {
            self.decode(pack, &chunk, reader).await?;
        }
        // Changes to nothing that is still to come would only take room.
        if let Some(Decoded::Delta(delta)) = &self.current
            && delta.range(key, None).is_empty()
        {
            self.current = None;
        }
        Ok(())
    }

    async fn decode(&mut self, pack: &PackEntry, chunk: &ChunkEntry, reader: &mut ChunkReader) -> Result<()> {
        self.current = None;
        reader.set_dictionary(self.dictionary.as_ref());
        let key = pack_key(&pack.sha256);
        let mut raw = vec![0; raw_bytes(chunk)?];
        let stored = self.place.read(&key, chunk.stored_offset, chunk.stored_bytes.into()).await?;
        let stored = stored.ok_or_else(|| missing(pack))?;
        let place = |error: Error| {
            error.at(format!("{}, {key}, chunk at byte {}", self.place.location(), chunk.stored_offset))
        };
        reader.read(self.run.codec, chunk, &stored, &mut raw).map_err(place)?;
        self.current = Some(match self.run.kind {
            RunKind::Delta => {
                let delta = DeltaChunk::read(raw, chunk.record_count).map_err(place)?;
                if delta.key(0) != chunk.first_key.as_bytes() {
                    return Err(place(Error::corrupt("the delta chunk and its index contradict each other")));
                }
                Decoded::Delta(Box::new(delta))
            }
            _ if raw.ends_with(b"\n") => Decoded::Lines(raw),
            _ => return Err(place(Error::corrupt("a chunk of lines does not end with its last one"))),
        });
        Ok(())
    }
}

/// That the pack of `entry` is not there.
fn missing(entry: &PackEntry) -> Error {
    Error::damaged(Damage::Missing, "the pack", entry.sha256, "nothing")
}

async fn open(place: &Place, codec: dotctl_engine::codec::Codec, pack: &PackEntry) -> Result<PackReading> {
    let range = index_range(pack);
    let key = pack_key(&pack.sha256);
    let located = |error: Error| error.at(format!("{}, {key}", place.location()));
    if pack.within.is_some() {
        return Err(located(Error::unsupported("a sealed pack cannot be opened inside an object")));
    }
    let index = place.read(&key, range.start, pack.index_bytes.into()).await?;
    let index = index.ok_or_else(|| located(missing(pack)))?;
    PackReading::open(codec, pack, &index).map_err(located)
}

async fn load_dictionary(place: &Place, pack: &PackEntry) -> Result<Dictionary> {
    let reading = open(place, DICTIONARY_CODEC, pack).await?;
    let [chunk] = reading.chunks() else {
        return Err(Error::corrupt("a dictionary's pack has other chunks than one"));
    };
    let key = pack_key(&pack.sha256);
    let stored = place.read(&key, chunk.stored_offset, chunk.stored_bytes.into()).await?;
    read_dictionary(chunk, &stored.ok_or_else(|| missing(pack))?)
}
