//! What a value is, from its first bytes.

use super::decode::read_header;
use super::document::ViewKind;
use super::host::HostKind;
use super::reader::{Reader, malformed, unsupported};
use super::tag;
use crate::error::{Error, Result};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)*) => {
        /// The type of a stored value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ValueKind {
            $($(#[$doc])* $variant,)*
        }

        impl ValueKind {
            /// Every kind.
            pub const ALL: &'static [ValueKind] = &[$(ValueKind::$variant,)*];

            /// The name as `inspect` counts it and as `$v8` says it in JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $(ValueKind::$variant => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// `undefined`.
    Undefined "undefined",
    /// `null`.
    Null "null",
    /// `true` or `false`.
    Boolean "boolean",
    /// A number.
    Number "number",
    /// A BigInt.
    BigInt "bigint",
    /// A string.
    String "string",
    /// An object with names and values.
    Object "object",
    /// An array, dense or sparse.
    Array "array",
    /// A `Date`.
    Date "date",
    /// A `Boolean` object.
    BooleanObject "boolean-object",
    /// A `Number` object.
    NumberObject "number-object",
    /// An object around a BigInt.
    BigIntObject "bigint-object",
    /// A `String` object.
    StringObject "string-object",
    /// A `RegExp`.
    RegExp "regexp",
    /// A `Map`.
    Map "map",
    /// A `Set`.
    Set "set",
    /// An `ArrayBuffer`, resizable or not.
    ArrayBuffer "arraybuffer",
    /// An `Int8Array`.
    Int8Array "int8array",
    /// A `Uint8Array`.
    Uint8Array "uint8array",
    /// A `Uint8ClampedArray`.
    Uint8ClampedArray "uint8clampedarray",
    /// An `Int16Array`.
    Int16Array "int16array",
    /// A `Uint16Array`.
    Uint16Array "uint16array",
    /// An `Int32Array`.
    Int32Array "int32array",
    /// A `Uint32Array`.
    Uint32Array "uint32array",
    /// A `Float16Array`.
    Float16Array "float16array",
    /// A `Float32Array`.
    Float32Array "float32array",
    /// A `Float64Array`.
    Float64Array "float64array",
    /// A `BigInt64Array`.
    BigInt64Array "bigint64array",
    /// A `BigUint64Array`.
    BigUint64Array "biguint64array",
    /// A `DataView`.
    DataView "dataview",
    /// An `Error` of any kind.
    Error "error",
    /// A `DOMException`.
    DomException "domexception",
    /// A `Headers` object.
    Headers "headers",
    /// A `Request` without a body.
    Request "request",
    /// A `Response` without a body.
    Response "response",
    /// A `Blob`.
    Blob "blob",
}

/// The type of the value in `bytes`. Looks at the first few bytes (and, behind an `ArrayBuffer`,
/// at the few after it), so it neither allocates nor vouches for the rest.
///
/// # Errors
/// No value, an unknown version or tag, or a type that cannot be carried; names the byte.
pub fn kind(bytes: &[u8]) -> Result<ValueKind> {
    let mut reader = Reader::new(bytes)?;
    read_header(&mut reader)?;
    let found = reader.tag("a value")?;
    Ok(match found.byte {
        tag::UNDEFINED => ValueKind::Undefined,
        tag::NULL => ValueKind::Null,
        tag::TRUE | tag::FALSE => ValueKind::Boolean,
        tag::INT32 | tag::UINT32 | tag::DOUBLE => ValueKind::Number,
        tag::BIGINT => ValueKind::BigInt,
        tag::UTF8_STRING | tag::ONE_BYTE_STRING | tag::TWO_BYTE_STRING => ValueKind::String,
        tag::BEGIN_OBJECT => ValueKind::Object,
        tag::BEGIN_DENSE_ARRAY | tag::BEGIN_SPARSE_ARRAY => ValueKind::Array,
        tag::DATE => ValueKind::Date,
        tag::TRUE_OBJECT | tag::FALSE_OBJECT => ValueKind::BooleanObject,
        tag::NUMBER_OBJECT => ValueKind::NumberObject,
        tag::BIGINT_OBJECT => ValueKind::BigIntObject,
        tag::STRING_OBJECT => ValueKind::StringObject,
        tag::REGEXP => ValueKind::RegExp,
        tag::BEGIN_MAP => ValueKind::Map,
        tag::BEGIN_SET => ValueKind::Set,
        tag::ERROR => ValueKind::Error,
        tag::HOST_OBJECT => {
            let offset = reader.position();
            HostKind::from_number(reader.u32("a host object's type")?, offset)?.value_kind()
        }
        tag::ARRAY_BUFFER | tag::RESIZABLE_ARRAY_BUFFER => {
            let length = reader.u32("an ArrayBuffer's length")?;
            if found.byte == tag::RESIZABLE_ARRAY_BUFFER {
                reader.u32("an ArrayBuffer's maximum length")?;
            }
            reader.span(u64::from(length), "an ArrayBuffer")?;
            match reader.tag("") {
                Ok(next) if next.byte == tag::VIEW => {
                    let offset = reader.position();
                    let letter = reader.byte("a view's type")?;
                    ViewKind::from_tag(letter).ok_or_else(|| unknown_view(letter, offset))?.kind
                }
                _ => ValueKind::ArrayBuffer,
            }
        }
        byte => return Err(unknown_tag(byte, found.offset)),
    })
}

/// A tag that begins no value here.
pub(super) fn unknown_tag(byte: u8, offset: usize) -> Error {
    match tag::refusal(byte) {
        Some(reason) => unsupported(offset, format!("{reason}; it cannot be carried")),
        None => malformed(offset, format!("no value begins with the byte 0x{byte:02x}")),
    }
}

/// A view of a type that V8 does not have.
pub(super) fn unknown_view(letter: u8, offset: usize) -> Error {
    malformed(offset, format!("no view has the type 0x{letter:02x}"))
}
