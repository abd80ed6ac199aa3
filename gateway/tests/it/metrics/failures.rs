//! Nothing counts as failed that is only starting, and everything that has failed does.

use crate::support::{Database, Deployment, Figures, eventually, eventually_told};

/// What operators are alarmed by.
const FAILURES: [(&str, &[(&str, &str)]); 24] = [
    ("roomwire_append_messages_total", &[("result", "failed")]),
    ("roomwire_append_messages_total", &[("result", "unknown")]),
    ("roomwire_auth_failures_total", &[]),
    ("roomwire_bodies_refused_total", &[]),
    ("roomwire_canary_misses_total", &[]),
    ("roomwire_database_connections_dropped_total", &[]),
    ("roomwire_database_errors_total", &[]),
    ("roomwire_database_read_only", &[]),
    ("roomwire_gaps_filled_total", &[]),
    ("roomwire_handshakes_total", &[]),
    ("roomwire_hints_malformed_total", &[]),
    ("roomwire_hints_published_total", &[("result", "failed")]),
    ("roomwire_hints_shed_total", &[]),
    ("roomwire_key_set_reads_total", &[]),
    ("roomwire_nodes_reaped_total", &[]),
    ("roomwire_outbox_dropped_total", &[]),
    ("roomwire_outbox_swept_total", &[]),
    ("roomwire_presence_refills_total", &[]),
    ("roomwire_rate_limited_total", &[]),
    ("roomwire_redis_reconnects_total", &[]),
    ("roomwire_resyncs_total", &[]),
    ("roomwire_sessions_unknown_total", &[]),
    ("roomwire_slow_consumers_total", &[]),
    ("roomwire_tcp_connections_refused_total", &[]),
];

#[tokio::test]
async fn a_fresh_node_has_failed_at_nothing() {
    let deployment = Deployment::start(1).await;
    let admin = deployment.admin();
    // Every part has been at work several times.
    eventually("several canaries", async || {
        let figures = Figures::read(&admin).await;
        figures.sum("roomwire_canary_duration_seconds_count", &[]) > 3.0
    })
    .await;
    let figures = Figures::read(&admin).await;
    for (name, labels) in FAILURES {
        assert!(figures.has(name), "{name} is not told");
        let failed = figures.sum(name, labels);
        assert!(failed < 1.0, "{name} {labels:?} is {failed}");
    }
    for name in ["roomwire_ready", "roomwire_redis_up"] {
        assert!(figures.sum(name, &[]) > 0.0, "{name}");
    }
    for dependency in ["postgres", "redis", "keys"] {
        let label = [("dependency", dependency)];
        let up = figures.sum("roomwire_dependency_up", &label);
        assert!(up > 0.0, "{dependency}");
    }
}

#[tokio::test]
async fn what_fails_without_redis_counts_from_the_start() {
    let nowhere = roomwire_dev::free_port().unwrap();
    let redis = format!("redis://127.0.0.1:{nowhere}");
    let settings = [("REDIS_URL", redis.as_str())];
    let Some(deployment) = Deployment::alive_with_clients(&settings).await else {
        return;
    };
    let admin = deployment.admin();
    let published = "roomwire_hints_published_total";
    let failed = [("result", "failed")];
    let before = Figures::read(&admin).await.sum(published, &failed);
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    deployment
        .socket("alice")
        .open()
        .await
        .say(&room, "hello")
        .await;
    eventually("failed publishes and reads instead of hints", async || {
        let figures = Figures::read(&admin).await;
        let away = [("cause", "redis_away")];
        figures.sum(published, &failed) > before
            && figures.sum("roomwire_resyncs_total", &away) > 0.0
    })
    .await;
    let figures = Figures::read(&admin).await;
    for (name, labels) in [
        ("roomwire_hints_published_total", &[("result", "ok")][..]),
        ("roomwire_redis_reconnects_total", &[]),
        ("roomwire_redis_up", &[]),
    ] {
        assert!(
            figures.sum(name, labels) < 1.0,
            "{name}: {}",
            figures.text()
        );
    }
}

#[tokio::test]
async fn a_connection_to_redis_that_is_lost_and_made_anew_counts() {
    let Some((deployment, way)) = Deployment::with_clients_and_fragile_redis().await else {
        return;
    };
    let admin = deployment.admin();
    let _alice = deployment.socket("alice").open().await;
    way.cut();
    eventually_told(&admin, ("roomwire_redis_up", &[]), 0.0).await;
    way.mend();
    eventually("connected again and read what was missed", async || {
        let figures = Figures::read(&admin).await;
        figures.sum("roomwire_redis_reconnects_total", &[]) > 0.0
            && figures.sum("roomwire_resyncs_total", &[("cause", "reconnect")]) > 0.0
    })
    .await;
}

#[tokio::test]
async fn a_database_that_does_not_take_writes_is_told() {
    let database = Database::migrated().await;
    database.set("set default_transaction_read_only = on").await;
    let settings = [("DATABASE_URL", database.url())];
    let Some(deployment) = Deployment::alive_with_clients(&settings).await else {
        return;
    };
    let admin = deployment.admin();
    eventually_told(&admin, ("roomwire_database_read_only", &[]), 1.0).await;
    let figures = Figures::read(&admin).await;
    let up = figures.sum("roomwire_dependency_up", &[("dependency", "postgres")]);
    let ready = figures.sum("roomwire_ready", &[]);
    assert!(up + ready < 1.0, "{}", figures.text());
}
