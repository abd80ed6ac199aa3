//! Which channels this node listens to, kept true across reconnects.
//!
//! One task owns the list and gives all orders, so that they reach Redis in the order in which they
//! were given here. What waits while Redis answers goes out together.

use std::{collections::HashSet, time::Duration};

use fred::{
    clients::SubscriberClient,
    interfaces::{ClientLike, EventInterface, PubsubInterface},
};
use tokio::sync::{broadcast::error::RecvError, mpsc, oneshot};

use super::names::{Names, Topic};
use crate::{telemetry::catalogue, workers::Workers};

/// Orders that may wait; more make their givers wait.
const ORDERS_WAITING_MAX: usize = 4_096;
/// Channels in one command.
const CHANNELS_PER_COMMAND: usize = 1_000;
/// Orders that are carried out together.
const ORDERS_TOGETHER_MAX: usize = 256;
/// How soon an owed subscription is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(250);

enum Order {
    Listen(Vec<Topic>, oneshot::Sender<bool>),
    Forget(Topic),
}

/// Handle on the list of channels; cheap to clone.
#[derive(Clone)]
pub(crate) struct Subscriptions(mpsc::Sender<Order>);

impl Subscriptions {
    /// Starts the task. `missed` is told after each time everything was subscribed anew.
    pub(super) fn start(
        client: SubscriberClient,
        names: Names,
        missed: mpsc::Sender<&'static str>,
        workers: &Workers,
    ) -> Self {
        let (orders, received) = mpsc::channel(ORDERS_WAITING_MAX);
        let keeper = Keeper {
            client,
            names,
            wanted: HashSet::new(),
            owed: false,
            missed,
        };
        workers.run(keeper.run(received));
        Self(orders)
    }

    /// Listens to these channels from now on. True once Redis confirmed it; false if Redis is away:
    /// then the subscription is owed and made when it returns, followed by a resync.
    pub(crate) async fn listen(&self, topics: Vec<Topic>) -> bool {
        let (answer, answered) = oneshot::channel();
        if self.0.send(Order::Listen(topics, answer)).await.is_err() {
            return false;
        }
        answered.await.unwrap_or(false)
    }

    /// Stops listening to a channel. Never waits; false if the queue is full: then it goes on
    /// listening, which harms nobody.
    pub(crate) fn try_forget(&self, topic: Topic) -> bool {
        self.0.try_send(Order::Forget(topic)).is_ok()
    }
}

struct Keeper {
    client: SubscriberClient,
    names: Names,
    wanted: HashSet<Topic>,
    /// Redis has not confirmed all that is wanted.
    owed: bool,
    missed: mpsc::Sender<&'static str>,
}

impl Keeper {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut reconnects = self.client.reconnect_rx();
        let mut waiting = Vec::new();
        loop {
            tokio::select! {
                reconnected = reconnects.recv() => {
                    if matches!(reconnected, Err(RecvError::Closed)) {
                        return;
                    }
                    self.restore().await;
                }
                () = tokio::time::sleep(RETRY_AFTER), if self.owed => self.restore().await,
                received = orders.recv_many(&mut waiting, ORDERS_TOGETHER_MAX) => {
                    if received == 0 {
                        return;
                    }
                    self.carry_out(waiting.drain(..)).await;
                    metrics::gauge!(catalogue::SUBSCRIPTIONS).set(count(self.wanted.len()));
                }
            }
        }
    }

    /// Runs of the same kind of order go out as one command.
    async fn carry_out(&mut self, orders: impl Iterator<Item = Order>) {
        let mut new = Vec::new();
        let mut answers = Vec::new();
        let mut old = Vec::new();
        for order in orders {
            match order {
                Order::Listen(topics, answer) => {
                    self.unsubscribe(&mut old).await;
                    new.extend(
                        topics
                            .into_iter()
                            .filter(|topic| self.wanted.insert(topic.clone())),
                    );
                    answers.push(answer);
                }
                Order::Forget(topic) => {
                    self.subscribe_and_answer(&mut new, &mut answers).await;
                    if self.wanted.remove(&topic) {
                        old.push(topic);
                    }
                }
            }
        }
        self.unsubscribe(&mut old).await;
        self.subscribe_and_answer(&mut new, &mut answers).await;
    }

    async fn subscribe_and_answer(
        &mut self,
        new: &mut Vec<Topic>,
        answers: &mut Vec<oneshot::Sender<bool>>,
    ) {
        self.owed |= !self.subscribe(new).await;
        new.clear();
        for answer in answers.drain(..) {
            // Nobody waits any more: fine.
            answer.send(!self.owed).unwrap_or_default();
        }
    }

    /// Subscribes to everything that is wanted, and says so.
    async fn restore(&mut self) {
        let all: Vec<Topic> = self.wanted.iter().cloned().collect();
        self.owed = !self.subscribe(&all).await;
        if !self.owed {
            // A full queue already holds the same news.
            self.missed.try_send("reconnect").unwrap_or_default();
        }
    }

    async fn subscribe(&self, topics: &[Topic]) -> bool {
        if !self.client.is_connected() {
            return false;
        }
        let channels: Vec<String> = topics
            .iter()
            .map(|topic| self.names.channel(topic))
            .collect();
        for some in channels.chunks(CHANNELS_PER_COMMAND) {
            let done = if self.client.is_clustered() {
                // Channels of one command must share a slot, so each goes alone, pipelined.
                futures_util::future::try_join_all(
                    some.iter()
                        .map(|channel| self.client.ssubscribe(channel.clone())),
                )
                .await
                .map(|_| ())
            } else {
                self.client.subscribe(some.to_vec()).await
            };
            if let Err(error) = done {
                tracing::warn!(
                    error = error.details(),
                    "subscriptions are owed until redis answers"
                );
                return false;
            }
        }
        true
    }

    /// Nobody waits for this, and others wait behind it. Without a connection there is nothing to be
    /// done: a new one listens to nothing but what is wanted then.
    async fn unsubscribe(&self, old: &mut Vec<Topic>) {
        let channels: Vec<String> = old.drain(..).map(|t| self.names.channel(&t)).collect();
        if channels.is_empty() || !self.client.is_connected() {
            return;
        }
        let done = if self.client.is_clustered() {
            let each = channels.into_iter().map(|c| self.client.sunsubscribe(c));
            futures_util::future::try_join_all(each).await.map(|_| ())
        } else {
            self.client.unsubscribe(channels).await
        };
        if let Err(error) = done {
            // Harmless: hints for rooms nobody here is in are dropped.
            tracing::debug!(error = error.details(), "unsubscribing failed");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn count(n: usize) -> f64 {
    n as f64
}
