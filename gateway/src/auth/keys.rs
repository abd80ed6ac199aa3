//! Public keys from a JWKS (RFC 7517): a file or a URL, cached, read again when a token names a key
//! that is not known, and from time to time so that withdrawn keys go.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm},
};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    config::{self, KeySource},
    workers::Workers,
};

/// How often the set is read even if no unknown key shows up.
const REFRESH: Duration = Duration::from_mins(5);
/// How soon the set may be read again for an unknown key, so that bad tokens cannot hammer it.
const COOLDOWN: Duration = Duration::from_secs(5);
/// How long one read may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest key set.
const BYTES_MAX: usize = 1024 * 1024;

/// The key set cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the key set cannot be fetched: {0}")]
    Fetch(String),
    #[error("the key set cannot be read: {0}")]
    File(#[from] std::io::Error),
    #[error("the key set is no JWKS: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the key set is larger than {BYTES_MAX} bytes")]
    TooLarge,
    #[error("the key set has no key that could be used")]
    Empty,
}

impl From<reqwest::Error> for Error {
    /// Says what went wrong and why, but not with which URL: that may carry credentials.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut reasons = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            reasons += &format!(": {error}");
            cause = error.source();
        }
        Self::Fetch(reasons)
    }
}

type Known = HashMap<Option<String>, (DecodingKey, Algorithm)>;

/// The keys that are known now; cheap to clone.
#[derive(Clone)]
pub(super) struct KeySet(Arc<Shared>);

struct Shared {
    place: Place,
    known: ArcSwap<Known>,
    /// When the set was last read; held while reading, so that many ask once.
    last_read: Mutex<Option<Instant>>,
}

enum Place {
    File(String),
    Url(String, reqwest::Client),
}

impl KeySet {
    pub(super) async fn start(place: &str, workers: &Workers) -> Result<Self, Error> {
        let set = Self(Arc::new(Shared {
            place: Place::parse(place)?,
            known: ArcSwap::default(),
            last_read: Mutex::new(None),
        }));
        set.read().await;
        let refreshed = set.clone();
        workers.run(async move {
            loop {
                tokio::time::sleep(REFRESH).await;
                refreshed.read().await;
            }
        });
        Ok(set)
    }

    /// The key of that id, read anew if it is not known. Without an id: the only key there is.
    pub(super) async fn find(&self, kid: Option<&str>) -> Option<(DecodingKey, Algorithm)> {
        if let Some(found) = self.lookup(kid) {
            return Some(found);
        }
        self.read().await;
        self.lookup(kid)
    }

    fn lookup(&self, kid: Option<&str>) -> Option<(DecodingKey, Algorithm)> {
        let known = self.0.known.load();
        match kid {
            Some(kid) => known.get(&Some(kid.to_owned())).cloned(),
            None if known.len() == 1 => known.values().next().cloned(),
            None => None,
        }
    }

    async fn read(&self) {
        let mut last_read = self.0.last_read.lock().await;
        if last_read.is_some_and(|at| at.elapsed() < COOLDOWN) {
            return;
        }
        *last_read = Some(Instant::now());
        match self.0.place.load().await {
            Ok(set) => self.0.known.store(Arc::new(usable(&set))),
            Err(error) => tracing::warn!(%error, "the key set stays as it was"),
        }
    }
}

/// Reads the keys once, where there is something to read: is there one that could be used?
pub(crate) async fn probe(config: &config::Auth) -> Result<(), Error> {
    let KeySource::KeySet(place) = &config.keys else {
        return Ok(());
    };
    let set = Place::parse(place)?.load().await?;
    if usable(&set).is_empty() {
        return Err(Error::Empty);
    }
    Ok(())
}

impl Place {
    fn parse(place: &str) -> Result<Self, Error> {
        if place.starts_with("http://") || place.starts_with("https://") {
            let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
            return Ok(Self::Url(place.to_owned(), client));
        }
        Ok(Self::File(place.to_owned()))
    }

    async fn load(&self) -> Result<JwkSet, Error> {
        let bytes = match self {
            Self::File(path) => tokio::fs::read(path).await?,
            Self::Url(url, client) => {
                let mut answer = client.get(url).send().await?.error_for_status()?;
                let mut bytes = Vec::new();
                while let Some(chunk) = answer.chunk().await? {
                    if bytes.len() + chunk.len() > BYTES_MAX {
                        return Err(Error::TooLarge);
                    }
                    bytes.extend_from_slice(&chunk);
                }
                bytes
            }
        };
        Ok(serde_json::from_slice(&bytes)?)
    }
}

/// The keys of the kinds that are accepted, each bound to its one algorithm. A symmetric key in a
/// public set is a mistake that would let anybody sign, so it is left out.
fn usable(set: &JwkSet) -> Known {
    set.keys
        .iter()
        .filter_map(|jwk| {
            let algorithm = algorithm(jwk)?;
            let key = DecodingKey::from_jwk(jwk).ok()?;
            Some((jwk.common.key_id.clone(), (key, algorithm)))
        })
        .collect()
}

fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let agreed = jwk
        .common
        .key_algorithm
        .as_ref()
        .is_none_or(|stated| *stated == named);
    agreed.then_some(algorithm)
}
