//! Hiding our own bytes from `zstd -d` and `gzip -d`.
//!
//! In a pack of zstd frames they travel in a skippable frame (RFC 8878, section 3.1.2), in a pack
//! of gzip members in the extra fields of empty members (RFC 1952, section 2.3.1.1). Both tools
//! pass over them without a word.

use super::bytes::Fields;
use crate::codec::Codec;
use crate::error::{Error, Result};

/// The skippable frame number 13 of 0x184D2A50 to 0x184D2A5F; 14 is zstd's seekable format.
const SKIPPABLE_MAGIC: [u8; 4] = 0x184D_2A5D_u32.to_le_bytes();
const SKIPPABLE_HEAD_BYTES: usize = 8;

/// magic, deflate, FEXTRA, no time, no flags, unknown system.
const MEMBER_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255];
/// Subfield `DC`.
const SUBFIELD: [u8; 2] = *b"DC";
/// An empty final block, then CRC-32 and size of nothing.
const MEMBER_TAIL: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// XLEN (2), SI1, SI2, LEN (2).
const EXTRA_HEAD_BYTES: usize = 6;
const MEMBER_PAYLOAD_BYTES_MAX: usize = u16::MAX as usize - 4;

/// Bytes that `payload_bytes` bytes take once wrapped for `codec`.
pub fn wrapped_bytes(codec: Codec, payload_bytes: usize) -> usize {
    match codec {
        Codec::Gzip => {
            let members = payload_bytes.div_ceil(MEMBER_PAYLOAD_BYTES_MAX).max(1);
            members * (MEMBER_HEAD.len() + EXTRA_HEAD_BYTES + MEMBER_TAIL.len()) + payload_bytes
        }
        // All others are zstd frames.
        _ => SKIPPABLE_HEAD_BYTES + payload_bytes,
    }
}

/// `payload` wrapped so that the tools of `codec` skip it. Payloads are far below 4 GiB.
pub fn wrap(codec: Codec, payload: &[u8]) -> Vec<u8> {
    let mut wrapped = Vec::with_capacity(wrapped_bytes(codec, payload.len()));
    match codec {
        Codec::Gzip => {
            let mut rest = payload;
            loop {
                let (part, after) = rest.split_at(rest.len().min(MEMBER_PAYLOAD_BYTES_MAX));
                let part_bytes = part.len() as u16;
                wrapped.extend_from_slice(&MEMBER_HEAD);
                wrapped.extend_from_slice(&(part_bytes + 4).to_le_bytes());
                wrapped.extend_from_slice(&SUBFIELD);
                wrapped.extend_from_slice(&part_bytes.to_le_bytes());
                wrapped.extend_from_slice(part);
                wrapped.extend_from_slice(&MEMBER_TAIL);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
        }
        _ => {
            wrapped.extend_from_slice(&SKIPPABLE_MAGIC);
            wrapped.extend_from_slice(&(payload.len() as u32).to_le_bytes());
            wrapped.extend_from_slice(payload);
        }
    }
    wrapped
}

/// The payload in `wrapped`; every byte around it must be as [`wrap`] writes it.
pub fn unwrap(what: &'static str, codec: Codec, wrapped: &[u8]) -> Result<Vec<u8>> {
    let mut fields = Fields::new(what, wrapped);
    let payload = match codec {
        Codec::Gzip => {
            let mut payload = Vec::with_capacity(wrapped.len());
            let mut rest = wrapped;
            while !rest.is_empty() {
                let mut member = Fields::new(what, rest);
                member.expect(&MEMBER_HEAD)?;
                member.u16()?;
                member.expect(&SUBFIELD)?;
                let part_bytes = usize::from(member.u16()?);
                payload.extend_from_slice(member.take(part_bytes)?);
                member.expect(&MEMBER_TAIL)?;
                let member_bytes = wrapped_bytes(codec, part_bytes);
                rest = rest.get(member_bytes..).unwrap_or_default();
            }
            fields.take(wrapped.len())?;
            payload
        }
        _ => {
            fields.expect(&SKIPPABLE_MAGIC)?;
            let payload_bytes = fields.u32()? as usize;
            fields.take(payload_bytes)?.to_vec()
        }
    };
    fields.end()?;
    if wrap(codec, &payload) == wrapped {
        Ok(payload)
    } else {
        Err(Error::corrupt(format!("{what} is not wrapped as it was written")))
    }
}
