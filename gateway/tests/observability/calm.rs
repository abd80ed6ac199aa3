//! Nobody is called for an ordinary day: traffic, a deploy, and a node more.

use std::time::Duration;

use super::crowd::Crowd;
use super::stand::{Stand, free_place};

/// A quarter of an hour is three quarters of a minute; a drain of a second is one of 20 s.
const FACTOR: u64 = 20;
/// Between two messages of one person.
const PACE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_and_traffic_and_a_deploy_and_one_more_node_fire_no_alert() {
    let Some(mut stand) = Stand::start(FACTOR, 0, &[]).await else {
        return;
    };
    // Each keeps its addresses, as behind a service.
    let places: Vec<[String; 2]> = (0..3).map(|_| [free_place(), free_place()]).collect();
    let settings = |node: usize| {
        let [public, admin] = &places[node];
        [
            ("LISTEN_ADDR", public.as_str()),
            ("ADMIN_ADDR", admin.as_str()),
        ]
    };
    let urls: Vec<String> = places
        .iter()
        .map(|[public, _]| format!("http://{public}"))
        .collect();
    for node in 0..2 {
        stand.add(&settings(node)).await;
    }
    let _crowd = Crowd::talk(&urls, 30, PACE).await;
    seen(&stand, 12).await;
    for node in 0..2 {
        let old = &mut stand.nodes[0];
        old.signal("TERM").unwrap();
        assert!(old.wait().await.unwrap().success());
        // The list stays as it is: a node that restarts is still one of them.
        stand.nodes.remove(0);
        stand.add(&settings(node)).await;
        seen(&stand, 4).await;
    }
    stand.add(&settings(2)).await;
    seen(&stand, 12).await;
    let ever = stand
        .watcher
        .query("count_over_time(ALERTS{alertstate=\"firing\"}[1h])")
        .await;
    assert!(ever.is_empty(), "{ever:?}");
    let refused = stand
        .watcher
        .query("sum(roomwire:sends_failed:rate5m) > 0")
        .await;
    assert!(refused.is_empty(), "{refused:?}");
}

/// Waits until the rules have seen people talk for so many seconds more.
async fn seen(stand: &Stand, seconds: u64) {
    let now = stand.watcher.now().await;
    let end = now + f64::from(u32::try_from(seconds).unwrap());
    stand
        .watcher
        .shows(&format!("timestamp(roomwire:sends:rate5m > 1) > {end}"))
        .await;
}
