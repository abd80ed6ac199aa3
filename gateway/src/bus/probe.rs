//! Whether Redis does what the bus needs of it, tried once over connections of its own.

use std::time::Duration;

use fred::{
    interfaces::{ClientLike, EventInterface, PubsubInterface},
    types::config::ReconnectPolicy,
};
use tokio::time::timeout;

use super::{
    connect::{self, builder},
    names::{Names, NodeId, Topic},
    subscriptions::confirmed,
};
use crate::config;

/// How long the whole may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// One message is expected.
const NOTIFICATIONS: usize = 16;

/// Redis cannot serve as the bus, or be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error(transparent)]
    Setup(#[from] connect::Error),
    /// It is away, or refuses a command.
    #[error("{}", .0.details())]
    Refused(#[from] fred::error::Error),
    /// It took what was published and delivered nothing.
    #[error("does not answer within {} s", PATIENCE.as_secs())]
    Silent,
}

/// Publishes to a channel that is nobody's, and waits until that comes back. Writes no key.
pub(crate) async fn probe(config: &config::Redis) -> Result<(), ProbeError> {
    let mut builder = builder(config, NOTIFICATIONS)?;
    builder.with_config(|config| config.fail_fast = true);
    builder.set_policy(ReconnectPolicy::new_constant(1, 0));
    let publishing = builder.build()?;
    let listening = builder.build_subscriber_client()?;
    let channel = Names::new(&config.prefix).channel(&Topic::Node(NodeId::random()));
    let round = async {
        publishing.init().await?;
        listening.init().await?;
        let mut heard = listening.message_rx();
        if listening.is_clustered() {
            listening.ssubscribe(channel.as_str()).await?;
            publishing.spublish::<(), _, _>(channel, "").await?;
        } else {
            listening.subscribe(channel.as_str()).await?;
            confirmed(&listening).await?;
            publishing.publish::<(), _, _>(channel, "").await?;
        }
        heard.recv().await.map_err(|_| ProbeError::Silent)?;
        Ok(())
    };
    let done = timeout(PATIENCE, round).await;
    done.map_err(|_| ProbeError::Silent)?
}
