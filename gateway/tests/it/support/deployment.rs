//! Gateways over one database and one Redis prefix, as an operator would run them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use roomwire_dev::{front::Front, gateway::Gateway};

use super::js::{Connect, Js};
use super::{Database, GATEWAY, Proxy, Rest, SECRET, servers, token};

/// Makes the Redis prefixes of this process differ.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Some nodes that belong together and to nobody else.
#[derive(Debug)]
pub(crate) struct Deployment {
    // Before the database: dropped in this order.
    nodes: Vec<Gateway>,
    js: Option<Js>,
    http: reqwest::Client,
    database: Database,
    env: Vec<(&'static str, String)>,
}

impl Deployment {
    /// So many nodes with everything at its default, except that no rate is limited.
    pub(crate) async fn start(nodes: usize) -> Self {
        Self::with_settings(nodes, &[]).await
    }

    /// As [`Deployment::start`], with some environment variables set.
    pub(crate) async fn with_settings(nodes: usize, settings: &[(&str, &str)]) -> Self {
        Self::over(Database::migrated().await, nodes, settings).await
    }

    async fn over(database: Database, nodes: usize, settings: &[(&str, &str)]) -> Self {
        let own = environment(&database);
        let mut env: Vec<(&str, String)> = own.clone();
        env.extend(
            settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let starts = (0..nodes).map(|_| Gateway::spawn(Path::new(GATEWAY), &env));
        let nodes = futures_util::future::join_all(starts)
            .await
            .into_iter()
            .map(|started| started.expect("a gateway starts"))
            .collect();
        Self {
            nodes,
            js: None,
            http: reqwest::Client::new(),
            database,
            env: own,
        }
    }

    /// As [`Deployment::start`], with JavaScript clients at hand.
    ///
    /// None where there is no Node.js, which has then been said aloud: skip the test.
    pub(crate) async fn with_clients(nodes: usize) -> Option<Self> {
        Self::with_clients_and_settings(nodes, &[]).await
    }

    /// As [`Deployment::with_clients`], with some environment variables set.
    pub(crate) async fn with_clients_and_settings(
        nodes: usize,
        settings: &[(&str, &str)],
    ) -> Option<Self> {
        let js = Js::start()?;
        let mut deployment = Self::with_settings(nodes, settings).await;
        deployment.js = Some(js);
        Some(deployment)
    }

    /// As [`Deployment::with_clients_and_settings`], over a database that is there already.
    pub(crate) async fn with_clients_over(
        database: Database,
        nodes: usize,
        settings: &[(&str, &str)],
    ) -> Option<Self> {
        let js = Js::start()?;
        let mut deployment = Self::over(database, nodes, settings).await;
        deployment.js = Some(js);
        Some(deployment)
    }

    /// One node that runs, but lacks something and may not be ready, with JavaScript clients at hand.
    pub(crate) async fn alive_with_clients(settings: &[(&str, &str)]) -> Option<Self> {
        let js = Js::start()?;
        let database = Database::migrated().await;
        let own = environment(&database);
        let mut env: Vec<(&str, String)> = own.clone();
        for (name, value) in settings {
            env.push((name, (*value).to_owned()));
        }
        let node = Gateway::spawn_alive(Path::new(GATEWAY), &env).await;
        Some(Self {
            nodes: vec![node.unwrap()],
            js: Some(js),
            http: reqwest::Client::new(),
            database,
            env: own,
        })
    }

    /// One node with JavaScript clients at hand, and the only way from it to its database.
    pub(crate) async fn with_clients_and_fragile_database() -> Option<(Self, Proxy)> {
        Self::with_fragile_database(&[]).await
    }

    /// As [`Deployment::with_clients_and_fragile_database`], with some environment variables set.
    pub(crate) async fn with_fragile_database(settings: &[(&str, &str)]) -> Option<(Self, Proxy)> {
        let js = Js::start()?;
        let database = Database::migrated().await;
        let proxy = Proxy::to(Database::server()).await;
        let url = database.url_at(proxy.address());
        let mut settings = settings.to_vec();
        settings.push(("DATABASE_URL", &url));
        let mut deployment = Self::over(database, 1, &settings).await;
        deployment.js = Some(js);
        Some((deployment, proxy))
    }

    /// Nodes with JavaScript clients at hand that reach their database by another address.
    pub(crate) async fn with_clients_behind(
        database_address: SocketAddr,
        nodes: usize,
        settings: &[(&str, &str)],
    ) -> Option<Self> {
        let js = Js::start()?;
        let database = Database::migrated().await;
        let url = database.url_at(database_address);
        let mut settings = settings.to_vec();
        settings.push(("DATABASE_URL", &url));
        let mut deployment = Self::over(database, nodes, &settings).await;
        deployment.js = Some(js);
        Some(deployment)
    }

    /// Two nodes with clients, the first of which reaches Redis over a way that can be cut.
    pub(crate) async fn with_clients_and_fragile_redis() -> Option<(Self, Proxy)> {
        Self::with_fragile_redis(&[]).await
    }

    /// As [`Deployment::with_clients_and_fragile_redis`], with some environment variables set.
    pub(crate) async fn with_fragile_redis(
        settings: &[(&'static str, &str)],
    ) -> Option<(Self, Proxy)> {
        let js = Js::start()?;
        let database = Database::migrated().await;
        let (scheme, address) = servers().redis_url().split_once("://").unwrap();
        let proxy = Proxy::to(address.trim_end_matches('/').to_owned()).await;
        let url = format!("{scheme}://{}", proxy.address());
        let own = environment(&database);
        let mut env = own.clone();
        env.extend(
            settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let whole = Gateway::spawn(Path::new(GATEWAY), &env).await.unwrap();
        env.push(("REDIS_URL", url));
        let fragile = Gateway::spawn(Path::new(GATEWAY), &env).await.unwrap();
        let deployment = Self {
            nodes: vec![fragile, whole],
            js: Some(js),
            http: reqwest::Client::new(),
            database,
            env: own,
        };
        Some((deployment, proxy))
    }

    /// One node.
    pub(crate) fn node(&self, node: usize) -> &Gateway {
        &self.nodes[node]
    }

    /// One node, to wait for its end.
    pub(crate) fn node_mut(&mut self, node: usize) -> &mut Gateway {
        &mut self.nodes[node]
    }

    /// Calls the first node as this user.
    pub(crate) fn rest(&self, user: &str) -> Rest {
        self.rest_on(0, user)
    }

    /// Calls a node as this user.
    pub(crate) fn rest_on(&self, node: usize, user: &str) -> Rest {
        self.anonymous()
            .on(self.nodes[node].url())
            .bearer(token(user))
    }

    /// Calls the first node without a token.
    pub(crate) fn anonymous(&self) -> Rest {
        Rest::new(self.http.clone(), self.nodes[0].url())
    }

    /// Calls the first node's admin port.
    pub(crate) fn admin(&self) -> Rest {
        self.admin_on(0)
    }

    /// Calls a node's admin port.
    pub(crate) fn admin_on(&self, node: usize) -> Rest {
        self.anonymous().on(self.nodes[node].admin_url())
    }

    /// A socket of this user, yet to be opened: by default the newest client, over a websocket, to
    /// `/chat/` of the first node.
    pub(crate) fn socket(&self, user: &str) -> Connect<'_> {
        self.socket_on(0, user)
    }

    /// As [`Deployment::socket`], to a chosen node.
    pub(crate) fn socket_on(&self, node: usize, user: &str) -> Connect<'_> {
        let js = self.js.as_ref().expect("a deployment with clients");
        Connect::new(js, self.nodes[node].url(), user)
    }

    /// As [`Deployment::socket`], under `/v2/chat`.
    pub(crate) fn chats(&self, user: &str) -> Connect<'_> {
        self.chats_on(0, user)
    }

    /// As [`Deployment::chats`], to a chosen node.
    pub(crate) fn chats_on(&self, node: usize, user: &str) -> Connect<'_> {
        let js = self.js.as_ref().expect("a deployment with clients");
        Connect::chats(js, self.nodes[node].url(), user)
    }

    /// What other commands need to reach the same servers.
    pub(crate) fn settings(&self) -> &[(&'static str, String)] {
        &self.env
    }

    /// The database of all nodes.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// An address in front of all nodes: the first connection goes to the first of them, and so on.
    pub(crate) async fn front(&self) -> Front {
        let address = |node: &Gateway| node.url().trim_start_matches("http://").parse().unwrap();
        let nodes = self.nodes.iter().map(address).collect();
        let anywhere = "127.0.0.1:0".parse().unwrap();
        Front::start(anywhere, nodes).await.unwrap()
    }

    /// Suspends a user, or lifts that, as an operator does it.
    pub(crate) async fn suspend(&self, user: &str, suspended: bool) {
        self.database.suspend(user, suspended).await;
    }
}

/// What a gateway of this database needs.
pub(crate) fn environment(database: &Database) -> Vec<(&'static str, String)> {
    let prefix = format!(
        "it{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    vec![
        ("DATABASE_URL", database.url().to_owned()),
        ("REDIS_URL", servers().redis_url().to_owned()),
        ("REDIS_PREFIX", prefix),
        ("JWT_HS256_SECRET", SECRET.to_owned()),
        ("JWT_JWKS", String::new()),
        ("RATE_LIMITS", "off".to_owned()),
        ("RUST_LOG", "info".to_owned()),
    ]
}
