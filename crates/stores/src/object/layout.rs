//! How an object's database spells what a store holds: `docs/FORMAT.md`, section 14.

use dotctl_engine::format::layout::{MANIFESTS, PACKS};
use dotctl_engine::image::lookup::KEY_VALUE_TABLE;
use dotctl_engine::limits::{KV_BACKEND_KEY, KV_BACKEND_VALUE, ROW};
use dotctl_engine::value::BYTES_OVERHEAD_MAX;
use dotctl_engine::{Error, Result};

/// Where in an object checkpoints lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Tables of our own, for SQLite-backed objects.
    Sqlite,
    /// Entries of the key-value storage, which every object has.
    Kv,
}

/// What there is: a key and how many bytes belong to it.
pub const ITEMS_TABLE: &str = "_dotctl_items";
/// Those bytes, in consecutive rows.
pub const PARTS_TABLE: &str = "_dotctl_parts";

/// How the tables are made. A table that was made otherwise is not ours.
pub const ITEMS_SQL: &str = "CREATE TABLE _dotctl_items (key TEXT PRIMARY KEY, stored_bytes INTEGER NOT NULL, \
                             first_part INTEGER NOT NULL) WITHOUT ROWID";
/// The same for the parts.
pub const PARTS_SQL: &str = "CREATE TABLE _dotctl_parts (part INTEGER PRIMARY KEY, bytes BLOB NOT NULL)";
/// The same for the key-value storage, as workerd makes it (`sqlite-kv.c++`, read 2026-11-21).
pub const KEY_VALUES_SQL: &str =
    "CREATE TABLE _cf_KV (\n        key TEXT PRIMARY KEY,\n        value BLOB\n      ) WITHOUT ROWID";

/// How the keys of entries begin that say what there is.
pub const ITEM_KEYS: &str = "dotctl:";
/// How the keys of entries begin that hold the bytes.
const PART_KEYS: &str = "dotctl:part:";

/// Bytes of a row beside its part: the record's header and the row's number, at most.
const ROW_OVERHEAD_BYTES: u64 = 32;

/// Bytes of the longest key: prefix, `manifests/`, a namespace (255), a sequence of 20 digits, an
/// id, and the part's number.
const KEY_BYTES_MAX: u64 = 12 + 10 + 255 + 1 + 20 + 1 + 64 + 5 + 1 + 20;

impl Backend {
    /// Both, in the order in which they are looked at.
    pub const ALL: [Backend; 2] = [Backend::Sqlite, Backend::Kv];

    /// Bytes of every part of an item but the last.
    pub const fn part_bytes(self) -> u64 {
        match self {
            // 255 pages: with its row's overhead below 1 MiB.
            Backend::Sqlite => 1_044_480,
            Backend::Kv => 129_024,
        }
    }

    /// The table that tells what there is.
    pub fn table(self) -> &'static str {
        match self {
            Backend::Sqlite => ITEMS_TABLE,
            Backend::Kv => KEY_VALUE_TABLE,
        }
    }

    /// An item's key as its table has it.
    pub fn stored_key(self, key: &str) -> String {
        match self {
            Backend::Sqlite => key.to_owned(),
            Backend::Kv => format!("{ITEM_KEYS}{key}"),
        }
    }
}

// The platform's limits.
const _: () = assert!(Backend::Sqlite.part_bytes() + ROW_OVERHEAD_BYTES < 1 << 20);
const _: () = assert!(Backend::Sqlite.part_bytes() + ROW_OVERHEAD_BYTES < ROW.amount);
const _: () = assert!(
    Backend::Kv.part_bytes() + BYTES_OVERHEAD_MAX as u64 + KEY_BYTES_MAX + ROW_OVERHEAD_BYTES
        < KV_BACKEND_VALUE.amount
);
const _: () = assert!(KEY_BYTES_MAX <= KV_BACKEND_KEY.amount);

/// The key of the entry that holds part `number` of the item `key`.
pub fn part_key(key: &str, number: u64) -> String {
    format!("{}{number:06}", parts_prefix(key))
}

/// How the keys of all parts of the item `key` begin.
pub fn parts_prefix(key: &str) -> String {
    format!("{PART_KEYS}{key}:")
}

/// How the keys of all packs begin, or of all manifests.
pub fn packs_prefix() -> String {
    format!("{PACKS}/")
}

/// The same for the manifests.
pub fn manifests_prefix() -> String {
    format!("{MANIFESTS}/")
}

/// What its table says of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Where it lies.
    pub backend: Backend,
    /// Bytes it has.
    pub stored_bytes: u64,
    /// The number of its first row in the parts' table; of no meaning for entries.
    pub first_part: i64,
}

impl Head {
    /// How many parts it has.
    pub fn part_count(&self) -> u64 {
        self.stored_bytes.div_ceil(self.backend.part_bytes())
    }

    /// Bytes of part `number`.
    pub fn part_bytes(&self, number: u64) -> u64 {
        let before = number.saturating_mul(self.backend.part_bytes());
        self.stored_bytes.saturating_sub(before).min(self.backend.part_bytes())
    }

    /// The row that holds part `number`.
    pub fn row(&self, number: u64) -> Result<i64> {
        i64::try_from(number)
            .ok()
            .and_then(|number| self.first_part.checked_add(number))
            .ok_or_else(|| Error::corrupt("its parts have no row numbers"))
    }
}
