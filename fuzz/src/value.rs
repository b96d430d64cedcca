//! The V8 decoder on any bytes: the engine itself knows what must hold.

use dotctl_engine::value::check_properties;

/// Checks everything that must hold for any `data`.
pub fn fuzz(data: &[u8]) {
    check_properties(data).expect("a value's properties");
}
