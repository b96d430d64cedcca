//! Decoding one chunk after another, never past its stated size.

use std::io::Read;

use zstd::bulk::Decompressor;
use zstd::zstd_safe::{self, DParameter};

use super::{Codec, Dictionary, marker};
use crate::columnar;
use crate::error::{Damage, Error, ErrorKind, Result};

/// Decodes chunks; keeps its tables between them.
pub struct Decoder {
    zstd: Decompressor<'static>,
    /// The dictionary that was set, and tables for it once a chunk needs them.
    dictionary: Option<(Dictionary, Option<Decompressor<'static>>)>,
    columns: Vec<u8>,
}

fn decompressor(dictionary: &[u8]) -> Result<Decompressor<'static>> {
    let failed = |error: std::io::Error| Error::new(ErrorKind::Io, format!("zstd: {error}"));
    let mut zstd = Decompressor::with_dictionary(dictionary).map_err(failed)?;
    // Chunks arrive here with their SHA-256 already checked.
    zstd.set_parameter(DParameter::ForceIgnoreChecksum(true)).map_err(failed)?;
    Ok(zstd)
}

impl Decoder {
    /// A decoder for every codec.
    pub fn new() -> Result<Self> {
        Ok(Decoder { zstd: decompressor(&[])?, dictionary: None, columns: Vec::new() })
    }

    /// The dictionary for chunks that were made with one.
    pub fn set_dictionary(&mut self, dictionary: Option<&Dictionary>) {
        match (&self.dictionary, dictionary) {
            (Some((known, _)), Some(dictionary)) if known.is(dictionary) => {}
            _ => self.dictionary = dictionary.map(|dictionary| (dictionary.clone(), None)),
        }
    }

    /// Decodes `stored` into `raw`, which is as long as the chunk claims to be. Anything but
    /// exactly that many bytes is [`ErrorKind::Corrupt`], and no more of them are ever decoded.
    pub fn decode(&mut self, codec: Codec, stored: &[u8], raw: &mut [u8]) -> Result<()> {
        let raw_bytes = raw.len();
        let decoded_bytes = match codec {
            Codec::Zstd | Codec::None => self.zstd.decompress_to_buffer(stored, raw).map_err(undecodable)?,
            Codec::Gzip => gunzip(stored, raw)?,
            Codec::Columnar | Codec::Auto | Codec::Dictionary => match marker::columns(stored) {
                Some(frame) => return self.decode_columns(frame, raw),
                None => self.decode_frame(stored, raw)?,
            },
        };
        if decoded_bytes == raw_bytes {
            Ok(())
        } else {
            Err(Error::damaged(Damage::Size, "the decoded chunk", raw_bytes, decoded_bytes))
        }
    }
}

impl Decoder {
    /// Decodes a frame that says whether it needs the dictionary.
    fn decode_frame(&mut self, frame: &[u8], raw: &mut [u8]) -> Result<usize> {
        if zstd_safe::get_dict_id_from_frame(frame).is_none() {
            return self.zstd.decompress_to_buffer(frame, raw).map_err(undecodable);
        }
        let Some((dictionary, zstd)) = &mut self.dictionary else {
            return Err(Error::corrupt("a chunk needs a dictionary, and its run has none"));
        };
        let zstd = match zstd {
            Some(zstd) => zstd,
            none => none.insert(decompressor(dictionary.as_bytes())?),
        };
        zstd.decompress_to_buffer(frame, raw).map_err(undecodable)
    }

    /// Decodes a frame of columns, which are always shorter than the lines.
    fn decode_columns(&mut self, frame: &[u8], raw: &mut [u8]) -> Result<()> {
        let claimed = zstd_safe::get_frame_content_size(frame).ok().flatten();
        let column_bytes = claimed
            .and_then(|bytes| usize::try_from(bytes).ok())
            .filter(|bytes| *bytes < raw.len() && raw.len() <= columnar::RAW_BYTES_MAX)
            .ok_or_else(|| Error::corrupt("a chunk's columns claim an impossible size"))?;
        let mut columns = std::mem::take(&mut self.columns);
        columns.resize(column_bytes, 0);
        let decoded = self.decode_frame(frame, &mut columns).and_then(|decoded_bytes| {
            match columns.get(..decoded_bytes).filter(|columns| columns.len() == column_bytes) {
                Some(columns) => columnar::read(columns, raw),
                None => Err(Error::damaged(Damage::Size, "the chunk's columns", column_bytes, decoded_bytes)),
            }
        });
        self.columns = columns;
        decoded
    }
}

/// Decodes one gzip member and nothing behind it; stops one byte past `raw`.
fn gunzip(stored: &[u8], raw: &mut [u8]) -> Result<usize> {
    let mut rest = stored;
    let mut member = flate2::bufread::GzDecoder::new(&mut rest);
    let mut decoded_bytes = 0;
    while let Some(space) = raw.get_mut(decoded_bytes..).filter(|space| !space.is_empty()) {
        match member.read(space).map_err(undecodable)? {
            0 => break,
            bytes => decoded_bytes += bytes,
        }
    }
    // Its checksum is compared once the member's end is reached.
    let beyond = member.read(&mut [0]).map_err(undecodable)?;
    if decoded_bytes == raw.len() && beyond == 0 && !rest.is_empty() {
        return Err(Error::corrupt(format!("{} bytes follow the chunk's gzip member", rest.len())));
    }
    Ok(decoded_bytes + beyond)
}

fn undecodable(error: std::io::Error) -> Error {
    Error::corrupt(format!("a chunk does not decode: {error}"))
}
