//! What the entries of a state snapshot amount to.

use std::cmp::Ordering;

use serde::Serialize;

use super::members::Members;
use crate::id::Time;
use crate::limits;
use crate::measure::{ExpiryReport, LimitFinding, Octaves, PrefixGroups, PrefixReport, SizeBucket, Watch};

/// The report on a state snapshot. Keys are measured decoded, values as compact JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateReport {
    /// Entries.
    pub count: u64,
    /// Bytes of the state as one compact JSON array: what a checkpoint of it restores.
    pub raw_bytes: u64,
    /// Bytes of the keys.
    pub key_bytes: u64,
    /// Bytes of the values.
    pub value_bytes: u64,
    /// Whether no key sorts before the one in front of it, as bytes.
    pub sorted: bool,
    /// Entries with the key of the entry in front of them. A snapshot refuses such a source.
    pub repeated_key_count: u64,
    /// Entries by prefix: up to and including the first `:` or `/` of the key.
    pub prefixes: Vec<PrefixReport>,
    /// Values by size, octave by octave; empty octaves left out.
    pub sizes: Vec<SizeBucket>,
    /// Times to live.
    pub expiry: ExpiryReport,
    /// The smallest `createdAt`.
    pub oldest: Option<Time>,
    /// The largest `createdAt`.
    pub newest: Option<Time>,
    /// The largest things that limits apply to.
    pub limits: Vec<LimitFinding>,
}

/// Counts state entries in memory that does not grow with their number.
#[derive(Debug, Clone)]
pub struct StateMeasure {
    now_ms: i64,
    last_key: Vec<u8>,
    count: u64,
    text_bytes: u64,
    sorted: bool,
    repeated_key_count: u64,
    groups: PrefixGroups,
    octaves: Octaves,
    expiry: ExpiryReport,
    oldest_ms: Option<i64>,
    newest_ms: Option<i64>,
    key_and_value: Watch,
    key: Watch,
    value: Watch,
}

impl StateMeasure {
    /// Nothing counted yet. Entries are expired that expire before `now`.
    pub fn new(now: Time) -> Self {
        StateMeasure {
            now_ms: now.unix_ms(),
            last_key: Vec::new(),
            count: 0,
            text_bytes: 0,
            sorted: true,
            repeated_key_count: 0,
            groups: PrefixGroups::default(),
            octaves: Octaves::default(),
            expiry: ExpiryReport::default(),
            oldest_ms: None,
            newest_ms: None,
            key_and_value: Watch::new(&limits::KEY_AND_VALUE),
            key: Watch::new(&limits::KV_BACKEND_KEY),
            value: Watch::new(&limits::KV_BACKEND_VALUE),
        }
    }

    /// Counts the next entry: its decoded key and its text, as
    /// [`EntryReader`](super::EntryReader) gives them.
    pub fn add(&mut self, key: &[u8], text: &[u8]) {
        if self.count > 0 {
            match key.cmp(&self.last_key) {
                Ordering::Less => self.sorted = false,
                Ordering::Equal => self.repeated_key_count += 1,
                Ordering::Greater => {}
            }
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        self.count += 1;
        self.text_bytes = self.text_bytes.saturating_add(text.len() as u64);
        let members = Members::of(text);
        let (key_bytes, value_bytes) = (key.len() as u64, members.value_bytes() as u64);
        self.groups.add(key, value_bytes);
        self.octaves.add(value_bytes);
        self.key_and_value.see(key_bytes + value_bytes, key);
        self.key.see(key_bytes, key);
        self.value.see(value_bytes, key);
        if let Some(time_ms) = members.expires_at(text) {
            self.expiry.add(time_ms as f64, self.now_ms as f64, key_bytes + value_bytes);
        }
        if let Some(time_ms) = members.created_at(text) {
            self.oldest_ms = Some(self.oldest_ms.map_or(time_ms, |oldest| oldest.min(time_ms)));
            self.newest_ms = Some(self.newest_ms.map_or(time_ms, |newest| newest.max(time_ms)));
        }
    }

    /// Makes the report.
    pub fn report(self) -> StateReport {
        let time = |unix_ms: Option<i64>| unix_ms.and_then(|unix_ms| Time::from_unix_ms(unix_ms).ok());
        // `[`, the entries, and a comma or `]` behind each; `[]` where there are none.
        let raw_bytes = self.text_bytes.saturating_add(self.count).saturating_add(1).max(2);
        StateReport {
            count: self.count,
            raw_bytes,
            key_bytes: self.groups.key_bytes(),
            value_bytes: self.groups.value_bytes(),
            sorted: self.sorted,
            repeated_key_count: self.repeated_key_count,
            prefixes: self.groups.report(),
            sizes: self.octaves.report(),
            expiry: self.expiry,
            oldest: time(self.oldest_ms),
            newest: time(self.newest_ms),
            limits: vec![self.key_and_value.finding(), self.key.finding(), self.value.finding()],
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::limits::LimitStatus;
    use crate::state::{EntryReader, Step};

    fn report(text: &str, now_ms: i64) -> StateReport {
        let mut reader = EntryReader::new();
        let mut measure = StateMeasure::new(Time::from_unix_ms(now_ms).unwrap());
        let mut rest = text.as_bytes();
        loop {
            match reader.next().unwrap() {
                Step::Entry(entry) => measure.add(entry.key, entry.text),
                Step::End => return measure.report(),
                Step::NeedInput if rest.is_empty() => reader.end(),
                Step::NeedInput => {
                    let space = reader.space();
                    let bytes = rest.len().min(space.len());
                    space[..bytes].copy_from_slice(&rest[..bytes]);
                    rest = &rest[bytes..];
                    reader.filled(bytes);
                }
            }
        }
    }

    #[test]
    fn entries_are_counted() {
        let text = r#"[["a:1",{"value":"xyz","createdAt":1000,"expiresAt":1999}],["a:2",{"value":12,"createdAt":3000,"expiresAt":2000}],["b",{"value":null,"createdAt":2000}]]"#;
        let found = report(text, 2_000);
        assert_eq!((found.count, found.raw_bytes), (3, text.len() as u64));
        assert_eq!((found.key_bytes, found.value_bytes), (7, 5 + 2 + 4));
        assert!(found.sorted);
        assert_eq!((found.expiry.expiring_count, found.expiry.expired_count), (2, 1));
        assert_eq!(found.expiry.expired_bytes, 8);
        assert_eq!(found.oldest.unwrap().unix_ms(), 1_000);
        assert_eq!(found.newest.unwrap().unix_ms(), 3_000);
        assert_eq!(found.prefixes.len(), 2);
        assert_eq!(found.sizes.iter().map(|bucket| bucket.count).collect::<Vec<_>>(), [1, 2]);
        assert!(found.limits.iter().all(|finding| finding.status == LimitStatus::Ok));
    }

    #[test]
    fn order_and_repetition_are_noticed() {
        let entry = |key: &str| format!("[\"{key}\",{{\"value\":1,\"createdAt\":1}}]\n");
        let found = report(&[entry("b"), entry("a"), entry("a")].concat(), 0);
        assert!(!found.sorted);
        assert_eq!(found.repeated_key_count, 1);
        let found = report("[]", 0);
        assert_eq!((found.count, found.raw_bytes, found.sorted), (0, 2, true));
        assert_eq!(found.oldest, None);
    }

    #[test]
    fn large_things_are_named() {
        let large = "x".repeat(131_080);
        let text = format!("[\"{}\",{{\"value\":\"{large}\",\"createdAt\":1}}]", "k".repeat(3_000));
        let found = report(&text, 0);
        let status = |name: &str| found.limits.iter().find(|finding| finding.limit == name).unwrap().status;
        assert_eq!(status("key-and-value"), LimitStatus::Ok);
        assert_eq!(status("kv-backend-key"), LimitStatus::Exceeded);
        assert_eq!(status("kv-backend-value"), LimitStatus::Exceeded);
    }
}
