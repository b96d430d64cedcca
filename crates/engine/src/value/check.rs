//! What must hold for every input, for fuzzing and tests.

use super::{ValueKind, decode, encode, kind, to_json};
use serde::de::IgnoredAny;

/// Checks the promises on any bytes: what [`decode()`] accepts, [`encode()`] gives back, [`to_json`]
/// prints as valid JSON of bounded length and [`kind()`] names. Refused input is no breach; of
/// accepted input this gives the kind.
///
/// # Errors
/// The promise that was broken.
pub fn check_properties(bytes: &[u8]) -> Result<Option<ValueKind>, String> {
    let named = kind(bytes);
    let Ok(document) = decode(bytes) else {
        return Ok(None);
    };
    if encode(&document) != bytes {
        return Err("the value was written with other bytes".into());
    }
    let mut json = String::new();
    to_json(&document, &mut json);
    if json.len() > JSON_BYTES_PER_BYTE * bytes.len() {
        return Err(format!("{} bytes gave {} of JSON", bytes.len(), json.len()));
    }
    // Skipping does not recurse, so depth is no obstacle.
    serde_json::from_str::<IgnoredAny>(&json).map_err(|error| format!("{error} in {json}"))?;
    named.map(Some).map_err(|error| format!("no kind: {error}"))
}

/// The longest text a byte can give: `y`, a true Boolean object that something refers to.
const JSON_BYTES_PER_BYTE: usize = 64;
