//! Queries of requests that continue a session.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| roomwire_gateway::fuzzing::continuations(data));
