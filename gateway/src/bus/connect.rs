//! The two connections to Redis: one that publishes, one that listens.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fred::{
    interfaces::{ClientLike, EventInterface},
    types::{
        Builder,
        config::{Config, ReconnectPolicy, TcpConfig, TlsConnector, UnresponsiveConfig},
    },
};
use secrecy::ExposeSecret;
use tokio::sync::mpsc;

use super::{
    canary::{Canary, Connections},
    certificates,
    inbox::Inbox,
    leases::Leases,
    names::{Names, NodeId, Topic},
    presence::Presences,
    publisher::Publisher,
    subscriptions::Subscriptions,
};
use crate::{config, store::Store, telemetry::catalogue, workers::Workers};

/// A command that Redis has not answered by then has failed; hints are worth no longer wait.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection without any answer for this long is given up and made anew.
const UNRESPONSIVE: Duration = Duration::from_secs(4);
/// Messages the listener may lag behind before it has to resync. The library's 32 loses most of any
/// burst; beyond this a read of the log is cheaper than the memory, which the library takes at once
/// and for each kind of its notifications (65,536 cost 45 MB).
const INBOX_MESSAGES: usize = 16_384;
/// Nobody listens to what the publishing connection could notify of.
const OUTBOX_NOTIFICATIONS: usize = 64;
/// The role of the connection that hints come over.
const LISTENER: &str = "listener";
/// Commands that may wait for a connection before they fail at once.
const WAITING_COMMANDS_MAX: usize = 16_384;

/// News of missed hints that may wait; one is as good as many.
const MISSED_MAX: usize = 4;

/// The bus cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("REDIS_URL cannot be read: {}", .0.details())]
    BadUrl(fred::error::Error),
    #[error(transparent)]
    BadCertificates(#[from] certificates::Error),
}

/// Both directions of the bus. Connecting goes on in the background for as long as it takes.
pub(crate) struct Bus {
    pub(crate) publisher: Publisher,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) inbox: Inbox,
    pub(crate) leases: Leases,
    pub(crate) presences: Presences,
    pub(crate) canary: Canary,
}

impl Bus {
    /// Sets up both connections and their tasks.
    pub(crate) fn start(
        config: &config::Redis,
        (node, address): (&NodeId, SocketAddr),
        store: Store,
        workers: &Workers,
    ) -> Result<Self, Error> {
        let publishing = builder(config, OUTBOX_NOTIFICATIONS)?
            .build()
            .map_err(Error::BadUrl)?;
        let listening = builder(config, INBOX_MESSAGES)?
            .build_subscriber_client()
            .map_err(Error::BadUrl)?;
        let names = Names::new(&config.prefix);
        let (missed, told) = mpsc::channel(MISSED_MAX);
        let always = [Topic::Everybody, Topic::Node(node.clone())];
        let subscriptions = Subscriptions::start(
            listening.clone(),
            (names.clone(), always.into()),
            missed.clone(),
            workers,
        );
        let canary = Canary::default();
        let own = (names.clone(), node.clone());
        let inbox = Inbox::new(&listening, own.clone(), canary.clone(), told);
        let publisher = Publisher::start(publishing.clone(), own, store, workers);
        let leases = Leases::start(
            publishing.clone(),
            names.clone(),
            (node.clone(), address),
            workers,
        );
        let presences = Presences::new(publishing.clone(), names, node.clone());
        watch(&publishing, "publisher");
        watch(&listening, LISTENER);
        publishing.connect();
        listening.connect();
        let connections = Connections {
            publishing,
            listening,
        };
        canary.start(
            (node.clone(), publisher.clone()),
            connections,
            missed,
            workers,
        );
        Ok(Self {
            publisher,
            subscriptions,
            inbox,
            leases,
            presences,
            canary,
        })
    }
}

pub(super) fn builder(config: &config::Redis, notifications: usize) -> Result<Builder, Error> {
    let mut parsed = Config::from_url(config.url.expose_secret()).map_err(Error::BadUrl)?;
    // Redis may be later than the gateway: keep trying instead of giving up on the first refusal.
    parsed.fail_fast = false;
    if parsed.uses_tls()
        && let Some(tls) = certificates::client(&config.tls)?
    {
        parsed.tls = Some(TlsConnector::from(tls).into());
    }
    let mut builder = Builder::from_config(parsed);
    builder
        .with_connection_config(|connection| {
            connection.connection_timeout = Duration::from_secs(3);
            connection.internal_command_timeout = Duration::from_secs(3);
            connection.max_command_attempts = 1;
            connection.max_command_buffer_len = WAITING_COMMANDS_MAX;
            connection.unresponsive = UnresponsiveConfig {
                max_timeout: Some(UNRESPONSIVE),
                interval: Duration::from_secs(1),
            };
            connection.tcp = TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            };
        })
        .with_performance_config(|performance| {
            performance.default_command_timeout = COMMAND_TIMEOUT;
            performance.broadcast_channel_capacity = notifications;
        })
        .set_policy(ReconnectPolicy::new_exponential(0, 50, 1_000, 2));
    Ok(builder)
}

/// Logs what happens to a connection, and counts.
fn watch(client: &impl EventInterface, role: &'static str) {
    client.on_error(move |(error, server)| async move {
        // The health check says once what this would say with every attempt.
        tracing::debug!(
            role,
            ?server,
            error = error.details(),
            "no connection to redis, trying again"
        );
        Ok(())
    });
    // A cluster has a connection for each of its servers, all of which are made when it begins.
    let clustered = client.is_clustered();
    let known = Arc::new(Mutex::new(HashSet::new()));
    client.on_reconnect(move |server| {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let again = known.contains(&server) || !clustered && !known.is_empty();
        known.insert(server.clone());
        async move {
            if again && role == LISTENER {
                metrics::counter!(catalogue::REDIS_RECONNECTS).increment(1);
            }
            tracing::info!(role, %server, "connected to redis");
            Ok(())
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_single_servers_clusters_and_sentinels_are_accepted() {
        let urls = [
            "redis://:secret@127.0.0.1:6379/1",
            "rediss://user:secret@redis.example:6380",
            "redis-cluster://127.0.0.1:7000?node=127.0.0.1:7001",
            "rediss-cluster://127.0.0.1:7000",
            "redis-sentinel://127.0.0.1:26379/0?sentinelServiceName=chat",
        ];
        for url in urls {
            let config = config::Redis {
                url: url.into(),
                prefix: "rw".into(),
                tls: config::RedisTls::default(),
            };
            assert!(builder(&config, 16).is_ok(), "{url}");
        }
    }
}
