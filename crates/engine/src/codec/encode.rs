//! Compressing one chunk after another.

use std::io::Write;

use zstd::bulk::Compressor;
use zstd::zstd_safe::{self, CParameter, InBuffer, OutBuffer, zstd_sys::ZSTD_EndDirective};

use super::{Codec, CodecSetting, Dictionary, marker, raw_frame};
use crate::columnar::{self, Columns};
use crate::error::{Error, ErrorKind, Result};

/// Compresses chunks, each by itself; keeps its tables between them.
pub struct Encoder {
    setting: CodecSetting,
    zstd: Option<Compressor<'static>>,
    with_dictionary: Option<Compressor<'static>>,
    /// A second way to store the chunk at hand.
    other: Vec<u8>,
}

impl Encoder {
    /// An encoder for `setting`.
    pub fn new(setting: CodecSetting) -> Result<Self> {
        let zstd = match setting.codec() {
            Codec::Gzip | Codec::None => None,
            _ => Some(compressor(setting.level(), &[]).map_err(failed)?),
        };
        Ok(Encoder { setting, zstd, with_dictionary: None, other: Vec::new() })
    }

    /// The dictionary that chunks may be made with, if the codec takes one.
    pub fn set_dictionary(&mut self, dictionary: Option<&Dictionary>) -> Result<()> {
        let dictionary = dictionary.filter(|_| self.setting.codec().takes_dictionary());
        let made = dictionary.map(|dictionary| compressor(self.setting.level(), dictionary.as_bytes()));
        self.with_dictionary = made.transpose().map_err(failed)?;
        Ok(())
    }

    /// Compresses `raw` into `stored`, whose contents are replaced. The same bytes at the same
    /// setting always give the same bytes.
    pub fn encode(&mut self, raw: &[u8], stored: &mut Vec<u8>) -> Result<()> {
        stored.clear();
        let codec = self.setting.codec();
        if codec == Codec::Dictionary
            && let Some(zstd) = &mut self.with_dictionary
        {
            return frame(zstd, raw, stored);
        }
        match &mut self.zstd {
            Some(zstd) => {
                frame(zstd, raw, stored)?;
                if let Some(zstd) = &mut self.with_dictionary {
                    self.other.clear();
                    frame(zstd, raw, &mut self.other)?;
                    keep_smaller(stored, &mut self.other);
                }
                if matches!(codec, Codec::Columnar | Codec::Auto)
                    && let Some(columns) = columnar::write(raw)
                {
                    self.other.clear();
                    marker::write(&mut self.other);
                    column_frame(zstd, &columns, &mut self.other).map_err(failed)?;
                    keep_smaller(stored, &mut self.other);
                }
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

/// Appends `raw` to `stored` as one frame.
fn frame(zstd: &mut Compressor<'static>, raw: &[u8], stored: &mut Vec<u8>) -> Result<()> {
    stored.reserve(zstd_safe::compress_bound(raw.len()));
    zstd.compress_to_buffer(raw, stored).map_err(failed)?;
    Ok(())
}

/// Appends `columns` to `stored` as one frame, whose blocks end where the columns say.
fn column_frame(
    zstd: &mut Compressor<'static>,
    columns: &Columns,
    stored: &mut Vec<u8>,
) -> std::io::Result<()> {
    let named = |code| std::io::Error::other(zstd_safe::get_error_name(code));
    // A block that ends early costs its header.
    let bound = zstd_safe::compress_bound(columns.bytes.len()) + columns.cuts.len() * 16;
    stored.reserve(bound);
    zstd.set_pledged_src_size(Some(columns.bytes.len() as u64))?;
    let start = stored.len();
    let mut output = OutBuffer::around_pos(stored, start);
    let mut begin = 0;
    for end in columns.cuts.iter().copied().chain([columns.bytes.len()]) {
        let directive = match end == columns.bytes.len() {
            true => ZSTD_EndDirective::ZSTD_e_end,
            false => ZSTD_EndDirective::ZSTD_e_flush,
        };
        let mut input = InBuffer::around(columns.bytes.get(begin..end).unwrap_or_default());
        loop {
            let left = zstd.context_mut().compress_stream2(&mut output, &mut input, directive);
            if left.map_err(named)? == 0 {
                break;
            }
            if output.pos() == output.capacity() {
                return Err(std::io::Error::other("the columns take more than zstd promised"));
            }
        }
        begin = end;
    }
    Ok(())
}

/// Leaves the shorter of two in `stored`.
fn keep_smaller(stored: &mut Vec<u8>, other: &mut Vec<u8>) {
    if other.len() < stored.len() {
        std::mem::swap(stored, other);
    }
}

fn compressor(level: i32, dictionary: &[u8]) -> std::io::Result<Compressor<'static>> {
    let mut zstd = Compressor::with_dictionary(level, dictionary)?;
    // For readers that have only `zstd -d`; our own hash is checked first in any case.
    zstd.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(zstd)
}

fn failed(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot compress a chunk: {error}"))
}
