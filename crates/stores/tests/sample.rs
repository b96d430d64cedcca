//! A checkpoint's size from a sample of it, against the checkpoint.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::Path;

use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::{Codec, CodecSetting};
use dotctl_engine::id::{Namespace, Time};
use dotctl_stores::base::Base;
use dotctl_stores::drive::{
    NoProgress, SampleReport, SampleSetting, SnapshotSetting, sample_database, sample_file,
};
use dotctl_stores::folder::FolderStore;
use dotctl_stores::source::{capture_database, capture_state};

/// Chunks of 64 KiB, so that a source of a few megabytes has so many that 2 % of them are a sample.
const CHUNK_BYTES: u64 = 64 << 10;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }

    /// Between 0 and 1, small numbers more often.
    fn skewed(&mut self) -> f64 {
        let uniform = self.below(1 << 30) as f64 / (1_u64 << 30) as f64;
        uniform.powi(4)
    }

    fn text(&mut self, letters: &[u8], count: u64) -> String {
        (0..count).map(|_| char::from(letters[self.below(letters.len() as u64) as usize])).collect()
    }
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEX: &[u8] = b"0123456789abcdef";
const WORDS: [&str; 16] = [
    "session", "window", "count", "user", "active", "closed", "pending", "order", "page", "view", "north",
    "south", "total", "created", "updated", "event",
];

/// One entry's value, of the sort that `distribution` has, at `place` of 1.
fn value(distribution: usize, place: f64, number: u64, random: &mut Random) -> String {
    let words = |random: &mut Random, count: u64| -> String {
        (0..count).map(|_| format!("{} ", WORDS[random.below(16) as usize])).collect()
    };
    match distribution {
        // The same sort throughout.
        0 => format!("{}", random.below(1_000)),
        1 => format!("{{\"count\":{},\"lastSeen\":17040672{:05}}}", random.below(100), random.below(100_000)),
        2 => {
            let count = 20 + random.below(60);
            format!("\"{}\"", words(random, count))
        }
        3 => {
            let count = 40 + random.below(400);
            format!("\"{}\"", random.text(BASE64, count))
        }
        4 => {
            let count = random.below(2_000);
            format!("\"{}\"", random.text(b"a", count))
        }
        // Lengths with a long tail.
        5 => {
            let count = 4 + (random.skewed() * 800.0) as u64;
            format!("\"{}\"", words(random, count))
        }
        6 => {
            let count = 8 + (random.skewed() * 20_000.0) as u64;
            format!("\"{}\"", random.text(HEX, count))
        }
        // Two sorts of keys, one after the other, in several shares.
        7..=11 => {
            let share = [0.5, 0.2, 0.1, 0.04, 0.9][distribution - 7];
            match place < share {
                true => format!("\"{}\"", random.text(BASE64, 300)),
                false => format!("{{\"count\":{},\"open\":true}}", random.below(50)),
            }
        }
        // Two sorts among each other.
        12 | 13 => match random.below(if distribution == 12 { 2 } else { 30 }) {
            0 => {
                let count = 200 + random.below(2_000);
                format!("\"{}\"", random.text(BASE64, count))
            }
            _ => "{\"count\":1,\"name\":\"none\"}".to_owned(),
        },
        // What compresses better from the first key to the last.
        14 => {
            let count = ((1.0 - place) * 400.0) as u64;
            format!("\"{}{}\"", random.text(BASE64, count), words(random, 30))
        }
        // Bursts: every twentieth part of the keys is of another sort.
        15 => match ((place * 20.0) as u64).is_multiple_of(2) {
            true => format!("\"{}\"", random.text(HEX, 500)),
            false => format!("[{}]", random.below(3)),
        },
        // Numbers that grow; numbers that are random.
        16 => format!("{{\"sequence\":{},\"balance\":{}}}", number * 17, number * 3 + random.below(5)),
        17 => format!("{{\"x\":0.{},\"y\":0.{}}}", random.below(1 << 30), random.below(1 << 30)),
        // Repeats at a distance: one of 200 long texts.
        18 => {
            let mut own = Random(random.below(200) + 7);
            format!("\"{}\"", own.text(BASE64, 700))
        }
        // Everything.
        _ => match random.below(5) {
            0 => format!("\"{}\"", random.text(BASE64, 120)),
            1 => {
                let count = random.below(120);
                format!("\"{}\"", words(random, count))
            }
            2 => "null".to_owned(),
            3 => format!("{}", random.below(1 << 40)),
            _ => format!("{{\"expires\":{},\"seen\":[1,2,3]}}", random.below(1 << 31)),
        },
    }
}

/// State of one sort, as NDJSON in key order, of about `bytes`.
fn state(distribution: usize, bytes: usize) -> String {
    let mut random = Random(distribution as u64 * 977 + 13);
    let mut text = String::with_capacity(bytes + 30_000);
    let mut number = 0_u64;
    while text.len() < bytes {
        let place = text.len() as f64 / bytes as f64;
        let value = value(distribution, place, number, &mut random);
        let created = 1_767_225_600_000 + random.below(100_000_000);
        writeln!(text, "[\"user:{number:09}\",{{\"value\":{value},\"createdAt\":{created}}}]").unwrap();
        number += 1 + random.below(3);
    }
    text
}

fn codec(name: Codec, level: i32) -> CodecSetting {
    CodecSetting::new(name, level).unwrap()
}

fn snapshot_setting(codec: CodecSetting, chunk_bytes: u64) -> SnapshotSetting {
    SnapshotSetting {
        namespace: Namespace::new("sample").unwrap(),
        created_at: Time::from_unix_ms(0).unwrap(),
        codec,
        chunk_size: ChunkSize::new(chunk_bytes).unwrap(),
        chain: dotctl_engine::checkpoint::ChainPolicy::DEFAULT,
    }
}

fn sample(path: &Path, chunk_bytes: u64, codecs: &[CodecSetting], is_database: bool) -> SampleReport {
    let scratch = std::env::temp_dir();
    let setting = SampleSetting {
        chunk_size: ChunkSize::new(chunk_bytes).unwrap(),
        percent: 2.0,
        codecs,
        scratch: &scratch,
    };
    match is_database {
        true => sample_database(path, &setting, &NoProgress).unwrap(),
        false => sample_file(path, &setting, &NoProgress).unwrap(),
    }
}

/// What the whole checkpoint takes: it is made.
fn truth(path: &Path, chunk_bytes: u64, codec: CodecSetting, is_database: bool) -> (u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open_or_create(&folder.path().join("store")).unwrap();
    let setting = snapshot_setting(codec, chunk_bytes);
    let committed = match is_database {
        true => capture_database(&store, path, &setting, &Base::None, &NoProgress).unwrap().committed,
        false => capture_state(&store, path, &setting, &Base::None, &NoProgress).unwrap().committed,
    };
    (committed.manifest.stored_bytes(), committed.manifest.raw_bytes)
}

#[test]
fn the_interval_holds_for_twenty_sorts_of_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.ndjson");
    let codecs = [codec(Codec::Zstd, 1), codec(Codec::Gzip, 6)];
    let mut outside = [0; 2];
    for distribution in 0..20 {
        // 600 chunks and more: 2 % are at least the fewest that are taken.
        std::fs::write(&path, state(distribution, 42 << 20)).unwrap();
        let report = sample(&path, CHUNK_BYTES, &codecs, false);
        let share = report.sampled_chunk_count as f64 / report.chunk_count as f64;
        // Sorts of data that differ much have a stratum more each.
        assert!(share < 0.035, "{distribution}: {share}");
        for (position, setting) in codecs.iter().enumerate().take(if distribution % 5 == 0 { 2 } else { 1 }) {
            let (stored, raw) = truth(&path, CHUNK_BYTES, *setting, false);
            let bounds = report.codecs[position].bounds;
            assert_eq!(report.raw_bytes, raw);
            let is_inside = (bounds.low_bytes..=bounds.high_bytes).contains(&stored);
            let width = (bounds.high_bytes - bounds.low_bytes) as f64 / stored as f64;
            eprintln!("{distribution:2} {setting:?} {stored:9} {bounds:?} width {width:.4} {is_inside}");
            outside[position] += usize::from(!is_inside);
            // An interval that holds everything says nothing.
            assert!(width < 0.5, "{distribution}: {width}");
        }
    }
    assert!(outside[0] <= 1, "{outside:?}");
    assert_eq!(outside[1], 0, "{outside:?}");
}

#[test]
fn what_is_small_is_known_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let generated = folder.path().join("generated.ndjson");
    std::fs::write(&generated, state(19, 3 << 20)).unwrap();
    let mut databases = Vec::new();
    let objects = dotctl_stores::objects::find_objects(&fixtures.join("state-folder/v3/do")).unwrap();
    databases.extend(objects.into_iter().map(|object| object.path));
    assert!(databases.len() > 4);
    let states = ["state/listed.json", "state/listed.json.gz", "state/unsorted.ndjson", "state/empty.json"]
        .map(|name| fixtures.join(name));
    let sources = states.iter().chain([&generated]).map(|path| (path, false));
    for (path, is_database) in sources.chain(databases.iter().map(|path| (path, true))) {
        for setting in
            [codec(Codec::Zstd, 1), codec(Codec::Zstd, 9), codec(Codec::Gzip, 6), codec(Codec::None, 0)]
        {
            let report = sample(path, 1 << 20, &[setting], is_database);
            let (stored, raw) = truth(path, 1 << 20, setting, is_database);
            let bounds = report.codecs[0].bounds;
            assert_eq!((bounds.compressed_bytes, report.raw_bytes), (stored, raw), "{path:?} {setting:?}");
            assert_eq!((bounds.low_bytes, bounds.high_bytes), (stored, stored), "{path:?} {setting:?}");
        }
    }
}

/// A database as an object has it, with values of `distribution`.
fn database(path: &Path, distribution: usize, bytes: usize) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch("CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID; BEGIN")
        .unwrap();
    let mut random = Random(distribution as u64 + 5);
    let (mut done, mut number) = (0, 0);
    while done < bytes {
        let value = value(distribution, done as f64 / bytes as f64, number, &mut random);
        let key = format!("user:{:09}", random.below(1 << 40));
        connection
            .execute(
                "INSERT OR REPLACE INTO _cf_KV VALUES (?1, ?2)",
                rusqlite::params![key, value.as_bytes()],
            )
            .unwrap();
        done += value.len() + 24;
        number += 1;
    }
    connection.execute_batch("COMMIT").unwrap();
}

#[test]
fn the_interval_holds_for_databases() {
    for distribution in [1, 8, 13, 19] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("object.sqlite");
        database(&path, distribution, 20 << 20);
        let setting = codec(Codec::Zstd, 2);
        let report = sample(&path, CHUNK_BYTES, &[setting], true);
        let (stored, raw) = truth(&path, CHUNK_BYTES, setting, true);
        let bounds = report.codecs[0].bounds;
        eprintln!("{distribution} {stored} {bounds:?} directory {}", report.codecs[0].directory_bytes);
        assert_eq!(report.raw_bytes, raw);
        assert!(report.sampled_chunk_count < report.chunk_count / 10);
        assert!(
            (bounds.low_bytes..=bounds.high_bytes).contains(&stored),
            "{distribution}: {stored} {bounds:?}"
        );
        let width = (bounds.high_bytes - bounds.low_bytes) as f64 / stored as f64;
        assert!(width < 0.5, "{distribution}: {width}");
    }
}

#[test]
fn a_part_tells_of_the_whole() {
    // The source is 2 % of what there will be: less than a chunk, or about one.
    let folder = tempfile::tempdir().unwrap();
    let (part, whole) = (folder.path().join("part"), folder.path().join("whole"));
    let setting = codec(Codec::Zstd, 1);
    let mut outside = Vec::new();
    for distribution in [0, 1, 2, 3, 5, 12, 16, 17, 19] {
        for bytes in [10 << 20, 40 << 20] {
            let text = state(distribution, bytes);
            std::fs::write(&whole, &text).unwrap();
            let mut lines = text.lines();
            let half = lines.by_ref().take(text.lines().count() / 2).count();
            // From the middle: a contiguous run, as one of several partitions would be.
            let count = (half / 25).max(1);
            let head: String = lines.take(count).map(|line| format!("{line}\n")).collect();
            std::fs::write(&part, &head).unwrap();
            let report = sample(&part, 1 << 20, &[setting], false);
            let all = text.lines().count() as u64;
            let report = report.rescaled(count as u64, all, ChunkSize::DEFAULT);
            let (stored, _) = truth(&whole, 1 << 20, setting, false);
            let bounds = report.codecs[0].bounds;
            let is_inside = (bounds.low_bytes..=bounds.high_bytes).contains(&stored);
            let width = (bounds.high_bytes - bounds.low_bytes) as f64 / stored as f64;
            eprintln!("{distribution:2} {bytes} {stored:9} {bounds:?} width {width:.3} {is_inside}");
            if !is_inside {
                outside.push((distribution, bytes));
            }
        }
    }
    assert!(outside.is_empty(), "{outside:?}");
}
