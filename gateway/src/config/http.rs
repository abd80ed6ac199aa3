//! Addresses and what is served on them.

use std::net::SocketAddr;

use super::{Problems, problems::present};

/// Where the gateway listens, and how it ends.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Listening")]
pub(crate) struct HttpArgs {
    /// Address of REST and both sockets.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:3001")]
    listen_addr: String,
    /// Address of probes, metrics and forwarding between nodes. Never expose it.
    #[arg(long, env = "ADMIN_ADDR", default_value = "0.0.0.0:9090")]
    admin_addr: String,
    /// Address at which other nodes reach this one's admin port; unset: the address of the host's
    /// route to the outside, or loopback where there is none, with the admin port.
    #[arg(long, env = "ADVERTISE_ADDR")]
    advertise_addr: Option<String>,
    /// Origins whose pages may call, with credentials, separated by commas; `*` for any.
    #[arg(long, env = "CORS_ORIGINS", default_value = "*")]
    cors_origins: String,
    /// Open connections in total; more are refused until others close.
    #[arg(long, env = "CONNECTIONS_MAX", default_value = "100000")]
    connections_max: String,
    /// Seconds over which connections are closed when the gateway is told to stop.
    #[arg(long, env = "DRAIN_SECONDS", default_value = "25")]
    drain_seconds: String,
}

/// Parsed form of [`HttpArgs`].
#[derive(Debug, Clone)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) advertise: Option<SocketAddr>,
    pub(crate) cors: CorsOrigins,
    /// At least 1.
    pub(crate) connections_max: usize,
    pub(crate) drain: std::time::Duration,
}

/// Who may call from a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CorsOrigins {
    Any,
    Listed(Vec<http::HeaderValue>),
}

impl HttpArgs {
    pub(super) fn resolve(self, problems: &mut Problems) -> Option<Http> {
        const ADDRESS: &str = "an address such as 0.0.0.0:3001";
        let listen = problems.parse("LISTEN_ADDR", &self.listen_addr, ADDRESS);
        let admin = problems.parse("ADMIN_ADDR", &self.admin_addr, ADDRESS);
        let advertise = present(self.advertise_addr)
            .and_then(|text| problems.parse("ADVERTISE_ADDR", &text, ADDRESS));
        let cors = origins(&self.cors_origins, problems);
        let connections_max =
            problems.number("CONNECTIONS_MAX", &self.connections_max, 1..=10_000_000);
        let drain = problems.number("DRAIN_SECONDS", &self.drain_seconds, 0..=86_400);
        let (listen, admin): (SocketAddr, SocketAddr) = (listen?, admin?);
        if listen == admin && listen.port() != 0 {
            problems.add("ADMIN_ADDR", "is the same as LISTEN_ADDR");
        }
        Some(Http {
            listen,
            admin,
            advertise,
            cors: cors?,
            connections_max: connections_max?,
            drain: std::time::Duration::from_secs(drain?),
        })
    }
}

fn origins(text: &str, problems: &mut Problems) -> Option<CorsOrigins> {
    let listed: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|o| !o.is_empty())
        .collect();
    if listed == ["*"] {
        return Some(CorsOrigins::Any);
    }
    let parsed: Option<Vec<_>> = listed
        .iter()
        .map(|origin| {
            origin
                .contains("://")
                .then(|| origin.parse().ok())
                .flatten()
        })
        .collect();
    if parsed.is_none() {
        problems.add(
            "CORS_ORIGINS",
            "expected * or origins such as https://app.example",
        );
    }
    parsed.map(CorsOrigins::Listed)
}
