//! What has changed since the end of a chain, as the next delta of it.

use std::path::Path;

use sha2::{Digest, Sha256};

use dotctl_engine::dotdo::{
    ChainEnd, Checkpoint, Covers, EntryText, EntryTexts, Value, chain_ends, delta_value, incremental_value,
};
use dotctl_engine::id::Hash;
use dotctl_engine::{ErrorKind, Result};

use super::content::Content;
use crate::dotdo::Foreign;
use crate::spill::{SORT_MEMORY_BYTES, SortedEntries, SpillSorter};

/// What a chain's deltas may take together, 4 MiB: whoever reads it holds all changes in memory, and
/// our reader 32 MiB of them.
const CHAIN_BYTES_MAX: u64 = 4 << 20;

/// An `IncrementalCheckpoint`.
pub struct Link {
    base: String,
    sequence: u64,
    delta: Value<'static>,
    checksum: String,
    json_bytes: usize,
}

impl Link {
    /// The delta `delta` on `base`, with the checksum of its JSON.
    pub fn new(base: String, sequence: u64, delta: Value<'static>) -> Self {
        let mut text = String::new();
        delta.write_json(&mut text);
        let checksum = Hash::of(text.as_bytes()).to_string();
        Link { base, sequence, delta, checksum, json_bytes: text.len() }
    }

    /// It as a value.
    pub fn value(&self) -> Value<'_> {
        incremental_value(&self.base, self.sequence, self.delta.clone(), &self.checksum)
    }
}

/// The delta by which a chain that is there becomes `content`: of several the smallest. `None` where a
/// new base is better: there is no chain, more than half of its entries have changed, its deltas take
/// too much, its checksum is of the result, which proves nothing once that is not the last, `takes` says
/// that the record does not fit, or JavaScript would spell an entry otherwise.
pub fn goes_on(
    there: &Foreign,
    content: &Content,
    scratch_folder: &Path,
    takes: impl Fn(&Link) -> bool,
) -> Result<Option<Link>> {
    let mut best: Option<Link> = None;
    for end in chain_ends(there.catalogue()) {
        let link = match next(there, &end, content, scratch_folder) {
            Ok(link) => link,
            // A chain that cannot be restored is not gone on with; verify tells what is wrong with it.
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_) | ErrorKind::Malformed) => None,
            Err(error) => return Err(error),
        };
        let is_better =
            |link: &Link| best.as_ref().is_none_or(|best| link.json_bytes < best.json_bytes) && takes(link);
        if let Some(link) = link.filter(is_better) {
            best = Some(link);
        }
    }
    Ok(best)
}

fn next(there: &Foreign, end: &ChainEnd<'_>, content: &Content, folder: &Path) -> Result<Option<Link>> {
    let (before, covers) = by_key(there, end.last, folder)?;
    if covers != Covers::Delta {
        return Ok(None);
    }
    let mut changes = Changes::new(before, end.delta_bytes)?;
    let mut entries = EntryTexts::default();
    content.raw(&mut |text| entries.feed(text, |entry| changes.meet(entry)))?;
    entries.finish()?;
    let delta = changes.finish()?;
    Ok(delta.map(|delta| Link::new(end.base.to_owned(), end.sequence, delta)))
}

/// The SHA-256 of what `found` restores to with its entries in the order of their keys, as a
/// checkpoint of ours has them.
pub fn sha256_by_key(there: &Foreign, found: &Checkpoint, scratch_folder: &Path) -> Result<Hash> {
    let (mut entries, _) = by_key(there, found, scratch_folder)?;
    let mut sha256 = Sha256::new();
    let mut before: &[u8] = b"[";
    while let Some((_, text)) = entries.next()? {
        sha256.update(before);
        sha256.update(text);
        before = b",";
    }
    sha256.update(if before == b"[" { &b"[]"[..] } else { b"]" });
    Ok(Hash::finish(sha256))
}

/// The entries of `found`, each as `[key,value]`, by key; and what its checksum is of.
fn by_key(there: &Foreign, found: &Checkpoint, folder: &Path) -> Result<(SortedEntries, Covers)> {
    let mut sorter = SpillSorter::new(folder, SORT_MEMORY_BYTES);
    let mut entries = EntryTexts::default();
    let (mut key, mut text) = (Vec::new(), Vec::new());
    let restored = there.restore(found, &mut |bytes| {
        entries.feed(bytes, |entry| {
            entry.decode_key(&mut key);
            spell(entry, &mut text);
            sorter.push(&key, &text)
        })
    })?;
    entries.finish()?;
    Ok((sorter.finish()?, restored.covers))
}

fn spell(entry: EntryText<'_>, into: &mut Vec<u8>) {
    into.clear();
    for part in [b"[", entry.key, b",", entry.value, b"]"] {
        into.extend_from_slice(part);
    }
}

/// The changes from one state, by key, to another that comes in the same order.
struct Changes {
    before: SortedEntries,
    /// Whether `before` has an entry that has not been met yet.
    has_before: bool,
    before_count: u64,
    after_count: u64,
    added: Vec<Value<'static>>,
    modified: Vec<Value<'static>>,
    deleted: Vec<Value<'static>>,
    /// Bytes of all deltas of the chain, so far.
    chain_bytes: u64,
    /// Whether a delta can say it.
    can_be_said: bool,
    key: Vec<u8>,
    text: Vec<u8>,
}

impl Changes {
    fn new(mut before: SortedEntries, chain_bytes: u64) -> Result<Self> {
        let has_before = before.next()?.is_some();
        Ok(Changes {
            before,
            has_before,
            before_count: 0,
            after_count: 0,
            added: Vec::new(),
            modified: Vec::new(),
            deleted: Vec::new(),
            chain_bytes,
            can_be_said: true,
            key: Vec::new(),
            text: Vec::new(),
        })
    }

    /// Goes on to the next entry of the state before.
    fn pass(&mut self) -> Result<()> {
        self.before_count += 1;
        self.has_before = self.before.next()?.is_some();
        Ok(())
    }

    /// Takes the next entry of the state after.
    fn meet(&mut self, entry: EntryText<'_>) -> Result<()> {
        self.after_count += 1;
        let (mut key, mut text) = (std::mem::take(&mut self.key), std::mem::take(&mut self.text));
        entry.decode_key(&mut key);
        spell(entry, &mut text);
        while self.has_before && self.before.entry().0 < key.as_slice() {
            self.delete()?;
        }
        let (before_key, before_text) = self.before.entry();
        if !self.has_before || before_key != key.as_slice() {
            self.change(entry, &key, true);
        } else {
            if before_text != text.as_slice() {
                self.change(entry, &key, false);
            }
            self.pass()?;
        }
        (self.key, self.text) = (key, text);
        Ok(())
    }

    fn delete(&mut self) -> Result<()> {
        match String::from_utf8(self.before.entry().0.to_vec()) {
            Ok(key) if self.has_room(key.len()) => self.deleted.push(Value::Text(key.into())),
            _ => self.can_be_said = false,
        }
        self.pass()
    }

    fn change(&mut self, entry: EntryText<'_>, key: &[u8], is_new: bool) {
        // In a `Map` a key has one spelling, JavaScript's.
        let key = str::from_utf8(key).ok().map(|key| Value::Text(key.to_owned().into())).filter(|key| {
            let mut text = String::new();
            key.write_json(&mut text);
            text.as_bytes() == entry.key
        });
        match (key, String::from_utf8(entry.value.to_vec())) {
            (Some(key), Ok(value)) if self.has_room(entry.key.len() + value.len()) => {
                let pair = Value::List(vec![key, Value::Json(value)]);
                if is_new { self.added.push(pair) } else { self.modified.push(pair) }
            }
            _ => self.can_be_said = false,
        }
    }

    /// Whether so many bytes more are not too many. Behind what was left out nothing is kept.
    fn has_room(&mut self, bytes: usize) -> bool {
        self.chain_bytes = self.chain_bytes.saturating_add(bytes as u64);
        self.can_be_said && self.chain_bytes <= CHAIN_BYTES_MAX
    }

    fn finish(mut self) -> Result<Option<Value<'static>>> {
        while self.has_before {
            self.delete()?;
        }
        let changed = self.added.len() + self.modified.len() + self.deleted.len();
        let is_small = changed as u64 * 2 <= self.before_count.max(self.after_count);
        let is_wanted = self.can_be_said && is_small;
        Ok(is_wanted.then(|| delta_value(self.added, self.modified, self.deleted)))
    }
}
