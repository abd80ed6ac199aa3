//! One connected client.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Duration, timeout};

use super::driver::{Line, Reply, Report, Tally};
use crate::support::DEADLINE;

/// How long many pipelined events may take together.
const BURST_DEADLINE: Duration = Duration::from_mins(1);

/// A client of some generation, with everything it hears in order.
///
/// What it hears must be consumed in order: an event that a test did not expect fails it. So a test
/// shows that something was not received by expecting what was sent after it. Where several kinds of
/// events run beside each other, [`Client::hears_among`] picks one kind and keeps the others for
/// later, [`Client::hears_until`] hands out all of them, and [`Client::ignores`] drops a kind.
#[derive(Debug)]
pub(crate) struct Client {
    id: u64,
    label: String,
    line: Arc<Line>,
    reports: mpsc::Receiver<Report>,
    /// Events that were passed over, oldest first.
    kept: VecDeque<(String, Value)>,
    /// Beginnings of names of events that are not noticed.
    ignored: Vec<String>,
    patience: Duration,
}

/// The answers to many events.
#[derive(Debug)]
pub(crate) struct Burst {
    /// By number; null where none came.
    pub(crate) acks: Vec<Value>,
    /// The numbers as their answers arrived.
    pub(crate) order: Vec<usize>,
}

impl Client {
    pub(super) fn new(
        id: u64,
        label: String,
        line: Arc<Line>,
        reports: mpsc::Receiver<Report>,
    ) -> Self {
        Self {
            id,
            label,
            line,
            reports,
            kept: VecDeque::new(),
            ignored: Vec::new(),
            patience: DEADLINE,
        }
    }

    /// Waits this long for each thing to come, instead of the usual time.
    pub(crate) fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Emits, and returns the server's answer.
    pub(crate) async fn ask(&self, event: &str, args: Value) -> Value {
        let (seq, reply) = self.line.new_question();
        let command = json!({ "cmd": "emit", "id": self.id, "event": event, "args": args,
            "seq": seq, "ackTimeoutMs": DEADLINE.as_secs() * 1_000 });
        self.line.send(command).await;
        match reply.await {
            Ok(Reply::Ack { args }) => {
                assert_eq!(
                    args.len(),
                    1,
                    "{}: {event} was answered {args:?}",
                    self.label
                );
                args.into_iter().next().unwrap()
            }
            other => panic!("{}: {event} {args} was not answered: {other:?}", self.label),
        }
    }

    /// Emits without asking for an answer.
    pub(crate) async fn tell(&self, event: &str, args: Value) {
        let command = json!({ "cmd": "emit", "id": self.id, "event": event, "args": args });
        self.line.send(command).await;
    }

    /// Sends a message and returns its ack, which must be a good one.
    pub(crate) async fn say(&self, room: &str, text: &str) -> Value {
        let ack = self.ask("message", json!([room, text])).await;
        assert!(
            ack.get("error").is_none(),
            "{}: {text:?} in {room}: {ack}",
            self.label
        );
        ack
    }

    /// Emits many events at once; `{i}` in texts stands for the number, from 0.
    pub(crate) async fn burst(&self, event: &str, args: Value, count: usize) -> Burst {
        let (seq, reply) = self.line.new_question();
        let command = json!({ "cmd": "burst", "id": self.id, "event": event, "args": args,
            "count": count, "seq": seq, "ackTimeoutMs": BURST_DEADLINE.as_secs() * 1_000 });
        self.line.send(command).await;
        match reply.await {
            Ok(Reply::Burst { acks, order }) => Burst { acks, order },
            other => panic!("{}: a burst of {event} ended in {other:?}", self.label),
        }
    }

    /// What has happened to this client so far.
    pub(crate) async fn tally(&self) -> Tally {
        let (seq, reply) = self.line.new_question();
        let command = json!({ "cmd": "tally", "id": self.id, "seq": seq });
        self.line.send(command).await;
        match reply.await {
            Ok(Reply::Tally(tally)) => tally,
            other => panic!("{}: no tally but {other:?}", self.label),
        }
    }

    /// The payload of the next event, which must have this name.
    pub(crate) async fn hears(&mut self, name: &str) -> Value {
        let (heard, payload) = self.hears_something(name).await;
        assert_eq!(heard, name, "{} heard {payload}", self.label);
        payload
    }

    /// The next event's name and payload; `wanted` is for the failure's text.
    pub(crate) async fn hears_something(&mut self, wanted: &str) -> (String, Value) {
        match self.kept.pop_front() {
            Some(event) => event,
            None => self.next_event(wanted).await,
        }
    }

    /// The payload of the next event with this name. Others that come before it are kept: they are
    /// heard later, in their order.
    pub(crate) async fn hears_among(&mut self, name: &str) -> Value {
        if let Some(place) = self.kept.iter().position(|(heard, _)| heard == name) {
            return self.kept.remove(place).unwrap().1;
        }
        loop {
            let (heard, payload) = self.next_event(name).await;
            if heard == name {
                return payload;
            }
            self.kept.push_back((heard, payload));
        }
    }

    /// Everything up to the next event with this name, which is the last.
    pub(crate) async fn hears_until(&mut self, name: &str) -> Vec<(String, Value)> {
        let mut heard = Vec::new();
        while heard.last().is_none_or(|(last, _)| last != name) {
            heard.push(self.hears_something(name).await);
        }
        heard
    }

    /// From now on does not notice events whose names begin like this, those kept included.
    pub(crate) fn ignores(&mut self, beginning: &str) {
        self.kept.retain(|(name, _)| !name.starts_with(beginning));
        self.ignored.push(beginning.to_owned());
    }

    /// Forgets all that it has heard so far.
    pub(crate) fn forgets(&mut self) {
        self.kept.clear();
        while let Ok(report) = self.reports.try_recv() {
            let harmless = matches!(report, Report::Event { .. } | Report::Upgrade { .. });
            assert!(harmless, "{}: {report:?}", self.label);
        }
    }

    async fn next_event(&mut self, wanted: &str) -> (String, Value) {
        loop {
            match self.report_in_time(wanted).await {
                Report::Event { name, .. } if self.is_ignored(&name) => {}
                Report::Event { name, args } => {
                    assert_eq!(args.len(), 1, "{} heard {name} with {args:?}", self.label);
                    return (name, args.into_iter().next().unwrap());
                }
                Report::Upgrade { .. } => {}
                other => panic!("{} waited for {wanted}, but: {other:?}", self.label),
            }
        }
    }

    /// Checks that the next event is this message.
    pub(crate) async fn hears_text(&mut self, text: &str) {
        let heard = self.hears("message").await;
        assert_eq!(heard["message"], text, "{} heard {heard}", self.label);
    }

    /// Waits until it is out of the namespace, without hearing anything before.
    pub(crate) async fn is_disconnected(&mut self) -> String {
        loop {
            match self.report_in_time("the end").await {
                Report::Disconnect { reason } => return reason,
                Report::Closed { .. } | Report::Upgrade { .. } => {}
                Report::Event { name, .. } if self.is_ignored(&name) => {}
                other => panic!("{} waited for its end, but: {other:?}", self.label),
            }
        }
    }

    /// Waits until it is out of the namespace; before that, it may be told why, with this code.
    pub(crate) async fn is_told_and_disconnected(&mut self, code: u64) {
        loop {
            match self.report_in_time("the end").await {
                Report::Disconnect { .. } => return,
                Report::Event { name, args } if name == "conduit_error" => {
                    assert_eq!(args[0]["code"], code, "{}: {args:?}", self.label);
                }
                Report::Closed { .. } | Report::Upgrade { .. } => {}
                other => panic!("{} waited for its end, but: {other:?}", self.label),
            }
        }
    }

    /// The texts of all messages until it is out of the namespace.
    pub(crate) async fn texts_until_disconnected(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            match self.report_in_time("the end").await {
                Report::Disconnect { .. } => return texts,
                Report::Event { name, args } if name == "message" => {
                    texts.push(args[0]["message"].as_str().unwrap().to_owned());
                }
                Report::Closed { .. } | Report::Upgrade { .. } => {}
                other => panic!("{} waited for its end, but: {other:?}", self.label),
            }
        }
    }

    /// Waits until its transport is closed by the server.
    pub(crate) async fn is_closed(&mut self) {
        loop {
            match self.report_in_time("the transport's end").await {
                Report::Closed { .. } => return,
                // A poll that finds its session gone is an error first.
                Report::Error { .. } | Report::ConnectError { .. } | Report::Upgrade { .. } => {}
                other => panic!("{} waited for its end, but: {other:?}", self.label),
            }
        }
    }

    /// Leaves politely and waits until that is done.
    pub(crate) async fn disconnect(&mut self) {
        self.line
            .send(json!({ "cmd": "disconnect", "id": self.id }))
            .await;
        self.is_disconnected().await;
    }

    /// Closes the transport without a word.
    pub(crate) async fn drop_transport(&mut self) {
        self.line
            .send(json!({ "cmd": "drop", "id": self.id }))
            .await;
        self.is_disconnected().await;
    }

    /// Who this is, for the text of a failure.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn keep(&mut self, name: String, payload: Value) {
        if !self.is_ignored(&name) {
            self.kept.push_back((name, payload));
        }
    }

    fn is_ignored(&self, name: &str) -> bool {
        self.ignored
            .iter()
            .any(|beginning| name.starts_with(beginning))
    }

    pub(super) async fn next_report(&mut self) -> Report {
        let report = self.reports.recv().await;
        report.unwrap_or_else(|| panic!("{}: the driver has ended or hears too much", self.label))
    }

    pub(super) async fn report_in_time(&mut self, wanted: &str) -> Report {
        let label = self.label.clone();
        let report = timeout(self.patience, self.next_report()).await;
        report.unwrap_or_else(|_| panic!("{label} waited for {wanted} in vain"))
    }
}
