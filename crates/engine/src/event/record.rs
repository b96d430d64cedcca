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

/// Bytes that every record begins with: its own number of bytes, namespace and marks, place, time.
const HEAD_BYTES: usize = 4 + 4 + 8 + 8;

/// Bytes that come between those and the texts at most: sequence, transaction, six lengths or places.
const NUMBERS_BYTES_MAX: usize = 8 + 8 + 6 * 5;

/// Marks, above the namespace's number; the lowest two bits say what the event does.
const MARKS_SHIFT: u32 = 25;
const HAS_SEQUENCE: u32 = 1 << 2;
const HAS_TRANSACTION: u32 = 1 << 3;
/// The text is not stored: it is part of the payload.
const ID_IN_PAYLOAD: u32 = 1 << 4;
const TYPE_IN_PAYLOAD: u32 = 1 << 5;

/// The bits below the marks.
const NAMESPACE_MASK: u32 = (1 << MARKS_SHIFT) - 1;

/// Where `part` lies in `whole`, if it is a part of it in memory.
fn place_in(whole: &[u8], part: &[u8]) -> Option<u32> {
    let place = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    whole.get(place..place.checked_add(part.len())?)?;
    u32::try_from(place).ok()
}

/// Appends a number, seven bits in each byte, the lowest first.
#[inline]
fn push_number(mut number: u32, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

/// The number at the start of `bytes`, and what comes behind it.
#[inline]
fn take_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let mut number = u32::from(*first & 0x7f);
    let (mut more, mut shift) = (first & 0x80 != 0, 7);
    while more {
        let (byte, after) = rest.split_first()?;
        number |= u32::from(*byte & 0x7f).checked_shl(shift)?;
        (rest, more, shift) = (after, byte & 0x80 != 0, shift + 7);
    }
    Some((number, rest))
}

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

    /// Bytes that [`EventRecord::write`] appends at most.
    pub fn stored_bytes_max(&self) -> usize {
        HEAD_BYTES
            + NUMBERS_BYTES_MAX
            + self.id.len()
            + self.entity_type.len()
            + self.time_text.len()
            + self.version.len()
            + self.payload.len()
    }

    /// Appends the record to `into`. Its namespace's number is below 2^25.
    #[inline]
    pub fn write(&self, into: &mut Vec<u8>) {
        // Lengths are those of a value of at most some MiB.
        let length = |bytes: &[u8]| bytes.len() as u32;
        let mut marks = match self.kind {
            EventKind::Created => 0,
            EventKind::Updated { merge: false } => 1,
            EventKind::Updated { merge: true } => 2,
            _ => 3,
        };
        let id_place = place_in(self.payload, self.id);
        let type_place = place_in(self.payload, self.entity_type);
        for (mark, is_set) in [
            (HAS_SEQUENCE, self.sequence.is_some()),
            (HAS_TRANSACTION, self.transaction != 0),
            (ID_IN_PAYLOAD, id_place.is_some()),
            (TYPE_IN_PAYLOAD, type_place.is_some()),
        ] {
            if is_set {
                marks |= mark;
            }
        }
        let start = into.len();
        into.extend_from_slice(&[0; 4]);
        into.extend_from_slice(&(self.namespace | marks << MARKS_SHIFT).to_le_bytes());
        into.extend_from_slice(&self.position.to_le_bytes());
        into.extend_from_slice(&self.time_ms.to_le_bytes());
        if let Some(sequence) = self.sequence {
            into.extend_from_slice(&sequence.to_le_bytes());
        }
        if self.transaction != 0 {
            into.extend_from_slice(&self.transaction.to_le_bytes());
        }
        for (place, text) in [(id_place, self.id), (type_place, self.entity_type)] {
            if let Some(place) = place {
                push_number(place, into);
            }
            push_number(length(text), into);
        }
        push_number(length(self.time_text), into);
        push_number(length(self.version), into);
        for (place, text) in [(id_place, self.id), (type_place, self.entity_type)] {
            if place.is_none() {
                into.extend_from_slice(text);
            }
        }
        into.extend_from_slice(self.time_text);
        into.extend_from_slice(self.version);
        into.extend_from_slice(self.payload);
        let bytes = (into.len() - start) as u32;
        if let Some(total) = into.get_mut(start..start + 4) {
            total.copy_from_slice(&bytes.to_le_bytes());
        }
    }

    /// The record at the start of `bytes` and how many bytes it takes; `None` where there is none.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        let (words, _) = head.as_chunks::<4>();
        let word = |place: usize| words.get(place).map_or(0, |word| u32::from_le_bytes(*word));
        let long = |place: usize| u64::from(word(place)) | u64::from(word(place + 1)) << 32;
        let total_bytes = word(0) as usize;
        let marks = word(1) >> MARKS_SHIFT;
        let mut rest = bytes.get(HEAD_BYTES..total_bytes)?;
        let mut long_if = |mark: u32| {
            if marks & mark == 0 {
                return Some(None);
            }
            let (number, after) = rest.split_first_chunk()?;
            rest = after;
            Some(Some(u64::from_le_bytes(*number)))
        };
        let sequence = long_if(HAS_SEQUENCE)?;
        let transaction = long_if(HAS_TRANSACTION)?.unwrap_or(0);
        let mut number = || {
            let (number, after) = take_number(rest)?;
            rest = after;
            Some(number as usize)
        };
        let id_place = if marks & ID_IN_PAYLOAD != 0 { Some(number()?) } else { None };
        let id_bytes = number()?;
        let type_place = if marks & TYPE_IN_PAYLOAD != 0 { Some(number()?) } else { None };
        let (type_bytes, time_bytes, version_bytes) = (number()?, number()?, number()?);
        let mut take = |bytes: usize| {
            let (taken, after) = rest.split_at_checked(bytes)?;
            rest = after;
            Some(taken)
        };
        let own_id = if id_place.is_none() { take(id_bytes)? } else { &[] };
        let own_type = if type_place.is_none() { take(type_bytes)? } else { &[] };
        let (time_text, version) = (take(time_bytes)?, take(version_bytes)?);
        let payload = rest;
        let part = |place: Option<usize>, bytes: usize, own: &'a [u8]| match place {
            Some(place) => payload.get(place..place.checked_add(bytes)?),
            None => Some(own),
        };
        let record = EventRecord {
            kind: match marks & 3 {
                0 => EventKind::Created,
                1 => EventKind::Updated { merge: false },
                2 => EventKind::Updated { merge: true },
                _ => EventKind::Deleted,
            },
            namespace: word(1) & NAMESPACE_MASK,
            position: long(2),
            time_ms: long(4) as i64,
            sequence: sequence.filter(|sequence| *sequence != u64::MAX),
            transaction,
            id: part(id_place, id_bytes, own_id)?,
            entity_type: part(type_place, type_bytes, own_type)?,
            time_text,
            version,
            payload,
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
        let payload = &br#"{"$id":"inside","$type":"Also"}"#[..];
        let inside = EventRecord {
            sequence: None,
            transaction: 0,
            id: &payload[8..14],
            entity_type: &payload[25..29],
            payload,
            ..record
        };
        assert_eq!((inside.id, inside.entity_type), (&b"inside"[..], &b"Also"[..]));
        let long = EventRecord { id: &[b'x'; 70_000], ..record };
        let mut sizes = Vec::new();
        for record in [record, inside, long] {
            bytes.clear();
            record.write(&mut bytes);
            assert!(bytes.len() <= record.stored_bytes_max());
            let (read, length) = EventRecord::read(&bytes).unwrap();
            assert_eq!(length, bytes.len());
            assert_eq!(format!("{read:?}"), format!("{record:?}"));
            for end in 0..bytes.len() {
                assert!(EventRecord::read(&bytes[..end]).is_none());
            }
            sizes.push(bytes.len());
        }
        assert_eq!(sizes[1], HEAD_BYTES + 6 + r#""now""#.len() + payload.len());
        let key = KeyRecord { identity: Identity { key: 1, content: 2 }, sequence: 3, position: 4 };
        assert_eq!(KeyRecord::from_bytes(&key.to_bytes()), key);
    }
}
