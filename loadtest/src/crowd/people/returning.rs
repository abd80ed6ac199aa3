//! What a person missed while there was no connection: by `sync` in the contract of rooms, by pages of
//! each chat, from the newest back to what is known, in that of chats.

use std::sync::Arc;
use std::time::Duration;

use roomwire_shared::RoomId;
use roomwire_shared::change::Change;
use roomwire_shared::chats::event::{GET_LIST_MESSAGE, JOIN_ROOM};
use roomwire_shared::event::{RoomSync, SYNC, SyncAck};
use serde_json::{Map, Value, json};

use super::person::Person;
use super::session::{AGAIN_AFTER, Link, What};
use super::tally::Operation;
use crate::client::CloseReason;
use crate::load::stamp::Stamp;
use crate::truth::feed::Way;

/// Messages on a page of a chat; the largest page there is.
const PAGE: u32 = 100;
/// Messages of a chat that are looked at when coming back at the most.
const LOOKED_AT_MAX: u32 = 10_000;

/// A page of a chat that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listing {
    pub(super) room: u32,
    offset: u32,
    /// The newest message of the first page.
    newest: Option<u32>,
}

impl Person {
    /// The rooms that they may be in now.
    pub(super) fn rooms(&mut self) -> Vec<u32> {
        let sure = self.who().map(|who| who.rooms().clone());
        for room in sure.unwrap_or_default() {
            self.place(room);
        }
        let may_be_inside = |number: &u32| {
            let room = self.shared.room(*number);
            room.is_some_and(|room| room.members().may_be_inside(self.me))
        };
        let rooms = self.kept.rooms.iter().map(|held| held.room);
        rooms.filter(may_be_inside).collect()
    }

    /// From where the rooms are to be read.
    pub(super) async fn sync(&mut self, link: &mut Link) -> Result<(), CloseReason> {
        let mut positions = Map::new();
        let rooms = if self.known { self.rooms() } else { Vec::new() };
        let shared = Arc::clone(&self.shared);
        for number in rooms {
            let Some(room) = shared.room(number) else {
                continue;
            };
            // What is before their joining is history, which nobody owes them.
            let from = room.members().from(self.me);
            if let Some(held) = self.held(number) {
                held.position = held.position.max(from);
                positions.insert(room.id.to_string(), held.position.into());
            }
        }
        if positions.is_empty() {
            self.caught_up(link);
            return Ok(());
        }
        let arguments = [Value::Object(positions)];
        link.ask(What::Synced, (SYNC, &arguments)).await
    }

    /// Everything is held: what comes from now on is live.
    pub(super) fn caught_up(&mut self, link: &mut Link) {
        let now = self.shared.now();
        let since = link.missing_since.take();
        if let Some(since) = since.filter(|_| self.known) {
            let took = Duration::from_micros(now.saturating_sub(since));
            self.shared.tally.took(Operation::Return, now, took);
        }
        if !self.known {
            self.known = true;
            self.kept.here = Some((now, None));
        }
        self.shared.tally.came();
    }

    /// Takes what was missed, and asks for more if there is more.
    pub(super) async fn synced(
        &mut self,
        link: &mut Link,
        answer: Value,
    ) -> Result<(), CloseReason> {
        let Ok(ack) = serde_json::from_value::<SyncAck>(answer) else {
            // For now; what is missing is asked for again on the next connection.
            self.shared
                .tally
                .failed("asked to try again", self.shared.now());
            tokio::time::sleep(AGAIN_AFTER).await;
            return self.sync(link).await;
        };
        let mut more = Map::new();
        for (room, sync) in ack.rooms {
            let RoomSync::Changes(page) = sync else {
                continue;
            };
            for change in &page.changes {
                if let Change::Message { position, message } = change {
                    let text = (message.message.as_str(), message.room);
                    self.note(text, Some(*position), (Way::CaughtUp, None));
                }
            }
            let number = room.parse().ok();
            let number = number.and_then(|id: RoomId| self.shared.numbers.get(&id).copied());
            if let Some(held) = number.and_then(|number| self.held(number)) {
                held.position = held.position.max(page.position);
            }
            if page.more {
                more.insert(room, page.position.into());
            }
        }
        if more.is_empty() {
            self.caught_up(link);
            return Ok(());
        }
        link.ask(What::Synced, (SYNC, &[Value::Object(more)])).await
    }

    /// Asks for the feed of a chat, and for what was written in it unless everything before counts as
    /// known.
    pub(super) async fn follow(&mut self, link: &mut Link, room: u32) -> Result<(), CloseReason> {
        let Some(id) = self.shared.room(room).map(|room| room.id) else {
            return Ok(());
        };
        let known = self.known;
        if let Some(held) = self.held(room) {
            held.behind = known;
        }
        link.ask(What::Joined(room), (JOIN_ROOM, &[json!(id)]))
            .await?;
        if !known {
            return Ok(());
        }
        let first = Listing {
            room,
            offset: 0,
            newest: None,
        };
        self.list(link, first).await
    }

    async fn list(&mut self, link: &mut Link, listing: Listing) -> Result<(), CloseReason> {
        let Some(id) = self.shared.room(listing.room).map(|room| room.id) else {
            return Ok(());
        };
        let page = json!({ "chat_id": id, "offset": listing.offset, "limit": PAGE });
        link.ask(What::Listed(listing), (GET_LIST_MESSAGE, &[page]))
            .await
    }

    /// Asks for the feeds that wait for it.
    pub(super) async fn follow_all(&mut self, link: &mut Link) -> Result<(), CloseReason> {
        for room in std::mem::take(&mut self.to_follow) {
            self.follow(link, room).await?;
        }
        Ok(())
    }

    /// Takes a page of a chat, and asks for the one before it if something may be missing there.
    pub(super) async fn listed(
        &mut self,
        link: &mut Link,
        listing: Listing,
        answer: &Value,
    ) -> Result<(), CloseReason> {
        let Some(id) = self.shared.room(listing.room).map(|room| room.id) else {
            return Ok(());
        };
        let messages = answer.get("data").and_then(Value::as_array);
        let mut page = Vec::new();
        for text in messages.into_iter().flatten() {
            if let Some(text) = text.get("text").and_then(Value::as_str) {
                self.note((text, id), None, (Way::CaughtUp, None));
                page.extend(Stamp::read(text));
            }
        }
        let newest = listing.newest.or(page.first().map(|first| first.sequence));
        let next = Listing {
            offset: listing.offset + PAGE,
            newest,
            ..listing
        };
        let is_last = u32::try_from(page.len()).is_ok_and(|length| length < PAGE);
        if !is_last && next.offset < LOOKED_AT_MAX && !self.reaches_back(listing.room, &page) {
            return self.list(link, next).await;
        }
        if let Some(held) = self.held(listing.room) {
            held.newest = newest.or(held.newest);
            held.behind = false;
        }
        Ok(())
    }

    /// Whether nothing before this page is missing: it shows a message up to which everything was heard, or
    /// only such as were due before anything was owed.
    fn reaches_back(&mut self, number: u32, page: &[Stamp]) -> bool {
        let since = self.kept.here.map_or(0, |(from, _)| from);
        let room = self.shared.room(number);
        let since = room.map_or(since, |room| room.members().since(self.me).max(since));
        let newest = self.held(number).and_then(|held| held.newest);
        let mut page = page.iter();
        page.clone().all(|stamp| stamp.intended_us < since)
            || page.any(|stamp| Some(stamp.sequence) == newest)
    }
}
