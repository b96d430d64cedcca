//! Whether keys come in order.

use super::key::shown_key;
use crate::error::{Error, Result};
use std::cmp::Ordering;

/// How a key stands to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It sorts after all keys so far.
    InOrder,
    /// It sorts before the key just before it: the entries need sorting.
    OutOfOrder,
}

/// Watches keys go by and tells whether they ascend, as UTF-8 bytes.
#[derive(Debug, Default)]
pub struct OrderCheck {
    last: Vec<u8>,
    entries: u64,
}

impl OrderCheck {
    /// A check that has seen nothing.
    pub fn new() -> Self {
        OrderCheck::default()
    }

    /// Takes the next entry's key. After `OutOfOrder` the check has done its work: what comes then
    /// is compared with its neighbour only.
    ///
    /// # Errors
    /// Malformed, if the key equals the one before it. Only neighbours are compared: among keys in
    /// order that finds every duplicate, among others the sorter does.
    pub fn push(&mut self, key: &[u8]) -> Result<Order> {
        self.entries = self.entries.saturating_add(1);
        let order = if self.entries == 1 { Ordering::Greater } else { key.cmp(&self.last) };
        if order == Ordering::Equal {
            return Err(duplicate_key(key, self.entries.saturating_sub(1), self.entries));
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        Ok(match order {
            Ordering::Less => Order::OutOfOrder,
            _ => Order::InOrder,
        })
    }
}

/// Two entries, by their numbers from 1, with the same key.
pub(super) fn duplicate_key(key: &[u8], one: u64, other: u64) -> Error {
    let (first, second) = (one.min(other), one.max(other));
    Error::malformed(format!("entries {first} and {second} have the same key {}", shown_key(key)))
        .hint("keep one entry for each key")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn order_is_of_bytes() {
        let mut check = OrderCheck::new();
        for key in ["", "\0", "a", "a\0", "ab", "é", "\u{ffff}", "😀"] {
            assert_eq!(check.push(key.as_bytes()).unwrap(), Order::InOrder);
        }
        assert_eq!(check.push(b"b").unwrap(), Order::OutOfOrder);
        assert_eq!(check.push(b"c").unwrap(), Order::InOrder);
    }

    #[test]
    fn duplicates_are_named() {
        let mut check = OrderCheck::new();
        check.push(b"a").unwrap();
        check.push(b"b\n").unwrap();
        let error = check.push(b"b\n").unwrap_err();
        assert_eq!(error.to_string(), "entries 2 and 3 have the same key \"b\\u000a\"");
        let mut check = OrderCheck::new();
        check.push(b"").unwrap();
        assert!(check.push(b"").is_err());
    }
}
