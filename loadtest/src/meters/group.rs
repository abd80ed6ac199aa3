//! Processor time and memory of servers that may end and come back as other processes, or that tell them
//! by their metrics.

use std::collections::HashMap;
use std::time::Duration;

use super::process::Processes;
use crate::client::Target;
use crate::client::rest::Rest;

const METRICS: &str = "/metrics";
const CPU_SECONDS: &str = "process_cpu_seconds_total";
const RESIDENT_BYTES: &str = "process_resident_memory_bytes";

/// What one server has used since it started, and holds now.
#[derive(Debug, Clone, Copy)]
struct State {
    cpu: Duration,
    rss_kib: u64,
}

/// What a group has used since the last look, and holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Processor time since the last look.
    pub(crate) cpu: Duration,
    /// Resident memory of all together, in KiB.
    pub(crate) rss_kib: u64,
}

/// A group of servers that is looked at again and again.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Processor time by server at the last look; none before the first.
    known: Option<HashMap<u32, Duration>>,
}

impl Group {
    /// Looks at these processes and all that they have started. One that has just died has nothing to
    /// say any more.
    pub(crate) fn look(&mut self, roots: &[u32]) -> Look {
        let all = Processes::with_children(roots);
        let states = all.pids().iter().filter_map(|pid| {
            let one = Processes::new(vec![*pid]);
            let (cpu, rss_kib) = (one.cpu().ok()?, one.rss_kib().ok()?);
            Some((*pid, State { cpu, rss_kib }))
        });
        self.note(states)
    }

    /// A server that is new has used all of its time since the last look, unless this is the first; one
    /// that has used less than before has started anew.
    fn note(&mut self, states: impl Iterator<Item = (u32, State)>) -> Look {
        let first = self.known.is_none();
        let known = self.known.get_or_insert_default();
        let mut look = Look::default();
        for (server, now) in states {
            let before = known.insert(server, now.cpu);
            let before = before.unwrap_or(if first { now.cpu } else { Duration::ZERO });
            look.cpu += now.cpu.checked_sub(before).unwrap_or(now.cpu);
            look.rss_kib += now.rss_kib;
        }
        look
    }
}

/// Gateways that tell by their metrics what they use.
#[derive(Debug)]
pub(crate) struct Scraped {
    gateways: Vec<Rest>,
}

impl Scraped {
    /// Those whose admin listeners are here.
    pub(crate) fn at(admins: Vec<Target>) -> Self {
        Self {
            gateways: admins.into_iter().map(Rest::new).collect(),
        }
    }

    /// Looks at them. One that does not answer has nothing to say.
    pub(crate) async fn look(&self, group: &mut Group) -> Look {
        let mut states = Vec::new();
        for (number, gateway) in (0..).zip(&self.gateways) {
            let metrics = gateway.text(METRICS).await.unwrap_or_default();
            states.extend(state(&metrics).map(|state| (number, state)));
        }
        group.note(states.into_iter())
    }
}

fn state(metrics: &str) -> Option<State> {
    let value = |name: &str| -> Option<f64> {
        let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
        lines.find_map(|rest| rest.strip_prefix(' ')?.trim().parse().ok())
    };
    let kib = (value(RESIDENT_BYTES)? / 1024.0).round();
    Some(State {
        cpu: Duration::try_from_secs_f64(value(CPU_SECONDS)?).ok()?,
        // Whatever is no number of bytes counts as none.
        rss_kib: format!("{kib:.0}").parse().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(group: &mut Group, servers: &[(u32, u64)]) -> u64 {
        let state = |(server, cpu): &(u32, u64)| {
            let cpu = Duration::from_millis(*cpu);
            (*server, State { cpu, rss_kib: 1 })
        };
        let look = group.note(servers.iter().map(state));
        assert_eq!(look.rss_kib, servers.len() as u64);
        u64::try_from(look.cpu.as_millis()).unwrap()
    }

    #[test]
    fn what_was_used_before_the_first_look_does_not_count() {
        let mut group = Group::default();
        assert_eq!(seen(&mut group, &[(1, 500)]), 0);
        assert_eq!(seen(&mut group, &[(1, 700)]), 200);
    }

    #[test]
    fn a_server_that_comes_back_counts_from_nothing() {
        let mut group = Group::default();
        seen(&mut group, &[(1, 500), (2, 50)]);
        assert_eq!(seen(&mut group, &[(2, 60), (3, 40)]), 50);
        // The same address with another process behind it.
        assert_eq!(seen(&mut group, &[(2, 30), (3, 40)]), 30);
    }

    #[test]
    fn metrics_tell_processor_time_and_memory() {
        let metrics = "# TYPE process_cpu_seconds_total counter\n\
                       process_cpu_seconds_total 1.5\nprocess_resident_memory_bytes 2097152\n";
        let state = state(metrics).unwrap();
        assert_eq!(
            (state.cpu, state.rss_kib),
            (Duration::from_millis(1_500), 2_048)
        );
        for wrong in [
            "",
            "process_cpu_seconds_total 1\n",
            "process_cpu_seconds_total NaN\n",
        ] {
            assert!(super::state(wrong).is_none(), "{wrong}");
        }
    }
}
