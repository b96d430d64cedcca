//! The command line and a live object in a real workerd, by the door that its worker opens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use support_real::*;

const TOKEN: &str = "a-token-that-nobody-guesses";

/// One workerd at a time.
static WORKERD: Mutex<()> = Mutex::new(());

/// A worker with objects, reached by HTTP.
struct Worker {
    url: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    _alone: MutexGuard<'static, ()>,
}

impl Worker {
    fn start(state: &Path, bindings: &[&str]) -> Self {
        let alone = WORKERD.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = node();
        command.arg(script("checkpoints.mjs")).arg("--listen").arg("--state").arg(state);
        for binding in bindings {
            command.args(["--bind", binding]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut worker = Worker { url: String::new(), child, stdin, stdout, _alone: alone };
        worker.url = worker.line()["url"].as_str().unwrap().to_owned();
        worker
    }

    /// The usual one: checkpoints in the object, and one token.
    fn usual(scratch: &Scratch) -> Self {
        Worker::start(&scratch.path("state"), &["STORE=object", &format!("TOKENS={TOKEN}")])
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the worker said {line:?}"))
    }

    fn answer(&mut self, step: &Value) -> Value {
        writeln!(self.stdin.as_mut().unwrap(), "{step}").unwrap();
        self.line()
    }

    /// What an object answers to a step, which must succeed.
    fn ask(&mut self, ask: &str, with: Value) -> Value {
        let answer = self.answer(&json!({ "ask": ask, "with": with }));
        assert!(answer["error"].is_null(), "{ask}: {answer}");
        answer
    }

    fn object(&self, name: &str) -> String {
        format!("{}/objects/{name}", self.url)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It ends with its standard input, and workerd with it.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// `dotctl` with the token in its environment.
fn with_token(token: &str, words: &[&str]) -> Command {
    let mut command = dotctl();
    command.env("DOTCTL_TOKEN", token).args(["--format", "json"]).args(words);
    command
}

fn run(words: &[&str]) -> Value {
    finish(&mut with_token(TOKEN, words)).expect(0).json()
}

/// One request by hand: the status, the headers and the body.
fn request(url: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: worker\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n")
        .unwrap();
    stream.write_all(body).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).unwrap(), 0, "cut after {head:?}");
    }
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    let mut answer = Vec::new();
    if field("transfer-encoding: chunked").is_some() {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            let mut chunk = vec![0; usize::from_str_radix(line.trim(), 16).unwrap() + 2];
            stream.read_exact(&mut chunk).unwrap();
            if chunk.len() == 2 {
                break;
            }
            answer.extend_from_slice(&chunk[..chunk.len() - 2]);
        }
    } else if let Some(length) = field("content-length: ") {
        answer.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut answer).unwrap();
    }
    (status, head, answer)
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

#[test]
fn checkpoints_behind_the_door_are_a_store_to_read() {
    let scratch = Scratch::new();
    let mut worker = Worker::usual(&scratch);
    worker.ask("/one/fill", json!({"rows": 3000, "values": true, "wide": 1_900_000}));
    let first = worker.ask("/one/checkpoint", json!({}));
    worker.ask("/one/run", json!({"statement": "UPDATE plain SET name = 'x' WHERE id = 7"}));
    let second = worker.ask("/one/checkpoint", json!({}));
    let object = worker.object("one");

    let verified = run(&["verify", &object]);
    assert_eq!((&verified["ok"], &verified["checked"]["checkpoints"]), (&json!(true), &json!(2)));
    assert_eq!(run(&["verify", "--store", &object])["checked"], verified["checked"]);
    assert_eq!(run(&["verify", "--quick", "--store", &object])["ok"], true);
    let listed = run(&["list", "--store", &object]);
    let ids: Vec<&Value> = listed["checkpoints"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&second["id"], &first["id"]]);
    let row = run(&["get", "latest", "row/plain/#a7", "--store", &object]);
    assert_eq!(row["values"][1], "x");
    let differ = finish(&mut with_token(
        TOKEN,
        &["diff", first["id"].as_str().unwrap(), "latest", "--store", &object],
    ))
    .expect(1)
    .json();
    assert_eq!(
        (&differ["added"], &differ["modified"], &differ["deleted"]),
        (&json!(0), &json!(1), &json!(0))
    );

    // A folder takes the same checkpoints, with their ids, and what they restore is the same.
    let folder = scratch.path("folder");
    let folder = folder.to_str().unwrap();
    run(&["copy", "latest", "--store", &object, "--to-store", folder]);
    assert_eq!(run(&["show", "latest", "--store", folder])["id"], second["id"]);
    let (near, far) = (scratch.path("near.sqlite"), scratch.path("far.sqlite"));
    let near = run(&["restore", "latest", "--to", near.to_str().unwrap(), "--store", folder]);
    let far = run(&["restore", "latest", "--to", far.to_str().unwrap(), "--store", &object]);
    assert_eq!(near["sha256"], far["sha256"]);

    // Another object's checkpoints are not there, and nothing is written there.
    let (status, _, body) =
        request(&worker.url, "GET", "/objects/two/items?prefix=manifests", &bearer(TOKEN), b"");
    assert_eq!(
        (status, serde_json::from_slice::<Value>(&body).unwrap()),
        (200, json!({"items": [], "more": false}))
    );
    for words in [
        vec!["tag", "latest", "a-name", "--store", &object],
        vec!["prune", "--keep-last", "1", "--store", &object],
        vec!["compact", "latest", "--store", &object],
        vec!["copy", "latest", "--store", folder, "--to-store", &object],
        vec!["snapshot", "Cargo.toml", "--store", &object],
    ] {
        let refused = finish(&mut with_token(TOKEN, &words)).expect(2).error();
        assert!(refused["message"].as_str().unwrap().contains("live object"), "{words:?}: {refused}");
    }
}

#[test]
fn nobody_enters_without_a_valid_token() {
    let scratch = Scratch::new();
    let tokens = json!([
        {"token": TOKEN},
        {"token": "one-that-lasts\n", "expiresAt": "2999-01-01T00:00:00Z"},
        {"token": "one-that-has-expired", "expiresAt": 1_700_000_000_000_u64},
        {"token": "one-whose-end-is-no-time", "expiresAt": "soon"},
        {"token": ""},
        {},
        "another-one"
    ]);
    let mut worker = Worker::start(&scratch.path("state"), &["STORE=object", &format!("TOKENS={tokens}")]);
    worker.ask("/one/fill", json!({"rows": 30}));
    worker.ask("/one/checkpoint", json!({}));
    let manifests = "items?prefix=manifests";
    let get = |path: &str, headers: &str| request(&worker.url, "GET", path, headers, b"");

    for token in [TOKEN, "one-that-lasts", "another-one"] {
        assert_eq!(get(&format!("/objects/one/{manifests}"), &bearer(token)).0, 200, "{token}");
    }
    let wrong = [
        String::new(),
        bearer(""),
        bearer("wrong"),
        bearer("one-that-has-expired"),
        bearer("one-whose-end-is-no-time"),
        bearer(&TOKEN[1..]),
        bearer(&format!("{TOKEN}x")),
        bearer(&TOKEN.to_uppercase()),
        bearer("undefined"),
        bearer("null"),
        bearer("[object Object]"),
        format!("authorization: Basic {TOKEN}\r\n"),
        format!("authorization: {TOKEN}\r\n"),
        format!("x-authorization: Bearer {TOKEN}\r\n"),
    ];
    let request_id = "0123456789abcdef".repeat(2);
    let mut bodies = Vec::new();
    for headers in &wrong {
        // By way of `door`, and by that of a worker that looks at nothing.
        for way in ["", "/careless"] {
            for (method, rest) in [
                ("GET", manifests.to_owned()),
                ("GET", "items/packs/x".to_owned()),
                ("GET", "state".to_owned()),
                ("PUT", format!("checkpoints/{request_id}")),
                ("PUT", "checkpoints/not-hexadecimal".to_owned()),
                ("POST", format!("restores/{request_id}")),
                ("PUT", format!("restores/{request_id}")),
                ("PUT", format!("restores/{request_id}/parts/0")),
                ("DELETE", format!("restores/{request_id}")),
            ] {
                let (status, head, body) =
                    request(&worker.url, method, &format!("{way}/objects/one/{rest}"), headers, b"");
                assert_eq!(status, 401, "{method} {way} {rest} {headers}");
                assert!(head.contains("www-authenticate: bearer") && !head.contains("dotctl"), "{head}");
                bodies.push(body);
            }
        }
    }
    assert!(bodies.iter().all(|body| body == &bodies[0]), "a refusal tells why");
    // A query is no place for a token.
    assert_eq!(get(&format!("/objects/one/{manifests}&token={TOKEN}"), "").0, 401);

    // Nothing was done.
    let listed = worker.ask("/one/list", json!({}));
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let tables = worker.ask(
        "/one/run",
        json!({"statement": "SELECT name FROM sqlite_schema WHERE name GLOB '_dotctl_upload*'"}),
    );
    assert_eq!(tables, json!([]));

    // The command line says the same of each, exits 3, and shows none.
    let object = worker.object("one");
    for token in ["wrong-token", "one-that-has-expired"] {
        let copied = scratch.path("copied");
        let to = worker.object("two");
        for words in [
            vec!["-v", "verify", &object],
            vec!["-v", "list", "--store", &object],
            vec!["-v", "inspect", &object],
            vec!["-v", "snapshot", &object, "--store", copied.to_str().unwrap()],
            vec!["-v", "restore", "latest", "--to", &to, "--store", &object],
        ] {
            let ended = finish(&mut with_token(token, &words)).expect(3);
            assert!(!ended.stderr.contains(token), "{words:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("does not let this token in"), "{words:?}: {}", ended.stderr);
        }
    }
    let mut without = dotctl();
    without.env_remove("DOTCTL_TOKEN").args(["--format", "json", "verify", &object]);
    let refused = finish(&mut without).expect(3).error();
    assert_eq!(refused["kind"], "missing");
    assert!(refused["hint"].as_str().unwrap().contains("DOTCTL_TOKEN"), "{refused}");
    for token in ["with a blank", "with\ta tab", "schön"] {
        let refused = finish(&mut with_token(token, &["verify", &object])).expect(2).error();
        assert!(!refused.to_string().contains(token), "{refused}");
    }
}

#[test]
fn where_no_token_is_set_there_is_no_door() {
    let scratch = Scratch::new();
    for (name, bindings) in [
        ("unset", vec!["STORE=object"]),
        ("empty", vec!["STORE=object", "TOKENS="]),
        ("blank", vec!["STORE=object", "TOKENS= \n"]),
        ("none", vec!["STORE=object", "TOKENS=[]"]),
        ("empty-ones", vec!["STORE=object", r#"TOKENS=[{"token":""},"",null,{},{"token":7}]"#]),
    ] {
        let worker = Worker::start(&scratch.path(name), &bindings);
        for way in ["", "/careless"] {
            for headers in [String::new(), bearer(""), bearer("undefined"), bearer("7"), bearer("null")] {
                for rest in ["items?prefix=manifests", "state"] {
                    let path = format!("{way}/objects/one/{rest}");
                    assert_eq!(
                        request(&worker.url, "GET", &path, &headers, b"").0,
                        404,
                        "{name} {way} {rest} {headers}"
                    );
                }
            }
        }
        let object = worker.object("one");
        let refused = finish(&mut with_token("any", &["verify", &object])).expect(3).error();
        assert_eq!(refused["kind"], "io", "{refused}");
    }
}

/// The address of a server that answers every request with `answer`.
fn answering(answer: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = match answer.contains("content-length") {
        true => format!("HTTP/1.1 {answer}"),
        false => format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n"),
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap_or(0) > 0 {}
            let _ = stream.into_inner().write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn what_is_no_door_is_told() {
    let scratch = Scratch::new();
    let worker = Worker::usual(&scratch);
    let without = format!("{}/without/objects/one", worker.url);
    let refused = finish(&mut with_token(TOKEN, &["list", "--store", &without])).expect(2).error();
    assert!(refused["message"].as_str().unwrap().contains("have no door"), "{refused}");
    for (answer, kind, said) in [
        ("404 Not Found", "io", "no door of an object"),
        ("401 Unauthorized", "io", "does not let this token in"),
        ("403 Forbidden", "io", "no door of an object"),
        ("200 OK", "io", "no door of an object"),
        ("302 Found\r\nlocation: http://127.0.0.1:1/objects/one", "io", "sends us elsewhere"),
    ] {
        let address = format!("{}/objects/one", answering(answer));
        let refused = finish(&mut with_token(TOKEN, &["list", "--store", &address])).expect(3).error();
        assert_eq!(refused["kind"], kind, "{refused}");
        assert!(refused["message"].as_str().unwrap().contains(said), "{answer}: {refused}");
    }
    // Whoever answers in the door's name and repeats the token is not repeated.
    let strange = "200 OK\r\ndotctl-door: 1\r\ncontent-length: 8\r\n\r\n{\"x\": 1}";
    let address = format!("{}/objects/one", answering(strange));
    finish(&mut with_token(TOKEN, &["list", "--store", &address])).expect(3);
    let body = json!({"error": {"kind": "busy", "message": format!("{TOKEN}\u{1b}[31m"), "hint": TOKEN}})
        .to_string();
    let repeating = format!("409 Conflict\r\ndotctl-door: 1\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let address = format!("{}/objects/one", answering(&repeating));
    let ended = finish(&mut with_token(TOKEN, &["list", "--store", &address])).expect(3);
    assert!(!ended.stderr.contains(TOKEN) && !ended.stderr.contains("u001b"), "{}", ended.stderr);
    for (words, code) in [
        (vec!["list", "--store", "http://worker.example/objects/hunter2"], 2),
        (vec!["verify", "https://me:hunter2@worker.example/objects/one"], 2),
        (vec!["snapshot", "https://worker.example/objects/one?token=hunter2"], 2),
        (vec!["restore", "latest", "--to", "https://worker.example/hunter2"], 2),
        (vec!["inspect", "https://worker.example/objects/one#hunter2"], 2),
    ] {
        let ended = finish(&mut with_token(TOKEN, &words)).expect(code);
        assert!(!ended.stderr.contains("hunter2"), "{words:?}: {}", ended.stderr);
    }
}

/// A server before the worker's that cuts connections: those of `share` in 256, after some bytes of the answer or of the
/// request.
struct Cutting {
    url: String,
    cuts: Arc<AtomicU64>,
    share: Arc<AtomicU64>,
}

impl Cutting {
    fn before(url: &str, share: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let cutting = Cutting {
            url: format!("http://{}", listener.local_addr().unwrap()),
            cuts: Arc::default(),
            share: Arc::new(AtomicU64::new(share)),
        };
        let (to, cuts, share) =
            (url.strip_prefix("http://").unwrap().to_owned(), cutting.cuts.clone(), cutting.share.clone());
        std::thread::spawn(move || {
            let mut numbers = Numbers(11);
            for client in listener.incoming() {
                let client = client.unwrap();
                let Ok(server) = TcpStream::connect(&to) else {
                    continue;
                };
                let is_cut = numbers.draw() & 255 < share.load(Ordering::Relaxed);
                // Of a request and of an answer alike: in their heads, or far behind them.
                let limit = numbers.draw() % [300, 20_000, 400_000][(numbers.draw() % 3) as usize];
                let of_answer = numbers.draw().is_multiple_of(2);
                let limits = match (is_cut, of_answer) {
                    (false, _) => [u64::MAX, u64::MAX],
                    (true, true) => [u64::MAX, limit],
                    (true, false) => [limit, u64::MAX],
                };
                for ((from, into), limit) in
                    [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
                        .into_iter()
                        .zip(limits)
                {
                    let cuts = cuts.clone();
                    std::thread::spawn(move || {
                        let (mut from, mut into) = (from, into);
                        let copied = std::io::copy(&mut (&mut from).take(limit), &mut into);
                        if copied.is_ok_and(|bytes| bytes == limit) {
                            cuts.fetch_add(1, Ordering::Relaxed);
                        }
                        for stream in [&from, &into] {
                            let _ = stream.shutdown(Shutdown::Both);
                        }
                    });
                }
            }
        });
        cutting
    }

    fn object(&self, name: &str) -> String {
        format!("{}/objects/{name}", self.url)
    }
}

/// The checkpoint that a snapshot made.
fn snapshot(words: &[&str]) -> Value {
    run(&[&["snapshot"], words].concat())["checkpoint"].clone()
}

#[test]
fn a_live_object_is_a_source() {
    let scratch = Scratch::new();
    let mut worker = Worker::usual(&scratch);
    worker.ask("/one/fill", json!({"rows": 3000, "values": true, "wide": 1_900_000}));
    let inside = worker.ask("/one/checkpoint", json!({}));
    let object = worker.object("one");
    let store = scratch.store();
    let store = store.to_str().unwrap();

    // What would be done asks nobody.
    let planned = run(&["snapshot", &object, "--dry-run", "--store", store]);
    assert_eq!(planned["checkpoints"][0]["source"], object);
    assert_eq!(planned["checkpoints"][0]["kind"], "rows");

    let made = snapshot(&[&object, "--store", store]);
    for field in
        ["content_sha256", "record_count", "raw_bytes", "stored_bytes", "chunk_count", "namespace", "kind"]
    {
        assert_eq!(made[field], inside[field], "{field}");
    }
    let listed = worker.ask("/one/list", json!({}));
    assert_eq!(listed.as_array().unwrap().len(), 2, "the object has made one for it");
    assert_eq!(listed[0]["created_at"], made["created_at"]);

    // Only what has changed is stored of the next; another codec, name and key are heeded.
    worker.ask("/one/run", json!({"statement": "UPDATE plain SET name = 'x' WHERE id = 7"}));
    let next = snapshot(&[&object, "--store", store]);
    assert_eq!(next["base"], made["id"]);
    assert!(next["new_bytes"].as_u64().unwrap() < made["stored_bytes"].as_u64().unwrap() / 10, "{next}");
    let other = snapshot(&[&object, "--store", store, "--namespace", "mine", "--codec", "gzip"]);
    assert_eq!((&other["namespace"], &other["codec"]), (&json!("mine"), &json!("gzip")));
    assert_eq!(other["content_sha256"], next["content_sha256"]);
    assert_eq!(run(&["verify", "--store", store])["ok"], true);

    // It is the state: the file that comes of it is served with every value as it was.
    let whole = worker.ask("/one/digest", json!({}));
    let restored = scratch.path("restored.sqlite");
    run(&["restore", next["id"].as_str().unwrap(), "--to", restored.to_str().unwrap(), "--store", store]);
    let of_file = snapshot(&[restored.to_str().unwrap(), "--kind", "rows", "--store", store]);
    assert_eq!(of_file["content_sha256"], next["content_sha256"]);
    assert!(whole["lines"].as_u64().unwrap() > 3000);

    let inspected = run(&["inspect", &object]);
    assert_eq!(inspected["kind"], "live-object");
    assert_eq!(inspected["checkpoint"]["content_sha256"], next["content_sha256"]);
    let tables = inspected["rows"]["tables"].as_array().unwrap();
    let plain = tables.iter().find(|table| table["name"] == "plain").unwrap();
    assert_eq!(plain["row_count"], 3014);
    assert!(inspected["rows"]["entry_count"].as_u64().unwrap() > 500);

    // An object that is not there is not made up.
    let refused = finish(&mut with_token(TOKEN, &["snapshot", &worker.object("nobody"), "--store", store]))
        .expect(3)
        .error();
    assert_eq!(refused["kind"], "missing", "{refused}");
    let refused = finish(&mut with_token(TOKEN, &["inspect", &worker.object("nobody")])).expect(3).error();
    assert_eq!(refused["kind"], "missing", "{refused}");
    finish(&mut with_token(TOKEN, &["snapshot", &object, "--kind", "image", "--store", store])).expect(2);
}

/// The finding of a report about one limit.
fn limit<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["limits"].as_array().unwrap().iter().find(|finding| finding["limit"] == name).unwrap()
}

/// The names of all fields in `value`.
fn names(value: &Value) -> std::collections::BTreeSet<String> {
    match value {
        Value::Object(members) => {
            members.iter().flat_map(|(name, value)| [name.clone()].into_iter().chain(names(value))).collect()
        }
        Value::Array(elements) => elements.iter().flat_map(names).collect(),
        _ => Default::default(),
    }
}

#[test]
fn a_live_object_is_inspected_as_its_database_would_be() {
    let scratch = Scratch::new();
    let mut worker = Worker::usual(&scratch);
    worker.ask("/one/furnish", json!({}));
    let object = worker.object("one");

    // What there is to see is made, and told of; the next time it is there.
    let first = finish(&mut with_token(TOKEN, &["inspect", &object])).expect(0);
    assert_eq!(first.stderr.lines().count(), 1, "{}", first.stderr);
    assert!(
        first.stderr.contains("had no checkpoint") && first.stderr.contains("made one"),
        "{}",
        first.stderr
    );
    let again = finish(&mut with_token(TOKEN, &["inspect", &object])).expect(0);
    assert_eq!(again.stderr, "");
    let listed = worker.ask("/one/list", json!({}));
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let (first, live) = (first.json(), again.json());
    for report in [&first, &live] {
        assert_eq!(report["kind"], "live-object");
        assert_eq!(report["checkpoint_count"], 1);
        assert_eq!(report["checkpoint"]["created_at"], listed[0]["created_at"]);
    }

    let file = room_database(&scratch.path("state"));
    let of_file = run(&["inspect", file.to_str().unwrap()]);
    assert_eq!(live["key_values"], of_file["key_values"]);
    assert_eq!(live["alarm"], of_file["alarm"]);
    assert_eq!(live["alarm"]["unix_ms"], 4_100_000_000_123_u64);
    assert_eq!(live["limits"], of_file["limits"]);
    let used_pages =
        of_file["page_count"].as_u64().unwrap() - of_file["freelist_page_count"].as_u64().unwrap();
    assert_eq!(live["database_bytes"], used_pages * of_file["page_bytes"].as_u64().unwrap());

    // And that is what was put in.
    let entries = &live["key_values"];
    assert_eq!(entries["count"], 360);
    let expiry = &entries["expiry"];
    assert_eq!((&expiry["expiring_count"], &expiry["expired_count"]), (&json!(50), &json!(10)));
    assert_eq!(expiry["unexamined_count"], 1);
    let prefixes = entries["prefixes"].as_array().unwrap();
    let count =
        |prefix: &str| prefixes.iter().find(|group| group["prefix"] == prefix).unwrap()["count"].clone();
    assert_eq!([count("user:"), count("session/"), count("")], [json!(302), json!(50), json!(2)]);
    assert!(entries["types"].as_array().unwrap().len() >= 6, "{}", entries["types"]);
    for (name, status, key) in [
        ("object", "ok", Value::Null),
        ("key-and-value", "warn", json!("big:text")),
        ("row", "warn", json!("orders rowid 2")),
        ("columns", "warn", json!("wide")),
        ("kv-backend-key", "warn", json!(format!("long:{}", "k".repeat(1700)))),
        ("kv-backend-value", "exceeded", json!("big:text")),
    ] {
        let found = limit(&live, name);
        assert_eq!((&found["status"], &found["key"]), (&json!(status), &key), "{name}");
    }
    let tables = live["rows"]["tables"].as_array().unwrap();
    let orders = tables.iter().find(|table| table["name"] == "orders").unwrap();
    assert_eq!(
        (&orders["row_count"], &orders["value_bytes"]),
        (&json!(3), &json!(5 + 4 + 1_900_000 + 6 + 2))
    );

    // People see the same, in 80 columns.
    let text = finish(dotctl().env("DOTCTL_TOKEN", TOKEN).args(["inspect", &object])).expect(0);
    let text = text.text();
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for part in ["Live object", "as of", "user:", "session/", "OVER", "near", "orders rowid 2", "2099-12-03"]
    {
        assert!(text.contains(part), "no {part} in\n{text}");
    }

    // Every field is told of: those of the checkpoint with checkpoints, others with a database.
    let told = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/JSON_OUTPUT.md")).unwrap();
    let part = |from: &str, to: &str| &told[told.find(from).unwrap()..told.find(to).unwrap()];
    let parts = [part("## A checkpoint\n", "## snapshot\n"), part("## inspect\n", "### A state snapshot\n")];
    for name in names(&live) {
        assert!(parts.iter().any(|part| part.contains(&name)), "{name} is not in docs/JSON_OUTPUT.md");
    }

    // What the object has become shows in its next checkpoint.
    worker.ask("/one/run", json!({"statement": "DELETE FROM orders"}));
    assert_eq!(limit(&run(&["inspect", &object]), "row")["key"], "orders rowid 2");
    worker.ask("/one/checkpoint", json!({}));
    let later = run(&["inspect", &object]);
    assert_eq!((&later["checkpoint_count"], &limit(&later, "row")["key"]), (&json!(2), &json!("_cf_KV")));
}

#[test]
fn the_door_tells_how_much_there_is() {
    let scratch = Scratch::new();
    let mut worker = Worker::usual(&scratch);
    let state = |url: &str, method: &str, rest: &str| {
        let (status, _, body) = request(url, method, &format!("/objects/one/{rest}"), &bearer(TOKEN), b"");
        (status, serde_json::from_slice::<Value>(&body).unwrap_or_default())
    };
    let url = worker.url.clone();
    let (status, empty) = state(&url, "GET", "state");
    assert_eq!((status, &empty["held"]), (200, &json!("nothing")));
    worker.ask("/one/run", json!({"statement": "CREATE TABLE t (a)"}));
    assert_eq!(state(&url, "GET", "state").1["held"], "tables");
    worker.ask("/one/run", json!({"statement": "INSERT INTO t VALUES (randomblob(1000000))"}));
    let (_, full) = state(&url, "GET", "state");
    assert_eq!(full["held"], "rows");
    let grown = full["database_bytes"].as_u64().unwrap() - empty["database_bytes"].as_u64().unwrap();
    assert!((1_000_000..1_100_000).contains(&grown), "{grown}");
    for (method, rest) in [("POST", "state"), ("PUT", "state"), ("DELETE", "state"), ("GET", "state/x")] {
        assert_eq!(state(&url, method, rest).0, 404, "{method} {rest}");
    }
}

#[test]
fn manifests_in_a_bucket_are_read_once_and_packs_looked_for_together() {
    let scratch = Scratch::new();
    let bindings = ["STORE=bucket", "TRACK=true", &format!("TOKENS={TOKEN}")];
    let mut worker = Worker::start(&scratch.path("state"), &bindings);
    worker.ask("/one/fill", json!({"rows": 30_000}));
    worker.ask("/one/checkpoint", json!({}));
    for round in 1..=9 {
        let statement = format!("UPDATE plain SET name = 'x' WHERE id = {round} * 700");
        worker.ask("/one/run", json!({"statement": statement}));
        worker.ask("/one/checkpoint", json!({}));
    }
    // The newest has a pack of each at least.
    let asked = worker.ask("/one/asked", json!({}));
    assert_eq!(asked["headsAtOnce"], 6, "{asked}");
    let packs = |worker: &Worker, after: &str| {
        let path = format!("/objects/one/items?prefix=packs&after={after}");
        let (status, _, body) = request(&worker.url, "GET", &path, &bearer(TOKEN), b"");
        assert_eq!(status, 200);
        let page: Value = serde_json::from_slice(&body).unwrap();
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item[0].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let manifests = |worker: &mut Worker| worker.ask("/one/asked", json!({}))["manifests"].as_u64().unwrap();
    let before = manifests(&mut worker);
    let all = packs(&worker, "");
    assert!(all.len() >= 10 && all.is_sorted(), "{all:?}");
    assert_eq!(packs(&worker, &all[3]), all[4..]);
    for pack in &all {
        let path = format!("/objects/one/items/{pack}");
        assert_eq!(request(&worker.url, "GET", &path, &bearer(TOKEN), b"").0, 206);
    }
    let path = format!("/objects/one/items/packs/{}", "0".repeat(64));
    assert_eq!(request(&worker.url, "GET", &path, &bearer(TOKEN), b"").0, 404);
    assert_eq!(manifests(&mut worker), before + 10);
    // Of one more it is that one; what is gone is not listed any more.
    worker.ask("/one/run", json!({"statement": "UPDATE plain SET name = 'y' WHERE id = 3"}));
    worker.ask("/one/checkpoint", json!({}));
    let before = manifests(&mut worker);
    let more = packs(&worker, "");
    assert!(all.iter().all(|pack| more.contains(pack)) && more.len() > all.len());
    assert_eq!(manifests(&mut worker), before + 1);
    let all_rows = "UPDATE plain SET bytes = randomblob(200)";
    worker.ask("/one/run", json!({"statement": all_rows}));
    worker.ask("/one/checkpoint", json!({}));
    worker.ask("/one/prune", json!({"keepLast": 1}));
    let before = manifests(&mut worker);
    let left = packs(&worker, "");
    assert!(!left.is_empty() && !left.iter().any(|pack| more.contains(pack)), "{left:?}");
    assert_eq!(manifests(&mut worker), before + 1);
    assert_eq!(run(&["verify", &worker.object("one")])["checked"]["checkpoints"], 1);
}

#[test]
fn a_live_object_is_restored_into() {
    let scratch = Scratch::new();
    let mut worker = Worker::usual(&scratch);
    worker.ask("/one/fill", json!({"rows": 3000, "values": true, "wide": 1_900_000}));
    let whole = worker.ask("/one/digest", json!({}));
    let (object, other) = (worker.object("one"), worker.object("other%20one"));
    let store = scratch.store();
    let store = store.to_str().unwrap();
    let made = snapshot(&[&object, "--store", store]);

    // Into one that is new, from a folder; and one from the other, without any store between.
    let planned = run(&["restore", "latest", "--to", &other, "--store", store, "--dry-run"]);
    assert_eq!((&planned["dry_run"], &planned["target_exists"]), (&json!(true), &json!(false)));
    let restored = run(&["restore", "latest", "--to", &other, "--store", store]);
    assert_eq!(restored["checkpoint"], made["id"]);
    assert_eq!(restored["sha256"], made["content_sha256"]);
    assert_eq!(
        (&restored["record_count"], &restored["raw_bytes"]),
        (&made["record_count"], &made["raw_bytes"])
    );
    assert_eq!(worker.ask("/other%20one/digest", json!({})), whole);
    let third = worker.object("third");
    run(&["restore", "latest", "--to", &third, "--store", &object]);
    assert_eq!(worker.ask("/third/digest", json!({})), whole);

    // What is there is not overwritten without being asked to.
    worker.ask("/one/ruin", json!({}));
    let ruined = worker.ask("/one/digest", json!({}));
    let refused = finish(&mut with_token(TOKEN, &["restore", "latest", "--to", &object, "--store", store]))
        .expect(3)
        .error();
    assert_eq!(refused["kind"], "exists", "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("--force"), "{refused}");
    assert_eq!(worker.ask("/one/digest", json!({})), ruined);
    let planned = run(&["restore", "latest", "--to", &object, "--store", store, "--dry-run"]);
    assert_eq!(planned["target_exists"], true);
    run(&["restore", made["id"].as_str().unwrap(), "--to", &object, "--store", store, "--force"]);
    assert_eq!(worker.ask("/one/digest", json!({})), whole);

    // Nothing is left of it but what tells that it was done.
    let left =
        json!({"statement": "SELECT name FROM sqlite_schema WHERE name GLOB '_dotctl_upload*' ORDER BY 1"});
    assert_eq!(worker.ask("/one/run", left), json!([["_dotctl_upload"]]));
    assert_eq!(run(&["verify", &object])["ok"], true, "the object's own checkpoints are still there");

    // What an object cannot take is refused, and leaves the state.
    let pages = scratch.path("pages");
    let pages = pages.to_str().unwrap();
    let file = scratch.path("file.sqlite");
    run(&["restore", "latest", "--to", file.to_str().unwrap(), "--store", store]);
    snapshot(&[file.to_str().unwrap(), "--store", pages]);
    let refused =
        finish(&mut with_token(TOKEN, &["restore", "latest", "--to", &object, "--store", pages, "--force"]))
            .expect(2);
    assert!(refused.error()["hint"].as_str().unwrap().contains("--kind rows"));
    for words in [["--as", "ndjson"], ["--key-prefix", "row/"]] {
        let command = [&["restore", "latest", "--to", &object, "--store", store], &words[..]].concat();
        finish(&mut with_token(TOKEN, &command)).expect(2);
    }
    for (name, module) in [
        ("contentless", "fts5 (words, content='')"),
        ("tree", "rtree (id, x, y)"),
        ("tokens", "fts5 (x, tokenize=other)"),
    ] {
        let file = scratch.path(&format!("{name}.sqlite"));
        let connection = rusqlite::Connection::open(&file).unwrap();
        let made = connection.execute_batch(&format!("CREATE VIRTUAL TABLE found USING {module}"));
        if made.is_err() {
            // A tokenizer that somebody else's SQLite has.
            connection.execute_batch("CREATE VIRTUAL TABLE found USING fts5 (x)").unwrap();
            connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
            let other = "UPDATE sqlite_schema SET sql = ?1 WHERE name = 'found'";
            connection.execute(other, [format!("CREATE VIRTUAL TABLE found USING {module}")]).unwrap();
        }
        drop(connection);
        snapshot(&[file.to_str().unwrap(), "--kind", "rows", "--store", pages]);
        let words = ["restore", "latest", "--to", &object, "--store", pages, "--force"];
        let refused = finish(&mut with_token(TOKEN, &words)).expect(2).error();
        assert!(refused["message"].as_str().unwrap().contains("\"found\""), "{name}: {refused}");
        assert_eq!(worker.ask("/one/digest", json!({})), whole);
    }
    let left =
        json!({"statement": "SELECT name FROM sqlite_schema WHERE name GLOB '_dotctl_upload*' ORDER BY 1"});
    assert_eq!(worker.ask("/one/run", left), json!([]), "what was sent is put away");
}

#[test]
fn statements_in_the_place_of_definitions_are_not_run() {
    let scratch = Scratch::new();
    let mut worker = Worker::usual(&scratch);
    worker.ask("/one/fill", json!({"rows": 20}));
    let whole = worker.ask("/one/digest", json!({}));
    let store = scratch.store();
    let store = store.to_str().unwrap();
    for (name, make, sql) in [
        ("view", "CREATE VIEW v AS SELECT 1", Some("CREATE VIEW v AS SELECT 1; DROP TABLE plain")),
        (
            "search",
            "CREATE VIRTUAL TABLE v USING fts5 (x)",
            Some("CREATE VIRTUAL TABLE v USING fts5 (x); DROP TABLE plain"),
        ),
        ("runtimes", "CREATE TRIGGER _cf_v AFTER INSERT ON t BEGIN DELETE FROM t; END", None),
    ] {
        let file = scratch.path(&format!("{name}.sqlite"));
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.execute_batch(&format!("CREATE TABLE t (x); INSERT INTO t VALUES (1); {make}")).unwrap();
        if let Some(sql) = sql {
            connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
            connection.execute("UPDATE sqlite_schema SET sql = ?1 WHERE name = 'v'", [sql]).unwrap();
        }
        drop(connection);
        snapshot(&[file.to_str().unwrap(), "--kind", "rows", "--store", store]);
        let words = ["restore", "latest", "--to", &worker.object("one"), "--store", store, "--force"];
        let refused = finish(&mut with_token(TOKEN, &words)).error();
        let kind = if sql.is_some() { "corrupt" } else { "unsupported" };
        assert_eq!(refused["kind"], kind, "{name}: {refused}");
        assert!(refused["message"].as_str().unwrap().contains("v\""), "{name}: {refused}");
        assert_eq!(worker.ask("/one/digest", json!({})), whole);
    }
}

#[test]
fn an_index_without_texts_is_not_replaced_unasked() {
    let scratch = Scratch::new();
    let mut worker = Worker::usual(&scratch);
    worker.ask("/one/fill", json!({"rows": 20}));
    let store = scratch.store();
    let store = store.to_str().unwrap();
    snapshot(&[&worker.object("one"), "--store", store]);
    for statement in [
        "CREATE VIRTUAL TABLE found USING fts5 (x, content='', columnsize=0)",
        "INSERT INTO found (rowid, x) VALUES (1, 'word')",
    ] {
        worker.ask("/two/run", json!({ "statement": statement }));
    }
    let words = ["restore", "latest", "--to", &worker.object("two"), "--store", store];
    assert_eq!(finish(&mut with_token(TOKEN, &words)).error()["kind"], "exists");
    let found = json!({"statement": "SELECT rowid FROM found('word')"});
    assert_eq!(worker.ask("/two/run", found), json!([[1]]));
}

#[test]
fn full_text_tables_come_through() {
    let scratch = Scratch::new();
    let mut worker = Worker::usual(&scratch);
    let made = worker.ask("/one/fullText", json!({"step": "setup"}));
    let store = scratch.store();
    let store = store.to_str().unwrap();
    snapshot(&[&worker.object("one"), "--store", store]);
    let lost = "CREATE VIRTUAL TABLE lost USING fts5vocab (nowhere, row); \
                CREATE VIRTUAL TABLE unindexed USING fts5 (a, b UNINDEXED, content='', contentless_unindexed=1)";
    worker.ask("/two/run", json!({ "statement": lost }));
    run(&["restore", "latest", "--to", &worker.object("two"), "--store", store]);
    assert_eq!(worker.ask("/two/fullText", json!({})), made);
    assert_eq!(worker.ask("/two/checkFullText", json!({})), json!([]));
    let changed = worker.ask("/one/fullText", json!({"step": "change"}));
    assert_eq!(worker.ask("/two/fullText", json!({"step": "change"})), changed);
}

#[test]
fn cut_connections_cost_time_and_nothing_else() {
    let scratch = Scratch::new();
    for (name, place) in [("object", "STORE=object"), ("bucket", "STORE=bucket")] {
        let state = scratch.path(name);
        let mut worker = Worker::start(&state, &[place, "CHUNK_BYTES=65536", &format!("TOKENS={TOKEN}")]);
        worker.ask("/one/fill", json!({"rows": 40_000, "values": true, "wide": 1_900_000}));
        let whole = worker.ask("/one/digest", json!({}));
        let cutting = Cutting::before(&worker.url, 200);
        let object = cutting.object("one");
        let store = scratch.path(&format!("{name}-store"));
        let store = store.to_str().unwrap();
        let made = snapshot(&[&object, "--store", store]);
        assert_eq!(made["content_sha256"], worker.ask("/one/list", json!({}))[0]["content_sha256"]);
        assert_eq!(run(&["verify", &object])["ok"], true);
        run(&["restore", "latest", "--to", &cutting.object("two"), "--store", store]);
        assert_eq!(worker.ask("/two/digest", json!({})), whole);
        run(&["restore", "latest", "--to", &cutting.object("two"), "--store", &object, "--force"]);
        assert_eq!(worker.ask("/two/digest", json!({})), whole);
        let listed = worker.ask("/one/list", json!({}));
        assert_eq!(listed.as_array().unwrap().len(), 1, "a request that was sent again made no second one");
        let cuts = cutting.cuts.load(Ordering::Relaxed);
        assert!(cuts > 5, "{cuts} cuts");
    }
}

#[test]
fn increments_and_what_overflows_come_through_too() {
    let scratch = Scratch::new();
    let bindings = ["STORE=overflow", "TRACK=true", "CHUNK_BYTES=65536", &format!("TOKENS={TOKEN}")];
    let mut worker = Worker::start(&scratch.path("state"), &bindings);
    let (object, store) = (worker.object("one"), scratch.store());
    let store = store.to_str().unwrap();
    // The first lies in the object, the others in R2, where other objects' checkpoints lie beside them.
    worker.ask("/one/fill", json!({"rows": 300}));
    snapshot(&[&object, "--store", store]);
    let much = "INSERT INTO plain (bytes) SELECT randomblob(5000) FROM plain";
    worker.ask("/one/run", json!({"statement": much}));
    snapshot(&[&object, "--store", store]);
    worker.ask("/two/fill", json!({"rows": 700}));
    worker.ask("/two/run", json!({"statement": much}));
    worker.ask("/two/checkpoint", json!({}));
    for round in 1..=3 {
        worker.ask(
            "/one/run",
            json!({"statement": format!("UPDATE plain SET name = 'x' WHERE id = {round} * 7")}),
        );
        let made = snapshot(&[&object, "--store", store]);
        let inside = worker.ask("/one/list", json!({}))[0].clone();
        assert!(inside["base"].is_string(), "{inside}");
        assert_eq!(made["content_sha256"], inside["content_sha256"]);
    }
    let verified = run(&["verify", &object]);
    assert_eq!((&verified["ok"], &verified["checked"]["checkpoints"]), (&json!(true), &json!(5)));
    assert_eq!(run(&["verify", "--quick", &object])["ok"], true);
    assert_eq!(run(&["verify", "--store", store])["ok"], true);

    // A pack of another object is not this one's, though both lie in one bucket.
    let pack = |object: &str| {
        let (_, _, body) = request(
            &worker.url,
            "GET",
            &format!("/objects/{object}/items?prefix=packs"),
            &bearer(TOKEN),
            b"",
        );
        let listed: Value = serde_json::from_slice(&body).unwrap();
        listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item[0].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (own, others) = (pack("one"), pack("two"));
    let other = others.iter().find(|pack| !own.contains(pack)).unwrap();
    let get = |object: &str| {
        request(&worker.url, "GET", &format!("/objects/{object}/items/{other}"), &bearer(TOKEN), b"").0
    };
    assert_eq!((get("two"), get("one")), (206, 404));
    let manifest = worker.ask("/two/list", json!({}))[0].clone();
    let key = format!(
        "manifests/{}/{:010}-{}.json",
        manifest["namespace"].as_str().unwrap().replace('/', "%252F"),
        manifest["sequence"].as_u64().unwrap(),
        manifest["id"].as_str().unwrap()
    );
    let get = |object: &str| {
        request(&worker.url, "GET", &format!("/objects/{object}/items/{key}"), &bearer(TOKEN), b"").0
    };
    assert_eq!((get("two"), get("one")), (206, 404), "{key}");
    for key in ["store.json", "packs/../manifests/x", "packs/", "_dotctl_items", "tags/a/b"] {
        let (status, ..) =
            request(&worker.url, "GET", &format!("/objects/one/items/{key}"), &bearer(TOKEN), b"");
        assert_eq!(status, 404, "{key}");
    }
}

#[test]
fn an_object_that_is_restarted_goes_on() {
    let scratch = Scratch::new();
    let mut worker = Worker::usual(&scratch);
    worker.ask("/one/fill", json!({"rows": 60_000, "values": true}));
    let whole = worker.ask("/one/digest", json!({}));
    let (object, other) = (worker.object("one"), worker.object("other"));
    let store = scratch.store();
    let store = store.to_str().unwrap();
    let mut interrupted = 0;
    for round in 0..4_u64 {
        let snapshot = vec!["snapshot", &object, "--store", store];
        let restore = vec!["restore", "latest", "--to", &other, "--store", store, "--force"];
        for words in [snapshot, restore] {
            let mut command = with_token(TOKEN, &words);
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(100 + 150 * round));
            interrupted += u32::from(child.try_wait().unwrap().is_none());
            worker.answer(&json!({"kill_after_ms": 0}));
            let ended = child.wait_with_output().unwrap();
            assert!(ended.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ended.stderr));
        }
        assert_eq!(worker.ask("/other/digest", json!({})), whole);
    }
    assert!(interrupted >= 4, "{interrupted} of 8 were in the middle");
    assert_eq!(run(&["verify", &object])["ok"], true);
    assert_eq!(run(&["verify", "--store", store])["ok"], true);
}

#[test]
fn damage_behind_the_door_is_found() {
    let scratch = Scratch::new();
    let mut worker = Worker::usual(&scratch);
    worker.ask("/one/fill", json!({"rows": 3000}));
    worker.ask("/two/fill", json!({"rows": 10}));
    let two = worker.ask("/two/digest", json!({}));
    worker.ask("/one/checkpoint", json!({}));
    let (object, other, store) = (worker.object("one"), worker.object("two"), scratch.store());
    let kinds = |words: &[&str]| {
        let found = finish(&mut with_token(TOKEN, words)).expect(1).json();
        let findings = found["findings"].as_array().unwrap().clone();
        findings.iter().map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let pack = "(SELECT first_part FROM _dotctl_items WHERE key GLOB 'packs/*')";
    for (change, kind) in [
        (
            format!("UPDATE _dotctl_parts SET bytes = zeroblob(length(bytes)) WHERE part = {pack}"),
            "checksum-mismatch",
        ),
        (
            "UPDATE _dotctl_items SET stored_bytes = stored_bytes - 1 WHERE key GLOB 'packs/*'".to_owned(),
            "malformed",
        ),
        ("DELETE FROM _dotctl_items WHERE key GLOB 'packs/*'".to_owned(), "missing"),
    ] {
        worker.ask("/one/run", json!({"statement": change}));
        for words in [vec!["verify", &object], vec!["verify", "--quick", &object]] {
            let found = kinds(&words);
            assert!(
                !found.is_empty() && found.iter().all(|found| found == kind),
                "{words:?} after {change}: {found:?}"
            );
        }
        // What is damaged is neither captured nor put in.
        let words = ["restore", "latest", "--to", &other, "--store", &object, "--force"];
        finish(&mut with_token(TOKEN, &words)).expect(1);
        assert_eq!(worker.ask("/two/digest", json!({})), two);
        let words = ["inspect", &object];
        finish(&mut with_token(TOKEN, &words)).expect(1);
    }
    // The next snapshot does not build on it.
    let made = snapshot(&[&object, "--store", store.to_str().unwrap()]);
    assert_eq!(made["content_sha256"], worker.ask("/one/list", json!({}))[0]["content_sha256"]);
}

#[test]
fn parts_are_checked_and_belong_to_one_restore() {
    let scratch = Scratch::new();
    let mut worker = Worker::usual(&scratch);
    worker.ask("/one/fill", json!({"rows": 10}));
    let before = worker.ask("/one/digest", json!({}));
    let (first, second) = ("0".repeat(32), "1".repeat(32));
    let ask = |method: &str, rest: &str, headers: &str, body: &[u8]| {
        let headers = format!("{}{headers}", bearer(TOKEN));
        let (status, _, body) =
            request(&worker.url, method, &format!("/objects/one/restores/{rest}"), &headers, body);
        (status, serde_json::from_slice::<Value>(&body).unwrap_or_default())
    };
    let lines = b"[\"define/table/t\",[\"t\",\"CREATE TABLE t (a)\"]]\n";
    let part = zstd::encode_all(&lines[..], 3).unwrap();
    let told = |body: &[u8], raw_bytes: usize| {
        format!("dotctl-sha256: {}\r\ndotctl-raw-bytes: {raw_bytes}\r\n", sha256(body))
    };
    let put = |request: &str, headers: &str, body: &[u8]| {
        ask("PUT", &format!("{request}/parts/0"), headers, body).0
    };
    let good = told(&part, lines.len());
    assert_eq!(put(&first, &good, &part), 409, "nothing has begun");
    assert_eq!(ask("POST", &first, "", b"").1, json!({"held": "rows"}));
    assert_eq!(put(&first, &good, &part[..part.len() - 1]), 503, "it has suffered on its way");
    assert_eq!(put(&first, &told(b"junk", 4), b"junk"), 422);
    assert_eq!(put(&first, &told(&part, lines.len() + 1), &part), 422);
    assert_eq!(put(&first, &told(&part, usize::MAX >> 8), &part), 422);
    assert_eq!(put(&first, "", &part), 503);
    let cut = zstd::encode_all(&lines[..lines.len() - 1], 3).unwrap();
    assert_eq!(put(&first, &told(&cut, lines.len() - 1), &cut), 422);
    assert_eq!(put(&first, &good, &part), 200);
    assert_eq!(put(&first, &good, &part), 200, "the same again");
    assert_eq!(ask("PUT", &format!("{first}/parts/70000"), &good, &part).0, 422);
    let apply = |request: &str, parts: u32, content: &str, force: bool| {
        let body = json!({"parts": parts, "content_sha256": content, "force": force}).to_string();
        ask("PUT", request, "", body.as_bytes()).0
    };
    let content = sha256(&lines[..lines.len() - 1]);
    // Each is remembered by its number, so each has one of its own.
    let numbered = |number: u32| format!("{number:032x}");
    for (number, (parts, content, force, status)) in (16..).zip([
        (2, content.as_str(), true, 422),
        (1, &"0".repeat(64), true, 422),
        (1, "x", true, 422),
        (1, &content, false, 409),
    ]) {
        let request = numbered(number);
        ask("POST", &request, "", b"");
        assert_eq!(put(&request, &good, &part), 200);
        assert_eq!(apply(&request, parts, content, force), status, "{parts} {content} {force}");
    }
    assert_eq!(ask("PUT", &numbered(99), "", b"no JSON").0, 422);
    // A later one puts the earlier away.
    ask("POST", &first, "", b"");
    assert_eq!(put(&first, &good, &part), 200);
    ask("POST", &second, "", b"");
    assert_eq!(put(&first, &good, &part), 409);
    assert_eq!(apply(&first, 1, &content, true), 409);
    let (status, refused) = ask("DELETE", &first, "", b"");
    assert_eq!((status, refused), (200, json!({})));
    let after = worker.ask("/one/digest", json!({}));
    assert_eq!(after, before);
}

/// A server before the worker's at `url` that answers 404, as one without a door does, to what `is_refused` says of.
fn refusing(url: &str, is_refused: fn(&str) -> bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let url = url.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, url) = (BufReader::new(stream.unwrap()), url.clone());
            std::thread::spawn(move || {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap_or(0) > 0 {}
                let mut words = head.split(' ');
                let (Some(method), Some(path)) = (words.next(), words.next()) else {
                    return;
                };
                let fields = head.lines().filter(|line| {
                    ["authorization", "range"].iter().any(|name| line.to_ascii_lowercase().starts_with(name))
                });
                let headers: String = fields.map(|line| format!("{line}\r\n")).collect();
                let (status, head, body) = match is_refused(path) {
                    true => (404, String::new(), Vec::new()),
                    false => request(&url, method, path, &headers, b""),
                };
                let kept = head.lines().filter(|line| {
                    ["dotctl-door", "content-range"].iter().any(|name| line.starts_with(name))
                });
                let kept: String = kept.map(|line| format!("{line}\r\n")).collect();
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} x\r\n{kept}connection: close\r\ncontent-length: {length}\r\n\r\n"
                );
                let _ = stream.get_mut().write_all(&[answer.as_bytes(), &body].concat());
            });
        }
    });
    address
}

#[test]
fn a_door_that_closes_meanwhile_is_no_damage() {
    let scratch = Scratch::new();
    let mut worker = Worker::usual(&scratch);
    worker.ask("/one/fill", json!({"rows": 3000}));
    worker.ask("/one/checkpoint", json!({}));
    for is_refused in
        [|path: &str| path.contains("items/packs"), |path: &str| path.contains("items/manifests")]
    {
        let object = format!("{}/objects/one", refusing(&worker.url, is_refused));
        let ended = finish(&mut with_token(TOKEN, &["verify", &object])).expect(3);
        assert_eq!(ended.json()["findings"], json!([]), "{ended:?}");
        assert!(ended.stderr.contains("no door of an object"), "{ended:?}");
    }
    let object = format!("{}/objects/one", refusing(&worker.url, |_| false));
    assert_eq!(run(&["verify", &object])["ok"], true);
}
