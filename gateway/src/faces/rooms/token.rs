//! Where a client of contract A may put its token.

use http::{HeaderMap, header};

use crate::{
    auth::Candidates,
    faces::{Handshake, bare, bearers, query_values, texts},
};

/// Keys of the CONNECT payload, in the contract's order.
const AUTH_KEYS: [&str; 3] = ["token", "accessToken", "authorization"];
/// Query parameters and cookies, in the contract's order.
const NAMES: [&str; 2] = ["token", "auth_token"];

/// All that a handshake shows: headers, then CONNECT payload, then query, then cookies.
pub(super) fn of_handshake(handshake: &Handshake) -> Candidates {
    let mut shown = Candidates::default();
    shown.offer(bearers(&handshake.authorization));
    let payload = AUTH_KEYS.iter().filter_map(|key| handshake.auth_text(key));
    shown.offer(payload.map(bare));
    offer_query(&mut shown, &handshake.query);
    for name in NAMES {
        shown.offer(handshake.cookie_values(name).map(bare));
    }
    shown
}

/// All that a request shows: headers, then query.
pub(super) fn of_request(headers: &HeaderMap, query: Option<&str>) -> Candidates {
    let mut shown = Candidates::default();
    shown.offer(bearers(&texts(headers, &header::AUTHORIZATION)));
    offer_query(&mut shown, query.unwrap_or_default());
    shown
}

fn offer_query(shown: &mut Candidates, query: &str) {
    for name in NAMES {
        for value in query_values(query, name) {
            shown.offer([bare(&value)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_come_before_the_payload_then_the_query_then_cookies() {
        let handshake = Handshake {
            authorization: vec!["Basic x".into(), "Bearer a.a.1, Bearer a.a.2".into()],
            auth: Some(json!({
                "authorization": "Bearer a.a.5", "accessToken": "a.a.4", "token": "a.a.3"
            })),
            query: "auth_token=a.a.7&token=a.a.6&token=".into(),
            cookies: vec!["b=c; token=a.a.8".into()],
            ..Handshake::default()
        };
        let expected: Vec<String> = (1..=8).map(|n| format!("a.a.{n}")).collect();
        assert_eq!(of_handshake(&handshake).tokens(), expected);
    }

    #[test]
    fn nothing_that_is_not_ours_hides_a_token() {
        let foreign = || Handshake {
            authorization: vec!["Negotiate".into(), "Basic caf\u{fffd}".into()],
            auth: Some(json!({ "token": "", "accessToken": 7, "authorization": ["x"] })),
            query: "token=csrf&token=&EIO=3".into(),
            cookies: vec!["token=of-a-shop; caf\u{fffd}=\u{fffd}".into()],
            ..Handshake::default()
        };
        assert!(of_handshake(&foreign()).tokens().is_empty());
        let with = |change: fn(&mut Handshake)| {
            let mut handshake = foreign();
            change(&mut handshake);
            of_handshake(&handshake).tokens().to_vec()
        };
        for tokens in [
            with(|shown| shown.authorization.push("bearer a.b.c".into())),
            with(|shown| shown.auth = Some(json!({ "token": null, "accessToken": "a.b.c" }))),
            with(|shown| shown.query += "&token=a.b.c"),
            with(|shown| shown.query += "&auth_token=a.b.c"),
            with(|shown| shown.cookies.push("token=a.b.c".into())),
            with(|shown| shown.cookies.push("x=y;auth_token=\"a.b.c\"".into())),
        ] {
            assert_eq!(tokens, ["a.b.c"]);
        }
    }
}
