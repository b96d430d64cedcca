//! `plan`: a design's limits and costs, and what a log comes to.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::{folder, run, run_in, words};

fn plan(more: &str) -> Value {
    run(words(&format!("plan --format json {more}"))).exits(0).json()
}

fn alternative<'a>(plan: &'a Value, name: &str) -> &'a Value {
    plan["alternatives"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

#[test]
fn days_costs_and_a_recommendation() {
    let made = plan("--objects 1000 --entries 20000 --growth-per-day 500 --writes-per-second 5");
    let days: Vec<f64> =
        made["forecasts"].as_array().unwrap().iter().filter_map(|one| one["days"].as_f64()).collect();
    assert!(days.len() > 8 && days.windows(2).all(|pair| pair[0] <= pair[1]), "{days:?}");
    assert_eq!(made["first_limit"]["limit"], "memory");
    // 432,000 writes a day of each of 1,000 objects: 12,960 million a month, 50 of them free.
    let every = alternative(&made, "every-write");
    assert_eq!((&every["rows_per_day"], &every["recovery_point_ms"]), (&json!(432_000), &json!(0.0)));
    let rows =
        every["items"].as_array().unwrap().iter().find(|item| item["item"] == "do-rows-written").unwrap();
    assert_eq!(
        (&rows["amount"], &rows["billed_units"], &rows["usd"]),
        (&json!(12_960_000_000_u64), &json!(12_910), &json!(12_910.0))
    );
    for one in made["alternatives"].as_array().unwrap() {
        let sum: f64 =
            one["items"].as_array().unwrap().iter().map(|item| item["usd"].as_f64().unwrap()).sum();
        assert!((sum - one["usd_per_month"].as_f64().unwrap()).abs() < 0.01, "{one}");
        assert!(one["loses"].as_str().unwrap().len() > 10);
    }
    let best = made["recommendation"]["alternative"].as_str().unwrap();
    let possible = made["alternatives"].as_array().unwrap().iter().filter(|one| one["impossible"].is_null());
    let least = possible.map(|one| one["usd_per_month"].as_f64().unwrap()).fold(f64::INFINITY, f64::min);
    assert_eq!(alternative(&made, best)["usd_per_month"], least);
    let strict = plan("--writes-per-second 5 --recovery-point-ms 0");
    assert_eq!(strict["recommendation"]["alternative"], "every-write");
}

#[test]
fn no_limit_is_too_far_to_be_told() {
    // 134.4 and a tenth of it a day: 10 GB are 185,000 years away.
    let made = plan("--growth-per-day 1");
    let object = made["forecasts"].as_array().unwrap().iter().find(|one| one["limit"] == "object").unwrap();
    let (raw, a_day) = (1_344_000.0 * 1.1, 135.0 * 1.1);
    let expected = (10e9 - raw) / a_day;
    assert!((object["days"].as_f64().unwrap() - expected).abs() < expected * 1e-6, "{object}");
    let text = String::from_utf8(run(words("plan --growth-per-day 1")).exits(0).stdout).unwrap();
    assert!(text.contains("> 100 years"), "{text}");
}

#[test]
fn the_claim_beside_the_bill() {
    let made = plan("--writes-per-second 1000 --entries 1000000");
    let claim = &made["claim"]["as_made"];
    assert_eq!(
        (&claim["writes_per_day"], &claim["claimed_writes_per_day"]),
        (&json!(86_400_000.0), &json!(17_280.0))
    );
    assert!(claim["billed_rows_per_day"].as_f64().unwrap() > 86_000_000.0);
}

#[test]
fn flags_count_before_the_file_and_names_are_checked() {
    let world = folder();
    std::fs::write(
        world.path().join("dotctl.toml"),
        "[plan]\nobjects = 7\nentries = 9\nprofile = \"frequent\"\n",
    )
    .unwrap();
    let made = run_in(world.path(), &words("plan --format json --entries 11")).exits(0).json();
    let design = &made["design"];
    assert_eq!(
        (&design["objects"], &design["entries"], &design["profile"]["name"]),
        (&json!(7), &json!(11), &json!("frequent"))
    );
    run(words("plan --profile ballanced")).refuses(2).mentions("did you mean `balanced`?");
    run(words("plan --active-percent 101")).refuses(2).mentions("up to 100");
    std::fs::write(world.path().join("dotctl.toml"), "[plan]\ntiering = \"realtim\"\n").unwrap();
    run_in(world.path(), &words("plan")).refuses(2).mentions("line 2, column 11").mentions("`realtime`");
    let text = String::from_utf8(run(words("plan")).exits(0).stdout).unwrap();
    for said in
        ["Days until each limit", "Cost of the fleet", "aggressive", "analytics", "1,000,000 partitions"]
    {
        assert!(text.contains(said), "{said}");
    }
}

/// A log as the emitter writes it: `events` of 10 things, 100 a second.
pub fn log(events: u64) -> String {
    let mut text = String::new();
    for number in 0..events {
        let (id, time) = (number % 10, 1_767_225_600_000 + number * 10);
        writeln!(
            text,
            "{{\"verb\":\"thing.updated\",\"store\":\"things\",\"payload\":{{\"$id\":\"thing_{id}\",\"$type\":\"Thing\",\"n\":{number}}},\
             \"timestamp\":{time},\"idempotencyKey\":\"thing_{id}:updated:{number}\",\"_meta\":{{\"namespace\":\"tenant\"}}}}"
        )
        .unwrap();
    }
    text
}

#[test]
fn a_log_goes_through_the_model() {
    let world = folder();
    std::fs::write(world.path().join("events.ndjson"), log(6_000) + "not an event\n").unwrap();
    let made = run_in(world.path(), &words("plan --format json --trace events.ndjson")).exits(0).json();
    let trace = &made["trace"];
    assert_eq!(
        (&trace["events"], &trace["keys"], &trace["span_ms"], &trace["malformed"]),
        (&json!(6_000), &json!(10), &json!(59_990), &json!(1))
    );
    // As the engine's test has it: 5 s lose no more than is asked, ten rows each time.
    assert_eq!((&trace["best"]["interval_ms"], &trace["best"]["rows_written"]), (&json!(5_000), &json!(120)));
    assert_eq!((&trace["cache"]["flushes"], &trace["cache"]["resets"]), (&json!(30), &json!(0)));
    assert_eq!(made["design"]["entries"], 10);
    assert!((made["design"]["writes_per_second"].as_f64().unwrap() - 100.0).abs() < 0.1);
    let tight =
        run_in(world.path(), &words("plan --format json --trace events.ndjson --recovery-point-ms 1000"))
            .exits(0)
            .json();
    assert_eq!(tight["trace"]["best"]["interval_ms"], 1_000);
    run_in(world.path(), &words("plan --trace events.ndjson --namespace other"))
        .refuses(2)
        .mentions("no event");
    run_in(world.path(), &words("plan --trace absent.ndjson")).refuses(3);
    // What is allowed is tried too, and not only what people like to set: seven seconds of the sixty.
    let seven =
        run_in(world.path(), &words("plan --format json --trace events.ndjson --recovery-point-ms 7000"))
            .exits(0)
            .json();
    assert_eq!(
        (&seven["trace"]["best"]["interval_ms"], &seven["trace"]["best"]["rows_written"]),
        (&json!(7_000), &json!(90))
    );
    // One array of the same events, over many lines, in a folder.
    let events: Vec<Value> = log(6_000).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    std::fs::create_dir(world.path().join("logs")).unwrap();
    std::fs::write(world.path().join("logs/all.json"), serde_json::to_string_pretty(&events).unwrap())
        .unwrap();
    let array = run_in(world.path(), &words("plan --format json --trace logs")).exits(0).json();
    assert_eq!((&array["trace"]["events"], &array["trace"]["malformed"]), (&json!(6_000), &json!(0)));
    assert_eq!(array["trace"]["outcomes"], trace["outcomes"]);
}

#[test]
fn people_read_it_in_80_columns() {
    let world = folder();
    std::fs::write(world.path().join("events.ndjson"), log(1_000)).unwrap();
    for more in [
        "--objects 1000 --entries 20000 --growth-per-day 500 --writes-per-second 5.123456 --operators 3",
        "--objects 1000000 --entries 9000000 --writes-per-second 900 --multi-tenant --growth-per-day 1",
        "--trace events.ndjson --objects 100000",
    ] {
        let text =
            String::from_utf8(run_in(world.path(), &words(&format!("plan {more}"))).exits(0).stdout).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for name in ["object-incremental", "speed and durability"] {
            assert!(text.contains(name), "{name}: {text}");
        }
        assert!(!text.contains("5.123456"), "{text}");
    }
    // The chosen setting stands whole in its row.
    let line = "plan --trace events.ndjson --objects 1 --memory-bytes 1000";
    let text = String::from_utf8(run_in(world.path(), &words(line)).exits(0).stdout).unwrap();
    assert!(text.contains("1 object with"), "{text}");
    let chosen = text
        .lines()
        .skip_while(|line| !line.starts_with("EVERY,"))
        .find(|line| line.contains(" * "))
        .unwrap();
    let setting: Vec<&str> = chosen.split("  ").next().unwrap().split(' ').collect();
    assert!(setting.len() == 4 && !chosen.contains('…'), "{chosen}");
}

#[test]
fn every_field_is_documented() {
    fn names(value: &Value, into: &mut std::collections::BTreeSet<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                into.insert(name.clone());
                names(value, into);
            }),
            Value::Array(elements) => elements.iter().for_each(|element| names(element, into)),
            _ => {}
        }
    }
    let world = folder();
    std::fs::write(world.path().join("events.ndjson"), log(100)).unwrap();
    std::fs::write(
        world.path().join("dotctl.toml"),
        "[object.A]\nconfiguration = \"light\"\n[object.A.operator.b]\nkind = \"join\"\nentries = 1\nkey_bytes = 1\nvalue_bytes = 1\n",
    )
    .unwrap();
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/JSON_OUTPUT.md")).unwrap();
    for (command, title) in [
        ("estimate --sample events.ndjson --backend kv --operator join", "estimate"),
        ("estimate --entries 1 --key-bytes 1 --value-bytes 1", "estimate"),
        ("budget", "budget"),
        ("plan --trace events.ndjson --multi-tenant --html page.html", "plan"),
        ("plan", "plan"),
    ] {
        let begin = text.find(&format!("## {title}\n")).unwrap();
        let end = text[begin + 3..].find("\n## ").map_or(text.len(), |end| begin + 3 + end);
        // Findings of limits and of budgets are told of in sections of their own, what all have above them.
        let of = |from: &str, to: &str| &text[text.find(from).unwrap()..text.find(to).unwrap()];
        let others =
            [of("## Promises", "## Requests"), of("## inspect", "## estimate"), of("## budget", "## plan")];
        let mut used = std::collections::BTreeSet::new();
        names(&run_in(world.path(), &words(&format!("{command} --format json"))).exits(0).json(), &mut used);
        for name in used {
            let is_told = others.iter().chain([&&text[begin..end]]).any(|part| part.contains(&name));
            assert!(is_told, "{title}: {name}");
            assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')), "{name}");
        }
    }
}
