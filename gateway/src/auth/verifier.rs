//! From a token to a principal, without a round trip while the key is known.

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

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    const LEEWAY: Duration = Duration::from_mins(1);
    const SECRET: &str = "a secret that is long enough for HS256";

    fn verifier() -> Verifier {
        Verifier {
            keys: Keys::Secret(DecodingKey::from_secret(SECRET.as_bytes())),
            audience: None,
            issuer: None,
            user_claim: "sub".into(),
            leeway: LEEWAY,
        }
    }

    fn now() -> u64 {
        jsonwebtoken::get_current_timestamp()
    }

    fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes());
        encode(&Header::new(algorithm), claims, &key).unwrap()
    }

    async fn check(verifier: &Verifier, claims: &Value) -> Result<Principal, Refusal> {
        check_all(verifier, &[&signed(Algorithm::HS256, SECRET, claims)]).await
    }

    async fn check_all(verifier: &Verifier, texts: &[&str]) -> Result<Principal, Refusal> {
        let mut shown = Candidates::default();
        shown.offer(texts);
        verifier.check(&shown).await
    }

    #[tokio::test]
    async fn a_good_token_names_its_user() {
        let claims = json!({"sub": "ann", "exp": now() + 60, "name": "Ann\u{0}"});
        let principal = check(&verifier(), &claims).await.unwrap();
        assert_eq!(principal.user.as_str(), "ann");
        assert_eq!(principal.author.name.as_deref(), Some("Ann"));
        assert_eq!(principal.author.picture, None);
    }

    #[tokio::test]
    async fn a_refusal_says_missing_malformed_expired_or_refused() {
        let verifier = verifier();
        assert_eq!(
            check_all(&verifier, &[]).await.unwrap_err(),
            Refusal::Missing
        );
        assert_eq!(
            check_all(&verifier, &[" "]).await.unwrap_err(),
            Refusal::Missing
        );
        assert_eq!(
            check_all(&verifier, &["nonsense"]).await.unwrap_err(),
            Refusal::Malformed
        );
        let old = json!({"sub": "ann", "exp": now() - 1});
        assert_eq!(check(&verifier, &old).await.unwrap_err(), Refusal::Expired);
        let now_over = json!({"sub": "ann", "exp": now()});
        assert_eq!(
            check(&verifier, &now_over).await.unwrap_err(),
            Refusal::Expired
        );
        let endless = json!({"sub": "ann"});
        assert_eq!(
            check(&verifier, &endless).await.unwrap_err(),
            Refusal::Refused
        );
        let nobody = json!({"exp": now() + 60});
        assert_eq!(
            check(&verifier, &nobody).await.unwrap_err(),
            Refusal::Refused
        );
    }

    #[tokio::test]
    async fn the_issuers_clock_may_be_ahead_by_the_leeway_and_no_token_lives_longer_for_it() {
        let verifier = verifier();
        let with = |claim: &str, at: Value| {
            let mut claims = json!({ "sub": "ann", "exp": now() + 600 });
            claims[claim] = at;
            claims
        };
        for claim in ["nbf", "iat"] {
            for ahead in [0, 30, 58] {
                let claims = with(claim, json!(now() + ahead));
                assert!(check(&verifier, &claims).await.is_ok(), "{claim} {ahead}");
            }
            for wrong in [json!(now() + 90), json!("2026")] {
                let refused = check(&verifier, &with(claim, wrong)).await.unwrap_err();
                assert_eq!(refused, Refusal::Refused, "{claim}");
            }
        }
        for over in [now(), now() - 1, now() - 30] {
            let refused = check(&verifier, &with("exp", json!(over)))
                .await
                .unwrap_err();
            assert_eq!(refused, Refusal::Expired);
        }
        let strict = Verifier {
            leeway: Duration::ZERO,
            ..self::verifier()
        };
        for claim in ["nbf", "iat"] {
            let claims = with(claim, json!(now() + 5));
            assert!(check(&strict, &claims).await.is_err(), "{claim}");
        }
    }

    #[tokio::test]
    async fn another_secret_or_algorithm_is_refused() {
        let verifier = verifier();
        let claims = json!({"sub": "ann", "exp": now() + 60});
        let other = signed(
            Algorithm::HS256,
            "another secret that is long enough too",
            &claims,
        );
        assert_eq!(
            check_all(&verifier, &[&other]).await.unwrap_err(),
            Refusal::Refused
        );
        let stronger = signed(Algorithm::HS512, SECRET, &claims);
        assert_eq!(
            check_all(&verifier, &[&stronger]).await.unwrap_err(),
            Refusal::Refused
        );
        let good = signed(Algorithm::HS256, SECRET, &claims);
        let (_, rest) = good.split_once('.').unwrap();
        // {"alg":"none"}
        let unsigned = format!("eyJhbGciOiJub25lIn0.{rest}");
        assert!(check_all(&verifier, &[&unsigned]).await.is_err());
    }

    #[tokio::test]
    async fn the_first_that_verifies_is_accepted_wherever_it_stands() {
        let verifier = verifier();
        let of = |user: &str, exp| {
            let claims = json!({ "sub": user, "exp": exp });
            signed(Algorithm::HS256, SECRET, &claims)
        };
        let (ann, bob, over) = (
            of("ann", now() + 60),
            of("bob", now() + 60),
            of("eve", now() - 1),
        );
        let claims = json!({ "sub": "eve", "exp": now() + 60 });
        let foreign = signed(
            Algorithm::HS256,
            "another secret that is long enough too",
            &claims,
        );
        let orders: [&[&str]; 4] = [
            &[&ann, &bob],
            &["nonsense", &foreign, &over, &ann, &bob],
            &[&over, &ann],
            &["", &ann],
        ];
        for order in orders {
            let principal = check_all(&verifier, order).await.unwrap();
            assert_eq!(principal.user.as_str(), "ann");
        }
        for (order, refusal) in [
            ([&*over, &foreign], Refusal::Expired),
            ([&foreign, &over], Refusal::Refused),
            (["nonsense", &over], Refusal::Malformed),
            (["", &over], Refusal::Expired),
            (["", " "], Refusal::Missing),
        ] {
            let refused = check_all(&verifier, &order).await.unwrap_err();
            assert_eq!(refused, refusal);
        }
    }

    #[tokio::test]
    async fn audience_issuer_and_user_claim_are_checked_when_configured() {
        let verifier = Verifier {
            audience: Some("chat".into()),
            issuer: Some("id".into()),
            user_claim: "uid".into(),
            ..verifier()
        };
        let good = json!({"uid": 7, "exp": now() + 60, "aud": ["x", "chat"], "iss": "id"});
        assert_eq!(check(&verifier, &good).await.unwrap().user.as_str(), "7");
        let foreign = json!({"uid": 7, "exp": now() + 60, "aud": "x", "iss": "id"});
        assert_eq!(
            check(&verifier, &foreign).await.unwrap_err(),
            Refusal::Refused
        );
        let silent = json!({"uid": 7, "exp": now() + 60});
        assert_eq!(
            check(&verifier, &silent).await.unwrap_err(),
            Refusal::Refused
        );
        let stranger = json!({"uid": 7, "exp": now() + 60, "aud": "chat", "iss": "other"});
        assert_eq!(
            check(&verifier, &stranger).await.unwrap_err(),
            Refusal::Refused
        );
    }
}
