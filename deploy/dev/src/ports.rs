//! Free ports on the loopback interface.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher as _;
use std::net::{Ipv4Addr, TcpListener};

use crate::Error;

/// Where the system says from which ports it takes those of outgoing connections.
const OUTGOING: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// The first of them where it does not say.
const OUTGOING_FROM: u16 = 32_768;
/// Ports that are chosen begin here: well-known servers are below.
const FROM: u16 = 12_000;
/// How often another one is tried before the system may choose.
const TRIES: u64 = 200;

/// A TCP port on 127.0.0.1 that nobody listened on a moment ago, and that no outgoing connection will
/// take.
///
/// Nothing reserves it, so whoever binds it has to cope with losing it to another server.
pub fn free_port() -> Result<u16, Error> {
    free_ports().map(|[port]| port)
}

/// Several such ports, all different.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N], Error> {
    let mut ports = [0; N];
    // A port that were released at once could be chosen again.
    let mut held = Vec::with_capacity(N);
    for port in &mut ports {
        let listener = listen().map_err(Error::io("find a free port"))?;
        let address = listener
            .local_addr()
            .map_err(Error::io("read the number of a free port"))?;
        *port = address.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Listens on a port below those of outgoing connections, or on any if none of them is free.
fn listen() -> std::io::Result<TcpListener> {
    let range = u64::from(outgoing_from().saturating_sub(FROM));
    let chance = RandomState::new();
    for number in (0..TRIES).filter(|_| range > 0) {
        let offset = u16::try_from(chance.hash_one(number) % range).unwrap_or_default();
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, FROM + offset)) {
            return Ok(listener);
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

fn outgoing_from() -> u16 {
    let range = fs::read_to_string(OUTGOING).unwrap_or_default();
    let first = range.split_ascii_whitespace().next();
    first
        .and_then(|first| first.parse().ok())
        .unwrap_or(OUTGOING_FROM)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ports_chosen_together_differ_and_are_not_those_of_outgoing_connections() {
        let ports: [u16; 64] = free_ports().unwrap();
        assert_eq!(HashSet::from(ports).len(), ports.len());
        if outgoing_from() > FROM {
            assert!(
                ports.iter().all(|port| *port < outgoing_from()),
                "{ports:?}"
            );
        }
    }
}
