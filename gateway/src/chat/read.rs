//! A user has read a room.

use roomwire_shared::{RoomId, UserId};

use super::Chat;
use crate::{
    bus::{Hint, Publication, Topic},
    domain::{ChatError, Origin},
};

impl Chat {
    /// Moves the caller's read mark to the head of the room and returns where it stands. Others are
    /// told only if it moved.
    pub(crate) async fn mark_read(
        &self,
        user: &UserId,
        room: RoomId,
        origin: Option<Origin>,
    ) -> Result<i64, ChatError> {
        let mark = self
            .0
            .store
            .mark_read(room, user)
            .await?
            .ok_or_else(ChatError::no_room)?;
        if mark.moved {
            self.0.hub.show_read(room, user, origin.as_ref());
            let hint = Hint::Read {
                user: user.clone(),
                origin,
            };
            let publication = Publication::new([(Topic::Room(room), hint)], None);
            self.0.publisher.publish(publication);
        }
        Ok(mark.position)
    }
}
