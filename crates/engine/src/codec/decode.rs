//! Decoding one chunk after another, never past its stated size.

use std::io::Read;

use zstd::bulk::Decompressor;
use zstd::zstd_safe::DParameter;

use super::Codec;
use crate::error::{Damage, Error, ErrorKind, Result};

/// Decodes chunks; keeps its tables between them.
pub struct Decoder {
    zstd: Decompressor<'static>,
}

impl Decoder {
    /// A decoder for every codec.
    pub fn new() -> Result<Self> {
        let failed = |error: std::io::Error| Error::new(ErrorKind::Io, format!("zstd: {error}"));
        let mut zstd = Decompressor::new().map_err(failed)?;
        // Chunks arrive here with their SHA-256 already checked.
        zstd.set_parameter(DParameter::ForceIgnoreChecksum(true)).map_err(failed)?;
        Ok(Decoder { zstd })
    }

    /// Decodes `stored` into `raw`, which is as long as the chunk claims to be. Anything but
    /// exactly that many bytes is [`ErrorKind::Corrupt`], and no more of them are ever decoded.
    pub fn decode(&mut self, codec: Codec, stored: &[u8], raw: &mut [u8]) -> Result<()> {
        let raw_bytes = raw.len();
        let decoded_bytes = match codec {
            Codec::Zstd | Codec::None => self.zstd.decompress_to_buffer(stored, raw).map_err(undecodable)?,
            Codec::Gzip => gunzip(stored, raw)?,
        };
        if decoded_bytes == raw_bytes {
            Ok(())
        } else {
            Err(Error::damaged(Damage::Size, "the decoded chunk", raw_bytes, decoded_bytes))
        }
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
