//! A state source as bytes: a file or standard input, decompressed.

use dotctl_engine::{Error, ErrorKind, Result};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

/// The largest window of a zstd frame that is decompressed, as a power of two: 32 MiB, which
/// `zstd` stays within up to level 20 and without `--long` or `--ultra`.
const MAX_WINDOW_LOG: u32 = 25;

/// Bytes of compressed input read together.
const COMPRESSED_BLOCK_BYTES: usize = 128 * 1024;

/// How a source is compressed. Its first bytes tell, its name does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, one or more members.
    Gzip,
    /// zstd, one or more frames.
    Zstd,
}

impl Compression {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            // A frame, or a skippable one, which may come first.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Compression::None => "file",
            Compression::Gzip => "gzip file",
            Compression::Zstd => "zstd file",
        }
    }
}

/// An open source of bytes.
pub struct Input {
    name: String,
    compression: Compression,
    bytes: Box<dyn Read + Send>,
}

impl Input {
    /// Opens the file at `path`, or standard input for `-`.
    ///
    /// # Errors
    /// Missing, if there is no such file; Io, if it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            return Input::new("standard input", io::stdin());
        }
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::new(ErrorKind::Missing, "there is no such file").at(&*name),
            _ => unreadable(&name, &error),
        })?;
        Input::new(name, file)
    }

    /// An input that reads from `source`, called `name` in messages.
    ///
    /// # Errors
    /// Io, if it cannot be read.
    pub fn new(name: impl Into<String>, source: impl Read + Send + 'static) -> Result<Self> {
        let name = name.into();
        let mut source: Box<dyn Read + Send> = Box::new(source);
        let mut head = Vec::new();
        (&mut source).take(4).read_to_end(&mut head).map_err(|error| unreadable(&name, &error))?;
        let compression = Compression::of(&head);
        let raw = Cursor::new(head).chain(source);
        let bytes: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(raw),
            Compression::Gzip => Box::new(MultiGzDecoder::new(buffered(raw))),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered(raw))
                    .map_err(|error| unreadable(&name, &error))?;
                decoder.window_log_max(MAX_WINDOW_LOG).map_err(|error| unreadable(&name, &error))?;
                Box::new(decoder)
            }
        };
        Ok(Input { name, compression, bytes })
    }

    /// What messages call the source: its path, or `standard input`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the source is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Reads decompressed bytes into `into` and says how many; 0 is the end.
    ///
    /// # Errors
    /// Malformed, if compressed data is damaged or ends early; Unsupported, if decompressing it
    /// takes too much memory; Io, if the source cannot be read.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        loop {
            match self.bytes.read(into) {
                Ok(bytes) => return Ok(bytes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(&error)),
            }
        }
    }

    fn failure(&self, error: &io::Error) -> Error {
        let what = self.compression.name();
        // A server's failure says itself what it is; the file is not to blame.
        if let Some(told) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            return told.clone().at(&*self.name);
        }
        // The machine's errors have a number; the decoders' have none.
        if self.compression == Compression::None || error.raw_os_error().is_some() {
            unreadable(&self.name, error)
        } else if error.kind() == io::ErrorKind::UnexpectedEof {
            Error::malformed(format!("the {what} ends too early; it was cut off"))
                .at(&*self.name)
                .hint("copy or download it again")
        } else if error.to_string().contains("too much memory") {
            Error::unsupported(format!(
                "the {what} needs a window of more than {} MiB to decompress",
                (1_u64 << MAX_WINDOW_LOG) >> 20
            ))
            .at(&*self.name)
            .hint("decompress it first: `zstd -d --long=31 --stdout FILE | dotctl … -`")
        } else {
            Error::malformed(format!("the {what} is damaged: {error}")).at(&*self.name)
        }
    }
}

fn buffered<R: Read>(source: R) -> BufReader<R> {
    BufReader::with_capacity(COMPRESSED_BLOCK_BYTES, source)
}

fn unreadable(name: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("it cannot be read: {error}")).at(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Write;

    const TEXT: &[u8] = br#"[["a",{"value":1}],["b",{"value":2}]]"#;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd_frame(text: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(text, 1).unwrap()
    }

    fn read_all(bytes: &[u8]) -> Result<(Compression, Vec<u8>)> {
        let mut input = Input::new("state.json", Cursor::new(bytes.to_vec()))?;
        Ok((input.compression(), drain(&mut input)?))
    }

    fn drain(input: &mut Input) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut block = [0; 7];
        loop {
            match input.read(&mut block)? {
                0 => return Ok(text),
                bytes => text.extend_from_slice(&block[..bytes]),
            }
        }
    }

    #[test]
    fn content_decides_not_the_name() {
        let folder = tempfile::tempdir().unwrap();
        for (bytes, compression) in [
            (TEXT.to_vec(), Compression::None),
            (gzip(TEXT), Compression::Gzip),
            (zstd_frame(TEXT), Compression::Zstd),
        ] {
            for name in ["state.json", "state.json.gz", "state.json.zst"] {
                let path = folder.path().join(name);
                std::fs::write(&path, &bytes).unwrap();
                let mut input = Input::open(&path).unwrap();
                assert_eq!(input.compression(), compression);
                assert_eq!(drain(&mut input).unwrap(), TEXT);
            }
        }
    }

    #[test]
    fn short_sources_are_plain() {
        for bytes in [&b""[..], b"[", b"[]", b"[]\n", b"\x1f", b"\x28\xb5\x2f"] {
            assert_eq!(read_all(bytes).unwrap(), (Compression::None, bytes.to_vec()));
        }
    }

    #[test]
    fn several_members_and_frames() {
        let (one, two) = TEXT.split_at(11);
        let members = [gzip(one), gzip(b""), gzip(two)].concat();
        assert_eq!(read_all(&members).unwrap().1, TEXT);
        let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        for frames in [
            [zstd_frame(one), zstd_frame(two), skippable.clone()].concat(),
            [skippable, zstd_frame(one), zstd_frame(two)].concat(),
        ] {
            assert_eq!(read_all(&frames).unwrap(), (Compression::Zstd, TEXT.to_vec()));
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let two_gzip = [gzip(TEXT), gzip(TEXT)].concat();
        let two_zstd = [zstd_frame(TEXT), zstd_frame(TEXT)].concat();
        for whole in [two_gzip, two_zstd] {
            for length in 4..whole.len() {
                if length == whole.len() / 2 {
                    continue;
                }
                let error = read_all(&whole[..length]).expect_err("a cut went unnoticed");
                assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
                assert!(error.to_string().starts_with("state.json: the "), "{error}");
                assert!(error.to_string().contains("cut off"), "{length}: {error}");
            }
        }
    }

    #[test]
    fn damage_is_noticed() {
        for whole in [gzip(TEXT), {
            let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(TEXT).unwrap();
            encoder.finish().unwrap()
        }] {
            let last = whole.len() - 3;
            let mut damaged = whole.clone();
            damaged[last] ^= 1;
            let error = read_all(&damaged).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
            let trailing = [&whole[..], b"garbage!"].concat();
            assert_eq!(read_all(&trailing).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }

    #[test]
    fn windows_above_the_limit_are_refused() {
        for (window_log, fits) in [(25, true), (26, false)] {
            let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(window_log).unwrap();
            encoder.write_all(TEXT).unwrap();
            let frame = encoder.finish().unwrap();
            match read_all(&frame) {
                Ok((_, text)) => {
                    assert!(fits);
                    assert_eq!(text, TEXT);
                }
                Err(error) => {
                    assert!(!fits, "{error}");
                    assert_eq!(error.kind(), ErrorKind::Unsupported);
                    assert!(error.to_string().contains("more than 32 MiB"), "{error}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_there_or_not_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Input::open(&folder.path().join("absent")).err().unwrap();
        assert_eq!(missing.kind(), ErrorKind::Missing);
        assert!(missing.to_string().contains("absent: there is no"), "{missing}");
        let directory = Input::open(folder.path()).err().unwrap();
        assert_eq!(directory.kind(), ErrorKind::Io);
    }
}
