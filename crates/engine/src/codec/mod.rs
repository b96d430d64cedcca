//! Codecs: how one chunk's bytes are compressed by themselves.
//!
//! Whatever the codec, a stored chunk is a complete zstd frame or a complete gzip member, so that
//! `zstd -d` or `gzip -d` alone can read it. With [`Codec::Columnar`] and [`Codec::Auto`] what comes
//! out may be columns and not the chunk, and with [`Codec::Dictionary`] and [`Codec::Auto`] it may take the
//! run's dictionary; that is why they are never chosen unasked.

mod decode;
mod dictionary;
mod encode;
mod marker;
mod raw_frame;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use decode::Decoder;
pub use dictionary::Dictionary;
pub use encode::Encoder;

use crate::error::{Error, Result};

/// How chunks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// A zstd frame.
    Zstd,
    /// A gzip member.
    Gzip,
    /// Not compressed: a zstd frame of raw blocks, 3 bytes longer for every 128 KiB and 9 more.
    None,
    /// A zstd frame of the chunk's columns where they are smaller, else of the chunk.
    Columnar,
    /// A zstd frame with a dictionary, where the run has one.
    #[serde(rename = "zstd-dictionary")]
    Dictionary,
    /// Of each chunk the smallest of the other zstd frames.
    Auto,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Codec; 6] =
        [Codec::Zstd, Codec::Gzip, Codec::None, Codec::Columnar, Codec::Dictionary, Codec::Auto];

    /// The name used on the command line and in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Zstd => "zstd",
            Codec::Gzip => "gzip",
            Codec::None => "none",
            Codec::Columnar => "columnar",
            Codec::Dictionary => "zstd-dictionary",
            Codec::Auto => "auto",
        }
    }

    /// The codec's number in packs.
    pub fn number(self) -> u8 {
        match self {
            Codec::Zstd => 1,
            Codec::Gzip => 2,
            Codec::None => 3,
            Codec::Columnar => 4,
            Codec::Dictionary => 5,
            Codec::Auto => 6,
        }
    }

    /// The codec with this number in packs.
    pub fn from_number(number: u8) -> Option<Self> {
        Codec::ALL.into_iter().find(|codec| codec.number() == number)
    }

    /// Levels that may be asked for.
    pub fn levels(self) -> std::ops::RangeInclusive<i32> {
        match self {
            Codec::Zstd | Codec::Columnar | Codec::Dictionary | Codec::Auto => -7..=19,
            Codec::Gzip => 1..=9,
            Codec::None => 0..=0,
        }
    }

    /// Whether a chunk may be more than a frame of its bytes: columns, or made with a dictionary.
    pub fn is_marked(self) -> bool {
        matches!(self, Codec::Columnar | Codec::Dictionary | Codec::Auto)
    }

    /// Whether chunks may be made with a dictionary.
    pub fn takes_dictionary(self) -> bool {
        matches!(self, Codec::Dictionary | Codec::Auto)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Codec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Codec::ALL.into_iter().find(|codec| codec.name() == text).ok_or_else(|| {
            Error::malformed(format!("`{text}` is no codec"))
                .hint("zstd, gzip, none, columnar, zstd-dictionary or auto")
        })
    }
}

/// A codec with the level it works at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodecSetting {
    codec: Codec,
    level: i32,
}

impl CodecSetting {
    /// `codec` at `level`, which must be one of its.
    pub fn new(codec: Codec, level: i32) -> Result<Self> {
        let levels = codec.levels();
        if !levels.contains(&level) {
            return Err(Error::malformed(format!("codec {codec} has no level {level}")).hint(format!(
                "levels are {} to {}",
                levels.start(),
                levels.end()
            )));
        }
        Ok(CodecSetting { codec, level })
    }

    /// The codec.
    pub fn codec(self) -> Codec {
        self.codec
    }

    /// The codec for chunks that have no lines: zstd at the same level in place of what is made of it.
    pub fn plain(self) -> CodecSetting {
        if self.codec.is_marked() { CodecSetting { codec: Codec::Zstd, level: self.level } } else { self }
    }

    /// Its level.
    pub fn level(self) -> i32 {
        self.level
    }

    /// The codec for what has changed: zstd at level 6 at least. That is little, and what is left of it after
    /// patching is dense: of a database's pages level 6 makes 6 % less than level 2, in 0.6 s of a
    /// processor for 60 MB in place of 0.2 s (2026-11-22).
    pub fn for_changes(self) -> CodecSetting {
        let plain = self.plain();
        match plain.codec {
            Codec::Zstd => CodecSetting { level: plain.level.max(6), ..plain },
            _ => plain,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn samples() -> Vec<Vec<u8>> {
        let text: Vec<u8> = (0..40_000u32)
            .flat_map(|n| format!("[\"user:{n}\",{{\"value\":{}}}]\n", n % 97).into_bytes())
            .collect();
        let noise: Vec<u8> =
            (0..300_000u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        vec![vec![], vec![7], vec![0; 131_072], vec![0; 131_073], noise, text]
    }

    #[test]
    fn every_codec_gives_back_what_it_took() {
        for codec in Codec::ALL {
            let levels = codec.levels();
            for level in [*levels.start(), 1.min(*levels.end()), *levels.end().min(&9)] {
                let setting = CodecSetting::new(codec, level).unwrap();
                let mut encoder = Encoder::new(setting).unwrap();
                let mut decoder = Decoder::new().unwrap();
                let (mut stored, mut raw) = (Vec::new(), Vec::new());
                for sample in samples() {
                    encoder.encode(&sample, &mut stored).unwrap();
                    raw.resize(sample.len(), 0);
                    decoder.decode(codec, &stored, &mut raw).unwrap();
                    assert_eq!(raw, sample, "{codec} {level}");
                }
            }
        }
    }

    #[test]
    fn the_same_bytes_are_stored_alike_whatever_came_before() {
        for codec in Codec::ALL {
            let setting = CodecSetting::new(codec, *codec.levels().end().min(&6)).unwrap();
            let mut used = Encoder::new(setting).unwrap();
            let (mut first, mut second) = (Vec::new(), Vec::new());
            for sample in samples() {
                used.encode(&sample, &mut first).unwrap();
                Encoder::new(setting).unwrap().encode(&sample, &mut second).unwrap();
                assert_eq!(first, second, "{codec}");
            }
        }
    }

    #[test]
    fn a_chunk_of_another_size_than_stated_is_refused() {
        for codec in Codec::ALL {
            let setting = CodecSetting::new(codec, *codec.levels().end().min(&6)).unwrap();
            let (mut stored, mut raw) = (Vec::new(), vec![0; 1000]);
            Encoder::new(setting).unwrap().encode(&[1; 1000], &mut stored).unwrap();
            let mut decoder = Decoder::new().unwrap();
            for stated in [0, 999, 1001, 100_000] {
                assert!(decoder.decode(codec, &stored, &mut vec![0; stated]).is_err(), "{codec} {stated}");
            }
            stored.push(0);
            assert!(decoder.decode(codec, &stored, &mut raw).is_err(), "{codec} tail");
            stored.truncate(stored.len() - 2);
            assert!(decoder.decode(codec, &stored, &mut raw).is_err(), "{codec} cut");
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_stated_size() {
        let zeros = vec![0; 64 << 20];
        for codec in Codec::ALL.into_iter().filter(|codec| *codec != Codec::None) {
            let setting = CodecSetting::new(codec, *codec.levels().end().min(&6)).unwrap();
            let mut stored = Vec::new();
            Encoder::new(setting).unwrap().encode(&zeros, &mut stored).unwrap();
            assert!(Decoder::new().unwrap().decode(codec, &stored, &mut vec![0; 1 << 20]).is_err());
        }
    }

    /// Lines of which columns are far smaller.
    fn series() -> Vec<u8> {
        (0..20_000_u64)
            .flat_map(|n| format!("[\"t:{n:08}\",{{\"at\":{},\"v\":{}}}]\n", n * 60_000, n % 97).into_bytes())
            .collect()
    }

    fn stored(codec: Codec, dictionary: Option<&Dictionary>, raw: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new(CodecSetting::new(codec, 1).unwrap()).unwrap();
        encoder.set_dictionary(dictionary).unwrap();
        let mut stored = Vec::new();
        encoder.encode(raw, &mut stored).unwrap();
        let mut again = vec![0; raw.len()];
        let mut decoder = Decoder::new().unwrap();
        decoder.set_dictionary(dictionary);
        decoder.decode(codec, &stored, &mut again).unwrap();
        assert!(again == raw, "{codec}");
        stored
    }

    #[test]
    fn columns_are_taken_where_they_are_smaller() {
        let (series, noise) = (series(), &samples()[4]);
        let zstd = stored(Codec::Zstd, None, &series);
        let columnar = stored(Codec::Columnar, None, &series);
        assert!(columnar.len() * 20 < zstd.len(), "{} {}", columnar.len(), zstd.len());
        assert_eq!(stored(Codec::Auto, None, &series), columnar);
        assert_eq!(stored(Codec::Columnar, None, noise), stored(Codec::Zstd, None, noise));
        // Any zstd decodes the frame, to columns.
        let columns = zstd::bulk::decompress(&columnar, series.len()).unwrap();
        let mut again = vec![0; series.len()];
        crate::columnar::read(&columns, &mut again).unwrap();
        assert_eq!(again, series);
    }

    #[test]
    fn a_dictionary_makes_small_chunks_smaller_and_is_needed_to_read_them() {
        let line = |n: u64| format!("[\"k{}\",{{\"state\":\"waiting for {}\"}}]\n", n * 7919 % 1000, n % 17);
        let samples: Vec<String> = (0..2000).map(line).collect();
        let samples: Vec<&[u8]> = samples.iter().map(|line| line.as_bytes()).collect();
        let dictionary = Dictionary::train(&samples).unwrap().unwrap();
        let small = line(77).into_bytes();
        let (zstd, with) =
            (stored(Codec::Zstd, None, &small), stored(Codec::Dictionary, Some(&dictionary), &small));
        assert!(with.len() * 3 < zstd.len() * 2, "{} {}", with.len(), zstd.len());
        assert_eq!(stored(Codec::Auto, Some(&dictionary), &small), with);
        assert_eq!(stored(Codec::Dictionary, None, &small), zstd);
        let mut raw = vec![0; small.len()];
        let mut decoder = Decoder::new().unwrap();
        assert!(decoder.decode(Codec::Dictionary, &with, &mut raw).is_err());
        let other = Dictionary::train(&samples[..1500]).unwrap().unwrap();
        decoder.set_dictionary(Some(&other));
        assert!(decoder.decode(Codec::Dictionary, &with, &mut raw).is_err());
        // What was made without one is read without one.
        decoder.decode(Codec::Dictionary, &zstd, &mut raw).unwrap();
        assert_eq!(raw, small);
        decoder.set_dictionary(None);
        assert!(decoder.decode(Codec::Dictionary, &with, &mut raw).is_err());
        assert!(Dictionary::new(b"no dictionary".to_vec()).is_err());
        assert!(Dictionary::train(&samples[..3]).unwrap().is_none());
    }
}
