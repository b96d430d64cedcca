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

    /// Decodes `stored` into `raw`, whose contents are replaced. Anything but exactly
    /// `raw_bytes` bytes is [`ErrorKind::Corrupt`]; no more than one byte beyond is ever held.
    pub fn decode(&mut self, codec: Codec, stored: &[u8], raw_bytes: usize, raw: &mut Vec<u8>) -> Result<()> {
        let decoded_bytes = match codec {
            Codec::Zstd | Codec::None => {
                // What is already in the buffer is overwritten, not cleared first.
                raw.resize(raw_bytes, 0);
                self.zstd.decompress_to_buffer(stored, raw.as_mut_slice()).map_err(undecodable)?
            }
            Codec::Gzip => {
                raw.clear();
                gunzip(stored, raw_bytes, raw)?
            }
        };
        if decoded_bytes == raw_bytes {
            Ok(())
        } else {
            Err(Error::damaged(Damage::Size, "the decoded chunk", raw_bytes, decoded_bytes))
        }
    }
}

/// Decodes one gzip member and nothing behind it; stops one byte past `raw_bytes`.
fn gunzip(stored: &[u8], raw_bytes: usize, raw: &mut Vec<u8>) -> Result<usize> {
    let mut rest = stored;
    let limit = (raw_bytes as u64).saturating_add(1);
    let member = flate2::bufread::GzDecoder::new(&mut rest);
    let decoded_bytes = member.take(limit).read_to_end(raw).map_err(undecodable)?;
    if decoded_bytes == raw_bytes && !rest.is_empty() {
        return Err(Error::corrupt(format!("{} bytes follow the chunk's gzip member", rest.len())));
    }
    Ok(decoded_bytes)
}

fn undecodable(error: std::io::Error) -> Error {
    Error::corrupt(format!("a chunk does not decode: {error}"))
}
