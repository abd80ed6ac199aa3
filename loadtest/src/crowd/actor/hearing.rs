//! What an actor hears.

use rand::RngExt;
use rand::rngs::StdRng;
use roomwire_shared::RoomId;
use roomwire_shared::event::{
    MESSAGE, MESSAGE_DELETED, MESSAGE_EDITED, Message, MessageDeleted, MessageEdited, ROOM_JOINED,
    RoomJoined,
};
use serde::de::DeserializeOwned;

use crate::client::{Contract, Event};
use crate::crowd::actor::errands::ERRANDS_MAX;
use crate::crowd::actor::session::Link;
use crate::crowd::actor::{Actor, at};
use crate::truth::copy::{Held, Live};
use crate::truth::record::Heard;

impl Actor {
    /// Notes an event and applies it.
    pub(super) fn hear(&mut self, link: &mut Link, event: &Event) {
        at(&self.desk, |state| state.record.events += 1);
        if self.contract() != Contract::Rooms {
            self.hear_chat(link, event);
            return;
        }
        match event.name.as_str() {
            MESSAGE => {
                if let Some(message) = parse::<Message<'static>>(event) {
                    self.hear_message(link, message);
                }
            }
            MESSAGE_EDITED => {
                if let Some(edited) = parse::<MessageEdited<'static>>(event) {
                    let live = Live::Edited(edited.message_id, edited.message.into_owned());
                    self.apply(edited.room, live);
                }
            }
            MESSAGE_DELETED => {
                if let Some(deleted) = parse::<MessageDeleted>(event) {
                    self.apply(deleted.room, Live::Deleted(deleted.message_id));
                }
            }
            ROOM_JOINED => {
                if let Some(joined) = parse::<RoomJoined<'static>>(event)
                    && let Some(room) = self.world.room(joined.room)
                {
                    // Also a room that is known: the server may have lost sight of its member.
                    self.enter(room);
                    link.to_sync.insert(room);
                }
            }
            _ => {}
        }
    }

    fn hear_message(&mut self, link: &Link, message: Message<'static>) {
        let (Some(room), Some(meta)) = (self.world.room(message.room), message.meta) else {
            return;
        };
        let key = message.message.split(' ').next().unwrap_or_default();
        let heard = Heard {
            room,
            id: meta.id,
            position: meta.position,
            key: key.to_owned(),
            at: self.world.now(),
        };
        let held = Held {
            sender: message.sender,
            text: message.message.into_owned(),
        };
        self.apply(message.room, Live::Written(meta.id, held, meta.position));
        self.note_heard(link, heard);
    }

    /// Notes a message that was heard, and sometimes has a look whether it can be read.
    pub(super) fn note_heard(&mut self, link: &Link, heard: Heard) {
        let room = heard.room;
        at(&self.desk, |state| {
            if let Some(session) = state.record.sessions.get_mut(link.session) {
                session.heard.push(heard.clone());
            }
        });
        let member = self.world.stays.is_member(room, self.me);
        let looks = |dice: &mut StdRng, one_in| one_in > 0 && dice.random_ratio(1, one_in);
        let looks = member && looks(&mut self.dice, self.world.look_one_in);
        if looks && self.errands.len() < ERRANDS_MAX {
            self.look(heard);
        }
    }

    fn apply(&self, room: RoomId, live: Live) {
        let Some(room) = self.world.room(room) else {
            return;
        };
        at(&self.desk, |state| {
            if let Some(copy) = state.copies.get_mut(&room) {
                copy.hear(live);
            }
        });
    }
}

fn parse<T: DeserializeOwned>(event: &Event) -> Option<T> {
    serde_json::from_value(event.arguments.first()?.clone()).ok()
}
