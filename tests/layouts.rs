//! `dotctl copy --to-layout`: what is written is what TypeScript reads, by a real workerd, and what
//! our own reader restores byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use support_real::*;

const LAYOUTS: [&str; 5] = ["chunked", "hybrid", "incremental", "manager", "state-snapshot"];
const KEY: [&str; 2] = ["an-access-key", "a-secret-key"];

/// State of so many entries, a third of it noise: 1 KiB each.
fn state(scratch: &Scratch, entries: u32) -> PathBuf {
    let mut numbers = Numbers(9);
    let mut noise = |words: u32| (0..words).map(|_| format!("{:016x}", numbers.draw())).collect::<String>();
    let entries: Vec<String> = (0..entries)
        .map(|number| format!(r#"["key:{number:08}",{{"value":"λ{}","createdAt":1}}]"#, noise(60)))
        .collect();
    let path = scratch.path(&format!("state-{}.json", entries.len()));
    fs::write(&path, format!("[{}]", entries.join(","))).unwrap();
    path
}

/// A copy of an object that was closed, in the scratch folder.
fn object(scratch: &Scratch, name: &str) -> PathBuf {
    let path = scratch.path(name);
    fs::copy(object_fixture("clean"), &path).unwrap();
    path
}

/// `dotctl copy latest` with `more`.
fn copy(scratch: &Scratch, to: &Path, layout: &str, more: &[&str]) -> Ended {
    let words = ["copy", "latest", "--to-layout", layout, "--to-store", to.to_str().unwrap()];
    finish(&mut scratch.dotctl_json(words.iter().chain(more)))
}

/// Restores `id` out of `store` and compares with `expected`; then verifies everything there.
fn restores(store: &Path, overflow: Option<&Path>, id: &str, expected: &[u8]) {
    let at = |words: &[&str]| {
        let mut command = dotctl();
        command.args(words).arg("--store").arg(store);
        if let Some(overflow) = overflow {
            command.arg("--overflow").arg(overflow);
        }
        finish(&mut command).expect(0)
    };
    assert!(at(&["restore", id, "--to", "-"]).stdout == expected, "{}", store.display());
    at(&["verify"]);
    at(&["verify", id]);
    assert!(at(&["restore", &id[..12], "--to", "-"]).stdout == expected, "by its beginning");
    assert!(at(&["list"]).text().contains(&id[..8]));
}

#[test]
fn every_layout_into_every_target() {
    let scratch = Scratch::new();
    for (number, source) in
        [fixture("state/listed.json"), fixture("state/empty.json"), state(&scratch, 3_000)].iter().enumerate()
    {
        let made = scratch.snapshot(source, &["--namespace", "counters"]);
        let id = made["id"].as_str().unwrap();
        let content = fs::read(scratch.restore(id, &format!("restored-{number}"))).unwrap();
        for layout in LAYOUTS {
            // One record takes no more than 2 MB.
            if layout == "state-snapshot" && content.len() > 1 << 20 {
                continue;
            }
            let bucket = scratch.path(&format!("bucket-{number}-{layout}"));
            let targets = [
                object(&scratch, &format!("{number}-{layout}.sqlite")),
                scratch.path(&format!("{number}-{layout}.json")),
            ];
            for target in targets {
                let more = ["--to-overflow", bucket.to_str().unwrap()];
                let copied = copy(&scratch, &target, layout, &more).expect(0).json();
                assert_eq!(copied["existed"], false, "{copied}");
                assert_eq!(copied["content_sha256"], made["content_sha256"]);
                assert_eq!(copied["checkpoint"]["id"], id);
                assert_eq!(copied["checkpoint"]["layout"], "dotdo");
                let overflow = bucket.is_dir().then_some(&*bucket);
                restores(&target, overflow, id, &content);
                let before = contents(&scratch.path(""));
                let again = copy(&scratch, &target, layout, &more).expect(0).json();
                assert_eq!(again["existed"], true, "{again}");
                assert!(before == contents(&scratch.path("")), "nothing was written again");
            }
        }
        let bucket = scratch.path(&format!("bucket-{number}"));
        copy(&scratch, &bucket, "manager", &[]).expect(0);
        // A folder keeps the names as TypeScript spells them.
        let metadata = json_file(&bucket.join(format!("snapshots/{id}.gz.metadata.json")));
        let names: Vec<&String> = metadata.as_object().unwrap().keys().collect();
        assert_eq!(names, ["checksum", "schemaVersion", "createdAt", "ns"]);
        restores(&bucket, None, id, &content);
    }
}

/// Nothing of what an object or a file held is touched.
#[test]
fn what_was_there_stays() {
    let scratch = Scratch::new();
    scratch.snapshot(&fixture("state/listed.json"), &[]);
    let target = object(&scratch, "o.sqlite");
    let own = |path: &Path| {
        let connection = rusqlite::Connection::open(path).unwrap();
        let mut found: Vec<(String, Vec<u8>)> = connection
            .prepare("SELECT key, value FROM _cf_KV WHERE key NOT LIKE 'checkpoint:%' ORDER BY key")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        found.retain(|(key, _)| !key.starts_with("checkpoint:"));
        found
    };
    let before = own(&target);
    copy(&scratch, &target, "chunked", &[]).expect(0);
    assert!(before.len() > 100 && own(&target) == before);

    for (name, text) in [
        ("object.json", "{\"a\": [1, {\"b\": \"}\"}], \"c\":2}\n"),
        ("pairs.json", "[[\"a\",1],[\"c\",{}]] "),
        ("nothing.json", "{}"),
        ("no-pairs.json", " [ ]"),
    ] {
        let file = scratch.path(name);
        fs::write(&file, text).unwrap();
        copy(&scratch, &file, "chunked", &[]).expect(0);
        let after: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let before: Value = serde_json::from_str(text).unwrap();
        match (&before, &after) {
            (Value::Object(before), Value::Object(after)) => {
                assert!(before.iter().all(|(key, value)| after[key] == *value), "{name}");
                assert_eq!(after.len(), before.len() + 2);
            }
            (Value::Array(before), Value::Array(after)) => {
                assert!(after.starts_with(before), "{name}");
                assert_eq!(after.len(), before.len() + 2);
            }
            _ => panic!("{name} became {after}"),
        }
        run_list(&file);
    }
}

fn run_list(store: &Path) {
    let mut command = dotctl();
    command.args(["list", "--format", "json", "--store"]).arg(store);
    let listed = finish(&mut command).expect(0).json();
    assert_eq!(listed["checkpoints"].as_array().unwrap().len(), 1, "{listed}");
}

/// What TypeScript wrote goes from one layout into another.
#[test]
fn from_layout_to_layout() {
    let scratch = Scratch::new();
    copy_folder(&fixture("dotdo/sound"), &scratch.path("from"));
    let object = contents(&scratch.path("from/do/spike-Store")).into_keys().next().unwrap();
    let expected = json_file(&fixture("dotdo/sound/expected.json"));
    let target = scratch.path("to.json");
    let bucket = scratch.path("bucket");
    let mut copied_count = 0;
    for made in expected.as_array().unwrap() {
        let id = made["id"].as_str().unwrap();
        for layout in ["chunked", "hybrid", "manager"] {
            let target = scratch.path(&format!("{layout}.json"));
            let mut command = dotctl();
            command
                .args(["copy", id, "--to-layout", layout, "--format", "json"])
                .arg("--store")
                .arg(&object)
                .arg("--overflow")
                .arg(scratch.path("from/r2/overflow"))
                .arg("--to-store")
                .arg(&target)
                .arg("--to-overflow")
                .arg(scratch.path(&format!("bucket-{layout}")));
            let copied = finish(&mut command).expect(0).json();
            assert_eq!(copied["content_sha256"], made["sha256"], "{id} {layout}");
            copied_count += 1;
        }
    }
    assert_eq!(copied_count, 3 * 21);
    let mut command = dotctl();
    command.args(["copy", "mk9d2x-gzip", "--to-layout", "state-snapshot", "--format", "json", "--store"]);
    command.arg(&object).arg("--to-store").arg(&target).arg("--to-overflow").arg(&bucket);
    let refused = finish(&mut command).expect(2).error();
    assert!(refused["hint"].as_str().unwrap().contains("a store of dotctl's first"), "{refused}");
}

#[test]
fn what_a_target_cannot_hold_is_refused_by_name() {
    let scratch = Scratch::new();
    let large = scratch.snapshot(&state(&scratch, 3_000), &[]);
    let id = large["id"].as_str().unwrap();
    let database = object(&scratch, "o.sqlite");
    let json = scratch.path("o.json");
    let folder = scratch.path("folder");
    let before = contents(&scratch.path(""));
    let refused = |to: &Path, layout: &str, more: &[&str], words: &[&str]| {
        let error = copy(&scratch, to, layout, more).expect(2).error();
        for word in words {
            assert!(error.to_string().contains(word), "{word} is not in {error}");
        }
        assert!(error["hint"].is_string(), "{error}");
        assert!(before == contents(&scratch.path("")), "{layout}: something was written");
    };
    for to in [&database, &json] {
        refused(to, "state-snapshot", &[], &[&format!("snapshot:{id}"), "2000000", "--to-layout chunked"]);
        refused(to, "hybrid", &[], &["1048576", "--to-overflow"]);
        refused(to, "manager", &[], &["bucket", "--to-overflow"]);
    }
    let kv = ["--object-backend", "kv"];
    refused(&database, "state-snapshot", &kv, &["131072", "KV-backed"]);
    for layout in ["chunked", "hybrid", "incremental", "state-snapshot"] {
        refused(&folder, layout, &[], &["--to-store"]);
    }
    refused(&folder, "manager", &["--to-overflow", "x"], &["--to-overflow"]);
    refused(&scratch.store(), "manager", &[], &["store of dotctl's own"]);
    refused(&database, "chunked", &["--to-overflow", "x", "--placement", "hybrid"], &["--placement"]);
    let mut persisted = scratch.path("r2");
    fs::create_dir_all(persisted.join("miniflare-R2BucketObject")).unwrap();
    persisted.push("bucket");
    fs::create_dir_all(persisted.join("blobs")).unwrap();
    refused(&persisted, "manager", &[], &["S3 endpoint"]);
    let missing = copy(&scratch, &scratch.path("none.sqlite"), "chunked", &[]).expect(3).error();
    assert_eq!(missing["kind"], "missing");

    // Another checkpoint under the same keys is never overwritten.
    fs::write(&json, format!(r#"{{"checkpoint:{id}":{{"mine":1}}}}"#)).unwrap();
    let error = copy(&scratch, &json, "chunked", &[]).expect(3).error();
    assert_eq!(error["kind"], "exists", "{error}");
    assert_eq!(json_file(&json), json!({ format!("checkpoint:{id}"): {"mine": 1} }));

    let image = scratch.snapshot(&object_fixture("clean"), &[]);
    for layout in ["state-snapshot", "incremental"] {
        let error = copy(&scratch, &database, layout, &[]).expect(2).error();
        assert!(error["message"].as_str().unwrap().contains("state entries"), "{error}");
        assert!(error["message"].as_str().unwrap().contains(image["id"].as_str().unwrap()), "{error}");
    }
}

/// Half of a run that was killed is there: the next one takes it for its own.
#[test]
fn a_run_that_was_stopped_is_run_again() {
    let scratch = Scratch::new();
    let source = state(&scratch, 3_000);
    scratch.snapshot(&source, &[]);
    let bucket = scratch.path("bucket");
    let more = ["--to-overflow", bucket.to_str().unwrap()];
    for (layout, folder) in [("hybrid", "checkpoints"), ("manager", "snapshots")] {
        let whole = scratch.path(&format!("{layout}.json"));
        copy(&scratch, &whole, layout, &more).expect(0);
        // Without its record.
        let again = scratch.path(&format!("{layout}-again.json"));
        assert_eq!(copy(&scratch, &again, layout, &more).expect(0).json()["existed"], false);
        assert_eq!(json_file(&again), json_file(&whole));
        // Another object in its place.
        let mut object = contents(&bucket.join(folder))
            .into_keys()
            .find(|path| path.extension().is_some_and(|end| end == "gz"))
            .unwrap();
        fs::write(&object, b"other").unwrap();
        let error = copy(&scratch, &scratch.path("third.json"), layout, &more).expect(3).error();
        assert_eq!(error["kind"], "exists", "{error}");
        assert_eq!(fs::read(&object).unwrap(), b"other");
        object.pop();
        fs::remove_dir_all(object).unwrap();
    }
}

/// Changes a few entries of a state: one is modified, one added in the middle, one deleted.
fn change(entries: &mut Value, step: usize) {
    let entries = entries.as_array_mut().unwrap();
    entries[step * 7][1]["value"] = json!({ "step": step, "numbers": [0.1, -3, 1e21], "text": "λ\n" });
    entries.insert(step * 11, json!([format!("key:{:08}+", step * 11 - 1 + step), { "value": step }]));
    entries.remove(step * 20);
    entries.sort_by(|a, b| a[0].as_str().cmp(&b[0].as_str()));
}

/// A chain goes on where it ended, with what has changed and nothing else.
#[test]
fn a_chain_goes_on() {
    let scratch = Scratch::new();
    let first = scratch.snapshot(&state(&scratch, 300), &[]);
    let source = scratch.path("step.json");
    for target in [object(&scratch, "o.sqlite"), scratch.path("o.json")] {
        let mut entries = json_file(&scratch.path("state-300.json"));
        let extend = |text: &str, sequence: u64, base: &Value| -> Value {
            fs::write(&source, text).unwrap();
            let made = scratch.snapshot(&source, &[]);
            let id = made["id"].as_str().unwrap();
            let to = ["copy", id, "--to-layout", "incremental", "--to-store", target.to_str().unwrap()];
            let copied = scratch.json(to);
            let link = &copied["checkpoint"];
            assert_eq!(
                (&link["sequence"], &copied["existed"]),
                (&json!(sequence), &json!(false)),
                "{copied}"
            );
            assert_eq!(link["base"], format!("{}-base", base["id"].as_str().unwrap()));
            assert_eq!(scratch.json(to)["existed"], true);
            let mut command = dotctl();
            command.args(["restore", id, "--to", "-", "--store"]).arg(&target);
            let mut restored: Value = serde_json::from_slice(&finish(&mut command).expect(0).stdout).unwrap();
            let restored = restored.as_array_mut().unwrap();
            restored.sort_by(|a, b| a[0].as_str().cmp(&b[0].as_str()));
            assert_eq!(*restored, *serde_json::from_str::<Value>(text).unwrap().as_array().unwrap());
            let mut command = dotctl();
            finish(command.args(["verify", "--store"]).arg(&target)).expect(0);
            if sequence > 0 {
                assert!(copied["stored_bytes"].as_u64().unwrap() < 2_000, "{copied}");
            }
            made
        };
        scratch.json([
            "copy",
            first["id"].as_str().unwrap(),
            "--to-layout",
            "incremental",
            "--to-store",
            target.to_str().unwrap(),
        ]);
        for step in 1..=3 {
            change(&mut entries, step);
            extend(&entries.to_string(), step as u64, &first);
        }
        // Nothing but the spelling of a number: JavaScript has one for both, so a base is written.
        let text = entries.to_string().replacen("\"createdAt\":1", "\"createdAt\":1.0", 1);
        fs::write(&source, &text).unwrap();
        let id = scratch.snapshot(&source, &[])["id"].as_str().unwrap().to_owned();
        let copied =
            scratch.json(["copy", &id, "--to-layout", "incremental", "--to-store", target.to_str().unwrap()]);
        assert_eq!(copied["checkpoint"]["sequence"], 0);
        let mut command = dotctl();
        command.args(["restore", &id, "--to", "-", "--store"]).arg(&target);
        assert_eq!(finish(&mut command).expect(0).text(), text, "byte for byte");
        // Most of it is another: a base again.
        let most: Vec<&Value> = entries.as_array().unwrap().iter().take(100).collect();
        fs::write(&source, json!(most).to_string()).unwrap();
        let id = scratch.snapshot(&source, &[])["id"].as_str().unwrap().to_owned();
        let copied =
            scratch.json(["copy", &id, "--to-layout", "incremental", "--to-store", target.to_str().unwrap()]);
        assert_eq!(
            (&copied["checkpoint"]["sequence"], &copied["checkpoint"]["base"]),
            (&json!(0), &json!(format!("{id}-base")))
        );
    }
}

/// The state at the end of the chain `id` with one entry more, copied to where it is; the copy.
fn one_more(scratch: &Scratch, target: &Path, id: &str, name: &str) -> Value {
    let mut command = dotctl();
    command.args(["restore", id, "--to", "-", "--store"]).arg(target);
    let mut entries: Value = serde_json::from_slice(&finish(&mut command).expect(0).stdout).unwrap();
    entries.as_array_mut().unwrap().push(json!([name, { "value": 1 }]));
    let source = scratch.path("one-more.json");
    fs::write(&source, entries.to_string()).unwrap();
    scratch.snapshot(&source, &[]);
    let copied = copy(scratch, target, "incremental", &[]).expect(0).json();
    let mut command = dotctl();
    let written = copied["checkpoint"]["id"].as_str().unwrap();
    finish(command.args(["verify", written, "--store"]).arg(target)).expect(0);
    copied["checkpoint"].clone()
}

/// A chain goes on in the way it has: on the base of all, or on the delta before.
#[test]
fn a_chain_goes_on_in_its_own_way() {
    let scratch = Scratch::new();
    copy_folder(&fixture("dotdo/sound"), &scratch.path("from"));
    let object = contents(&scratch.path("from/do/spike-Store")).into_keys().next().unwrap();
    // What TypeScript wrote. The last checksum is of the result, and would prove nothing in the middle.
    let link = one_more(&scratch, &object, "mk9inc-4", "z");
    assert_eq!(link["sequence"], 0, "{link}");
    let connection = rusqlite::Connection::open(&object).unwrap();
    let gone = "DELETE FROM _cf_KV WHERE key = 'checkpoint:mk9inc-4' OR key GLOB 'checkpoint:' || ?1 || '*'";
    assert_eq!(connection.execute(gone, [link["id"].as_str().unwrap()]).unwrap(), 4);
    drop(connection);
    let link = one_more(&scratch, &object, "mk9inc-3", "zz");
    assert_eq!((&link["sequence"], &link["base"]), (&json!(4), &json!("mk9inc-base")), "{link}");

    // Ours, with the second delta on the first.
    let source = state(&scratch, 100);
    let first = scratch.snapshot(&source, &[]);
    let first = first["id"].as_str().unwrap();
    let target = scratch.path("o.json");
    copy(&scratch, &target, "incremental", &[]).expect(0);
    let second = one_more(&scratch, &target, first, "z");
    let second = second["id"].as_str().unwrap();
    let mut records = json_file(&target);
    records[format!("checkpoint:{second}")]["baseCheckpointId"] = json!(first);
    fs::write(&target, records.to_string()).unwrap();
    let third = one_more(&scratch, &target, second, "zz");
    assert_eq!((&third["sequence"], &third["base"]), (&json!(2), &json!(second)), "{third}");
}

/// tests/workerd/typescript.mjs, running.
struct TypeScript {
    child: Child,
    stdout: BufReader<ChildStdout>,
    endpoint_url: String,
    databases: Value,
}

impl TypeScript {
    fn start(state: &Path, more: &[&str]) -> Self {
        let mut child = node()
            .arg(script("typescript.mjs"))
            .arg("--state")
            .arg(state)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut started = TypeScript { child, stdout, endpoint_url: String::new(), databases: Value::Null };
        let mut told = started.line();
        started.databases = told["databases"].take();
        started.endpoint_url = told["endpoint_url"].as_str().unwrap().to_owned();
        started
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// What TypeScript makes of a checkpoint.
    fn restores(&mut self, name: &str, layout: &str, id: &str) -> Value {
        let question = json!({ "name": name, "layout": layout, "id": id }).to_string();
        writeln!(self.child.stdin.as_ref().unwrap(), "{question}").unwrap();
        self.line()
    }
}

impl Drop for TypeScript {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn at(endpoint_url: &str, mut command: Command) -> Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .env("AWS_ACCESS_KEY_ID", KEY[0])
        .env("AWS_SECRET_ACCESS_KEY", KEY[1])
        .env("AWS_ENDPOINT_URL", endpoint_url)
        .env("AWS_REGION", "auto")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command
}

/// A real workerd restores every layout, out of both kinds of objects and R2.
#[test]
fn workerd_reads_what_was_written() {
    let scratch = Scratch::new();
    let small = scratch.snapshot(&fixture("state/listed.json"), &["--namespace", "small"]);
    let large = scratch.snapshot(&state(&scratch, 3_000), &["--namespace", "large"]);
    let image = scratch.snapshot(&object_fixture("clean"), &["--namespace", "image"]);
    let credentials = KEY.join(":");
    for kv in [false, true] {
        let folder = scratch.path(if kv { "kv" } else { "sqlite" });
        let names: Vec<String> = LAYOUTS.iter().map(|layout| format!("of-{layout}")).collect();
        let mut more: Vec<&str> = names.iter().flat_map(|name| ["--make", name]).collect();
        more.extend(kv.then_some("--kv"));
        // Makes the objects, and ends.
        let databases = TypeScript::start(&folder, &more).databases.clone();
        let more = if kv { vec!["--kv"] } else { vec![] };
        let mut running = TypeScript::start(&folder, &[&more[..], &["--credentials", &credentials]].concat());
        let mut written = Vec::new();
        for (layout, name) in LAYOUTS.iter().zip(&names) {
            for made in [&small, &large, &image] {
                let is_state = made["kind"] == "state";
                let fits_one_record = made["raw_bytes"].as_u64().unwrap() < 100_000;
                let refused = match *layout {
                    "state-snapshot" => !is_state || !fits_one_record,
                    "incremental" => !is_state,
                    // What compresses to less than 1 MiB and more than 128 KiB fits neither place.
                    "hybrid" => kv && !is_state && made["stored_bytes"].as_u64().unwrap() > 120_000,
                    _ => false,
                };
                let id = made["id"].as_str().unwrap();
                let mut command = scratch.dotctl_json(["copy", id, "--to-layout", layout]);
                command.args(["--to-store", databases[name].as_str().unwrap()]);
                command.args(["--object-backend", if kv { "kv" } else { "sqlite" }]);
                command.args(["--to-overflow", "s3://checkpoints"]);
                let ended = finish(&mut at(&running.endpoint_url, command));
                if refused {
                    ended.expect(2);
                    continue;
                }
                let copied = ended.expect(0).json();
                assert!(copied["requests"].is_object(), "{copied}");
                written.push((*layout, name, made));
            }
        }
        assert!(written.len() >= 11, "{written:?}");
        // The chain goes on, by small deltas.
        let mut entries = json_file(&scratch.path("state-3000.json"));
        let steps: Vec<Value> = (1..=3)
            .map(|step| {
                change(&mut entries, step);
                let source = scratch.path(&format!("step-{step}.json"));
                fs::write(&source, entries.to_string()).unwrap();
                let made = scratch.snapshot(&source, &["--namespace", "large"]);
                let mut command = scratch.dotctl_json(["copy", made["id"].as_str().unwrap()]);
                command.args(["--to-layout", "incremental", "--to-store"]);
                command.arg(databases["of-incremental"].as_str().unwrap());
                command.args(["--object-backend", if kv { "kv" } else { "sqlite" }]);
                let copied = finish(&mut command).expect(0).json();
                let link = &copied["checkpoint"];
                assert_eq!(link["base"], format!("{}-base", large["id"].as_str().unwrap()));
                assert_eq!(link["sequence"], step, "{copied}");
                made
            })
            .collect();
        let incremental = (&"incremental", &names[2]);
        written.extend(steps.iter().map(|made| (*incremental.0, incremental.1, made)));
        for (layout, name, made) in &written {
            let restored = running.restores(name, layout, made["id"].as_str().unwrap());
            assert_eq!(restored["sha256"], made["content_sha256"], "{layout}, kv {kv}: {restored}");
            assert_eq!(restored["raw_bytes"], made["raw_bytes"]);
        }
        // Now workerd has them open.
        let again = copy(&scratch, Path::new(databases["of-chunked"].as_str().unwrap()), "hybrid", &[]);
        assert_eq!(again.code, 3);
        assert_eq!(scratch.snapshot(&fixture("state/empty.json"), &[])["record_count"], 0);
        let busy = copy(&scratch, Path::new(databases["of-chunked"].as_str().unwrap()), "chunked", &[]);
        assert_eq!(busy.expect(3).error()["kind"], "busy");
    }
}
