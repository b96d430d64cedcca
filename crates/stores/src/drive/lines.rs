//! The lines of a checkpoint one after another, all or those of a range of keys.

use std::ops::Range;

use dotctl_engine::Result;
use dotctl_engine::checkpoint::KeyRange;
use dotctl_engine::format::Manifest;
use dotctl_engine::state::line_key;

use super::chain::{ChainReader, PieceTools};
use super::state::EntrySource;
use crate::interrupt;
use crate::store::Store;

/// Gives the entries of a checkpoint of state or rows, in key order. Each comes out of a chunk whose hash
/// was right; that they are all is not checked.
pub struct StoredLines<'a> {
    chain: ChainReader<'a>,
    tools: PieceTools,
    lines: Vec<u8>,
    /// The current line, without its line feed.
    line: Range<usize>,
    key: Vec<u8>,
    begun: bool,
}

impl<'a> StoredLines<'a> {
    /// Those of `manifest`, which is in `store`, with keys in `range`. No chunk is read that has none.
    pub fn within(store: &'a dyn Store, manifest: &'a Manifest, range: KeyRange) -> Result<Self> {
        Ok(StoredLines {
            chain: ChainReader::within(store, manifest.content_runs(), range)?,
            tools: PieceTools::new()?,
            lines: Vec::new(),
            line: 0..0,
            key: Vec::new(),
            begun: false,
        })
    }
}

impl EntrySource for StoredLines<'_> {
    fn advance(&mut self) -> Result<bool> {
        let mut begin = if self.begun { self.line.end + 1 } else { 0 };
        while begin >= self.lines.len() {
            interrupt::check()?;
            let Some(piece) = self.chain.next_piece()? else { return Ok(false) };
            piece.lines(&mut self.tools, &mut self.lines)?;
            begin = 0;
        }
        self.begun = true;
        let rest = self.lines.get(begin..).unwrap_or_default();
        self.line = begin..begin + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.key.clear();
        self.key.extend_from_slice(&line_key(self.lines.get(self.line.clone()).unwrap_or_default())?);
        Ok(true)
    }

    fn entry(&self) -> (&[u8], &[u8]) {
        (&self.key, self.lines.get(self.line.clone()).unwrap_or_default())
    }
}

/// The keys that begin with `prefix`.
pub fn with_prefix(prefix: &[u8]) -> KeyRange {
    // The first key behind them: the last byte that can grow does.
    let high = prefix.iter().rposition(|byte| *byte < u8::MAX).and_then(|last| {
        let mut high = prefix.get(..=last)?.to_vec();
        let byte = high.last_mut()?;
        *byte = byte.checked_add(1)?;
        Some(high)
    });
    KeyRange { low: prefix.to_vec(), high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_prefixes() {
        for (prefix, high) in [
            (&b""[..], None),
            (b"a", Some(&b"b"[..])),
            (b"a\xff", Some(b"b")),
            (b"a\xff\xff", Some(b"b")),
            (b"\xff\xff", None),
            (b"a\0", Some(b"a\x01")),
        ] {
            let range = with_prefix(prefix);
            assert_eq!((range.low.as_slice(), range.high.as_deref()), (prefix, high));
        }
    }
}
