//! The image: a SQLite database with what an object's cold start reads, and what a later run must
//! know.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use dotctl_engine::event::SequenceSet;
use dotctl_engine::{Error, ErrorKind, Result};

use super::entities::EntityBuckets;
use super::ingest::NamespaceFacts;
use super::keys::KeyBuckets;
use crate::alone::{failure, open_guarded};

/// The form of the tables; another one is not read.
pub const FORM: i64 = 1;

/// Memory for SQLite's pages, in KiB.
const CACHE_KIB: i32 = 16 * 1024;

/// Memory for buckets of entities that were looked at.
const BUCKETS_BYTES_MAX: usize = 48 << 20;

const ENTITIES: &str = "
CREATE TABLE things (id TEXT NOT NULL PRIMARY KEY, type TEXT NOT NULL, data TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE collections (type TEXT NOT NULL PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID;
";

/// What a replay adds to them.
pub const REPLAY: &str = "
CREATE VIEW entities (id, type, data) AS
  SELECT id, type, data FROM things
  UNION ALL
  SELECT json_extract(one.value, '$.\"$id\"'), collections.type, one.value
    FROM collections, json_each(collections.data) AS one;
CREATE TABLE replay_setting (name TEXT NOT NULL PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE replay_types (type TEXT NOT NULL PRIMARY KEY, entities INTEGER NOT NULL, data_bytes INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE replay_namespaces (namespace TEXT NOT NULL PRIMARY KEY, last_time_ms INTEGER) WITHOUT ROWID;
CREATE TABLE replay_sequences (namespace TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL,
  PRIMARY KEY (namespace, first)) WITHOUT ROWID;
CREATE TABLE replay_keys (bucket INTEGER PRIMARY KEY, entries BLOB NOT NULL);
CREATE TABLE replay_entities (bucket INTEGER PRIMARY KEY, entries BLOB NOT NULL);
";

/// A connection to an image.
pub struct Image {
    pub connection: Connection,
    pub place: String,
}

impl Image {
    /// An empty image in the new or empty file at `path`, which is nobody else's and not durable until
    /// the caller makes it so.
    pub fn create(path: &Path, columnar_threshold: u64) -> Result<Self> {
        let place = path.display().to_string();
        let made = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(
                path,
                OpenFlags::SQLITE_OPEN_READ_WRITE
                    | OpenFlags::SQLITE_OPEN_CREATE
                    | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?;
            connection.pragma_update(None, "page_size", 4096)?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            connection.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "OFF")?;
            connection.execute_batch("BEGIN EXCLUSIVE")?;
            connection.execute_batch(ENTITIES)?;
            connection.execute_batch(REPLAY)?;
            Ok(connection)
        };
        let connection = made().map_err(|error| failure(&place, "write", &error))?;
        let image = Image { connection, place };
        image.set("form", FORM)?;
        image.set("columnar_threshold", i64::try_from(columnar_threshold).unwrap_or(i64::MAX))?;
        Ok(image)
    }

    /// The page that the tree of `things` begins with.
    pub fn things_root(&self) -> Result<u32> {
        self.ask(|connection| {
            connection
                .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'things'", [], |row| row.get(0))
        })
    }

    /// Opens the image at `path` and begins a transaction, alone. Not `durable`: it is lost with the
    /// process, for a file that has not got its name yet.
    pub fn open(path: &Path, durable: bool) -> Result<Self> {
        let place = path.display().to_string();
        let opened = || -> rusqlite::Result<Connection> {
            let connection = open_guarded(path, OpenFlags::empty())?;
            connection.busy_timeout(Duration::from_secs(2))?;
            connection.pragma_update(None, "cell_size_check", true)?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            if durable {
                connection.pragma_update(None, "synchronous", "FULL")?;
            } else {
                connection.pragma_update(None, "synchronous", "OFF")?;
                connection.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(()))?;
            }
            connection.execute_batch("BEGIN EXCLUSIVE")?;
            Ok(connection)
        };
        let connection = opened().map_err(|error| failure(&place, "open", &error))?;
        let image = Image { connection, place };
        image.check_tables()?;
        Ok(image)
    }

    fn check_tables(&self) -> Result<()> {
        let foreign = |what: String| {
            Error::new(ErrorKind::Exists, what)
                .at(&*self.place)
                .hint("name another file for --into, or start from it with --from after a snapshot")
        };
        for (table, columns) in [
            ("things", "id,type,data"),
            ("collections", "type,data"),
            ("replay_setting", "name,value"),
            ("replay_types", "type,entities,data_bytes"),
            ("replay_namespaces", "namespace,last_time_ms"),
            ("replay_sequences", "namespace,first,last"),
            ("replay_keys", "bucket,entries"),
            ("replay_entities", "bucket,entries"),
        ] {
            let found: Option<String> = self.ask(|connection| {
                connection.query_row(
                    "SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info(?1) ORDER BY cid)",
                    [table],
                    |row| row.get(0),
                )
            })?;
            if found.as_deref() != Some(columns) {
                return Err(foreign(format!(
                    "this database is no image of `replay`: no table `{table}` of its form"
                )));
            }
        }
        match self.get("form")? {
            Some(FORM) => Ok(()),
            _ => Err(foreign("this image has another form than this version writes".to_owned())),
        }
    }

    /// Runs `work` on the connection; its failure names the image.
    pub fn ask<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        work(&self.connection).map_err(|error| failure(&self.place, "read or write", &error))
    }

    fn set(&self, name: &str, value: i64) -> Result<()> {
        self.ask(|connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO replay_setting VALUES (?1, ?2)")?
                .execute(params![name, value])
                .map(|_| ())
        })
    }

    fn get(&self, name: &str) -> Result<Option<i64>> {
        self.ask(|connection| {
            connection
                .query_row("SELECT value FROM replay_setting WHERE name = ?1", [name], |row| row.get(0))
                .optional()
        })
    }

    /// Types with fewer entities than this are one row.
    pub fn columnar_threshold(&self) -> Result<u64> {
        Ok(self.get("columnar_threshold")?.and_then(|value| u64::try_from(value).ok()).unwrap_or(0))
    }

    /// Remembers another threshold.
    pub fn set_columnar_threshold(&self, threshold: u64) -> Result<()> {
        self.set("columnar_threshold", i64::try_from(threshold).unwrap_or(i64::MAX))
    }

    /// What the image remembers of namespaces.
    pub fn namespaces(&self) -> Result<Vec<NamespaceFacts>> {
        let mut all: Vec<NamespaceFacts> = self.ask(|connection| {
            connection
                .prepare("SELECT namespace, last_time_ms FROM replay_namespaces ORDER BY namespace")?
                .query_map([], |row| {
                    Ok(NamespaceFacts {
                        name: row.get(0)?,
                        last_time_ms: row.get(1)?,
                        sequences: Some(SequenceSet::default()),
                        ..NamespaceFacts::default()
                    })
                })?
                .collect()
        })?;
        for facts in &mut all {
            let ranges: Vec<(String, String)> = self.ask(|connection| {
                connection
                    .prepare_cached("SELECT first, last FROM replay_sequences WHERE namespace = ?1")?
                    .query_map([&facts.name], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect()
            })?;
            for (first, last) in ranges {
                match (first.parse(), last.parse(), &mut facts.sequences) {
                    // How a namespace with too many stretches is marked.
                    (Ok(1), Ok(0), _) => facts.sequences = None,
                    (Ok(first), Ok(last), Some(set)) if first <= last => set.insert_range(first, last),
                    (Ok(_), Ok(_), None) => {}
                    _ => {
                        return Err(Error::corrupt("a stretch of sequence numbers is none").at(&*self.place));
                    }
                }
            }
        }
        Ok(all)
    }

    /// Remembers `all`, the earlier ones included.
    pub fn set_namespaces(&self, all: &[NamespaceFacts]) -> Result<()> {
        self.ask(|connection| {
            connection.execute_batch("DELETE FROM replay_namespaces; DELETE FROM replay_sequences;")?;
            let mut namespace = connection.prepare("INSERT INTO replay_namespaces VALUES (?1, ?2)")?;
            let mut sequence = connection.prepare("INSERT INTO replay_sequences VALUES (?1, ?2, ?3)")?;
            for facts in all {
                namespace.execute(params![facts.name, facts.last_time_ms])?;
                let ranges = facts.sequences.as_ref().map_or_else(|| vec![(1, 0)], SequenceSet::ranges);
                for (first, last) in ranges {
                    sequence.execute(params![facts.name, first.to_string(), last.to_string()])?;
                }
            }
            Ok(())
        })
    }

    /// Ends the transaction and the connection.
    pub fn commit(self) -> Result<()> {
        let Image { connection, place } = self;
        connection.execute_batch("COMMIT").map_err(|error| failure(&place, "write", &error))?;
        connection.close().map_err(|(_, error)| failure(&place, "close", &error))
    }

    /// What is there, remembered by entity and key.
    pub fn buckets(&self, table: &'static str) -> Buckets<'_> {
        Buckets { image: self, table, held: std::collections::HashMap::new(), held_bytes: 0 }
    }
}

/// Rows of 4,096 buckets.
pub struct Buckets<'a> {
    image: &'a Image,
    table: &'static str,
    held: std::collections::HashMap<u16, Vec<u8>>,
    held_bytes: usize,
}

impl Buckets<'_> {
    fn load(&self, bucket: u16) -> Result<Vec<u8>> {
        self.image.ask(|connection| {
            connection
                .prepare_cached(&format!("SELECT entries FROM {} WHERE bucket = ?1", self.table))?
                .query_row([bucket], |row| row.get::<_, Vec<u8>>(0))
                .optional()
                .map(Option::unwrap_or_default)
        })
    }

    fn store(&self, bucket: u16, entries: &[u8]) -> Result<()> {
        self.image.ask(|connection| {
            connection
                .prepare_cached(&format!("INSERT OR REPLACE INTO {} VALUES (?1, ?2)", self.table))?
                .execute(params![bucket, entries])
                .map(|_| ())
        })
    }

    /// The entries of a bucket, kept for the next question.
    pub fn look(&mut self, bucket: u16) -> Result<&[u8]> {
        if !self.held.contains_key(&bucket) {
            if self.held_bytes > BUCKETS_BYTES_MAX {
                self.held.clear();
                self.held_bytes = 0;
            }
            let entries = self.load(bucket)?;
            self.held_bytes += entries.len();
            self.held.insert(bucket, entries);
        }
        Ok(self.held.get(&bucket).map(Vec::as_slice).unwrap_or_default())
    }
}

impl KeyBuckets for Buckets<'_> {
    fn read(&mut self, bucket: u16) -> Result<Vec<u8>> {
        self.load(bucket)
    }

    fn write(&mut self, bucket: u16, entries: &[u8]) -> Result<()> {
        self.store(bucket, entries)
    }
}

impl EntityBuckets for Buckets<'_> {
    fn read(&mut self, bucket: u16) -> Result<Vec<u8>> {
        self.load(bucket)
    }

    fn write(&mut self, bucket: u16, entries: &[u8]) -> Result<()> {
        self.store(bucket, entries)
    }
}
