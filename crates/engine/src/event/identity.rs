//! What makes two events the same.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::parse::{Event, EventKind};

/// An event's identity: two hashes, XXH3-64 both. The same key twice with the same content is the
/// same event sent again; with other content it is a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Of the namespace and the idempotency key; without a key, of namespace and sequence; without
    /// both, of the content.
    pub key: u64,
    /// Of everything that the event says, save its sequence.
    pub content: u64,
}

impl Identity {
    /// The identity of `event`.
    pub fn of(event: &Event<'_>) -> Self {
        let kind = match event.kind {
            EventKind::Created => 1,
            // Whether it is merged is how it is read, not what it is.
            EventKind::Updated { .. } => 2,
            EventKind::Deleted => 4,
            EventKind::Begin | EventKind::Commit | EventKind::Rollback | EventKind::Unknown => 5,
        };
        let mut content = xxh3_64_with_seed(&event.id, kind);
        content = xxh3_64_with_seed(&event.entity_type, content);
        content = xxh3_64_with_seed(&event.time_ms.to_le_bytes(), content);
        content = xxh3_64_with_seed(event.version, content);
        content = xxh3_64_with_seed(&event.payload, content);
        let namespace = xxh3_64(&event.namespace);
        let key = match (&event.key, event.sequence) {
            (Some(key), _) => xxh3_64_with_seed(key, namespace),
            (None, Some(sequence)) => xxh3_64_with_seed(&sequence.to_le_bytes(), !namespace),
            (None, None) => xxh3_64_with_seed(&content.to_le_bytes(), namespace),
        };
        Identity { key, content }
    }
}

/// The hash by which an image looks up the entity `id`.
pub fn entity_hash(id: &[u8]) -> u64 {
    xxh3_64(id)
}

/// Which of an image's 4,096 buckets `hash` belongs to.
pub fn bucket_of(hash: u64) -> u16 {
    (hash >> 52) as u16
}
