//! Every row of every table, value by value.

use dotctl_engine::image::PageReader;
use dotctl_engine::image::geometry::Basics;
use dotctl_engine::image::record::{Column, Columns, Header};
use dotctl_engine::image::rows::Rows;
use rusqlite::types::Value;

use crate::support::{Database, Image, varied};

fn value(column: Column<'_>) -> Value {
    match column {
        Column::Null => Value::Null,
        Column::Integer(integer) => Value::Integer(integer),
        Column::Real(real) => Value::Real(real),
        Column::Text(text) => Value::Text(String::from_utf8(text.to_vec()).unwrap()),
        Column::Blob(blob) => Value::Blob(blob.to_vec()),
    }
}

fn read_tree(image: &Image, root: u32) -> Vec<(Option<i64>, Vec<Value>)> {
    let mut first = vec![0; image.page_bytes as usize];
    image.read(1, &mut first).unwrap();
    let basics = Basics::parse(&first, image.page_count()).unwrap();
    let mut rows = Rows::new(basics.geometry, root);
    let mut page = Vec::new();
    let mut found = Vec::new();
    while rows.advance(&mut page, |number, into| image.read(number, into)).unwrap() {
        let columns = Columns::of(rows.payload()).unwrap();
        found.push((rows.rowid(), columns.map(|column| value(column.unwrap())).collect()));
    }
    found
}

fn query(database: &Database, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = database.connection.prepare(sql).unwrap();
    let count = statement.column_count();
    statement
        .query_map([], |row| (0..count).map(|index| row.get::<_, Value>(index)).collect())
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// The trees of a database and a query for what is in each, in the tree's order.
fn compare(database: &Database) {
    let image = database.image();
    let schema = query(database, "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema");
    let read: Vec<_> = read_tree(&image, 1).into_iter().map(|row| row.1).collect();
    assert_eq!(read, schema);
    let mut compared = 0;
    for row in &schema {
        let [Value::Text(kind), Value::Text(name), _, Value::Integer(root), sql] = &row[..] else {
            panic!("{row:?}");
        };
        let sql = match sql {
            Value::Text(sql) => sql.as_str(),
            _ => "",
        };
        if *root == 0 {
            continue;
        }
        let found = read_tree(&image, *root as u32);
        let expected = match (kind.as_str(), name.as_str()) {
            ("table", "pairs") => query(database, "SELECT b, a, c FROM pairs ORDER BY b, a"),
            ("table", name) if sql.contains("WITHOUT ROWID") => {
                query(database, &format!("SELECT * FROM \"{name}\""))
            }
            ("table", name) => {
                let rows = query(database, &format!("SELECT rowid, * FROM \"{name}\""));
                assert_eq!(found.len(), rows.len(), "{name}");
                for ((rowid, columns), expected) in found.iter().zip(&rows) {
                    let rowid = Value::Integer(rowid.unwrap());
                    assert_eq!(rowid, expected[0], "{name}");
                    assert_eq!(columns.len() + 1, expected.len(), "{name}");
                    for (column, expected) in columns.iter().zip(&expected[1..]) {
                        match (column, expected) {
                            // The rowid's own column is NULL in the record, and a REAL column
                            // may hold a whole number as an integer.
                            (Value::Null, expected) if *expected == rowid => {}
                            (Value::Integer(whole), Value::Real(real)) => {
                                assert_eq!(*whole as f64, *real);
                            }
                            (column, expected) => assert_eq!(column, expected, "{name}"),
                        }
                    }
                }
                compared += 1;
                continue;
            }
            ("index", "things_n") => {
                query(database, "SELECT n, name, rowid FROM things ORDER BY n, name, rowid")
            }
            ("index", "sqlite_autoindex_things_1") => {
                query(database, "SELECT name, rowid FROM things ORDER BY name")
            }
            other => panic!("{other:?}"),
        };
        let found: Vec<_> = found.into_iter().map(|row| row.1).collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{name}");
        }
        compared += 1;
    }
    assert!(compared >= 8);
}

#[test]
fn every_page_size() {
    for page_bytes in [512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536] {
        compare(&varied(page_bytes, 0, false));
    }
}

#[test]
fn reserved_bytes_and_pointer_maps_and_after_a_vacuum() {
    for (page_bytes, reserved_bytes) in [(512, 32), (1_024, 255), (4_096, 16), (65_536, 64)] {
        let database = varied(page_bytes, reserved_bytes, true);
        compare(&database);
        assert_eq!(database.image().bytes[20], reserved_bytes);
        database.run("VACUUM");
        compare(&database);
    }
}

/// The keys that a walk from `key` gives, and how many pages it reads.
fn keys_from(image: &Image, root: u32, key: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let mut first = vec![0; image.page_bytes as usize];
    image.read(1, &mut first).unwrap();
    let geometry = Basics::parse(&first, image.page_count()).unwrap().geometry;
    let mut rows = Rows::new(geometry, root).from_key(key).beginnings(4_096);
    let (mut page, mut keys, mut reads) = (Vec::new(), Vec::new(), 0);
    while rows
        .advance(&mut page, |number, into| {
            reads += 1;
            image.read(number, into)
        })
        .unwrap()
    {
        let header = Header::parse(rows.payload()).unwrap();
        let bytes = header.types().next().unwrap().unwrap().value_bytes() as usize;
        keys.push(rows.payload()[header.header_bytes()..][..bytes].to_vec());
    }
    (keys, reads)
}

#[test]
fn a_walk_from_a_key_gives_all_from_there_on() {
    for page_bytes in [512, 4_096, 65_536] {
        let database = varied(page_bytes, 0, false);
        let image = database.image();
        let root = database.number("SELECT rootpage FROM sqlite_schema WHERE name = '_cf_KV'") as u32;
        let (all, all_reads) = keys_from(&image, root, b"");
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]) && all.len() > 100);
        for wanted in [&b"checkpoint:"[..], b"user:", b"m", b"zzzz", &all[all.len() / 2]] {
            let (some, reads) = keys_from(&image, root, wanted);
            let expected = all.iter().filter(|key| key.as_slice() >= wanted).count();
            assert!(some.len() >= expected && all.ends_with(&some), "{page_bytes}");
            if page_bytes == 4_096 {
                assert!(some.len() < expected + 50, "{} instead of {expected}", some.len());
            }
            assert!(reads <= all_reads);
        }
    }
}
