//! What a checkpoint holds on its way into another layout: in a temporary file, hashed.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use dotctl_engine::dotdo::{CONTENT_BYTES_MAX, Murmur3};
use dotctl_engine::id::Hash;
use dotctl_engine::{Error, Result};

use crate::{interrupt, io_error};

/// gzip's level, the default of `CompressionStream` as of gzip itself.
const GZIP_LEVEL: u32 = 6;

/// The content as it will be stored.
pub struct Content {
    file: NamedTempFile,
    compressed: bool,
    /// Bytes in it.
    pub stored_bytes: u64,
    /// Their SHA-256.
    pub stored_sha256: Hash,
    /// Bytes before they were compressed.
    pub raw_bytes: u64,
    /// Their SHA-256.
    pub raw_sha256: Hash,
    /// Their MurmurHash3.
    pub raw_murmur3: u32,
}

/// Counts and hashes what goes to the file.
struct Stored {
    file: BufWriter<File>,
    bytes: u64,
    sha256: Sha256,
}

impl Write for Stored {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        self.sha256.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

enum Stage {
    Gzip(Box<GzEncoder<Stored>>),
    Plain(Stored),
}

impl Content {
    /// Keeps what `produce` gives in a temporary file in `folder`, compressed or not.
    ///
    /// # Errors
    /// Those of `produce` and of the file; unsupported where it is more than a reader of these layouts
    /// takes.
    pub fn spool(
        folder: &Path,
        compress: bool,
        produce: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
    ) -> Result<Self> {
        let failed = |error| io_error("write a temporary file in", folder, &error);
        let file = NamedTempFile::new_in(folder).map_err(failed)?;
        let stored = Stored {
            file: BufWriter::with_capacity(1 << 18, file.reopen().map_err(failed)?),
            bytes: 0,
            sha256: Sha256::new(),
        };
        let mut stage = match compress {
            true => Stage::Gzip(Box::new(GzEncoder::new(stored, Compression::new(GZIP_LEVEL)))),
            false => Stage::Plain(stored),
        };
        let (mut raw_bytes, mut raw_sha256, mut raw_murmur3) = (0, Sha256::new(), Murmur3::default());
        produce(&mut |bytes| {
            raw_bytes += bytes.len() as u64;
            if raw_bytes > CONTENT_BYTES_MAX {
                return Err(too_large());
            }
            raw_sha256.update(bytes);
            raw_murmur3.update(bytes);
            match &mut stage {
                Stage::Gzip(encoder) => encoder.write_all(bytes),
                Stage::Plain(stored) => stored.write_all(bytes),
            }
            .map_err(failed)
        })?;
        let mut stored = match stage {
            Stage::Gzip(encoder) => encoder.finish().map_err(failed)?,
            Stage::Plain(stored) => stored,
        };
        stored.flush().map_err(failed)?;
        Ok(Content {
            file,
            compressed: compress,
            stored_bytes: stored.bytes,
            stored_sha256: Hash::finish(stored.sha256),
            raw_bytes,
            raw_sha256: Hash::finish(raw_sha256),
            raw_murmur3: raw_murmur3.finish(),
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Gives it to `visit` as it was before it was compressed.
    pub fn raw(&self, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let failed = |error| io_error("read", self.path(), &error);
        let mut file = self.file.as_file();
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut from: Box<dyn Read + '_> = match self.compressed {
            true => Box::new(GzDecoder::new(BufReader::new(file))),
            false => Box::new(file),
        };
        let mut part = vec![0; 1 << 18];
        loop {
            interrupt::check()?;
            let bytes = from.read(&mut part).map_err(failed)?;
            if bytes == 0 {
                return Ok(());
            }
            visit(part.get(..bytes).unwrap_or_default())?;
        }
    }

    /// Gives it to `visit` in parts of `part_bytes`, the last one shorter.
    pub fn parts(&self, part_bytes: u64, mut visit: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        let failed = |error| io_error("read", self.path(), &error);
        let mut file = self.file.as_file();
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut part = Vec::new();
        for index in 0..self.stored_bytes.div_ceil(part_bytes) {
            part.clear();
            file.take(part_bytes).read_to_end(&mut part).map_err(failed)?;
            visit(index, &part)?;
        }
        Ok(())
    }
}

/// Nothing that TypeScript wrote is so large, and our own reader refuses it.
pub fn too_large() -> Error {
    Error::unsupported(format!(
        "the checkpoint holds more than {} GiB, the most that these layouts are read with",
        CONTENT_BYTES_MAX >> 30
    ))
    .hint("leave out --to-layout: dotctl's own layout takes it")
}
