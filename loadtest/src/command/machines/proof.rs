//! Both sides prove that they know the gateways' secret, which itself is never sent: each signs what the
//! other one has just made up.
//!
//! A proof is no token of a gateway: it names no user. It counts for one side of one connection.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::client::tokens::TokenError;

/// How long a proof counts. It is for this connection only, so that this only ends what is left of it.
const LIFETIME: Duration = Duration::from_mins(1);
/// How far apart the machines' clocks may be, in seconds.
const CLOCKS_APART_MAX: u64 = 600;

/// Who proves it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Coordinator,
    Worker,
}

impl Side {
    /// What its proofs are for, so that none of the other side can be sent back.
    fn audience(self) -> &'static str {
        match self {
            Self::Coordinator => "roomwire-loadtest coordinator",
            Self::Worker => "roomwire-loadtest worker",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    aud: String,
    exp: u64,
    nonce: String,
}

/// The secret, to sign and to check with.
#[derive(Clone)]
pub(super) struct Keys {
    signing: EncodingKey,
    checking: DecodingKey,
}

impl Keys {
    pub(super) fn new(secret: &SecretString) -> Self {
        let bytes = secret.expose_secret().as_bytes();
        Self {
            signing: EncodingKey::from_secret(bytes),
            checking: DecodingKey::from_secret(bytes),
        }
    }

    /// Proves to whoever made this up that this side knows the secret.
    pub(super) fn prove(&self, side: Side, nonce: &str) -> Result<String, TokenError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let claims = Claims {
            aud: side.audience().to_owned(),
            exp: (now.unwrap_or_default() + LIFETIME).as_secs(),
            nonce: nonce.to_owned(),
        };
        Ok(encode(
            &Header::new(Algorithm::HS256),
            &claims,
            &self.signing,
        )?)
    }

    /// Whether it is the proof of that side for what was made up here.
    pub(super) fn is_proof(&self, side: Side, nonce: &str, proof: &str) -> bool {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = CLOCKS_APART_MAX;
        validation.set_audience(&[side.audience()]);
        validation.set_required_spec_claims(&["aud", "exp"]);
        let read = decode::<Claims>(proof, &self.checking, &validation);
        read.is_ok_and(|read| read.claims.nonce == nonce)
    }
}

/// What nobody can have known before: 128 random bits.
pub(super) fn nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tokens::Signer;

    fn keys(secret: &str) -> Keys {
        Keys::new(&SecretString::from(secret))
    }

    #[test]
    fn a_proof_counts_for_one_secret_one_side_and_one_connection() {
        let (ours, nonce) = (keys("one secret"), nonce());
        let proof = ours.prove(Side::Worker, &nonce).unwrap();
        assert!(ours.is_proof(Side::Worker, &nonce, &proof));
        assert!(!keys("another").is_proof(Side::Worker, &nonce, &proof));
        assert!(!ours.is_proof(Side::Coordinator, &nonce, &proof));
        assert!(!ours.is_proof(Side::Worker, &super::nonce(), &proof));
        assert!(!ours.is_proof(Side::Worker, &nonce, ""));
        assert!(!proof.contains("one secret"));
    }

    #[test]
    fn neither_an_old_proof_nor_a_token_of_a_user_proves_anything() {
        let (ours, nonce) = (keys("one secret"), nonce());
        let old = Claims {
            aud: Side::Worker.audience().to_owned(),
            exp: 1_000_000_000,
            nonce: nonce.clone(),
        };
        let old = encode(&Header::new(Algorithm::HS256), &old, &ours.signing).unwrap();
        assert!(!ours.is_proof(Side::Worker, &nonce, &old));
        let signer = Signer::new(&SecretString::from("one secret"));
        let token = signer.sign(&nonce).unwrap();
        assert!(!ours.is_proof(Side::Worker, &nonce, &token));
    }

    #[test]
    fn a_proof_is_no_token_of_a_gateway() {
        let ours = keys("one secret");
        let proof = ours.prove(Side::Worker, "x").unwrap();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_aud = false;
        let read = decode::<roomwire_shared::auth::Claims>(&proof, &ours.checking, &validation);
        assert!(read.is_err());
    }
}
