//! Where the entries of a JSON text lie: `[[key, value], …]` or `{key: value, …}`, without looking
//! into the values.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::state::decode_key;

/// Where one entry lies: offsets in the whole text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntrySpan {
    /// The key, a JSON string with its quotes.
    pub key: Range<u64>,
    /// The value.
    pub value: Range<u64>,
}

/// Finds the entries of a text that comes in parts. Brackets and strings are followed; whether
/// a value is JSON in every other way is for its reader to say.
#[derive(Debug, Clone)]
pub struct EntrySpans {
    state: State,
    /// Whether entries are pairs in an array.
    is_array: bool,
    offset: u64,
    key: Range<u64>,
    value_from: u64,
    depth: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// An entry or the end; after a comma, an entry.
    Entry {
        may_end: bool,
    },
    PairKey,
    Key,
    KeyEscape,
    AfterKey,
    BeforeValue,
    /// In brackets.
    Nested,
    /// In a string, which is the value or in its brackets.
    Text,
    TextEscape,
    /// In a number or a word.
    Scalar,
    PairEnd,
    AfterEntry,
    End,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

impl Default for EntrySpans {
    fn default() -> Self {
        EntrySpans { state: State::Start, is_array: false, offset: 0, key: 0..0, value_from: 0, depth: 0 }
    }
}

impl EntrySpans {
    /// Takes more text; `found` is called with each entry that ends in it.
    ///
    /// # Errors
    /// Malformed where the text has another form; those of `found`.
    pub fn feed(&mut self, text: &[u8], mut found: impl FnMut(&EntrySpan) -> Result<()>) -> Result<()> {
        let begin = self.offset;
        let mut at = 0;
        while let Some(byte) = text.get(at).copied() {
            self.offset = begin + at as u64;
            if matches!(self.state, State::Text | State::Key) && byte != b'"' && byte != b'\\' {
                let rest = text.get(at..).unwrap_or_default();
                at += memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                continue;
            }
            if self.step(byte, &mut found)? {
                at += 1;
            }
        }
        self.offset = begin + text.len() as u64;
        Ok(())
    }

    /// Says that the text is over.
    ///
    /// # Errors
    /// Malformed where it ends too early.
    pub fn finish(&self) -> Result<()> {
        match self.state {
            State::End => Ok(()),
            _ => Err(self.expected("more: the text ends too early")),
        }
    }

    fn expected(&self, what: &str) -> Error {
        Error::malformed(format!("expected {what}")).at(format!("byte {}", self.offset))
    }

    /// Takes one byte; `false` if it has to be taken again.
    fn step(&mut self, byte: u8, found: &mut impl FnMut(&EntrySpan) -> Result<()>) -> Result<bool> {
        let here = self.offset;
        self.state = match (self.state, byte) {
            (
                State::Start
                | State::Entry { .. }
                | State::PairKey
                | State::AfterKey
                | State::BeforeValue
                | State::PairEnd
                | State::AfterEntry
                | State::End,
                space,
            ) if is_space(space) => return Ok(true),
            (State::Start, b'[' | b'{') => {
                self.is_array = byte == b'[';
                State::Entry { may_end: true }
            }
            (State::Start, _) => return Err(self.expected("`[` or `{`")),
            (State::Entry { may_end: true }, b']') if self.is_array => State::End,
            (State::Entry { may_end: true }, b'}') if !self.is_array => State::End,
            (State::Entry { .. }, b'[') if self.is_array => State::PairKey,
            (State::PairKey, b'"') => self.begin_key(here),
            (State::Entry { .. }, b'"') if !self.is_array => self.begin_key(here),
            (State::Entry { .. }, _) if self.is_array => return Err(self.expected("an entry `[key, value]`")),
            (State::Entry { .. } | State::PairKey, _) => return Err(self.expected("a key, a string")),
            (State::Key, b'"') => {
                self.key.end = here + 1;
                State::AfterKey
            }
            (State::Key, b'\\') => State::KeyEscape,
            (State::Key | State::KeyEscape, _) => State::Key,
            (State::AfterKey, b',') if self.is_array => State::BeforeValue,
            (State::AfterKey, b':') if !self.is_array => State::BeforeValue,
            (State::AfterKey, _) => return Err(self.expected("a value after the key")),
            (State::BeforeValue, _) => {
                self.value_from = here;
                self.depth = 0;
                match byte {
                    b'[' | b'{' => {
                        self.depth = 1;
                        State::Nested
                    }
                    b'"' => State::Text,
                    b',' | b':' | b']' | b'}' => return Err(self.expected("a value")),
                    _ => State::Scalar,
                }
            }
            (State::Nested, b'[' | b'{') => {
                self.depth += 1;
                State::Nested
            }
            (State::Nested, b']' | b'}') => {
                self.depth -= 1;
                if self.depth > 0 { State::Nested } else { self.end_value(here + 1, found)? }
            }
            (State::Nested, b'"') => State::Text,
            (State::Nested, _) => State::Nested,
            (State::Text, b'"') if self.depth > 0 => State::Nested,
            (State::Text, b'"') => self.end_value(here + 1, found)?,
            (State::Text, b'\\') => State::TextEscape,
            (State::Text | State::TextEscape, _) => State::Text,
            (State::Scalar, b',' | b']' | b'}') => {
                self.state = self.end_value(here, found)?;
                return Ok(false);
            }
            (State::Scalar, space) if is_space(space) => self.end_value(here, found)?,
            (State::Scalar, _) => State::Scalar,
            (State::PairEnd, b']') => State::AfterEntry,
            (State::PairEnd, _) => return Err(self.expected("`]` at the end of the entry")),
            (State::AfterEntry, b',') => State::Entry { may_end: false },
            (State::AfterEntry, b']') if self.is_array => State::End,
            (State::AfterEntry, b'}') if !self.is_array => State::End,
            (State::AfterEntry, _) => return Err(self.expected("`,` or the end after an entry")),
            (State::End, _) => return Err(self.expected("nothing after the end")),
        };
        Ok(true)
    }

    fn begin_key(&mut self, here: u64) -> State {
        self.key = here..here;
        State::Key
    }

    fn end_value(&mut self, end: u64, found: &mut impl FnMut(&EntrySpan) -> Result<()>) -> Result<State> {
        found(&EntrySpan { key: self.key.clone(), value: self.value_from..end })?;
        Ok(if self.is_array { State::PairEnd } else { State::AfterEntry })
    }
}

/// The largest entry that is held in memory: 16 MiB.
const ENTRY_BYTES_MAX: usize = 16 << 20;

/// An entry as it is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryText<'t> {
    /// The key, a JSON string with its quotes.
    pub key: &'t [u8],
    /// The value.
    pub value: &'t [u8],
}

impl EntryText<'_> {
    /// Puts the bytes that the key stands for into `into`.
    pub fn decode_key(&self, into: &mut Vec<u8>) {
        into.clear();
        decode_key(self.key.get(1..self.key.len().saturating_sub(1)).unwrap_or_default(), into);
    }
}

/// The entries of a text that comes in parts; an entry is held until it is whole.
#[derive(Debug, Clone, Default)]
pub struct EntryTexts {
    spans: EntrySpans,
    /// The text from `held_from` on.
    held: Vec<u8>,
    held_from: u64,
}

impl EntryTexts {
    /// Takes more text; `found` is called with each entry that ends in it.
    ///
    /// # Errors
    /// Malformed where the text has another form; unsupported where an entry is too large; those of
    /// `found`.
    pub fn feed(&mut self, text: &[u8], mut found: impl FnMut(EntryText<'_>) -> Result<()>) -> Result<()> {
        self.held.extend_from_slice(text);
        let EntryTexts { spans, held, held_from } = self;
        let begin = *held_from;
        let mut done_to = begin;
        spans.feed(text, |span| {
            let part = |range: &Range<u64>| {
                let from = usize::try_from(range.start - begin).unwrap_or(usize::MAX);
                let to = usize::try_from(range.end - begin).unwrap_or(usize::MAX);
                held.get(from..to).unwrap_or_default()
            };
            done_to = span.value.end;
            found(EntryText { key: part(&span.key), value: part(&span.value) })
        })?;
        let done = usize::try_from(done_to - begin).unwrap_or(usize::MAX).min(held.len());
        held.drain(..done);
        *held_from = done_to;
        if held.len() > ENTRY_BYTES_MAX {
            return Err(Error::unsupported(format!(
                "an entry takes more than {} MiB",
                ENTRY_BYTES_MAX >> 20
            )));
        }
        Ok(())
    }

    /// Says that the text is over.
    ///
    /// # Errors
    /// Malformed where it ends too early.
    pub fn finish(&self) -> Result<()> {
        self.spans.finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn spans(parts: &[&[u8]]) -> Result<Vec<(String, String)>> {
        let whole = parts.concat();
        let mut entries = EntrySpans::default();
        let mut found = Vec::new();
        let text = |range: &Range<u64>| {
            String::from_utf8_lossy(&whole[range.start as usize..range.end as usize]).into_owned()
        };
        for part in parts {
            entries.feed(part, |span| {
                found.push((text(&span.key), text(&span.value)));
                Ok(())
            })?;
        }
        entries.finish().map(|()| found)
    }

    const LIST: &str = r#" [ ["a\"]", {"b":[1,"]}"]} ] , ["c",12],["d","x\\"],["",null ]] "#;
    const OBJECT: &str = r#"{"a\"]": {"b":[1,"]}"]}, "c":12,"d":"x\\","":null}"#;

    #[test]
    fn entries_of_both_forms() {
        let expected =
            [(r#""a\"]""#, r#"{"b":[1,"]}"]}"#), (r#""c""#, "12"), (r#""d""#, r#""x\\""#), (r#""""#, "null")];
        let expected: Vec<_> =
            expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(spans(&[LIST.as_bytes()]).unwrap(), expected);
        assert_eq!(spans(&[OBJECT.as_bytes()]).unwrap(), expected);
        assert_eq!(spans(&[b"[]"]).unwrap(), []);
        assert_eq!(spans(&[b" {} "]).unwrap(), []);
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "1",
            "[1]",
            "[[1,2]]",
            "[[\"a\"]]",
            "[[\"a\",1,2]]",
            "[[\"a\",1],]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "[[\"a\",1]",
            "[] []",
            "[[\"a\",1]}",
            "{\"a\":1]",
        ] {
            assert!(spans(&[text.as_bytes()]).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn parts_are_as_good_as_the_whole(cut in 0..LIST.len(), other in 0..LIST.len()) {
            let (first, last) = (cut.min(other), cut.max(other));
            let text = LIST.as_bytes();
            let parts = [&text[..first], &text[first..last], &text[last..]];
            prop_assert_eq!(spans(&parts).unwrap(), spans(&[text]).unwrap());
        }

        #[test]
        fn any_text_is_an_answer(text in "[\\[\\]{}\",:a\\\\ 1]{0,40}") {
            let _ = spans(&[text.as_bytes()]);
        }
    }
}
