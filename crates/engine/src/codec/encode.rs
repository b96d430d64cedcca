//! Compressing one chunk after another.

use std::io::Write;

use zstd::bulk::Compressor;
use zstd::zstd_safe::{self, CParameter};

use super::{Codec, CodecSetting, raw_frame};
use crate::error::{Error, ErrorKind, Result};

/// Compresses chunks, each by itself; keeps its tables between them.
pub struct Encoder {
    setting: CodecSetting,
    zstd: Option<Compressor<'static>>,
}

impl Encoder {
    /// An encoder for `setting`.
    pub fn new(setting: CodecSetting) -> Result<Self> {
        let zstd = match setting.codec() {
            Codec::Zstd => Some(compressor(setting.level()).map_err(failed)?),
            Codec::Gzip | Codec::None => None,
        };
        Ok(Encoder { setting, zstd })
    }

    /// Compresses `raw` into `stored`, whose contents are replaced. The same bytes at the same
    /// setting always give the same bytes.
    pub fn encode(&mut self, raw: &[u8], stored: &mut Vec<u8>) -> Result<()> {
        stored.clear();
        match &mut self.zstd {
            Some(zstd) => {
                stored.reserve(zstd_safe::compress_bound(raw.len()));
                zstd.compress_to_buffer(raw, stored).map_err(failed)?;
            }
            None if self.setting.codec() == Codec::Gzip => {
                let level = flate2::Compression::new(self.setting.level().unsigned_abs());
                let mut gzip = flate2::GzBuilder::new().write(&mut *stored, level);
                gzip.write_all(raw).and_then(|()| gzip.try_finish()).map_err(failed)?;
            }
            None => raw_frame::write(raw, stored),
        }
        Ok(())
    }
}

fn compressor(level: i32) -> std::io::Result<Compressor<'static>> {
    let mut zstd = Compressor::new(level)?;
    // For readers that have only `zstd -d`; our own hash is checked first in any case.
    zstd.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(zstd)
}

fn failed(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot compress a chunk: {error}"))
}
