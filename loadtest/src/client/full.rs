//! The full way to use a connection: events as a bounded stream, acks as futures.

use std::collections::HashMap;

use serde_json::Value;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use super::connection::Connection;
use super::dial::Target;
use super::error::{CloseReason, ConnectError};
use super::incoming::{Incoming, Signal};
use super::options::ConnectOptions;
use super::packet::{event_parts, event_payload};

/// Emits that may wait for being written; a caller beyond that waits itself.
const COMMANDS_MAX: usize = 64;
/// Acks that may be outstanding on one connection.
const PENDING_ACKS_MAX: usize = 16_384;

/// An event as the server sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The event's name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Value>,
}

/// Why an emit or its ack failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AckError {
    /// The connection ended before the answer; whether the server acted is unknown.
    #[error("connection ended before the answer: {0}")]
    Closed(CloseReason),
    /// Too many answers are outstanding.
    #[error("more than {PENDING_ACKS_MAX} answers are outstanding")]
    TooMany,
}

enum Command {
    Emit(String),
    EmitWithAck(String, oneshot::Sender<Result<Vec<Value>, AckError>>),
    Close,
    Abandon,
}

/// An answer that is on its way.
#[derive(Debug)]
pub struct Pending {
    answered: oneshot::Receiver<Result<Vec<Value>, AckError>>,
    client: Client,
}

impl Pending {
    /// Waits for the answer, for as long as the connection lives.
    pub async fn answer(self) -> Result<Vec<Value>, AckError> {
        match self.answered.await {
            Ok(result) => result,
            Err(_) => Err(AckError::Closed(self.client.closed().await)),
        }
    }
}

/// A handle to one connected socket; cheap to clone, all clones speak for the same socket.
///
/// The connection ends with [`Client::close`], with the last handle, or from the other side.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    closed: watch::Receiver<Option<CloseReason>>,
    sid: String,
}

/// The events of one socket, in the order in which they came.
///
/// The stream is bounded. While it is full the client reads nothing, neither events nor acks nor
/// heartbeats: to the server this is a slow reader, so take events or drop the stream.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` after the end of the connection. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// An event that is there already. Once an answer is there, everything that came before it on the
    /// wire is.
    pub fn ready(&mut self) -> Option<Event> {
        self.0.try_recv().ok()
    }
}

impl Client {
    /// Connects, keeping up to `events_max` (at least 1) unread events.
    pub async fn connect(
        target: &Target,
        options: &ConnectOptions,
        events_max: usize,
    ) -> Result<(Self, Events), ConnectError> {
        let connection = Box::pin(Connection::open(target, options)).await?;
        let (commands, command_queue) = mpsc::channel(COMMANDS_MAX);
        let (events, event_stream) = mpsc::channel(events_max.max(1));
        let (close, closed) = watch::channel(None);
        let sid = connection.sid().to_owned();
        let serving = Serving {
            connection,
            events: Some(events),
            acks: HashMap::new(),
            next_id: 0,
        };
        tokio::spawn(serving.run(command_queue, close));
        Ok((
            Self {
                commands,
                closed,
                sid,
            },
            Events(event_stream),
        ))
    }

    /// The Socket.IO id the server gave this socket.
    #[must_use]
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// Sends an event without asking for an answer; returns once it is queued for writing.
    pub async fn emit(&self, name: &str, arguments: &[Value]) -> Result<(), CloseReason> {
        self.command(Command::Emit(event_payload(name, arguments)))
            .await
    }

    /// Sends an event and waits for its answer, for as long as the connection lives: put a timeout
    /// around it where that is too long.
    pub async fn emit_with_ack(
        &self,
        name: &str,
        arguments: &[Value],
    ) -> Result<Vec<Value>, AckError> {
        let pending = self.request(name, arguments).await;
        pending.map_err(AckError::Closed)?.answer().await
    }

    /// Sends an event that asks for an answer; returns once it is queued for writing. Events are
    /// written in the order in which these calls are made.
    pub async fn request(&self, name: &str, arguments: &[Value]) -> Result<Pending, CloseReason> {
        let (answer, answered) = oneshot::channel();
        let command = Command::EmitWithAck(event_payload(name, arguments), answer);
        self.command(command).await?;
        let client = self.clone();
        Ok(Pending { answered, client })
    }

    /// Lets go of the connection without a word of farewell, and waits until that is done.
    pub async fn abandon(&self) {
        // A failure means that it is closed already.
        drop(self.commands.send(Command::Abandon).await);
        self.closed().await;
    }

    /// Closes the connection and waits until that is done.
    pub async fn close(&self) {
        // A failure means that it is closed already.
        drop(self.commands.send(Command::Close).await);
        self.closed().await;
    }

    /// Waits for the end of the connection and says why it ended.
    pub async fn closed(&self) -> CloseReason {
        let mut closed = self.closed.clone();
        match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(CloseReason::Requested),
            Err(_) => CloseReason::Requested,
        }
    }

    async fn command(&self, command: Command) -> Result<(), CloseReason> {
        match self.commands.send(command).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.closed().await),
        }
    }
}

struct Serving {
    connection: Connection,
    /// `None` once the user has dropped the stream: events are then thrown away.
    events: Option<mpsc::Sender<Event>>,
    acks: HashMap<u64, oneshot::Sender<Result<Vec<Value>, AckError>>>,
    next_id: u64,
}

enum Step {
    Command(Option<Command>),
    Read(Result<Signal, CloseReason>),
}

impl Serving {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        close: watch::Sender<Option<CloseReason>>,
    ) {
        let reason = match self.serve(&mut commands).await {
            Ok(()) => CloseReason::Requested,
            Err(reason) => reason,
        };
        // First the reason, then the dropped answers and streams: who sees those finds it set.
        close.send_replace(Some(reason.clone()));
        drop(commands);
        self.acks.clear();
        self.events = None;
        if reason == CloseReason::Requested {
            self.connection.close().await;
        }
    }

    async fn serve(&mut self, commands: &mut mpsc::Receiver<Command>) -> Result<(), CloseReason> {
        loop {
            let step = tokio::select! {
                command = commands.recv() => Step::Command(command),
                signal = self.connection.read() => Step::Read(signal),
            };
            match step {
                Step::Command(None | Some(Command::Close)) => return Ok(()),
                Step::Command(Some(Command::Abandon)) => return Err(CloseReason::Abandoned),
                Step::Command(Some(Command::Emit(payload))) => {
                    self.connection.emit(None, &payload).await?;
                }
                Step::Command(Some(Command::EmitWithAck(payload, answer))) => {
                    self.emit_with_ack(&payload, answer).await?;
                }
                Step::Read(signal) => match signal? {
                    Signal::Ping => self.connection.pong().await?,
                    Signal::Packet(incoming) => self.deliver(incoming, commands).await?,
                    Signal::Nothing => {}
                },
            }
        }
    }

    async fn emit_with_ack(
        &mut self,
        payload: &str,
        answer: oneshot::Sender<Result<Vec<Value>, AckError>>,
    ) -> Result<(), CloseReason> {
        if self.acks.len() >= PENDING_ACKS_MAX {
            // Callers that gave up waiting have left their entries behind.
            self.acks.retain(|_, pending| !pending.is_closed());
        }
        if self.acks.len() >= PENDING_ACKS_MAX {
            // The caller may be gone too; then nobody needs to know.
            drop(answer.send(Err(AckError::TooMany)));
            return Ok(());
        }
        let id = self.next_id;
        self.next_id += 1;
        self.acks.insert(id, answer);
        self.connection.emit(Some(id), payload).await
    }

    async fn deliver(
        &mut self,
        incoming: Incoming,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<(), CloseReason> {
        match incoming {
            Incoming::Ack(id, payload) => {
                let values = serde_json::from_str(&payload)
                    .map_err(|error| CloseReason::Protocol(format!("unreadable ack: {error}")))?;
                if let Some(answer) = self.acks.remove(&id) {
                    drop(answer.send(Ok(values)));
                }
                Ok(())
            }
            Incoming::Event(payload) => {
                let (name, arguments) = event_parts(&payload)
                    .ok_or_else(|| CloseReason::Protocol("an event without a name".to_owned()))?;
                self.hand_over(Event { name, arguments }, commands).await
            }
        }
    }

    /// Waits for room in the event stream, but not past the moment when all handles are gone.
    async fn hand_over(
        &mut self,
        event: Event,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<(), CloseReason> {
        let Some(events) = self.events.clone() else {
            return Ok(());
        };
        let sending = events.send(event);
        tokio::pin!(sending);
        loop {
            tokio::select! {
                sent = &mut sending => {
                    if sent.is_err() {
                        self.events = None;
                    }
                    return Ok(());
                }
                command = commands.recv() => match command {
                    None | Some(Command::Close) => return Err(CloseReason::Requested),
                    Some(Command::Abandon) => return Err(CloseReason::Abandoned),
                    Some(Command::Emit(payload)) => self.connection.emit(None, &payload).await?,
                    Some(Command::EmitWithAck(payload, answer)) => {
                        self.emit_with_ack(&payload, answer).await?;
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use tokio::time::timeout;

    use super::super::Contract;
    use super::super::test_server::{self, TestServer};
    use super::*;

    async fn connect(server: &TestServer, events_max: usize) -> (Client, Events) {
        let target = Target::resolve(&server.url()).await.unwrap();
        let options = ConnectOptions {
            token: test_server::TOKEN.to_owned(),
            meta: true,
            ..ConnectOptions::default()
        };
        Client::connect(&target, &options, events_max)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn an_event_comes_back_and_its_ack_resolves() {
        let server = TestServer::start().await;
        let (client, mut events) = connect(&server, 8).await;
        let answer = client
            .emit_with_ack("echo", &[json!("a"), json!({"b": 1})])
            .await
            .unwrap();
        assert_eq!(answer, [json!({"ok": true})]);
        // What came before an answer is there with it.
        let event = events.ready().unwrap();
        assert_eq!(event.name, "echo");
        assert_eq!(event.arguments, [json!("a"), json!({"b": 1})]);
        assert!(!client.sid().is_empty());
    }

    #[tokio::test]
    async fn the_token_and_the_meta_wish_travel_in_the_connect_packet() {
        let server = TestServer::start().await;
        let (_client, _events) = connect(&server, 8).await;
        assert_eq!(
            server.auth(),
            json!({"token": test_server::TOKEN, "meta": true})
        );
    }

    #[tokio::test]
    async fn a_refusal_carries_the_servers_words() {
        let server = TestServer::start().await;
        let target = Target::resolve(&server.url()).await.unwrap();
        let error = Client::connect(&target, &ConnectOptions::default(), 1)
            .await
            .unwrap_err();
        assert!(matches!(error, ConnectError::Refused(message) if message == "UNAUTHORIZED: no"));
    }

    #[tokio::test]
    async fn heartbeats_are_answered() {
        let server = TestServer::start().await;
        let (client, mut events) = connect(&server, 8).await;
        client.emit("ping me", &[]).await.unwrap();
        // The test server sends this event once it has the pong.
        let event = timeout(Duration::from_secs(5), events.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(event.name, "ponged");
    }

    #[tokio::test]
    async fn a_client_of_2018_is_let_in_unasked_and_sends_the_heartbeats() {
        let server = TestServer::with_heartbeat(20, 5_000).await;
        let options = ConnectOptions {
            contract: Contract::OldChats,
            ..ConnectOptions::default()
        };
        let target = Target::resolve(&server.url()).await.unwrap();
        let connected = Client::connect(&target, &options, 8).await;
        let (_client, mut events) = connected.unwrap();
        // The test server sends this event for each heartbeat.
        for _ in 0..3 {
            let event = timeout(Duration::from_secs(5), events.next()).await;
            assert_eq!(event.unwrap().unwrap().name, "pinged");
        }
    }

    #[tokio::test]
    async fn a_disconnect_is_noticed_by_all_who_wait() {
        let server = TestServer::start().await;
        let (client, mut events) = connect(&server, 8).await;
        let answer = client.emit_with_ack("leave", &[]).await;
        assert_eq!(answer, Err(AckError::Closed(CloseReason::Disconnected)));
        assert_eq!(events.next().await, None);
        assert_eq!(client.closed().await, CloseReason::Disconnected);
        assert!(client.emit("echo", &[]).await.is_err());
    }

    #[tokio::test]
    async fn an_abandoned_connection_is_over_at_once_and_its_answers_are_not_waited_for() {
        let server = TestServer::start().await;
        let (client, mut events) = connect(&server, 8).await;
        let pending = client.request("nobody answers this", &[]).await.unwrap();
        client.abandon().await;
        assert_eq!(client.closed().await, CloseReason::Abandoned);
        assert_eq!(events.next().await, None);
        let answer = pending.answer().await;
        assert_eq!(answer, Err(AckError::Closed(CloseReason::Abandoned)));
    }

    #[tokio::test]
    async fn a_dead_transport_is_noticed() {
        let server = TestServer::start().await;
        let (client, _events) = connect(&server, 8).await;
        client.emit("drop", &[]).await.unwrap();
        let reason = timeout(Duration::from_secs(5), client.closed())
            .await
            .unwrap();
        assert!(
            !matches!(reason, CloseReason::Requested | CloseReason::Disconnected),
            "{reason}"
        );
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let server = TestServer::with_heartbeat(20, 30).await;
        let (client, _events) = connect(&server, 8).await;
        let reason = timeout(Duration::from_secs(5), client.closed())
            .await
            .unwrap();
        assert_eq!(reason, CloseReason::Silence);
    }

    #[tokio::test]
    async fn a_full_event_stream_holds_back_reading_but_not_closing() {
        let server = TestServer::start().await;
        let (client, mut events) = connect(&server, 1).await;
        for n in 0..4 {
            client.emit("echo", &[json!(n)]).await.unwrap();
        }
        server.wait_for_events(4).await;
        assert_eq!(events.next().await.unwrap().arguments, [json!(0)]);
        timeout(Duration::from_secs(5), client.close())
            .await
            .unwrap();
        assert_eq!(client.closed().await, CloseReason::Requested);
    }
}
