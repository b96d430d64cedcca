//! State snapshots in every form that a producer may hand over: what comes back is what
//! `JSON.stringify` printed of the listed state, byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support_real;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;

use support_real::*;

fn listed() -> Vec<u8> {
    let bytes = fs::read(fixture("state/listed.json")).unwrap();
    assert_eq!(sha256(&bytes), hashes()["sha256"]);
    bytes
}

/// What the producer took over its bytes.
fn hashes() -> Value {
    json_file(&fixture("state/listed.hashes.json"))
}

/// That `checkpoint` and what it restores to are the listed state.
fn assert_listed(scratch: &Scratch, checkpoint: &Value, name: &str) {
    let hashes = hashes();
    assert_eq!(checkpoint["kind"], "state", "{name}");
    assert_eq!(checkpoint["content_sha256"], hashes["sha256"], "{name}");
    assert_eq!(checkpoint["raw_bytes"], hashes["bytes"], "{name}");
    assert_eq!(checkpoint["record_count"], hashes["entries"], "{name}");
    let restored = scratch.restore(checkpoint["id"].as_str().unwrap(), &format!("restored from {name}"));
    assert!(fs::read(&restored).unwrap() == listed(), "{name}");
}

/// Files with the listed state in key order, and in another order.
const ORDERED: [&str; 6] = [
    "listed.json",
    "listed.ndjson",
    "listed.json.gz",
    "listed.json.zst",
    "listed-two-members.json.gz",
    "listed-two-frames.json.zst",
];
const UNORDERED: [&str; 3] = ["unsorted.ndjson", "unsorted.ndjson.gz", "unsorted.ndjson.zst"];

#[test]
fn every_form_of_one_state_has_one_content() {
    let scratch = Scratch::new();
    for (number, name) in ORDERED.into_iter().enumerate() {
        let source = fixture("state").join(name);
        let ended = scratch.run(["snapshot", source.to_str().unwrap(), "--format", "json"]);
        assert_eq!(ended.stderr, "", "{name}");
        let checkpoint = &ended.json()["checkpoint"];
        assert_eq!(checkpoint["reordered"], false, "{name}");
        assert_eq!(
            checkpoint["new_chunk_count"],
            u64::from(number == 0),
            "{name}: equal chunks are stored once"
        );
        assert_listed(&scratch, checkpoint, name);
    }
}

#[test]
fn another_order_is_sorted_and_said() {
    let scratch = Scratch::new();
    for name in UNORDERED {
        let source = fixture("state").join(name);
        let ended = scratch.run(["snapshot", source.to_str().unwrap(), "--format", "json"]);
        assert!(ended.stderr.starts_with("warning: ") && ended.stderr.contains("sorted"), "{ended:?}");
        assert!(ended.stderr.contains(name), "{ended:?}");
        let checkpoint = &ended.json()["checkpoint"];
        assert_eq!(checkpoint["reordered"], true, "{name}");
        assert_listed(&scratch, checkpoint, name);
    }
}

#[test]
fn stdin_is_a_source_in_every_form() {
    let scratch = Scratch::new();
    for name in ORDERED.into_iter().chain(UNORDERED) {
        let input = fs::read(fixture("state").join(name)).unwrap();
        let mut command = scratch.dotctl(["snapshot", "-", "--namespace", "piped", "--format", "json"]);
        let ended = finish_with(&mut command, &input).expect(0);
        let unordered = UNORDERED.contains(&name);
        assert_eq!(ended.stderr.contains("sorted"), unordered, "{name}: {ended:?}");
        assert_eq!(ended.stderr.contains("standard input"), unordered, "{name}: {ended:?}");
        let checkpoint = &ended.json()["checkpoint"];
        assert_eq!(checkpoint["reordered"], unordered, "{name}");
        assert_eq!(checkpoint["namespace"], "piped");
        assert_listed(&scratch, checkpoint, name);
    }
    let left: Vec<_> = fs::read_dir(scratch.store().join("staging")).unwrap().collect();
    assert!(left.is_empty(), "nothing stays behind: {left:?}");
}

#[test]
fn the_producers_checksum_matches_the_restored_file() {
    let scratch = Scratch::new();
    let source = fixture("state/unsorted.ndjson.zst");
    let made = scratch.snapshot(&source, &[]);
    let restored = scratch.restore(made["id"].as_str().unwrap(), "restored.json");
    let (sha256, murmur3) = (hashes()["sha256"].clone(), hashes()["murmur3_x86_32"].clone());
    let (sha256, murmur3) = (sha256.as_str().unwrap(), murmur3.as_str().unwrap());
    let verify = |checksum: &str| {
        finish(dotctl().arg("verify").arg(&restored).args(["--format", "json", "--checksum", checksum]))
    };
    for right in [
        format!("sha256:{sha256}"),
        format!("sha256:{}", sha256.to_uppercase()),
        format!("murmur3:{murmur3}"),
        format!("murmur3:{}", murmur3.trim_start_matches('0')),
    ] {
        let document = verify(&right).expect(0).json();
        assert_eq!(document["ok"], true, "{right}");
        assert_eq!(document["findings"], serde_json::json!([]));
        assert_eq!(document["checked"]["bytes"], hashes()["bytes"]);
    }
    for (wrong, actual) in [
        (format!("sha256:{}", sha256.replace(&sha256[..1], "f")), format!("sha256:{sha256}")),
        ("murmur3:1".to_owned(), format!("murmur3:{}", murmur3.trim_start_matches('0'))),
    ] {
        let document = verify(&wrong).expect(1).json();
        assert_eq!(document["ok"], false, "{wrong}");
        let finding = &document["findings"][0];
        assert_eq!(finding["kind"], "checksum-mismatch");
        assert_eq!(finding["target"], restored.to_str().unwrap());
        assert_eq!(finding["expected"], wrong);
        assert_eq!(finding["actual"], actual);
    }
    for malformed in ["sha256:12", "md5:00", "murmur3:xyz", "murmur3:123456789"] {
        assert_eq!(verify(malformed).expect(2).error()["kind"], "malformed");
    }
}

/// MurmurHash3 has leading zeros in one file of sixteen, and the spike's `toString(16)` drops them.
#[test]
fn leading_zeros_of_a_murmur3_do_not_matter() {
    let scratch = Scratch::new();
    let (bytes, hash) = (0_u32..)
        .map(|number| format!("[[\"a\",{{\"value\":{number},\"createdAt\":1}}]]"))
        .map(|text| (murmur3::murmur3_32(&mut text.as_bytes(), 0).unwrap(), text))
        .find(|(hash, _)| *hash < 1 << 24)
        .map(|(hash, text)| (text, hash))
        .unwrap();
    let path = scratch.path("state.json");
    fs::write(&path, bytes).unwrap();
    for spelled in [format!("murmur3:{hash:x}"), format!("murmur3:{hash:08x}")] {
        finish(dotctl().arg("verify").arg(&path).args(["--checksum", &spelled])).expect(0);
    }
}

/// White space outside of strings removed, nothing else: the reference that dotctl must equal.
fn compacted(text: &str) -> String {
    let mut compact = String::new();
    let (mut in_string, mut escaped) = (false, false);
    for letter in text.chars() {
        if in_string {
            in_string = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
        } else if matches!(letter, ' ' | '\t' | '\r' | '\n') {
            continue;
        } else {
            in_string = letter == '"';
        }
        compact.push(letter);
    }
    compact
}

#[test]
fn spelling_is_kept() {
    let scratch = Scratch::new();
    let source = fixture("state/spelled.json");
    let text = fs::read_to_string(&source).unwrap();
    for kept in ["1E+5", "1.0,", "\\u0041\\/", "\\ud800 ", "1e400", "-0.0", "\"counter:\\u0063\""] {
        assert!(compacted(&text).contains(&compacted(kept)), "{kept} is in the fixture");
    }
    let made = scratch.snapshot(&source, &[]);
    let restored = scratch.restore(made["id"].as_str().unwrap(), "restored.json");
    assert_eq!(fs::read_to_string(restored).unwrap(), compacted(&text));
    assert_eq!(made["content_sha256"], sha256(compacted(&text).as_bytes()));
    // The key is compared by what it means, and printed as it was spelled.
    let got = scratch.run(["get", "latest", "counter:c"]);
    assert!(
        got.text().starts_with(r#"["counter:\u0063",{"value":"\u0041\/\ud83e\udd80\ud800 "#),
        "{}",
        got.text()
    );
    let got = scratch.run(["get", "latest", "counter:c", "--format", "json"]);
    assert!(got.text().starts_with(r#"{"key":"counter:\u0063","value":"\u0041\/"#), "{}", got.text());
}

/// Node writes `count` entries in key order, as an array, and the same as lines in another order.
fn write_with_node(folder: &Path, count: u32) -> (PathBuf, PathBuf) {
    let program = r#"
        const { openSync, writeSync, closeSync } = require("node:fs");
        const [, folder, count] = process.argv;
        const entries = [];
        for (let n = 0; n < Number(count); n += 1) {
          const key = `${["counter", "session", "user"][Math.floor(n / count * 3)]}:${String(n).padStart(8, "0")}`;
          const value = n % 7 === 0 ? { name: `na\u00efve "${n}"\n\ud83e\udd80`, at: n / 3, tags: [n, null, true, "\ud800"] }
            : n % 7 === 1 ? n * 1e300 : n % 7 === 2 ? -n / 1e9 : n % 7 === 3 ? "x".repeat(n % 300) : { b: n, a: [{}] };
          const record = { value, createdAt: 1767225600000 + n };
          if (n % 5 === 0) record.expiresAt = 1767225600000 + 2 * n;
          entries.push([key, record]);
        }
        const write = (name, text) => { const file = openSync(`${folder}/${name}`, "w"); writeSync(file, text); closeSync(file); };
        write("sorted.json", JSON.stringify(entries));
        let seed = 1;
        for (let n = entries.length - 1; n > 0; n -= 1) {
          seed = (seed * 48271) % 2147483647;
          const other = seed % (n + 1);
          [entries[n], entries[other]] = [entries[other], entries[n]];
        }
        write("shuffled.ndjson", entries.map((entry) => JSON.stringify(entry)).join("\n"));
    "#;
    let done = finish(node().args(["-e", program]).arg(folder).arg(count.to_string()));
    assert_eq!(done.expect(0).stderr, "");
    (folder.join("sorted.json"), folder.join("shuffled.ndjson"))
}

/// As many as a test has time for. With `DOTCTL_TEST_ENTRIES=1000000` it is the whole million.
#[test]
fn what_node_stringified_comes_back_byte_for_byte() {
    let count = std::env::var("DOTCTL_TEST_ENTRIES").map_or(200_000, |count| count.parse().unwrap());
    let scratch = Scratch::new();
    let (sorted, shuffled) = write_with_node(scratch.path("").as_path(), count);
    let made = scratch.snapshot(&sorted, &[]);
    assert_eq!(made["record_count"], count);
    assert_eq!(made["reordered"], false);
    assert_eq!(made["content_sha256"], sha256_file(&sorted));
    assert!(made["chunk_count"].as_u64().unwrap() > 10, "{made}");
    let restored = scratch.restore(made["id"].as_str().unwrap(), "restored.json");
    assert!(fs::read(&restored).unwrap() == fs::read(&sorted).unwrap());

    // The same in another order is the same checkpoint but for its name: not one new chunk.
    let again = scratch.snapshot(&shuffled, &[]);
    assert_eq!(again["reordered"], true);
    assert_eq!(again["content_sha256"], made["content_sha256"]);
    assert_eq!(again["new_chunk_count"], 0);

    // One entry out of the middle, and what lies before, between and behind all keys.
    for (key, found) in [
        (format!("session:{:08}", count / 2), true),
        (format!("counter:{:08}", 0), true),
        (format!("user:{:08}", count - 1), true),
        ("a".to_owned(), false),
        (format!("session:{:08}x", count / 2), false),
        ("zzz".to_owned(), false),
    ] {
        let got = finish(&mut scratch.dotctl(["get", "latest", &key])).expect(if found { 0 } else { 3 });
        if found {
            assert!(got.text().starts_with(&format!("[\"{key}\",{{\"value\":")), "{}", got.text());
        }
    }
}

#[test]
fn lines_are_the_other_form() {
    let scratch = Scratch::new();
    let made = scratch.snapshot(&fixture("state/listed.json"), &[]);
    let id = made["id"].as_str().unwrap();
    let to = scratch.path("restored.ndjson");
    let restored = scratch.json(["restore", id, "--to", to.to_str().unwrap(), "--as", "ndjson"]);
    let lines = fs::read(&to).unwrap();
    assert_eq!(restored["sha256"], sha256(&lines));
    assert_eq!(restored["raw_bytes"], lines.len());
    let mut expected = fs::read(fixture("state/listed.ndjson")).unwrap();
    if !expected.ends_with(b"\n") {
        expected.push(b'\n');
    }
    assert!(lines == expected);
    let piped = scratch.run(["restore", id, "--to", "-", "--as", "ndjson"]);
    assert!(piped.stdout == expected);
    let piped = scratch.run(["restore", id, "--to", "-"]);
    assert!(piped.stdout == listed());
    let wrong = scratch.fails(2, ["restore", id, "--to", to.to_str().unwrap(), "--as", "sqlite", "--force"]);
    assert_eq!(wrong["kind"], "unsupported");
    // What was written as lines is a source again.
    assert_eq!(scratch.snapshot(&to, &[])["content_sha256"], made["content_sha256"]);
}

#[test]
fn no_entries_are_a_state_too() {
    let scratch = Scratch::new();
    for (name, text) in [("array", "[]"), ("spaced", " [ \n ] ")] {
        let path = scratch.path(name);
        fs::write(&path, text).unwrap();
        let made = scratch.snapshot(&path, &[]);
        assert_eq!(
            (&made["record_count"], &made["raw_bytes"], &made["chunk_count"]),
            (&Value::from(0), &Value::from(2), &Value::from(0)),
            "{name}"
        );
        let id = made["id"].as_str().unwrap();
        assert_eq!(fs::read(scratch.restore(id, &format!("{name}.json"))).unwrap(), b"[]");
        let piped = scratch.run(["restore", id, "--to", "-", "--as", "ndjson"]);
        assert!(piped.stdout.is_empty());
        assert_eq!(scratch.fails(3, ["get", id, "a"])["kind"], "missing");
    }
    assert_eq!(scratch.json(["verify"])["ok"], true);

    // A producer that died before its first byte has not said that there are none.
    let listed = scratch.json(["list"]);
    let nothing = scratch.path("nothing");
    fs::write(&nothing, "").unwrap();
    assert_eq!(scratch.fails(2, ["snapshot", nothing.to_str().unwrap()])["kind"], "malformed");
    assert_eq!(finish_with(&mut scratch.dotctl(["snapshot", "-"]), b"").code, 2);
    assert_eq!(scratch.json(["list"]), listed);
}

#[test]
fn get_prints_every_entry_as_it_was_written() {
    let scratch = Scratch::new();
    // Several chunks would need larger entries; where a chunk begins and ends is what matters here.
    let made = scratch.snapshot(&fixture("state/listed.json"), &["--chunk-bytes", "64KiB"]);
    let id = made["id"].as_str().unwrap();
    let lines = fs::read_to_string(fixture("state/listed.ndjson")).unwrap();
    assert_eq!(lines.lines().count(), 200);
    let mut escaped = 0;
    for line in lines.lines() {
        let (key, record): (String, &RawValue) = serde_json::from_str(line).unwrap();
        escaped += usize::from(!line.starts_with(&format!("[\"{key}\"")));
        let got = scratch.run(["get", id, "--", &key]);
        assert_eq!(got.text(), format!("{line}\n"));
        let got = scratch.run(["get", "--format", "json", id, "--", &key]);
        let members = record.get().strip_prefix('{').unwrap();
        let spelled_key =
            line.strip_prefix('[').unwrap().strip_suffix(&format!(",{}]", record.get())).unwrap();
        assert_eq!(got.text(), format!("{{\"key\":{spelled_key},{members}\n"));
    }
    assert!(escaped > 0, "keys with escapes are among them");
    for missing in ["", "counter", "zzzz", "\u{10ffff}"] {
        assert_eq!(scratch.fails(3, ["get", id, missing])["kind"], "missing");
    }
}

/// Every codec at every level that means something different.
#[test]
fn codecs_levels_and_chunk_sizes_change_what_is_stored_and_nothing_else() {
    let scratch = Scratch::new();
    let (sorted, _) = write_with_node(scratch.path("").as_path(), 6_000);
    let content = sha256_file(&sorted);
    let mut stored_bytes = std::collections::BTreeMap::new();
    for setting in [
        "--codec zstd",
        "--codec zstd --level -1",
        "--codec zstd --level 1",
        "--codec zstd --level 19",
        "--codec gzip",
        "--codec gzip --level 1",
        "--codec gzip --level 9",
        "--codec none",
        "--codec zstd --chunk-bytes 64KiB",
        "--codec gzip --chunk-bytes 64KiB",
        "--codec none --chunk-bytes 65536",
        "--chunk-bytes 4MiB",
        "--codec columnar",
        "--codec columnar --chunk-bytes 64KiB",
        "--codec zstd-dictionary",
        "--codec zstd-dictionary --chunk-bytes 64KiB",
        "--codec auto",
        "--codec auto --chunk-bytes 64KiB",
    ] {
        let mut words: Vec<&str> = setting.split(' ').collect();
        // Over another checkpoint of the same content nothing would be stored.
        words.extend(["--base", "none"]);
        let made = scratch.snapshot(&sorted, &words);
        assert_eq!(made["content_sha256"], content, "{setting}");
        if words[0] == "--codec" {
            assert_eq!(made["codec"], words[1]);
        }
        let chunk_count = made["chunk_count"].as_u64().unwrap();
        let small = setting.contains("64KiB") || setting.contains("65536");
        assert_eq!(small, chunk_count > 5, "{setting}: {chunk_count} chunks");
        let id = made["id"].as_str().unwrap();
        assert_eq!(sha256_file(&scratch.restore(id, &format!("{setting}.json"))), content, "{setting}");
        let got = scratch.run(["get", id, "session:00003000"]);
        assert!(got.text().starts_with("[\"session:00003000\""), "{setting}");
        stored_bytes.insert(setting, made["stored_bytes"].as_u64().unwrap());
    }
    assert_eq!(stored_bytes["--codec zstd"], stored_bytes["--codec zstd --level 1"], "the default is 1");
    assert!(stored_bytes["--codec zstd --level 19"] < stored_bytes["--codec zstd --level 1"]);
    assert!(stored_bytes["--codec gzip --level 9"] < stored_bytes["--codec gzip --level 1"]);
    for size in ["", " --chunk-bytes 64KiB"] {
        let bytes = |codec: &str| stored_bytes[format!("--codec {codec}{size}").as_str()];
        assert!(bytes("columnar") < bytes("zstd"), "{stored_bytes:?}");
        // It takes the dictionary that the namespace has by now.
        assert!(bytes("auto") <= bytes("columnar") + 120_000, "{stored_bytes:?}");
    }
    assert!(stored_bytes["--codec none"] > fs::metadata(&sorted).unwrap().len());
    assert_eq!(scratch.json(["verify"])["ok"], true);

    let source = sorted.to_str().unwrap();
    for wrong in [
        "--chunk-bytes 63KiB",
        "--chunk-bytes 5MiB",
        "--chunk-bytes 0",
        "--chunk-bytes many",
        "--codec lzma",
        "--codec zstd --level 23",
        "--codec gzip --level 10",
        "--codec none --level 1",
        "--level x",
    ] {
        let args = ["snapshot", source].into_iter().chain(wrong.split(' '));
        let error = scratch.fails(2, args);
        assert!(["usage", "malformed", "unsupported"].contains(&error["kind"].as_str().unwrap()), "{error}");
    }
}
