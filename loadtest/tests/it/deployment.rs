//! What tests of whole deployments share: the gateways they run, and their turn to run.

use std::path::PathBuf;

use tokio::sync::{Mutex, MutexGuard};

static TURN: Mutex<()> = Mutex::const_new(());

/// One deployment at a time: their processes would only take each other's time.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// Builds a gateway without optimisation and says where it is. It is built in the workspace's own
/// target folder: a planted one has a name of its own there, and shares every other crate's build.
pub(crate) fn gateway(name: &str, features: &[&str]) -> PathBuf {
    let target = PathBuf::from(env!("CARGO_BIN_EXE_roomwire-loadtest"));
    let target = target.ancestors().nth(2).unwrap();
    roomwire_dev::gateway::build(target, name, features).unwrap()
}
