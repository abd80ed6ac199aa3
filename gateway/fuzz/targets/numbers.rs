//! Ids, pages and positions.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| roomwire_gateway::fuzzing::numbers(data));
