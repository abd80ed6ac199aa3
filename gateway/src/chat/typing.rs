//! Somebody types.

use roomwire_shared::{RoomId, UserId, chats::event::Typing};

use super::Chat;
use crate::{
    bus::{Hint, Publication, Topic},
    domain::ChatError,
    live::Connection,
};

impl Chat {
    /// Shows to the other members of a room that the connection's user types, or has stopped. Kept
    /// nowhere.
    pub(crate) async fn relay_typing(
        &self,
        connection: &Connection,
        room: RoomId,
        (typing, message): (Typing, String),
    ) -> Result<(), ChatError> {
        let user = connection.user();
        self.check_member(connection, room).await?;
        self.0.hub.show_typing(room, user, (typing, &message));
        let hint = Hint::Typing {
            user: UserId::clone(user),
            typing,
            message,
        };
        let publication = Publication::new([(Topic::Room(room), hint)], None);
        self.0.publisher.publish(publication);
        Ok(())
    }

    /// Asks Postgres only where this node does not know the connection as a member.
    async fn check_member(&self, connection: &Connection, room: RoomId) -> Result<(), ChatError> {
        if self.0.hub.has(room, connection) {
            return Ok(());
        }
        let membership = self.0.store.membership(connection.user(), room).await?;
        membership.map(|_| ()).ok_or_else(ChatError::no_room)
    }
}
