//! What the library is given of a request: of one that opens a session only what it reads, of one
//! that continues a session the id that it knows.
//!
//! The library stores what it gets for as long as the session lives, and with it the buffer that it
//! was parsed from.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderName, Request, Uri, header};

use super::{entry::Entry, guard::Handle};
use crate::faces::query_value;

/// Headers that a request which opens a session keeps.
const KEPT: [HeaderName; 4] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
];
/// Query parameters that Engine.IO reads.
const KEPT_PARAMETERS: [&str; 4] = ["EIO", "transport", "b64", "j"];

/// The connection that a request came over.
pub(super) fn handle(request: &Request<Body>) -> Option<Arc<Handle>> {
    request.extensions().get::<Arc<Handle>>().map(Arc::clone)
}

/// Strips a request to what the library reads; the rest is in the entry, which travels with it.
pub(super) fn strip(request: Request<Body>, query: &str, entry: &Arc<Entry>) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(Arc::clone(entry));
    // One that is too long when it is written anew has no session to open.
    parts.uri = slim_uri(parts.uri.path(), query).unwrap_or_default();
    let mut headers = HeaderMap::with_capacity(KEPT.len());
    for name in KEPT {
        if let Some(value) = parts.headers.get(&name)
            && let Ok(copy) = http::HeaderValue::from_bytes(value.as_bytes())
        {
            headers.insert(name, copy);
        }
    }
    parts.headers = headers;
    Request::from_parts(parts, body)
}

/// The session that a request continues, if it continues one. Read as the library reads it, without
/// decoding anything: otherwise one session could be judged and another one served.
pub(super) fn session_id(query: &str) -> Option<String> {
    let sid = query.split('&').find_map(|pair| pair.strip_prefix("sid="));
    sid.filter(|sid| !sid.is_empty()).map(str::to_owned)
}

/// The address of a request with the session's id as the library knows it; `None` if it is the same.
pub(super) fn renamed(uri: &Uri, sid: &str, plain: &str) -> Option<Uri> {
    if sid == plain {
        return None;
    }
    let (named, known) = (format!("sid={sid}"), format!("sid={plain}"));
    uri.to_string().replacen(&named, &known, 1).parse().ok()
}

fn slim_uri(path: &str, query: &str) -> Option<Uri> {
    let mut slim = form_urlencoded::Serializer::new(format!("{path}?"));
    let path_end = path.len() + 1;
    slim = form_urlencoded::Serializer::for_suffix(slim.finish(), path_end);
    for name in KEPT_PARAMETERS {
        if let Some(value) = query_value(query, name) {
            slim.append_pair(name, &value);
        }
    }
    slim.finish().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faces::Handshake;

    #[test]
    fn a_token_in_the_query_does_not_reach_the_library() {
        let uri = slim_uri("/realtime/", "EIO=4&token=secret&transport=websocket").unwrap();
        assert_eq!(uri, "/realtime/?EIO=4&transport=websocket");
    }

    #[test]
    fn nor_does_it_when_the_rest_grows_too_long_to_be_an_address() {
        let query = format!("EIO=4&token=secret&j={}", "'".repeat(30_000));
        let uri: Uri = format!("/realtime/?{query}").parse().unwrap();
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri;
        let entry = Arc::new(Entry::new(Handshake::default(), None));
        assert_eq!(strip(request, &query, &entry).uri().query(), None);
    }
}
