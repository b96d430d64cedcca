//! Replay beside a straightforward model of what events mean: any log, in any order, in any number of
//! runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use dotctl_engine::{ErrorKind, Result};
use dotctl_stores::drive::NoProgress;
use dotctl_stores::replay::{DifferenceKind, LogFile, Report, Request, Rules, compare, replay};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

/// A folder in memory, where this machine has that.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn run_with(into: &Path, lines: &[String], threshold: Option<u64>, rules: Rules) -> Result<Report> {
    let log = into.with_extension("ndjson");
    fs::write(&log, lines.concat()).unwrap();
    let files = LogFile::find(log.to_str().unwrap())?;
    let request = Request {
        files: &files,
        rules,
        into,
        columnar_threshold: threshold,
        strict: false,
        dry_run: false,
        from: None,
    };
    replay(&request, &NoProgress)
}

fn run(into: &Path, lines: &[String], threshold: u64) -> Result<Report> {
    run_with(into, lines, Some(threshold), Rules::default())
}

/// Every row of every table.
fn tables(image: &Path) -> BTreeMap<String, Vec<String>> {
    let connection = Connection::open(image).unwrap();
    let names: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(|row| row.unwrap())
        .collect::<Vec<_>>();
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    names
        .into_iter()
        .map(|name| {
            let mut statement = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
            let columns = statement.column_count();
            let rows = statement
                .query_map([], |row| {
                    let cells: Vec<_> =
                        (0..columns).map(|place| format!("{:?}", row.get_ref(place).unwrap())).collect();
                    Ok(cells.join("|"))
                })
                .unwrap()
                .map(|row| row.unwrap())
                .collect();
            (name, rows)
        })
        .collect()
}

/// The entities, as the view shows them, and where each is.
fn entities(image: &Path, threshold: u64) -> BTreeMap<String, Map<String, Value>> {
    let connection = Connection::open(image).unwrap();
    let mut all = BTreeMap::new();
    let mut statement = connection.prepare("SELECT id, type, data FROM entities").unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (id, name, data): (String, String, String) =
            (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
        let Value::Object(data) = serde_json::from_str(&data).unwrap() else { panic!("{data}") };
        assert_eq!(data["$id"], json!(id));
        if data["$type"].is_string() {
            assert_eq!(data["$type"], json!(name));
        }
        assert!(all.insert(id, data).is_none(), "an entity twice");
    }
    // Every type is whole in one of the two places, by its number of entities.
    let types = |sql: &str| -> BTreeMap<String, i64> {
        let mut statement = connection.prepare(sql).unwrap();
        statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(|row| row.unwrap())
            .collect()
    };
    let threshold = threshold as i64;
    let things = types("SELECT type, count(*) FROM things GROUP BY type");
    let collections = types("SELECT type, json_array_length(data) FROM collections");
    let both: BTreeSet<_> = things.keys().filter(|name| collections.contains_key(*name)).collect();
    assert!(both.is_empty(), "{both:?} in both");
    assert!(things.values().all(|count| *count >= threshold), "{things:?} with {threshold}");
    assert!(
        collections.values().all(|count| *count < threshold && *count > 0),
        "{collections:?} with {threshold}"
    );
    all
}

/// An event before it is text.
#[derive(Debug, Clone)]
struct Happened {
    kind: u8,
    id: u8,
    delta: bool,
    time: i64,
    numbered: bool,
    fields: Vec<(u8, i64)>,
}

impl Happened {
    fn name(&self) -> String {
        format!("e{}", self.id)
    }

    fn payload(&self) -> Map<String, Value> {
        let mut payload = Map::new();
        payload.insert("$id".to_owned(), json!(self.name()));
        payload.insert("$type".to_owned(), json!(format!("T{}", self.id % 3)));
        for (name, value) in &self.fields {
            payload.insert(format!("f{name}"), json!(value));
        }
        payload
    }

    fn line(&self, number: usize) -> String {
        let verb = ["created", "updated", "deleted"][usize::from(self.kind)];
        let mut event = json!({
            "verb": format!("thing.{verb}"),
            "store": "things",
            "payload": self.payload(),
            "timestamp": self.time,
            "idempotencyKey": format!("key{number}"),
            "_meta": {"namespace": "n"},
        });
        if self.delta {
            event["_meta"]["isDelta"] = json!(true);
        }
        if self.numbered {
            event["_seq"] = json!(number + 1);
        }
        format!("{event}\n")
    }
}

/// The state that the events make, each as the seeds say.
fn model(events: &[Happened]) -> BTreeMap<String, Map<String, Value>> {
    let mut state: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let names: BTreeSet<String> = events.iter().map(Happened::name).collect();
    for name in names {
        // A numbered event is no earlier than those of this entity numbered before it.
        let mut latest = i64::MIN;
        let mut ordered: Vec<(i64, bool, usize, &Happened)> = Vec::new();
        for (number, event) in events.iter().enumerate().filter(|(_, event)| event.name() == name) {
            if event.numbered {
                latest = latest.max(event.time);
                ordered.push((latest, false, number, event));
            } else {
                ordered.push((event.time, true, number, event));
            }
        }
        ordered.sort_by_key(|(time, unnumbered, number, _)| (*time, *unnumbered, *number));
        for (.., event) in ordered {
            let payload = event.payload();
            match event.kind {
                0 => {
                    let mut thing = Map::new();
                    thing.insert("$version".to_owned(), json!(1));
                    thing.insert("$createdAt".to_owned(), json!(event.time));
                    thing.insert("$updatedAt".to_owned(), json!(event.time));
                    thing.extend(payload);
                    state.insert(name.clone(), thing);
                }
                1 => {
                    let Some(existing) = state.get(&name).cloned() else { continue };
                    let mut updated = if event.delta { existing.clone() } else { Map::new() };
                    updated.extend(payload);
                    for kept in ["$id", "$type", "$createdAt"] {
                        updated.insert(kept.to_owned(), existing[kept].clone());
                    }
                    updated.insert("$version".to_owned(), json!(existing["$version"].as_u64().unwrap() + 1));
                    updated.insert("$updatedAt".to_owned(), json!(event.time));
                    state.insert(name.clone(), updated);
                }
                _ => {
                    state.remove(&name);
                }
            }
        }
    }
    state
}

fn happened() -> impl Strategy<Value = Happened> {
    let fields = prop::collection::vec((0..4_u8, -5..5_i64), 0..4);
    (prop_oneof![3 => Just(0_u8), 4 => Just(1), 2 => Just(2)], 0..9_u8, any::<bool>(), fields)
        .prop_map(|(kind, id, delta, fields)| Happened { kind, id, delta, time: 0, numbered: true, fields })
}

/// A log whose times differ, so that its order does not depend on where a line stands.
fn log() -> impl Strategy<Value = Vec<Happened>> {
    (prop::collection::vec((happened(), 0..60_i64), 1..40), 0..3_u8).prop_map(|(events, numbering)| {
        let count = events.len() as i64;
        let mut events: Vec<Happened> = events
            .into_iter()
            .enumerate()
            .map(|(number, (mut event, jitter))| {
                // Unequal by the remainder, out of order by the jitter.
                event.time = (number as i64 + jitter) * count + number as i64;
                event.numbered = numbering == 0 || (numbering == 1 && jitter % 2 == 0);
                event
            })
            .collect();
        if numbering == 0 {
            // Clocks that stand still do not matter where there are numbers.
            events.iter_mut().for_each(|event| event.time /= 50);
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_log_gives_what_the_model_gives(
        events in log(),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        shuffle in any::<u64>(),
        cut in any::<prop::sample::Index>(),
        threshold in 0..5_u64,
        other_threshold in 0..5_u64,
    ) {
        let folder = folder();
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        let mut lines: Vec<String> = events.iter().enumerate().map(|(number, event)| event.line(number)).collect();
        let distinct = lines.len() as u64;
        for index in &again {
            let line = lines[index.index(events.len())].clone();
            lines.push(line);
        }
        let report = run(&path("whole"), &lines, threshold).unwrap();
        prop_assert_eq!(report.events_read, lines.len() as u64);
        prop_assert_eq!(report.duplicates, again.len() as u64);
        prop_assert_eq!(report.events_applied + report.orphans, distinct);
        prop_assert_eq!((report.conflicts, report.malformed, report.invalid), (0, 0, 0));
        let expected = model(&events);
        prop_assert_eq!(report.things, expected.len() as u64);
        prop_assert_eq!(&entities(&path("whole"), threshold), &expected);
        let whole = tables(&path("whole"));

        // In any order, in one run.
        let mut shuffled = lines.clone();
        let mut seed = shuffle | 1;
        for place in (1..shuffled.len()).rev() {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            shuffled.swap(place, (seed % (place as u64 + 1)) as usize);
        }
        run(&path("shuffled"), &shuffled, threshold).unwrap();
        prop_assert_eq!(&tables(&path("shuffled")), &whole);

        // In two runs, wherever the log is cut: the same, or a refusal that changes nothing.
        let cut = cut.index(shuffled.len() + 1);
        for (name, lines) in [("parts", &lines), ("odd parts", &shuffled)] {
            let image = path(name);
            run(&image, &lines[..cut], other_threshold).unwrap();
            let before = fs::read(&image).unwrap();
            match run(&image, &lines[cut..], threshold) {
                Ok(report) => {
                    prop_assert_eq!(&tables(&image), &whole);
                    prop_assert_eq!(report.things, expected.len() as u64);
                }
                Err(error) => {
                    prop_assert_eq!(error.kind(), ErrorKind::Missing, "{}", error);
                    prop_assert_eq!(&fs::read(&image).unwrap(), &before);
                    // With the whole log it can.
                    run(&image, lines, threshold).unwrap();
                    prop_assert_eq!(&tables(&image), &whole);
                }
            }
            let again = run(&image, lines, threshold).unwrap();
            prop_assert_eq!((again.events_applied, again.known), (0, distinct));
            prop_assert_eq!(&tables(&image), &whole);
        }

        // The comparison finds nothing here, and whatever is changed.
        let log = path("whole.ndjson");
        fs::write(&log, lines.concat()).unwrap();
        let files = LogFile::find(log.to_str().unwrap()).unwrap();
        let check = |image: &str| {
            compare(&files, Rules::default(), &path(image), false, folder.path(), &NoProgress).unwrap().differences
        };
        prop_assert_eq!(check("whole"), vec![]);
        let connection = Connection::open(path("whole")).unwrap();
        let removed: Vec<String> = connection
            .prepare("DELETE FROM things WHERE id = (SELECT min(id) FROM things) RETURNING id")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(|row| row.unwrap())
            .collect::<Vec<_>>();
        drop(connection);
        let found = check("whole");
        prop_assert_eq!(found.len(), removed.len());
        prop_assert!(found.iter().zip(&removed).all(|(one, id)| one.kind == DifferenceKind::Missing && one.id == *id));
    }
}

fn event(verb: &str, id: &str, time: i64, key: &str, more: &str) -> String {
    format!(
        "{{\"verb\":\"thing.{verb}\",\"payload\":{{\"$id\":\"{id}\",\"$type\":\"T\"{more}}},\"timestamp\":{time},\"idempotencyKey\":\"{key}\"}}\n"
    )
}

#[test]
fn events_that_share_a_key_are_conflicts_and_both_count() {
    let folder = folder();
    let image = folder.path().join("image");
    let one = event("created", "a", 1, "k", "");
    let two = event("updated", "a", 2, "k2", ",\"n\":1");
    let three = event("updated", "a", 2, "k2", ",\"m\":2");
    let other = event("created", "b", 3, "k", "");
    let report = run_with(
        &image,
        &[one, two.clone(), three, other],
        None,
        Rules { merge_updates: true, ..Rules::default() },
    )
    .unwrap();
    assert_eq!((report.conflicts, report.duplicates, report.events_applied), (2, 0, 4));
    assert_eq!(report.conflict_notes.len(), 2);
    assert_eq!(entities(&image, 50)["a"]["m"], json!(2));
    assert_eq!(entities(&image, 50)["a"]["n"], json!(1));
    // A conflict with what an earlier run applied.
    let late = event("created", "c", 4, "k2", "");
    let report = run_with(&image, &[two, late], None, Rules::default()).unwrap();
    assert_eq!((report.conflicts, report.duplicates, report.events_applied), (1, 1, 1));
}

#[test]
fn only_what_was_committed_counts() {
    let folder = folder();
    let image = folder.path().join("image");
    let entry = |lsn: u64, txn: &str, op: &str, rest: &str| {
        format!(
            "{{\"lsn\":{lsn},\"timestamp\":{lsn},\"txnId\":\"{txn}\",\"op\":\"{op}\",\"table\":\"users\"{rest}}}\n"
        )
    };
    let lines = [
        entry(1, "a", "BEGIN", ""),
        entry(2, "a", "INSERT", ",\"key\":\"1\",\"after\":{\"name\":\"x\"}"),
        entry(3, "b", "INSERT", ",\"key\":\"2\",\"after\":{\"name\":\"y\"}"),
        entry(4, "b", "ROLLBACK", ""),
        entry(5, "c", "INSERT", ",\"key\":\"3\",\"after\":{\"name\":\"z\"}"),
        entry(7, "a", "COMMIT", ""),
    ];
    let report = run(&image, &lines, 50).unwrap();
    assert_eq!((report.events_applied, report.uncommitted, report.controls, report.things), (1, 2, 3, 1));
    assert_eq!(report.namespaces[0].sequences.as_ref().unwrap().missing(), [(6, 6)]);
    assert_eq!(entities(&image, 50).keys().collect::<Vec<_>>(), ["users:1"]);
    // The commit comes later, and the log with it.
    let mut more = lines.to_vec();
    more.push(entry(8, "c", "COMMIT", ""));
    let report = run(&image, &more, 50).unwrap();
    assert_eq!((report.events_applied, report.known, report.things), (1, 1, 2));
    // A capture without control entries tells of committed changes alone.
    let other = folder.path().join("other");
    assert_eq!(run(&other, &lines[1..3], 50).unwrap().things, 2);
}

#[test]
fn time_and_namespace_choose_events() {
    let folder = folder();
    let image = folder.path().join("image");
    let lines = [event("created", "a", 1_000, "1", ""), event("created", "b", 2_000, "2", "")];
    let until = |until_ms| Rules { until_ms: Some(until_ms), ..Rules::default() };
    let report = run_with(&image, &lines, None, until(1_500)).unwrap();
    assert_eq!((report.things, report.filtered), (1, 1));
    assert_eq!(run_with(&image, &lines, None, Rules::default()).unwrap().events_applied, 1);
    let error = run_with(&image, &lines, None, until(1_500)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists, "{error}");
    let other = folder.path().join("other");
    let rules = Rules { namespace: Some("elsewhere".to_owned()), ..Rules::default() };
    assert_eq!(run_with(&other, &lines, None, rules).unwrap().things, 0);
}

#[test]
fn a_database_of_somebody_else_is_left_alone() {
    let folder = folder();
    let image = folder.path().join("image");
    let connection = Connection::open(&image).unwrap();
    connection.execute_batch("CREATE TABLE things (id TEXT PRIMARY KEY, type TEXT, data TEXT)").unwrap();
    drop(connection);
    let before = fs::read(&image).unwrap();
    let error = run(&image, &[event("created", "a", 1, "1", "")], 50).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists, "{error}");
    assert_eq!(fs::read(&image).unwrap(), before);
}

#[test]
fn what_an_object_cannot_hold_in_one_row_has_a_row_each() {
    let folder = folder();
    let image = folder.path().join("image");
    let large = format!(",\"text\":\"{}\"", "x".repeat(700_000));
    let lines: Vec<String> = (0..3)
        .map(|number| event("created", &format!("e{number}"), number, &number.to_string(), &large))
        .collect();
    assert_eq!(run(&image, &lines, 50).unwrap().things, 3);
    let connection = Connection::open(&image).unwrap();
    let count = |table: &str| -> i64 {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("things"), count("collections")), (3, 0));
}
