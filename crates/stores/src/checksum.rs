//! Checksums that producers took over whole files.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use dotctl_engine::id::Hash;
use dotctl_engine::{Error, Result};

use crate::io_error;

/// How a checksum is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// MurmurHash3 x86 32 with seed 0, as a state backend's `StateSnapshot` has it.
    Murmur3,
}

/// A checksum and how it was taken: `sha256:HEX` or `murmur3:HEX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// How it was taken.
    pub algorithm: Algorithm,
    /// Lowercase hexadecimal; MurmurHash3 without leading zeros, as `toString(16)` prints it.
    digits: String,
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.algorithm {
            Algorithm::Sha256 => "sha256",
            Algorithm::Murmur3 => "murmur3",
        };
        write!(f, "{name}:{}", self.digits)
    }
}

impl FromStr for Checksum {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::malformed(format!("`{text}` is no checksum"))
                .hint("sha256: and 64 hexadecimal digits, or murmur3: and 1 to 8")
        };
        let (name, digits) = text.split_once(':').ok_or_else(wrong)?;
        let digits = digits.to_ascii_lowercase();
        match name {
            "sha256" => {
                let hash: Hash = digits.parse().map_err(|_| wrong())?;
                Ok(Checksum { algorithm: Algorithm::Sha256, digits: hash.to_string() })
            }
            "murmur3" if digits.len() <= 8 => {
                let hash = u32::from_str_radix(&digits, 16).map_err(|_| wrong())?;
                Ok(Checksum { algorithm: Algorithm::Murmur3, digits: format!("{hash:x}") })
            }
            _ => Err(wrong()),
        }
    }
}

/// The checksum of the file at `path` (`-` is stdin) and its length in bytes.
pub fn checksum_of(algorithm: Algorithm, path: &Path) -> Result<(Checksum, u64)> {
    let failed = |error: &io::Error| io_error("read", path, error);
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| failed(&error))?)
    };
    let mut counted = Counted { source, bytes: 0 };
    let digits = match algorithm {
        Algorithm::Sha256 => {
            let mut sha256 = Sha256::new();
            let mut buffer = vec![0; 256 << 10];
            loop {
                match counted.read(&mut buffer) {
                    Ok(0) => break Hash::finish(sha256).to_string(),
                    Ok(bytes) => sha256.update(buffer.get(..bytes).unwrap_or_default()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(failed(&error)),
                }
            }
        }
        Algorithm::Murmur3 => {
            let mut buffered = io::BufReader::with_capacity(256 << 10, &mut counted);
            let hash = murmur3::murmur3_32(&mut buffered, 0).map_err(|error| failed(&error))?;
            format!("{hash:x}")
        }
    };
    Ok((Checksum { algorithm, digits }, counted.bytes))
}

struct Counted<R> {
    source: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.source.read(into)?;
        self.bytes += bytes as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn leading_zeros_and_case_do_not_matter_to_murmur3() {
        let short: Checksum = "murmur3:a7c21f".parse().unwrap();
        assert_eq!(short, "murmur3:00A7C21F".parse().unwrap());
        for wrong in ["murmur3:", "murmur3:123456789", "murmur3:xyz", "sha256:12", "md5:12", "12"] {
            assert!(wrong.parse::<Checksum>().is_err(), "{wrong}");
        }
    }
}
