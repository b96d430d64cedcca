#![no_main]

#[path = "../src/chunk.rs"]
mod chunk;

libfuzzer_sys::fuzz_target!(|data: &[u8]| chunk::fuzz(data));
