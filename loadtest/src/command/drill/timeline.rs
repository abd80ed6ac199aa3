//! What a run looked like before, while and after something was done to the servers. Pure.

use std::collections::HashMap;
use std::time::Duration;

use crate::result::stats::{Latencies, ratio};
use crate::truth::judge::Evidence;
use crate::truth::record::{Moment, Session, Write};

/// Readings of one counter, by time.
pub(super) type Series = [(Moment, f64)];

/// A stretch of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) name: &'static str,
    pub(super) from: Moment,
    pub(super) to: Moment,
}

impl Stretch {
    pub(super) fn seconds(&self) -> f64 {
        self.to.saturating_sub(self.from).as_secs_f64()
    }

    fn has(&self, moment: Moment) -> bool {
        self.from <= moment && moment < self.to
    }
}

/// One message as one connected member got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    /// First attempt to send it.
    pub(super) sent: Moment,
    /// From then until it was heard.
    pub(super) delay: Duration,
}

/// Every message that was heard on a connection which stood when it was sent.
pub(super) fn deliveries(evidence: &Evidence) -> Vec<Delivery> {
    let written: HashMap<&str, Moment> = writes(evidence)
        .map(|write| (write.key.as_str(), write.first_sent))
        .collect();
    let mut deliveries = Vec::new();
    for session in evidence
        .users
        .iter()
        .flat_map(|user| &user.state.record.sessions)
    {
        let heard = session.heard.iter().filter_map(|heard| {
            let sent = *written.get(heard.key.as_str())?;
            (session.opened <= sent).then(|| Delivery {
                sent,
                delay: heard.at.saturating_sub(sent),
            })
        });
        deliveries.extend(heard);
    }
    deliveries
}

pub(super) fn writes(evidence: &Evidence) -> impl Iterator<Item = &Write> {
    let users = evidence.users.iter();
    users.flat_map(|user| &user.state.record.writes)
}

/// The figures of one stretch: of the messages that were sent in it.
#[derive(Debug, Clone)]
pub(super) struct StretchFigures {
    pub(super) stretch: Stretch,
    /// From the first attempt to the first ack.
    pub(super) ack: Latencies,
    /// From the first attempt until a connected member heard it.
    pub(super) delivery: Latencies,
    pub(super) statements_per_second: Option<f64>,
    pub(super) database_ms_per_second: Option<f64>,
}

/// What happened in `stretch`.
pub(super) fn figures(
    evidence: &Evidence,
    deliveries: &[Delivery],
    stretch: Stretch,
    (statements, milliseconds): (&Series, &Series),
) -> StretchFigures {
    let (mut ack, mut delivery) = (Latencies::new(), Latencies::new());
    for write in writes(evidence).filter(|write| stretch.has(write.first_sent)) {
        if let Some(first) = write.acks.first() {
            ack.record(first.at.saturating_sub(write.first_sent));
        }
    }
    for one in deliveries.iter().filter(|one| stretch.has(one.sent)) {
        delivery.record(one.delay);
    }
    StretchFigures {
        stretch,
        ack,
        delivery,
        statements_per_second: rate(statements, stretch),
        database_ms_per_second: rate(milliseconds, stretch),
    }
}

/// By how much a counter grew in each second of a stretch; `None` for less than two readings in it.
pub(super) fn rate(series: &Series, stretch: Stretch) -> Option<f64> {
    let mut within = series.iter().filter(|(at, _)| stretch.has(*at));
    let (first, last) = (within.next()?, within.next_back()?);
    let seconds = last.0.saturating_sub(first.0).as_secs_f64();
    ratio(last.1 - first.1, seconds)
}

/// How long after `end` the last message was sent whose delivery took longer than `bound`.
pub(super) fn slow_until(deliveries: &[Delivery], end: Moment, bound: Duration) -> Duration {
    let slow = deliveries.iter().filter(|one| one.delay > bound);
    let last = slow.map(|one| one.sent).max().unwrap_or_default();
    last.saturating_sub(end)
}

/// How long after `end` a counter last grew by more than `bound` a second over two seconds.
pub(super) fn busy_until(series: &Series, end: Moment, bound: f64) -> Duration {
    let mut last = end;
    for (number, (from, value)) in series.iter().enumerate() {
        let later = series.iter().skip(number);
        let two_seconds = |at: &Moment| at.saturating_sub(*from) >= Duration::from_secs(2);
        let Some((to, then)) = later.into_iter().find(|(at, _)| two_seconds(at)) else {
            break;
        };
        let seconds = to.saturating_sub(*from).as_secs_f64();
        if *from >= end && (then - value) / seconds > bound {
            last = *to;
        }
    }
    last.saturating_sub(end)
}

/// Connections that were lost, and how their clients came back.
#[derive(Debug, Clone, Default)]
pub(super) struct Returns {
    /// Connections that ended and were followed by another.
    pub(super) reconnects: u64,
    /// Connections opened in the busiest second.
    pub(super) most_in_a_second: usize,
    /// From the end of a connection until the next one's client held everything again.
    pub(super) away: Latencies,
    /// From the given moment until the last client held everything again, in seconds.
    pub(super) last_back_s: f64,
    /// Clients that never did.
    pub(super) missing: u64,
    /// The longest times away: whose, from when on in seconds of the run, and how many seconds.
    pub(super) slowest: Vec<(usize, f64, f64)>,
}

/// Times away that are named.
const SLOWEST_MAX: usize = 8;

/// What connections did from `since` on.
pub(super) fn returns(evidence: &Evidence, since: Moment) -> Returns {
    let mut returns = Returns::default();
    let mut away = Latencies::new();
    let mut opened = Vec::new();
    let mut last = since;
    for (number, user) in evidence.users.iter().enumerate() {
        let sessions = &user.state.record.sessions;
        for (before, after) in sessions.iter().zip(sessions.iter().skip(1)) {
            let Some(closed) = closed(before).filter(|_| after.opened >= since) else {
                continue;
            };
            returns.reconnects += 1;
            opened.push(after.opened);
            // A client that was cut again before it had caught up goes on with the next one.
            if let Some(back) = after.caught_up {
                let gone = back.saturating_sub(closed);
                away.record(gone);
                let told = (number, closed.as_secs_f64(), gone.as_secs_f64());
                returns.slowest.push(told);
                last = last.max(back);
            }
        }
        let whole = sessions.last().is_some_and(|last| last.caught_up.is_some());
        returns.missing += u64::from(!whole);
    }
    returns.slowest.sort_by(|a, b| b.2.total_cmp(&a.2));
    returns.slowest.truncate(SLOWEST_MAX);
    opened.sort_unstable();
    returns.most_in_a_second = most_within(&opened, Duration::from_secs(1));
    returns.away = away;
    returns.last_back_s = last.saturating_sub(since).as_secs_f64();
    returns
}

/// The largest number of connections that ended on one gateway within a time.
pub(super) fn most_sent_away(evidence: &Evidence, (from, to): (Moment, Moment)) -> u64 {
    let users = evidence.users.iter();
    let mut ended: HashMap<usize, u64> = HashMap::new();
    for session in users.flat_map(|user| &user.state.record.sessions) {
        if closed(session).is_some_and(|at| from <= at && at <= to) {
            *ended.entry(session.gateway).or_default() += 1;
        }
    }
    ended.into_values().max().unwrap_or_default()
}

fn closed(session: &Session) -> Option<Moment> {
    session.closed.as_ref().map(|(at, _)| *at)
}

/// The largest number of these ascending moments within a window of this length.
fn most_within(moments: &[Moment], window: Duration) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (number, moment) in moments.iter().enumerate() {
        while moments
            .get(first)
            .is_some_and(|of| moment.saturating_sub(*of) >= window)
        {
            first += 1;
        }
        most = most.max(number + 1 - first);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Moment {
        Moment::from_secs(seconds)
    }

    #[test]
    fn the_busiest_second_is_found() {
        let ms = Moment::from_millis;
        let moments = [ms(0), ms(900), ms(1_000), ms(1_500), ms(1_899), ms(5_000)];
        assert_eq!(most_within(&moments, s(1)), 4);
        assert_eq!(most_within(&[], s(1)), 0);
    }

    #[test]
    fn a_rate_is_taken_within_its_part() {
        let series = [
            (s(0), 0.0),
            (s(1), 5.0),
            (s(2), 15.0),
            (s(3), 25.0),
            (s(9), 99.0),
        ];
        let stretch = |from, to| Stretch {
            name: "",
            from: s(from),
            to: s(to),
        };
        assert_eq!(rate(&series, stretch(1, 4)), Some(10.0));
        assert_eq!(rate(&series, stretch(4, 6)), None);
    }

    #[test]
    fn what_lasts_beyond_the_end_is_measured_from_it() {
        let series: Vec<(Moment, f64)> = [0.0, 10.0, 20.0, 120.0, 220.0, 230.0, 240.0, 250.0]
            .into_iter()
            .zip(0..)
            .map(|(value, second)| (s(second), value))
            .collect();
        assert_eq!(busy_until(&series, s(2), 20.0), s(3));
        assert_eq!(busy_until(&series, s(5), 20.0), s(0));
        let delivery = |sent, ms| Delivery {
            sent: s(sent),
            delay: Duration::from_millis(ms),
        };
        let deliveries = [delivery(1, 900), delivery(6, 800), delivery(9, 10)];
        assert_eq!(
            slow_until(&deliveries, s(4), Duration::from_millis(100)),
            s(2)
        );
        assert_eq!(
            slow_until(&deliveries, s(8), Duration::from_millis(100)),
            s(0)
        );
    }
}
