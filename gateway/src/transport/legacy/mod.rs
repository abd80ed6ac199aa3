//! What clients before Socket.IO 3 say and read differently, put right around the library.
//!
//! They repeat the query of the handshake behind the namespace (`40/chat/?meta=1,`). The library
//! takes that for another namespace, answers in its name, and such a client waits for ever. The
//! query is known from the handshake, so here it is cut off, in websocket frames ([`stream`]) and in
//! posted payloads ([`payload`]).
//!
//! When they poll, 1.x expects UTF-8 encoded twice and 2.x once, under one protocol number; one that
//! gets the other's takes it for an error and goes. ASCII is the same to both. Must not: touch
//! anything but such packets and such answers.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod payload;
mod stream;

use axum::body::Body;
use http::{Response, header};

pub(super) use payload::{in_ascii, rewritten, without_queries};
pub(super) use stream::WithoutQueries;

use crate::faces::query_value;

/// Engine.IO protocol 3, which clients before 3.x speak.
pub(super) fn is_legacy(query: &str) -> bool {
    query_value(query, "EIO").as_deref() == Some("3")
}

/// An answer to a poll with its payload rewritten; others, and those that need nothing, stay.
pub(super) async fn rewrite_answer(
    answer: Response<Body>,
    rewrite: impl FnOnce(&str) -> Option<String>,
) -> Response<Body> {
    let text = answer.headers().get(header::CONTENT_TYPE);
    if !text.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain")) {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    // All of it is in memory already, within the bound of what may wait for a client.
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let rewritten = std::str::from_utf8(&bytes).ok().and_then(rewrite);
    let body = rewritten.map(|text| {
        parts.headers.remove(header::CONTENT_LENGTH);
        Body::from(text)
    });
    Response::from_parts(parts, body.unwrap_or_else(|| Body::from(bytes)))
}

/// A CONNECT packet without the query behind its namespace; `None` if the packet is none or has none.
fn without_query(packet: &str) -> Option<String> {
    // Engine.IO message (4), Socket.IO CONNECT (0), a namespace.
    let namespace = packet.strip_prefix("40/")?;
    let (path, query) = namespace.split_once('?')?;
    // In a payload, the comma would end the namespace.
    if path.contains(',') {
        return None;
    }
    let rest = query
        .find(',')
        .map_or("", |comma| query.get(comma..).unwrap_or_default());
    Some(format!("40/{path}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_query_of_a_connect_packet_is_cut() {
        assert_eq!(
            without_query("40/chat/?meta=1,").as_deref(),
            Some("40/chat/,")
        );
        assert_eq!(
            without_query("40/chat/?a=1&b=2").as_deref(),
            Some("40/chat/")
        );
        assert_eq!(
            without_query("40/chat/?a=1,{\"x\":1}").as_deref(),
            Some("40/chat/,{\"x\":1}")
        );
        for other in [
            "40/chat/,",
            "40",
            "42/chat/,[\"message\",\"?\"]",
            "40/chat/,{\"a\":\"?\"}",
            "2",
        ] {
            assert_eq!(without_query(other), None, "{other}");
        }
    }
}
