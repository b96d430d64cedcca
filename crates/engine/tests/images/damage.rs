//! Damaged and hostile databases: an answer, soon.

use std::sync::OnceLock;

use dotctl_engine::image::PageReader;
use dotctl_engine::image::inspect::DatabaseReport;
use dotctl_engine::image::lookup::Lookup;
use proptest::prelude::*;

use crate::support::{Database, Image, inspect, varied};

fn sample(page_bytes: u32) -> &'static [u8] {
    static SMALL: OnceLock<Vec<u8>> = OnceLock::new();
    static LARGE: OnceLock<Vec<u8>> = OnceLock::new();
    let database = |page_bytes| {
        let database = varied(page_bytes, 0, true);
        database.run("DELETE FROM things WHERE id > 100000");
        database.image().bytes
    };
    match page_bytes {
        512 => SMALL.get_or_init(|| database(512)),
        _ => LARGE.get_or_init(|| database(4_096)),
    }
}

/// Inspects and looks up; every page is read only a few times whatever the bytes say.
fn survive(bytes: Vec<u8>) {
    let image = Image::new(bytes);
    let pages = u64::from(image.page_count());
    let _ = inspect(&image, 2);
    let reads = image.take_reads();
    assert!(reads <= 4 * pages + 1_000, "{reads} reads of {pages} pages");
    for key in [&b"user:00005"[..], b"checkpoint:a:chunk:1", b"none", b"long:x"] {
        let mut lookup = Lookup::key(image.page_count(), key);
        let _ = lookup
            .run(image.page_bytes, |page, into| image.read(page, into))
            .and_then(|found| if found { lookup.column(1).map(|_| ()) } else { Ok(()) });
        let reads = image.take_reads();
        assert!(reads <= 3 * pages + 10, "{reads} reads of {pages} pages");
    }
}

/// Where damage does most: page headers, cell pointers, cells, child and overflow pointers.
fn place() -> impl Strategy<Value = (prop::sample::Index, u16)> {
    (any::<prop::sample::Index>(), prop_oneof![0_u16..24, 0_u16..512, 0_u16..4_096])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes(
        small in any::<bool>(),
        changes in prop::collection::vec((place(), any::<u8>()), 1..40),
    ) {
        let page_bytes = if small { 512 } else { 4_096 };
        let mut bytes = sample(page_bytes).to_vec();
        let pages = bytes.len() / page_bytes as usize;
        for ((page, at), byte) in changes {
            let at = page.index(pages) * page_bytes as usize + usize::from(at) % page_bytes as usize;
            bytes[at] = byte;
        }
        // Page 1 is one page of many: it gets its share of damage in the next test.
        bytes[..100].copy_from_slice(&sample(page_bytes)[..100]);
        survive(bytes);
    }

    #[test]
    fn changed_first_page(changes in prop::collection::vec((0_usize..4_096, any::<u8>()), 1..10)) {
        let mut bytes = sample(4_096).to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        survive(bytes);
    }

    #[test]
    fn swapped_pages(
        small in any::<bool>(),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..20),
    ) {
        let page_bytes = if small { 512 } else { 4_096 };
        let mut bytes = sample(page_bytes).to_vec();
        let size = page_bytes as usize;
        let pages = bytes.len() / size;
        for (from, to) in swaps {
            let (from, to) = (from.index(pages), to.index(pages));
            bytes.copy_within(from * size..(from + 1) * size, to * size);
        }
        survive(bytes);
    }

    #[test]
    fn truncated(length in any::<prop::sample::Index>()) {
        let bytes = sample(4_096);
        survive(bytes[..length.index(bytes.len())].to_vec());
    }

    #[test]
    fn noise(bytes in prop::collection::vec(any::<u8>(), 0..3_000)) {
        let mut page = sample(512)[..100].to_vec();
        page.extend(bytes);
        survive(page);
    }
}

/// A table of three levels with small pages, its root's number, and the damage done to it.
fn damaged(harm: impl FnOnce(&mut [u8], usize)) -> DatabaseReport {
    let database = Database::new(512, 0, false);
    database.run(
        "CREATE TABLE other (a); INSERT INTO other VALUES (1), (2);
         CREATE TABLE many (id INTEGER PRIMARY KEY, text TEXT);
         WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)
         INSERT INTO many SELECT i, printf('%.80d', i) FROM c;
         INSERT INTO many VALUES (100000, printf('%.9000d', 1));",
    );
    let root = database.number("SELECT rootpage FROM sqlite_schema WHERE name = 'many'") as usize;
    let mut bytes = database.image().bytes;
    harm(&mut bytes, (root - 1) * 512);
    let report = inspect(&Image::new(bytes), 3).unwrap();
    let other = report.tables.iter().find(|table| table.name == "other").unwrap();
    assert_eq!((other.row_count, other.page_count), (2, 1), "the rest goes on");
    report
}

fn found(report: &DatabaseReport, table: &str, text: &str) {
    assert!(
        report.problems.iter().any(|problem| problem.table == table && problem.detail.contains(text)),
        "{text:?} is not in {:#?}",
        report.problems
    );
}

fn child_of(bytes: &[u8], page: usize) -> usize {
    let cell = page + usize::from(u16::from_be_bytes([bytes[page + 12], bytes[page + 13]]));
    let child = u32::from_be_bytes(*bytes[cell..].first_chunk().unwrap());
    (child as usize - 1) * 512
}

#[test]
fn damage_is_named_and_the_rest_goes_on() {
    found(&damaged(|bytes, root| bytes[root] = 99), "many", "no kind of b-tree page");
    found(&damaged(|bytes, root| bytes[root] = 2), "many", "a table's page hangs in an index");
    found(&damaged(|bytes, root| bytes[root + 8] = 255), "many", "child ");
    found(
        &damaged(|bytes, root| {
            let own = (root as u32 / 512 + 1).to_be_bytes();
            bytes[root + 8..root + 12].copy_from_slice(&own);
        }),
        "many",
        "used twice",
    );
    found(
        &damaged(|bytes, root| bytes[root + 8..root + 12].copy_from_slice(&[0, 0, 0, 1])),
        "many",
        "child page 1 is used twice",
    );
    // A leaf three levels down.
    let leaf = |bytes: &[u8], root| child_of(bytes, child_of(bytes, root));
    found(
        &damaged(|bytes, root| {
            let leaf = leaf(bytes, root);
            assert_eq!(bytes[leaf], 13);
            bytes[leaf + 3] = 255;
        }),
        "many",
        "cells it claims",
    );
    found(
        &damaged(|bytes, root| {
            let leaf = leaf(bytes, root);
            bytes[leaf + 8..leaf + 10].copy_from_slice(&[0xff, 0xff]);
        }),
        "many",
        "cell 0 lies outside the page",
    );
    found(
        &damaged(|bytes, root| {
            let leaf = leaf(bytes, root);
            let at = leaf + usize::from(u16::from_be_bytes([bytes[leaf + 8], bytes[leaf + 9]]));
            bytes[at..at + 6].copy_from_slice(&[0xff; 6]);
        }),
        "many",
        "more than there can be",
    );
    found(
        &damaged(|bytes, root| {
            let leaf = leaf(bytes, root);
            let first = [bytes[leaf + 8], bytes[leaf + 9]];
            let count = usize::from(bytes[leaf + 4]);
            bytes[leaf + 4] = 20;
            assert!(count < 20);
            for index in 0..20 {
                bytes[leaf + 8 + 2 * index..leaf + 10 + 2 * index].copy_from_slice(&first);
            }
        }),
        "many",
        "overlap",
    );
    found(
        &damaged(|bytes, _| {
            // The overflow chain of 9,000 digits: its second page leads back to its first.
            let pages: Vec<_> = (0..bytes.len() / 512)
                .filter(|page| bytes[page * 512 + 4..page * 512 + 512].iter().all(|b| *b == b'0'))
                .collect();
            assert!(pages.len() > 10);
            let first = (pages[0] as u32 + 1).to_be_bytes();
            bytes[pages[1] * 512..pages[1] * 512 + 4].copy_from_slice(&first);
        }),
        "many",
        "used twice",
    );
    found(&damaged(|bytes, _| bytes[39] = 1), "freelist", "counts 1 free pages");
    found(&damaged(|bytes, _| bytes[35] = 3), "freelist", "used or does not exist");
    assert_eq!(damaged(|_, _| {}).problem_count, 0);
}

#[test]
fn a_schema_that_cannot_be() {
    let database = Database::new(4_096, 0, false);
    database.run(
        "CREATE TABLE a (x); CREATE TABLE b (x); CREATE TABLE c (x); INSERT INTO c VALUES (1);
         CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB);
         PRAGMA writable_schema = on;
         UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'b';
         UPDATE sqlite_schema SET rowid = rowid + 100 WHERE name = '_cf_METADATA';
         INSERT INTO sqlite_schema VALUES ('table', 'far', 'far', 999999, 'CREATE TABLE far(x)'),
             ('thing', 'odd', 'odd', 3, NULL), ('table', 'negative', 'negative', -5, ''),
             ('table', CAST(x'fffe' AS TEXT), 'invalid', 0, NULL), (NULL, 2, 3, 4, 5);",
    );
    let report = inspect(&database.image(), 1).unwrap();
    found(&report, "b", "root page is used twice");
    found(&report, "far", "root page 999999 does not exist");
    found(&report, "sqlite_schema", "no kind of schema row");
    found(&report, "sqlite_schema", "page -5 is no root page");
    found(&report, "sqlite_schema", "has no type");
    let c = report.tables.iter().find(|table| table.name == "c").unwrap();
    assert_eq!(c.row_count, 1);
}

#[test]
fn a_look_up_names_the_table_and_the_page() {
    let database = varied(4_096, 0, false);
    let root = database.number("SELECT rootpage FROM sqlite_schema WHERE name = '_cf_KV'");
    let mut bytes = database.image().bytes;
    bytes[(root as usize - 1) * 4_096] = 77;
    let image = Image::new(bytes);
    let error = Lookup::key(image.page_count(), b"user:00005")
        .run(image.page_bytes, |page, into| image.read(page, into))
        .unwrap_err();
    assert_eq!(error.place(), Some(format!("_cf_KV, page {root}").as_str()));
}
