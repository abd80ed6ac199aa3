//! Who connects, and by which transport.

use std::fmt;
use std::net::Ipv4Addr;

use clap::ValueEnum;

use super::contract::Contract;

/// By which transport a connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Transport {
    /// A websocket from the first byte on.
    #[default]
    Websocket,
    /// Long polling for as long as the connection lives.
    Polling,
    /// Polling first, then the upgrade that stock clients do; if that fails, polling goes on.
    Upgrade,
}

/// Who connects, and how.
#[derive(Clone, Default)]
pub struct ConnectOptions {
    /// The token, sent where the contract wants it.
    pub token: String,
    /// The contract to speak.
    pub contract: Contract,
    /// The transport to use.
    pub transport: Transport,
    /// Asks for message events that carry id, position and creation time.
    pub meta: bool,
    /// The local address to connect from; the system's choice when `None`.
    pub source: Option<Ipv4Addr>,
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("contract", &self.contract)
            .field("transport", &self.transport)
            .field("meta", &self.meta)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
