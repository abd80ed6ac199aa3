//! Puts the parts together: the only place that sees every layer.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use tokio::net::TcpListener;

use crate::{
    auth::Verifier,
    bus::{Bus, NodeId, Publisher},
    chat::Chat,
    config::{self, Config},
    faces::{
        chats::{self, ChatsEncoder, ChatsFace},
        rooms::{self, RoomsEncoder, RoomsFace},
    },
    health, housekeeping,
    limits::Limits,
    live::{Encoders, Hub},
    presence::Presence,
    store::Store,
    sweeper,
    telemetry::{Recorder, note_build, note_lateness},
    transport::{
        self, Admin, Budget, Edge, Listener, Lobby, Nodes, Sessions, bind, note_pending,
        serve_admin,
    },
    workers::Workers,
};

/// An address that is nobody's (RFC 5737), reached by the default route.
const OUTSIDE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);

/// A running gateway.
pub(crate) struct App {
    pub(crate) hub: Hub,
    pub(crate) admin: Admin,
    pub(crate) store: Store,
    /// Accepts connections and serves requests.
    pub(crate) serving: Workers,
    /// Commits, publishes, listens: ends after serving has.
    pub(crate) working: Workers,
    /// Answers probes and other nodes until the very end.
    pub(crate) probed: Workers,
}

impl App {
    /// Binds both ports and starts everything. Postgres and Redis may be away: the probes say so,
    /// and everything that needs them is tried until they are there.
    pub(crate) async fn start(
        config: Config,
        node: NodeId,
        recorder: Recorder,
    ) -> anyhow::Result<Self> {
        let public = bind("LISTEN_ADDR", config.http.listen)?;
        let private = bind("ADMIN_ADDR", config.http.admin)?;
        let (address, admin_address) = (public.local_addr()?, private.local_addr()?);
        let (serving, working) = (Workers::default(), Workers::default());
        let probed = Workers::default();
        note_build(Store::schema());
        let admin = Admin::new(recorder.clone(), &health::DEPENDENCIES);
        // Of both ports, since what is passed on between nodes takes memory too.
        let bodies = Budget::new(config.http.bodies_bytes_max);
        answer_probes(private, (&admin, &bodies), &config, &probed);
        probed.run(recorder.clone().add_up_forever());

        health::refuse_unsuitable(&config.postgres).await?;
        let store = Store::new(&config.postgres)?;
        if config.migrate {
            health::migrate_when_possible(&config.postgres).await?;
        }
        let verifier = Arc::new(Verifier::start(&config.auth, &working)?);
        let advertised = config
            .http
            .advertise
            .unwrap_or_else(|| reachable(admin_address));
        let bus = Bus::start(&config.redis, (&node, advertised), store.clone(), &working)?;
        sample(&recorder, (&store, &verifier, &bus.publisher));
        working.run(sweeper::run(store.clone(), bus.publisher.clone()));
        working.run(housekeeping::run(store.clone()));

        let nodes = Nodes::new(bus.leases.clone());
        let limits = Limits::start(config.limits, &working);
        let rules = (config.rooms, limits);
        let canary = bus.canary.clone();
        let chat = converse(bus, &store, rules, &working);
        let checked = health::Checked {
            store: store.clone(),
            bus: (node.clone(), canary),
            verifier: Arc::clone(&verifier),
            chat: chat.clone(),
        };
        working.run(health::watch(checked, admin.clone()));
        let waiting = chat.clone();
        recorder.sample_with(move || waiting.note_waiting());
        let hub = chat.hub().clone();
        let edge = serve(
            (public, bodies),
            &config,
            (chat, verifier),
            nodes,
            (&serving, &working),
        );
        admin.serve_sockets(edge);
        admin.tools().serve(node.clone(), hub.clone());
        tracing::info!(%node, %address, %admin_address, "serving");
        Ok(Self {
            hub,
            admin,
            store,
            serving,
            working,
            probed,
        })
    }
}

/// Serves the admin port for as long as there is anything to tell.
fn answer_probes(
    tcp: TcpListener,
    (admin, bodies): (&Admin, &Budget),
    config: &Config,
    probed: &Workers,
) {
    probed.run_to_end(serve_admin(
        tcp,
        admin.clone(),
        bodies.clone(),
        (config.http.clone(), config.sockets),
        probed.clone(),
    ));
    probed.run(note_lateness());
}

/// Has those gauges set that are looked up when they are asked for.
fn sample(recorder: &Recorder, (store, verifier, publisher): (&Store, &Arc<Verifier>, &Publisher)) {
    let (store, verifier) = (store.clone(), Arc::clone(verifier));
    let publisher = publisher.clone();
    recorder.sample_with(move || {
        store.note_connections();
        verifier.note_age();
        publisher.note_waiting();
        note_pending();
    });
}

/// Starts what is between the bus and the faces.
fn converse(bus: Bus, store: &Store, rules: (config::Rooms, Limits), working: &Workers) -> Chat {
    let presence = Presence::start(bus.presences, store.clone(), bus.publisher.clone(), working);
    let encoders = Encoders {
        rooms: Arc::new(RoomsEncoder),
        chats: Arc::new(ChatsEncoder),
    };
    let hub = Hub::start(
        (store.clone(), presence.clone()),
        (bus.subscriptions, bus.inbox),
        encoders,
        working,
    );
    let chat = Chat::start(
        store.clone(),
        (hub, presence),
        bus.publisher,
        rules,
        working,
    );
    working.run(chats::tell_of_new_messages(chat.clone()));
    chat
}

/// Starts serving both sides of both contracts.
fn serve(
    (tcp, bodies): (TcpListener, Budget),
    config: &Config,
    (chat, verifier): (Chat, Arc<Verifier>),
    nodes: Nodes,
    (serving, working): (&Workers, &Workers),
) -> Edge {
    let sessions = Sessions::new(nodes.own().clone());
    let lobby = Lobby::new(config.sockets);
    let limits = chat.limits().clone();
    let rest = rooms::router(chat.clone(), Arc::clone(&verifier))
        .merge(chats::router(chat.clone(), Arc::clone(&verifier)));
    let of_rooms = transport::mount(
        RoomsFace::new(chat.clone(), Arc::clone(&verifier)),
        (rooms::SOCKET_PATH, &rooms::NAMESPACES),
        config.sockets,
        (&sessions, &lobby),
        working,
    );
    #[cfg(feature = "conformance")]
    let echoes = transport::mount_echoes(&chat, config.sockets, (&sessions, &lobby), working);
    let of_chats = transport::mount(
        ChatsFace::new(chat, verifier),
        (chats::SOCKET_PATH, &chats::NAMESPACES),
        config.sockets,
        (&sessions, &lobby),
        working,
    );
    let mounts = vec![of_rooms, of_chats];
    #[cfg(feature = "conformance")]
    let mounts: Vec<_> = mounts.into_iter().chain(echoes).collect();
    let edge = Edge::new(
        mounts,
        rest,
        (sessions.clone(), nodes, lobby.clone()),
        limits,
        (config.sockets, config.http.cors.clone()),
    );
    let listener = Listener::public(tcp, edge.clone(), bodies, (&config.http, config.sockets));
    serving.run_to_end(listener.run(serving.clone()));
    working.run(sessions.sweep_forever());
    working.run(lobby.watch_forever());
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
