//! The live feed of a room, which a connection of contract B asks for.

use std::sync::Arc;

use roomwire_shared::RoomId;

use super::Chat;
use crate::{domain::ChatError, live::Connection};

impl Chat {
    /// Starts the feed. Whatever is committed in the room after this returned reaches the
    /// connection.
    pub(crate) async fn join_feed(
        &self,
        connection: &Arc<Connection>,
        room: RoomId,
    ) -> Result<(), ChatError> {
        let hub = &self.0.hub;
        if hub.feed(room, connection, true) {
            return Ok(());
        }
        // The membership may be so new that this node has not heard of it.
        let membership = self.0.store.membership(connection.user(), room).await?;
        let membership = membership.ok_or_else(ChatError::no_room)?;
        hub.follow_log(&membership)
            .await
            .map_err(|_| ChatError::unavailable())?;
        if hub.feed(room, connection, true) {
            Ok(())
        } else {
            Err(ChatError::no_room())
        }
    }

    /// Ends the feed; a room without one is left as it is.
    pub(crate) fn leave_feed(&self, connection: &Connection, room: RoomId) {
        self.0.hub.feed(room, connection, false);
    }
}
