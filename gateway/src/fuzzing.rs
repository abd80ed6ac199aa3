//! One entry point per parser of hostile input, for `gateway/fuzz` and for the replay of its corpus.
//!
//! Each takes any bytes, and panics if a parser breaks a promise. The checks live beside what they
//! check; must not: be compiled into a gateway that serves.

use crate::{auth, bus, domain, faces, transport};

/// A target: its name, which is that of its corpus too, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target there is.
pub const TARGETS: [Target; 11] = [
    ("bodies", bodies),
    ("chats_events", chats_events),
    ("continuations", continuations),
    ("frames", frames),
    ("handshakes", handshakes),
    ("hints", hints),
    ("numbers", numbers),
    ("payloads", payloads),
    ("rooms_events", rooms_events),
    ("sessions", sessions),
    ("tokens", tokens),
];

/// Bodies and queries of the REST routes of both contracts; the first byte says which.
pub fn bodies(data: &[u8]) {
    match data.split_first() {
        Some((b'a', body)) => faces::rooms::fuzzing::body(body),
        Some((b'b', body)) => faces::chats::fuzzing::body(body),
        Some((b'q', query)) => faces::chats::fuzzing::query(query),
        _ => {}
    }
}

/// Events of contract A: with an ack if the first byte is `!`.
pub fn rooms_events(data: &[u8]) {
    transport::fuzzing::event(data, faces::rooms::fuzzing::event);
}

/// Events of contract B, likewise.
pub fn chats_events(data: &[u8]) {
    transport::fuzzing::event(data, faces::chats::fuzzing::event);
}

/// What a client shows when it connects, one part a line.
pub fn handshakes(data: &[u8]) {
    transport::fuzzing::handshake(data);
}

/// Queries of requests that continue a session.
pub fn continuations(data: &[u8]) {
    transport::fuzzing::continuation(data);
}

/// Payloads from Redis: a channel's name, a line's end, the payload.
pub fn hints(data: &[u8]) {
    bus::fuzzing::hint(data);
}

/// Ids, pages and positions, one a line.
pub fn numbers(data: &[u8]) {
    domain::fuzzing::numbers(data);
    faces::rooms::fuzzing::positions(data);
}

/// Session ids.
pub fn sessions(data: &[u8]) {
    transport::fuzzing::session(data);
}

/// Websocket streams of clients, in arbitrary portions.
pub fn frames(data: &[u8]) {
    transport::fuzzing::frames(data);
}

/// Polling payloads of clients; the first byte says which form they have.
pub fn payloads(data: &[u8]) {
    transport::fuzzing::payload(data);
}

/// Tokens: as they are, or correctly signed; the first byte says which.
pub fn tokens(data: &[u8]) {
    auth::fuzzing::token(data);
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_input_that_was_ever_of_interest_is_still_handled() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, target) in TARGETS {
            let mut seen = 0;
            for file in fs::read_dir(corpus.join(name)).unwrap() {
                let path = file.unwrap().path();
                let data = fs::read(&path).unwrap();
                // Said only if what follows fails.
                println!("{}", path.display());
                target(&data);
                seen += 1;
            }
            assert!(seen > 0, "{name} has no corpus");
        }
    }
}
