//! Tokens to bytes.

use super::document::{Document, Encoding, ErrorPart, Span, Token};
use super::tag;

/// Writes the value again: the bytes it was decoded from.
pub fn encode(document: &Document<'_>) -> Vec<u8> {
    let mut writer = Writer { document, out: Vec::with_capacity(document.bytes.len()), padding: None };
    if document.has_header {
        writer.out.push(tag::VERSION);
        writer.varint(document.version);
    }
    for token in &document.tokens {
        writer.token(*token);
    }
    writer.out.extend_from_slice(document.trailing);
    writer.out
}

/// Padding bytes that V8 puts before a two-byte string of `length` bytes at `position`, so that
/// its characters stand at an even place.
pub(super) fn two_byte_padding(position: usize, length: u32) -> u32 {
    let length_bytes = (32 - length.leading_zeros()).div_ceil(7).max(1);
    u32::from(position.is_multiple_of(2) == length_bytes.is_multiple_of(2))
}

struct Writer<'d> {
    document: &'d Document<'d>,
    out: Vec<u8>,
    /// Padding that the next tag has instead of the usual.
    padding: Option<u32>,
}

impl Writer<'_> {
    fn token(&mut self, token: Token) {
        match token {
            Token::Padding(count) => self.padding = Some(count),
            Token::Undefined => self.tag(tag::UNDEFINED),
            Token::Null => self.tag(tag::NULL),
            Token::Boolean(true) => self.tag(tag::TRUE),
            Token::Boolean(false) => self.tag(tag::FALSE),
            Token::Hole => self.tag(tag::HOLE),
            Token::Int32(value) => {
                self.counted(tag::INT32, ((value << 1) ^ (value >> 31)).cast_unsigned());
            }
            Token::Uint32(value) => self.counted(tag::UINT32, value),
            Token::Double(bits) => self.double(tag::DOUBLE, bits),
            Token::BigInt { bitfield, digits } => {
                self.counted(tag::BIGINT, bitfield);
                self.bytes(digits);
            }
            Token::String { encoding, bytes } => self.string(encoding, bytes),
            Token::Reference(id) => self.counted(tag::REFERENCE, id),
            Token::BeginObject { .. } => self.tag(tag::BEGIN_OBJECT),
            Token::EndObject { properties } => self.counted(tag::END_OBJECT, properties),
            Token::BeginArray { dense, length, .. } => {
                let tag = if dense { tag::BEGIN_DENSE_ARRAY } else { tag::BEGIN_SPARSE_ARRAY };
                self.counted(tag, length);
            }
            Token::EndArray { dense, properties, length } => {
                let tag = if dense { tag::END_DENSE_ARRAY } else { tag::END_SPARSE_ARRAY };
                self.counted(tag, properties);
                self.varint(length);
            }
            Token::Date(bits) => self.double(tag::DATE, bits),
            Token::BooleanObject(true) => self.tag(tag::TRUE_OBJECT),
            Token::BooleanObject(false) => self.tag(tag::FALSE_OBJECT),
            Token::NumberObject(bits) => self.double(tag::NUMBER_OBJECT, bits),
            Token::BigIntObject { bitfield, digits } => {
                self.counted(tag::BIGINT_OBJECT, bitfield);
                self.bytes(digits);
            }
            Token::StringObject => self.tag(tag::STRING_OBJECT),
            Token::RegExp => self.tag(tag::REGEXP),
            Token::RegExpFlags(flags) => self.varint(flags),
            Token::BeginMap => self.tag(tag::BEGIN_MAP),
            Token::EndMap(values) => self.counted(tag::END_MAP, values),
            Token::BeginSet => self.tag(tag::BEGIN_SET),
            Token::EndSet(values) => self.counted(tag::END_SET, values),
            Token::ArrayBuffer(bytes) => {
                self.counted(tag::ARRAY_BUFFER, bytes.length);
                self.bytes(bytes);
            }
            Token::ResizableArrayBuffer { bytes, maximum_bytes } => {
                self.counted(tag::RESIZABLE_ARRAY_BUFFER, bytes.length);
                self.varint(maximum_bytes);
                self.bytes(bytes);
            }
            Token::View { kind, flags, offset_bytes, length_bytes } => {
                self.tag(tag::VIEW);
                self.out.push(kind);
                self.varint(offset_bytes);
                self.varint(length_bytes);
                if self.document.has_view_flags {
                    self.varint(u32::from(flags));
                }
            }
            Token::BeginError => self.tag(tag::ERROR),
            Token::ErrorPart(part) => self.out.push(match part {
                ErrorPart::Prototype(letter) => letter,
                ErrorPart::Message => b'm',
                ErrorPart::Stack => b's',
                ErrorPart::Cause => b'c',
            }),
            Token::EndError => self.out.push(tag::ERROR_END),
            Token::BeginHost(kind) => self.counted(tag::HOST_OBJECT, kind.number()),
            Token::HostNumber(number) => self.varint(number),
            Token::HostBytes(bytes) => {
                self.varint(bytes.length);
                self.bytes(bytes);
            }
            Token::EndHost => {}
        }
    }

    fn string(&mut self, encoding: Encoding, bytes: Span) {
        let tag = match encoding {
            Encoding::OneByte => tag::ONE_BYTE_STRING,
            Encoding::Utf8 => tag::UTF8_STRING,
            Encoding::TwoByte => {
                let usual = two_byte_padding(self.out.len(), bytes.length);
                self.padding.get_or_insert(usual);
                tag::TWO_BYTE_STRING
            }
        };
        self.counted(tag, bytes.length);
        self.bytes(bytes);
    }

    fn tag(&mut self, tag: u8) {
        if let Some(padding) = self.padding.take() {
            let length = self.out.len() + padding as usize;
            self.out.resize(length, tag::PADDING);
        }
        self.out.push(tag);
    }

    fn counted(&mut self, tag: u8, count: u32) {
        self.tag(tag);
        self.varint(count);
    }

    fn double(&mut self, tag: u8, bits: u64) {
        self.tag(tag);
        self.out.extend_from_slice(&bits.to_le_bytes());
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn bytes(&mut self, span: Span) {
        self.out.extend_from_slice(span.of(self.document.bytes));
    }
}
