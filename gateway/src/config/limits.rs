//! How much one client may ask for.

use std::{num::NonZeroU32, str::FromStr};

use super::{Problems, problems::Switch};

/// Limits.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits (per node; a rate is events per second/events at once)")]
pub(crate) struct LimitsArgs {
    /// `off` switches all of these off, for load tests.
    #[arg(long, env = "RATE_LIMITS", default_value = "on")]
    rate_limits: String,
    /// Messages that one user may send.
    #[arg(long, env = "RATE_MESSAGES", default_value = "200/2000")]
    rate_messages: String,
    /// Other events that one user may send.
    #[arg(long, env = "RATE_EVENTS", default_value = "200/2000")]
    rate_events: String,
    /// Requests with one token, or from one address without a token.
    #[arg(long, env = "RATE_REQUESTS", default_value = "200/2000")]
    rate_requests: String,
    /// Sockets that one user may open.
    #[arg(long, env = "RATE_CONNECTS", default_value = "100/1000")]
    rate_connects: String,
    /// Sockets that all clients together may begin to open.
    #[arg(long, env = "RATE_HANDSHAKES", default_value = "1000/5000")]
    rate_handshakes: String,
    /// Open sockets of one user.
    #[arg(long, env = "CONNECTIONS_PER_USER_MAX", default_value = "1000")]
    connections_per_user_max: String,
}

/// Parsed form of [`LimitsArgs`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// None where rates are not limited.
    pub(crate) rates: Option<Rates>,
    /// At least 1.
    pub(crate) connections_per_user_max: usize,
}

/// How often something may happen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) messages: Rate,
    pub(crate) events: Rate,
    pub(crate) requests: Rate,
    pub(crate) connects: Rate,
    pub(crate) handshakes: Rate,
}

/// So many each second in the long run, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) per_second: NonZeroU32,
    pub(crate) at_once: NonZeroU32,
}

impl Rate {
    const EXPECTED: &str = "events per second and events at once, such as 100/1000";
}

impl FromStr for Rate {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (per_second, at_once) = text.split_once('/').ok_or(())?;
        Ok(Self {
            per_second: per_second.trim().parse().map_err(|_| ())?,
            at_once: at_once.trim().parse().map_err(|_| ())?,
        })
    }
}

impl LimitsArgs {
    pub(super) fn resolve(self, problems: &mut Problems) -> Option<Limits> {
        let on: Option<Switch> = problems.parse("RATE_LIMITS", &self.rate_limits, Switch::EXPECTED);
        let mut rate = |variable, text: &str| problems.parse(variable, text, Rate::EXPECTED);
        let messages = rate("RATE_MESSAGES", &self.rate_messages);
        let events = rate("RATE_EVENTS", &self.rate_events);
        let requests = rate("RATE_REQUESTS", &self.rate_requests);
        let connects = rate("RATE_CONNECTS", &self.rate_connects);
        let handshakes = rate("RATE_HANDSHAKES", &self.rate_handshakes);
        let connections_per_user_max = problems.number(
            "CONNECTIONS_PER_USER_MAX",
            &self.connections_per_user_max,
            1..=1_000_000_usize,
        );
        let rates = Rates {
            messages: messages?,
            events: events?,
            requests: requests?,
            connects: connects?,
            handshakes: handshakes?,
        };
        Some(Limits {
            rates: on?.0.then_some(rates),
            connections_per_user_max: connections_per_user_max?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_two_numbers_from_one() {
        let rate: Rate = "10/200".parse().unwrap();
        assert_eq!((rate.per_second.get(), rate.at_once.get()), (10, 200));
        for bad in ["10", "0/5", "5/0", "a/b", "1/2/3", "-1/5"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
