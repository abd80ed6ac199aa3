//! What a person missed while there was no connection: by `sync` in the contract of rooms, by the newest
//! page of each chat in that of chats.

use std::time::Duration;

use roomwire_shared::RoomId;
use roomwire_shared::change::Change;
use roomwire_shared::event::{RoomSync, SYNC, SyncAck};
use serde_json::{Map, Value};

use super::person::{Held, Person};
use super::session::{AGAIN_AFTER, Link, What};
use super::tally::Operation;
use crate::client::CloseReason;
use crate::truth::feed::Way;

impl Person {
    /// From where the rooms are to be read.
    pub(super) async fn sync(&mut self, link: &mut Link) -> Result<(), CloseReason> {
        let mut positions = Map::new();
        if self.known {
            for held in &self.kept.rooms {
                if let Some(room) = self.shared.room(held.room) {
                    positions.insert(room.id.to_string(), held.position.into());
                }
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
                held.feed.joined(now);
            }
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
            if let Some(held) = room.parse().ok().and_then(|id: RoomId| self.held(id)) {
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

    fn held(&mut self, id: RoomId) -> Option<&mut Held> {
        let number = self.shared.numbers.get(&id).copied()?;
        self.kept.rooms.iter_mut().find(|held| held.room == number)
    }

    /// The newest messages of a chat, among them what was missed.
    pub(super) fn listed(&mut self, room: u32, answer: &Value) {
        let Some(id) = self.shared.room(room).map(|room| room.id) else {
            return;
        };
        let messages = answer.get("data").and_then(Value::as_array);
        for text in messages.into_iter().flatten() {
            if let Some(text) = text.get("text").and_then(Value::as_str) {
                self.note((text, id), None, (Way::CaughtUp, None));
            }
        }
    }
}
