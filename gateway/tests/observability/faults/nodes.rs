//! Nodes that are down, full, cut off, late to end or out of step with the others.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use roomwire_loadtest::client::rest::Rest;
use roomwire_loadtest::client::{ConnectOptions, Connection, Contract, Target};
use roomwire_loadtest::deployment::proxy::{Proxy, Trouble};
use serde_json::json;
use tokio::time::interval;

use super::super::crowd::{Crowd, connect};
use super::super::served::serve;
use super::super::stand::{Stand, place, signer};
use super::{PACE, talking};

const FACTOR: u64 = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_full_is_told_until_it_has_room_again() {
    let settings = [("CONNECTIONS_MAX", "40")];
    let Some(stand) = Stand::start(FACTOR, 1, &settings).await else {
        return;
    };
    let _crowd = talking(&stand, 4).await;
    let watcher = &stand.watcher;
    let node = &stand.nodes[0];

    // Of the files that are open now nearly all that may be.
    let pid = node.pid();
    let open = watcher.query("process_open_fds").await;
    let open: u64 = open[0]["value"][1].as_str().unwrap().parse().unwrap();
    let before = limit_files(pid, &format!("{}:", open + 6));
    watcher
        .fires("RoomwireFileDescriptorsShort", "ticket")
        .await;
    stand.consult("RoomwireFileDescriptorsShort", 0).await;
    limit_files(pid, &format!("{before}:"));

    let public: SocketAddr = place(node.url()).parse().unwrap();
    let mut idle: Vec<TcpStream> = (0..32)
        .map(|_| TcpStream::connect(public).unwrap())
        .collect();
    watcher.fires("RoomwireConnectionsNearMax", "ticket").await;
    stand.consult("RoomwireConnectionsNearMax", 0).await;
    let knocking = async {
        let mut again = interval(Duration::from_millis(20));
        loop {
            again.tick().await;
            idle.push(TcpStream::connect(public).unwrap());
        }
    };
    tokio::select! {
        () = watcher.fires("RoomwireConnectionsNearMax", "page") => {}
        () = knocking => {}
    }
    drop(idle);
    watcher
        .ends(&["RoomwireFileDescriptorsShort", "RoomwireConnectionsNearMax"])
        .await;
}

/// Sets how many files a process may have open, and tells how many it could have before.
fn limit_files(pid: u32, limit: &str) -> u64 {
    let pid = format!("--pid={pid}");
    let told = Command::new("prlimit")
        .args([pid.as_str(), "--nofile", "--output=SOFT", "--noheadings"])
        .output()
        .unwrap();
    let set = Command::new("prlimit")
        .args([&pid, &format!("--nofile={limit}")])
        .status();
    assert!(set.unwrap().success());
    String::from_utf8(told.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_who_are_cut_or_do_not_keep_up_are_told_of() {
    let settings = [("WRITE_TIMEOUT_MS", "500"), ("PENDING_BYTES_MAX", "65536")];
    let Some(stand) = Stand::start(FACTOR, 1, &settings).await else {
        return;
    };
    let target = Target::resolve(&stand.urls()[0]).await.unwrap();
    let crowd = talking(&stand, 6).await;
    let watcher = &stand.watcher;

    // Sockets of a member who reads nothing, until what is sent to them stands still.
    let host = signer().sign("host").unwrap();
    let rest = Rest::new(target.clone());
    let room = rest
        .create_room(&host, "pictures", &["stuck".to_owned()])
        .await
        .unwrap();
    let options = ConnectOptions {
        token: signer().sign("stuck").unwrap(),
        ..ConnectOptions::default()
    };
    let mut stuck = Vec::new();
    for _ in 0..40 {
        stuck.push(Connection::open_narrow(&target, &options).await.unwrap());
    }
    let talker = connect(&target, &host, Contract::Rooms).await.unwrap();
    let picture = [json!(room), json!("x".repeat(16_000))];
    let showing = async {
        loop {
            talker.emit_with_ack("message", &picture).await.unwrap();
        }
    };
    tokio::select! {
        () = watcher.fires("RoomwireSlowConsumers", "ticket") => {}
        () = showing => {}
    }
    stand.consult("RoomwireSlowConsumers", 0).await;
    drop((stuck, crowd));

    // A load balancer that gives up every connection after a moment.
    let way = Proxy::start(target.address()).unwrap();
    let urls = [format!("http://{}", way.address())];
    let _crowd = Crowd::talk(&urls, 10, PACE).await;
    let cutting = async {
        let mut again = interval(Duration::from_millis(600));
        loop {
            again.tick().await;
            way.trouble(Some(Trouble::Cut));
            way.trouble(None);
        }
    };
    tokio::select! {
        () = watcher.fires("RoomwireReconnectStorm", "ticket") => {}
        () = cutting => {}
    }
    stand.consult("RoomwireReconnectStorm", 0).await;
    watcher
        .ends(&["RoomwireSlowConsumers", "RoomwireReconnectStorm"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_or_does_not_end_or_is_of_another_version_is_told_of() {
    let Some(mut stand) = Stand::start(FACTOR, 1, &[]).await else {
        return;
    };
    let slow = [("DRAIN_SECONDS", "600")];
    stand.add(&slow).await;
    let crowd = talking(&stand, 6).await;
    let metrics = reqwest::get(format!("{}/metrics", stand.nodes[0].admin_url())).await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
    assert!(metrics.contains(version));
    // A node of another version, as Prometheus sees it.
    let other = serve(metrics.replace(version, "version=\"0.0.1\"")).await;
    stand.scrape_also(&[other.to_string()]);

    stand.nodes[1].signal("TERM").unwrap();
    stand.watcher.fires("RoomwireDrainTooLong", "ticket").await;
    stand.consult("RoomwireDrainTooLong", 1).await;
    stand.watcher.fires("RoomwireVersionSkew", "ticket").await;
    stand.consult("RoomwireVersionSkew", 0).await;
    // A second one does not wait.
    stand.nodes[1].signal("TERM").unwrap();
    stand.nodes[1].wait().await.unwrap();
    drop(stand.nodes.remove(1));
    stand.scrape();
    stand
        .watcher
        .ends(&["RoomwireDrainTooLong", "RoomwireVersionSkew"])
        .await;

    stand.add(&[]).await;
    stand.watcher.shows("sum(up) == 2").await;
    stand.nodes[1].signal("KILL").unwrap();
    stand.watcher.fires("RoomwireNodeDown", "ticket").await;
    stand.consult("RoomwireNodeDown", 1).await;
    stand.nodes[0].signal("KILL").unwrap();
    stand.watcher.fires("RoomwireNoNodes", "page").await;
    stand.consult("RoomwireNoNodes", 0).await;
    drop(crowd);
    stand.nodes.clear();
    stand.add(&[]).await;
    stand
        .watcher
        .ends(&["RoomwireNodeDown", "RoomwireNoNodes"])
        .await;
}
