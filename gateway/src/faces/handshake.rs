//! What a client shows when it connects, copied out of its request.
//!
//! A credential that is not ours must not hide one that is: headers may come several times and hold
//! any bytes, and all that could be a token is passed on (`auth::Candidates`).

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header};
use serde_json::Value;

use crate::telemetry::TraceContext;

/// Where contract B may have the token.
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// Headers, query and CONNECT payload of a socket. Holds tokens: it has no `Debug`, on purpose.
#[derive(Clone, Default)]
pub(crate) struct Handshake {
    /// One text for each header of that name, as are the next two.
    pub(crate) authorization: Vec<String>,
    /// The header `x-auth-token`.
    pub(crate) auth_token: Vec<String>,
    pub(crate) cookies: Vec<String>,
    pub(crate) query: String,
    /// The payload of the CONNECT packet; clients before 3.x have none.
    pub(crate) auth: Option<Value>,
}

impl Handshake {
    /// Copies what is needed, so that the request's buffers can go.
    pub(crate) fn of(headers: &HeaderMap, query: &str) -> Self {
        Self {
            authorization: texts(headers, &header::AUTHORIZATION),
            auth_token: texts(headers, &AUTH_TOKEN),
            cookies: texts(headers, &header::COOKIE),
            query: query.to_owned(),
            auth: None,
        }
    }

    /// A text of the CONNECT payload.
    pub(crate) fn auth_text(&self, key: &str) -> Option<&str> {
        let text = self.auth.as_ref()?.get(key)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }

    /// The place in a trace that the CONNECT payload names (W3C Trace Context, as texts instead of
    /// headers).
    pub(crate) fn trace(&self) -> Option<TraceContext> {
        let parent = self.auth_text("traceparent")?;
        TraceContext::parse(parent, self.auth_text("tracestate"))
    }

    /// The values of all cookies of a name (RFC 6265, section 4.2.1), without the quotes that they
    /// may stand in.
    pub(crate) fn cookie_values(&self, name: &str) -> impl Iterator<Item = &str> {
        let pairs = self.cookies.iter().flat_map(|header| header.split(';'));
        pairs.filter_map(move |pair| {
            let (key, value) = pair.trim().split_once('=')?;
            let quoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            (key == name).then_some(quoted.unwrap_or(value))
        })
    }
}

/// The headers of a name as texts. Bytes that are no text become U+FFFD, which is in no token.
pub(crate) fn texts(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).into_iter();
    values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

/// The tokens of `Authorization` headers; proxies may have joined several of them by commas.
pub(crate) fn bearers(headers: &[String]) -> impl Iterator<Item = &str> {
    credentials(headers).filter_map(|one| bearer(one).map(bare))
}

/// The credentials of `Authorization` headers, each with its scheme.
pub(crate) fn credentials(headers: &[String]) -> impl Iterator<Item = &str> {
    headers
        .iter()
        .flat_map(|header| header.split(',').map(str::trim))
}

/// The token of an `Authorization` header (RFC 6750, section 2.1); other schemes have none.
pub(crate) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once([' ', '\t'])?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// A token without the scheme that some clients write in front of it wherever it stands.
pub(crate) fn bare(text: &str) -> &str {
    bearer(text).unwrap_or(text)
}

/// The first value of a query parameter, decoded; an empty one counts as missing.
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    query_values(query, name).next().map(Cow::into_owned)
}

/// All values of a query parameter, decoded, but empty ones.
pub(crate) fn query_values<'a>(query: &'a str, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes())
        .filter(move |(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
        assert_eq!(bare("Bearer abc"), "abc");
        assert_eq!(bare("abc"), "abc");
    }

    #[test]
    fn every_bearer_token_of_every_header_is_found() {
        let headers = ["Basic abc, Bearer one", "Negotiate", "Bearer Bearer two"];
        let headers = headers.map(str::to_owned);
        assert_eq!(bearers(&headers).collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn queries_and_cookies_are_read_by_name() {
        let query = "a=1&token=x%2By&token=z";
        assert_eq!(query_value(query, "token").as_deref(), Some("x+y"));
        let values: Vec<_> = query_values(query, "token").collect();
        assert_eq!(values, ["x+y", "z"]);
        assert_eq!(query_value("token=&t=1", "token"), None);
        let handshake = Handshake {
            cookies: vec!["a=b; token=x=y".into(), "token=\"z\"; tokens=u".into()],
            ..Handshake::default()
        };
        let values: Vec<_> = handshake.cookie_values("token").collect();
        assert_eq!(values, ["x=y", "z"]);
        assert_eq!(handshake.cookie_values("b").next(), None);
    }

    #[test]
    fn bytes_beyond_ascii_hide_nothing_that_stands_beside_them() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (header::COOKIE, b"caf\xe9=\xff; token=one".as_slice()),
            (header::COOKIE, b"token=two"),
            (header::AUTHORIZATION, b"Basic \xe9"),
            (header::AUTHORIZATION, b"Bearer three"),
        ] {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let handshake = Handshake::of(&headers, "");
        let cookies: Vec<_> = handshake.cookie_values("token").collect();
        assert_eq!(cookies, ["one", "two"]);
        let tokens: Vec<_> = bearers(&handshake.authorization).collect();
        assert_eq!(tokens, ["three"]);
    }
}
