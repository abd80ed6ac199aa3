//! Redis is away from one node, or from all, or loses what it is given.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use roomwire_loadtest::deployment::proxy::{Proxy, Trouble};
use tokio::time::interval;

use super::super::stand::{Stand, place};
use super::talking;

const FACTOR: u64 = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_redis_is_told_until_it_is_over() {
    let Some(mut stand) = Stand::start(FACTOR, 0, &[]).await else {
        return;
    };
    let redis: SocketAddr = place(stand.redis.url().trim_start_matches("redis://"))
        .parse()
        .unwrap();
    let way = Proxy::start(redis).unwrap();
    let url = format!("redis://{}", way.address());
    stand.add(&[("REDIS_URL", &url)]).await;
    stand.add(&[]).await;
    let crowd = talking(&stand, 4).await;
    let watcher = &stand.watcher;

    way.trouble(Some(Trouble::Cut));
    watcher.fires("RoomwireNodeDeaf", "ticket").await;
    watcher.fires("RoomwireNodeNotReady", "ticket").await;
    stand.consult("RoomwireNodeDeaf", 0).await;
    stand.consult("RoomwireNodeNotReady", 0).await;
    way.trouble(None);
    watcher
        .ends(&["RoomwireNodeDeaf", "RoomwireNodeNotReady"])
        .await;

    stand.redis.pause().unwrap();
    let watcher = &stand.watcher;
    watcher.fires("RoomwireRedisAway", "page").await;
    stand.consult("RoomwireRedisAway", 0).await;
    stand.redis.resume().unwrap();
    stand.watcher.ends(&["RoomwireRedisAway"]).await;
    drop(crowd);

    // In many rooms at once, because a gap is counted once for each.
    let mut crowds = Vec::new();
    for _ in 0..8 {
        crowds.push(super::Crowd::talk(&stand.urls(), 2, super::PACE).await);
    }
    let fires = stand.watcher.fires("RoomwireHintsLost", "ticket");
    tokio::select! {
        () = fires => {}
        () = throw_out_listeners(redis) => {}
    }
    stand.consult("RoomwireHintsLost", 0).await;
    stand.watcher.ends(&["RoomwireHintsLost"]).await;
}

/// Has Redis close the connections of those who listen, again and again, as it does with those for
/// whom too much waits.
async fn throw_out_listeners(redis: SocketAddr) {
    let mut again = interval(Duration::from_millis(400));
    loop {
        again.tick().await;
        let mut session = TcpStream::connect(redis).unwrap();
        session.write_all(b"CLIENT KILL TYPE pubsub\r\n").unwrap();
    }
}
