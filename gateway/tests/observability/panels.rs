//! Dashboards and rules over nodes that run: whatever they name is exported, and every panel shows
//! something.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::crowd::Crowd;
use super::files::{self, Query};
use super::stand::Stand;

/// Rules are what they are, in their own time.
const FACTOR: u64 = 1;
/// As Grafana would choose it for scrapes as frequent as here.
const RATE_INTERVAL: &str = "5s";
/// How long panels may take to fill.
const DEADLINE: Duration = Duration::from_mins(1);

/// A public key, by which nobody signs here.
const KEY_SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig",
    "kid":"ones","x":"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w"}]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_has_data_under_load_and_every_name_is_exported() {
    let keys = std::env::temp_dir().join(format!("roomwire-keys-{}.json", std::process::id()));
    std::fs::write(&keys, KEY_SET).unwrap();
    let Some(mut stand) = Stand::start(FACTOR, 2, &[]).await else {
        return;
    };
    let _crowd = Crowd::talk(&stand.urls(), 6, Duration::from_millis(100)).await;
    // Nobody has a token for this one, but it has keys of an age.
    let settings = [
        ("JWT_JWKS", keys.to_str().unwrap()),
        ("JWT_HS256_SECRET", ""),
    ];
    stand.add(&settings).await;
    std::fs::remove_file(&keys).unwrap();

    let mut missing = files::queries();
    let end = Instant::now() + DEADLINE;
    while !missing.is_empty() && Instant::now() < end {
        let mut still = Vec::new();
        for query in missing {
            if !has_data(&stand, &query).await {
                still.push(query);
            }
        }
        missing = still;
        sleep(Duration::from_millis(250)).await;
    }
    assert!(missing.is_empty(), "no data: {missing:#?}");

    let mut exported = BTreeSet::new();
    for node in &stand.nodes {
        let page = reqwest::get(format!("{}/metrics", node.admin_url()))
            .await
            .unwrap();
        let page = page.text().await.unwrap();
        let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        exported.extend(types.filter_map(|rest| Some(rest.split(' ').next()?.to_owned())));
    }
    let named = files::metrics_in(&files::used());
    let unknown: Vec<_> = named.difference(&exported).collect();
    assert!(unknown.is_empty(), "named, but not exported: {unknown:?}");
}

/// Whether a query gives a number.
async fn has_data(stand: &Stand, query: &Query) -> bool {
    let text = files::substituted(&query.text, RATE_INTERVAL);
    let series = stand.watcher.query(&text).await;
    let is_number = |series: &Value| series["value"][1] != "NaN";
    series.iter().any(is_number)
}
