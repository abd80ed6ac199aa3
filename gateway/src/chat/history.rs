//! Reading messages and rooms.

use roomwire_shared::{MessageId, RoomId, UserId};

use super::Chat;
use crate::{
    domain::{ChatError, Page},
    store::{MessageRow, Readers, RoomRow},
};

/// A message, and who has read it.
#[derive(Debug)]
pub(crate) struct ReadMessage {
    pub(crate) message: MessageRow,
    pub(crate) read_by: Vec<UserId>,
}

impl ReadMessage {
    pub(super) fn new(message: MessageRow, readers: &Readers) -> Self {
        Self {
            read_by: readers.of(&message),
            message,
        }
    }
}

impl Chat {
    /// A page of one room, or of all the caller's rooms, newest first, and how many there are.
    pub(crate) async fn messages(
        &self,
        user: &UserId,
        room: Option<RoomId>,
        page: Page,
    ) -> Result<(Vec<ReadMessage>, i64), ChatError> {
        let store = &self.0.store;
        let count = match room {
            Some(room) => store
                .count_in_room(room, user)
                .await?
                .ok_or_else(ChatError::no_room)?,
            None => store.count_everywhere(user).await?,
        };
        if page.limit == 0 || page.skip >= count {
            return Ok((Vec::new(), count));
        }
        let messages = match room {
            Some(room) => store.page_of_room(room, page).await?,
            None => store.page_everywhere(user, page).await?,
        };
        let readers = store.readers(&messages).await?;
        let messages = messages
            .into_iter()
            .map(|message| ReadMessage::new(message, &readers))
            .collect();
        Ok((messages, count))
    }

    /// One message of a room of the caller's.
    pub(crate) async fn message(
        &self,
        user: &UserId,
        message: MessageId,
    ) -> Result<ReadMessage, ChatError> {
        let found = self.0.store.message(message, user).await?;
        let message = found
            .ok_or_else(|| ChatError::new(crate::domain::Kind::NotFound, "no such message"))?;
        let readers = self.0.store.readers(std::slice::from_ref(&message)).await?;
        Ok(ReadMessage::new(message, &readers))
    }

    /// A page of the caller's rooms, and how many there are.
    pub(crate) async fn rooms(
        &self,
        user: &UserId,
        page: Page,
    ) -> Result<(Vec<RoomRow>, i64), ChatError> {
        Ok(self.0.store.rooms(user, page).await?)
    }

    /// One room of the caller's.
    pub(crate) async fn room(&self, user: &UserId, room: RoomId) -> Result<RoomRow, ChatError> {
        self.0
            .store
            .room(room, user)
            .await?
            .ok_or_else(ChatError::no_room)
    }
}
