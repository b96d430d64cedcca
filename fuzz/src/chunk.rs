//! Packs and chunks of any bytes: what is accepted is written back as it was, and nothing decodes
//! to more than was asked for.
//!
//! Byte 0 of the input chooses the codec and the size that a chunk claims, bytes 1 to 4 are that
//! size before it is cut down, the rest is stored in the pack.

use dotctl_engine::checkpoint::{KeyFinder, PackReading, codec_setting};
use dotctl_engine::chunk::{ChunkReader, ChunkSize, ChunkWriter, StoredChunk, raw_bytes as chunk_raw_bytes};
use dotctl_engine::codec::Codec;
use dotctl_engine::format::{
    CheckpointKind, ChunkEntry, PackEntry, PackHeader, PackIndex, RecordKey, Run, RunKind,
};
use dotctl_engine::id::Hash;

/// Checks everything that must hold for any `data`.
pub fn fuzz(data: &[u8]) {
    let Some((&[choice, a, b, c, d], stored)) = data.split_first_chunk() else {
        return;
    };
    let codec = Codec::ALL[usize::from(choice % 3)];
    // Small sizes are as likely as large ones.
    let raw_bytes = u32::from_le_bytes([a, b, c, d]) >> (choice / 3 % 32);
    header(codec, stored);
    index(codec, stored);
    chunk(codec, raw_bytes, stored);
    round_trip(codec, stored);
    lines(stored);
}

fn header(codec: Codec, stored: &[u8]) {
    let header = PackHeader { codec };
    if header.check(stored).is_ok() {
        assert_eq!(header.write(), stored);
    }
}

fn index(codec: Codec, stored: &[u8]) {
    // The manifest's sums come out of the index itself, so that no reading stops at them.
    let mut pack = PackEntry {
        sha256: Hash::of(stored),
        stored_bytes: u64::MAX,
        raw_bytes: 0,
        record_count: 0,
        chunk_count: 0,
        first_key: RecordKey::default(),
        index_bytes: u32::try_from(stored.len()).expect("fuzzers give no 4 GiB"),
        index_sha256: Hash::of(stored),
        within: None,
    };
    let Ok(index) = PackIndex::read(codec, stored) else {
        assert!(PackReading::open(codec, &pack, stored).is_err());
        return;
    };
    assert_eq!(index.write(), stored, "an index that can be written in two ways");
    let mut end = PackHeader { codec }.stored_bytes() as u64;
    for (position, chunk) in index.chunks().iter().enumerate() {
        assert_eq!(chunk.stored_offset, end, "chunks without a gap");
        end += u64::from(chunk.stored_bytes);
        pack.raw_bytes += u64::from(chunk.raw_bytes);
        pack.record_count += u64::from(chunk.record_count);
        pack.chunk_count += 1;
        assert_eq!(index.find(&chunk.first_key), Some(position));
    }
    pack.stored_bytes = end + stored.len() as u64;
    if let Some(first) = index.chunks().first() {
        pack.first_key = first.first_key.clone();
        let reading = PackReading::open(codec, &pack, stored).expect("index and manifest agree");
        assert_eq!(reading.chunks(), index.chunks());
    }
    pack.raw_bytes = pack.raw_bytes.wrapping_add(1);
    assert!(PackReading::open(codec, &pack, stored).is_err(), "sums are compared");
}

fn chunk(codec: Codec, raw_bytes: u32, stored: &[u8]) {
    let entry = ChunkEntry {
        stored_offset: 0,
        stored_bytes: u32::try_from(stored.len()).expect("fuzzers give no 4 GiB"),
        raw_bytes,
        record_count: 1,
        sha256: Hash::of(stored),
        first_key: RecordKey::default(),
    };
    let mut reader = ChunkReader::new().expect("a decoder");
    let Ok(room_bytes) = chunk_raw_bytes(&entry) else {
        assert!(raw_bytes > ChunkSize::READ_BYTES_MAX, "refused although it may be so long");
        return;
    };
    assert_eq!(room_bytes, raw_bytes as usize);
    let mut raw = vec![0; room_bytes];
    if reader.read(codec, &entry, stored, &mut raw).is_ok() {
        // A decoder keeps nothing of what it read before.
        let mut again = vec![7; room_bytes];
        reader.read(codec, &entry, stored, &mut again).expect("the same again");
        assert_eq!(again, raw);
    }
    let other = ChunkEntry { sha256: Hash::of(b"other"), ..entry };
    assert!(reader.read(codec, &other, stored, &mut raw).is_err(), "the hash is checked first");
}

fn round_trip(codec: Codec, raw: &[u8]) {
    let setting = codec_setting(CheckpointKind::State, codec, None).expect("the default level");
    let mut stored = StoredChunk::default();
    ChunkWriter::new(setting)
        .and_then(|mut writer| writer.write(raw, &mut stored))
        .expect("any bytes can be stored");
    let entry = ChunkEntry {
        stored_offset: 0,
        stored_bytes: u32::try_from(stored.bytes.len()).expect("fuzzers give no 4 GiB"),
        raw_bytes: stored.raw_bytes,
        record_count: 1,
        sha256: stored.sha256,
        first_key: RecordKey::default(),
    };
    let mut read = vec![0; raw.len()];
    ChunkReader::new()
        .and_then(|mut reader| reader.read(codec, &entry, &stored.bytes, &mut read))
        .expect("what was stored can be read");
    assert_eq!(read, raw);
}

/// The search for a key among a chunk's lines, sorted or not.
fn lines(raw: &[u8]) {
    let run =
        Run { kind: RunKind::Full, codec: Codec::None, place: None, dictionary: None, packs: Vec::new() };
    let key = &raw[..raw.len().min(2)];
    let finder = KeyFinder::new(&run, key).expect("a short key");
    if let Ok(Some(found)) = finder.chunk(raw, |line| Ok(line[..line.len().min(2)].to_vec())) {
        assert_eq!(&raw[found][..key.len()], key);
    }
}
