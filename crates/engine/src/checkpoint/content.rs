//! The bytes that a checkpoint stands for, and their hash.

use sha2::{Digest, Sha256};

use crate::format::CheckpointKind;
use crate::id::Hash;
use crate::rows::RowsSum;

/// How state is spelled outside of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateForm {
    /// One compact JSON array, as `JSON.stringify` prints it: what `content_sha256` is of.
    Array,
    /// One entry a line, as in chunks.
    Lines,
}

impl StateForm {
    /// Turns a raw chunk, whose entries end with line feeds, into this form, in place. In an array
    /// a comma stands behind every entry, which the last one loses to the closing bracket.
    pub fn shape(self, raw: &mut [u8]) {
        if self == StateForm::Array {
            // Compact JSON holds no line feed but the ones between entries.
            for byte in raw {
                *byte = if *byte == b'\n' { b',' } else { *byte };
            }
        }
    }
}

/// Turns raw records into the shape in which [`ContentHash`] takes them.
pub fn shape_content(kind: CheckpointKind, raw: &mut [u8]) {
    if kind == CheckpointKind::State {
        StateForm::Array.shape(raw);
    }
}

/// Hashes a checkpoint's content, chunk by chunk: an image's pages as they are, state as one
/// compact JSON array, rows line by line.
#[derive(Clone)]
pub struct ContentHash(Inner);

#[derive(Clone)]
enum Inner {
    Bytes { is_state: bool, sha256: Box<Sha256>, raw_bytes: u64 },
    Rows(RowsSum),
}

impl ContentHash {
    /// The hash of rows that come to `sum` so far.
    pub fn of_rows(sum: RowsSum) -> Self {
        ContentHash(Inner::Rows(sum))
    }

    /// Of rows: takes `old` out and puts `new` in, lines without their line feeds.
    pub fn replace(&mut self, old: Option<&[u8]>, new: Option<&[u8]>) {
        if let Inner::Rows(sum) = &mut self.0 {
            old.into_iter().for_each(|line| sum.remove(line));
            new.into_iter().for_each(|line| sum.add(line));
        }
    }

    /// Of rows: how many there are.
    pub fn row_count(&self) -> Option<u64> {
        match &self.0 {
            Inner::Rows(sum) => Some(sum.record_count()),
            Inner::Bytes { .. } => None,
        }
    }

    /// The hash of nothing yet.
    pub fn new(kind: CheckpointKind) -> Self {
        let is_state = kind == CheckpointKind::State;
        ContentHash(match kind {
            CheckpointKind::Rows => Inner::Rows(RowsSum::default()),
            _ => Inner::Bytes { is_state, sha256: Box::default(), raw_bytes: 0 },
        })
    }

    /// Takes the next records, shaped by [`shape_content`].
    pub fn update(&mut self, raw: &[u8]) {
        match (&mut self.0, raw) {
            (Inner::Rows(sum), _) => sum.add_lines(raw),
            (Inner::Bytes { is_state: false, .. }, _) => self.add(raw),
            (Inner::Bytes { raw_bytes, .. }, [entries @ .., _]) => {
                let before = if *raw_bytes == 0 { b"[" } else { b"," };
                self.add(before);
                self.add(entries);
            }
            (Inner::Bytes { .. }, []) => {}
        }
    }

    /// Takes the content's next bytes as they are: of a database, or of the array up to where a comma or
    /// the closing bracket comes next.
    pub fn add_written(&mut self, content: &[u8]) {
        self.add(content);
    }

    fn add(&mut self, bytes: &[u8]) {
        if let Inner::Bytes { sha256, raw_bytes, .. } = &mut self.0 {
            sha256.update(bytes);
            *raw_bytes = raw_bytes.saturating_add(bytes.len() as u64);
        }
    }

    /// The content's hash and length in bytes.
    pub fn finish(mut self) -> (Hash, u64) {
        if let Inner::Bytes { is_state: true, raw_bytes, .. } = &self.0 {
            let end: &[u8] = if *raw_bytes == 0 { b"[]" } else { b"]" };
            self.add(end);
        }
        match self.0 {
            Inner::Bytes { sha256, raw_bytes, .. } => (Hash::finish(*sha256), raw_bytes),
            Inner::Rows(sum) => sum.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_hashed_as_one_array() {
        let mut content = ContentHash::new(CheckpointKind::State);
        for lines in ["[\"a\",{}]\n[\"b\",{}]\n", "[\"c\",{}]\n"] {
            let mut chunk = lines.as_bytes().to_vec();
            StateForm::Array.shape(&mut chunk);
            content.update(&chunk);
        }
        let array = br#"[["a",{}],["b",{}],["c",{}]]"#;
        assert_eq!(content.clone().finish(), (Hash::of(array), array.len() as u64));
        // The same, with the beginning as it was written.
        let mut resumed = ContentHash::new(CheckpointKind::State);
        resumed.add_written(br#"[["a",{"#);
        resumed.add_written(br#"}],["b",{}]"#);
        resumed.update(br#"["c",{}],"#);
        assert_eq!(resumed.finish(), content.finish());
        assert_eq!(ContentHash::new(CheckpointKind::State).finish(), (Hash::of(b"[]"), 2));
        assert_eq!(ContentHash::new(CheckpointKind::Image).finish(), (Hash::of(b""), 0));
    }
}
