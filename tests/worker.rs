//! Objects in a real workerd that make checkpoints of themselves (`crates/worker`), and the command line on what
//! they wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use support_real::*;

/// One workerd at a time.
static WORKERD: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    WORKERD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What objects whose state is in `state` answer to `steps`.
fn answers(state: &Path, bindings: &[&str], steps: &Value) -> Vec<Value> {
    let _alone = alone();
    let mut command = node();
    command.arg(script("checkpoints.mjs")).arg("--state").arg(state);
    for binding in bindings {
        command.args(["--bind", binding]);
    }
    let ended = finish_with(&mut command, steps.to_string().as_bytes()).expect(0);
    let answers: Vec<Value> = serde_json::from_str(ended.text()).unwrap();
    assert_eq!(answers.len(), steps.as_array().unwrap().len());
    answers
}

/// The same; none of them is an error.
fn good_answers(state: &Path, bindings: &[&str], steps: &Value) -> Vec<Value> {
    let answers = answers(state, bindings, steps);
    for (answer, step) in answers.iter().zip(steps.as_array().unwrap()) {
        assert!(answer["error"].is_null(), "{step}: {answer}");
    }
    answers
}

fn dotctl_json(words: &[&str], place: &Path) -> Value {
    let mut command = dotctl();
    finish(command.args(["--format", "json"]).args(words).arg("--store").arg(place)).expect(0).json()
}

#[test]
fn what_an_object_writes_the_command_line_reads_and_the_object_restores() {
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let steps = json!([
        {"ask": "/one/fill", "with": {"rows": 3000, "values": true, "wide": 1_900_000}},
        {"ask": "/one/digest"},
        {"ask": "/one/checkpoint"},
        {"ask": "/one/checkpoint"},
        {"ask": "/one/list"},
        {"ask": "/one/verify"},
    ]);
    let said = good_answers(&state, &["STORE=object"], &steps);
    let (whole, first, again) = (&said[1], &said[2], &said[3]);
    assert_eq!(first["content_sha256"], again["content_sha256"]);
    assert_eq!(said[4].as_array().unwrap().len(), 2);
    assert_eq!(said[5]["ok"], true);
    assert_eq!(said[5]["checkpoints"], 2);

    // The command line finds the same checkpoints, and makes the same one of the file.
    let file = room_database(&state);
    let verified = dotctl_json(&["verify"], &file);
    assert_eq!((&verified["ok"], &verified["checked"]["checkpoints"]), (&json!(true), &json!(2)));
    let listed = dotctl_json(&["list"], &file);
    assert_eq!(listed["checkpoints"][0]["id"], again["id"]);
    let store = scratch.path("store");
    let captured =
        dotctl_json(&["snapshot", file.to_str().unwrap(), "--kind", "rows", "--namespace", "x"], &store);
    let captured = &captured["checkpoint"];
    for field in ["content_sha256", "record_count", "raw_bytes", "stored_bytes", "chunk_count"] {
        assert_eq!(captured[field], again[field], "{field}");
    }
    let packs = |store: &Path, reference: &str| {
        let shown = dotctl_json(&["show", reference], store);
        shown["runs"].to_string()
    };
    assert_eq!(packs(&store, "latest"), packs(&file, again["id"].as_str().unwrap()));

    // What it restores is served with every value as it was.
    let restored = scratch.path("restored");
    let object = restored.join("do/checkpoints-Room").join(file.file_name().unwrap());
    fs::create_dir_all(object.parent().unwrap()).unwrap();
    let mut restore = dotctl();
    restore.args(["restore", "latest", "--to"]).arg(&object).arg("--store").arg(&file);
    finish(&mut restore).expect(0);
    let served = good_answers(&restored, &["STORE=object"], &json!([{"ask": "/one/digest"}]));
    assert_eq!(&served[0], whole);

    // Values that may be stored in more than one way come back as values.
    let steps = json!([
        {"ask": "/two/fill", "with": {"rows": 10, "anyValues": true}},
        {"ask": "/two/digest"},
        {"ask": "/two/checkpoint"},
        {"ask": "/two/checkpoint"},
        {"ask": "/two/ruin"},
        {"ask": "/two/restore"},
        {"ask": "/two/digest"},
    ]);
    let any = good_answers(&scratch.path("any"), &["STORE=object"], &steps);
    assert_eq!(any[2]["content_sha256"], any[3]["content_sha256"]);
    assert_eq!(any[6], any[1]);

    // And the object puts itself back, whatever became of it.
    let steps = json!([
        {"ask": "/one/ruin"},
        {"ask": "/one/digest"},
        {"ask": "/one/restore", "with": {"reference": first["id"]}},
        {"ask": "/one/digest"},
        {"ask": "/one/checkpoint"},
        {"ask": "/one/prune", "with": {"keepLast": 1}},
        {"ask": "/one/list"},
        {"ask": "/one/verify"},
        {"ask": "/one/restore"},
        {"ask": "/one/digest"},
    ]);
    let said = good_answers(&state, &["STORE=object"], &steps);
    assert_ne!(&said[1], whole);
    assert_eq!(&said[3], whole);
    assert_eq!(said[4]["content_sha256"], first["content_sha256"]);
    assert_eq!(said[5], json!({"removed_checkpoints": 2, "removed_packs": 0}));
    assert_eq!(said[6].as_array().unwrap().len(), 1);
    assert_eq!(said[7]["ok"], true);
    assert_eq!(&said[9], whole);
}

#[test]
fn what_the_command_line_writes_the_object_restores() {
    let scratch = Scratch::new();
    let (state, other) = (scratch.path("state"), scratch.path("other"));
    let filled = good_answers(
        &other,
        &["STORE=object"],
        &json!([{"ask": "/one/fill", "with": {"rows": 500, "values": true}}, {"ask": "/one/digest"}]),
    );
    // A chain of increments, which the object itself does not make.
    let file = room_database(&other);
    let namespace = format!("Room/{}", file.file_stem().unwrap().to_str().unwrap());
    let store = scratch.path("store");
    let snapshot = || {
        let words = ["snapshot", file.to_str().unwrap(), "--kind", "rows", "--namespace", &namespace];
        dotctl_json(&words, &store)["checkpoint"]["id"].as_str().unwrap().to_owned()
    };
    snapshot();
    let changed = good_answers(
        &other,
        &["STORE=object"],
        &json!([{"ask": "/one/run", "with": {"statement": "UPDATE plain SET name = 'x' WHERE id = 7"}}, {"ask": "/one/digest"}]),
    );
    let chained = snapshot();
    good_answers(&state, &["STORE=object"], &json!([{"ask": "/one/fill", "with": {"rows": 3}}]));
    let mut copy = dotctl();
    copy.args(["copy", &chained, "--store"]).arg(&store).arg("--to-store").arg(room_database(&state));
    finish(&mut copy).expect(0);
    let said = good_answers(
        &state,
        &["STORE=object"],
        &json!([{"ask": "/one/verify"}, {"ask": "/one/restore"}, {"ask": "/one/digest"}]),
    );
    assert_eq!((&said[0]["ok"], &said[0]["checkpoints"]), (&json!(true), &json!(1)));
    assert_eq!(said[2], changed[1]);
    assert_ne!(said[2], filled[1]);
}

#[test]
fn a_checkpoint_shows_one_moment_while_others_write() {
    let scratch = Scratch::new();
    for (name, bindings) in [
        ("object", vec!["STORE=object"]),
        ("small", vec!["STORE=object", "CHUNK_BYTES=65536"]),
        ("bucket", vec!["STORE=bucket"]),
    ] {
        let state = scratch.path(name);
        let rows = if name == "object" { 200_000 } else { 60_000 };
        let steps = json!([
            {"ask": "/one/fill", "with": {"rows": rows}},
            {"ask": "/one/checkpointUnderLoad", "with": {"writesPerSecond": 1000, "seed": 7}},
            {"ask": "/one/digest"},
            {"ask": "/one/run", "with": {"statement": "SELECT name FROM sqlite_schema WHERE name GLOB '_dotctl_before*'"}},
            {"ask": "/one/restore"},
            {"ask": "/one/digest"},
            {"ask": "/one/verify"},
        ]);
        let said = good_answers(&state, &bindings, &steps);
        let writes = said[1]["writes"].as_u64().unwrap();
        assert!(writes > 50, "{writes} writes are no load");
        assert_ne!(said[2], said[1]["before"], "{name}: the writes have changed nothing");
        assert_eq!(said[3], json!([]), "{name}: something is left of the watch");
        assert_eq!(said[5], said[1]["before"], "{name}");
        assert_eq!(said[6]["ok"], true);
    }
}

#[test]
fn a_bucket_that_fails_costs_time_and_nothing_else() {
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let mut steps =
        vec![json!({"ask": "/one/fill", "with": {"rows": 20_000}}), json!({"ask": "/one/digest"})];
    for _ in 0..4 {
        steps.push(json!({"ask": "/one/checkpoint"}));
        steps.push(json!({"ask": "/one/ruin"}));
        steps.push(json!({"ask": "/one/restore"}));
        steps.push(json!({"ask": "/one/digest"}));
        steps.push(json!({"ask": "/one/verify"}));
    }
    let bindings = ["STORE=bucket", "FAULTS=0.2", "CHUNK_BYTES=65536", "SEED=11"];
    let said = good_answers(&state, &bindings, &json!(steps));
    for round in said[2..].chunks(5) {
        assert_eq!(round[3], said[1]);
        assert_eq!(round[4]["ok"], true);
    }
    // Looked at without faults, each is there once and whole.
    let said =
        good_answers(&state, &["STORE=bucket"], &json!([{"ask": "/one/list"}, {"ask": "/one/verify"}]));
    assert_eq!(said[0].as_array().unwrap().len(), 4);
    assert_eq!((&said[1]["ok"], &said[1]["checkpoints"]), (&json!(true), &json!(4)));
}

#[test]
fn killed_at_any_moment_there_is_a_checkpoint_or_none() {
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let mut steps =
        vec![json!({"ask": "/one/fill", "with": {"rows": 20_000}}), json!({"ask": "/one/digest"})];
    let mut moment = 12345_u64;
    for round in 0..50 {
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let ask = if round % 4 == 3 { "/one/restore" } else { "/one/checkpoint" };
        steps.push(json!({"ask": ask, "kill_after_ms": moment >> 33 & 0xff}));
        steps.push(json!({"ask": "/one/verify"}));
        steps.push(json!({"ask": "/one/digest"}));
    }
    steps.push(json!({"ask": "/one/checkpoint"}));
    steps.push(json!({"ask": "/one/list"}));
    let said = answers(&state, &["STORE=object"], &json!(steps));
    let (mut made, mut killed) = (0, 0);
    for round in said[2..said.len() - 2].chunks(3) {
        match &round[0] {
            Value::String(_) => killed += 1,
            answer if answer["id"].is_string() => made += 1,
            _ => {}
        }
        assert_eq!(round[1]["ok"], true, "{}", round[1]);
        assert_eq!(round[2], said[1]);
    }
    assert!(killed > 10, "{killed} of 50 were killed");
    let listed = said[said.len() - 1].as_array().unwrap();
    assert!(listed.len() > made, "{} are there, {made} were made", listed.len());
    let content = &said[said.len() - 2]["content_sha256"];
    assert!(listed.iter().all(|checkpoint| checkpoint["content_sha256"] == *content));
    let verified = dotctl_json(&["verify"], &room_database(&state));
    assert_eq!(verified["ok"], true);
}

#[test]
fn the_objects_alarm_is_its_own() {
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let steps = json!([
        {"ask": "/one/fill", "with": {"rows": 300}},
        {"ask": "/one/setAlarm", "with": {"inMs": 3_600_000}},
        {"ask": "/one/checkpoint"},
        {"ask": "/one/alarmState"},
        {"ask": "/one/setAlarm", "with": {"inMs": 7_200_000}},
        {"ask": "/one/restore"},
        {"ask": "/one/alarmState"},
        {"ask": "/two/fill", "with": {"rows": 60_000}},
        {"ask": "/two/failingAlarm"},
    ]);
    let said = good_answers(&state, &["STORE=object"], &steps);
    assert_eq!(said[8], json!({"alarms": 1, "failures": 0}), "an alarm that failed comes again");
    assert!(said[1].is_number());
    assert_eq!(said[3], json!({"at": said[1], "alarms": 0}));
    assert_eq!(said[6], said[3], "the alarm comes back with the rest");
}

#[test]
fn no_table_is_missed_whatever_is_done_to_it() {
    let scratch = Scratch::new();
    let names =
        good_answers(&scratch.path("names"), &["STORE=object"], &json!([{"ask": "/one/hostileNames"}]));
    let names = names[0].as_array().unwrap().clone();
    assert!(names.len() > 10);
    // Each in an object of its own.
    let steps: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(number, name)| json!({"ask": format!("/object{number}/hostile"), "with": {"name": name}}))
        .collect();
    let said = good_answers(&scratch.path("state"), &["STORE=object", "CHUNK_BYTES=65536"], &json!(steps));
    for (name, said) in names.iter().zip(said) {
        assert_eq!(said["came"], said["expected"], "{name}: {said}");
        assert_eq!(said["same"], true, "{name}: {said}");
        assert_eq!(said["listed"], u64::from(said["came"] == "made"), "{name}: {said}");
    }
}

#[test]
fn no_change_between_checkpoints_is_missed() {
    let scratch = Scratch::new();
    let bindings = ["STORE=bucket", "TRACK=true"];
    let names = good_answers(&scratch.path("names"), &bindings, &json!([{"ask": "/one/hostileNames"}]));
    let names = names[0].as_array().unwrap().clone();
    let ask = |(number, name): (usize, &Value)| json!({"ask": format!("/object{number}/hostileBetween"), "with": {"name": name}});
    let steps: Vec<Value> = names.iter().enumerate().map(ask).collect();
    let said = good_answers(&scratch.path("state"), &bindings, &json!(steps));
    for (name, said) in names.iter().zip(&said) {
        assert_eq!(said["same"], true, "{name}: {said}");
    }
    // The second is a full one where nothing has changed, tables were made anew or emptied, or there was no first.
    let full: Vec<&Value> =
        names.iter().zip(&said).filter(|(_, said)| said["base"].is_null()).map(|(name, _)| name).collect();
    let expected = [
        "textsBehindIntegers",
        "analyzed",
        "madeAgain",
        "columnMadeAgain",
        "uniqueColumnDropped",
        "emptied",
        "blobOverwritten",
    ];
    assert_eq!(full, expected);
}

#[test]
fn killed_while_changes_are_tracked_none_is_missed() {
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let mut steps = vec![
        json!({"ask": "/one/fill", "with": {"rows": 20_000}}),
        json!({"ask": "/one/churn", "with": {"rounds": 1}}),
    ];
    let mut moment = 4321_u64;
    for round in 0..25 {
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The third round writes while a checkpoint is made.
        let churn = json!({"rounds": 3, "seed": round, "writes": 10});
        steps.push(json!({"ask": "/one/churn", "with": churn, "kill_after_ms": moment >> 33 & 0x1ff}));
        steps.push(json!({"ask": "/one/churn", "with": {"rounds": 1, "seed": 100 + round, "writes": 3}}));
    }
    let bindings = ["STORE=object", "TRACK=true"];
    let said = answers(&state, &bindings, &json!(steps));
    let mut made = said[1].as_array().unwrap().clone();
    let mut killed = 0;
    for round in said[2..].chunks(2) {
        killed += usize::from(round[0].is_string());
        made.extend(round[1].as_array().unwrap_or_else(|| panic!("{}", round[1])).clone());
    }
    assert!(killed > 5, "{killed} of 25 were killed");
    let increments = increments(&json!(made));
    assert!(increments > 10, "{increments} of {} are increments", made.len());
    let steps = json!([{"ask": "/one/verify"}, {"ask": "/one/wrong", "with": {"made": made}}]);
    let said = good_answers(&state, &bindings, &steps);
    assert_eq!((&said[0]["ok"], &said[1]), (&json!(true), &json!([])));
}

#[test]
fn an_object_makes_one_checkpoint_at_a_time() {
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let steps = json!([
        {"ask": "/one/fill", "with": {"rows": 50_000}},
        {"ask": "/one/digest"},
        {"ask": "/one/checkpoint"},
        {"ask": "/one/twoAtOnce"},
        {"ask": "/one/restore"},
        {"ask": "/one/digest"},
    ]);
    let said = good_answers(&state, &["STORE=object"], &steps);
    assert_eq!(said[3]["refused"], json!(["busy", "busy"]));
    assert_eq!(said[3]["made"]["content_sha256"], said[2]["content_sha256"]);
    assert_eq!(said[5], said[1]);
}

#[test]
fn a_cursor_left_in_the_middle_is_no_obstacle() {
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let steps = json!([
        {"ask": "/one/fill", "with": {"rows": 300}},
        {"ask": "/one/digest"},
        {"ask": "/one/leaveCursor"},
        {"ask": "/one/checkpoint"},
        {"ask": "/one/checkpoint"},
        {"ask": "/one/verify"},
        {"ask": "/one/restore"},
        {"ask": "/one/digest"},
    ]);
    let said = answers(&state, &["STORE=object"], &steps);
    assert_eq!(said[3]["content_sha256"], said[4]["content_sha256"], "{} {}", said[3], said[4]);
    assert!(said[3]["id"].is_string());
    assert_eq!(said[5]["ok"], true);
    // What it does stand in the way of is said.
    assert!(said[6]["error"]["hint"].as_str().unwrap().contains("cursor"), "{}", said[6]);
    assert_eq!(said[7], said[1]);
}

#[test]
fn what_cannot_be_carried_is_refused_by_name() {
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let refused =
        good_answers(&scratch.path("names"), &["STORE=object"], &json!([{"ask": "/one/refusedFullText"}]));
    let refused = refused[0].as_object().unwrap();
    assert!(refused.len() > 4);
    let mut steps = Vec::new();
    for (name, statement) in refused {
        let step = |step: &str, with: Value| json!({"ask": format!("/{name}/{step}"), "with": with});
        steps.extend([
            step("fill", json!({"rows": 50, "virtual": true})),
            step("run", json!({"statement": statement})),
            step("checkpoint", json!({})),
            step("ruin", json!({})),
            step("digest", json!({})),
            step("restore", json!({})),
            step("digest", json!({})),
        ]);
    }
    steps.push(json!({"ask": "/one/restore", "with": {"reference": "0000"}}));
    steps.push(json!({"ask": "/one/putBlob"}));
    steps.push(json!({"ask": "/one/checkpoint"}));
    steps.push(json!({"ask": "/one/list"}));
    let said = answers(&state, &["STORE=object"], &json!(steps));
    for ((name, _), said) in refused.iter().zip(said.chunks(7)) {
        assert!(said[2]["id"].is_string(), "{name}: {}", said[2]);
        let error = &said[5]["error"];
        assert_eq!(error["kind"], "unsupported", "{name}: {error}");
        assert!(error["message"].as_str().unwrap().contains("\"found_too\""), "{name}: {error}");
        assert!(error["hint"].as_str().unwrap().contains("nothing was changed"), "{name}: {error}");
        assert_eq!(said[6], said[4], "{name}: nothing has changed");
    }
    let last = &said[7 * refused.len()..];
    assert_eq!(last[0]["error"]["kind"], "missing");
    assert!(last[2]["error"]["message"].as_str().unwrap().contains("\"a blob\""), "{}", last[2]);
    assert_eq!(last[3], json!([]));
}

/// A restore into another object of what `dotctl snapshot --kind rows` finds in the database of `state`, and what that
/// object answers to `steps` then.
fn restored_from_outside(scratch: &Scratch, state: &Path, steps: &[Value]) -> Vec<Value> {
    let (file, store, other) = (room_database(state), scratch.path("outside"), scratch.path("other"));
    good_answers(&other, &["STORE=object"], &json!([{"ask": "/one/fill", "with": {"rows": 3}}]));
    let namespace = format!("Room/{}", file.file_stem().unwrap().to_str().unwrap());
    let words = ["snapshot", file.to_str().unwrap(), "--kind", "rows", "--namespace", &namespace];
    dotctl_json(&words, &store);
    let mut copy = dotctl();
    copy.args(["copy", "latest", "--store"]).arg(&store).arg("--to-store").arg(room_database(&other));
    finish(&mut copy).expect(0);
    let mut all = vec![json!({"ask": "/one/restore"})];
    all.extend_from_slice(steps);
    good_answers(&other, &["STORE=object"], &json!(all)).split_off(1)
}

#[test]
fn full_text_tables_come_back() {
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let bindings = ["STORE=object", "TRACK=true"];
    let step = |step: &str| json!({"ask": "/one/fullText", "with": {"step": step}});
    let (checkpoint, shown, check) = (
        json!({"ask": "/one/checkpoint"}),
        json!({"ask": "/one/fullText"}),
        json!({"ask": "/one/checkFullText"}),
    );
    let made = good_answers(
        &state,
        &bindings,
        &json!([step("setup"), check, checkpoint, step("change"), checkpoint, step("ruin"), check]),
    );
    let (first, changed) = (&made[0], &made[3]);
    assert_ne!(changed["sha256"], first["sha256"]);
    assert_eq!(made[1], json!([]));
    assert!(!made[6].as_array().unwrap().is_empty(), "they are ruined");
    assert_eq!(made[4]["base"], made[2]["id"]);
    assert_eq!(&restored_from_ruin(&state, &made[4]["id"]), changed);

    // And go on: what is written to them is found, and checkpoints of it are right.
    let more = json!({"ask": "/one/fullText", "with": {"step": "change", "from": 40}});
    let restore = |id: &Value| json!({"ask": "/one/restore", "with": {"reference": id}});
    let steps =
        json!([restore(&made[2]["id"]), shown, check, step("change"), check, checkpoint, more, checkpoint]);
    let said = good_answers(&state, &bindings, &steps);
    assert_eq!(&said[1], first);
    assert_eq!((&said[2], &said[4]), (&json!([]), &json!([])));
    assert_eq!(&said[3], changed, "as if it had never been restored");
    assert!(said[5]["base"].is_null());
    assert_eq!(said[7]["base"], said[5]["id"], "tracked anew");
    let (again, more) = (&said[5]["id"], &said[6]);

    // The command line finds the same, and what it captures is restored inside, too.
    let file = room_database(&state);
    assert_eq!(dotctl_json(&["verify"], &file)["ok"], true);
    let outside = restored_from_outside(&scratch, &state, &[shown.clone(), check.clone()]);
    assert_eq!((&outside[0], &outside[1]), (more, &json!([])));
    let captured = dotctl_json(&["list"], &scratch.path("outside"));
    assert_eq!(captured["checkpoints"][0]["content_sha256"], said[7]["content_sha256"]);

    let steps = json!([step("ruin"), restore(&said[7]["id"]), shown, check, restore(again), shown, check]);
    let said = good_answers(&state, &bindings, &steps);
    assert_eq!((&said[2], &said[5]), (more, changed));
    assert_eq!((&said[3], &said[6]), (&json!([]), &json!([])));
}

#[test]
fn an_index_out_of_step_is_made_of_what_is_there() {
    let scratch = Scratch::new();
    let run = |statement: &str| json!({"ask": "/one/run", "with": {"statement": statement}});
    let found = |words: &str| run(&format!("SELECT rowid FROM found('{words}')"));
    let steps = json!([
        run("CREATE TABLE texts (id INTEGER PRIMARY KEY, x)"),
        run("CREATE VIRTUAL TABLE found USING fts5 (x, content=texts, content_rowid=id)"),
        run("INSERT INTO texts VALUES (1, 'same'), (2, 'new'), (3, 'outside')"),
        run("INSERT INTO found (rowid, x) VALUES (1, 'same'), (2, 'stale'), (9, 'gone')"),
        found("same OR stale OR gone"),
        {"ask": "/one/checkpoint"},
        run("DROP TABLE found"),
        {"ask": "/one/restore"},
        found("same OR new"),
        found("stale OR gone OR outside"),
        run("INSERT INTO found (found) VALUES ('integrity-check')"),
    ]);
    let said = good_answers(&scratch.path("state"), &["STORE=object"], &steps);
    assert_eq!(said[4], json!([[1], [2], [9]]));
    assert_eq!((&said[8], &said[9]), (&json!([[1], [2]]), &json!([])));
}

#[test]
fn an_index_of_other_texts_than_the_table_has_is_refused() {
    let scratch = Scratch::new();
    let run = |statement: &str| json!({"ask": "/one/run", "with": {"statement": statement}});
    let parts = "json_extract(NEW.body, '$.t')";
    let steps = json!([
        run("CREATE TABLE texts (id INTEGER PRIMARY KEY, body)"),
        run("CREATE VIRTUAL TABLE found USING fts5 (body, content=texts, content_rowid=id)"),
        run(&format!(
            "CREATE TRIGGER kept AFTER INSERT ON texts BEGIN INSERT INTO found (rowid, body) VALUES (NEW.id, {parts}); END"
        )),
        run(r#"INSERT INTO texts VALUES (1, '{"t":"quick","u":"brown fox"}')"#),
        {"ask": "/one/checkpoint"},
        run("UPDATE texts SET body = 'later'"),
        {"ask": "/one/restore"},
        run("SELECT body FROM texts"),
        run("SELECT rowid FROM found('quick')"),
    ]);
    let said = answers(&scratch.path("state"), &["STORE=object"], &steps);
    let error = &said[6]["error"];
    assert_eq!(error["kind"], "unsupported", "{error}");
    assert!(error["message"].as_str().unwrap().contains("\"found\""), "{error}");
    assert_eq!((&said[7], &said[8]), (&json!([["later"]]), &json!([[1]])), "nothing has changed");
}

#[test]
fn a_wide_table_with_every_pattern_of_nothing_comes_back() {
    let scratch = Scratch::new();
    let columns: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
    let values: Vec<String> = (0..12).map(|number| format!("iif(x >> {number} & 1, x, NULL)")).collect();
    let create = format!("CREATE TABLE wide ({})", columns.join(", "));
    let fill = format!(
        "INSERT INTO wide WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 4096) SELECT {} FROM c",
        values.join(", ")
    );
    let run = |statement: &str| json!({"ask": "/one/run", "with": {"statement": statement}});
    let sum = run("SELECT count(*), sum(c0), sum(c5), total(c11), count(c3), min(typeof(c0)) FROM wide");
    let steps = json!([run(&create), run(&fill), sum, {"ask": "/one/checkpoint"}, run("DELETE FROM wide"), {"ask": "/one/restore"}, sum]);
    let said = good_answers(&scratch.path("state"), &["STORE=object"], &steps);
    assert_eq!(said[6], said[2]);
}

/// What is in full-text tables once checkpoint `id` is restored.
fn restored_from_ruin(state: &Path, id: &Value) -> Value {
    let steps = json!([{"ask": "/one/restore", "with": {"reference": id}}, {"ask": "/one/fullText"}]);
    good_answers(state, &["STORE=object", "TRACK=true"], &steps).remove(1)
}

/// The checkpoints among `made` that store changes alone.
fn increments(made: &Value) -> usize {
    made.as_array().unwrap().iter().filter(|checkpoint| checkpoint["base"].is_string()).count()
}

#[test]
fn what_has_changed_is_all_that_a_tracked_checkpoint_stores() {
    let scratch = Scratch::new();
    for (name, bindings) in [
        ("object", vec!["STORE=object", "TRACK=true"]),
        ("small", vec!["STORE=object", "TRACK=true", "CHUNK_BYTES=65536"]),
        ("bucket", vec!["STORE=bucket", "TRACK=true", "FAULTS=0.1", "SEED=5"]),
    ] {
        let state = scratch.path(name);
        let steps = json!([
            {"ask": "/one/fill", "with": {"rows": 8_000}},
            {"ask": "/one/churn", "with": {"rounds": 15, "seed": 3}},
            {"ask": "/one/verify"},
        ]);
        let said = good_answers(&state, &bindings, &steps);
        let made = &said[1];
        assert!(increments(made) > 10, "{name}: {} increments", increments(made));
        let (full, next) = (&made[0], &made[1]);
        assert_eq!(next["base"], full["id"], "{name}");
        let stored = |checkpoint: &Value| checkpoint["stored_bytes"].as_u64().unwrap();
        assert!(stored(next) - stored(full) < 20_000, "{name}: {next}");
        assert_eq!(said[2]["ok"], true, "{name}: {}", said[2]);

        // The command line reads the chains, and makes the same content of the file.
        if name != "bucket" {
            let file = room_database(&state);
            assert_eq!(dotctl_json(&["verify"], &file)["ok"], true);
            let store = scratch.path(&format!("{name}-store"));
            let words = ["snapshot", file.to_str().unwrap(), "--kind", "rows", "--namespace", "x"];
            let captured = dotctl_json(&words, &store);
            let asked = good_answers(&state, &bindings, &json!([{"ask": "/one/checkpoint"}]));
            assert!(asked[0]["base"].is_string());
            assert_eq!(captured["checkpoint"]["content_sha256"], asked[0]["content_sha256"], "{name}");
        }
        let wrong = good_answers(&state, &bindings, &json!([{"ask": "/one/wrong", "with": {"made": made}}]));
        assert_eq!(wrong[0], json!([]), "{name}");
        // What was restored is tracked anew.
        let steps = json!([{"ask": "/one/churn", "with": {"rounds": 3, "seed": 9}}]);
        let after = good_answers(&state, &bindings, &steps);
        assert_eq!(increments(&after[0]), 2);
    }
}

#[test]
fn what_is_too_large_for_the_objects_tables_goes_into_the_bucket() {
    let scratch = Scratch::new();
    for track in ["TRACK=true", "TRACK=false"] {
        let state = scratch.path(track);
        let more = "INSERT INTO plain (name, bytes) WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c \
                    WHERE x < 4000) SELECT 'more ' || x, randomblob(200) FROM c";
        let steps = json!([
            {"ask": "/one/fill", "with": {"rows": 100}},
            {"ask": "/one/digest"},
            {"ask": "/one/checkpoint"},
            {"ask": "/one/run", "with": {"statement": more}},
            {"ask": "/one/digest"},
            {"ask": "/one/checkpoint"},
            {"ask": "/one/churn", "with": {"rounds": 2}},
            {"ask": "/one/verify"},
            {"ask": "/one/run", "with": {"statement": "SELECT sum(stored_bytes) < 150000 FROM _dotctl_items"}},
        ]);
        let bindings = ["STORE=overflow", track];
        let before = good_answers(&state, &bindings, &steps);
        let said = &before;
        let (small, large, churned) = (&said[2], &said[5], &said[6]);
        assert!(large["base"].is_null(), "a checkpoint lies in one place");
        assert_eq!(churned[0]["base"].is_string(), track == "TRACK=true");
        assert_eq!((&said[7]["ok"], &said[7]["checkpoints"]), (&json!(true), &json!(4)));
        assert_eq!(said[8], json!([[1]]), "what overflows is not in the object");

        // The command line finds both halves.
        let file = room_database(&state);
        let bucket = state.join("r2/BUCKET/room");
        let words = ["verify", "--overflow", bucket.to_str().unwrap()];
        let verified = dotctl_json(&words, &file);
        assert_eq!((&verified["ok"], &verified["checked"]["checkpoints"]), (&json!(true), &json!(4)));
        let mut alone = dotctl();
        finish(alone.args(["verify", "--store"]).arg(&file)).expect(1);
        assert_eq!(dotctl_json(&["verify"], &bucket)["checked"]["checkpoints"], 3);

        let huge = "INSERT INTO plain (bytes) WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 40) \
                    SELECT zeroblob(1000000) FROM c";
        let steps = json!([
            {"ask": "/one/restore", "with": {"reference": small["id"]}},
            {"ask": "/one/digest"},
            {"ask": "/one/restore", "with": {"reference": large["id"]}},
            {"ask": "/one/digest"},
            {"ask": "/one/wrong", "with": {"made": churned}},
            {"ask": "/one/prune", "with": {"keepLast": 1}},
            {"ask": "/one/verify"},
            {"ask": "/one/run", "with": {"statement": huge}},
            {"ask": "/one/checkpoint"},
            {"ask": "/one/list"},
        ]);
        let said = answers(&state, &bindings, &steps);
        assert_eq!((&said[1], &said[3]), (&before[1], &before[4]));
        assert_eq!(said[4], json!([]));
        assert_eq!(said[6], json!({"ok": true, "checkpoints": 1, "findings": []}));
        assert_eq!(said[8]["error"]["kind"], "unsupported", "{}", said[8]);
        assert_eq!(said[9].as_array().unwrap().len(), 1);
        assert_eq!(dotctl_json(&["verify"], &bucket)["checked"]["checkpoints"], 1);
    }
}

#[test]
fn the_engine_takes_as_much_memory_whatever_the_size() {
    let scratch = Scratch::new();
    let many = |count: u32, bytes: u32| {
        let value = match bytes {
            // A text of which each tenth character is spelled with two.
            0 => "replace(hex(randomblob(900000)), 'A', '\"\n')".to_owned(),
            _ => format!("randomblob({bytes})"),
        };
        format!(
            "INSERT INTO plain (bytes) WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {count}) \
             SELECT {value} FROM c"
        )
    };
    for (name, count, bytes, values, increments_bar) in [
        ("rows", 60_000, 500, false, 16 << 20),
        ("entries", 1, 1, true, 16 << 20),
        // docs/WORKER.md says how much increments of those take.
        ("wide", 12, 1_900_000, false, 30 << 20),
        ("text", 12, 0, false, 30 << 20),
    ] {
        for bindings in [["STORE=object", "TRACK=true"], ["STORE=bucket", "TRACK=true"]] {
            let change = "UPDATE plain SET bytes = randomblob(length(bytes)) WHERE id % 7 = ";
            let mut steps = vec![
                json!({"ask": "/one/fill", "with": {"rows": 100, "values": values}}),
                json!({"ask": "/one/run", "with": {"statement": many(count, bytes)}}),
                json!({"ask": "/one/checkpoint"}),
                json!({"ask": "/one/engineBytes"}),
            ];
            for remainder in 1..4 {
                steps.push(json!({"ask": "/one/run", "with": {"statement": format!("{change}{remainder}")}}));
                steps.push(json!({"ask": "/one/checkpoint"}));
            }
            for ask in ["verify", "restore", "engineBytes"] {
                steps.push(json!({"ask": format!("/one/{ask}")}));
            }
            let path = scratch.path(&format!("{name}-{}", bindings[0]));
            let said = good_answers(&path, &bindings, &json!(steps));
            for (answer, bar) in [(&said[3], 16 << 20), (said.last().unwrap(), increments_bar)] {
                let taken = answer.as_u64().unwrap();
                assert!(taken <= bar, "{name}, {bindings:?}: {taken} bytes, {bar} at most");
            }
        }
    }
}

#[test]
fn what_a_prune_is_about_to_remove_is_kept() {
    let scratch = Scratch::new();
    let steps = json!([{"ask": "/one/fill", "with": {"rows": 3000}}, {"ask": "/one/checkpointBesidePrune"}, {"ask": "/one/verify"}]);
    let said = good_answers(&scratch.path("state"), &["STORE=bucket"], &steps);
    let beside = &said[1];
    assert_eq!((&beside["marked"], &beside["left"]), (&json!(1), &json!(0)), "the mark is taken away");
    assert_eq!(beside["ended"], false, "a sweep that may have seen the mark is waited for");
    assert_eq!(said[2]["ok"], true);
}

#[test]
fn a_table_that_can_no_longer_be_watched_is_no_obstacle() {
    let scratch = Scratch::new();
    let columns: Vec<String> = (0..97).map(|number| format!("c{number}")).collect();
    let table = format!("CREATE TABLE wide ({})", columns.join(", "));
    let steps = json!([
        {"ask": "/one/fill", "with": {"rows": 60_000}},
        {"ask": "/one/run", "with": {"statement": table}},
        {"ask": "/one/checkpoint"},
        {"ask": "/one/checkpoint", "kill_after_ms": 30},
        {"ask": "/one/run", "with": {"statement": "ALTER TABLE wide ADD COLUMN more"}},
        {"ask": "/one/checkpoint", "kill_after_ms": 500},
        {"ask": "/one/list"},
        {"ask": "/one/run", "with": {"statement": "DROP TABLE wide"}},
        {"ask": "/one/checkpoint"},
    ]);
    let said = answers(&scratch.path("state"), &["STORE=object", "TRACK=true"], &json!(steps));
    assert!(said[4]["error"].is_null(), "{}", said[4]);
    assert_eq!(said[5]["error"]["kind"], "unsupported", "{}", said[5]);
    assert!(!said[6].as_array().unwrap().is_empty());
    assert!(said[8]["base"].is_null(), "{}", said[8]);
}

#[test]
fn sequences_go_on_where_the_object_has_lost_its_own() {
    let scratch = Scratch::new();
    let fill = json!({"ask": "/one/fill", "with": {"rows": 4000}});
    let steps =
        json!([fill, {"ask": "/one/checkpoint"}, {"ask": "/one/empty"}, fill, {"ask": "/one/checkpoint"}]);
    let said = good_answers(&scratch.path("state"), &["STORE=overflow"], &steps);
    assert_eq!((&said[1]["sequence"], &said[4]["sequence"]), (&json!(1), &json!(2)));
}
