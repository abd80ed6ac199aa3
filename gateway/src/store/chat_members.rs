//! Who is in rooms, as far as contract B lists them, and what they have not read.

use std::collections::HashMap;

use roomwire_shared::{MessageId, RoomId, UserId};

use super::{Error, Store, error::id, pool::repeatable};
use crate::domain::{Author, Window};

/// A member, or of a private room somebody who has left it.
#[derive(Debug, Clone)]
pub(crate) struct MemberRow {
    pub(crate) user: UserId,
    pub(crate) author: Author,
    pub(crate) role: Role,
    pub(crate) departed: bool,
    /// Names the membership; derived from room and user.
    pub(crate) id: MessageId,
    pub(crate) read_position: i64,
}

/// What a member is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Member,
    Administrator,
    Creator,
}

/// A room whose newest messages are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    pub(crate) room: RoomId,
    /// Only what was written after this place.
    pub(crate) after: i64,
}

impl Store {
    /// Of each room the first `limit` members in the order of joining, and then those of the
    /// `viewers` who are members and not among them. Of private rooms both, also who has left.
    pub(crate) async fn chat_members(
        &self,
        rooms: &[RoomId],
        viewers: &[(RoomId, UserId)],
        limit: i64,
    ) -> Result<HashMap<RoomId, Vec<MemberRow>>, Error> {
        let ids: Vec<&[u8]> = rooms
            .iter()
            .map(|room| room.as_bytes().as_slice())
            .collect();
        let viewer_rooms: Vec<&[u8]> = viewers
            .iter()
            .map(|(room, _)| room.as_bytes().as_slice())
            .collect();
        let viewer_users: Vec<&str> = viewers.iter().map(|(_, user)| user.as_str()).collect();
        let records = repeatable!(
            sqlx::query_as!(
                MemberRecord,
                // Every look-up is lateral and limited, so that none is planned as a pass over all
                // members of a room, or over all rooms.
                r#"select m.room_id as "room_id!", m.user_id as "user_id!", m.role as "role!",
                m.departed as "departed!", m.read_position as "read_position!",
                substr(sha256(m.room_id || convert_to(m.user_id, 'UTF8')), 1, 8) as "unique!",
                u.name, u.picture
            from (
                select first.*
                from unnest($1::bytea[]) as wanted (id)
                cross join lateral (
                    select r.kind from rooms r where r.id = wanted.id limit 1
                ) room
                cross join lateral (
                    select p.room_id, p.user_id, p.role, p.departed, p.changed_position,
                        p.read_position
                    from members p
                    where p.room_id = wanted.id and (not p.departed or room.kind = 1)
                    order by p.changed_position limit greatest($2::bigint, 2)
                ) first
                union
                select own.*
                from unnest($3::bytea[], $4::text[]) as viewer (room_id, user_id)
                cross join lateral (
                    select p.room_id, p.user_id, p.role, p.departed, p.changed_position,
                        p.read_position
                    from members p
                    where p.room_id = viewer.room_id and p.user_id = viewer.user_id
                        and not p.departed
                    limit 1
                ) own
            ) m
            cross join lateral (
                select s.name, s.picture from users s where s.id = m.user_id limit 1
            ) u
            order by m.room_id, m.changed_position"#,
                ids.as_slice() as &[&[u8]],
                limit,
                viewer_rooms.as_slice() as &[&[u8]],
                viewer_users.as_slice() as &[&str],
            )
            .fetch_all(&self.pool)
        )?;
        let mut members: HashMap<RoomId, Vec<MemberRow>> = HashMap::new();
        for record in records {
            let room = id(RoomId::from_bytes(&record.room_id), "members")?;
            members.entry(room).or_default().push(record.row()?);
        }
        Ok(members)
    }

    /// The newest messages of each room that are not deleted, at most `depth` and only such as were written after
    /// the given place. A room without any is left out.
    pub(crate) async fn windows(
        &self,
        rooms: &[Reach],
        depth: i64,
    ) -> Result<HashMap<RoomId, Window>, Error> {
        let ids: Vec<&[u8]> = rooms
            .iter()
            .map(|reach| reach.room.as_bytes().as_slice())
            .collect();
        let after: Vec<i64> = rooms.iter().map(|reach| reach.after).collect();
        let rows = repeatable!(
            sqlx::query!(
                r#"select w.room_id as "room_id!", w.after as "after!",
                array_agg(m.position) as "positions!", array_agg(m.sender) as "senders!",
                count(*) as "looked_at!", min(m.position) as "lowest!"
            from unnest($1::bytea[], $2::bigint[]) as w (room_id, after)
            cross join lateral (
                select m.position, m.sender from messages m
                where m.room_id = w.room_id and m.position > w.after and not m.deleted
                order by m.position desc limit $3
            ) m
            group by w.room_id, w.after"#,
                ids.as_slice() as &[&[u8]],
                &after,
                depth,
            )
            .fetch_all(&self.pool)
        )?;
        rows.into_iter()
            .map(|row| {
                let room = id(RoomId::from_bytes(&row.room_id), "messages")?;
                let complete_after = if row.looked_at < depth {
                    row.after
                } else {
                    row.lowest - 1
                };
                let messages = row
                    .positions
                    .into_iter()
                    .zip(&row.senders)
                    .map(|(position, sender)| Ok((position, id(sender.parse(), "messages")?)))
                    .collect::<Result<_, Error>>()?;
                Ok((room, Window::new(messages, complete_after)))
            })
            .collect()
    }
}

/// A member as the query returns it.
struct MemberRecord {
    room_id: Vec<u8>,
    user_id: String,
    role: i16,
    departed: bool,
    read_position: i64,
    unique: Vec<u8>,
    name: String,
    picture: Option<String>,
}

impl MemberRecord {
    fn row(self) -> Result<MemberRow, Error> {
        let role = match self.role {
            1 => Role::Member,
            2 => Role::Administrator,
            3 => Role::Creator,
            _ => return Err(Error::Inconsistent("members")),
        };
        // The room's own time in front, so that the id looks like any other.
        let time = self.room_id.get(..4).unwrap_or_default();
        Ok(MemberRow {
            user: id(self.user_id.parse(), "members")?,
            author: Author::new(Some(&self.name), self.picture.as_deref()),
            role,
            departed: self.departed,
            id: id(
                MessageId::from_bytes(&[time, &self.unique].concat()),
                "members",
            )?,
            read_position: self.read_position,
        })
    }
}
