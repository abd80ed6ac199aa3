//! Each alert by its real fault: it fires, the fault is mended, it ends.
//!
//! Every alert of the rules must be named here with its severity (`written` looks for that).

mod keys;
mod nodes;
mod postgres;
mod promises;
mod redis;

use std::time::Duration;

use super::crowd::Crowd;
use super::stand::Stand;

/// Between two messages of one person.
const PACE: Duration = Duration::from_millis(100);

/// People who talk, once the watcher has seen that they do; and nothing fires for that.
async fn talking(stand: &Stand, people: usize) -> Crowd {
    talking_on(stand, &stand.urls(), people).await
}

/// The same on some of the nodes.
async fn talking_on(stand: &Stand, urls: &[String], people: usize) -> Crowd {
    let crowd = Crowd::talk(urls, people, PACE).await;
    stand
        .watcher
        .shows("roomwire:sends:rate5m > 1 and roomwire:deliveries:rate5m > 1")
        .await;
    stand
        .watcher
        .shows("roomwire:requests:rate5m > 0 and roomwire:handshakes:rate5m > 0")
        .await;
    let firing = stand.watcher.firing().await;
    assert!(firing.is_empty(), "{firing:?} before any fault");
    crowd
}
