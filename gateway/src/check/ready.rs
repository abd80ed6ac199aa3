//! Whether the node of this machine is ready, for whoever can run a program beside it and nothing else.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use reqwest::Client;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why it is not.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReady {
    #[error("does not answer: {0}")]
    Silent(#[from] reqwest::Error),
    #[error("is not ready: {0}")]
    Says(String),
}

/// Asks at the address that it listens on, or at loopback if that is all of them.
pub(super) async fn ask(mut admin: SocketAddr) -> Result<(), NotReady> {
    match admin.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => admin.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => admin.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let client = Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let answer = client.get(format!("http://{admin}/readyz")).send().await?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(NotReady::Says(answer.text().await?.trim().to_owned()))
}
