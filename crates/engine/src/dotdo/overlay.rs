//! Changes over a base, as a JavaScript `Map` would have them.

use std::collections::HashMap;

use super::entries::EntryTexts;
use super::record::Change;
use crate::error::{Error, Result};
use crate::state::decode_key;

/// Bytes of changes that are held in memory: 32 MiB. One delta is one stored value, so 2 MB at
/// most.
const CHANGES_BYTES_MAX: usize = 32 << 20;

/// What has become of a key.
#[derive(Debug, Clone)]
struct Changed {
    /// The key as text.
    key: String,
    /// Its value now; `None`: it is gone.
    value: Option<String>,
    /// Its turn among the keys that the base does not have.
    turn: u64,
    /// Whether the base's entry was deleted before: then the new one comes at the end.
    is_cut: bool,
    /// Whether the base had it, and it was written in its place.
    is_written: bool,
}

/// Changes in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    changed: HashMap<Vec<u8>, Changed>,
    turns: u64,
    held_bytes: usize,
}

impl Overlay {
    /// Makes one more change.
    ///
    /// # Errors
    /// Unsupported where they take too much memory.
    pub fn apply(&mut self, change: Change) -> Result<()> {
        let (key, value) = match change {
            Change::Set(key, value) => (key, Some(value)),
            Change::Delete(key) => (key, None),
        };
        self.held_bytes += 2 * key.len() + value.as_ref().map_or(0, String::len) + size_of::<Changed>();
        if self.held_bytes > CHANGES_BYTES_MAX {
            return Err(Error::unsupported(format!(
                "the chain's changes take more than {} MiB",
                CHANGES_BYTES_MAX >> 20
            ))
            .hint("restore an earlier checkpoint of the chain"));
        }
        let decoded = decoded(&key)?;
        self.turns += 1;
        let turn = self.turns;
        let changed = self.changed.entry(decoded).or_insert_with(|| Changed {
            key,
            value: None,
            turn,
            is_cut: false,
            is_written: false,
        });
        match value {
            None => changed.is_cut = true,
            // Deleted before: it comes anew, at the end.
            Some(_) if changed.value.is_none() => changed.turn = turn,
            Some(_) => {}
        }
        changed.value = value;
        Ok(())
    }

    /// What the base's entry of `key` becomes: `None` as it is, else its new value or nothing.
    fn entry(&mut self, key: &[u8]) -> Option<Option<&str>> {
        let changed = self.changed.get_mut(key)?;
        if changed.is_cut {
            return Some(None);
        }
        changed.is_written = true;
        Some(changed.value.as_deref())
    }

    /// The entries that the base does not have, in their order.
    fn rest(&self) -> Vec<(&str, &str)> {
        let mut rest: Vec<_> = self
            .changed
            .values()
            .filter(|changed| !changed.is_written)
            .filter_map(|changed| Some((changed.turn, changed.key.as_str(), changed.value.as_deref()?)))
            .collect();
        rest.sort_unstable();
        rest.into_iter().map(|(_, key, value)| (key, value)).collect()
    }
}

/// A key's bytes, from its JSON string.
fn decoded(key: &str) -> Result<Vec<u8>> {
    let inner = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
    let inner = inner.ok_or_else(|| Error::malformed("a changed key is not text"))?;
    let mut bytes = Vec::new();
    decode_key(inner.as_bytes(), &mut bytes);
    Ok(bytes)
}

/// The base's text on its way through the changes: one JSON array comes out.
pub(super) struct Merge<'m> {
    overlay: Overlay,
    base: EntryTexts,
    has_entries: bool,
    sink: &'m mut dyn FnMut(&[u8]) -> Result<()>,
    key: Vec<u8>,
}

impl<'m> Merge<'m> {
    /// A merge of `overlay` into a base that is to come.
    pub fn new(overlay: Overlay, sink: &'m mut dyn FnMut(&[u8]) -> Result<()>) -> Self {
        Merge { overlay, base: EntryTexts::default(), has_entries: false, sink, key: Vec::new() }
    }

    /// Takes more of the base's text.
    ///
    /// # Errors
    /// Malformed where it is no list of entries; those of the sink.
    pub fn write(&mut self, text: &[u8]) -> Result<()> {
        let Merge { overlay, base, has_entries, sink, key } = self;
        base.feed(text, |entry| {
            entry.decode_key(key);
            let value = match overlay.entry(key) {
                Some(None) => return Ok(()),
                Some(Some(value)) => value.as_bytes(),
                None => entry.value,
            };
            write_entry(sink, has_entries, entry.key, value)
        })
    }

    /// Ends the base, and writes what it does not have.
    ///
    /// # Errors
    /// Malformed where its text ends too early; those of the sink.
    pub fn finish(self) -> Result<()> {
        let Merge { overlay, base, mut has_entries, sink, .. } = self;
        base.finish()?;
        for (key, value) in overlay.rest() {
            write_entry(sink, &mut has_entries, key.as_bytes(), value.as_bytes())?;
        }
        sink(if has_entries { b"]" } else { b"[]" })
    }
}

fn write_entry(
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    has_entries: &mut bool,
    key: &[u8],
    value: &[u8],
) -> Result<()> {
    let opening: &[u8] = if std::mem::replace(has_entries, true) { b",[" } else { b"[[" };
    for part in [opening, key, b",", value, b"]"] {
        sink(part)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn merged(base: &str, changes: &[(&str, Option<&str>)]) -> Result<String> {
        let mut overlay = Overlay::default();
        for (key, value) in changes {
            let key = format!("\"{key}\"");
            overlay.apply(match value {
                Some(value) => Change::Set(key, (*value).to_owned()),
                None => Change::Delete(key),
            })?;
        }
        let mut out = Vec::new();
        let mut sink = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        let mut merge = Merge::new(overlay, &mut sink);
        for part in base.as_bytes().chunks(3) {
            merge.write(part)?;
        }
        merge.finish()?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// Each expectation is what Node prints of `[...map]` after the same calls.
    #[test]
    fn the_result_is_what_a_map_has() {
        let base = r#"[["a",1],["b",{"x":[1]}],["c","3"]]"#;
        assert_eq!(merged(base, &[]).unwrap(), base);
        assert_eq!(merged("[]", &[]).unwrap(), "[]");
        assert_eq!(merged(base, &[("a", None), ("b", None), ("c", None)]).unwrap(), "[]");
        let changes = [("d", Some("4")), ("b", Some("2")), ("a", None), ("zz", None)];
        assert_eq!(merged(base, &changes).unwrap(), r#"[["b",2],["c","3"],["d",4]]"#);
        let changes = [("a", None), ("e", Some("5")), ("a", Some("9")), ("e", Some("6"))];
        assert_eq!(merged(base, &changes).unwrap(), r#"[["b",{"x":[1]}],["c","3"],["e",6],["a",9]]"#);
        let changes = [("e", Some("5")), ("f", Some("7")), ("e", None), ("e", Some("8"))];
        assert_eq!(merged("[]", &changes).unwrap(), r#"[["f",7],["e",8]]"#);
        assert_eq!(merged(r#"{"a" : 1, "b":2}"#, &[("a", Some("3"))]).unwrap(), r#"[["a",3],["b",2]]"#);
    }

    #[test]
    fn keys_are_compared_as_text_and_not_as_they_are_spelled() {
        assert_eq!(merged(r#"[["\u0061",1]]"#, &[("a", Some("2"))]).unwrap(), r#"[["\u0061",2]]"#);
    }

    #[test]
    fn a_base_that_is_no_state_is_refused() {
        for base in ["", "7", "[[1,2]]", "[[\"a\",1]"] {
            assert!(merged(base, &[]).is_err(), "{base}");
        }
    }
}
