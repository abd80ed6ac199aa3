//! Making rooms, adding to them, leaving them.

use roomwire_shared::{RoomId, UserId};

use super::{Chat, unix_seconds};
use crate::{
    bus::{Hint, Publication, Topic},
    domain::{ChatError, Kind, LogEntry, NewGroup, UserList, What},
    store::{Added, Created, Opened},
};

/// Users who are added in one transaction. While it lasts nobody else can write to the room, and others share what is
/// left of Postgres: a hundred at a time doubled what the slowest messages of other rooms took.
const ADDED_TOGETHER: usize = 10;

impl Chat {
    /// Makes a group of the caller and the named users. The members' sockets on this node are in it
    /// when this returns; those of other nodes follow from the log, before anything later in it.
    pub(crate) async fn create_room(
        &self,
        by: &UserId,
        group: NewGroup,
    ) -> Result<RoomId, ChatError> {
        let room = RoomId::new(unix_seconds(), rand::random());
        let NewGroup {
            title: name,
            users,
            details,
            client_id,
        } = group;
        let members = match users {
            Some(users) => users.led_by(by),
            None => vec![by.clone()],
        };
        let unknown = self.0.rules.unknown_users;
        let made = self
            .0
            .store
            .create_room(
                (room, name.as_str()),
                &members,
                (&details, client_id.as_ref()),
                unknown,
            )
            .await?;
        let (head, outbox) = match made {
            Created::Done { head, outbox } => (head, outbox),
            // Whoever made it has told of it, or its outbox row does.
            Created::Before { room, head } => {
                self.0.hub.reach(room, head).await;
                return Ok(room);
            }
            Created::Unknown(ids) => return Err(unknown_users(&ids)),
        };
        let named = LogEntry {
            position: 1,
            what: What::Named {
                name: name.as_str().to_owned(),
            },
        };
        let joinings = (2..)
            .zip(members)
            .map(|(position, user)| (user, position))
            .collect();
        self.publish_joinings(room, name.as_str(), (Some(named), joinings), outbox);
        self.0.hub.reach(room, head).await;
        Ok(room)
    }

    /// The private room of the caller and another user, made if there is none. Whoever of them has
    /// left it is a member again.
    pub(crate) async fn open_private(
        &self,
        by: &UserId,
        with: &UserId,
    ) -> Result<RoomId, ChatError> {
        if by == with {
            return Err(ChatError::invalid("this is your own id"));
        }
        let new = RoomId::new(unix_seconds(), rand::random());
        let unknown = self.0.rules.unknown_users;
        let opened = self.0.store.open_private(new, (by, with), unknown).await?;
        let (room, joined, outbox) = match opened {
            Opened::Done {
                room,
                joined,
                outbox,
            } => (room, joined, outbox),
            Opened::Unknown(ids) => return Err(unknown_users(&ids)),
        };
        if let (Some(outbox), Some(&(_, head))) = (outbox, joined.last()) {
            let named = (room == new).then(|| LogEntry {
                position: 1,
                what: What::Named {
                    name: String::new(),
                },
            });
            self.publish_joinings(room, "", (named, joined), outbox);
            self.0.hub.reach(room, head).await;
        }
        Ok(room)
    }

    /// Adds users to a room; those who are members already stay as they are.
    ///
    /// A long list is added in short transactions, between which others may use the room. The first finds out
    /// whether all of them may be added: what is refused adds nobody. Where the store goes away half-way, some may
    /// have been added, and asking again adds the others.
    pub(crate) async fn add_users(
        &self,
        by: &UserId,
        room: RoomId,
        users: UserList,
    ) -> Result<(), ChatError> {
        let users = users.into_vec();
        let unknown = self.0.rules.unknown_users;
        let store = &self.0.store;
        let mut parts = users.chunks(ADDED_TOGETHER);
        let first = parts.next().unwrap_or_default();
        let added = store
            .add_members(room, by, (first, &users), unknown)
            .await?;
        self.tell_added(room, added).await?;
        for part in parts {
            let added = store.add_more_members(room, part).await?;
            self.tell_added(room, added).await?;
        }
        Ok(())
    }

    async fn tell_added(&self, room: RoomId, added: Added) -> Result<(), ChatError> {
        match added {
            Added::Done {
                name,
                joined,
                outbox,
            } => {
                let (Some(outbox), Some(&(_, head))) = (outbox, joined.last()) else {
                    return Ok(());
                };
                self.publish_joinings(room, &name, (None, joined), outbox);
                self.0.hub.reach(room, head).await;
                Ok(())
            }
            Added::NoRoom => Err(ChatError::no_room()),
            Added::Forbidden => Err(ChatError::new(
                Kind::Forbidden,
                "you may not add users to this room",
            )),
            Added::Unknown(ids) => Err(unknown_users(&ids)),
        }
    }

    /// Ends the caller's membership. Their sockets on this node are out of the room when this
    /// returns; those of other nodes are shown nothing that is later in the log.
    pub(crate) async fn leave_room(&self, by: &UserId, room: RoomId) -> Result<(), ChatError> {
        let departure = self
            .0
            .store
            .leave(room, by)
            .await?
            .ok_or_else(ChatError::no_room)?;
        let left = LogEntry {
            position: departure.position,
            what: What::Left { user: by.clone() },
        };
        self.0.hub.offer(room, vec![left.clone()]);
        let hint = (Topic::Room(room), Hint::Entries(vec![left]));
        let publication = Publication::new([hint], departure.outbox);
        self.0.publisher.publish(publication);
        self.0.hub.reach(room, departure.position).await;
        Ok(())
    }

    fn publish_joinings(
        &self,
        room: RoomId,
        name: &str,
        (named, joinings): (Option<LogEntry>, Vec<(UserId, i64)>),
        outbox: i64,
    ) {
        let to_users = joinings.iter().map(|(user, position)| {
            let hint = Hint::Joined {
                room,
                name: name.to_owned(),
                position: *position,
            };
            (Topic::User(user.clone()), hint)
        });
        let entries: Vec<LogEntry> = named
            .into_iter()
            .chain(joinings.iter().map(|(user, position)| LogEntry {
                position: *position,
                what: What::Joined { user: user.clone() },
            }))
            .collect();
        let to_room = (Topic::Room(room), Hint::Entries(entries.clone()));
        let hints = std::iter::once(to_room).chain(to_users);
        let publication = Publication::new(hints, Some(outbox));
        self.0.hub.offer_joinings(room, name, entries);
        self.0.publisher.publish(publication);
    }
}

fn unknown_users(ids: &[String]) -> ChatError {
    let message = format!("these users are not known: {}", ids.join(", "));
    ChatError::new(Kind::UnknownUser, message)
}
