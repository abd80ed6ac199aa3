//! TCP connections to the target: resolving, choosing a source address.
//!
//! One source address has about 28,000 ports to give. Loopback is a whole network of addresses
//! (127.0.0.0/8), so a generator on the server's own machine can spread over many of them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::Uri;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{IpBindAddressNoPort, RcvBuf, TcpMaxSeg};
use thiserror::Error;
use tokio::net::{TcpSocket, lookup_host};
use tokio::time::timeout;

use super::counted::Counted;

/// How long one TCP connect may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Connections one source address is asked to carry, well below the usual ephemeral range.
pub const CONNECTIONS_PER_SOURCE: usize = 20_000;

/// Bytes that a narrow connection asks the kernel to hold for it.
const NARROW_BYTES: usize = 4 * 1024;
/// The segments a narrow connection announces, as on Ethernet.
const NARROW_SEGMENT_BYTES: u32 = 1_460;

/// Why an address could not be used as a target.
#[derive(Debug, Error)]
pub enum TargetError {
    /// Not `http://host[:port]`.
    #[error("{0:?} is not of the form http://host[:port]; TLS is not spoken here")]
    Form(String),
    /// The name has no address.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// The name asked for.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
}

/// One gateway: where to connect, and what to call it in the `Host` header.
#[derive(Debug, Clone)]
pub struct Target {
    authority: String,
    address: SocketAddr,
}

impl Target {
    /// Parses `http://host[:port]` and resolves the host once, so that later connects need no
    /// lookup. IPv4 is preferred, since only there source addresses can be chosen.
    pub async fn resolve(url: &str) -> Result<Self, TargetError> {
        let mut all = Self::resolve_all(url).await?;
        let first = all.iter().position(|target| target.address.is_ipv4());
        Ok(all.swap_remove(first.unwrap_or_default()))
    }

    /// The same for a name that stands for several machines: all of its addresses, at least one.
    pub async fn resolve_all(url: &str) -> Result<Vec<Self>, TargetError> {
        let form = || TargetError::Form(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| form())?;
        if uri.scheme_str() != Some("http") {
            return Err(form());
        }
        let host = uri
            .host()
            .ok_or_else(form)?
            .trim_matches(['[', ']'])
            .to_owned();
        let port = uri.port_u16().unwrap_or(80);
        let authority = uri.authority().ok_or_else(form)?.to_string();
        let resolve = |source| TargetError::Resolve {
            host: host.clone(),
            source,
        };
        let found = lookup_host((host.as_str(), port)).await.map_err(resolve)?;
        let target = |address| Self {
            authority: authority.clone(),
            address,
        };
        let all: Vec<Self> = found.map(target).collect();
        if all.is_empty() {
            return Err(resolve(io::Error::from(io::ErrorKind::NotFound)));
        }
        Ok(all)
    }

    /// Host and port as the URL spelled them.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The address that is connected to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The `index`th of `sources` loopback addresses to connect from, or `None` when the target is
    /// not on IPv4 loopback or one source is enough.
    #[must_use]
    pub fn source(&self, index: usize, sources: usize) -> Option<Ipv4Addr> {
        let loopback = matches!(self.address.ip(), IpAddr::V4(ip) if ip.is_loopback());
        (loopback && sources > 1).then(|| loopback_source(index % sources))
    }

    /// Opens a connection, from `source` if one is given.
    pub async fn dial(&self, source: Option<Ipv4Addr>) -> io::Result<Counted> {
        self.connect(self.socket()?, source).await
    }

    /// Opens a connection for which the kernels of both sides hold little, so that what is not read
    /// soon waits at the server.
    ///
    /// The segments matter more than the small receive buffer: to loopback's, of 64 KiB, Linux
    /// gives the sender a buffer of megabytes, which no client across a network gets at once.
    pub async fn dial_narrow(&self, source: Option<Ipv4Addr>) -> io::Result<Counted> {
        let socket = self.socket()?;
        setsockopt(&socket, RcvBuf, &NARROW_BYTES)?;
        setsockopt(&socket, TcpMaxSeg, &NARROW_SEGMENT_BYTES)?;
        self.connect(socket, source).await
    }

    fn socket(&self) -> io::Result<TcpSocket> {
        match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }
    }

    async fn connect(&self, socket: TcpSocket, source: Option<Ipv4Addr>) -> io::Result<Counted> {
        if let Some(source) = source {
            // The port is then chosen at connect, where one port can serve many targets.
            setsockopt(&socket, IpBindAddressNoPort, &true)?;
            socket.bind(SocketAddr::from((source, 0)))?;
        }
        let stream = timeout(CONNECT_DEADLINE, socket.connect(self.address))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(Counted::new(stream))
    }
}

/// How the connections of one client are made.
#[derive(Debug, Clone)]
pub(super) struct Dialler {
    pub(super) target: Target,
    source: Option<Ipv4Addr>,
    narrow: bool,
}

impl Dialler {
    /// By [`Target::dial`].
    pub(super) fn new(target: &Target, source: Option<Ipv4Addr>) -> Self {
        Self {
            target: target.clone(),
            source,
            narrow: false,
        }
    }

    /// By [`Target::dial_narrow`].
    pub(super) fn narrow(target: &Target, source: Option<Ipv4Addr>) -> Self {
        Self {
            narrow: true,
            ..Self::new(target, source)
        }
    }

    /// Opens another connection.
    pub(super) async fn dial(&self) -> io::Result<Counted> {
        if self.narrow {
            return self.target.dial_narrow(self.source).await;
        }
        self.target.dial(self.source).await
    }
}

/// The `index`th source address: 127.1.0.1 and up, 250 to a /24.
fn loopback_source(index: usize) -> Ipv4Addr {
    let third = u8::try_from(index / 250 % 256).unwrap_or_default();
    let fourth = u8::try_from(index % 250 + 1).unwrap_or(1);
    Ipv4Addr::new(127, 1, third, fourth)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn source_addresses_differ_and_stay_on_loopback() {
        let sources: HashSet<Ipv4Addr> = (0..1000).map(loopback_source).collect();
        assert_eq!(sources.len(), 1000);
        assert!(sources.iter().all(Ipv4Addr::is_loopback));
    }

    #[tokio::test]
    async fn a_connection_comes_from_the_chosen_source() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = Target::resolve(&url).await.unwrap();
        let source = target.source(7, 9);
        let _connection = target.dial(source).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(Some(peer.ip()), source.map(IpAddr::V4));
        assert_eq!(target.source(7, 1), None);
    }

    #[tokio::test]
    async fn only_plain_http_is_a_target() {
        for url in [
            "https://localhost",
            "localhost:3001",
            "http://",
            "ws://localhost",
        ] {
            assert!(
                matches!(Target::resolve(url).await, Err(TargetError::Form(_))),
                "{url}"
            );
        }
    }
}
