//! The commands on a bucket, as people run them.

use std::path::Path;
use std::process::Command;

use crate::servers::{ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, Server};
use crate::support::{
    Ran, contents_below, copy_tree, dotctl, files_below, fixture, folder, sha256_of, words,
};

/// The binary with the server's credentials and nothing of this machine's.
pub fn dotctl_at(endpoint_url: &str) -> Command {
    let mut command = dotctl();
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_") || name.starts_with("R2_"))
    {
        command.env_remove(name);
    }
    command
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        .env("AWS_ENDPOINT_URL", endpoint_url)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("DOTCTL_STORE", format!("s3://{BUCKET}/some/prefix"));
    command
}

fn run(server: &Server, line: &str, paths: &[&Path]) -> Ran {
    Ran::of(dotctl_at(&server.endpoint_url).args(words(line)).args(paths).output().expect("dotctl runs"))
}

#[test]
fn every_command_works_on_a_bucket() {
    let server = Server::s3s();
    let work = folder();
    let source =
        fixture("objects/clean/8404631331c39f1e8af77ef103c37993149a37e51562b73dcca4f42ecc1fd80d.sqlite");
    let made = run(&server, "snapshot --format json --namespace counters", &[&source]).exits(0).json();
    let id = made["checkpoint"]["id"].as_str().expect("an id");
    // A listing for the base, one for the number and one for the marks, two Puts, and one that an unknown server has to
    // refuse; looks at the pack and at who wrote the manifest.
    assert_eq!(made["requests"]["class_a"], 6, "{made}");
    assert_eq!(made["requests"]["class_b"], 2, "{made}");
    assert_eq!(made["requests"]["cost_usd"], 0.000_027_72, "{made}");

    let target = work.path().join("restored.sqlite");
    let restored = run(&server, "restore latest --format json --to", &[&target]).exits(0).json();
    assert_eq!(restored["sha256"], made["checkpoint"]["content_sha256"]);
    assert_eq!(restored["sha256"], sha256_of(&target));
    assert_eq!(restored["requests"]["class_a"], 1, "{restored}");
    assert_eq!(restored["requests"]["class_b"], 2, "{restored}");

    let verified = run(&server, "verify --format json", &[]).exits(0).json();
    assert_eq!((&verified["ok"], &verified["checked"]["checkpoints"]), (&true.into(), &1.into()));
    let verified = run(&server, "verify --quick --format json", &[]).exits(0).json();
    assert_eq!(verified["ok"], true);

    let listed = run(&server, "list --format json", &[]).exits(0).json();
    assert_eq!(listed["checkpoints"][0]["id"], id);
    let shown = run(&server, "show counters@latest --packs", &[]).exits(0);
    let shown = String::from_utf8(shown.stdout).expect("text");
    assert!(shown.starts_with(&format!("s3://{BUCKET}/some/prefix/packs/")), "{shown}");

    let store = format!("s3://{BUCKET}/some/prefix");
    let inspected = run(&server, "inspect --format json", &[Path::new(&store)]).exits(0).json();
    assert_eq!((&inspected["checkpoint_count"], &inspected["missing_pack_count"]), (&1.into(), &0.into()));
    assert_eq!(inspected["requests"]["class_b"], 1, "{inspected}");
}

/// Canaries in every field that can hold a secret: none may be seen anywhere.
#[test]
fn no_secret_is_ever_shown() {
    let canaries =
        ["AKIACANARYCANARY", "canary+secret/key", "canary-session-token", "canary-user", "canary-password"];
    let server = Server::s3s();
    let source =
        fixture("objects/clean/8404631331c39f1e8af77ef103c37993149a37e51562b73dcca4f42ecc1fd80d.sqlite");
    let nobody = crate::servers::free_address();
    let with_user = server.endpoint_url.replace("http://", "http://canary-user:canary-password@");
    let endpoints = [
        (server.endpoint_url.clone(), 3),
        (format!("http://{nobody}"), 3),
        (with_user, 2),
        ("canary-user:canary-password@127.0.0.1".to_owned(), 2),
    ];
    for (endpoint, code) in endpoints {
        for (by_flag, format) in [(false, "human"), (true, "json")] {
            for line in ["list", "verify", "restore latest --to out.sqlite", "get latest key", "snapshot"] {
                let work = folder();
                let mut command = dotctl_at(&endpoint);
                command
                    .env("AWS_ACCESS_KEY_ID", canaries[0])
                    .env("AWS_SECRET_ACCESS_KEY", canaries[1])
                    .env("AWS_SESSION_TOKEN", canaries[2])
                    .env("RUST_LOG", "trace")
                    .current_dir(work.path())
                    .args(words(line))
                    .args(["-vvv", "--format", format]);
                if line == "snapshot" {
                    command.arg(&source);
                }
                if by_flag {
                    command.args(["--endpoint-url", &endpoint]).env_remove("AWS_ENDPOINT_URL");
                }
                let ran = Ran::of(command.output().expect("dotctl runs")).exits(code);
                let shown = format!("{}{}", String::from_utf8_lossy(&ran.stdout), ran.stderr);
                for canary in canaries {
                    assert!(!shown.contains(canary), "{canary} in {shown}");
                    for (path, bytes) in contents_below(work.path()) {
                        let text = String::from_utf8_lossy(&bytes);
                        assert!(!text.contains(canary), "{canary} in {}", path.display());
                    }
                }
            }
        }
    }
    // In the store's own address.
    for store in ["s3://canary-user:canary-password@checkpoints/a", "canary-user://canary-password"] {
        for line in ["list", "snapshot --dry-run", "verify"] {
            let mut command = dotctl_at(&server.endpoint_url);
            command.args(words(line)).args(["--store", store, "-vvv"]);
            if line.starts_with("snapshot") {
                command.arg(&source);
            }
            let ran = Ran::of(command.output().expect("dotctl runs")).refuses(2);
            assert!(!ran.stderr.contains("canary"), "{ran:?}");
        }
    }
    // Where only a path can be, or the address of a live object.
    for (line, takes_objects) in [
        ("snapshot ADDRESS", true),
        ("restore latest --to ADDRESS", true),
        ("estimate --sample ADDRESS", true),
        ("plan --trace ADDRESS", false),
    ] {
        for scheme in ["s3", "r2", "https"] {
            let line = line.replace("ADDRESS", &format!("{scheme}://canary-user:canary-password@bucket/a"));
            let mut command = dotctl_at(&server.endpoint_url);
            let ran =
                Ran::of(command.args(words(&line)).arg("-vvv").output().expect("dotctl runs")).refuses(2);
            assert!(!ran.stderr.contains("canary"), "{ran:?}");
            let is_object = takes_objects && scheme == "https";
            ran.mentions(if is_object { "a user's name or password" } else { "only a path" });
        }
    }
    // Where no address can be at all.
    let work = folder();
    let lines = [
        "restore REF --to restored",
        "show REF",
        "get REF key",
        "diff REF latest",
        "verify REF",
        "tag REF --add kept",
        "compact REF",
        "copy REF --to-store elsewhere",
        "snapshot SOURCE --base REF",
        "snapshot SOURCE --config REF",
        "snapshot SOURCE --encrypt REF",
        "list --identity REF",
        "replay REF --into replayed",
        "prune REF",
        "list --format REF",
        "budget REF",
        "inspect REF",
    ];
    for line in lines {
        for format in [&[][..], &["--format", "json"]] {
            let address = "s3://canary-user:canary-password@bucket/a";
            let line = line.replace("REF", address).replace("SOURCE", source.to_str().expect("text"));
            let mut command = dotctl_at(&server.endpoint_url);
            let output =
                command.current_dir(work.path()).args(words(&line)).arg("-vvv").args(format).output();
            let output = output.expect("dotctl runs");
            assert!(!output.status.success(), "{line}");
            let shown = [output.stdout, output.stderr].concat();
            let shown = String::from_utf8_lossy(&shown);
            assert!(!shown.contains("canary"), "{line}: {shown}");
        }
    }
    let help = Ran::of(
        dotctl_at(&server.endpoint_url)
            .args(["list", "--help"])
            .env("DOTCTL_STORE", "s3://canary-user:canary-password@bucket")
            .output()
            .expect("dotctl runs"),
    );
    assert!(!String::from_utf8_lossy(&help.exits(0).stdout).contains("canary"));
}

/// What people get to read when a bucket cannot be used.
#[test]
fn failures_are_told_in_sentences() {
    let server = Server::s3s();
    let fails = |change: &dyn for<'a> Fn(&'a mut Command) -> &'a mut Command| {
        let mut command = dotctl_at(&server.endpoint_url);
        command.arg("list");
        change(&mut command);
        let ran = Ran::of(command.output().expect("dotctl runs")).refuses(3);
        ran.mentions("hint: ");
        ran
    };
    fails(&|command| command.env("DOTCTL_STORE", "s3://no-such-bucket")).mentions("there is no bucket");
    fails(&|command| command.env("AWS_SECRET_ACCESS_KEY", "another"))
        .mentions("does not know these credentials");
    fails(&|command| command.env("AWS_ACCESS_KEY_ID", "another")).mentions("credentials");
    fails(&|command| command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY"))
        .mentions("there are no credentials");
    let nobody = format!("http://{}", crate::servers::free_address());
    fails(&|command| command.args(["--endpoint-url", &nobody])).mentions("check --endpoint-url");
    fails(&|command| command.env_remove("AWS_ENDPOINT_URL")).mentions("no region");

    // Not an S3 server, and answers that tests cannot provoke from a server that means well.
    let answers = [
        ("200 OK", "<html>welcome</html>", "does not answer as an S3 server"),
        ("403 Forbidden", "<Error><Code>AccessDenied</Code><Message>no</Message></Error>", "access denied"),
        (
            "403 Forbidden",
            "<Error><Code>RequestTimeTooSkewed</Code><Message>no</Message></Error>",
            "clock is wrong",
        ),
        ("400 Bad Request", "<Error><Code>ExpiredToken</Code><Message>no</Message></Error>", "has expired"),
        (
            "400 Bad Request",
            "<Error><Code>Odd</Code><Message>an-access-key, a-secret-key</Message></Error>",
            "400 Odd: [hidden], [hidden]",
        ),
    ];
    for (status, body, message) in answers {
        let url = answering(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        fails(&|command| command.args(["--endpoint-url", &url])).mentions(message);
    }

    let ran = Ran::of(
        dotctl_at("")
            .env_remove("AWS_ENDPOINT_URL")
            .args(["list", "--store", "r2://bucket"])
            .output()
            .unwrap(),
    );
    ran.refuses(2).mentions("R2_ACCOUNT_ID");
}

/// The address of a server that always answers the same.
fn answering(answer: String) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn a_limit_of_requests_is_kept() {
    let server = Server::s3s();
    let source =
        fixture("objects/clean/8404631331c39f1e8af77ef103c37993149a37e51562b73dcca4f42ecc1fd80d.sqlite");
    let begun = std::time::Instant::now();
    run(&server, "snapshot --namespace n --max-requests-per-second 4", &[&source])
        .exits(0)
        .mentions("requests: 6 class A, 2 class B");
    assert!(begun.elapsed() >= std::time::Duration::from_millis(750), "{:?}", begun.elapsed());
}

#[test]
fn one_entry_takes_few_requests() {
    let server = Server::s3s();
    let source = fixture("state/listed.json");
    run(&server, "snapshot --namespace n", &[&source]).exits(0);
    let key = "Z:119";
    let ran = run(&server, &format!("get latest {key}"), &[]).exits(0);
    assert!(String::from_utf8_lossy(&ran.stdout).starts_with(&format!("[\"{key}\"")), "{ran:?}");
    ran.mentions("requests: 1 class A, 2 class B");
}

/// What TypeScript put into R2 is found through its S3 endpoint, with and without the object.
#[test]
fn checkpoints_that_typescript_wrote_are_read_from_a_bucket() {
    let persisted = folder();
    copy_tree(&fixture("dotdo/sound/r2"), persisted.path());
    let server = Server::miniflare_of(persisted, "overflow");
    let work = folder();
    copy_tree(&fixture("dotdo/sound/do/spike-Store"), work.path());
    let object = files_below(work.path()).remove(0);
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture("dotdo/sound/expected.json")).unwrap()).unwrap();
    let expected = expected.as_array().unwrap();
    let listed = |store: &[&str]| {
        let words = ["list", "--format", "json"].iter().chain(store);
        let ran = Ran::of(dotctl_at(&server.endpoint_url).args(words).output().unwrap()).exits(0).json();
        let ids =
            ran["checkpoints"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let alone = ["--store", "s3://overflow"];
    let both = ["--store", object.to_str().unwrap(), "--overflow", "s3://overflow"];
    let (in_bucket, everywhere) = (listed(&alone), listed(&both));
    assert!(!in_bucket.is_empty() && in_bucket.len() < everywhere.len());
    for (store, ids) in [(alone.as_slice(), in_bucket), (both.as_slice(), everywhere)] {
        let mut restored = 0;
        for expected in expected.iter().filter(|one| ids.iter().any(|id| one["id"] == **id)) {
            let to = work.path().join("restored");
            let words =
                ["restore", expected["id"].as_str().unwrap(), "--force", "--to", to.to_str().unwrap()];
            Ran::of(dotctl_at(&server.endpoint_url).args(words).args(store).output().unwrap()).exits(0);
            assert_eq!(expected["sha256"], sha256_of(&to), "{expected}");
            restored += 1;
        }
        assert!(restored > 0);
        let mut verify = dotctl_at(&server.endpoint_url);
        let ran = Ran::of(verify.args(["verify", "--format", "json"]).args(store).output().unwrap());
        assert_eq!(ran.exits(0).json()["ok"], true);
    }
}

/// A pack that was damaged where it lies, its length unchanged, is found, and put in again by who is told to.
#[test]
fn damaged_packs_are_repaired() {
    let server = Server::s3s();
    let work = folder();
    let source = work.path().join("state.json");
    let entries = crate::made::Entries::new(3, 5_000, 4_000).array();
    std::fs::write(&source, entries).unwrap();
    let snapshot = |more: &str| {
        run(
            &server,
            &format!("snapshot --namespace counters --base none --codec none --format json {more}"),
            &[&source],
        )
        .exits(0)
        .json()
    };
    let made = snapshot("");
    let packs = server.files.as_ref().unwrap().join("some/prefix/packs");
    let damaged = files_below(&packs).remove(1);
    let whole = std::fs::read(&damaged).unwrap();
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&damaged, &bytes).unwrap();
    for line in ["verify --format json", "verify --quick --format json"] {
        let found = run(&server, line, &[]).exits(1).json();
        assert_eq!(found["findings"].as_array().unwrap().len(), 1, "{found}");
        assert!(found["findings"][0]["hint"].as_str().unwrap().contains("--repair"), "{found}");
    }
    // It is believed, unless somebody asks.
    assert_eq!(snapshot("")["checkpoint"]["new_bytes"], 0);
    assert!(std::fs::read(&damaged).unwrap() == bytes);
    let repaired = snapshot("--repair");
    assert_eq!(repaired["checkpoint"]["new_bytes"], whole.len());
    assert_eq!(repaired["checkpoint"]["content_sha256"], made["checkpoint"]["content_sha256"]);
    assert!(std::fs::read(&damaged).unwrap() == whole);
    run(&server, "verify", &[]).exits(0);
    // A look for each pack, and no second request for those that are whole; and one at the newest checkpoint, which
    // might be sealed.
    let requests = |made: &serde_json::Value| made["requests"]["class_b"].as_u64().unwrap();
    assert_eq!(requests(&repaired), requests(&made) + 1);
    // Packs without a manifest are counted.
    std::fs::copy(&damaged, packs.join("0".repeat(64))).unwrap();
    let store = format!("s3://{BUCKET}/some/prefix");
    let inspected = run(&server, "inspect --format json", &[Path::new(&store)]).exits(0).json();
    assert_eq!(inspected["unreferenced_pack_count"], 1, "{inspected}");
}

/// Sealed packs are sent, reused, read in parts, checked and pruned like any others.
#[test]
fn sealed_checkpoints_in_a_bucket() {
    use age::secrecy::ExposeSecret;
    let server = Server::s3s();
    let work = folder();
    let (source, later, key) =
        (work.path().join("state.json"), work.path().join("later.json"), work.path().join("key"));
    let entries = crate::made::Entries::new(3, 5_000, 4_000).array();
    std::fs::write(&source, &entries).unwrap();
    std::fs::write(&later, crate::made::Entries::new(3, 4_999, 4_000).array()).unwrap();
    let identity = age::x25519::Identity::generate();
    std::fs::write(&key, identity.to_string().expose_secret()).unwrap();
    let recipient = identity.to_public();
    let snapshot = |source: &Path| {
        let line =
            format!("snapshot --namespace n --codec none --format json --encrypt {recipient} --identity");
        run(&server, &line, &[&key, source]).exits(0).json()["checkpoint"].take()
    };
    let made = snapshot(&source);
    assert_eq!(snapshot(&source)["new_bytes"], 0);
    let next = snapshot(&later);
    assert!(next["new_bytes"].as_u64().unwrap() < made["new_bytes"].as_u64().unwrap() / 4, "{next}");
    let restored = work.path().join("restored.json");
    let first = made["id"].as_str().unwrap();
    run(&server, &format!("restore {first} --identity"), &[&key, Path::new("--to"), &restored]).exits(0);
    assert!(std::fs::read(&restored).unwrap() == entries);
    let part = work.path().join("part.json");
    let line = format!("restore {first} --key-prefix k --format json --identity");
    run(&server, &line, &[&key, Path::new("--to"), &part]).exits(0);
    let found = run(&server, "verify --format json", &[]).exits(0).json();
    assert_eq!(found["checked"]["unopened_checkpoints"], 3, "{found}");
    let found = run(&server, "verify --format json --identity", &[&key]).exits(0).json();
    assert_eq!(
        (&found["ok"], &found["checked"]["unopened_checkpoints"]),
        (&true.into(), &0.into()),
        "{found}"
    );
    run(&server, "snapshot --namespace n --base none", &[&source]).exits(2).mentions("--no-encrypt");
    run(&server, "prune --keep-last 1 --grace 1h", &[]).exits(0);
    run(&server, "verify --identity", &[&key]).exits(0);
    // Another byte in a sealed pack, its length unchanged.
    let damaged = files_below(&server.files.as_ref().unwrap().join("some/prefix/packs")).remove(0);
    let mut bytes = std::fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&damaged, &bytes).unwrap();
    for words in [&["verify", "--format", "json"][..], &["verify", "--quick", "--format", "json"]] {
        let found = run(&server, &words.join(" "), &[]).exits(1).json();
        let findings = found["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 1, "{found}");
        assert!(findings[0]["hint"].as_str().unwrap().contains("another copy"), "{found}");
    }
}

/// A checkpoint manager's snapshot in a bucket: read by the commands like any other, and nothing overwritten.
#[test]
fn a_manager_s_snapshot_in_a_bucket() {
    let server = Server::s3s();
    let store = folder();
    let at = |line: &str| {
        let mut command = dotctl_at(&server.endpoint_url);
        command.args(words(line)).arg("--store").arg(store.path());
        Ran::of(command.output().expect("dotctl runs"))
    };
    let source = fixture("state/listed.json").display().to_string();
    let made = at(&format!("snapshot {source} --namespace counters --format json")).exits(0).json();
    let id = made["checkpoint"]["id"].as_str().unwrap();
    let copy = format!("copy latest --to-layout manager --to-store s3://{BUCKET}/theirs --format json");
    let copied = at(&copy).exits(0).json();
    assert_eq!((&copied["checkpoint"]["id"], &copied["existed"]), (&made["checkpoint"]["id"], &false.into()));
    // A listing before it is written and one after, and a Put.
    assert_eq!(copied["requests"]["class_a"], 3, "{copied}");
    assert_eq!(at(&copy).exits(0).json()["existed"], true);

    let theirs = format!("--store s3://{BUCKET}/theirs");
    let listed = run(&server, &format!("list --format json {theirs}"), &[]).exits(0).json();
    assert_eq!(listed["checkpoints"][0]["namespace"], "counters");
    run(&server, &format!("verify --quick {theirs}"), &[]).exits(0);
    let restored = run(&server, &format!("restore {id} --to - {theirs}"), &[]).exits(0);
    assert!(restored.stdout == std::fs::read(&source).unwrap());

    at(&format!("snapshot {source} --namespace λ")).exits(0);
    let copy = copy.replace("latest", "λ@latest");
    at(&copy).exits(2).mentions("beyond ASCII");
}
