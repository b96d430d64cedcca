//! Codecs: how one chunk's bytes are compressed by themselves.
//!
//! Whatever the codec, a stored chunk is a complete zstd frame or a complete gzip member, so that
//! `zstd -d` or `gzip -d` alone can read it.

mod decode;
mod encode;
mod raw_frame;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use decode::Decoder;
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
}

impl Codec {
    /// Every codec.
    pub const ALL: [Codec; 3] = [Codec::Zstd, Codec::Gzip, Codec::None];

    /// The name used on the command line and in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Zstd => "zstd",
            Codec::Gzip => "gzip",
            Codec::None => "none",
        }
    }

    /// The codec's number in packs.
    pub fn number(self) -> u8 {
        match self {
            Codec::Zstd => 1,
            Codec::Gzip => 2,
            Codec::None => 3,
        }
    }

    /// The codec with this number in packs.
    pub fn from_number(number: u8) -> Option<Self> {
        Codec::ALL.into_iter().find(|codec| codec.number() == number)
    }

    /// Levels that may be asked for.
    pub fn levels(self) -> std::ops::RangeInclusive<i32> {
        match self {
            Codec::Zstd => -7..=19,
            Codec::Gzip => 1..=9,
            Codec::None => 0..=0,
        }
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
        Codec::ALL
            .into_iter()
            .find(|codec| codec.name() == text)
            .ok_or_else(|| Error::malformed(format!("`{text}` is no codec")).hint("zstd, gzip or none"))
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

    /// Its level.
    pub fn level(self) -> i32 {
        self.level
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
        for codec in [Codec::Zstd, Codec::Gzip] {
            let setting = CodecSetting::new(codec, *codec.levels().end().min(&6)).unwrap();
            let mut stored = Vec::new();
            Encoder::new(setting).unwrap().encode(&zeros, &mut stored).unwrap();
            assert!(Decoder::new().unwrap().decode(codec, &stored, &mut vec![0; 1 << 20]).is_err());
        }
    }
}
