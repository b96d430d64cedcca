//! An event as bytes, on its way from its log to the others of its entity.

use super::identity::Identity;
use super::parse::{Event, EventKind};

/// An event that concerns an entity.
#[derive(Debug, Clone, Copy)]
pub struct EventRecord<'a> {
    /// What it does: created, updated or deleted.
    pub kind: EventKind,
    /// Number of its namespace, given by the caller.
    pub namespace: u32,
    /// Where it stands in the log.
    pub position: u64,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// Its number in the namespace.
    pub sequence: Option<u64>,
    /// The hash of the transaction that decides whether it counts; 0 for none.
    pub transaction: u64,
    /// The entity; UTF-8.
    pub id: &'a [u8],
    /// The entity's type; UTF-8.
    pub entity_type: &'a [u8],
    /// When, as JSON text.
    pub time_text: &'a [u8],
    /// As [`Event::version`].
    pub version: &'a [u8],
    /// As [`Event::payload`].
    pub payload: &'a [u8],
}

/// Bytes before the texts: total and four lengths, then namespace, kind and three padding bytes,
/// then five numbers of eight bytes.
const HEAD_BYTES: usize = 6 * 4 + 4 + 4 * 8;

impl<'a> EventRecord<'a> {
    /// The record of `event`, which concerns an entity.
    pub fn of(event: &'a Event<'_>, namespace: u32, position: u64, transaction: u64) -> Self {
        EventRecord {
            kind: event.kind,
            namespace,
            position,
            time_ms: event.time_ms,
            sequence: event.sequence,
            transaction,
            id: &event.id,
            entity_type: &event.entity_type,
            time_text: event.time_text,
            version: event.version,
            payload: &event.payload,
        }
    }

    /// An entity as a record: it was created as `data`.
    pub fn row(id: &'a [u8], entity_type: &'a [u8], data: &'a [u8]) -> Self {
        EventRecord {
            kind: EventKind::Created,
            namespace: 0,
            position: 0,
            time_ms: 0,
            sequence: None,
            transaction: 0,
            id,
            entity_type,
            time_text: &[],
            version: &[],
            payload: data,
        }
    }

    /// Bytes that [`EventRecord::write`] appends.
    pub fn stored_bytes(&self) -> usize {
        HEAD_BYTES
            + self.id.len()
            + self.entity_type.len()
            + self.time_text.len()
            + self.version.len()
            + self.payload.len()
    }

    /// Appends the record to `into`.
    #[inline]
    pub fn write(&self, into: &mut Vec<u8>) {
        // Lengths are those of a value of at most some MiB.
        let length = |bytes: &[u8]| (bytes.len() as u32).to_le_bytes();
        into.extend_from_slice(&(self.stored_bytes() as u32).to_le_bytes());
        into.extend_from_slice(&length(self.id));
        into.extend_from_slice(&length(self.entity_type));
        into.extend_from_slice(&length(self.time_text));
        into.extend_from_slice(&length(self.version));
        into.extend_from_slice(&self.namespace.to_le_bytes());
        let kind = match self.kind {
            EventKind::Created => 0,
            EventKind::Updated { merge: false } => 1,
            EventKind::Updated { merge: true } => 2,
            _ => 3,
        };
        into.extend_from_slice(&[kind, 0, 0, 0]);
        into.extend_from_slice(&self.position.to_le_bytes());
        into.extend_from_slice(&self.time_ms.to_le_bytes());
        into.extend_from_slice(&self.sequence.unwrap_or(u64::MAX).to_le_bytes());
        into.extend_from_slice(&self.transaction.to_le_bytes());
        into.extend_from_slice(self.id);
        into.extend_from_slice(self.entity_type);
        into.extend_from_slice(self.time_text);
        into.extend_from_slice(self.version);
        into.extend_from_slice(self.payload);
    }

    /// The record at the start of `bytes` and how many bytes it takes; `None` where there is none.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        let (words, _) = head.as_chunks::<4>();
        let word = |place: usize| words.get(place).map_or(0, |word| u32::from_le_bytes(*word));
        let long = |place: usize| u64::from(word(place)) | u64::from(word(place + 1)) << 32;
        let total_bytes = word(0) as usize;
        let mut rest = bytes.get(HEAD_BYTES..total_bytes)?;
        let mut take = |bytes: u32| {
            let (taken, after) = rest.split_at_checked(bytes as usize)?;
            rest = after;
            Some(taken)
        };
        let id = take(word(1))?;
        let entity_type = take(word(2))?;
        let time_text = take(word(3))?;
        let version = take(word(4))?;
        let record = EventRecord {
            kind: match word(6) & 0xff {
                0 => EventKind::Created,
                1 => EventKind::Updated { merge: false },
                2 => EventKind::Updated { merge: true },
                _ => EventKind::Deleted,
            },
            namespace: word(5),
            position: long(7),
            time_ms: long(9) as i64,
            sequence: Some(long(11)).filter(|sequence| *sequence != u64::MAX),
            transaction: long(13),
            id,
            entity_type,
            time_text,
            version,
            payload: rest,
        };
        Some((record, total_bytes))
    }
}

/// By what an event is known again, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyRecord {
    /// What it is known by.
    pub identity: Identity,
    /// Its sequence, or [`u64::MAX`].
    pub sequence: u64,
    /// Where it stands in the log.
    pub position: u64,
}

impl KeyRecord {
    /// Bytes of a record.
    pub const BYTES: usize = 32;

    /// The record as bytes.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let numbers = [self.identity.key, self.identity.content, self.sequence, self.position];
        for (place, number) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        bytes
    }

    /// What [`KeyRecord::to_bytes`] made.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let (numbers, _) = bytes.as_chunks::<8>();
        let number = |place: usize| numbers.get(place).map_or(0, |number| u64::from_le_bytes(*number));
        KeyRecord {
            identity: Identity { key: number(0), content: number(1) },
            sequence: number(2),
            position: number(3),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn records_come_back() {
        let record = EventRecord {
            kind: EventKind::Updated { merge: true },
            namespace: 3,
            position: 1 << 41 | 5,
            time_ms: -7,
            sequence: Some(u64::MAX - 1),
            transaction: 11,
            id: b"id",
            entity_type: b"Type",
            time_text: b"\"now\"",
            version: b"",
            payload: b"{}",
        };
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        assert_eq!(bytes.len(), record.stored_bytes());
        let (read, length) = EventRecord::read(&bytes).unwrap();
        assert_eq!(length, bytes.len());
        assert_eq!(format!("{read:?}"), format!("{record:?}"));
        for end in 0..bytes.len() {
            assert!(EventRecord::read(&bytes[..end]).is_none());
        }
        let key = KeyRecord { identity: Identity { key: 1, content: 2 }, sequence: 3, position: 4 };
        assert_eq!(KeyRecord::from_bytes(&key.to_bytes()), key);
    }
}
