//! Values of labels that are known from the start, each shown as 0 before anything happens: a counter
//! that appears with its first event seems never to have risen.

use super::catalogue as c;

/// A label, and the values that it may take.
pub(crate) type Label<'a> = (&'static str, &'a [&'static str]);

const FACES: Label<'_> = ("face", &["rooms", "chats"]);

/// Counters whose labels take these values and no others. Those of events
/// are the faces', those of pools the store's.
const COUNTERS: &[(&str, &[Label<'_>])] = &[
    (c::CONNECTIONS_OPENED, &[FACES, PROTOCOLS, TRANSPORTS]),
    (c::CONNECTIONS_CLOSED, &[FACES, ("reason", &CLOSED)]),
    (c::HANDSHAKES, &[FACES, ("result", &HANDSHAKES)]),
    (c::AUTH_FAILURES, &[("reason", &REFUSALS)]),
    (
        c::KEY_SET_READS,
        &[("result", &["ok", "unreachable", "unusable"])],
    ),
    (c::BODIES_REFUSED, &[("reason", &["too_slow", "busy"])]),
    (
        c::UNADMITTED_CLOSED,
        &[("reason", &["timeout", "refused", "crowded"])],
    ),
    (c::SESSION_REQUESTS, &[("node", &["own", "other"])]),
    (
        c::SESSIONS_UNKNOWN,
        &[("reason", &["not_here", "ended", "node_gone"])],
    ),
    (c::RATE_LIMITED, &[("what", &LIMITED)]),
    (
        c::SLOW_CONSUMERS,
        &[("reason", &["bytes", "write_timeout"])],
    ),
    (c::APPENDS, &[("result", &APPENDS)]),
    (c::HINTS_RECEIVED, &[("kind", &HINTS)]),
    (c::HINTS_PUBLISHED, &[("result", &["ok", "failed"])]),
    (
        c::GAPS_FILLED,
        &[("cause", &["hint", "outbox", "joining", "resync"])],
    ),
    (c::RESYNCS, &[("cause", &RESYNCS)]),
    (c::PRESENCE_CHANGES, &[("state", &["online", "offline"])]),
    (
        c::DATABASE_DROPPED,
        &[("reason", &["silent", "doubted", "spoilt", "abandoned"])],
    ),
    (
        c::REPLICA_READS,
        &[("result", &["served", "behind", "failed"])],
    ),
    (c::LOG_LINES, &[("level", &["error", "warn"])]),
    (c::SPANS_EXPORTED, &[("result", &["ok", "failed"])]),
];

/// Gauges, likewise.
const GAUGES: &[(&str, &[Label<'_>])] = &[
    (c::CONNECTIONS, &[FACES, PROTOCOLS, TRANSPORTS]),
    (c::TCP_CONNECTIONS, &[("port", &["public", "admin"])]),
    (c::UNADMITTED, &[("state", &["pending", "refused"])]),
    (
        c::DEPENDENCY_UP,
        &[("dependency", &["postgres", "redis", "keys"])],
    ),
];

/// Histograms, likewise.
const HISTOGRAMS: &[(&str, &[Label<'_>])] = &[(c::HANDSHAKE_DURATION, &[FACES])];

/// Without labels, and absent for as long as there is nothing to tell.
pub(super) const MAY_BE_ABSENT: [&str; 1] = [c::KEY_SET_AGE];

const PROTOCOLS: Label<'_> = ("protocol", &["eio3", "eio4"]);
const TRANSPORTS: Label<'_> = ("transport", &["polling", "websocket"]);
const CLOSED: [&str; 13] = [
    "slow_consumer",
    "flood",
    "token_expired",
    "suspended",
    "draining",
    "transport_close",
    "multiple_polling",
    "parse_error",
    "transport_error",
    "heartbeat_timeout",
    "client_disconnect",
    "answer_unsure",
    "never_connected",
];
const HANDSHAKES: [&str; 5] = ["ok", "unauthorized", "suspended", "too_many", "unavailable"];
const REFUSALS: [&str; 5] = ["missing", "malformed", "expired", "refused", "unread"];
const LIMITED: [&str; 5] = ["message", "event", "connect", "request", "handshake"];
const APPENDS: [&str; 7] = [
    "stored",
    "repeated",
    "not_a_member",
    "conflict",
    "failed",
    "held",
    "unknown",
];
const HINTS: [&str; 11] = [
    "own",
    "entries",
    "head",
    "read",
    "joined",
    "memberships",
    "typing",
    "presence",
    "compare",
    "canary",
    "unreadable",
];
const RESYNCS: [&str; 6] = [
    "redis_away",
    "owed_too_many",
    "reconnect",
    "canary",
    "lag",
    "database_changed",
];

/// Shows a counter as 0 for every combination of these labels.
pub(crate) fn start_counter(name: &'static str, labels: &[Label<'_>]) {
    each(labels, &mut Vec::new(), &mut |labels| {
        metrics::counter!(name, labels).absolute(0);
    });
}

/// Shows a histogram without an observation for every combination of these labels.
pub(crate) fn start_histogram(name: &'static str, labels: &[Label<'_>]) {
    each(labels, &mut Vec::new(), &mut |labels| {
        drop(metrics::histogram!(name, labels));
    });
}

/// Shows all of the sets above.
pub(super) fn start_all() {
    for (name, labels) in COUNTERS {
        start_counter(name, labels);
    }
    for (name, labels) in GAUGES {
        each(labels, &mut Vec::new(), &mut |labels| {
            metrics::gauge!(*name, labels).set(0.0);
        });
    }
    for (name, labels) in HISTOGRAMS {
        start_histogram(name, labels);
    }
}

type Chosen = (&'static str, &'static str);

fn each(labels: &[Label<'_>], chosen: &mut Vec<Chosen>, act: &mut impl FnMut(&[Chosen])) {
    let Some(((name, values), rest)) = labels.split_first() else {
        act(chosen);
        return;
    };
    for value in *values {
        chosen.push((name, value));
        each(rest, chosen, act);
        chosen.pop();
    }
}
