//! Directories: every key in the one page that they name, and the same answer as down the tree.

use dotctl_engine::checkpoint::{DirectoryBuilder, DirectoryCheck, codec_setting, find_page};
use dotctl_engine::chunk::{ChunkReader, ChunkSize, StoredChunk};
use dotctl_engine::codec::Codec;
use dotctl_engine::format::directory::{DirectoryRecord, DirectoryRecords, RawDirectory};
use dotctl_engine::format::{CheckpointKind, ChunkEntry};
use dotctl_engine::image::PageReader;
use dotctl_engine::image::geometry::{Basics, Geometry};
use dotctl_engine::image::key_walk::KeyWalk;
use dotctl_engine::image::leaf_keys::{LeafKeys, LeafKeysPart};
use dotctl_engine::image::lookup::Lookup;
use dotctl_engine::image::record::Column;
use dotctl_engine::{ErrorKind, Result};
use proptest::prelude::*;
use rusqlite::params;

use crate::support::{Database, Image, varied};

/// A decoded directory.
struct Directory {
    chunks: Vec<(ChunkEntry, Vec<u8>)>,
}

fn geometry(image: &Image) -> Geometry {
    let first = &image.bytes[..image.page_bytes as usize];
    Basics::parse(first, image.page_count()).unwrap().geometry
}

/// The keys of all leaves, as a snapshot collects them.
fn leaf_keys(image: &Image) -> LeafKeys {
    let mut keys = LeafKeys::default();
    let mut part = LeafKeysPart::default();
    for (at, pages) in image.bytes.chunks(8 * image.page_bytes as usize).enumerate() {
        part.scan(&geometry(image), 8 * at as u32 + 1, pages);
        keys.add(&part);
    }
    keys
}

fn stored(image: &Image, leaf_keys: &LeafKeys) -> Result<Vec<StoredChunk>> {
    let setting = codec_setting(CheckpointKind::Image, Codec::Zstd, None)?;
    let size = ChunkSize::new(ChunkSize::BYTES_MIN.into())?;
    let mut builder = DirectoryBuilder::new(setting, size, geometry(image), leaf_keys)?;
    let mut walk = KeyWalk::new(image.page_count());
    let mut page = vec![0; image.page_bytes as usize];
    while walk.advance(&mut page, |number, into| image.read(number, into))? {
        builder.push(&walk)?;
    }
    builder.finish()
}

impl Directory {
    /// The directory of `image`, made with the leaves' keys or without, checked as `verify` does.
    fn of(image: &Image, with_leaves: bool) -> Result<Directory> {
        let keys = if with_leaves { leaf_keys(image) } else { LeafKeys::default() };
        let mut reader = ChunkReader::new()?;
        let mut check = DirectoryCheck::new(image.page_bytes, image.page_count());
        let mut chunks = Vec::new();
        for chunk in stored(image, &keys)? {
            let entry = ChunkEntry {
                stored_offset: 0,
                stored_bytes: chunk.bytes.len() as u32,
                raw_bytes: chunk.raw_bytes,
                record_count: chunk.record_count,
                sha256: chunk.sha256,
                first_key: chunk.first_key.clone(),
            };
            let mut raw = vec![0; chunk.raw_bytes as usize];
            reader.read_hidden(Codec::Zstd, &entry, &chunk.bytes, &mut raw)?;
            check.chunk(&entry, &raw).unwrap();
            chunks.push((entry, raw));
        }
        Ok(Directory { chunks })
    }

    fn record_count(&self) -> u64 {
        self.chunks.iter().map(|(entry, _)| u64::from(entry.record_count)).sum()
    }

    fn get(&self, image: &Image, key: &[u8]) -> Option<Vec<u8>> {
        let at = self.chunks.partition_point(|(entry, _)| entry.first_key.as_bytes() <= key) - 1;
        let (entry, raw) = &self.chunks[at];
        let place = find_page(raw, entry.record_count, key).unwrap();
        let geometry = Geometry::new(image.page_bytes, place.reserved_bytes, image.page_count()).unwrap();
        let lookup = Lookup::key_in_page(geometry, place.page, key).unwrap();
        let mut first = true;
        let found = value(lookup, image, |page| {
            // The page named, and then nothing but its rows' overflow pages.
            assert!(!std::mem::take(&mut first) || page == place.page);
        });
        assert!(found.is_some() || !place.certain, "{key:?} must be in page {}", place.page);
        found
    }
}

fn value(mut lookup: Lookup, image: &Image, mut hears: impl FnMut(u32)) -> Option<Vec<u8>> {
    let found = lookup.run(image.page_bytes, |page, into| {
        hears(page);
        image.read(page, into)
    });
    found.unwrap().then(|| match lookup.column(1).unwrap() {
        Column::Blob(value) => value.to_vec(),
        other => panic!("{other:?}"),
    })
}

/// Every key, and keys beside each, through the directory and down the tree.
fn check_every_key(database: &Database, image: &Image) -> u64 {
    let mut statement = database.connection.prepare("SELECT key, value FROM _cf_KV").unwrap();
    let entries: Vec<(String, Vec<u8>)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(|row| row.unwrap())
        .collect();
    let directories = [true, false].map(|with_leaves| Directory::of(image, with_leaves).unwrap());
    for (key, value) in &entries {
        for directory in &directories {
            assert_eq!(directory.get(image, key.as_bytes()).as_ref(), Some(value), "{key}");
        }
    }
    let beside = entries.iter().flat_map(|(key, _)| {
        let bytes = key.as_bytes();
        let before = bytes
            .split_last()
            .map_or(Vec::new(), |(last, rest)| [rest, &[last.wrapping_sub(1), 0xff]].concat());
        [[bytes, b"\0"].concat(), [bytes, b"~"].concat(), bytes[..bytes.len() / 2].to_vec(), before]
            as [Vec<u8>; 4]
    });
    let far: [&[u8]; 5] = [b"", b"\0", b"a", "\u{10ffff}".as_bytes(), &[0xff; 9]];
    for key in beside.chain(far.map(<[u8]>::to_vec)) {
        let by_tree = self::value(Lookup::key(image.page_count(), &key), image, |_| ());
        for directory in &directories {
            assert_eq!(directory.get(image, &key), by_tree, "{key:?}");
        }
    }
    let leaves = database.number("SELECT count(*) FROM dbstat WHERE name = '_cf_KV' AND pagetype = 'leaf'");
    for directory in &directories {
        assert_eq!(directory.record_count(), leaves);
    }
    leaves
}

#[test]
fn every_key_is_in_the_page_that_the_directory_names() {
    for (page_bytes, reserved_bytes, auto_vacuum) in
        [(512, 0, false), (512, 32, true), (1_024, 0, true), (4_096, 12, false), (65_536, 0, false)]
    {
        let database = varied(page_bytes, reserved_bytes, auto_vacuum);
        check_every_key(&database, &database.image());
    }
}

#[test]
fn the_walk_reads_each_interior_page_once() {
    let database = Database::new(512, 0, false);
    database.run(
        "CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
         WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20000)
         INSERT INTO _cf_KV SELECT printf('user:%08x%08x', i * 2654435761 % 4294967296, i * 40503 % 65537),
             zeroblob(40) FROM c;",
    );
    let image = database.image();
    let keys = leaf_keys(&image);
    image.take_reads();
    let full: usize =
        stored(&image, &LeafKeys::default()).unwrap().iter().map(|chunk| chunk.bytes.len()).sum();
    let interior =
        database.number("SELECT count(*) FROM dbstat WHERE name = '_cf_KV' AND pagetype = 'internal'");
    // Page 1 and the leftmost leaf besides.
    assert_eq!(image.take_reads(), interior + 2);
    let cut: usize = stored(&image, &keys).unwrap().iter().map(|chunk| chunk.bytes.len()).sum();
    assert!(cut < full, "{cut} bytes with the leaves' keys, {full} without");
    assert!(check_every_key(&database, &image) > 1_000);
}

fn is_none(setting: &str, columns: &str) {
    let database = Database::new(512, 0, false);
    database.run(&format!("{setting}; CREATE TABLE {columns};"));
    database.run(
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 500)
         INSERT INTO _cf_KV(key, value) SELECT 'Key ' || i, zeroblob(40) FROM c;",
    );
    assert_eq!(Directory::of(&database.image(), true).unwrap().record_count(), 0, "{setting} {columns}");
}

#[test]
fn no_directory_of_other_tables() {
    is_none("PRAGMA encoding = 'UTF-16le'", "_cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID");
    is_none("", "_cf_KV (key TEXT PRIMARY KEY, value BLOB)");
    is_none("", "_cf_KV (key TEXT COLLATE NOCASE PRIMARY KEY, value BLOB) WITHOUT ROWID");
    is_none("", "_cf_KV (key TEXT PRIMARY KEY DESC, value BLOB) WITHOUT ROWID");
    is_none("", "_cf_KV (value BLOB, key TEXT PRIMARY KEY) WITHOUT ROWID");
    let empty = Database::new(512, 0, false);
    empty.run("CREATE TABLE t (a)");
    assert_eq!(Directory::of(&empty.image(), true).unwrap().record_count(), 0);
    let blobs = Database::new(512, 0, false);
    blobs.run(
        "CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
         WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 500)
         INSERT INTO _cf_KV SELECT CAST('key ' || i AS BLOB), zeroblob(40) FROM c;",
    );
    let error = Directory::of(&blobs.image(), true).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[derive(Debug, Clone)]
enum Change {
    Put(String, usize),
    Delete(String),
}

/// Keys that share beginnings, and the values' bytes.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    let key = prop_oneof![
        6 => "[a-c]{0,6}[0-9]{0,4}",
        2 => "user:[0-9a-f]{1,16}",
        1 => "[é状🦀]{1,5}[a-b]{0,3}",
        1 => ("[a-b]{1,3}", 50_usize..900).prop_map(|(part, length)| part.repeat(length)),
    ];
    let value_bytes = prop_oneof![8 => 0_usize..120, 2 => 0_usize..2_000, 1 => 0_usize..20_000];
    prop::collection::vec(
        prop_oneof![
            5 => (key.clone(), value_bytes).prop_map(|(key, bytes)| Change::Put(key, bytes)),
            1 => key.prop_map(Change::Delete),
        ],
        0..600,
    )
}

fn changed(
    page_bytes: u32,
    reserved_bytes: u8,
    auto_vacuum: bool,
    bulk: u32,
    changes: &[Change],
) -> Database {
    let database = Database::new(page_bytes, reserved_bytes, auto_vacuum);
    database.run(
        "BEGIN; CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID; CREATE TABLE t (a);",
    );
    // More rows than proptest would make, for deeper trees.
    for row in 0..bulk {
        let key = format!("{:x}", u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        database.connection.execute("INSERT INTO _cf_KV VALUES (?, zeroblob(9))", [key]).unwrap();
    }
    for change in changes {
        let done = match change {
            Change::Put(key, bytes) => database
                .connection
                .execute("INSERT OR REPLACE INTO _cf_KV VALUES (?, ?)", params![key, vec![7_u8; *bytes]]),
            Change::Delete(key) => database
                .connection
                .execute("DELETE FROM _cf_KV WHERE key >= ? LIMIT 1", [key])
                .or_else(|_| database.connection.execute("DELETE FROM _cf_KV WHERE key = ?", [key])),
        };
        done.unwrap();
    }
    database.run("COMMIT");
    database
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_answers_as_the_tree(
        size in 0_u32..8,
        reserved_bytes in prop_oneof![Just(0_u8), 1_u8..32],
        auto_vacuum in any::<bool>(),
        bulk in prop_oneof![Just(0_u32), 0_u32..300, 3_000_u32..6_000],
        changes in changes(),
    ) {
        let database = changed(512 << size, reserved_bytes, auto_vacuum, bulk, &changes);
        let image = database.image();
        match Directory::of(&image, true) {
            Ok(_) => { check_every_key(&database, &image); }
            // Long keys in a small image: not worth it.
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}"),
        }
    }

    #[test]
    fn damaged_trees_give_an_error_or_a_directory_that_verifies(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u16..512, any::<u8>()), 1..30),
    ) {
        let mut bytes = tree();
        let pages = bytes.len() / 512;
        for (page, at, byte) in changes {
            bytes[page.index(pages - 1) * 512 + 512 + usize::from(at)] = byte;
        }
        let image = Image::new(bytes);
        for with_leaves in [true, false] {
            let keys = if with_leaves { leaf_keys(&image) } else { LeafKeys::default() };
            image.take_reads();
            let _ = stored(&image, &keys);
            prop_assert!(image.take_reads() <= 2 * u64::from(image.page_count()) + 2);
            let _ = Directory::of(&image, with_leaves);
        }
    }

    #[test]
    fn any_bytes_are_a_directory_or_an_error(
        raw in prop::collection::vec(prop_oneof![3 => 0_u8..4, 1 => any::<u8>()], 0..600),
        record_count in prop_oneof![9 => 0_u32..60, 1 => any::<u32>()],
        key in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let _ = find_page(&raw, record_count, &key);
        if let Ok(mut records) = DirectoryRecords::new(&raw, record_count) {
            prop_assert!(record_count as usize <= raw.len());
            let mut count = 0;
            while let Ok(Some(record)) = records.next() {
                prop_assert!(record.key.len() <= raw.len());
                count += 1;
            }
            prop_assert!(count <= record_count);
        }
    }

    #[test]
    fn records_read_back(
        keys in prop::collection::btree_set(prop::collection::vec(0_u8..3, 0..8), 1..80),
        pages in prop::collection::vec((any::<bool>(), 0_u32..30, any::<u32>()), 80),
        reserved_bytes in any::<u8>(),
    ) {
        let mut raw = RawDirectory::new(reserved_bytes);
        let written: Vec<_> = keys.iter().zip(&pages).map(|(key, (cut, interior, leaf))|
            DirectoryRecord { key, cut: *cut, interior: *interior, leaf: *leaf }).collect();
        for record in &written {
            let bytes = raw.raw_bytes() + raw.added_bytes(record);
            raw.push(record).unwrap();
            prop_assert_eq!(raw.raw_bytes(), bytes);
        }
        let mut bytes = Vec::new();
        raw.write(&mut bytes);
        prop_assert_eq!(bytes.len(), raw.raw_bytes());
        let mut records = DirectoryRecords::new(&bytes, raw.record_count()).unwrap();
        prop_assert_eq!(records.reserved_bytes(), reserved_bytes);
        for record in &written {
            prop_assert_eq!(records.next().unwrap(), Some(*record));
        }
        prop_assert_eq!(records.next().unwrap(), None);
        for length in 0..bytes.len() {
            prop_assert!(DirectoryRecords::new(&bytes[..length], raw.record_count()).is_err());
        }
    }
}

/// A tree of several levels in pages of 512 bytes.
fn tree() -> Vec<u8> {
    static TREE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    TREE.get_or_init(|| changed(512, 0, false, 3_000, &[]).image().bytes).clone()
}

/// A directory with other pages, keys in another order or of another image does not verify.
#[test]
fn a_wrong_directory_is_found() {
    let record = |key, interior, leaf| DirectoryRecord { key, cut: false, interior, leaf };
    let check = |records: &[DirectoryRecord<'_>], first_key: &[u8]| {
        let mut raw = RawDirectory::new(0);
        for record in records {
            raw.push(record).unwrap();
        }
        let mut bytes = Vec::new();
        raw.write(&mut bytes);
        let entry = ChunkEntry {
            stored_offset: 0,
            stored_bytes: 0,
            raw_bytes: bytes.len() as u32,
            record_count: raw.record_count(),
            sha256: dotctl_engine::id::Hash::of(b""),
            first_key: dotctl_engine::format::RecordKey::new(first_key).unwrap(),
        };
        DirectoryCheck::new(512, 9).chunk(&entry, &bytes)
    };
    let good = [record(b"", 0, 3), record(b"a", 2, 4), record(b"b", 2, 9)];
    check(&good, b"").unwrap();
    assert!(check(&good, b"a").is_err(), "the index says another key");
    assert!(check(&[], b"").is_err(), "no records");
    assert!(check(&good[1..], b"a").is_err(), "no first record");
    assert!(check(&[good[0], good[2], good[1]], b"").is_err(), "out of order");
    assert!(check(&[good[0], good[1], good[1]], b"").is_err(), "twice");
    assert!(check(&[good[0], record(b"a", 0, 4)], b"").is_err(), "no interior page");
    assert!(check(&[good[0], record(b"a", 10, 4)], b"").is_err(), "an interior page past the end");
    assert!(check(&[good[0], record(b"a", 2, 10)], b"").is_err(), "a leaf past the end");
    assert!(check(&[record(b"", 0, 0)], b"").is_err(), "page 0");
    assert!(check(&[record(b"", 2, 3)], b"").is_err(), "a row before the first leaf");
}
