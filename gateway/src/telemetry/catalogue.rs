//! The closed list of metrics. A name that is not here does not exist.
//!
//! Labels take values from closed sets only: never a user, a room, a socket or a raw path.

/// One metric as it is shown.
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Names of its labels, beside those that Prometheus adds.
    pub(super) labels: &'static [&'static str],
    pub(crate) help: &'static str,
}

/// What a metric counts like.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    /// Upper bounds of the buckets, in the metric's unit.
    Histogram(&'static [f64]),
}

/// Seconds, with an edge at each latency that a promise names.
const LATENCY: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Seconds, as OpenTelemetry recommends for HTTP.
const HTTP: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Messages in a batch; 512 is the most there can be.
const BATCH: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

macro_rules! catalogue {
    ($($(#[doc = $help:literal])+ $name:ident = $text:literal, $kind:expr, $labels:expr;)+) => {
        $($(#[doc = $help])+ pub(crate) const $name: &str = $text;)+

        /// Every metric there is.
        pub(crate) const ALL: &[Metric] = &[
            $(Metric {
                name: $text,
                kind: $kind,
                labels: &$labels,
                help: concat!($($help),+).trim_ascii_start() },)+
        ];
    };
}

catalogue! {
    /// Always 1; labelled with the version, the commit it was built from, and the newest migration
    /// that it needs.
    BUILD_INFO = "roomwire_build_info", Kind::Gauge, ["version", "commit", "schema"];
    /// 1 while the node is ready for clients.
    READY = "roomwire_ready", Kind::Gauge, [];
    /// 1 while the check of a dependency passes, by dependency: `postgres`, `redis`, `keys`.
    DEPENDENCY_UP = "roomwire_dependency_up", Kind::Gauge, ["dependency"];
    /// 1 from the signal to end on.
    DRAINING = "roomwire_draining", Kind::Gauge, [];
    /// Unix time at which the drain began, 0 before.
    DRAIN_STARTED = "roomwire_drain_started_timestamp_seconds", Kind::Gauge, [];
    /// Open, authenticated sockets, by face, protocol (`eio3` for clients of 1.x and 2.x, `eio4` for
    /// later ones) and transport (`polling`, `websocket`).
    CONNECTIONS = "roomwire_connections", Kind::Gauge, ["face", "protocol", "transport"];
    /// Sockets opened, by face, protocol and the transport that they began with.
    CONNECTIONS_OPENED = "roomwire_connections_opened_total", Kind::Counter, ["face", "protocol", "transport"];
    /// Sockets closed, by face and reason.
    CONNECTIONS_CLOSED = "roomwire_connections_closed_total", Kind::Counter, ["face", "reason"];
    /// Sockets that asked to be let in, by face and result: `ok`, or why not: `unauthorized`,
    /// `suspended`, `too_many`, `unavailable`.
    HANDSHAKES = "roomwire_handshakes_total", Kind::Counter, ["face", "result"];
    /// Seconds from asking to be let in to the answer, by face.
    HANDSHAKE_DURATION = "roomwire_handshake_duration_seconds", Kind::Histogram(LATENCY), ["face"];
    /// Handshakes and requests refused for their token, by reason; `unread` while no key is known.
    AUTH_FAILURES = "roomwire_auth_failures_total", Kind::Counter, ["reason"];
    /// Reads of the issuer's key set, by result: `ok`, `unreachable`, or `unusable`.
    KEY_SET_READS = "roomwire_key_set_reads_total", Kind::Counter, ["result"];
    /// Seconds since the issuer's key set was last read well; absent without one, and before.
    KEY_SET_AGE = "roomwire_key_set_age_seconds", Kind::Gauge, [];
    /// Accepted TCP connections that are open, by port: `public`, or `admin`.
    TCP_CONNECTIONS = "roomwire_tcp_connections", Kind::Gauge, ["port"];
    /// How many there may be at a port.
    TCP_CONNECTIONS_MAX = "roomwire_tcp_connections_max", Kind::Gauge, ["port"];
    /// TCP connections turned away at the configured bound.
    TCP_REFUSED = "roomwire_tcp_connections_refused_total", Kind::Counter, [];
    /// Bytes of all request bodies that are being read.
    BODIES_BYTES = "roomwire_bodies_bytes", Kind::Gauge, [];
    /// Bodies of requests that were not read to their end, by reason: `too_slow`, or `busy` where all
    /// together had reached their bound.
    BODIES_REFUSED = "roomwire_bodies_refused_total", Kind::Counter, ["reason"];
    /// Open connections that no namespace has let in, by state: `pending` until their token was
    /// judged, or `refused`.
    UNADMITTED = "roomwire_unadmitted_connections", Kind::Gauge, ["state"];
    /// Such connections that were closed by this node, by reason: `timeout` without a token,
    /// `refused` long enough ago, or `crowded` out by newer ones.
    UNADMITTED_CLOSED = "roomwire_unadmitted_closed_total", Kind::Counter, ["reason"];
    /// Handshakes and polls of pages that `CORS_ORIGINS` does not allow.
    ORIGINS_REFUSED = "roomwire_origins_refused_total", Kind::Counter, [];
    /// Requests of clients that continue a session, by the node that holds it: this one (`own`), or
    /// another one to which they are passed on (`other`).
    SESSION_REQUESTS = "roomwire_session_requests_total", Kind::Counter, ["node"];
    /// Requests answered with "Session ID unknown", by reason: `not_here` (ended by itself, or never
    /// was), `ended` (by this node), `node_gone`.
    SESSIONS_UNKNOWN = "roomwire_sessions_unknown_total", Kind::Counter, ["reason"];
    /// Events from clients, by face, event and result.
    EVENTS = "roomwire_events_total", Kind::Counter, ["face", "event", "result"];
    /// Seconds from reading an event to answering it, by face and event.
    EVENT_DURATION = "roomwire_event_duration_seconds", Kind::Histogram(LATENCY), ["face", "event"];
    /// What was refused because it came too often, by what it was.
    RATE_LIMITED = "roomwire_rate_limited_total", Kind::Counter, ["what"];
    /// Users, tokens and addresses whose rate is remembered.
    RATE_KEYS = "roomwire_rate_keys", Kind::Gauge, [];
    /// Times a socket was not read until its waiting events were handled.
    READS_PAUSED = "roomwire_reads_paused_total", Kind::Counter, [];
    /// Connections cut because they did not keep up, by reason.
    SLOW_CONSUMERS = "roomwire_slow_consumers_total", Kind::Counter, ["reason"];
    /// Bytes that wait for clients who do not take them, as far as they are known.
    PENDING_BYTES = "roomwire_pending_bytes", Kind::Gauge, [];
    /// Messages that went through group commit, by result: `stored`, `repeated`, `not_a_member`,
    /// `conflict`, `failed`, `held` where somebody else held the room for too long, or `unknown` where
    /// Postgres fell silent before it said what became of them.
    APPENDS = "roomwire_append_messages_total", Kind::Counter, ["result"];
    /// Messages per committed batch.
    APPEND_BATCH = "roomwire_append_batch_messages", Kind::Histogram(BATCH), [];
    /// Batches that failed for one of their messages and were halved to find it.
    APPEND_HALVED = "roomwire_append_batches_halved_total", Kind::Counter, [];
    /// Messages that wait beside their batch because somebody else holds their room, for 8 s at most.
    APPEND_HELD = "roomwire_append_held_messages", Kind::Gauge, [];
    /// Rooms that somebody else holds for longer than a commit takes, as far as somebody writes there.
    APPEND_HELD_ROOMS = "roomwire_append_held_rooms", Kind::Gauge, [];
    /// Changes of rooms other than messages (edits, deletions, joinings, departures) that are under way, or wait
    /// for another of their room.
    ROOM_CHANGES = "roomwire_room_changes", Kind::Gauge, [];
    /// Messages that wait for their batch.
    APPEND_WAITING = "roomwire_append_waiting_messages", Kind::Gauge, [];
    /// Seconds a batch took to commit.
    APPEND_DURATION = "roomwire_append_duration_seconds", Kind::Histogram(LATENCY), [];
    /// Frames handed to sockets for what happened in their rooms.
    DELIVERIES = "roomwire_deliveries_total", Kind::Counter, [];
    /// Seconds from a message's commit until it was written to a websocket, observed at one of its
    /// recipients on each node. Between machines this includes how far their clocks are apart.
    DELIVERY_DURATION = "roomwire_delivery_duration_seconds", Kind::Histogram(LATENCY), [];
    /// Hints received from Redis, by kind.
    HINTS_RECEIVED = "roomwire_hints_received_total", Kind::Counter, ["kind"];
    /// Hints that could not be read.
    HINTS_MALFORMED = "roomwire_hints_malformed_total", Kind::Counter, [];
    /// Hints given to Redis, by result.
    HINTS_PUBLISHED = "roomwire_hints_published_total", Kind::Counter, ["result"];
    /// Seconds until Redis had taken what was published together.
    PUBLISH_DURATION = "roomwire_publish_duration_seconds", Kind::Histogram(LATENCY), [];
    /// Changes whose hints wait to be published.
    PUBLISH_WAITING = "roomwire_publish_waiting_changes", Kind::Gauge, [];
    /// Hints that waited too long for their turn and were left to the outbox.
    HINTS_SHED = "roomwire_hints_shed_total", Kind::Counter, [];
    /// Reads of chats for telling sockets of contract B of new messages.
    DIGESTS = "roomwire_digests_total", Kind::Counter, [];
    /// Feeds of contract B that new sockets took up.
    FEEDS_RESUMED = "roomwire_feeds_resumed_total", Kind::Counter, [];
    /// Messages that were sent to new sockets because the feeds they took up had missed them.
    FEED_MESSAGES_RESENT = "roomwire_feed_messages_resent_total", Kind::Counter, [];
    /// Log entries that came a second time and were dropped.
    DUPLICATES_DROPPED = "roomwire_duplicates_dropped_total", Kind::Counter, [];
    /// Gaps between what a room's sockets were shown and its log that a read of the log had to fill,
    /// by what told of them: `hint` (an entry came too early), `outbox` (hints were published late),
    /// `joining` (of a user of this node), `resync`.
    GAPS_FILLED = "roomwire_gaps_filled_total", Kind::Counter, ["cause"];
    /// Reads of the log for rooms that may have missed something.
    CATCH_UPS = "roomwire_catch_ups_total", Kind::Counter, [];
    /// Times that all local rooms were compared with the log, by cause.
    RESYNCS = "roomwire_resyncs_total", Kind::Counter, ["cause"];
    /// Age of the oldest change whose hints are not known to be published.
    OUTBOX_AGE = "roomwire_outbox_age_seconds", Kind::Gauge, [];
    /// Changes whose hints were published by the sweeper instead of their writer.
    OUTBOX_SWEPT = "roomwire_outbox_swept_total", Kind::Counter, [];
    /// Changes that were owed beyond the bound, and were told as one that concerns every room.
    OUTBOX_DROPPED = "roomwire_outbox_dropped_total", Kind::Counter, [];
    /// Rows of rooms that everybody has left which were cleared away.
    GONE_ROWS = "roomwire_gone_room_rows_total", Kind::Counter, [];
    /// Rooms whose log was found to end behind, or to differ from, what had been shown of them: the database was set
    /// back.
    ROOMS_SET_BACK = "roomwire_rooms_set_back_total", Kind::Counter, [];
    /// Times the database turned out to be another one than before, or less of it.
    DATABASE_CHANGES = "roomwire_database_changes_total", Kind::Counter, [];
    /// Pages asked of the replica: `served`, `behind` where it had not replayed what the reader may know of, `failed`
    /// where it was away; in both of these the primary served them.
    REPLICA_READS = "roomwire_replica_pages_total", Kind::Counter, ["result"];
    /// Seconds by which the replica's data is older than the primary's, as far as it knows.
    REPLICA_LAG = "roomwire_replica_lag_seconds", Kind::Gauge, [];
    /// Rooms with a socket on this node.
    ROOMS = "roomwire_rooms", Kind::Gauge, [];
    /// Redis channels this node listens to.
    SUBSCRIPTIONS = "roomwire_subscriptions", Kind::Gauge, [];
    /// Users with a socket on this node, or with one a moment ago.
    PRESENCE_USERS = "roomwire_presence_users", Kind::Gauge, [];
    /// Users whose coming or going this node announced, by state.
    PRESENCE_CHANGES = "roomwire_presence_changes_total", Kind::Counter, ["state"];
    /// Times that Redis had to be told again who is on this node.
    PRESENCE_REFILLS = "roomwire_presence_refills_total", Kind::Counter, [];
    /// Nodes that had died, whose users this node took over.
    NODES_REAPED = "roomwire_nodes_reaped_total", Kind::Counter, [];
    /// Connections to Postgres, by pool (`primary`, `read`) and state (`idle`, `busy`).
    DATABASE_CONNECTIONS = "roomwire_database_connections", Kind::Gauge, ["pool", "state"];
    /// How many a pool may have.
    DATABASE_CONNECTIONS_MAX = "roomwire_database_connections_max", Kind::Gauge, ["pool"];
    /// Seconds that were waited for a connection, by pool.
    DATABASE_WAIT = "roomwire_database_wait_seconds", Kind::Histogram(LATENCY), ["pool"];
    /// Seconds that statements took once they had a connection, by pool.
    DATABASE_DURATION = "roomwire_database_duration_seconds", Kind::Histogram(LATENCY), ["pool"];
    /// Uses of Postgres that failed, by pool and reason: `no_connection` could be had,
    /// `silent` (no answer in time), `read_only`, `refused` by the server, `broken` connection.
    DATABASE_ERRORS = "roomwire_database_errors_total", Kind::Counter, ["pool", "reason"];
    /// 1 while Postgres can be read but not written.
    DATABASE_READ_ONLY = "roomwire_database_read_only", Kind::Gauge, [];
    /// Connections to Postgres that were thrown away, by reason: `silent` (no answer in time),
    /// `doubted` (open when another one fell silent or could not write), `spoilt` (an error after
    /// which it cannot be used), `abandoned` (its use was given up half-way).
    DATABASE_DROPPED = "roomwire_database_connections_dropped_total", Kind::Counter, ["reason"];
    /// Seconds from publishing a canary to hearing it.
    CANARY_DURATION = "roomwire_canary_duration_seconds", Kind::Histogram(LATENCY), [];
    /// Times that this node stopped hearing its own canaries.
    CANARY_MISSES = "roomwire_canary_misses_total", Kind::Counter, [];
    /// 1 while what this node publishes comes back to it.
    REDIS_UP = "roomwire_redis_up", Kind::Gauge, [];
    /// Times the subscriber had to connect to Redis again.
    REDIS_RECONNECTS = "roomwire_redis_reconnects_total", Kind::Counter, [];
    /// Seconds from a request's head to its answer's, by method, route and status; named as
    /// OpenTelemetry does. Requests of no route have the route `other`.
    HTTP_DURATION = "http_server_request_duration_seconds", Kind::Histogram(HTTP), ["http_request_method", "http_route", "http_response_status_code"];
    /// Lines logged, by level: `error`, `warn`.
    LOG_LINES = "roomwire_log_lines_total", Kind::Counter, ["level"];
    /// Spans given to the collector, by result: `ok`, `failed`.
    SPANS_EXPORTED = "roomwire_spans_exported_total", Kind::Counter, ["result"];
    /// Messages that `explain` can still tell of.
    JOURNAL_MESSAGES = "roomwire_journal_messages", Kind::Gauge, [];
    /// Threads that run the node's tasks.
    RUNTIME_WORKERS = "roomwire_runtime_workers", Kind::Gauge, [];
    /// Tasks that have not ended.
    RUNTIME_TASKS = "roomwire_runtime_tasks", Kind::Gauge, [];
    /// Tasks that wait for a thread, beside each thread's own.
    RUNTIME_QUEUE = "roomwire_runtime_queued_tasks", Kind::Gauge, [];
    /// Seconds that all threads together had something to do, also while the system let them wait.
    RUNTIME_BUSY = "roomwire_runtime_busy_seconds_total", Kind::Counter, [];
    /// Seconds by which a timer came late: how long whatever becomes due waits for a thread.
    RUNTIME_LATENESS = "roomwire_runtime_lateness_seconds", Kind::Histogram(LATENCY), [];
    /// Bytes of memory by the allocator's state: `allocated` by the node, `active` and `resident`
    /// with what surrounds that, `retained` address space.
    ALLOCATOR_BYTES = "roomwire_allocator_bytes", Kind::Gauge, ["state"];
    /// Seconds of processor time, in user and system mode.
    PROCESS_CPU = "process_cpu_seconds_total", Kind::Counter, [];
    /// Open file descriptors.
    PROCESS_FDS = "process_open_fds", Kind::Gauge, [];
    /// How many there may be; 0 without a bound.
    PROCESS_FDS_MAX = "process_max_fds", Kind::Gauge, [];
    /// Bytes of address space.
    PROCESS_VIRTUAL = "process_virtual_memory_bytes", Kind::Gauge, [];
    /// How many there may be; 0 without a bound.
    PROCESS_VIRTUAL_MAX = "process_virtual_memory_max_bytes", Kind::Gauge, [];
    /// Bytes of memory in use.
    PROCESS_RESIDENT = "process_resident_memory_bytes", Kind::Gauge, [];
    /// Unix time at which the process began.
    PROCESS_STARTED = "process_start_time_seconds", Kind::Gauge, [];
    /// Threads.
    PROCESS_THREADS = "process_threads", Kind::Gauge, [];
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fmt::Write as _};

    use super::*;

    #[test]
    fn every_metric_is_named_once_and_in_one_grammar() {
        let mut names = HashSet::new();
        for metric in ALL {
            assert!(names.insert(metric.name), "{} twice", metric.name);
            let standard = ["http_server_", "process_"];
            let ours = metric.name.starts_with("roomwire_");
            let standard = standard.iter().any(|start| metric.name.starts_with(start));
            assert!(ours || standard, "{}", metric.name);
            assert!(!metric.help.is_empty(), "{} has no help", metric.name);
            let total = metric.name.ends_with("_total");
            assert_eq!(
                matches!(metric.kind, Kind::Counter),
                total,
                "{}",
                metric.name
            );
        }
    }

    /// The unit is the last word of the name, before that of a counter.
    fn unit(name: &str) -> &'static str {
        let name = name.trim_end_matches("_total").trim_end_matches("_max");
        let units = ["seconds", "bytes"];
        let unit = units.into_iter().find(|unit| name.ends_with(unit));
        unit.unwrap_or("1")
    }

    /// The page of `docs` that shows the catalogue.
    fn page() -> String {
        let mut page = String::from(
            "# Metrics\n\nEvery metric of a node, on `/metrics` of its admin port. Written from the \
             catalogue in\n`gateway/src/telemetry/catalogue.rs`: change it there, then run the tests \
             with `UPDATE_DOCS=1`.\n\n| name | type | unit | labels | meaning |\n|---|---|---|---|---|\n",
        );
        for metric in ALL {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
            let (name, unit, labels) = (metric.name, unit(metric.name), labels.join(", "));
            writeln!(
                page,
                "| `{name}` | {kind} | {unit} | {labels} | {} |",
                metric.help
            )
            .unwrap();
        }
        page
    }

    #[test]
    fn the_page_of_metrics_says_what_the_catalogue_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        assert!(written == page(), "run the tests with UPDATE_DOCS=1");
    }
}
