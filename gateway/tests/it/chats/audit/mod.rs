//! Thousands of random operations, and then: does every count say what a slow recount says?

mod recount;
mod room;

use futures_util::future::join_all;

use self::room::{ROUND, Room};
use crate::support::{Client, Deployment, Rest};

const USERS: [&str; 8] = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"];
const ROOMS: usize = 3;

#[tokio::test]
async fn every_count_is_what_a_slow_recount_says() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let long = std::env::var_os("ROOMWIRE_LONG").is_some();
    let operations = if long { 20_000 } else { 2_000 };
    let mut players = join_all((0..USERS.len()).map(|n| Player::new(&deployment, n))).await;
    let mut rooms = Vec::new();
    for n in 0..ROOMS {
        rooms.push(Room::new(&deployment, n).await);
    }
    let rounds = operations / (ROOMS * ROUND) + 1;
    for round in 0..rounds {
        join_all(rooms.iter_mut().map(|room| room.play(&players))).await;
        // What they hear is not what this is about.
        for player in &mut players {
            player.rooms.forgets();
            player.chats.forgets();
        }
        // The log grows: look at all of it in the middle and at the end only.
        let all = round == rounds / 2 || round + 1 == rounds;
        for room in &rooms {
            room.check_counts(&players).await;
            if all {
                room.check_readers(&players).await;
            }
        }
    }
}

/// One user, on one node by one contract and on the other node by the other.
struct Player {
    rooms: Client,
    chats: Client,
    rest: [Rest; 2],
}

impl Player {
    async fn new(deployment: &Deployment, n: usize) -> Self {
        let (node, user) = (n % 2, USERS[n]);
        Self {
            rooms: deployment.socket_on(node, user).open().await,
            chats: deployment.chats_on(1 - node, user).open().await,
            rest: [0, 1].map(|node| deployment.rest_on(node, user)),
        }
    }
}
