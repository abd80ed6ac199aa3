//! Heartbeats and the time in which a socket has to be in a namespace, as quick as the official suites have
//! them.

use std::time::Duration;

use tokio::time::sleep;

use crate::compared::{Reference, compare, script};
use crate::servers::OF_SUITES;
use crate::talk::Talk;

/// Longer than a heartbeat may take.
const TOO_LONG: Duration = Duration::from_millis(700);

async fn heartbeats_by_websocket(talk: &mut Talk) {
    talk.websocket().await;
    talk.hear(1).await;
    for _ in 0..4 {
        if talk.eio() == 4 {
            talk.hear(1).await;
            talk.say(&["3"]).await;
        } else {
            talk.say(&["2"]).await;
            talk.hear(1).await;
        }
    }
}

async fn heartbeats_by_polling(talk: &mut Talk) {
    talk.open().await;
    for _ in 0..4 {
        if talk.eio() == 4 {
            talk.poll().await;
            talk.post(&["3"]).await;
        } else {
            talk.post(&["2"]).await;
            talk.poll().await;
        }
    }
}

async fn a_websocket_that_does_not_answer(talk: &mut Talk) {
    talk.websocket().await;
    talk.hear_out().await;
}

async fn polling_that_does_not_go_on(talk: &mut Talk) {
    talk.open().await;
    // What is watched is that time alone ends it.
    sleep(TOO_LONG).await;
    talk.poll().await;
    talk.post(&["4late"]).await;
}

async fn nobody_who_enters_a_namespace(talk: &mut Talk) {
    talk.answer_pings();
    talk.websocket().await;
    if talk.eio() == 4 {
        talk.hear_out().await;
    } else {
        // Everybody is in the root.
        talk.hear(3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_are_those_of_stock_servers() {
    let scripts = [
        script!(heartbeats_by_websocket),
        script!(heartbeats_by_polling),
        script!(a_websocket_that_does_not_answer),
        script!(polling_that_does_not_go_on),
    ];
    compare("/engine.io", &scripts, OF_SUITES, &[Reference::OnNode]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_enters_no_namespace_in_time_is_closed_as_by_stock_servers() {
    let scripts = [script!(nobody_who_enters_a_namespace)];
    compare("/socket.io", &scripts, OF_SUITES, &[Reference::OnNode]).await;
}
