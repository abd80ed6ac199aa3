//! What a person missed while there was no connection: by `sync` in the contract of rooms, by pages of each
//! chat, the newest first, in that of chats.

use std::sync::Arc;
use std::time::Duration;

use roomwire_shared::RoomId;
use roomwire_shared::change::Change;
use roomwire_shared::chats::event::{GET_LIST_MESSAGE, JOIN_ROOM};
use roomwire_shared::event::{RoomSync, SYNC, SyncAck};
use serde_json::{Map, Value, json};

use super::person::Person;
use super::session::{AGAIN_AFTER, Link, Listing, What};
use super::tally::Operation;
use crate::client::CloseReason;
use crate::load::stamp::Stamp;
use crate::truth::feed::Way;
use crate::truth::room_log::Micros;

/// Messages on a page of a chat; the most there can be.
const PAGE: u32 = 100;
/// Messages of a chat that are read back at the most when coming back.
const READ_BACK_MAX: u32 = 20_000;
/// Nobody is away for so long, and nothing that was due before is still on its way.
const LONG_AGO: Micros = 600_000_000;

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
            for held in &mut self.kept.rooms {
                held.whole = true;
            }
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

    /// Asks for the feed of a chat, and for its newest messages unless everything before counts as known.
    pub(super) async fn follow(&mut self, link: &mut Link, room: u32) -> Result<(), CloseReason> {
        let Some(id) = self.shared.room(room).map(|room| room.id) else {
            return Ok(());
        };
        self.place(room);
        link.ask(What::Joined(room), (JOIN_ROOM, &[json!(id)]))
            .await?;
        if self.known {
            let listing = Listing {
                room,
                offset: 0,
                known: 0,
            };
            list(link, id, listing).await?;
        }
        Ok(())
    }

    /// Asks for the feeds that wait for it.
    pub(super) async fn follow_all(&mut self, link: &mut Link) -> Result<(), CloseReason> {
        for room in std::mem::take(&mut self.to_follow) {
            self.follow(link, room).await?;
        }
        Ok(())
    }

    /// Takes a page of a chat, and asks for the next one unless everything that was missed is there.
    ///
    /// It is once more messages were known than have come by themselves since everything was there last:
    /// one of them is from the time before, and whatever is older was known as well.
    pub(super) async fn listed(
        &mut self,
        link: &mut Link,
        mut listing: Listing,
        answer: &Value,
    ) -> Result<(), CloseReason> {
        let Some(id) = self.shared.room(listing.room).map(|room| room.id) else {
            return Ok(());
        };
        let recently = self.shared.now().saturating_sub(LONG_AGO);
        let (mut count, mut recent) = (0, false);
        let messages = answer.get("data").and_then(Value::as_array);
        for message in messages.into_iter().flatten() {
            count += 1;
            let Some(text) = message.get("text").and_then(Value::as_str) else {
                continue;
            };
            let own = Stamp::read(text).is_none_or(|stamp| stamp.sender == self.me);
            if let Some((due, new)) = self.note((text, id), None, (Way::CaughtUp, None)) {
                listing.known += u32::from(!new && !own);
                recent |= due >= recently;
            }
        }
        listing.offset += count;
        let Some(held) = self.held(listing.room) else {
            return Ok(());
        };
        let enough = listing.known > held.live || count < PAGE || !recent;
        held.whole = enough || listing.offset >= READ_BACK_MAX;
        if held.whole {
            return Ok(());
        }
        list(link, id, listing).await
    }
}

async fn list(link: &mut Link, id: RoomId, listing: Listing) -> Result<(), CloseReason> {
    let page = json!({ "chat_id": id, "offset": listing.offset, "limit": PAGE });
    link.ask(What::Listed(listing), (GET_LIST_MESSAGE, &[page]))
        .await
}
