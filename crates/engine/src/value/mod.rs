//! Values: the V8 structured-clone format in which an object stores its key-value entries.
//!
//! [`decode()`] reads the bytes of `_cf_KV.value` into a [`Document`], [`encode()`] gives exactly the
//! same bytes back, [`to_json`] prints the value as JSON text by the scheme of `docs/VALUES.md`,
//! [`kind()`] names a value's type from its first bytes, [`property_number`] reads one number of
//! an object, [`Parts`] looks at a document's parts, and [`write_bytes`] and [`write_number`] make
//! the two values a store needs.
//!
//! Ours, because the crate `v8_valueserializer` keeps the value and not its spelling (padding,
//! int32 or double, dense or sparse, the order of an error's parts), so it cannot write the same
//! bytes again, and it recurses as deep as the input asks.
//!
//! The format is V8's `src/objects/value-serializer.cc`, versions 13 to 15, and workerd's
//! `src/workerd/jsg/ser.c++` for the objects that workerd adds. Numbers are little-endian, as on
//! every machine that workerd runs on.

mod bigint;
mod check;
mod date;
mod decode;
mod document;
mod encode;
mod host;
mod json;
mod kind;
mod plain;
mod property;
mod reader;
mod tag;
mod text;
mod view;

#[cfg(test)]
mod tests;

pub use check::check_properties;
pub use decode::decode;
pub use document::Document;
pub use encode::encode;
pub use json::to_json;
pub use kind::{ValueKind, kind};
pub use plain::{BYTES_OVERHEAD_MAX, read_bytes, read_number, write_bytes, write_number};
pub use property::property_number;
pub use view::{Elements, Parts, Properties, View};
