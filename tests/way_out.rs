//! The way out needs no tool of ours: packs end to end, through `zstd -d` or `gzip -d`, are the
//! database file or the state's lines; with the paths that `dotctl show --packs` prints, and with
//! the manifest and `jq` alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use support_real::*;

/// Two sources that fill several packs, made once.
struct Sources {
    _folder: tempfile::TempDir,
    lines: PathBuf,
    database: PathBuf,
}

fn sources() -> &'static Sources {
    static SOURCES: OnceLock<Sources> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (lines, database) = (folder.path().join("state.ndjson"), folder.path().join("object.sqlite"));
        write_lines(&lines);
        write_database(&database);
        Sources { _folder: folder, lines, database }
    })
}

/// 24 MB of entries of random digits, which no codec makes smaller than 12.
fn write_lines(path: &Path) {
    let mut lines = BufWriter::new(File::create(path).unwrap());
    let mut numbers = Numbers(1);
    for number in 0..24_000 {
        let value: String = (0..60).map(|_| format!("{:016x}", numbers.draw())).collect();
        writeln!(lines, "[\"key:{number:06}\",{{\"value\":\"{value}\",\"createdAt\":1}}]").unwrap();
    }
    lines.flush().unwrap();
}

/// 20 MB of random rows in pages of 512 bytes.
fn write_database(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA page_size = 512;
             PRAGMA journal_mode = OFF;
             CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
             CREATE TABLE things (id INTEGER PRIMARY KEY, body BLOB);
             BEGIN;
             WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 10000)
             INSERT INTO things SELECT n, randomblob(1950) FROM number;
             INSERT INTO _cf_KV SELECT 'key:' || id, substr(body, 1, 50) FROM things;
             COMMIT;",
        )
        .unwrap();
}

/// What a pipeline of the shell prints. The tools that it calls are there, and its first failure
/// is its own.
fn shell(pipeline: &str, folder: &Path, variables: &[(&str, &str)]) -> Vec<u8> {
    for tool in ["zstd", "gzip", "jq"] {
        need_tool(tool);
    }
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", pipeline])
        .current_dir(folder)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("this test needs bash");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{pipeline}: {stderr}");
    assert_eq!(stderr, "", "{pipeline} has nothing to complain of");
    output.stdout
}

/// Captures `source` with `codec`, then takes it out in both ways.
fn comes_out(source: &Path, codec: &str, decoder: &str) {
    let scratch = Scratch::new();
    let made = scratch.snapshot(source, &["--codec", codec, "--namespace", "way out"]);
    assert!(made["pack_count"].as_u64().unwrap() >= 2, "{made}");
    assert!(made["chunk_count"].as_u64().unwrap() > made["pack_count"].as_u64().unwrap(), "{made}");
    let original = fs::read(source).unwrap();

    // With what `show` prints.
    let store = scratch.store();
    let store = store.to_str().unwrap();
    let by_show = format!("\"$DOTCTL\" show latest --store \"$STORE\" --packs | xargs cat | {decoder}");
    let variables = [("DOTCTL", env!("CARGO_BIN_EXE_dotctl")), ("STORE", store)];
    let shown = shell(&by_show, &scratch.path(""), &variables);
    assert!(shown == original, "{codec}: {} bytes instead of {}", shown.len(), original.len());

    // With nothing but the manifest; the store is in another place, so that no path can help.
    let moved = scratch.path("moved");
    copy_folder(&scratch.store(), &moved);
    let by_manifest =
        format!("jq -r '.runs[].packs[].sha256 | \"packs/\" + .' manifests/*/*.json | xargs cat | {decoder}");
    assert!(shell(&by_manifest, &moved, &[]) == original, "{codec}, by the manifest");

    // Each pack is whole by itself: decoding one gives its share of the content.
    let first = "jq -r '.runs[0].packs[0] | \"packs/\" + .sha256' manifests/*/*.json | xargs cat";
    let share = shell(&format!("{first} | {decoder}"), &moved, &[]);
    let share_bytes = shell("jq '.runs[0].packs[0].raw_bytes' manifests/*/*.json", &moved, &[]);
    assert_eq!(share.len().to_string(), String::from_utf8(share_bytes).unwrap().trim());
    assert!(original.starts_with(&share), "{codec}, the first pack");
    if decoder != "zstd -dc" {
        return;
    }
    // Tools that test files find nothing wrong with ours.
    shell("for pack in packs/*; do zstd -q -t \"$pack\"; done", &moved, &[]);
}

#[test]
fn state_in_zstd() {
    comes_out(&sources().lines, "zstd", "zstd -dc");
}

#[test]
fn state_in_gzip() {
    comes_out(&sources().lines, "gzip", "gzip -dc");
}

#[test]
fn state_not_compressed() {
    comes_out(&sources().lines, "none", "zstd -dc");
}

#[test]
fn a_database_in_zstd() {
    comes_out(&sources().database, "zstd", "zstd -dc");
}

#[test]
fn a_database_in_gzip() {
    comes_out(&sources().database, "gzip", "gzip -dc");
}

#[test]
fn a_database_not_compressed() {
    comes_out(&sources().database, "none", "zstd -dc");
}

/// With the reader of docs/FORMAT.md, as it stands there.
#[test]
fn columns_by_the_documents_reader() {
    let scratch = Scratch::new();
    let lines: String = (0..900)
        .map(|n| {
            let (odd, name) = (["1.0", "1e3", "-0", "null", "12.50"][n % 5], ["Ada", "Zo\u{eb}"][n % 2]);
            let part = if n % 3 == 0 { "[]" } else { "[1,\"007\",{}]" };
            format!("[\"k:{n:05}\",{{\"n\":{},\"odd\":{odd},\"name\":\"{name}\",\"part\":{part}}}]\n", n * n)
        })
        .collect();
    let source = scratch.path("small.ndjson");
    fs::write(&source, &lines).unwrap();
    let zstd = scratch.snapshot(&source, &["--base", "none"]);
    fs::remove_dir_all(scratch.store()).unwrap();
    let made = scratch.snapshot(&source, &["--codec", "columnar"]);
    assert!(made["stored_bytes"].as_u64().unwrap() < zstd["stored_bytes"].as_u64().unwrap());
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMAT.md")).unwrap();
    let from = document.find("def lines(decoded):").unwrap();
    let reader = document[from..].split("```").next().unwrap();
    let script = format!("import sys\n{reader}\nsys.stdout.buffer.write(lines(sys.stdin.buffer.read()))\n");
    fs::write(scratch.path("lines.py"), script).unwrap();
    let variables = [("STORE", scratch.store()), ("READER", scratch.path("lines.py"))];
    let variables: Vec<_> = variables.iter().map(|(name, path)| (*name, path.to_str().unwrap())).collect();
    // Behind the header and the mark.
    let command = "tail -c +34 \"$STORE\"/packs/* | zstd -dc | python3 \"$READER\"";
    assert!(shell(command, &scratch.path(""), &variables) == lines.as_bytes());
}

/// The same for a dictionary, with the commands of docs/FORMAT.md.
#[test]
fn a_dictionary_by_the_documents_commands() {
    let scratch = Scratch::new();
    let lines: String = (0..3000)
        .map(|n| {
            format!("[\"k:{n:05}\",{{\"state\":\"waiting for {}\",\"n\":{}}}]\n", n * 7919 % 1009, n * n)
        })
        .collect();
    let source = scratch.path("small.ndjson");
    fs::write(&source, &lines).unwrap();
    scratch.snapshot(&source, &["--codec", "zstd-dictionary", "--namespace", "tiny"]);
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMAT.md")).unwrap();
    let from = document.find("jq -r '.runs[0].dictionary.sha256'").unwrap();
    let manifest = "$(cd manifests/tiny; ls)";
    let commands = document[from..].split("```").next().unwrap().replace("SEQUENCE-ID.json", manifest);
    let commands = commands
        .replacen("jq", "dictionary=$(jq", 1)
        .replacen("   # a pack", ") # a pack", 1)
        .replace("packs/DICTIONARY", "packs/$dictionary");
    assert!(shell(&format!("{commands}\ncat out"), &scratch.store(), &[]) == lines.as_bytes());
    // Every tool that tests packs passes over the dictionary's.
    assert_eq!(scratch.json(["verify"])["ok"], true);
}
