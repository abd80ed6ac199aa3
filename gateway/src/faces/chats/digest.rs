//! Tells every socket of contract B that a chat of its user has a new message, with the chat as its
//! user sees it: at most four times a second for each chat, and always in the end.
//!
//! However many sockets and messages there are, a round takes one read for all rooms that are due.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use roomwire_shared::{RoomId, UserId, chats::event};
use tokio::time::{Instant, sleep, sleep_until};

use super::views::Drawn;
use crate::{
    chat::{Chat, Overview},
    domain::ChatError,
    faces::noted,
    live::Frame,
    telemetry::catalogue,
};

/// Least time between two rounds of one chat.
const PAUSE: Duration = Duration::from_millis(250);
/// A chat rests this many times as long as its round took, so that one with very many members
/// leaves time for others.
const REST_FACTOR: u32 = 4;
/// Chats in one round.
const TOGETHER_MAX: usize = 100;
/// Sockets that are served before others get a turn.
const SOCKETS_PER_TURN: usize = 64;
/// How soon a failed round is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Works until it is dropped.
pub(crate) async fn tell_of_new_messages(chat: Chat) {
    let mut digest = Digest {
        chat,
        due: HashSet::new(),
        resting: HashMap::new(),
    };
    loop {
        let wake = digest.next_awake();
        tokio::select! {
            digest_queue = digest.chat.hub().digest_queue().take() => digest.due.extend(digest_queue),
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
        }
        digest.work().await;
    }
}

struct Digest {
    chat: Chat,
    /// Chats with something new.
    due: HashSet<RoomId>,
    /// Chats whose next round must wait.
    resting: HashMap<RoomId, Instant>,
}

impl Digest {
    /// When the first of the due chats may have its round.
    fn next_awake(&self) -> Option<Instant> {
        let awake = |room| self.resting.get(room).copied().unwrap_or_else(Instant::now);
        self.due.iter().map(awake).min()
    }

    async fn work(&mut self) {
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        let awake = |room: &&RoomId| !self.resting.contains_key(room);
        let rooms: Vec<RoomId> = self
            .due
            .iter()
            .filter(awake)
            .take(TOGETHER_MAX)
            .copied()
            .collect();
        if rooms.is_empty() {
            return;
        }
        for room in &rooms {
            self.due.remove(room);
        }
        let told = self.tell(&rooms).await;
        let rest = match told {
            Ok(()) => PAUSE.max(now.elapsed() * REST_FACTOR),
            Err(error) => {
                tracing::debug!(%error, "new messages are told of later");
                self.due.extend(&rooms);
                sleep(RETRY_AFTER).await;
                PAUSE
            }
        };
        let until = Instant::now() + rest;
        self.resting
            .extend(rooms.into_iter().map(|room| (room, until)));
    }

    async fn tell(&self, rooms: &[RoomId]) -> Result<(), ChatError> {
        let hub = self.chat.hub();
        let mut viewers: HashSet<(RoomId, UserId)> = HashSet::new();
        for &room in rooms {
            let connections = hub.chat_connections(room);
            viewers.extend(connections.iter().map(|c| (room, c.user().clone())));
        }
        if viewers.is_empty() {
            return Ok(());
        }
        let overviews = self
            .chat
            .chats(rooms, viewers.into_iter().collect())
            .await?;
        metrics::counter!(catalogue::DIGESTS).increment(1);
        for overview in overviews {
            self.show(overview).await;
        }
        Ok(())
    }

    /// Who has left meanwhile is shown nothing: those are not among the connections any more.
    async fn show(&self, overview: Overview) {
        let room = overview.chat.id;
        let drawn = match Drawn::new(overview) {
            Ok(drawn) => drawn,
            Err(error) => {
                tracing::error!(%error, "a chat cannot be encoded");
                return;
            }
        };
        let mut frames: HashMap<UserId, Option<Frame>> = HashMap::new();
        let connections = self.chat.hub().chat_connections(room);
        for some in connections.chunks(SOCKETS_PER_TURN) {
            for connection in some {
                let user = connection.user();
                let frame = frames
                    .entry(user.clone())
                    .or_insert_with(|| frame(&drawn, user));
                if let Some(frame) = frame
                    && self.chat.hub().has(room, connection)
                {
                    connection.send(frame);
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

fn frame(drawn: &Drawn, user: &UserId) -> Option<Frame> {
    let chat = drawn.for_viewer(user).unwrap_or_default()?;
    noted(Frame::event(&event::new_message(user), &chat))
}
