#![no_main]

#[path = "../src/columnar.rs"]
mod columnar;

libfuzzer_sys::fuzz_target!(|data: &[u8]| columnar::fuzz(data));
