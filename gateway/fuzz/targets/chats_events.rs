//! Events of contract B.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| roomwire_gateway::fuzzing::chats_events(data));
