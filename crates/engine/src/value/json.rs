//! Tokens to JSON text, by the scheme of `docs/VALUES.md`.

use super::bigint;
use super::date;
use super::decode::array_index;
use super::document::{Document, Encoding, ErrorPart, LENGTH_TRACKING, Span, Token, ViewKind};
use super::host::{self, HostKind, common_header_name};
use super::kind::ValueKind;
use super::text::{push_number, push_number_name, push_string};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt::Write;

/// Appends the value as compact JSON text. What JSON has is printed as `JSON.stringify` prints
/// it, the rest as objects with `$v8`; no two different values give the same text. Objects that
/// are reached twice are printed once, so the text is at most some fifty times as long as the
/// bytes.
pub fn to_json(document: &Document<'_>, out: &mut String) {
    let mut printer = Printer { document, out, frames: Vec::new(), position: 0, next_object: 0 };
    while let Some(token) = printer.next() {
        printer.token(token);
    }
}

/// Appends the value that begins at token `at`, as [`to_json`] prints it; `next_object` objects
/// begin before it.
pub(super) fn part_to_json(document: &Document<'_>, at: usize, next_object: usize, out: &mut String) {
    let mut printer = Printer { document, out, frames: Vec::new(), position: at, next_object };
    while let Some(token) = printer.next() {
        printer.token(token);
        if printer.frames.is_empty() {
            return;
        }
    }
}

/// What an open container does around each of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// `value,value`
    List,
    /// The same, of values whose indices come before them and are not printed.
    IndexedList,
    /// `[key,value],[key,value]`, the keys being values.
    Map,
    /// `"name":value,"name":value`
    Properties,
    /// `["name",value],["name",value]`
    NamedPairs,
    /// `[index,value],["name",value]`
    IndexedPairs,
    /// One value, then the end.
    Single,
    /// The parts print their own names.
    Parts,
    /// `,"name":value` with the kind's names in order.
    Host(HostKind),
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    layout: Layout,
    close: &'static str,
    is_first: bool,
    /// Whether the value to come belongs to a key just printed.
    has_key: bool,
    /// The place of the next value, where places are counted.
    index: u32,
    /// How many elements come without a key, in an array that is printed with them.
    elements: u32,
}

impl Frame {
    fn new(layout: Layout, close: &'static str) -> Self {
        Frame { layout, close, is_first: true, has_key: false, index: 0, elements: 0 }
    }
}

struct Printer<'d, 'o> {
    document: &'d Document<'d>,
    out: &'o mut String,
    frames: Vec<Frame>,
    position: usize,
    next_object: usize,
}

impl Printer<'_, '_> {
    /// The next token that prints.
    fn next(&mut self) -> Option<Token> {
        loop {
            let token = self.document.tokens.get(self.position).copied()?;
            self.position += 1;
            if !matches!(token, Token::Padding(_)) {
                return Some(token);
            }
        }
    }

    fn peek(&self) -> Option<Token> {
        let rest = self.document.tokens.get(self.position..)?;
        rest.iter().find(|token| !matches!(token, Token::Padding(_))).copied()
    }

    /// Gives the next object its number; says it if something refers to it.
    fn object(&mut self) -> Option<usize> {
        let id = self.next_object;
        self.next_object += 1;
        let is_referenced = self.document.referenced.get(id).copied().unwrap_or(false);
        is_referenced.then_some(id)
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = self.out.write_fmt(arguments);
    }

    /// `{"$v8":"name","id":1`
    fn begin_tagged(&mut self, kind: ValueKind, id: Option<usize>) {
        self.write(format_args!("{{\"$v8\":\"{}\"", kind.name()));
        if let Some(id) = id {
            self.write(format_args!(",\"id\":{id}"));
        }
    }

    fn open(&mut self, opening: &str, layout: Layout, close: &'static str) {
        self.out.push_str(opening);
        self.frames.push(Frame::new(layout, close));
    }

    fn token(&mut self, token: Token) {
        match token {
            Token::EndObject { .. }
            | Token::EndArray { .. }
            | Token::EndMap(_)
            | Token::EndSet(_)
            | Token::EndError
            | Token::EndHost => self.close(),
            Token::RegExpFlags(flags) => {
                self.out.push_str(",\"flags\":\"");
                push_flags(self.out, flags);
                self.out.push('"');
                self.close();
            }
            Token::ErrorPart(part) => match part {
                // Printed with the beginning.
                ErrorPart::Prototype(_) => {}
                ErrorPart::Message => self.out.push_str(",\"message\":"),
                ErrorPart::Stack => self.out.push_str(",\"stack\":"),
                ErrorPart::Cause => self.out.push_str(",\"cause\":"),
            },
            Token::Hole => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.index = frame.index.saturating_add(1);
                    frame.elements = frame.elements.saturating_sub(1);
                }
            }
            token => {
                if self.before(token) {
                    self.value(token);
                }
            }
        }
    }

    /// Prints what comes before a value. False if `token` was a key, and is printed.
    fn before(&mut self, token: Token) -> bool {
        let Some(frame) = self.frames.last_mut() else {
            return true;
        };
        if frame.has_key {
            if !matches!(frame.layout, Layout::Properties | Layout::IndexedList) {
                self.out.push(',');
            }
            return true;
        }
        match frame.layout {
            Layout::Single | Layout::Parts => return true,
            Layout::Host(kind) => {
                let name = kind.value_names().get(frame.index as usize);
                frame.index = frame.index.saturating_add(1);
                let name = name.copied().unwrap_or_default();
                self.write(format_args!(",\"{name}\":"));
                return true;
            }
            _ => {}
        }
        if !frame.is_first {
            self.out.push(',');
        }
        frame.is_first = false;
        match frame.layout {
            Layout::List => true,
            Layout::IndexedList => {
                frame.has_key = true;
                false
            }
            Layout::Map => {
                self.out.push('[');
                true
            }
            Layout::IndexedPairs if frame.elements > 0 => {
                let index = frame.index;
                frame.index = frame.index.saturating_add(1);
                frame.elements -= 1;
                frame.has_key = true;
                self.write(format_args!("[{index},"));
                true
            }
            layout => {
                frame.has_key = true;
                if layout != Layout::Properties {
                    self.out.push('[');
                }
                self.name(token, layout == Layout::IndexedPairs);
                if layout == Layout::Properties {
                    self.out.push(':');
                }
                false
            }
        }
    }

    /// Prints a property's name; `with_indices`, an array index as a number.
    fn name(&mut self, token: Token, with_indices: bool) {
        let number = match token {
            Token::String { encoding, bytes } => {
                return push_string(self.out, encoding, bytes.of(self.document.bytes));
            }
            Token::Int32(value) => f64::from(value),
            Token::Uint32(value) => f64::from(value),
            Token::Double(bits) => f64::from_bits(bits),
            _ => return,
        };
        let quote = if with_indices && array_index(number).is_some() { "" } else { "\"" };
        self.out.push_str(quote);
        push_number_name(self.out, number.to_bits());
        self.out.push_str(quote);
    }

    /// Closes the innermost container, which completes a value.
    fn close(&mut self) {
        if let Some(frame) = self.frames.pop() {
            self.out.push_str(frame.close);
        }
        self.after();
    }

    /// Prints what comes after a complete value.
    fn after(&mut self) {
        while let Some(frame) = self.frames.last_mut() {
            match frame.layout {
                Layout::Single => {
                    let close = frame.close;
                    self.out.push_str(close);
                    self.frames.pop();
                    continue;
                }
                Layout::Map if !frame.has_key => frame.has_key = true,
                Layout::Map | Layout::NamedPairs | Layout::IndexedPairs => {
                    frame.has_key = false;
                    self.out.push(']');
                }
                Layout::Properties | Layout::IndexedList => frame.has_key = false,
                Layout::List | Layout::Parts | Layout::Host(_) => {}
            }
            return;
        }
    }

    /// Prints a value, or the beginning of a container.
    fn value(&mut self, token: Token) {
        match token {
            Token::Undefined => self.out.push_str("{\"$v8\":\"undefined\"}"),
            Token::Null => self.out.push_str("null"),
            Token::Boolean(value) => self.write(format_args!("{value}")),
            Token::Int32(value) => self.write(format_args!("{value}")),
            Token::Uint32(value) => self.write(format_args!("{value}")),
            Token::Double(bits) => push_number(self.out, bits),
            Token::BigInt { bitfield, digits } => {
                self.begin_tagged(ValueKind::BigInt, None);
                self.bigint(bitfield, digits);
            }
            Token::String { encoding, bytes } => {
                push_string(self.out, encoding, bytes.of(self.document.bytes));
            }
            Token::Reference(id) => match self.peek() {
                Some(Token::View { .. }) => self.view_by_reference(id),
                _ => self.reference(id),
            },
            Token::ArrayBuffer(bytes) => return self.buffer(bytes, None),
            Token::ResizableArrayBuffer { bytes, maximum_bytes } => {
                return self.buffer(bytes, Some(maximum_bytes));
            }
            container => return self.object_value(container),
        }
        self.after();
    }

    fn object_value(&mut self, token: Token) {
        let id = self.object();
        match token {
            Token::BeginObject { reserved: true } => {
                self.begin_tagged(ValueKind::Object, id);
                return self.open(",\"entries\":[", Layout::NamedPairs, "]}");
            }
            Token::BeginObject { reserved: false } => {
                if id.is_none() {
                    return self.open("{", Layout::Properties, "}");
                }
                self.begin_tagged(ValueKind::Object, id);
                return self.open(",\"properties\":{", Layout::Properties, "}}");
            }
            Token::BeginArray { dense, plain, length } => return self.array(dense, plain, length, id),
            Token::BeginMap => {
                self.begin_tagged(ValueKind::Map, id);
                return self.open(",\"entries\":[", Layout::Map, "]}");
            }
            Token::BeginSet => {
                self.begin_tagged(ValueKind::Set, id);
                return self.open(",\"values\":[", Layout::List, "]}");
            }
            Token::StringObject => {
                self.begin_tagged(ValueKind::StringObject, id);
                return self.open(",\"value\":", Layout::Single, "}");
            }
            Token::RegExp => {
                self.begin_tagged(ValueKind::RegExp, id);
                return self.open(",\"source\":", Layout::Parts, "}");
            }
            Token::BeginError => {
                self.begin_tagged(ValueKind::Error, id);
                let name = match self.peek() {
                    Some(Token::ErrorPart(ErrorPart::Prototype(letter))) => error_name(letter),
                    _ => "Error",
                };
                self.write(format_args!(",\"name\":\"{name}\""));
                return self.open("", Layout::Parts, "}");
            }
            Token::BeginHost(kind) => return self.host(kind, id),
            Token::Date(bits) => self.date(bits, id),
            Token::BooleanObject(value) => {
                self.begin_tagged(ValueKind::BooleanObject, id);
                self.write(format_args!(",\"value\":{value}}}"));
            }
            Token::NumberObject(bits) => {
                self.begin_tagged(ValueKind::NumberObject, id);
                self.out.push_str(",\"value\":");
                push_number(self.out, bits);
                self.out.push('}');
            }
            Token::BigIntObject { bitfield, digits } => {
                self.begin_tagged(ValueKind::BigIntObject, id);
                self.bigint(bitfield, digits);
            }
            // Everything else is printed where it stands: by `token`, `value` or `host`.
            _ => {}
        }
        self.after();
    }

    fn array(&mut self, dense: bool, plain: bool, length: u32, id: Option<usize>) {
        if plain {
            if id.is_some() {
                self.begin_tagged(ValueKind::Array, id);
                self.open(",\"values\":[", Layout::List, "]}");
            } else {
                self.open("[", Layout::List, "]");
            }
            // A sparse array spells its indices out; a list counts them itself.
            if !dense && let Some(frame) = self.frames.last_mut() {
                frame.layout = Layout::IndexedList;
            }
            return;
        }
        self.begin_tagged(ValueKind::Array, id);
        self.write(format_args!(",\"length\":{length}"));
        self.open(",\"entries\":[", Layout::IndexedPairs, "]}");
        if dense && let Some(frame) = self.frames.last_mut() {
            frame.elements = length;
        }
    }

    fn reference(&mut self, id: u32) {
        self.write(format_args!("{{\"$v8\":\"reference\",\"id\":{id}}}"));
    }

    /// `,"value":"123"}`
    fn bigint(&mut self, bitfield: u32, digits: Span) {
        self.out.push_str(",\"value\":\"");
        bigint::push(self.out, bitfield, digits.of(self.document.bytes));
        self.out.push_str("\"}");
    }

    fn date(&mut self, bits: u64, id: Option<usize>) {
        self.begin_tagged(ValueKind::Date, id);
        let start = self.out.len();
        self.out.push_str(",\"value\":\"");
        if date::push_iso(self.out, f64::from_bits(bits)) {
            self.out.push_str("\"}");
        } else {
            self.out.truncate(start);
            self.out.push_str(",\"milliseconds\":");
            push_number(self.out, bits);
            self.out.push('}');
        }
    }

    fn base64(&mut self, bytes: Span) {
        self.out.push_str(",\"value\":\"");
        BASE64.encode_string(bytes.of(self.document.bytes), self.out);
        self.out.push('"');
    }

    /// A buffer, and the view that follows it if one does.
    fn buffer(&mut self, bytes: Span, maximum_bytes: Option<u32>) {
        let buffer_id = self.object();
        let Some(Token::View { kind, flags, offset_bytes, length_bytes }) = self.peek() else {
            self.buffer_text(bytes, maximum_bytes, buffer_id);
            return self.after();
        };
        self.next();
        let view_id = self.object();
        self.begin_view(kind, view_id);
        if buffer_id.is_none() && maximum_bytes.is_none() && length_bytes == bytes.length {
            // The ordinary case: a view of all of a buffer that nothing else shows.
            self.base64(bytes);
            self.out.push('}');
        } else {
            self.out.push_str(",\"buffer\":");
            self.buffer_text(bytes, maximum_bytes, buffer_id);
            self.end_view(flags, offset_bytes, length_bytes);
        }
        self.after();
    }

    fn buffer_text(&mut self, bytes: Span, maximum_bytes: Option<u32>, id: Option<usize>) {
        self.begin_tagged(ValueKind::ArrayBuffer, id);
        if let Some(maximum_bytes) = maximum_bytes {
            self.write(format_args!(",\"maximum_bytes\":{maximum_bytes}"));
        }
        self.base64(bytes);
        self.out.push('}');
    }

    /// A view of a buffer that came before.
    fn view_by_reference(&mut self, buffer: u32) {
        if let Some(Token::View { kind, flags, offset_bytes, length_bytes }) = self.next() {
            let id = self.object();
            self.begin_view(kind, id);
            self.out.push_str(",\"buffer\":");
            self.reference(buffer);
            self.end_view(flags, offset_bytes, length_bytes);
        }
    }

    fn begin_view(&mut self, letter: u8, id: Option<usize>) {
        let kind = ViewKind::from_tag(letter).map_or(ValueKind::DataView, |view| view.kind);
        self.begin_tagged(kind, id);
    }

    fn end_view(&mut self, flags: u8, offset_bytes: u32, length_bytes: u32) {
        self.write(format_args!(",\"offset_bytes\":{offset_bytes}"));
        if flags & LENGTH_TRACKING != 0 {
            // V8 writes 0 for the length, and computes it from the buffer.
            self.out.push_str(",\"length_tracking\":true}");
        } else {
            self.write(format_args!(",\"length_bytes\":{length_bytes}}}"));
        }
    }

    /// A host object's beginning and all of it that is not values.
    fn host(&mut self, kind: HostKind, id: Option<usize>) {
        self.begin_tagged(kind.value_kind(), id);
        let mut first_value = 0;
        match kind {
            HostKind::Headers => self.headers(),
            HostKind::Request => self.host_text(",\"url\":"),
            HostKind::Response => {}
            HostKind::DomException => {
                self.host_text(",\"name\":");
                self.host_text(",\"message\":");
                self.host_text(",\"stack\":");
            }
            HostKind::NativeError => {
                if let Ok(Some(name)) = host::native_error_name(self.host_number(), 0) {
                    self.write(format_args!(",\"name\":\"{name}\""));
                    first_value = 1;
                }
            }
            HostKind::Blob => {
                self.host_text(",\"media_type\":");
                if let Some(Token::HostBytes(bytes)) = self.next() {
                    self.base64(bytes);
                }
            }
        }
        self.open("", Layout::Host(kind), "}");
        if let Some(frame) = self.frames.last_mut() {
            frame.index = first_value;
        }
    }

    fn headers(&mut self) {
        let guard = self.host_number();
        if guard != host::GUARD_NONE {
            self.write(format_args!(",\"guard\":{guard}"));
        }
        self.out.push_str(",\"entries\":[");
        for place in 0..self.host_number() {
            self.out.push_str(if place == 0 { "[" } else { ",[" });
            match common_header_name(self.host_number()) {
                Some(name) => self.write(format_args!("\"{name}\"")),
                None => self.host_text(""),
            }
            self.host_text(",");
            self.out.push(']');
        }
        self.out.push(']');
    }

    fn host_number(&mut self) -> u32 {
        match self.next() {
            Some(Token::HostNumber(number)) => number,
            _ => 0,
        }
    }

    fn host_text(&mut self, before: &str) {
        self.out.push_str(before);
        if let Some(Token::HostBytes(bytes)) = self.next() {
            push_string(self.out, Encoding::Utf8, bytes.of(self.document.bytes));
        }
    }
}

/// The letters of V8's flags, in the order in which `RegExp.prototype.flags` gives them; `l` is
/// V8's own `linear`.
fn push_flags(out: &mut String, flags: u32) {
    const LETTERS: [(char, u32); 9] =
        [('d', 7), ('g', 0), ('i', 1), ('l', 6), ('m', 2), ('s', 5), ('u', 4), ('v', 8), ('y', 3)];
    for (letter, bit) in LETTERS {
        if flags >> bit & 1 == 1 {
            out.push(letter);
        }
    }
}

fn error_name(letter: u8) -> &'static str {
    match letter {
        b'E' => "EvalError",
        b'R' => "RangeError",
        b'F' => "ReferenceError",
        b'S' => "SyntaxError",
        b'T' => "TypeError",
        b'U' => "URIError",
        _ => "Error",
    }
}
