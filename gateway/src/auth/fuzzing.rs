//! What must hold for tokens, with one secret that the reader and the writer share.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is what fuzzing looks for"
)]

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use futures_util::FutureExt;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use roomwire_shared::limits::PROFILE_CHARS_MAX;
use serde_json::{Map, Value};

use super::{Candidates, Refusal, Verifier};
use crate::{
    config::{Auth, KeySource},
    domain::Principal,
    workers::Workers,
};

const SECRET: &str = "a secret that only this file knows";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// `r`: a token as it is. `h`: the header, a line's end, the claims; both are signed. `s`: claims
/// that are signed under a good header. `f`: the same with one bit of the token wrong.
pub(crate) fn token(data: &[u8]) {
    match data.split_first() {
        Some((b'r', text)) => {
            if let Ok(text) = std::str::from_utf8(text) {
                raw(text);
            }
        }
        Some((b'h', text)) => {
            let end = text.iter().position(|byte| *byte == b'\n');
            let (header, claims) = text.split_at(end.unwrap_or(text.len()));
            signed(header, claims.get(1..).unwrap_or_default());
        }
        Some((b's', claims)) => signed(br#"{"alg":"HS256"}"#, claims),
        Some((b'f', rest)) => {
            if let Some((at, claims)) = rest.split_first_chunk::<2>() {
                flipped(u16::from_be_bytes(*at), claims);
            }
        }
        _ => {}
    }
}

/// Only what the secret has signed is accepted.
fn raw(text: &str) {
    let Ok(principal) = check(text) else { return };
    let (message, signature) = text.trim().rsplit_once('.').expect("three parts");
    assert_eq!(signature, sign(message));
    current(&principal);
}

fn signed(header: &[u8], claims: &[u8]) {
    let message = format!("{}.{}", base64(header), base64(claims));
    let token = format!("{message}.{}", sign(&message));
    let object = |json| serde_json::from_slice::<Map<String, Value>>(json);
    match check(&token) {
        Ok(principal) => {
            let header = object(header).expect("a header is an object");
            assert_eq!(header.get("alg"), Some(&Value::from("HS256")));
            let claims = object(claims).expect("claims are an object");
            let user = principal.user.as_str();
            let named = claims.get("sub").expect("a token names its user");
            let named = match named {
                Value::String(id) => id.clone(),
                number => number.to_string(),
            };
            assert_eq!(named, user);
            let exp = claims.get("exp").and_then(Value::as_f64);
            let since = principal.expires.duration_since(SystemTime::UNIX_EPOCH);
            let expires = since.expect("after the epoch").as_secs_f64();
            assert!((exp.expect("a token ends") - expires).abs() < 1.0);
            current(&principal);
        }
        Err(refusal) => assert!(refusal != Refusal::Missing),
    }
}

fn flipped(at: u16, claims: &[u8]) {
    let message = format!("{}.{}", base64(br#"{"alg":"HS256"}"#), base64(claims));
    let token = format!("{message}.{}", sign(&message));
    let mut bytes = token.clone().into_bytes();
    let (index, bit) = (usize::from(at) / 8 % bytes.len(), at % 8);
    if let Some(byte) = bytes.get_mut(index) {
        *byte ^= 1 << bit;
    }
    if let Ok(broken) = String::from_utf8(bytes)
        && broken.trim() != token
    {
        assert!(check(&broken).is_err());
    }
}

/// Whoever is accepted has time left, and a profile within bounds.
fn current(principal: &Principal) {
    assert!(principal.expires > SystemTime::UNIX_EPOCH);
    let author = &principal.author;
    for text in [&author.name, &author.picture].into_iter().flatten() {
        assert!((1..=PROFILE_CHARS_MAX).contains(&text.chars().count()));
        assert!(!text.chars().any(char::is_control));
    }
}

fn check(token: &str) -> Result<Principal, Refusal> {
    static VERIFIER: OnceLock<Verifier> = OnceLock::new();
    let verifier = VERIFIER.get_or_init(|| {
        let config = Auth {
            keys: KeySource::Secret(SECRET.into()),
            audience: None,
            issuer: None,
            user_claim: "sub".into(),
            leeway: Duration::from_secs(5),
        };
        Verifier::start(&config, &Workers::default()).expect("a secret is there at once")
    });
    let before = SystemTime::now();
    let mut shown = Candidates::default();
    shown.offer([token]);
    let checked = verifier.check(&shown).now_or_never();
    let checked = checked.expect("nothing to wait for");
    if let Ok(principal) = &checked {
        assert!(principal.expires > before);
    }
    checked
}

fn sign(message: &str) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("a key that signs")
}

/// Base64 for URLs, without padding (RFC 4648, section 5).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut bits = group
            .iter()
            .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        bits <<= 8 * (3 - group.len());
        for place in 0..=group.len() {
            let digit = bits >> (18 - 6 * place) & 63;
            let digit = usize::try_from(digit).ok().and_then(|at| ALPHABET.get(at));
            text.extend(digit.map(|digit| char::from(*digit)));
        }
    }
    text
}
