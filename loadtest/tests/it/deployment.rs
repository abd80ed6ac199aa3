//! What tests of whole deployments share: the gateways they run, their turn to run, and a scenario that
//! the program plays on them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
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

/// Lets the program do something with a scenario, on gateways with a plant if one is named.
pub(crate) async fn played(
    arguments: &'static [&'static str],
    scenario: String,
    plant: &'static str,
) -> (Value, Output) {
    let _alone = alone().await;
    let play = move || {
        let name = format!("roomwire-scenario-{:08x}.toml", rand::random::<u32>());
        let file = std::env::temp_dir().join(name);
        fs::write(&file, scenario).unwrap();
        let gateway = if plant.is_empty() {
            gateway("roomwire-gateway", &[])
        } else {
            let planted = ["--features", "planted-faults"];
            gateway("roomwire-gateway-planted", &planted)
        };
        let peer = gateway.clone();
        let versus = arguments.contains(&"versus");
        let output = Command::new(env!("CARGO_BIN_EXE_roomwire-loadtest"))
            .args(arguments)
            .args(versus.then(|| format!("--peer={}", peer.display())))
            .args(["--json", "--gateway"])
            .arg(gateway)
            .arg(&file)
            .env("ROOMWIRE_PLANT", plant)
            .env_remove("JWT_HS256_SECRET")
            .env_remove("DATABASE_URL")
            .env_remove("REDIS_URL")
            .output()
            .unwrap();
        fs::remove_file(file).unwrap();
        output
    };
    let output = tokio::task::spawn_blocking(play).await.unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout);
    (
        report.unwrap_or_else(|error| panic!("{error}: {words}")),
        output,
    )
}
