//! What a person hears, live or as part of what was missed.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use roomwire_shared::RoomId;
use roomwire_shared::event::MESSAGE;
use serde::Deserialize;

use super::person::{Forbidden, Person};
use super::session::Link;
use super::tally::Operation;
use crate::client::Contract;
use crate::load::stamp::Stamp;
use crate::truth::feed::Way;
use crate::truth::room_log::Micros;

/// A message of the contract of rooms, as `meta` sockets get it.
#[derive(Deserialize)]
struct InRoom<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
    room: RoomId,
    position: i64,
}

/// A message of the contract of chats.
#[derive(Deserialize)]
struct InChat<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    chat_id: RoomId,
}

impl Person {
    /// Takes an event.
    pub(super) fn hear(&mut self, link: &Link, payload: &str) {
        if link.contract == Contract::Rooms {
            let message = serde_json::from_str::<(Cow<'_, str>, InRoom<'_>)>(payload);
            if let Ok((name, body)) = message
                && name == MESSAGE
            {
                self.take(link, (&body.message, body.room), Some(body.position));
            }
        } else if payload.starts_with("[\"room_new_message:") {
            let message = serde_json::from_str::<(Cow<'_, str>, InChat<'_>)>(payload);
            match message {
                Ok((_, body)) => self.take(link, (&body.text, body.chat_id), None),
                Err(_) => self.kept.foreign += 1,
            }
        }
    }

    /// Notes a message that came live, or as part of what was missed.
    fn take(&mut self, link: &Link, (text, room): (&str, RoomId), position: Option<i64>) {
        let way = if link.missing_since.is_some() {
            Way::CaughtUp
        } else {
            Way::Live
        };
        if let Some((due, true)) = self.note((text, room), position, (way, Some(link)))
            && way == Way::Live
        {
            let now = self.shared.now();
            let took = Duration::from_micros(now.saturating_sub(due));
            self.shared.tally.took(Operation::Delivery, due, took);
        }
        self.shared.tally.came();
    }

    /// Notes a message; when it was due, and whether it is new.
    pub(super) fn note(
        &mut self,
        (text, room): (&str, RoomId),
        position: Option<i64>,
        (way, link): (Way, Option<&Link>),
    ) -> Option<(Micros, bool)> {
        let of_rooms = self.who()?.contract() == Contract::Rooms;
        let number = self.shared.numbers.get(&room).copied();
        let stamp = Stamp::read(text).filter(|stamp| Some(stamp.room) == number);
        let held = number.and_then(|number| self.place_of_member(number));
        let (Some(stamp), Some(at)) = (stamp, held) else {
            self.kept.foreign += 1;
            return None;
        };
        self.check_membership(stamp, (way, link));
        let shared = Arc::clone(&self.shared);
        let (held, room) = (self.kept.rooms.get_mut(at)?, shared.room(stamp.room)?);
        let new = {
            let mut log = room.log();
            // One's own do not come back in the contract of rooms, but to other connections than the
            // one that sent them.
            if of_rooms && stamp.sender == self.me {
                let sent_here = link.is_some_and(|link| link.begun <= stamp.intended_us);
                self.kept.echoed += u64::from(sent_here);
                false
            } else {
                held.feed.hear(&mut log, (stamp.sequence, position), way)
            }
        };
        // What comes before everything missed is there may be lost once more with what is missed.
        if way == Way::Live {
            held.position = held.position.max(position.unwrap_or_default());
            if !held.behind {
                held.newest = Some(stamp.sequence);
            }
        }
        Some((stamp.intended_us, new && stamp.sender != self.me))
    }

    /// Where a room stands among those that are held, also one that the person is becoming a member of.
    fn place_of_member(&mut self, room: u32) -> Option<usize> {
        let mut held = self.kept.rooms.iter();
        if let Some(at) = held.position(|held| held.room == room) {
            return Some(at);
        }
        let moved = self.shared.room(room)?.members().has_moved(self.me);
        moved.then(|| self.place(room))
    }

    /// Notes that a message came to somebody who had left before it was sent, if that is so.
    fn check_membership(&mut self, stamp: Stamp, (way, link): (Way, Option<&Link>)) {
        let (room, number) = (stamp.room, stamp.sequence);
        let Some(of) = self.shared.room(room) else {
            return;
        };
        let due = of.log().due(number);
        let members = of.members();
        if due.is_some_and(|due| members.is_forbidden(self.me, due)) {
            self.kept.after_leave += 1;
            self.kept.after_leave_first.get_or_insert(Forbidden {
                room,
                number,
                at: self.shared.now(),
                way,
                begun: link.map(|link| link.begun),
            });
        }
    }
}
