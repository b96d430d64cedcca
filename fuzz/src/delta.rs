//! Delta chunks of any bytes over any older records, and any change of a record through a patch and back.
//!
//! Byte 0 of the input chooses what the rest is, bytes 1 and 2 are a number `n` (little-endian):
//! - 0 modulo 3: `n` records, byte 3 and that many hundred bytes more of an older record, then a raw chunk;
//! - 1 modulo 3: the first `n` bytes are a record before, the others the same record after;
//! - 2 modulo 3: `n` records of a raw chunk, laid over lines or pages; byte 3 is their number.

use dotctl_engine::checkpoint::{KeyRange, RunMerge, merge_lines, merge_pages};
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::format::RecordKey;
use dotctl_engine::format::delta::{DeltaChunk, RawDelta};

/// Checks everything that must hold for any `data`.
pub fn fuzz(data: &[u8]) {
    let Some((&[choice, low, high], rest)) = data.split_first_chunk() else { return };
    let number = u16::from_le_bytes([low, high]);
    match (choice % 3, rest) {
        (0, &[hundreds, ref rest @ ..]) => {
            let old = rest.len().min(usize::from(hundreds) * 100);
            hostile(u32::from(number), &rest[..old], &rest[old..]);
        }
        (1, rest) => {
            let (old, new) = rest.split_at(rest.len().min(usize::from(number)));
            round_trip(old, new);
        }
        (_, &[count, ref raw @ ..]) => laid_over(u32::from(number), u32::from(count), raw),
        _ => {}
    }
}

/// A chunk that is read has ascending keys, each found, and records within the bound.
fn hostile(record_count: u32, old: &[u8], raw: &[u8]) {
    let Ok(chunk) = DeltaChunk::read(raw.to_vec(), record_count) else { return };
    assert_eq!(chunk.record_count(), record_count as usize);
    let mut into = Vec::new();
    for position in 0..chunk.record_count() {
        let key = chunk.key(position);
        assert!(key.len() <= RecordKey::BYTES_MAX);
        assert_eq!(chunk.find(key), Some(position));
        assert!(position == 0 || chunk.key(position - 1) < key, "keys ascend");
        let alone = chunk.apply(position, None, &mut into).is_ok();
        assert_eq!(alone, !chunk.needs_older(position), "only a patch needs what was before");
        let there = chunk.apply(position, Some(old), &mut into);
        assert!(into.len() <= ChunkSize::READ_BYTES_MAX as usize);
        if let Ok(there) = there {
            assert!(there || into.is_empty());
            // The buffer's older content does not matter.
            let mut again = b"something else".to_vec();
            assert_eq!(chunk.apply(position, Some(old), &mut again).ok(), Some(there));
            assert_eq!(again, into);
        }
    }
}

/// A change comes back, and what is written of it is not much longer than the new record.
fn round_trip(old: &[u8], new: &[u8]) {
    let mut delta = RawDelta::default();
    delta.remove(b"a");
    delta.put(b"ab", Some(old), new);
    delta.put(b"b", None, new);
    let mut raw = Vec::new();
    delta.write(&mut raw);
    assert_eq!(raw.len(), delta.raw_bytes());
    assert!(raw.len() <= 2 * new.len() + 64, "{} bytes for twice {}", raw.len(), new.len());
    let chunk = DeltaChunk::read(raw, delta.record_count()).expect("what was written is read");
    let mut into = Vec::new();
    for (position, expected) in [None, Some(new), Some(new)].into_iter().enumerate() {
        let there = chunk.apply(position, Some(old), &mut into).expect("what was written applies");
        assert_eq!(there.then_some(into.as_slice()), expected);
    }
}

/// Laid over records that are sound, a chunk is refused, or leaves records that are.
fn laid_over(record_count: u32, count: u32, raw: &[u8]) {
    let Ok(chunk) = DeltaChunk::read(raw.to_vec(), record_count) else { return };
    let range = KeyRange::default();
    let lines: String = (0..count).map(|key| format!("[\"k{key:03}\",{{\"value\":{key}}}]\n")).collect();
    let mut into = Vec::new();
    let mut merge = RunMerge::new(std::iter::once(&chunk), &range);
    if merge_lines(lines.as_bytes(), &mut merge, &range, &mut into).is_ok() {
        assert!(into.is_empty() || into.ends_with(b"\n"));
        assert!(into.len() <= ChunkSize::READ_BYTES_MAX as usize);
    }
    let page_bytes = 512;
    let room = count as usize + 4;
    let mut pages = vec![7; room * page_bytes];
    let mut merge = RunMerge::new([&chunk, &chunk].into_iter(), &range);
    if let Ok(left) = merge_pages(&mut pages, page_bytes, 1, count as usize, &mut merge) {
        assert!(left <= room);
    }
}
