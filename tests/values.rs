//! Every value that the fixtures' objects store: decoded, encoded again, printed, and fetched from
//! a checkpoint.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use dotctl_engine::value;
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::value::RawValue;

use support_real::*;

/// The stored bytes of every entry, by SQLite, of a copy of the object in a fixture.
fn stored_values(folder: &str) -> Vec<(String, Vec<u8>)> {
    let scratch = Scratch::new();
    let source = object_fixture(folder);
    let copied = scratch.path("copied");
    copy_folder(source.parent().unwrap(), &copied);
    let connection = Connection::open(copied.join(source.file_name().unwrap())).unwrap();
    let mut statement = connection.prepare("SELECT key, value FROM _cf_KV ORDER BY key").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn from_hex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2));
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn printed(bytes: &[u8]) -> String {
    let mut json = String::new();
    value::to_json(&value::decode(bytes).unwrap(), &mut json);
    json
}

/// That `json` is one JSON document, however deep.
fn assert_json(json: &str, key: &str) {
    let parsed: Result<&RawValue, _> = serde_json::from_str(json);
    assert_eq!(parsed.unwrap_or_else(|error| panic!("{key}: {error}")).get(), json, "{key}");
}

#[test]
fn every_stored_value_decodes_and_encodes_to_the_same_bytes() {
    for folder in ["clean", "hot-wal"] {
        let stored = stored_values(folder);
        let described = fixture_values(folder);
        assert_eq!(stored.len(), described.len());
        for ((key, bytes), described) in stored.iter().zip(&described) {
            // The bytes are those that the fixtures' maker saw.
            assert_eq!((key, bytes.len()), (&described.key, described.stored_bytes));
            match (&described.stored_hex, &described.stored_sha256) {
                (Some(hex), None) => assert!(from_hex(hex) == *bytes, "{key}"),
                (None, Some(hash)) => assert_eq!(sha256(bytes), *hash, "{key}"),
                _ => panic!("{key} has either its bytes or their hash"),
            }
            let document = value::decode(bytes).unwrap_or_else(|error| panic!("{folder}, {key}: {error}"));
            assert!(value::encode(&document) == *bytes, "{folder}, {key} encodes to other bytes");
            let mut json = String::new();
            value::to_json(&document, &mut json);
            assert_json(&json, key);
            value::kind(bytes).unwrap_or_else(|error| panic!("{folder}, {key}: {error}"));
        }
    }
}

/// What `get --format json` prints. The value's text, since it may be deeper than a parser goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Got {
    key: String,
    r#type: String,
    value_bytes: usize,
    value: Box<RawValue>,
}

#[test]
fn get_prints_every_value_of_a_checkpoint_as_the_engine_does() {
    let scratch = Scratch::new();
    let made = scratch.snapshot(&object_fixture("clean"), &[]);
    let id = made["id"].as_str().unwrap();
    let stored = stored_values("clean");
    let awkward = |key: &&str| key.contains(['\n', '\\', '"']) || !key.is_ascii() || key.is_empty();
    let awkward_keys = stored.iter().map(|(key, _)| key.as_str()).filter(awkward).count();
    assert!(awkward_keys >= 2, "{awkward_keys} awkward keys");
    for (key, bytes) in &stored {
        // After `--`, since a key may begin with a dash.
        let got = scratch.run(["get", id, "--", key]);
        assert_eq!(got.stderr, "");
        assert_eq!(got.text(), format!("{}\n", printed(bytes)), "{key}");

        let got = finish(&mut scratch.dotctl(["get", "--format", "json", id, "--", key])).expect(0);
        let line = got.text().strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "one line");
        let got: Got = serde_json::from_str(line).unwrap_or_else(|error| panic!("{key}: {error} in {line}"));
        assert_eq!(got.key, *key);
        assert_eq!(got.r#type, value::kind(bytes).unwrap().name(), "{key}");
        assert_eq!(got.value_bytes, bytes.len(), "{key}");
        assert_eq!(got.value.get(), printed(bytes), "{key}");
    }
    for missing in ["no such key", "", "counter:user-00", "counter:user-0000", "\u{10ffff}"] {
        if stored.iter().all(|(key, _)| key != missing) {
            assert_eq!(scratch.fails(3, ["get", id, missing])["kind"], "missing", "{missing}");
        }
    }
}

/// Entries often hold things with keys of their own that begin with `$`; only `$v8` means something.
#[test]
fn things_print_as_plain_json() {
    let scratch = Scratch::new();
    let source = scratch.path("things.sqlite");
    let connection = Connection::open(&source).unwrap();
    connection.execute("CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID", []).unwrap();
    let mut expected = Vec::new();
    for made in json_file(&fixture("values/values.json")).as_array().unwrap() {
        let field = |name: &str| made[name].as_str().unwrap();
        if field("name").contains("$type") || field("name").contains("$v8") {
            let row = (field("name"), from_hex(field("hex")));
            connection.execute("INSERT INTO _cf_KV VALUES (?, ?)", row).unwrap();
            expected.push((field("name").to_owned(), field("json").to_owned()));
        }
    }
    connection.close().unwrap();
    let plain = r#"{"$id":"customer_abc123","$type":"Customer","$version":1,"name":"Alice"}"#;
    assert!(expected.iter().any(|(_, json)| json == plain));
    assert!(expected.iter().any(|(_, json)| json.starts_with(r#"{"$v8":"object","entries":[["$v8","#)));
    let made = scratch.snapshot(&source, &["--namespace", "things"]);
    for (key, json) in expected {
        let got = scratch.run(["get", made["id"].as_str().unwrap(), &key]);
        assert_eq!(got.text(), format!("{json}\n"), "{key}");
    }
}

/// What workerd describes as one type, the engine names so too: the two were written apart.
#[test]
fn types_are_those_that_workerd_sees() {
    let stored = stored_values("clean");
    let mut compared = 0;
    for ((key, bytes), described) in stored.iter().zip(fixture_values("clean")) {
        let text = described.value.get();
        let name = value::kind(bytes).unwrap().name();
        let expected = match text.as_bytes()[0] {
            b'"' => "string",
            b'[' => "array",
            b't' | b'f' => "boolean",
            b'n' => "null",
            b'{' => {
                let Some(rest) = text.strip_prefix("{\"$type\":\"") else { continue };
                match rest.split('"').next().unwrap() {
                    // A view names its class, an error its prototype, a boxed value what is in it.
                    "view" | "error" | "boxed" => continue,
                    other => other,
                }
            }
            _ => "number",
        };
        compared += 1;
        assert_eq!(name, expected, "{key}: {}", &text[..text.len().min(100)]);
    }
    assert!(compared > 150, "{compared} compared");
}
