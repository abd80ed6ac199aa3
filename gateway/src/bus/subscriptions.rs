//! Which channels this node listens to, kept true across reconnects.
//!
//! One task owns the list. What is wanted and given up while Redis answers goes out together in the
//! next round, so what is true in the end is what was ordered last. While Redis does not answer nobody
//! waits for it: whoever wants to listen is told at once that it is owed.

use std::{collections::HashSet, time::Duration};

use fred::{
    clients::SubscriberClient,
    interfaces::{ClientLike, EventInterface, PubsubInterface},
    types::{CustomCommand, Value},
};
use futures_util::future::{BoxFuture, try_join_all};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc, oneshot},
    time::{Instant, sleep_until},
};

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
    /// Starts the task, which listens to what is `always` listened to as soon as there is a
    /// connection. `missed` is told after each time everything was subscribed anew: not the first
    /// time, if nobody was told before that a subscription is owed.
    pub(super) fn start(
        client: SubscriberClient,
        (names, always): (Names, HashSet<Topic>),
        missed: mpsc::Sender<&'static str>,
        workers: &Workers,
    ) -> Self {
        let (orders, received) = mpsc::channel(ORDERS_WAITING_MAX);
        metrics::gauge!(catalogue::SUBSCRIPTIONS).set(count(always.len()));
        let keeper = Keeper {
            client,
            names,
            wanted: always.clone(),
            owed: always,
            unwanted: HashSet::new(),
            waiting: Vec::new(),
            whole: true,
            anew: false,
            whole_once: false,
            missed,
        };
        workers.run(keeper.run(received));
        Self(orders)
    }

    /// Listens to these channels from now on. True once it is on its way to Redis (in a cluster, once Redis
    /// confirmed it: the library waits for no other answer), so a hint of this very moment may still be
    /// missed; false if Redis is away: then it is owed and made when it returns, followed by a resync.
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
    /// What of that Redis has not confirmed.
    owed: HashSet<Topic>,
    /// What is to be given up.
    unwanted: HashSet<Topic>,
    /// Who waits for what is owed.
    waiting: Vec<oneshot::Sender<bool>>,
    /// Nothing is owed for longer than a round takes: Redis answers.
    whole: bool,
    /// Something may have been missed: a connection was lost, or somebody was told that a
    /// subscription is owed.
    anew: bool,
    /// Nothing was owed at least once.
    whole_once: bool,
    missed: mpsc::Sender<&'static str>,
}

/// Commands on their way, one round at a time.
struct Round {
    topics: Vec<Topic>,
    waiting: Vec<oneshot::Sender<bool>>,
    /// Connected anew meanwhile: what was confirmed may have been so on the old connection.
    overtaken: bool,
    done: BoxFuture<'static, bool>,
}

impl Keeper {
    /// Orders are taken while a round is under way, which may last until its commands time out: what
    /// is wanted then waits for the next one only if Redis has answered the last.
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut reconnects = self.client.reconnect_rx();
        let mut given = Vec::new();
        let mut round: Option<Round> = None;
        let mut not_before = Instant::now();
        loop {
            if round.is_none() && self.has_work() && Instant::now() >= not_before {
                round = Some(self.begin());
            }
            tokio::select! {
                reconnected = reconnects.recv() => {
                    if matches!(reconnected, Err(RecvError::Closed)) {
                        return;
                    }
                    self.owed.clone_from(&self.wanted);
                    self.anew |= self.whole_once;
                    self.whole = false;
                    not_before = Instant::now();
                    if let Some(round) = &mut round {
                        round.overtaken = true;
                    }
                }
                received = orders.recv_many(&mut given, ORDERS_TOGETHER_MAX) => {
                    if received == 0 {
                        return;
                    }
                    given.drain(..).for_each(|order| self.take_in(order));
                    metrics::gauge!(catalogue::SUBSCRIPTIONS).set(count(self.wanted.len()));
                }
                (ended, done) = end(&mut round) => {
                    let done = done && !ended.overtaken;
                    self.finish(ended, done);
                    if !done {
                        not_before = Instant::now() + RETRY_AFTER;
                    }
                }
                () = sleep_until(not_before), if round.is_none() && self.has_work() => {}
            }
        }
    }

    fn has_work(&self) -> bool {
        let asked = !self.owed.is_empty() || !self.waiting.is_empty();
        asked || !self.unwanted.is_empty() || !self.whole
    }

    fn take_in(&mut self, order: Order) {
        match order {
            Order::Listen(topics, answer) => {
                for topic in topics {
                    self.unwanted.remove(&topic);
                    if self.wanted.insert(topic.clone()) {
                        self.owed.insert(topic);
                    }
                }
                if self.whole {
                    self.waiting.push(answer);
                } else {
                    self.anew = true;
                    // Nobody waits any more: fine, here and below.
                    answer.send(false).unwrap_or_default();
                }
            }
            Order::Forget(topic) => {
                self.owed.remove(&topic);
                if self.wanted.remove(&topic) {
                    self.unwanted.insert(topic);
                }
            }
        }
    }

    /// Sends off everything there is to do.
    fn begin(&mut self) -> Round {
        let topics: Vec<Topic> = self.owed.iter().cloned().collect();
        let (old, new) = (self.channels(self.unwanted.iter()), self.channels(&topics));
        self.unwanted.clear();
        let client = self.client.clone();
        Round {
            topics,
            waiting: std::mem::take(&mut self.waiting),
            overtaken: false,
            done: Box::pin(async move {
                // Without a connection there is nothing to give up: a new one listens to nothing.
                if !client.is_connected() {
                    return false;
                }
                unsubscribe(&client, old).await;
                subscribe(&client, new).await
            }),
        }
    }

    fn finish(&mut self, round: Round, done: bool) {
        if done {
            for topic in &round.topics {
                self.owed.remove(topic);
            }
        }
        self.anew |= !done && (self.whole_once || !round.waiting.is_empty());
        for answer in round.waiting {
            answer.send(done).unwrap_or_default();
        }
        self.whole_once |= done;
        let was_whole = std::mem::replace(&mut self.whole, done && self.owed.is_empty());
        if done && was_whole {
            // What was asked for meanwhile is only owed since.
            self.whole = true;
        } else if self.whole {
            if std::mem::take(&mut self.anew) {
                // A full queue already holds the same news.
                self.missed.try_send("reconnect").unwrap_or_default();
            }
        } else {
            self.anew |= !self.waiting.is_empty();
            for answer in self.waiting.drain(..) {
                answer.send(false).unwrap_or_default();
            }
        }
    }

    fn channels<'a>(&self, topics: impl IntoIterator<Item = &'a Topic>) -> Vec<String> {
        let topics = topics.into_iter();
        topics.map(|topic| self.names.channel(topic)).collect()
    }
}

/// The end of the round; never, if there is none.
async fn end(round: &mut Option<Round>) -> (Round, bool) {
    if let Some(going) = round {
        let done = (&mut going.done).await;
        if let Some(ended) = round.take() {
            return (ended, done);
        }
    }
    std::future::pending().await
}

async fn subscribe(client: &SubscriberClient, channels: Vec<String>) -> bool {
    for some in channels.chunks(CHANNELS_PER_COMMAND) {
        let done = if client.is_clustered() {
            // Channels of one command must share a slot, so each goes alone, pipelined.
            let each = some
                .iter()
                .map(|channel| client.ssubscribe(channel.clone()));
            try_join_all(each).await.map(|_| ())
        } else {
            client.subscribe(some.to_vec()).await
        };
        if let Err(error) = done {
            return owed(&error);
        }
    }
    true
}

fn owed(error: &fred::error::Error) -> bool {
    tracing::warn!(
        error = error.details(),
        "subscriptions are owed until redis answers"
    );
    false
}

/// Waits until Redis has carried out what was subscribed before. The library takes a SUBSCRIBE for done when
/// it is about to be written. Redis answers one connection in order, so with the answer to what is asked
/// after it, it is. Not for clusters, whose SSUBSCRIBE the library waits for.
pub(super) async fn confirmed(client: &SubscriberClient) -> Result<(), fred::error::Error> {
    if client.is_clustered() {
        return Ok(());
    }
    // The answer has another form on a connection that has subscriptions, so it is taken as it is.
    let ping = CustomCommand::new_static("PING", None, false);
    let _: Value = client.custom(ping, Vec::<Value>::new()).await?;
    Ok(())
}

async fn unsubscribe(client: &SubscriberClient, channels: Vec<String>) {
    for some in channels.chunks(CHANNELS_PER_COMMAND) {
        let done = if client.is_clustered() {
            let each = some
                .iter()
                .map(|channel| client.sunsubscribe(channel.clone()));
            try_join_all(each).await.map(|_| ())
        } else {
            client.unsubscribe(some.to_vec()).await
        };
        if let Err(error) = done {
            // Harmless: hints for rooms nobody here is in are dropped.
            tracing::debug!(error = error.details(), "unsubscribing failed");
            return;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn count(n: usize) -> f64 {
    n as f64
}
