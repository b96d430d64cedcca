//! The report against SQLite's own counts.

use std::collections::BTreeMap;

use dotctl_engine::image::inspect::DatabaseReport;
use dotctl_engine::image::schema::TreeKind;
use dotctl_engine::limits::LimitStatus;

use crate::support::{Database, Image, inspect, varied};

/// Pages, payload and cells of each tree as `dbstat` counts them.
fn dbstat(database: &Database) -> BTreeMap<String, (u64, u64, u64)> {
    let mut statement = database
        .connection
        .prepare(
            "SELECT name, count(*), sum(payload),
                 sum(CASE WHEN pagetype = 'overflow' THEN 0
                     WHEN pagetype = 'internal' AND payload = 0 THEN 0 ELSE ncell END)
             FROM dbstat GROUP BY name",
        )
        .unwrap();
    statement
        .query_map([], |row| {
            let count = |index| row.get(index).map(i64::cast_unsigned);
            Ok((row.get(0)?, (count(1)?, count(2)?, count(3)?)))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn compare(database: &Database) -> DatabaseReport {
    let image = database.image();
    let report = inspect(&image, 1).unwrap();
    assert_eq!(report.problems, []);
    let expected = dbstat(database);
    let found: BTreeMap<_, _> = report
        .tables
        .iter()
        .filter(|table| table.kind != TreeKind::Virtual)
        .map(|table| {
            assert_eq!(table.stored_bytes, table.page_count * u64::from(image.page_bytes));
            let counts = (table.page_count, table.payload_bytes, table.row_count);
            (table.name.clone(), counts)
        })
        .collect();
    assert_eq!(found, expected);
    for table in &report.tables {
        if matches!(table.kind, TreeKind::Table | TreeKind::WithoutRowid) {
            let sql = format!("SELECT count(*) FROM \"{}\"", table.name);
            let count = database.number(&sql);
            assert_eq!(table.row_count, count, "{}", table.name);
        }
    }
    let free = database.number("PRAGMA freelist_count");
    assert_eq!(u64::from(report.freelist_page_count), free);
    for part_count in [2, 7, 1_000] {
        assert_eq!(inspect(&image, part_count).unwrap(), report, "{part_count} parts");
    }
    report
}

#[test]
fn counts_are_those_of_dbstat() {
    for (page_bytes, reserved_bytes, auto_vacuum) in [
        (512, 0, false),
        (512, 32, true),
        (1_024, 0, true),
        (4_096, 0, false),
        (4_096, 16, true),
        (65_536, 0, false),
    ] {
        let database = varied(page_bytes, reserved_bytes, auto_vacuum);
        let report = compare(&database);
        assert_eq!(report.auto_vacuum, auto_vacuum);
        let kinds: BTreeMap<_, _> =
            report.tables.iter().map(|table| (table.name.as_str(), table.kind)).collect();
        assert_eq!(kinds["_cf_KV"], TreeKind::WithoutRowid);
        assert_eq!(kinds["texts"], TreeKind::Virtual);
        assert_eq!(kinds["texts_data"], TreeKind::Table);
        assert_eq!(kinds["things_n"], TreeKind::Index);
        assert!(!kinds.contains_key("named"));
        database.run("VACUUM");
        compare(&database);
    }
}

#[test]
fn deep_trees_and_many_free_pages() {
    let database = Database::new(512, 0, false);
    database.run(
        "CREATE TABLE many (id INTEGER PRIMARY KEY, text TEXT);
         CREATE INDEX texts ON many(text);
         WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 40000)
         INSERT INTO many SELECT i, printf('%.80d', i * 7919 % 100003) FROM c;
         CREATE TABLE gone AS SELECT randomblob(400) FROM many LIMIT 5000; DROP TABLE gone;",
    );
    assert!(compare(&database).freelist_page_count > 4_000);
}

/// The report of a database whose `_cf_KV` holds exactly these entries.
fn report_of(entries: &[(&str, Vec<u8>)]) -> DatabaseReport {
    let database = Database::new(4_096, 0, false);
    database.run("CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID");
    for (key, value) in entries {
        database.connection.execute("INSERT INTO _cf_KV VALUES (?, ?)", (key, value)).unwrap();
    }
    compare(&database)
}

fn state(expires_at: Option<f64>, padding: usize) -> Vec<u8> {
    let mut value = b"\xff\x0fo\"\x05valueT".to_vec();
    value.resize(value.len() + padding, b' ');
    if let Some(time) = expires_at {
        value.extend_from_slice(b"\"\x09expiresAtN");
        value.extend_from_slice(&time.to_le_bytes());
    }
    value.extend_from_slice(b"{\x02");
    value
}

#[test]
fn entries_by_prefix_type_and_size() {
    let mut entries: Vec<(String, Vec<u8>)> = (1..=100)
        .map(|index| {
            let mut value = vec![0xff, 0x0f, b'o'];
            value.resize(index * 10, 0);
            (format!("a:{index:03}"), value)
        })
        .collect();
    entries.push(("plain".into(), vec![0xff, 0x0f, b'_']));
    entries.push(("b/1".into(), vec![7; 5]));
    let borrowed: Vec<_> = entries.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let key_values = report_of(&borrowed).key_values.unwrap();
    assert_eq!(key_values.count, 102);
    assert_eq!(key_values.key_bytes, 508);
    assert_eq!(key_values.value_bytes, 50_508);
    let group = &key_values.prefixes[0];
    assert_eq!(group.prefix.as_deref(), Some("a:"));
    assert_eq!((group.count, group.approximate), (100, false));
    assert_eq!((group.key.total_bytes, group.key.p95_bytes), (500, 5));
    let value = group.value;
    assert_eq!(
        (value.total_bytes, value.mean_bytes, value.p50_bytes, value.p95_bytes, value.max_bytes),
        (50_500, 505, 500, 950, 1_000)
    );
    let prefixes: Vec<_> = key_values.prefixes.iter().map(|group| group.prefix.as_deref()).collect();
    assert_eq!(prefixes, [Some("a:"), Some("b/"), Some("")]);
    let types: Vec<_> = key_values.types.iter().map(|kind| (kind.name, kind.count)).collect();
    assert_eq!(types, [("object", 100), ("malformed", 1), ("other", 1)]);
    let buckets: Vec<_> =
        key_values.sizes.iter().map(|bucket| (bucket.from_bytes, bucket.below_bytes, bucket.count)).collect();
    assert_eq!(
        buckets,
        [
            (2, 4, 1),
            (4, 8, 1),
            (8, 16, 1),
            (16, 32, 2),
            (32, 64, 3),
            (64, 128, 6),
            (128, 256, 13),
            (256, 512, 26),
            (512, 1_024, 49)
        ]
    );
}

#[test]
fn expiries_and_inner_checkpoints() {
    let report = report_of(&[
        ("e:1", state(Some(1_999.0), 0)),
        ("e:2", state(Some(2_000.0), 0)),
        ("e:3", state(Some(1.0), 100_000)),
        ("e:4", state(None, 10)),
        ("e:5", state(Some(1.0), 4_200_000)),
        ("checkpoint:x", vec![0xff, 0x0f, b'o']),
        ("checkpoint:x:chunk:0", vec![0xff; 100]),
        ("checkpoint:x:chunk:1", vec![0xff; 100_000]),
        ("checkpoint:y:chunk:12", vec![0xff; 10]),
        ("checkpoint:y:chunk:", vec![0xff; 1]),
    ]);
    let key_values = report.key_values.unwrap();
    assert_eq!(key_values.expiry.expiring_count, 3);
    assert_eq!(key_values.expiry.expired_count, 2);
    assert_eq!(
        key_values.expiry.expired_bytes,
        6 + (state(Some(1.0), 0).len() + state(Some(1.0), 100_000).len()) as u64
    );
    assert_eq!(key_values.expiry.unexamined_count, 1);
    let checkpoints: Vec<_> = key_values
        .checkpoints
        .iter()
        .map(|checkpoint| {
            let id = checkpoint.id.as_deref().unwrap();
            (id, checkpoint.has_manifest, checkpoint.chunk_count, checkpoint.value_bytes)
        })
        .collect();
    assert_eq!(checkpoints, [("x", true, 2, 100_103), ("y", false, 1, 10), ("y:chunk:", true, 0, 1)]);
}

#[test]
fn entries_that_may_be_of_a_checkpoint_are_noticed() {
    let may_hold = |entries: &[(&str, Vec<u8>)]| report_of(entries).key_values.unwrap().may_hold_records;
    let many: Vec<_> = (0..3_000).map(|index| format!("user:{index:05}")).collect();
    let mut entries: Vec<_> = many.iter().map(|key| (key.as_str(), vec![0xff; 100])).collect();
    assert!(!may_hold(&entries));
    // In whichever part of the file it lies.
    for at in [0, 1_500, 2_999] {
        let usual = std::mem::replace(&mut entries[at].0, "checkpoint:1");
        assert!(may_hold(&entries));
        entries[at].0 = usual;
    }
    // Of what is too large to be read whole, nobody knows.
    entries.push(("large", vec![0xff; 1_100_000]));
    assert!(may_hold(&entries));
}

#[test]
fn limits_name_what_is_near_them() {
    let report = report_of(&[
        ("small", vec![0xff; 10]),
        ("large", vec![0xff; 1_599_995]),
        ("larger", vec![0xff; 1_999_995]),
        (&"k".repeat(2_048), vec![0xff; 131_072]),
    ]);
    let finding = |name: &str| {
        let finding = report.limits.iter().find(|found| found.limit == name).unwrap();
        let key = finding.key.clone().unwrap_or_default();
        let counts = (finding.warn_count, finding.exceeded_count);
        (finding.actual_bytes, key, finding.status, counts)
    };
    assert_eq!(finding("key-and-value"), (Some(2_000_001), "larger".into(), LimitStatus::Exceeded, (1, 1)));
    assert_eq!(finding("kv-backend-key"), (Some(2_048), "k".repeat(2_048), LimitStatus::Warn, (1, 0)));
    assert_eq!(
        finding("kv-backend-value"),
        (Some(1_999_995), "larger".into(), LimitStatus::Exceeded, (1, 2))
    );
    let (bytes, _, status, _) = finding("object");
    let used = u64::from(report.page_count - report.freelist_page_count) * 4_096;
    assert_eq!((bytes, status), (Some(used), LimitStatus::Ok));

    let database = Database::new(4_096, 0, false);
    let columns: Vec<_> = (0..101).map(|index| format!("c{index}")).collect();
    database.run(&format!(
        "CREATE TABLE wide ({}); CREATE TABLE rows (id INTEGER PRIMARY KEY, b);
         INSERT INTO rows VALUES (7, zeroblob(1700000));",
        columns.join(", ")
    ));
    let report = compare(&database);
    assert!(report.key_values.is_none());
    let columns = report.limits.iter().find(|found| found.limit == "columns").unwrap();
    assert_eq!((columns.actual_count, columns.status), (Some(101), LimitStatus::Exceeded));
    assert_eq!((columns.key.as_deref(), columns.limit_bytes), (Some("wide"), None));
    let row = report.limits.iter().find(|found| found.limit == "row").unwrap();
    assert_eq!((row.key.as_deref(), row.status), (Some("rows rowid 7"), LimitStatus::Warn));
}

#[test]
fn alarm_as_number_and_time() {
    let alarm = inspect(&varied(4_096, 0, false).image(), 1).unwrap().alarm.unwrap();
    assert_eq!(alarm.unix_ms, 1_790_000_000_123);
    assert_eq!(alarm.time.to_string(), "2026-09-21T14:13:20.123Z");
}

#[test]
fn json_is_of_the_contract() {
    let report = report_of(&[("a:1", state(Some(1.0), 5))]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["page_bytes"], 4_096);
    assert_eq!(json["tables"][0]["kind"], "without-rowid");
    assert_eq!(json["key_values"]["prefixes"][0]["value"]["p95_bytes"], state(Some(1.0), 5).len());
    assert_eq!(json["key_values"]["types"][0]["type"], "object");
    assert_eq!(json["limits"][0]["limit_bytes"], 10_000_000_000_u64);
    assert_eq!(json["limits"][0]["key"], serde_json::Value::Null);
    assert_eq!(json["limits"][0]["status"], "ok");
    assert_eq!(json["alarm"], serde_json::Value::Null);
}

#[test]
fn more_tables_than_are_listed() {
    let database = Database::new(512, 0, false);
    let mut sql = String::from("BEGIN;");
    for index in 0..10_050 {
        sql += &format!("CREATE TABLE t{index}(a);");
    }
    sql += "CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
        INSERT INTO _cf_KV VALUES ('a:1', x'ff0f54'); COMMIT;";
    database.run(&sql);
    let report = inspect(&database.image(), 3).unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.unlisted_table_count, 51);
    let others = report.tables.iter().find(|table| table.name == "(other tables)").unwrap();
    assert_eq!(others.page_count, 51);
    assert_eq!(report.key_values.unwrap().count, 1);
}

#[test]
fn no_pages_and_no_tables() {
    let report = inspect(&Image::new(Vec::new()), 4).unwrap();
    assert_eq!((report.page_count, report.tables.len()), (0, 0));
    let database = Database::new(4_096, 0, false);
    database.run("CREATE TABLE t(a); DROP TABLE t");
    assert_eq!(compare(&database).page_count, 2);
}

#[test]
fn other_text_encodings_are_read() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let database = Database::new(4_096, 0, false);
        database.run(&format!("PRAGMA encoding = '{encoding}'"));
        database.run(
            "CREATE TABLE \"café\" (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
             INSERT INTO \"café\" VALUES ('a', 1);
             CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;",
        );
        let report = compare(&database);
        assert_eq!(report.text_encoding, encoding);
        assert!(report.key_values.is_none());
    }
}

#[test]
fn keys_and_values_past_what_workerd_takes() {
    let large = [0xff, 0x0f, b'o'];
    let grown = |bytes: usize| [&large[..], &vec![0; bytes]].concat();
    let report = report_of(&[
        (&format!("k:{}", "x".repeat(10_000)), grown(4_300_000)),
        (&format!("k:{}", "y".repeat(10_000)), grown(10)),
        ("k:z", grown(5_000_000)),
    ]);
    let key_values = report.key_values.unwrap();
    assert_eq!(key_values.count, 3);
    assert_eq!((key_values.types[0].name, key_values.types[0].count), ("object", 3));
    assert_eq!(key_values.expiry.unexamined_count, 2);
}
