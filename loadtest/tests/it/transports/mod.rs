//! Each transport of each contract against a real gateway.

mod gate;
mod member;
mod place;

use std::time::Duration;

use roomwire_loadtest::client::tokens::Signer;
use roomwire_loadtest::client::{
    CloseReason, ConnectError, ConnectOptions, Connection, Contract, Transport,
};
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::timeout;

use self::gate::{Gate, Rule};
use self::place::Place;

const CONTRACTS: [Contract; 3] = [Contract::Rooms, Contract::Chats, Contract::OldChats];
const TRANSPORTS: [Transport; 3] = [Transport::Websocket, Transport::Polling, Transport::Upgrade];
/// What a connection ends as that was opened like this.
fn settled(transport: Transport) -> Transport {
    match transport {
        Transport::Polling => Transport::Polling,
        Transport::Websocket | Transport::Upgrade => Transport::Websocket,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_on_different_transports_hear_each_other_once_and_in_order() {
    const COUNT: usize = 200;
    let place = Place::new(&[]).await;
    for (number, contract) in CONTRACTS.into_iter().enumerate() {
        for (index, transport) in TRANSPORTS.into_iter().enumerate() {
            let other = TRANSPORTS[(index + number + 1) % TRANSPORTS.len()];
            let room = place.room().await;
            let mut alice = place.alice((contract, transport), &room).await;
            let mut bob = place.bob(&place.target, (contract, other), &room).await;
            tokio::join!(alice.talk(COUNT, COUNT), bob.talk(COUNT, COUNT));
            assert_eq!(alice.heard, bob.says(COUNT), "{contract:?}, {transport:?}");
            assert_eq!(bob.heard, alice.says(COUNT), "{contract:?}, {other:?}");
            assert_eq!(alice.transport(), settled(transport), "{contract:?}");
            assert_eq!(bob.transport(), settled(other), "{contract:?}");
            alice.connection.close().await;
            bob.connection.close().await;
        }
    }
    place.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_reordered_however_long_an_upgrade_takes() {
    const STEP: usize = 100;
    let place = Place::new(&[]).await;
    for contract in CONTRACTS {
        let (pass, passes) = watch::channel(0);
        let gate = Gate::before(&place.target, Rule::Passes(passes)).await;
        let room = place.room().await;
        let mut alice = place.alice((contract, Transport::Websocket), &room).await;
        let mut bob = place
            .bob(&gate.target, (contract, Transport::Upgrade), &room)
            .await;
        // Before the gateway knows of it, by the polls alone.
        tokio::join!(alice.talk(STEP, STEP), bob.talk(STEP, STEP));
        assert_eq!(bob.transport(), Transport::Upgrade, "{contract:?}");
        // While the gateway waits for the probe, it answers polls with nothing, but takes posts.
        pass.send_replace(1);
        tokio::join!(alice.talk(2 * STEP, 2 * STEP), bob.talk_on(2 * STEP));
        assert_eq!(bob.transport(), Transport::Upgrade, "{contract:?}");
        pass.send_replace(usize::MAX);
        tokio::join!(alice.talk(3 * STEP, 3 * STEP), bob.talk(3 * STEP, 3 * STEP));
        assert_eq!(bob.transport(), Transport::Websocket, "{contract:?}");
        assert_eq!(alice.heard, bob.says(3 * STEP), "{contract:?}");
        assert_eq!(bob.heard, alice.says(3 * STEP), "{contract:?}");
        assert!(bob.connection.reads().bytes > 300 * STEP as u64);
        alice.connection.close().await;
        bob.connection.close().await;
    }
    place.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_websockets_are_turned_away_polling_goes_on() {
    const COUNT: usize = 100;
    let place = Place::new(&[]).await;
    let gate = Gate::before(&place.target, Rule::TurnedAway).await;
    for contract in CONTRACTS {
        let room = place.room().await;
        let mut alice = place.alice((contract, Transport::Polling), &room).await;
        let mut bob = place
            .bob(&gate.target, (contract, Transport::Upgrade), &room)
            .await;
        tokio::join!(alice.talk(COUNT, COUNT), bob.talk(COUNT, COUNT));
        assert_eq!(bob.transport(), Transport::Polling, "{contract:?}");
        assert_eq!(alice.heard, bob.says(COUNT), "{contract:?}");
        assert_eq!(bob.heard, alice.says(COUNT), "{contract:?}");
        alice.connection.close().await;
        bob.connection.close().await;
    }
    place.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_sees_by_which_transport_somebody_is_there_and_when_they_go() {
    let place = Place::new(&[]).await;
    for contract in CONTRACTS {
        for transport in TRANSPORTS {
            let room = place.room().await;
            let mut alice = place.alice((contract, transport), &room).await;
            let settled = settled(transport);
            alice.until(|alice| alice.transport() == settled).await;
            let (here, elsewhere) = match settled {
                Transport::Polling => ("polling", "websocket"),
                _ => ("websocket", "polling"),
            };
            place.counts(here, 1.0).await;
            place.counts(elsewhere, 0.0).await;
            alice.connection.close().await;
            place.counts(here, 0.0).await;
        }
        // In the middle of an upgrade.
        let room = place.room().await;
        let mut alice = place.alice((contract, Transport::Upgrade), &room).await;
        alice.say("alice is about to go".to_owned()).await;
        alice.connection.close().await;
        place.counts("polling", 0.0).await;
        place.counts("websocket", 0.0).await;
    }
    place.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused_in_the_gateways_words() {
    let place = Place::new(&[]).await;
    let foreign = Signer::new(&SecretString::from(
        "a secret that no gateway here knows of",
    ));
    for contract in CONTRACTS {
        for transport in TRANSPORTS {
            let options = ConnectOptions {
                token: foreign.sign("alice").unwrap(),
                contract,
                transport,
                ..ConnectOptions::default()
            };
            let opened = Box::pin(Connection::open(&place.target, &options)).await;
            let error = opened.unwrap_err();
            let refused = match &error {
                ConnectError::Refused(words) => words.starts_with("UNAUTHORIZED"),
                _ => false,
            };
            assert!(refused, "{contract:?}, {transport:?}: {error}");
        }
    }
    place.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_larger_than_any_buffer_arrives_whole() {
    const TEXT_BYTES: usize = 200_000;
    let place = Place::new(&[
        ("MAX_MESSAGE_BYTES", "200100"),
        ("WS_MESSAGE_BYTES_MAX", "1300000"),
        ("POLLING_BYTES_MAX", "1300000"),
    ])
    .await;
    // Three bytes of UTF-8 and one unit of UTF-16 each, then four and two.
    let text = format!(
        "{}{}",
        "…".repeat(TEXT_BYTES / 6),
        "𝄞".repeat(TEXT_BYTES / 8)
    );
    for contract in CONTRACTS {
        for transport in [Transport::Polling, Transport::Upgrade] {
            let room = place.room().await;
            let mut alice = place.alice((contract, transport), &room).await;
            let mut bob = place.bob(&place.target, (contract, transport), &room).await;
            bob.say(format!("bob{text}")).await;
            bob.until(|bob| bob.good == 1).await;
            alice.until(|alice| alice.heard.len() == 1).await;
            assert!(
                alice.heard[0] == format!("bob{text}"),
                "{contract:?}, {transport:?}"
            );
            alice.connection.close().await;
            bob.connection.close().await;
        }
    }
    place.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_and_nothing_else_keep_an_idle_connection() {
    const BEATS: usize = 8;
    let interval = [("PING_INTERVAL_MS", "300"), ("PING_TIMEOUT_MS", "1500")];
    let place = Place::new(&interval).await;
    for contract in CONTRACTS {
        for transport in [Transport::Polling, Transport::Upgrade] {
            let room = place.room().await;
            let mut alice = place.alice((contract, transport), &room).await;
            // Longer than the gateway would wait for one.
            alice.until(|alice| alice.beats >= BEATS).await;
            alice.say("alice is still here".to_owned()).await;
            alice.until(|alice| alice.good == 1).await;
            alice.connection.close().await;
        }
        let room = place.room().await;
        let mut alice = place.alice((contract, Transport::Polling), &room).await;
        place.counts("polling", 1.0).await;
        // Nobody reads, so nobody answers.
        place.counts("polling", 0.0).await;
        let reason = alice.connection.emit(None, "[\"message\"]").await;
        let unknown = CloseReason::TransportClosed(Some(400));
        assert_eq!(reason, Err(unknown), "{contract:?}");
    }
    place.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_is_too_large_is_an_error_of_its_sender() {
    let place = Place::new(&[("POLLING_BYTES_MAX", "100000")]).await;
    for contract in CONTRACTS {
        let room = place.room().await;
        let mut alice = place.alice((contract, Transport::Polling), &room).await;
        let payload = format!("[\"message\",\"{}\"]", "a".repeat(100_000));
        let sent = timeout(
            Duration::from_secs(30),
            alice.connection.emit(None, &payload),
        );
        let reason = sent.await.unwrap().unwrap_err();
        assert_eq!(
            reason,
            CloseReason::TransportClosed(Some(413)),
            "{contract:?}"
        );
    }
    place.stack.stop().await.unwrap();
}
