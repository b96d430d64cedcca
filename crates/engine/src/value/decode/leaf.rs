//! Values and objects that hold no other values.

use super::Decoder;
use crate::error::Result;
use crate::value::document::{BACKED_BY_RESIZABLE, Encoding, LENGTH_TRACKING, Span, Token, ViewKind};
use crate::value::encode::two_byte_padding;
use crate::value::kind::{unknown_tag, unknown_view};
use crate::value::reader::{Tag, malformed, unsupported};
use crate::value::tag;

/// Bits of V8's nine regular expression flags.
const REGEXP_FLAGS: u32 = (1 << 9) - 1;

impl Decoder<'_> {
    /// Objects that hold no other values.
    pub(super) fn leaf_object(&mut self, byte: u8, offset: usize) -> Result<()> {
        let token = match byte {
            tag::DATE => Token::Date(self.reader.double("a date")?),
            tag::TRUE_OBJECT => Token::BooleanObject(true),
            tag::FALSE_OBJECT => Token::BooleanObject(false),
            tag::NUMBER_OBJECT => Token::NumberObject(self.reader.double("a number")?),
            tag::BIGINT_OBJECT => {
                let (bitfield, digits) = self.bigint()?;
                Token::BigIntObject { bitfield, digits }
            }
            tag::STRING_OBJECT => {
                self.begin_object(Token::StringObject, offset)?;
                return self.string_value("a String object's text");
            }
            tag::REGEXP => {
                self.begin_object(Token::RegExp, offset)?;
                self.string_value("a regular expression's source")?;
                let offset = self.reader.position();
                let flags = self.reader.u32("a regular expression's flags")?;
                if flags & !REGEXP_FLAGS != 0 {
                    return Err(unsupported(
                        offset,
                        format!("regular expression flags 0x{flags:x}, some of them unknown"),
                    ));
                }
                self.tokens.push(Token::RegExpFlags(flags));
                return Ok(());
            }
            tag::ARRAY_BUFFER => {
                let length = self.reader.u32("an ArrayBuffer's length")?;
                let bytes = self.reader.span(u64::from(length), "an ArrayBuffer")?;
                self.begin_object(Token::ArrayBuffer(bytes), offset)?;
                return self.view_of(length, false);
            }
            tag::RESIZABLE_ARRAY_BUFFER => {
                let length = self.reader.u32("an ArrayBuffer's length")?;
                let maximum_offset = self.reader.position();
                let maximum_bytes = self.reader.u32("an ArrayBuffer's maximum length")?;
                if maximum_bytes < length {
                    return Err(malformed(
                        maximum_offset,
                        format!("an ArrayBuffer of {length} bytes may have only {maximum_bytes}"),
                    ));
                }
                let bytes = self.reader.span(u64::from(length), "an ArrayBuffer")?;
                let token = Token::ResizableArrayBuffer { bytes, maximum_bytes };
                self.begin_object(token, offset)?;
                return self.view_of(length, true);
            }
            _ => return Err(unknown_tag(byte, offset)),
        };
        self.begin_object(token, offset)?;
        Ok(())
    }

    pub(super) fn number(&mut self, byte: u8) -> Result<Token> {
        Ok(match byte {
            tag::INT32 => Token::Int32(self.reader.zigzag("a number")?),
            tag::UINT32 => Token::Uint32(self.reader.u32("a number")?),
            _ => Token::Double(self.reader.double("a number")?),
        })
    }

    pub(super) fn bigint(&mut self) -> Result<(u32, Span)> {
        let bitfield = self.reader.u32("a BigInt's size")?;
        // The lowest bit is the sign, the rest the digits' bytes.
        let digits = self.reader.span(u64::from(bitfield >> 1), "a BigInt")?;
        Ok((bitfield, digits))
    }

    pub(super) fn string_value(&mut self, what: &str) -> Result<()> {
        let found = self.tag(what)?;
        match found.byte {
            tag::UTF8_STRING | tag::ONE_BYTE_STRING | tag::TWO_BYTE_STRING => self.string(found),
            byte => Err(malformed(
                found.offset,
                format!("{what} is not a string: it begins with the byte 0x{byte:02x}"),
            )),
        }
    }

    pub(super) fn string(&mut self, found: Tag) -> Result<()> {
        let length_offset = self.reader.position();
        let length = self.reader.u32("a string's length")?;
        let encoding = match found.byte {
            tag::TWO_BYTE_STRING => {
                if length % 2 != 0 {
                    return Err(malformed(length_offset, format!("a two-byte string of {length} bytes")));
                }
                let unpadded = found.offset - found.padding as usize;
                if found.padding != two_byte_padding(unpadded, length) {
                    self.tokens.push(Token::Padding(found.padding));
                }
                Encoding::TwoByte
            }
            tag::UTF8_STRING => Encoding::Utf8,
            _ => Encoding::OneByte,
        };
        let bytes = self.reader.span(u64::from(length), "a string")?;
        if encoding == Encoding::Utf8 {
            self.reader.require_utf8(bytes, "a UTF-8 string")?;
        }
        self.tokens.push(Token::String { encoding, bytes });
        Ok(())
    }

    pub(super) fn reference(&mut self) -> Result<()> {
        let offset = self.reader.position();
        let id = self.reader.u32("a reference")?;
        let Some(begin) = self.objects.get(id as usize).copied() else {
            return Err(malformed(
                offset,
                format!("a reference to object {id}, but only {} came before", self.objects.len()),
            ));
        };
        if let Some(referenced) = self.referenced.get_mut(id as usize) {
            *referenced = true;
        }
        self.tokens.push(Token::Reference(id));
        match self.tokens.get(begin as usize) {
            Some(Token::ArrayBuffer(bytes)) => self.view_of(bytes.length, false),
            Some(Token::ResizableArrayBuffer { bytes, .. }) => self.view_of(bytes.length, true),
            _ => Ok(()),
        }
    }

    /// Reads the view of the buffer just read, if one follows.
    fn view_of(&mut self, buffer_bytes: u32, is_resizable: bool) -> Result<()> {
        let mut ahead = self.reader;
        match ahead.tag("a view") {
            Ok(found) if found.byte == tag::VIEW => {}
            _ => return Ok(()),
        }
        let found = self.tag("a view")?;
        let kind_offset = self.reader.position();
        let letter = self.reader.byte("a view's type")?;
        let Some(kind) = ViewKind::from_tag(letter) else {
            return Err(unknown_view(letter, kind_offset));
        };
        let offset_bytes = self.reader.u32("a view's offset")?;
        let length_bytes = self.reader.u32("a view's length")?;
        let fits = offset_bytes.checked_add(length_bytes).is_some_and(|end| end <= buffer_bytes);
        if !fits {
            return Err(malformed(
                kind_offset,
                format!(
                    "a view of {length_bytes} bytes from {offset_bytes} on, but the buffer has {buffer_bytes}"
                ),
            ));
        }
        if offset_bytes % kind.element_bytes != 0 || length_bytes % kind.element_bytes != 0 {
            return Err(malformed(
                kind_offset,
                format!(
                    "a view of {}-byte elements has {length_bytes} bytes from {offset_bytes} on",
                    kind.element_bytes
                ),
            ));
        }
        let flags_offset = self.reader.position();
        let flags = if self.has_view_flags { self.reader.u32("a view's flags")? } else { 0 };
        let flags = match u8::try_from(flags) {
            Ok(flags) if flags <= LENGTH_TRACKING | BACKED_BY_RESIZABLE => flags,
            _ => {
                return Err(unsupported(
                    flags_offset,
                    format!("view flags 0x{flags:x}, some of them unknown"),
                ));
            }
        };
        if (flags & BACKED_BY_RESIZABLE != 0) != is_resizable
            || (flags & LENGTH_TRACKING != 0 && !is_resizable)
        {
            return Err(malformed(flags_offset, "a view's flags do not fit its buffer"));
        }
        let token = Token::View { kind: letter, flags, offset_bytes, length_bytes };
        self.begin_object(token, found.offset)?;
        Ok(())
    }
}
