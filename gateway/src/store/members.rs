//! Users, and which rooms they are in.

use roomwire_shared::{RoomId, UserId};

use super::{Error, Store, error::id};

/// What a token says about a connecting user.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) user: UserId,
    pub(crate) name: Option<String>,
    pub(crate) picture: Option<String>,
}

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
    /// Notes the profiles of many users in one statement; writes only what is new.
    pub(crate) async fn see_users(&self, profiles: &[Profile]) -> Result<(), Error> {
        let users: Vec<&str> = profiles.iter().map(|p| p.user.as_str()).collect();
        let names: Vec<Option<&str>> = profiles.iter().map(|p| p.name.as_deref()).collect();
        let pictures: Vec<Option<&str>> = profiles.iter().map(|p| p.picture.as_deref()).collect();
        sqlx::query!(
            "select see_users($1, $2, $3)",
            users.as_slice() as &[&str],
            names.as_slice() as &[Option<&str>],
            pictures.as_slice() as &[Option<&str>],
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(())
    }

    /// All memberships of many users, in one query and one snapshot.
    pub(crate) async fn memberships(&self, users: &[UserId]) -> Result<Vec<Membership>, Error> {
        let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let rows = sqlx::query!(
            "select m.user_id, m.room_id, m.changed_position, r.name, r.position
            from members m
            join rooms r on r.id = m.room_id
            where m.user_id = any ($1) and not m.departed",
            users.as_slice() as &[&str],
        )
        .fetch_all(&self.pool)
        .await?;
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
}
