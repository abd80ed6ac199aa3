//! One message after the other into a room, each only when everybody has heard of the one before:
//! what it costs, and how long it takes to the last feed entry and to the last digest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use roomwire_shared::RoomId;
use roomwire_shared::chats::event::SEND_MESSAGE;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::listener::{Heard, Listener, What, text};
use super::{Bench, socket};
use crate::client::{Contract, Light, event_payload};
use crate::command::CommandError;
use crate::crowd::cohort::Access;
use crate::crowd::traffic::STANDSTILL;
use crate::deployment::rows::Group;
use crate::meters::cost::Cost;
use crate::meters::own::OwnCpu;
use crate::result::stats::{Latencies, float, ratio};

/// Who came is announced for a while after they came; the meters wait for this much silence.
const SILENCE: Duration = Duration::from_secs(4);
/// A gateway tells of one room at most every 250 ms, and rests longer after telling took long.
const PAUSE_MIN: Duration = Duration::from_millis(300);
/// Pause after a message, in multiples of the time until the last had heard of it.
const PAUSE_FACTOR: u32 = 5;

/// What a message into one room costs.
#[derive(Debug)]
pub(super) struct MessageFigures {
    pub(super) members: u32,
    pub(super) connected: u32,
    pub(super) cost: Cost,
    /// Bytes of feed entries and digests to each socket, for each message.
    pub(super) bytes_per_socket: Option<f64>,
    /// The digests' part of that.
    pub(super) digest_bytes_per_socket: Option<f64>,
    pub(super) ack: Latencies,
    pub(super) last_feed: Latencies,
    pub(super) last_digest: Latencies,
    pub(super) generator_cpu_cores: Option<f64>,
    /// What went wrong; the measurement ends with the first.
    pub(super) problem: Option<String>,
}

/// The connected sockets of a room, all with its live feed.
struct Crowd {
    room: RoomId,
    sockets: Vec<Light<Listener>>,
    current: Arc<AtomicU64>,
    heard: mpsc::Receiver<Heard>,
    text_bytes: usize,
}

#[derive(Default)]
struct Times {
    ack: Latencies,
    feed: Latencies,
    digest: Latencies,
    feed_bytes: u64,
    digest_bytes: u64,
    problem: Option<String>,
}

/// Connects members spread over the whole room and lets the first of them write.
pub(super) async fn measure(
    bench: &Bench<'_>,
    group: &Group,
) -> Result<MessageFigures, CommandError> {
    let (meters, flags) = (&bench.meters, bench.flags);
    let connected = u32::from(flags.connected).min(group.members);
    let place = |index: u32| u64::from(index) * u64::from(group.members) / u64::from(connected);
    let users: Vec<String> = (0..connected)
        .map(|index| group.member(u32::try_from(place(index)).unwrap_or_default()))
        .collect();
    let stop = CancellationToken::new();
    let mut crowd = Crowd::gather(bench.access, group, &users, (flags.text_bytes, &stop)).await?;
    crowd.fall_silent().await;
    let background = meters.background(flags.idle()).await?;
    let mut times = Times::default();
    crowd.send(0..flags.warm_up, &mut times).await?;
    times = Times {
        problem: times.problem,
        ..Times::default()
    };
    let own = OwnCpu::start()?;
    let before = meters.read().await?;
    let numbers = flags.warm_up..flags.warm_up + flags.messages;
    crowd.send(numbers, &mut times).await?;
    let after = meters.read().await?;
    let generator_cpu_cores = own.cores()?;
    stop.cancel();
    for socket in crowd.sockets {
        socket.join().await;
    }
    let each = |bytes| ratio(float(bytes), f64::from(flags.messages * connected));
    Ok(MessageFigures {
        members: group.members,
        connected,
        cost: meters.cost((&before, &after), &background, flags.messages),
        bytes_per_socket: each(times.feed_bytes + times.digest_bytes),
        digest_bytes_per_socket: each(times.digest_bytes),
        ack: times.ack,
        last_feed: times.feed,
        last_digest: times.digest,
        generator_cpu_cores,
        problem: times.problem,
    })
}

impl Crowd {
    async fn gather(
        access: &Access,
        group: &Group,
        users: &[String],
        (text_bytes, stop): (usize, &CancellationToken),
    ) -> Result<Self, CommandError> {
        let room = group.rooms.first().copied();
        let room = room.ok_or(CommandError::Generator("a group without rooms"))?;
        let current = Arc::new(AtomicU64::new(0));
        // Everything that one message brings, several times over.
        let (reports, heard) = mpsc::channel(users.len() * 8 + 64);
        let mut sockets = Vec::new();
        for mut connection in socket::connect(access, users).await? {
            socket::join(&mut connection, room).await?;
            let listener = Listener {
                current: Arc::clone(&current),
                heard: reports.clone(),
            };
            sockets.push(Light::spawn(connection, listener, 4, stop.clone()));
        }
        Ok(Self {
            room,
            sockets,
            current,
            heard,
            text_bytes,
        })
    }

    async fn fall_silent(&mut self) {
        while timeout(SILENCE, self.heard.recv()).await.is_ok() {}
    }

    /// Sends the messages with these numbers; ends early with a problem.
    async fn send(
        &mut self,
        numbers: std::ops::Range<u32>,
        times: &mut Times,
    ) -> Result<(), CommandError> {
        for number in numbers {
            if times.problem.is_some() {
                break;
            }
            let took = self.send_one(number.into(), times).await?;
            sleep(PAUSE_MIN.max(took * PAUSE_FACTOR)).await;
        }
        Ok(())
    }

    /// Sends one message, waits until all have heard of it twice, and says how long that took.
    async fn send_one(&mut self, number: u64, times: &mut Times) -> Result<Duration, CommandError> {
        self.current.store(number, Ordering::Relaxed);
        let body = json!({"chat_id": self.room, "text": text(number, self.text_bytes)});
        // Id 0 was spent on joining.
        let id = number + 1;
        let packet = Contract::Chats.event_text(Some(id), &event_payload(SEND_MESSAGE, &[body]));
        let sender = self.sockets.first();
        let sender = sender.ok_or(CommandError::Generator("nobody is connected"))?;
        let sent = Instant::now();
        let queued = sender.send(packet);
        queued.map_err(|_| CommandError::Generator("the sender's connection ended"))?;
        let (mut acks, mut feeds, mut digests) = (1, self.sockets.len(), self.sockets.len());
        let mut last_feed = Duration::ZERO;
        while acks + feeds + digests > 0 {
            let Ok(Some(heard)) = timeout(STANDSTILL, self.heard.recv()).await else {
                times.problem = Some(format!(
                    "message {number}: {acks} ack, {feeds} feed entries and {digests} digests missing"
                ));
                break;
            };
            let latency = heard.at.duration_since(sent);
            match heard.what {
                What::Feed => times.feed_bytes += heard.bytes,
                What::Digest => times.digest_bytes += heard.bytes,
                _ => {}
            }
            match heard.what {
                What::Ack => {
                    acks = 0;
                    times.ack.record(latency);
                }
                What::Feed if heard.current => {
                    feeds = feeds.saturating_sub(1);
                    last_feed = last_feed.max(latency);
                }
                What::Digest if heard.current => digests = digests.saturating_sub(1),
                What::Refusal => {
                    times.problem = heard.words;
                    break;
                }
                _ => {}
            }
        }
        let took = sent.elapsed();
        if times.problem.is_none() {
            times.feed.record(last_feed);
            times.digest.record(took);
        }
        Ok(took)
    }
}
