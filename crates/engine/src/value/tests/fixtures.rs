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

/// The bytes of a value of which JSON has all.
fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'0'),
        Value::Bool(value) => out.push(if *value { b'T' } else { b'F' }),
        Value::Number(number) => {
            out.push(b'N');
            out.extend(number.as_f64().unwrap().to_le_bytes());
        }
        Value::String(text) => {
            out.push(b'S');
            write_varint(text.len(), out);
            out.extend(text.as_bytes());
        }
        Value::Array(values) => {
            out.push(b'A');
            write_varint(values.len(), out);
            values.iter().for_each(|value| write(value, out));
            out.extend(b"$\0");
            write_varint(values.len(), out);
        }
        Value::Object(fields) => {
            out.push(b'o');
            for (name, value) in fields {
                write(&Value::from(name.as_str()), out);
                write(value, out);
            }
            out.push(b'{');
            write_varint(fields.len(), out);
        }
    }
}

fn write_varint(mut number: usize, out: &mut Vec<u8>) {
    while number >= 128 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Printed data without its escapes. Fails at a tag that is no escape, and counts the escapes.
fn unescaped(printed: Value, escapes: &mut usize) -> Value {
    match printed {
        Value::Array(values) => values.into_iter().map(|value| unescaped(value, escapes)).collect(),
        Value::Object(mut fields) if fields.contains_key("$v8") => {
            *escapes += 1;
            assert_eq!(fields.keys().collect::<Vec<_>>(), ["$v8", "entries"]);
            assert_eq!(fields["$v8"], "object");
            let entries: Vec<(String, Value)> = serde_json::from_value(fields["entries"].take()).unwrap();
            assert!(entries.iter().any(|(name, _)| name == "$v8"), "escaped without need: {entries:?}");
            entries.into_iter().map(|(name, value)| (name, unescaped(value, escapes))).collect()
        }
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, unescaped(value, escapes))).collect()
        }
        other => other,
    }
}

/// What is printed of any value could be stored as data. That data prints as it is if it has no tag,
/// and else so that it can be told from the value whose text it is.
#[test]
fn data_that_looks_like_a_tagged_value_is_escaped() {
    let (mut plain, mut escaped, mut unread) = (0, 0, 0);
    for value in values() {
        let (name, text) = (value["name"].as_str().unwrap(), value["json"].as_str().unwrap());
        let Ok(data) = serde_json::from_str::<Value>(text) else {
            // Lone surrogates and deep nesting, which this reader of JSON refuses.
            unread += 1;
            continue;
        };
        let mut bytes = b"\xff\x0f".to_vec();
        write(&data, &mut bytes);
        let printed = json(&bytes);
        let mut escapes = 0;
        let found = unescaped(serde_json::from_str(&printed).unwrap(), &mut escapes);
        assert_eq!(found, data, "{name}");
        assert_eq!(escapes, text.matches("\"$v8\":").count(), "{name}");
        if escapes == 0 {
            plain += 1;
        } else {
            assert_ne!(printed, text, "{name}");
            escaped += 1;
        }
    }
    assert!(plain > 80 && escaped > 150 && unread < 10, "{plain} {escaped} {unread}");
}
