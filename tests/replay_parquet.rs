//! Logs in Parquet: what a Pipelines sink writes, and what nobody should have written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};
use support::replayed::{entities, replay_json};
use support::{Random, copy_tree, fixture, folder, run_in, words};

use dotctl_stores::drive::NoProgress;
use dotctl_stores::replay::{LogFile, Request, Rules, replay};

#[test]
fn every_shape_of_a_sink_is_read() {
    let world = folder();
    copy_tree(&fixture("parquet"), &world.path().join("logs"));
    let entity = |id: &str, version: u32, created: u32, updated: u32, more: Value| {
        let mut entity = json!({
            "$id": id, "$type": "Customer", "$version": version,
            "$createdAt": format!("2026-01-13T12:00:0{created}.000Z"),
            "$updatedAt": format!("2026-01-13T12:00:0{updated}.000Z"),
        });
        entity.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entity
    };
    let mut seen = 0;
    for name in support::names_in(&world.path().join("logs")) {
        let Some(shape) = name.strip_suffix(".parquet") else { continue };
        let report = replay_json(world.path(), &format!("logs/{name} --into {shape} --merge-updates"));
        assert_eq!(
            (&report["events_read"], &report["malformed"], &report["events_applied"]),
            (&json!(5), &json!(0), &json!(5)),
            "{shape}: {report}"
        );
        assert_eq!(report["position"], json!({"time": "2026-01-13T12:00:05.000Z", "sequence": 5}), "{shape}");
        let (of_a, of_c) = if shape == "struct" {
            let typed = json!({"share": 0.1, "day": "2026-01-13", "at": "2026-01-13T12:00:00.000Z", "tags": ["x", "y"]});
            let mut of_a = typed.clone();
            of_a["n"] = json!(2);
            (of_a, typed)
        } else {
            (json!({"n": 2, "deep": {"list": [1, null, "x"], "text": "é \"quoted\""}}), json!({}))
        };
        assert_eq!(
            entities(&world.path().join(shape)),
            [entity("a", 2, 1, 4, of_a), entity("c", 1, 3, 3, of_c)],
            "{shape}"
        );
        seen += 1;
    }
    assert_eq!(seen, 8);
    // They are the same events, whatever they were read from, save the one with other payloads.
    fs::remove_file(world.path().join("logs/struct.parquet")).unwrap();
    let report = replay_json(world.path(), "logs/*.parquet --into all --merge-updates");
    assert_eq!(
        (&report["events_applied"], &report["duplicates"], &report["conflicts"]),
        (&json!(5), &json!(30), &json!(0))
    );
}

const SCHEMA: &str = "message events {
    required binary verb (STRING);
    optional binary payload (JSON);
    required int64 timestamp (TIMESTAMP(MILLIS, true));
    required int64 _seq;
}";

/// `groups` row groups of `rows` created entities each, written as Rust programs write them.
fn written(path: &Path, groups: i64, rows: i64, compression: Compression) {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(fs::File::create(path).unwrap(), schema, properties).unwrap();
    for group in 0..groups {
        let numbers: Vec<i64> = (group * rows..(group + 1) * rows).collect();
        let texts = |make: &dyn Fn(i64) -> String| -> Vec<ByteArray> {
            numbers.iter().map(|number| ByteArray::from(make(*number).as_str())).collect()
        };
        let present = vec![1; numbers.len()];
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let verbs = texts(&|_| "thing.created".to_owned());
        column.typed::<ByteArrayType>().write_batch(&verbs, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let payloads = texts(&|number| format!(r#"{{"$id":"e{number:07}","$type":"T","n":{number}}}"#));
        column.typed::<ByteArrayType>().write_batch(&payloads, Some(&present), None).unwrap();
        column.close().unwrap();
        for of in [1_768_305_600_000, 1] {
            let mut column = group.next_column().unwrap().unwrap();
            let values: Vec<i64> = numbers.iter().map(|number| of + number).collect();
            column.typed::<Int64Type>().write_batch(&values, None, None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn many_row_groups_and_pages() {
    let world = folder();
    written(&world.path().join("zstd"), 5, 40_000, Compression::ZSTD(ZstdLevel::default()));
    written(&world.path().join("snappy"), 5, 40_000, Compression::SNAPPY);
    for name in ["zstd", "snappy"] {
        let report = replay_json(world.path(), &format!("{name} --into image --columnar-threshold 0"));
        assert_eq!((&report["events_read"], &report["things"]), (&json!(200_000), &json!(200_000)));
        assert_eq!(report["namespaces"][0]["missing_sequence_count"], 0);
        let applied = if name == "zstd" { 200_000 } else { 0 };
        assert_eq!(report["events_applied"], applied, "{report}");
    }
}

/// Thousands of files of which a few bytes are not what they were: each is read, or it is said that
/// it cannot be, and nothing panics or takes more memory than there is.
#[test]
fn damaged_files_are_answered() {
    let world = folder();
    let log = world.path().join("log");
    let mut random = Random(20_261_121);
    let (mut read, mut refused, mut caught) = (0, 0, 0);
    for name in ["zstd", "snappy", "none", "struct", "v2-nanoseconds", "value"] {
        let good = fs::read(fixture("parquet").join(format!("{name}.parquet"))).unwrap();
        for round in 0..600 {
            let mut bytes = good.clone();
            for _ in 0..=random.below(3) {
                // Every other time in the last bytes, which say what the rest is.
                let from = if round % 2 == 0 { bytes.len() as u64 / 2 } else { 4 };
                let place = from + random.below(bytes.len() as u64 - from - 8);
                bytes[place as usize] = random.below(256) as u8;
            }
            if round % 10 == 9 {
                bytes.drain(random.below(bytes.len() as u64) as usize..);
            }
            fs::write(&log, &bytes).unwrap();
            let request = Request {
                files: &LogFile::find(log.to_str().unwrap()).unwrap(),
                rules: Rules::default(),
                into: &world.path().join("image"),
                columnar_threshold: None,
                strict: true,
                dry_run: true,
                from: None,
            };
            match replay(&request, &NoProgress) {
                Ok(_) => read += 1,
                Err(error) => {
                    assert_eq!(
                        error.kind(),
                        dotctl_engine::ErrorKind::Malformed,
                        "{name} {round}: {error:?}"
                    );
                    refused += 1;
                    caught += u32::from(error.message().contains("contradicts itself"));
                }
            }
        }
    }
    eprintln!("{read} read, {refused} refused, {caught} of them by a panic of the reader");
    assert!(read > 100 && refused > 1000, "{read} read, {refused} refused");
}

#[test]
fn a_damaged_file_stops_a_strict_run_alone() {
    let world = folder();
    copy_tree(&fixture("parquet"), world.path());
    let mut bytes = fs::read(world.path().join("zstd.parquet")).unwrap();
    let end = bytes.len();
    bytes[end - 20..end - 8].fill(0xff);
    fs::write(world.path().join("damaged"), bytes).unwrap();
    let report = replay_json(world.path(), "damaged snappy.parquet --into image");
    assert_eq!((&report["malformed"], &report["things"]), (&json!(1), &json!(2)), "{report}");
    run_in(world.path(), &words("replay damaged --into other --strict")).refuses(2);
    let pipe = std::process::Command::new("sh")
        .args(["-c", "exec \"$0\" replay - --into other"])
        .arg(support::dotctl().get_program())
        .current_dir(world.path())
        .stdin(fs::File::open(world.path().join("zstd.parquet")).unwrap())
        .output()
        .unwrap();
    support::Ran::of(pipe).refuses(2).mentions("write it into a file first");
    assert!(!world.path().join("other").exists());
}
