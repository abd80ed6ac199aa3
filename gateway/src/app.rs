//! Puts the parts together: the only place that sees every layer.

use std::sync::Arc;

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
    transport::{Admin, Edge, Listener, Sessions, bind, engine, serve_admin},
};

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
        tasks.working.spawn(serve_admin(
            private,
            admin.clone(),
            tasks.stop_working.clone(),
        ));

        let store = Store::new(&config.postgres)?;
        if config.migrate {
            health::migrate_when_possible(&store).await?;
        }
        let node = NodeId::random();
        let bus = Bus::start(
            &config.redis,
            &node,
            store.clone(),
            (&tasks.working, &tasks.stop_working),
        )?;
        let watched = health::watch(store.clone(), bus.health(), admin.clone());
        tasks.working.spawn(
            tasks
                .stop_working
                .clone()
                .run_until_cancelled_owned(watched),
        );
        let swept = sweeper::run(store.clone(), bus.publisher.clone());
        tasks
            .working
            .spawn(tasks.stop_working.clone().run_until_cancelled_owned(swept));

        let working = (&tasks.working, &tasks.stop_working);
        let publisher = bus.publisher.clone();
        let encoders = Encoders {
            rooms: Arc::new(RoomsEncoder),
        };
        let listening = (bus.subscriptions, bus.inbox);
        let hub = Hub::start(store.clone(), listening, encoders, working.0, working.1);
        let chat = Chat::start(store.clone(), hub.clone(), publisher, config.rooms, working);
        let verifier = Arc::new(Verifier::start(&config.auth, working.0, working.1).await?);
        serve(public, &config, (chat, verifier), &tasks);
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
    tasks: &Tasks,
) {
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
    let edge = Edge::new(
        sockets,
        sessions.clone(),
        rooms::SOCKET_PATH,
        config.sockets,
    );
    let listener = Listener::new(tcp, edge, &config.http, config.sockets);
    tasks
        .serving
        .spawn(listener.run(tasks.serving.clone(), tasks.stop_serving.clone()));
    let swept = sessions.sweep_forever();
    tasks
        .working
        .spawn(tasks.stop_working.clone().run_until_cancelled_owned(swept));
}
