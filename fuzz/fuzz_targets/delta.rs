#![no_main]

#[path = "../src/delta.rs"]
mod delta;

libfuzzer_sys::fuzz_target!(|data: &[u8]| delta::fuzz(data));
