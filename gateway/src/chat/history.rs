//! Reading messages and rooms.

use roomwire_shared::{MessageId, RoomId, UserId};

use super::Chat;
use crate::{
    domain::{Author, ChatError, Direction, Page},
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

/// A message, who wrote it, and whether somebody else has read it.
#[derive(Debug)]
pub(crate) struct AuthoredMessage {
    pub(crate) message: MessageRow,
    pub(crate) author: Author,
    pub(crate) read: bool,
}

impl Chat {
    /// A page of one room of the caller's.
    pub(crate) async fn room_messages(
        &self,
        user: &UserId,
        room: RoomId,
        page: Page,
        direction: Direction,
    ) -> Result<Vec<AuthoredMessage>, ChatError> {
        let store = &self.0.store;
        let readable = store.readable(room, user).await?;
        let readable = readable.ok_or_else(ChatError::no_room)?;
        if page.limit == 0 || page.skip >= readable.count {
            return Ok(Vec::new());
        }
        let messages = store.page_of_room(readable, page, direction).await?;
        self.authored(room, messages).await
    }

    /// One message of a room of the caller's, if it still exists.
    pub(crate) async fn room_message(
        &self,
        user: &UserId,
        room: RoomId,
        message: MessageId,
    ) -> Result<Option<AuthoredMessage>, ChatError> {
        let found = self.0.store.message(message, user).await?;
        let mut found = self.authored(room, found.into_iter().collect()).await?;
        Ok(found.pop())
    }

    async fn authored(
        &self,
        room: RoomId,
        messages: Vec<MessageRow>,
    ) -> Result<Vec<AuthoredMessage>, ChatError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let mut senders: Vec<UserId> = messages.iter().map(|m| m.sender.clone()).collect();
        senders.sort_unstable();
        senders.dedup();
        let authors = self.0.store.profiles(&senders).await?;
        let readers = self.0.store.farthest_readers(room).await?;
        let authored = messages.into_iter().map(|message| {
            let read = readers
                .iter()
                .any(|(user, mark)| *user != message.sender && *mark >= message.position);
            AuthoredMessage {
                author: authors.get(&message.sender).cloned().unwrap_or_default(),
                read,
                message,
            }
        });
        Ok(authored.collect())
    }

    /// A page of one room, or of all the caller's rooms, newest first, and how many there are.
    pub(crate) async fn messages(
        &self,
        user: &UserId,
        room: Option<RoomId>,
        page: Page,
    ) -> Result<(Vec<ReadMessage>, i64), ChatError> {
        let store = &self.0.store;
        let (count, readable) = match room {
            Some(room) => {
                let readable = store.readable(room, user).await?;
                let readable = readable.ok_or_else(ChatError::no_room)?;
                (readable.count, Some(readable))
            }
            None => (store.count_everywhere(user).await?, None),
        };
        if page.limit == 0 || page.skip >= count {
            return Ok((Vec::new(), count));
        }
        let messages = match readable {
            Some(of) => store.page_of_room(of, page, Direction::Descending).await?,
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
