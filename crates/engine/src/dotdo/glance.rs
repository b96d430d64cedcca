//! What a V8 value is to checkpoints, without reading all of it.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::Look;
use super::record::CHECKPOINT_PREFIX;

/// A name that each record has, except a checkpoint manager's.
static CHECKSUM: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("checksum"));

/// A name that a checkpoint manager's record has.
static WAL_POSITION: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("walPosition"));

/// Whether the value `bytes` under `key` may be a record: bytes, or something with a record's names
/// in it. Most of what an object stores is not, and need not be decoded.
pub fn may_be_record(key: &str, bytes: &[u8]) -> bool {
    key.starts_with(CHECKPOINT_PREFIX)
        || matches!(root(bytes), Some((b'B', _)))
        || CHECKSUM.find(bytes).is_some()
        || WAL_POSITION.find(bytes).is_some()
}

/// What the value is that begins with `head`; `None` where that takes all of it.
pub fn glance(head: &[u8]) -> Option<Look<'static>> {
    let (tag, mut rest) = root(head)?;
    match tag {
        b'B' => Some(Look::Payload(u64::from(varint(&mut rest)?))),
        // `{index, checksum, data: <buffer>`, in any order before the data.
        b'o' => {
            let mut has_index = false;
            loop {
                let name = one_byte_string(&mut rest)?;
                match (name, byte(&mut rest)?) {
                    (b"index", b'I' | b'U') => {
                        varint(&mut rest)?;
                        has_index = true;
                    }
                    (b"checksum", b'"') => {
                        let length = varint(&mut rest)? as usize;
                        rest = rest.get(length..)?;
                    }
                    (b"data", b'B') if has_index => return Some(Look::Chunk),
                    _ => return None,
                }
            }
        }
        _ => None,
    }
}

/// The first tag, and what follows it.
fn root(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut rest = bytes;
    if rest.first() == Some(&0xff) {
        rest = rest.get(2..)?;
    }
    let (tag, rest) = rest.split_first()?;
    Some((*tag, rest))
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

fn varint(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for shift in (0..32).step_by(7) {
        let next = byte(rest)?;
        value |= u32::from(next & 0x7f) << shift;
        if next < 0x80 {
            return Some(value);
        }
    }
    None
}

fn one_byte_string<'h>(rest: &mut &'h [u8]) -> Option<&'h [u8]> {
    if byte(rest)? != b'"' {
        return None;
    }
    let length = varint(rest)? as usize;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::dotdo::{Chunk, Value, encode};

    #[test]
    fn a_chunk_and_bytes_are_known_by_how_they_begin() {
        let data = vec![7; 5000];
        let chunk = Chunk { index: 300, data: &data, checksum: "abc".to_owned() };
        let value = encode(&chunk.value()).unwrap();
        assert!(matches!(glance(&value[..100]), Some(Look::Chunk)));
        assert!(may_be_record("any", &value));
        let value = encode(&Value::Bytes(data.into())).unwrap();
        assert!(matches!(glance(&value[..100]), Some(Look::Payload(5000))));
        assert!(may_be_record("any", &value));
        for head in [
            &b""[..],
            b"\xff",
            b"\xff\x0f",
            b"\xff\x0fo",
            b"\xff\x0fo\"\xff\xff\xff\xff\xff\xff",
            b"\xff\x0f\"\x01a",
        ] {
            assert!(glance(head).is_none(), "{head:?}");
        }
        assert!(!may_be_record("user:1", b"\xff\x0fo\"\x05valueI\x02{\x01"));
        assert!(may_be_record("checkpoint:1", b"\xff\x0fo\"\x05valueI\x02{\x01"));
    }
}
