//! Entries grouped by the prefix of their keys.

use std::collections::BTreeMap;

use serde::Serialize;

use super::sizes::{MAX_DISTINCT_SIZES, SizeSummary, Sizes};

/// Groups kept apart. When there are twice as many, the smaller half goes into one group of
/// others, so that a frequent prefix keeps its own group wherever in the data it begins.
pub const MAX_PREFIX_GROUPS: usize = 512;

/// Longer prefixes are counted with the others.
pub const MAX_PREFIX_BYTES: usize = 256;

/// The prefix of a key: up to and including its first `:` or `/`, empty where it has neither.
#[inline]
pub fn prefix(key: &[u8]) -> &[u8] {
    memchr::memchr2(b':', b'/', key).and_then(|at| key.get(..=at)).unwrap_or_default()
}

/// One group's counts.
#[derive(Debug, Clone, Default)]
struct Group {
    prefix: Box<[u8]>,
    keys: Sizes,
    values: Sizes,
    /// Entries of the prefix may have been counted with the others before.
    incomplete: bool,
}

/// Entries counted by prefix, in memory that does not grow with their number.
#[derive(Debug, Clone)]
pub struct PrefixGroups {
    groups: Vec<Group>,
    places: BTreeMap<Box<[u8]>, usize>,
    others: Option<Box<Group>>,
    /// The group of the last key: keys come in order, so it is mostly the next one's too.
    last: usize,
    room: usize,
}

/// One group in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrefixReport {
    /// The prefix; `null` for the group of all prefixes that have none of their own.
    pub prefix: Option<String>,
    /// Entries in the group.
    pub count: u64,
    /// Their keys.
    pub key: SizeSummary,
    /// Their values.
    pub value: SizeSummary,
    /// Whether percentiles are rounded up (by less than an eighth), or entries of this prefix may
    /// be among the others: there were too many sizes or prefixes to count each.
    pub approximate: bool,
}

impl Default for PrefixGroups {
    fn default() -> Self {
        PrefixGroups {
            groups: Vec::new(),
            places: BTreeMap::new(),
            others: None,
            last: 0,
            room: MAX_DISTINCT_SIZES,
        }
    }
}

impl PrefixGroups {
    /// Counts one entry.
    #[inline]
    pub fn add(&mut self, key: &[u8], value_bytes: u64) {
        let prefix = prefix(key);
        let known = self.groups.get(self.last).is_some_and(|group| *group.prefix == *prefix);
        if !known {
            self.turn_to(prefix);
        }
        let Some(group) = self.groups.get_mut(self.last).or(self.others.as_deref_mut()) else {
            return;
        };
        group.keys.add(key.len() as u64, 1, &mut self.room);
        group.values.add(value_bytes, 1, &mut self.room);
    }

    /// Makes `last` the place of `prefix`, or of none where it is counted with the others.
    fn turn_to(&mut self, prefix: &[u8]) {
        if let Some(place) = self.places.get(prefix) {
            self.last = *place;
            return;
        }
        if prefix.len() > MAX_PREFIX_BYTES {
            self.others.get_or_insert_default();
            self.last = usize::MAX;
            return;
        }
        if self.groups.len() >= 2 * MAX_PREFIX_GROUPS {
            self.lump();
        }
        self.last = self.groups.len();
        self.places.insert(prefix.into(), self.last);
        self.groups.push(Group {
            prefix: prefix.into(),
            incomplete: self.others.is_some(),
            ..Group::default()
        });
    }

    /// Puts all but the largest groups among the others.
    fn lump(&mut self) {
        self.groups.sort_by(|a, b| (b.keys.count(), &a.prefix).cmp(&(a.keys.count(), &b.prefix)));
        let lumped = self.groups.split_off(MAX_PREFIX_GROUPS.min(self.groups.len()));
        let others = self.others.get_or_insert_default();
        for group in lumped {
            self.room += group.keys.distinct() + group.values.distinct();
            others.keys.merge(&group.keys, &mut self.room);
            others.values.merge(&group.values, &mut self.room);
        }
        self.places =
            self.groups.iter().enumerate().map(|(place, group)| (group.prefix.clone(), place)).collect();
        self.last = usize::MAX;
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &PrefixGroups) {
        for group in &other.groups {
            self.turn_to(&group.prefix);
            if let Some(own) = self.groups.get_mut(self.last) {
                own.keys.merge(&group.keys, &mut self.room);
                own.values.merge(&group.values, &mut self.room);
                own.incomplete |= group.incomplete;
            }
        }
        if let Some(group) = &other.others {
            let others = self.others.get_or_insert_default();
            others.keys.merge(&group.keys, &mut self.room);
            others.values.merge(&group.values, &mut self.room);
            for group in &mut self.groups {
                group.incomplete = true;
            }
        }
    }

    /// Entries counted.
    pub fn count(&self) -> u64 {
        self.all().map(|group| group.keys.count()).sum()
    }

    /// Bytes of all their keys.
    pub fn key_bytes(&self) -> u64 {
        self.all().map(|group| group.keys.total_bytes()).sum()
    }

    /// Bytes of all their values.
    pub fn value_bytes(&self) -> u64 {
        self.all().map(|group| group.values.total_bytes()).sum()
    }

    fn all(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().chain(self.others.as_deref())
    }

    /// The groups, those with the most bytes first, the others last.
    pub fn report(mut self) -> Vec<PrefixReport> {
        if self.groups.len() > MAX_PREFIX_GROUPS {
            self.lump();
        }
        self.groups
            .sort_by_key(|group| std::cmp::Reverse(group.keys.total_bytes() + group.values.total_bytes()));
        let row = |group: &Group, prefix| PrefixReport {
            prefix,
            count: group.keys.count(),
            key: group.keys.summary(),
            value: group.values.summary(),
            approximate: group.incomplete || group.keys.approximate() || group.values.approximate(),
        };
        let mut rows: Vec<_> = self
            .groups
            .iter()
            .map(|group| {
                let prefix = String::from_utf8_lossy(&group.prefix).into_owned();
                row(group, Some(prefix))
            })
            .collect();
        rows.extend(self.others.iter().map(|group| row(group, None)));
        rows
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn prefixes_end_at_the_first_mark() {
        assert_eq!(prefix(b"user:1:2"), b"user:");
        assert_eq!(prefix(b"a/b:c"), b"a/");
        assert_eq!(prefix(b"plain"), b"");
        assert_eq!(prefix(b":"), b":");
    }

    #[test]
    fn a_frequent_prefix_survives_many_rare_ones() {
        let mut groups = PrefixGroups::default();
        for index in 0..10_000 {
            groups.add(format!("{index:05}:x").as_bytes(), 10);
            groups.add(b"often:x", 20);
        }
        assert_eq!(groups.count(), 20_000);
        assert_eq!(groups.value_bytes(), 300_000);
        let mut both = PrefixGroups::default();
        both.merge(&groups);
        both.merge(&groups);
        assert_eq!(both.count(), 40_000);
        let rows = both.report();
        assert_eq!(rows.len(), MAX_PREFIX_GROUPS + 1);
        let often = rows.first().unwrap();
        assert_eq!(often.prefix.as_deref(), Some("often:"));
        assert_eq!((often.count, often.value.total_bytes), (20_000, 400_000));
        assert_eq!(rows.last().unwrap().prefix, None);
    }

    #[test]
    fn long_prefixes_count_with_the_others() {
        let mut groups = PrefixGroups::default();
        let long = [&[b'x'; MAX_PREFIX_BYTES][..], b":"].concat();
        groups.add(b"a:1", 1);
        groups.add(&long, 2);
        groups.add(&long, 3);
        groups.add(b"a:2", 4);
        let rows = groups.report();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].count, rows[1].count), (2, 2));
        assert_eq!(rows[1].value.total_bytes, 5);
    }
}
