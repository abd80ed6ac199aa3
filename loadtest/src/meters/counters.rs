//! What the gateways count about connections that ended: reads it from their metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::MeterError;
use crate::client::Target;
use crate::client::rest::Rest;

const METRICS: &str = "/metrics";
const SLOW_CONSUMERS: &str = "roomwire_slow_consumers_total";
const CONNECTIONS_CLOSED: &str = "roomwire_connections_closed_total";

/// How often they are read while something is waited for.
const READ_EVERY: Duration = Duration::from_millis(100);

/// How many there are of each reason.
pub(crate) type Reasons = BTreeMap<String, u64>;

/// Ended connections, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Cut because they did not keep up, by the bound that they passed.
    pub(crate) slow: Reasons,
    /// Sockets that ended, whoever ended them; on both faces together.
    pub(crate) closed: Reasons,
}

impl Counts {
    fn add(&mut self, metrics: &str) {
        for line in metrics.lines() {
            let Some((name, reason, count)) = sample(line) else {
                continue;
            };
            let counts = match name {
                SLOW_CONSUMERS => &mut self.slow,
                CONNECTIONS_CLOSED => &mut self.closed,
                _ => continue,
            };
            *counts.entry(reason.to_owned()).or_default() += count;
        }
    }

    /// What came on top since `before`.
    fn since(&self, before: &Self) -> Self {
        Self {
            slow: grown(&self.slow, &before.slow),
            closed: grown(&self.closed, &before.closed),
        }
    }

    /// Sockets that ended.
    pub(crate) fn ended(&self) -> u64 {
        self.closed.values().sum()
    }
}

fn grown(now: &Reasons, before: &Reasons) -> Reasons {
    let growth = |(reason, count): (&String, &u64)| {
        let count = count.saturating_sub(before.get(reason).copied().unwrap_or_default());
        (count > 0).then(|| (reason.clone(), count))
    };
    now.iter().filter_map(growth).collect()
}

/// Name, reason and value of a line that has them.
fn sample(line: &str) -> Option<(&str, &str, u64)> {
    let (name, rest) = line.split_once('{')?;
    let (labels, value) = rest.rsplit_once('}')?;
    let (_, reason) = labels.split_once("reason=\"")?;
    let (reason, _) = reason.split_once('"')?;
    Some((name, reason, value.trim().parse().ok()?))
}

/// The counters of all gateways of a run; of none where their admin ports are not known.
#[derive(Debug)]
pub(crate) struct Counters {
    gateways: Vec<Rest>,
}

impl Counters {
    pub(crate) async fn at(admin_urls: &[String]) -> Result<Self, MeterError> {
        let mut gateways = Vec::new();
        for url in admin_urls {
            gateways.push(Rest::new(Target::resolve(url).await?));
        }
        Ok(Self { gateways })
    }

    pub(crate) fn known(&self) -> bool {
        !self.gateways.is_empty()
    }

    pub(crate) async fn read(&self) -> Result<Counts, MeterError> {
        let mut counts = Counts::default();
        for gateway in &self.gateways {
            let metrics = gateway.text(METRICS).await.map_err(MeterError::Counters)?;
            counts.add(&metrics);
        }
        Ok(counts)
    }

    /// What was counted since `before`: once `expected` sockets more have ended, or after `within`.
    pub(crate) async fn since(
        &self,
        before: &Counts,
        expected: u64,
        within: Duration,
    ) -> Result<Counts, MeterError> {
        let deadline = Instant::now() + within;
        loop {
            let counts = self.read().await?.since(before);
            if !self.known() || counts.ended() >= expected || Instant::now() >= deadline {
                return Ok(counts);
            }
            sleep(READ_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "\
# HELP roomwire_slow_consumers_total Connections cut\n\
# TYPE roomwire_slow_consumers_total counter\n\
roomwire_slow_consumers_total{reason=\"bytes\"} 2\n\
roomwire_connections_closed_total{face=\"rooms\",reason=\"slow_consumer\"} 1\n\
roomwire_connections_closed_total{face=\"chats\",reason=\"slow_consumer\"} 1\n\
roomwire_connections_closed_total{face=\"rooms\",reason=\"transport_close\"} 40\n\
roomwire_auth_failures_total{reason=\"expired\"} 7\n\
roomwire_rooms 3\n";

    fn reasons(counts: &[(&str, u64)]) -> Reasons {
        let counts = counts.iter();
        counts.map(|&(of, count)| (of.to_owned(), count)).collect()
    }

    #[test]
    fn both_counters_are_read_by_reason_and_nothing_else() {
        let mut counts = Counts::default();
        counts.add(METRICS);
        assert_eq!(counts.slow, reasons(&[("bytes", 2)]));
        assert_eq!(
            counts.closed,
            reasons(&[("slow_consumer", 2), ("transport_close", 40)])
        );
    }

    #[test]
    fn only_what_came_on_top_is_shown() {
        let (mut before, mut after) = (Counts::default(), Counts::default());
        before.add(METRICS);
        after.add(METRICS);
        after.add("roomwire_slow_consumers_total{reason=\"write_timeout\"} 1\n");
        after.add("roomwire_connections_closed_total{reason=\"transport_error\"} 1\n");
        let since = after.since(&before);
        assert_eq!(since.slow, reasons(&[("write_timeout", 1)]));
        assert_eq!((since.ended(), since.closed.len()), (1, 1));
    }
}
