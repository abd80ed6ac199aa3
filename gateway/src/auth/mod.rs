//! Tokens: who signed them, and who they speak for.
//!
//! Must not: let a token, or a part of one, into a log line or an error.

mod candidates;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod jwks;
mod keys;
mod place;
mod sign;
mod verifier;

pub(crate) use candidates::Candidates;
pub(crate) use keys::probe;
pub(crate) use sign::{TokenArgs, sign, user_of};
pub(crate) use verifier::{Refusal, Verifier};
