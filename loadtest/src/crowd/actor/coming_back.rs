//! A client of the contract of chats is connected: which feeds go on, and when it has what it missed.

use std::collections::BTreeMap;

use rand::RngExt;
use roomwire_shared::chats::event::GET_LIST_CHAT;
use serde_json::json;

use super::answer::{Answer, Reply};
use crate::crowd::actor::memory::at_both_ends;
use crate::crowd::actor::session::Link;
use crate::crowd::actor::{Actor, at};
use crate::truth::record::{Feed, Moment, Remembered};

/// How often a feed that goes on is asked for all the same.
const JOINS_AGAIN_ONE_IN: u32 = 4;

impl Actor {
    /// The feeds that a new connection takes up, where this was expected before it began.
    pub(super) fn take_up(
        &self,
        expected: BTreeMap<usize, Remembered>,
        opened: Moment,
    ) -> Vec<Feed> {
        let known = at_both_ends(expected, self.memory.taken_up(opened));
        let known = known.into_iter().map(|(room, remembered)| {
            let unknown = self.world.join_again;
            (
                room,
                if unknown {
                    Remembered::Perhaps
                } else {
                    remembered
                },
            )
        });
        let feeds = known.map(|(room, remembered)| Feed {
            room,
            remembered,
            asked: opened,
            open: (remembered == Remembered::Surely).then_some(opened),
            ending: None,
            ended: None,
        });
        feeds.collect()
    }

    /// Asks for the newest chat, as clients do for their lists when they are connected, and no more
    /// for the feeds that go on, except now and then.
    pub(super) async fn begin_chats(&mut self, link: &mut Link) {
        let going_on: Vec<usize> = self.with_session(link.session, |feeds| {
            let surely = feeds.iter().filter(|feed| feed.open.is_some());
            surely.map(|feed| feed.room).collect()
        });
        for room in going_on {
            if !self.dice.random_ratio(1, JOINS_AGAIN_ONE_IN) {
                link.to_sync.remove(&room);
            }
        }
        let newest = vec![json!({ "limit": 1 })];
        link.request((GET_LIST_CHAT, newest), Answer::Greeted).await;
    }

    /// The first question on a connection is answered, so what was missed has come.
    pub(super) fn greeted(&mut self, link: &mut Link, reply: &Reply) {
        match reply {
            None => link.broken = true,
            // The end of the connection is told by its events.
            Some(Err(_)) => {}
            Some(Ok(_)) => {
                let now = self.world.now();
                at(&self.desk, |state| {
                    if let Some(session) = state.record.sessions.get_mut(link.session) {
                        session.greeted = Some(now);
                    }
                });
                self.caught_up_with_chats(link.session);
            }
        }
    }

    /// Notes that nothing is waited for any more, if that is so.
    pub(super) fn caught_up_with_chats(&self, session: usize) {
        let greeted = at(&self.desk, |state| {
            let session = state.record.sessions.get(session);
            session.is_some_and(|session| session.greeted.is_some())
        });
        let waiting = self.with_session(session, |feeds| {
            let mut asked = feeds.iter().filter(|f| f.remembered == Remembered::No);
            asked.any(|feed| feed.open.is_none())
        });
        if greeted && !waiting {
            self.caught_up(session, self.world.now());
        }
    }
}
