//! Addresses and what is served on them.

use std::{
    net::{AddrParseError, IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

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
    /// Address at which other nodes reach this one's admin port, without a port if it is the same;
    /// unset: the address of the host's route to the outside, or loopback where there is none.
    #[arg(long, env = "ADVERTISE_ADDR")]
    advertise_addr: Option<String>,
    /// Origins whose pages may call, with credentials, separated by commas; `*` for any.
    #[arg(long, env = "CORS_ORIGINS", default_value = "*")]
    cors_origins: String,
    /// Open connections in total; more are refused until others close.
    #[arg(long, env = "CONNECTIONS_MAX", default_value = "100000")]
    connections_max: String,
    /// Milliseconds that a client may take for the head of a request, from its first byte.
    #[arg(long, env = "HEAD_TIMEOUT_MS", default_value = "10000")]
    head_timeout_ms: String,
    /// Milliseconds that a connection is kept without another request; longer than any load balancer
    /// in front keeps it, or clients get its 502.
    #[arg(long, env = "KEEP_ALIVE_MS", default_value = "75000")]
    keep_alive_ms: String,
    /// Bytes of all request bodies together that are being read at one time; beyond it, further ones
    /// are refused.
    #[arg(long, env = "BODIES_BYTES_MAX", default_value = "67108864")]
    bodies_bytes_max: String,
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
    pub(crate) head_timeout: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) bodies_bytes_max: usize,
    pub(crate) drain: Duration,
}

/// Who may call from a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CorsOrigins {
    Any,
    Listed(Vec<http::HeaderValue>),
}

impl CorsOrigins {
    /// Whether an origin is listed by name.
    pub(crate) fn lists(&self, origin: &http::HeaderValue) -> bool {
        match self {
            Self::Any => false,
            Self::Listed(listed) => listed.contains(origin),
        }
    }
}

impl HttpArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<Http> {
        const ADDRESS: &str = "an address such as 0.0.0.0:3001";
        const ADVERTISED: &str = "an address such as 10.0.0.7 or 10.0.0.7:9090";
        let listen = problems.parse("LISTEN_ADDR", &self.listen_addr, ADDRESS);
        let admin = problems.parse("ADMIN_ADDR", &self.admin_addr, ADDRESS);
        let advertise = present(self.advertise_addr)
            .and_then(|text| problems.parse("ADVERTISE_ADDR", &text, ADVERTISED));
        let cors = origins(&self.cors_origins, problems);
        let connections_max =
            problems.number("CONNECTIONS_MAX", &self.connections_max, 1..=10_000_000);
        let mut ms = |variable, value: &str| {
            problems
                .number(variable, value, 100..=3_600_000)
                .map(Duration::from_millis)
        };
        let head_timeout = ms("HEAD_TIMEOUT_MS", &self.head_timeout_ms);
        let keep_alive = ms("KEEP_ALIVE_MS", &self.keep_alive_ms);
        let bodies_bytes_max = problems.number(
            "BODIES_BYTES_MAX",
            &self.bodies_bytes_max,
            1024 * 1024..=64 * 1024 * 1024 * 1024_usize,
        );
        let drain = problems.number("DRAIN_SECONDS", &self.drain_seconds, 0..=86_400);
        let (listen, admin): (SocketAddr, SocketAddr) = (listen?, admin?);
        if listen == admin && listen.port() != 0 {
            problems.add("ADMIN_ADDR", "is the same as LISTEN_ADDR");
        }
        Some(Http {
            listen,
            admin,
            advertise: advertise
                .map(|Advertised { ip, port }| SocketAddr::new(ip, port.unwrap_or(admin.port()))),
            cors: cors?,
            connections_max: connections_max?,
            head_timeout: head_timeout?,
            keep_alive: keep_alive?,
            bodies_bytes_max: bodies_bytes_max?,
            drain: Duration::from_secs(drain?),
        })
    }
}

/// An address with or without a port, as platforms tell a process its own.
#[derive(Debug, PartialEq, Eq)]
struct Advertised {
    ip: IpAddr,
    port: Option<u16>,
}

impl FromStr for Advertised {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        if let Ok(ip) = text.parse() {
            return Ok(Self { ip, port: None });
        }
        let address: SocketAddr = text.parse()?;
        Ok(Self {
            ip: address.ip(),
            port: Some(address.port()),
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
    let parsed: Option<Vec<_>> = listed.iter().map(|origin| parse_origin(origin)).collect();
    if parsed.is_none() {
        problems.add(
            "CORS_ORIGINS",
            "expected * or origins such as https://app.example",
        );
    }
    parsed.map(CorsOrigins::Listed)
}

/// An origin as browsers send it (RFC 6454, section 6.2): in lower case, without a slash at its end
/// or a port that is the scheme's own.
fn parse_origin(text: &str) -> Option<http::HeaderValue> {
    let text = text.trim_end_matches('/').to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let plain = match scheme {
        "http" => authority.strip_suffix(":80"),
        "https" => authority.strip_suffix(":443"),
        _ => None,
    };
    let authority = plain.unwrap_or(authority);
    let odd = |c: char| c.is_whitespace() || ['/', '?', '#', '@', '*'].contains(&c);
    if scheme.is_empty() || authority.is_empty() || authority.contains(odd) {
        return None;
    }
    format!("{scheme}://{authority}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertised_address_may_leave_its_port_out() {
        for (text, ip, port) in [
            ("10.0.0.7", "10.0.0.7", None),
            ("10.0.0.7:9091", "10.0.0.7", Some(9091)),
            ("fd00::7", "fd00::7", None),
            ("[fd00::7]:9091", "fd00::7", Some(9091)),
        ] {
            let ip = ip.parse().unwrap();
            assert_eq!(text.parse(), Ok(Advertised { ip, port }), "{text}");
        }
        for wrong in ["node", "10.0.0.7:", "[fd00::7]", ":9090"] {
            assert!(wrong.parse::<Advertised>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_taken_as_browsers_send_it() {
        for (written, sent) in [
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example/", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("http://app.example:8080", "http://app.example:8080"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(parse_origin(written).unwrap(), sent);
        }
        for wrong in [
            "app.example",
            "https://",
            "https://app.example/path",
            "https://*.example",
            "https://user@app.example",
        ] {
            assert_eq!(parse_origin(wrong), None, "{wrong}");
        }
    }
}
