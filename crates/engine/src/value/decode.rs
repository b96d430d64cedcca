//! Bytes to tokens, with a stack of its own: no depth of nesting recurses.

mod host;
mod leaf;

use super::document::{Document, Encoding, ErrorPart, Token};
use super::reader::{Reader, Tag, malformed, unsupported};
use super::tag;
use crate::error::Result;

/// Oldest and newest version that workerd has written.
const VERSIONS: std::ops::RangeInclusive<u32> = 13..=15;

/// Reads a stored value. Time and memory are linear in `bytes`.
///
/// Accepted is what V8 (and for its own objects workerd) accepts, except for spellings that
/// neither writes and that could not be told apart afterwards: numbers in more bytes than they
/// need, strings marked UTF-8 that are not, unknown flags.
///
/// # Errors
/// Malformed input and types that cannot be carried; the place is the byte's offset.
pub fn decode(bytes: &[u8]) -> Result<Document<'_>> {
    let mut reader = Reader::new(bytes)?;
    let (version, has_header) = read_header(&mut reader)?;
    let has_view_flags = version >= 14;
    let first = Decoder::new(reader, has_view_flags).run();
    let (decoder, has_view_flags) = match first {
        Ok(decoder) => (decoder, has_view_flags),
        // One release of V8 wrote version 13 with the flags of version 14 (crbug.com/1284506);
        // like V8, try that second.
        Err(error) if version == 13 => match Decoder::new(reader, true).run() {
            Ok(decoder) => (decoder, true),
            Err(_) => return Err(error),
        },
        Err(error) => return Err(error),
    };
    Ok(Document {
        bytes,
        version,
        has_header,
        has_view_flags,
        tokens: decoder.tokens,
        referenced: decoder.referenced,
        trailing: decoder.reader.rest(),
    })
}

/// The version, and whether a header said it. The first Durable Objects stored none: workerd
/// reads those as version 13.
pub(super) fn read_header(reader: &mut Reader<'_>) -> Result<(u32, bool)> {
    if reader.peek() != Some(tag::VERSION) {
        return Ok((13, false));
    }
    reader.byte("the header")?;
    let offset = reader.position();
    let version = reader.u32("the version")?;
    if VERSIONS.contains(&version) {
        Ok((version, true))
    } else {
        Err(unsupported(offset, format!("version {version} of V8's format; this reads 13, 14 and 15")))
    }
}

/// An open container: what it waits for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Frame {
    Object { begin: u32, properties: u32 },
    Dense { begin: u32, remaining: u32, properties: u32 },
    Sparse { begin: u32, properties: u32, next_index: u32 },
    Map { values: u32 },
    Set { values: u32 },
    Error { seen: u8 },
    Host { remaining: u8 },
}

const SEEN_MESSAGE: u8 = 1;
const SEEN_STACK: u8 = 2;
const SEEN_CAUSE: u8 = 4;

pub(super) struct Decoder<'a> {
    pub(super) reader: Reader<'a>,
    has_view_flags: bool,
    pub(super) tokens: Vec<Token>,
    pub(super) frames: Vec<Frame>,
    /// The token at which each object begins.
    objects: Vec<u32>,
    referenced: Vec<bool>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(reader: Reader<'a>, has_view_flags: bool) -> Self {
        Decoder {
            reader,
            has_view_flags,
            tokens: Vec::new(),
            frames: Vec::new(),
            objects: Vec::new(),
            referenced: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Self> {
        self.begin()?;
        while self.advance()? {}
        Ok(self)
    }

    /// Reads the beginning of the value.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.next_value("a value")
    }

    /// Reads on in the innermost open container; says `false` when none is open.
    pub(super) fn advance(&mut self) -> Result<bool> {
        let Some(frame) = self.frames.pop() else {
            return Ok(false);
        };
        self.step(frame)?;
        Ok(true)
    }

    fn tag(&mut self, what: &str) -> Result<Tag> {
        let found = self.reader.tag(what)?;
        // Whether padding before a two-byte string is the expected one shows with its length.
        if found.padding > 0 && found.byte != tag::TWO_BYTE_STRING {
            self.tokens.push(Token::Padding(found.padding));
        }
        Ok(found)
    }

    /// The index that the next token will have. Each token took at least one of fewer than 2^32
    /// bytes, except `EndHost` and `Padding`, which follow at most one byte's token each.
    fn next_index(&self, offset: usize) -> Result<u32> {
        u32::try_from(self.tokens.len()).map_err(|_| unsupported(offset, "a value of more than 2^32 parts"))
    }

    /// Gives the object that begins with the next token its number.
    fn begin_object(&mut self, token: Token, offset: usize) -> Result<u32> {
        let index = self.next_index(offset)?;
        self.objects.push(index);
        self.referenced.push(false);
        self.tokens.push(token);
        Ok(index)
    }

    /// Reads on in the innermost container, which was taken off the stack: back on it goes, below
    /// the value that follows, unless it ended.
    fn step(&mut self, frame: Frame) -> Result<()> {
        match frame {
            Frame::Object { begin, properties } => {
                let found = self.tag("an object's end")?;
                if found.byte == tag::END_OBJECT {
                    self.end_count("an object's number of properties", properties)?;
                    self.tokens.push(Token::EndObject { properties });
                    return Ok(());
                }
                if self.name(found)?.is_reserved {
                    self.patch(begin, |token| {
                        if let Token::BeginObject { reserved } = token {
                            *reserved = true;
                        }
                    });
                }
                self.frames.push(Frame::Object { begin, properties: count_on(properties) });
                self.next_value("a property's value")
            }
            Frame::Dense { begin, remaining, properties } => self.step_dense(begin, remaining, properties),
            Frame::Sparse { begin, properties, next_index } => {
                self.step_sparse(begin, properties, next_index)
            }
            Frame::Map { values } => {
                let found = self.tag("a map's end")?;
                if values.is_multiple_of(2) && found.byte == tag::END_MAP {
                    self.end_count("a map's length", values)?;
                    self.tokens.push(Token::EndMap(values));
                    return Ok(());
                }
                self.frames.push(Frame::Map { values: count_on(values) });
                self.value(found)
            }
            Frame::Set { values } => {
                let found = self.tag("a set's end")?;
                if found.byte == tag::END_SET {
                    self.end_count("a set's length", values)?;
                    self.tokens.push(Token::EndSet(values));
                    return Ok(());
                }
                self.frames.push(Frame::Set { values: count_on(values) });
                self.value(found)
            }
            Frame::Error { seen } => self.step_error(seen),
            Frame::Host { remaining: 0 } => {
                self.tokens.push(Token::EndHost);
                Ok(())
            }
            Frame::Host { remaining } => {
                self.frames.push(Frame::Host { remaining: remaining - 1 });
                self.next_value("a host object's value")
            }
        }
    }

    fn step_dense(&mut self, begin: u32, remaining: u32, properties: u32) -> Result<()> {
        let found = self.tag("an array's end")?;
        if let Some(remaining) = remaining.checked_sub(1) {
            self.frames.push(Frame::Dense { begin, remaining, properties });
            if found.byte != tag::HOLE {
                return self.value(found);
            }
            self.tokens.push(Token::Hole);
            self.not_plain(begin);
            return Ok(());
        }
        if found.byte == tag::END_DENSE_ARRAY {
            return self.end_array(begin, properties);
        }
        self.name(found)?;
        self.not_plain(begin);
        self.frames.push(Frame::Dense { begin, remaining: 0, properties: count_on(properties) });
        self.next_value("a property's value")
    }

    fn step_sparse(&mut self, begin: u32, properties: u32, next_index: u32) -> Result<()> {
        let found = self.tag("an array's end")?;
        if found.byte == tag::END_SPARSE_ARRAY {
            if self.array_length(begin) != next_index {
                self.not_plain(begin);
            }
            return self.end_array(begin, properties);
        }
        let mut next_index = next_index;
        if self.name(found)?.index == Some(next_index) {
            next_index = count_on(next_index);
        } else {
            self.not_plain(begin);
        }
        self.frames.push(Frame::Sparse { begin, properties: count_on(properties), next_index });
        self.next_value("a property's value")
    }

    fn end_array(&mut self, begin: u32, properties: u32) -> Result<()> {
        let length = self.array_length(begin);
        self.end_count("an array's number of properties", properties)?;
        self.end_count("an array's length", length)?;
        let dense = matches!(self.tokens.get(begin as usize), Some(Token::BeginArray { dense: true, .. }));
        self.tokens.push(Token::EndArray { dense, properties, length });
        Ok(())
    }

    fn array_length(&self, begin: u32) -> u32 {
        match self.tokens.get(begin as usize) {
            Some(Token::BeginArray { length, .. }) => *length,
            _ => 0,
        }
    }

    fn not_plain(&mut self, begin: u32) {
        self.patch(begin, |token| {
            if let Token::BeginArray { plain, .. } = token {
                *plain = false;
            }
        });
    }

    fn patch(&mut self, index: u32, change: impl FnOnce(&mut Token)) {
        if let Some(token) = self.tokens.get_mut(index as usize) {
            change(token);
        }
    }

    /// A count that repeats what was read.
    fn end_count(&mut self, what: &str, expected: u32) -> Result<()> {
        let offset = self.reader.position();
        let found = self.reader.u32(what)?;
        if found == expected {
            Ok(())
        } else {
            Err(malformed(offset, format!("{what} is {found}, but {expected} came")))
        }
    }

    fn step_error(&mut self, seen: u8) -> Result<()> {
        let offset = self.reader.position();
        let letter = self.reader.byte("an error's end")?;
        let (part, bit) = match letter {
            tag::ERROR_END => {
                self.tokens.push(Token::EndError);
                return Ok(());
            }
            b'm' => (ErrorPart::Message, SEEN_MESSAGE),
            b's' => (ErrorPart::Stack, SEEN_STACK),
            b'c' => (ErrorPart::Cause, SEEN_CAUSE),
            _ => {
                return Err(malformed(
                    offset,
                    format!("no part of an error begins with the byte 0x{letter:02x} here"),
                ));
            }
        };
        if seen & bit != 0 {
            return Err(malformed(offset, "an error has this part already"));
        }
        self.tokens.push(Token::ErrorPart(part));
        self.frames.push(Frame::Error { seen: seen | bit });
        match part {
            ErrorPart::Cause => self.next_value("an error's cause"),
            _ => self.string_value("an error's text"),
        }
    }

    fn next_value(&mut self, what: &str) -> Result<()> {
        let found = self.tag(what)?;
        self.value(found)
    }

    /// Reads the value that begins with `found`; of a container, only the beginning.
    fn value(&mut self, found: Tag) -> Result<()> {
        let offset = found.offset;
        let token = match found.byte {
            tag::UNDEFINED => Token::Undefined,
            tag::NULL => Token::Null,
            tag::TRUE => Token::Boolean(true),
            tag::FALSE => Token::Boolean(false),
            tag::INT32 | tag::UINT32 | tag::DOUBLE => self.number(found.byte)?,
            tag::BIGINT => {
                let (bitfield, digits) = self.bigint()?;
                Token::BigInt { bitfield, digits }
            }
            tag::UTF8_STRING | tag::ONE_BYTE_STRING | tag::TWO_BYTE_STRING => {
                return self.string(found);
            }
            tag::REFERENCE => return self.reference(),
            tag::BEGIN_OBJECT => {
                let begin = self.begin_object(Token::BeginObject { reserved: false }, offset)?;
                self.frames.push(Frame::Object { begin, properties: 0 });
                return Ok(());
            }
            tag::BEGIN_DENSE_ARRAY => return self.dense_array(offset),
            tag::BEGIN_SPARSE_ARRAY => {
                let length = self.reader.u32("an array's length")?;
                let token = Token::BeginArray { dense: false, plain: true, length };
                let begin = self.begin_object(token, offset)?;
                self.frames.push(Frame::Sparse { begin, properties: 0, next_index: 0 });
                return Ok(());
            }
            tag::BEGIN_MAP => {
                self.begin_object(Token::BeginMap, offset)?;
                self.frames.push(Frame::Map { values: 0 });
                return Ok(());
            }
            tag::BEGIN_SET => {
                self.begin_object(Token::BeginSet, offset)?;
                self.frames.push(Frame::Set { values: 0 });
                return Ok(());
            }
            tag::ERROR => return self.error(offset),
            tag::HOST_OBJECT => return self.host_object(offset),
            byte => return self.leaf_object(byte, offset),
        };
        self.tokens.push(token);
        Ok(())
    }

    /// A property's name: text or a number.
    fn name(&mut self, found: Tag) -> Result<Name> {
        match found.byte {
            tag::INT32 | tag::UINT32 | tag::DOUBLE => {
                let token = self.number(found.byte)?;
                self.tokens.push(token);
                Ok(Name {
                    is_reserved: false,
                    index: match token {
                        Token::Int32(value) => u32::try_from(value).ok(),
                        Token::Uint32(value) => Some(value),
                        Token::Double(bits) => array_index(f64::from_bits(bits)),
                        _ => None,
                    },
                })
            }
            tag::UTF8_STRING | tag::ONE_BYTE_STRING | tag::TWO_BYTE_STRING => {
                self.string(found)?;
                let is_reserved = match self.tokens.last() {
                    Some(Token::String { encoding, bytes }) => {
                        is_reserved(*encoding, self.reader.slice(*bytes))
                    }
                    _ => false,
                };
                Ok(Name { is_reserved, index: None })
            }
            byte => Err(malformed(
                found.offset,
                format!("a property's name begins with the byte 0x{byte:02x}, neither text nor number"),
            )),
        }
    }

    fn dense_array(&mut self, offset: usize) -> Result<()> {
        let length_offset = self.reader.position();
        let length = self.reader.u32("an array's length")?;
        let left = self.reader.rest().len();
        // Each element takes at least a byte.
        if length as usize > left {
            return Err(malformed(
                length_offset,
                format!("an array of {length} elements, but {left} bytes are left"),
            ));
        }
        let token = Token::BeginArray { dense: true, plain: true, length };
        let begin = self.begin_object(token, offset)?;
        self.frames.push(Frame::Dense { begin, remaining: length, properties: 0 });
        Ok(())
    }

    fn error(&mut self, offset: usize) -> Result<()> {
        self.begin_object(Token::BeginError, offset)?;
        if let Some(letter @ (b'E' | b'R' | b'F' | b'S' | b'T' | b'U')) = self.reader.peek() {
            self.reader.byte("an error's type")?;
            self.tokens.push(Token::ErrorPart(ErrorPart::Prototype(letter)));
        }
        self.frames.push(Frame::Error { seen: 0 });
        Ok(())
    }
}

/// A property's name as far as the decoder needs it.
struct Name {
    is_reserved: bool,
    index: Option<u32>,
}

/// Counts up; what is counted takes bytes of an input of fewer than 2^32.
fn count_on(count: u32) -> u32 {
    count.saturating_add(1)
}

/// The array index that a number is, if it is one: at most 2^32 - 2.
pub(super) fn array_index(value: f64) -> Option<u32> {
    // The cast saturates and drops fractions; the comparison finds both out.
    let index = value as u32;
    (f64::from(index) == value && index != u32::MAX).then_some(index)
}

/// Whether a name is the one that means something in our JSON.
fn is_reserved(encoding: Encoding, bytes: &[u8]) -> bool {
    match encoding {
        Encoding::OneByte | Encoding::Utf8 => bytes == b"$v8",
        Encoding::TwoByte => bytes == b"$\0v\08\0",
    }
}
