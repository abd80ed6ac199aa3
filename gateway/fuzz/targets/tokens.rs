//! Tokens, made up or correctly signed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| roomwire_gateway::fuzzing::tokens(data));
