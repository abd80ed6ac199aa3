//! Where a client of contract B may put its token.

use http::{HeaderMap, header};

use crate::{
    auth::Candidates,
    faces::{Handshake, bare, bearers, credentials, query_values, texts},
};

/// Name of the token in the query and in the CONNECT payload.
const NAME: &str = "auth_token";

/// All that a handshake shows: query, then headers, then CONNECT payload. In headers the scheme may
/// be missing; what has another scheme is none of ours.
pub(super) fn of_handshake(handshake: &Handshake) -> Candidates {
    let mut shown = Candidates::default();
    for value in query_values(&handshake.query, NAME) {
        shown.offer([bare(&value)]);
    }
    for headers in [&handshake.auth_token, &handshake.authorization] {
        let bare = credentials(headers).map(|one| bare(bare(one)));
        shown.offer(bare.filter(|token| !token.contains(char::is_whitespace)));
    }
    shown.offer(handshake.auth_text(NAME).map(bare));
    shown
}

/// All that a request shows: its headers.
pub(super) fn of_request(headers: &HeaderMap) -> Candidates {
    let mut shown = Candidates::default();
    shown.offer(bearers(&texts(headers, &header::AUTHORIZATION)));
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_query_comes_before_the_headers_and_the_headers_before_the_payload() {
        let handshake = Handshake {
            query: "EIO=3&auth_token=Bearer%20a.a.1&auth_token=a.a.2".into(),
            auth_token: vec!["a.a.3".into(), "Bearer a.a.4".into()],
            authorization: vec!["Basic x".into(), "a.a.5".into(), "Bearer a.a.6".into()],
            auth: Some(json!({ "auth_token": "a.a.7" })),
            ..Handshake::default()
        };
        let expected: Vec<String> = (1..=7).map(|n| format!("a.a.{n}")).collect();
        assert_eq!(of_handshake(&handshake).tokens(), expected);
    }

    #[test]
    fn nothing_that_is_not_ours_hides_a_token() {
        let foreign = || Handshake {
            query: "auth_token=&auth_token=csrf&token=a.a.a".into(),
            auth_token: vec!["caf\u{fffd}".into()],
            authorization: vec!["Basic abc".into(), "Negotiate".into()],
            auth: Some(json!({ "auth_token": 7 })),
            ..Handshake::default()
        };
        assert!(of_handshake(&foreign()).tokens().is_empty());
        let with = |change: fn(&mut Handshake)| {
            let mut handshake = foreign();
            change(&mut handshake);
            of_handshake(&handshake).tokens().to_vec()
        };
        for tokens in [
            with(|shown| shown.query += "&auth_token=a.b.c"),
            with(|shown| shown.auth_token.push("a.b.c".into())),
            with(|shown| shown.authorization.push("Bearer a.b.c".into())),
            with(|shown| shown.auth = Some(json!({ "auth_token": "a.b.c" }))),
        ] {
            assert_eq!(tokens, ["a.b.c"]);
        }
    }
}
