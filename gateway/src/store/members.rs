//! Which rooms users are in.

use std::collections::HashMap;

use roomwire_shared::{RoomId, UserId};

use super::{Error, Store, error::id, pool::repeatable};

/// A user is a member of a room whose log has come this far.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    pub(crate) user: UserId,
    pub(crate) room: RoomId,
    pub(crate) name: String,
    /// Head of the room's log in the snapshot that showed the membership.
    pub(crate) head: i64,
    /// Place of the joining.
    pub(crate) joined: i64,
}

impl Store {
    /// All memberships of many users, in one query and one snapshot.
    pub(crate) async fn memberships(&self, users: &[UserId]) -> Result<Vec<Membership>, Error> {
        let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let rows = repeatable!(
            sqlx::query!(
                "select m.user_id, m.room_id, m.changed_position, r.name, r.position
            from members m
            join rooms r on r.id = m.room_id
            where m.user_id = any ($1) and not m.departed",
                users.as_slice() as &[&str],
            )
            .fetch_all(&self.pool)
        )?;
        rows.into_iter()
            .map(|row| {
                Ok(Membership {
                    user: id(row.user_id.parse(), "members")?,
                    room: id(RoomId::from_bytes(&row.room_id), "members")?,
                    name: row.name,
                    head: row.position,
                    joined: row.changed_position,
                })
            })
            .collect()
    }

    /// One membership, if there is one.
    pub(crate) async fn membership(
        &self,
        user: &UserId,
        room: RoomId,
    ) -> Result<Option<Membership>, Error> {
        let row = repeatable!(
            sqlx::query!(
                "select m.changed_position, r.name, r.position
            from members m
            join rooms r on r.id = m.room_id
            where m.room_id = $1 and m.user_id = $2 and not m.departed",
                room.as_bytes().as_slice(),
                user.as_str(),
            )
            .fetch_optional(&self.pool)
        )?;
        Ok(row.map(|row| Membership {
            user: user.clone(),
            room,
            name: row.name,
            head: row.position,
            joined: row.changed_position,
        }))
    }

    /// For each of the users, the rooms with at most `members` members, up to `limit` of them, the
    /// newest first.
    pub(crate) async fn small_rooms(
        &self,
        users: &[UserId],
        members: i64,
        limit: i64,
    ) -> Result<HashMap<UserId, Vec<RoomId>>, Error> {
        let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let rows = repeatable!(
            sqlx::query!(
                r#"select w.id as "user_id!", s.room_id as "room_id!"
            from unnest($1::text[]) as w (id)
            cross join lateral (
                select m.room_id from members m
                join rooms r on r.id = m.room_id
                where m.user_id = w.id and not m.departed and r.member_count <= $2
                order by r.created_at desc limit $3
            ) s"#,
                users.as_slice() as &[&str],
                members,
                limit,
            )
            .fetch_all(&self.pool)
        )?;
        let mut rooms: HashMap<UserId, Vec<RoomId>> = HashMap::new();
        for row in rows {
            let user = id(row.user_id.parse(), "members")?;
            let room = id(RoomId::from_bytes(&row.room_id), "members")?;
            rooms.entry(user).or_default().push(room);
        }
        Ok(rooms)
    }
}
