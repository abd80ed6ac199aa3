//! What must hold for requests that open or continue a session.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is what fuzzing looks for"
)]

use std::{borrow::Cow, sync::Arc};

use axum::body::Body;
use http::{HeaderName, HeaderValue, Request, Uri, header};
use serde_json::Value;

pub(crate) use super::legacy::fuzzing::{frames, payload};
use super::{
    entry::Entry,
    forward::{Owner, owner, sign_open_packet},
    opening::{renamed, session_id, strip},
};
use crate::{
    bus::NodeId,
    faces::{Handshake, bare, chats, query_value, query_values, rooms},
};

const HERE: &str = "00000000000000aa";
const THERE: &str = "00000000000000bb";
/// What the library reads of a query.
const LIBRARY_READS: [&str; 4] = ["EIO", "transport", "b64", "j"];
/// Characters of an id of the library's.
const ID_CHARS: usize = 16;

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
    *request.uri_mut() = uri;
    slim(request, &query);
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

/// What the library gets says what it reads as the client said it, and nothing else.
fn slim(request: Request<Body>, query: &str) {
    let handshake = Handshake::of(request.headers(), query);
    let entry = Arc::new(Entry::new(handshake, None));
    let opening = strip(request, query, &entry);
    assert!(opening.headers().is_empty());
    let travels = opening.extensions().get::<Arc<Entry>>();
    assert!(travels.is_some_and(|travels| Arc::ptr_eq(travels, &entry)));
    assert_eq!(opening.uri().path(), "/realtime/");
    let kept = opening.uri().query().unwrap_or_default();
    for name in LIBRARY_READS {
        assert_eq!(query_value(kept, name), query_value(query, name));
    }
    for (name, _) in form_urlencoded::parse(kept.as_bytes()) {
        assert!(LIBRARY_READS.contains(&&*name), "kept {name}");
    }
}

/// The library is asked for the session that was judged. Where it is asked for the id as it came,
/// there is none of that name.
pub(crate) fn continuation(data: &[u8]) {
    let Ok(uri) = Uri::try_from([b"/realtime/?", data].concat()) else {
        return;
    };
    let Some(sid) = session_id(uri.query().unwrap_or_default()) else {
        return;
    };
    let here = NodeId::parse(HERE).expect("an id");
    let Owner::Own(plain) = owner(&here, &sid) else {
        return;
    };
    let uri = renamed(&uri, &sid, plain).unwrap_or(uri);
    // As the library looks for it.
    let mut parameters = uri.query().unwrap_or_default().split('&');
    let asked = parameters.find_map(|pair| pair.strip_prefix("sid="));
    assert!(asked.is_some_and(|asked| asked == plain || asked == sid));
    assert!(asked == Some(plain) || !may_be_id(&sid));
}

fn may_be_id(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() == ID_CHARS && text.bytes().all(known)
}

/// The first line is a session's id, the rest the answer to a handshake.
pub(crate) fn session(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (sid, answer) = text.split_once('\n').unwrap_or((text, ""));
    let here = NodeId::parse(HERE).expect("an id");
    match owner(&here, sid) {
        Owner::Own(plain) => {
            assert!(plain == sid || format!("{plain}.{HERE}") == sid);
        }
        Owner::Other(node) => {
            assert!(node != HERE && NodeId::parse(node).is_some());
            assert!(sid.ends_with(&format!(".{node}")));
        }
    }
    if let Some(signed) = sign_open_packet(answer, HERE) {
        same_but_signed(answer, &signed.text);
    }
    let id: String = sid
        .chars()
        .filter(|c| may_be_id(&c.to_string().repeat(ID_CHARS)))
        .collect();
    opened(&id);
}

/// Nothing is different but the length and the node behind the id.
fn same_but_signed(answer: &str, signed: &str) {
    let split = |text: &str| match text.split_once(':') {
        Some((length, packet)) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            (length.parse::<usize>().ok(), packet.to_owned())
        }
        _ => (None, text.to_owned()),
    };
    let ((before, packet), (after, signed)) = (split(answer), split(signed));
    assert_eq!(
        before.and_then(|length| length.checked_add(HERE.len() + 1)),
        after
    );
    let restored = signed.match_indices(&format!(".{HERE}")).any(|(at, node)| {
        let (left, right) = (signed.get(..at), signed.get(at + node.len()..));
        left.zip(right)
            .is_some_and(|(left, right)| format!("{left}{right}") == packet)
    });
    assert!(restored);
}

/// An id that was given out comes back as what the library knows, here and elsewhere.
fn opened(id: &str) {
    let here = NodeId::parse(HERE).expect("an id");
    let there = NodeId::parse(THERE).expect("an id");
    let json = serde_json::json!({"sid": id, "upgrades": ["websocket"], "pingInterval": 25_000});
    let packet = format!("0{json}");
    for answer in [packet.clone(), format!("{}:{packet}", packet.len())] {
        let signed = sign_open_packet(&answer, HERE).expect("an open packet");
        assert_eq!(signed.sid, id);
        let signed = signed.text;
        let (_, packet) = signed.split_once('0').expect("an open packet");
        let json = packet.get(packet.find('{').unwrap_or_default()..);
        let mut json: Value = serde_json::from_str(json.unwrap_or_default()).expect("JSON");
        let sid = json.get_mut("sid").map(Value::take);
        let sid = sid.as_ref().and_then(Value::as_str).expect("an id");
        assert!(owner(&here, sid) == Owner::Own(id));
        assert!(owner(&there, sid) == Owner::Other(HERE));
    }
}
