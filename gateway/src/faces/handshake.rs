//! What a client shows when it connects, copied out of its request.

use http::{HeaderMap, HeaderName, header};
use serde_json::Value;

/// Where contract B may have the token.
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// Headers, query and CONNECT payload of a socket. Holds tokens: it has no `Debug`, on purpose.
#[derive(Clone, Default)]
pub(crate) struct Handshake {
    pub(crate) authorization: Option<String>,
    /// The header `x-auth-token`.
    pub(crate) auth_token: Option<String>,
    pub(crate) cookie: Option<String>,
    pub(crate) query: String,
    /// The payload of the CONNECT packet; clients before 3.x have none.
    pub(crate) auth: Option<Value>,
}

impl Handshake {
    /// Copies what is needed, so that the request's buffers can go.
    pub(crate) fn of(headers: &HeaderMap, query: &str) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .map(str::to_owned)
        };
        Self {
            authorization: text(header::AUTHORIZATION),
            auth_token: text(AUTH_TOKEN),
            cookie: text(header::COOKIE),
            query: query.to_owned(),
            auth: None,
        }
    }

    /// A text of the CONNECT payload.
    pub(crate) fn auth_text(&self, key: &str) -> Option<&str> {
        let text = self.auth.as_ref()?.get(key)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }

    /// A cookie's value.
    pub(crate) fn cookie_value(&self, name: &str) -> Option<&str> {
        self.cookie.as_deref()?.split(';').find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then_some(value)
        })
    }
}

/// The token of an `Authorization` header (RFC 6750, section 2.1); other schemes have none.
pub(crate) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// The first value of a query parameter, decoded; an empty one counts as missing.
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }

    #[test]
    fn queries_and_cookies_are_read_by_name() {
        assert_eq!(
            query_value("a=1&token=x%2By&token=z", "token").as_deref(),
            Some("x+y")
        );
        assert_eq!(query_value("token=&t=1", "token"), None);
        let handshake = Handshake {
            cookie: Some("a=b; token=x=y".into()),
            ..Handshake::default()
        };
        assert_eq!(handshake.cookie_value("token"), Some("x=y"));
        assert_eq!(handshake.cookie_value("b"), None);
    }
}
