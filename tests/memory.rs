//! Memory of every command on what is larger than it may have. Alone in its binary, because the
//! peak is that of all children.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(target_os = "linux")]

mod support_real;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use nix::sys::resource::{UsageWho, getrusage};
use sha2::{Digest, Sha256};

use support_real::*;

const PEAK_BYTES_MAX: i64 = 64 << 20;
const COUNT: u64 = 400_000;

/// The greatest peak of any child so far. It begins with this process's own, which stays small.
fn peak_bytes() -> i64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() * 1024
}

fn assert_peak(what: &str) {
    let peak_bytes = peak_bytes();
    assert!(peak_bytes < PEAK_BYTES_MAX, "{what} takes {peak_bytes} bytes");
    assert!(peak_bytes > 1 << 20, "{what}: nothing was measured");
    eprintln!("{what}: {} KiB at most so far", peak_bytes >> 10);
}

/// Entry `number` of a state; its key has ten digits.
fn entry(number: u64) -> String {
    let mut numbers = Numbers(number);
    let value: String = (0..8).map(|_| format!("{:016x}", numbers.draw() & 0xffff_0000_ffff)).collect();
    format!(
        "[\"user:{number:010}\",{{\"value\":\"{value}\",\"createdAt\":1767225600000,\"expiresAt\":{number}}}]"
    )
}

/// Writes the lines of a state in an order far from that of its keys. Every number comes once, as
/// the factor shares none with COUNT.
fn write_shuffled(path: &Path) -> u64 {
    let mut lines = BufWriter::new(File::create(path).unwrap());
    let mut bytes = 0;
    for position in 0..COUNT {
        let line = entry(position * 161_803_397 % COUNT);
        bytes += line.len() as u64 + 1;
        writeln!(lines, "{line}").unwrap();
    }
    lines.flush().unwrap();
    bytes
}

/// SHA-256 of the state as one array.
fn expected_sha256() -> String {
    let mut sha256 = Sha256::new();
    for number in 0..COUNT {
        sha256.update(if number == 0 { "[" } else { "," });
        sha256.update(entry(number));
    }
    sha256.update("]");
    sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn no_command_takes_more_than_64_mib() {
    let scratch = Scratch::new();
    let source = scratch.path("shuffled.ndjson");
    let bytes = write_shuffled(&source);
    assert!(bytes > 64 << 20, "{bytes} bytes do not fit");
    let made = scratch.snapshot(&source, &[]);
    assert_peak("sorting a state");
    assert_eq!(made["reordered"], true);
    assert_eq!(made["record_count"], COUNT);
    assert_eq!(made["content_sha256"], expected_sha256(), "sorted beyond memory, complete and in order");
    let left: Vec<_> = std::fs::read_dir(scratch.store().join("staging")).unwrap().collect();
    assert!(left.is_empty(), "nothing stays behind: {left:?}");

    let id = made["id"].as_str().unwrap();
    let restored = scratch.restore(id, "restored.json");
    assert_peak("restoring a state");
    assert_eq!(scratch.json(["verify"])["ok"], true);
    assert_peak("verifying a state");
    assert_eq!(scratch.run(["get", id, "user:0000200000"]).text().trim_end(), entry(200_000));
    assert_peak("a look-up in a state");
    let again = scratch.snapshot(&restored, &["--codec", "gzip", "--chunk-bytes", "4MiB"]);
    assert_peak("capturing a sorted state");
    assert_eq!(again["content_sha256"], made["content_sha256"]);
    for path in [&source, &restored] {
        std::fs::remove_file(path).unwrap();
    }

    // Few entries of many megabytes, for which a chunk size means nothing.
    let large = scratch.path("large.ndjson");
    write_large(&large);
    for codec in ["none", "zstd"] {
        let made = scratch.snapshot(&large, &["--codec", codec]);
        assert_peak("sorting large entries");
        let restored = scratch.restore(made["id"].as_str().unwrap(), "large.json");
        assert_peak("restoring large entries");
        let again = scratch.snapshot(&restored, &["--codec", codec]);
        assert_peak("capturing large entries");
        assert_eq!(again["content_sha256"], made["content_sha256"]);
        std::fs::remove_file(&restored).unwrap();
    }
    assert_eq!(scratch.json(["verify"])["ok"], true);
    assert_peak("verifying large entries");
    std::fs::remove_file(&large).unwrap();

    let database = scratch.path("object.sqlite");
    write_database(&database);
    let made = scratch.snapshot(&database, &["--chunk-bytes", "4MiB"]);
    assert_peak("capturing a database");
    assert!(made["raw_bytes"].as_u64().unwrap() > 64 << 20, "{made}");
    let restored = scratch.restore(made["id"].as_str().unwrap(), "restored.sqlite");
    assert_peak("restoring a database");
    assert_eq!(sha256_file(&restored), sha256_file(&database));
    assert_eq!(scratch.json(["verify"])["ok"], true);
    assert_peak("verifying a database");
    let report = finish(dotctl().args(["inspect", "--format", "json"]).arg(&database)).expect(0).json();
    assert_peak("inspecting a database");
    assert_eq!(report["page_count"], made["record_count"]);
    std::fs::remove_file(&restored).unwrap();

    let object = scratch.path("checkpoint.sqlite");
    let sha256 = write_chunked(&object);
    let run = |words: &[&str]| {
        finish(dotctl().args(words).args(["--format", "json", "--store"]).arg(&object)).expect(0).json()
    };
    assert_eq!(run(&["list"])["checkpoints"][0]["chunk_count"], CHUNK_COUNT);
    assert_peak("listing a chunked checkpoint");
    assert_eq!(run(&["verify"])["checked"]["chunks"], CHUNK_COUNT);
    assert_peak("verifying a chunked checkpoint");
    let to = scratch.path("chunked");
    assert_eq!(run(&["restore", "large", "--to", to.to_str().unwrap()])["sha256"], sha256);
    assert_peak("restoring a chunked checkpoint");
    assert_eq!(sha256_file(&to), sha256);
    let bucket = scratch.path("bucket");
    for layout in ["chunked", "hybrid"] {
        let target = scratch.path(&format!("{layout}.sqlite"));
        std::fs::copy(object_fixture("clean"), &target).unwrap();
        let (target, bucket) = (target.to_str().unwrap(), bucket.to_str().unwrap());
        let to = ["--to-store", target, "--to-overflow", bucket, "--to-layout", layout];
        assert_eq!(run(&[&["copy", "large"][..], &to].concat())["content_sha256"], sha256);
        assert_peak("writing a checkpoint as TypeScript does");
    }
}

/// Writes a state in key order, as it is at `step`: one entry of 211 has changed in each step, a few have come.
fn write_sorted(path: &Path, step: u64) {
    let mut lines = BufWriter::new(File::create(path).unwrap());
    for number in 0..COUNT / 4 + step * 10 {
        let text = entry(number);
        let changed = number % 211 < step && number % 211 > 0;
        match changed {
            true => writeln!(lines, "{},\"step\":{}}}]", &text[..text.len() - 2], number % 211).unwrap(),
            false => writeln!(lines, "{text}").unwrap(),
        }
    }
    lines.flush().unwrap();
}

/// Entries of some 5 MB, small enough to be compared with their older versions, each of them changed in many places.
fn write_large_at(path: &Path, step: u64) {
    let mut lines = BufWriter::new(File::create(path).unwrap());
    for number in 0..10 {
        write!(lines, "[\"large:{number:03}\",{{\"value\":\"").unwrap();
        let mut numbers = Numbers(number);
        for place in 0..320_000 {
            let own = if place % 1000 < step { step } else { 0 };
            write!(lines, "{:016x}", numbers.draw() ^ own).unwrap();
        }
        writeln!(lines, "\",\"createdAt\":1}}]").unwrap();
    }
    lines.flush().unwrap();
}

/// Increments, a chain of as many runs as there may be, what is read of it and what it becomes.
#[test]
fn no_command_on_a_chain_takes_more_than_64_mib() {
    let scratch = Scratch::new();
    let source = scratch.path("state.ndjson");
    let runs = ["--compact-runs", "16", "--compact-share", "10", "--namespace", "state"];
    let mut ids = Vec::new();
    for step in 0..18 {
        write_sorted(&source, step);
        let made = scratch.snapshot(&source, &runs);
        assert_eq!(made["base"].is_null(), step == 0, "{made}");
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    assert_peak("increments of a state");
    check_chain(&scratch, "state", &ids);
    std::fs::remove_file(&source).unwrap();

    let large = scratch.path("large.ndjson");
    let mut ids = Vec::new();
    for step in 0..4 {
        write_large_at(&large, step);
        let made = scratch.snapshot(&large, &["--namespace", "large", "--compact-share", "10"]);
        assert_eq!(made["base"].is_null(), step == 0, "{made}");
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    assert_peak("increments of large entries");
    check_chain(&scratch, "large", &ids);
    std::fs::remove_file(&large).unwrap();

    let database = scratch.path("object.sqlite");
    write_database(&database);
    for kind in ["image", "rows"] {
        let mut ids = Vec::new();
        for step in 0..3 {
            change_database(&database, step);
            let made = scratch.snapshot(&database, &["--kind", kind, "--namespace", kind]);
            assert_eq!(made["base"].is_null(), step == 0, "{made}");
            ids.push(made["id"].as_str().unwrap().to_owned());
        }
        assert_peak("increments of a database");
        check_chain(&scratch, kind, &ids);
    }
}

/// Restores, compares, verifies and compacts a chain.
fn check_chain(scratch: &Scratch, namespace: &str, ids: &[String]) {
    let newest = ids.last().unwrap();
    let restored = scratch.restore(newest, "restored");
    assert_peak("restoring a chain");
    std::fs::remove_file(restored).unwrap();
    for arguments in [&[][..], &["--pages"]] {
        if arguments.is_empty() || namespace == "image" {
            let mut diff = dotctl();
            diff.args(["diff", &ids[0], newest, "--format", "json", "--store"]).arg(scratch.store());
            let found = finish(diff.args(arguments)).expect(1).json();
            assert!(found["modified"].as_u64().unwrap() > 0, "{found}");
            assert_peak("comparing checkpoints of a chain");
        }
    }
    assert_eq!(scratch.json(["verify"])["ok"], true);
    assert_peak("verifying a chain");
    let compacted = scratch.json(["compact", newest]);
    assert_peak("compacting a chain");
    assert_eq!(compacted["replaced"][0]["id"], *newest);
    assert!(compacted["checkpoint"]["base"].is_null());
}

/// Changes some rows of what [`write_database`] wrote.
fn change_database(path: &Path, step: u64) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA cache_size = -1000; PRAGMA journal_mode = OFF").unwrap();
    for number in 0..300 {
        let key = format!("user:{:08}", number * 250 + step + 1);
        let changed = "UPDATE _cf_KV SET value = x'ff0f5c' || randomblob(1000) WHERE key = ?";
        assert_eq!(connection.execute(changed, [key]).unwrap(), 1);
    }
}

const CHUNK_COUNT: u64 = 100;

/// A checkpoint in chunks of 1 MiB as TypeScript writes it: the SHA-256 of the whole.
fn write_chunked(path: &Path) -> String {
    use dotctl_engine::dotdo::{Checksum, Chunk, ChunkedManifest, encode};
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA cache_size = -1000;
             PRAGMA journal_mode = OFF;
             CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;",
        )
        .unwrap();
    let put = |key: &str, value: &[u8]| {
        connection.execute("INSERT INTO _cf_KV VALUES (?, ?)", (key, value)).unwrap();
    };
    let mut sha256 = Sha256::new();
    let mut numbers = Numbers(7);
    let mut chunks = Vec::new();
    let mut data = vec![0; 1 << 20];
    for index in 0..CHUNK_COUNT {
        data.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&numbers.draw().to_le_bytes()));
        sha256.update(&data);
        let checksum = Checksum::Murmur3(0).of_same_kind(&data).to_string().replace("murmur3:", "");
        let key = format!("checkpoint:large:chunk:{index}");
        put(&key, &encode(&Chunk { index, data: &data, checksum }.value()).unwrap());
        chunks.push(key);
    }
    let sha256: String = sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let manifest = ChunkedManifest {
        id: "large".to_owned(),
        total_bytes: CHUNK_COUNT << 20,
        chunk_count: CHUNK_COUNT,
        chunks,
        checksum: sha256.clone(),
        compressed: true,
    };
    put("checkpoint:large", &encode(&manifest.value()).unwrap());
    sha256
}

/// A dozen entries of 7 MB each, the last key first. Their parts stay small, since what this process
/// takes counts as its children's.
fn write_large(path: &Path) {
    let mut lines = BufWriter::new(File::create(path).unwrap());
    let mut numbers = Numbers(1);
    for number in (0..12).rev() {
        write!(lines, "[\"large:{number:03}\",{{\"value\":\"").unwrap();
        for _ in 0..440_000 {
            write!(lines, "{:016x}", numbers.draw()).unwrap();
        }
        writeln!(lines, "\",\"createdAt\":1}}]").unwrap();
    }
    lines.flush().unwrap();
}

/// A database of some 80 MB, by SQLite with a small cache.
fn write_database(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA cache_size = -1000;
             PRAGMA journal_mode = OFF;
             CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
             BEGIN;
             WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 75000)
             INSERT INTO _cf_KV SELECT printf('user:%08d', n), x'ff0f5c' || randomblob(1000) FROM number;
             COMMIT;",
        )
        .unwrap();
}
