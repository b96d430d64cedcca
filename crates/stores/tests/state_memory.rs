//! Memory while a large state in random order is read and sorted. Alone in its binary, because
//! what is measured is the process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(target_os = "linux")]

use dotctl_stores::entries::StateEntries;
use dotctl_stores::input::Input;
use dotctl_stores::spill::{SORT_MEMORY_BYTES, SpillSorter};
use std::io::Read;

/// Entries that are made as they are read.
struct Generator {
    next: u64,
    count: u64,
    pending: Vec<u8>,
}

impl Read for Generator {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.pending.is_empty() && self.next < self.count {
            // An odd factor visits every key once.
            let key = self.next.wrapping_mul(0x9e37_79b1) % (1 << 32);
            let value_bytes = match self.next {
                100 | 200_000 | 200_001 => 15 << 20,
                _ => 200,
            };
            self.next += 1;
            self.pending = format!("[\"user:{key:010}\",{{\"value\":\"").into_bytes();
            self.pending.resize(self.pending.len() + value_bytes, b'v');
            self.pending.extend_from_slice(b"\",\"createdAt\":1704067200000}]\n");
        }
        let bytes = into.len().min(self.pending.len());
        into[..bytes].copy_from_slice(&self.pending[..bytes]);
        if bytes == self.pending.len() {
            self.pending.clear();
        } else {
            self.pending.drain(..bytes);
        }
        Ok(bytes)
    }
}

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes * 1024
}

#[test]
fn a_large_state_is_sorted_in_bounded_memory() {
    const COUNT: u64 = 500_000;
    let generator = Generator { next: 0, count: COUNT, pending: Vec::new() };
    let mut entries = StateEntries::new(Input::new("generated", generator).unwrap());
    let mut sorter = SpillSorter::new(&std::env::temp_dir(), SORT_MEMORY_BYTES);
    let mut text_bytes = 0;
    while let Some(entry) = entries.next().unwrap() {
        text_bytes += entry.text.len();
        sorter.push(entry.key, entry.text).unwrap();
    }
    drop(entries);
    let mut sorted = sorter.finish().unwrap();
    let mut sorted_bytes = 0;
    let mut count = 0;
    let mut last = Vec::new();
    while let Some((key, text)) = sorted.next().unwrap() {
        assert!(count == 0 || *key > *last);
        last.clear();
        last.extend_from_slice(key);
        sorted_bytes += text.len();
        count += 1;
    }
    assert_eq!((count, sorted_bytes), (COUNT, text_bytes));
    assert!(text_bytes > 150_000_000);
    // The generator's own text of the largest entry is among it.
    let peak_mebibytes = peak_bytes() >> 20;
    assert!(peak_mebibytes < 64, "{peak_mebibytes} MiB");
    println!("peak {peak_mebibytes} MiB");
}
