//! Polls: what one brings, and what becomes of a session whose polls go astray.

use super::raw::{Polling, connect};
use crate::support::{Deployment, eventually};

const UNKNOWN: &str = r#"{"code":1,"message":"Session ID unknown"}"#;

#[tokio::test]
async fn a_poll_brings_sixteen_packets_at_most_and_the_next_one_the_rest() {
    let deployment = Deployment::start(1).await;
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let bob = Polling::admitted(&deployment, "bob").await;
    let alice = Polling::admitted(&deployment, "alice").await;
    for n in 0..50 {
        let said = alice
            .post(&format!(r#"42/chat/,["message","{room}","{n}"]"#))
            .await;
        assert_eq!(said.0, 200);
    }
    eventually("all is stored", async || {
        deployment.rest("bob").messages(&room).await.len() == 50
    })
    .await;
    let mut heard = Vec::new();
    while heard.len() < 50 {
        let packets = bob.poll().await.unwrap();
        assert!(packets.len() <= 16, "{}", packets.len());
        heard.extend(packets);
    }
    for (n, packet) in heard.iter().enumerate() {
        assert!(packet.contains(&format!(r#""message":"{n}""#)), "{packet}");
    }
}

#[tokio::test]
async fn a_poll_that_waits_is_let_go_when_its_client_ends_the_session() {
    let deployment = Deployment::start(1).await;
    let alice = Polling::admitted(&deployment, "alice").await;
    let (polled, posted) = tokio::join!(alice.poll(), async {
        tokio::task::yield_now().await;
        alice.post("1").await
    });
    assert_eq!(posted.0, 200);
    // Unless the end was there first.
    let late = Err(UNKNOWN.to_owned());
    assert!(
        polled == Ok(vec!["6".to_owned()]) || polled == late,
        "{polled:?}"
    );
    assert_eq!(alice.poll().await, late);
}

#[tokio::test]
async fn a_poll_that_comes_again_after_its_answer_ends_the_session() {
    let deployment = Deployment::start(1).await;
    let bob = Polling::open(&deployment).await;
    bob.post(&connect("/chat/", "bob")).await;
    let answer = bob.poll_with("&t=one").await.unwrap();
    assert!(answer[0].starts_with("40/chat/,"));
    // A proxy repeats it, because its answer was lost: nobody knows what was in it.
    let again = bob.poll_with("&t=one").await;
    assert_eq!(again, Err(UNKNOWN.to_owned()));
    assert_eq!(bob.poll_with("&t=two").await, Err(UNKNOWN.to_owned()));
}

#[tokio::test]
async fn two_polls_at_a_time_end_the_session() {
    let deployment = Deployment::start(1).await;
    let bob = Polling::admitted(&deployment, "bob").await;
    let (first, second) = tokio::join!(bob.poll(), bob.poll());
    let refused = [first, second].into_iter().filter(Result::is_err).count();
    assert!(refused > 0);
    assert_eq!(bob.poll().await, Err(UNKNOWN.to_owned()));
}
