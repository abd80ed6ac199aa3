//! What changed since a position, for clients that ask.

use std::collections::HashMap;

use roomwire_shared::{MessageId, RoomId, UserId};

use super::{Chat, history::ReadMessage, together::Together};
use crate::{
    domain::ChatError,
    store::{ApiChange, MessageRow, RoomChanges, Since, Store},
    workers::Workers,
};

/// Rooms with changes that one answer goes into; the others are told to ask again.
const ROOMS_MAX: usize = 50;
/// Changes per room that an answer has space for, however many rooms it is about.
const PER_ROOM_MIN: i64 = 20;

/// What an answer says about one room.
#[derive(Debug)]
pub(crate) enum SyncedRoom {
    /// No such room, or the caller is not a member.
    Gone,
    Changes {
        position: i64,
        more: bool,
        reset: bool,
        changes: Vec<(i64, View)>,
    },
}

/// One change, ready to be shown.
#[derive(Debug)]
pub(crate) enum View {
    Message(ReadMessage),
    Deleted(MessageId),
    Member { user: UserId, joined: bool },
    Room { name: String },
}

/// The queue of those who ask where their rooms' logs stand.
pub(super) type Heads = Together<(UserId, Vec<RoomId>), HashMap<RoomId, i64>>;

/// Starts the queue.
pub(super) fn start(store: Store, workers: &Workers) -> Heads {
    Together::start(workers, move |asked| {
        let store = store.clone();
        async move { store.heads_for(&asked).await }
    })
}

impl Chat {
    /// The changes of each room after its position, at most `limit` in all (but at least
    /// [`PER_ROOM_MIN`] for a room that is answered at all). A position beyond a room's head is
    /// answered from 0.
    pub(crate) async fn changes(
        &self,
        user: &UserId,
        since: &[Since],
        limit: i64,
    ) -> Result<HashMap<RoomId, SyncedRoom>, ChatError> {
        let rooms: Vec<RoomId> = since.iter().map(|since| since.room).collect();
        let heads = self.0.heads.ask((user.clone(), rooms)).await?;
        let mut answers = HashMap::with_capacity(since.len());
        let mut behind = Vec::new();
        for &Since { room, position } in since {
            let Some(&head) = heads.get(&room) else {
                answers.insert(room, SyncedRoom::Gone);
                continue;
            };
            let reset = position > head;
            let position = if reset { 0 } else { position };
            let more = position < head;
            if more && behind.len() < ROOMS_MAX {
                behind.push(Since { room, position });
            }
            let changes = Vec::new();
            answers.insert(
                room,
                SyncedRoom::Changes {
                    position,
                    more,
                    reset,
                    changes,
                },
            );
        }
        let each = limit / i64::try_from(behind.len().max(1)).unwrap_or(i64::MAX);
        let each = each.max(PER_ROOM_MIN.min(limit));
        let found = self.0.store.changes(user, &behind, each).await?;
        self.fill_in(&mut answers, &behind, found).await?;
        Ok(answers)
    }

    async fn fill_in(
        &self,
        answers: &mut HashMap<RoomId, SyncedRoom>,
        behind: &[Since],
        mut found: HashMap<RoomId, RoomChanges>,
    ) -> Result<(), ChatError> {
        let messages: Vec<MessageRow> = found
            .values()
            .flat_map(|room| &room.changes)
            .filter_map(message_of)
            .collect();
        let readers = self.0.store.readers(&messages).await?;
        for since in behind {
            let Some(answer) = answers.get_mut(&since.room) else {
                continue;
            };
            // Between the two reads the caller may have left.
            let Some(room) = found.remove(&since.room) else {
                *answer = SyncedRoom::Gone;
                continue;
            };
            if let SyncedRoom::Changes {
                position,
                more,
                changes,
                ..
            } = answer
            {
                *changes = room
                    .changes
                    .into_iter()
                    .map(|(at, change)| (at, view(change, &readers)))
                    .collect();
                *more = room.more;
                *position = match changes.last() {
                    Some((last, _)) if room.more => *last,
                    _ if room.more => *position,
                    _ => room.head,
                };
            }
        }
        Ok(())
    }
}

fn message_of((_, change): &(i64, ApiChange)) -> Option<MessageRow> {
    match change {
        ApiChange::Message(message) => Some(message.clone()),
        _ => None,
    }
}

fn view(change: ApiChange, readers: &crate::store::Readers) -> View {
    match change {
        ApiChange::Message(message) => View::Message(ReadMessage::new(message, readers)),
        ApiChange::Deleted(id) => View::Deleted(id),
        ApiChange::Member { user, joined } => View::Member { user, joined },
        ApiChange::Room { name } => View::Room { name },
    }
}
