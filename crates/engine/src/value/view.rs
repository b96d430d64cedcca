//! A decoded value's parts, looked at in place.

use std::borrow::Cow;

use super::document::{Document, Encoding, Token};
use super::json::part_to_json;
use super::text::{push_number, push_number_name, push_string};

/// A document made ready to be looked at.
#[derive(Debug)]
pub struct Parts<'d> {
    document: &'d Document<'d>,
    /// The tokens at which objects begin.
    objects: Vec<u32>,
}

/// One value inside a document, its root to begin with.
#[derive(Debug, Clone, Copy)]
pub struct View<'d> {
    parts: &'d Parts<'d>,
    document: &'d Document<'d>,
    /// The index of the value's first token.
    at: usize,
}

impl<'d> Parts<'d> {
    /// The parts of `document`.
    pub fn of(document: &'d Document<'d>) -> Self {
        let objects = (0..).zip(&document.tokens).filter(|(_, token)| token.begins_object());
        Parts { document, objects: objects.map(|(at, _)| at).collect() }
    }

    /// The whole value.
    pub fn root(&'d self) -> View<'d> {
        View { parts: self, document: self.document, at: self.document.after_padding(0) }
    }
}

impl Document<'_> {
    fn after_padding(&self, mut at: usize) -> usize {
        while matches!(self.tokens.get(at), Some(Token::Padding(_))) {
            at += 1;
        }
        at
    }

    /// The index after the value that begins at `at`.
    fn after(&self, at: usize) -> usize {
        let mut at = self.after_padding(at);
        let mut depth = 0_u64;
        loop {
            match self.tokens.get(at) {
                None => return at,
                Some(
                    Token::BeginObject { .. }
                    | Token::BeginArray { .. }
                    | Token::BeginMap
                    | Token::BeginSet
                    | Token::BeginError
                    | Token::BeginHost(_)
                    | Token::RegExp,
                ) => depth += 1,
                Some(
                    Token::EndObject { .. }
                    | Token::EndArray { .. }
                    | Token::EndMap(_)
                    | Token::EndSet(_)
                    | Token::EndError
                    | Token::EndHost
                    | Token::RegExpFlags(_),
                ) => depth = depth.saturating_sub(1),
                // Its string is a token of its own.
                Some(Token::StringObject) => at = self.after_padding(at + 1),
                Some(_) => {}
            }
            at += 1;
            if depth == 0 {
                // A view follows the buffer that it shows.
                let next = self.after_padding(at);
                return if matches!(self.tokens.get(next), Some(Token::View { .. })) { next + 1 } else { at };
            }
        }
    }
}

impl<'d> View<'d> {
    fn token(self) -> Option<Token> {
        self.document.tokens.get(self.at).copied()
    }

    /// Whether it is `undefined`.
    pub fn is_undefined(self) -> bool {
        matches!(self.token(), Some(Token::Undefined))
    }

    /// The boolean that it is.
    pub fn boolean(self) -> Option<bool> {
        match self.token()? {
            Token::Boolean(value) => Some(value),
            _ => None,
        }
    }

    /// The number that it is.
    pub fn number(self) -> Option<f64> {
        match self.token()? {
            Token::Int32(number) => Some(f64::from(number)),
            Token::Uint32(number) => Some(f64::from(number)),
            Token::Double(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// The text that it is, lone surrogates replaced by U+FFFD.
    pub fn text(self) -> Option<Cow<'d, str>> {
        let Token::String { encoding, bytes } = self.token()? else {
            return None;
        };
        Some(text(encoding, bytes.of(self.document.bytes)))
    }

    /// The bytes that an `ArrayBuffer`, or a view of one, shows.
    pub fn bytes(self) -> Option<&'d [u8]> {
        let (Token::ArrayBuffer(span) | Token::ResizableArrayBuffer { bytes: span, .. }) = self.token()?
        else {
            return None;
        };
        let buffer = span.of(self.document.bytes);
        match self.document.tokens.get(self.document.after_padding(self.at + 1)) {
            Some(Token::View { flags, offset_bytes, length_bytes, .. }) => {
                let shown = buffer.get(*offset_bytes as usize..)?;
                match flags & super::document::LENGTH_TRACKING {
                    0 => shown.get(..*length_bytes as usize),
                    _ => Some(shown),
                }
            }
            _ => Some(buffer),
        }
    }

    /// The names and values of an object, or of a `Map` whose keys are text; `None` for anything
    /// else, and after a name that is no text.
    pub fn properties(self) -> Option<Properties<'d>> {
        match self.token()? {
            Token::BeginObject { .. } | Token::BeginMap => Some(Properties { outer: self, at: self.at + 1 }),
            _ => None,
        }
    }

    /// The elements of an array without holes or named properties. V8 writes some such arrays as
    /// sparse ones, each element after its index.
    pub fn elements(self) -> Option<Elements<'d>> {
        match self.token()? {
            Token::BeginArray { dense, plain: true, length } => {
                Some(Elements { outer: self, at: self.at + 1, remaining: length, is_dense: dense })
            }
            _ => None,
        }
    }

    /// Appends it as `JSON.stringify` prints it: without properties that are `undefined`, and with
    /// `null` for such elements and for numbers that JSON does not have. What JSON does not have at
    /// all is printed by the scheme of `docs/VALUES.md`.
    pub fn stringify(self, out: &mut String) {
        let begun = out.len();
        if stringify(self, out).is_none() {
            out.truncate(begun);
            let next_object = self.parts.objects.partition_point(|begin| (*begin as usize) < self.at);
            part_to_json(self.document, self.at, next_object, out);
        }
    }
}

/// Text of either width.
fn text(encoding: Encoding, bytes: &[u8]) -> Cow<'_, str> {
    match encoding {
        Encoding::OneByte if bytes.is_ascii() => String::from_utf8_lossy(bytes),
        Encoding::OneByte => bytes.iter().copied().map(char::from).collect::<String>().into(),
        Encoding::Utf8 => String::from_utf8_lossy(bytes),
        Encoding::TwoByte => {
            let (pairs, _) = bytes.as_chunks();
            let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
            let characters = char::decode_utf16(units);
            characters.map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into()
        }
    }
}

/// An object's properties in order.
#[derive(Debug)]
pub struct Properties<'d> {
    outer: View<'d>,
    at: usize,
}

impl<'d> Iterator for Properties<'d> {
    type Item = (Cow<'d, str>, View<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        let document = self.outer.document;
        let at = document.after_padding(self.at);
        let name = match document.tokens.get(at)? {
            Token::String { encoding, bytes } => text(*encoding, bytes.of(document.bytes)),
            Token::Int32(number) => number.to_string().into(),
            Token::Uint32(number) => number.to_string().into(),
            _ => return None,
        };
        let value = document.after_padding(at + 1);
        self.at = document.after(value);
        Some((name, View { at: value, ..self.outer }))
    }
}

/// An array's elements in order.
#[derive(Debug)]
pub struct Elements<'d> {
    outer: View<'d>,
    at: usize,
    remaining: u32,
    is_dense: bool,
}

impl<'d> Iterator for Elements<'d> {
    type Item = View<'d>;

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        let mut at = self.outer.document.after_padding(self.at);
        if !self.is_dense {
            at = self.outer.document.after_padding(at + 1);
        }
        self.at = self.outer.document.after(at);
        Some(View { at, ..self.outer })
    }
}

/// An open object or array while it is printed.
struct Open {
    kind: Kind,
    is_first: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Dense,
    /// Each element comes after its index.
    Sparse,
}

/// Prints a value that JSON has; `None` where it does not. Depth of nesting is memory, not stack.
fn stringify(view: View<'_>, out: &mut String) -> Option<()> {
    let document = view.document;
    let end = document.after(view.at);
    let mut open: Vec<Open> = Vec::new();
    let mut at = view.at;
    while at < end {
        at = document.after_padding(at);
        let token = *document.tokens.get(at)?;
        if let Token::EndObject { .. } | Token::EndArray { .. } = token {
            out.push(if open.pop()?.kind == Kind::Object { '}' } else { ']' });
            at += 1;
            continue;
        }
        if let Some(container) = open.last_mut() {
            let is_object = container.kind == Kind::Object;
            let value = if container.kind == Kind::Dense { at } else { document.after_padding(at + 1) };
            if is_object && matches!(document.tokens.get(value), Some(Token::Undefined)) {
                at = value + 1;
                continue;
            }
            if !container.is_first {
                out.push(',');
            }
            container.is_first = false;
            if is_object {
                match token {
                    Token::String { encoding, bytes } => push_string(out, encoding, bytes.of(document.bytes)),
                    Token::Int32(number) => push_name(out, f64::from(number)),
                    Token::Uint32(number) => push_name(out, f64::from(number)),
                    Token::Double(bits) => push_name(out, f64::from_bits(bits)),
                    _ => return None,
                }
                out.push(':');
            }
            at = value;
        }
        match *document.tokens.get(at)? {
            Token::Undefined if open.is_empty() => return None,
            Token::Null | Token::Undefined => out.push_str("null"),
            Token::Boolean(value) => out.push_str(if value { "true" } else { "false" }),
            Token::Int32(number) => push_number(out, f64::from(number).to_bits()),
            Token::Uint32(number) => push_number(out, f64::from(number).to_bits()),
            Token::Double(bits) => match f64::from_bits(bits) {
                number if !number.is_finite() => out.push_str("null"),
                0.0 => out.push('0'),
                _ => push_number(out, bits),
            },
            Token::String { encoding, bytes } => push_string(out, encoding, bytes.of(document.bytes)),
            Token::BeginObject { .. } => {
                out.push('{');
                open.push(Open { kind: Kind::Object, is_first: true });
            }
            Token::BeginArray { dense, plain: true, .. } => {
                out.push('[');
                open.push(Open { kind: if dense { Kind::Dense } else { Kind::Sparse }, is_first: true });
            }
            _ => return None,
        }
        at += 1;
    }
    open.is_empty().then_some(())
}

fn push_name(out: &mut String, number: f64) {
    out.push('"');
    push_number_name(out, number.to_bits());
    out.push('"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::decode;
    use super::Parts;

    /// `{a: 1, b: undefined, c: [true, undefined, "x"], d: new Uint8Array([1, 2]), e: NaN}`
    const OBJECT: &[u8] = b"\xff\x0fo\"\x01aI\x02\"\x01b_\"\x01cA\x03T_\"\x01x$\0\x03\"\x01dB\x04\x07\x01\x02\x08VB\x01\x02\0\"\x01eN\0\0\0\0\0\0\xf8\x7f{\x05";

    #[test]
    fn parts_are_found_by_name() {
        let document = decode(OBJECT).unwrap();
        let parts = Parts::of(&document);
        let parts: Vec<_> = parts.root().properties().unwrap().collect();
        let names: Vec<_> = parts.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
        assert_eq!(parts[0].1.number(), Some(1.0));
        assert!(parts[1].1.is_undefined());
        assert_eq!(parts[3].1.bytes(), Some(&[1, 2][..]));
        let elements: Vec<_> = parts[2].1.elements().unwrap().collect();
        assert_eq!(elements.len(), 3);
        assert_eq!(elements[2].text().as_deref(), Some("x"));
    }

    #[test]
    fn json_is_what_stringify_prints() {
        let document = decode(OBJECT).unwrap();
        let mut texts = Vec::new();
        for (_, part) in Parts::of(&document).root().properties().unwrap() {
            let mut text = String::new();
            part.stringify(&mut text);
            texts.push(text);
        }
        assert_eq!(texts[2], r#"[true,null,"x"]"#);
        assert_eq!(texts[4], "null");
        assert!(texts[3].contains("uint8array"), "{}", texts[3]);
        // An array of V8's sparse kind, without holes.
        let sparse = b"\xff\x0fa\x02I\0I\x02I\x02_@\x02\x02";
        let document = decode(sparse).unwrap();
        let parts = Parts::of(&document);
        let elements: Vec<_> = parts.root().elements().unwrap().collect();
        assert_eq!(elements[0].number(), Some(1.0));
        assert!(elements[1].is_undefined());
        let mut text = String::new();
        parts.root().stringify(&mut text);
        assert_eq!(text, "[1,null]");
        let plain = b"\xff\x0fo\"\x01aI\x02\"\x01b_\"\x01cA\x02o{\0N\0\0\0\0\0\0\0\x80$\0\x02{\x03";
        let document = decode(plain).unwrap();
        let mut text = String::new();
        Parts::of(&document).root().stringify(&mut text);
        assert_eq!(text, r#"{"a":1,"c":[{},0]}"#);
    }
}
