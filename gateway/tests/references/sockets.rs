//! Socket.IO: namespaces, events, answers, attachments, and packets that are none of these.

use crate::compared::{Reference, compare, script};
use crate::servers::UNHURRIED;
use crate::talk::Talk;

/// An event that comes back, so that its sender knows that all before it has been read.
const MARK: &str = r#"42["message","mark"]"#;

/// Opens a websocket and enters the root, as each version does.
async fn enter(talk: &mut Talk) {
    talk.websocket().await;
    talk.hear(1).await;
    if talk.eio() == 4 {
        talk.say(&["40"]).await;
    }
    talk.hear(2).await;
}

async fn the_root(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&[MARK]).await;
    talk.hear(1).await;
}

async fn the_root_by_polling(talk: &mut Talk) {
    talk.open().await;
    if talk.eio() == 4 {
        talk.post(&["40"]).await;
    }
    talk.poll_for(2).await;
    talk.post(&[MARK]).await;
    talk.poll_for(1).await;
    talk.post(&[r#"421["message-with-ack","x"]"#]).await;
    talk.poll_for(1).await;
}

async fn the_root_with_what_is_shown(talk: &mut Talk) {
    talk.websocket().await;
    talk.hear(1).await;
    talk.say(&[r#"40{"token":"123"}"#]).await;
    talk.hear(2).await;
}

async fn a_namespace(talk: &mut Talk) {
    talk.websocket().await;
    talk.hear(if talk.eio() == 4 { 1 } else { 3 }).await;
    talk.say(&["40/custom,"]).await;
    talk.hear(2).await;
    talk.say(&[r#"42/custom,["message","here"]"#]).await;
    talk.hear(1).await;
}

async fn a_namespace_with_what_is_shown(talk: &mut Talk) {
    talk.websocket().await;
    talk.hear(if talk.eio() == 4 { 1 } else { 3 }).await;
    talk.say(&[r#"40/custom,{"token":"abc"}"#]).await;
    talk.hear(2).await;
}

async fn a_namespace_with_a_query(talk: &mut Talk) {
    talk.websocket().await;
    talk.hear(if talk.eio() == 4 { 1 } else { 3 }).await;
    talk.say(&["40/custom?token=abc,"]).await;
    talk.hear(2).await;
}

async fn a_namespace_that_there_is_not(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&["40/random", "40/random,", MARK]).await;
    talk.hear(3).await;
}

async fn the_same_namespace_twice(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&["40", MARK]).await;
    talk.hear(2).await;
}

async fn leaving_the_root(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&["40/custom,"]).await;
    talk.hear(2).await;
    talk.say(&["41", MARK, r#"42/custom,["message","still"]"#])
        .await;
    talk.hear(1).await;
}

async fn leaving_the_only_namespace_and_coming_back(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&["41", "40", MARK]).await;
    talk.hear(3).await;
}

async fn leaving_a_namespace(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&["40/custom"]).await;
    talk.hear(2).await;
    talk.say(&["41/custom", MARK]).await;
    talk.hear(1).await;
}

async fn an_event_of_one_argument(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&[r#"42["message",{"3":[true]}]"#]).await;
    talk.hear(1).await;
}

async fn an_event_of_many_arguments(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&[r#"42["message",1,"2",{"3":[true]}]"#]).await;
    talk.hear(1).await;
    talk.say(&[r#"42["message"]"#]).await;
    talk.hear(1).await;
}

async fn an_answer(talk: &mut Talk) {
    enter(talk).await;
    for number in [0, 7, 456, 9_007_199_254_740_991_u64] {
        talk.say(&[&format!(
            r#"42{number}["message-with-ack",{{"3":[false]}}]"#
        )])
        .await;
        talk.hear(1).await;
    }
}

async fn an_answer_of_many_arguments(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&[r#"42456["message-with-ack",1,"2",{"3":[false]}]"#])
        .await;
    talk.hear(1).await;
}

async fn an_answer_to_nothing(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&[r#"4312["x"]"#, MARK]).await;
    talk.hear(1).await;
}

async fn an_event_that_nobody_knows(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&[r#"42["unheard of",1]"#, MARK]).await;
    talk.hear(1).await;
}

async fn texts_beyond_ascii(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&[r#"42["message","grün 🙂 \u0000 €"]"#]).await;
    talk.hear(1).await;
}

async fn attachments(talk: &mut Talk) {
    enter(talk).await;
    let event = r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    talk.say(&[event]).await;
    talk.attach(&[4, 1, 2, 3]).await;
    talk.attach(&[4, 4, 5, 6]).await;
    talk.hear(3).await;
    let event = r#"451-789["message-with-ack",{"_placeholder":true,"num":0}]"#;
    talk.say(&[event]).await;
    talk.attach(&[4, 1, 2, 3]).await;
    talk.hear(2).await;
}

async fn an_attachment_that_belongs_to_nothing(talk: &mut Talk) {
    enter(talk).await;
    talk.attach(&[4, 1, 2, 3]).await;
    talk.hear_out().await;
}

async fn an_event_in_place_of_an_attachment(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&[r#"451-["message",{"_placeholder":true,"num":0}]"#, MARK])
        .await;
    talk.hear_out().await;
}

async fn packets_that_are_none(talk: &mut Talk) {
    for packet in [
        "4abc",
        "4",
        "47[]",
        "42{}",
        "42null",
        r#"42abc["message-with-ack",1]"#,
        r#"45["message"]"#,
        r#"45x-["message"]"#,
    ] {
        enter(talk).await;
        talk.say(&[packet]).await;
        talk.hear_out().await;
        talk.restart();
    }
}

async fn an_event_of_nothing(talk: &mut Talk) {
    enter(talk).await;
    talk.say(&["42", MARK]).await;
    talk.hear(1).await;
}

async fn events_that_are_none(talk: &mut Talk) {
    for packet in [r#"42["message""#, "42[]", "42[{}]"] {
        enter(talk).await;
        talk.say(&[packet, MARK]).await;
        talk.hear(1).await;
        talk.restart();
    }
}

async fn an_event_before_its_namespace(talk: &mut Talk) {
    talk.websocket().await;
    talk.hear(1).await;
    talk.say(&[r#"42/custom,["message","early"]"#]).await;
    talk.hear_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn socket_io_is_spoken_as_stock_servers_do() {
    let scripts = [
        script!(the_root),
        script!(the_root_by_polling),
        script!(the_root_with_what_is_shown),
        script!(a_namespace),
        script!(a_namespace_with_what_is_shown),
        script!(a_namespace_with_a_query),
        script!(a_namespace_that_there_is_not),
        script!(the_same_namespace_twice),
        script!(leaving_the_root),
        script!(leaving_the_only_namespace_and_coming_back),
        script!(leaving_a_namespace),
        script!(an_event_of_one_argument),
        script!(an_event_of_many_arguments),
        script!(an_answer),
        script!(an_answer_of_many_arguments),
        script!(an_answer_to_nothing),
        script!(an_event_that_nobody_knows),
        script!(texts_beyond_ascii),
        script!(attachments),
        script!(an_attachment_that_belongs_to_nothing),
        script!(an_event_in_place_of_an_attachment),
        script!(packets_that_are_none),
        script!(an_event_of_nothing),
        script!(events_that_are_none),
        script!(an_event_before_its_namespace),
    ];
    let references = [Reference::OnNode, Reference::Socketioxide];
    compare("/socket.io", &scripts, UNHURRIED, &references).await;
}
