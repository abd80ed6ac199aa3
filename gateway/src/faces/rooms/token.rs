//! Where a client of contract A may put its token.

use crate::faces::{Handshake, bearer, query_value};

/// Keys of the CONNECT payload, in the contract's order.
const AUTH_KEYS: [&str; 3] = ["token", "accessToken", "authorization"];
/// Query parameters and cookies, in the contract's order.
const NAMES: [&str; 2] = ["token", "auth_token"];

/// The token of a handshake: header, then CONNECT payload, then query, then cookie.
pub(super) fn of_handshake(handshake: &Handshake) -> Option<String> {
    let header = handshake.authorization.as_deref().and_then(bearer);
    let payload = || AUTH_KEYS.iter().find_map(|key| handshake.auth_text(key));
    if let Some(token) = header.or_else(payload) {
        return Some(bearer(token).unwrap_or(token).to_owned());
    }
    of_query(&handshake.query).or_else(|| {
        NAMES
            .iter()
            .find_map(|name| handshake.cookie_value(name))
            .map(str::to_owned)
    })
}

/// The token of a query.
pub(super) fn of_query(query: &str) -> Option<String> {
    NAMES.iter().find_map(|name| query_value(query, name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_header_wins_over_the_payload_and_the_payload_over_the_query() {
        let mut handshake = Handshake {
            authorization: Some("Bearer one".into()),
            auth: Some(json!({"accessToken": "Bearer two"})),
            query: "auth_token=three".into(),
            cookie: Some("token=four".into()),
            ..Handshake::default()
        };
        assert_eq!(of_handshake(&handshake).as_deref(), Some("one"));
        handshake.authorization = None;
        assert_eq!(of_handshake(&handshake).as_deref(), Some("two"));
        handshake.auth = Some(json!({"token": "", "authorization": 7}));
        assert_eq!(of_handshake(&handshake).as_deref(), Some("three"));
        handshake.query.clear();
        assert_eq!(of_handshake(&handshake).as_deref(), Some("four"));
    }
}
