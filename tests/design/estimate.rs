//! `estimate`: the contract's fields and the spike's numbers.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Ran, dotctl, fixture, folder, run, snapshot, words};

fn estimate(more: &str) -> Value {
    run(words(&format!("estimate --format json {more}"))).exits(0).json()
}

#[test]
fn ten_thousand_counters() {
    let made = estimate("--entries 10000 --key-bytes 12 --value-bytes 50");
    assert_eq!(made["entries"], 10_000);
    assert_eq!((&made["raw_bytes"], &made["compressed_bytes"]), (&json!(1_344_000), &json!(134_400)));
    assert_eq!((&made["chunk_count"], &made["placement"]), (&json!(1), &json!("do-row")));
    assert_eq!(made["profile"], "spike-2026-01");
    assert_eq!(made["budget"]["object"], "light");
    let row = made["limits"].as_array().unwrap().iter().find(|found| found["limit"] == "row").unwrap();
    assert_eq!(
        (&row["limit_bytes"], &row["actual_bytes"], &row["status"]),
        (&json!(2_000_000), &json!(134_400), &json!("ok"))
    );
}

#[test]
fn placement_goes_by_the_spikes_thresholds() {
    // 1,000 bytes an entry, so that entries are the raw size in kB.
    let at = |raw_bytes: u64| {
        let entries = raw_bytes.div_ceil(1_200);
        let made = estimate(&format!(
            "--entries {entries} --key-bytes 50 --value-bytes 900 --compression-ratio 0.001"
        ));
        assert!(made["raw_bytes"].as_u64().unwrap() >= raw_bytes);
        (made["placement"].as_str().unwrap().to_owned(), made["warns"].as_bool().unwrap())
    };
    const MIB: u64 = 1 << 20;
    assert_eq!(at(50 * MIB - 2_400), ("do-row".to_owned(), false));
    assert_eq!(at(50 * MIB), ("do-row".to_owned(), true));
    assert_eq!(at(100 * MIB), ("do-chunks".to_owned(), true));
    assert_eq!(at(500 * MIB), ("r2".to_owned(), true));
    assert_eq!(at(2048 * MIB - 1_200), ("r2".to_owned(), true));
    assert_eq!(at(2048 * MIB), ("rejected".to_owned(), true));
    let compressed = estimate("--entries 10000 --key-bytes 50 --value-bytes 900 --compression-ratio 0.5");
    assert_eq!((&compressed["placement"], &compressed["chunk_count"]), (&json!("do-chunks"), &json!(6)));
}

#[test]
fn a_key_value_object_has_small_values() {
    let made = estimate("--entries 10000 --key-bytes 12 --value-bytes 50 --backend kv");
    assert_eq!((&made["placement"], &made["chunk_count"]), (&json!("do-chunks"), &json!(2)));
    assert_eq!((&made["stored_bytes_min"], &made["stored_bytes_max"]), (&json!(141_120), &json!(147_840)));
    let small = estimate("--entries 100 --key-bytes 12 --value-bytes 50 --backend kv");
    assert_eq!((&small["placement"], &small["chunk_count"]), (&json!("do-row"), &json!(1)));
}

#[test]
fn an_operator_has_its_budget() {
    let within = run(words(
        "estimate --entries 7000 --key-bytes 12 --value-bytes 50 --operator counters --format json",
    ));
    assert_eq!(within.exits(0).json()["budget"]["status"], "ok");
    let over = run(words(
        "estimate --entries 10001 --key-bytes 12 --value-bytes 50 --operator counters --format json",
    ));
    let budget = over.exits(1).json()["budget"].take();
    assert_eq!((&budget["status"], &budget["operator"]), (&json!("exceeded"), &json!("counters")));
    run(words("estimate --entries 1 --key-bytes 1 --value-bytes 1 --operator conters"))
        .refuses(2)
        .mentions("did you mean `counters`?");
}

#[test]
fn wrong_numbers_are_refused() {
    for (more, said) in [
        ("--entries 10", "--key-bytes"),
        ("--entries -1 --key-bytes 1 --value-bytes 1", "-1"),
        ("--entries 1 --key-bytes nan --value-bytes 1", "a number of 0 or more"),
        ("--entries 1 --key-bytes 1 --value-bytes 1 --compression-ratio=-1", "compression ratio"),
        ("--sample nowhere.json", "nowhere.json"),
    ] {
        let ran = run(words(&format!("estimate {more}")));
        assert!(matches!(ran.code, Some(2 | 3)), "{ran:?}");
        assert!(ran.stdout.is_empty());
        ran.mentions(said);
    }
}

#[test]
fn no_number_of_entries_breaks_it() {
    let most = estimate("--entries 1000000000000000 --key-bytes 12 --value-bytes 50");
    assert_eq!(most["raw_bytes"], json!(134_400_000_000_000_000_u64));
    let ran =
        run(words("estimate --entries 1000000000000000 --key-bytes 12 --value-bytes 1GB --format json"))
            .exits(0);
    assert_eq!(ran.json()["raw_bytes"], json!(u64::MAX));
    ran.mentions("more than 2^64");
}

#[test]
fn a_sample_of_what_is_small_is_the_checkpoint() {
    let folder = folder();
    for source in ["state/listed.json", "state/unsorted.ndjson.zst", "objects/clean"] {
        let mut path = fixture(source);
        if path.is_dir() {
            let files = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            path = files
                .filter(|path| path.extension().is_some_and(|is| is == "sqlite"))
                .max_by_key(|path| std::fs::metadata(path).unwrap().len())
                .unwrap();
        }
        let made =
            run([&words("estimate --format json --sample")[..], &[path.display().to_string()]].concat());
        let made = made.exits(0).json();
        let checkpoint = snapshot(&folder.path().join(source.replace('/', "-")), &path, "--namespace a");
        assert_eq!(made["compressed_bytes"], checkpoint["stored_bytes"], "{source}");
        assert_eq!(made["raw_bytes"], checkpoint["raw_bytes"], "{source}");
        assert_eq!(made["interval"]["low_bytes"], made["interval"]["high_bytes"]);
        assert_eq!(made["codecs"][0]["codec"], "zstd");
        let best = made["codecs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|codec| codec["compressed_bytes"].as_u64().unwrap())
            .min()
            .unwrap();
        let named =
            made["codecs"].as_array().unwrap().iter().find(|codec| {
                codec["codec"] == made["best"]["codec"] && codec["level"] == made["best"]["level"]
            });
        let named = named.unwrap()["compressed_bytes"].as_u64().unwrap();
        assert!(named as f64 <= best as f64 * 1.02, "{named} {best}");
    }
}

#[test]
fn a_databases_entries_are_its_rows() {
    let world = folder();
    let path = world.path().join("rows.sqlite");
    let made = "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT); CREATE INDEX i ON t (a);
                INSERT INTO t VALUES (1), (2), (3); ANALYZE;";
    rusqlite::Connection::open(&path).unwrap().execute_batch(made).unwrap();
    let words = words("estimate --format json --sample").into_iter().map(Into::into);
    let sampled = run(words.chain([path.into_os_string()])).exits(0).json();
    assert_eq!(sampled["entries"], 3);
}

#[test]
fn a_pipe_and_a_log_are_sampled_too() {
    let sample = |text: &[u8], more: &str| {
        let mut command = dotctl();
        command.args(words(&format!("estimate --sample - --format json {more}")));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    };
    let state = std::fs::read(fixture("state/listed.ndjson")).unwrap();
    let made = sample(&state, "--entries 100000").exits(0).json();
    assert_eq!(
        (&made["sample"]["kind"], &made["source_entries"], &made["entries"]),
        (&json!("state"), &json!(200), &json!(100_000))
    );
    assert!(made["interval"]["low_bytes"].as_u64() < made["compressed_bytes"].as_u64());
    let log = sample(b"{\"verb\":\"a\"}\n{\"verb\":\"b\"}\n", "").exits(0).json();
    assert_eq!((&log["sample"]["kind"], &log["entries"]), (&json!("log"), &json!(2)));
    // The same log, whatever form it has.
    for text in [
        "[{\"verb\":\"a\"},{\"verb\":\"b\"}]",
        "[\n  {\n    \"verb\": \"a\"\n  },\n  {\n    \"verb\": \"b\"\n  }\n]\n",
    ] {
        let array = sample(text.as_bytes(), "").exits(0).json();
        assert_eq!(
            (&array["sample"]["kind"], &array["raw_bytes"]),
            (&json!("log"), &log["raw_bytes"]),
            "{text}"
        );
        assert_eq!(array["compressed_bytes"], log["compressed_bytes"], "{text}");
    }
    sample(b"[]", "--entries 5").exits(2).mentions("no entries");
}

#[test]
fn the_formula_answers_at_once() {
    let command = "estimate --entries 10000 --key-bytes 12 --value-bytes 50 --format json";
    let fastest = (0..10).map(|_| {
        let begun = Instant::now();
        run(words(command)).exits(0);
        begun.elapsed()
    });
    // The fastest of ten, since others use the machine.
    assert!(fastest.min().unwrap() < Duration::from_millis(20));
}
