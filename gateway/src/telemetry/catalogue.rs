//! The closed list of metrics. A name that is not here does not exist.
//!
//! Labels take values from closed sets only: never a user, a room, a socket or a raw path.

/// One metric as it is shown.
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Names of its labels, beside those that Prometheus adds.
    #[cfg(test)]
    labels: &'static [&'static str],
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
                #[cfg(test)]
                labels: &$labels,
                help: concat!($($help),+).trim_ascii_start() },)+
        ];
    };
}

catalogue! {
    /// Always 1; labelled with the version.
    BUILD_INFO = "roomwire_build_info", Kind::Gauge, ["version"];
    /// Open, authenticated sockets, by face.
    CONNECTIONS = "roomwire_connections", Kind::Gauge, ["face"];
    /// Sockets opened, by face.
    CONNECTIONS_OPENED = "roomwire_connections_opened_total", Kind::Counter, ["face"];
    /// Sockets closed, by face and reason.
    CONNECTIONS_CLOSED = "roomwire_connections_closed_total", Kind::Counter, ["face", "reason"];
    /// Handshakes and requests refused for their token, by reason; `unread` while no key is known.
    AUTH_FAILURES = "roomwire_auth_failures_total", Kind::Counter, ["reason"];
    /// Reads of the issuer's key set, by result: `ok`, `unreachable`, or `unusable`.
    KEY_SET_READS = "roomwire_key_set_reads_total", Kind::Counter, ["result"];
    /// Accepted TCP connections that are open.
    TCP_CONNECTIONS = "roomwire_tcp_connections", Kind::Gauge, [];
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
    /// Messages that went through group commit, by result.
    APPENDS = "roomwire_append_messages_total", Kind::Counter, ["result"];
    /// Messages per committed batch.
    APPEND_BATCH = "roomwire_append_batch_messages", Kind::Histogram(BATCH), [];
    /// Seconds a batch took to commit.
    APPEND_DURATION = "roomwire_append_duration_seconds", Kind::Histogram(LATENCY), [];
    /// Frames handed to sockets for what happened in their rooms.
    DELIVERIES = "roomwire_deliveries_total", Kind::Counter, [];
    /// Seconds from a message's commit to its handing to the node's sockets. Across nodes this
    /// includes how far their clocks are apart.
    DELIVERY_DURATION = "roomwire_delivery_duration_seconds", Kind::Histogram(LATENCY), [];
    /// Hints received from Redis, by kind.
    HINTS_RECEIVED = "roomwire_hints_received_total", Kind::Counter, ["kind"];
    /// Hints that could not be read.
    HINTS_MALFORMED = "roomwire_hints_malformed_total", Kind::Counter, [];
    /// Hints given to Redis, by result.
    HINTS_PUBLISHED = "roomwire_hints_published_total", Kind::Counter, ["result"];
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
    /// Holes in the order of hints that a read of the log had to fill.
    GAPS_FILLED = "roomwire_gaps_filled_total", Kind::Counter, [];
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
    /// Connections of the database pool, by state.
    DATABASE_CONNECTIONS = "roomwire_database_connections", Kind::Gauge, ["state"];
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
    /// Seconds from a request's head to its answer's, by route, method and status.
    HTTP_DURATION = "roomwire_http_request_duration_seconds", Kind::Histogram(LATENCY), ["route", "method", "status"];
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
            assert!(metric.name.starts_with("roomwire_"), "{}", metric.name);
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

    /// The page of `docs` that shows the catalogue.
    fn page() -> String {
        let mut page = String::from(
            "# Metrics\n\nEvery metric of a node, on `/metrics` of its admin port. Written from the \
             catalogue in\n`gateway/src/telemetry/catalogue.rs`: change it there, then run the tests \
             with `UPDATE_DOCS=1`.\n\n| name | type | labels | meaning |\n|---|---|---|---|\n",
        );
        for metric in ALL {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
            let (name, labels) = (metric.name, labels.join(", "));
            writeln!(page, "| `{name}` | {kind} | {labels} | {} |", metric.help).unwrap();
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
