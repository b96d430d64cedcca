//! Lines into templates and columns of scalars.

use std::collections::HashMap;
use std::ops::Range;

use memchr::{memchr, memchr2};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::cut::Sink;
use super::integers::Integers;
use super::{COLUMNS_IN_ALL_MAX, NUMBERS_MAX, RAW_BYTES_MAX, SLOT, node};

/// A chunk as columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// What [`super::read`] reads.
    pub bytes: Vec<u8>,
    /// Places in it where a compressor does well to end a block.
    pub cuts: Vec<usize>,
}

/// Elements of an array that have a column of their own; those behind them share one.
const ELEMENTS_APART: u64 = 7;

/// Most columns: with more, as where members' names are data, each has too few texts to pay.
pub const COLUMNS_MAX: usize = 1024;

/// Templates that a chunk may have beside half as many as it has lines.
const TEMPLATES_FREE: usize = 64;

/// Most templates.
const TEMPLATES_MAX: usize = 1 << 16;

/// Most templates of so many lines.
pub fn templates_max(line_count: usize) -> usize {
    (TEMPLATES_FREE + line_count / 2).min(TEMPLATES_MAX)
}

/// The lines of `raw` as columns; nothing where they cannot be taken apart, or would not become shorter.
pub fn write(raw: &[u8]) -> Option<Columns> {
    if raw.len() > RAW_BYTES_MAX || !raw.ends_with(b"\n") || memchr(SLOT, raw).is_some() {
        return None;
    }
    let mut taken = Taken::default();
    let mut rest = raw;
    while let Some(end) = memchr(b'\n', rest) {
        let (line, after) = rest.split_at(end + 1);
        taken.line(line);
        rest = after;
        if taken.token_count > NUMBERS_MAX || taken.is_in_vain() {
            return None;
        }
    }
    taken.finish().filter(|columns| columns.bytes.len() < raw.len())
}

#[derive(Default)]
struct Taken<'a> {
    templates: HashMap<Vec<u8>, usize>,
    /// Of each template, in order: its text and the column of each of its slots.
    described: Vec<(Vec<u8>, Vec<usize>)>,
    /// The template of each line.
    lines: Vec<i64>,
    places: HashMap<u64, usize>,
    columns: Vec<Vec<&'a [u8]>>,
    token_count: usize,
    /// The line at hand.
    text: Vec<u8>,
    tokens: Vec<&'a [u8]>,
}

impl<'a> Taken<'a> {
    fn line(&mut self, line: &'a [u8]) {
        self.text.clear();
        self.tokens.clear();
        let mut at = 0;
        while let Some(byte) = line.get(at) {
            let range = scalar(line, at, *byte);
            let is_name = *byte == b'"' && line.get(range.end) == Some(&b':');
            let bytes = line.get(range.clone()).unwrap_or_default();
            if range.is_empty() {
                self.text.push(*byte);
                at += 1;
                continue;
            }
            if is_name {
                self.text.extend_from_slice(bytes);
            } else {
                self.text.push(SLOT);
                self.tokens.push(bytes);
            }
            at = range.end;
        }
        self.token_count += self.tokens.len() + 1;
        let last = self.lines.last().map_or(0, |last| *last as usize);
        let template = match self.described.get(last) {
            Some((text, _)) if *text == self.text => last,
            _ => self.template(),
        };
        self.lines.push(template as i64);
        let slots = self.described.get(template).map(|(_, slots)| slots.as_slice()).unwrap_or_default();
        for (column, token) in slots.iter().zip(&self.tokens) {
            if let Some(column) = self.columns.get_mut(*column) {
                column.push(token);
            }
        }
    }

    /// Whether the lines have too little in common.
    fn is_in_vain(&self) -> bool {
        self.columns.len() > COLUMNS_MAX || self.described.len() > templates_max(self.lines.len())
    }

    /// The number of the template at hand.
    fn template(&mut self) -> usize {
        if let Some(number) = self.templates.get(&self.text) {
            return *number;
        }
        let slots: Vec<usize> = places(&self.text)
            .into_iter()
            .map(|place| {
                let next = self.columns.len();
                let column = *self.places.entry(place).or_insert(next);
                if column == next {
                    self.columns.push(Vec::new());
                }
                column
            })
            .collect();
        self.described.push((self.text.clone(), slots));
        self.templates.insert(self.text.clone(), self.described.len() - 1);
        self.described.len() - 1
    }

    fn finish(self) -> Option<Columns> {
        let mut sink = Sink::default();
        sink.number(self.lines.len() as u64);
        sink.number(self.described.len() as u64);
        sink.number(self.columns.len() as u64);
        for (text, _) in &self.described {
            sink.bytes.extend_from_slice(text);
        }
        sink.end_part();
        for column in self.described.iter().flat_map(|(_, slots)| slots) {
            sink.number(*column as u64);
        }
        sink.end_part();
        Integers::new(self.lines).write(&mut sink);
        for column in &self.columns {
            node::tokens(column).write(&mut sink);
            if sink.number_count > NUMBERS_MAX || sink.column_count > COLUMNS_IN_ALL_MAX {
                return None;
            }
        }
        let (bytes, cuts) = sink.finish();
        Some(Columns { bytes, cuts })
    }
}

/// Where the scalar ends that begins with `byte` at `at`; nothing if none does. What is no JSON is
/// taken for something, and comes back as it was.
fn scalar(line: &[u8], at: usize, byte: u8) -> Range<usize> {
    let rest = line.get(at..).unwrap_or_default();
    let run = |is_part: fn(&u8) -> bool| rest.iter().take_while(|byte| is_part(byte)).count();
    let length = match byte {
        b'"' => string_bytes(rest),
        b'-' | b'0'..=b'9' => run(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')),
        b'a'..=b'z' => run(u8::is_ascii_lowercase),
        _ => 0,
    };
    at..at + length
}

/// Bytes of the string that `text` begins with, both quotes included; none if it does not end.
fn string_bytes(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if text.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    0
}

/// Where in its line each slot of a template is, as a hash: the names and arrays that it is in.
fn places(template: &[u8]) -> Vec<u64> {
    struct Container {
        place: u64,
        /// Of an array: elements before this one. Of an object: none.
        elements: Option<u64>,
        /// The member's name.
        name: u64,
    }
    let element = |container: Option<&Container>, is_scalar: bool| match container {
        None => 0,
        Some(Container { place, elements: Some(elements), .. }) if is_scalar => {
            xxh3_64_with_seed(&(*elements).min(ELEMENTS_APART).to_le_bytes(), *place)
        }
        Some(Container { place, elements: Some(_), .. }) => xxh3_64_with_seed(b"[", *place),
        Some(container) => container.name,
    };
    let (mut found, mut open) = (Vec::new(), Vec::<Container>::new());
    let mut at = 0;
    while let Some(byte) = template.get(at) {
        match byte {
            b'"' => {
                let text = template.get(at..).unwrap_or_default();
                let length = string_bytes(text).max(1);
                if let Some(container) = open.last_mut() {
                    container.name =
                        xxh3_64_with_seed(text.get(..length).unwrap_or_default(), container.place);
                }
                at += length;
                continue;
            }
            b'{' | b'[' => {
                let place = element(open.last(), false);
                let elements = (*byte == b'[').then_some(0);
                open.push(Container { place, elements, name: 0 });
            }
            b'}' | b']' => {
                open.pop();
            }
            b',' => {
                if let Some(Container { elements: Some(elements), .. }) = open.last_mut() {
                    *elements += 1;
                }
            }
            &SLOT => found.push(element(open.last(), true)),
            _ => {}
        }
        at += 1;
    }
    found
}
