//! Tokens as an issuer would sign them, good and bad.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// What all gateways under test share with their issuer.
pub(crate) const SECRET: &str = "a secret that only the tests share";

/// Far longer than any test takes.
const HOUR_SECONDS: i64 = 3_600;

/// A good token of this user.
pub(crate) fn token(user: &str) -> String {
    token_for(user, HOUR_SECONDS)
}

/// A token of this user that ends in so many seconds, or has ended before now.
pub(crate) fn token_for(user: &str, seconds: i64) -> String {
    let exp = unix_seconds() + seconds;
    sign(&json!({ "sub": user, "name": user.to_uppercase(), "exp": exp }))
}

/// Any claims, signed properly. `exp` is added where it is missing.
pub(crate) fn sign(claims: &Value) -> String {
    let mut claims = claims.clone();
    claims
        .as_object_mut()
        .unwrap()
        .entry("exp")
        .or_insert_with(|| json!(unix_seconds() + HOUR_SECONDS));
    sign_with(&claims, Algorithm::HS256, SECRET)
}

/// Any claims, signed with any secret by any algorithm of the HMAC family.
pub(crate) fn sign_with(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(algorithm), claims, &key).unwrap()
}

/// Whole seconds since 1970.
pub(crate) fn unix_seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// Claims that claim to need no signature.
pub(crate) fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| base64_url(value.to_string().as_bytes());
    format!(
        "{}.{}.",
        part(&json!({ "alg": "none", "typ": "JWT" })),
        part(claims)
    )
}

/// Those of the four words that say what is wrong with a token.
pub(crate) fn said_about(message: &str) -> Vec<&'static str> {
    let words = ["missing", "malformed", "expired", "refused"];
    words
        .into_iter()
        .filter(|word| message.contains(word))
        .collect()
}

pub(super) fn base64_url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0, |group, byte| group << 8 | usize::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[group >> (18 - 6 * digit) & 63]));
        }
    }
    text
}
