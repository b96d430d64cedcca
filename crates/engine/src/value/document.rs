//! A value as a flat sequence of tokens.

use super::host::HostKind;
use super::kind::ValueKind;

/// Bytes of the input: where and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u32,
    pub length: u32,
}

impl Span {
    /// The bytes meant, out of the input they were read from.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize;
        bytes.get(start..start + self.length as usize).unwrap_or_default()
    }
}

/// How a string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Latin-1.
    OneByte,
    /// UTF-16, little-endian, possibly with lone surrogates.
    TwoByte,
    /// UTF-8.
    Utf8,
}

/// What a view shows its buffer as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ViewKind {
    /// V8's letter for it.
    pub tag: u8,
    /// Bytes of one element.
    pub element_bytes: u32,
    /// The type's name.
    pub kind: ValueKind,
}

impl ViewKind {
    /// The view that V8 writes as `tag`.
    pub fn from_tag(tag: u8) -> Option<Self> {
        let (element_bytes, kind) = match tag {
            b'b' => (1, ValueKind::Int8Array),
            b'B' => (1, ValueKind::Uint8Array),
            b'C' => (1, ValueKind::Uint8ClampedArray),
            b'w' => (2, ValueKind::Int16Array),
            b'W' => (2, ValueKind::Uint16Array),
            b'd' => (4, ValueKind::Int32Array),
            b'D' => (4, ValueKind::Uint32Array),
            b'h' => (2, ValueKind::Float16Array),
            b'f' => (4, ValueKind::Float32Array),
            b'F' => (8, ValueKind::Float64Array),
            b'q' => (8, ValueKind::BigInt64Array),
            b'Q' => (8, ValueKind::BigUint64Array),
            b'?' => (1, ValueKind::DataView),
            _ => return None,
        };
        Some(ViewKind { tag, element_bytes, kind })
    }
}

/// A view's flag: its length follows the buffer's.
pub(super) const LENGTH_TRACKING: u8 = 1;
/// A view's flag: its buffer is resizable.
pub(super) const BACKED_BY_RESIZABLE: u8 = 2;

/// One part of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorPart {
    /// Which constructor made it, by V8's letter; without it, `Error`.
    Prototype(u8),
    /// A string follows.
    Message,
    /// A string follows.
    Stack,
    /// Any value follows.
    Cause,
}

/// A piece of a value, in the order of the bytes. Containers begin, hold their parts and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// Exactly so many padding bytes stand before the next tag, where V8 would write another
    /// number of them.
    Padding(u32),
    Undefined,
    Null,
    Boolean(bool),
    /// A missing element of a dense array.
    Hole,
    Int32(i32),
    Uint32(u32),
    /// A double's bits.
    Double(u64),
    BigInt {
        bitfield: u32,
        digits: Span,
    },
    String {
        encoding: Encoding,
        bytes: Span,
    },
    /// The object that was the `n`th to begin.
    Reference(u32),
    /// `reserved`: one of its names is `$v8`.
    BeginObject {
        reserved: bool,
    },
    EndObject {
        properties: u32,
    },
    /// `plain`: every element is there and nothing else.
    BeginArray {
        dense: bool,
        plain: bool,
        length: u32,
    },
    EndArray {
        dense: bool,
        properties: u32,
        length: u32,
    },
    /// Milliseconds since 1970, a double's bits.
    Date(u64),
    BooleanObject(bool),
    NumberObject(u64),
    BigIntObject {
        bitfield: u32,
        digits: Span,
    },
    /// Its string follows.
    StringObject,
    /// Its source follows, then `RegExpFlags`.
    RegExp,
    RegExpFlags(u32),
    BeginMap,
    /// Keys and values together.
    EndMap(u32),
    BeginSet,
    EndSet(u32),
    ArrayBuffer(Span),
    ResizableArrayBuffer {
        bytes: Span,
        maximum_bytes: u32,
    },
    /// A view of the buffer just before it, which is an `ArrayBuffer` or a `Reference` to one.
    View {
        kind: u8,
        flags: u8,
        offset_bytes: u32,
        length_bytes: u32,
    },
    BeginError,
    ErrorPart(ErrorPart),
    EndError,
    BeginHost(HostKind),
    /// A number of a host object, not a value.
    HostNumber(u32),
    /// A string of a host object, not a value.
    HostBytes(Span),
    EndHost,
}

impl Token {
    /// Whether the token gives an object its number.
    pub fn begins_object(self) -> bool {
        matches!(
            self,
            Token::BeginObject { .. }
                | Token::BeginArray { .. }
                | Token::Date(_)
                | Token::BooleanObject(_)
                | Token::NumberObject(_)
                | Token::BigIntObject { .. }
                | Token::StringObject
                | Token::RegExp
                | Token::BeginMap
                | Token::BeginSet
                | Token::ArrayBuffer(_)
                | Token::ResizableArrayBuffer { .. }
                | Token::View { .. }
                | Token::BeginError
                | Token::BeginHost(_)
        )
    }
}

// Memory stays within a constant multiple of the input: the shortest value is one byte.
const _: () = assert!(size_of::<Token>() == 16);

/// A decoded value. It borrows the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) version: u32,
    pub(super) has_header: bool,
    /// Whether views carry flags: from version 14 on, and in version 13 as one release wrote it.
    pub(super) has_view_flags: bool,
    pub(super) tokens: Vec<Token>,
    /// For each object in the order they begin: whether a reference points at it.
    pub(super) referenced: Vec<bool>,
    /// What follows the value; V8 does not look at it.
    pub(super) trailing: &'a [u8],
}

impl Document<'_> {
    /// The format's version: 13, 14 or 15. Bytes without a header are version 13.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Bytes after the value, which V8 does not read.
    pub fn trailing_bytes(&self) -> usize {
        self.trailing.len()
    }
}
