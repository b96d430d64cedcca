//! Sorting through the temporary file, in and over memory, against a plain sort.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dotctl_engine::ErrorKind;
use dotctl_engine::state::{Order, OrderCheck, shown_key};
use dotctl_stores::entries::StateEntries;
use dotctl_stores::input::Input;
use dotctl_stores::spill::SpillSorter;
use std::io::Cursor;
use std::path::Path;

const SHUFFLED: &[u8] = include_bytes!("state/shuffled.json");
const LISTED: &[u8] = include_bytes!("state/listed.json");

type Entry = (Vec<u8>, Vec<u8>);

fn sort(entries: &[Entry], memory_bytes: usize) -> dotctl_engine::Result<(Vec<Entry>, u64)> {
    let mut sorter = SpillSorter::new(&std::env::temp_dir(), memory_bytes);
    for (key, text) in entries {
        sorter.push(key, text)?;
    }
    let spilled_bytes = sorter.spilled_bytes();
    let mut sorted = sorter.finish()?;
    let mut result = Vec::new();
    while let Some((key, text)) = sorted.next()? {
        result.push((key.to_vec(), text.to_vec()));
    }
    Ok((result, spilled_bytes))
}

fn entry(key: &[u8], value_bytes: usize) -> Entry {
    let mut text = b"[".to_vec();
    text.extend_from_slice(shown_key(key).as_bytes());
    text.extend_from_slice(b",{\"value\":\"");
    text.resize(text.len() + value_bytes, b'x');
    text.extend_from_slice(b"\"}]");
    (key.to_vec(), text)
}

/// `count` entries in an order like a shuffled deck's.
fn shuffled(count: u64, key: impl Fn(u64) -> Vec<u8>, value_bytes: usize) -> Vec<Entry> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut entries: Vec<Entry> = (0..count).map(|n| entry(&key(n), value_bytes)).collect();
    for index in (1..entries.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        entries.swap(index, (state % (index as u64 + 1)) as usize);
    }
    entries
}

#[test]
fn what_node_prints_for_a_listed_state_comes_out() {
    for (memory_bytes, spills) in [(1 << 20, false), (300_000, true)] {
        let input = Input::new("shuffled.json", Cursor::new(SHUFFLED)).unwrap();
        let mut entries = StateEntries::new(input);
        let mut sorter = SpillSorter::new(&std::env::temp_dir(), memory_bytes);
        let mut check = OrderCheck::new();
        let mut out_of_order = 0;
        while let Some(entry) = entries.next().unwrap() {
            out_of_order += u32::from(check.push(entry.key).unwrap() == Order::OutOfOrder);
            sorter.push(entry.key, entry.text).unwrap();
        }
        assert!(out_of_order > 0);
        assert_eq!(sorter.spilled_bytes() > 0, spills);
        let mut sorted = sorter.finish().unwrap();
        let mut check = OrderCheck::new();
        let mut out = b"[".to_vec();
        while let Some((key, text)) = sorted.next().unwrap() {
            assert_eq!(check.push(key).unwrap(), Order::InOrder);
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(text);
        }
        out.push(b']');
        assert!(out == LISTED, "not what JSON.stringify prints");
    }
}

#[test]
fn sorted_as_bytes_whatever_the_memory() {
    let key_makers: [fn(u64) -> Vec<u8>; 4] = [
        |n| format!("user:{n:06}").into_bytes(),
        |n| n.to_string().into_bytes(),
        // Long shared beginnings that begin to differ late, and keys that begin others.
        |n| [&b"k".repeat(5_000)[..], &n.to_be_bytes()[..(n % 8 + 1) as usize], &n.to_be_bytes()].concat(),
        |n| vec![0; n as usize % 900 + (n as usize / 900) * 900],
    ];
    for key in key_makers {
        let entries = shuffled(2_000, key, 100);
        let mut expected = entries.clone();
        expected.sort();
        let all: usize = entries.iter().map(|entry| entry.0.len() + entry.1.len() + 32).sum();
        for (memory_bytes, spills) in [(0, true), (all / 2, true), (all + 256 * 1024, false)] {
            let (sorted, spilled_bytes) = sort(&entries, memory_bytes).unwrap();
            assert!(sorted == expected, "wrong order in {memory_bytes} bytes");
            assert_eq!(spilled_bytes > 0, spills, "in {memory_bytes} bytes");
        }
    }
}

#[test]
fn more_runs_than_are_merged_at_once() {
    // A run for every ten entries, two merged at a time: two hundred runs in eight levels.
    let entries = shuffled(2_000, |n| format!("user:{n:06}").into_bytes(), 4_000);
    let mut expected = entries.clone();
    expected.sort();
    let (sorted, _) = sort(&entries, 256 * 1024 + 41_000).unwrap();
    assert!(sorted == expected);
}

#[test]
fn entries_larger_than_a_block() {
    let mut entries = shuffled(40, |n| format!("user:{n:06}").into_bytes(), 400_000);
    entries.push(entry(b"user:000007b", 3 << 20));
    entries.push(entry(&[b'k'; 65_536], 1 << 20));
    entries.push(entry(b"user:\n", 200_000));
    let mut expected = entries.clone();
    expected.sort();
    for memory_bytes in [0, 1 << 20, 4 << 20] {
        let (sorted, _) = sort(&entries, memory_bytes).unwrap();
        assert!(sorted == expected, "{memory_bytes}");
    }
}

#[test]
fn duplicates_are_found_wherever_they_are() {
    let entries = shuffled(3_000, |n| format!("user:{n:06}").into_bytes(), 100);
    for (first, second) in [(0, 3_000), (10, 11), (1_500, 1_501), (2_999, 3_000), (700, 2_000)] {
        for memory_bytes in [0, 256 * 1024 + 50_000, 1 << 24] {
            let mut doubled = entries.clone();
            // The same key, spelled with an escape.
            let key = entries[first].0.clone();
            let text = String::from_utf8(entries[first].1.clone()).unwrap();
            doubled.insert(second, (key.clone(), text.replace("user:", "\\u0075ser:").into_bytes()));
            let error = sort(&doubled, memory_bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed);
            assert_eq!(
                error.to_string(),
                format!("entries {} and {} have the same key {}", first + 1, second + 1, shown_key(&key))
            );
        }
    }
}

#[test]
fn nothing_is_sorted_too() {
    assert_eq!(sort(&[], 1 << 20).unwrap(), (Vec::new(), 0));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let mut sorter = SpillSorter::new(Path::new("/nowhere/at/all"), 0);
    let (key, text) = entry(b"a", 10);
    let error = sorter.push(&key, &text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().starts_with("/nowhere/at/all: "), "{error}");
    assert!(error.next_step().is_some());
}
