//! Logs in buckets.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use dotctl_engine::ErrorKind;
use dotctl_stores::bucket::BucketObjects;
use dotctl_stores::drive::NoProgress;
use dotctl_stores::replay::{LogFile, Request, Rules, replay};
use rusqlite::Connection;
use serde_json::json;

use crate::command::dotctl_at;
use crate::proxy::{Fault, Proxy};
use crate::servers::{BUCKET, Server, setting};
use crate::support::{Ran, fixture, folder, words};

fn event(number: u64) -> String {
    format!(
        r#"{{"verb":"thing.created","payload":{{"$id":"e{number:06}","$type":"T"}},"timestamp":{},"_seq":{number}}}"#,
        1_768_305_600_000_u64 + number
    )
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn put(server: &Server, key: &str, bytes: &[u8]) {
    let path = server.files.as_ref().unwrap().join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn rows(image: &Path) -> i64 {
    let connection = Connection::open(image).unwrap();
    connection.query_row("SELECT count(*) FROM entities", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_sink_s_folders_are_replayed_from_a_bucket() {
    let server = Server::s3s();
    let work = folder();
    for number in 1..=300 {
        let text = event(number);
        let hour = format!("logs/event_date=2026-01-13/hr={:02}", number % 24);
        match number % 3 {
            0 => put(&server, &format!("{hour}/part-{number}.json.gz"), &gzip(&text)),
            _ => put(&server, &format!("{hour}/part-{number}.json"), text.as_bytes()),
        }
    }
    put(&server, "logs/_SUCCESS", b"no log");
    put(&server, "elsewhere/part-0.json", event(900).as_bytes());
    let image = work.path().join("image");
    let at = |line: &str| {
        let mut command = dotctl_at(&server.endpoint_url);
        let ran = command.args(words(line)).arg("--format=json").current_dir(work.path()).output();
        Ran::of(ran.expect("dotctl runs"))
    };
    let report = at(&format!("replay s3://{BUCKET}/logs --into image")).exits(0).json();
    assert_eq!(
        (&report["events_applied"], &report["malformed"], &report["namespaces"][0]["missing_sequence_count"]),
        (&json!(300), &json!(0), &json!(0)),
        "{report}"
    );
    assert_eq!(rows(&image), 300);
    put(
        &server,
        "logs/year=2026/month=01/day=13/0.parquet",
        &fs::read(fixture("parquet/zstd.parquet")).unwrap(),
    );
    let again = at(&format!("replay s3://{BUCKET}/logs --into image")).exits(0).json();
    assert_eq!((&again["already_applied"], &again["events_applied"]), (&json!(300), &json!(5)), "{again}");
    assert_eq!(rows(&image), 302);
    at(&format!("replay s3://{BUCKET}/logs --check image")).exits(0);
    // Whoever looks for a line finds it under the name that is told.
    put(&server, "torn/hr=00/part.json", b"{\"verb\"\n");
    let torn = at(&format!("replay s3://{BUCKET}/torn --dry-run --into none")).exits(0).json();
    assert_eq!(torn["malformed_places"][0]["file"], format!("s3://{BUCKET}/torn/hr=00/part.json"), "{torn}");
    // A pattern names what it would name in a folder: whole hours, or files.
    for (pattern, expected) in
        [("logs/*/hr=0[1-3]", 39), ("logs/**/part-*5.json", 20), ("logs/*/hr=0[1-3]/*.gz", 13)]
    {
        let report = at(&format!("replay s3://{BUCKET}/{pattern} --dry-run --into none")).exits(0).json();
        assert_eq!(report["events_read"], expected, "{pattern}: {report}");
    }
    at(&format!("replay s3://{BUCKET}/logs/*.nothing --into other"))
        .exits(3)
        .mentions(&format!("s3://{BUCKET}/logs/*.nothing"));
    at(&format!("replay s3://{BUCKET}/nothing --into other"))
        .exits(3)
        .mentions(&format!("s3://{BUCKET}/nothing"));
}

/// What the server could not give is never taken for the log's end, nor for a damaged file.
#[test]
fn a_failing_server_is_no_short_log() {
    let server = Server::s3s();
    let work = folder();
    let text: Vec<String> = (1..=20_000).map(event).collect();
    let text = text.join("\n");
    let log = |name: &str, bytes: &[u8]| put(&server, &format!("{name}/log"), bytes);
    log("plain", text.as_bytes());
    log("gzip", &gzip(&text));
    log("zstd", &zstd::encode_all(text.as_bytes(), 1).unwrap());
    log("parquet", &fs::read(fixture("parquet/zstd.parquet")).unwrap());
    for (number, name) in ["plain", "gzip", "zstd", "parquet"].into_iter().enumerate() {
        for fault in [Fault::Status500, Fault::TruncatedSilently, Fault::Reset] {
            let proxy = Proxy::start(&server.endpoint_url, number as u64);
            let objects = BucketObjects::open(&setting(&proxy.endpoint_url, name)).unwrap();
            let files = LogFile::objects(Arc::new(objects), "s3://log/", None, "s3://log/").unwrap();
            proxy.fail(100, &[fault]);
            let image = work.path().join("image");
            let request = Request {
                files: &files,
                rules: Rules::default(),
                into: &image,
                columnar_threshold: None,
                strict: false,
                dry_run: false,
                from: None,
            };
            let error = replay(&request, &NoProgress).err().unwrap_or_else(|| panic!("{name} {fault:?}"));
            assert_ne!(error.kind(), ErrorKind::Malformed, "{name} {fault:?}: {error:?}");
            assert!(!image.exists());
        }
    }
}
