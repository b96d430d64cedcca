//! Records as an object stores them: V8's bytes, spelled as V8 spells them.

use super::record::{Chunk, ChunkedManifest, HybridManifest};
use crate::error::{Error, Result};
use crate::value::{decode, encode};

/// V8's format, version 15, as workerd writes it now.
const HEADER: [u8; 2] = [0xff, 15];

/// Writes one value.
#[derive(Debug, Clone)]
pub struct Encoder {
    out: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder { out: HEADER.to_vec() }
    }
}

impl Encoder {
    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn length(&mut self, bytes: usize) -> Result<()> {
        let length = u32::try_from(bytes)
            .map_err(|_| Error::unsupported("a value of 4 GiB or more is none that an object stores"))?;
        self.varint(length);
        Ok(())
    }

    /// Text, in the shorter of V8's two encodings that holds it.
    ///
    /// # Errors
    /// Unsupported where it is too long; the same goes for all that follow.
    pub fn text(&mut self, text: &str) -> Result<()> {
        let latin1: Option<Vec<u8>> =
            text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
        if let Some(latin1) = latin1 {
            self.out.push(b'"');
            self.length(latin1.len())?;
            self.out.extend_from_slice(&latin1);
            return Ok(());
        }
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = u32::try_from(units.len()).unwrap_or(u32::MAX);
        // The units stand at an even place.
        let length_bytes = (32 - length.leading_zeros()).div_ceil(7).max(1);
        if (self.out.len() + 1 + length_bytes as usize) % 2 == 1 {
            self.out.push(0);
        }
        self.out.push(b'c');
        self.length(units.len())?;
        self.out.extend_from_slice(&units);
        Ok(())
    }

    /// A whole number: a small one as an integer, any other as a double.
    pub fn number(&mut self, number: u64) {
        match u32::try_from(number) {
            Ok(small) if small < 1 << 30 => {
                self.out.push(b'I');
                self.varint(small << 1);
            }
            _ => {
                self.out.push(b'N');
                self.out.extend_from_slice(&(number as f64).to_le_bytes());
            }
        }
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) {
        self.out.push(if value { b'T' } else { b'F' });
    }

    /// A `Uint8Array` of a buffer of its own.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.push(b'B');
        self.length(bytes.len())?;
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"VB\0");
        self.length(bytes.len())?;
        self.varint(0);
        Ok(())
    }

    /// An array of what `element` writes.
    pub fn list<T>(
        &mut self,
        elements: &[T],
        mut element: impl FnMut(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        self.out.push(b'A');
        self.length(elements.len())?;
        elements.iter().try_for_each(|value| element(self, value))?;
        self.out.extend_from_slice(b"$\0");
        self.length(elements.len())
    }

    /// Begins an object; names and values follow in turn, then [`Encoder::end_object`].
    pub fn begin_object(&mut self) {
        self.out.push(b'o');
    }

    /// Ends an object of so many properties.
    pub fn end_object(&mut self, properties: u32) {
        self.out.push(b'{');
        self.varint(properties);
    }

    /// The value's bytes, as [`encode`] gives them back.
    pub fn finish(self) -> Result<Vec<u8>> {
        decode(&self.out).map(|document| encode(&document))
    }
}

/// A chunk's record.
///
/// # Errors
/// Unsupported where a part of it is too large for V8's format; so for those that follow.
pub fn encode_chunk(chunk: &Chunk<'_>) -> Result<Vec<u8>> {
    let mut value = Encoder::default();
    value.begin_object();
    value.text("index")?;
    value.number(chunk.index);
    value.text("data")?;
    value.bytes(chunk.data)?;
    value.text("checksum")?;
    value.text(&chunk.checksum)?;
    value.end_object(3);
    value.finish()
}

/// The manifest of chunks.
pub fn encode_chunked(manifest: &ChunkedManifest) -> Result<Vec<u8>> {
    let mut value = Encoder::default();
    value.begin_object();
    value.text("id")?;
    value.text(&manifest.id)?;
    value.text("totalSize")?;
    value.number(manifest.total_bytes);
    value.text("chunkCount")?;
    value.number(manifest.chunk_count);
    value.text("chunks")?;
    value.list(&manifest.chunks, |value, key| value.text(key))?;
    value.text("checksum")?;
    value.text(&manifest.checksum)?;
    value.text("compressed")?;
    value.boolean(manifest.compressed);
    value.end_object(6);
    value.finish()
}

/// The place of compressed bytes.
pub fn encode_hybrid(manifest: &HybridManifest) -> Result<Vec<u8>> {
    let mut value = Encoder::default();
    value.begin_object();
    value.text("id")?;
    value.text(&manifest.id)?;
    value.text("sizeBytes")?;
    value.number(manifest.stored_bytes);
    value.text("location")?;
    value.text(if manifest.in_bucket { "r2" } else { "do" })?;
    value.text("storageKey")?;
    value.text(&manifest.storage_key)?;
    value.text("checksum")?;
    value.text(&manifest.checksum)?;
    value.end_object(5);
    value.finish()
}

/// Compressed bytes, as a `Uint8Array`.
pub fn encode_bytes(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut value = Encoder::default();
    value.bytes(bytes)?;
    value.finish()
}
