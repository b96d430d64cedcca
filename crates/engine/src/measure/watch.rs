//! Things near their limits.

use serde::Serialize;

use crate::limits::{Limit, LimitStatus, Unit};

/// Bytes of a name or key that a report shows; what is longer ends in `…`.
const MAX_NAME_BYTES: usize = 2_048;

/// The largest thing that a limit applies to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitFinding {
    /// The limit's name.
    pub limit: &'static str,
    /// The limit, where it is one of bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// The largest thing's size, where it is one of bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual_bytes: Option<u64>,
    /// The limit, where it counts things.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_count: Option<u64>,
    /// The most that were found, where the limit counts things.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual_count: Option<u64>,
    /// The largest thing: a key, a table, or a table's row; `null` for the whole object.
    pub key: Option<String>,
    /// How near it is.
    pub status: LimitStatus,
    /// Things from 80 % of the limit up to the limit.
    pub warn_count: u64,
    /// Things past the limit.
    pub exceeded_count: u64,
}

/// Watches one limit.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    limit: &'static Limit,
    largest: Option<(u64, Vec<u8>)>,
    warn_from: u64,
    warn_count: u64,
    exceeded_count: u64,
}

impl Watch {
    pub fn new(limit: &'static Limit) -> Watch {
        Watch { limit, largest: None, warn_from: limit.warn_from(), warn_count: 0, exceeded_count: 0 }
    }

    /// Sees one thing. Of several equally large the first by `name` is shown, so that the order
    /// of seeing does not matter.
    #[inline]
    pub fn see(&mut self, actual: u64, name: &[u8]) {
        if actual >= self.warn_from {
            if actual > self.limit.amount {
                self.exceeded_count += 1;
            } else {
                self.warn_count += 1;
            }
        }
        if self
            .largest
            .as_ref()
            .is_none_or(|(most, largest)| actual > *most || (actual == *most && name < largest))
        {
            self.note(actual, name);
        }
    }

    fn note(&mut self, actual: u64, name: &[u8]) {
        let shown = name.get(..MAX_NAME_BYTES).unwrap_or(name);
        match &mut self.largest {
            Some((most, largest)) => {
                *most = actual;
                largest.clear();
                largest.extend_from_slice(shown);
            }
            none => *none = Some((actual, shown.to_vec())),
        }
        if let Some((_, largest)) = &mut self.largest
            && name.len() > MAX_NAME_BYTES
        {
            largest.extend_from_slice("…".as_bytes());
        }
    }

    pub fn merge(&mut self, other: &Watch) {
        if let Some((actual, name)) = &other.largest {
            self.see(*actual, name);
            // Seeing it counted it, and so did the other.
            match self.limit.status(*actual) {
                LimitStatus::Exceeded => self.exceeded_count -= 1,
                LimitStatus::Warn => self.warn_count -= 1,
                LimitStatus::Ok => {}
            }
        }
        self.warn_count += other.warn_count;
        self.exceeded_count += other.exceeded_count;
    }

    pub fn finding(&self) -> LimitFinding {
        let (actual, name) = match &self.largest {
            Some((actual, name)) => (*actual, Some(name)),
            None => (0, None),
        };
        let bytes = |amount| (self.limit.unit == Unit::Bytes).then_some(amount);
        let count = |amount| (self.limit.unit == Unit::Count).then_some(amount);
        LimitFinding {
            limit: self.limit.name,
            limit_bytes: bytes(self.limit.amount),
            actual_bytes: bytes(actual),
            limit_count: count(self.limit.amount),
            actual_count: count(actual),
            key: name.filter(|name| !name.is_empty()).map(|name| String::from_utf8_lossy(name).into_owned()),
            status: self.limit.status(actual),
            warn_count: self.warn_count,
            exceeded_count: self.exceeded_count,
        }
    }
}
