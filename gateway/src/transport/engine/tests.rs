//! What was sent is what arrives, in order and once, whatever the transports do.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use proptest::prelude::*;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::oneshot::error::TryRecvError,
    task::JoinHandle,
    time::timeout,
};

use super::{
    ended::Ended,
    frame,
    link::Link,
    out::Stream,
    polling::{Polled, Waits},
    run::run,
};

const SOON: Duration = Duration::from_secs(10);

/// Something that happens to a session.
#[derive(Debug, Clone)]
enum Happens {
    /// So many messages are sent, one by one or to go out together.
    Sent(u8, bool),
    /// The client polls. A poll that is still waiting is given up before.
    Polls,
    /// A websocket asks to take the place of polling, and fails.
    FailsToUpgrade,
    /// One asks and takes it.
    Upgrades,
    /// The task that serves the session runs.
    Passes,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (1..40_u8, any::<bool>()).prop_map(|(count, together)| Happens::Sent(count, together)),
        4 => Just(Happens::Polls),
        1 => Just(Happens::FailsToUpgrade),
        1 => Just(Happens::Upgrades),
        3 => Just(Happens::Passes),
    ]
}

/// A session that polls at first, and what its client has heard.
struct Session {
    link: Arc<Link>,
    ended: JoinHandle<Ended>,
    sent: u32,
    heard: Vec<u32>,
    poll: Option<Waits>,
    websocket: Option<TcpStream>,
}

impl Session {
    fn new() -> Self {
        let link = Arc::new(Link::polling(64 * 1024 * 1024));
        let serving = Arc::clone(&link);
        let ended = tokio::spawn(async move { run(&serving, SOON, |_| Ok(())).await });
        Self {
            link,
            ended,
            sent: 0,
            heard: Vec::new(),
            poll: None,
            websocket: None,
        }
    }

    async fn go_through(&mut self, happens: Happens) {
        match happens {
            Happens::Sent(count, together) => self.send(count, together),
            Happens::Polls if self.websocket.is_none() => self.poll(),
            Happens::FailsToUpgrade => {
                if self.link.begins_probe() {
                    assert!(!self.link.begins_probe(), "one at a time");
                    self.link.release_poll();
                    self.link.ends_probe();
                }
            }
            Happens::Upgrades if self.websocket.is_none() => self.upgrade().await,
            Happens::Polls | Happens::Upgrades => {}
            Happens::Passes => tokio::task::yield_now().await,
        }
    }

    fn send(&mut self, count: u8, together: bool) {
        if together {
            self.link.cork();
        }
        for _ in 0..count {
            // Long enough that the kernel does not take all of it at once.
            let text = format!("{:06}{}", self.sent, "x".repeat(20_000));
            self.link.send(&frame::text(&[&text]), None).unwrap();
            self.sent += 1;
        }
        if together {
            self.link.uncork();
        }
    }

    fn poll(&mut self) {
        self.take_answer();
        // Nothing was in it, so nobody misses anything.
        drop(self.poll.take());
        match self.link.poll_with(None) {
            Polled::Now(packets) => self.hear(&packets),
            Polled::Later(waits) => self.poll = Some(waits),
            Polled::Gone | Polled::Misplaced => panic!("it polls"),
        }
    }

    /// What a poll that waited was given, if it was given something.
    fn take_answer(&mut self) {
        let Some(mut waits) = self.poll.take() else {
            return;
        };
        match waits.answer.try_recv() {
            Ok(packets) => self.hear(&packets),
            Err(TryRecvError::Empty) => self.poll = Some(waits),
            // It was let go.
            Err(TryRecvError::Closed) => {}
        }
    }

    async fn upgrade(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (accepted, client) = tokio::join!(listener.accept(), client);
        assert!(self.link.begins_probe());
        self.link.release_poll();
        // The client stops to poll before it takes the upgrade.
        self.take_answer();
        assert!(self.poll.is_none());
        let stream = Stream::new(accepted.unwrap().0, None);
        assert!(self.link.upgrade(stream, Vec::new()));
        self.websocket = Some(client.unwrap());
    }

    fn hear(&mut self, packets: &[Bytes]) {
        let numbers = packets.iter().map(|packet| number(frame::payload(packet)));
        self.heard.extend(numbers);
    }

    /// Hears the rest.
    async fn end(mut self) -> (u32, Vec<u32>) {
        if let Some(mut websocket) = self.websocket.take() {
            self.link.finish(&frame::close(1000));
            let mut all = Vec::new();
            let read = timeout(SOON, websocket.read_to_end(&mut all)).await;
            read.unwrap().unwrap();
            let mut rest = &all[..];
            while rest[0] != 0x88 {
                assert_eq!(rest[..2], [0x81, 126]);
                let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
                let text = std::str::from_utf8(&rest[4..4 + length]).unwrap();
                self.heard.push(number(text));
                rest = &rest[4 + length..];
            }
            let ended = timeout(SOON, self.ended).await.unwrap().unwrap();
            assert_eq!(ended, Ended::Closed);
            return (self.sent, self.heard);
        }
        self.take_answer();
        self.poll = None;
        while let Polled::Now(packets) = self.link.poll_with(None) {
            assert!(packets.len() <= 16);
            self.hear(&packets);
        }
        self.link.end(Ended::Dismissed);
        let ended = timeout(SOON, self.ended).await.unwrap().unwrap();
        assert_eq!(ended, Ended::Dismissed);
        (self.sent, self.heard)
    }
}

fn number(text: &str) -> u32 {
    text[..6].parse().unwrap()
}

#[tokio::test]
async fn an_answer_that_nobody_can_have_ends_the_session() {
    let mut session = Session::new();
    session.poll();
    session.send(1, false);
    // The poll was given it, and went away before it could be passed on.
    drop(session.poll.take());
    let ended = timeout(SOON, session.ended).await.unwrap().unwrap();
    assert_eq!(ended, Ended::Unsure);
}

#[tokio::test]
async fn a_poll_that_goes_away_without_an_answer_takes_nothing_along() {
    let mut session = Session::new();
    session.poll();
    drop(session.poll.take());
    session.send(3, false);
    session.poll();
    assert_eq!(session.heard, [0, 1, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_was_sent_arrives_in_order_and_once_whatever_the_transports_do(
        all in prop::collection::vec(happens(), 0..40),
    ) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (sent, heard) = runtime.block_on(async {
            let mut session = Session::new();
            for one in all {
                session.go_through(one).await;
            }
            session.end().await
        });
        prop_assert_eq!(heard, (0..sent).collect::<Vec<u32>>());
    }
}
