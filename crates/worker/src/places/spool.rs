//! Packs on their way: not in memory but in a table of the object, until they are whole and have their names.

use dotctl_engine::Result;
use dotctl_engine::checkpoint::PackSink;
use dotctl_engine::format::PackEntry;

use super::object::PART_BYTES;
use crate::packed::Writer;
use crate::storage::{Parameter, Storage};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _dotctl_open (pack INTEGER, part INTEGER, bytes BLOB NOT NULL, \
                     PRIMARY KEY (pack, part)) WITHOUT ROWID";

/// Forgets what an earlier life of the object has left.
pub fn discard_spool(storage: &Storage) -> Result<()> {
    match storage.number("SELECT count(*) FROM sqlite_schema WHERE name = '_dotctl_open'", &[])? {
        0 => Ok(()),
        _ => storage.execute("DELETE FROM _dotctl_open", &[]),
    }
}

/// Where an item's bytes are before they are an item.
pub enum Source {
    /// In memory.
    Bytes(Vec<u8>),
    /// In the object: the rows that this statement gives, one for each number from 0 on in the place of its `?`, in order.
    Rows(String),
}

/// A pack that is whole.
pub struct Sealed {
    /// What it is.
    pub entry: PackEntry,
    number: i64,
    /// Where it is.
    pub source: Source,
}

/// Takes packs, and keeps of the current one a part of a row in memory.
pub struct Spool {
    storage: Storage,
    /// The number of the current pack, and of its next part.
    pack: i64,
    part: i64,
    bytes: Vec<u8>,
    /// Packs that are whole, in order.
    pub sealed: Vec<Sealed>,
}

impl Spool {
    /// An empty one.
    pub fn new(storage: &Storage) -> Result<Self> {
        discard_spool(storage)?;
        Ok(Spool { storage: storage.clone(), pack: 0, part: 0, bytes: Vec::new(), sealed: Vec::new() })
    }

    fn put_part(&mut self) -> Result<()> {
        if self.part == 0 {
            self.storage.execute(TABLE, &[])?;
        }
        let insert =
            ["INSERT INTO _dotctl_open VALUES (CAST(? AS INTEGER), CAST(? AS INTEGER), ?)".to_owned()];
        let mut packed = Writer::default();
        packed.count(0);
        packed.count(3);
        packed.text(&self.pack.to_string());
        packed.text(&self.part.to_string());
        packed.blob(&self.bytes);
        self.storage.run(&insert, packed.as_bytes())?;
        self.part += 1;
        self.bytes.clear();
        Ok(())
    }

    /// Forgets a pack that lies where it belongs.
    pub fn forget(&self, pack: &Sealed) -> Result<()> {
        match pack.source {
            Source::Bytes(_) => Ok(()),
            Source::Rows(_) => {
                let number = pack.number.to_string();
                let remove = "DELETE FROM _dotctl_open WHERE pack = CAST(? AS INTEGER)";
                self.storage.execute(remove, &[Parameter::Text(&number)])
            }
        }
    }
}

impl PackSink for Spool {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.bytes.len() == PART_BYTES {
                self.put_part()?;
            }
            let (now, later) = rest.split_at(rest.len().min(PART_BYTES - self.bytes.len()));
            self.bytes.extend_from_slice(now);
            rest = later;
        }
        Ok(())
    }

    fn seal(&mut self, pack: &PackEntry) -> Result<()> {
        let number = self.pack;
        let source = if self.part == 0 {
            Source::Bytes(std::mem::take(&mut self.bytes))
        } else {
            self.put_part()?;
            Source::Rows(format!("SELECT bytes FROM _dotctl_open WHERE pack = {number} AND part = ?"))
        };
        self.sealed.push(Sealed { entry: pack.clone(), number, source });
        (self.pack, self.part) = (number + 1, 0);
        Ok(())
    }
}
