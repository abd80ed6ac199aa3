//! What a node tells of itself in numbers, and that nothing is missing.

mod connections;
mod delivery;
mod failures;
mod requests;

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::support::{Deployment, Figures, Issuer, ONES, unix_seconds};

/// The names on the page of metrics.
fn documented() -> Vec<&'static str> {
    let page = include_str!("../../../../docs/metrics.md");
    let rows = page.lines().filter_map(|row| row.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap()).collect()
}

#[tokio::test]
async fn every_metric_of_the_page_is_told_by_a_node_with_a_little_to_do() {
    let issuer = Issuer::publishing(&[ONES]).await;
    let keys = [("JWT_HS256_SECRET", ""), ("JWT_JWKS", issuer.url())];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &keys).await else {
        return;
    };
    let token = |user| ONES.sign(&json!({ "sub": user, "exp": unix_seconds() + 3_600 }));
    let alice = deployment.anonymous().bearer(token("alice"));
    let room = alice.new_room("tea", &["bob"]).await;
    let socket = |user| deployment.socket(user).token(token(user));
    let (alice, mut bob) = (socket("alice").open().await, socket("bob").open().await);
    alice.say(&room, "hello").await;
    bob.hears_text("hello").await;

    let figures = Figures::read(&deployment.admin()).await;
    let all = documented();
    assert!(all.len() > 80, "{all:?}");
    let missing: Vec<_> = all.iter().filter(|name| !figures.has(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    is_well_formed(figures.text());
}

/// Asks Prometheus' own tool, where it is installed.
fn is_well_formed(text: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    promtool.stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut checking) = promtool.spawn() else {
        return;
    };
    let mut given = checking.stdin.take().unwrap();
    given.write_all(text.as_bytes()).unwrap();
    drop(given);
    let checked = checking.wait_with_output().unwrap();
    let words = [checked.stdout, checked.stderr].concat();
    let words = String::from_utf8_lossy(&words);
    assert!(checked.status.success(), "{words}");
}

#[tokio::test]
async fn what_a_node_is_made_of_is_told() {
    let deployment = Deployment::start(1).await;
    let figures = Figures::read(&deployment.admin()).await;
    let text = figures.text();
    let info = text
        .lines()
        .find(|line| line.starts_with("roomwire_build_info{"));
    let info = info.unwrap();
    let newest = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations"))
        .unwrap()
        .filter_map(|file| {
            let name = file.unwrap().file_name().into_string().unwrap();
            name.split('_').next().unwrap().parse::<i64>().ok()
        });
    let schema = format!("schema=\"{}\"", newest.max().unwrap());
    assert!(info.contains(&schema), "{info}, not {schema}");
    assert!(info.contains("commit=\""), "{info}");
    for (name, labels) in [
        ("process_cpu_seconds_total", &[][..]),
        ("process_resident_memory_bytes", &[]),
        ("process_open_fds", &[]),
        ("process_start_time_seconds", &[]),
        ("roomwire_runtime_workers", &[]),
        ("roomwire_runtime_tasks", &[]),
        ("roomwire_runtime_busy_seconds_total", &[]),
        ("roomwire_allocator_bytes", &[("state", "allocated")]),
        ("roomwire_allocator_bytes", &[("state", "resident")]),
        ("roomwire_tcp_connections", &[("port", "admin")]),
        ("roomwire_tcp_connections_max", &[("port", "public")]),
        ("roomwire_database_connections_max", &[("pool", "primary")]),
        (
            "roomwire_database_duration_seconds_count",
            &[("pool", "primary")],
        ),
        (
            "roomwire_database_wait_seconds_count",
            &[("pool", "primary")],
        ),
    ] {
        assert!(figures.sum(name, labels) > 0.0, "{name} {labels:?}: {text}");
    }
}
