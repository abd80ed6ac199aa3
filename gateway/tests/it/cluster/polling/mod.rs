//! A polling session goes on whichever node its requests reach.

mod crowd;
mod figures;

use std::net::SocketAddr;

use roomwire_dev::front::Front;

use self::crowd::{Crowd, Size};
use self::figures::Figures;
use crate::support::{Deployment, Generation, Transports};

const NODES: usize = 3;

#[tokio::test]
async fn polling_clients_need_no_sticky_sessions() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let front = front(&deployment, 2).await;
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    for generation in Generation::ALL {
        for transports in [Transports::Polling, Transports::Upgrade] {
            let url = format!("http://{}", front.addr());
            let socket = deployment.socket("bob").at(&url).generation(generation);
            let mut bob = socket.transports(transports).open().await;
            for n in 0..5 {
                alice.say(&room, &format!("{n}")).await;
                bob.hears_text(&format!("{n}")).await;
                bob.say(&room, "heard").await;
            }
            bob.disconnect().await;
        }
    }
}

#[tokio::test]
async fn no_session_is_lost_where_each_request_reaches_the_next_node() {
    let Some(figures) = session_is_never_lost(false).await else {
        return;
    };
    // Two of three requests reach a node that is not their session's.
    for node in figures.nodes {
        assert!(node.other > node.own, "{node:?}");
    }
}

#[tokio::test]
async fn no_session_is_lost_where_a_client_has_connections_to_several_nodes() {
    let Some(figures) = session_is_never_lost(true).await else {
        return;
    };
    let connections: u64 = figures.connections.iter().sum();
    assert!(connections * 2 < figures.requests(), "{figures}");
}

#[tokio::test]
async fn a_session_that_nobody_has_is_counted() {
    let deployment = Deployment::start(1).await;
    for (reason, sid) in [
        ("not_here", "nonsense"),
        ("node_gone", "AAAAAAAAAAAAAAHs.0123456789abcdef"),
    ] {
        let before = Figures::read(&deployment, &[0]).await.unknown();
        let path = format!("/v2/chat/?EIO=3&transport=polling&sid={sid}");
        let answer = deployment.anonymous().get(&path).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &1.into()));
        let after = Figures::read(&deployment, &[0]).await;
        assert_eq!(after.unknown() - before, 1, "{reason}: {after}");
        assert!(after.nodes[0].reasons.contains(reason), "{after}");
    }
}

/// A crowd of old and new clients of both contracts talks, rests and talks again by polling through
/// the front. Nobody may miss anything, lose a session or notice any trouble.
async fn session_is_never_lost(keep_alive: bool) -> Option<Figures> {
    let long = std::env::var_os("ROOMWIRE_LONG").is_some();
    // What is usual takes minutes.
    let interval = if long { "25000" } else { "1000" };
    let settings = [("PING_INTERVAL_MS", interval)];
    let deployment = Deployment::with_clients_and_settings(NODES, &settings).await?;
    let front = front(&deployment, NODES).await;
    let size = if long { Size::LONG } else { Size::SHORT };
    let url = format!("http://{}", front.addr());
    let mut crowd = Crowd::gather(&deployment, &url, (size, keep_alive)).await;
    let mut heartbeats = crowd.is_content().await;
    for round in 0..size.rounds {
        crowd.talks(round).await;
        crowd.rests().await;
        heartbeats = crowd.is_content().await;
    }
    let figures = Figures::read(&deployment, &front.connections()).await;
    if long {
        let clients = crowd.members.len();
        figures::say(&format!(
            "{clients} clients, connections kept: {keep_alive}, {heartbeats} heartbeats, {figures}"
        ));
    }
    assert_eq!(figures.unknown(), 0, "{figures}");
    for (node, connections) in figures.nodes.iter().zip(&figures.connections) {
        assert!(node.own > 0 && node.other > 0, "{figures}");
        // The front counts a connection a moment after its turn.
        let fair = figures.connections.iter().sum::<u64>() / NODES as u64;
        assert!(connections.abs_diff(fair) * 10 <= fair, "{figures}");
    }
    crowd.goes().await;
    Some(figures)
}

/// Gives every connection to the next of so many nodes in turn.
async fn front(deployment: &Deployment, nodes: usize) -> Front {
    let nodes: Vec<SocketAddr> = (0..nodes)
        .map(|node| {
            let url = deployment.node(node).url();
            url.trim_start_matches("http://").parse().unwrap()
        })
        .collect();
    Front::start("127.0.0.1:0".parse().unwrap(), nodes)
        .await
        .unwrap()
}
