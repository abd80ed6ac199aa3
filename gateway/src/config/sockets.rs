//! Socket.IO settings and bounds of a connection.

use std::time::Duration;

use super::Problems;

/// Heartbeats' interval and timeout, and that of signing in: by default, and as the official test suites
/// count on them.
const TIMES_MS: [&str; 3] = if cfg!(feature = "conformance") {
    ["300", "200", "1000"]
} else {
    ["25000", "20000", "5000"]
};

/// Sockets.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Sockets")]
pub(crate) struct SocketsArgs {
    /// Transports on offer, separated by commas: websocket, polling.
    #[arg(long, env = "TRANSPORTS", default_value = "polling,websocket")]
    transports: String,
    /// Milliseconds between heartbeats.
    #[arg(long, env = "PING_INTERVAL_MS", default_value = TIMES_MS[0])]
    ping_interval_ms: String,
    /// Milliseconds that a heartbeat may take before the connection counts as lost.
    #[arg(long, env = "PING_TIMEOUT_MS", default_value = TIMES_MS[1])]
    ping_timeout_ms: String,
    /// Largest websocket message or frame that a client may send, in bytes. Beyond it the connection
    /// is closed; below it, too long a text is an error.
    #[arg(long, env = "WS_MESSAGE_BYTES_MAX", default_value = "262144")]
    ws_message_bytes_max: String,
    /// Largest polling body that a client may send, in bytes. Clients before 4.x put all that waits
    /// into one body.
    #[arg(long, env = "POLLING_BYTES_MAX", default_value = "1000000")]
    polling_bytes_max: String,
    /// Bytes that may wait for a client that does not take them before it is cut.
    #[arg(long, env = "PENDING_BYTES_MAX", default_value = "1048576")]
    pending_bytes_max: String,
    /// Milliseconds that a write to a client may stand still before the connection is cut.
    #[arg(long, env = "WRITE_TIMEOUT_MS", default_value = "10000")]
    write_timeout_ms: String,
    /// Milliseconds after which a connection without a valid token is closed.
    #[arg(long, env = "AUTH_TIMEOUT_MS", default_value = TIMES_MS[2])]
    auth_timeout_ms: String,
    /// Milliseconds that a connection whose token was refused may stay, since clients before 4.x come
    /// back at once if it is closed; less when many wait.
    #[arg(long, env = "REFUSED_STAY_MS", default_value = "30000")]
    refused_stay_ms: String,
}

/// Parsed form of [`SocketsArgs`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sockets {
    pub(crate) websocket: bool,
    pub(crate) polling: bool,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) ws_message_bytes_max: usize,
    pub(crate) polling_bytes_max: u64,
    pub(crate) pending_bytes_max: u64,
    pub(crate) write_timeout: Duration,
    pub(crate) auth_timeout: Duration,
    pub(crate) refused_stay: Duration,
}

impl SocketsArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<Sockets> {
        let names: Vec<&str> = self.transports.split(',').map(str::trim).collect();
        let known = names
            .iter()
            .all(|name| ["polling", "websocket"].contains(name));
        if !known {
            problems.add("TRANSPORTS", "expected polling, websocket, or both");
        }
        let mut ms = |variable, value: &str| {
            problems
                .number(variable, value, 100..=3_600_000)
                .map(Duration::from_millis)
        };
        let ping_interval = ms("PING_INTERVAL_MS", &self.ping_interval_ms);
        let ping_timeout = ms("PING_TIMEOUT_MS", &self.ping_timeout_ms);
        let write_timeout = ms("WRITE_TIMEOUT_MS", &self.write_timeout_ms);
        let auth_timeout = ms("AUTH_TIMEOUT_MS", &self.auth_timeout_ms);
        let refused_stay = ms("REFUSED_STAY_MS", &self.refused_stay_ms);
        let ws_message_bytes_max = problems.number(
            "WS_MESSAGE_BYTES_MAX",
            &self.ws_message_bytes_max,
            1_024..=16 * 1024 * 1024_usize,
        );
        let polling_bytes_max = problems.number(
            "POLLING_BYTES_MAX",
            &self.polling_bytes_max,
            1_024..=16 * 1024 * 1024_u64,
        );
        let pending_bytes_max = problems.number(
            "PENDING_BYTES_MAX",
            &self.pending_bytes_max,
            64 * 1024..=1024 * 1024 * 1024_u64,
        );
        Some(Sockets {
            websocket: names.contains(&"websocket"),
            polling: names.contains(&"polling"),
            ping_interval: ping_interval?,
            ping_timeout: ping_timeout?,
            ws_message_bytes_max: ws_message_bytes_max?,
            polling_bytes_max: polling_bytes_max?,
            pending_bytes_max: pending_bytes_max?,
            write_timeout: write_timeout?,
            auth_timeout: auth_timeout?,
            refused_stay: refused_stay?,
        })
    }
}
