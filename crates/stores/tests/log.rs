//! Logs that nobody in their right mind wrote: valid checksums around wild numbers, and damage.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use dotctl_engine::image::journal::{JournalScanner, super_journal_name};
use dotctl_engine::image::wal::{LogExtent, LogHeader, LogIndex, LogScanner};
use proptest::collection::vec;
use proptest::prelude::*;

const PAGE_BYTES: usize = 512;
const FRAME_BYTES: usize = PAGE_BYTES + 24;

fn sum(bytes: &[u8], sums: &mut (u32, u32)) {
    for pair in bytes.chunks(8) {
        let word = |four: &[u8]| u32::from_le_bytes(four.try_into().unwrap());
        sums.0 = sums.0.wrapping_add(word(&pair[..4])).wrapping_add(sums.1);
        sums.1 = sums.1.wrapping_add(word(&pair[4..])).wrapping_add(sums.0);
    }
}

/// A log with valid checksums of frames that are a page number and a commit size each.
fn log(frames: &[(u32, u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0x377f_0682, 3_007_000, PAGE_BYTES as u32, 0, 11, 22u32] {
        bytes.extend(word.to_be_bytes());
    }
    let mut sums = (0, 0);
    sum(&bytes, &mut sums);
    bytes.extend(sums.0.to_be_bytes());
    bytes.extend(sums.1.to_be_bytes());
    for (page, commit) in frames {
        let start = bytes.len();
        bytes.extend(page.to_be_bytes());
        bytes.extend(commit.to_be_bytes());
        let content = [*page as u8; PAGE_BYTES];
        sum(&bytes[start..], &mut sums);
        sum(&content, &mut sums);
        for word in [11, 22, sums.0, sums.1] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(content);
    }
    bytes
}

fn scan(bytes: &[u8], block: usize, main_pages: u32) -> Option<LogIndex> {
    let header = LogHeader::parse(bytes).ok()??;
    let mut scanner = LogScanner::new(header);
    for block in bytes[32..].chunks(block) {
        if !scanner.feed(block) {
            break;
        }
    }
    scanner.finish(main_pages).ok()
}

/// The same by the rules' wording alone.
fn expected(frames: &[(u32, u32)], main_pages: u32) -> Option<(u32, BTreeMap<u32, usize>)> {
    let valid = frames.iter().position(|frame| frame.0 == 0);
    let valid = &frames[..valid.unwrap_or(frames.len())];
    let committed = valid.iter().rposition(|frame| frame.1 != 0);
    let committed = &valid[..committed.map_or(0, |last| last + 1)];
    let mut newest = BTreeMap::new();
    for (at, frame) in committed.iter().enumerate() {
        newest.insert(frame.0, at);
    }
    let pages = committed.last().map_or(0, |frame| frame.1);
    newest.retain(|&page, _| page <= pages);
    let explained = u64::from(main_pages) + committed.len() as u64 + 128;
    (u64::from(pages) <= explained).then_some((pages, newest))
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 1u32..12, 1 => Just(0), 1 => any::<u32>(), 1 => Just(u32::MAX)]
}

fn commit() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(0), 4 => 1u32..14, 1 => 120u32..190, 1 => any::<u32>()]
}

proptest! {
    #[test]
    fn any_frames_are_indexed_by_the_rules(
        frames in vec((number(), commit()), 0..40),
        block in 1usize..3000,
        main_pages in 0u32..20,
    ) {
        let found = scan(&log(&frames), block, main_pages);
        let expected = expected(&frames, main_pages);
        prop_assert_eq!(found.is_some(), expected.is_some());
        if let (Some(index), Some((pages, newest))) = (found, expected) {
            prop_assert_eq!(index.page_count(), pages);
            prop_assert_eq!(index.held_pages(), newest.len());
            for (page, at) in &newest {
                prop_assert_eq!(index.offset(*page), Some((32 + at * FRAME_BYTES + 24) as u64));
            }
            // Extents cover everything once, and agree with the single look-ups.
            let mut page = 1u32;
            while page <= pages {
                let step = match index.extent(page, 50) {
                    LogExtent::Frames { offset, pages } => {
                        for at in 0..pages {
                            prop_assert_eq!(
                                index.offset(page + at),
                                Some(offset + u64::from(at) * FRAME_BYTES as u64)
                            );
                        }
                        pages
                    }
                    LogExtent::Absent { pages } => {
                        for at in 0..pages {
                            prop_assert_eq!(index.offset(page + at), None);
                        }
                        pages
                    }
                };
                prop_assert!(step > 0);
                page += step;
            }
        }
    }

    #[test]
    fn damage_never_adds_anything(
        frames in vec((1u32..12, commit()), 1..20),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        block in 1usize..3000,
    ) {
        let whole = log(&frames);
        let mut bytes = whole.clone();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let intact = bytes.iter().zip(&whole).take_while(|(a, b)| a == b).count();
        if let Some(index) = scan(&bytes, block, 20) {
            let intact_frames = intact.saturating_sub(32) / FRAME_BYTES;
            prop_assert!(index.frame_count() as usize <= intact_frames);
            prop_assert!(index.page_count() <= 20 + 128 + index.frame_count());
            for page in 1..=index.page_count() {
                if let Some(offset) = index.offset(page) {
                    prop_assert!(offset as usize + PAGE_BYTES <= bytes.len());
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_an_answer(bytes in vec(any::<u8>(), 0..5000)) {
        prop_assert!(scan(&bytes, 100, 1).is_none());
        let _ = super_journal_name(&bytes);
    }

    #[test]
    fn any_journal_is_an_answer(
        words in vec(prop_oneof![number(), Just(512), Just(1024), Just(32)], 5),
        tail in vec(any::<u8>(), 0..9000),
        main_pages in 0u32..20,
    ) {
        let mut bytes = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
        for word in words {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(tail);
        let mut scanner = JournalScanner::new(bytes.len() as u64, 512);
        let mut turns = 0;
        while let Some((offset, length)) = scanner.wanted() {
            let at = offset as usize;
            scanner.give(&bytes[at..(at + length).min(bytes.len())]);
            turns += 1;
            prop_assert!(turns <= bytes.len() / 32 + 1);
        }
        if let Ok(Some(index)) = scanner.finish(main_pages) {
            let mut page = 0;
            while let Some(held) = index.next_held(page) {
                let offset = index.offset(held).unwrap() as usize;
                prop_assert!(offset + index.page_bytes() as usize + 4 <= bytes.len());
                prop_assert!(held <= index.page_count());
                let Some(next) = held.checked_add(1) else { break };
                page = next;
            }
        }
    }
}
