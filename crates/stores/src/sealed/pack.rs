//! A sealed pack, read as if it were open: at any place, by any thread.
//!
//! An age file is a header and pieces of 64 KiB that are sealed each by itself, so who wants a part opens the
//! pieces that have it.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use age::Decryptor;
use age::stream::StreamReader;
use dotctl_engine::format::PackEntry;
use dotctl_engine::{Error, ErrorKind, Result};

use super::Identities;
use crate::store::{Pack, READS_AGAIN_MAX};

/// Bytes that are sealed together, and the tag behind them: age's format.
const PIECE_BYTES: u64 = 64 << 10;
const TAG_BYTES: u64 = 16;

/// More of a header than is read at once: some hundred recipients.
const HEADER_BYTES_MAX: u64 = 64 << 10;

/// A buffer larger than this is not kept.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// A sealed pack and the keys to it.
pub struct OpenedPack {
    pack: Arc<dyn Pack>,
    identities: Arc<Identities>,
    sealed_bytes: u64,
    opened_bytes: u64,
    /// Where the first piece begins.
    pieces_begin: u64,
    /// Readers that nobody uses now: to make one, the header is opened.
    idle: Mutex<Vec<PieceReader>>,
}

/// Opens the pieces of one pack, one after another.
struct PieceReader {
    stream: StreamReader<Window>,
    bytes: Arc<Mutex<Bytes>>,
}

/// Bytes of the sealed pack that were read at once, since each read may be a request.
struct Bytes {
    pack: Arc<dyn Pack>,
    sealed_bytes: u64,
    begin: u64,
    read: Vec<u8>,
    /// Why the pack could not be read.
    error: Option<Error>,
}

/// A place in those.
struct Window {
    bytes: Arc<Mutex<Bytes>>,
    at: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OpenedPack {
    /// The pack within the sealed one of `entry`.
    ///
    /// # Errors
    /// Corrupt where it cannot have the promised length.
    pub fn new(entry: &PackEntry, pack: Box<dyn Pack>, identities: Arc<Identities>) -> Result<Self> {
        let (sealed_bytes, opened_bytes) = (entry.stored_bytes, entry.opened_bytes());
        let tags = opened_bytes.div_ceil(PIECE_BYTES).max(1).saturating_mul(TAG_BYTES);
        let pieces_begin = sealed_bytes
            .checked_sub(opened_bytes)
            .and_then(|rest| rest.checked_sub(tags))
            .filter(|begin| *begin > 0)
            .ok_or_else(|| Error::corrupt("the sealed pack is too short for what it should hold"))?;
        let pack = Arc::from(pack);
        Ok(OpenedPack { pack, identities, sealed_bytes, opened_bytes, pieces_begin, idle: Mutex::default() })
    }

    /// Where in the sealed pack the pieces lie that have these bytes of the opened one.
    fn pieces(&self, offset: u64, bytes: u64) -> (u64, u64) {
        let place = |piece: u64| {
            piece
                .saturating_mul(PIECE_BYTES + TAG_BYTES)
                .saturating_add(self.pieces_begin)
                .min(self.sealed_bytes)
        };
        let last = offset.saturating_add(bytes.saturating_sub(1)) / PIECE_BYTES;
        (place(offset / PIECE_BYTES), place(last.saturating_add(1)))
    }

    /// Opens the header.
    fn reader(&self, again: bool) -> Result<Option<PieceReader>> {
        let bytes = Arc::new(Mutex::new(Bytes {
            pack: self.pack.clone(),
            sealed_bytes: self.sealed_bytes,
            begin: 0,
            read: Vec::new(),
            error: None,
        }));
        if !lock(&bytes).load(0, self.pieces_begin.min(HEADER_BYTES_MAX), again)? {
            return Ok(None);
        }
        let window = Window { bytes: bytes.clone(), at: 0 };
        let opened = Decryptor::new(window).and_then(|sealed| sealed.decrypt(self.identities.each()));
        match opened {
            Ok(stream) => Ok(Some(PieceReader { stream, bytes })),
            Err(error) => Err(failed(&bytes, &error)),
        }
    }

    /// Fills `into`; `again`: with what is fetched anew. Says `false` where nothing else could come.
    fn read(&self, offset: u64, into: &mut [u8], again: bool) -> Result<bool> {
        let idle = if again { None } else { lock(&self.idle).pop() };
        let reader = match idle {
            Some(reader) => Some(reader),
            None => self.reader(again)?,
        };
        let Some(mut reader) = reader else {
            return Ok(false);
        };
        let (begin, end) = self.pieces(offset, into.len() as u64);
        if !lock(&reader.bytes).load(begin, end, again)? {
            return Ok(false);
        }
        if let Err(error) = reader.read(offset, into) {
            return Err(failed(&reader.bytes, &error));
        }
        lock(&reader.bytes).forget();
        lock(&self.idle).push(reader);
        Ok(true)
    }
}

/// The machine's failure, if there was one, or that the pack is not as it was sealed.
fn failed(bytes: &Mutex<Bytes>, error: &dyn std::fmt::Display) -> Error {
    let machine = lock(bytes).error.take();
    machine.unwrap_or_else(|| Error::corrupt(format!("the pack's seal is broken: {error}")))
}

impl Pack for OpenedPack {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        if into.is_empty() {
            return Ok(());
        }
        if offset.saturating_add(into.len() as u64) > self.opened_bytes {
            return Err(Error::corrupt("the pack ends early"));
        }
        let mut read = self.read(offset, into, false);
        for _ in 0..READS_AGAIN_MAX {
            match &read {
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => {}
                _ => break,
            }
            match self.read(offset, into, true) {
                Ok(false) => break,
                again => read = again,
            }
        }
        read.map(drop)
    }
}

impl PieceReader {
    fn read(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        // To the very begin of a piece the stream goes by way of the last one, which may be a request.
        if offset.is_multiple_of(PIECE_BYTES) {
            self.stream.seek(SeekFrom::Start(offset.saturating_add(1)))?;
        }
        self.stream.seek(SeekFrom::Start(offset))?;
        self.stream.read_exact(into)
    }
}

impl Bytes {
    /// Reads from `begin` up to `end`.
    fn load(&mut self, begin: u64, end: u64, again: bool) -> Result<bool> {
        self.begin = begin;
        self.read.clear();
        self.read.resize(usize::try_from(end.saturating_sub(begin)).unwrap_or_default(), 0);
        match again {
            true => self.pack.read_again(begin, &mut self.read),
            false => self.pack.read_at(begin, &mut self.read).map(|()| true),
        }
    }

    fn forget(&mut self) {
        self.read.clear();
        if self.read.capacity() > KEPT_BYTES_MAX {
            self.read = Vec::new();
        }
    }
}

impl Read for Window {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut bytes = lock(&self.bytes);
        let length =
            into.len().min(usize::try_from(bytes.sealed_bytes.saturating_sub(self.at)).unwrap_or(usize::MAX));
        let Some(into) = into.get_mut(..length).filter(|into| !into.is_empty()) else {
            return Ok(0);
        };
        let skip = self.at.checked_sub(bytes.begin).and_then(|skip| usize::try_from(skip).ok());
        let there = skip.and_then(|skip| bytes.read.get(skip..)).unwrap_or_default();
        let taken = match there.len().min(into.len()) {
            0 => {
                let pack = bytes.pack.clone();
                pack.read_at(self.at, into).map_err(|error| {
                    let failed = io::Error::other(error.to_string());
                    bytes.error = Some(error);
                    failed
                })?;
                into.len()
            }
            taken => {
                into.iter_mut().zip(there).for_each(|(to, from)| *to = *from);
                taken
            }
        };
        self.at += taken as u64;
        Ok(taken)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let sealed_bytes = lock(&self.bytes).sealed_bytes;
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => sealed_bytes.checked_add_signed(by),
        };
        self.at = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
