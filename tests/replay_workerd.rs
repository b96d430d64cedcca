//! An image that `replay` made, opened by an object in a real workerd: every entity is what a
//! straightforward model of the events gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Map, Value, json};

use support_real::*;

#[test]
fn a_real_object_reads_every_entity() {
    let scratch = Scratch::new();
    let mut numbers = Numbers(7);
    let mut lines = Vec::new();
    let mut model: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for sequence in 1..=3_000_u64 {
        // A type of many entities and some of few.
        let number = numbers.draw() % 400;
        let kind = if number < 360 { "Order".to_owned() } else { format!("Small{}", number % 4) };
        let id = format!("{kind}-{number}-ü'\"");
        let time = format!(
            "2026-01-13T12:{:02}:{:02}.{:03}Z",
            sequence / 60_000,
            sequence / 1_000,
            sequence % 1_000
        );
        let note = format!("{:x}", numbers.draw());
        let (verb, delta) = match numbers.draw() % 8 {
            0..4 => ("created", false),
            4..6 => ("updated", true),
            6 => ("updated", false),
            _ => ("deleted", false),
        };
        let mut payload = Map::new();
        payload.insert("$id".to_owned(), json!(id));
        payload.insert("$type".to_owned(), json!(kind));
        payload.insert(format!("note{}", sequence % 3), json!(note));
        payload.insert("large".to_owned(), json!(9_007_199_254_740_993_u64 + sequence));
        let mut event = json!({
            "verb": format!("thing.{verb}"), "store": "things", "payload": payload.clone(), "timestamp": time,
            "idempotencyKey": format!("{id}:{verb}:{sequence}"), "_meta": {"namespace": "n"}, "_seq": sequence,
        });
        if delta {
            event["_meta"]["isDelta"] = json!(true);
        }
        lines.push(format!("{event}\n"));
        match verb {
            "created" => {
                let mut thing = Map::new();
                thing.insert("$version".to_owned(), json!(1));
                thing.insert("$createdAt".to_owned(), json!(time));
                thing.insert("$updatedAt".to_owned(), json!(time));
                thing.extend(payload);
                model.insert(id, thing);
            }
            "updated" => {
                if let Some(existing) = model.get(&id).cloned() {
                    let mut thing = if delta { existing.clone() } else { Map::new() };
                    thing.extend(payload);
                    for kept in ["$id", "$type", "$createdAt"] {
                        thing.insert(kept.to_owned(), existing[kept].clone());
                    }
                    thing.insert("$version".to_owned(), json!(existing["$version"].as_u64().unwrap() + 1));
                    thing.insert("$updatedAt".to_owned(), json!(time));
                    model.insert(id, thing);
                }
            }
            _ => {
                model.remove(&id);
            }
        }
    }
    // Far from the order in which they were sent.
    lines.sort_by_key(|line| line.len() % 97);
    let log = scratch.path("log.ndjson");
    fs::write(&log, lines.concat()).unwrap();
    let image = scratch.path("image.sqlite");
    let report =
        finish(dotctl().arg("replay").arg(&log).arg("--into").arg(&image).args(["--format", "json"]))
            .expect(0)
            .json();
    assert_eq!(report["things"], json!(model.len()));

    let served = finish(node().arg(script("serve.mjs")).arg("--database").arg(&image)).expect(0);
    let object = &served.json()["objects"][0];
    assert_eq!(object["quick_check"], json!(["ok"]));
    let tables = &object["tables"];
    assert!(tables["things"]["row_count"].as_u64().unwrap() > 100, "no type of many entities");
    assert!(tables["collections"]["row_count"].as_u64().unwrap() > 1, "no type of few entities");
    let view = &tables["entities"];
    let columns: Vec<&str> =
        view["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let place = |name: &str| columns.iter().position(|column| column.trim_matches('"') == name).unwrap();
    let read: BTreeMap<String, Map<String, Value>> = view["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |name: &str| row[place(name)]["text"].as_str().unwrap_or_else(|| panic!("{row}"));
            let Value::Object(data) = serde_json::from_str(text("data")).unwrap() else { panic!("{row}") };
            assert_eq!(data["$type"], json!(text("type")));
            (text("id").to_owned(), data)
        })
        .collect();
    assert_eq!(read.len(), view["row_count"].as_u64().unwrap() as usize);
    assert_eq!(read, model);
}
