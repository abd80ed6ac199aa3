//! Writing, changing and deleting messages.

use roomwire_shared::{MessageId, RoomId, UserId};

use super::{Chat, append::Sent, unix_seconds};
use crate::{
    bus::{Hint, Publication, Topic},
    domain::{ChatError, ClientId, LogEntry, MessageText, NewMessage, Origin, Principal, What},
    store::Changed,
};

impl Chat {
    /// Submits a message to group commit. Waits only while the lane of its room is full; the
    /// receipt comes once the message is durable. Messages that are submitted one after the other
    /// to one lane are committed in that order.
    pub(crate) async fn send_message(
        &self,
        sender: &Principal,
        room: RoomId,
        text: MessageText,
        (client_id, origin): (Option<ClientId>, Option<Origin>),
    ) -> Result<Sent, ChatError> {
        let message = NewMessage {
            id: MessageId::new(unix_seconds(), rand::random()),
            room,
            sender: sender.user.clone(),
            text,
            client_id,
            origin,
            author: sender.author.clone(),
            expected: self.0.hub.has_user(room, &sender.user),
        };
        self.0.lanes.submit(message).await
    }

    /// Gives a message of the caller's a new text.
    pub(crate) async fn edit_message(
        &self,
        by: &UserId,
        message: MessageId,
        text: MessageText,
    ) -> Result<(), ChatError> {
        let changed = self.0.store.edit(message, by, text.as_str()).await?;
        let what = What::Edited {
            id: message,
            text: text.into_string(),
        };
        self.publish_change(changed.ok_or_else(ChatError::no_message)?, what);
        Ok(())
    }

    /// Deletes a message of the caller's.
    pub(crate) async fn delete_message(
        &self,
        by: &UserId,
        message: MessageId,
    ) -> Result<(), ChatError> {
        let changed = self.0.store.delete(message, by).await?;
        let what = What::Deleted { id: message };
        self.publish_change(changed.ok_or_else(ChatError::no_message)?, what);
        Ok(())
    }

    fn publish_change(&self, changed: Changed, what: What) {
        let entry = LogEntry {
            position: changed.position,
            what,
        };
        self.0.hub.offer(changed.room, vec![entry.clone()]);
        let hint = (Topic::Room(changed.room), Hint::Entries(vec![entry]));
        let publication = Publication::new([hint], changed.outbox);
        self.0.publisher.publish(publication);
    }
}
