//! Dictionaries: what many small chunks have in common, for zstd.

use std::sync::Arc;

use zstd::zstd_safe;

use crate::error::{Error, Result};

/// A zstd dictionary (RFC 8878, section 5), made of samples. Copies share their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dictionary(Arc<[u8]>);

impl Dictionary {
    /// Largest dictionary that is made: zstd's own default.
    pub const BYTES_MAX: usize = 112_640;

    /// Largest dictionary that is read.
    pub const READ_BYTES_MAX: usize = 1 << 20;

    /// Bytes of samples that a dictionary is made of at most: a hundred times its own, as zstd's manual
    /// advises.
    pub const SAMPLE_BYTES_MAX: usize = 100 * Self::BYTES_MAX;

    /// Fewest samples worth a dictionary.
    const SAMPLES_MIN: usize = 8;

    /// The dictionary in `bytes`.
    ///
    /// # Errors
    /// Corrupt if they are none.
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        match zstd_safe::get_dict_id_from_dict(&bytes) {
            Some(_) if bytes.len() <= Self::READ_BYTES_MAX => Ok(Dictionary(bytes.into())),
            _ => Err(Error::corrupt(format!("{} bytes that are no zstd dictionary", bytes.len()))),
        }
    }

    /// A dictionary of what `samples` have in common; none if they are too few or too short. The
    /// same samples give the same dictionary.
    pub fn train(samples: &[&[u8]]) -> Result<Option<Self>> {
        let sample_bytes: usize = samples.iter().map(|sample| sample.len()).sum();
        // Of one small object half of it is worth it for the others of its class: of 150 states of 10 kB, the
        // `zstd -1` made 331 kB with half of the first, 359 kB with a tenth, 379 kB without.
        let bytes_max = (sample_bytes / 2).min(Self::BYTES_MAX);
        if samples.len() < Self::SAMPLES_MIN || bytes_max < 256 {
            return Ok(None);
        }
        match zstd::dict::from_samples(samples, bytes_max) {
            Ok(bytes) => Dictionary::new(bytes).map(Some),
            // zstd refuses samples that are too few or too much alike.
            Err(_) => Ok(None),
        }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether both are one and the same copy.
    pub(super) fn is(&self, other: &Dictionary) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
