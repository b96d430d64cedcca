//! Single properties, against whole values that V8 and workerd wrote.

use super::*;
use serde_json::Value;

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// The objects' values, one a line; the deepest one is past what this reader of JSON bears.
fn stored_values() -> Vec<Value> {
    let text = include_str!("../../../../../fixtures/objects/values.json");
    text.lines().filter_map(|line| serde_json::from_str(line.trim_end_matches(',')).ok()).collect()
}

#[test]
fn state_entries_of_an_object() {
    let values = stored_values();
    let (mut numbers, mut others) = (0, 0);
    for value in &values {
        let Some(hex) = value["stored_hex"].as_str() else {
            continue;
        };
        let properties = value["value"]["properties"].as_array();
        for name in ["value", "createdAt", "expiresAt", "no such property"] {
            let described = properties
                .filter(|_| value["value"]["$type"] == "object")
                .and_then(|list| list.iter().find(|pair| pair[0] == name))
                .map(|pair| &pair[1]);
            let expected = match described {
                Some(number) if number.is_number() => number.as_f64(),
                Some(tagged) if tagged["$type"] == "number" => match tagged["value"].as_str().unwrap() {
                    "-0" => Some(-0.0),
                    text => Some(text.parse().unwrap()),
                },
                _ => None,
            };
            let found = property_number(&bytes_of(hex), name);
            let equal = found == expected
                || found.zip(expected).is_some_and(|(one, other)| one.is_nan() && other.is_nan());
            assert!(equal, "{} {name}: {found:?}, not {expected:?}", value["key"]);
            match found {
                Some(_) => numbers += 1,
                None => others += 1,
            }
        }
    }
    assert!(numbers > 20 && others > 200, "{numbers} {others}");
}

#[test]
fn values_of_node() {
    let text = include_str!("../../../../../fixtures/values/values.json");
    let values: Vec<Value> = serde_json::from_str(text).unwrap();
    let mut numbers = 0;
    for value in &values {
        let json: Value = match serde_json::from_str(value["json"].as_str().unwrap()) {
            Ok(json) => json,
            // Numbers past a double's range are refused by this reader, not by ours.
            Err(_) => continue,
        };
        let bytes = bytes_of(value["hex"].as_str().unwrap());
        if value["kind"] != "object" {
            assert_eq!(property_number(&bytes, "a"), None, "{}", value["name"]);
            continue;
        }
        let fields = json.as_object().unwrap();
        if fields.contains_key("$v8") {
            continue;
        }
        for (name, inner) in fields {
            // Names that are numbers are not written as text.
            let is_text = name.is_ascii() && !name.starts_with(|first: char| first.is_ascii_digit());
            if is_text && inner.is_number() {
                assert_eq!(property_number(&bytes, name), inner.as_f64(), "{} {name}", value["name"]);
                numbers += 1;
            }
        }
    }
    assert!(numbers >= 3, "{numbers}");
}

#[test]
fn of_any_bytes_without_a_panic() {
    let text = include_str!("../../../../../fixtures/values/values.json");
    let values: Vec<Value> = serde_json::from_str(text).unwrap();
    for value in &values {
        let mut bytes = bytes_of(value["hex"].as_str().unwrap());
        if bytes.len() > 300 {
            continue;
        }
        for end in 0..bytes.len() {
            property_number(&bytes[..end], "expiresAt");
        }
        for place in 0..bytes.len() {
            let old = bytes[place];
            for new in [0, 0xff, b'o', b'V', old ^ 1] {
                bytes[place] = new;
                property_number(&bytes, "expiresAt");
            }
            bytes[place] = old;
        }
    }
}

#[test]
fn only_the_outer_object_counts() {
    let inner = b"\xff\x0fo\"\x05valueo\"\x01aI\x02{\x01\"\x01bU\x05{\x02";
    assert_eq!(property_number(inner, "a"), None);
    assert_eq!(property_number(inner, "b"), Some(5.0));
    assert_eq!(property_number(inner, "value"), None);
    let array = b"\xff\x0fA\x01o\"\x01aI\x02{\x01$\x00\x01";
    assert_eq!(property_number(array, "a"), None);
    // What comes behind the property is not looked at.
    assert_eq!(property_number(b"\xff\x0fo\"\x01aI\x02?", "a"), Some(1.0));
    assert_eq!(property_number(b"\xff\x0fo\"\x01?I\x02?", "a"), None);
}

#[test]
fn depth_does_not_recurse() {
    let mut bytes = b"\xff\x0fo\"\x05value".to_vec();
    bytes.resize(bytes.len() + 1_000_000, b'\'');
    for _ in 0..1_000_000 {
        bytes.extend_from_slice(b",");
    }
    assert_eq!(property_number(&bytes, "expiresAt"), None);
}
