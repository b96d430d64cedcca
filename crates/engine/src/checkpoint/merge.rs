//! Runs as one: the records of a full run under the changes of the delta runs over it.
//!
//! Everything here is about a *piece*: a stretch of keys that lies in one chunk of each run.

use std::ops::Range;

use crate::chunk::ChunkSize;
use crate::error::{Error, Result};
use crate::format::delta::DeltaChunk;
use crate::state::line_key;

/// The keys of a piece: from `low` on and, where there is one, below `high`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// The first possible key.
    pub low: Vec<u8>,
    /// The first key behind it.
    pub high: Option<Vec<u8>>,
}

/// Goes over the changed keys of several delta chunks, in order, the chunks oldest first.
pub struct RunMerge<'a> {
    deltas: Vec<(&'a DeltaChunk, Range<usize>)>,
    /// The current key's records: chunk and position, oldest first.
    records: Vec<(&'a DeltaChunk, usize)>,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl<'a> RunMerge<'a> {
    /// Merges what `deltas`, oldest first, have in `range`.
    pub fn new(deltas: impl Iterator<Item = &'a DeltaChunk>, range: &KeyRange) -> Self {
        let deltas = deltas.map(|delta| (delta, delta.range(&range.low, range.high.as_deref()))).collect();
        RunMerge { deltas, records: Vec::new(), old: Vec::new(), new: Vec::new() }
    }

    /// The greatest changed key.
    pub fn last_key(&self) -> Option<&'a [u8]> {
        self.deltas
            .iter()
            .filter(|(_, range)| !range.is_empty())
            .filter_map(|&(delta, ref range)| range.end.checked_sub(1).map(|last| delta.key(last)))
            .max()
    }

    /// Moves to the next changed key.
    pub fn advance(&mut self) -> Option<&'a [u8]> {
        let waiting = self.deltas.iter().filter(|(_, range)| !range.is_empty());
        let key = waiting.map(|&(delta, ref range)| delta.key(range.start)).min()?;
        self.records.clear();
        for (delta, range) in &mut self.deltas {
            if range.start < range.end && delta.key(range.start) == key {
                self.records.push((delta, range.start));
                range.start += 1;
            }
        }
        Some(key)
    }

    /// What the current key's record has become, `old` being what the full run has of it.
    pub fn resolve(&mut self, old: Option<&[u8]>) -> Result<Option<&[u8]>> {
        // The newest that stands by itself, and the patches over it.
        let newest = self.records.iter().rposition(|(delta, position)| !delta.needs_older(*position));
        let mut there = newest.is_none() && old.is_some();
        let mut first = true;
        for (delta, position) in self.records.iter().skip(newest.unwrap_or(0)) {
            std::mem::swap(&mut self.old, &mut self.new);
            let before = match (first, there) {
                (true, _) => old.filter(|_| newest.is_none()),
                (false, true) => Some(self.old.as_slice()),
                (false, false) => None,
            };
            there = delta.apply(*position, before, &mut self.new)?;
            first = false;
        }
        Ok(there.then_some(self.new.as_slice()))
    }
}

/// Merges the lines of one full run's chunk with the changes over them; `into` gets the lines of
/// `range`.
pub fn merge_lines(
    lines: &[u8],
    merge: &mut RunMerge<'_>,
    range: &KeyRange,
    into: &mut Vec<u8>,
) -> Result<()> {
    into.clear();
    let mut at = find_line(lines, 0, &range.low)?.0;
    let end = match &range.high {
        Some(high) => find_line(lines, at, high)?.0,
        None => lines.len(),
    };
    let lines = lines.get(..end).unwrap_or_default();
    while let Some(key) = merge.advance() {
        let (begin, found) = find_line(lines, at, key)?;
        into.extend_from_slice(lines.get(at..begin).unwrap_or_default());
        at = if found { line_end(lines, begin) } else { begin };
        // Without its line feed.
        let old = found.then(|| lines.get(begin..at - 1).unwrap_or_default());
        if let Some(text) = merge.resolve(old)? {
            if text.contains(&b'\n') || line_key(text)? != key {
                return Err(Error::corrupt("a delta chunk has an entry under another key"));
            }
            into.extend_from_slice(text);
            into.push(b'\n');
        }
        check_size(into.len())?;
    }
    into.extend_from_slice(lines.get(at..).unwrap_or_default());
    check_size(into.len())
}

fn check_size(bytes: usize) -> Result<()> {
    // The largest chunk, and what its runs may add to it.
    if bytes > ChunkSize::READ_BYTES_MAX as usize {
        return Err(Error::corrupt(format!("merged records of {bytes} bytes, more than any writer makes")));
    }
    Ok(())
}

/// Behind the line that begins at `begin`, its line feed included.
fn line_end(lines: &[u8], begin: usize) -> usize {
    let rest = lines.get(begin..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(lines.len(), |at| begin + at + 1)
}

/// Where in `lines`, which are in the order of their keys, from `from` on, the line with `key` begins, or would
/// begin; and whether it is there. Every line ends with a line feed.
///
/// # Errors
/// Corrupt where a line is no entry.
pub fn find_line(lines: &[u8], from: usize, key: &[u8]) -> Result<(usize, bool)> {
    let (mut low, mut high) = (from, lines.len());
    while low < high {
        // The line that the middle byte belongs to.
        let middle = low + (high - low) / 2;
        let before = lines.get(low..middle).unwrap_or_default();
        let begin = memchr::memrchr(b'\n', before).map_or(low, |at| low + at + 1);
        let end = line_end(lines, begin);
        let line = lines.get(begin..end - 1).unwrap_or_default();
        match line_key(line)?.as_ref().cmp(key) {
            std::cmp::Ordering::Equal => return Ok((begin, true)),
            std::cmp::Ordering::Less => low = end,
            std::cmp::Ordering::Greater => high = begin,
        }
    }
    Ok((low, false))
}

/// Merges pages with the changes over them. `pages` holds, from page `first` on, the full run's pages
/// (`count` of them) and room for what the changes add; gives the number of pages that are there.
pub fn merge_pages(
    pages: &mut [u8],
    page_bytes: usize,
    first: u32,
    count: usize,
    merge: &mut RunMerge<'_>,
) -> Result<usize> {
    let room = pages.len() / page_bytes.max(1);
    let gap = || Error::corrupt("the changed pages leave a gap in the image");
    let mut there = vec![false; room];
    there.iter_mut().take(count).for_each(|there| *there = true);
    while let Some(key) = merge.advance() {
        let number = page_number(key)?;
        let position = number.checked_sub(first).ok_or_else(gap)? as usize;
        let slot = there.get_mut(position).ok_or_else(gap)?;
        let place = position * page_bytes..(position + 1) * page_bytes;
        let page = pages.get_mut(place).ok_or_else(gap)?;
        let new = merge.resolve(slot.then_some(&*page))?;
        *slot = new.is_some();
        if let Some(new) = new {
            if new.len() != page_bytes {
                return Err(Error::corrupt(format!("page {number} has {} bytes", new.len())));
            }
            page.copy_from_slice(new);
        }
    }
    let count = there.iter().take_while(|there| **there).count();
    match there.iter().skip(count).any(|there| *there) {
        true => Err(gap()),
        false => Ok(count),
    }
}

/// The number of the page with this key.
pub fn page_number(key: &[u8]) -> Result<u32> {
    key.try_into().map(u32::from_be_bytes).map_err(|_| Error::corrupt("a changed page has no page's number"))
}
