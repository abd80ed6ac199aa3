//! Who signs the tokens.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::{Problems, problems::present};

/// A key of HS256 must not be shorter than the hash (RFC 7518, section 3.2): it could be guessed.
const SECRET_BYTES_MIN: usize = 32;
/// More than a few minutes is no leeway (RFC 7519, section 4.1.5).
const LEEWAY_SECONDS_MAX: u64 = 300;

/// How tokens are checked.
#[expect(
    clippy::struct_field_names,
    reason = "named as their flags and variables are"
)]
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Tokens")]
pub(crate) struct AuthArgs {
    /// Shared secret of HS256 tokens, at least 32 bytes; `openssl rand -base64 32` makes a good one.
    #[arg(long, env = "JWT_HS256_SECRET", hide_env_values = true)]
    jwt_hs256_secret: Option<String>,
    /// File that holds the secret, instead of `JWT_HS256_SECRET`.
    #[arg(long, env = "JWT_HS256_SECRET_FILE")]
    jwt_hs256_secret_file: Option<String>,
    /// Key set of RS256, ES256 and EdDSA tokens: a file or an http(s) URL.
    #[arg(long, env = "JWT_JWKS")]
    jwt_jwks: Option<String>,
    /// Only accept tokens made for this audience.
    #[arg(long, env = "JWT_AUDIENCE")]
    jwt_audience: Option<String>,
    /// Only accept tokens of this issuer.
    #[arg(long, env = "JWT_ISSUER")]
    jwt_issuer: Option<String>,
    /// Claim that holds the user id.
    #[arg(long, env = "JWT_USER_CLAIM", default_value = "sub")]
    jwt_user_claim: String,
    /// Seconds by which the issuer's clock may be ahead of this one's, for `nbf` and `iat`; 0 to 300.
    /// A token ends at its `exp` all the same.
    #[arg(long, env = "JWT_LEEWAY_SECONDS", default_value = "5")]
    jwt_leeway_seconds: String,
}

/// Parsed form of [`AuthArgs`].
#[derive(Debug, Clone)]
pub(crate) struct Auth {
    pub(crate) keys: KeySource,
    pub(crate) audience: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) user_claim: String,
    /// At most 5 minutes.
    pub(crate) leeway: Duration,
}

/// Where the keys come from: exactly one kind, so that no algorithm can be passed off as another.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    Secret(SecretString),
    KeySet(String),
}

impl AuthArgs {
    /// Whether it was said where the shared secret is.
    pub(crate) fn names_secret(&self) -> bool {
        [&self.jwt_hs256_secret, &self.jwt_hs256_secret_file]
            .into_iter()
            .any(|given| present(given.clone()).is_some())
    }

    /// The claim that holds the user id.
    pub(crate) fn user_claim(&self) -> &str {
        &self.jwt_user_claim
    }

    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<Auth> {
        let before = problems.count();
        let secret = problems.secret(
            "JWT_HS256_SECRET",
            self.jwt_hs256_secret,
            self.jwt_hs256_secret_file,
        );
        let keys = match (secret, present(self.jwt_jwks)) {
            (Some(_), Some(_)) => {
                problems.add("JWT_HS256_SECRET", "set, and JWT_JWKS too: choose one");
                None
            }
            (None, None) => {
                // A file that cannot be used was told of already.
                if problems.count() == before {
                    problems.add("JWT_HS256_SECRET", "missing (or JWT_JWKS)");
                }
                None
            }
            (Some(secret), None) if is_short(&secret) => {
                problems.add(
                    "JWT_HS256_SECRET",
                    format_args!(
                        "is shorter than {SECRET_BYTES_MIN} bytes: make one with \
                         `openssl rand -base64 32`"
                    ),
                );
                None
            }
            (Some(secret), None) => Some(KeySource::Secret(secret)),
            (None, Some(place)) => Some(KeySource::KeySet(place)),
        };
        if self.jwt_user_claim.trim().is_empty() {
            problems.add("JWT_USER_CLAIM", "expected the name of a claim");
        }
        let leeway = problems.number(
            "JWT_LEEWAY_SECONDS",
            &self.jwt_leeway_seconds,
            0..=LEEWAY_SECONDS_MAX,
        );
        Some(Auth {
            keys: keys?,
            audience: present(self.jwt_audience),
            issuer: present(self.jwt_issuer),
            user_claim: self.jwt_user_claim,
            leeway: Duration::from_secs(leeway?),
        })
    }
}

/// Whether a secret is short enough to be guessed.
fn is_short(secret: &SecretString) -> bool {
    secret.expose_secret().len() < SECRET_BYTES_MIN
}
