//! The events of a log one after the other, each as compact JSON: a line each, the elements of an array, or values
//! that go over several lines.

use dotctl_engine::{Error, Result};

use crate::input::Input;
use crate::replay::{Layout, layout_of};

/// The longest event that is taken.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// Bytes that tell how events follow each other.
const HEAD_BYTES: usize = 64 << 10;

/// Gives each event of `input`, and what is none as it stands.
///
/// # Errors
/// Those of reading and of `visit`; unsupported where an event is too long.
pub fn each_event(mut input: Input, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut block = vec![0; 256 << 10];
    let mut filled = 0;
    while filled < HEAD_BYTES {
        match input.read(block.get_mut(filled..).unwrap_or_default())? {
            0 => break,
            bytes => filled += bytes,
        }
    }
    let head = block.get(..filled).unwrap_or_default();
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut splitter = Splitter::new(layout_of(text));
    let mut done = filled - text.len();
    loop {
        let new = block.get(done..filled).unwrap_or_default();
        splitter.push(new, visit).map_err(|error| error.at(input.name().to_owned()))?;
        if filled == 0 {
            return splitter.finish(visit);
        }
        (done, filled) = (0, input.read(&mut block)?);
    }
}

/// Cuts text into events.
struct Splitter {
    layout: Layout,
    /// The event that is not at its end yet.
    event: Vec<u8>,
    /// Braces and brackets open in it.
    depth: usize,
    is_text: bool,
    is_escaped: bool,
    /// Whether the array's bracket was seen, and its end.
    is_open: bool,
    is_done: bool,
}

impl Splitter {
    fn new(layout: Layout) -> Self {
        Splitter {
            layout,
            event: Vec::new(),
            depth: 0,
            is_text: false,
            is_escaped: false,
            is_open: false,
            is_done: false,
        }
    }

    fn push(&mut self, text: &[u8], visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self.layout {
            Layout::Lines => self.lines(text, visit)?,
            Layout::Array | Layout::Values => text.iter().try_for_each(|byte| self.byte(*byte, visit))?,
        }
        if self.event.len() > EVENT_BYTES_MAX {
            return Err(Error::unsupported(format!("an event is longer than {EVENT_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    /// What is left at the log's end.
    fn finish(mut self, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.end(visit)
    }

    fn end(&mut self, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let event = self.event.trim_ascii();
        if !event.is_empty() {
            visit(event)?;
        }
        self.event.clear();
        Ok(())
    }

    fn lines(&mut self, text: &[u8], visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut rest = text;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            self.event.extend_from_slice(line);
            self.end(visit)?;
            rest = after.get(1..).unwrap_or_default();
        }
        self.event.extend_from_slice(rest);
        Ok(())
    }

    fn byte(&mut self, byte: u8, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if self.is_text {
            self.event.push(byte);
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_text = false,
                _ => {}
            }
            return Ok(());
        }
        let is_outside = self.depth == 0 && self.layout == Layout::Array;
        match byte {
            byte if byte.is_ascii_whitespace() => return Ok(()),
            b'[' if is_outside && !self.is_open => {
                self.is_open = true;
                return Ok(());
            }
            b',' if is_outside => return self.end(visit),
            b']' if is_outside && !self.is_done => {
                self.is_done = true;
                return self.end(visit);
            }
            b'"' => self.is_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.event.push(byte);
        if self.depth == 0 && matches!(byte, b'}' | b']') { self.end(visit) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn events(text: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let input = Input::new("log", std::io::Cursor::new(text.to_vec())).unwrap();
        each_event(input, &mut |event| {
            found.push(String::from_utf8_lossy(event).into_owned());
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn events_are_the_same_however_they_follow_each_other() {
        let expected = [r#"{"a":"x, ]} \" [","b":[1,{"c":[]}]}"#, r#"{"a":2}"#];
        for text in [
            "{\"a\":\"x, ]} \\\" [\",\"b\":[1,{\"c\":[]}]}\n\n{\"a\":2}",
            "[{\"a\":\"x, ]} \\\" [\",\"b\":[1,{\"c\":[]}]},{\"a\":2}]\n",
            "\u{feff} [\n  {\n \"a\" : \"x, ]} \\\" [\",\n \"b\":[1, {\"c\": [ ]}]\n},\n {\"a\":2}\r\n]\n",
            "{\n \"a\": \"x, ]} \\\" [\",\n\"b\": [1,{\"c\":[]}]\n}\n{\n\"a\": 2\n}\n",
        ] {
            assert_eq!(events(text.as_bytes()), expected, "{text}");
        }
        assert!(events(b"").is_empty() && events(b"[]").is_empty());
        // What is cut off is given as it stands.
        assert_eq!(events(b"[{\"a\":1},{\"a\""), ["{\"a\":1}", "{\"a\""]);
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[\\[\\]{},\":a\\\\ \n]{0,200}") {
            let given: usize = events(text.as_bytes()).iter().map(String::len).sum();
            prop_assert!(given <= text.len());
        }
    }
}
