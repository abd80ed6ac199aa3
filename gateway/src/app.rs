//! Puts the parts together: the only place that sees every layer.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::Verifier,
    bus::{Bus, NodeId},
    chat::Chat,
    config::Config,
    faces::rooms::{self, RoomsEncoder, RoomsFace},
    health,
    live::{Encoders, Hub},
    store::Store,
    sweeper,
    telemetry::Recorder,
    transport::{Admin, Edge, Listener, Nodes, Sessions, bind, engine, serve_admin},
};

/// An address that is nobody's (RFC 5737), reached by the default route.
const OUTSIDE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);

/// A running gateway.
pub(crate) struct App {
    pub(crate) hub: Hub,
    pub(crate) admin: Admin,
    pub(crate) store: Store,
    pub(crate) tasks: Tasks,
}

/// The tasks of a gateway and how they are told to end.
pub(crate) struct Tasks {
    /// Accepts connections and serves requests.
    pub(crate) serving: TaskTracker,
    pub(crate) stop_serving: CancellationToken,
    /// Commits, publishes, listens: ends after serving has.
    pub(crate) working: TaskTracker,
    pub(crate) stop_working: CancellationToken,
}

impl Tasks {
    fn new() -> Self {
        Self {
            serving: TaskTracker::new(),
            stop_serving: CancellationToken::new(),
            working: TaskTracker::new(),
            stop_working: CancellationToken::new(),
        }
    }

    /// Runs a worker until working stops.
    fn work(&self, worker: impl Future<Output = ()> + Send + 'static) {
        self.working
            .spawn(self.stop_working.clone().run_until_cancelled_owned(worker));
    }
}

impl App {
    /// Binds both ports and starts everything. Postgres and Redis may be away: the probes say so,
    /// and everything that needs them is tried until they are there.
    pub(crate) async fn start(config: Config, recorder: Recorder) -> anyhow::Result<Self> {
        let public = bind("LISTEN_ADDR", config.http.listen).await?;
        let private = bind("ADMIN_ADDR", config.http.admin).await?;
        let (address, admin_address) = (public.local_addr()?, private.local_addr()?);
        let tasks = Tasks::new();
        let admin = Admin::new(recorder, &health::DEPENDENCIES);
        let ending = (
            config.sockets,
            tasks.working.clone(),
            tasks.stop_working.clone(),
        );
        tasks.working.spawn(serve_admin(
            private,
            admin.clone(),
            config.http.clone(),
            ending,
        ));

        let store = Store::new(&config.postgres)?;
        if config.migrate {
            health::migrate_when_possible(&store).await?;
        }
        let node = NodeId::random();
        let advertised = config
            .http
            .advertise
            .unwrap_or_else(|| reachable(admin_address));
        let bus = Bus::start(
            &config.redis,
            (&node, advertised),
            store.clone(),
            (&tasks.working, &tasks.stop_working),
        )?;
        tasks.work(health::watch(store.clone(), bus.health(), admin.clone()));
        tasks.work(sweeper::run(store.clone(), bus.publisher.clone()));

        let working = (&tasks.working, &tasks.stop_working);
        let publisher = bus.publisher.clone();
        let encoders = Encoders {
            rooms: Arc::new(RoomsEncoder),
        };
        let listening = (bus.subscriptions, bus.inbox);
        let nodes = Nodes::new(bus.leases);
        let hub = Hub::start(store.clone(), listening, encoders, working.0, working.1);
        let chat = Chat::start(store.clone(), hub.clone(), publisher, config.rooms, working);
        let verifier = Arc::new(Verifier::start(&config.auth, working.0, working.1).await?);
        let edge = serve(public, &config, (chat, verifier), nodes, &tasks);
        admin.serve_sockets(edge);
        tracing::info!(%node, %address, %admin_address, "serving");
        Ok(Self {
            hub,
            admin,
            store,
            tasks,
        })
    }
}

/// Starts serving both sides of contract A.
fn serve(
    tcp: TcpListener,
    config: &Config,
    (chat, verifier): (Chat, Arc<Verifier>),
    nodes: Nodes,
    tasks: &Tasks,
) -> Edge {
    let sessions = Sessions::default();
    let rest = rooms::router(chat.clone(), Arc::clone(&verifier));
    let sockets = engine::build(
        RoomsFace::new(chat, verifier),
        &engine::Mount {
            path: rooms::SOCKET_PATH,
            namespaces: &rooms::NAMESPACES,
        },
        config.sockets,
        (sessions.clone(), rest),
        (&tasks.working, &tasks.stop_working),
    );
    let path = rooms::SOCKET_PATH;
    let edge = Edge::new(sockets, sessions.clone(), nodes, path, config.sockets);
    let listener = Listener::public(tcp, edge.clone(), &config.http, config.sockets);
    tasks
        .serving
        .spawn(listener.run(tasks.serving.clone(), tasks.stop_serving.clone()));
    tasks.work(sessions.sweep_forever());
    edge
}

/// Where others can reach an address that may be "any": by this host's route to the outside. Asking
/// for that route sends nothing.
fn reachable(listening: SocketAddr) -> SocketAddr {
    if !listening.ip().is_unspecified() {
        return listening;
    }
    let route = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect(OUTSIDE)?;
        socket.local_addr()
    });
    let ip = route.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |route| route.ip());
    SocketAddr::new(ip, listening.port())
}
