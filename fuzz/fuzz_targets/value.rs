#![no_main]

#[path = "../src/value.rs"]
mod value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| value::fuzz(data));
