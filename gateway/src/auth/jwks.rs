//! Picks the keys of a JWKS (RFC 7517, section 5) that can be used.
//!
//! Must not: repeat what was read, or the URL it was read from, in an error.

use std::{collections::HashMap, io};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde_json::{Map, Value};
use tokio::time::error::Elapsed;

use super::place::{BYTES_MAX, TIMEOUT};

/// What is read of a key; other members must not matter (RFC 7517, section 4).
const MEMBERS: [&str; 10] = [
    "kty", "use", "key_ops", "alg", "kid", "n", "e", "crv", "x", "y",
];
/// Characters that 32 bytes have in base64, as the coordinates of P-256 and the keys of Ed25519 are.
const CHARS_OF_32_BYTES: usize = 43;
/// Characters that the modulus of an RSA key has in base64: for 2,048 to 8,192 bits, which are what
/// the library verifies with.
const MODULUS_CHARS: std::ops::RangeInclusive<usize> = 342..=1_368;

/// The key set cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the key set cannot be fetched: {0}")]
    Fetch(String),
    #[error("the key set cannot be read: {0}")]
    File(#[from] io::Error),
    #[error("the key set did not come within {} s", TIMEOUT.as_secs())]
    TooSlow(#[from] Elapsed),
    #[error("the key set is no JWKS (line {line}, column {column})")]
    NoKeySet { line: usize, column: usize },
    #[error("the key set is larger than {BYTES_MAX} bytes")]
    TooLarge,
    #[error("the key set has no key that could be used")]
    Empty,
}

impl Error {
    /// As a metric label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Fetch(_) | Self::File(_) | Self::TooSlow(_) => "unreachable",
            Self::NoKeySet { .. } | Self::TooLarge | Self::Empty => "unusable",
        }
    }
}

impl From<reqwest::Error> for Error {
    /// Says what went wrong and why, but not with which URL: that may carry credentials.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let first: &(dyn std::error::Error + 'static) = &error;
        let reasons = std::iter::successors(Some(first), |error| error.source());
        let reasons: Vec<String> = reasons.map(ToString::to_string).collect();
        Self::Fetch(reasons.join(": "))
    }
}

impl From<serde_json::Error> for Error {
    /// Without the library's words, which may repeat what was read.
    fn from(error: serde_json::Error) -> Self {
        Self::NoKeySet {
            line: error.line(),
            column: error.column(),
        }
    }
}

/// A key and the one algorithm that it is for.
pub(super) type Key = (DecodingKey, Algorithm);

/// The keys of a set that can be used: at least one.
pub(super) struct Keys {
    by_id: HashMap<Option<String>, Key>,
    /// Entries that could not be used.
    pub(super) left_out: usize,
}

impl Keys {
    /// Takes what can be used and leaves out the rest, whatever is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        #[derive(serde::Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let entries = serde_json::from_slice::<Document>(bytes)?.keys;
        let all = entries.len();
        let usable: Vec<_> = entries.iter().filter_map(usable).collect();
        if usable.is_empty() {
            return Err(Error::Empty);
        }
        Ok(Self {
            left_out: all - usable.len(),
            by_id: usable.into_iter().collect(),
        })
    }

    /// The key of that id. Without an id: the only key there is.
    pub(super) fn find(&self, kid: Option<&str>) -> Option<Key> {
        match kid {
            Some(kid) => self.by_id.get(&Some(kid.to_owned())).cloned(),
            None if self.by_id.len() == 1 => self.by_id.values().next().cloned(),
            None => None,
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.by_id.len()
    }
}

/// A key that tokens could be signed with, by its id. Everything else is none: other kinds and
/// algorithms than ours, keys for encryption, and a symmetric key, which in a public set would let
/// anybody sign.
fn usable(entry: &Value) -> Option<(Option<String>, Key)> {
    let members: Map<String, Value> = MEMBERS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), entry.get(name)?.clone())))
        .collect();
    let jwk: Jwk = serde_json::from_value(Value::Object(members)).ok()?;
    let algorithm = algorithm(&jwk)?;
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    verifies(&jwk).then_some((jwk.common.key_id, (key, algorithm)))
}

/// The algorithm of a key whose parts have the lengths they must have.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let is_whole = |part: &str| part.len() == CHARS_OF_32_BYTES;
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(key)
            if MODULUS_CHARS.contains(&key.n.len()) && !key.e.is_empty() =>
        {
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(key)
            if key.curve == EllipticCurve::P256 && is_whole(&key.x) && is_whole(&key.y) =>
        {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key)
            if key.curve == EllipticCurve::Ed25519 && is_whole(&key.x) =>
        {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let stated = jwk.common.key_algorithm.as_ref();
    stated
        .is_none_or(|stated| *stated == named)
        .then_some(algorithm)
}

/// Whether a key is meant for checking signatures, as far as it says (RFC 7517, sections 4.2, 4.3).
fn verifies(jwk: &Jwk) -> bool {
    let meant = jwk.common.public_key_use.as_ref();
    let operations = jwk.common.key_operations.as_ref();
    meant.is_none_or(|meant| *meant == PublicKeyUse::Signature)
        && operations.is_none_or(|all| all.contains(&KeyOperations::Verify))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// 32 bytes of zeros; what is read is not checked to be on a curve.
    const PART: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn good(kid: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": PART })
    }

    fn parse(keys: &[Value]) -> Result<Keys, Error> {
        Keys::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    /// A good key with other members.
    fn but(changes: Value) -> Value {
        let mut key = good("odd");
        let (Some(members), Value::Object(changes)) = (key.as_object_mut(), changes) else {
            panic!("objects");
        };
        members.extend(changes);
        key
    }

    fn unusable() -> Vec<Value> {
        let modulus = "A".repeat(342);
        vec![
            json!(7),
            json!([]),
            json!({}),
            json!({ "kty": "oct", "kid": "odd", "k": PART }),
            json!({ "kty": "oct", "kid": "odd", "k": PART, "alg": "HS256", "use": "sig" }),
            json!({ "kty": "LWE", "kid": "odd", "x": PART }),
            json!({ "kty": "RSA", "kid": "odd", "n": modulus }),
            json!({ "kty": "RSA", "kid": "odd", "n": modulus, "e": "" }),
            json!({ "kty": "RSA", "kid": "odd", "n": "AQAB", "e": "AQAB" }),
            json!({ "kty": "RSA", "kid": "odd", "n": modulus, "e": "AQAB", "alg": "PS512" }),
            json!({ "kty": "RSA", "kid": "odd", "n": "*".repeat(342), "e": "AQAB" }),
            json!({ "kty": "EC", "crv": "P-256", "kid": "odd", "x": PART }),
            json!({ "kty": "EC", "crv": "P-256", "kid": "odd", "x": PART, "y": "AAAA" }),
            json!({ "kty": "EC", "crv": "P-521", "kid": "odd", "x": PART, "y": PART }),
            json!({ "kty": "EC", "crv": "P-000", "kid": "odd", "x": PART, "y": PART }),
            but(json!({ "x": null })),
            but(json!({ "x": "?".repeat(43) })),
            but(json!({ "x": "AAAA" })),
            but(json!({ "crv": "X25519" })),
            but(json!({ "kid": 7 })),
            but(json!({ "alg": "ES256" })),
            but(json!({ "alg": "XX256" })),
            but(json!({ "alg": 256 })),
            but(json!({ "use": "enc" })),
            but(json!({ "use": "tls" })),
            but(json!({ "key_ops": ["sign"] })),
        ]
    }

    #[test]
    fn an_entry_that_cannot_be_used_is_left_out_and_takes_no_other_with_it() {
        for odd in unusable() {
            let keys = parse(&[odd.clone(), good("good"), odd.clone()]);
            let keys = keys.unwrap_or_else(|error| panic!("{odd}: {error}"));
            assert!(keys.find(Some("good")).is_some(), "{odd}");
            assert!(keys.find(Some("odd")).is_none(), "{odd}");
            assert!(keys.find(None).is_some(), "{odd}: it is the only one");
            assert_eq!((keys.count(), keys.left_out), (1, 2), "{odd}");
        }
    }

    #[test]
    fn a_set_without_one_usable_key_is_as_good_as_none() {
        for odd in unusable() {
            assert!(matches!(parse(&[odd]), Err(Error::Empty)));
        }
        assert!(matches!(parse(&[]), Err(Error::Empty)));
    }

    #[test]
    fn what_a_key_says_beside_what_is_read_does_not_matter() {
        for usable in [
            but(json!({ "use": "sig", "alg": "EdDSA", "key_ops": ["verify", "dance"] })),
            but(json!({ "use": null, "alg": null, "x5c": 7, "x5t": [], "oth": {} })),
            json!({ "kty": "EC", "crv": "P-256", "kid": "odd", "x": PART, "y": PART }),
            json!({ "kty": "RSA", "kid": "odd", "n": "A".repeat(342), "e": "AQAB", "y": 7 }),
        ] {
            assert!(parse(&[usable]).unwrap().find(Some("odd")).is_some());
        }
    }

    #[test]
    fn what_is_no_set_is_told_without_its_content() {
        for text in [
            "swordfish",
            "{\"keys\":\"swordfish\"}",
            "\"swordfish\"",
            "{}",
        ] {
            let error = Keys::parse(text.as_bytes()).err().unwrap();
            assert!(matches!(error, Error::NoKeySet { .. }), "{error}");
            assert!(!error.to_string().contains("swordfish"), "{error}");
        }
    }
}
