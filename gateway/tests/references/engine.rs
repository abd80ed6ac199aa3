//! Engine.IO: handshakes, polling, websockets, upgrades and ends.

use crate::compared::{Reference, compare, script};
use crate::servers::UNHURRIED;
use crate::talk::Talk;

/// An event that comes back, so that its sender knows that all before it has been read.
const MARK: &str = "4mark";

async fn handshake_by_polling(talk: &mut Talk) {
    talk.open().await;
}

async fn handshake_by_websocket(talk: &mut Talk) {
    talk.websocket().await;
    talk.hear(1).await;
}

async fn handshakes_that_are_none(talk: &mut Talk) {
    for query in [
        "transport=polling",
        "EIO=abc&transport=polling",
        "EIO=&transport=polling",
        "EIO=4",
        "EIO=4&transport=abc",
        "EIO=4&transport=",
    ] {
        talk.ask("GET", query, "").await;
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        talk.ask(method, "EIO=4&transport=polling", "").await;
    }
    talk.websocket_by("EIO=4&transport=polling").await;
    talk.websocket_by("EIO=abc&transport=websocket").await;
    talk.websocket_by("transport=websocket").await;
    talk.websocket_by("EIO=4").await;
}

async fn sessions_that_are_unknown(talk: &mut Talk) {
    for query in [
        "EIO=4&transport=polling&sid=abc",
        "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA",
    ] {
        talk.ask("GET", query, "").await;
        talk.ask("POST", query, "4hello").await;
    }
    talk.websocket_by("EIO=4&transport=websocket&sid=abc").await;
}

async fn messages_by_polling(talk: &mut Talk) {
    talk.open().await;
    talk.post(&["4hello"]).await;
    talk.poll_for(1).await;
    talk.post(&["4one", "4two", "4three"]).await;
    talk.poll_for(3).await;
    let waiting = talk.begin_poll();
    talk.post(&["4later"]).await;
    talk.answer("poll", waiting).await;
}

async fn attachments_by_polling(talk: &mut Talk) {
    talk.open().await;
    // Version 3 says there too that it is a message.
    let attachment = if talk.eio() == 4 {
        "bAQIDBA=="
    } else {
        "b4AQIDBA=="
    };
    talk.post(&["4hello", attachment]).await;
    talk.poll_for(2).await;
}

async fn messages_by_websocket(talk: &mut Talk) {
    talk.websocket().await;
    talk.say(&["4hello", "4", "4two words"]).await;
    talk.hear(4).await;
    talk.attach(&[4, 1, 2, 3]).await;
    talk.hear(1).await;
}

async fn packets_that_say_nothing(talk: &mut Talk) {
    talk.websocket().await;
    talk.say(&["3", "6", MARK]).await;
    talk.hear(2).await;
}

async fn a_ping_of_the_client(talk: &mut Talk) {
    talk.websocket().await;
    talk.say(&["2"]).await;
    talk.hear(2).await;
}

async fn a_ping_that_wants_its_text_back(talk: &mut Talk) {
    talk.websocket().await;
    talk.say(&["2probe"]).await;
    talk.hear(2).await;
}

async fn packets_that_are_none(talk: &mut Talk) {
    for packet in ["abc", "8", "9x", "x4hello"] {
        talk.websocket().await;
        talk.say(&[packet]).await;
        talk.hear_out().await;
        talk.restart();
    }
}

async fn an_empty_message(talk: &mut Talk) {
    talk.websocket().await;
    talk.say(&["", MARK]).await;
    talk.hear(2).await;
}

async fn a_payload_that_is_none(talk: &mut Talk) {
    talk.open().await;
    talk.post_raw("abc").await;
    talk.poll().await;
}

async fn an_empty_payload(talk: &mut Talk) {
    talk.open().await;
    talk.post_raw("").await;
    talk.post(&[MARK]).await;
    talk.poll().await;
}

async fn two_polls_at_a_time(talk: &mut Talk) {
    talk.open().await;
    let first = talk.begin_poll();
    // The first has to be there when the second comes.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    talk.poll().await;
    talk.answer("first", first).await;
    talk.poll().await;
}

async fn an_end_by_polling(talk: &mut Talk) {
    talk.open().await;
    let waiting = talk.begin_poll();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    talk.post(&["1"]).await;
    talk.answer("waiting", waiting).await;
    talk.poll().await;
    talk.post(&["4late"]).await;
}

async fn an_end_by_websocket(talk: &mut Talk) {
    talk.websocket().await;
    talk.say(&["4first", "1", "4late"]).await;
    talk.hear_out().await;
}

async fn an_upgrade(talk: &mut Talk) {
    talk.open().await;
    talk.websocket().await;
    talk.say(&["2probe"]).await;
    talk.hear(1).await;
    // The poll that is to stop.
    talk.poll().await;
    talk.say(&["5", "4hello"]).await;
    talk.hear(1).await;
    talk.poll().await;
    talk.post(&["4late"]).await;
    talk.say(&[MARK]).await;
    talk.hear(1).await;
}

async fn an_upgrade_while_something_waits(talk: &mut Talk) {
    talk.open().await;
    talk.post(&["4one", "4two"]).await;
    talk.websocket().await;
    talk.say(&["2probe"]).await;
    talk.hear(1).await;
    talk.say(&["5"]).await;
    talk.hear(2).await;
}

async fn a_second_upgrade(talk: &mut Talk) {
    talk.open().await;
    talk.websocket().await;
    talk.say(&["2probe", "5"]).await;
    talk.hear(1).await;
    talk.say(&[MARK]).await;
    talk.hear(1).await;
    talk.websocket().await;
    talk.hear_out().await;
}

async fn an_upgrade_that_is_hung_up(talk: &mut Talk) {
    talk.open().await;
    talk.websocket().await;
    talk.say(&["2probe"]).await;
    talk.hear(1).await;
    talk.hang_up().await;
    talk.post(&["4hello"]).await;
    talk.poll_for(1).await;
}

async fn a_probe_that_is_none(talk: &mut Talk) {
    talk.open().await;
    talk.websocket().await;
    talk.say(&["4hello"]).await;
    talk.hear_out().await;
    talk.post(&["4hello"]).await;
    talk.poll_for(1).await;
}

async fn an_upgrade_without_a_probe(talk: &mut Talk) {
    talk.open().await;
    talk.websocket().await;
    talk.say(&["5"]).await;
    talk.hear(1).await;
    talk.post(&["4hello"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn engine_io_is_spoken_as_stock_servers_do() {
    let scripts = [
        script!(handshake_by_polling),
        script!(handshake_by_websocket),
        script!(handshakes_that_are_none),
        script!(sessions_that_are_unknown),
        script!(messages_by_polling),
        script!(attachments_by_polling),
        script!(messages_by_websocket),
        script!(packets_that_say_nothing),
        script!(a_ping_of_the_client),
        script!(a_ping_that_wants_its_text_back),
        script!(packets_that_are_none),
        script!(an_empty_message),
        script!(a_payload_that_is_none),
        script!(an_empty_payload),
        script!(two_polls_at_a_time),
        script!(an_end_by_polling),
        script!(an_end_by_websocket),
        script!(an_upgrade),
        script!(an_upgrade_while_something_waits),
        script!(a_second_upgrade),
        script!(an_upgrade_that_is_hung_up),
        script!(a_probe_that_is_none),
        script!(an_upgrade_without_a_probe),
    ];
    compare("/engine.io", &scripts, UNHURRIED, &[Reference::OnNode]).await;
}
