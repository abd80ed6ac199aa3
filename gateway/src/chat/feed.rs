//! The live feed of a room, which a connection of contract B asks for.

use std::sync::Arc;

use roomwire_shared::RoomId;

use super::Chat;
use crate::{domain::ChatError, live::Connection};

impl Chat {
    /// Starts the feed and remembers it for the user's sockets to come. Whatever is committed in the
    /// room after this returned reaches the connection, also if it returns that the feed could not be
    /// remembered.
    pub(crate) async fn join_feed(
        &self,
        connection: &Arc<Connection>,
        room: RoomId,
    ) -> Result<(), ChatError> {
        self.start_feed(connection, room).await?;
        if self.0.rules.feed_memory.is_none() {
            return Ok(());
        }
        let is_member = self.0.feeds.remember(connection.user(), room).await?;
        // Otherwise the membership has just ended, and the log ends the feed.
        is_member.then_some(()).ok_or_else(ChatError::no_room)
    }

    async fn start_feed(
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

    /// Ends the feed on this connection, and forgets it for the user's sockets to come; those that
    /// are there keep theirs. A room without a feed is left as it is. On an error it has ended here,
    /// and is perhaps not forgotten.
    pub(crate) async fn leave_feed(
        &self,
        connection: &Connection,
        room: RoomId,
    ) -> Result<(), ChatError> {
        self.0.hub.feed(room, connection, false);
        if self.0.rules.feed_memory.is_some() {
            self.0.store.forget_feed(connection.user(), room).await?;
        }
        Ok(())
    }
}
