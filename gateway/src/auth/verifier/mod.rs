//! From a token to a principal, without a round trip while the key is known.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use roomwire_shared::limits::PROFILE_CHARS_MAX;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::{
    Candidates, jwks,
    keys::{KeySet, Lookup},
};
use crate::{
    config::{self, KeySource},
    domain::{Author, ChatError, Kind, Principal},
    telemetry::catalogue,
    workers::Workers,
};

/// Why a token is not accepted. Says no more than this to anybody.
///
/// All but [`Refusal::Unread`] are for the client to mend; that one ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the token is missing")]
    Missing,
    #[error("the token is malformed")]
    Malformed,
    #[error("the token is expired")]
    Expired,
    #[error("the token is refused")]
    Refused,
    #[error("tokens cannot be checked yet, nothing was done: try again")]
    Unread,
}

impl Refusal {
    /// As a metric label.
    fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Unread => "unread",
        }
    }

    /// As the failure of a dependency, if it is one.
    pub(crate) fn as_outage(self) -> Option<ChatError> {
        (self == Self::Unread).then(|| ChatError::new(Kind::Unavailable, self.to_string()))
    }
}

/// Why one candidate is not accepted now.
enum Failure {
    Refused(Refusal),
    /// It names a key that is not known, or was not when the set was last read.
    UnknownKey,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal,
            Failure::UnknownKey => Self::Refused,
        }
    }
}

/// Checks tokens.
pub(crate) struct Verifier {
    keys: Keys,
    audience: Option<String>,
    issuer: Option<String>,
    user_claim: String,
    /// By how much `nbf` and `iat` may be ahead.
    leeway: Duration,
}

enum Keys {
    Secret(DecodingKey),
    Set(KeySet),
}

impl Verifier {
    /// Takes the secret, or begins to read the key set in the background.
    pub(crate) fn start(config: &config::Auth, workers: &Workers) -> Result<Self, jwks::Error> {
        let keys = match &config.keys {
            KeySource::Secret(secret) => {
                Keys::Secret(DecodingKey::from_secret(secret.expose_secret().as_bytes()))
            }
            KeySource::KeySet(place) => Keys::Set(KeySet::start(place, workers)?),
        };
        Ok(Self {
            keys,
            audience: config.audience.clone(),
            issuer: config.issuer.clone(),
            user_claim: config.user_claim.clone(),
            leeway: config.leeway,
        })
    }

    /// Why no token can be checked, if none can: the key set was never read.
    pub(crate) fn problem(&self) -> Option<String> {
        match &self.keys {
            Keys::Secret(_) => None,
            Keys::Set(set) => set.problem(),
        }
    }

    /// Sets the gauge of the key set's age, if there is one.
    pub(crate) fn note_age(&self) {
        if let Keys::Set(set) = &self.keys {
            set.note_age();
        }
    }

    /// Accepts the first of the candidates that verifies, or says what is wrong with the first.
    ///
    /// The keys that are known are tried with all of them before the set is read anew for one that
    /// names another key; so a foreign token delays nobody. Until a set was read, no token is judged.
    pub(crate) async fn check(&self, shown: &Candidates) -> Result<Principal, Refusal> {
        let checked = self.first_good(shown).await;
        if let Err(refusal) = &checked {
            metrics::counter!(catalogue::AUTH_FAILURES, "reason" => refusal.label()).increment(1);
        }
        checked
    }

    async fn first_good(&self, shown: &Candidates) -> Result<Principal, Refusal> {
        let mut told = shown.refusal();
        let mut unknown = Vec::new();
        for (place, token) in shown.tokens().iter().enumerate() {
            match self.decode(token) {
                Ok(principal) => return Ok(principal),
                Err(Failure::Refused(Refusal::Unread)) => return Err(Refusal::Unread),
                Err(Failure::Refused(refusal)) if place == 0 => {
                    told.get_or_insert(refusal);
                }
                Err(Failure::Refused(_)) => {}
                Err(Failure::UnknownKey) => unknown.push((place, token)),
            }
        }
        if let (Keys::Set(set), false) = (&self.keys, unknown.is_empty()) {
            set.refresh().await;
        }
        for (place, token) in unknown {
            match self.decode(token) {
                Ok(principal) => return Ok(principal),
                Err(failure) if place == 0 => {
                    told.get_or_insert(failure.into());
                }
                Err(_) => {}
            }
        }
        // Where nothing was shown, that is what is told.
        Err(told.unwrap_or(Refusal::Missing))
    }

    fn decode(&self, token: &str) -> Result<Principal, Failure> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Malformed)?;
        let (key, algorithm) = match &self.keys {
            // The algorithm is ours to say, never the token's: only HS256 goes with a secret.
            Keys::Secret(key) => (key.clone(), Algorithm::HS256),
            Keys::Set(set) => match set.find(header.kid.as_deref()) {
                Lookup::Found(key) => key,
                Lookup::Unknown => return Err(Failure::UnknownKey),
                Lookup::NotRead => return Err(Refusal::Unread.into()),
            },
        };
        let decoded =
            jsonwebtoken::decode::<Map<String, Value>>(token, &key, &self.validation(algorithm))
                .map_err(|error| match error.kind() {
                    ErrorKind::ExpiredSignature => Refusal::Expired,
                    ErrorKind::InvalidToken
                    | ErrorKind::Base64(_)
                    | ErrorKind::Json(_)
                    | ErrorKind::Utf8(_) => Refusal::Malformed,
                    _ => Refusal::Refused,
                })?;
        Ok(self.principal(&decoded.claims)?)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        // For `nbf`; `exp` gets it too here, and none where it is read below.
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        // What is configured must be there: without this, a token that does not say is let through.
        let mut required = vec!["exp"];
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        } else {
            validation.validate_aud = false;
        }
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        validation
    }

    fn principal(&self, claims: &Map<String, Value>) -> Result<Principal, Refusal> {
        let user = match claims.get(&self.user_claim) {
            Some(Value::String(id)) => id.parse(),
            Some(Value::Number(id)) if !id.is_f64() => id.to_string().parse(),
            _ => return Err(Refusal::Refused),
        }
        .map_err(|_| Refusal::Refused)?;
        let now = SystemTime::now();
        if let Some(made) = claims.get("iat").filter(|made| !made.is_null())
            && date(made).is_none_or(|made| made > now + self.leeway)
        {
            return Err(Refusal::Refused);
        }
        let expires = claims.get("exp").and_then(date).ok_or(Refusal::Refused)?;
        // Not on or after that moment (RFC 7519, section 4.1.4); the library allows the second.
        if expires <= now {
            return Err(Refusal::Expired);
        }
        Ok(Principal {
            user,
            author: Author {
                name: profile_text(claims.get("name")),
                picture: picture(claims.get("picture")),
            },
            expires,
        })
    }
}

/// A moment in seconds since 1970, which may have a fraction (`NumericDate`: RFC 7519, section 2).
fn date(value: &Value) -> Option<SystemTime> {
    let since = Duration::try_from_secs_f64(value.as_f64()?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

/// The address of a picture; one that is too long is none, since half of it would lead nowhere.
fn picture(value: Option<&Value>) -> Option<Arc<str>> {
    let chars = value?.as_str()?.chars().count();
    profile_text(value.filter(|_| chars <= PROFILE_CHARS_MAX))
}

/// Profile fields are shown, not checked: control characters go, the rest is cut to its bound.
fn profile_text(value: Option<&Value>) -> Option<Arc<str>> {
    let text = value?.as_str()?;
    let kept: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(PROFILE_CHARS_MAX)
        .collect();
    (!kept.is_empty()).then(|| kept.into())
}
