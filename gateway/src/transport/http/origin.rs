//! Pages of which origin may open and use sockets (RFC 6454; WHATWG HTML, "websockets": a browser
//! lets any page open one, so the server has to look).

use http::{HeaderMap, HeaderValue, Uri, header, uri::Authority};

use crate::config::CorsOrigins;

/// What a request's origin may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport) enum Trust {
    /// No page, one of this host itself, or one that is listed by name: its cookies count.
    Known,
    /// Any page may call, so this one may; but it must bring its own token.
    Anybody,
    /// May not call.
    Foreign,
}

/// Judges a request. Of several origins the least trusted one counts.
pub(in crate::transport) fn judge(origins: &CorsOrigins, headers: &HeaderMap, uri: &Uri) -> Trust {
    let host = uri
        .authority()
        .map(Authority::as_str)
        .or_else(|| headers.get(header::HOST)?.to_str().ok());
    let mut trust = Trust::Known;
    for origin in headers.get_all(header::ORIGIN) {
        if origins.lists(origin) || host.is_some_and(|host| is_of_host(origin, host)) {
            continue;
        }
        if *origins != CorsOrigins::Any {
            return Trust::Foreign;
        }
        trust = Trust::Anybody;
    }
    trust
}

/// Whether an origin is the host that was called. What it was called by, plain or TLS, is known only
/// to the proxy in front; a port that is not said is the origin's own default.
fn is_of_host(origin: &HeaderValue, host: &str) -> bool {
    let Some((scheme, authority)) = origin.to_str().ok().and_then(|text| text.split_once("://"))
    else {
        return false;
    };
    let default = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let plain = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.strip_suffix(default)
            .map(str::to_owned)
            .unwrap_or(text)
    };
    !authority.is_empty() && plain(authority) == plain(host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(origins: &[&str], host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        headers.insert(header::HOST, host.parse().unwrap());
        headers
    }

    fn listed() -> CorsOrigins {
        CorsOrigins::Listed(vec![HeaderValue::from_static("https://app.example")])
    }

    fn judged(origins: &CorsOrigins, of: &[&str], host: &str) -> Trust {
        judge(origins, &request(of, host), &Uri::from_static("/realtime/"))
    }

    #[test]
    fn only_the_host_itself_and_listed_origins_are_known() {
        for (origin, host, trust) in [
            ("https://app.example", "chat.example", Trust::Known),
            ("https://chat.example", "chat.example", Trust::Known),
            ("https://chat.example", "CHAT.example:443", Trust::Known),
            (
                "http://chat.example:3001",
                "chat.example:3001",
                Trust::Known,
            ),
            ("http://[::1]:3001", "[::1]:3001", Trust::Known),
            ("https://evil.example", "chat.example", Trust::Foreign),
            ("http://app.example", "chat.example", Trust::Foreign),
            ("https://app.example.evil", "chat.example", Trust::Foreign),
            ("https://chat.example:8443", "chat.example", Trust::Foreign),
            ("http://chat.example", "chat.example:443", Trust::Foreign),
            ("null", "chat.example", Trust::Foreign),
            ("chat.example", "chat.example", Trust::Foreign),
            ("file://", "chat.example", Trust::Foreign),
        ] {
            assert_eq!(
                judged(&listed(), &[origin], host),
                trust,
                "{origin} at {host}"
            );
        }
        assert_eq!(judged(&listed(), &[], "chat.example"), Trust::Known);
    }

    #[test]
    fn where_anybody_may_call_only_the_host_itself_is_known() {
        let any = CorsOrigins::Any;
        let host = "chat.example";
        assert_eq!(
            judged(&any, &["https://evil.example"], host),
            Trust::Anybody
        );
        assert_eq!(judged(&any, &["null"], host), Trust::Anybody);
        assert_eq!(judged(&any, &["https://chat.example"], host), Trust::Known);
        assert_eq!(judged(&any, &[], host), Trust::Known);
    }

    #[test]
    fn a_second_origin_does_not_hide_behind_a_good_one() {
        let both = ["https://app.example", "https://evil.example"];
        assert_eq!(judged(&listed(), &both, "chat.example"), Trust::Foreign);
    }

    proptest! {
        #[test]
        fn no_origin_but_its_own_is_of_a_host(origin in "[ -~]{0,40}", host in "[a-z]{1,10}(:[0-9]{1,4})?") {
            let headers = request(&[&origin], &host);
            let known = judge(&listed(), &headers, &Uri::from_static("/")) == Trust::Known;
            let own = origin.to_ascii_lowercase().contains(&*host.split(':').next().unwrap().to_owned());
            prop_assert!(!known || own || origin == "https://app.example");
        }
    }
}
