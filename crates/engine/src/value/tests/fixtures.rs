//! Values that V8 wrote, with JSON that a script computed from the JavaScript values.

use super::*;
use serde_json::Value;

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn values() -> Vec<Value> {
    let text = include_str!("../../../../../fixtures/values/values.json");
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_value_reads_writes_and_prints() {
    let values = values();
    assert!(values.len() >= 150, "{} values", values.len());
    let mut wrong = Vec::new();
    for value in &values {
        let field = |name: &str| value[name].as_str().unwrap();
        let bytes = bytes_of(field("hex"));
        let document = match decode(&bytes) {
            Ok(document) => document,
            Err(error) => {
                wrong.push(format!("{}: {error}", field("name")));
                continue;
            }
        };
        let mut out = String::new();
        to_json(&document, &mut out);
        if encode(&document) != bytes {
            wrong.push(format!("{}: other bytes", field("name")));
        }
        if out != field("json") {
            wrong.push(format!("{}:\n  {out}\n  {}", field("name"), field("json")));
        }
        let found = kind(&bytes).unwrap().name();
        if found != field("kind") {
            wrong.push(format!("{}: kind {found}", field("name")));
        }
        check_properties(&bytes).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_truncation_is_refused_or_complete() {
    for value in values() {
        let name = value["name"].as_str().unwrap();
        let bytes = bytes_of(value["hex"].as_str().unwrap());
        if bytes.len() > 1000 || name == "bytes after the value" || name.contains("version 13") {
            continue;
        }
        for end in 0..bytes.len() {
            // A view is cut off its buffer without harm: the buffer is a value of its own.
            if let Ok(document) = decode(&bytes[..end]) {
                let whole = kind(&bytes).unwrap();
                assert!(whole.name().ends_with("array") || whole.name() == "dataview", "{name}");
                assert_eq!(kind(&bytes[..end]).unwrap().name(), "arraybuffer", "{name} {end}");
                assert_eq!(encode(&document), &bytes[..end]);
            }
        }
    }
}

#[test]
fn every_changed_byte_keeps_the_promises() {
    for value in values() {
        let mut bytes = bytes_of(value["hex"].as_str().unwrap());
        if bytes.len() > 300 {
            continue;
        }
        for place in 0..bytes.len() {
            let old = bytes[place];
            for new in [0, 1, 0x7f, 0x80, 0xff, b'^', b'V', b'-', b'{', b'c', old ^ 1, old ^ 2] {
                bytes[place] = new;
                check_properties(&bytes).unwrap();
            }
            bytes[place] = old;
        }
    }
}
