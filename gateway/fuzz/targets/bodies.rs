//! Bodies and queries of the REST routes.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| roomwire_gateway::fuzzing::bodies(data));
