//! A gateway with two people and as many rooms as they like.

use std::time::Duration;

use roomwire_loadtest::client::rest::Rest;
use roomwire_loadtest::client::tokens::Signer;
use roomwire_loadtest::client::{Contract, Target, Transport};
use roomwire_loadtest::deployment::stack::{Setting, Stack};
use secrecy::SecretString;
use tokio::sync::MutexGuard;
use tokio::time::sleep;

use super::member::Member;
use crate::deployment::{alone, gateway};

const SECRET: &str = "a secret that only this test's gateways share";

/// How often what is waited for is looked at, and how often at most: far sooner than a heartbeat is
/// missed.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOKS_MAX: usize = 250;

/// A gateway with `alice` and `bob`.
pub(crate) struct Place {
    pub(crate) stack: Stack,
    pub(crate) target: Target,
    rest: Rest,
    tokens: [String; 2],
    _alone: MutexGuard<'static, ()>,
}

impl Place {
    pub(crate) async fn new(env: &[(&'static str, &str)]) -> Self {
        let alone = alone().await;
        let program = tokio::task::spawn_blocking(|| gateway("roomwire-gateway", &[]));
        let secret = SecretString::from(SECRET);
        let env = env.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let setting = Setting {
            env: env.collect(),
            ..Setting::default()
        };
        let stack = Stack::start(Some(program.await.unwrap()), &secret, &setting);
        let stack = stack.await.unwrap();
        let target = Target::resolve(&stack.urls()[0]).await.unwrap();
        let signer = Signer::new(&secret);
        let tokens = ["alice", "bob"].map(|user| signer.sign(user).unwrap());
        Self {
            rest: Rest::new(target.clone()),
            stack,
            target,
            tokens,
            _alone: alone,
        }
    }

    pub(crate) async fn alice(&self, way: (Contract, Transport), room: &str) -> Member {
        let who = ("alice", self.tokens[0].as_str());
        Member::connect(&self.target, way, who, room).await
    }

    /// The other, by way of this target.
    pub(crate) async fn bob(
        &self,
        target: &Target,
        way: (Contract, Transport),
        room: &str,
    ) -> Member {
        let who = ("bob", self.tokens[1].as_str());
        Member::connect(target, way, who, room).await
    }

    /// A room of the two in which nobody has said anything.
    pub(crate) async fn room(&self) -> String {
        let (token, others) = (&self.tokens[0], ["bob".to_owned()]);
        self.rest.create_room(token, "room", &others).await.unwrap()
    }

    /// Waits until the gateway counts so many connections by this transport.
    pub(crate) async fn counts(&self, transport: &str, wanted: f64) {
        let admin = Target::resolve(&self.stack.admin_urls()[0]).await.unwrap();
        let rest = Rest::new(admin);
        let label = format!("transport=\"{transport}\"");
        let mut seen = f64::NAN;
        for _ in 0..LOOKS_MAX {
            let metrics = rest.text("/metrics").await.unwrap();
            let lines = metrics.lines();
            let lines = lines.filter(|line| line.starts_with("roomwire_connections{"));
            let values = lines.filter(|line| line.contains(&label));
            let values = values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
            seen = values.sum();
            if (seen - wanted).abs() < 0.5 {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
        panic!("{seen} connections by {transport}, not {wanted}");
    }
}
