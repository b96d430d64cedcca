//! Trees that are built page by page, checked and read by SQLite.

use dotctl_engine::image::build::{PAGE_BYTES, Page, TreeBuilder};
use proptest::prelude::*;
use rusqlite::Connection;
use std::io::{Read, Seek, SeekFrom, Write};

/// Builds the table in a database that SQLite made, and has SQLite check and read it.
fn round(rows: &[(String, String)]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("built.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "PRAGMA page_size = 4096; CREATE TABLE other (n); INSERT INTO other VALUES (7);
             CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, type TEXT NOT NULL, data TEXT NOT NULL) WITHOUT ROWID;",
        )
        .unwrap();
    let root: u32 = connection
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 't'", [], |row| row.get(0))
        .unwrap();
    let pages: u32 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    drop(connection);
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut sink = |number: u32, page: &Page| {
        file.seek(SeekFrom::Start(u64::from(number - 1) * PAGE_BYTES as u64)).unwrap();
        file.write_all(page).unwrap();
        Ok(())
    };
    let mut builder = TreeBuilder::new(pages + 1);
    for (id, data) in rows {
        builder.push(&[id.as_bytes(), b"T", data.as_bytes()], &mut sink).unwrap();
    }
    let next = builder.finish(root, &mut sink).unwrap();
    let mut head = [0; 100];
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_exact(&mut head).unwrap();
    head[28..32].copy_from_slice(&(next - 1).to_be_bytes());
    head.copy_within(24..28, 92);
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&head).unwrap();
    drop(file);
    let connection = Connection::open(&path).unwrap();
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let found: Vec<(String, String)> = connection
        .prepare("SELECT id, data FROM t ORDER BY id")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(|row| row.unwrap())
        .collect();
    assert!(found == rows, "{} of {} rows", found.len(), rows.len());
    for (id, data) in rows.iter().step_by(rows.len() / 20 + 1) {
        let one: String =
            connection.query_row("SELECT data FROM t WHERE id = ?1", [id], |row| row.get(0)).unwrap();
        assert_eq!(one, *data);
    }
    connection.execute("INSERT INTO t VALUES ('~more', 'T', '{}')", []).unwrap();
    connection.execute("DELETE FROM t WHERE id < 'k0000100'", []).unwrap();
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

fn rows(sizes: impl IntoIterator<Item = usize>) -> Vec<(String, String)> {
    sizes
        .into_iter()
        .enumerate()
        .map(|(number, bytes)| (format!("k{number:07}"), "d".repeat(bytes)))
        .collect()
}

#[test]
fn every_number_of_rows_and_pages() {
    for count in (0..40).chain([100, 1_000, 20_000]) {
        round(&rows((0..count).map(|number| 200 + number % 150)));
    }
    // Pages that take few cells: several levels with few rows.
    for count in 0..90 {
        round(&rows((0..count).map(|_| 940)));
    }
    round(&rows((0..3_000).map(|_| 945)));
}

#[test]
fn records_at_the_edge_of_their_page_and_beyond() {
    for bytes in [975, 985, 986, 987, 988, 989, 990, 5_000, 5_070, 5_082, 100_000, 3_000_000] {
        round(&rows([10, bytes, 20, bytes + 1, bytes, 30]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn any_sizes(sizes in prop::collection::vec(prop_oneof![0_usize..400, 800_usize..1_100, 4_000_usize..20_000], 0..400)) {
        round(&rows(sizes));
    }
}
