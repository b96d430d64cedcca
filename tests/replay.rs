//! `dotctl replay` through the built binary: inputs of every form, bad input, exit codes, kills, and
//! what a later run does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::{Value, json};
use support::replayed::{entities, replay_json};
use support::{Ran, copy_tree, dotctl, folder, in_parallel, kill_points, killed_at, names_in, run_in, words};
use wait4::Wait4;

fn event(verb: &str, id: &str, sequence: u64, more: &str) -> String {
    format!(
        r#"{{"verb":"thing.{verb}","store":"things","payload":{{"$id":"{id}","$type":"Customer"{more}}},"timestamp":"2026-01-13T12:00:{:02}.000Z","idempotencyKey":"{id}:{verb}:{sequence}","_meta":{{"namespace":"tenant-1"}},"_seq":{sequence}}}"#,
        sequence % 60
    )
}

/// Three entities created, one updated, one deleted.
fn events() -> Vec<String> {
    vec![
        event("created", "a", 1, r#","n":1"#),
        event("created", "b", 2, ""),
        event("created", "c", 3, ""),
        event("updated", "a", 4, r#","n":2"#),
        event("deleted", "b", 5, ""),
    ]
}

fn replay(world: &Path, line: &str) -> Ran {
    run_in(world, &words(&format!("replay {line}")))
}

fn expected() -> Vec<Value> {
    vec![
        json!({"$id": "a", "$type": "Customer", "$version": 2, "$createdAt": "2026-01-13T12:00:01.000Z",
               "$updatedAt": "2026-01-13T12:00:04.000Z", "n": 2}),
        json!({"$id": "c", "$type": "Customer", "$version": 1, "$createdAt": "2026-01-13T12:00:03.000Z",
               "$updatedAt": "2026-01-13T12:00:03.000Z"}),
    ]
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_form_of_input_gives_the_same() {
    let world = folder();
    let path = |name: &str| world.path().join(name);
    let lines = events().join("\n");
    let array = format!("[{}]", events().join(",\n "));
    let pretty = events()
        .iter()
        .map(|event| serde_json::to_string_pretty(&serde_json::from_str::<Value>(event).unwrap()).unwrap())
        .collect::<Vec<_>>();
    fs::write(path("lines"), &lines).unwrap();
    fs::write(path("crlf"), format!("\u{feff}{}\r\n\r\n", events().join("\r\n"))).unwrap();
    fs::write(path("array"), &array).unwrap();
    fs::write(path("pretty"), pretty.join("\n")).unwrap();
    fs::write(path("pretty-array"), format!("[\n{}\n]\n", pretty.join(",\n"))).unwrap();
    fs::write(path("lines.gz"), gzip(lines.as_bytes())).unwrap();
    fs::write(path("array.zst"), zstd::encode_all(array.as_bytes(), 1).unwrap()).unwrap();
    for (number, event) in events().iter().enumerate() {
        let hour = path(&format!("hive/event_date=2026-01-13/hr={number:02}"));
        fs::create_dir_all(&hour).unwrap();
        fs::write(hour.join("part-0.json.gz"), gzip(event.as_bytes())).unwrap();
        fs::write(hour.join("_SUCCESS"), "").unwrap();
    }
    for (number, log) in [
        "lines",
        "crlf",
        "array",
        "pretty",
        "pretty-array",
        "lines.gz",
        "array.zst",
        "hive",
        "hive/**/*.gz",
        "hive/event_date=2026-01-[01]?",
        "lines array",
    ]
    .into_iter()
    .enumerate()
    {
        let image = format!("image-{number}");
        let report = replay_json(world.path(), &format!("{log} --into {image}"));
        assert_eq!(report["malformed"], 0, "{log}: {report}");
        assert_eq!(report["events_applied"], 5, "{log}: {report}");
        assert_eq!(entities(&path(&image)), expected(), "{log}");
    }
    let mut child = dotctl()
        .current_dir(world.path())
        .args(words("replay - --into piped"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(entities(&path("piped")), expected());
    assert!(names_in(world.path()).iter().all(|name| !name.contains("partial")));
}

/// A segment whose changes have a line each is one value; a torn line before others is a torn line.
#[test]
fn a_value_over_lines_is_told_from_a_torn_line() {
    let world = folder();
    let change = |lsn: u64, operation: &str, row: &str| {
        format!(
            r#"{{"lsn":{lsn},"timestamp":{lsn},"txnId":"t","op":"{operation}","table":"users","key":"1","after":{row}}}"#
        )
    };
    let changes = [
        change(1, "BEGIN", "null"),
        change(2, "INSERT", r#"{"id":1,"name":"a"}"#),
        change(3, "COMMIT", "null"),
    ];
    for (name, text) in [
        ("open", format!("{{\"id\":\"s\",\"entries\":[\n{}\n]}}\n", changes.join(",\n"))),
        ("leading", format!("{{\"entries\":\n[{}\n]}}", changes.join("\n,"))),
        (
            "two",
            format!(
                "{{\"entries\":[\n{},\n{}]}}\n{{\"entries\":[\n{}]}}\n",
                changes[0], changes[1], changes[2]
            ),
        ),
    ] {
        fs::write(world.path().join(name), text).unwrap();
        let report = replay_json(world.path(), &format!("{name} --into {name}.sqlite"));
        assert_eq!(
            (&report["malformed"], &report["events_applied"]),
            (&json!(0), &json!(1)),
            "{name}: {report}"
        );
    }
    let whole = events();
    for cut in 1..whole[0].len() {
        fs::write(world.path().join("torn"), format!("{}\n{}\n", &whole[0][..cut], whole[1..].join("\n")))
            .unwrap();
        let report = replay_json(world.path(), &format!("torn --into torn-{cut}.sqlite"));
        assert_eq!((&report["malformed"], &report["events_read"]), (&json!(1), &json!(4)), "{cut}: {report}");
        // A line alone after it is an event too.
        fs::write(world.path().join("torn"), format!("{}\n{}\n", &whole[0][..cut], whole[1])).unwrap();
        let report = replay_json(world.path(), &format!("torn --dry-run --into torn-two-{cut}.sqlite"));
        assert_eq!((&report["malformed"], &report["events_read"]), (&json!(1), &json!(1)), "{cut}: {report}");
    }
}

/// What a sink leaves after some weeks: a file every few minutes. Neither handles nor memory grow with
/// their number.
#[test]
fn thousands_of_files_take_few_handles_and_little_memory() {
    let world = folder();
    for number in 1..=4_000_u64 {
        let hour = format!("logs/event_date=2026-01-{:02}/hr={:02}", number % 28 + 1, number % 24);
        let hour = world.path().join(hour);
        fs::create_dir_all(&hour).unwrap();
        let text = event("created", &format!("e{number}"), number, "");
        match number % 2 {
            0 => fs::write(hour.join(format!("{number}.json")), text).unwrap(),
            _ => fs::write(hour.join(format!("{number}.json.gz")), gzip(text.as_bytes())).unwrap(),
        }
    }
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 48; exec \"$0\" replay logs --into image --format json"])
        .arg(dotctl().get_program())
        .current_dir(world.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    let used = child.wait4().unwrap();
    assert!(used.status.success());
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&report["events_applied"], &report["malformed"]), (&json!(4_000), &json!(0)));
    assert_eq!(report["namespaces"][0]["missing_sequence_count"], 0);
    assert!(used.rusage.maxrss < 96 << 20, "{} bytes", used.rusage.maxrss);
}

#[test]
fn a_named_pipe_is_a_log_too() {
    let world = folder();
    let pipe = world.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn(move || fs::write(pipe, events().join("\n")).unwrap());
    let report = replay_json(world.path(), "pipe --into image");
    writer.join().unwrap();
    assert_eq!((&report["events_applied"], &report["malformed"]), (&json!(5), &json!(0)));
    assert_eq!(entities(&world.path().join("image")), expected());
}

#[test]
fn the_report_has_what_scripts_read() {
    let world = folder();
    let mut lines = events();
    lines.push(lines[0].clone());
    lines.push(event("created", "d", 9, ""));
    lines.push(event("signed.up", "d", 10, ""));
    lines.push("{\"verb\":".to_owned());
    fs::write(world.path().join("log"), lines.join("\n")).unwrap();
    let report = replay_json(world.path(), "log --into image");
    for (field, value) in [
        ("events_read", json!(8)),
        ("events_applied", json!(6)),
        ("duplicates", json!(1)),
        ("malformed", json!(1)),
        ("skipped", json!(1)),
        ("things", json!(3)),
        ("deleted", json!(1)),
        ("image", json!("image")),
        ("conflicts", json!(0)),
        ("unknown_verbs", json!({"thing.signed.up": 1})),
        ("position", json!({"time": "2026-01-13T12:00:10.000Z", "sequence": 10})),
    ] {
        assert_eq!(report[field], value, "{field}");
    }
    let namespace = &report["namespaces"][0];
    assert_eq!(namespace["namespace"], "tenant-1");
    assert_eq!(
        (&namespace["missing_sequence_count"], &namespace["missing_sequences"]),
        (&json!(3), &json!([[6, 8]]))
    );
    assert_eq!(report["malformed_places"][0]["line"], 9);
    assert!(report["duration_ms"].is_u64());
    let human = replay(world.path(), "log --into other").exits(0);
    human.mentions("log, line 9: the line ends inside a JSON value");
    human.mentions("3 sequence numbers are missing from the log: 6–8");
    human.mentions("\"thing.signed.up\"");
}

#[test]
fn a_plan_changes_nothing() {
    let world = folder();
    fs::write(world.path().join("log"), events().join("\n")).unwrap();
    let plan = replay_json(world.path(), "log --into image --dry-run");
    assert_eq!(
        (&plan["dry_run"], &plan["events_applied"], &plan["things"]),
        (&json!(true), &json!(5), &json!(2))
    );
    assert_eq!(names_in(world.path()), ["log"]);
    replay(world.path(), "log --into image").exits(0);
    let before = fs::read(world.path().join("image")).unwrap();
    fs::write(world.path().join("more"), event("created", "z", 6, "")).unwrap();
    let plan = replay_json(world.path(), "more --into image --dry-run");
    assert_eq!((&plan["events_applied"], &plan["things"]), (&json!(1), &json!(3)));
    assert_eq!(fs::read(world.path().join("image")).unwrap(), before);
}

#[test]
fn a_check_tells_every_difference() {
    let world = folder();
    fs::write(world.path().join("log"), events().join("\n")).unwrap();
    replay(world.path(), "log --into image --columnar-threshold 0").exits(0);
    let sound = replay(world.path(), "log --check image --format json").exits(0).json();
    assert_eq!((&sound["ok"], &sound["differences"]), (&json!(true), &json!([])));
    let image = Connection::open(world.path().join("image")).unwrap();
    image
        .execute_batch(
            r#"UPDATE things SET data = replace(data, '"n":2', '"n":3') WHERE id = 'a';
               DELETE FROM things WHERE id = 'c';
               INSERT INTO things VALUES ('x', 'Customer', '{"$id":"y","$type":"Customer","$version":1}');"#,
        )
        .unwrap();
    drop(image);
    let before = fs::read(world.path().join("image")).unwrap();
    let found = replay(world.path(), "log --check image --format json").exits(1).json();
    let kinds: Vec<(&str, &str)> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["id"].as_str().unwrap(), one["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(kinds, [("a", "different"), ("c", "missing"), ("x", "invalid"), ("x", "unexpected")]);
    assert_eq!(found["differences"][0]["detail"], "n");
    assert_eq!(fs::read(world.path().join("image")).unwrap(), before);
    assert_eq!(names_in(world.path()), ["image", "log"]);
}

#[test]
fn strict_stops_and_leaves_the_image() {
    let world = folder();
    fs::write(world.path().join("log"), format!("{}\nnonsense\n", events().join("\n"))).unwrap();
    replay(world.path(), "log --into image --strict").refuses(2).mentions("log, line 6");
    assert_eq!(names_in(world.path()), ["log"]);
    replay(world.path(), "log --into image").exits(0);
    let before = fs::read(world.path().join("image")).unwrap();
    replay(world.path(), "log --into image --strict").refuses(2);
    assert_eq!(fs::read(world.path().join("image")).unwrap(), before);
}

#[test]
fn bad_input_is_answered() {
    let world = folder();
    let good = events().join("\n");
    let write = |name: &str, bytes: &[u8]| fs::write(world.path().join(name), bytes).unwrap();
    let whole = gzip(good.as_bytes());
    write("cut.gz", &whole[..whole.len() - 4]);
    write("garbage.gz", &[&whole[..], b"garbage"].concat());
    write("utf16", &good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    write(
        "utf16-bom",
        &[b"\xff\xfe".to_vec(), good.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat(),
    );
    write(
        "latin1",
        &[b"{\"verb\":\"thing.created\",\"payload\":{\"$id\":\"\xe9\"},\"timestamp\":1}\n", good.as_bytes()]
            .concat(),
    );
    write("empty", b"");
    write("brackets", "[".repeat(200_000).as_bytes());
    write("deep", format!("{{\"a\":{}\n{good}", "[".repeat(200_000)).as_bytes());
    write("cut-array", format!("[{}", events().join(",")).as_bytes());
    write("nulls", &vec![0; 100_000]);
    write("no-parquet", b"PAR1 is how it begins, and nothing more");
    for (log, malformed, things) in [
        ("cut.gz", 1, 2),
        ("garbage.gz", 1, 2),
        ("utf16-bom", 1, 0),
        ("latin1", 1, 2),
        ("empty", 0, 0),
        ("brackets", 1, 0),
        ("deep", 1, 2),
        ("cut-array", 1, 2),
        ("nulls", 1, 0),
        ("no-parquet", 1, 0),
    ] {
        let report = replay_json(world.path(), &format!("{log} --into image-{log}"));
        assert_eq!(
            (&report["malformed"], &report["things"]),
            (&json!(malformed), &json!(things)),
            "{log}: {report}"
        );
        replay(world.path(), &format!("{log} --into strict-{log} --strict")).exits(if malformed > 0 {
            2
        } else {
            0
        });
    }
    assert_eq!(replay_json(world.path(), "utf16 --into image-utf16")["things"], 0);
    replay(world.path(), "absent --into image").refuses(3);
    replay(world.path(), "empty").exits(2);
    fs::write(world.path().join("text"), "no database").unwrap();
    replay(world.path(), "latin1 --into text").exits(1);
    assert_eq!(fs::read(world.path().join("text")).unwrap(), b"no database");
}

#[test]
fn hostile_names_and_values_survive() {
    let world = folder();
    let long = "x".repeat(1 << 20);
    let payloads = [
        r#"{"$id":"'; DROP TABLE things; --","$type":"\" OR 1=1","n":9007199254740993}"#.to_owned(),
        r#"{"$id":"nul\u0000here","$type":"T\u0000","__proto__":{"x":1},"constructor":2,"n":1e400}"#
            .to_owned(),
        r#"{"$id":"twice","$type":"T","a":1,"a":2}"#.to_owned(),
        format!(r#"{{"$id":"{long}","$type":"{long}"}}"#),
    ];
    let lines: Vec<String> = payloads
        .iter()
        .enumerate()
        .map(|(number, payload)| {
            format!(r#"{{"verb":"thing.created","payload":{payload},"timestamp":{number}}}"#)
        })
        .collect();
    fs::write(world.path().join("log"), lines.join("\n")).unwrap();
    for threshold in [0, 50] {
        let image = format!("image-{threshold}");
        let report =
            replay_json(world.path(), &format!("log --into {image} --columnar-threshold {threshold}"));
        assert_eq!((&report["malformed"], &report["things"]), (&json!(0), &json!(4)));
        let connection = Connection::open(world.path().join(&image)).unwrap();
        let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        let all: Vec<(String, String)> = connection
            .prepare("SELECT id, data FROM entities ORDER BY length(CAST(id AS BLOB))")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(|row| row.unwrap())
            .collect();
        let find =
            |id: &str| &all.iter().find(|(known, _)| known == id).unwrap_or_else(|| panic!("no {id:?}")).1;
        assert!(find("'; DROP TABLE things; --").contains("9007199254740993"));
        assert!(find("nul\0here").contains(r#""__proto__":{"x":1},"constructor":2,"n":1e400"#));
        assert!(find("twice").contains(r#""a":2"#) && !find("twice").contains(r#""a":1"#));
        assert_eq!(find(&long).matches(&long).count(), 2);
        replay(world.path(), &format!("log --check {image}")).exits(0);
        assert_eq!(replay_json(world.path(), &format!("log --into {image}"))["already_applied"], 4);
    }
}

#[test]
fn a_value_larger_than_may_be_is_passed_over() {
    let world = folder();
    let mut log = std::io::BufWriter::new(fs::File::create(world.path().join("log")).unwrap());
    let all = events();
    write!(log, "{}\n{{\"verb\":\"", all[0]).unwrap();
    for _ in 0..80 {
        log.write_all(&vec![b'x'; 1 << 20]).unwrap();
    }
    write!(log, "\"}}\n{}\n", all[1..].join("\n")).unwrap();
    drop(log);
    fs::write(world.path().join("log.gz"), gzip(&fs::read(world.path().join("log")).unwrap())).unwrap();
    for name in ["log", "log.gz"] {
        let report = replay_json(world.path(), &format!("{name} --into image-{name}"));
        assert_eq!(
            (&report["malformed"], &report["events_applied"]),
            (&json!(1), &json!(5)),
            "{name}: {report}"
        );
        assert_eq!(report["malformed_places"][0]["line"], 2);
    }
}

#[test]
fn an_image_begins_with_a_checkpoint() {
    let world = folder();
    let all = events();
    fs::write(world.path().join("first"), all[..3].join("\n")).unwrap();
    fs::write(world.path().join("log"), all.join("\n")).unwrap();
    replay(world.path(), "first --into image").exits(0);
    run_in(world.path(), &words("snapshot image --namespace images")).exits(0);
    let report = replay_json(world.path(), "log --from images@latest --into next");
    let kept = replay(world.path(), "log --from images@latest --into next").exits(3);
    assert!(!kept.stderr.contains("--force"), "there is no such option");
    assert_eq!((&report["events_applied"], &report["already_applied"]), (&json!(2), &json!(3)));
    assert_eq!(entities(&world.path().join("next")), expected());
    // An object's own: no table of a replay's, but entities that say when they changed.
    let object = Connection::open(world.path().join("object.sqlite")).unwrap();
    object
        .execute_batch(
            r#"PRAGMA journal_mode = WAL;
               CREATE TABLE things (id TEXT PRIMARY KEY, type TEXT, data TEXT);
               CREATE TABLE collections (type TEXT PRIMARY KEY, data TEXT);
               INSERT INTO collections VALUES ('Customer', '{"Customer:a":{"$id":"a","$type":"Customer","$version":1,"$createdAt":"2026-01-13T12:00:01.000Z","$updatedAt":"2026-01-13T12:00:01.000Z","n":1}}');"#,
        )
        .unwrap();
    drop(object);
    run_in(world.path(), &words("snapshot object.sqlite --namespace object")).exits(0);
    let report = replay_json(world.path(), "log --from object@latest --into adopted");
    assert_eq!(report["events_applied"], 4, "{report}");
    assert_eq!(entities(&world.path().join("adopted")), expected());
    assert!(
        names_in(world.path()).iter().all(|name| !name.contains("partial")),
        "{:?}",
        names_in(world.path())
    );
}

/// Calls that change what is on disk, or come between two that do.
const CALLS: [&str; 10] =
    ["openat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "linkat", "unlink", "close"];

#[test]
fn killed_anywhere_the_image_is_old_or_new() {
    let template = folder();
    let all = events();
    fs::write(template.path().join("first"), all[..3].join("\n")).unwrap();
    fs::write(template.path().join("log"), all.join("\n")).unwrap();
    let dump = |image: &Path| -> Option<Vec<Value>> { image.exists().then(|| entities(image)) };
    for begun in [false, true] {
        if begun {
            replay(template.path(), "first --into image").exits(0);
        }
        let old = dump(&template.path().join("image"));
        let world = || {
            let world = folder();
            copy_tree(template.path(), world.path());
            world
        };
        let line = words("replay log --into image");
        let points = kill_points(world().path(), &line, &CALLS);
        let kills = in_parallel(&points, |(call, number)| {
            let world = world();
            let is_killed = killed_at(world.path(), &line, call, *number);
            let what = format!("killed at {call} number {number}, begun: {begun}");
            let found = dump(&world.path().join("image"));
            assert!(found == old || found == Some(expected()), "{what}: {found:?}");
            // The next run goes on to the same end, and leaves nothing of the killed one.
            run_in(world.path(), &line).exits(0);
            assert_eq!(entities(&world.path().join("image")), expected(), "{what}");
            let names: Vec<String> = names_in(world.path());
            let known = ["first", "image", "log"];
            assert!(names.iter().all(|name| known.contains(&name.as_str())), "{what}: {names:?}");
            usize::from(is_killed)
        });
        assert!(kills > 20, "{kills} kills");
    }
}
