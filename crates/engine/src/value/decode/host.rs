//! The objects that workerd writes.

use super::{Decoder, Frame};
use crate::error::Result;
use crate::value::document::Token;
use crate::value::host::{GUARD_NONE, HostKind, common_header_name, native_error_name};
use crate::value::reader::malformed;

impl Decoder<'_> {
    pub(super) fn host_object(&mut self, offset: usize) -> Result<()> {
        let kind_offset = self.reader.position();
        let number = self.reader.u32("a host object's type")?;
        let kind = HostKind::from_number(number, kind_offset)?;
        self.begin_object(Token::BeginHost(kind), offset)?;
        let mut skipped = 0;
        match kind {
            HostKind::Headers => self.headers()?,
            HostKind::Request => self.host_text("a request's URL")?,
            HostKind::Response => {}
            HostKind::DomException => {
                self.host_text("a DOMException's name")?;
                self.host_text("a DOMException's message")?;
                self.host_text("a DOMException's stack")?;
            }
            HostKind::NativeError => {
                let offset = self.reader.position();
                let number = self.host_number("an error's type")?;
                // Only a type without a number is followed by its name.
                skipped = usize::from(native_error_name(number, offset)?.is_some());
            }
            HostKind::Blob => {
                self.host_text("a Blob's media type")?;
                let bytes = self.reader.delimited("a Blob")?;
                self.tokens.push(Token::HostBytes(bytes));
            }
        }
        let remaining = kind.value_names().len().saturating_sub(skipped);
        self.frames.push(Frame::Host { remaining: u8::try_from(remaining).unwrap_or(u8::MAX) });
        Ok(())
    }

    fn headers(&mut self) -> Result<()> {
        let guard_offset = self.reader.position();
        let guard = self.host_number("the headers' guard")?;
        if guard > GUARD_NONE {
            return Err(malformed(guard_offset, format!("headers with guard {guard}")));
        }
        let count = self.host_number("the headers' count")?;
        for _ in 0..count {
            let offset = self.reader.position();
            let number = self.host_number("a header's name")?;
            if number == 0 {
                self.host_text("a header's name")?;
            } else if common_header_name(number).is_none() {
                return Err(malformed(offset, format!("no header has the number {number}")));
            }
            self.host_text("a header's value")?;
        }
        Ok(())
    }

    fn host_number(&mut self, what: &str) -> Result<u32> {
        let number = self.reader.u32(what)?;
        self.tokens.push(Token::HostNumber(number));
        Ok(number)
    }

    fn host_text(&mut self, what: &str) -> Result<()> {
        let bytes = self.reader.delimited(what)?;
        self.reader.require_utf8(bytes, what)?;
        self.tokens.push(Token::HostBytes(bytes));
        Ok(())
    }
}
