//! The websocket handshake (RFC 6455, section 4.2).

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::transport::{
    http::guard::Guarded,
    http::mistake::{self, Mistake},
    http::slot::Slot,
};

/// The one version that there is.
const VERSION: &[u8] = b"13";

/// Whether a request asks for a websocket; other protocols are ignored, as HTTP allows.
pub(in crate::transport) fn is_wanted(headers: &HeaderMap) -> bool {
    let upgrades = headers.get_all(header::UPGRADE).into_iter();
    let mut named = upgrades.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    named.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// Upgrades a request, and hands its connection on, with what was read of it already. Whatever is no
/// handshake is answered as a bad request.
pub(in crate::transport) fn accept(
    mut request: Request<Body>,
    take: impl FnOnce((TcpStream, Option<Slot>), Bytes) + Send + 'static,
) -> Response<Body> {
    let Some(answer) = agreement(&request) else {
        return mistake::answer(Mistake::Request);
    };
    let upgraded = hyper::upgrade::on(&mut request);
    drop(request);
    // Not tracked: ends with the connection, which is.
    tokio::spawn(async move {
        let upgraded = match upgraded.await {
            Ok(upgraded) => upgraded.downcast::<TokioIo<Guarded>>(),
            Err(error) => {
                tracing::debug!(%error, "an upgrade failed");
                return;
            }
        };
        // It is what the listener has made it.
        let Ok(parts) = upgraded else { return };
        if let Some(stream) = parts.io.into_inner().release() {
            take(stream, parts.read_buf);
        }
    });
    answer
}

/// The answer to a good handshake. Of the protocols that a client offers, the first is agreed to:
/// they mean nothing here, but a client that offers some goes away without one.
fn agreement(request: &Request<Body>) -> Option<Response<Body>> {
    let headers = request.headers();
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    let version = headers.get(header::SEC_WEBSOCKET_VERSION)?;
    let good = request.method() == Method::GET && version.as_bytes() == VERSION;
    if !good || !is_wanted(headers) {
        return None;
    }
    let accept: HeaderValue = derive_accept_key(key.as_bytes()).parse().ok()?;
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL);
    let protocol = offered.and_then(|offered| {
        let first = offered.as_bytes().split(|byte| *byte == b',').next()?;
        let first = first.trim_ascii();
        (!first.is_empty()).then(|| HeaderValue::from_bytes(first).ok())?
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(extra: &[(&str, &str)]) -> Request<Body> {
        let mut request = Request::get("/realtime/?EIO=4&transport=websocket")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (name, value) in extra {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn the_first_protocol_on_offer_is_agreed_to() {
        for (offered, agreed) in [
            ("chat.v1", Some("chat.v1")),
            (" chat.v2 , chat.v1", Some("chat.v2")),
            (",", None),
        ] {
            let answer = agreement(&handshake(&[("sec-websocket-protocol", offered)])).unwrap();
            let said = answer.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
            assert_eq!(said.map(|said| said.to_str().unwrap()), agreed, "{offered}");
        }
        let answer = agreement(&handshake(&[])).unwrap();
        // From the RFC's own example.
        let accept = &answer.headers()[header::SEC_WEBSOCKET_ACCEPT];
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(
            !answer
                .headers()
                .contains_key(header::SEC_WEBSOCKET_PROTOCOL)
        );
    }

    #[test]
    fn only_a_websocket_is_an_upgrade() {
        let mut request = handshake(&[]);
        assert!(is_wanted(request.headers()));
        for (value, wanted) in [
            ("h2c", false),
            ("h2c, WebSocket", true),
            ("websockets", false),
        ] {
            let value = HeaderValue::from_static(value);
            request.headers_mut().insert(header::UPGRADE, value);
            assert_eq!(is_wanted(request.headers()), wanted);
            assert_eq!(agreement(&request).is_some(), wanted);
        }
    }
}
