//! What is different for a client of the contract of chats: it asks for the live feed of each chat,
//! hears its own messages too, and is told of each chat's newest state.
//!
//! Feeds go on on the next connection, which sends first what was missed since the read mark; what is
//! expected of that is in `memory`. What was missed for longer such a client would read from pages,
//! which the judge does for all of them in the end.

use std::collections::BTreeSet;

use roomwire_shared::RoomId;
use roomwire_shared::chats::event::{JOIN_ROOM, LEAVE_ROOM, new_message, room_new_message};
use roomwire_shared::chats::object::Message;
use roomwire_shared::chats::{Code, Failure, Success};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Reply};
use crate::client::Event;
use crate::crowd::actor::session::Link;
use crate::crowd::actor::{Actor, at, choose};
use crate::truth::record::{Digest, Feed, Heard, Moment, Remembered};

/// What a digest says that matters here.
#[derive(Deserialize)]
struct Chat {
    #[serde(rename = "_id")]
    id: RoomId,
    last_message: Option<String>,
    unread_count: u32,
}

/// What came of joining or leaving a feed.
enum Outcome {
    Done,
    /// It was refused, and that is final.
    Refused,
    /// It was not done, or will perhaps be done later.
    Doubtful,
}

impl Actor {
    /// Asks for the feeds of the rooms that wait for it.
    pub(super) async fn follow(&mut self, link: &mut Link) {
        for room in std::mem::take(&mut link.to_sync) {
            let known = at(&self.desk, |state| state.copies.contains_key(&room));
            let Some(info) = self.world.rooms.get(room).filter(|_| known) else {
                continue;
            };
            let (id, asked) = (info.id, self.world.now());
            let number = self.with_session(link.session, |feeds| {
                feeds.push(Feed {
                    room,
                    remembered: Remembered::No,
                    asked,
                    open: None,
                    ending: None,
                    ended: None,
                });
                feeds.len() - 1
            });
            self.memory.joins(room);
            let done = move |reply| Answer::Followed(room, number, reply);
            link.request((JOIN_ROOM, vec![json!(id)]), done).await;
        }
    }

    /// The feed is there, or is asked for again.
    pub(super) fn followed(
        &mut self,
        link: &mut Link,
        (room, number): (usize, usize),
        reply: Reply,
    ) {
        let now = self.world.now();
        match self.outcome(link, reply) {
            None => {}
            Some(Outcome::Done) => {
                self.memory.answered(room);
                let ending = self.with_session(link.session, |feeds| {
                    let feed = feeds.get_mut(number)?;
                    feed.open = Some(now);
                    feed.ending
                });
                // Otherwise it was left, or the membership has ended, before this was noticed.
                if ending.is_none() {
                    self.memory.remembered(room);
                }
                self.caught_up_with_chats(link.session);
            }
            Some(outcome) => {
                self.note_failure(room, &outcome, now);
                // Just leaving, or for now: then somebody is still a member and has no feed in the
                // end.
                self.with_session(link.session, |feeds| {
                    if let Some(feed) = feeds.get_mut(number) {
                        feed.ending = Some(now);
                    }
                });
                link.sync_later(vec![room]);
            }
        }
    }

    /// Gives up the feed of a room, to ask for it again once that is confirmed.
    pub(super) async fn unfollow(&mut self, link: &mut Link, pick: u32) {
        let open: BTreeSet<usize> = self.with_session(link.session, |feeds| {
            let open = feeds.iter();
            let open = open.filter(|feed| feed.open.is_some() && feed.ending.is_none());
            open.map(|feed| feed.room).collect()
        });
        let open: Vec<usize> = open.into_iter().collect();
        let Some(room) = choose(pick, &open) else {
            return;
        };
        let Some(info) = self.world.rooms.get(room) else {
            return;
        };
        let (id, now) = (info.id, self.world.now());
        let numbers: Vec<usize> = self.with_session(link.session, |feeds| {
            let all = feeds.iter_mut().enumerate();
            let all = all.filter(|(_, feed)| feed.room == room && feed.ended.is_none());
            let ending = all.map(|(number, feed)| {
                feed.ending.get_or_insert(now);
                number
            });
            ending.collect()
        });
        self.memory.leaves(room);
        let done = move |reply| Answer::Unfollowed(room, numbers, reply);
        link.request((LEAVE_ROOM, vec![json!(id)]), done).await;
    }

    /// The feed has ended; it is asked for again.
    pub(super) fn unfollowed(
        &mut self,
        link: &mut Link,
        (room, numbers): (usize, &[usize]),
        reply: Reply,
    ) {
        let now = self.world.now();
        match self.outcome(link, reply) {
            None => return,
            Some(Outcome::Done) => {
                self.memory.answered(room);
                let end = |feeds: &mut Vec<Feed>| end(feeds, (room, numbers), now);
                let asked_since = self.with_session(link.session, end);
                if !asked_since {
                    self.memory.forgotten(room);
                }
            }
            Some(outcome) => self.note_failure(room, &outcome, now),
        }
        link.to_sync.insert(room);
    }

    fn note_failure(&mut self, room: usize, outcome: &Outcome, now: Moment) {
        match outcome {
            Outcome::Done | Outcome::Refused => self.memory.answered(room),
            Outcome::Doubtful => self.memory.failed(room, now),
        }
    }

    /// What was done; `None` if there is nothing to go on with.
    fn outcome(&self, link: &mut Link, reply: Reply) -> Option<Outcome> {
        let Some(answer) = reply else {
            link.broken = true;
            return None;
        };
        // The end of the connection is told by its events.
        let first = answer.ok()?.into_iter().next().unwrap_or_default();
        if Success::<Value>::deserialize(&first).is_ok() {
            return Some(Outcome::Done);
        }
        at(&self.desk, |state| state.record.unavailable += 1);
        let failure = Failure::deserialize(&first);
        Some(match failure.map(|failure| failure.code) {
            Ok(Code::NotFound) => Outcome::Refused,
            _ => Outcome::Doubtful,
        })
    }

    pub(super) fn with_session<T: Default>(
        &self,
        session: usize,
        act: impl FnOnce(&mut Vec<Feed>) -> T,
    ) -> T {
        at(&self.desk, |state| {
            let session = state.record.sessions.get_mut(session);
            session.map_or_else(T::default, |session| act(&mut session.feeds))
        })
    }

    /// Notes an event of the contract of chats.
    pub(super) fn hear_chat(&mut self, link: &Link, event: &Event) {
        let Some(argument) = event.arguments.first() else {
            return;
        };
        let me = self.world.users.get(self.me).map(|user| &user.id);
        if me.is_some_and(|me| event.name == new_message(me)) {
            if let Ok(chat) = Chat::deserialize(argument) {
                self.hear_digest(link.session, chat);
            }
        } else if let Ok(message) = Message::deserialize(argument)
            && event.name == room_new_message(message.chat_id)
            && let Some(room) = self.world.room(message.chat_id)
        {
            let heard = Heard {
                room,
                id: message.id,
                position: 0,
                key: first_word(&message.text),
                at: self.world.now(),
            };
            self.note_heard(link, heard);
        }
    }

    fn hear_digest(&self, session: usize, chat: Chat) {
        let now: Moment = self.world.now();
        let (Some(room), Some(text)) = (self.world.room(chat.id), chat.last_message) else {
            return;
        };
        let digest = Digest {
            key: first_word(&text),
            unread: chat.unread_count,
            at: now,
            session,
        };
        at(&self.desk, |state| {
            state.record.digested += 1;
            state.record.digests.insert(room, digest);
        });
    }
}

/// Notes the end of these feeds of a room; whether it has been asked for since.
fn end(feeds: &mut [Feed], (room, numbers): (usize, &[usize]), now: Moment) -> bool {
    for number in numbers {
        if let Some(feed) = feeds.get_mut(*number) {
            feed.ended = Some(now);
        }
    }
    feeds
        .iter()
        .any(|feed| feed.room == room && feed.ending.is_none())
}

fn first_word(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_owned()
}
