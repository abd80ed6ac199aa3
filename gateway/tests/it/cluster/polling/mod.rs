//! A polling session goes on whichever node its requests reach.

use std::net::SocketAddr;

use roomwire_dev::front::Front;

use crate::support::{Deployment, Generation, Transports};

#[tokio::test]
async fn polling_clients_need_no_sticky_sessions() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let front = front(&deployment).await;
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

/// Gives every connection to the next node in turn.
async fn front(deployment: &Deployment) -> Front {
    let nodes: Vec<SocketAddr> = (0..2)
        .map(|node| {
            deployment
                .node(node)
                .url()
                .trim_start_matches("http://")
                .parse()
                .unwrap()
        })
        .collect();
    Front::start("127.0.0.1:0".parse().unwrap(), nodes)
        .await
        .unwrap()
}
