//! Stored bytes on their way back to what was compressed: decompressed, counted and hashed as they
//! stream by, never past a bound.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::checksum::{Checksum, Hasher};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Hash;

/// Bytes that compressed data may decompress to: 2 GiB. The budgets of the spike reject state from
/// there on (`MAX_THRESHOLD`), and an isolate, which compresses in one piece, has 128 MB.
pub const CONTENT_BYTES_MAX: u64 = 2 << 30;

/// How gzip data begins.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Where the bytes go.
pub(super) type Sink<'s> = dyn FnMut(&[u8]) -> Result<()> + 's;

/// What the whole content amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentFacts {
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// Their checksum, of the kind that was asked for.
    pub stored: Checksum,
    /// What came out of them, or why they could not be decompressed.
    pub raw: Result<RawFacts>,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawFacts {
    /// Bytes.
    pub raw_bytes: u64,
    /// Their checksum, of the kind that was asked for.
    pub checksum: Checksum,
    /// Their SHA-256.
    pub sha256: Hash,
}

/// The stream.
pub(super) struct Content<'s> {
    may_be_gzip: bool,
    kind: Checksum,
    /// Over the bytes as stored, where other bytes come out of them.
    stored: Option<Hasher>,
    stored_bytes: u64,
    /// The first byte, until the second tells what this is.
    head: Vec<u8>,
    stage: Stage<'s>,
}

enum Stage<'s> {
    Undecided(Out<'s>),
    Raw(Out<'s>),
    Gzip(Box<MultiGzDecoder<Out<'s>>>),
    Broken(Error),
}

struct Out<'s> {
    sink: &'s mut Sink<'s>,
    sha256: Sha256,
    /// The other checksum that was asked for.
    murmur3: Option<Hasher>,
    raw_bytes: u64,
    /// What the sink said, which must not be taken for the decoder's complaint.
    failure: Option<Error>,
}

impl<'s> Content<'s> {
    /// A stream into `sink` that takes checksums as `kind` is one. Data that begins as gzip does is
    /// decompressed if it `may_be_gzip`.
    pub fn new(kind: Checksum, may_be_gzip: bool, sink: &'s mut Sink<'s>) -> Self {
        let murmur3 = match kind {
            Checksum::Sha256(_) => None,
            Checksum::Murmur3(_) => Some(Hasher::like(kind)),
        };
        let out = Out { sink, sha256: Sha256::new(), murmur3, raw_bytes: 0, failure: None };
        Content {
            may_be_gzip,
            kind,
            stored: Some(Hasher::like(kind)),
            stored_bytes: 0,
            head: Vec::new(),
            stage: Stage::Undecided(out),
        }
    }

    /// Takes more stored bytes.
    ///
    /// # Errors
    /// The sink's. What cannot be decompressed is told at the end, since the checksum may say more.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(stored) = &mut self.stored {
            stored.update(bytes);
        }
        self.stored_bytes += bytes.len() as u64;
        if !matches!(self.stage, Stage::Undecided(_)) {
            return self.pass(bytes);
        }
        self.head.extend_from_slice(bytes);
        if self.head.len() < GZIP_MAGIC.len() {
            return Ok(());
        }
        self.decide();
        let head = std::mem::take(&mut self.head);
        self.pass(&head)
    }

    fn decide(&mut self) {
        let is_gzip = self.may_be_gzip && self.head.starts_with(&GZIP_MAGIC);
        let stage = std::mem::replace(&mut self.stage, Stage::Broken(Error::corrupt("nothing is left")));
        self.stage = match stage {
            Stage::Undecided(out) if is_gzip => Stage::Gzip(Box::new(MultiGzDecoder::new(out))),
            Stage::Undecided(out) => {
                self.stored = None;
                Stage::Raw(out)
            }
            other => other,
        };
    }

    fn pass(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.stage {
            Stage::Undecided(_) | Stage::Broken(_) => Ok(()),
            Stage::Raw(out) => out.take(bytes),
            Stage::Gzip(decoder) => {
                let written = decoder.write_all(bytes);
                if let Some(failure) = decoder.get_mut().failure.take() {
                    return self.fail(failure);
                }
                match written {
                    Ok(()) => Ok(()),
                    Err(error) => self.fail(undecodable(&error)),
                }
            }
        }
    }

    /// Data that is not what it should be is told at the end, everything else at once.
    fn fail(&mut self, error: Error) -> Result<()> {
        if !matches!(error.kind(), ErrorKind::Corrupt(_)) {
            return Err(error);
        }
        // The decoder tries to finish when it is dropped; what it then says counts no more.
        self.stage = Stage::Broken(error);
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// The sink's.
    pub fn finish(mut self) -> Result<ContentFacts> {
        if matches!(self.stage, Stage::Undecided(_)) {
            self.decide();
            let head = std::mem::take(&mut self.head);
            self.pass(&head)?;
        }
        if let Stage::Gzip(decoder) = &mut self.stage {
            let finished = decoder.try_finish();
            if let Some(failure) = decoder.get_mut().failure.take() {
                self.fail(failure)?;
            } else if let Err(error) = finished {
                self.fail(undecodable(&error))?;
            }
        }
        let raw = match self.stage {
            Stage::Undecided(out) | Stage::Raw(out) => Ok(out.facts()),
            Stage::Gzip(decoder) => match decoder.finish() {
                Ok(out) => Ok(out.facts()),
                Err(error) => Err(undecodable(&error)),
            },
            Stage::Broken(error) => Err(error),
        };
        let stored = match (self.stored, &raw) {
            (None, Ok(raw)) => raw.checksum,
            (stored, _) => stored.unwrap_or(Hasher::like(self.kind)).finish(),
        };
        Ok(ContentFacts { stored_bytes: self.stored_bytes, stored, raw })
    }
}

fn undecodable(error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        Error::corrupt("the gzip data ends too early")
    } else {
        Error::corrupt(format!("the gzip data does not decompress: {error}"))
    }
}

impl Out<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.raw_bytes += bytes.len() as u64;
        self.sha256.update(bytes);
        if let Some(murmur3) = &mut self.murmur3 {
            murmur3.update(bytes);
        }
        (self.sink)(bytes)
    }

    fn facts(self) -> RawFacts {
        let sha256 = Hash::finish(self.sha256);
        let checksum = self.murmur3.map_or(Checksum::Sha256(sha256), Hasher::finish);
        RawFacts { raw_bytes: self.raw_bytes, checksum, sha256 }
    }
}

/// What comes out of the decoder.
impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Once it has failed, nothing more goes out, also while the decoder is dropped.
        if self.failure.is_none() {
            let taken = if self.raw_bytes + bytes.len() as u64 > CONTENT_BYTES_MAX {
                Err(Error::corrupt(format!(
                    "it decompresses to more than {} GiB, which no checkpoint of an object has",
                    CONTENT_BYTES_MAX >> 30
                )))
            } else {
                self.take(bytes)
            };
            let Err(error) = taken else {
                return Ok(bytes.len());
            };
            self.failure = Some(error);
        }
        Err(io::Error::other("stopped"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
