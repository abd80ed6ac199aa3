//! Processor time and memory of servers that may end and come back as other processes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::process::Processes;

/// What a server is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Server {
    Process(u32),
    At(SocketAddr),
}

/// What one server has used since it started, and holds now.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) cpu: Duration,
    pub(super) rss_kib: u64,
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
    known: Option<HashMap<Server, Duration>>,
}

impl Group {
    /// Looks at these processes and all that they have started. One that has just died has nothing to
    /// say any more.
    pub(crate) fn look(&mut self, roots: &[u32]) -> Look {
        let all = Processes::with_children(roots);
        let states = all.pids().iter().filter_map(|pid| {
            let one = Processes::new(vec![*pid]);
            let (cpu, rss_kib) = (one.cpu().ok()?, one.rss_kib().ok()?);
            Some((Server::Process(*pid), State { cpu, rss_kib }))
        });
        self.note(states)
    }

    /// A server that is new has used all of its time since the last look, unless this is the first; one
    /// that has used less than before has started anew.
    pub(super) fn note(&mut self, states: impl Iterator<Item = (Server, State)>) -> Look {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(group: &mut Group, servers: &[(u32, u64)]) -> u64 {
        let state = |(server, cpu): &(u32, u64)| {
            let cpu = Duration::from_millis(*cpu);
            (Server::Process(*server), State { cpu, rss_kib: 1 })
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
}
