//! The objects that workerd writes itself, inside V8's tag for host objects.
//!
//! The numbers are `SerializationTag` of workerd's `worker-interface.capnp`. Nothing in the bytes
//! says how long such an object is, so one that is not known here cannot be stepped over.

use super::kind::ValueKind;
use super::reader::{malformed, unsupported};
use crate::error::Result;

/// A host object whose layout is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostKind {
    /// A guard, a count and so many names and values.
    Headers,
    /// A URL; then the value of its other fields.
    Request,
    /// The value of its body (`null`); then the value of its other fields.
    Response,
    /// Name, message and stack.
    DomException,
    /// An error under the compatibility flag `enhanced_error_serialization`: a type's number;
    /// then the values of its name (for a type without number), message and other properties.
    NativeError,
    /// A media type and bytes.
    Blob,
}

impl HostKind {
    /// The kind of a workerd tag read at `offset`.
    pub fn from_number(number: u32, offset: usize) -> Result<Self> {
        let refused = match number {
            4 => return Ok(HostKind::Headers),
            5 => return Ok(HostKind::Request),
            6 => return Ok(HostKind::Response),
            8 => return Ok(HostKind::DomException),
            10 => return Ok(HostKind::NativeError),
            15 => return Ok(HostKind::Blob),
            1 => "a stub for remote calls",
            2 => "a WritableStream",
            3 => "a ReadableStream",
            7 => "a DOMException as workerd wrote it in 2024",
            9 => "an AbortSignal",
            11 => "a service stub",
            12 => "a Durable Object class",
            13 => "an R2 bucket",
            14 => "a KV namespace",
            16 => "a socket",
            _ => {
                return Err(unsupported(
                    offset,
                    format!("an object of workerd's type {number}, which this version does not know"),
                ));
            }
        };
        Err(unsupported(offset, format!("{refused}; it cannot be carried")))
    }

    /// The number that workerd writes.
    pub fn number(self) -> u32 {
        match self {
            HostKind::Headers => 4,
            HostKind::Request => 5,
            HostKind::Response => 6,
            HostKind::DomException => 8,
            HostKind::NativeError => 10,
            HostKind::Blob => 15,
        }
    }

    /// What the value is.
    pub fn value_kind(self) -> ValueKind {
        match self {
            HostKind::Headers => ValueKind::Headers,
            HostKind::Request => ValueKind::Request,
            HostKind::Response => ValueKind::Response,
            HostKind::DomException => ValueKind::DomException,
            HostKind::NativeError => ValueKind::Error,
            HostKind::Blob => ValueKind::Blob,
        }
    }

    /// The JSON names of the values inside, in order.
    pub fn value_names(self) -> &'static [&'static str] {
        match self {
            HostKind::Request => &["init"],
            HostKind::Response => &["body", "init"],
            HostKind::NativeError => &["name", "message", "properties"],
            HostKind::Headers | HostKind::DomException | HostKind::Blob => &[],
        }
    }
}

/// The guard of headers that may be changed: the ordinary kind. Others are immutable (0), of a
/// request (1), of a response (2).
pub(super) const GUARD_NONE: u32 = 3;

/// `ErrorTag` of workerd's `ser.c++`; 0 is an error of another name.
const NATIVE_ERRORS: [&str; 13] = [
    "Error",
    "TypeError",
    "RangeError",
    "ReferenceError",
    "SyntaxError",
    "WasmCompileError",
    "WasmLinkError",
    "WasmRuntimeError",
    "WasmSuspendError",
    "EvalError",
    "URIError",
    "AggregateError",
    "SuppressedError",
];

/// The name of a native error's type; none for 0, whose name follows as a value.
pub(super) fn native_error_name(number: u32, offset: usize) -> Result<Option<&'static str>> {
    match (number as usize).checked_sub(1) {
        None => Ok(None),
        Some(index) => match NATIVE_ERRORS.get(index) {
            Some(name) => Ok(Some(name)),
            None => Err(malformed(offset, format!("no error of workerd has the type {number}"))),
        },
    }
}

/// `CommonHeaderName` of Cap'n Proto's `http-over-capnp.capnp`, from 1 on; 0 is another name.
const COMMON_HEADERS: [&str; 47] = [
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "accept",
    "access-control-allow-origin",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
];

/// The header that has a number.
pub(super) fn common_header_name(number: u32) -> Option<&'static str> {
    let index = (number as usize).checked_sub(1)?;
    COMMON_HEADERS.get(index).copied()
}
