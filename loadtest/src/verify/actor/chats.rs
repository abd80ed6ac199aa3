//! What is different for a client of the contract of chats: it asks for the live feed of each chat,
//! hears its own messages too, and is told of each chat's newest state.
//!
//! The contract has no cursor. What such a client missed it would read from pages, which the judge
//! does for all of them in the end.

use roomwire_shared::RoomId;
use roomwire_shared::chats::Success;
use roomwire_shared::chats::event::{JOIN_ROOM, LEAVE_ROOM, new_message, room_new_message};
use roomwire_shared::chats::object::Message;
use serde::Deserialize;
use serde_json::{Value, json};

use super::session::Link;
use super::wire::{Answer, Reply};
use super::{Actor, at, choose};
use crate::client::Event;
use crate::verify::record::{Digest, Feed, Heard, Moment};

/// What a digest says that matters here.
#[derive(Deserialize)]
struct Chat {
    #[serde(rename = "_id")]
    id: RoomId,
    last_message: Option<String>,
    unread_count: u32,
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
                    asked,
                    open: None,
                    ending: None,
                    ended: None,
                });
                feeds.len() - 1
            });
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
        let Some(done) = self.done(link, reply) else {
            return;
        };
        let now = self.world.now();
        if done {
            self.with_feed(link.session, number, |feed| feed.open = Some(now));
            let waiting = self.with_session(link.session, |feeds| {
                feeds.iter().any(|feed| feed.open.is_none())
            });
            if !waiting {
                self.caught_up(link.session, now);
            }
        } else {
            // Just leaving, or for now: then somebody is still a member and has no feed in the end.
            self.with_feed(link.session, number, |feed| feed.ending = Some(now));
            link.sync_later(vec![room]);
        }
    }

    /// Gives up the feed of a room, to ask for it again once that is confirmed.
    pub(super) async fn unfollow(&mut self, link: &mut Link, pick: u32) {
        let open: Vec<(usize, usize)> = self.with_session(link.session, |feeds| {
            let feeds = feeds.iter().enumerate();
            let open = feeds.filter(|(_, feed)| feed.open.is_some() && feed.ending.is_none());
            open.map(|(number, feed)| (number, feed.room)).collect()
        });
        let Some((number, room)) = choose(pick, &open) else {
            return;
        };
        let Some(info) = self.world.rooms.get(room) else {
            return;
        };
        let (id, now) = (info.id, self.world.now());
        self.with_feed(link.session, number, |feed| feed.ending = Some(now));
        let done = move |reply| Answer::Unfollowed(room, number, reply);
        link.request((LEAVE_ROOM, vec![json!(id)]), done).await;
    }

    /// The feed has ended; it is asked for again.
    pub(super) fn unfollowed(
        &mut self,
        link: &mut Link,
        (room, number): (usize, usize),
        reply: Reply,
    ) {
        let Some(done) = self.done(link, reply) else {
            return;
        };
        let now = self.world.now();
        self.with_feed(link.session, number, |feed| {
            feed.ended = done.then_some(now);
        });
        link.to_sync.insert(room);
    }

    /// Whether it was done; `None` if there is nothing to go on with.
    fn done(&self, link: &mut Link, reply: Reply) -> Option<bool> {
        let Some(answer) = reply else {
            link.broken = true;
            return None;
        };
        // The end of the connection is told by its events.
        let first = answer.ok()?.into_iter().next().unwrap_or_default();
        let done = serde_json::from_value::<Success<Value>>(first).is_ok();
        if !done {
            at(&self.desk, |state| state.record.unavailable += 1);
        }
        Some(done)
    }

    fn with_session<T: Default>(&self, session: usize, act: impl FnOnce(&mut Vec<Feed>) -> T) -> T {
        at(&self.desk, |state| {
            let session = state.record.sessions.get_mut(session);
            session.map_or_else(T::default, |session| act(&mut session.feeds))
        })
    }

    fn with_feed(&self, session: usize, number: usize, act: impl FnOnce(&mut Feed)) {
        self.with_session(session, |feeds| feeds.get_mut(number).map_or((), act));
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

fn first_word(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_owned()
}
