//! What the tests have in common: servers, gateways, tokens, a REST caller and JavaScript clients.

mod chats;
mod collector;
mod deployment;
mod figures;
mod js;
mod keys;
mod program;
mod proxy;
mod rest;
mod servers;
mod shape;
mod tls;
mod tokens;

use std::time::Duration;

pub(crate) use chats::{data, refusal, said};
pub(crate) use collector::{Collector, Span};
pub(crate) use deployment::{Deployment, environment};
pub(crate) use figures::{Figures, eventually_told};
pub(crate) use js::{Client, Connect, Generation, Transports};
pub(crate) use keys::{Issuer, ONES, THREES, TWOS, key_set};
pub(crate) use program::{run, text};
pub(crate) use proxy::Proxy;
pub(crate) use rest::{MALFORMED_IDS, Rest, UNKNOWN_ID};
pub(crate) use servers::{Database, servers};
pub(crate) use shape::{is_date, is_id, keys, redacted};
pub(crate) use tls::{Authority, TlsRedis, tls_postgres};
pub(crate) use tokens::{
    SECRET, said_about, sign, sign_with, token, token_for, unix_seconds, unsigned,
};

/// The program under test.
pub(crate) const GATEWAY: &str = env!("CARGO_BIN_EXE_roomwire-gateway");

/// How long anything single may take on a busy machine before its test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = tokio::time::Instant::now() + DEADLINE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < end, "never {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
