//! Free ports on the loopback interface.

use std::net::{Ipv4Addr, TcpListener};

use crate::Error;

/// A TCP port on 127.0.0.1 that nobody listened on a moment ago.
///
/// Nothing reserves it, so whoever binds it has to cope with losing it to another process.
pub fn free_port() -> Result<u16, Error> {
    free_ports().map(|[port]| port)
}

/// Several such ports, all different.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N], Error> {
    let mut ports = [0; N];
    // A port that were released at once could be chosen again.
    let mut held = Vec::with_capacity(N);
    for port in &mut ports {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("find a free port"))?;
        let address = listener
            .local_addr()
            .map_err(Error::io("read the number of a free port"))?;
        *port = address.port();
        held.push(listener);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ports_chosen_together_differ() {
        let ports: [u16; 64] = free_ports().unwrap();
        assert_eq!(HashSet::from(ports).len(), ports.len());
    }
}
