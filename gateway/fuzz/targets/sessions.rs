//! Session ids and the answers that bring them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| roomwire_gateway::fuzzing::sessions(data));
