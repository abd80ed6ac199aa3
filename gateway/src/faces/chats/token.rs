//! Where a client of contract B may put its token.

use crate::faces::{Handshake, bearer, query_value};

/// Name of the token in the query and in the CONNECT payload.
const NAME: &str = "auth_token";

/// The token of a handshake: query, then headers, then CONNECT payload.
pub(super) fn of_handshake(handshake: &Handshake) -> Option<String> {
    let plain = |text: &str| bearer(text).unwrap_or(text).to_owned();
    let header = || {
        let own = handshake.auth_token.as_deref().map(plain);
        own.or_else(|| handshake.authorization.as_deref().map(plain))
    };
    let payload = || handshake.auth_text(NAME).map(plain);
    let query = query_value(&handshake.query, NAME);
    query
        .map(|text| plain(&text))
        .or_else(header)
        .or_else(payload)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_query_wins_over_the_headers_and_the_headers_over_the_payload() {
        let mut handshake = Handshake {
            query: "EIO=3&auth_token=Bearer%20one".into(),
            auth_token: Some("two".into()),
            authorization: Some("Bearer three".into()),
            auth: Some(json!({"auth_token": "four"})),
            ..Handshake::default()
        };
        assert_eq!(of_handshake(&handshake).as_deref(), Some("one"));
        handshake.query.clear();
        assert_eq!(of_handshake(&handshake).as_deref(), Some("two"));
        handshake.auth_token = None;
        assert_eq!(of_handshake(&handshake).as_deref(), Some("three"));
        handshake.authorization = None;
        assert_eq!(of_handshake(&handshake).as_deref(), Some("four"));
        handshake.auth = Some(json!({"auth_token": ""}));
        assert_eq!(of_handshake(&handshake), None);
    }
}
