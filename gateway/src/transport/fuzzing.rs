//! What must hold for requests that open or continue a session.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is what fuzzing looks for"
)]

use std::borrow::Cow;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Request, Uri, header};

pub(crate) use super::engine::fuzzing::{event, frames, payload};
use super::{
    http::edge::session_id,
    sessions::forward::{Owner, owner},
};
use crate::{
    bus::NodeId,
    faces::{Handshake, bare, chats, query_values, rooms},
};

const HERE: &str = "00000000000000aa";
const THERE: &str = "00000000000000bb";

/// Lines: the query, `Authorization`, `x-auth-token`, the cookies, the payload of CONNECT.
pub(crate) fn handshake(data: &[u8]) {
    let mut lines = data.splitn(5, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let Ok(uri) = Uri::try_from([b"/realtime/?", line()].concat()) else {
        return;
    };
    let mut request = Request::new(Body::empty());
    for name in [
        header::AUTHORIZATION,
        HeaderName::from_static("x-auth-token"),
        header::COOKIE,
    ] {
        if let Ok(value) = HeaderValue::from_bytes(line()) {
            request.headers_mut().insert(name, value);
        }
    }
    let query = uri.query().unwrap_or_default().to_owned();
    let mut shown = Handshake::of(request.headers(), &query);
    shown.auth = serde_json::from_slice(line()).ok();
    for tokens in [
        rooms::fuzzing::tokens_of(&shown),
        chats::fuzzing::tokens_of(&shown),
    ] {
        assert!(tokens.iter().all(|token| was_shown(&shown, token)));
    }
}

/// A token is one that the client has shown.
fn was_shown(handshake: &Handshake, token: &str) -> bool {
    let names = ["token", "auth_token", "accessToken", "authorization"];
    let headers = [&handshake.authorization, &handshake.auth_token];
    let headers = headers.into_iter().flatten().flat_map(|h| h.split(','));
    let payload = names.iter().filter_map(|name| handshake.auth_text(name));
    let query = names
        .iter()
        .flat_map(|name| query_values(&handshake.query, name));
    let cookies = names.iter().flat_map(|name| handshake.cookie_values(name));
    headers
        .chain(payload)
        .chain(cookies)
        .map(Cow::from)
        .chain(query)
        .any(|text| {
            // Some clients write the scheme into the token, so it may be there twice.
            let bare = bare(text.trim()).trim();
            [text.trim(), bare, self::bare(bare).trim()].contains(&token)
        })
}

/// A session that a query names stands in it as it is, and is of one node.
pub(crate) fn continuation(data: &[u8]) {
    let Ok(uri) = Uri::try_from([b"/realtime/?", data].concat()) else {
        return;
    };
    let query = uri.query().unwrap_or_default();
    let Some(sid) = session_id(query) else {
        return;
    };
    assert!(!sid.is_empty() && !sid.contains('&') && query.contains(&format!("sid={sid}")));
    session(sid.as_bytes());
}

/// A session's id.
pub(crate) fn session(data: &[u8]) {
    let Ok(sid) = std::str::from_utf8(data) else {
        return;
    };
    let here = NodeId::parse(HERE).expect("an id");
    let there = NodeId::parse(THERE).expect("an id");
    match owner(&here, sid) {
        Owner::Own(plain) => {
            assert!(plain == sid || format!("{plain}.{HERE}") == sid);
        }
        Owner::Other(node) => {
            assert!(node != HERE && NodeId::parse(node).is_some());
            assert!(sid.ends_with(&format!(".{node}")));
        }
    }
    // As it is given out.
    let named = format!("{sid}.{HERE}");
    assert!(owner(&here, &named) == Owner::Own(sid));
    assert!(owner(&there, &named) == Owner::Other(HERE));
}
