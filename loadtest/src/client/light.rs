//! The light way to use a connection: one task, an observer that sees packets where they are, and
//! nothing stored. Meant for many thousands of connections in one process.

use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::counted::Reads;
use super::error::CloseReason;
use super::incoming::{Incoming, Signal};

/// Sees what a light client receives. Called inside the client's task: must not block.
pub trait Observer: Send + 'static {
    /// An event: its raw payload `["name",…]`.
    fn event(&mut self, payload: &str);
    /// The answer to the event that was sent with `id`.
    fn ack(&mut self, id: u64, payload: &str);
}

/// Why a packet was not taken for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SendError {
    /// The client's queue is full: the connection writes more slowly than asked to.
    #[error("the client's send queue is full")]
    Full,
    /// The connection has ended, or was spawned without a queue.
    #[error("the client is closed")]
    Closed,
}

/// What is left of a light client at its end.
#[derive(Debug)]
pub struct LightReport<O> {
    /// The observer with what it gathered.
    pub observer: O,
    /// Websocket messages that carried an event.
    pub event_frames: u64,
    /// Reads and bytes since the client was spawned.
    pub reads: Reads,
    /// Why the connection ended; [`CloseReason::Requested`] is the normal end.
    pub closed: CloseReason,
}

/// A connection served by its own task.
#[derive(Debug)]
pub struct Light<O> {
    outgoing: Option<mpsc::Sender<String>>,
    task: JoinHandle<LightReport<O>>,
}

impl<O: Observer> Light<O> {
    /// Serves `connection` until it ends or `stop` is cancelled.
    ///
    /// `queue` is the number of packets that may wait for being written; with zero the client only
    /// listens.
    #[must_use]
    pub fn spawn(
        connection: Connection,
        observer: O,
        queue: usize,
        stop: CancellationToken,
    ) -> Self {
        let (sender, receiver) = Some(queue)
            .filter(|&bound| bound > 0)
            .map(mpsc::channel)
            .unzip();
        let serving = Serving {
            connection,
            observer,
            outgoing: receiver,
            event_frames: 0,
        };
        Self {
            outgoing: sender,
            task: tokio::spawn(serving.run(stop)),
        }
    }

    /// Queues a packet in its text form (see [`Connection::event_text`]); never waits.
    pub fn send(&self, text: String) -> Result<(), SendError> {
        let outgoing = self.outgoing.as_ref().ok_or(SendError::Closed)?;
        outgoing.try_send(text).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Closed,
        })
    }

    /// Waits for the end of the connection; cancel the token given to [`Self::spawn`] first.
    /// `None` if the observer panicked.
    pub async fn join(self) -> Option<LightReport<O>> {
        self.task.await.ok()
    }
}

struct Serving<O> {
    connection: Connection,
    observer: O,
    outgoing: Option<mpsc::Receiver<String>>,
    event_frames: u64,
}

enum Step {
    Stop,
    Send(String),
    Read(Result<Signal, CloseReason>),
}

impl<O: Observer> Serving<O> {
    async fn run(mut self, stop: CancellationToken) -> LightReport<O> {
        let before = self.connection.reads();
        let closed = match self.serve(&stop).await {
            Ok(()) => CloseReason::Requested,
            Err(reason) => reason,
        };
        let after = self.connection.reads();
        let reads = Reads {
            calls: after.calls - before.calls,
            bytes: after.bytes - before.bytes,
        };
        if closed == CloseReason::Requested {
            self.connection.close().await;
        }
        LightReport {
            observer: self.observer,
            event_frames: self.event_frames,
            reads,
            closed,
        }
    }

    async fn serve(&mut self, stop: &CancellationToken) -> Result<(), CloseReason> {
        let stopped = stop.cancelled();
        tokio::pin!(stopped);
        loop {
            let next = tokio::select! {
                biased;
                () = &mut stopped => Step::Stop,
                text = next_outgoing(&mut self.outgoing) => Step::Send(text),
                signal = self.connection.read() => Step::Read(signal),
            };
            match next {
                Step::Stop => return Ok(()),
                Step::Send(text) => self.connection.send(text).await?,
                Step::Read(signal) => match signal? {
                    Signal::Ping => self.connection.pong().await?,
                    Signal::Packet(incoming) => self.observe(&incoming),
                    Signal::Nothing => {}
                },
            }
        }
    }

    fn observe(&mut self, incoming: &Incoming) {
        match incoming {
            Incoming::Event(payload) => {
                self.event_frames += 1;
                self.observer.event(payload);
            }
            Incoming::Ack(id, payload) => self.observer.ack(*id, payload),
        }
    }
}

/// The next packet to send; never ready without a queue or once its sender is gone.
async fn next_outgoing(queue: &mut Option<mpsc::Receiver<String>>) -> String {
    if let Some(queue) = queue
        && let Some(text) = queue.recv().await
    {
        return text;
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::test_server::{self, TestServer};
    use super::super::{ConnectOptions, Target};
    use super::*;

    #[derive(Default)]
    struct Counting {
        events: usize,
        acks: Vec<u64>,
    }

    impl Observer for Counting {
        fn event(&mut self, _payload: &str) {
            self.events += 1;
        }

        fn ack(&mut self, id: u64, _payload: &str) {
            self.acks.push(id);
        }
    }

    async fn light(server: &TestServer, queue: usize, stop: &CancellationToken) -> Light<Counting> {
        let target = Target::resolve(&server.url()).await.unwrap();
        let options = ConnectOptions {
            token: test_server::TOKEN.to_owned(),
            ..ConnectOptions::default()
        };
        let connection = Connection::open(&target, &options).await.unwrap();
        Light::spawn(connection, Counting::default(), queue, stop.clone())
    }

    #[tokio::test]
    async fn a_light_client_counts_what_it_hears() {
        let server = TestServer::start().await;
        let stop = CancellationToken::new();
        let client = light(&server, 4, &stop).await;
        // The test server answers `echo` by an event and then an ack.
        for id in 0..3 {
            let text = Connection::event_text(Some(id), r#"["echo","x"]"#);
            client.send(text).unwrap();
        }
        server.wait_for_events(3).await;
        let text = Connection::event_text(None, r#"["leave"]"#);
        client.send(text).unwrap();
        let report = tokio::time::timeout(Duration::from_secs(5), client.join()).await;
        let report = report.unwrap().unwrap();
        assert_eq!(report.closed, CloseReason::Disconnected);
        assert_eq!((report.observer.events, report.event_frames), (3, 3));
        assert_eq!(report.observer.acks, [0, 1, 2]);
        assert!(report.reads.bytes > 0 && report.reads.calls > 0);
    }

    #[tokio::test]
    async fn a_light_client_ends_when_told_to() {
        let server = TestServer::start().await;
        let stop = CancellationToken::new();
        let client = light(&server, 0, &stop).await;
        assert_eq!(client.send(String::new()), Err(SendError::Closed));
        stop.cancel();
        let report = client.join().await.unwrap();
        assert_eq!(report.closed, CloseReason::Requested);
    }
}
