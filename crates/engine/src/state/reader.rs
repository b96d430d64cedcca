//! Entries out of a stream of bytes.

use super::compact::compact;
use super::key::{MAX_KEY_BYTES, decode, shown_key};
use super::scan::{Scanned, Scanner, Stop, is_whitespace};
use crate::error::{Error, Result};
use std::ops::Range;

/// Bytes of one entry's text at most, the whitespace in it included.
pub const MAX_ENTRY_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of the buffer unless an entry needs more: large enough that reading is not a matter of
/// calls, small enough to stay in a processor's cache.
const BUFFER_BYTES: usize = 512 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One state entry, borrowed from its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its JSON text `["key",{…}]`: the source's own tokens without whitespace between them.
    pub text: &'a [u8],
    /// Its decoded key: UTF-8, with lone surrogates as three bytes each (WTF-8).
    pub key: &'a [u8],
    /// Which entry of the input it is, from 1.
    pub number: u64,
}

/// What a reader has to say next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// [`EntryReader::entry`] is the next entry.
    Entry,
    /// More bytes are needed: see [`EntryReader::space`].
    NeedInput,
    /// The input ended after a whole number of entries.
    End,
}

/// [`Progress`] with the entry in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// The next entry.
    Entry(Entry<'a>),
    /// More bytes are needed: see [`EntryReader::space`].
    NeedInput,
    /// The input ended after a whole number of entries.
    End,
}

/// How the entries stand in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON array of entries.
    Array,
    /// Entries one after the other, each behind a line end.
    Lines,
}

/// What the reader looks for next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// The first byte of the input, or a byte order mark.
    Start,
    /// The first bracket and what follows it.
    FirstToken,
    /// An entry, or the array's end.
    FirstInArray,
    /// An entry.
    InArray,
    /// A comma or the array's end.
    AfterInArray,
    /// Nothing but whitespace.
    AfterArray,
    /// An entry or the end.
    Line,
    /// A line end or the end.
    AfterLine,
}

/// Reads state entries from JSON text that comes in pieces: an array of entries or one entry a
/// line, told apart by the first two tokens. The JSON is checked in full.
///
/// Fill [`space`](Self::space), say how much with [`filled`](Self::filled), take entries from
/// [`next`](Self::next) until it needs more, and call [`end`](Self::end) after the last byte.
pub struct EntryReader {
    buffer: Vec<u8>,
    /// The bytes of the buffer that are not consumed yet.
    start: usize,
    filled: usize,
    /// Bytes of input before the buffer's first.
    before: u64,
    ended: bool,
    /// Bytes an entry that did not end yet must have before it is looked at again: twice what it
    /// had, so that a large entry costs no more than twice its length.
    wanted: usize,
    expect: Expect,
    form: Option<Form>,
    entries: u64,
    text: Range<usize>,
    key: Range<usize>,
    /// The key, if it has escapes.
    decoded_key: Option<Vec<u8>>,
    scanner: Scanner,
    failed: Option<Error>,
}

impl Default for EntryReader {
    fn default() -> Self {
        EntryReader::new()
    }
}

impl EntryReader {
    /// A reader at the input's first byte.
    pub fn new() -> Self {
        EntryReader {
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            before: 0,
            ended: false,
            wanted: 0,
            expect: Expect::Start,
            form: None,
            entries: 0,
            text: 0..0,
            key: 0..0,
            decoded_key: None,
            scanner: Scanner::new(),
            failed: None,
        }
    }

    /// Where the next bytes of the input go; never empty while the reader needs input. The last
    /// entry is gone with this call.
    pub fn space(&mut self) -> &mut [u8] {
        let pending = self.filled.saturating_sub(self.start);
        if pending == 0 && self.buffer.len() > BUFFER_BYTES {
            self.move_to_front();
            self.buffer.truncate(BUFFER_BYTES);
            self.buffer.shrink_to_fit();
        }
        let free = self.buffer.len().saturating_sub(self.filled);
        if self.start > 0 && free < self.buffer.len() / 2 {
            self.move_to_front();
        }
        if self.filled == self.buffer.len() && self.filled < MAX_ENTRY_BYTES {
            let bytes = self.filled.saturating_mul(2);
            let bytes = bytes.clamp(BUFFER_BYTES, MAX_ENTRY_BYTES);
            self.buffer.reserve_exact(bytes.saturating_sub(self.filled));
            self.buffer.resize(bytes, 0);
        }
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    fn move_to_front(&mut self) {
        self.buffer.copy_within(self.start..self.filled, 0);
        self.before = self.before.saturating_add(self.start as u64);
        self.filled = self.filled.saturating_sub(self.start);
        self.start = 0;
    }

    /// Says that the first `bytes` of [`space`](Self::space) now hold input. Fewer than offered is
    /// fine; of more than offered only the offered count.
    pub fn filled(&mut self, bytes: usize) {
        self.filled = self.filled.saturating_add(bytes).min(self.buffer.len());
    }

    /// Says that the input is over.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Entries so far.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// How the entries stand in the input, as soon as that is known.
    pub fn form(&self) -> Option<Form> {
        self.form
    }

    /// The next entry, or what the reader needs to give one.
    ///
    /// # Errors
    /// Malformed, naming the entry, the byte (from 0, of the decompressed input) and what may
    /// stand there. The same error is given again from then on.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Step<'_>> {
        Ok(match self.advance()? {
            Progress::Entry => Step::Entry(self.entry()),
            Progress::NeedInput => Step::NeedInput,
            Progress::End => Step::End,
        })
    }

    /// The entry that [`advance`](Self::advance) found last.
    pub fn entry(&self) -> Entry<'_> {
        Entry {
            text: self.buffer.get(self.text.clone()).unwrap_or_default(),
            key: match &self.decoded_key {
                Some(key) => key,
                None => self.buffer.get(self.key.clone()).unwrap_or_default(),
            },
            number: self.entries,
        }
    }

    /// Like [`next`](Self::next) without borrowing the entry, for loops that pass it on.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn advance(&mut self) -> Result<Progress> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.find().inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn find(&mut self) -> Result<Progress> {
        loop {
            let pending = self.filled.saturating_sub(self.start);
            if pending < self.wanted && !self.ended {
                return Ok(Progress::NeedInput);
            }
            if self.expect == Expect::Start {
                let head = self.buffer.get(self.start..self.filled).unwrap_or_default();
                let head = head.get(..BYTE_ORDER_MARK.len()).unwrap_or(head);
                if head == BYTE_ORDER_MARK {
                    self.start += BYTE_ORDER_MARK.len();
                } else if BYTE_ORDER_MARK.starts_with(head) && !self.ended {
                    return Ok(Progress::NeedInput);
                }
                self.expect = Expect::FirstToken;
            }
            let Some(byte) = self.token() else {
                return self.no_token();
            };
            match (self.expect, byte) {
                (Expect::FirstToken, b'[') => match self.second_token() {
                    Some(b'"') => {
                        self.form = Some(Form::Lines);
                        self.expect = Expect::Line;
                        self.wanted = 0;
                    }
                    Some(b'[' | b']') => {
                        self.form = Some(Form::Array);
                        self.start += 1;
                        self.expect = Expect::FirstInArray;
                        self.wanted = 0;
                    }
                    None if !self.ended => {
                        self.wanted = self.filled.saturating_sub(self.start).saturating_mul(2);
                        return self.need_input();
                    }
                    _ => {
                        let position = self.second_position();
                        return Err(self.unexpected(position, "an entry, an entry's key, or `]`"));
                    }
                },
                (Expect::FirstInArray | Expect::InArray | Expect::Line, b'[') => {
                    return self.scan();
                }
                (Expect::FirstInArray | Expect::AfterInArray, b']') => {
                    self.start += 1;
                    self.expect = Expect::AfterArray;
                }
                (Expect::AfterInArray, b',') => {
                    self.start += 1;
                    self.expect = Expect::InArray;
                }
                _ => return Err(self.unexpected(self.start, self.expected())),
            }
        }
    }

    /// Skips whitespace and gives the byte that the reader then stands on.
    #[inline(always)]
    fn token(&mut self) -> Option<u8> {
        let pending = self.buffer.get(self.start..self.filled)?;
        for (skipped, byte) in pending.iter().enumerate() {
            if !is_whitespace(*byte) {
                self.start += skipped;
                return Some(*byte);
            }
            if *byte == b'\n' && self.expect == Expect::AfterLine {
                self.expect = Expect::Line;
            }
        }
        self.start = self.filled;
        None
    }

    /// Where the second token of the input is, or would be.
    fn second_position(&self) -> usize {
        let rest = self.buffer.get(self.start + 1..self.filled).unwrap_or_default();
        let skipped = rest.iter().take_while(|byte| is_whitespace(**byte)).count();
        self.start + 1 + skipped
    }

    fn second_token(&self) -> Option<u8> {
        let pending = self.buffer.get(..self.filled)?;
        pending.get(self.second_position()).copied()
    }

    /// All bytes are consumed: the end, or a pause.
    fn no_token(&mut self) -> Result<Progress> {
        if !self.ended {
            return self.need_input();
        }
        match self.expect {
            Expect::AfterArray | Expect::Line | Expect::AfterLine => Ok(Progress::End),
            Expect::Start | Expect::FirstToken => {
                Err(Error::malformed("the input is empty; a state without entries is the array `[]`"))
            }
            _ => Err(self.unexpected(self.start, self.expected())),
        }
    }

    /// Waits for input, unless an entry already is as long as it may be.
    fn need_input(&mut self) -> Result<Progress> {
        if self.filled.saturating_sub(self.start) < MAX_ENTRY_BYTES {
            return Ok(Progress::NeedInput);
        }
        Err(self.too_large())
    }

    fn scan(&mut self) -> Result<Progress> {
        let bytes = self.buffer.get(..self.filled).unwrap_or_default();
        match self.scanner.entry(bytes, self.start) {
            Ok(scanned) => self.take(scanned),
            Err(Stop::Fault { position, expected }) => Err(self.unexpected(position, expected)),
            Err(Stop::More) if self.ended => Err(self.unexpected(self.filled, "the rest of the entry")),
            Err(Stop::More) => {
                let pending = self.filled.saturating_sub(self.start);
                self.wanted = pending.saturating_mul(2).min(MAX_ENTRY_BYTES);
                self.need_input()
            }
        }
    }

    /// Makes what was scanned the current entry.
    #[inline(always)]
    fn take(&mut self, scanned: Scanned) -> Result<Progress> {
        let source = self.start..scanned.end;
        if scanned.wide {
            self.check_characters(source.clone())?;
        }
        self.decoded_key = None;
        if scanned.key_escaped {
            let mut key = Vec::new();
            decode(self.buffer.get(scanned.key.clone()).unwrap_or_default(), &mut key);
            self.decoded_key = Some(key);
        }
        self.key = scanned.key;
        self.text = source;
        if scanned.spaced {
            self.compact();
        }
        if self.key_bytes() > MAX_KEY_BYTES {
            return Err(self.key_too_long());
        }
        self.start = scanned.end;
        self.wanted = 0;
        self.entries = self.entries.saturating_add(1);
        self.expect = match self.form {
            Some(Form::Array) => Expect::AfterInArray,
            _ => Expect::AfterLine,
        };
        Ok(Progress::Entry)
    }

    fn key_bytes(&self) -> usize {
        match &self.decoded_key {
            Some(key) => key.len(),
            None => self.key.len(),
        }
    }

    #[cold]
    fn compact(&mut self) {
        if let Some(text) = self.buffer.get_mut(self.text.clone()) {
            self.text.end = self.text.start + compact(text);
        }
        // Behind `["` now, wherever it was.
        let key_start = self.text.start + 2;
        self.key = key_start..key_start + self.key.len();
    }

    fn check_characters(&self, source: Range<usize>) -> Result<()> {
        let text = self.buffer.get(source.clone()).unwrap_or_default();
        if simdutf8::basic::from_utf8(text).is_ok() {
            return Ok(());
        }
        let valid = std::str::from_utf8(text).map_or_else(|error| error.valid_up_to(), str::len);
        Err(self.unexpected(source.start + valid, "UTF-8 text"))
    }

    /// What may come next, for a message.
    fn expected(&self) -> &'static str {
        match self.expect {
            Expect::Start | Expect::FirstToken => "`[`, the start of an array of entries or of an entry",
            Expect::FirstInArray => "an entry `[key, {…}]` or `]`",
            Expect::InArray => "an entry `[key, {…}]`",
            Expect::AfterInArray => "`,` or `]` after an entry",
            Expect::AfterArray => "nothing after the array",
            Expect::Line => "an entry `[key, {…}]`",
            Expect::AfterLine => "a line end after an entry",
        }
    }

    /// The failure at `position` of the buffer, where `expected` should be.
    #[cold]
    fn unexpected(&self, position: usize, expected: &str) -> Error {
        let pending = self.buffer.get(..self.filled).unwrap_or_default();
        let found = match pending.get(position) {
            None => "the end of the input".to_owned(),
            Some(b'`') => "a backquote".to_owned(),
            Some(byte @ 0x21..=0x7e) => format!("`{}`", char::from(*byte)),
            Some(byte) => format!("byte 0x{byte:02x}"),
        };
        Error::malformed(format!("expected {expected}, found {found}")).at(self.place(position))
    }

    fn place(&self, position: usize) -> String {
        let byte = self.before.saturating_add(position as u64);
        match self.expect {
            Expect::Start | Expect::FirstToken | Expect::AfterArray => format!("byte {byte}"),
            Expect::AfterInArray | Expect::AfterLine => {
                format!("after entry {}, byte {byte}", self.entries)
            }
            Expect::FirstInArray | Expect::InArray | Expect::Line => {
                format!("entry {}, byte {byte}", self.entries.saturating_add(1))
            }
        }
    }

    #[cold]
    fn key_too_long(&self) -> Error {
        Error::malformed(format!(
            "the key {} is longer than {MAX_KEY_BYTES} bytes",
            shown_key(self.entry().key)
        ))
        .at(self.place(self.text.start))
    }

    #[cold]
    fn too_large(&self) -> Error {
        let entry = self.buffer.get(self.start..self.filled).unwrap_or_default();
        let quote = entry.iter().position(|byte| *byte == b'"');
        let key_start = quote.map_or(entry.len(), |place| place + 1);
        let key_end = super::members::after_string(entry, key_start).saturating_sub(1);
        let mut key = Vec::new();
        decode(entry.get(key_start..key_end).unwrap_or_default(), &mut key);
        Error::malformed(format!(
            "the entry with key {} is larger than {MAX_ENTRY_BYTES} bytes",
            shown_key(&key)
        ))
        .at(self.place(self.start))
    }
}
