//! Items as rows of the object's own tables: `docs/FORMAT.md`, section 14.

use dotctl_engine::{Damage, Error, Result};

use super::spool::Source;
use crate::packed::Reader;
use crate::storage::{Parameter, Storage};

/// Bytes of every part of an item but the last: with its row's overhead below 1 MiB.
pub const PART_BYTES: usize = 1_044_480;

const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS _dotctl_items (key TEXT PRIMARY KEY, stored_bytes INTEGER NOT NULL, \
     first_part INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS _dotctl_parts (part INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
];

/// The tables of one object.
#[derive(Clone)]
pub struct ObjectTables {
    storage: Storage,
}

/// Where an item's bytes are.
struct Head {
    stored_bytes: u64,
    first_part: i64,
}

impl ObjectTables {
    /// Those in `storage`.
    pub fn new(storage: Storage) -> Self {
        ObjectTables { storage }
    }

    fn are_there(&self) -> Result<bool> {
        let there = "SELECT count(*) FROM sqlite_schema WHERE name IN ('_dotctl_items', '_dotctl_parts')";
        Ok(self.storage.number(there, &[])? == 2)
    }

    fn head(&self, key: &str) -> Result<Option<Head>> {
        if !self.are_there()? {
            return Ok(None);
        }
        let select = "SELECT stored_bytes, first_part FROM _dotctl_items WHERE key = ?";
        let rows = self.storage.query(select, &[Parameter::Text(key)])?;
        let mut reader = Reader::new(&rows);
        let Some(stored_bytes) = reader.next()? else {
            return Ok(None);
        };
        let stored_bytes = u64::try_from(stored_bytes.integer()?)
            .map_err(|_| Error::corrupt("it claims to have less than no bytes").at(key))?;
        Ok(Some(Head { stored_bytes, first_part: reader.value()?.integer()? }))
    }

    /// How many bytes an item has; none where there is no such item.
    pub fn stored_bytes(&self, key: &str) -> Result<Option<u64>> {
        Ok(self.head(key)?.map(|head| head.stored_bytes))
    }

    /// Keys that begin with `prefix`, in order, each with its bytes.
    pub fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        if !self.are_there()? {
            return Ok(Vec::new());
        }
        let select =
            "SELECT key, stored_bytes FROM _dotctl_items WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key";
        let rows = self.storage.query(select, &[Parameter::Text(prefix)])?;
        let mut reader = Reader::new(&rows);
        let mut items = Vec::new();
        while let Some(key) = reader.next()? {
            let key = key.text()?.to_owned();
            items.push((key, u64::try_from(reader.value()?.integer()?).unwrap_or_default()));
        }
        Ok(items)
    }

    /// `length` bytes of an item from `offset` on.
    pub fn read(&self, key: &str, offset: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let Some(head) = self.head(key)? else {
            return Ok(None);
        };
        let end = offset.checked_add(length).filter(|end| *end <= head.stored_bytes).ok_or_else(|| {
            Error::damaged(Damage::Size, "the item", offset.saturating_add(length), head.stored_bytes).at(key)
        })?;
        let part_bytes = PART_BYTES as u64;
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        let mut at = offset;
        while at < end {
            let number = at / part_bytes;
            let begin = at % part_bytes;
            let count = (part_bytes - begin).min(end - at);
            let row = i64::try_from(number).ok().and_then(|number| head.first_part.checked_add(number));
            let row = row.ok_or_else(|| Error::corrupt("its parts have no row numbers").at(key))?.to_string();
            // The part's own length shows whether it is the right one.
            let select = "SELECT length(bytes), substr(bytes, CAST(?2 AS INTEGER), CAST(?3 AS INTEGER)) \
                          FROM _dotctl_parts WHERE part = CAST(?1 AS INTEGER)";
            let (first, many) = ((begin + 1).to_string(), count.to_string());
            let parameters = [Parameter::Text(&row), Parameter::Text(&first), Parameter::Text(&many)];
            let rows = self.storage.query(select, &parameters)?;
            let mut reader = Reader::new(&rows);
            let missing = || Error::damaged(Damage::Missing, "part", number, "nothing").at(key);
            let actual = reader.next()?.ok_or_else(missing)?.integer()?;
            let promised = (head.stored_bytes - number * part_bytes).min(part_bytes);
            if u64::try_from(actual) != Ok(promised) {
                return Err(Error::damaged(Damage::Size, "a part", promised, actual).at(key));
            }
            bytes.extend_from_slice(reader.value()?.bytes()?);
            at += count;
        }
        Ok(Some(bytes))
    }

    /// The statement that gives an item's parts by their numbers, from 0 on; none where there is no such item.
    pub fn parts(&self, key: &str) -> Result<Option<String>> {
        Ok(self
            .head(key)?
            .map(|head| format!("SELECT bytes FROM _dotctl_parts WHERE part = {} + ?", head.first_part)))
    }

    /// Puts an item of `total` bytes, unless there is one of its key and length, and says whether there was none.
    pub fn create(&self, key: &str, total: u64, source: &Source) -> Result<bool> {
        self.storage.transaction(|| {
            for statement in TABLES {
                self.storage.execute(statement, &[])?;
            }
            match self.head(key)? {
                Some(head) if head.stored_bytes == total => return Ok(false),
                Some(_) => self.remove(key)?,
                None => {}
            }
            let first_part =
                self.storage.number("SELECT coalesce(max(part), 0) + 1 FROM _dotctl_parts", &[])?;
            let first = first_part.to_string();
            match source {
                Source::Bytes(bytes) => {
                    for (number, part) in (first_part..).zip(bytes.chunks(PART_BYTES)) {
                        let number = number.to_string();
                        let insert = "INSERT INTO _dotctl_parts VALUES (CAST(? AS INTEGER), ?)";
                        self.storage.execute(insert, &[Parameter::Text(&number), Parameter::Blob(part)])?;
                    }
                }
                Source::Rows(select) => {
                    for number in 0..total.div_ceil(PART_BYTES as u64) {
                        let number = number.to_string();
                        let select = select.replace('?', "CAST(?2 AS INTEGER)");
                        let insert = format!(
                            "INSERT INTO _dotctl_parts VALUES (CAST(?1 AS INTEGER) + CAST(?2 AS INTEGER), ({select}))"
                        );
                        self.storage.execute(&insert, &[Parameter::Text(&first), Parameter::Text(&number)])?;
                    }
                }
            }
            let insert = "INSERT INTO _dotctl_items VALUES (?, CAST(? AS INTEGER), CAST(? AS INTEGER))";
            let total = total.to_string();
            self.storage.execute(
                insert,
                &[Parameter::Text(key), Parameter::Text(&total), Parameter::Text(&first)],
            )?;
            Ok(true)
        })
    }

    /// Removes an item, if it is there.
    pub fn remove(&self, key: &str) -> Result<()> {
        let Some(head) = self.head(key)? else {
            return Ok(());
        };
        let parts = i64::try_from(head.stored_bytes.div_ceil(PART_BYTES as u64)).unwrap_or(i64::MAX);
        let (first, end) = (head.first_part.to_string(), head.first_part.saturating_add(parts).to_string());
        self.storage.execute(
            "DELETE FROM _dotctl_parts WHERE part >= CAST(? AS INTEGER) AND part < CAST(? AS INTEGER)",
            &[Parameter::Text(&first), Parameter::Text(&end)],
        )?;
        self.storage.execute("DELETE FROM _dotctl_items WHERE key = ?", &[Parameter::Text(key)])
    }
}
