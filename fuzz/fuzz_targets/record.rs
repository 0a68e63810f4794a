//! Feeds `decoders::record` with whatever the fuzzer thinks of.

#![no_main]

#[expect(dead_code, reason = "each target takes one of them")]
#[path = "../decoders.rs"]
mod decoders;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decoders::record(data));
