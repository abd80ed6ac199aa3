//! Who asks for too much: rates per user, token or address, on this node (GCRA, by `governor`).
//!
//! Must not: keep anybody waiting. What is too much is refused, with a word on trying again.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota};
use roomwire_shared::UserId;

use crate::{
    config::{self, Rate},
    domain::{ChatError, Kind},
    telemetry::catalogue,
    workers::Workers,
};

/// How often those who have been quiet for a while are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(10);

/// All limits; cheap to clone.
#[derive(Clone)]
pub(crate) struct Limits {
    rates: Option<Arc<Rates>>,
    connections_per_user_max: usize,
}

struct Rates {
    messages: DefaultKeyedRateLimiter<UserId>,
    events: DefaultKeyedRateLimiter<UserId>,
    connects: DefaultKeyedRateLimiter<UserId>,
    requests: DefaultKeyedRateLimiter<u64>,
    handshakes: DefaultDirectRateLimiter,
}

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Sending,
    Else,
}

impl Limits {
    /// Keeps count, and forgets until `workers` stop.
    pub(crate) fn start(config: config::Limits, workers: &Workers) -> Self {
        let limits = Self::new(config);
        if let Some(rates) = &limits.rates {
            workers.run(forget(Arc::clone(rates)));
        }
        limits
    }

    fn new(config: config::Limits) -> Self {
        let keyed = |rate| DefaultKeyedRateLimiter::keyed(quota(rate));
        let rates = config.rates.map(|rates| {
            Arc::new(Rates {
                messages: keyed(rates.messages),
                events: keyed(rates.events),
                connects: keyed(rates.connects),
                requests: DefaultKeyedRateLimiter::keyed(quota(rates.requests)),
                handshakes: DefaultDirectRateLimiter::direct(quota(rates.handshakes)),
            })
        });
        Self {
            rates,
            // A load test may well be one user.
            connections_per_user_max: match config.rates {
                Some(_) => config.connections_per_user_max,
                None => usize::MAX,
            },
        }
    }

    /// Open sockets that one user may have here.
    pub(crate) fn connections_per_user_max(&self) -> usize {
        self.connections_per_user_max
    }

    /// A user sends an event.
    pub(crate) fn event(&self, user: &UserId, doing: Doing) -> Result<(), ChatError> {
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        let (rate, what) = match doing {
            Doing::Sending => (&rates.messages, "message"),
            Doing::Else => (&rates.events, "event"),
        };
        verdict(rate.check_key(user).is_ok(), what)
    }

    /// A user opens a socket.
    pub(crate) fn connect(&self, user: &UserId) -> Result<(), ChatError> {
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        verdict(rates.connects.check_key(user).is_ok(), "connect")
    }

    /// Somebody makes a request: known by the token, which is not checked yet, or by the address.
    pub(crate) fn request(
        &self,
        token: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<(), ChatError> {
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        let mut hasher = DefaultHasher::new();
        match token {
            Some(token) => token.hash(&mut hasher),
            None => address.hash(&mut hasher),
        }
        verdict(
            rates.requests.check_key(&hasher.finish()).is_ok(),
            "request",
        )
    }

    /// Somebody begins to open a socket.
    pub(crate) fn handshake(&self) -> Result<(), ChatError> {
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        verdict(rates.handshakes.check().is_ok(), "handshake")
    }
}

fn verdict(allowed: bool, what: &'static str) -> Result<(), ChatError> {
    if allowed {
        return Ok(());
    }
    metrics::counter!(catalogue::RATE_LIMITED, "what" => what).increment(1);
    Err(ChatError::new(
        Kind::TooMany,
        "too many at once, try again a little later",
    ))
}

fn quota(rate: Rate) -> Quota {
    Quota::per_second(rate.per_second).allow_burst(rate.at_once)
}

/// Whoever has their whole allowance back need not be remembered. So the memory is bounded by how
/// many different users and tokens come within a few seconds.
async fn forget(rates: Arc<Rates>) {
    loop {
        tokio::time::sleep(FORGET_EVERY).await;
        let users = [&rates.messages, &rates.events, &rates.connects];
        let mut remembered = 0;
        for limiter in users {
            limiter.retain_recent();
            limiter.shrink_to_fit();
            remembered += limiter.len();
        }
        rates.requests.retain_recent();
        rates.requests.shrink_to_fit();
        remembered += rates.requests.len();
        let remembered = u32::try_from(remembered).unwrap_or(u32::MAX);
        metrics::gauge!(catalogue::RATE_KEYS).set(remembered);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn limits(at_once: u32) -> Limits {
        let rate = Rate {
            per_second: NonZeroU32::MIN,
            at_once: NonZeroU32::new(at_once).unwrap(),
        };
        let rates = config::Rates {
            messages: rate,
            events: rate,
            requests: rate,
            connects: rate,
            handshakes: rate,
        };
        let config = config::Limits {
            rates: Some(rates),
            connections_per_user_max: 1,
        };
        Limits::new(config)
    }

    #[test]
    fn each_user_has_an_allowance_for_each_kind_of_event() {
        let (limits, ann, bo) = (limits(2), "ann".parse().unwrap(), "bo".parse().unwrap());
        for _ in 0..2 {
            assert!(limits.event(&ann, Doing::Sending).is_ok());
        }
        let refused = limits.event(&ann, Doing::Sending).unwrap_err();
        assert_eq!(refused.kind, Kind::TooMany);
        assert!(limits.event(&ann, Doing::Else).is_ok());
        assert!(limits.event(&bo, Doing::Sending).is_ok());
    }

    #[test]
    fn requests_are_counted_by_token_and_else_by_address() {
        let (limits, here) = (limits(1), Some(IpAddr::from([127, 0, 0, 1])));
        assert!(limits.request(Some("one"), here).is_ok());
        assert!(limits.request(Some("one"), here).is_err());
        assert!(limits.request(Some("two"), here).is_ok());
        assert!(limits.request(None, here).is_ok());
        assert!(limits.request(None, here).is_err());
        assert!(
            limits
                .request(None, Some(IpAddr::from([10, 0, 0, 1])))
                .is_ok()
        );
    }
}
