//! Prints the configuration in force, with secrets left out.

use std::{borrow::Cow, fmt::Write as _};

use clap::{ArgMatches, Command};

/// Variables whose value is never shown, not even in part. What other values hold of credentials is
/// hidden by [`masked`].
const SECRET: [&str; 4] = [
    "DATABASE_URL",
    "DATABASE_READ_URL",
    "REDIS_URL",
    "JWT_HS256_SECRET",
];

/// Stands where something was left out.
const HIDDEN: &str = "(hidden)";
/// Where the part of a URL ends that names a place.
const QUERY: [char; 2] = ['?', '#'];

/// One `VARIABLE=value` line per setting, as it would be after flags, environment and defaults.
pub(crate) fn show(command: &Command, matches: &ArgMatches) -> String {
    let mut text = String::new();
    for argument in command.get_arguments() {
        let Some(variable) = argument.get_env().and_then(|name| name.to_str()) else {
            continue;
        };
        let value = matches
            .try_get_raw(argument.get_id().as_str())
            .ok()
            .flatten()
            .and_then(|mut values| values.next())
            .map(|value| value.to_string_lossy().into_owned());
        let shown = match value {
            Some(_) if SECRET.contains(&variable) => "(set, not shown)".to_owned(),
            Some(value) => masked(&value).into_owned(),
            None => "(unset)".to_owned(),
        };
        // Writing to a String cannot fail.
        writeln!(text, "{variable}={shown}").unwrap_or_default();
    }
    text
}

/// A value without what may be credentials of URLs in it: what stands before an `@`, and the query.
///
/// Neither is looked for with a parser of URLs, which would let through what it does not understand.
/// A password may hold any character, also those that separate URLs, their hosts and their queries;
/// so everything up to the last `@` goes, even where that takes the host of another URL with it, and
/// what follows too if that `@` may stand in a query.
fn masked(value: &str) -> Cow<'_, str> {
    let begin = after_scheme(value);
    let (Some(scheme), Some(rest)) = (value.get(..begin), value.get(begin..)) else {
        return HIDDEN.into();
    };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, _)) if user.contains(QUERY) => return format!("{scheme}{HIDDEN}").into(),
        Some((_, rest)) => (format!("{HIDDEN}@"), rest),
        None if rest.split(',').any(has_odd_port) => return format!("{scheme}{HIDDEN}").into(),
        None => (String::new(), rest),
    };
    match rest.find(QUERY).and_then(|at| rest.get(..=at)) {
        Some(shown) => format!("{scheme}{user}{shown}{HIDDEN}").into(),
        None if user.is_empty() => value.into(),
        None => format!("{scheme}{user}{rest}").into(),
    }
}

/// Where the first URL's part behind `scheme://` begins; 0 where none begins before an `@`.
fn after_scheme(value: &str) -> usize {
    const MARK: &str = "://";
    let Some(at) = value.find(MARK) else { return 0 };
    let scheme = value.get(..at).unwrap_or_default();
    let letters = |c: char| c.is_ascii_alphanumeric() || ['+', '-', '.'].contains(&c);
    if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(letters) {
        at + MARK.len()
    } else {
        0
    }
}

/// Whether what stands where a URL has its port is none, as in `user:password` without a host.
fn has_odd_port(url: &str) -> bool {
    let url = url.trim();
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    // Of an IPv6 address what follows it counts.
    let host = authority.rsplit(']').next().unwrap_or_default();
    let port = host.split_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};
    use proptest::prelude::*;

    use super::*;
    use crate::config::ServeArgs;

    /// What is shown where one setting has this value.
    fn shown(flag: &str, value: &str) -> String {
        let command = ServeArgs::augment_args(Command::new("config"));
        let flag = format!("--{flag}={value}");
        let matches = command.clone().get_matches_from(["config", &flag]);
        ServeArgs::from_arg_matches(&matches).unwrap();
        show(&command, &matches)
    }

    #[test]
    fn what_holds_no_credentials_is_shown_as_it_is() {
        for value in [
            "0.0.0.0:3001",
            "[::1]:3001",
            "/etc/keys.json",
            "https://id.example/keys.json",
            "https://id.example:8443/keys.json",
            "https://a.example,https://b.example:8443, http://[::1]:80/",
            "*",
            "info,roomwire_gateway=debug",
            "200/2000",
        ] {
            assert_eq!(masked(value), value);
        }
    }

    #[test]
    fn users_passwords_and_queries_are_hidden_and_the_rest_stays() {
        for (value, expected) in [
            (
                "https://u:p@id.example/keys",
                "https://(hidden)@id.example/keys",
            ),
            ("https://u@id.example", "https://(hidden)@id.example"),
            (
                "https://id.example/keys?key=s",
                "https://id.example/keys?(hidden)",
            ),
            (
                "https://u:p@id.example?s",
                "https://(hidden)@id.example?(hidden)",
            ),
            ("https://id.example#s", "https://id.example#(hidden)"),
            ("u:p@id.example", "(hidden)@id.example"),
            ("https://u:p", "https://(hidden)"),
            ("https://a.example,https://u:p", "https://(hidden)"),
            (
                "https://u:p@a.example,https://v:q@b.example",
                "https://(hidden)@b.example",
            ),
            ("https://u?p@id.example/keys", "https://(hidden)"),
            ("https://id.example?a@b", "https://(hidden)"),
            ("1+://u:p@a.example", "(hidden)@a.example"),
        ] {
            assert_eq!(masked(value), expected, "{value}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The word stands in no name and in no default, so it is found only where it should not be.
        #[test]
        fn nothing_of_a_user_a_password_or_a_query_is_ever_shown(
            user in "[ -~]{0,8}xyzzy[ -~]{0,8}",
            query in "[ -~]{0,8}xyzzy[ -~]{0,8}",
            before in "(https?://a[.]example(:[0-9]{1,5})?/?,){0,2}",
            after in "(,https?://b[.]example){0,2}",
        ) {
            let urls = [
                format!("{before}https://{user}@id.example/keys{after}"),
                format!("{before}https://id.example/keys?{query}{after}"),
                format!("{before}https://{user}@id.example:1/keys?{query}{after}"),
                format!("{user}@id.example{after}"),
                format!("https://:{user}@"),
            ];
            for url in urls {
                for flag in ["jwt-jwks", "jwt-issuer", "cors-origins", "advertise-addr",
                    "database-url", "database-read-url", "redis-url"] {
                    let text = shown(flag, &url);
                    prop_assert!(!text.contains("xyzzy"), "{}: {} {}", flag, url, text);
                }
            }
        }
    }
}
