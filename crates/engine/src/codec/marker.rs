//! What a chunk of [`super::Codec::Columnar`] or [`super::Codec::Auto`] begins with if columns are in it: a
//! skippable frame (RFC 8878, section 3.1.2) of one byte, which `zstd -d` passes over.

/// Skippable frame number 14 of 0x184D2A50 to 0x184D2A5F, one byte: columns of version 1.
const COLUMNS: [u8; 9] = [0x5e, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 1];

/// Says that columns follow.
pub fn write(stored: &mut Vec<u8>) {
    stored.extend_from_slice(&COLUMNS);
}

/// What follows the marker, if there is one.
pub fn columns(stored: &[u8]) -> Option<&[u8]> {
    stored.strip_prefix(&COLUMNS)
}
