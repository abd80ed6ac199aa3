//! The public keys of an issuer, kept in memory: read again when a token names a key that is not
//! known, and from time to time so that withdrawn keys go. What was read once stays until it is read
//! anew; until then nobody can be told from anybody.

use std::{
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{
    jwks::{Error, Key, Keys},
    place::Place,
};
use crate::{
    config::{self, KeySource},
    telemetry::catalogue,
    workers::Workers,
};

/// How often the set is read even if no unknown key shows up.
const REFRESH: Duration = Duration::from_mins(5);
/// How soon a set that was never read is tried again.
const RETRY: Duration = Duration::from_secs(3);
/// How soon the set may be read again for an unknown key, so that bad tokens cannot hammer it.
const COOLDOWN: Duration = Duration::from_secs(5);

/// The keys that are known now; cheap to clone.
#[derive(Clone)]
pub(super) struct KeySet(Arc<Shared>);

struct Shared {
    place: Place,
    /// None until the set was read once.
    known: ArcSwapOption<Keys>,
    /// Why it was not, as far as that is known.
    problem: StdMutex<String>,
    /// When it was last read well.
    learned: StdMutex<Option<Instant>>,
    /// When the set was last read; held while reading, so that many ask once.
    last_read: Mutex<Option<Instant>>,
}

/// What is known of a key.
pub(super) enum Lookup {
    Found(Key),
    /// The set has none of that id.
    Unknown,
    /// The set was never read.
    NotRead,
}

impl KeySet {
    /// Begins reading the set in the background, and goes on until it was read once.
    pub(super) fn start(place: &str, workers: &Workers) -> Result<Self, Error> {
        let set = Self(Arc::new(Shared {
            place: Place::parse(place)?,
            known: ArcSwapOption::empty(),
            problem: StdMutex::new("the first read is not done".to_owned()),
            learned: StdMutex::default(),
            last_read: Mutex::new(None),
        }));
        let reading = set.clone();
        workers.run(async move {
            loop {
                reading.read(Duration::ZERO).await;
                let is_read = reading.0.known.load().is_some();
                sleep(if is_read { REFRESH } else { RETRY }).await;
            }
        });
        Ok(set)
    }

    /// The key of that id, if it is known. Without an id: the only key there is.
    pub(super) fn find(&self, kid: Option<&str>) -> Lookup {
        match &*self.0.known.load() {
            Some(keys) => keys.find(kid).map_or(Lookup::Unknown, Lookup::Found),
            None => Lookup::NotRead,
        }
    }

    /// Reads the set anew for a key that is not known, unless that was done a moment ago.
    pub(super) async fn refresh(&self) {
        self.read(COOLDOWN).await;
    }

    /// Why no key is known, if none is.
    pub(super) fn problem(&self) -> Option<String> {
        if self.0.known.load().is_some() {
            return None;
        }
        let problem = self.0.problem.lock();
        Some(problem.unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Sets the gauge of the set's age, once it has one.
    pub(super) fn note_age(&self) {
        let learned = self.0.learned.lock();
        if let Some(learned) = *learned.unwrap_or_else(PoisonError::into_inner) {
            metrics::gauge!(catalogue::KEY_SET_AGE).set(learned.elapsed().as_secs_f64());
        }
    }

    async fn read(&self, rest: Duration) {
        let mut last_read = self.0.last_read.lock().await;
        if last_read.is_some_and(|at| at.elapsed() < rest) {
            return;
        }
        // From its beginning, since whoever waits for it may go away and drop it; and from its end, so
        // that a slow issuer is not asked without a pause.
        *last_read = Some(Instant::now());
        let read = self.0.place.load().await;
        *last_read = Some(Instant::now());
        let result = read.as_ref().map_or_else(Error::label, |_| "ok");
        metrics::counter!(catalogue::KEY_SET_READS, "result" => result).increment(1);
        match read {
            Ok(keys) => self.learn(keys),
            Err(error) if self.0.known.load().is_some() => {
                tracing::warn!(%error, "the keys stay as they were");
            }
            Err(error) => {
                // The health check tells it, once and then from time to time.
                let problem = self.0.problem.lock();
                *problem.unwrap_or_else(PoisonError::into_inner) = error.to_string();
            }
        }
    }

    fn learn(&self, keys: Keys) {
        let (count, left_out) = (keys.count(), keys.left_out);
        let learned = self.0.learned.lock();
        *learned.unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let before = self.0.known.swap(Some(Arc::new(keys)));
        let before = before.map(|keys| (keys.count(), keys.left_out));
        if before != Some((count, left_out)) {
            tracing::info!(keys = count, left_out, "the key set was read");
        }
    }
}

/// Reads the keys once, where there is something to read: is there one that could be used?
pub(crate) async fn probe(config: &config::Auth) -> Result<(), Error> {
    let KeySource::KeySet(place) = &config.keys else {
        return Ok(());
    };
    Place::parse(place)?.load().await?;
    Ok(())
}
