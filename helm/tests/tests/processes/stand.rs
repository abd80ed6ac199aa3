//! What every test here stands on: servers, a machine for pods, and what is rendered for them.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roomwire_chart_tests::{Helm, Render};
use roomwire_dev::gateway;
use roomwire_dev::servers::{Durability, Postgres, Redis};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::spawn_blocking;

use super::environment::Secrets;
use super::kubelet::Kubelet;
use super::release::Release;

/// The values with which everything is rendered, and the Secret that they name.
const VALUES: &str = "ci/minimal-values.yaml";
const SECRET: &str = "roomwire";
/// The ports of a gateway that is told no others.
const PORTS: [(&str, u16); 2] = [("config.listenAddr", 3001), ("config.adminAddr", 9090)];

/// One test at a time: their processes would only take each other's time.
static TURN: Mutex<()> = Mutex::const_new(());

/// Servers and a machine, which end with this value.
pub(crate) struct Stand {
    pub(crate) kubelet: Arc<Kubelet>,
    pub(crate) database_url: SecretString,
    /// What tokens are signed with.
    pub(crate) jwt_secret: SecretString,
    /// Values that are needed on this machine.
    sets: Vec<String>,
    _servers: (Postgres, Redis),
    _folder: Folder,
    _turn: MutexGuard<'static, ()>,
}

impl Stand {
    /// Builds the gateway and starts the servers.
    pub(crate) async fn start() -> Self {
        let turn = TURN.lock().await;
        let (gateway, postgres, redis) = spawn_blocking(|| {
            let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
            let gateway = gateway::build(target, "roomwire-gateway", &[]).unwrap();
            let postgres = Postgres::start(Durability::Fast).unwrap();
            (gateway, postgres, Redis::start().unwrap())
        })
        .await
        .unwrap();
        let database = format!("roomwire_chart_{:08x}", rand::random::<u32>());
        let database_url = postgres.create_database(&database).await.unwrap();
        let jwt_secret = format!("{:032x}", rand::random::<u128>());
        let secrets = Secrets::default()
            .with(SECRET, "database-url", &database_url)
            .with(SECRET, "redis-url", redis.url())
            .with(SECRET, "jwt-hs256-secret", &jwt_secret);
        let folder = Folder::create();
        let kubelet = Kubelet::new(gateway, folder.0.clone(), secrets);
        // The least that the chart takes, so that its rule is tried too.
        let mut sets = vec!["terminationGracePeriodSeconds=40".to_owned()];
        for (key, usual) in PORTS {
            let port = kubelet.free_port(usual);
            if port != usual {
                sets.push(format!("{key}=0.0.0.0:{port}"));
            }
        }
        Self {
            kubelet: Arc::new(kubelet),
            database_url: database_url.into(),
            jwt_secret: jwt_secret.into(),
            sets,
            _servers: (postgres, redis),
            _folder: folder,
            _turn: turn,
        }
    }

    /// Renders a release with these values.
    pub(crate) fn render(&self, sets: &[&str]) -> Release {
        let mut render = Render::new(Helm::V4).file(VALUES);
        for set in self
            .sets
            .iter()
            .map(String::as_str)
            .chain(sets.iter().copied())
        {
            render = render.set(set);
        }
        let release = Release::of(render.run().unwrap());
        let text = release.text();
        for secret in [&self.database_url, &self.jwt_secret] {
            assert!(!text.contains(secret.expose_secret()));
        }
        release
    }
}

/// The folder of all pods, which is removed with this value.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Self {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = parent.join(format!("pods-{:016x}", rand::random::<u64>()));
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
