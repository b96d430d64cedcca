//! What scripts may rely on: the JSON of every command, exit codes, how checkpoints are called,
//! and where options and the store may stand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use dotctl_engine::codec::Codec;
use dotctl_engine::format::{CheckpointKind, Manifest, Run, RunKind};
use dotctl_engine::id::{CheckpointId, Hash, Namespace, Time};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use support_real::*;

/// What a field of a document holds.
#[derive(Debug, Clone, Copy)]
enum Is {
    Text,
    /// 64 lowercase hexadecimal digits.
    Hash,
    /// RFC 3339 in UTC.
    Time,
    /// Not negative, no fraction.
    Count,
    Flag,
    List,
    Object,
    OneOf(&'static [&'static str]),
    OrNull(&'static Is),
}

fn assert_is(value: &Value, is: Is, field: &str) {
    let text = value.as_str();
    let right = match is {
        Is::Text => text.is_some(),
        Is::Hash => text.is_some_and(|text| text.parse::<Hash>().is_ok()),
        Is::Time => {
            text.is_some_and(|text| text.ends_with('Z') && text.contains('T') && text.parse::<Time>().is_ok())
        }
        Is::Count => value.is_u64(),
        Is::Flag => value.is_boolean(),
        Is::List => value.is_array(),
        Is::Object => value.is_object(),
        Is::OneOf(words) => text.is_some_and(|text| words.contains(&text)),
        Is::OrNull(is) => {
            if !value.is_null() {
                assert_is(value, *is, field);
            }
            true
        }
    };
    assert!(right, "{field} is {value}, not {is:?}");
}

/// That every field is there, and of its type. More fields may be added.
fn assert_fields(document: &Value, fields: &[(&str, Is)]) {
    for (field, is) in fields {
        assert!(document.get(field).is_some(), "no {field} in {document}");
        assert_is(&document[field], *is, field);
    }
}

const CHECKPOINT: [(&str, Is); 9] = [
    ("id", Is::Hash),
    ("namespace", Is::Text),
    ("kind", Is::OneOf(&["state", "image", "rows"])),
    ("created_at", Is::Time),
    ("base", Is::OrNull(&Is::Hash)),
    ("record_count", Is::Count),
    ("raw_bytes", Is::Count),
    ("stored_bytes", Is::Count),
    ("chunk_count", Is::Count),
];
const CONTENT: (&str, Is) = ("content_sha256", Is::Hash);
const NEW: [(&str, Is); 2] = [("new_bytes", Is::Count), ("new_chunk_count", Is::Count)];

fn assert_checkpoint(document: &Value) {
    assert_fields(document, &CHECKPOINT);
    assert_fields(document, &[CONTENT]);
}

fn listed() -> String {
    fixture("state/listed.json").to_str().unwrap().to_owned()
}

#[test]
fn snapshot_tells_of_its_checkpoint() {
    let scratch = Scratch::new();
    let state = scratch.json(["snapshot", &listed()]);
    assert_fields(&state, &[("checkpoint", Is::Object), ("duration_ms", Is::Count)]);
    let image = scratch.json(["snapshot", object_fixture("hot-wal").to_str().unwrap(), "--kind", "image"]);
    for (document, kind) in [(&state, "state"), (&image, "image")] {
        assert_checkpoint(&document["checkpoint"]);
        assert_fields(&document["checkpoint"], &NEW);
        assert_eq!(document["checkpoint"]["kind"], kind);
        assert_eq!(document["checkpoint"]["base"], Value::Null);
    }
    let objects = scratch.json(["snapshot", fixture("state-folder/v3/do").to_str().unwrap()]);
    assert_fields(&objects, &[("checkpoints", Is::List), ("duration_ms", Is::Count)]);
    for made in objects["checkpoints"].as_array().unwrap() {
        assert_checkpoint(made);
        assert_fields(made, &NEW);
    }
    // raw_bytes and content_sha256 are of what restore writes.
    for made in [&state["checkpoint"], &image["checkpoint"]] {
        let piped = scratch.run(["restore", made["id"].as_str().unwrap(), "--to", "-"]);
        assert_eq!(made["raw_bytes"], piped.stdout.len());
        assert_eq!(made["content_sha256"], sha256(&piped.stdout));
    }
}

#[test]
fn restore_verify_list_show_and_get_tell_what_they_promise() {
    let scratch = Scratch::new();
    let made = scratch.snapshot(Path::new(&listed()), &[]);
    let id = made["id"].as_str().unwrap();
    let to = scratch.path("restored.json");
    let restored = scratch.json(["restore", id, "--to", to.to_str().unwrap()]);
    assert_fields(
        &restored,
        &[
            ("checkpoint", Is::Hash),
            ("to", Is::Text),
            ("raw_bytes", Is::Count),
            ("sha256", Is::Hash),
            ("duration_ms", Is::Count),
        ],
    );
    assert_eq!(restored["to"], to.to_str().unwrap());

    let shape =
        [("ok", Is::Flag), ("checked", Is::Object), ("findings", Is::List), ("duration_ms", Is::Count)];
    let checked = [("checkpoints", Is::Count), ("chunks", Is::Count), ("bytes", Is::Count)];
    let manifest =
        fs::read_dir(scratch.store().join("manifests/listed")).unwrap().next().unwrap().unwrap().path();
    for more in [
        vec![],
        vec!["--quick"],
        vec!["latest"],
        vec![manifest.to_str().unwrap()],
        vec![object_fixture("clean").to_str().unwrap()],
    ] {
        let verified = scratch.json(["verify"].into_iter().chain(more.iter().copied()));
        assert_fields(&verified, &shape);
        assert_fields(&verified["checked"], &checked);
        assert_eq!((&verified["ok"], &verified["findings"]), (&json!(true), &json!([])), "{more:?}");
    }

    let list = scratch.json(["list"]);
    assert_eq!(list["checkpoints"].as_array().unwrap().len(), 1);
    assert_checkpoint(&list["checkpoints"][0]);
    let shown = scratch.json(["show", id]);
    assert_checkpoint(&shown);
    assert_eq!(shown, list["checkpoints"][0]);
    let packs = scratch.run(["show", id, "--packs"]);
    assert!(packs.text().lines().all(|pack| Path::new(pack).is_file()), "{}", packs.text());
    assert_eq!(packs.text().lines().count(), 1);
    let as_json = scratch.json(["show", id, "--packs"]);
    assert_eq!(as_json["packs"], json!(packs.text().lines().collect::<Vec<_>>()));

    let key = fs::read_to_string(fixture("state/listed.ndjson")).unwrap();
    let (key, _): (String, Value) = serde_json::from_str(key.lines().nth(20).unwrap()).unwrap();
    let got = scratch.json(["get", id, "--", &key]);
    assert_eq!(got["key"], key);
    assert!(got.get("value").is_some() && got["createdAt"].is_number(), "{got}");

    // Damage: the document is the same, the exit code another.
    let pack = packs.text().trim();
    let mut bytes = fs::read(pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(pack, bytes).unwrap();
    for more in [vec![], vec!["--quick"], vec![id]] {
        let args = ["verify"].into_iter().chain(more.iter().copied());
        let ended = finish(&mut scratch.dotctl_json(args)).expect(1);
        let verified = ended.json();
        assert_fields(&verified, &shape);
        assert_eq!(verified["ok"], false);
        for finding in verified["findings"].as_array().unwrap() {
            assert_fields(
                finding,
                &[
                    ("target", Is::Text),
                    ("kind", Is::OneOf(&["missing", "checksum-mismatch", "size-mismatch", "malformed"])),
                    ("expected", Is::OrNull(&Is::Text)),
                    ("actual", Is::OrNull(&Is::Text)),
                    ("detail", Is::Text),
                ],
            );
        }
        assert!(!verified["findings"].as_array().unwrap().is_empty());
    }
    let nothing = scratch.path("nothing.json");
    let refused = scratch.fails(1, ["restore", id, "--to", nothing.to_str().unwrap()]);
    assert_eq!(refused["kind"], "corrupt");
    assert!(!nothing.exists());
}

#[test]
fn inspect_of_a_database_tells_what_it_promises() {
    let ended = finish(dotctl().args(["inspect", "--format", "json"]).arg(object_fixture("clean"))).expect(0);
    let report = ended.json();
    assert_fields(&report, &[("page_bytes", Is::Count), ("page_count", Is::Count), ("tables", Is::List)]);
    assert_eq!(report["page_bytes"], 4096);
    for table in report["tables"].as_array().unwrap() {
        assert_fields(table, &[("name", Is::Text), ("row_count", Is::Count)]);
    }
    // Key and value sizes of each prefix.
    let entries = &report["key_values"];
    assert_eq!(entries["count"], fixture_values("clean").len());
    let counter =
        entries["prefixes"].as_array().unwrap().iter().find(|group| group["prefix"] == "counter:").unwrap();
    assert_eq!(counter["count"], 40);
    for sizes in ["key", "value"] {
        let fields = ["total_bytes", "mean_bytes", "p50_bytes", "p95_bytes", "max_bytes"];
        assert_fields(&counter[sizes], &fields.map(|field| (field, Is::Count)));
    }
    let types = entries["types"].as_array().unwrap();
    assert!(
        types.iter().any(|found| found["type"] == "bigint" && found["count"].as_u64() > Some(0)),
        "{types:?}"
    );
    // Wherever the report has its findings about limits, they have these fields.
    let limits = limit_findings(&report);
    assert!(!limits.is_empty(), "{report}");
    for finding in limits {
        assert_fields(
            finding,
            &[
                ("limit", Is::Text),
                ("limit_bytes", Is::Count),
                ("actual_bytes", Is::Count),
                ("key", Is::OrNull(&Is::Text)),
                ("status", Is::OneOf(&["ok", "warn", "exceeded"])),
            ],
        );
    }
}

fn limit_findings(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(fields) if fields.contains_key("limit_bytes") => vec![value],
        Value::Object(fields) => fields.values().flat_map(limit_findings).collect(),
        Value::Array(items) => items.iter().flat_map(limit_findings).collect(),
        _ => Vec::new(),
    }
}

/// A checkpoint of an empty state, so that a test decides when it was made.
fn empty_checkpoint(namespace: &str, sequence: u64, created_at: &str) -> (CheckpointId, Vec<u8>) {
    let namespace = Namespace::new(namespace).unwrap();
    let time = created_at.parse().unwrap();
    let mut manifest = Manifest::new(namespace, sequence, CheckpointKind::State, time, Hash::of(b"[]"));
    manifest.raw_bytes = 2;
    manifest.add_run(Run {
        kind: RunKind::Full,
        codec: Codec::Zstd,
        place: None,
        dictionary: None,
        packs: Vec::new(),
    });
    manifest.write().unwrap()
}

fn add(store: &Path, namespace: &str, sequence: u64, (id, bytes): (CheckpointId, Vec<u8>)) -> String {
    let folder = store.join("manifests").join(namespace);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{sequence:010}-{id}.json")), bytes).unwrap();
    id.to_string()
}

fn store_with_times() -> (Scratch, BTreeMap<&'static str, String>) {
    let scratch = Scratch::new();
    fs::create_dir(scratch.store()).unwrap();
    fs::write(scratch.store().join("store.json"), "{\"format\":\"dotctl-store\",\"version\":1}\n").unwrap();
    let mut ids = BTreeMap::new();
    for (name, namespace, sequence, time) in [
        ("first", "a", 1, "2026-01-01T00:00:00Z"),
        ("second", "a", 2, "2026-01-01T00:00:01.500Z"),
        ("third", "a", 3, "2026-02-01T00:00:00Z"),
        ("other", "b", 1, "2026-03-01T00:00:00Z"),
        // A clock that went back: sequence decides within a namespace.
        ("back", "b", 2, "2026-01-15T00:00:00Z"),
    ] {
        ids.insert(
            name,
            add(&scratch.store(), namespace, sequence, empty_checkpoint(namespace, sequence, time)),
        );
    }
    assert_eq!(scratch.json(["verify"])["ok"], true);
    (scratch, ids)
}

#[test]
fn checkpoints_are_found_by_id_prefix_namespace_and_time() {
    let (scratch, ids) = store_with_times();
    let unix_ms = |text: &str| text.parse::<Time>().unwrap().unix_ms();
    let at = |moment: i64| format!("a@{moment}");
    let second = unix_ms("2026-01-01T00:00:01.500Z");
    for (reference, name) in [
        (ids["first"].clone(), "first"),
        (ids["first"][..4].to_owned(), "first"),
        (ids["second"][..13].to_owned(), "second"),
        ("a@latest".to_owned(), "third"),
        ("a@2026-01-01T00:00:00Z".to_owned(), "first"),
        ("a@2026-01-01T00:00:01Z".to_owned(), "first"),
        ("a@2026-01-01T00:00:01.499Z".to_owned(), "first"),
        ("a@2026-01-01T00:00:01.500Z".to_owned(), "second"),
        ("a@2026-01-01T02:00:01.500+02:00".to_owned(), "second"),
        ("a@2026-01-31T23:59:59Z".to_owned(), "second"),
        ("a@2100-01-01T00:00:00Z".to_owned(), "third"),
        (at(second - 1), "first"),
        (at(second), "second"),
        (at(second + 1), "second"),
        ("b@latest".to_owned(), "back"),
    ] {
        assert_eq!(scratch.json(["show", &reference])["id"], ids[name], "{reference}");
    }
    // Newest first, and of one namespace.
    let listed = |args: &[&str]| -> Vec<String> {
        let document = scratch.json(args);
        let checkpoints = document["checkpoints"].as_array().unwrap();
        checkpoints.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        listed(&["list", "--namespace", "a"]),
        ["third", "second", "first"].map(|name| ids[name].clone())
    );
    assert_eq!(listed(&["list", "--namespace", "nobody"]), Vec::<String>::new());
    assert_eq!(listed(&["list"]).len(), 5);

    for missing in [
        "0123456789abcdef".to_owned(),
        "0".repeat(64),
        "a@2025-12-31T23:59:59.999Z".to_owned(),
        "nobody@latest".to_owned(),
        "a@0".to_owned(),
    ] {
        assert_eq!(scratch.fails(3, ["show", &missing])["kind"], "missing", "{missing}");
    }
    for malformed in
        [&ids["first"][..3], "newest", "a@yesterday", "@latest", &ids["first"][..8].to_uppercase(), ""]
    {
        // All digits read the same in upper case.
        if malformed.len() == 8 && malformed.bytes().all(|digit| digit.is_ascii_digit()) {
            continue;
        }
        assert_eq!(scratch.fails(2, ["show", malformed])["kind"], "malformed", "{malformed}");
    }
}

#[test]
fn an_ambiguous_prefix_is_refused_with_the_candidates() {
    let (scratch, _) = store_with_times();
    let mut by_prefix: BTreeMap<String, (u64, CheckpointId, Vec<u8>)> = BTreeMap::new();
    let (one, other) = (1..)
        .find_map(|sequence| {
            let (id, bytes) = empty_checkpoint("many", sequence, "2026-04-01T00:00:00Z");
            let before = by_prefix.insert(id.to_string()[..4].to_owned(), (sequence, id, bytes.clone()));
            before.map(|before| (before, (sequence, id, bytes)))
        })
        .unwrap();
    let ids = [one, other].map(|(sequence, id, bytes)| add(&scratch.store(), "many", sequence, (id, bytes)));
    let refused = scratch.fails(2, ["show", &ids[0][..4]]);
    let message = refused["message"].as_str().unwrap();
    assert!(ids.iter().all(|id| message.contains(id)), "{message}");
    let longer = ids[0].bytes().zip(ids[1].bytes()).take_while(|(one, other)| one == other).count() + 1;
    for id in &ids {
        assert_eq!(scratch.json(["show", &id[..longer]])["id"], *id);
    }
}

#[test]
fn an_unchanged_source_adds_no_chunk_and_says_so() {
    let scratch = Scratch::new();
    for source in [listed(), object_fixture("hot-wal").to_str().unwrap().to_owned()] {
        let first = scratch.snapshot(Path::new(&source), &[]);
        assert_eq!(first["new_chunk_count"], first["chunk_count"]);
        assert_eq!(first["new_bytes"], first["stored_bytes"]);
        let packs = contents(&scratch.store().join("packs"));
        let second = scratch.snapshot(Path::new(&source), &[]);
        assert_eq!((&second["new_chunk_count"], &second["new_bytes"]), (&json!(0), &json!(0)));
        assert_eq!(second["content_sha256"], first["content_sha256"]);
        assert_ne!(second["id"], first["id"], "it is a checkpoint of its own");
        let third = scratch.run(["snapshot", &source]);
        assert!(third.text().contains("no chunk is new"), "{}", third.text());
        assert!(packs == contents(&scratch.store().join("packs")));
    }
    assert_eq!(scratch.json(["list"])["checkpoints"].as_array().unwrap().len(), 6);
}

#[test]
fn a_dry_run_writes_nothing() {
    let scratch = Scratch::new();
    for source in [listed(), fixture("state-folder/v3/do").to_str().unwrap().to_owned()] {
        let plan = scratch.json(["snapshot", &source, "--dry-run"]);
        assert_eq!(plan["dry_run"], true);
        assert!(!plan["checkpoints"].as_array().unwrap().is_empty());
        assert!(scratch.run(["snapshot", &source, "--dry-run"]).text().contains("would"));
    }
    assert!(!scratch.store().exists());
    scratch.snapshot(Path::new(&listed()), &[]);
    let before = contents(&scratch.path(""));
    scratch.run(["snapshot", &listed(), "--dry-run"]);
    let to = scratch.path("restored.json");
    let plan = scratch.json(["restore", "latest", "--to", to.to_str().unwrap(), "--dry-run"]);
    assert_eq!((&plan["dry_run"], &plan["target_exists"]), (&json!(true), &json!(false)));
    assert!(before == contents(&scratch.path("")));
}

#[test]
fn a_target_that_exists_is_kept_without_force() {
    let scratch = Scratch::new();
    scratch.snapshot(Path::new(&listed()), &[]);
    let to = scratch.path("restored.json");
    fs::write(&to, "mine").unwrap();
    let args = ["restore", "latest", "--to", to.to_str().unwrap()];
    let refused = scratch.fails(3, args);
    assert_eq!(refused["kind"], "exists");
    assert!(refused["hint"].as_str().unwrap().contains("--force"));
    assert_eq!(fs::read(&to).unwrap(), b"mine");
    scratch.run(args.into_iter().chain(["--force"]));
    assert!(fs::read(&to).unwrap() == fs::read(listed()).unwrap());
    assert_eq!(
        scratch.fails(3, ["restore", "latest", "--to", scratch.path("no/folder").to_str().unwrap()])["kind"],
        "missing"
    );
}

#[test]
fn failures_have_their_exit_code_and_one_line() {
    let scratch = Scratch::new();
    let nowhere = scratch.path("nowhere");
    // No store yet.
    for command in [vec!["list"], vec!["verify"], vec!["show", "latest"], vec!["get", "latest", "a"]] {
        assert_eq!(scratch.fails(3, command)["kind"], "missing");
    }
    assert!(!scratch.store().exists(), "reading makes no store");
    assert_eq!(scratch.fails(3, ["snapshot", nowhere.to_str().unwrap()])["kind"], "missing");
    scratch.snapshot(Path::new(&listed()), &[]);
    // Wrong usage.
    for wrong in [
        vec!["get", "latest"],
        vec!["restore", "latest"],
        vec!["list", "--no-such-option"],
        vec!["snapshot", &listed(), "--kind", "nothing"],
        vec!["snapshot", &listed(), "--kind", "image"],
        vec!["snapshot", &listed(), "--namespace", ""],
        vec!["snapshot", fixture("state-folder/v3").to_str().unwrap(), "--namespace", "one-for-all"],
        vec!["snapshot", scratch.store().to_str().unwrap()],
        vec!["snapshot", fixture("faults/state-not-entries/not-json.json").to_str().unwrap()],
        vec!["verify", "--checksum", "sha256:00"],
        vec!["list", "--store", "ftp://somewhere"],
    ] {
        if wrong.contains(&"ftp://somewhere") {
            finish(dotctl().args(&wrong).args(["--format", "json"])).expect(2).error();
            continue;
        }
        let error = scratch.fails(2, &wrong);
        assert!(
            !error["message"].as_str().unwrap().trim_end().ends_with(':'),
            "{wrong:?}: half a sentence: {error}"
        );
    }
    let error = scratch.fails(2, ["get", "latest"]);
    assert!(error["message"].as_str().unwrap().contains("<KEY>"), "says what is missing: {error}");
    // The same for people: words on stderr, nothing on stdout.
    let ended = finish(&mut scratch.dotctl(["show", "0000"])).expect(3);
    assert!(ended.stdout.is_empty() && ended.stderr.starts_with("error: "), "{ended:?}");
    assert!(ended.stderr.contains("\n  hint: "), "{ended:?}");
    // Help and version are results.
    for help in [vec!["--help"], vec!["--version"], vec!["snapshot", "--help"], vec!["help", "get"]] {
        let ended = finish(dotctl().args(help)).expect(0);
        assert!(!ended.stdout.is_empty() && ended.stderr.is_empty());
    }
    finish(&mut dotctl()).expect(2);
}

/// The heading of some options is not that of the ones after them.
#[test]
fn only_what_buckets_need_stands_under_their_heading() {
    let text = |words: &[&str]| String::from_utf8(finish(dotctl().args(words)).expect(0).stdout).unwrap();
    let all = text(&["--help"]);
    let commands = all.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let mut with_buckets = 0;
    for command in commands.map_while(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        let text = text(&[command, "--help"]);
        let under = text.lines().skip_while(|line| !line.starts_with("Options for buckets:")).skip(1);
        let options: Vec<&str> = under
            .take_while(|line| line.is_empty() || line.starts_with(' '))
            .filter_map(|line| line.trim_start().split(' ').next().filter(|word| word.starts_with('-')))
            .collect();
        with_buckets += usize::from(!options.is_empty());
        let expected = ["--endpoint-url", "--region", "--max-requests-per-second"];
        assert!(options.is_empty() || options == expected, "{command}: {options:?}");
    }
    assert!(with_buckets > 10, "{with_buckets} commands read stores");
}

#[test]
fn options_stand_before_or_behind_the_command_and_the_store_in_the_environment() {
    let scratch = Scratch::new();
    scratch.snapshot(Path::new(&listed()), &[]);
    let store = scratch.store();
    let store = store.to_str().unwrap();
    let before = finish(dotctl().args(["--format", "json", "list", "--store", store])).expect(0);
    let behind = finish(dotctl().args(["list", "--store", store, "--format=json"])).expect(0);
    let environment =
        finish(dotctl().args(["list", "--format", "json"]).env("DOTCTL_STORE", store)).expect(0);
    assert_eq!(before.json(), behind.json());
    assert_eq!(before.json(), environment.json());
    // What is said on the command line counts.
    let mut both = dotctl();
    both.args(["list", "--format", "json", "--store", store]).env("DOTCTL_STORE", scratch.path("other"));
    assert_eq!(finish(&mut both).expect(0).json(), before.json());
    // Unless told otherwise the store is ./.dotctl.
    let here = scratch.path("here");
    fs::create_dir(&here).unwrap();
    finish(dotctl().current_dir(&here).args(["snapshot", &listed()])).expect(0);
    assert!(here.join(".dotctl/store.json").is_file());
    for option in ["--quiet", "-q", "--no-progress", "-v", "--color=never"] {
        finish(dotctl().args([option, "list", "--store", store])).expect(0);
        finish(dotctl().args(["list", "--store", store, option])).expect(0);
    }
}

#[test]
fn quiet_leaves_the_result_alone() {
    let scratch = Scratch::new();
    let unsorted = fixture("state/unsorted.ndjson");
    let args = ["snapshot", unsorted.to_str().unwrap(), "--quiet", "--format", "json"];
    let quiet = scratch.run(args);
    assert_eq!(quiet.stderr, "", "not even the warning");
    assert_checkpoint(&quiet.json()["checkpoint"]);
    let quiet = scratch.run(["list", "--quiet"]);
    assert_eq!(quiet.text(), scratch.run(["list"]).text());
    let refused = finish(scratch.dotctl(["show", "0000", "--quiet"]).stdin(Stdio::null())).expect(3);
    assert!(refused.stderr.starts_with("error: "), "errors are still told");
}

#[test]
fn no_colour_where_none_is_wanted() {
    let scratch = Scratch::new();
    scratch.snapshot(Path::new(&listed()), &[]);
    let object = object_fixture("clean");
    let inspect = ["inspect", object.to_str().unwrap()];
    for (color, no_color) in [("auto", None), ("never", None), ("auto", Some("1"))] {
        for args in [&["list"][..], &["show", "latest"], &["verify"], &["show", "0000"], &["--help"]] {
            let mut command = dotctl();
            command.args(args).args(["--color", color]).env("DOTCTL_STORE", scratch.store());
            assert_no_escape(command.envs(no_color.map(|value| ("NO_COLOR", value))));
        }
        assert_no_escape(dotctl().args(inspect).args(["--color", color]));
    }
    // Nor in JSON, whatever is asked.
    assert_no_escape(scratch.dotctl(["list", "--color", "always", "--format", "json"]).stdin(Stdio::null()));
}

fn assert_no_escape(command: &mut std::process::Command) {
    let ended = finish(command);
    assert!(!ended.stdout.contains(&0x1b) && !ended.stderr.contains('\x1b'), "{command:?}: {ended:?}");
}

#[test]
fn an_interruption_ends_with_130_and_leaves_no_checkpoint() {
    let scratch = Scratch::new();
    scratch.snapshot(Path::new(&listed()), &[]);
    let mut command = scratch.dotctl(["snapshot", "-", "--namespace", "piped"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"[[\"a\",{\"value\":1,\"createdAt\":1}],").unwrap();
    // It has begun once its staging folder is there.
    let staging = scratch.store().join("staging");
    for _ in 0..500 {
        if fs::read_dir(&staging).is_ok_and(|mut folder| folder.next().is_some()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let status = child.wait().unwrap();
    drop(stdin);
    assert_eq!(status.code(), Some(130));
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "", "no result");
    assert_eq!(scratch.json(["list"])["checkpoints"].as_array().unwrap().len(), 1);
    assert_eq!(scratch.json(["verify"])["ok"], true);
    // The next run cleans up.
    scratch.snapshot(Path::new(&listed()), &[]);
    assert_eq!(fs::read_dir(&staging).unwrap().count(), 0);
}

/// A reader that has enough is no failure.
#[test]
fn a_closed_pipe_is_not_an_error() {
    let scratch = Scratch::new();
    let path = scratch.path("state.ndjson");
    let lines: String =
        (0..20_000).map(|n| format!("[\"k{n:06}\",{{\"value\":\"{n:0100}\",\"createdAt\":1}}]\n")).collect();
    fs::write(&path, lines).unwrap();
    scratch.snapshot(&path, &[]);
    let mut command = scratch.dotctl(["restore", "latest", "--to", "-", "--as", "ndjson"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}
