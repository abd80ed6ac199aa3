//! Whether everything that `serve` needs is there, asked once.

use std::{io::Write, time::Duration};

use tokio::time::timeout;

use super::line;
use crate::{auth, bus, config::Config, store::Store};

/// How long Postgres may take; its own timeouts are for connections that others wait for too.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks Postgres for its schema, Redis for a message that goes round, and the key set for a key.
/// Writes a line for each; nothing is changed anywhere. True if all is well.
pub(super) async fn check(config: &Config, out: &mut impl Write) -> std::io::Result<bool> {
    let (postgres, redis, keys) = tokio::join!(
        postgres(config),
        bus::probe(&config.redis),
        auth::probe(&config.auth)
    );
    let mut well = line(out, "postgres", postgres)?;
    well &= line(out, "redis", redis)?;
    well &= line(out, "keys", keys)?;
    Ok(well)
}

async fn postgres(config: &Config) -> Result<(), String> {
    let store = Store::new(&config.postgres).map_err(|error| error.to_string())?;
    // Not dropped half-way: the process ends anyway, and the pool with it.
    let asked = timeout(PATIENCE, async {
        Store::reach(&config.postgres).await?;
        store.ready(None).await
    });
    match asked.await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("does not answer within {} s", PATIENCE.as_secs())),
    }
}
