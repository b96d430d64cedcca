#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixtures;
mod hostile;
mod property;
mod random;
mod workerd;

use super::{check_properties, decode, encode, kind, property_number, to_json};

/// The JSON of bytes that must decode and come back as they were.
fn json(bytes: &[u8]) -> String {
    let document = decode(bytes).unwrap();
    assert_eq!(encode(&document), bytes);
    let mut out = String::new();
    to_json(&document, &mut out);
    out
}

/// The message of bytes that must be refused, without a panic.
fn refused(bytes: &[u8]) -> String {
    decode(bytes).unwrap_err().to_string()
}
