//! Development tokens: signs what a gateway with the same shared secret accepts.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use roomwire_shared::auth::Claims;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// How long a token is valid: longer than any run, so that no socket expires inside one.
const LIFETIME: Duration = Duration::from_hours(12);

/// Takes a flag's value as a secret.
#[expect(clippy::unnecessary_wraps, reason = "the form clap asks for")]
pub(crate) fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

/// A token could not be signed.
#[derive(Debug, Error)]
#[error("cannot sign a token: {0}")]
pub struct TokenError(#[from] jsonwebtoken::errors::Error);

/// Signs HS256 tokens with one secret.
#[derive(Clone)]
pub struct Signer {
    key: EncodingKey,
}

impl Signer {
    /// A signer for the gateway's `JWT_HS256_SECRET`.
    #[must_use]
    pub fn new(secret: &SecretString) -> Self {
        Self {
            key: EncodingKey::from_secret(secret.expose_secret().as_bytes()),
        }
    }

    /// A token for this user, valid for twelve hours.
    pub fn sign(&self, user: &str) -> Result<String, TokenError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let claims = Claims {
            sub: user.to_owned(),
            name: Some(user.to_owned()),
            picture: None,
            exp: (now + LIFETIME).as_secs(),
            nbf: None,
            aud: None,
            iss: None,
        };
        Ok(encode(&Header::new(Algorithm::HS256), &claims, &self.key)?)
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};

    use super::*;

    #[test]
    fn a_token_is_valid_under_its_secret_only() {
        const ONE: &str = "one secret that a gateway would take";
        let token = Signer::new(&SecretString::from(ONE))
            .sign("bench-1")
            .unwrap();
        let read = |secret: &str| {
            let key = DecodingKey::from_secret(secret.as_bytes());
            decode::<Claims>(&token, &key, &Validation::new(Algorithm::HS256))
        };
        assert_eq!(read(ONE).unwrap().claims.sub, "bench-1");
        assert!(read("two secrets are better than one").is_err());
    }
}
